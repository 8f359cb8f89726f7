// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uevents, for rules of udev: the phase, when it has changed.
 *
 * A guest that discards may change it a hundred times a second, and udev looks at
 * the whole device each time: so at most one a second is sent, and the last one
 * always is.  Who wants each change listens to dm's events.
 */
#include "dm-livemigrate.h"

#include <linux/blkdev.h>
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>

#define LM_UEVENT_INTERVAL	HZ
/* The last one is NULL. */
#define LM_UEVENT_WORDS		5
#define LM_UEVENT_LEN		40

/* Protects lm_told: a table's that is being replaced may be late. */
static DEFINE_MUTEX(lm_uevent_lock);

/* Jiffies until another one may be sent, or 0: then the phase is told, if it is news. */
static unsigned long lm_uevent_tell(struct lm_migration *m)
{
	char phase[LM_UEVENT_LEN], active[LM_UEVENT_LEN];
	char *env[LM_UEVENT_WORDS] = {
		"DM_TARGET=livemigrate", "DM_ACTION=LIVEMIGRATE_PHASE",
		phase, active
	};
	struct lm_told *told = &m->told;
	unsigned long now = jiffies, next = told->at + LM_UEVENT_INTERVAL;
	struct lm_snapshot snap;

	if (told->any && time_before(now, next))
		return next - now;
	lm_phase_snapshot(m, &snap);
	if (told->any && told->phase == snap.phase && told->active == snap.active)
		return 0;
	told->any = true;
	told->phase = snap.phase;
	told->active = snap.active;
	told->at = now;
	snprintf(phase, sizeof(phase), "LIVEMIGRATE_PHASE=%s",
		 lm_phase_names[snap.phase]);
	snprintf(active, sizeof(active), "LIVEMIGRATE_ACTIVE=%s",
		 lm_leg_names[snap.active]);
	kobject_uevent_env(&disk_to_dev(dm_disk(m->md))->kobj, KOBJ_CHANGE, env);
	return 0;
}

static void lm_uevent_work(struct work_struct *work)
{
	struct lm_target *t = container_of(to_delayed_work(work),
					   struct lm_target, uevent_work);
	unsigned long delay;
	unsigned int flags;

	/* A suspend waits for us, and memory must not wait for that. */
	flags = memalloc_noio_save();
	mutex_lock(&lm_uevent_lock);
	delay = lm_uevent_tell(t->m);
	mutex_unlock(&lm_uevent_lock);
	memalloc_noio_restore(flags);
	if (delay)
		queue_delayed_work(t->done_wq, &t->uevent_work, delay);
}

/**
 * lm_uevent_init - prepare an instance
 * @t: the instance.
 *
 * Context: any.
 */
void lm_uevent_init(struct lm_target *t)
{
	INIT_DELAYED_WORK(&t->uevent_work, lm_uevent_work);
}

/**
 * lm_uevent_kick - the phase may be another one than was told last
 * @t: the instance, which is live.
 *
 * Context: any.
 */
void lm_uevent_kick(struct lm_target *t)
{
	queue_delayed_work(t->done_wq, &t->uevent_work, 0);
}

/**
 * lm_uevent_stop - send no more; the table that comes next does
 * @t: the instance; lm_uevent_kick() is called no more.
 *
 * Context: process, sleeps.
 */
void lm_uevent_stop(struct lm_target *t)
{
	cancel_delayed_work_sync(&t->uevent_work);
}
