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
 * lm_leg_granule - what a leg would be written as a whole, and where it begins
 * @t: the table's instance.
 * @leg: the leg.
 * @max: sectors; more is not asked for.
 *
 * The stripe of an array, which it reads anew for less, or the block of a thin
 * volume, which it fills with zeroes.
 *
 * Context: any.
 * Return: sectors, a power of two that every chunk is a multiple of, also as the leg
 * has them; 1 if it wants nothing, or something else.
 */
unsigned int lm_leg_granule(struct lm_target *t, enum lm_leg leg, unsigned int max)
{
	struct block_device *bdev;
	unsigned int wanted;

	/* A line without that leg: it was dropped. */
	if (!t->dev[leg])
		return 1;
	bdev = lm_leg_bdev(t, leg);
	wanted = bdev_io_opt(bdev);
	if (lm_leg_discards(t, leg))
		wanted = max_t(unsigned int, wanted, bdev_discard_granularity(bdev));
	wanted = to_sector(wanted);
	if (!is_power_of_2(wanted) || wanted > min(max, LM_CHUNK_SECTORS) ||
	    !IS_ALIGNED(get_start_sect(bdev) + t->start[leg], wanted))
		return 1;
	return wanted;
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

/* ------------------------------------------------------------------------
 * Sent, and back
 */

/**
 * lm_sent_begin - something is about to be sent
 * @sent: what.
 * @legs: a mask: where to.
 * @start: first sector, from the target's start.
 * @bytes: how long it is.
 *
 * Context: any.
 */
void lm_sent_begin(struct lm_sent *sent, unsigned int legs, sector_t start,
		   unsigned int bytes)
{
	sent->legs = legs;
	sent->start = start;
	sent->bytes = bytes;
	sent->since = jiffies;
	atomic_set(&sent->state, LM_BOTH_LEGS & ~legs);
}

/**
 * lm_bio_failed - has a leg failed this, and not only said that it cannot do it?
 * @bio: a bio that has ended.
 *
 * Context: any.
 */
bool lm_bio_failed(const struct bio *bio)
{
	if (likely(!bio->bi_status))
		return false;
	return !lm_not_supported(bio->bi_status) ||
	       (bio_op(bio) != REQ_OP_DISCARD &&
		bio_op(bio) != REQ_OP_WRITE_ZEROES);
}

/**
 * lm_sent_back - a bio has come back
 * @sent: what it is of.
 * @m: the migration.
 * @bio: the bio.
 * @leg: whose it is.
 *
 * If it has failed, and its leg is the standby, that takes part no longer; else
 * what flushes tell proves nothing until lm_sent_settled().
 *
 * Context: any.
 * Return: what is to be done.  Unless that is to end or to free it, @sent may be
 * gone.
 */
enum lm_sent_next lm_sent_back(struct lm_sent *sent, struct lm_migration *m,
			       struct bio *bio, enum lm_leg *leg)
{
	bool raised = lm_bio_failed(bio);
	int old, now;

	*leg = bio == &sent->bios.source ? LM_SOURCE : LM_DEST;
	/* Before the other leg's can settle it. */
	if (unlikely(raised))
		lm_phase_failing(m, *leg);
	old = atomic_read(&sent->state);
	do {
		now = old | LM_LEG_MASK(*leg);
		if (unlikely(old & LM_SENT_GIVEN_UP(lm_other_leg(*leg))) &&
		    !(old & LM_SENT_LATE) &&
		    (now & LM_BOTH_LEGS) != LM_BOTH_LEGS)
			now |= LM_SENT_LATE;
		/* That a leg was given up has been settled before. */
		if (unlikely(raised && (old & (LM_SENT_LATE | LM_SENT_FAILING |
					       LM_SENT_GIVEN_UP(*leg))))) {
			lm_phase_settled(m);
			raised = false;
		}
		if (unlikely(raised))
			now |= LM_SENT_FAILING;
		/* Fully ordered: the last one sees what the others have left. */
	} while (!atomic_try_cmpxchg(&sent->state, &old, now));

	/* From here on others may free it, and @m as well. */
	if (unlikely(old & LM_SENT_LATE))
		return old & LM_SENT_DETACHED ? LM_SENT_FREE : LM_SENT_WAIT;
	if (likely((now & LM_BOTH_LEGS) == LM_BOTH_LEGS))
		return LM_SENT_END;
	return now & LM_SENT_LATE ? LM_SENT_END_EARLY : LM_SENT_WAIT;
}

/**
 * lm_sent_settled - the state tells of what has failed
 * @sent: what was sent; all that counts has come back.  Once.
 * @m: the migration.
 *
 * Context: any.
 */
void lm_sent_settled(struct lm_sent *sent, struct lm_migration *m)
{
	if (unlikely(atomic_read(&sent->state) & LM_SENT_FAILING))
		lm_phase_settled(m);
}

/**
 * lm_sent_give_up - do not wait for a leg any longer
 * @sent: what was sent there as well; cannot go away now.
 * @leg: the leg.
 *
 * Context: any.
 * Return: true if the caller is to end it early, false if whoever comes back
 * will.
 */
bool lm_sent_give_up(struct lm_sent *sent, enum lm_leg leg)
{
	int old = atomic_read(&sent->state), now;

	do {
		if (old & (LM_LEG_MASK(leg) | LM_SENT_GIVEN_UP(leg) |
			   LM_SENT_LATE))
			return false;
		now = old | (old & LM_BOTH_LEGS ? LM_SENT_LATE :
						  LM_SENT_GIVEN_UP(leg));
	} while (!atomic_try_cmpxchg(&sent->state, &old, now));
	return now & LM_SENT_LATE;
}

/**
 * lm_sent_detach - what was ended early is left to the bio that may come
 * @sent: what; the caller does not use it any more.
 * @t: the instance.
 *
 * Context: any.
 * Return: true if that bio has come: the caller is to free it.
 */
bool lm_sent_detach(struct lm_sent *sent, struct lm_target *t)
{
	int old;

	atomic_inc(&t->left_behind);
	old = atomic_fetch_or(LM_SENT_DETACHED, &sent->state);
	if ((old & LM_BOTH_LEGS) != LM_BOTH_LEGS)
		return false;
	return true;
}

/**
 * lm_left_behind_end - what was left behind has been freed
 * @t: the instance, which may be gone when this returns.
 *
 * Context: any.
 */
void lm_left_behind_end(struct lm_target *t)
{
	unsigned long flags;

	/* Under the lock, or the one who waits might go before the wake-up. */
	spin_lock_irqsave(&t->all_back.lock, flags);
	if (atomic_dec_and_test(&t->left_behind))
		wake_up_all_locked(&t->all_back);
	spin_unlock_irqrestore(&t->all_back.lock, flags);
}

/**
 * lm_sent_is_overdue - has a leg not answered for too long?
 * @sent: what was sent; cannot go away now.
 * @leg: the leg.
 * @timeout: jiffies.
 *
 * Context: any.
 */
bool lm_sent_is_overdue(const struct lm_sent *sent, enum lm_leg leg,
			unsigned long timeout)
{
	return !(atomic_read(&sent->state) & LM_LEG_MASK(leg)) &&
	       time_after(jiffies, sent->since + timeout);
}

/* ------------------------------------------------------------------------
 * Flushes
 */

/* One more is in flight.  Returns the epoch, for lm_flush_leave(). */
static unsigned int lm_flush_enter(struct lm_migration *m)
{
	unsigned int epoch;

	atomic_inc(&m->flushes);
	epoch = READ_ONCE(m->flush_epoch);
	atomic_inc(&m->flush_count[epoch]);
	return epoch;
}

/* It has changed the state, if it failed; lm_migration.flushes is counted down. */
static void lm_flush_leave(struct lm_migration *m, unsigned int epoch)
{
	if (atomic_dec_and_test(&m->flush_count[epoch]))
		wake_up_all(&m->flush_wait);
}

/* What was left behind has come back. */
static void lm_flush_back(struct lm_target *t, struct lm_flush *flush)
{
	lm_phase_io_end(t->m, flush->hung);
	mempool_free(flush, &t->flushes);
	lm_left_behind_end(t);
}

/* It is over for whoever it was for. */
static void lm_flush_end(struct lm_flush *flush)
{
	lm_flush_fn done = flush->done;
	unsigned int legs = flush->sent.legs & ~flush->hung;
	blk_status_t status = flush->status;
	struct lm_target *t = flush->t;
	void *arg = flush->arg;

	if (unlikely(flush->hung)) {
		if (lm_sent_detach(&flush->sent, t))
			lm_flush_back(t, flush);
	} else {
		mempool_free(flush, &t->flushes);
	}
	done(arg, legs, status);
}

static void lm_flush_recorded(struct lm_meta_wait *wait)
{
	lm_flush_end(container_of(wait, struct lm_flush, wait));
}

/* A mask of the legs that have failed; each error is counted. */
static unsigned int lm_flush_failed(struct lm_flush *flush)
{
	struct lm_migration *m = flush->t->m;
	unsigned int failed = flush->hung;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		blk_status_t error;

		if (!(flush->sent.legs & ~flush->hung & LM_LEG_MASK(leg)))
			continue;
		error = lm_leg_bio(&flush->sent.bios, leg)->bi_status;
		if (!error)
			continue;
		failed |= LM_LEG_MASK(leg);
		lm_migration_error(m, leg, LM_OP_FLUSH, 0, blk_status_to_errno(error));
	}
	return failed;
}

static void lm_flush_finish(struct lm_flush *flush)
{
	struct lm_migration *m = flush->t->m;
	unsigned int legs = flush->sent.legs;
	unsigned int failed = lm_flush_failed(flush);
	blk_status_t status = BLK_STS_OK;
	bool alone = false;
	unsigned long flags;
	enum lm_leg leg;

	spin_lock_irqsave(&flush->t->lock, flags);
	list_del(&flush->node);
	spin_unlock_irqrestore(&flush->t->lock, flags);

	/*
	 * A device may tell of what it lost once only: to another flush, which
	 * is in flight, or has failed the standby already; or to a write, whose
	 * other leg has not answered yet.  Then this one's success proves nothing.
	 * So a flush that fails counts as in flight until it has changed the
	 * state; and what it collected is put back before it lets go of its
	 * references, because reattach goes by the marks.
	 */
	if (!failed)
		alone = atomic_dec_and_test(&m->flushes);
	if (flush->collects) {
		if (!failed && alone && !lm_phase_is_failing(m) &&
		    lm_phase_is_attached(m) && !lm_phase_in_doubt(m))
			lm_unflushed_drop(&m->bitmap);
		else
			lm_unflushed_put_back(&m->bitmap);
	}

	if (failed) {
		leg = lm_phase_failed(m, legs, failed, 0, 0);
		if (!(legs & LM_LEG_MASK(leg)))
			status = BLK_STS_AGAIN;
		else if (flush->hung & LM_LEG_MASK(leg))
			status = BLK_STS_IOERR;
		else
			status = lm_leg_bio(&flush->sent.bios, leg)->bi_status;
		/* Fully ordered: who is alone after this sees the new state. */
		atomic_dec_return(&m->flushes);
	}
	lm_sent_settled(&flush->sent, m);
	lm_flush_leave(m, flush->epoch);
	lm_phase_io_end(m, legs & ~flush->hung);

	/* What the source has lost now must be known before it is acknowledged. */
	flush->status = status;
	flush->wait.ready = lm_flush_recorded;
	if (likely(lm_save_lacks(flush->t, &flush->wait)))
		lm_flush_end(flush);
}

static void lm_flush_endio(struct bio *bio)
{
	struct lm_flush *flush = bio->bi_private;
	struct lm_target *t = flush->t;
	enum lm_leg leg;

	if (lm_sent_again(&flush->sent, t, bio))
		return;
	switch (lm_sent_back(&flush->sent, t->m, bio, &leg)) {
	case LM_SENT_END_EARLY:
		flush->hung = LM_LEG_MASK(lm_other_leg(leg));
		fallthrough;
	case LM_SENT_END:
		lm_flush_finish(flush);
		break;
	case LM_SENT_FREE:
		lm_flush_back(t, flush);
		break;
	case LM_SENT_WAIT:
		break;
	}
}

/**
 * lm_flush_start - flush every leg that takes part
 * @t: the instance.
 * @clone: the guest's bio that it serves, for accounting; or NULL, if @gfp may
 *	sleep.
 * @done: called when it is over, perhaps before this returns.
 * @arg: for @done.
 * @gfp: for its memory.
 *
 * Takes note of which chunks it covers: what a standby that fails later may
 * have lost is then no more than was written since.
 *
 * Context: any that may submit a bio, and sleep if @gfp says so.
 * Return: false if there is no memory; then nothing has happened.
 */
bool lm_flush_start(struct lm_target *t, struct bio *clone, lm_flush_fn done,
		    void *arg, gfp_t gfp)
{
	struct lm_flush *flush = mempool_alloc(&t->flushes, gfp);
	struct lm_migration *m = t->m;
	unsigned long flags;
	unsigned int legs, i;
	enum lm_leg leg;

	if (!flush)
		return false;
	flush->t = t;
	flush->done = done;
	flush->arg = arg;
	legs = lm_phase_flush_begin(m);
	flush->hung = 0;
	flush->epoch = lm_flush_enter(m);
	flush->collects = legs == LM_BOTH_LEGS &&
			  lm_unflushed_collect(&m->bitmap);
	lm_sent_begin(&flush->sent, legs, 0, 0);
	spin_lock_irqsave(&t->lock, flags);
	list_add_tail(&flush->node, &t->flush_list);
	spin_unlock_irqrestore(&t->lock, flags);

	/* The active leg last: nothing ends before that has answered. */
	leg = lm_phase_standby_leg(m);
	for (i = 0; i < LM_NR_LEGS; i++, leg = lm_other_leg(leg)) {
		struct bio *bio = lm_leg_bio(&flush->sent.bios, leg);

		if (!(legs & LM_LEG_MASK(leg)))
			continue;
		lm_leg_bio_init(t, bio, leg, NULL, 0, REQ_OP_WRITE | REQ_SYNC, 0);
		bio->bi_opf |= REQ_PREFLUSH;
		bio->bi_iter.bi_sector = 0;
		bio->bi_private = flush;
		bio->bi_end_io = lm_flush_endio;
		/* The last one may free @flush: use nothing of it after. */
		if ((legs == LM_BOTH_LEGS && !i) || gfpflags_allow_blocking(gfp))
			lm_backlog_send(t, leg, clone, bio);
		else
			dm_submit_bio_remap(clone, bio);
	}
	return true;
}

/**
 * lm_flush_is_overdue - does a leg not answer a flush?
 * @t: the instance.
 * @leg: the leg.
 * @timeout: jiffies.
 *
 * Context: any; takes lm_target.lock.
 */
bool lm_flush_is_overdue(struct lm_target *t, enum lm_leg leg,
			 unsigned long timeout)
{
	struct lm_flush *flush;
	unsigned long flags;
	bool overdue = false;

	spin_lock_irqsave(&t->lock, flags);
	list_for_each_entry(flush, &t->flush_list, node)
		overdue |= lm_sent_is_overdue(&flush->sent, leg, timeout);
	spin_unlock_irqrestore(&t->lock, flags);
	return overdue;
}

/**
 * lm_flush_give_up_one - end a flush that a leg does not answer
 * @t: the instance.
 * @leg: the leg, which has failed.
 * @timeout: jiffies.
 *
 * Context: process; takes lm_target.lock.
 * Return: false if there is no more.
 */
bool lm_flush_give_up_one(struct lm_target *t, enum lm_leg leg,
			  unsigned long timeout)
{
	struct lm_flush *flush, *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&t->lock, flags);
	list_for_each_entry(flush, &t->flush_list, node) {
		if (lm_sent_is_overdue(&flush->sent, leg, timeout) &&
		    lm_sent_give_up(&flush->sent, leg)) {
			found = flush;
			break;
		}
	}
	spin_unlock_irqrestore(&t->lock, flags);
	if (!found)
		return false;
	found->hung = LM_LEG_MASK(leg);
	lm_flush_finish(found);
	return true;
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

	/* Those that read the epoch before the last flip and counted after it. */
	wait_event(m->flush_wait, !atomic_read(&m->flush_count[!epoch]));
	WRITE_ONCE(m->flush_epoch, !epoch);
	/* A flush that still counts in the old one is seen, or begins after. */
	smp_mb();
	wait_event(m->flush_wait, !atomic_read(&m->flush_count[epoch]));
}

/**
 * lm_flush_active - flush the active leg alone, and wait
 * @t: the instance.
 * @leg: the active leg.
 *
 * It counts among the flushes as any other does, because it may be the one that
 * the device tells of what it lost.
 *
 * Context: process, sleeps for the leg.
 * Return: 0 or a negative errno; then the state has changed as if the guest's
 * flush had failed.
 */
int lm_flush_active(struct lm_target *t, enum lm_leg leg)
{
	struct lm_migration *m = t->m;
	unsigned int epoch = lm_flush_enter(m);
	int r;

	r = blkdev_issue_flush(lm_leg_bdev(t, leg));
	if (r)
		lm_phase_failed(m, lm_phase_is_attached(m) ?
				LM_BOTH_LEGS : LM_LEG_MASK(leg),
				LM_LEG_MASK(leg), 0, 0);
	/* Fully ordered, as in lm_flush_finish(). */
	atomic_dec_return(&m->flushes);
	lm_flush_leave(m, epoch);
	return r;
}
