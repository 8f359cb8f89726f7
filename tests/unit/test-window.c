// SPDX-License-Identifier: GPL-2.0-only
/*
 * Narrow windows: one CPU stands still at a certain place while others do the
 * worst.
 */
#include "unit.h"

#include <linux/blkdev.h>

/* Four chunks of one region each. */
#define NR_CHUNKS	4
#define NR_SECTORS	(NR_CHUNKS * LM_CHUNK_SECTORS)

static struct lm_migration m;
static struct lm_target t;
static struct block_device bdev[LM_NR_LEGS];
static struct dm_dev dev[LM_NR_LEGS] = { { &bdev[LM_SOURCE] }, { &bdev[LM_DEST] } };

static void rcu(void)
{
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (m.phase.leg[leg].ref.in_rcu)
			shim_percpu_ref_rcu(&m.phase.leg[leg].ref);
}

static void write_chunk(u64 chunk)
{
	sector_t start = chunk << LM_CHUNK_SHIFT;

	CHECK_EQ(lm_phase_write_begin(&m, start, start + LM_CHUNK_SECTORS),
		 LM_BOTH_LEGS);
	lm_phase_good(&m, start, start + LM_CHUNK_SECTORS, LM_WRITTEN, lm_phase_losses(&m));
	lm_phase_io_end(&m, LM_BOTH_LEGS);
}

static void sync_now(void)
{
	u64 chunk, clears;

	for (chunk = 0; chunk < NR_CHUNKS; chunk++)
		write_chunk(chunk);
	CHECK(lm_phase_sync_begin(&m, &clears));
	CHECK(lm_unflushed_collect(&m.bitmap));
	lm_unflushed_drop(&m.bitmap);
	CHECK(lm_phase_sync_flushed(&m, clears));
	CHECK(lm_phase_sync_end(&m, clears));
}

static void begin(void)
{
	memset(&m, 0, sizeof(m));
	memset(&t, 0, sizeof(t));
	t.m = &m;
	t.flushes.size = sizeof(struct lm_flush);
	INIT_LIST_HEAD(&t.flush_list);
	t.dev[LM_SOURCE] = &dev[LM_SOURCE];
	t.dev[LM_DEST] = &dev[LM_DEST];
	CHECK_EQ(lm_bitmap_init(&m.bitmap, NR_SECTORS, LM_CHUNK_SHIFT), 0);
	CHECK_EQ(lm_phase_init(&m, LM_SOURCE, LM_ATTACHED, false), 0);
	sync_now();
}

static void end(void)
{
	rcu();
	lm_phase_exit(&m);
	lm_bitmap_exit(&m.bitmap);
}

static void fail_standby(void)
{
	unsigned int standby = LM_LEG_MASK(lm_other_leg(m.phase.active));

	CHECK_EQ(lm_phase_write_begin(&m, 0, 1), LM_BOTH_LEGS);
	lm_phase_failed(&m, LM_BOTH_LEGS, standby, 0, 1);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	rcu();
}

static enum lm_refusal reattach(void)
{
	enum lm_refusal why;

	m.messages.locked = 1;
	why = lm_phase_reattach(&m);
	m.messages.locked = 0;
	return why;
}

/* ------------------------------------------------------------------------
 * A read has looked which leg is active, and not yet taken a reference.
 * Meanwhile: cutover, the source fails and is attached again.
 */

static unsigned int reads;

static void between_read(void)
{
	if (reads++)
		return;
	shim_preempt_hook = NULL;
	CHECK_EQ(lm_phase_cutover(&m), LM_ALLOWED);
	fail_standby();
	CHECK_EQ(reattach(), LM_ALLOWED);
}

/* It must not read from a leg that lacks what was written since. */
static void test_read(void)
{
	enum lm_leg leg;

	begin();
	reads = 0;
	shim_preempt_hook = between_read;
	leg = lm_phase_read_begin(&m);
	shim_preempt_hook = NULL;
	CHECK(reads);
	CHECK_EQ(m.phase.active, LM_DEST);
	CHECK_EQ(leg, LM_DEST);
	lm_phase_io_end(&m, LM_LEG_MASK(leg));
	end();
}

/* ------------------------------------------------------------------------
 * Two flushes.  The first fails on the standby, which has lost its cache and
 * does not say so again: the second is good.  The marks must survive.
 */

struct test_flush {
	struct bio *bio[LM_NR_LEGS];
	bool over;
};

static struct test_flush first, second;
static unsigned int countdown;
static bool second_begun;

/* Not one of the model's. */
bool window_took_flush(struct lm_flush *flush, struct bio *bio)
{
	struct test_flush *f = flush->arg;

	if (f != &first && f != &second)
		return false;
	f->bio[bio == &flush->sent.bios.source ? LM_SOURCE : LM_DEST] = bio;
	return true;
}

static void done(void *arg, unsigned int legs, blk_status_t status)
{
	struct test_flush *f = arg;

	(void)legs;
	(void)status;
	f->over = true;
}

static void start(struct test_flush *flush)
{
	memset(flush, 0, sizeof(*flush));
	CHECK(lm_flush_start(&t, NULL, done, flush, 0));
}

static void end_leg(struct test_flush *flush, enum lm_leg leg, blk_status_t status)
{
	struct bio *bio = flush->bio[leg];

	/* One that begins after the failure goes to one leg. */
	if (!bio)
		return;
	flush->bio[leg] = NULL;
	bio->bi_status = status;
	bio->bi_end_io(bio);
}

static void between_flushes(void)
{
	if (countdown--)
		return;
	shim_preempt_hook = NULL;
	if (!second_begun)
		start(&second);
	end_leg(&second, LM_SOURCE, BLK_STS_OK);
	end_leg(&second, LM_DEST, BLK_STS_OK);
}

/* The second ends at the given place of the first one's end. */
static bool marks_survive(unsigned int place, bool begun, bool *reached)
{
	sector_t sector = 2 << LM_CHUNK_SHIFT;
	bool survive;

	begin();
	write_chunk(2);
	second_begun = begun;
	/* Whoever begins first collects the marks. */
	if (begun) {
		start(&second);
		start(&first);
	} else {
		start(&first);
	}
	end_leg(&first, LM_SOURCE, BLK_STS_OK);
	countdown = place;
	shim_preempt_hook = between_flushes;
	end_leg(&first, LM_DEST, BLK_STS_IOERR);
	*reached = !shim_preempt_hook;
	shim_preempt_hook = NULL;
	if (!*reached && begun) {
		end_leg(&second, LM_SOURCE, BLK_STS_OK);
		end_leg(&second, LM_DEST, BLK_STS_OK);
	}
	survive = lm_unflushed_test(&m.bitmap, sector);
	CHECK(first.over);
	CHECK_EQ(m.phase.standby, LM_FAILED);
	CHECK_EQ(m.flushes.counter, 0);
	end();
	return survive;
}

static void test_flushes(void)
{
	unsigned int place, begun;
	bool reached;

	for (begun = 0; begun < 2; begun++)
		for (place = 0, reached = true; reached; place++)
			if (!marks_survive(place, begun, &reached))
				FAIL("the other one drops the marks, at place %u",
				     place);
}

/* ------------------------------------------------------------------------
 * A write has failed on one leg, and the other has not answered.  A flush that is
 * good meanwhile proves nothing: the device may have told that write of what it lost.
 */
static void test_failing(void)
{
	enum lm_leg active, leg;

	for (active = 0; active < LM_NR_LEGS; active++) {
		leg = LM_DEST;
		begin();
		if (active == LM_DEST)
			CHECK_EQ(lm_phase_cutover(&m), LM_ALLOWED);
		write_chunk(2);
		CHECK_EQ(lm_phase_write_begin(&m, 0, 1), LM_BOTH_LEGS);
		/* This one began before. */
		start(&first);
		lm_phase_failing(&m, leg);
		/* A standby is out at once; what becomes of an active leg is open. */
		CHECK_EQ(m.phase.standby, active == leg ? LM_ATTACHED : LM_FAILED);
		end_leg(&first, LM_SOURCE, BLK_STS_OK);
		end_leg(&first, LM_DEST, BLK_STS_OK);
		CHECK(first.over);
		CHECK(lm_unflushed_test(&m.bitmap, 2 << LM_CHUNK_SHIFT));
		CHECK_EQ(lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(leg), 0, 1),
			 LM_SOURCE);
		lm_phase_settled(&m);
		lm_phase_io_end(&m, LM_BOTH_LEGS);
		CHECK_EQ(m.phase.standby, LM_FAILED);
		rcu();
		CHECK_EQ(reattach(), LM_ALLOWED);
		CHECK(!lm_bitmap_any_set(&m.bitmap, 2, 1));
		end();
	}
}

/* ------------------------------------------------------------------------
 * A write of both legs, while the other leg fails at every possible place of
 * it; then the standby is attached again, and all must be cleared.
 */

static void between_good(void)
{
	if (countdown--)
		return;
	shim_preempt_hook = NULL;
	fail_standby();
}

static void test_good(void)
{
	sector_t start = 2 << LM_CHUNK_SHIFT;
	unsigned int place;
	bool reached;

	for (place = 0, reached = true; reached; place++) {
		begin();
		lm_phase_clear(&m, start, start + LM_CHUNK_SECTORS);
		CHECK_EQ(lm_phase_write_begin(&m, start, start + LM_CHUNK_SECTORS),
			 LM_BOTH_LEGS);
		countdown = place;
		shim_preempt_hook = between_good;
		lm_phase_good(&m, start, start + LM_CHUNK_SECTORS, LM_WRITTEN, lm_phase_losses(&m));
		reached = !shim_preempt_hook;
		shim_preempt_hook = NULL;
		if (!reached)
			fail_standby();
		CHECK_EQ(reattach(), LM_IN_FLIGHT);
		lm_phase_io_end(&m, LM_BOTH_LEGS);
		rcu();
		CHECK_EQ(reattach(), LM_ALLOWED);
		if (lm_bitmap_any_set(&m.bitmap, 2, 1))
			FAIL("the bit of a write has outlived the standby, at place %u",
			     place);
		end();
	}
	CHECK(place > 4);
}

/* ------------------------------------------------------------------------
 * A read is rescued by the failed standby while that is being attached.
 */

static bool rescued, counted;

static void between_reattach(void)
{
	if (countdown--)
		return;
	shim_preempt_hook = NULL;
	rescued = lm_phase_rescue_begin(&m, LM_SOURCE, 3 << LM_CHUNK_SHIFT,
					(3 << LM_CHUNK_SHIFT) + 8, &counted);
}

static void test_rescue(void)
{
	enum lm_refusal why;
	unsigned int place, refused = 0;
	bool reached;

	for (place = 0, reached = true; reached; place++) {
		begin();
		write_chunk(2);
		fail_standby();
		countdown = place;
		rescued = false;
		m.messages.locked = 1;
		shim_preempt_hook = between_reattach;
		why = lm_phase_reattach(&m);
		reached = !shim_preempt_hook;
		shim_preempt_hook = NULL;
		m.messages.locked = 0;
		/* By one that does not take part it must have been counted. */
		if (rescued && counted) {
			CHECK_EQ(why, LM_IN_FLIGHT);
			CHECK_EQ(m.phase.standby, LM_FAILED);
			refused++;
		} else {
			CHECK_EQ(why, LM_ALLOWED);
		}
		if (rescued)
			lm_phase_rescue_end(&m, LM_DEST, counted);
		if (why)
			CHECK_EQ(reattach(), LM_ALLOWED);
		CHECK(!lm_bitmap_any_set(&m.bitmap, 2, 1));
		end();
	}
	CHECK(refused);
}

const struct unit_test window_tests[] = {
	{ "window: a read, and the leg changes its role twice", test_read },
	{ "window: a flush that fails, and one that does not", test_flushes },
	{ "window: a write that fails, and a good flush", test_failing },
	{ "window: a good write, and the standby fails", test_good },
	{ "window: a rescue, and the standby is attached", test_rescue },
	{ NULL, NULL },
};
