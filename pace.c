// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast to copy, so that a disk is neither idle nor queued up.
 *
 * While the guest is still nothing holds the copier back.  Beside a guest it
 * begins pieces of equal size at equal distances: a rate, not a depth, because
 * a burst of pieces is what the guest's next write would wait behind.
 *
 * The rate is found by trying.  From time to time the copier goes low, to an
 * eighth, and measures what its pieces take then, and what the guest gets.
 * From there it climbs in steps, an epoch each.  When pieces begin to take much
 * longer than they did, the disk queues; when a guest that keeps its disk busy
 * gets less than it did, it pays.  Then all that is under way is awaited, so
 * that the queue is gone, and it goes on from the last good rate in smaller
 * steps.  Once these are small, it stays a little below what it has found, for
 * longer and longer.
 *
 * The measured time is a mean and its deviation, as TCP has them (RFC 6298),
 * and not a minimum as CoDel's (RFC 8289): disks that seek have no typical one,
 * and a queue that always stands hides it.  docs/design.rst has the constants,
 * and what chose them.
 */
#include "pace.h"

#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#define MS			1000000ULL
#define SECOND			(1000 * MS)

/* Sectors; the last one while the guest is still. */
#define PIECE_MIN		128U
#define PIECE_MAX		512U
#define PIECE_STILL_MAX		2048U
/*
 * While it is still, all that is under way should take about 32 ms, which is what a
 * guest that comes back waits for once.  So many answers in a row allow larger pieces.
 */
#define STILL_QUICK		(16 * MS)
#define STILL_SLOW		(64 * MS)
#define STILL_ANSWERS		16

/* A guest that does nothing for so long is still; one that is there shows it sooner. */
#define STILL			(100 * MS)
#define STILL_FIRST		(25 * MS)
/* Three ticks of the coarsest throttle that we know of, null_blk's. */
#define EPOCH			(60 * MS)
/* On a slow disk it lasts until so many pieces are back, but not for ever. */
#define EPOCH_ANSWERS		16
#define EPOCH_MAX		(500 * MS)
/* How long full_rate is measured. */
#define FULL_SPAN		(500 * MS)

/* Bytes per second. */
#define RATE_MIN		(512ULL << 10)
#define RATE_START		(4ULL << 20)
#define LOW_DIVISOR		8
/* Below full_rate by more than this is no copying any more. */
#define FULL_DIVISOR		32

/* Steps: half of the rate at first, a 32nd in the end. */
#define DIVISOR_COARSE		2
#define DIVISOR_FINE		32U
#define STREAK			6

/* A cut is a 64th of the rate; a 32nd, a 16th, an 8th if it is soon the same again. */
#define CUT_SHIFT		6
#define CUT_MORE		3U
/*
 * While nothing queues: a 256th more each epoch, which are longer then; twice that, up to
 * a 16th, after so many.
 */
#define RISE_SHIFT		8U
#define RISE_SHIFT_LEAST	4U
#define RISES			16U
#define EPOCH_KEEP		(240 * MS)
/* A guest that is always busy pays or does not: an 8th more, a 4th less. */
#define BUSY_RISE_SHIFT		3U
#define BUSY_CUT_SHIFT		2
#define BUSY_KEEP		SECOND

/* After a cut the rate stays, for longer and longer. */
#define KEEP_MIN		(2 * SECOND)
#define KEEP_MAX		(64 * SECOND)
/* So often it measures anew what a piece takes. */
#define LOW_EVERY		(60 * SECOND)
/* Or so soon, if one leg was not measured. */
#define LOW_AGAIN		(2 * SECOND)

/* What a piece may take longer than in LM_PACE_LOW for other reasons, ns. */
#define SLACK			(MS / 10)
/* So many of a thousand pieces must be late; while it keeps its rate, fewer. */
#define LATE_PERMILLE		40
#define LATE_MIN		2
#define LATE_PERMILLE_KEEP	4
#define LATE_MIN_KEEP		3

/* The budget of so long may be used at once under copy_rate. */
#define CAP_BURST		(100 * MS)

/* ------------------------------------------------------------------------
 * Epochs
 */

/* Of 10 GB/s, too. */
static u64 pace_per_second(u64 count, u64 span)
{
	return div64_u64(count * 1000000, max(div_u64(span, 1000), 1ULL));
}

static void pace_epoch_begin(struct lm_pace *p, const struct lm_pace_guest *guest,
			     u64 now)
{
	p->since = now;
	p->at = *guest;
	p->done = 0;
	p->answers = 0;
	p->late = 0;
	p->starved = false;
}

static void pace_set_rate(struct lm_pace *p, u64 rate)
{
	p->rate = max3(rate, RATE_MIN, div_u64(p->full_rate, FULL_DIVISOR));
	p->next = 0;
	p->unused = 0;
}

/* @next: what it does after that. */
static void pace_go_low(struct lm_pace *p, enum lm_pace_mode next)
{
	p->mode = LM_PACE_LOW;
	p->after_low = next;
	pace_set_rate(p, p->lows++ ? div_u64(p->good, LOW_DIVISOR) : RATE_START);
	memset(p->leg, 0, sizeof(p->leg));
	p->drain = true;
}

/* From the last good rate on, by steps of so much. */
static void pace_search(struct lm_pace *p, unsigned int divisor)
{
	p->divisor = divisor;
	p->piece = max(PIECE_MIN, p->least);
	p->lows = 0;
	pace_go_low(p, LM_PACE_CLIMB);
}

static void pace_keep(struct lm_pace *p, u64 span, u64 now)
{
	p->mode = LM_PACE_KEEP;
	p->keep_until = now + span;
	memset(&p->kept, 0, sizeof(p->kept));
}

/*
 * Has the guest got less than 31/32 of what it got alone?  Counts of that size vary by
 * their square root; twice that is chance.
 */
static bool pace_is_costly(const struct lm_pace *p, u64 ios, u64 span)
{
	u64 alone = div64_u64(p->alone_ios * span, SECOND);
	u64 chance = 2 * int_sqrt64(alone);

	return p->alone_ios && ios + chance < alone - (alone >> 5);
}

/*
 * Do pieces queue, as far as this epoch tells by now?  They are sent at even times, so
 * the part of them that is late is also that of the guest's I/Os, wherever it is.
 */
static bool pace_queues(const struct lm_pace *p)
{
	u64 piece = (u64)p->piece << 9;
	/* Each is answered twice. */
	u64 due = div64_u64(2 * p->rate * (EPOCH / MS), 1000 * piece);

	return p->late >= LATE_MIN &&
	       p->late * 1000 >= max(due, (u64)p->answers) * LATE_PERMILLE;
}

static bool pace_queues_a_little(const struct lm_pace *p)
{
	return p->late >= LATE_MIN_KEEP && p->late * 1000 >= p->answers * LATE_PERMILLE_KEEP;
}

static void pace_low_ended(struct lm_pace *p, const struct lm_pace_guest *did, u64 span,
			   u64 now)
{
	struct lm_pace_leg *leg;
	u64 usual;

	for (leg = p->leg; leg < p->leg + 2; leg++) {
		leg->limit = U64_MAX;
		if (!leg->nr)
			continue;
		usual = div64_u64(2 * leg->sum + 4 * leg->deviation, leg->nr);
		leg->limit = SLACK + max(usual, leg->longest + leg->longest / 2);
	}
	p->alone_ios = did->busy * 4 >= span * 3 ? pace_per_second(did->ios, span) : 0;
	if (p->alone_ios && p->lows == 1) {
		/* It fills its disk, so this much was in its way: once more, with less. */
		p->good = RATE_START / LOW_DIVISOR;
		pace_go_low(p, p->after_low);
		return;
	}
	p->low_at = now + LOW_EVERY;
	p->mode = p->after_low;
	p->streak = 0;
	pace_set_rate(p, p->good);
	memset(&p->kept, 0, sizeof(p->kept));
}

/* One step too far: smaller ones, or no more. */
static void pace_step_back(struct lm_pace *p, u64 now)
{
	pace_set_rate(p, p->good);
	p->drain = true;
	p->streak = 0;
	if (p->divisor >= DIVISOR_FINE)
		pace_keep(p, p->keep, now);
	p->divisor = min(p->divisor * 4, DIVISOR_FINE);
}

static void pace_step_up(struct lm_pace *p)
{
	p->good = p->rate;
	if (++p->streak > STREAK && p->divisor > DIVISOR_COARSE) {
		p->divisor /= 2;
		p->streak = 0;
	}
	pace_set_rate(p, p->rate + div_u64(p->rate, p->divisor));
}

static void pace_climb(struct lm_pace *p, u64 done, bool harmful, u64 now)
{
	if (harmful) {
		pace_step_back(p, now);
	} else if (done * 10 >= p->rate * 8) {
		pace_step_up(p);
	} else if (++p->unused < 3) {
		/* It may have been chance. */
	} else if (p->starved && p->piece < PIECE_MAX) {
		p->piece *= 2;
		pace_go_low(p, LM_PACE_CLIMB);
	} else if (done) {
		/* More cannot be used, though nothing queues. */
		p->good = done;
		pace_set_rate(p, done + (done >> 3));
		pace_keep(p, KEEP_MIN, now);
	}
}

/* What it measured before may be wrong if one cut was not enough. */
static void pace_cut(struct lm_pace *p, u64 by)
{
	pace_set_rate(p, p->rate - by);
	p->good = p->rate;
	p->streak = 0;
	if (p->cuts++)
		pace_go_low(p, LM_PACE_KEEP);
}

static void pace_rise(struct lm_pace *p, u64 done, u64 now)
{
	unsigned int shift = RISE_SHIFT - min(p->streak / RISES, RISE_SHIFT - RISE_SHIFT_LEAST);

	if (p->alone_ios)
		shift = BUSY_RISE_SHIFT;
	p->cuts = 0;
	if (done * 20 >= p->rate * 19) {
		p->streak++;
		pace_set_rate(p, p->rate + (p->rate >> shift));
	}
	p->good = p->rate;
	if (p->alone_ios)
		pace_keep(p, BUSY_KEEP, now);
	if (now >= p->low_at)
		pace_go_low(p, LM_PACE_KEEP);
}

static void pace_go_on(struct lm_pace *p, const struct lm_pace_guest *did, u64 span,
		       u64 done, u64 now)
{
	p->kept.ios += did->ios;
	p->kept.busy += span;
	if (pace_is_costly(p, p->kept.ios, p->kept.busy)) {
		pace_keep(p, KEEP_MIN, now);
		pace_cut(p, p->rate >> BUSY_CUT_SHIFT);
	} else if (pace_queues_a_little(p)) {
		p->keep_until = now + p->keep;
		p->keep = min(p->keep * 2, KEEP_MAX);
		p->drain = true;
		pace_cut(p, p->rate >> (CUT_SHIFT - min(p->cuts, CUT_MORE)));
	} else if (now >= p->keep_until) {
		pace_rise(p, done, now);
	}
}

static bool pace_epoch_is_over(const struct lm_pace *p, u64 now)
{
	u64 span = p->mode == LM_PACE_KEEP ? EPOCH_KEEP : EPOCH;

	if (p->drain)
		return false;
	if (p->answers < EPOCH_ANSWERS)
		span = EPOCH_MAX;
	return now - p->since >= span || (p->mode != LM_PACE_LOW && pace_queues(p));
}

static void pace_epoch_end(struct lm_pace *p, const struct lm_pace_guest *guest, u64 now)
{
	struct lm_pace_guest did = {
		.ios = guest->ios - p->at.ios, .busy = guest->busy - p->at.busy,
	};
	u64 span = now - p->since;
	u64 done = pace_per_second(p->done, span);

	switch (p->mode) {
	case LM_PACE_LOW:
		pace_low_ended(p, &did, span, now);
		break;
	case LM_PACE_CLIMB:
		pace_climb(p, done, pace_queues(p) || pace_is_costly(p, did.ios, span),
			   now);
		break;
	case LM_PACE_KEEP:
		pace_go_on(p, &did, span, done, now);
		break;
	case LM_PACE_ALONE:
		break;
	}
	pace_epoch_begin(p, guest, now);
}

/* ------------------------------------------------------------------------
 * Still or not
 */

static void pace_guest_begins(struct lm_pace *p, const struct lm_pace_guest *guest, u64 now)
{
	/* What the legs took alone they nearly take beside a guest, mostly. */
	bool known = p->full_rate > RATE_START;

	p->good = known ? p->full_rate - (p->full_rate >> 3) : RATE_START;
	p->keep = KEEP_MIN;
	p->alone_ios = 0;
	p->cuts = 0;
	pace_search(p, known ? DIVISOR_FINE / 2 : DIVISOR_COARSE);
	pace_epoch_begin(p, guest, now);
}

static void pace_guest_is_still(struct lm_pace *p, u64 now)
{
	p->mode = LM_PACE_ALONE;
	p->piece = max(PIECE_MAX, p->least);
	p->answers = 0;
	p->drain = false;
	p->pause = false;
	p->full_since = now;
	p->full_bytes = 0;
}

static void pace_size_alone(struct lm_pace *p, unsigned int sectors, u64 took)
{
	if (sectors != p->piece)
		return;
	if (took >= STILL_QUICK) {
		p->answers = 0;
		if (took > STILL_SLOW)
			p->piece = max3(p->piece / 2, PIECE_MIN, p->least);
	} else if (++p->answers >= STILL_ANSWERS && p->piece < PIECE_STILL_MAX) {
		p->answers = 0;
		p->piece *= 2;
	}
}

static void pace_measure_full(struct lm_pace *p, u64 now)
{
	u64 span = now - p->full_since;

	if (span < FULL_SPAN)
		return;
	/* Nobody may have copied, or little because of holes or a cap. */
	if (span < 2 * FULL_SPAN && !p->cap && p->full_bytes)
		p->full_rate = max(pace_per_second(p->full_bytes, span),
				   p->full_rate - (p->full_rate >> 3));
	p->full_since = now;
	p->full_bytes = 0;
}

/**
 * lm_pace_init - begin as if the guest had just done something
 * @p: the pace.
 * @least: no piece is smaller, sectors.
 * @now: ns.
 *
 * Context: any.
 */
void lm_pace_init(struct lm_pace *p, unsigned int least, u64 now)
{
	static const struct lm_pace_guest none;

	memset(p, 0, sizeof(*p));
	p->least = least;
	p->guest_at = now - (STILL - STILL_FIRST);
	pace_guest_begins(p, &none, now);
}

/**
 * lm_pace_cap - what copy_rate allows
 * @p: the pace.
 * @cap: KiB/s; 0 for all.
 *
 * To be called before lm_pace_look(), which sees whether there is something to drain.
 *
 * Context: any; one caller at a time.
 */
void lm_pace_cap(struct lm_pace *p, unsigned int cap)
{
	if (cap == p->cap)
		return;
	p->cap = cap;
	p->cap_next = 0;
	if (p->mode == LM_PACE_ALONE)
		return;
	/* What was found under another one says little. */
	pace_search(p, DIVISOR_COARSE);
}

/**
 * lm_pace_look - see what the guest does, and whether the epoch has ended
 * @p: the pace.
 * @guest: what it has done so far.
 * @idle: nothing of the copier's is under way.
 * @now: ns.
 *
 * Context: any; one caller at a time.
 */
void lm_pace_look(struct lm_pace *p, const struct lm_pace_guest *guest, bool idle,
		  u64 now)
{
	if (guest->ios != p->guest_ios || guest->under_way) {
		p->guest_ios = guest->ios;
		p->guest_at = now;
		if (p->mode == LM_PACE_ALONE)
			pace_guest_begins(p, guest, now);
	} else if (p->mode != LM_PACE_ALONE && now - p->guest_at >= STILL) {
		pace_guest_is_still(p, now);
	}
	if (p->mode == LM_PACE_ALONE) {
		pace_measure_full(p, now);
		return;
	}
	if (pace_epoch_is_over(p, now))
		pace_epoch_end(p, guest, now);
	if (!idle)
		return;
	if (p->pause && p->next)
		p->next = max(p->next, now);
	p->pause = false;
	if (p->drain) {
		p->drain = false;
		p->next = now;
		pace_epoch_begin(p, guest, now);
	}
}

/**
 * lm_pace_restart - what was begun is no matter to the cap any more
 * @p: the pace.
 *
 * Context: any; one caller at a time.
 */
void lm_pace_restart(struct lm_pace *p)
{
	p->cap_next = 0;
}

/**
 * lm_pace_wait - how long until the next piece
 * @p: the pace.
 * @hurry: whatever it costs the guest.
 * @now: ns.
 *
 * Context: any; one caller at a time.
 * Return: ns, 0 for now; or LM_PACE_STOP, never if lm_pace_look() was just told that
 * nothing is under way.
 */
u64 lm_pace_wait(struct lm_pace *p, bool hurry, u64 now)
{
	u64 next = 0;

	p->hurry = hurry;
	if (!hurry && p->mode != LM_PACE_ALONE) {
		if (p->drain || p->pause)
			return LM_PACE_STOP;
		next = p->next;
	}
	if (p->cap && p->cap_next > CAP_BURST)
		next = max(next, p->cap_next - CAP_BURST);
	return next > now ? next - now : 0;
}

/* A small one is not as much less work for a disk as it is smaller: bytes. */
static u64 pace_cost(const struct lm_pace *p, unsigned int sectors)
{
	return (u64)max(sectors, p->piece / 4) << 9;
}

/**
 * lm_pace_begun - a piece was begun
 * @p: the pace.
 * @sectors: how large it is.
 * @now: ns.
 *
 * Context: any; one caller at a time.
 */
void lm_pace_begun(struct lm_pace *p, unsigned int sectors, u64 now)
{
	if (p->cap)
		p->cap_next = max(p->cap_next, now) +
			      div_u64(((u64)sectors << 9) * (SECOND >> 10), p->cap);
	if (p->hurry || p->mode == LM_PACE_ALONE)
		return;
	if (!p->next)
		p->next = now;
	/* A piece or two that came late are made up for, no more. */
	if (p->next + div64_u64(2 * ((u64)p->piece << 9) * SECOND, p->rate) < now) {
		p->next = now;
		p->starved = !p->cap;
	}
	p->next += div64_u64(pace_cost(p, sectors) * SECOND, p->rate);
}

/**
 * lm_pace_ended - a leg has answered
 * @p: the pace.
 * @leg: 0: a piece has been read; 1: what comes of it has been done.
 * @sectors: how large that was.
 * @started: when it was sent, ns.
 * @now: ns.
 *
 * Context: any; one caller at a time.
 */
void lm_pace_ended(struct lm_pace *p, unsigned int leg, unsigned int sectors,
		   u64 started, u64 now)
{
	struct lm_pace_leg *l = &p->leg[leg];
	u64 took = now - started, mean;

	if (leg)
		p->full_bytes += (u64)sectors << 9;
	else
		p->done += pace_cost(p, sectors);
	if (p->mode == LM_PACE_ALONE) {
		pace_size_alone(p, sectors, took);
		return;
	}
	if (p->drain || p->hurry || sectors > p->piece || started < p->since)
		return;
	p->answers++;
	if (p->mode == LM_PACE_LOW) {
		mean = l->nr ? div64_u64(l->sum, l->nr) : took;
		l->nr++;
		l->sum += took;
		l->longest = max(l->longest, took);
		l->deviation += took > mean ? took - mean : mean - took;
	} else if (!l->nr) {
		/* It had nothing to do in LM_PACE_LOW, where there was little but zeroes. */
		if (now + LOW_EVERY >= p->low_at + LOW_AGAIN)
			pace_go_low(p, p->mode);
	} else if (took > l->limit) {
		p->late++;
		p->pause = true;
	}
}
