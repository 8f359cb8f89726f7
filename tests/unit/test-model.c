// SPDX-License-Identifier: GPL-2.0-only
/* Random schedules of the model: see model.h. */
#include "model.h"

#include <time.h>

/* Steps of one migration, before it is brought to its end. */
#define EPISODE 12000

/* ------------------------------------------------------------------------
 * What comes in between
 */

static bool sim_step(void);

/*
 * Called where another CPU could come in between.  A few steps of others, or,
 * rarely, a long time.
 */
static void sim_preempt(void)
{
	unsigned int n;

	if (sim.depth >= 2 || !one_in(sim.profile->preempt))
		return;
	n = one_in(24) ? 1 + rnd(2000) : 1 + rnd(24);
	sim.depth++;
	TRACE("something comes in between, %ld steps deep %ld", n, sim.depth);
	while (n--)
		sim_step();
	TRACE("back from deep %ld", sim.depth);
	sim.depth--;
}

/* Under lm_phase.lock: every change of state passes here. */
static void sim_poke(void *owner)
{
	const struct lm_phase *p = &sim.m.phase;

	CHECK(owner == &sim);
	CHECK(p->lock.locked);
	if (p->active == LM_DEST && p->standby != LM_ATTACHED)
		sim.source_incomplete = true;
	else if (p->synced)
		sim.source_incomplete = false;
	if (p->shown != sim.shown) {
		TRACE("phase %ld, active %ld, standby %ld", p->shown, p->active,
		      p->standby);
		sim.shown = p->shown;
		sim.changes++;
	}
	sim.copier.kicked = true;
}

/* ------------------------------------------------------------------------
 * The operator
 */

/* DESIGN: what is allowed when. */
static enum lm_refusal expect_switch(enum lm_leg to)
{
	const struct lm_phase *p = &sim.m.phase;

	switch (p->shown) {
	case LM_ABORTED:
		return LM_IS_ABORTED;
	case LM_COMMITTED:
		return LM_IS_COMMITTED;
	default:
		break;
	}
	if (p->dropping)
		return LM_IS_DROPPING;
	if (p->active == to)
		return LM_ALLOWED;
	switch (p->shown) {
	case LM_SYNCED:
	case LM_SWITCHED:
		return LM_ALLOWED;
	case LM_DEGRADED:
		return LM_STANDBY_FAILED;
	default:
		return LM_NOT_SYNCED;
	}
}

static void operator_switch(enum lm_leg to)
{
	enum lm_refusal expect, why;

	/* Nobody could know that it has lost something, and hide it. */
	if (sim.leg[to].lossy)
		return;
	shim_no_preempt++;
	expect = expect_switch(to);
	why = to == LM_DEST ? lm_phase_cutover(&sim.m) :
			      lm_phase_failback(&sim.m);
	shim_no_preempt--;
	TRACE("switch to %ld: %ld", to, why);
	CHECK_EQ(why, expect);
	if (!why && sim.m.phase.active != to)
		FAIL("a switch that was granted has not happened");
}

static void operator_reattach(void)
{
	const struct lm_phase *p = &sim.m.phase;
	unsigned int before = p->attachments;
	bool failed = p->standby == LM_FAILED;
	enum lm_refusal why;

	model_noticed();
	sim.m.messages.locked = 1;
	why = lm_phase_reattach(&sim.m);
	sim.m.messages.locked = 0;
	TRACE("reattach: %ld", why);
	if (failed && !why && p->attachments == before)
		FAIL("a reattach that was granted has not happened");
}

static void operator_abort(void)
{
	const struct lm_phase *p = &sim.m.phase;
	enum lm_refusal expect = LM_ALLOWED, why;

	shim_no_preempt++;
	if (p->active == LM_DEST)
		expect = p->shown == LM_COMMITTED ? LM_IS_COMMITTED :
			 p->dropping ? LM_IS_DROPPING : LM_DEST_ACTIVE;
	why = lm_phase_abort(&sim.m);
	shim_no_preempt--;
	TRACE("abort: %ld", why);
	CHECK_EQ(why, expect);
}

/* lm_msg_commit(): asks, flushes the dest, asks again. */
static void operator_commit(void)
{
	struct leg *dest = &sim.leg[LM_DEST];
	unsigned int c;

	if (!sim.operator.commit) {
		if (ATOMICALLY(lm_phase_may_commit(&sim.m)) ||
		    lm_phase_is_final(&sim.m))
			return;
		sim.operator.commit = 1;
		return;
	}
	sim.operator.commit = 0;
	if (dest->broken)
		return;
	for (c = 0; c < sim.nr_cells; c++)
		dest->durable[c] = dest->now[c];
	TRACE("commit: %ld", ATOMICALLY(lm_phase_commit(&sim.m)));
}

static bool operator_step(void)
{
	unsigned int what = rnd(64);

	if (sim.operator.busy)
		return false;
	sim.operator.busy = true;
	if (sim.operator.commit) {
		operator_commit();
	} else if (sim.calm) {
		sim.m.paused = false;
		sim.copier.kicked = true;
		operator_reattach();
	} else if (what < 16) {
		operator_switch(LM_DEST);
	} else if (what < 28) {
		operator_switch(LM_SOURCE);
	} else if (what < 50) {
		operator_reattach();
	} else if (what < 60) {
		sim.m.paused = one_in(4);
		sim.copier.kicked = true;
	} else if (sim.profile->drops && one_in(8)) {
		if (one_in(2))
			operator_abort();
		else
			operator_commit();
	}
	sim.operator.busy = false;
	return true;
}

/* ------------------------------------------------------------------------
 * Schedules
 */

static bool rcu_step(void)
{
	struct percpu_ref *ref = &sim.m.phase.leg[rnd(LM_NR_LEGS)].ref;

	if (!ref->in_rcu)
		return false;
	TRACE("RCU has looked after leg %ld", ref == &sim.m.phase.leg[LM_DEST].ref);
	shim_percpu_ref_rcu(ref);
	return true;
}

static bool failure_step(void)
{
	if (sim.calm || one_in(4)) {
		leg_repair(rnd(LM_NR_LEGS));
		return true;
	}
	if (!sim.profile->breaks || !one_in(sim.profile->breaks / 64))
		return false;
	leg_break(rnd(LM_NR_LEGS));
	return true;
}

/* One step of somebody.  False if he had nothing to do. */
static bool sim_step(void)
{
	unsigned int who = rnd(64);
	u64 changes = sim.changes;
	bool did;

	if (who < 36)
		did = op_step(&sim.op[who % NR_OPS]);
	else if (who < 48)
		did = job_step(&sim.job[who % NR_JOBS]);
	else if (who < 58)
		did = copier_step();
	else if (who < 60)
		did = rcu_step();
	else if (who < 61)
		did = failure_step();
	else
		did = one_in(8) && operator_step();
	if (!did)
		return false;
	sim.steps++;
	if (changes != sim.changes)
		model_check(true);
	else if (one_in(sim.nr_cells < 64 ? 16 : 128))
		model_check(true);
	else if (one_in(4))
		model_check(false);
	return true;
}

static void sim_device(void)
{
	static const unsigned int region_shifts[] = { 3, 4, 5, 7, 9, 10, 11 };
	unsigned int region = region_shifts[rnd(7)];
	unsigned int smallest = region > 9 ? region - 5 : 2;
	sector_t nr;

	/* Cells so large that three chunks are not too many of them. */
	sim.cell_shift = smallest + rnd(region - smallest + 1);
	nr = 1 + rnd(3 * LM_CHUNK_SECTORS);
	if (one_in(3))
		nr = 1 + rnd(40 << sim.cell_shift);
	/* An end on a boundary, or not. */
	if (one_in(3))
		nr = ((nr - 1) | ((1U << region) - 1)) + 1;
	nr = min_t(sector_t, nr, 3 * LM_CHUNK_SECTORS);
	sim.nr_cells = ((nr - 1) >> sim.cell_shift) + 1;
	CHECK(sim.nr_cells <= MAX_CELLS);
	sim.hot = rnd(sim.nr_cells);
	CHECK_EQ(lm_bitmap_init(&sim.m.bitmap, nr, region), 0);
	CHECK_EQ(lm_ranges_init(&sim.m.ranges, region), 0);
	sim.copier.job_sectors = 64U << rnd(4);
	sim.copier.hold_sectors = 8U << rnd(4);
	TRACE("%ld sectors, region %ld, cell %ld", nr, 1 << region,
	      1 << sim.cell_shift);
}

static void sim_begin(const struct profile *profile, u64 seed)
{
	bool zeroed, stale;
	unsigned int c;

	memset(&sim, 0, sizeof(sim));
	unit_srand(seed);
	unit_trace_reset();
	sim.profile = profile;
	sim_device();

	zeroed = one_in(2);
	stale = one_in(6);	/* active dest, with a source that is not attached */
	for (c = 0; c < sim.nr_cells; c++) {
		enum lm_leg from = stale ? LM_DEST : LM_SOURCE;
		u32 content = c / 3 % 3 ? 1 : ZERO | 1;
		u32 other = stale || !zeroed ? FOREIGN : ZERO;

		sim.leg[from].now[c].content = content;
		sim.leg[lm_other_leg(from)].now[c].content = other;
		sim.bound[c] = content;
		sim.flushed[c] = content;
	}
	for (c = 0; c < LM_NR_LEGS; c++) {
		memcpy(sim.leg[c].durable, sim.leg[c].now, sizeof(sim.leg[c].now));
		sim.leg[c].zeroes = one_in(2);
		sim.leg[c].discards = one_in(2);
		sim.dev[c].bdev = &sim.bdev[c];
		sim.t.dev[c] = &sim.dev[c];
	}
	sim.number = 1;
	sim.t.m = &sim.m;
	sim.t.flushes.size = sizeof(struct lm_flush);
	INIT_LIST_HEAD(&sim.t.flush_list);
	sim.source_incomplete = stale;
	CHECK_EQ(lm_phase_init(&sim.m, stale ? LM_DEST : LM_SOURCE,
			       stale ? LM_FAILED : LM_ATTACHED, zeroed), 0);
	sim.shown = sim.m.phase.shown;
	sim.m.owner = &sim;
	sim.m.poke = sim_poke;
	sim.copier.kicked = true;
	if (profile->preempt)
		shim_preempt_hook = sim_preempt;
}

static bool sim_at_rest(void)
{
	const struct lm_phase *p = &sim.m.phase;
	unsigned int i;

	for (i = 0; i < NR_OPS; i++)
		if (!op_is_idle(&sim.op[i]))
			return false;
	return copier_is_idle() && !p->leg[LM_SOURCE].ref.in_rcu &&
	       !p->leg[LM_DEST].ref.in_rcu && !sim.operator.commit;
}

static void sim_until(bool (*what)(void), const char *name)
{
	u64 turns;

	for (turns = 0; !what(); turns++) {
		sim_step();
		if (turns > 3000000)
			FAIL("%s is never reached: phase %d, %lld of %lld regions",
			     name, sim.m.phase.shown,
			     lm_bitmap_done(&sim.m.bitmap), sim.m.bitmap.nr_regions);
	}
}

/* The pass has ended: a bit may be cleared again only by a failure. */
static bool sim_arrived(void)
{
	return sim.m.phase.synced || lm_phase_is_final(&sim.m);
}

static void sim_wait(void)
{
	sim_step();
}

/*
 * No more failures: with the guest still writing the pass must end.  Then no
 * more writes: nobody may be left waiting, nothing may be left behind.
 */
static void sim_end(void)
{
	struct lm_phase *p = &sim.m.phase;
	unsigned int i;

	TRACE("calm: phase %ld", p->shown);
	sim.calm = true;
	sim_until(sim_arrived, "the end of the pass");
	sim.quiet = true;
	sim_until(sim_at_rest, "rest");
	shim_preempt_hook = NULL;

	for (i = 0; i < LM_RANGE_BUCKETS; i++)
		CHECK(list_empty(&sim.m.ranges.bucket[i].ranges));
	for (i = 0; i < sim.nr_cells; i++)
		CHECK(!sim.holder[i]);
	for (i = 0; i < LM_NR_LEGS; i++) {
		CHECK_EQ(sim.leg[i].in_flight, 0);
		CHECK_EQ(p->leg[i].ref.count, !p->leg[i].ref.dead);
	}
	CHECK_EQ(p->rescues, 0);
	CHECK(!sim.m.bitmap.collecting);
	CHECK_EQ(sim.m.flushes.counter, 0);
	if (!lm_phase_is_final(&sim.m)) {
		sim_until(sim_arrived, "the end of the pass, at rest");
		CHECK(lm_bitmap_full(&sim.m.bitmap));
	}
	model_check(true);
	shim_wait_hook = sim_wait;
	lm_phase_exit(&sim.m);
	lm_ranges_exit(&sim.m.ranges);
	lm_bitmap_exit(&sim.m.bitmap);
}

static void sim_run(const struct profile *profile)
{
	u64 steps = 0, episodes = 0, seed = unit_seed;
	struct timespec from, to;
	double s;

	clock_gettime(CLOCK_MONOTONIC, &from);
	while (steps < unit_steps) {
		unit_seed = seed + episodes;
		sim_begin(profile, unit_seed);
		while (sim.steps < EPISODE &&
		       !(lm_phase_is_final(&sim.m) && one_in(1000)))
			sim_step();
		sim_end();
		steps += sim.steps;
		episodes++;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	s = to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9;
	printf("# %llu migrations, %llu steps, %.1f million in a second\n",
	       episodes, steps, steps / s / 1e6);
}

/* ------------------------------------------------------------------------ */

static void model_healthy(void)
{
	static const struct profile profile = { .discards = true };

	sim_run(&profile);
}

static void model_errors(void)
{
	static const struct profile profile = {
		.glitch = 200,
		.breaks = 20000,
		.discards = true,
	};

	sim_run(&profile);
}

static void model_losses(void)
{
	static const struct profile profile = {
		.glitch = 400,
		.breaks = 3000,
		.loses = true,
		.discards = true,
	};

	sim_run(&profile);
}

static void model_drops(void)
{
	static const struct profile profile = {
		.glitch = 300,
		.breaks = 5000,
		.loses = true,
		.drops = true,
		.discards = true,
	};

	sim_run(&profile);
}

static void model_tells_once(void)
{
	static const struct profile profile = {
		.glitch = 60,
		.tells_once = true,
		.discards = true,
	};

	sim_run(&profile);
}

static void model_smp_tells_once(void)
{
	static const struct profile profile = {
		.preempt = 24,
		.glitch = 60,
		.tells_once = true,
		.discards = true,
	};

	sim_run(&profile);
}

static void model_smp(void)
{
	static const struct profile profile = {
		.preempt = 24,
		.discards = true,
	};

	sim_run(&profile);
}

static void model_smp_losses(void)
{
	static const struct profile profile = {
		.preempt = 24,
		.glitch = 300,
		.breaks = 3000,
		.loses = true,
		.drops = true,
		.discards = true,
	};

	sim_run(&profile);
}

const struct unit_test model_tests[] = {
	{ "model: healthy legs", model_healthy },
	{ "model: legs that fail", model_errors },
	{ "model: legs that fail and lose their caches", model_losses },
	{ "model: abort and commit, too", model_drops },
	{ "model: a flush that fails has lost something", model_tells_once },
	{ "model: healthy legs, CPUs in between", model_smp },
	{ "model: a flush that fails, CPUs in between", model_smp_tells_once },
	{ "model: all of it, CPUs in between", model_smp_losses },
	{ NULL, NULL },
};
