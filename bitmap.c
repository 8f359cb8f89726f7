// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three sets of bits: which regions the standby holds; which chunks were
 * written to since both legs were last flushed; and, where the bits are kept on
 * a metadata device, the chunks in which they have changed since.
 *
 * A region's bit is set by atomic operations on its word, without a lock.
 * Every clearing happens under lm_phase.lock, which belongs to the caller; so
 * under that lock the number of set bits can only grow, and
 * lm_bitmap_full() can trust it.
 *
 * 64 TiB in regions of 4 KiB are 2^34 bits: the kernel's bitmap_*() helpers,
 * which count in unsigned int, will not do.
 */
#include "bitmap.h"

#include <linux/bitops.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

/* How many bits one call of find_next_zero_bit() looks at. */
#define LM_SCAN_BITS (1UL << 20)

static unsigned long *lm_alloc_bits(u64 nr)
{
	/* More than there is may well be asked for: that is no kernel's fault. */
	return __vmalloc(array_size(BITS_TO_LONGS(nr), sizeof(unsigned long)),
			 GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
}

/**
 * lm_bitmap_init - make an empty bitmap
 * @b: the bitmap.
 * @nr_sectors: length of the device, sectors.
 * @region_shift: log2 of the sectors in a region.
 *
 * Context: process, may sleep.
 * Return: 0, -ENOMEM, or -EFBIG if this machine cannot count the regions.
 */
int lm_bitmap_init(struct lm_bitmap *b, sector_t nr_sectors,
		   unsigned int region_shift)
{
	memset(b, 0, sizeof(*b));
	b->nr_sectors = nr_sectors;
	b->region_shift = region_shift;
	b->nr_regions = ((nr_sectors - 1) >> region_shift) + 1;
	b->nr_chunks = ((nr_sectors - 1) >> LM_CHUNK_SHIFT) + 1;
	if (b->nr_regions > ULONG_MAX - BITS_PER_LONG)
		return -EFBIG;

	b->bits = lm_alloc_bits(b->nr_regions);
	b->unflushed = lm_alloc_bits(b->nr_chunks);
	b->flushing = lm_alloc_bits(b->nr_chunks);
	if (!b->bits || !b->unflushed || !b->flushing) {
		lm_bitmap_exit(b);
		return -ENOMEM;
	}
	return 0;
}

/**
 * lm_bitmap_exit - free a bitmap
 * @b: the bitmap; one that lm_bitmap_init() failed to make will do.
 *
 * Context: process, may sleep.
 */
void lm_bitmap_exit(struct lm_bitmap *b)
{
	vfree(b->bits);
	vfree(b->unflushed);
	vfree(b->flushing);
	vfree(b->unsaved);
	b->bits = NULL;
	b->unsaved = NULL;
	b->unflushed = NULL;
	b->flushing = NULL;
}

/**
 * lm_bitmap_touched - the regions that some sectors touch, whole or in part
 * @b: the bitmap.
 * @start: first sector.
 * @end: the sector behind the last, above @start.
 * @first: the first such region.
 *
 * Context: any.
 * Return: how many regions.
 */
u64 lm_bitmap_touched(const struct lm_bitmap *b, sector_t start, sector_t end,
		      u64 *first)
{
	*first = start >> b->region_shift;
	return ((end - 1) >> b->region_shift) - *first + 1;
}

/**
 * lm_bitmap_covered - the regions that some sectors cover whole
 * @b: the bitmap.
 * @start: first sector.
 * @end: the sector behind the last.
 * @first: the first such region.
 *
 * The device's last region may be short: it is covered by all that it has.
 *
 * Context: any.
 * Return: how many regions, 0 for none.
 */
u64 lm_bitmap_covered(const struct lm_bitmap *b, sector_t start, sector_t end,
		      u64 *first)
{
	sector_t mask = (1UL << b->region_shift) - 1;
	u64 last;

	*first = (start + mask) >> b->region_shift;
	last = end == b->nr_sectors ? b->nr_regions : end >> b->region_shift;
	return last > *first ? last - *first : 0;
}

/*
 * The bits of [first, first + nr) that lie in the word of @first; @nr and
 * @first go on to the next word.
 */
static unsigned long lm_word_mask(u64 *first, u64 *nr)
{
	unsigned int shift = *first % BITS_PER_LONG;
	u64 n = min_t(u64, *nr, BITS_PER_LONG - shift);
	unsigned long mask = ~0UL >> (BITS_PER_LONG - n) << shift;

	*first += n;
	*nr -= n;
	return mask;
}

/*
 * After the bits have changed: who takes the mark sees them, or finds the mark
 * again.
 */
static void lm_unsaved_mark_regions(struct lm_bitmap *b, u64 first, u64 nr)
{
	unsigned int shift = LM_CHUNK_SHIFT - b->region_shift;
	u64 chunk, last = (first + nr - 1) >> shift;

	if (!b->unsaved)
		return;
	for (chunk = first >> shift; chunk <= last; chunk++)
		lm_unsaved_mark(b, chunk);
}

/**
 * lm_bitmap_set - set bits
 * @b: the bitmap.
 * @first: first region.
 * @nr: how many.
 * @cause: whose counter grows by those that were clear.
 *
 * Ordering: what the caller wrote before is seen by who sees the bits, unless
 * all of them were set already.
 *
 * Context: any, no lock.
 * Return: how many were clear.
 */
u64 lm_bitmap_set(struct lm_bitmap *b, u64 first, u64 nr, enum lm_cause cause)
{
	u64 start = first, len = nr, news = 0;

	while (nr) {
		unsigned long *word = b->bits + first / BITS_PER_LONG;
		unsigned long mask = lm_word_mask(&first, &nr);

		if ((READ_ONCE(*word) & mask) == mask)
			continue;
		mask &= ~atomic_long_fetch_or(mask, (atomic_long_t *)word);
		news += hweight_long(mask);
	}
	/* After the bits: lm_bitmap_full() must never run ahead of them. */
	if (news) {
		atomic64_add(news, &b->set[cause]);
		lm_unsaved_mark_regions(b, start, len);
	}
	return news;
}

/**
 * lm_bitmap_clear - clear bits
 * @b: the bitmap.
 * @first: first region.
 * @nr: how many.
 *
 * Context: any, under lm_phase.lock.
 * Return: how many were set.
 */
u64 lm_bitmap_clear(struct lm_bitmap *b, u64 first, u64 nr)
{
	u64 start = first, len = nr, gone = 0;

	while (nr) {
		unsigned long *word = b->bits + first / BITS_PER_LONG;
		unsigned long mask = lm_word_mask(&first, &nr);

		if (!(READ_ONCE(*word) & mask))
			continue;
		mask &= atomic_long_fetch_andnot(mask, (atomic_long_t *)word);
		gone += hweight_long(mask);
	}
	if (gone) {
		atomic64_add(gone, &b->cleared);
		lm_unsaved_mark_regions(b, start, len);
	}
	return gone;
}

/**
 * lm_bitmap_all_set - are all these bits set?
 * @b: the bitmap.
 * @first: first region.
 * @nr: how many.
 *
 * Context: any.
 */
bool lm_bitmap_all_set(const struct lm_bitmap *b, u64 first, u64 nr)
{
	while (nr) {
		const unsigned long *word = b->bits + first / BITS_PER_LONG;
		unsigned long mask = lm_word_mask(&first, &nr);

		if ((READ_ONCE(*word) & mask) != mask)
			return false;
	}
	return true;
}

/**
 * lm_bitmap_any_set - is any of these bits set?
 * @b: the bitmap.
 * @first: first region.
 * @nr: how many.
 *
 * Context: any.
 */
bool lm_bitmap_any_set(const struct lm_bitmap *b, u64 first, u64 nr)
{
	while (nr) {
		const unsigned long *word = b->bits + first / BITS_PER_LONG;
		unsigned long mask = lm_word_mask(&first, &nr);

		if (READ_ONCE(*word) & mask)
			return true;
	}
	return false;
}

/**
 * lm_bitmap_next_clear - find a clear bit
 * @b: the bitmap.
 * @from: first region to look at.
 * @end: the region behind the last.
 *
 * Context: process, may sleep: a large bitmap takes its time.
 * Return: the region, or @end.
 */
u64 lm_bitmap_next_clear(const struct lm_bitmap *b, u64 from, u64 end)
{
	while (from < end) {
		unsigned long stop = min_t(u64, end, from + LM_SCAN_BITS);
		unsigned long found = find_next_zero_bit(b->bits, stop, from);

		if (found < stop)
			return found;
		from = stop;
		cond_resched();
	}
	return end;
}

/**
 * lm_bitmap_clear_run - how far clear bits go on
 * @b: the bitmap.
 * @from: a region.
 * @max: how many regions to look at, at most.
 *
 * Context: any.
 * Return: how many regions from @from on are clear in one run.
 */
u64 lm_bitmap_clear_run(const struct lm_bitmap *b, u64 from, u64 max)
{
	u64 end = min(from + max, b->nr_regions);

	return find_next_bit(b->bits, end, from) - from;
}

/**
 * lm_bitmap_counts - the counters, and how many bits are set
 * @b: the bitmap.
 * @set: how many bits each cause has set, LM_NR_CAUSES of them.
 * @cleared: how many were cleared again.
 *
 * While bits change the result may be a little behind.
 *
 * Context: any; under lm_phase.lock it never runs ahead.
 * Return: copied + written_skipped + zero_skipped + restored - cleared.
 */
u64 lm_bitmap_counts(const struct lm_bitmap *b, u64 *set, u64 *cleared)
{
	s64 done = 0;
	int i;

	for (i = 0; i < LM_NR_CAUSES; i++) {
		set[i] = atomic64_read(&b->set[i]);
		done += set[i];
	}
	*cleared = atomic64_read(&b->cleared);

	return clamp_t(s64, done - *cleared, 0, b->nr_regions);
}

/**
 * lm_bitmap_done - how many bits are set
 * @b: the bitmap.
 *
 * Context: any; as lm_bitmap_counts().
 */
u64 lm_bitmap_done(const struct lm_bitmap *b)
{
	u64 set[LM_NR_CAUSES], cleared;

	return lm_bitmap_counts(b, set, &cleared);
}

/**
 * lm_bitmap_full - are all bits set?
 * @b: the bitmap.
 *
 * Each counter grows only after its bits are set, and nothing is cleared under
 * the caller's lock: a sum that is full is the truth.
 *
 * Context: any, under lm_phase.lock for an answer that lasts.
 */
bool lm_bitmap_full(const struct lm_bitmap *b)
{
	return lm_bitmap_done(b) == b->nr_regions;
}

/**
 * lm_unflushed_mark - remember that a chunk was written to
 * @b: the bitmap.
 * @start: a sector in the chunk.
 *
 * To be called when the write has ended on the legs and before its bits are
 * set: a flush that begins later covers it, whatever this finds.
 *
 * Context: any, no lock.
 */
void lm_unflushed_mark(struct lm_bitmap *b, sector_t start)
{
	u64 chunk = start >> LM_CHUNK_SHIFT;

	/* Most writes go to a chunk that is marked: spare them the lock prefix. */
	if (!test_bit(chunk, b->unflushed))
		set_bit(chunk, b->unflushed);
}

/**
 * lm_unflushed_test - was a chunk written to since the last good flush?
 * @b: the bitmap.
 * @start: a sector in the chunk.
 *
 * Context: any.
 */
bool lm_unflushed_test(const struct lm_bitmap *b, sector_t start)
{
	u64 chunk = start >> LM_CHUNK_SHIFT;

	if (test_bit(chunk, b->unflushed))
		return true;
	/* It may be moved from one to the other, and back: in that order. */
	smp_rmb();
	if (test_bit(chunk, b->flushing))
		return true;
	/* Pairs with lm_unflushed_put_back(). */
	smp_rmb();
	return test_bit(chunk, b->unflushed);
}

/* Marked in one of the two at every instant. */
static void lm_unflushed_move(struct lm_bitmap *b, u64 w)
{
	unsigned long bits = READ_ONCE(b->unflushed[w]);

	if (!bits)
		return;
	WRITE_ONCE(b->flushing[w], bits);
	/* Pairs with lm_unflushed_test(). */
	smp_mb();
	atomic_long_andnot(bits, (atomic_long_t *)&b->unflushed[w]);
}

/**
 * lm_unflushed_collect - a flush of both legs is about to be sent
 * @b: the bitmap.
 *
 * Sets the marks of now aside.  One flush at a time can; one that cannot
 * leaves the marks alone, which is safe.
 *
 * Context: any, no lock.
 * Return: true if the caller now owes lm_unflushed_drop() or
 * lm_unflushed_put_back().
 */
bool lm_unflushed_collect(struct lm_bitmap *b)
{
	u64 w;

	if (test_and_set_bit(0, &b->collecting))
		return false;

	for (w = 0; w < BITS_TO_LONGS(b->nr_chunks); w++)
		lm_unflushed_move(b, w);
	/* Orders the marks before the flush that follows. */
	smp_mb();
	return true;
}

/**
 * lm_unflushed_drop - the flush that collected has ended well on both legs
 * @b: the bitmap.
 *
 * Context: any, no lock.
 */
void lm_unflushed_drop(struct lm_bitmap *b)
{
	u64 w;

	for (w = 0; w < BITS_TO_LONGS(b->nr_chunks); w++)
		if (b->flushing[w])
			WRITE_ONCE(b->flushing[w], 0);
	clear_bit_unlock(0, &b->collecting);
}

/**
 * lm_unflushed_put_back - the flush that collected has failed
 * @b: the bitmap.
 *
 * Context: any, no lock.  Before the flush lets go of its legs, because reattach
 * goes by the marks.
 */
void lm_unflushed_put_back(struct lm_bitmap *b)
{
	u64 w;

	for (w = 0; w < BITS_TO_LONGS(b->nr_chunks); w++) {
		if (!b->flushing[w])
			continue;
		/* Marked in one of the two at every instant. */
		atomic_long_or(b->flushing[w], (atomic_long_t *)&b->unflushed[w]);
		WRITE_ONCE(b->flushing[w], 0);
	}
	clear_bit_unlock(0, &b->collecting);
}

/**
 * lm_unflushed_next - find a marked chunk
 * @b: the bitmap.
 * @chunk: first to look at.
 * @end: the chunk behind the last.
 *
 * Context: any; with nothing in flight, for an answer that lasts.
 * Return: the chunk, or @end.
 */
u64 lm_unflushed_next(const struct lm_bitmap *b, u64 chunk, u64 end)
{
	u64 first = find_next_bit(b->unflushed, end, chunk);

	/* As in lm_unflushed_test(). */
	smp_rmb();
	first = min_t(u64, first, find_next_bit(b->flushing, end, chunk));
	/* As above. */
	smp_rmb();
	return min_t(u64, first, find_next_bit(b->unflushed, end, chunk));
}

/**
 * lm_unflushed_reset - forget all marks
 * @b: the bitmap.
 *
 * Context: process, with no write and no flush of both legs in flight.
 */
void lm_unflushed_reset(struct lm_bitmap *b)
{
	memset(b->unflushed, 0, BITS_TO_LONGS(b->nr_chunks) * sizeof(long));
	memset(b->flushing, 0, BITS_TO_LONGS(b->nr_chunks) * sizeof(long));
}

/**
 * lm_bitmap_word - some bits at once, to be saved
 * @b: the bitmap.
 * @index: which word of it.
 *
 * Context: any.
 * Return: the word, zeroes behind the end.
 */
unsigned long lm_bitmap_word(const struct lm_bitmap *b, u64 index)
{
	return index < BITS_TO_LONGS(b->nr_regions) ? READ_ONCE(b->bits[index]) : 0;
}

/**
 * lm_unsaved_track - keep account of the chunks whose bits change
 * @b: the bitmap.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_unsaved_track(struct lm_bitmap *b)
{
	b->unsaved = lm_alloc_bits(b->nr_chunks);
	return b->unsaved ? 0 : -ENOMEM;
}

/**
 * lm_unsaved_mark - a chunk's bits differ from what is saved
 * @b: the bitmap, which keeps account.
 * @chunk: the chunk.
 *
 * Context: any, no lock.
 */
void lm_unsaved_mark(struct lm_bitmap *b, u64 chunk)
{
	/* Pairs with lm_unsaved_take(): the bits before the look at the mark. */
	smp_mb();
	if (!test_bit(chunk, b->unsaved))
		set_bit(chunk, b->unsaved);
}

/**
 * lm_unsaved_test - do a chunk's bits differ from what is saved?
 * @b: the bitmap, which keeps account.
 * @chunk: the chunk.
 *
 * Context: any.
 */
bool lm_unsaved_test(const struct lm_bitmap *b, u64 chunk)
{
	return test_bit(chunk, b->unsaved);
}

/**
 * lm_unsaved_take - a chunk's bits are about to be read, to be saved
 * @b: the bitmap, which keeps account.
 * @chunk: the chunk.
 *
 * Context: any.
 * Return: whether it was marked; it is not any more.
 */
bool lm_unsaved_take(struct lm_bitmap *b, u64 chunk)
{
	/* Fully ordered: the mark goes before the bits are read. */
	return test_and_clear_bit(chunk, b->unsaved);
}

/**
 * lm_unsaved_next - find a chunk whose bits differ from what is saved
 * @b: the bitmap, which keeps account.
 * @chunk: first to look at.
 *
 * Context: any.
 * Return: the chunk, or the number of chunks.
 */
u64 lm_unsaved_next(const struct lm_bitmap *b, u64 chunk)
{
	return find_next_bit(b->unsaved, b->nr_chunks, chunk);
}
