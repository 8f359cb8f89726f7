// SPDX-License-Identifier: GPL-2.0-only
/*
 * The copier: one pass over the device, from the active leg to the standby.
 *
 * lm_copier_work() hands out jobs (job.c), at the pace that pacer.c finds.
 *
 * Regions that were lost come again in the next sweep, unless the guest's write
 * covered them whole.  From the third sweep on a job waits for its range like a
 * write does, and holds it from beginning to end, so the pass ends whatever the
 * guest does; it is short then, and paced no longer: a guest that makes regions anew
 * faster than its pace would not let it end.
 */
#include "dm-livemigrate.h"

#include <linux/blkdev.h>

/* In the sweep of this number a job ceases to give way. */
#define LM_HOLD_SWEEP		2
/* A job that copies flushes the legs this often, to bound what is redone. */
#define LM_FLUSH_INTERVAL	(5 * HZ)
/* Sectors; for a larger piece a guest would wait too long. */
#define LM_GRANULE_MAX		512U
/* Before regions that could not be read are tried again. */
#define LM_RETRY_DELAY		HZ

/**
 * lm_copier_idle - one job or flush less is under way
 * @c: the copier; the last access of whoever calls it.
 *
 * Context: any.
 */
void lm_copier_idle(struct lm_copier *c)
{
	unsigned long flags;

	/* Under the lock, or lm_copier_wait() might return before the wake-up. */
	spin_lock_irqsave(&c->idle.lock, flags);
	if (atomic_dec_and_test(&c->busy))
		wake_up_all_locked(&c->idle);
	spin_unlock_irqrestore(&c->idle.lock, flags);
}

/* ------------------------------------------------------------------------
 * The pass
 */

/*
 * Flush both legs: at the end, to be synced, and from time to time, so that a
 * standby that fails has not lost all that was ever copied.
 */
static void lm_copier_flush_end(struct lm_target *t, bool synced)
{
	struct lm_copier *c = &t->copier;

	if (synced)
		lm_phase_sync_end(t->m, c->flush_clears);
	clear_bit_unlock(0, &c->flushing);
	lm_copier_kick(t);
	lm_copier_idle(c);
}

static void lm_copier_recorded(struct lm_meta_wait *wait)
{
	struct lm_copier *c = container_of(wait, struct lm_copier, wait);

	lm_copier_flush_end(container_of(c, struct lm_target, copier), true);
}

static void lm_copier_flushed(void *arg, unsigned int legs, blk_status_t status)
{
	struct lm_target *t = arg;
	struct lm_copier *c = &t->copier;
	bool synced = false;

	if (status)
		WRITE_ONCE(c->errors, true);
	else if (c->flush_syncs && legs == LM_BOTH_LEGS)
		synced = lm_phase_sync_flushed(t->m, c->flush_clears);

	c->wait.ready = lm_copier_recorded;
	if (!synced || lm_save_complete(t, &c->wait))
		lm_copier_flush_end(t, synced);
}

static void lm_copier_flush(struct lm_target *t, bool syncs)
{
	struct lm_copier *c = &t->copier;

	if (test_and_set_bit(0, &c->flushing))
		return;
	c->flush_syncs = syncs;
	atomic_inc(&c->busy);
	c->last_flush = jiffies;
	/* The pool has some; whoever waits here keeps nobody from giving back. */
	lm_flush_start(t, NULL, lm_copier_flushed, t, GFP_NOIO);
}

/* Begin again, because the last pass has ended or there is a new standby. */
static void lm_copier_restart(struct lm_copier *c)
{
	c->cursor = 0;
	c->sweep = 0;
	c->careful = false;
	c->errors = false;
	c->started = false;
	lm_pacer_restart(&c->pacer);
}

/* Reads have failed: how long to wait, however often we are kicked.  Jiffies. */
static unsigned long lm_copier_retry_delay(const struct lm_copier *c)
{
	unsigned long now = jiffies;

	return c->careful && time_before(now, c->retry_at) ? c->retry_at - now : 0;
}

/*
 * The next run to copy.  Returns its length in regions, 0 at the sweep's end.
 */
static unsigned int lm_copier_next(struct lm_target *t, u64 *first)
{
	struct lm_copier *c = &t->copier;
	struct lm_bitmap *b = &t->m->bitmap;
	unsigned int sectors = c->sweep < LM_HOLD_SWEEP ?
			       lm_pacer_sectors(&c->pacer) : LM_HOLD_SECTORS;
	u64 chunk_end, end, readable, max;

	for (;;) {
		*first = lm_bitmap_next_clear(b, c->cursor, b->nr_regions);
		if (*first == b->nr_regions)
			return 0;

		/* Region by region where reads fail: the good ones come through. */
		max = c->careful ? 1 : max(sectors >> b->region_shift, 1U);
		chunk_end = (((*first << b->region_shift) |
			      (LM_CHUNK_SECTORS - 1)) + 1) >> b->region_shift;
		max = min(max, chunk_end - *first);
		end = round_down(*first + max, c->granule);
		if (end > *first)
			max = end - *first;
		readable = *first;
		lm_unread_skip(t->m, &readable, &max);
		if (readable == *first)
			break;
		c->cursor = readable;
	}
	max = max_t(u64, lm_bitmap_clear_run(b, *first, max), 1);
	c->cursor = *first + max;
	return max;
}

/*
 * The sweep has ended, and so have its jobs.  Returns whether another one may
 * begin now; if not, something will kick us, or the delay is set.
 */
static bool lm_copier_sweep_ended(struct lm_target *t)
{
	struct lm_copier *c = &t->copier;
	bool errors = c->errors, started = c->started;
	u64 clears, region;

	c->cursor = 0;
	c->started = false;
	c->sweep++;
	c->careful = errors;
	c->errors = false;
	if (errors) {
		c->retry_at = jiffies + LM_RETRY_DELAY;
		queue_delayed_work(t->done_wq, &c->work, LM_RETRY_DELAY);
		return false;
	}
	if (lm_phase_sync_begin(t->m, &clears)) {
		c->flush_clears = clears;
		lm_copier_flush(t, true);
		return false;
	}
	/* What is left cannot be read: wait for the guest to write it anew. */
	lm_unread_count(t->m, &region);
	return started;
}

static void lm_copier_work(struct work_struct *work)
{
	struct lm_copier *c = container_of(to_delayed_work(work),
					   struct lm_copier, work);
	struct lm_target *t = container_of(c, struct lm_target, copier);
	struct lm_migration *m = t->m;
	unsigned int attachments, nr;
	struct blk_plug plug;
	struct lm_job *job;
	u64 first, wait;

	blk_start_plug(&plug);
	while (!READ_ONCE(c->stopped) && !READ_ONCE(m->paused)) {
		unsigned long delay = lm_copier_retry_delay(c);

		if (!lm_phase_wants_copy(m, &attachments)) {
			lm_copier_restart(c);
			lm_jobs_trim(t);
			lm_unread_retry(m);
			break;
		}
		if (attachments != c->attachments) {
			c->attachments = attachments;
			lm_copier_restart(c);
			lm_unread_retry(m);
		}
		if (delay) {
			queue_delayed_work(t->done_wq, &c->work, delay);
			break;
		}
		wait = lm_pacer_wait(t, &c->pacer, !READ_ONCE(c->jobs_busy),
				     c->sweep >= LM_HOLD_SWEEP);
		if (wait && lm_pacer_nap(t, wait, &c->work))
			continue;
		if (wait)
			break;
		if (time_after(jiffies, c->last_flush + LM_FLUSH_INTERVAL))
			lm_copier_flush(t, false);

		job = lm_job_get(t);
		if (!job)
			break;
		nr = lm_copier_next(t, &first);
		if (nr) {
			lm_pacer_begun(&c->pacer, nr << m->bitmap.region_shift);
			c->started = true;
			lm_job_start(job, first, nr, c->sweep < LM_HOLD_SWEEP);
		} else if (READ_ONCE(c->jobs_busy) || test_bit(0, &c->flushing) ||
			   !lm_copier_sweep_ended(t)) {
			break;
		}
	}
	blk_finish_plug(&plug);
}

/**
 * lm_copier_kick - look whether there is something to copy
 * @t: the instance.
 *
 * Context: any.
 */
void lm_copier_kick(struct lm_target *t)
{
	mod_delayed_work(t->done_wq, &t->copier.work, 0);
}

/**
 * lm_copier_stop - begin no more jobs
 * @t: the instance.
 *
 * Context: process; does not wait.
 */
void lm_copier_stop(struct lm_target *t)
{
	WRITE_ONCE(t->copier.stopped, true);
}

/**
 * lm_copier_wait - wait until all that was begun has ended
 * @t: the instance; lm_copier_stop() was called.
 *
 * Context: process, sleeps.
 */
void lm_copier_wait(struct lm_target *t)
{
	struct lm_copier *c = &t->copier;

	cancel_delayed_work_sync(&c->work);
	wait_event(c->idle, !atomic_read(&c->busy));
	/* Let the one who woke us leave its lock. */
	spin_lock_irq(&c->idle.lock);
	spin_unlock_irq(&c->idle.lock);
	/* The last job has kicked it again, in vain. */
	cancel_delayed_work_sync(&c->work);
}

/**
 * lm_copier_start - go on
 * @t: the instance.
 *
 * Context: any.
 */
void lm_copier_start(struct lm_target *t)
{
	WRITE_ONCE(t->copier.stopped, false);
	lm_copier_kick(t);
}

/**
 * lm_copier_init - prepare a copier, which stands still
 * @t: the instance.
 * @error: on error, a sentence.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_copier_init(struct lm_target *t, char **error)
{
	unsigned int region = 1U << t->m->bitmap.region_shift;
	struct lm_copier *c = &t->copier;
	unsigned int least;

	INIT_DELAYED_WORK(&c->work, lm_copier_work);
	init_waitqueue_head(&c->idle);
	c->stopped = true;
	c->last_flush = jiffies;
	/* Either may become the standby. */
	least = max3(region, lm_leg_granule(t, LM_SOURCE, LM_GRANULE_MAX),
		     lm_leg_granule(t, LM_DEST, LM_GRANULE_MAX));
	c->granule = least / region;
	lm_pacer_init(&c->pacer, least);
	if (lm_jobs_init(t)) {
		*error = "no memory for the copier";
		return -ENOMEM;
	}
	return 0;
}

/**
 * lm_copier_exit - the end of lm_copier_init()'s
 * @t: the instance; all zeroes will do.  Nothing is under way.
 *
 * Context: process, may sleep.
 */
void lm_copier_exit(struct lm_target *t)
{
	lm_jobs_exit(t);
}
