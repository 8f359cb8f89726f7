// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the copier hands out: a job is a run of regions whose bits are clear, within
 * one chunk.  It goes through these steps, each begun from @done_wq when the one
 * before has ended:
 *
 * 1. lock: it holds its range, giving way: a guest's write goes through at
 *    once, and the regions that it touches are lost to the job.
 * 2. read: from the active leg.
 * 3. check: regions that read as zeroes need no data.  Where the standby can
 *    neither write zeroes nor is known to hold them, it is read as well.
 * 4. write: now it gives way no longer, so a guest's write waits, one write of
 *    the standby long.  What was lost is left out.
 * 5. the bits are set, the range is let go.
 *
 * Nothing here waits for memory with a range held: a job's pages are allocated
 * before, and its bios come from a pool that only jobs use.
 */
#include "dm-livemigrate.h"
#include "tracepoints.h"

#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/ioprio.h>
#include <linux/ktime.h>
#include <linux/sizes.h>
#include <linux/slab.h>

/* The fewer the pieces of memory, the less a disk's driver has to do. */
#define LM_JOB_ORDER	get_order(SZ_64K)

enum lm_step { LM_STEP_LOCK, LM_STEP_READ, LM_STEP_CHECK, LM_STEP_WRITE };

/**
 * struct lm_job - one copy under way.
 * @t: the instance.
 * @work: goes on when a step's I/O has ended.
 * @range: what it copies.
 * @step: what has been begun.
 * @from: the leg it reads.
 * @losses: lm_phase_losses() before it read.
 * @first: its first region.
 * @nr: how many regions.
 * @yields: it gives way now.
 * @given_up: the standby does not answer, and its range was let go; or it has
 *	answered.  Set once in a step.
 * @since: when the step's I/O was begun, jiffies.
 * @begun: when it was, ns.
 * @sent: when the step's I/O was begun, ns.
 * @back: when all of it had ended, ns.
 * @by_data: zeroes are sent as data: the standby cannot write them otherwise.
 * @pending: parts of the step's I/O that have not ended.
 * @status: of the step's I/O.
 * @withheld: some of it was not sent: the leg had failed before.
 * @unsupported: the standby cannot write zeroes, contrary to what it says.
 * @skip: regions that need no copy: set, or lost to the guest.
 * @lost: regions lost to the guest; the range's mask.
 * @zero: regions that read as zeroes.
 * @same: of those, the ones that the standby is known to hold as zeroes.
 * @pages: never sent: what its bios are clones of.
 * @order: of its pages.
 * @vecs: they: a chunk is the most that it copies.
 */
struct lm_job {
	struct lm_target *t;
	struct work_struct work;
	struct lm_range range;
	enum lm_step step;
	enum lm_leg from;
	u64 losses;
	u64 first;
	unsigned int nr;
	bool yields;
	bool by_data;
	atomic_t given_up;
	unsigned long since;
	u64 begun;
	u64 sent;
	u64 back;
	atomic_t pending;
	blk_status_t status;
	bool withheld;
	bool unsupported;
	DECLARE_BITMAP(skip, LM_CHUNK_REGIONS);
	DECLARE_BITMAP(lost, LM_CHUNK_REGIONS);
	DECLARE_BITMAP(zero, LM_CHUNK_REGIONS);
	DECLARE_BITMAP(same, LM_CHUNK_REGIONS);
	struct bio pages;
	unsigned int order;
	struct bio_vec vecs[LM_CHUNK_PAGES];
};

/* ------------------------------------------------------------------------
 * Jobs: memory
 */

static void lm_job_free(struct lm_job *job)
{
	unsigned int i;

	if (!job)
		return;
	for (i = 0; i < LM_CHUNK_PAGES >> job->order; i++)
		if (job->vecs[i].bv_page)
			__free_pages(job->vecs[i].bv_page, job->order);
	kfree(job);
}

static void lm_job_work(struct work_struct *work);
static void lm_job_granted(struct lm_range *range);

static struct lm_job *lm_job_alloc_order(struct lm_target *t, unsigned int order,
					 gfp_t gfp)
{
	unsigned int i, nr = LM_CHUNK_PAGES >> order;
	struct lm_job *job;

	job = kzalloc(sizeof(*job), gfp);
	if (!job)
		return NULL;
	job->t = t;
	job->order = order;
	INIT_WORK(&job->work, lm_job_work);
	job->range.granted = lm_job_granted;
	job->range.lost = job->lost;
	job->range.kind = LM_RANGE_COPY;
	bio_init(&job->pages, NULL, job->vecs, nr, 0);
	job->pages.bi_vcnt = nr;
	job->pages.bi_iter.bi_size = to_bytes(LM_CHUNK_SECTORS);
	for (i = 0; i < nr; i++) {
		/* A network's socket asks whether each of them is referenced. */
		job->vecs[i].bv_page = alloc_pages(order ? gfp | __GFP_COMP : gfp, order);
		if (!job->vecs[i].bv_page) {
			lm_job_free(job);
			return NULL;
		}
		job->vecs[i].bv_len = PAGE_SIZE << order;
	}
	return job;
}

static struct lm_job *lm_job_alloc(struct lm_target *t, gfp_t gfp)
{
	struct lm_job *job;

	job = lm_job_alloc_order(t, LM_JOB_ORDER, gfp | __GFP_NORETRY | __GFP_NOWARN);
	return job ?: lm_job_alloc_order(t, 0, gfp);
}

/**
 * lm_job_get - a job that is not in use
 * @t: the instance.
 *
 * Context: process; one caller at a time.
 * Return: NULL if all are, and there is no memory for one more.  The first one always
 * exists.
 */
struct lm_job *lm_job_get(struct lm_target *t)
{
	struct lm_copier *c = &t->copier;
	unsigned int i, empty = LM_NR_JOBS;

	for (i = 0; i < LM_NR_JOBS; i++) {
		/* Pairs with the clear_bit_unlock() of lm_job_put(). */
		if (test_bit_acquire(i, &c->jobs_busy))
			continue;
		if (c->job[i])
			return c->job[i];
		if (empty == LM_NR_JOBS)
			empty = i;
	}
	if (empty == LM_NR_JOBS)
		return NULL;
	c->job[empty] = lm_job_alloc(t, GFP_NOWAIT | __GFP_NOWARN);
	return c->job[empty];
}

static unsigned int lm_job_index(const struct lm_job *job)
{
	unsigned int i;

	for (i = 0; job->t->copier.job[i] != job; i++)
		;
	return i;
}

static void lm_job_put(struct lm_job *job)
{
	struct lm_target *t = job->t;
	struct lm_copier *c = &t->copier;

	/* Before the kick, which looks at it. */
	clear_bit_unlock(lm_job_index(job), &c->jobs_busy);
	lm_copier_kick(t);
	lm_copier_idle(c);
}

/* ------------------------------------------------------------------------
 * Jobs: sectors and masks
 */

static sector_t lm_job_sector(const struct lm_job *job, unsigned int region)
{
	const struct lm_bitmap *b = &job->t->m->bitmap;
	sector_t sector = (job->first + region) << b->region_shift;

	return min(sector, b->nr_sectors);
}

/* @given_up of a job */
enum { LM_JOB_HOLDS, LM_JOB_WAITS, LM_JOB_IS_BACK, LM_JOB_GIVEN_UP };

/* The next run of regions in @mask, from *@from on. */
static bool lm_job_run(const struct lm_job *job, const unsigned long *mask,
		       unsigned int *from, unsigned int *end)
{
	*from = find_next_bit(mask, job->nr, *from);
	if (*from >= job->nr)
		return false;
	*end = find_next_zero_bit(mask, job->nr, *from);
	return true;
}

static struct page *lm_job_page(const struct lm_job *job, unsigned int offset)
{
	unsigned int nr = offset / PAGE_SIZE;

	return job->vecs[nr >> job->order].bv_page + (nr & ((1U << job->order) - 1));
}

/* Is a region of the job all zeroes in its pages? */
static bool lm_job_reads_zero(const struct lm_job *job, unsigned int region)
{
	unsigned int offset = to_bytes(lm_job_sector(job, region) -
				       job->range.start);
	unsigned int end = to_bytes(lm_job_sector(job, region + 1) -
				    job->range.start);

	while (offset < end) {
		struct page *page = lm_job_page(job, offset);
		unsigned int in_page = offset_in_page(offset);
		unsigned int len = min_t(unsigned int, PAGE_SIZE - in_page,
					 end - offset);
		void *p = kmap_local_page(page);
		bool zero = !memchr_inv(p + in_page, 0, len);

		kunmap_local(p);
		if (!zero)
			return false;
		offset += len;
	}
	return true;
}

static void lm_job_clear_pages(struct lm_job *job, unsigned int region)
{
	unsigned int offset = to_bytes(lm_job_sector(job, region) -
				       job->range.start);
	unsigned int end = to_bytes(lm_job_sector(job, region + 1) -
				    job->range.start);

	while (offset < end) {
		unsigned int in_page = offset_in_page(offset);
		unsigned int len = min_t(unsigned int, PAGE_SIZE - in_page,
					 end - offset);

		memzero_page(lm_job_page(job, offset), in_page, len);
		offset += len;
	}
}

/* ------------------------------------------------------------------------
 * Jobs: I/O
 */

/* One part of a step's I/O less; the last one goes on to the next. */
static void lm_job_dec(struct lm_job *job)
{
	if (atomic_dec_and_test(&job->pending)) {
		job->back = ktime_get_ns();
		queue_work(job->t->done_wq, &job->work);
	}
}

static void lm_job_endio(struct bio *bio)
{
	struct lm_job *job = bio->bi_private;

	if (unlikely(bio->bi_status)) {
		if (!lm_bio_failed(bio)) {
			WRITE_ONCE(job->unsupported, true);
		} else {
			/*
			 * At once, as in lm_phase_failing().  If this leg has
			 * become active, the other one is out, and stays so
			 * as long as we hold our references.
			 */
			if (op_is_write(bio_op(bio)))
				lm_phase_give_up(job->t->m,
						 lm_other_leg(job->from));
			if (bio->bi_status == LM_STS_WITHHELD)
				WRITE_ONCE(job->withheld, true);
			else
				WRITE_ONCE(job->status, bio->bi_status);
		}
	}
	bio_put(bio);
	lm_job_dec(job);
}

/* Begin a step's I/O; lm_job_dec() ends the caller's own part of it. */
static void lm_job_begin(struct lm_job *job, enum lm_step step)
{
	job->step = step;
	job->status = BLK_STS_OK;
	job->withheld = false;
	job->unsupported = false;
	job->since = jiffies;
	job->sent = ktime_get_ns();
	atomic_set(&job->pending, 1);
	atomic_set_release(&job->given_up, LM_JOB_WAITS);
}

/* Regions [from, end) to or from a leg, by the job's own pages. */
static void lm_job_submit(struct lm_job *job, enum lm_leg leg, blk_opf_t opf,
			  unsigned int from, unsigned int end)
{
	sector_t start = lm_job_sector(job, from);
	sector_t len = lm_job_sector(job, end) - start;
	struct lm_target *t = job->t;
	struct block_device *bdev = lm_leg_bdev(t, leg);
	struct bio_set *bios = &t->copier.bios;
	struct bio *bio;

	if ((opf & REQ_OP_MASK) == REQ_OP_WRITE_ZEROES) {
		bio = bio_alloc_bioset(bdev, 0, opf, GFP_NOIO, bios);
		bio->bi_iter.bi_size = to_bytes(len);
	} else {
		bio = bio_alloc_clone(bdev, &job->pages, GFP_NOIO, bios);
		bio->bi_opf = opf;
		bio_trim(bio, start - job->range.start, len);
	}
	bio->bi_iter.bi_sector = t->start[leg] + start;
	/* Nobody waits for a job that gives way; for others a guest's write may. */
	if (job->yields)
		bio->bi_ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_BE_NR - 1);
	bio->bi_private = job;
	bio->bi_end_io = lm_job_endio;
	atomic_inc(&job->pending);
	if (leg == job->from)
		submit_bio_noacct(bio);
	else
		lm_backlog_send_own(t, leg, bio);
}

/* The job's regions in @mask, run by run. */
static void lm_job_submit_mask(struct lm_job *job, enum lm_leg leg,
			       blk_opf_t opf, const unsigned long *mask)
{
	unsigned int from, end;

	for (from = 0; lm_job_run(job, mask, &from, &end); from = end)
		lm_job_submit(job, leg, opf, from, end);
}

/* ------------------------------------------------------------------------
 * Jobs: steps
 */

static void lm_job_finish(struct lm_job *job, bool begun)
{
	lm_range_unlock(&job->t->m->ranges, &job->range);
	if (begun)
		lm_phase_io_end(job->t->m, LM_BOTH_LEGS);
	lm_job_put(job);
}

/* One that was given up is back. */
static void lm_job_late(struct lm_job *job)
{
	struct lm_target *t = job->t;

	lm_phase_io_end(t->m, LM_LEG_MASK(lm_other_leg(job->from)));
	clear_bit_unlock(lm_job_index(job), &t->copier.jobs_busy);
	lm_copier_kick(t);
	lm_left_behind_end(t);
}

/* The range is held.  Read, unless there is nothing left to copy. */
static void lm_job_read(struct lm_job *job)
{
	struct lm_migration *m = job->t->m;
	unsigned int i;

	job->losses = lm_phase_losses(m);
	if (!lm_phase_copy_begin(m, &job->from)) {
		lm_job_finish(job, false);
		return;
	}
	/*
	 * After copy_begin(): a bit that is clear now, and not lost, was clear
	 * then as well, so the roles are still those.
	 */
	bitmap_zero(job->skip, job->nr);
	for (i = 0; i < job->nr; i++)
		if (lm_bitmap_any_set(&m->bitmap, job->first + i, 1))
			__set_bit(i, job->skip);
	bitmap_or(job->skip, job->skip, job->lost, job->nr);
	if (bitmap_full(job->skip, job->nr)) {
		lm_job_finish(job, true);
		return;
	}

	lm_job_begin(job, LM_STEP_READ);
	/* Region by region is of no use if the disk is asked for all at once. */
	lm_job_submit(job, job->from, READ_ONCE(job->t->copier.careful) ?
		      REQ_OP_READ | REQ_NOMERGE : REQ_OP_READ, 0, job->nr);
	lm_job_dec(job);
}

static void lm_job_write(struct lm_job *job)
{
	enum lm_leg to = lm_other_leg(job->from);
	DECLARE_BITMAP(data, LM_CHUNK_REGIONS);
	DECLARE_BITMAP(zeroes, LM_CHUNK_REGIONS);
	struct blk_plug plug;

	if (job->yields) {
		lm_range_harden(&job->t->m->ranges, &job->range);
		bitmap_or(job->skip, job->skip, job->lost, job->nr);
		job->yields = false;
	}
	if (!lm_phase_is_attached(job->t->m)) {
		lm_job_finish(job, true);
		return;
	}
	bitmap_complement(data, job->skip, job->nr);
	bitmap_and(zeroes, data, job->zero, job->nr);
	bitmap_andnot(data, data, job->zero, job->nr);
	bitmap_andnot(zeroes, zeroes, job->same, job->nr);

	lm_job_begin(job, LM_STEP_WRITE);
	if (to == LM_DEST)
		lm_phase_write_dest(job->t->m);
	blk_start_plug(&plug);
	lm_job_submit_mask(job, to, REQ_OP_WRITE, data);
	lm_job_submit_mask(job, to, job->by_data ? REQ_OP_WRITE :
			   REQ_OP_WRITE_ZEROES, zeroes);
	blk_finish_plug(&plug);
	lm_job_dec(job);
}

/* Zeroes that the standby must be read for are in @zero, the rest in @same. */
static void lm_job_check(struct lm_job *job)
{
	enum lm_leg to = lm_other_leg(job->from);
	unsigned int i;

	bitmap_zero(job->zero, job->nr);
	bitmap_zero(job->same, job->nr);
	for (i = 0; i < job->nr; i++)
		if (!test_bit(i, job->skip) && lm_job_reads_zero(job, i))
			__set_bit(i, job->zero);

	job->by_data = !lm_leg_zeroes(job->t, to);
	if (lm_phase_reads_zero(job->t->m, to)) {
		bitmap_copy(job->same, job->zero, job->nr);
	} else if (job->by_data && !bitmap_empty(job->zero, job->nr)) {
		lm_job_begin(job, LM_STEP_CHECK);
		lm_job_submit_mask(job, to, REQ_OP_READ, job->zero);
		lm_job_dec(job);
		return;
	}
	lm_job_write(job);
}

/* The pages of the regions in @zero hold what the standby holds there. */
static void lm_job_checked(struct lm_job *job)
{
	unsigned int i;

	if (job->status)
		lm_migration_error(job->t->m, lm_other_leg(job->from), LM_OP_READ,
				   job->range.start,
				   blk_status_to_errno(job->status));
	for_each_set_bit(i, job->zero, job->nr) {
		if (!job->status && lm_job_reads_zero(job, i))
			__set_bit(i, job->same);
		else
			lm_job_clear_pages(job, i);
	}
	lm_job_write(job);
}

/* It was tried often enough. */
static void lm_job_unreadable(struct lm_job *job)
{
	struct lm_migration *m = job->t->m;

	DMERR_LIMIT("%s: the %s cannot be read at sector %llu: it is not copied before it is written anew, or resume is sent",
		    dm_device_name(m->md),
		    job->from == LM_SOURCE ? "source" : "dest",
		    (u64)job->range.start);
	lm_phase_event(m);
}

static void lm_job_read_done(struct lm_job *job)
{
	struct lm_copier *c = &job->t->copier;

	if (job->status) {
		lm_migration_error(job->t->m, job->from, LM_OP_READ, job->range.start,
				   blk_status_to_errno(job->status));
		WRITE_ONCE(c->errors, true);
		if (job->nr == 1 && lm_unread_failed(job->t->m, job->first))
			lm_job_unreadable(job);
		lm_job_finish(job, true);
		return;
	}
	lm_pacer_ended(&c->pacer, 0, job->range.end - job->range.start,
		       job->sent, job->back);
	lm_job_check(job);
}

static void lm_job_write_done(struct lm_job *job)
{
	enum lm_leg to = lm_other_leg(job->from);
	struct lm_migration *m = job->t->m;
	unsigned int from, end, zero;
	DECLARE_BITMAP(done, LM_CHUNK_REGIONS);

	/* One that was written as a whole tells what a piece takes. */
	if (!job->status && bitmap_empty(job->skip, job->nr) &&
	    bitmap_empty(job->zero, job->nr))
		lm_pacer_ended(&job->t->copier.pacer, 1,
			       job->range.end - job->range.start, job->sent, job->back);

	if (job->unsupported && !job->status) {
		/* The pages are zeroes: send them instead. */
		job->by_data = true;
		lm_job_write(job);
		return;
	}
	if (job->status) {
		lm_migration_error(m, to, LM_OP_WRITE, job->range.start,
				   blk_status_to_errno(job->status));
		lm_phase_failed(m, LM_LEG_MASK(to), LM_LEG_MASK(to),
				job->range.start, job->range.end);
		lm_job_finish(job, true);
		return;
	}

	bitmap_andnot(done, job->zero, job->skip, job->nr);
	zero = bitmap_weight(done, job->nr);
	for (from = 0; lm_job_run(job, done, &from, &end); from = end)
		lm_phase_good(m, lm_job_sector(job, from),
			      lm_job_sector(job, end), LM_ZERO, job->losses);
	bitmap_or(done, job->skip, job->zero, job->nr);
	bitmap_complement(done, done, job->nr);
	for (from = 0; lm_job_run(job, done, &from, &end); from = end)
		lm_phase_good(m, lm_job_sector(job, from),
			      lm_job_sector(job, end), LM_COPIED, job->losses);
	if (trace_lm_copy_enabled())
		trace_lm_copy(m, job->from, job->range.start, job->range.end,
			      bitmap_weight(done, job->nr), zero,
			      div_u64(ktime_get_ns() - job->begun, NSEC_PER_USEC));
	lm_job_finish(job, true);
}

static void lm_job_work(struct work_struct *work)
{
	struct lm_job *job = container_of(work, struct lm_job, work);

	/* Whoever has given it up has let its range go: it may do no more. */
	if (atomic_cmpxchg(&job->given_up, LM_JOB_WAITS, LM_JOB_IS_BACK) ==
	    LM_JOB_GIVEN_UP) {
		lm_job_late(job);
		return;
	}
	/* An error of the leg's says more. */
	if (unlikely(job->withheld) && !job->status)
		job->status = LM_STS_WITHHELD;
	switch (job->step) {
	case LM_STEP_LOCK:
		lm_job_read(job);
		break;
	case LM_STEP_READ:
		lm_job_read_done(job);
		break;
	case LM_STEP_CHECK:
		lm_job_checked(job);
		break;
	case LM_STEP_WRITE:
		lm_job_write_done(job);
		break;
	}
}

static void lm_job_granted(struct lm_range *range)
{
	struct lm_job *job = container_of(range, struct lm_job, range);

	queue_work(job->t->done_wq, &job->work);
}

/**
 * lm_job_start - copy a run of regions
 * @job: from lm_job_get().
 * @first: the first region.
 * @nr: how many, within one chunk.
 * @yields: give way to the guest's writes.
 *
 * Context: process; one caller at a time.
 */
void lm_job_start(struct lm_job *job, u64 first, unsigned int nr, bool yields)
{
	struct lm_ranges *ranges = &job->t->m->ranges;
	struct lm_copier *c = &job->t->copier;

	set_bit(lm_job_index(job), &c->jobs_busy);
	atomic_inc(&c->busy);
	job->first = first;
	job->nr = nr;
	job->yields = yields;
	job->range.start = lm_job_sector(job, 0);
	job->range.end = lm_job_sector(job, nr);
	job->step = LM_STEP_LOCK;
	job->begun = ktime_get_ns();
	atomic_set(&job->given_up, LM_JOB_HOLDS);
	bitmap_zero(job->lost, nr);

	if (yields)
		lm_range_lock_yielding(ranges, &job->range);
	else if (!lm_range_lock(ranges, &job->range))
		return;
	lm_job_read(job);
}

/**
 * lm_job_is_overdue - does a copy wait for a leg for too long?
 * @range: a copy's; its bucket's lock is held.
 * @leg: the leg.
 * @timeout: jiffies.
 *
 * Context: any.
 */
bool lm_job_is_overdue(const struct lm_range *range, enum lm_leg leg,
		       unsigned long timeout)
{
	const struct lm_job *job = container_of(range, struct lm_job, range);

	/* Pairs with lm_job_begin(). */
	return atomic_read_acquire(&job->given_up) == LM_JOB_WAITS &&
	       job->step != LM_STEP_READ && job->from != leg &&
	       time_after(jiffies, job->since + timeout);
}

/**
 * lm_job_give_up - do not wait for a copy that is overdue
 * @range: the copy's; its bucket's lock is held.
 *
 * Context: any.
 * Return: true if lm_job_let_go() is owed, without that lock.
 */
bool lm_job_give_up(struct lm_range *range)
{
	struct lm_job *job = container_of(range, struct lm_job, range);

	/* The range must be gone before the job goes on. */
	if (!atomic_inc_not_zero(&job->pending))
		return false;
	if (atomic_cmpxchg(&job->given_up, LM_JOB_WAITS, LM_JOB_GIVEN_UP) ==
	    LM_JOB_WAITS)
		return true;
	lm_job_dec(job);
	return false;
}

/**
 * lm_job_let_go - let the range go of a copy that was given up
 * @range: the copy's.
 *
 * Its bits stay clear; what it has sent may come back at any time.
 *
 * Context: process.
 */
void lm_job_let_go(struct lm_range *range)
{
	struct lm_job *job = container_of(range, struct lm_job, range);
	struct lm_target *t = job->t;

	lm_range_unlock(&t->m->ranges, range);
	lm_phase_io_end(t->m, LM_LEG_MASK(job->from));
	atomic_inc(&t->left_behind);
	lm_job_dec(job);
	/* A suspend need not wait for it. */
	lm_copier_idle(&t->copier);
}

/**
 * lm_jobs_trim - give back what only a pass under way needs
 * @t: the instance.
 *
 * Context: process; as lm_job_get().
 */
void lm_jobs_trim(struct lm_target *t)
{
	struct lm_copier *c = &t->copier;
	unsigned int i;

	for (i = 1; i < LM_NR_JOBS; i++) {
		if (test_bit_acquire(i, &c->jobs_busy))
			continue;
		lm_job_free(c->job[i]);
		c->job[i] = NULL;
	}
}

/**
 * lm_jobs_init - the first job, which always exists
 * @t: the instance.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_jobs_init(struct lm_target *t)
{
	struct lm_copier *c = &t->copier;

	c->job[0] = lm_job_alloc(t, GFP_KERNEL);
	return c->job[0] ? bioset_init(&c->bios, BIO_POOL_SIZE, 0, 0) : -ENOMEM;
}

/**
 * lm_jobs_exit - the end of lm_jobs_init()'s
 * @t: the instance; all zeroes will do.  Nothing is under way.
 *
 * Context: process, may sleep.
 */
void lm_jobs_exit(struct lm_target *t)
{
	unsigned int i;

	for (i = 0; i < LM_NR_JOBS; i++)
		lm_job_free(t->copier.job[i]);
	bioset_exit(&t->copier.bios);
}
