// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges: who may touch which sectors now.
 *
 * Buckets are hashed by chunk; a range never leaves its chunk, so it lives in
 * one bucket, under one lock.  A bucket's list is in the order of coming.  A
 * range waits for every range before it in the list that overlaps it, held or
 * waiting alike: that keeps two writes to the same sectors in one order on both
 * legs, and lets nobody overtake.  Each waiter counts those it waits for
 * (@blockers); an unlock counts down those behind it, and whoever reaches zero
 * holds its range.
 *
 * A copy that still reads holds its range *yielding*: nobody waits for it, and
 * it waits for nobody.  Instead every region that another range touches is
 * marked in its @lost mask: those that were there when it came, and those that
 * come later.  lm_range_harden() ends that in one step under the bucket's lock:
 * the mask is final, and whoever comes from now on waits.  Those that came
 * before it did not count it, and must not be counted down for it; so hardening
 * moves it to the list's tail, and "behind it in the list" is again exactly
 * "waits for it".  (Their regions are in the mask, so the holder leaves them
 * alone.)
 */
#include "bitmap.h"
#include "range.h"

#include <linux/hash.h>
#include <linux/slab.h>

/**
 * lm_ranges_init - make the buckets
 * @rs: what holds them.
 * @region_shift: log2 of the sectors in a region, for the lost masks.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_ranges_init(struct lm_ranges *rs, unsigned int region_shift)
{
	unsigned int i;

	rs->region_shift = region_shift;
	rs->bucket = kvcalloc(LM_RANGE_BUCKETS, sizeof(*rs->bucket), GFP_KERNEL);
	if (!rs->bucket)
		return -ENOMEM;
	for (i = 0; i < LM_RANGE_BUCKETS; i++) {
		spin_lock_init(&rs->bucket[i].lock);
		INIT_LIST_HEAD(&rs->bucket[i].ranges);
	}
	return 0;
}

/**
 * lm_ranges_exit - free the buckets
 * @rs: what holds them; nobody may hold a range.
 *
 * Context: process, may sleep.
 */
void lm_ranges_exit(struct lm_ranges *rs)
{
	kvfree(rs->bucket);
	rs->bucket = NULL;
}

static struct lm_bucket *lm_bucket(struct lm_ranges *rs,
				   const struct lm_range *range)
{
	u64 chunk = range->start >> LM_CHUNK_SHIFT;

	return rs->bucket + hash_64(chunk, ilog2(LM_RANGE_BUCKETS));
}

static bool lm_overlap(const struct lm_range *a, const struct lm_range *b)
{
	return a->start < b->end && b->start < a->end;
}

/* Mark in @yielding's mask all regions of its own that @range touches. */
static void __lm_range_lose(struct lm_ranges *rs, struct lm_range *yielding,
			    const struct lm_range *range)
{
	sector_t start = max(range->start, yielding->start) - yielding->start;
	sector_t end = min(range->end, yielding->end) - yielding->start;
	unsigned int first = start >> rs->region_shift;
	unsigned int last = (end - 1) >> rs->region_shift;

	bitmap_set(yielding->lost, first, last - first + 1);
}

/* Append @range, which waits for whoever overlaps it. */
static bool __lm_range_add(struct lm_ranges *rs, struct lm_bucket *bucket,
			   struct lm_range *range)
{
	struct lm_range *other;

	lockdep_assert_held(&bucket->lock);

	range->blockers = 0;
	range->yielding = false;
	list_for_each_entry(other, &bucket->ranges, node)
		if (!other->yielding && lm_overlap(other, range))
			range->blockers++;
	list_for_each_entry(other, &bucket->ranges, node)
		if (other->yielding && lm_overlap(other, range))
			__lm_range_lose(rs, other, range);
	list_add_tail(&range->node, &bucket->ranges);
	if (range->blockers)
		range->queued = ktime_get();
	return !range->blockers;
}

/**
 * lm_range_lock - hold a range, or wait for it
 * @rs: the buckets.
 * @range: start, end and granted are set.
 *
 * Context: any; takes the bucket's lock.
 * Return: true if it is held now; else @range->granted is called when it is,
 * and @range may be gone by the time that this returns.
 */
bool lm_range_lock(struct lm_ranges *rs, struct lm_range *range)
{
	struct lm_bucket *bucket = lm_bucket(rs, range);
	unsigned long flags;
	bool held;

	spin_lock_irqsave(&bucket->lock, flags);
	held = __lm_range_add(rs, bucket, range);
	spin_unlock_irqrestore(&bucket->lock, flags);
	return held;
}

/**
 * lm_range_lock_yielding - hold a range and give way in it
 * @rs: the buckets.
 * @range: start, at the beginning of a region, end and lost are set.
 *
 * Never waits.  Regions that others hold or wait for are marked in @range->lost
 * from the first; others follow as they come.
 *
 * Context: any; takes the bucket's lock.
 */
void lm_range_lock_yielding(struct lm_ranges *rs, struct lm_range *range)
{
	struct lm_bucket *bucket = lm_bucket(rs, range);
	struct lm_range *other;
	unsigned long flags;

	spin_lock_irqsave(&bucket->lock, flags);
	range->blockers = 0;
	range->yielding = true;
	list_for_each_entry(other, &bucket->ranges, node)
		if (lm_overlap(other, range))
			__lm_range_lose(rs, range, other);
	list_add_tail(&range->node, &bucket->ranges);
	spin_unlock_irqrestore(&bucket->lock, flags);
}

/**
 * lm_range_harden - give way no longer
 * @rs: the buckets.
 * @range: held, yielding.
 *
 * From here on @range->lost does not change, and whoever comes waits.
 *
 * Context: any; takes the bucket's lock.
 */
void lm_range_harden(struct lm_ranges *rs, struct lm_range *range)
{
	struct lm_bucket *bucket = lm_bucket(rs, range);
	unsigned long flags;

	spin_lock_irqsave(&bucket->lock, flags);
	range->yielding = false;
	list_move_tail(&range->node, &bucket->ranges);
	spin_unlock_irqrestore(&bucket->lock, flags);
}

/**
 * lm_range_unlock - let a range go
 * @rs: the buckets.
 * @range: held.
 *
 * Calls @granted of those whose turn it is now.
 *
 * Context: any, with no lock held that a @granted takes; takes the bucket's
 * lock.
 */
void lm_range_unlock(struct lm_ranges *rs, struct lm_range *range)
{
	struct lm_bucket *bucket = lm_bucket(rs, range);
	struct lm_range *other, *next;
	unsigned long flags;
	LIST_HEAD(granted);

	spin_lock_irqsave(&bucket->lock, flags);
	other = range;
	list_for_each_entry_continue(other, &bucket->ranges, node) {
		/* Nobody waits for a yielding range, nor it for anybody. */
		if (range->yielding || !other->blockers ||
		    !lm_overlap(range, other))
			continue;
		if (!--other->blockers)
			list_add_tail(&other->grant, &granted);
	}
	list_del(&range->node);
	spin_unlock_irqrestore(&bucket->lock, flags);

	list_for_each_entry_safe(other, next, &granted, grant)
		other->granted(other);
}

/**
 * lm_range_set_sent - what a holder has sent has changed
 * @rs: the buckets.
 * @range: held.
 * @sent: the new, or NULL: nobody looks at the old one after this.
 *
 * Context: any; takes the bucket's lock.
 */
void lm_range_set_sent(struct lm_ranges *rs, struct lm_range *range, void *sent)
{
	struct lm_bucket *bucket = lm_bucket(rs, range);
	unsigned long flags;

	spin_lock_irqsave(&bucket->lock, flags);
	range->sent = sent;
	spin_unlock_irqrestore(&bucket->lock, flags);
}

/**
 * lm_ranges_for_each - look at all ranges
 * @rs: the buckets.
 * @fn: called for each, held or waiting, under its bucket's lock.
 * @arg: for @fn.
 *
 * Context: any; takes one bucket's lock after another.
 */
void lm_ranges_for_each(struct lm_ranges *rs,
			void (*fn)(struct lm_range *range, void *arg), void *arg)
{
	struct lm_range *range;
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < LM_RANGE_BUCKETS; i++) {
		struct lm_bucket *bucket = &rs->bucket[i];

		spin_lock_irqsave(&bucket->lock, flags);
		list_for_each_entry(range, &bucket->ranges, node)
			fn(range, arg);
		spin_unlock_irqrestore(&bucket->lock, flags);
	}
}

/**
 * lm_range_if_quiet - do something while no guest touches some sectors
 * @rs: the buckets.
 * @start: first sector.
 * @end: the sector behind the last, in the same chunk.
 * @fn: called under the bucket's lock: atomic bit operations, no more.
 * @arg: for @fn.
 *
 * Who holds a range there after this has seen what @fn did.  Copies and checks
 * do not count.
 *
 * Context: any; takes the bucket's lock.
 * Return: false if a guest holds or waits for a range there; then @fn was not
 * called.
 */
bool lm_range_if_quiet(struct lm_ranges *rs, sector_t start, sector_t end,
		       void (*fn)(void *arg), void *arg)
{
	struct lm_range all = { .start = start, .end = end };
	struct lm_bucket *bucket = lm_bucket(rs, &all);
	struct lm_range *other;
	unsigned long flags;
	bool quiet = true;

	spin_lock_irqsave(&bucket->lock, flags);
	list_for_each_entry(other, &bucket->ranges, node)
		if (other->kind == LM_RANGE_GUEST && lm_overlap(other, &all))
			quiet = false;
	if (quiet)
		fn(arg);
	spin_unlock_irqrestore(&bucket->lock, flags);
	return quiet;
}
