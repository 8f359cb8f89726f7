/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which regions the standby holds: bits, counts, runs; see bitmap.c.  Knows nothing of
 * bios and phases.
 */
#ifndef DM_LIVEMIGRATE_BITMAP_H
#define DM_LIVEMIGRATE_BITMAP_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/types.h>

#define LM_CHUNK_SHIFT		11
#define LM_CHUNK_SECTORS	(1U << LM_CHUNK_SHIFT)
#define LM_MIN_REGION		8U
#define LM_MAX_REGION		LM_CHUNK_SECTORS
#define LM_CHUNK_PAGES		(LM_CHUNK_SECTORS / PAGE_SECTORS)
/* Regions in a chunk at the smallest region size: the length of all masks. */
#define LM_CHUNK_REGIONS	(LM_CHUNK_SECTORS / LM_MIN_REGION)

/* What set a bit.  Each has its counter; see lm_bitmap_done(). */
enum lm_cause {
	LM_COPIED,		/* the copier, with data */
	LM_WRITTEN,		/* a mirrored write that covered the region */
	LM_ZERO,		/* the copier, which found zeroes */
	LM_RESTORED,		/* saved by an earlier run */
	LM_NR_CAUSES
};

/**
 * struct lm_bitmap - which regions the standby holds, and which chunks of the
 * legs are not flushed.
 * @bits: a bit for each region.
 * @unflushed: a bit for each chunk: written to since the last flush that both
 *	legs ended well.
 * @flushing: the part of @unflushed that the flush now under way will cover.
 * @unsaved: a bit for each chunk whose bits have changed since they were last
 *	saved; NULL where they are not.
 * @collecting: bit 0 is held by the flush that owns @flushing.
 * @set: how many bits each cause has set.
 * @cleared: how many set bits were cleared again.
 */
struct lm_bitmap {
	unsigned long *bits;
	unsigned long *unflushed;
	unsigned long *flushing;
	unsigned long *unsaved;
	unsigned long collecting;
	sector_t nr_sectors;
	u64 nr_regions;
	u64 nr_chunks;
	unsigned int region_shift;
	atomic64_t set[LM_NR_CAUSES];
	atomic64_t cleared;
};

int lm_bitmap_init(struct lm_bitmap *b, sector_t nr_sectors,
		   unsigned int region_shift);
void lm_bitmap_exit(struct lm_bitmap *b);
u64 lm_bitmap_touched(const struct lm_bitmap *b, sector_t start, sector_t end,
		      u64 *first);
u64 lm_bitmap_covered(const struct lm_bitmap *b, sector_t start, sector_t end,
		      u64 *first);
u64 lm_bitmap_set(struct lm_bitmap *b, u64 first, u64 nr, enum lm_cause cause);
u64 lm_bitmap_clear(struct lm_bitmap *b, u64 first, u64 nr);
bool lm_bitmap_all_set(const struct lm_bitmap *b, u64 first, u64 nr);
bool lm_bitmap_any_set(const struct lm_bitmap *b, u64 first, u64 nr);
u64 lm_bitmap_next_clear(const struct lm_bitmap *b, u64 from, u64 end);
u64 lm_bitmap_clear_run(const struct lm_bitmap *b, u64 from, u64 max);
u64 lm_bitmap_counts(const struct lm_bitmap *b, u64 *set, u64 *cleared);
u64 lm_bitmap_done(const struct lm_bitmap *b);
bool lm_bitmap_full(const struct lm_bitmap *b);

void lm_unflushed_mark(struct lm_bitmap *b, sector_t start);
bool lm_unflushed_test(const struct lm_bitmap *b, sector_t start);
bool lm_unflushed_collect(struct lm_bitmap *b);
void lm_unflushed_drop(struct lm_bitmap *b);
void lm_unflushed_put_back(struct lm_bitmap *b);
u64 lm_unflushed_next(const struct lm_bitmap *b, u64 chunk, u64 end);
void lm_unflushed_reset(struct lm_bitmap *b);

unsigned long lm_bitmap_word(const struct lm_bitmap *b, u64 index);
int lm_unsaved_track(struct lm_bitmap *b);
void lm_unsaved_mark(struct lm_bitmap *b, u64 chunk);
bool lm_unsaved_test(const struct lm_bitmap *b, u64 chunk);
bool lm_unsaved_take(struct lm_bitmap *b, u64 chunk);
u64 lm_unsaved_next(const struct lm_bitmap *b, u64 chunk);

#endif
