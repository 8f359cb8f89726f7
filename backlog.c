// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending to a leg, and waiting for nothing.
 *
 * Nobody waits for room on a standby: not the guest's thread, nor a worker that
 * others need.  A device that hangs has none for ever, and what sleeps in it
 * could not be given up.  So a bio is sent there in such a way that it comes back
 * at once if there is no room, and then lies in a backlog, whose worker may sleep.
 * Workers send to the active leg like this as well: it may hang, and be the standby
 * before long.  The backlogs are short, or a slow leg would take all memory: where
 * one is full, writes wait before they take pages and references.
 *
 * What comes back of the guest's own bios, which go to one leg, waits there, too.
 *
 * What the copier and verify send is always sent by that worker, in turn with what
 * the guest sends.  Their own work must not sleep in a leg either: where a worker is
 * not to be had the rescuer of their workqueue takes several, one after the other,
 * and those that waited behind one that sleeps could not be given up.
 */
#include "dm-livemigrate.h"

#include <linux/blk-mq.h>
#include <linux/blkdev.h>

static void lm_backlog_queue(struct lm_backlog *backlog, enum lm_backlog_kind kind,
			     struct bio *bio)
{
	struct lm_target *t = backlog->t;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	bio_list_add(&backlog->bios[kind], bio);
	/* Under the lock: @t is there until the bio has come back. */
	queue_work(backlog->wq, &backlog->work);
	spin_unlock_irqrestore(&t->lock, flags);
}

static void lm_backlog_add(struct lm_target *t, enum lm_leg leg, struct bio *bio)
{
	struct lm_backlog *backlog = &t->backlog[leg];

	atomic_inc(&backlog->nr);
	lm_backlog_queue(backlog, LM_BACKLOG_SHARED, bio);
}

/**
 * lm_backlog_send_own - send a bio that serves no guest
 * @t: the table's instance.
 * @leg: the leg.
 * @bio: the bio; its sender bounds how many there are.
 *
 * Context: any.
 */
void lm_backlog_send_own(struct lm_target *t, enum lm_leg leg, struct bio *bio)
{
	lm_backlog_queue(&t->backlog[leg], LM_BACKLOG_OWN, bio);
}

/**
 * lm_backlog_send_whole - send the guest's own bio
 * @t: the table's instance.
 * @leg: the leg.
 * @bio: the bio, which dm has given to map().
 *
 * Context: any.
 */
void lm_backlog_send_whole(struct lm_target *t, enum lm_leg leg, struct bio *bio)
{
	lm_backlog_queue(&t->backlog[leg], LM_BACKLOG_WHOLE, bio);
}

/* By turns, or a guest that never stops would make a copy look as if it hung. */
static struct bio *lm_backlog_pop(struct lm_backlog *backlog, enum lm_backlog_kind *kind)
{
	struct bio *bio = NULL;
	unsigned int i;

	spin_lock_irq(&backlog->t->lock);
	for (i = 1; i <= LM_NR_BACKLOGS && !bio; i++) {
		*kind = (backlog->last + i) % LM_NR_BACKLOGS;
		bio = bio_list_pop(&backlog->bios[*kind]);
	}
	spin_unlock_irq(&backlog->t->lock);
	backlog->last = *kind;
	if (bio && *kind == LM_BACKLOG_SHARED) {
		atomic_dec(&backlog->nr);
		wake_up(&backlog->t->backlog_room);
	}
	return bio;
}

/* Its leg, which has failed, gets nothing more. */
static void lm_backlog_withhold(struct bio *bio, enum lm_backlog_kind kind)
{
	bio->bi_status = kind == LM_BACKLOG_WHOLE ? BLK_STS_IOERR : LM_STS_WITHHELD;
	bio_endio(bio);
}

static void lm_backlog_work(struct work_struct *work)
{
	struct lm_backlog *backlog = container_of(work, struct lm_backlog, work);
	struct lm_leg_ref *ref = &backlog->t->m->phase.leg[backlog->leg];
	enum lm_backlog_kind kind;
	struct blk_plug plug;
	struct bio *bio;

	blk_start_plug(&plug);
	while ((bio = lm_backlog_pop(backlog, &kind))) {
		if (percpu_ref_is_dying(&ref->ref))
			lm_backlog_withhold(bio, kind);
		else if (kind == LM_BACKLOG_WHOLE)
			dm_submit_bio_remap(bio, NULL);
		else
			submit_bio_noacct(bio);
	}
	blk_finish_plug(&plug);
}

/**
 * lm_backlog_abandon - do not let the guest wait for a leg that has failed
 * @t: the table's instance.
 * @leg: the leg, in which the worker may sleep.
 *
 * What was mirrored, or serves no guest, is given up by whoever watches it.
 *
 * Context: process.
 */
void lm_backlog_abandon(struct lm_target *t, enum lm_leg leg)
{
	struct bio_list bios;
	struct bio *bio;

	if (!percpu_ref_is_dying(&t->m->phase.leg[leg].ref))
		return;
	spin_lock_irq(&t->lock);
	bios = t->backlog[leg].bios[LM_BACKLOG_WHOLE];
	bio_list_init(&t->backlog[leg].bios[LM_BACKLOG_WHOLE]);
	spin_unlock_irq(&t->lock);
	while ((bio = bio_list_pop(&bios)))
		bio_io_error(bio);
}

/*
 * Might whoever submits @bio sleep, whatever its flags are?  A device that is made
 * of others cannot be asked what those do.
 */
static bool lm_bio_may_sleep(const struct bio *bio, bool leg_blocks)
{
	if (leg_blocks || !bdev_nowait(bio->bi_bdev))
		return true;
	/* Writeback throttling does not heed NOWAIT; see lm_backlog_send(). */
	if (bio_op(bio) == REQ_OP_DISCARD)
		return true;
	/* dm makes a bio of its own of an empty flush, without the flag. */
	return bio->bi_bdev->bd_disk->fops->submit_bio &&
	       (bio->bi_opf & REQ_PREFLUSH);
}

/**
 * lm_backlog_blocks - does a device work in the context of who submits?
 * @bdev: the device; its driver is there.
 *
 * nbd and loop do.
 *
 * Context: process.
 */
bool lm_backlog_blocks(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return queue_is_mq(q) && (q->tag_set->flags & BLK_MQ_F_BLOCKING);
}

/**
 * lm_backlog_send - send a bio to a leg, and wait for nothing
 * @t: the table's instance.
 * @leg: the leg.
 * @clone: the guest's bio that it serves, for accounting; or NULL.
 * @bio: the bio, of a struct lm_sent; its end must ask lm_sent_again().
 *
 * Context: any that may submit a bio.
 */
void lm_backlog_send(struct lm_target *t, enum lm_leg leg, struct bio *clone,
		     struct bio *bio)
{
	if (lm_bio_may_sleep(bio, t->blocks[leg])) {
		lm_backlog_add(t, leg, bio);
		return;
	}
	/* Writeback throttling lets a write with SYNC and IDLE go. */
	bio->bi_opf |= REQ_NOWAIT | REQ_SYNC | REQ_IDLE;
	if (clone)
		dm_submit_bio_remap(clone, bio);
	else
		submit_bio_noacct(bio);
}

/**
 * lm_sent_again - has a bio come back because there was no room?
 * @sent: what it is of.
 * @t: the instance.
 * @bio: the bio.
 *
 * Context: any.
 * Return: true if it was sent again, and will end once more.
 */
bool lm_sent_again(struct lm_sent *sent, struct lm_target *t, struct bio *bio)
{
	enum lm_leg leg = bio == &sent->bios.source ? LM_SOURCE : LM_DEST;
	blk_opf_t flush = bio->bi_opf & REQ_PREFLUSH;
	bio_end_io_t *end_io = bio->bi_end_io;
	unsigned short ioprio = bio->bi_ioprio;
	void *private = bio->bi_private;

	if (likely(!bio->bi_status || !(bio->bi_opf & REQ_NOWAIT)))
		return false;
	/* Something beneath may not know NOWAIT, whatever the leg says. */
	if (bio->bi_status != BLK_STS_AGAIN && bio->bi_status != BLK_STS_NOTSUPP)
		return false;

	/* It may have been split, and part of it written. */
	lm_leg_bio_init(t, bio, leg, bio->bi_io_vec, bio->bi_vcnt, bio->bi_opf,
			sent->start);
	bio->bi_opf |= flush;
	if (!sent->bytes)
		bio->bi_iter.bi_sector = 0;
	bio->bi_iter.bi_size = sent->bytes;
	bio->bi_ioprio = ioprio;
	bio->bi_private = private;
	bio->bi_end_io = end_io;
	lm_backlog_add(t, leg, bio);
	return true;
}

/**
 * lm_backlog_has_room - may more be sent to both legs?
 * @t: the table's instance.
 * @waits: the caller would wait otherwise: it gets room before those who would
 *	not.
 *
 * Context: any, no lock: a hint.
 */
bool lm_backlog_has_room(struct lm_target *t, bool waits)
{
	int max = waits ? LM_BACKLOG_MAX : LM_BACKLOG_MAX / 2;

	return atomic_read(&t->backlog[LM_SOURCE].nr) < max &&
	       atomic_read(&t->backlog[LM_DEST].nr) < max;
}

/**
 * lm_backlog_await - wait until more may be sent, or the standby is gone
 * @t: the table's instance.
 *
 * Context: process, sleeps, no longer than a standby may keep silent.
 */
void lm_backlog_await(struct lm_target *t)
{
	while (!lm_backlog_has_room(t, true) && lm_phase_is_attached(t->m))
		wait_event_timeout(t->backlog_room,
				   lm_backlog_has_room(t, true), HZ / 10);
}

/**
 * lm_backlog_init - prepare an instance to send to its legs
 * @t: the instance.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_backlog_init(struct lm_target *t)
{
	enum lm_backlog_kind kind;
	enum lm_leg leg;

	init_waitqueue_head(&t->backlog_room);
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		struct lm_backlog *backlog = &t->backlog[leg];

		backlog->t = t;
		backlog->leg = leg;
		for (kind = 0; kind < LM_NR_BACKLOGS; kind++)
			bio_list_init(&backlog->bios[kind]);
		INIT_WORK(&backlog->work, lm_backlog_work);
		/* One each: a leg that hangs must not keep the other's rescuer. */
		backlog->wq = alloc_workqueue("dm_livemigrate_%s",
					      WQ_MEM_RECLAIM | WQ_UNBOUND, 1,
					      leg == LM_SOURCE ? "source" : "dest");
		if (!backlog->wq)
			return -ENOMEM;
	}
	return 0;
}

/**
 * lm_backlog_exit - the end of lm_backlog_init()'s
 * @t: the instance; all zeroes will do.  All that was sent is back.
 *
 * Context: process, may sleep.
 */
void lm_backlog_exit(struct lm_target *t)
{
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (t->backlog[leg].wq)
			destroy_workqueue(t->backlog[leg].wq);
}
