/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader of what dm-log-writes has written, entry by entry: a sector that says
 * what it is, and behind it the data, unless it was a discard.
 *
 * Entries come in the order in which they became durable: a write is there once
 * a flush has ended that began after it. Those that nothing has flushed come at
 * the very end.
 */
#ifndef TESTS_TOOLS_LOGWRITES_H
#define TESTS_TOOLS_LOGWRITES_H

#include "common.h"

#include <endian.h>

#define LOG_MAGIC	0x6a736677736872ull
#define LOG_VERSION	1
#define LOG_FLUSH	(1u << 0)
#define LOG_FUA		(1u << 1)
#define LOG_DISCARD	(1u << 2)
#define LOG_MARK	(1u << 3)
#define LOG_END		"dm-log-writes-end"

#define LOG_WINDOW	8192u		/* sectors read at a time */

struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
} __attribute__((packed));

struct log_head {
	uint64_t sector, nr_sectors, flags, data_len;
};

struct log_entry {
	uint64_t sector, nr_sectors;
	uint32_t flags;
	const unsigned char *data;	/* until the next one is read */
	char mark[64];			/* if it is one */
};

struct log {
	struct dev dev;
	uint64_t nr_entries, taken;
	uint64_t at;			/* sector of the next entry */
	unsigned char *window;
	uint64_t from, len;		/* what of the log is in it */
};

/* Sectors of the log, in memory until the next call. */
static const unsigned char *log_sectors(struct log *log, uint64_t at,
					uint64_t nr)
{
	ssize_t n;

	if (at >= log->from && at + nr <= log->from + log->len)
		return log->window + (at - log->from) * SECTOR;
	if (nr > LOG_WINDOW || at + nr > log->dev.sectors)
		die("%s: an entry of %" PRIu64 " sectors at %" PRIu64
		    " cannot be: is it a log?", log->dev.path, nr, at);
	log->from = at;
	log->len = min_u64(LOG_WINDOW, log->dev.sectors - at);
	n = pread(log->dev.fd, log->window, log->len * SECTOR,
		  (off_t)(at * SECTOR));
	if (n != (ssize_t)(log->len * SECTOR))
		die("%s cannot be read at sector %" PRIu64 ": %s.",
		    log->dev.path, at, n < 0 ? strerror(errno) : "too short");
	return log->window;
}

static void log_rewind(struct log *log)
{
	struct log_super super;

	memcpy(&super, log_sectors(log, 0, 1), sizeof(super));
	if (le64toh(super.magic) != LOG_MAGIC ||
	    le64toh(super.version) != LOG_VERSION)
		die("%s holds no log of dm-log-writes.", log->dev.path);
	if (le32toh(super.sectorsize) != SECTOR)
		die("%s: the log counts in blocks of %u bytes, not %u: use a device with those.",
		    log->dev.path, le32toh(super.sectorsize), SECTOR);
	log->nr_entries = le64toh(super.nr_entries);
	log->taken = 0;
	log->at = 1;
}

static void log_open(struct log *log, const char *path)
{
	open_dev(&log->dev, path, O_RDONLY);
	log->window = alloc_buffer(LOG_WINDOW * SECTOR);
	log_rewind(log);
}

/* The next entry; false behind the last. */
static bool log_next(struct log *log, struct log_entry *e)
{
	const unsigned char *sector;
	struct log_head head;
	size_t len;

	if (log->taken == log->nr_entries)
		return false;
	log->taken++;
	sector = log_sectors(log, log->at++, 1);
	memcpy(&head, sector, sizeof(head));
	e->sector = le64toh(head.sector);
	e->nr_sectors = le64toh(head.nr_sectors);
	e->flags = (uint32_t)le64toh(head.flags);
	e->data = NULL;
	e->mark[0] = '\0';
	if (e->flags & LOG_MARK) {
		len = min_u64(le64toh(head.data_len), sizeof(e->mark) - 1);
		memcpy(e->mark, sector + sizeof(head), len);
		e->mark[len] = '\0';
	} else if (!(e->flags & LOG_DISCARD) && e->nr_sectors) {
		e->data = log_sectors(log, log->at, e->nr_sectors);
		log->at += e->nr_sectors;
	}
	return true;
}

#endif
