// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O to the legs: how a bio of ours is made, and a flush of all that take
 * part.
 */
#include "dm-livemigrate.h"

#include <linux/blkdev.h>

/*
 * What a leg's bio takes over from the guest's.  Nothing else: an inherited
 * REQ_POLLED or REQ_NOWAIT makes a healthy leg look failed.
 */
#define LM_LEG_FLAGS	((__force blk_opf_t)REQ_OP_MASK | REQ_SYNC | \
			 REQ_META | REQ_PRIO | REQ_IDLE | REQ_FUA | \
			 REQ_BACKGROUND | REQ_SWAP | REQ_NOUNMAP)

/**
 * lm_leg_bdev - a leg's device
 * @t: the table's instance.
 * @leg: a leg that its line names.
 *
 * Context: any.
 */
struct block_device *lm_leg_bdev(struct lm_target *t, enum lm_leg leg)
{
	return t->dev[leg]->bdev;
}

/**
 * lm_leg_bio_init - prepare a bio for a leg
 * @t: the table's instance.
 * @bio: the bio; its length is the caller's to set.
 * @leg: where it goes.
 * @vecs: its vectors, filled; may be shared by both legs' bios.
 * @nr_vecs: how many.
 * @opf: operation and flags; those that a leg must not see are dropped.
 * @sector: from the target's start.
 *
 * Context: any.
 */
void lm_leg_bio_init(struct lm_target *t, struct bio *bio, enum lm_leg leg,
		     struct bio_vec *vecs, unsigned int nr_vecs, blk_opf_t opf,
		     sector_t sector)
{
	bio_init(bio, lm_leg_bdev(t, leg), vecs, nr_vecs, opf & LM_LEG_FLAGS);
	bio->bi_vcnt = nr_vecs;
	bio->bi_iter.bi_sector = t->start[leg] + sector;
}

/**
 * lm_leg_zeroes - can a leg write zeroes without being sent them?
 * @t: the table's instance.
 * @leg: the leg.
 *
 * Context: any.
 */
bool lm_leg_zeroes(struct lm_target *t, enum lm_leg leg)
{
	return bdev_write_zeroes_sectors(lm_leg_bdev(t, leg));
}

/**
 * lm_leg_discards - does a leg take discards?
 * @t: the table's instance.
 * @leg: the leg.
 *
 * Context: any.
 */
bool lm_leg_discards(struct lm_target *t, enum lm_leg leg)
{
	return bdev_max_discard_sectors(lm_leg_bdev(t, leg));
}

/**
 * lm_not_supported - does a discard's or write-zeroes' status say "cannot"?
 * @status: how it ended.
 *
 * BLK_STS_TARGET is how SCSI says it.  Neither makes a leg a failed one.
 *
 * Context: any.
 */
bool lm_not_supported(blk_status_t status)
{
	return status == BLK_STS_NOTSUPP || status == BLK_STS_TARGET;
}

static void lm_flush_recorded(struct lm_meta_wait *wait)
{
	struct lm_flush *flush = container_of(wait, struct lm_flush, wait);

	flush->done(flush, flush->status);
}

static void lm_flush_finish(struct lm_flush *flush)
{
	struct lm_migration *m = flush->t->m;
	unsigned int failed = 0;
	blk_status_t status = BLK_STS_OK;
	bool alone = false;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		blk_status_t error = lm_leg_bio(&flush->bios, leg)->bi_status;

		if (!(flush->legs & LM_LEG_MASK(leg)) || !error)
			continue;
		failed |= LM_LEG_MASK(leg);
		lm_migration_error(m, leg, 'f', 0, blk_status_to_errno(error));
	}

	/*
	 * A device may tell of what it lost once only: to another flush, which
	 * is in flight, or has failed the standby already.  Then this one's
	 * success proves nothing.  So a flush that fails counts as in flight
	 * until it has changed the state; and what it collected is put back
	 * before that, because the marks say what a failed standby may have lost.
	 */
	if (flush->legs == LM_BOTH_LEGS && !failed)
		alone = atomic_dec_and_test(&m->flushes);
	if (flush->collects) {
		if (!failed && alone && lm_phase_is_attached(m) &&
		    !lm_phase_in_doubt(m))
			lm_unflushed_drop(&m->bitmap);
		else
			lm_unflushed_put_back(&m->bitmap);
	}

	if (failed) {
		leg = lm_phase_failed(m, flush->legs, failed, 0, 0);
		status = flush->legs & LM_LEG_MASK(leg) ?
			 lm_leg_bio(&flush->bios, leg)->bi_status : BLK_STS_AGAIN;
		/* Fully ordered: who is alone after this sees the new state. */
		if (flush->legs == LM_BOTH_LEGS)
			atomic_dec_return(&m->flushes);
	}
	if (atomic_dec_and_test(&m->flush_count[flush->epoch]))
		wake_up_all(&m->flush_wait);
	lm_phase_io_end(m, flush->legs);

	/* What the source has lost now must be known before it is acknowledged. */
	flush->status = status;
	flush->wait.ready = lm_flush_recorded;
	if (unlikely(!lm_save_lacks(flush->t, &flush->wait)))
		return;
	flush->done(flush, status);
}

static void lm_flush_endio(struct bio *bio)
{
	struct lm_flush *flush = bio->bi_private;

	if (atomic_dec_and_test(&flush->pending))
		lm_flush_finish(flush);
}

/**
 * lm_flush_start - flush every leg that takes part
 * @flush: t, clone and done are set.
 *
 * Takes note of which chunks it covers: what a standby that fails later may
 * have lost is then no more than was written since.
 *
 * Context: any that may submit a bio.  @flush->done may be called before this
 * returns.
 */
void lm_flush_start(struct lm_flush *flush)
{
	struct lm_target *t = flush->t;
	struct lm_migration *m = t->m;
	unsigned int legs;
	enum lm_leg leg;

	legs = lm_phase_flush_begin(m);
	flush->legs = legs;
	if (legs == LM_BOTH_LEGS)
		atomic_inc(&m->flushes);
	flush->epoch = READ_ONCE(m->flush_epoch);
	atomic_inc(&m->flush_count[flush->epoch]);
	flush->collects = legs == LM_BOTH_LEGS &&
			  lm_unflushed_collect(&m->bitmap);
	atomic_set(&flush->pending, hweight32(legs));

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		struct bio *bio = lm_leg_bio(&flush->bios, leg);

		if (!(legs & LM_LEG_MASK(leg)))
			continue;
		lm_leg_bio_init(t, bio, leg, NULL, 0, REQ_OP_WRITE | REQ_SYNC, 0);
		bio->bi_opf |= REQ_PREFLUSH;
		bio->bi_iter.bi_sector = 0;
		bio->bi_private = flush;
		bio->bi_end_io = lm_flush_endio;
		/* The last one may free @flush: use nothing of it after. */
		if (flush->clone)
			dm_submit_bio_remap(flush->clone, bio);
		else
			submit_bio_noacct(bio);
	}
}

/**
 * lm_flush_barrier - wait for the flushes that are in flight
 * @m: the migration.
 *
 * A device may tell of what it lost to any one of several flushes at once.  All
 * that were in flight together with one that has ended have changed the state,
 * if they failed, when this returns.  Those that begin meanwhile are not waited
 * for.  (The two counts are SRCU's.)
 *
 * Context: process, sleeps; one caller at a time.
 */
void lm_flush_barrier(struct lm_migration *m)
{
	int epoch = m->flush_epoch;

	WRITE_ONCE(m->flush_epoch, !epoch);
	/* A flush that still counts in the old one is seen, or begins after. */
	smp_mb();
	wait_event(m->flush_wait, !atomic_read(&m->flush_count[epoch]));
}
