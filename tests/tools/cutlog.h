/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal of a load that is cut off in the middle: what was issued, what
 * was acknowledged, what was flushed, and what the script that drives the
 * target had seen. It is memory that guest and host share, so a record is with
 * the host as soon as it is made; one that is on its way through a port when
 * the power goes is not.
 *
 * Slots are taken in order, by an atomic add, and a record is made before what
 * it announces and after what it reports: of two records, what the first
 * reports came before what the second announces. CUT_NONE is a slot that was
 * taken and not filled.
 */
#ifndef TESTS_TOOLS_CUTLOG_H
#define TESTS_TOOLS_CUTLOG_H

#include "common.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define CUT_MAGIC	0x31474f4c5455434cu
#define CUT_BYTES	(64u << 20)	/* a power of two: it is a PCI BAR */
#define CUT_MARK_LEN	40u

enum cut_kind {
	CUT_NONE,
	CUT_WRITE,	/* about to write: seq, sector, len */
	CUT_FUA,	/* the same, durable once it is acknowledged */
	CUT_ZERO,	/* the same with zeroes */
	CUT_ACK,	/* write seq is acknowledged */
	CUT_FLUSH,	/* about to flush: seq, of flushes */
	CUT_FLUSHED,	/* flush seq is acknowledged */
	CUT_ERROR,	/* the load saw an error, errno in len */
	CUT_MARK,	/* the script: text, and in seq what holds from now on */
};

/*
 * What the script promises with a mark: these legs hold all that is flushed. A
 * mark with none of them changes nothing.
 */
#define CUT_SOURCE	1u
#define CUT_DEST	2u
/* Nothing that is issued from now on may be found on this leg. */
#define CUT_NO_SOURCE	4u
#define CUT_NO_DEST	8u

struct cut_record {
	_Atomic uint32_t kind;		/* last to be set */
	uint32_t len;
	uint64_t seq, sector, ns;
};

struct cut_mark {
	_Atomic uint32_t kind;
	uint32_t claims;
	uint64_t ns;
	char text[CUT_MARK_LEN];
};

struct cut_slot {
	union {
		struct cut_record r;
		struct cut_mark m;
		unsigned char size[64];
	};
};

struct cut_log {
	uint64_t magic;
	uint32_t run;			/* of the stamps */
	uint32_t pad;
	_Atomic uint64_t next;
	_Atomic uint64_t acked;		/* for whoever waits */
	unsigned char rest[32];
	struct cut_slot slot[];
};

_Static_assert(sizeof(struct cut_slot) == 64, "a slot is 64 bytes");
_Static_assert(offsetof(struct cut_log, slot) == 64, "and so is the head");

#define CUT_SLOTS	((CUT_BYTES - 64) / 64)

static inline struct cut_log *cut_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct cut_log *log;

	if (fd < 0)
		die("%s cannot be opened: %s.", path, strerror(errno));
	log = mmap(NULL, CUT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (log == MAP_FAILED)
		die("%s cannot be mapped: %s.", path, strerror(errno));
	close(fd);
	return log;
}

static inline struct cut_slot *cut_take(struct cut_log *log)
{
	uint64_t n = atomic_fetch_add(&log->next, 1);

	if (n >= CUT_SLOTS)
		die("the journal is full.");
	return &log->slot[n];
}

static inline void cut_say(struct cut_log *log, enum cut_kind kind,
			   uint64_t seq, uint64_t sector, uint64_t len)
{
	struct cut_record *r = &cut_take(log)->r;

	r->seq = seq;
	r->sector = sector;
	r->len = (uint32_t)len;
	r->ns = now_ns();
	atomic_store(&r->kind, kind);
	if (kind == CUT_ACK)
		atomic_fetch_add(&log->acked, 1);
}

static inline void cut_mark(struct cut_log *log, const char *text,
			    uint32_t claims)
{
	struct cut_mark *m = &cut_take(log)->m;

	snprintf(m->text, sizeof(m->text), "%s", text);
	m->claims = claims;
	m->ns = now_ns();
	atomic_store(&m->kind, CUT_MARK);
}

#endif
