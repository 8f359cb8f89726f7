/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may touch which sectors now; see range.c.  Does not know what for.
 */
#ifndef DM_LIVEMIGRATE_RANGE_H
#define DM_LIVEMIGRATE_RANGE_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define LM_RANGE_BUCKETS	256

/**
 * struct lm_range - sectors that somebody holds or waits for.
 * @start: first sector.
 * @end: the sector behind the last.  Never beyond @start's chunk.
 * @granted: called once when a range that lm_range_lock() queued is held: from
 *	any context, with no lock of range.c held, possibly before
 *	lm_range_lock() has returned.
 * @lost: where the holder gives way while it reads: a bit for each region from
 *	@start on that somebody else has touched.  NULL for all others.
 * @kind: whose it is.
 * @sent: what the holder has sent, for lm_ranges_for_each(); else NULL.
 * @queued: when it began to wait.
 *
 * The rest belongs to range.c.
 */
enum lm_range_kind { LM_RANGE_GUEST, LM_RANGE_COPY, LM_RANGE_CHECK };

struct lm_range {
	sector_t start;
	sector_t end;
	void (*granted)(struct lm_range *range);
	unsigned long *lost;
	enum lm_range_kind kind;
	void *sent;
	ktime_t queued;

	struct list_head node;
	struct list_head grant;
	unsigned int blockers;
	bool yielding;
};

struct lm_bucket {
	spinlock_t lock;
	struct list_head ranges;	/* in the order of their coming */
};

struct lm_ranges {
	unsigned int region_shift;
	struct lm_bucket *bucket;
};

int lm_ranges_init(struct lm_ranges *rs, unsigned int region_shift);
void lm_ranges_exit(struct lm_ranges *rs);
bool lm_range_lock(struct lm_ranges *rs, struct lm_range *range);
void lm_range_lock_yielding(struct lm_ranges *rs, struct lm_range *range);
void lm_range_harden(struct lm_ranges *rs, struct lm_range *range);
void lm_range_unlock(struct lm_ranges *rs, struct lm_range *range);
void lm_range_set_sent(struct lm_ranges *rs, struct lm_range *range, void *sent);
void lm_ranges_for_each(struct lm_ranges *rs,
			void (*fn)(struct lm_range *range, void *arg), void *arg);
bool lm_range_if_quiet(struct lm_ranges *rs, sector_t start, sector_t end,
		       void (*fn)(void *arg), void *arg);

#endif
