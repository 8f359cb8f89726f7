/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How fast to copy beside a guest; see pace.c.  Pure calculation: the caller brings
 * the time, and the lock.
 */
#ifndef DM_LIVEMIGRATE_PACE_H
#define DM_LIVEMIGRATE_PACE_H

#include <linux/types.h>

/* Nothing may begin before something that is under way has ended. */
#define LM_PACE_STOP	U64_MAX

/**
 * enum lm_pace_mode - what the pace does now
 * @LM_PACE_ALONE: the guest is still; take all.
 * @LM_PACE_LOW: copy little, and measure what a piece takes and what the guest gets.
 * @LM_PACE_CLIMB: faster from epoch to epoch, until it queues or costs the guest.
 * @LM_PACE_KEEP: the rate that was found, for a while.
 */
enum lm_pace_mode { LM_PACE_ALONE, LM_PACE_LOW, LM_PACE_CLIMB, LM_PACE_KEEP };

/**
 * struct lm_pace_guest - what the guest has done so far
 * @ios: reads, writes and discards.
 * @busy: ns in which any of them was under way.
 * @under_way: one is now.
 */
struct lm_pace_guest {
	u64 ios;
	u64 busy;
	bool under_way;
};

/**
 * struct lm_pace_leg - how long one leg takes for a piece
 * @nr: pieces measured since LM_PACE_LOW began.
 * @sum: their times, ns.
 * @deviation: the sum of their distances to the mean.
 * @longest: of them, ns.
 * @limit: what takes longer has queued, ns.
 */
struct lm_pace_leg {
	u64 nr;
	u64 sum;
	u64 deviation;
	u64 longest;
	u64 limit;
};

/**
 * struct lm_pace - one pace
 * @mode: as above.
 * @after_low: what follows LM_PACE_LOW.
 * @rate: what is begun, bytes/s.
 * @good: the last rate that did no harm.
 * @next: when the next piece may begin, ns.
 * @least: no piece is smaller, sectors.
 * @piece: sectors.
 * @divisor: a step up is the rate by this.
 * @streak: good epochs since it last changed, or rises in a row.
 * @unused: epochs since then in which the rate was not reached.
 * @drain: begin nothing until all is back.
 * @pause: a piece has queued: the same, but the rate stays.
 * @starved: the copier itself came too late.
 * @since: when the epoch began, ns.
 * @at: the guest, then.
 * @done: bytes that were read since then.
 * @answers: measured pieces since then.
 * @late: those of them that queued.
 * @guest_ios: the last count of the guest's.
 * @guest_at: when that changed, ns.
 * @alone_ios: the guest's I/Os per second in LM_PACE_LOW; 0: it was not busy.
 * @kept: the guest since LM_PACE_KEEP began; its busy: how long that is.
 * @keep_until: ns.
 * @keep: how long next time, ns.
 * @cuts: in a row.
 * @low_at: when to go low, ns.
 * @lows: how often it was low since the guest was still.
 * @full_since: when the measuring of @full_rate began, ns.
 * @full_bytes: written since then.
 * @full_rate: what the legs took while the guest was still, bytes/s; 0: not known.
 * @hurry: what is begun now is neither counted, but for @cap, nor measured.
 * @cap: copy_rate, KiB/s; 0 for none.
 * @cap_next: when that allows the next, ns.
 * @leg: the legs, as they answer.
 */
struct lm_pace {
	enum lm_pace_mode mode;
	enum lm_pace_mode after_low;
	u64 rate;
	u64 good;
	u64 next;
	unsigned int least;
	unsigned int piece;
	unsigned int divisor;
	unsigned int streak;
	unsigned int unused;
	bool drain;
	bool pause;
	bool starved;
	u64 since;
	struct lm_pace_guest at;
	u64 done;
	unsigned int answers;
	unsigned int late;
	u64 guest_ios;
	u64 guest_at;
	u64 alone_ios;
	struct lm_pace_guest kept;
	u64 keep_until;
	u64 keep;
	u64 low_at;
	unsigned int cuts;
	unsigned int lows;
	u64 full_since;
	u64 full_bytes;
	u64 full_rate;
	bool hurry;
	unsigned int cap;
	u64 cap_next;
	struct lm_pace_leg leg[2];
};

void lm_pace_restart(struct lm_pace *p);
void lm_pace_cap(struct lm_pace *p, unsigned int cap);
void lm_pace_init(struct lm_pace *p, unsigned int least, u64 now);
void lm_pace_look(struct lm_pace *p, const struct lm_pace_guest *guest, bool idle,
		  u64 now);
u64 lm_pace_wait(struct lm_pace *p, bool hurry, u64 now);
void lm_pace_begun(struct lm_pace *p, unsigned int sectors, u64 now);
void lm_pace_ended(struct lm_pace *p, unsigned int leg, unsigned int sectors,
		   u64 started, u64 now);

#endif
