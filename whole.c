// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own bios, which go to one leg as they are: reads, writes that the active
 * leg alone gets, and all of them once one leg is left.
 *
 * A read goes to the active leg, without lock or allocation.  If that leg fails it, and
 * the other one holds the same, the other one is asked.
 *
 * What a leg sends back because there was no room, and the bio must not wait, waits in
 * that leg's backlog.
 */
#include "dm-livemigrate.h"
#include "compat.h"

#include <linux/blkdev.h>
#include <linux/sched.h>

/**
 * lm_in_worker - is this a worker's thread?
 *
 * dm's own, for which suspend waits, sends the data that comes with a flush, and what
 * came while suspended: it must not sleep in a leg.
 *
 * Context: any thread.
 */
bool lm_in_worker(void)
{
	return current->flags & PF_WQ_WORKER;
}

/**
 * lm_whole_detach - a bio will go to a leg from elsewhere than map()
 * @bio: the bio.
 *
 * Whoever submitted it is not there to be told that it would have to wait, nor may
 * the leg be polled for it before it was sent.
 *
 * Context: any.
 */
void lm_whole_detach(struct bio *bio)
{
	bio->bi_opf &= ~REQ_NOWAIT;
	bio_clear_polled(bio);
}

/* ------------------------------------------------------------------------
 * To a leg, and back
 */

/*
 * Send @bio, whose io's @leg and @iter are set, when there is room.  It may have been
 * sent before, split there, and answered in part; dm-raid1 repeats bios like this.
 */
static void lm_whole_send_late(struct lm_io *io, struct bio *bio)
{
	struct lm_target *t = io->t;

	/* Not bio_set_dev(): for the cgroup dm cares, when it is sent. */
	bio->bi_flags = io->flags;
	bio_clear_flag(bio, BIO_REMAPPED);
	bio->bi_bdev = lm_leg_bdev(t, io->leg);
	atomic_set(&bio->__bi_remaining, 1);
	bio->bi_status = BLK_STS_OK;
	bio->bi_iter = io->iter;
	bio->bi_iter.bi_sector += t->start[io->leg];
	lm_whole_detach(bio);
	lm_backlog_send_whole(t, io->leg, bio);
}

/**
 * lm_whole_begin - prepare a bio for a leg, which may lack what the source can do
 * @io: the bio's.
 * @bio: the bio; its sector counts from the target's start.
 * @leg: the leg.
 *
 * Context: any.
 * Return: true if it can be submitted; false if it is under way already.
 */
bool lm_whole_begin(struct lm_io *io, struct bio *bio, enum lm_leg leg)
{
	struct block_device *bdev = lm_leg_bdev(io->t, leg);

	io->leg = leg;
	io->flags = bio->bi_flags;
	io->iter = bio->bi_iter;
	if ((bio->bi_opf & REQ_POLLED) && !lm_bdev_polls(bdev))
		bio_clear_polled(bio);
	if (unlikely((bio->bi_opf & REQ_NOWAIT) && !bdev_nowait(bdev))) {
		lm_whole_send_late(io, bio);
		return false;
	}
	bio_set_dev(bio, bdev);
	bio->bi_iter.bi_sector += io->t->start[leg];
	return true;
}

/**
 * lm_whole_again - has a bio come back because there was no room?
 * @io: the bio's.
 * @bio: the bio.
 * @status: how it has ended.
 *
 * Then it waits for some here.  The guest could repeat it only within the call that
 * submitted it, and that may be over: dm ends what it has split when the last part has
 * ended, and repeats by itself what is polled.
 *
 * Context: any.
 * Return: true if it is under way again, and will end once more.
 */
bool lm_whole_again(struct lm_io *io, struct bio *bio, blk_status_t status)
{
	if (likely(!status || !(bio->bi_opf & REQ_NOWAIT)))
		return false;
	/* Something beneath may not know NOWAIT, whatever the leg says. */
	if (status != BLK_STS_AGAIN && status != BLK_STS_NOTSUPP)
		return false;
	lm_whole_send_late(io, bio);
	return true;
}

/* ------------------------------------------------------------------------
 * Reads
 */

/**
 * lm_whole_read - take a read of the guest
 * @io: the bio's.
 * @bio: the bio.
 *
 * Context: the submitter's; never sleeps.
 * Return: a DM_MAPIO_ value.
 */
int lm_whole_read(struct lm_io *io, struct bio *bio)
{
	io->kind = LM_IO_READ;
	if (lm_in_worker())
		bio->bi_opf |= REQ_NOWAIT;
	return lm_whole_begin(io, bio, lm_phase_read_begin(io->t->m)) ?
		DM_MAPIO_REMAPPED : DM_MAPIO_SUBMITTED;
}

/* An error that the other leg would give as well, or that is none. */
static bool lm_read_is_hopeless(blk_status_t status)
{
	return status == BLK_STS_AGAIN || status == BLK_STS_NOTSUPP ||
	       blk_status_to_errno(status) == -EINVAL;
}

/* The guest's answer.  The instance may be gone once this has returned. */
static void lm_read_settle(struct lm_io *io, blk_status_t status)
{
	struct bio *bio = lm_io_bio(io);

	io->kind = LM_IO_PASSED;
	bio->bi_status = status;
	bio_endio(bio);
}

static void lm_rescue_endio(struct bio *clone)
{
	struct lm_io *io = clone->bi_private;
	blk_status_t status = clone->bi_status;
	enum lm_leg leg = lm_other_leg(io->leg);

	bio_put(clone);
	if (status == LM_STS_WITHHELD)
		status = io->status;
	else if (status)
		lm_migration_error(io->t->m, leg, LM_OP_READ, io->iter.bi_sector,
				   blk_status_to_errno(status));
	lm_phase_rescue_end(io->t->m, leg, io->counted);
	lm_read_settle(io, status);
}

/* Ask the other leg for what @io's leg could not read. */
static void lm_rescue(struct lm_io *io, struct bio *bio)
{
	enum lm_leg leg = lm_other_leg(io->leg);
	struct lm_target *t = io->t;
	sector_t start = io->iter.bi_sector;
	struct bio *clone;

	if (!lm_phase_rescue_begin(t->m, io->leg, start,
				   start + (io->iter.bi_size >> SECTOR_SHIFT),
				   &io->counted)) {
		lm_read_settle(io, io->status);
		return;
	}
	clone = bio_alloc_clone(lm_leg_bdev(t, leg), bio, GFP_NOIO, &t->bios);
	/* Both may lie on one partition, and the clone's sector is the leg's. */
	bio_clear_flag(clone, BIO_REMAPPED);
	clone->bi_opf = REQ_OP_READ | (bio->bi_opf & REQ_SYNC);
	clone->bi_iter = io->iter;
	clone->bi_iter.bi_sector += t->start[leg];
	clone->bi_private = io;
	clone->bi_end_io = lm_rescue_endio;
	/* Nothing else is to be read of a leg that has failed but this. */
	if (io->counted)
		dm_submit_bio_remap(bio, clone);
	else
		lm_backlog_send_own(t, leg, clone);
}

static void lm_rescue_work(struct work_struct *work)
{
	struct lm_target *t = container_of(work, struct lm_target, rescue_work);
	struct bio_list bios;
	struct bio *bio;

	spin_lock_irq(&t->lock);
	bios = t->rescues;
	bio_list_init(&t->rescues);
	spin_unlock_irq(&t->lock);

	while ((bio = bio_list_pop(&bios)))
		lm_rescue(lm_io(bio), bio);
}

/**
 * lm_whole_read_end - a read has ended
 * @io: the bio's.
 * @bio: the bio.
 * @status: how.
 *
 * Context: any, often an interrupt's.
 * Return: a DM_ENDIO_ value.
 */
int lm_whole_read_end(struct lm_io *io, struct bio *bio, blk_status_t status)
{
	struct lm_target *t = io->t;
	unsigned long flags;

	if (likely(!status) || lm_read_is_hopeless(status)) {
		lm_phase_io_end(t->m, LM_LEG_MASK(io->leg));
		return DM_ENDIO_DONE;
	}
	/* Else it may never have been sent. */
	if (!percpu_ref_is_dying(&t->m->phase.leg[io->leg].ref))
		lm_migration_error(t->m, io->leg, LM_OP_READ, io->iter.bi_sector,
				   blk_status_to_errno(status));
	lm_phase_io_end(t->m, LM_LEG_MASK(io->leg));
	io->status = status;

	spin_lock_irqsave(&t->lock, flags);
	bio_list_add(&t->rescues, bio);
	queue_work(t->done_wq, &t->rescue_work);
	spin_unlock_irqrestore(&t->lock, flags);
	return DM_ENDIO_INCOMPLETE;
}

/**
 * lm_whole_init - prepare an instance for its part
 * @t: the instance.
 */
void lm_whole_init(struct lm_target *t)
{
	bio_list_init(&t->rescues);
	INIT_WORK(&t->rescue_work, lm_rescue_work);
}
