// SPDX-License-Identifier: GPL-2.0-only
/*
 * Comparing the legs while the guest writes: the proof of a copy, before it
 * counts.
 *
 * A check reads a run of regions from both legs and compares them.  It holds its
 * range giving way, as a copy does while it reads: a guest's write goes through
 * at once, and the regions that it touches are lost to the check.  Writes that
 * were under way when it came take theirs from the first.  So in what is left
 * nobody wrote while it was read, and any difference is one.  What was lost is
 * tried again some times, and then counted as skipped: who is written to all
 * the time is compared by nobody.
 *
 * Only regions whose bits are set are compared.  Where the legs differ the bits
 * are cleared, so the copier brings the active leg's content again.
 */
#include "dm-livemigrate.h"

#include <linux/highmem.h>
#include <linux/slab.h>

/* How often a check is tried again, and how long after. */
#define LM_CHECK_TRIES	8
#define LM_CHECK_DELAY	(HZ / 50)
/* Those that let bios end must not wait for memory: swap may be on them. */
#define LM_CHECK_GFP	(GFP_NOWAIT | __GFP_NOWARN)

/**
 * struct lm_check - one comparison under way.
 * @t: the instance.
 * @work: goes on when both legs have answered.
 * @range: what it compares.
 * @first: its first region.
 * @nr: how many.
 * @tries: how often it was tried.
 * @nr_pages: how many pages it has for each leg.
 * @busy: it is under way.
 * @reading: the legs are being read.
 * @given_up: a leg does not answer, and its range was let go; or all have.
 * @since: when it was begun to read, jiffies.
 * @sent: the same, ns.
 * @back: a bit for each leg that has answered.
 * @pending: reads that have not ended.
 * @status: of the reads.
 * @skip: regions that are not compared, or were already.
 * @lost: regions lost to the guest; the range's mask.
 * @bios: the reads.
 * @vecs: the pages, for each leg @nr_pages of them.
 */
struct lm_check {
	struct lm_target *t;
	struct delayed_work work;
	struct lm_range range;
	u64 first;
	unsigned int nr;
	unsigned int tries;
	unsigned int nr_pages;
	bool busy;
	bool reading;
	atomic_t given_up;
	unsigned long since;
	u64 sent;
	unsigned long back;
	atomic_t pending;
	blk_status_t status[LM_NR_LEGS];
	DECLARE_BITMAP(skip, LM_CHUNK_REGIONS);
	DECLARE_BITMAP(lost, LM_CHUNK_REGIONS);
	struct lm_leg_bios bios;
	struct bio_vec vecs[];
};

/* @given_up of a check */
enum { LM_CHECK_HOLDS, LM_CHECK_WAITS, LM_CHECK_IS_BACK, LM_CHECK_GIVEN_UP };

/* ------------------------------------------------------------------------
 * Memory
 */

static void lm_check_free(struct lm_check *c)
{
	unsigned int i;

	if (!c)
		return;
	for (i = 0; i < 2 * c->nr_pages; i++)
		if (c->vecs[i].bv_page)
			__free_page(c->vecs[i].bv_page);
	kfree(c);
}

static void lm_check_work(struct work_struct *work);

static struct lm_check *lm_check_alloc(struct lm_target *t)
{
	unsigned int region = 1U << t->m->bitmap.region_shift;
	unsigned int i, nr = max(LM_CHECK_SECTORS, region) / PAGE_SECTORS;
	struct lm_check *c;

	c = kzalloc(struct_size(c, vecs, 2 * nr), LM_CHECK_GFP);
	if (!c)
		return NULL;
	c->t = t;
	c->nr_pages = nr;
	c->range.lost = c->lost;
	c->range.kind = LM_RANGE_CHECK;
	INIT_DELAYED_WORK(&c->work, lm_check_work);
	for (i = 0; i < 2 * nr; i++) {
		c->vecs[i].bv_page = alloc_page(LM_CHECK_GFP);
		if (!c->vecs[i].bv_page) {
			lm_check_free(c);
			return NULL;
		}
		c->vecs[i].bv_len = PAGE_SIZE;
	}
	return c;
}

/* ------------------------------------------------------------------------
 * One check
 */

static sector_t lm_check_sector(const struct lm_check *c, unsigned int region)
{
	const struct lm_bitmap *b = &c->t->m->bitmap;
	sector_t sector = (c->first + region) << b->region_shift;

	return min(sector, b->nr_sectors);
}

/* Are a region's bytes the same in both legs' pages? */
static bool lm_check_is_same(const struct lm_check *c, unsigned int region)
{
	unsigned int offset = to_bytes(lm_check_sector(c, region) -
				       c->range.start);
	unsigned int end = to_bytes(lm_check_sector(c, region + 1) -
				    c->range.start);

	while (offset < end) {
		unsigned int page = offset / PAGE_SIZE;
		unsigned int in_page = offset_in_page(offset);
		unsigned int len = min_t(unsigned int, PAGE_SIZE - in_page,
					 end - offset);
		void *a = kmap_local_page(c->vecs[page].bv_page);
		void *b = kmap_local_page(c->vecs[c->nr_pages + page].bv_page);
		bool same = !memcmp(a + in_page, b + in_page, len);

		kunmap_local(b);
		kunmap_local(a);
		if (!same)
			return false;
		offset += len;
	}
	return true;
}

static void lm_check_dec(struct lm_check *c)
{
	if (atomic_dec_and_test(&c->pending))
		queue_delayed_work(c->t->done_wq, &c->work, 0);
}

static void lm_check_endio(struct bio *bio)
{
	struct lm_check *c = bio->bi_private;
	enum lm_leg leg = bio == &c->bios.source ? LM_SOURCE : LM_DEST;

	c->status[leg] = bio->bi_status;
	if (!bio->bi_status)
		lm_pacer_ended(&c->t->verifier.pacer, leg,
			       c->range.end - c->range.start, c->sent, ktime_get_ns());
	set_bit(leg, &c->back);
	lm_check_dec(c);
}

/* One check less under way. */
static void lm_check_idle(struct lm_target *t)
{
	struct lm_verifier *v = &t->verifier;

	/* Under the lock, or lm_verify_wait() might return before all this. */
	spin_lock_irq(&v->idle.lock);
	if (atomic_dec_and_test(&v->busy))
		wake_up_all_locked(&v->idle);
	lm_verify_kick(t);
	spin_unlock_irq(&v->idle.lock);
}

static void lm_check_over(struct lm_check *c)
{
	struct lm_target *t = c->t;

	WRITE_ONCE(c->busy, false);
	lm_check_idle(t);
}

/* Read what is to be compared from both legs. */
static void lm_check_read(struct lm_check *c)
{
	struct lm_target *t = c->t;
	struct lm_migration *m = t->m;
	enum lm_leg leg, from;
	unsigned int i;

	c->range.start = lm_check_sector(c, 0);
	c->range.end = lm_check_sector(c, c->nr);
	bitmap_zero(c->lost, c->nr);
	lm_range_lock_yielding(&m->ranges, &c->range);
	/* After the range is held: whoever clears a bit now takes its region. */
	for (i = 0; i < c->nr; i++)
		if (!lm_bitmap_all_set(&m->bitmap, c->first + i, 1) &&
		    !__test_and_set_bit(i, c->skip))
			atomic64_inc(&m->verify.skipped);
	if (bitmap_full(c->skip, c->nr) || !lm_phase_copy_begin(m, &from)) {
		lm_range_unlock(&m->ranges, &c->range);
		atomic64_add(c->nr - bitmap_weight(c->skip, c->nr),
			     &m->verify.skipped);
		lm_check_over(c);
		return;
	}

	c->reading = true;
	c->since = jiffies;
	c->sent = ktime_get_ns();
	c->back = 0;
	atomic_set(&c->pending, LM_NR_LEGS);
	atomic_set_release(&c->given_up, LM_CHECK_WAITS);
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		struct bio *bio = lm_leg_bio(&c->bios, leg);

		lm_leg_bio_init(t, bio, leg, c->vecs + leg * c->nr_pages,
				c->nr_pages, REQ_OP_READ, c->range.start);
		bio->bi_iter.bi_size = to_bytes(c->range.end - c->range.start);
		bio->bi_private = c;
		bio->bi_end_io = lm_check_endio;
	}
	lm_backlog_send_own(t, LM_SOURCE, &c->bios.source);
	lm_backlog_send_own(t, LM_DEST, &c->bios.dest);
}

static void lm_check_differs(struct lm_check *c, unsigned int region)
{
	struct lm_migration *m = c->t->m;
	sector_t start = lm_check_sector(c, region);

	lm_migration_mismatch(m, start);
	DMERR_LIMIT("%s: the legs differ in the %llu sectors from %llu on: they are copied again from the active leg",
		    dm_device_name(m->md),
		    (u64)(lm_check_sector(c, region + 1) - start), (u64)start);
	lm_phase_mismatch(m, start, lm_check_sector(c, region + 1));
	lm_save_doubt(c->t, start);
}

/* Both have answered. */
static void lm_check_compare(struct lm_check *c)
{
	struct lm_migration *m = c->t->m;
	unsigned int i, compared = 0;
	bool failed = false;
	enum lm_leg leg;

	/* From now on nobody takes anything; the pages are ours. */
	lm_range_harden(&m->ranges, &c->range);
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		if (!c->status[leg])
			continue;
		failed = true;
		/* A standby that has failed was perhaps not asked. */
		if (!lm_phase_is_attached(m))
			continue;
		lm_migration_error(m, leg, LM_OP_READ, c->range.start,
				   blk_status_to_errno(c->status[leg]));
	}
	for (i = 0; !failed && i < c->nr; i++) {
		if (test_bit(i, c->skip) || test_bit(i, c->lost))
			continue;
		__set_bit(i, c->skip);
		compared++;
		if (!lm_check_is_same(c, i))
			lm_check_differs(c, i);
	}
	lm_range_unlock(&m->ranges, &c->range);
	lm_phase_io_end(m, LM_BOTH_LEGS);
	atomic64_add(compared, &m->verify.compared);
}

static void lm_check_work(struct work_struct *work)
{
	struct lm_check *c = container_of(to_delayed_work(work),
					  struct lm_check, work);
	struct lm_migration *m = c->t->m;
	unsigned int left;

	if (c->reading) {
		c->reading = false;
		if (atomic_cmpxchg(&c->given_up, LM_CHECK_WAITS,
				   LM_CHECK_IS_BACK) == LM_CHECK_GIVEN_UP) {
			lm_phase_io_end(m, LM_BOTH_LEGS);
			WRITE_ONCE(c->busy, false);
			lm_left_behind_end(c->t);
			return;
		}
		lm_check_compare(c);
		left = c->nr - bitmap_weight(c->skip, c->nr);
		if (!left) {
			lm_check_over(c);
			return;
		}
		if (++c->tries >= LM_CHECK_TRIES ||
		    READ_ONCE(c->t->verifier.stopped) ||
		    READ_ONCE(m->verify.state) != LM_VERIFY_RUNNING) {
			atomic64_add(left, &m->verify.skipped);
			lm_check_over(c);
			return;
		}
		queue_delayed_work(c->t->done_wq, &c->work, LM_CHECK_DELAY);
		return;
	}
	lm_check_read(c);
}

/**
 * lm_check_is_overdue - does a check wait for a leg for too long?
 * @range: a check's; its bucket's lock is held.
 * @leg: the leg.
 * @timeout: jiffies.
 *
 * Context: any.
 */
bool lm_check_is_overdue(const struct lm_range *range, enum lm_leg leg,
			 unsigned long timeout)
{
	const struct lm_check *c = container_of(range, struct lm_check, range);

	/* Pairs with lm_check_read(). */
	return atomic_read_acquire(&c->given_up) == LM_CHECK_WAITS &&
	       !test_bit(leg, &c->back) && time_after(jiffies, c->since + timeout);
}

/**
 * lm_check_give_up - do not wait for a check that is overdue
 * @range: the check's; its bucket's lock is held.
 *
 * Context: any.
 * Return: true if lm_check_let_go() is owed, without that lock.
 */
bool lm_check_give_up(struct lm_range *range)
{
	struct lm_check *c = container_of(range, struct lm_check, range);

	/* The range must be gone before the check goes on. */
	if (!atomic_inc_not_zero(&c->pending))
		return false;
	if (atomic_cmpxchg(&c->given_up, LM_CHECK_WAITS, LM_CHECK_GIVEN_UP) ==
	    LM_CHECK_WAITS)
		return true;
	lm_check_dec(c);
	return false;
}

/**
 * lm_check_let_go - let the range go of a check that was given up
 * @range: the check's.
 *
 * Context: process.
 */
void lm_check_let_go(struct lm_range *range)
{
	struct lm_check *c = container_of(range, struct lm_check, range);
	struct lm_target *t = c->t;

	lm_range_unlock(&t->m->ranges, range);
	atomic64_add(c->nr - bitmap_weight(c->skip, c->nr),
		     &t->m->verify.skipped);
	atomic_inc(&t->left_behind);
	lm_check_dec(c);
	/* A suspend need not wait for it. */
	lm_check_idle(t);
}

/* ------------------------------------------------------------------------
 * The pass
 */

static struct lm_check *lm_verify_get(struct lm_target *t)
{
	struct lm_verifier *v = &t->verifier;
	unsigned int i;

	for (i = 0; i < LM_NR_CHECKS; i++) {
		if (!v->check[i])
			v->check[i] = lm_check_alloc(t);
		if (v->check[i] && !READ_ONCE(v->check[i]->busy))
			return v->check[i];
	}
	return NULL;
}

static void lm_verify_start_check(struct lm_target *t, struct lm_check *c)
{
	struct lm_migration *m = t->m;
	struct lm_bitmap *b = &m->bitmap;
	unsigned int sectors = min(lm_pacer_sectors(&t->verifier.pacer), LM_CHECK_SECTORS);
	u64 nr = max(sectors >> b->region_shift, 1U);
	u64 chunk_end = (((m->verify.cursor << b->region_shift) |
			  (LM_CHUNK_SECTORS - 1)) + 1) >> b->region_shift;

	c->first = m->verify.cursor;
	c->nr = min(min(nr, chunk_end - c->first), b->nr_regions - c->first);
	c->tries = 0;
	c->busy = true;
	bitmap_zero(c->skip, c->nr);
	m->verify.cursor += c->nr;
	atomic_inc(&t->verifier.busy);
	lm_check_read(c);
}

static void lm_verify_end(struct lm_target *t, enum lm_verify_state state)
{
	struct lm_migration *m = t->m;

	if (cmpxchg(&m->verify.state, LM_VERIFY_RUNNING, state) !=
	    LM_VERIFY_RUNNING)
		return;
	DMINFO("%s: verify %s: %lld regions compared, %lld skipped, %lld differed",
	       dm_device_name(m->md),
	       state == LM_VERIFY_DONE ? "has ended" : "was stopped",
	       atomic64_read(&m->verify.compared),
	       atomic64_read(&m->verify.skipped),
	       atomic64_read(&m->stats.mismatches));
	lm_phase_event(m);
}

static void lm_verify_work(struct work_struct *work)
{
	struct lm_verifier *v = container_of(to_delayed_work(work),
					     struct lm_verifier, work);
	struct lm_target *t = container_of(v, struct lm_target, verifier);
	struct lm_migration *m = t->m;
	struct lm_check *c;
	u64 wait;

	while (READ_ONCE(m->verify.state) == LM_VERIFY_RUNNING &&
	       !READ_ONCE(v->stopped) && !READ_ONCE(m->paused)) {
		if (!lm_phase_is_attached(m)) {
			lm_verify_end(t, LM_VERIFY_STOPPED);
			break;
		}
		if (m->verify.cursor == m->bitmap.nr_regions) {
			/* The last one kicks us again. */
			if (!atomic_read(&v->busy))
				lm_verify_end(t, LM_VERIFY_DONE);
			break;
		}
		wait = lm_pacer_wait(t, &v->pacer, !atomic_read(&v->busy), false);
		if (wait && lm_pacer_nap(t, wait, &v->work))
			continue;
		if (wait)
			break;
		c = lm_verify_get(t);
		if (!c) {
			/* No memory for the first one? */
			if (!atomic_read(&v->busy))
				queue_delayed_work(t->done_wq, &v->work, HZ);
			break;
		}
		lm_verify_start_check(t, c);
		lm_pacer_begun(&v->pacer, c->range.end - c->range.start);
	}
}

/**
 * lm_verify_kick - look whether there is something to compare
 * @t: the instance.
 *
 * Context: any.
 */
void lm_verify_kick(struct lm_target *t)
{
	if (READ_ONCE(t->m->verify.state) == LM_VERIFY_RUNNING)
		mod_delayed_work(t->done_wq, &t->verifier.work, 0);
}

/**
 * lm_verify_begin - compare the legs
 * @t: the instance.
 *
 * From the beginning, unless it is under way already.
 *
 * Context: process, under lm_migration.messages.
 * Return: false if checks of an earlier one have not ended yet.
 */
bool lm_verify_begin(struct lm_target *t)
{
	struct lm_migration *m = t->m;

	lockdep_assert_held(&m->messages);

	if (m->verify.state == LM_VERIFY_RUNNING)
		return true;
	if (atomic_read(&t->verifier.busy))
		return false;
	m->verify.cursor = 0;
	atomic64_set(&m->verify.compared, 0);
	atomic64_set(&m->verify.skipped, 0);
	/* After all that it needs. */
	smp_store_release(&m->verify.state, LM_VERIFY_RUNNING);
	lm_verify_kick(t);
	return true;
}

/**
 * lm_verify_stop - begin no more checks
 * @t: the instance.
 * @for_good: and forget how far it had come.
 *
 * Context: process; does not wait.
 */
void lm_verify_stop(struct lm_target *t, bool for_good)
{
	if (for_good)
		lm_verify_end(t, LM_VERIFY_STOPPED);
	else
		WRITE_ONCE(t->verifier.stopped, true);
}

/**
 * lm_verify_start - the instance goes live
 * @t: the instance.
 *
 * Context: process.
 */
void lm_verify_start(struct lm_target *t)
{
	WRITE_ONCE(t->verifier.stopped, false);
	lm_verify_kick(t);
}

/**
 * lm_verify_wait - wait until all checks have ended
 * @t: the instance; lm_verify_stop() was called.
 *
 * Context: process, sleeps.
 */
void lm_verify_wait(struct lm_target *t)
{
	struct lm_verifier *v = &t->verifier;

	cancel_delayed_work_sync(&v->work);
	wait_event(v->idle, !atomic_read(&v->busy));
	/* Let the one who woke us leave its lock. */
	spin_lock_irq(&v->idle.lock);
	spin_unlock_irq(&v->idle.lock);
	/* The last one has kicked it again, in vain. */
	cancel_delayed_work_sync(&v->work);
}

/**
 * lm_verify_init - prepare an instance, which stands still
 * @t: the instance.
 *
 * Context: process.
 */
void lm_verify_init(struct lm_target *t)
{
	INIT_DELAYED_WORK(&t->verifier.work, lm_verify_work);
	init_waitqueue_head(&t->verifier.idle);
	t->verifier.stopped = true;
	lm_pacer_init(&t->verifier.pacer, 1U << t->m->bitmap.region_shift);
}

/**
 * lm_verify_exit - the end of lm_verify_init()'s
 * @t: the instance; all zeroes will do.  Nothing is under way.
 *
 * Context: process, may sleep.
 */
void lm_verify_exit(struct lm_target *t)
{
	unsigned int i;

	for (i = 0; i < LM_NR_CHECKS; i++)
		lm_check_free(t->verifier.check[i]);
}
