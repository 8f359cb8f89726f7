// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uevents, for rules of udev: the phase, when it has changed.
 *
 * A guest that discards may change it a hundred times a second, and udev looks at
 * the whole device each time: so at most one a second is sent, and the last one
 * always is, unless the device is removed before.  Who wants each change listens to dm's events.
 *
 * None is sent while the device is suspended: udev leaves one alone that is, and
 * forgets what it has found there.  Nobody who suspends waits for us, because to
 * send takes memory, and a lock that others hold while they wait for memory.
 */
#include "dm-livemigrate.h"

#include <linux/blkdev.h>
#include <linux/jiffies.h>
#include <linux/kobject.h>

#define LM_UEVENT_INTERVAL	HZ
/* The last one is NULL. */
#define LM_UEVENT_WORDS		6
#define LM_UEVENT_LEN		48

static int lm_uevent_send(struct lm_migration *m, const struct lm_snapshot *snap)
{
	char phase[LM_UEVENT_LEN], active[LM_UEVENT_LEN], begin[LM_UEVENT_LEN];
	char *env[LM_UEVENT_WORDS] = {
		"DM_TARGET=livemigrate", "DM_ACTION=LIVEMIGRATE_PHASE",
		phase, active, begin
	};

	snprintf(phase, sizeof(phase), "LIVEMIGRATE_PHASE=%s",
		 lm_phase_names[snap->shown]);
	snprintf(active, sizeof(active), "LIVEMIGRATE_ACTIVE=%s",
		 lm_leg_names[snap->active]);
	snprintf(begin, sizeof(begin), "LIVEMIGRATE_BEGIN=%llu", (u64)m->begin);
	return kobject_uevent_env(&disk_to_dev(dm_disk(m->md))->kobj, KOBJ_CHANGE, env);
}

/* Tell the phase if it is news.  Jiffies until that must be tried again, or 0. */
static unsigned long lm_uevent_tell(struct lm_migration *m, bool last)
{
	struct lm_told *told = &m->told;
	u64 now = get_jiffies_64();
	struct lm_snapshot snap;
	unsigned long delay = 0;

	mutex_lock(&told->lock);
	lm_phase_snapshot(m, &snap);
	if (told->phase == snap.shown && told->active == snap.active) {
		;
	} else if (!last && now < told->next) {
		delay = told->next - now;
	} else if (lm_uevent_send(m, &snap)) {
		delay = LM_UEVENT_INTERVAL;
	} else {
		told->phase = snap.shown;
		told->active = snap.active;
		told->next = now + LM_UEVENT_INTERVAL;
	}
	mutex_unlock(&told->lock);
	return delay;
}

static void lm_uevent_work(struct work_struct *work)
{
	struct lm_target *t = container_of(to_delayed_work(work),
					   struct lm_target, uevent_work);
	unsigned long delay = LM_UEVENT_INTERVAL;

	if (!dm_suspended(t->ti))
		delay = lm_uevent_tell(t->m, false);
	if (delay)
		schedule_delayed_work(&t->uevent_work, delay);
}

/**
 * lm_uevent_begin - what a migration begins with is no news
 * @m: the migration, which has its first phase.
 *
 * Context: process.
 */
void lm_uevent_begin(struct lm_migration *m)
{
	struct lm_snapshot snap;

	mutex_init(&m->told.lock);
	lm_phase_snapshot(m, &snap);
	m->told.phase = snap.shown;
	m->told.active = snap.active;
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
 * @t: the instance.
 *
 * Context: any.
 */
void lm_uevent_kick(struct lm_target *t)
{
	schedule_delayed_work(&t->uevent_work, 0);
}

/**
 * lm_uevent_end - send no more
 * @t: the instance; lm_uevent_kick() is called no more.
 * @last: tell what is owed: no table comes after it that would, but the device stays.
 *
 * Context: process, sleeps.
 */
void lm_uevent_end(struct lm_target *t, bool last)
{
	cancel_delayed_work_sync(&t->uevent_work);
	/* A table whose resume has failed leaves it suspended. */
	if (last && !dm_suspended(t->ti))
		lm_uevent_tell(t->m, true);
}
