/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What metadata of a migration says, followed write by write: which regions it
 * calls copied. docs/livemigrate.rst has the format.
 *
 * Between two flushes any of the writes may be on the disk, and any may not. So
 * two answers are kept: a region is *trusted* if some such choice calls it copied,
 * and *sure* if all of them do.
 */
#ifndef TESTS_TOOLS_LOGMETA_H
#define TESTS_TOOLS_LOGMETA_H

#include "common.h"

#include <endian.h>

#define META_SUPER	0x62734d4cu
#define META_ACTIVE	0x77614d4cu
#define META_BITMAP	0x6d624d4cu

#define META_BITS	3840u			/* in a sector */
#define META_WORDS	(META_BITS / 64)
#define META_BLOCK	8u			/* sectors */
#define META_COPIES	2u			/* of the superblock */
#define CHUNK_SECTORS	2048u

#define META_FAILED	2u
#define META_DROPPED	4u
#define META_SYNCED	16u
#define META_CLEAN	32u
#define META_STALE	64u

struct meta_sector {
	uint32_t csum, magic;
	uint64_t index;
	uint8_t uuid[16];
	union {
		struct {
			uint32_t version, flags;
			uint64_t generation, len;
			uint32_t region_size, zero;
			struct {
				uint64_t start, size;
				char id[144];
			} leg[2];
		} super;
		uint64_t bits[META_WORDS];
	};
} __attribute__((packed));

_Static_assert(sizeof(struct meta_sector) == SECTOR, "a sector");

/* A bit for each region: as it is, in all choices, in some choice. */
struct meta_view {
	uint64_t *now, *all, *any;
};

struct meta {
	uint8_t uuid[16];
	uint64_t len, region_size;		/* sectors */
	uint64_t regions, words, chunks, chunk_regions;
	uint64_t active_at, bitmap_at, end;	/* sectors of the device */
	struct meta_view set, quiet;		/* its bit is; its chunk's is not */
	uint64_t generation[META_COPIES];	/* 0: a superblock that is none */
	uint32_t flags[META_COPIES];
	bool usable, usable_all, usable_any;
	uint64_t bad_sectors;
	bool ignore_active;			/* to see the check fail */
};

static uint32_t crc32c(const void *data, size_t len)
{
	static uint32_t table[256];
	const unsigned char *p = data;
	uint32_t crc = ~0u, i, bit;

	for (i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78u : 0);
	}
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return crc;
}

static bool meta_is_good(const struct meta_sector *s, uint32_t magic,
			 uint64_t index)
{
	return le32toh(s->magic) == magic && le64toh(s->index) == index &&
	       le32toh(s->csum) == crc32c(&s->magic, SECTOR - sizeof(s->csum));
}

static void view_make(struct meta_view *v, uint64_t words)
{
	v->now = alloc_zeroed(words, sizeof(uint64_t));
	v->all = alloc_zeroed(words, sizeof(uint64_t));
	v->any = alloc_zeroed(words, sizeof(uint64_t));
}

/* All written so far is on the disk: no choices. */
static void view_settle(struct meta_view *v, uint64_t words)
{
	memcpy(v->all, v->now, words * sizeof(uint64_t));
	memcpy(v->any, v->now, words * sizeof(uint64_t));
}

static void view_put(struct meta_view *v, uint64_t word, uint64_t value)
{
	v->now[word] = value;
	v->all[word] &= value;
	v->any[word] |= value;
}

/* @super is the first that the log has. */
static void meta_begin(struct meta *m, const struct meta_sector *super)
{
	memset(m, 0, sizeof(*m));
	memcpy(m->uuid, super->uuid, sizeof(m->uuid));
	m->len = le64toh(super->super.len);
	m->region_size = le32toh(super->super.region_size);
	if (le32toh(super->super.version) != 1 || !m->len || !m->region_size ||
	    CHUNK_SECTORS % m->region_size ||
	    super->super.leg[0].start || super->super.leg[1].start)
		die("the superblock has a version, a size or an offset that this program does not know.");
	m->regions = (m->len + m->region_size - 1) / m->region_size;
	m->words = (m->regions + META_BITS - 1) / META_BITS * META_WORDS;
	m->chunk_regions = CHUNK_SECTORS / m->region_size;
	m->chunks = (m->len + CHUNK_SECTORS - 1) / CHUNK_SECTORS;
	m->active_at = META_COPIES * META_BLOCK;
	m->bitmap_at = m->active_at + (m->chunks + META_BITS * META_BLOCK - 1) /
				      (META_BITS * META_BLOCK) * META_BLOCK;
	m->end = m->bitmap_at + (m->regions + META_BITS - 1) / META_BITS;
	view_make(&m->set, m->words);
	/* There is nothing yet, which reads as active writes everywhere. */
	view_make(&m->quiet, m->words);
}

/* Does the newest superblock let its bits be used at all? */
static bool meta_usable(const struct meta *m, uint32_t *flags)
{
	unsigned int best = m->generation[1] > m->generation[0];

	*flags = m->flags[best];
	return m->generation[best] && !(*flags & (META_DROPPED | META_STALE));
}

/* Then it says that the legs are equal, whatever else. */
static bool meta_is_whole(const struct meta *m)
{
	uint32_t flags;

	return meta_usable(m, &flags) && flags & META_SYNCED &&
	       flags & META_CLEAN && !(flags & META_FAILED);
}

static void meta_put_super(struct meta *m, unsigned int copy,
			   const struct meta_sector *s)
{
	uint32_t flags;

	m->generation[copy] = 0;
	if (meta_is_good(s, META_SUPER, copy * META_BLOCK)) {
		if (memcmp(s->uuid, m->uuid, sizeof(m->uuid)))
			die("the log has the metadata of two migrations.");
		m->generation[copy] = le64toh(s->super.generation);
		m->flags[copy] = le32toh(s->super.flags);
	}
	m->usable = meta_usable(m, &flags);
	m->usable_any |= m->usable;
	m->usable_all &= m->usable;
}

static void meta_put_bitmap(struct meta *m, uint64_t n,
			    const struct meta_sector *s, bool good)
{
	uint64_t i;

	for (i = 0; i < META_WORDS; i++)
		view_put(&m->set, n * META_WORDS + i,
			 good ? le64toh(s->bits[i]) : 0);
}

static void meta_put_active(struct meta *m, uint64_t n,
			    const struct meta_sector *s, bool good)
{
	uint64_t i, region, end, chunk = n * META_BITS, word, value;
	bool active;

	for (i = 0; i < META_BITS && chunk < m->chunks; i++, chunk++) {
		active = !good || le64toh(s->bits[i / 64]) >> i % 64 & 1;
		if (m->ignore_active)
			active = false;
		region = chunk * m->chunk_regions;
		end = min_u64(region + m->chunk_regions, m->regions);
		while (region < end) {
			word = region / 64;
			value = m->quiet.now[word];
			do {
				value &= ~(1ull << region % 64);
				value |= (uint64_t)!active << region % 64;
			} while (++region < end && region % 64);
			view_put(&m->quiet, word, value);
		}
	}
}

/* One sector is written. */
static void meta_put(struct meta *m, uint64_t at, const struct meta_sector *s)
{
	bool good, active = at < m->bitmap_at;

	if (at < m->active_at) {
		if (at % META_BLOCK == 0)
			meta_put_super(m, (unsigned int)(at / META_BLOCK), s);
		return;
	}
	/* Blocks are written whole, and may have more sectors than are in use. */
	if (at >= m->end ||
	    (active && (at - m->active_at) * META_BITS >= m->chunks))
		return;
	good = meta_is_good(s, active ? META_ACTIVE : META_BITMAP, at) &&
	       !memcmp(s->uuid, m->uuid, sizeof(m->uuid));
	m->bad_sectors += !good;
	if (active)
		meta_put_active(m, at - m->active_at, s, good);
	else
		meta_put_bitmap(m, at - m->bitmap_at, s, good);
}

/* What was written so far is durable. */
static void meta_settle(struct meta *m)
{
	view_settle(&m->set, m->words);
	view_settle(&m->quiet, m->words);
	m->usable_all = m->usable_any = m->usable;
}

static uint64_t meta_trusted(const struct meta *m, uint64_t word)
{
	return m->usable_any ? m->set.any[word] & m->quiet.any[word] : 0;
}

static uint64_t meta_sure(const struct meta *m, uint64_t word)
{
	return m->usable_all ? m->set.all[word] & m->quiet.all[word] : 0;
}

#endif
