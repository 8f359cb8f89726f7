// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the operator asks of the state: cutover and failback, abort and commit,
 * reattach.  Each is allowed or refused at once, with its reason, and holds up
 * no I/O.
 */
#include "dm-livemigrate.h"
#include "phase.h"

#include <linux/sched.h>

/* What bars every request, whatever it is. */
static enum lm_refusal __lm_ended(const struct lm_phase *p)
{
	switch (__lm_phase(p)) {
	case LM_ABORTED:
		return LM_IS_ABORTED;
	case LM_COMMITTED:
		return LM_IS_COMMITTED;
	default:
		return p->dropping ? LM_IS_DROPPING : LM_ALLOWED;
	}
}

/* Swap the legs' roles, unless @to is active already. */
static enum lm_refusal lm_phase_switch(struct lm_migration *m, enum lm_leg to)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	why = __lm_ended(p);
	if (!why && p->active != to) {
		if (p->standby == LM_FAILED)
			why = LM_STANDBY_FAILED;
		else if (!p->synced)
			why = LM_NOT_SYNCED;
		else
			__lm_set(m, to, LM_ATTACHED, true);
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return why;
}

/**
 * lm_phase_cutover - run on the dest
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.  Holds up no I/O.
 * Return: LM_ALLOWED, also where it runs there already, or why not.
 */
enum lm_refusal lm_phase_cutover(struct lm_migration *m)
{
	return lm_phase_switch(m, LM_DEST);
}

/**
 * lm_phase_failback - run on the source
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.  Holds up no I/O.
 * Return: LM_ALLOWED, also where it runs there already, or why not.
 */
enum lm_refusal lm_phase_failback(struct lm_migration *m)
{
	return lm_phase_switch(m, LM_SOURCE);
}

/* Let the standby go: at once if nothing is in flight there, else then. */
static void __lm_drop(struct lm_migration *m)
{
	m->phase.dropping = true;
	__lm_fail_standby(m);
	__lm_drop_if_idle(m);
}

/**
 * lm_phase_end_begin - from now on it stays on the leg that it runs on
 * @m: the migration.
 * @on: the active leg: LM_SOURCE for an abort, LM_DEST for a commit.
 *
 * What metadata must say before lm_phase_abort() or lm_phase_commit().
 *
 * Context: any; takes lm_phase.lock.
 * Return: LM_ALLOWED or why not.
 */
enum lm_refusal lm_phase_end_begin(struct lm_migration *m, enum lm_leg on)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why = LM_ALLOWED;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	if (p->active != on) {
		why = __lm_ended(p);
		if (!why)
			why = on == LM_DEST ? LM_SOURCE_ACTIVE : LM_DEST_ACTIVE;
	} else if (p->standby != LM_DROPPED) {
		p->dropping = true;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return why;
}

/**
 * lm_phase_abort - stay on the source and let the dest go
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 * Return: LM_ALLOWED, and it is aborted as soon as nothing is in flight on the
 * dest; or why not.
 */
enum lm_refusal lm_phase_abort(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	why = __lm_ended(p);
	if (p->active == LM_SOURCE) {
		if (why != LM_IS_ABORTED)
			__lm_drop(m);
		why = LM_ALLOWED;
	} else if (!why) {
		why = LM_DEST_ACTIVE;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return why;
}

static enum lm_refusal __lm_may_commit(const struct lm_phase *p)
{
	enum lm_refusal why = __lm_ended(p);

	if (p->active == LM_DEST)
		return LM_ALLOWED;
	return why ? why : LM_SOURCE_ACTIVE;
}

/**
 * lm_phase_may_commit - would a commit be allowed?
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 * Return: LM_ALLOWED or why not.
 */
enum lm_refusal lm_phase_may_commit(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	why = __lm_may_commit(p);
	spin_unlock_irqrestore(&p->lock, flags);
	return why;
}

/**
 * lm_phase_commit - stay on the dest, which was just flushed, and let the
 * source go
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 * Return: LM_ALLOWED, and it is committed as soon as nothing is in flight on
 * the source; or why not.
 */
enum lm_refusal lm_phase_commit(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	why = __lm_may_commit(p);
	if (!why && p->standby != LM_DROPPED)
		__lm_drop(m);
	spin_unlock_irqrestore(&p->lock, flags);
	return why;
}

/* Clear what a leg may have lost: all of each unflushed chunk. */
static void lm_phase_clear_unflushed(struct lm_migration *m)
{
	struct lm_bitmap *b = &m->bitmap;
	u64 chunk = 0;

	for (;;) {
		sector_t start;

		chunk = lm_unflushed_next(b, chunk, b->nr_chunks);
		if (chunk >= b->nr_chunks)
			break;
		start = chunk << LM_CHUNK_SHIFT;
		lm_phase_clear(m, start, min(start + LM_CHUNK_SECTORS,
					     b->nr_sectors));
		chunk++;
		cond_resched();
	}
}

/**
 * lm_phase_in_doubt - are bits to be cleared, because the active leg has failed
 * a flush?
 * @m: the migration.
 *
 * Context: any, no lock.
 */
bool lm_phase_in_doubt(const struct lm_migration *m)
{
	return READ_ONCE(m->phase.doubt);
}

/**
 * lm_phase_settle_doubt - clear the bits that are in doubt
 * @m: the migration.
 *
 * What is marked after this begins was written after the flush that failed.
 *
 * Context: process, may sleep.
 */
void lm_phase_settle_doubt(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	u64 losses;

	while (lm_phase_in_doubt(m)) {
		losses = lm_phase_losses(m);
		/* Pairs with lm_phase_good(): the count before the marks. */
		smp_mb();
		lm_phase_clear_unflushed(m);
		/* Another one may have failed meanwhile. */
		spin_lock_irq(&p->lock);
		if (p->losses == losses)
			WRITE_ONCE(p->doubt, false);
		spin_unlock_irq(&p->lock);
	}
}

/**
 * lm_phase_reattach - let a failed standby take part again
 * @m: the migration.
 *
 * What it lacks, or may have lost, has a clear bit when it does.
 *
 * Context: process, may sleep; under lm_migration.messages, which keeps all
 * others away who could change a failed standby.
 * Return: LM_ALLOWED, also where it takes part already, or why not.
 */
enum lm_refusal lm_phase_reattach(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why;
	enum lm_standby standby;

	lockdep_assert_held(&m->messages);

	spin_lock_irq(&p->lock);
	standby = p->standby;
	why = __lm_ended(p);
	if (!why && standby == LM_FAILED &&
	    (p->rescues || !p->leg[lm_other_leg(p->active)].idle))
		why = LM_IN_FLIGHT;
	spin_unlock_irq(&p->lock);
	if (why || standby == LM_ATTACHED)
		return why;

	lm_phase_clear_unflushed(m);
	lm_unflushed_reset(&m->bitmap);

	spin_lock_irq(&p->lock);
	if (p->rescues)
		why = LM_IN_FLIGHT;
	else
		__lm_set(m, p->active, LM_ATTACHED, false);
	spin_unlock_irq(&p->lock);
	return why;
}

/**
 * lm_phase_may_verify - can the legs be compared?
 * @m: the migration.
 *
 * Context: any; takes lm_phase.lock.
 * Return: LM_ALLOWED or why not.
 */
enum lm_refusal lm_phase_may_verify(struct lm_migration *m)
{
	struct lm_phase *p = &m->phase;
	enum lm_refusal why;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	why = __lm_ended(p);
	if (!why && p->standby == LM_FAILED)
		why = LM_STANDBY_FAILED;
	else if (!why && !p->synced)
		why = LM_NOT_SYNCED;
	spin_unlock_irqrestore(&p->lock, flags);
	return why;
}
