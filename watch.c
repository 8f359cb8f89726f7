// SPDX-License-Identifier: GPL-2.0-only
/*
 * A standby that neither answers nor fails must not hang the guest.
 *
 * From time to time a worker looks at all that was sent.  Where the standby has
 * not answered for standby_timeout, it has failed.  What waits for it ends
 * without it: the guest's writes and flushes with what the active leg says, and
 * a copy lets its range go, for which guests wait.  What was sent is left behind
 * until it comes back (struct lm_sent); reattach is refused until then, because
 * it may yet be written.  That does no harm: the bits there are clear.
 *
 * An active leg that hangs, hangs the guest, as it would without us.
 *
 * Metadata that does not answer has failed as well, after the same time.
 */
#include "dm-livemigrate.h"

/* How many times in a standby_timeout we look. */
#define LM_WATCH_LOOKS	4
/* A clock that goes on by less, between two looks, has not leapt; jiffies. */
#define LM_WATCH_LEAP	((unsigned long)HZ / 10)

struct lm_watch {
	struct lm_target *t;
	enum lm_leg leg;
	unsigned long timeout;
	bool overdue;
	struct list_head writes;	/* by lm_io.wait.node */
	struct list_head jobs;		/* by lm_range.grant */
	struct list_head checks;	/* the same */
};

static struct lm_io *lm_watch_io(struct lm_range *range)
{
	return container_of(range, struct lm_io, range);
}

static void lm_watch_range(struct lm_range *range, void *arg)
{
	struct lm_watch *w = arg;
	/* Pairs with lm_write_both() and lm_walk_submit(). */
	struct lm_req *req = smp_load_acquire(&range->sent);

	if (range->kind == LM_RANGE_COPY)
		w->overdue |= lm_job_is_overdue(range, w->leg, w->timeout);
	else if (range->kind == LM_RANGE_CHECK)
		w->overdue |= lm_check_is_overdue(range, w->leg, w->timeout);
	else if (req)
		w->overdue |= lm_sent_is_overdue(&req->sent, w->leg, w->timeout);
}

static void lm_watch_give_up_range(struct lm_range *range, void *arg)
{
	struct lm_watch *w = arg;
	/* As above. */
	struct lm_req *req = smp_load_acquire(&range->sent);

	if (range->kind == LM_RANGE_COPY) {
		if (lm_job_is_overdue(range, w->leg, w->timeout) &&
		    lm_job_give_up(range))
			list_add_tail(&range->grant, &w->jobs);
	} else if (range->kind == LM_RANGE_CHECK) {
		if (lm_check_is_overdue(range, w->leg, w->timeout) &&
		    lm_check_give_up(range))
			list_add_tail(&range->grant, &w->checks);
	} else if (req && lm_sent_is_overdue(&req->sent, w->leg, w->timeout) &&
		   lm_sent_give_up(&req->sent, w->leg)) {
		list_add_tail(&lm_watch_io(range)->wait.node, &w->writes);
	}
}

/* End all that waits for a leg, which has failed. */
static void lm_watch_give_up(struct lm_watch *w)
{
	struct lm_ranges *ranges = &w->t->m->ranges;
	struct lm_range *range, *next_range;
	struct lm_meta_wait *wait, *next;

	lm_ranges_for_each(ranges, lm_watch_give_up_range, w);
	list_for_each_entry_safe(range, next_range, &w->jobs, grant)
		lm_job_let_go(range);
	list_for_each_entry_safe(range, next_range, &w->checks, grant)
		lm_check_let_go(range);
	list_for_each_entry_safe(wait, next, &w->writes, node)
		lm_mirror_give_up(container_of(wait, struct lm_io, wait), w->leg);
	while (lm_flush_give_up_one(w->t, w->leg, w->timeout))
		;
}

static void lm_watch_look(struct lm_target *t, unsigned int ms)
{
	struct lm_migration *m = t->m;
	struct lm_watch w = {
		.t = t,
		.leg = lm_phase_standby_leg(m),
		.timeout = msecs_to_jiffies(ms),
		.writes = LIST_HEAD_INIT(w.writes),
		.jobs = LIST_HEAD_INIT(w.jobs),
		.checks = LIST_HEAD_INIT(w.checks),
	};

	/*
	 * If the clock has leapt, because this machine stood still, the legs
	 * have not had the time.  A look may come late by some jiffies, though.
	 */
	if (time_after(jiffies, t->looked + max(w.timeout, LM_WATCH_LEAP))) {
		t->looked = jiffies;
		return;
	}
	t->looked = jiffies;

	lm_backlog_abandon(t, w.leg);
	lm_ranges_for_each(&m->ranges, lm_watch_range, &w);
	w.overdue |= lm_flush_is_overdue(t, w.leg, w.timeout);
	if (!w.overdue)
		return;
	if (lm_phase_give_up(m, w.leg)) {
		DMERR("%s: the %s has not answered for %u ms: it takes part no longer",
		      dm_device_name(m->md),
		      w.leg == LM_SOURCE ? "source" : "dest", ms);
		lm_migration_error(m, w.leg, LM_OP_WRITE, 0, -ETIMEDOUT);
	}
	/* The roles may have changed in the meantime. */
	if (!lm_phase_is_attached(m) && lm_phase_standby_leg(m) == w.leg)
		lm_watch_give_up(&w);
}

static void lm_watch_work(struct work_struct *work)
{
	struct lm_target *t = container_of(to_delayed_work(work),
					   struct lm_target, watch_work);
	unsigned int ms = t->m->standby_timeout;

	if (!READ_ONCE(t->watching))
		return;
	if (!lm_phase_is_final(t->m))
		lm_watch_look(t, ms);
	else if (!t->save)
		return;
	/* A write may wait for it from before the leg was dropped. */
	lm_save_watch(t, msecs_to_jiffies(ms));
	queue_delayed_work(t->watch_wq, &t->watch_work,
			   msecs_to_jiffies(ms / LM_WATCH_LOOKS) + 1);
}

/**
 * lm_watch_init - prepare an instance, which watches nothing yet
 * @t: the instance.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_watch_init(struct lm_target *t)
{
	INIT_DELAYED_WORK(&t->watch_work, lm_watch_work);
	init_waitqueue_head(&t->all_back);
	/* Its own: whoever waits for a leg must not keep it from looking. */
	t->watch_wq = alloc_workqueue("dm_livemigrate_watch",
				      WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	return t->watch_wq ? 0 : -ENOMEM;
}

/**
 * lm_watch_exit - the end of lm_watch_init()'s
 * @t: the instance; all zeroes will do.  It watches no more.
 *
 * Context: process, may sleep.
 */
void lm_watch_exit(struct lm_target *t)
{
	if (t->watch_wq)
		destroy_workqueue(t->watch_wq);
}

/**
 * lm_watch_start - the instance goes live
 * @t: the instance.
 *
 * Context: process.
 */
void lm_watch_start(struct lm_target *t)
{
	if (!t->m->standby_timeout)
		return;
	t->looked = jiffies;
	WRITE_ONCE(t->watching, true);
	mod_delayed_work(t->watch_wq, &t->watch_work, 0);
}

/**
 * lm_watch_stop - nothing is in flight any more, but for what was left behind
 * @t: the instance.
 *
 * Context: process, sleeps.
 */
void lm_watch_stop(struct lm_target *t)
{
	WRITE_ONCE(t->watching, false);
	cancel_delayed_work_sync(&t->watch_work);
}

/**
 * lm_watch_wait - wait for what was left behind
 * @t: the instance.
 *
 * Context: process, sleeps as long as a leg is silent.
 */
void lm_watch_wait(struct lm_target *t)
{
	wait_event(t->all_back, !atomic_read(&t->left_behind));
	/* Let the one who woke us leave its lock. */
	spin_lock_irq(&t->all_back.lock);
	spin_unlock_irq(&t->all_back.lock);
}
