// SPDX-License-Identifier: GPL-2.0-only
/*
 * pace.c beside a real guest: what it has done so far dm's own statistics of the
 * device tell, and the copier is told when to go on.
 */
#include "dm-livemigrate.h"
#include "compat.h"

#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/device-mapper.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/part_stat.h>

/* The statistics are summed up over all processors, so not for each piece. */
#define LM_LOOK_NS	NSEC_PER_MSEC
/* Shorter waits are no matter of jiffies. */
#define LM_NAP_JIFFIES	2

/**
 * lm_pacer_init - a pace that has not begun
 * @pacer: the pacer.
 * @least: sectors; no piece is smaller.
 *
 * Context: any.
 */
void lm_pacer_init(struct lm_pacer *pacer, unsigned int least)
{
	spin_lock_init(&pacer->lock);
	pacer->looked = 0;
	memset(&pacer->guest, 0, sizeof(pacer->guest));
	lm_pace_init(&pacer->pace, least, ktime_get_ns());
}

static bool lm_pacer_on = true;
module_param_named(pace, lm_pacer_on, bool, 0644);
MODULE_PARM_DESC(pace, "Copy beside a guest no faster than it can bear; N: as fast as the disks can");

/* dm's own count begins when a leg is sent something, ours before that, for writes. */
static bool lm_pacer_under_way(struct lm_migration *m, struct block_device *part)
{
	long nr = atomic64_read(&m->stats.in_flight);
	int cpu;

	for_each_possible_cpu(cpu)
		nr += part_stat_local_read_cpu(part, in_flight[READ], cpu) +
		      part_stat_local_read_cpu(part, in_flight[WRITE], cpu);
	return nr > 0;
}

static void lm_pacer_look(struct lm_target *t, struct lm_pacer *pacer, u64 now)
{
	struct lm_pace_guest *guest = &pacer->guest;
	struct gendisk *disk = dm_disk(t->m->md);
	struct block_device *part = disk->part0;

	if (!READ_ONCE(lm_pacer_on)) {
		/* As if it did nothing. */
		guest->under_way = false;
		return;
	}
	if (now - pacer->looked < LM_LOOK_NS)
		return;
	pacer->looked = now;
	if (!lm_counts_io(disk)) {
		/* Nobody counts: it may be doing something all the time. */
		guest->under_way = true;
		return;
	}
	guest->ios = part_stat_read(part, ios[STAT_READ]) +
		     part_stat_read(part, ios[STAT_WRITE]) +
		     part_stat_read(part, ios[STAT_DISCARD]);
	guest->busy = jiffies_to_nsecs(part_stat_read(part, io_ticks));
	guest->under_way = lm_pacer_under_way(t->m, part);
}

/**
 * lm_pacer_wait - how long until the next piece may begin
 * @t: the instance.
 * @pacer: the pacer.
 * @idle: nothing of its pieces is under way.
 * @hurry: whatever it costs the guest; copy_rate holds nevertheless.
 *
 * Context: process; one caller at a time.
 * Return: ns; 0: now; LM_PACE_STOP: not before a piece has ended.
 */
u64 lm_pacer_wait(struct lm_target *t, struct lm_pacer *pacer, bool idle, bool hurry)
{
	u64 now = ktime_get_ns(), wait;
	unsigned long flags;

	lm_pacer_look(t, pacer, now);
	spin_lock_irqsave(&pacer->lock, flags);
	lm_pace_cap(&pacer->pace, READ_ONCE(t->m->copy_rate));
	lm_pace_look(&pacer->pace, &pacer->guest, idle, now);
	wait = lm_pace_wait(&pacer->pace, hurry, now);
	spin_unlock_irqrestore(&pacer->lock, flags);
	return wait;
}

/**
 * lm_pacer_nap - wait for the next piece
 * @t: the instance.
 * @wait: from lm_pacer_wait(), not 0.
 * @work: the caller's own, on done_wq.
 *
 * Context: process, sleeps for some jiffies at most.
 * Return: true: look again now; false: @work will run again, or somebody has to kick it.
 */
bool lm_pacer_nap(struct lm_target *t, u64 wait, struct delayed_work *work)
{
	unsigned long delay;

	if (wait == LM_PACE_STOP)
		return false;
	delay = nsecs_to_jiffies(wait);
	if (delay > LM_NAP_JIFFIES) {
		queue_delayed_work(t->done_wq, work, delay - LM_NAP_JIFFIES);
		return false;
	}
	wait = div_u64(wait, NSEC_PER_USEC) + 1;
	usleep_range(wait, wait + 20);
	return true;
}

/**
 * lm_pacer_restart - what was begun is no matter to copy_rate any more
 * @pacer: the pacer.
 *
 * Context: process; one caller at a time.
 */
void lm_pacer_restart(struct lm_pacer *pacer)
{
	unsigned long flags;

	spin_lock_irqsave(&pacer->lock, flags);
	lm_pace_restart(&pacer->pace);
	spin_unlock_irqrestore(&pacer->lock, flags);
}

/**
 * lm_pacer_sectors - how large a piece should be
 * @pacer: the pacer.
 *
 * Context: process; one caller at a time.
 */
unsigned int lm_pacer_sectors(struct lm_pacer *pacer)
{
	return READ_ONCE(pacer->pace.piece);
}

/**
 * lm_pacer_begun - a piece was begun
 * @pacer: the pacer.
 * @sectors: how large it is.
 *
 * Context: process; one caller at a time.
 */
void lm_pacer_begun(struct lm_pacer *pacer, unsigned int sectors)
{
	unsigned long flags;

	spin_lock_irqsave(&pacer->lock, flags);
	lm_pace_begun(&pacer->pace, sectors, ktime_get_ns());
	spin_unlock_irqrestore(&pacer->lock, flags);
}

/**
 * lm_pacer_ended - a leg has answered
 * @pacer: the pacer.
 * @leg: 0: a piece has been read; 1: what comes of it has been done.
 * @sectors: how large that was.
 * @sent: when it was sent, ns.
 * @back: when it was answered, ns.
 *
 * Context: any.
 */
void lm_pacer_ended(struct lm_pacer *pacer, unsigned int leg, unsigned int sectors,
		    u64 sent, u64 back)
{
	unsigned long flags;

	spin_lock_irqsave(&pacer->lock, flags);
	lm_pace_ended(&pacer->pace, leg, sectors, sent, back);
	spin_unlock_irqrestore(&pacer->lock, flags);
}
