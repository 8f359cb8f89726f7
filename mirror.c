// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's bios.
 *
 * A read goes to the active leg as it is (whole.c).
 *
 * A write goes like this:
 *
 * 1. It holds the range that it touches, or waits for it (range.c).  Where there
 *    is metadata, its chunk's active-writes bit is made durable (save.c).
 * 2. It learns which legs take part, with a reference to each.  If that is one,
 *    its bits are cleared, and it goes there as it is: 5.
 * 3. Its payload is copied to pages of our own, because the guest may change it
 *    while two devices read it at two times.
 * 4. Both legs are sent the same bytes.
 * 5. When all have ended: the bits are set, or cleared and the state changed.
 *    What metadata must say of that is made durable.  Only then the range is let
 *    go, and only then the bio ends.
 *
 * A discard or write-zeroes walks: it does the same for one chunk's part after
 * another, so that it never holds more than one range.
 *
 * map() never sleeps.  What cannot be had at once, a range or memory, makes the
 * bio wait for @submit_work, which may.  A write takes its range before its
 * memory, so nobody who waits for a range holds memory that others wait for.
 */
#include "dm-livemigrate.h"
#include "compat.h"
#include "tracepoints.h"

#include <linux/blkdev.h>
#include <linux/sched.h>

#define LM_GFP_MAP	(GFP_NOWAIT | __GFP_NOWARN)
#define LM_GFP_WORKER	GFP_NOIO
/* One would do, were it not for those that a hung leg keeps. */
#define LM_MIN_FLUSHES	16

/* ------------------------------------------------------------------------
 * Waiting and ending
 */

/* Let the worker take @io on, which makes nobody wait.  Any context. */
static void lm_io_queue(struct lm_io *io)
{
	struct bio *bio = lm_io_bio(io);
	struct lm_target *t = io->t;
	unsigned long flags;

	lm_whole_detach(bio);
	spin_lock_irqsave(&t->lock, flags);
	bio_list_add(&t->submits, bio);
	queue_work(t->submit_wq, &t->submit_work);
	spin_unlock_irqrestore(&t->lock, flags);
}

static void lm_io_granted(struct lm_range *range)
{
	struct lm_io *io = container_of(range, struct lm_io, range);
	struct lm_stats *stats = &io->t->m->stats;
	s64 us = ktime_us_delta(ktime_get(), range->queued);
	s64 max = atomic64_read(&stats->held_max_us);

	while (us > max && !atomic64_try_cmpxchg(&stats->held_max_us, &max, us))
		;
	atomic64_inc(&stats->held);
	trace_lm_held(io->t->m, range->start, range->end, us);
	lm_io_queue(io);
}

/* What @io has waited for is durable: send it. */
static void lm_io_begun(struct lm_meta_wait *wait)
{
	lm_io_queue(container_of(wait, struct lm_io, wait));
}

/*
 * May @io, whose range is held, be sent as far as metadata goes?  If not, it
 * will be queued when it may, and may have ended by now.
 */
static bool lm_io_may_begin(struct lm_io *io)
{
	io->wait.ready = lm_io_begun;
	return lm_save_begin(io->t, io->range.start, &io->wait);
}

/*
 * True if @io holds its range now; else it will be queued when it does, and may
 * have ended by now.
 */
static bool lm_io_lock(struct lm_io *io)
{
	io->range.granted = lm_io_granted;
	return lm_range_lock(&io->t->m->ranges, &io->range);
}

static void lm_io_unlock(struct lm_io *io)
{
	lm_range_unlock(&io->t->m->ranges, &io->range);
}

/*
 * The end of a bio that map() did not hand back to dm.  The instance may be
 * gone once this has returned.
 */
static void lm_io_end(struct lm_io *io, blk_status_t status)
{
	struct bio *bio = lm_io_bio(io);

	if (io->kind == LM_IO_WRITE || io->kind == LM_IO_WALK)
		atomic64_dec(&io->t->m->stats.in_flight);
	io->kind = LM_IO_PASSED;
	bio->bi_status = status;
	bio_endio(bio);
}

/* ------------------------------------------------------------------------
 * Requests
 */

/*
 * @io, whose range nobody looks into any more, is done with its request.  What
 * a leg has not answered is left behind.
 */
static void lm_req_done(struct lm_io *io)
{
	struct lm_req *req = io->req;
	struct lm_target *t = io->t;

	io->req = NULL;
	if (likely(!io->hung)) {
		lm_req_free(t, req);
	} else if (lm_sent_detach(&req->sent, t)) {
		lm_phase_io_end(t->m, io->hung);
		lm_req_free(t, req);
		lm_left_behind_end(t);
	}
}

/* ------------------------------------------------------------------------
 * Ends of what was sent to the legs
 */

static void lm_write_done(struct lm_io *io);
static void lm_walk_done(struct lm_io *io);

static void lm_io_done(struct lm_io *io)
{
	if (io->kind == LM_IO_WRITE)
		lm_write_done(io);
	else
		lm_walk_done(io);
}

static void lm_leg_endio(struct bio *bio)
{
	struct lm_req *req = bio->bi_private;
	struct lm_target *t = req->t;
	enum lm_leg leg;

	if (lm_sent_again(&req->sent, t, bio))
		return;
	switch (lm_sent_back(&req->sent, t->m, bio, &leg)) {
	case LM_SENT_END_EARLY:
		req->io->hung = LM_LEG_MASK(lm_other_leg(leg));
		fallthrough;
	case LM_SENT_END:
		lm_io_done(req->io);
		break;
	case LM_SENT_FREE:
		lm_phase_io_end(t->m, LM_LEG_MASK(leg));
		lm_req_free(t, req);
		lm_left_behind_end(t);
		break;
	case LM_SENT_WAIT:
		break;
	}
}

/**
 * lm_mirror_give_up - end a write whose standby does not answer
 * @io: the write; lm_sent_give_up() has said to.
 * @leg: the standby, which has failed.
 *
 * Context: process.
 */
void lm_mirror_give_up(struct lm_io *io, enum lm_leg leg)
{
	io->hung = LM_LEG_MASK(leg);
	lm_io_done(io);
}

static struct bio *lm_io_leg_bio(struct lm_io *io, enum lm_leg leg)
{
	return lm_leg_bio(&io->req->sent.bios, leg);
}

/* A mask of the legs that failed; each error is counted. */
static unsigned int lm_io_failed(struct lm_io *io)
{
	unsigned int failed = io->hung;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		blk_status_t status;

		if (!(io->legs & ~io->hung & LM_LEG_MASK(leg)))
			continue;
		status = lm_io_leg_bio(io, leg)->bi_status;
		if (likely(!status))
			continue;
		failed |= LM_LEG_MASK(leg);
		lm_migration_error(io->t->m, leg, LM_OP_WRITE, io->range.start,
				   blk_status_to_errno(status));
	}
	return failed;
}

/*
 * All legs have ended their part of what @io's range covers, or were given up.
 * Settle the bits and the state; return the guest's status.
 */
static blk_status_t lm_io_settle(struct lm_io *io, bool equal)
{
	struct lm_migration *m = io->t->m;
	sector_t start = io->range.start, end = io->range.end;
	unsigned int failed = lm_io_failed(io);
	blk_status_t status = BLK_STS_OK;

	if (unlikely(failed)) {
		enum lm_leg leg = lm_phase_failed(m, io->legs, failed, start, end);

		/* A write that left a leg out keeps the roles as they are. */
		status = io->legs & ~io->hung & LM_LEG_MASK(leg) ?
			 lm_io_leg_bio(io, leg)->bi_status : BLK_STS_IOERR;
	} else if (io->legs == LM_BOTH_LEGS && equal) {
		lm_phase_good(m, start, end, LM_WRITTEN, io->losses);
	}
	lm_sent_settled(&io->req->sent, m);
	lm_phase_io_end(m, io->legs & ~io->hung);
	return status;
}

/* ------------------------------------------------------------------------
 * Writes
 */

static void lm_write_finish(struct lm_io *io)
{
	/* In this order: until then lm_ranges_for_each() finds it. */
	lm_io_unlock(io);
	lm_req_done(io);
	lm_io_end(io, io->status);
}

static void lm_write_recorded(struct lm_meta_wait *wait)
{
	lm_write_finish(container_of(wait, struct lm_io, wait));
}

static void lm_write_done(struct lm_io *io)
{
	io->status = lm_io_settle(io, true);

	io->wait.ready = lm_write_recorded;
	if (likely(lm_save_lacks(io->t, &io->wait)))
		lm_write_finish(io);
}

/*
 * Send what is prepared.  The active leg's last: nothing ends before that has
 * answered, and nothing is to be touched after it.  The guest's own thread may wait
 * for room there, a worker not: it has others to care for.
 */
static void lm_req_submit(struct lm_req *req, struct bio *bio, unsigned int legs,
			  bool worker)
{
	struct lm_target *t = req->t;
	enum lm_leg standby = lm_phase_standby_leg(t->m), active;

	if (legs & LM_LEG_MASK(standby)) {
		legs &= ~LM_LEG_MASK(standby);
		lm_backlog_send(t, standby, NULL,
				lm_leg_bio(&req->sent.bios, standby));
	}
	/* Was that the only one, then @req may be gone. */
	if (!legs)
		return;
	active = ilog2(legs);
	if (unlikely(worker))
		lm_backlog_send(t, active, bio,
				lm_leg_bio(&req->sent.bios, active));
	else
		dm_submit_bio_remap(bio, lm_leg_bio(&req->sent.bios, active));
}

static void lm_write_both(struct lm_io *io, struct bio *bio, bool worker)
{
	struct lm_req *req = io->req;
	struct lm_target *t = io->t;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		struct bio *leg_bio = lm_leg_bio(&req->sent.bios, leg);

		lm_leg_bio_init(t, leg_bio, leg, req->vecs, req->nr_pages,
				bio->bi_opf, io->range.start);
		leg_bio->bi_iter.bi_size = bio->bi_iter.bi_size;
		leg_bio->bi_ioprio = bio->bi_ioprio;
		leg_bio->bi_private = req;
		leg_bio->bi_end_io = lm_leg_endio;
	}
	bio_copy_data(&req->sent.bios.source, bio);

	atomic64_inc(&t->m->stats.mirrored);
	lm_sent_begin(&req->sent, LM_BOTH_LEGS, io->range.start,
		      bio->bi_iter.bi_size);
	/* Pairs with lm_watch_range(). */
	smp_store_release(&io->range.sent, req);
	lm_req_submit(req, bio, LM_BOTH_LEGS, worker);
}

/* The standby is left out: the guest's own bio goes to the active leg. */
static void lm_write_sole(struct lm_io *io, struct bio *bio)
{
	io->kind = LM_IO_SOLE;
	if (lm_whole_begin(io, bio, ilog2(io->legs)))
		dm_submit_bio_remap(bio, NULL);
}

/*
 * Without a standby what is written is on the active leg alone, which metadata
 * must say if that is the dest.  False if @io waits for that, and is queued then.
 */
static bool lm_sole_may_begin(struct lm_io *io)
{
	io->wait.ready = lm_io_begun;
	return lm_save_lacks(io->t, &io->wait);
}

/* A log's, or direct; not what a worker writes back, which is to be throttled. */
static bool lm_is_forced(const struct bio *bio)
{
	return bio->bi_opf & (REQ_FUA | REQ_IDLE);
}

/*
 * Send a write, whose range is held.  False if there is no memory now; then
 * nothing has happened.
 */
static bool lm_write_send(struct lm_io *io, struct bio *bio, gfp_t gfp)
{
	struct lm_target *t = io->t;
	struct lm_migration *m = t->m;

	if (unlikely(!lm_io_may_begin(io)))
		return true;

	for (;;) {
		if (gfpflags_allow_blocking(gfp))
			lm_backlog_await(t);
		else if (unlikely(!lm_backlog_has_room(t, false)) &&
			 lm_phase_is_attached(m))
			return false;
		/* Memory first: nobody waits for it with a reference held. */
		if (lm_phase_is_attached(m) && !io->req &&
		    !lm_req_alloc(io, bio->bi_iter.bi_size, gfp) &&
		    !gfpflags_allow_blocking(gfp))
			return false;

		io->losses = lm_phase_losses(m);
		io->legs = lm_phase_write_begin(m, io->range.start,
						io->range.end);
		if (io->legs != LM_BOTH_LEGS) {
			unsigned int legs = io->legs;

			if (io->req)
				lm_req_free(t, io->req);
			io->req = NULL;
			if (likely(lm_sole_may_begin(io)))
				lm_write_sole(io, bio);
			else
				lm_phase_io_end(m, legs);
			return true;
		}
		if (likely(io->req)) {
			lm_write_both(io, bio, gfpflags_allow_blocking(gfp) ||
				      (lm_in_worker() && lm_is_forced(bio)));
			return true;
		}
		/* Attached just now. */
		lm_phase_io_end(m, io->legs);
	}
}

static int lm_map_write(struct lm_io *io, struct bio *bio)
{
	struct lm_migration *m = io->t->m;

	io->kind = LM_IO_WRITE;
	io->range.start = bio->bi_iter.bi_sector;
	io->range.end = bio_end_sector(bio);
	atomic64_inc(&m->stats.in_flight);

	if (lm_io_lock(io) && !lm_write_send(io, bio, LM_GFP_MAP))
		lm_io_queue(io);
	return DM_MAPIO_SUBMITTED;
}

/* ------------------------------------------------------------------------
 * Discards and write-zeroes
 *
 * Where both legs can write zeroes a discard is sent as that: then they are
 * equal after it, and its regions count as written.  Else its bits are cleared
 * first, each leg that can gets the discard, and the copier brings the regions
 * again.  A leg that cannot write zeroes is sent them as data.
 */

/* Go on with the part of @io that lies in the next chunk. */
static void lm_walk_next(struct lm_io *io, sector_t start)
{
	sector_t stop = (start | (LM_CHUNK_SECTORS - 1)) + 1;

	io->range.start = start;
	io->range.end = min(stop, io->end);
	io->range.sent = NULL;
	io->emulate = 0;
	io->resend = 0;
	io->hung = 0;
	if (lm_io_lock(io))
		lm_io_queue(io);
}

static void lm_walk_finish(struct lm_io *io)
{
	lm_io_unlock(io);
	lm_req_done(io);
	if (io->status || io->range.end == io->end)
		lm_io_end(io, io->status);
	else
		lm_walk_next(io, io->range.end);
}

static void lm_walk_recorded(struct lm_meta_wait *wait)
{
	lm_walk_finish(container_of(wait, struct lm_io, wait));
}

/*
 * One leg has failed a step or does not answer, another cannot do it: settle the
 * one before the other is sent to again.  Returns false if the guest's status is
 * clear already; then it is set.
 */
static bool lm_walk_settle_one(struct lm_io *io, unsigned int failed)
{
	struct lm_migration *m = io->t->m;
	enum lm_leg leg = ilog2(failed), active;

	if (failed & ~io->hung)
		lm_migration_error(m, leg, LM_OP_WRITE, io->range.start,
				   blk_status_to_errno(lm_io_leg_bio(io, leg)->bi_status));
	active = lm_phase_failed(m, io->legs, failed, io->range.start,
				 io->range.end);
	lm_sent_settled(&io->req->sent, m);
	lm_phase_io_end(m, failed & ~io->hung);
	io->legs &= ~failed;
	if (active != leg)
		return true;
	io->status = failed & io->hung ? BLK_STS_IOERR :
					 lm_io_leg_bio(io, leg)->bi_status;
	lm_phase_io_end(m, io->legs);
	return false;
}

static void lm_walk_end_step(struct lm_io *io)
{
	io->wait.ready = lm_walk_recorded;
	if (likely(lm_save_lacks(io->t, &io->wait)))
		lm_walk_finish(io);
}

/* Send zeroes as data where a leg cannot write them otherwise. */
static void lm_walk_again(struct lm_io *io, unsigned int failed)
{
	if (failed && !lm_walk_settle_one(io, failed)) {
		lm_walk_end_step(io);
		return;
	}
	io->emulate |= io->resend;
	/* The worker waits for requests: none may wait for the worker. */
	lm_range_set_sent(&io->t->m->ranges, &io->range, NULL);
	lm_req_done(io);
	io->hung = 0;
	lm_io_queue(io);
}

static void lm_walk_done(struct lm_io *io)
{
	unsigned int failed = io->hung;
	bool zeroes = true;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		struct bio *leg_bio = lm_io_leg_bio(io, leg);

		if (!(io->legs & ~io->hung & LM_LEG_MASK(leg)))
			continue;
		if (bio_op(leg_bio) == REQ_OP_DISCARD)
			zeroes = false;
		if (lm_bio_failed(leg_bio))
			failed |= LM_LEG_MASK(leg);
		else if (leg_bio->bi_status && bio_op(leg_bio) == REQ_OP_DISCARD)
			leg_bio->bi_status = BLK_STS_OK;
		else if (leg_bio->bi_status)
			io->resend |= LM_LEG_MASK(leg);
	}
	if (unlikely(io->resend)) {
		lm_walk_again(io, failed);
		return;
	}
	io->status = lm_io_settle(io, zeroes);
	lm_walk_end_step(io);
}

/* A vector of zero pages as long as a chunk. */
static void lm_walk_zero_vecs(struct lm_target *t, struct lm_req *req)
{
	unsigned int i;

	req->vecs = mempool_alloc(&t->vecs, LM_GFP_WORKER);
	for (i = 0; i < LM_CHUNK_PAGES; i++) {
		req->vecs[i].bv_page = ZERO_PAGE(0);
		req->vecs[i].bv_offset = 0;
		req->vecs[i].bv_len = PAGE_SIZE;
	}
}

/* Prepare @leg's part.  False if there is nothing to send. */
static bool lm_walk_prepare(struct lm_io *io, enum lm_leg leg, bool zeroes)
{
	struct bio *bio = lm_io_bio(io), *leg_bio = lm_io_leg_bio(io, leg);
	blk_opf_t flags = bio->bi_opf & ~(__force blk_opf_t)REQ_OP_MASK;
	struct lm_req *req = io->req;

	if (!zeroes && !lm_leg_discards(io->t, leg)) {
		/* For lm_walk_done(); it holds nothing. */
		bio_init(leg_bio, NULL, NULL, 0, REQ_OP_DISCARD);
		return false;
	}
	if (!zeroes) {
		lm_leg_bio_init(io->t, leg_bio, leg, NULL, 0,
				REQ_OP_DISCARD | flags, io->range.start);
	} else if (io->emulate & LM_LEG_MASK(leg)) {
		if (req->vecs == req->inline_vecs)
			lm_walk_zero_vecs(io->t, req);
		flags &= ~REQ_NOUNMAP;
		lm_leg_bio_init(io->t, leg_bio, leg, req->vecs, LM_CHUNK_PAGES,
				REQ_OP_WRITE | flags, io->range.start);
	} else {
		lm_leg_bio_init(io->t, leg_bio, leg, NULL, 0,
				REQ_OP_WRITE_ZEROES | flags, io->range.start);
	}
	leg_bio->bi_iter.bi_size = to_bytes(io->range.end - io->range.start);
	leg_bio->bi_ioprio = bio->bi_ioprio;
	leg_bio->bi_private = req;
	leg_bio->bi_end_io = lm_leg_endio;
	return true;
}

/* Send what @io's range covers to the legs in @to. */
static void lm_walk_submit(struct lm_io *io, unsigned int to, bool zeroes)
{
	struct bio *bio = lm_io_bio(io);
	struct lm_req *req = io->req;
	unsigned int sent = 0;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		if (!(to & LM_LEG_MASK(leg)))
			continue;
		if (zeroes && !lm_leg_zeroes(io->t, leg))
			io->emulate |= LM_LEG_MASK(leg);
		if (lm_walk_prepare(io, leg, zeroes))
			sent |= LM_LEG_MASK(leg);
	}
	lm_sent_begin(&req->sent, sent, io->range.start,
		      to_bytes(io->range.end - io->range.start));
	if (!sent) {
		lm_walk_done(io);
		return;
	}
	/* Pairs with lm_watch_range(). */
	smp_store_release(&io->range.sent, req);
	lm_req_submit(req, bio, sent, true);
}

/* A leg that is not sent to again: the first sending ended well there. */
static void lm_walk_keep(struct lm_io *io, unsigned int legs)
{
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (legs & LM_LEG_MASK(leg))
			bio_init(lm_io_leg_bio(io, leg), NULL, NULL, 0,
				 REQ_OP_WRITE);
}

/* Go on with what @io's range covers, which is held.  From the worker. */
static void lm_walk_send(struct lm_io *io)
{
	struct bio *bio = lm_io_bio(io);
	struct lm_target *t = io->t;
	struct lm_migration *m = t->m;
	unsigned int to = io->resend;
	bool zeroes = true;

	if (!to && !lm_io_may_begin(io))
		return;
	lm_backlog_await(t);
	/* Whatever takes part, this needs one. */
	while (!io->req && !lm_req_alloc(io, 0, LM_GFP_WORKER))
		schedule_timeout_uninterruptible(1);

	if (to) {
		lm_walk_keep(io, io->legs & ~to);
	} else {
		io->losses = lm_phase_losses(m);
		io->legs = lm_phase_write_begin(m, io->range.start,
						io->range.end);
		to = io->legs;
		if (to != LM_BOTH_LEGS && !lm_sole_may_begin(io)) {
			lm_phase_io_end(m, to);
			/* The worker waits for requests: none may wait for it. */
			lm_req_free(t, io->req);
			io->req = NULL;
			return;
		}
		zeroes = bio_op(bio) == REQ_OP_WRITE_ZEROES ||
			 (to == LM_BOTH_LEGS && lm_leg_zeroes(t, LM_SOURCE) &&
			  lm_leg_zeroes(t, LM_DEST));
		if (!zeroes)
			lm_phase_clear(m, io->range.start, io->range.end);
	}
	io->resend = 0;
	lm_walk_submit(io, to, zeroes);
}

static int lm_map_walk(struct lm_io *io, struct bio *bio)
{
	io->kind = LM_IO_WALK;
	io->end = bio_end_sector(bio);
	atomic64_inc(&io->t->m->stats.in_flight);
	lm_walk_next(io, bio->bi_iter.bi_sector);
	return DM_MAPIO_SUBMITTED;
}

/* ------------------------------------------------------------------------
 * Flushes
 */

static void lm_flush_done(void *arg, unsigned int legs, blk_status_t status)
{
	struct lm_io *io = arg;

	if (unlikely(status == BLK_STS_AGAIN))
		lm_io_queue(io);
	else
		lm_io_end(io, status);
}

/* False if there is no memory now. */
static bool lm_flush_send(struct lm_io *io, gfp_t gfp)
{
	return lm_flush_start(io->t, lm_io_bio(io), lm_flush_done, io, gfp);
}

static int lm_map_flush(struct lm_io *io, struct bio *bio)
{
	io->kind = LM_IO_FLUSH;
	if (lm_in_worker() || !lm_flush_send(io, LM_GFP_MAP))
		lm_io_queue(io);
	return DM_MAPIO_SUBMITTED;
}

/* ------------------------------------------------------------------------
 * The target's map and end_io, and the worker
 */

/*
 * One leg is left.  False if it cannot do what the guest was told of: that is
 * emulated, as before.
 */
static bool lm_map_final(struct lm_io *io, struct bio *bio, int *r)
{
	struct lm_target *t = io->t;
	enum lm_leg leg = READ_ONCE(t->m->phase.active);

	if (unlikely((bio_op(bio) == REQ_OP_DISCARD && !lm_leg_discards(t, leg)) ||
		     (bio_op(bio) == REQ_OP_WRITE_ZEROES && !lm_leg_zeroes(t, leg))))
		return false;
	io->kind = LM_IO_FINAL;
	*r = lm_whole_begin(io, bio, leg) ? DM_MAPIO_REMAPPED : DM_MAPIO_SUBMITTED;
	return true;
}

/**
 * lm_mirror_map - take a bio of the guest
 * @t: the table's instance.
 * @bio: the bio.
 *
 * Context: the submitter's; never sleeps.
 * Return: a DM_MAPIO_ value.
 */
int lm_mirror_map(struct lm_target *t, struct bio *bio)
{
	struct lm_io *io = lm_io(bio);
	int r;

	/* First, because lm_mirror_end_io() looks at it whatever happens. */
	io->kind = LM_IO_PASSED;
	io->t = t;

	bio->bi_iter.bi_sector = dm_target_offset(t->ti, bio->bi_iter.bi_sector);
	if (lm_phase_is_final(t->m) && lm_map_final(io, bio, &r))
		return r;

	io->req = NULL;
	io->hung = 0;
	io->range.sent = NULL;
	io->range.lost = NULL;
	io->range.kind = LM_RANGE_GUEST;
	if (unlikely(!bio->bi_iter.bi_size && !op_is_flush(bio->bi_opf))) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}

	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return lm_whole_read(io, bio);
	case REQ_OP_WRITE:
		if (bio->bi_opf & REQ_PREFLUSH)
			return lm_map_flush(io, bio);
		return lm_map_write(io, bio);
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		return lm_map_walk(io, bio);
	default:
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
}

/**
 * lm_mirror_end_io - a bio that map() took has ended
 * @t: the table's instance.
 * @bio: the bio.
 * @error: its status, which may be changed.
 *
 * Context: any, often an interrupt's.
 * Return: a DM_ENDIO_ value.
 */
int lm_mirror_end_io(struct lm_target *t, struct bio *bio, blk_status_t *error)
{
	struct lm_io *io = lm_io(bio);

	switch (io->kind) {
	case LM_IO_READ:
		if (lm_whole_again(io, bio, *error))
			return DM_ENDIO_INCOMPLETE;
		return lm_whole_read_end(io, bio, *error);
	case LM_IO_FINAL:
		return lm_whole_again(io, bio, *error) ? DM_ENDIO_INCOMPLETE : DM_ENDIO_DONE;
	case LM_IO_SOLE:
		if (lm_whole_again(io, bio, *error))
			return DM_ENDIO_INCOMPLETE;
		io->kind = LM_IO_PASSED;
		/* Its bits are clear already, and the error is the guest's. */
		if (unlikely(*error))
			lm_migration_error(t->m, io->leg, LM_OP_WRITE, io->range.start,
					   blk_status_to_errno(*error));
		lm_phase_io_end(t->m, io->legs);
		lm_io_unlock(io);
		atomic64_dec(&t->m->stats.in_flight);
		return DM_ENDIO_DONE;
	default:
		return DM_ENDIO_DONE;
	}
}

/* Bios that could not go on in map(), or wait no longer. */
static void lm_submit_work(struct work_struct *work)
{
	struct lm_target *t = container_of(work, struct lm_target, submit_work);
	struct blk_plug plug;
	struct bio_list bios;
	struct bio *bio;

	spin_lock_irq(&t->lock);
	bios = t->submits;
	bio_list_init(&t->submits);
	spin_unlock_irq(&t->lock);

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&bios))) {
		struct lm_io *io = lm_io(bio);

		if (io->kind == LM_IO_WRITE)
			lm_write_send(io, bio, LM_GFP_WORKER);
		else if (io->kind == LM_IO_WALK)
			lm_walk_send(io);
		else
			lm_flush_send(io, LM_GFP_WORKER);
	}
	blk_finish_plug(&plug);
}

/**
 * lm_mirror_init - prepare an instance for the guest's bios
 * @t: the instance.
 * @error: on error, a sentence.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_mirror_init(struct lm_target *t, char **error)
{
	int r;

	spin_lock_init(&t->lock);
	lm_whole_init(t);
	INIT_LIST_HEAD(&t->flush_list);
	bio_list_init(&t->submits);
	INIT_WORK(&t->submit_work, lm_submit_work);

	r = lm_req_init(t);
	if (!r)
		r = mempool_init_kmalloc_pool(&t->flushes, LM_MIN_FLUSHES,
					      sizeof(struct lm_flush));
	if (!r)
		r = bioset_init(&t->bios, BIO_POOL_SIZE, 0, 0);
	if (r)
		*error = "no memory for the pages that writes are copied to";
	return r;
}

/**
 * lm_mirror_exit - the end of lm_mirror_init()'s
 * @t: the instance; all zeroes will do.  Nothing is in flight.
 *
 * Context: process, may sleep.
 */
void lm_mirror_exit(struct lm_target *t)
{
	bioset_exit(&t->bios);
	mempool_exit(&t->flushes);
	lm_req_exit(t);
}
