// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a migration, and what I/O makes of it.
 *
 * The state is which leg is active, what the standby is, and whether the legs
 * are known to be equal and flushed.  The phase is derived from it and kept
 * nowhere (@shown only remembers what the last event told).  __lm_set() is the
 * one place that changes it.  What the operator asks for is in phase-request.c.
 *
 * The way of the data asks without the lock: each leg has a percpu_ref that is
 * live exactly while the leg takes part.  Who holds references to both legs
 * writes to both, whatever becomes of the state meanwhile; when the write ends,
 * lm_phase_good() or lm_phase_failed() sees what has become of it.  A killed
 * reference that has drained is also the proof that a dropped leg is left
 * alone.
 */
#include "dm-livemigrate.h"
#include "phase.h"
#include "tracepoints.h"

#include <linux/sched.h>

enum lm_phase_name __lm_phase(const struct lm_phase *p)
{
	switch (p->standby) {
	case LM_DROPPED:
		return p->active == LM_SOURCE ? LM_ABORTED : LM_COMMITTED;
	case LM_FAILED:
		return LM_DEGRADED;
	case LM_ATTACHED:
		break;
	}
	if (!p->synced)
		return LM_COPYING;
	return p->active == LM_SOURCE ? LM_SYNCED : LM_SWITCHED;
}

/*
 * The one setter.  A standby that stops to take part has its reference killed
 * here, one that begins to has it revived: nothing of ours may be in flight
 * there then.
 */
void __lm_set(struct lm_migration *m, enum lm_leg active, enum lm_standby standby,
	      bool synced)
{
	struct lm_phase *p = &m->phase;
	enum lm_standby old = p->standby;
	struct lm_leg_ref *ref = &p->leg[lm_other_leg(active)];
	enum lm_phase_name phase;

	lockdep_assert_held(&p->lock);

	/* Readers spin on a dead active leg: the new one before the kill. */
	WRITE_ONCE(p->active, active);
	WRITE_ONCE(p->standby, standby);
	p->synced = synced;
	p->complete = standby == LM_ATTACHED && (synced || p->complete);
	if (active == LM_SOURCE || synced)
		p->source_incomplete = false;
	else if (standby == LM_FAILED)
		WRITE_ONCE(p->source_incomplete, true);

	if (old == LM_ATTACHED && standby != LM_ATTACHED) {
		p->dest_zeroed = false;
		percpu_ref_kill(&ref->ref);
	} else if (old != LM_ATTACHED && standby == LM_ATTACHED) {
		ref->idle = false;
		p->attachments++;
		WRITE_ONCE(p->losses, p->losses + 1);
		percpu_ref_reinit(&ref->ref);
	}

	phase = __lm_phase(p);
	/* A leg that is being dropped is shown as failed, but that is no news. */
	if (phase != p->shown && !(p->dropping && phase == LM_DEGRADED)) {
		trace_lm_phase(m, p->shown, phase, active);
		p->shown = phase;
		atomic_inc(&p->events);
	}
	if (m->poke)
		m->poke(m->owner);
}

void __lm_fail_standby(struct lm_migration *m)
{
	if (m->phase.standby == LM_ATTACHED)
		__lm_set(m, m->phase.active, LM_FAILED, false);
}

/* Abort and commit end here, once nothing is in flight on the standby. */
void __lm_drop_if_idle(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;

	if (p->dropping && p->standby != LM_DROPPED && !p->rescues &&
	    p->leg[lm_other_leg(p->active)].idle)
		__lm_set(m, p->active, LM_DROPPED, false);
}

static void __lm_clear(struct lm_migration *m, sector_t start, sector_t end)
{
	struct lm_phase *p = &m->phase;
	u64 first, nr;

	lockdep_assert_held(&p->lock);

	if (p->standby == LM_DROPPED)
		return;
	nr = lm_bitmap_touched(&m->bitmap, start, end, &first);
	p->clears++;
	lm_bitmap_clear(&m->bitmap, first, nr);
	p->dest_zeroed = false;
	if (p->standby == LM_ATTACHED)
		__lm_set(m, p->active, LM_ATTACHED, false);
}

/*
 * The active leg has failed a flush and goes on: it may read otherwise from now
 * on where it was written to and not flushed.  The bits there tell no more.
 */
static void __lm_doubt(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;

	p->doubt = true;
	p->complete = false;
	__lm_set(m, p->active, LM_ATTACHED, false);
}

/* The last I/O on a killed leg has ended. */
static void lm_leg_released(struct percpu_ref *percpu_ref)
{
	struct lm_leg_ref *ref = container_of(percpu_ref, struct lm_leg_ref, ref);
	struct lm_migration *m = ref->m;
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	ref->idle = true;
	__lm_drop_if_idle(m);
	/* Under the lock: lm_phase_exit() takes it before all this is freed. */
	wake_up_all(&p->idle);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_init - give a migration its first state
 * @m: the migration; its bitmap is made.
 * @active: the active leg.
 * @standby: what the other one is.
 * @dest_zeroed: the dest reads as zeroes now.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_phase_init(struct lm_migration *m, enum lm_leg active,
		  enum lm_standby standby, bool dest_zeroed)
{
	struct lm_phase *p = &m->phase;
	enum lm_leg leg;
	int r;

	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->idle);
	p->active = active;
	p->standby = standby;
	p->dest_zeroed = dest_zeroed && standby == LM_ATTACHED;
	p->source_incomplete = active == LM_DEST && standby == LM_FAILED;
	p->shown = __lm_phase(p);

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		struct lm_leg_ref *ref = &p->leg[leg];
		bool dead = leg != active && standby != LM_ATTACHED;

		ref->m = m;
		ref->leg = leg;
		ref->idle = dead;
		r = percpu_ref_init(&ref->ref, lm_leg_released,
				    PERCPU_REF_ALLOW_REINIT |
				    (dead ? PERCPU_REF_INIT_DEAD : 0),
				    GFP_KERNEL);
		if (r) {
			if (leg == LM_DEST)
				percpu_ref_exit(&p->leg[LM_SOURCE].ref);
			return r;
		}
	}
	return 0;
}

static bool lm_leg_settled(struct lm_leg_ref *ref)
{
	struct lm_phase *p = &ref->m->phase;
	unsigned long flags;
	bool settled;

	spin_lock_irqsave(&p->lock, flags);
	settled = ref->idle || !percpu_ref_is_dying(&ref->ref);
	spin_unlock_irqrestore(&p->lock, flags);
	return settled;
}

/**
 * lm_phase_exit - the end of a migration's state
 * @m: the migration; no I/O of its own is in flight.
 *
 * Context: process, may sleep.
 */
void lm_phase_exit(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		wait_event(p->idle, lm_leg_settled(&p->leg[leg]));
		percpu_ref_exit(&p->leg[leg].ref);
	}
}

/**
 * lm_phase_snapshot - the state at one instant
 * @m: the migration.
 * @snap: where it goes.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_snapshot(struct lm_migration *m, struct lm_snapshot *snap)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	snap->phase = __lm_phase(p);
	snap->shown = p->shown;
	snap->active = p->active;
	snap->standby = p->standby;
	snap->dest_zeroed = p->dest_zeroed && !READ_ONCE(p->dest_written);
	/* Under the lock nothing is cleared, so done cannot run ahead. */
	snap->done = lm_bitmap_counts(&m->bitmap, snap->set, &snap->cleared);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_is_final - is it aborted or committed?
 * @m: the migration.
 *
 * Context: any, no lock: once true it stays so.
 */
bool lm_phase_is_final(const struct lm_migration *m)
{
	return READ_ONCE(m->phase.standby) == LM_DROPPED;
}

/**
 * lm_phase_is_attached - does the standby take part?
 * @m: the migration.
 *
 * Context: any, no lock: a hint.
 */
bool lm_phase_is_attached(const struct lm_migration *m)
{
	return READ_ONCE(m->phase.standby) == LM_ATTACHED;
}

/**
 * lm_phase_read_begin - which leg answers a read
 * @m: the migration.
 *
 * Context: any, no lock.
 * Return: the leg, with a reference for lm_phase_io_end().
 */
enum lm_leg lm_phase_read_begin(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;

	/* A leg is killed only after another has become active: __lm_set(). */
	for (;;) {
		enum lm_leg leg = READ_ONCE(p->active);

		if (likely(percpu_ref_tryget_live(&p->leg[leg].ref))) {
			/*
			 * It may have failed and come back as a standby since.
			 * Pairs with the release in percpu_ref_reinit().
			 */
			smp_rmb();
			if (likely(READ_ONCE(p->active) == leg))
				return leg;
			percpu_ref_put(&p->leg[leg].ref);
		}
		cpu_relax();
	}
}

static bool lm_get_both(struct lm_phase *p)
{
	if (unlikely(!percpu_ref_tryget_live(&p->leg[LM_SOURCE].ref)))
		return false;
	if (likely(percpu_ref_tryget_live(&p->leg[LM_DEST].ref)))
		return true;
	percpu_ref_put(&p->leg[LM_SOURCE].ref);
	return false;
}

/* The legs to send to now, each with a reference. */
static unsigned int __lm_get_legs(struct lm_phase *p)
{
	lockdep_assert_held(&p->lock);

	if (p->standby == LM_ATTACHED) {
		percpu_ref_get(&p->leg[LM_SOURCE].ref);
		percpu_ref_get(&p->leg[LM_DEST].ref);
		return LM_BOTH_LEGS;
	}
	percpu_ref_get(&p->leg[p->active].ref);
	return LM_LEG_MASK(p->active);
}

/**
 * lm_phase_write_dest - the dest is about to be written to
 * @m: the migration.
 *
 * From here on the table line must not claim that it is all zeroes.
 *
 * Context: any, no lock.
 */
void lm_phase_write_dest(struct lm_migration *m)
{
	if (unlikely(!READ_ONCE(m->phase.dest_written)))
		WRITE_ONCE(m->phase.dest_written, true);
}

/**
 * lm_phase_write_begin - which legs get a write
 * @m: the migration.
 * @start: first sector; the range is held.
 * @end: the sector behind the last.
 *
 * A write that leaves the standby out has its bits cleared here, in one step
 * with that decision: nobody can attach the standby, find all bits set and cut
 * over in between.
 *
 * Context: any; takes lm_phase.lock unless both legs take part.
 * Return: a mask of legs, each with a reference for lm_phase_io_end().
 */
unsigned int lm_phase_write_begin(struct lm_migration *m, sector_t start,
				  sector_t end)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	unsigned int legs;

	if (likely(lm_get_both(p))) {
		lm_phase_write_dest(m);
		return LM_BOTH_LEGS;
	}

	spin_lock_irqsave(&p->lock, flags);
	legs = __lm_get_legs(p);
	if (legs != LM_BOTH_LEGS)
		__lm_clear(m, start, end);
	else
		lm_phase_write_dest(m);
	spin_unlock_irqrestore(&p->lock, flags);
	return legs;
}

/**
 * lm_phase_flush_begin - which legs get a flush
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock unless both legs take part.
 * Return: a mask of legs, each with a reference for lm_phase_io_end().
 */
unsigned int lm_phase_flush_begin(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	unsigned int legs;

	if (likely(lm_get_both(p)))
		return LM_BOTH_LEGS;

	spin_lock_irqsave(&p->lock, flags);
	legs = __lm_get_legs(p);
	spin_unlock_irqrestore(&p->lock, flags);
	return legs;
}

/**
 * lm_phase_copy_begin - may a copy begin, and from which leg
 * @m: the migration.
 * @from: the active leg.
 *
 * To be called with the copy's range held: as long as one bit in it is clear
 * that no guest has touched since, nobody can cut over or fail back by request.
 * An active dest that fails may still hand over to a complete source; then the
 * bit stands for something discarded, and what the copy writes does no harm.
 *
 * Context: any; takes lm_phase.lock.
 * Return: true, with a reference to both legs for lm_phase_io_end(); false if
 * there is no standby.
 */
bool lm_phase_copy_begin(struct lm_migration *m, enum lm_leg *from)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool may;

	spin_lock_irqsave(&p->lock, flags);
	may = p->standby == LM_ATTACHED;
	if (may) {
		__lm_get_legs(p);
		*from = p->active;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return may;
}

/**
 * lm_phase_io_end - give references back
 * @m: the migration.
 * @legs: a mask of legs.
 *
 * Context: any, without lm_phase.lock.
 */
void lm_phase_io_end(struct lm_migration *m, unsigned int legs)
{
	if (legs & LM_LEG_MASK(LM_SOURCE))
		percpu_ref_put(&m->phase.leg[LM_SOURCE].ref);
	if (legs & LM_LEG_MASK(LM_DEST))
		percpu_ref_put(&m->phase.leg[LM_DEST].ref);
}

/*
 * What a leg may have lost is on the other one alone: if the source is that leg,
 * its being complete is over.
 */
static void __lm_take_back(struct lm_migration *m, sector_t start, sector_t end)
{
	struct lm_phase *p = &m->phase;

	p->complete = false;
	if (p->active == LM_DEST)
		WRITE_ONCE(p->source_incomplete, true);
	__lm_clear(m, start, end);
}

/**
 * lm_phase_good - both legs hold the same here now
 * @m: the migration.
 * @start: first sector; the range and references to both legs are held.
 * @end: the sector behind the last.
 * @cause: what brought that about.
 * @losses: lm_phase_losses() before any of it was read or sent.
 *
 * Sets the bits of the regions that are covered whole.
 *
 * A standby that failed while this was in flight may lose what it had not
 * flushed.  Whoever fails it first kills its reference; this sets the bits
 * first and then looks at the reference, so it cannot miss it: it clears again
 * what it touched.  Nobody can act on the bits in between, because the standby
 * is not attached again before our reference is gone.
 *
 * The same for an active leg that fails a flush and goes on, which @losses
 * counts: it may have lost what this has read or written there.  Either the mark
 * is seen by lm_phase_settle_doubt(), or the count by us.
 *
 * Context: any; takes lm_phase.lock only where a leg has failed, or where this
 * may have been the last bit.
 */
void lm_phase_good(struct lm_migration *m, sector_t start, sector_t end,
		   enum lm_cause cause, u64 losses)
{
	struct lm_phase *p = &m->phase;
	u64 first, nr, news = 0;
	unsigned long flags;
	bool lost;

	lm_unflushed_mark(&m->bitmap, start);
	nr = lm_bitmap_covered(&m->bitmap, start, end, &first);
	if (nr)
		news = lm_bitmap_set(&m->bitmap, first, nr, cause);

	/*
	 * Pairs with the kill in __lm_set() and the scan after it, and with
	 * lm_phase_settle_doubt().
	 */
	smp_mb();
	lost = percpu_ref_is_dying(&p->leg[LM_SOURCE].ref) ||
	       percpu_ref_is_dying(&p->leg[LM_DEST].ref) ||
	       READ_ONCE(p->losses) != losses;
	if (likely(!lost && !(news && lm_bitmap_full(&m->bitmap))))
		return;

	spin_lock_irqsave(&p->lock, flags);
	if (lost)
		__lm_take_back(m, start, end);
	else if (m->poke)
		m->poke(m->owner);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_failed - some leg has failed a write or a flush
 * @m: the migration.
 * @sent: the legs that it was sent to; references are held.
 * @failed: those of them that failed.
 * @start: first sector; the range is held.  For a flush: 0.
 * @end: the sector behind the last.  For a flush: 0.
 *
 * In one step: decides what becomes of the legs, clears the bits of all regions
 * touched, and tells which leg is active now.
 *
 * - The active dest failed, and the source is known to hold all that was ever
 *   flushed and has this too: back to the source, by itself.
 * - The active leg failed otherwise: the error is the guest's, as it would have
 *   been without us.  After a flush what it had not flushed is in doubt.
 * - The standby failed: it takes part no longer.
 *
 * Context: any; takes lm_phase.lock.
 * Return: the leg whose result is the guest's.  If @sent lacks it, the request
 * must be sent again.
 */
enum lm_leg lm_phase_failed(struct lm_migration *m, unsigned int sent,
			    unsigned int failed, sector_t start, sector_t end)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	enum lm_leg active;

	spin_lock_irqsave(&p->lock, flags);
	if (p->standby == LM_ATTACHED && p->active == LM_DEST && p->complete &&
	    !p->dropping && sent == LM_BOTH_LEGS &&
	    failed == LM_LEG_MASK(LM_DEST))
		__lm_set(m, LM_SOURCE, LM_FAILED, false);
	else if (failed & LM_LEG_MASK(lm_other_leg(p->active)))
		__lm_fail_standby(m);
	if (end) {
		p->complete = false;
		__lm_clear(m, start, end);
	} else {
		WRITE_ONCE(p->losses, p->losses + 1);
		if (p->standby == LM_ATTACHED)
			__lm_doubt(m);
	}
	active = p->active;
	spin_unlock_irqrestore(&p->lock, flags);
	return active;
}

/**
 * lm_phase_clear - the legs may differ in what a guest discards
 * @m: the migration.
 * @start: first sector; the range is held.
 * @end: the sector behind the last.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_clear(struct lm_migration *m, sector_t start, sector_t end)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	__lm_clear(m, start, end);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_mismatch - the legs differ where they should not
 * @m: the migration.
 * @start: first sector; the range is held.
 * @end: the sector behind the last.
 *
 * What the active leg holds is what the guest has been reading.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_mismatch(struct lm_migration *m, sector_t start, sector_t end)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	/* Bits that are being saved are older than this. */
	WRITE_ONCE(p->losses, p->losses + 1);
	__lm_take_back(m, start, end);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_give_up - a leg does not answer, or has failed
 * @m: the migration.
 * @leg: the leg.
 *
 * Context: any; takes lm_phase.lock.
 * Return: true if it was the standby, which takes part no longer.
 */
bool lm_phase_give_up(struct lm_migration *m, enum lm_leg leg)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&p->lock, flags);
	was = p->standby == LM_ATTACHED && p->active != leg;
	if (was)
		__lm_fail_standby(m);
	spin_unlock_irqrestore(&p->lock, flags);
	return was;
}

/**
 * lm_phase_failing - a leg has failed a write or a flush; others may not be back
 * @m: the migration.
 * @leg: the leg.
 *
 * The device may have lost what it held, and tell nobody else of it.  A standby
 * takes part no longer from now on.  What becomes of an active leg waits for the
 * other one's answer; until lm_phase_settled() whatever a flush tells proves
 * nothing.  (So a device that has lost its cache is trusted to fail what was in
 * flight before it answers a later flush well.)
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_failing(struct lm_migration *m, enum lm_leg leg)
{
	atomic_inc(&m->phase.failing);
	lm_phase_give_up(m, leg);
}

/**
 * lm_phase_settled - the end of lm_phase_failing()'s
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_settled(struct lm_migration *m)
{
	/* Fully ordered: who sees it gone sees the new state. */
	if (!atomic_dec_return(&m->phase.failing))
		/* Whoever has found it in the way may try again. */
		lm_phase_poke(m);
}

/**
 * lm_phase_is_failing - is there a failure of which the state does not tell yet?
 * @m: the migration.
 *
 * If not, what the caller reads of the state after this tells of all.
 *
 * Context: any, no lock.
 */
bool lm_phase_is_failing(const struct lm_migration *m)
{
	return atomic_read_acquire(&m->phase.failing);
}

/**
 * lm_phase_standby_leg - the leg that is not active
 * @m: the migration.
 *
 * Context: any, no lock: a hint.
 */
enum lm_leg lm_phase_standby_leg(const struct lm_migration *m)
{
	return lm_other_leg(READ_ONCE(m->phase.active));
}

/**
 * lm_phase_rescue_begin - may the other leg answer a read that failed?
 * @m: the migration.
 * @used: the leg that failed it.
 * @start: first sector; all within one chunk.
 * @end: the sector behind the last.
 * @counted: whether the reference is of the counted kind, for the end.
 *
 * It may if it is active by now, or if it holds all regions touched.  A standby
 * that has failed holds only what it had flushed.
 *
 * Context: any; takes lm_phase.lock.
 * Return: whether it may; then lm_phase_rescue_end() is owed.
 */
bool lm_phase_rescue_begin(struct lm_migration *m, enum lm_leg used,
			   sector_t start, sector_t end, bool *counted)
{
	struct lm_phase *p = &m->phase;
	enum lm_leg leg = lm_other_leg(used);
	unsigned long flags;
	u64 first, nr;
	bool may;

	nr = lm_bitmap_touched(&m->bitmap, start, end, &first);
	*counted = false;

	spin_lock_irqsave(&p->lock, flags);
	if (p->active == leg) {
		may = true;
	} else if (p->standby == LM_ATTACHED) {
		may = lm_bitmap_all_set(&m->bitmap, first, nr);
	} else {
		may = p->standby == LM_FAILED && !p->dropping &&
		      p->leg[leg].idle &&
		      !lm_unflushed_test(&m->bitmap, start) &&
		      lm_bitmap_all_set(&m->bitmap, first, nr);
		*counted = may;
	}
	if (*counted)
		p->rescues++;
	else if (may)
		percpu_ref_get(&p->leg[leg].ref);
	spin_unlock_irqrestore(&p->lock, flags);
	return may;
}

/**
 * lm_phase_rescue_end - the other leg has answered
 * @m: the migration.
 * @leg: that leg.
 * @counted: from lm_phase_rescue_begin().
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_rescue_end(struct lm_migration *m, enum lm_leg leg, bool counted)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	if (!counted) {
		percpu_ref_put(&p->leg[leg].ref);
		return;
	}
	spin_lock_irqsave(&p->lock, flags);
	p->rescues--;
	__lm_drop_if_idle(m);
	wake_up_all(&p->idle);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_meta_state - what metadata is to say
 * @m: the migration.
 * @state: where it goes.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_meta_state(struct lm_migration *m, struct lm_meta_state *state)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	state->active = p->active;
	state->standby = p->dropping ? LM_DROPPED : p->standby;
	state->source_incomplete = p->source_incomplete;
	state->clean = p->clean;
	/* It comes and goes, and matters to who goes on from a clean end. */
	state->synced = p->synced && p->clean;
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_recover - which state follows from what metadata says
 * @state: what it says.
 * @active: the leg that is to be active.
 * @standby: what the other one is.
 *
 * After an unclean stop that is the source, which holds all that was ever
 * acknowledged, unless metadata says that it lacks something.
 *
 * Context: any.
 */
void lm_phase_recover(const struct lm_meta_state *state, enum lm_leg *active,
		      enum lm_standby *standby)
{
	*active = state->active;
	*standby = state->standby;
	if (state->standby != LM_DROPPED && !state->clean)
		*active = state->source_incomplete ? LM_DEST : LM_SOURCE;
}

/**
 * lm_phase_resumed - go on from what metadata says
 * @m: the migration, as lm_phase_recover() has it; its bits are loaded.
 * @state: what it says.
 *
 * Context: process, before there is I/O.
 */
void lm_phase_resumed(struct lm_migration *m, const struct lm_meta_state *state)
{
	struct lm_phase *p = &m->phase;

	/* A line may have detached it since. */
	p->source_incomplete |= state->source_incomplete;
	p->synced = state->clean && state->synced && p->standby == LM_ATTACHED &&
		    lm_bitmap_full(&m->bitmap);
	p->complete = p->synced;
	p->clean = state->clean;
	p->shown = __lm_phase(p);
}

/**
 * lm_phase_set_clean - is anything under way?
 * @m: the migration.
 * @clean: nothing is.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_set_clean(struct lm_migration *m, bool clean)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	p->clean = clean;
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_source_incomplete - does the source lack something acknowledged?
 * @m: the migration.
 *
 * Context: any, no lock.
 */
bool lm_phase_source_incomplete(const struct lm_migration *m)
{
	return READ_ONCE(m->phase.source_incomplete);
}

/**
 * lm_phase_losses - how often flushes have failed, or a standby come back
 * @m: the migration.
 *
 * What is read or sent after this is not reordered before it.
 *
 * Context: any, no lock.
 */
u64 lm_phase_losses(const struct lm_migration *m)
{
	/* Pairs with lm_phase.lock, under which bits are cleared after it. */
	return smp_load_acquire(&m->phase.losses);
}

/**
 * lm_phase_poke - let the live table look after events and the copier
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_poke(struct lm_migration *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->phase.lock, flags);
	if (m->poke)
		m->poke(m->owner);
	spin_unlock_irqrestore(&m->phase.lock, flags);
}

/**
 * lm_phase_event - something that is no change of phase is worth an event
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 */
void lm_phase_event(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	atomic_inc(&p->events);
	if (m->poke)
		m->poke(m->owner);
	spin_unlock_irqrestore(&p->lock, flags);
}

/**
 * lm_phase_sync_begin - is a flush all that is missing?
 * @m: the migration.
 * @clears: for lm_phase_sync_end().
 *
 * Context: any; takes lm_phase.lock.
 * Return: true if all bits are set and the legs are to be flushed now.
 */
bool lm_phase_sync_begin(struct lm_migration *m, u64 *clears)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool ready;

	spin_lock_irqsave(&p->lock, flags);
	ready = p->standby == LM_ATTACHED && !p->synced && !p->doubt &&
		!lm_phase_is_failing(m) && lm_bitmap_full(&m->bitmap);
	*clears = p->clears;
	spin_unlock_irqrestore(&p->lock, flags);
	return ready;
}

static bool __lm_may_sync(struct lm_migration *m, u64 clears)
{
	struct lm_phase *p = &m->phase;

	return p->standby == LM_ATTACHED && p->clears == clears && !p->doubt &&
	       !lm_phase_is_failing(m) && lm_bitmap_full(&m->bitmap);
}

/**
 * lm_phase_sync_flushed - that flush has ended well on both legs
 * @m: the migration.
 * @clears: from lm_phase_sync_begin().
 *
 * The source holds all there is, then, and metadata is to say so before
 * lm_phase_sync_end().
 *
 * Context: any; takes lm_phase.lock.
 * Return: false if nothing comes of it.
 */
bool lm_phase_sync_flushed(struct lm_migration *m, u64 clears)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool may;

	spin_lock_irqsave(&p->lock, flags);
	may = __lm_may_sync(m, clears);
	if (may)
		WRITE_ONCE(p->source_incomplete, false);
	spin_unlock_irqrestore(&p->lock, flags);
	return may;
}

/**
 * lm_phase_sync_end - that flush has ended well, and is accounted for
 * @m: the migration.
 * @clears: from lm_phase_sync_begin().
 *
 * If a bit was cleared meanwhile, the flush speaks for less than all, even if
 * the bit is set again.
 *
 * Context: any; takes lm_phase.lock.
 * Return: true if it is synced, or switched, now.
 */
bool lm_phase_sync_end(struct lm_migration *m, u64 clears)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool synced;

	spin_lock_irqsave(&p->lock, flags);
	/* A source that has failed since, and come back, is on record again. */
	synced = __lm_may_sync(m, clears) && !p->source_incomplete;
	if (synced)
		__lm_set(m, p->active, LM_ATTACHED, true);
	spin_unlock_irqrestore(&p->lock, flags);
	return synced;
}

/**
 * lm_phase_wants_copy - is there anything for the copier to do?
 * @m: the migration.
 * @attachments: how often a standby was attached so far.
 *
 * Context: any; takes lm_phase.lock.
 */
bool lm_phase_wants_copy(struct lm_migration *m, unsigned int *attachments)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool wants;

	spin_lock_irqsave(&p->lock, flags);
	wants = p->standby == LM_ATTACHED && !p->synced && !p->doubt;
	*attachments = p->attachments;
	spin_unlock_irqrestore(&p->lock, flags);
	return wants;
}

/**
 * lm_phase_reads_zero - does a leg read as zeroes where its bit is clear?
 * @m: the migration.
 * @leg: the standby.
 *
 * Context: any; takes lm_phase.lock.
 */
bool lm_phase_reads_zero(struct lm_migration *m, enum lm_leg leg)
{
	struct lm_phase *p = &m->phase;
	unsigned long flags;
	bool zeroed;

	spin_lock_irqsave(&p->lock, flags);
	zeroed = leg == LM_DEST && p->dest_zeroed;
	spin_unlock_irqrestore(&p->lock, flags);
	return zeroed;
}
