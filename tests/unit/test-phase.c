// SPDX-License-Identifier: GPL-2.0-only
/*
 * phase.c by hand: what is allowed when, and what a failure does, as tables of
 * their own.
 */
#include "unit.h"

/* Two chunks and a half, in regions of 512 sectors. */
#define SHIFT		9
#define NR_SECTORS	(5 * LM_CHUNK_SECTORS / 2)
#define NR_REGIONS	(NR_SECTORS >> SHIFT)

static struct lm_migration m;
static unsigned int pokes;

static void poke(void *owner)
{
	CHECK(owner == &m);
	CHECK(m.phase.lock.locked);
	pokes++;
}

static void rcu(void)
{
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (m.phase.leg[leg].ref.in_rcu)
			shim_percpu_ref_rcu(&m.phase.leg[leg].ref);
}

static void begin(enum lm_leg active, enum lm_standby standby, bool zeroed)
{
	memset(&m, 0, sizeof(m));
	CHECK_EQ(lm_bitmap_init(&m.bitmap, NR_SECTORS, SHIFT), 0);
	CHECK_EQ(lm_phase_init(&m, active, standby, zeroed), 0);
	m.owner = &m;
	m.poke = poke;
	shim_wait_hook = rcu;
}

static void end(void)
{
	lm_phase_exit(&m);
	lm_bitmap_exit(&m.bitmap);
}

static enum lm_phase_name phase(void)
{
	struct lm_snapshot snap;

	lm_phase_snapshot(&m, &snap);
	return snap.phase;
}

/* A write of both legs that ends well. */
static void write_all(void)
{
	sector_t start;

	for (start = 0; start < NR_SECTORS; start += 1 << SHIFT) {
		CHECK_EQ(lm_phase_write_begin(&m, start, start + (1 << SHIFT)),
			 LM_BOTH_LEGS);
		lm_phase_good(&m, start, start + (1 << SHIFT), LM_WRITTEN, lm_phase_losses(&m));
		lm_phase_io_end(&m, LM_BOTH_LEGS);
	}
}

static void flush_all(void)
{
	CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
	CHECK(lm_unflushed_collect(&m.bitmap));
	lm_unflushed_drop(&m.bitmap);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
}

static void make_synced(void)
{
	u64 clears;

	write_all();
	CHECK(lm_phase_sync_begin(&m, &clears));
	flush_all();
	CHECK(lm_phase_sync_flushed(&m, clears));
	CHECK(lm_phase_sync_end(&m, clears));
}

static enum lm_refusal reattach(void)
{
	enum lm_refusal why;

	m.messages.locked = 1;
	why = lm_phase_reattach(&m);
	m.messages.locked = 0;
	return why;
}

/* What the standby does when a write fails there, and nothing else. */
static void fail_standby(void)
{
	enum lm_leg standby = lm_other_leg(m.phase.active);

	CHECK_EQ(lm_phase_write_begin(&m, 0, 1), LM_BOTH_LEGS);
	CHECK_EQ(lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(standby), 0, 1),
		 m.phase.active);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
}

enum situation {
	COPYING_S, FILLED_S, SYNCED, SWITCHED, DISCARDED_D, COPYING_D,
	DEGRADED_S, BUSY_S, DEGRADED_D, BUSY_D, DROPPING_S, DROPPING_D, ABORTED, COMMITTED,
	NR_SITUATIONS
};

static const char * const situation_names[] = {
	"copying, source active", "all set but not flushed", "synced",
	"switched", "switched, then a discard", "copying, dest active", "degraded, source active",
	"degraded, source active, dest busy", "degraded, dest active",
	"degraded, dest active, source busy", "abort waits", "commit waits",
	"aborted", "committed",
};

static bool is_busy(enum situation s)
{
	return s == BUSY_S || s == BUSY_D || s == DROPPING_S || s == DROPPING_D;
}

static void arrange(enum situation s)
{
	begin(LM_SOURCE, LM_ATTACHED, false);
	if (s == COPYING_S)
		return;
	if (s == FILLED_S) {
		write_all();
		return;
	}
	make_synced();
	if (s == SWITCHED || s == DISCARDED_D || s == COPYING_D ||
	    s == DEGRADED_D || s == BUSY_D || s == DROPPING_D || s == COMMITTED)
		CHECK_EQ(lm_phase_cutover(&m), LM_ALLOWED);
	if (s == DISCARDED_D)
		lm_phase_clear(&m, 0, 1);
	if (is_busy(s))
		CHECK_EQ(lm_phase_write_begin(&m, 0, 1), LM_BOTH_LEGS);
	if (s == DEGRADED_S || s == BUSY_S || s == DEGRADED_D || s == BUSY_D ||
	    s == COPYING_D)
		fail_standby();
	if (s == ABORTED || s == DROPPING_S)
		CHECK_EQ(lm_phase_abort(&m), LM_ALLOWED);
	if (s == COMMITTED || s == DROPPING_D)
		CHECK_EQ(lm_phase_commit(&m), LM_ALLOWED);
	rcu();
	if (s == COPYING_D)
		CHECK_EQ(reattach(), LM_ALLOWED);
}

static void rearrange(enum situation s)
{
	if (is_busy(s))
		lm_phase_io_end(&m, LM_BOTH_LEGS);
	end();
}

enum message { CUTOVER, FAILBACK, ABORT, MAY_COMMIT, COMMIT, REATTACH, NR_MESSAGES };

static enum lm_refusal send(enum message message)
{
	switch (message) {
	case CUTOVER:
		return lm_phase_cutover(&m);
	case FAILBACK:
		return lm_phase_failback(&m);
	case ABORT:
		return lm_phase_abort(&m);
	case MAY_COMMIT:
		return lm_phase_may_commit(&m);
	case COMMIT:
		return lm_phase_commit(&m);
	default:
		return reattach();
	}
}

#define OK(phase)	{ LM_ALLOWED, LM_##phase }
#define NO(why, phase)	{ LM_##why, LM_##phase }

/* The answer, and the phase once nothing more happens by itself. */
static const struct {
	enum lm_refusal why;
	enum lm_phase_name phase;
} allowed[NR_SITUATIONS][NR_MESSAGES] = {
	[COPYING_S] = {
		NO(NOT_SYNCED, COPYING), OK(COPYING), OK(ABORTED),
		NO(SOURCE_ACTIVE, COPYING), NO(SOURCE_ACTIVE, COPYING),
		OK(COPYING),
	},
	[FILLED_S] = {
		NO(NOT_SYNCED, COPYING), OK(COPYING), OK(ABORTED),
		NO(SOURCE_ACTIVE, COPYING), NO(SOURCE_ACTIVE, COPYING),
		OK(COPYING),
	},
	[SYNCED] = {
		OK(SWITCHED), OK(SYNCED), OK(ABORTED),
		NO(SOURCE_ACTIVE, SYNCED), NO(SOURCE_ACTIVE, SYNCED), OK(SYNCED),
	},
	[SWITCHED] = {
		OK(SWITCHED), OK(SYNCED), NO(DEST_ACTIVE, SWITCHED),
		OK(SWITCHED), OK(COMMITTED), OK(SWITCHED),
	},
	[DISCARDED_D] = {
		OK(COPYING), NO(NOT_SYNCED, COPYING), NO(DEST_ACTIVE, COPYING),
		OK(COPYING), OK(COMMITTED), OK(COPYING),
	},
	[COPYING_D] = {
		OK(COPYING), NO(NOT_SYNCED, COPYING), NO(DEST_ACTIVE, COPYING),
		OK(COPYING), OK(COMMITTED), OK(COPYING),
	},
	[DEGRADED_S] = {
		NO(STANDBY_FAILED, DEGRADED), OK(DEGRADED), OK(ABORTED),
		NO(SOURCE_ACTIVE, DEGRADED), NO(SOURCE_ACTIVE, DEGRADED),
		OK(COPYING),
	},
	[BUSY_S] = {
		NO(STANDBY_FAILED, DEGRADED), OK(DEGRADED), OK(DEGRADED),
		NO(SOURCE_ACTIVE, DEGRADED), NO(SOURCE_ACTIVE, DEGRADED),
		NO(IN_FLIGHT, DEGRADED),
	},
	[DEGRADED_D] = {
		OK(DEGRADED), NO(STANDBY_FAILED, DEGRADED),
		NO(DEST_ACTIVE, DEGRADED), OK(DEGRADED), OK(COMMITTED),
		OK(COPYING),
	},
	[BUSY_D] = {
		OK(DEGRADED), NO(STANDBY_FAILED, DEGRADED),
		NO(DEST_ACTIVE, DEGRADED), OK(DEGRADED), OK(DEGRADED),
		NO(IN_FLIGHT, DEGRADED),
	},
	[DROPPING_S] = {
		NO(IS_DROPPING, DEGRADED), NO(IS_DROPPING, DEGRADED),
		OK(DEGRADED), NO(IS_DROPPING, DEGRADED),
		NO(IS_DROPPING, DEGRADED), NO(IS_DROPPING, DEGRADED),
	},
	[DROPPING_D] = {
		NO(IS_DROPPING, DEGRADED), NO(IS_DROPPING, DEGRADED),
		NO(IS_DROPPING, DEGRADED), OK(DEGRADED), OK(DEGRADED),
		NO(IS_DROPPING, DEGRADED),
	},
	[ABORTED] = {
		NO(IS_ABORTED, ABORTED), NO(IS_ABORTED, ABORTED), OK(ABORTED),
		NO(IS_ABORTED, ABORTED), NO(IS_ABORTED, ABORTED),
		NO(IS_ABORTED, ABORTED),
	},
	[COMMITTED] = {
		NO(IS_COMMITTED, COMMITTED), NO(IS_COMMITTED, COMMITTED),
		NO(IS_COMMITTED, COMMITTED), OK(COMMITTED), OK(COMMITTED),
		NO(IS_COMMITTED, COMMITTED),
	},
};

static void phase_allowed(void)
{
	enum situation s;
	enum message msg;

	for (s = 0; s < NR_SITUATIONS; s++) {
		for (msg = 0; msg < NR_MESSAGES; msg++) {
			enum lm_refusal why;

			arrange(s);
			why = send(msg);
			rcu();
			if (why != allowed[s][msg].why ||
			    phase() != allowed[s][msg].phase)
				FAIL("%s, message %d: answer %d, phase %d",
				     situation_names[s], msg, why, phase());
			rearrange(s);
		}
	}
}

/* What was asked for while I/O was in flight happens when it has ended. */
static void phase_drop_waits(void)
{
	enum lm_leg leg;
	bool counted;

	arrange(BUSY_S);
	CHECK_EQ(lm_phase_abort(&m), LM_ALLOWED);
	CHECK_EQ(phase(), LM_DEGRADED);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	CHECK_EQ(phase(), LM_ABORTED);
	CHECK_EQ(m.phase.leg[LM_DEST].ref.count, 0);
	end();

	/* RCU has not looked after the killed reference. */
	arrange(SWITCHED);
	CHECK_EQ(lm_phase_commit(&m), LM_ALLOWED);
	CHECK_EQ(phase(), LM_DEGRADED);
	CHECK_EQ(m.phase.active, LM_DEST);
	rcu();
	CHECK_EQ(phase(), LM_COMMITTED);
	end();

	/* A read is being rescued by the failed standby. */
	arrange(DEGRADED_S);
	lm_unflushed_reset(&m.bitmap);
	CHECK(lm_phase_rescue_begin(&m, LM_SOURCE, 4096, 4100, &counted));
	CHECK(counted);
	CHECK_EQ(reattach(), LM_IN_FLIGHT);
	CHECK_EQ(lm_phase_abort(&m), LM_ALLOWED);
	CHECK_EQ(phase(), LM_DEGRADED);
	lm_phase_rescue_end(&m, LM_DEST, counted);
	CHECK_EQ(phase(), LM_ABORTED);
	leg = lm_phase_read_begin(&m);
	CHECK_EQ(leg, LM_SOURCE);
	lm_phase_io_end(&m, LM_LEG_MASK(leg));
	CHECK(lm_phase_is_final(&m));
	end();
}

struct failure {
	enum situation situation;
	unsigned int failed;
	enum lm_leg active;
	enum lm_phase_name after_write, after_flush;
};

#define S LM_LEG_MASK(LM_SOURCE)
#define D LM_LEG_MASK(LM_DEST)

/* Of what both legs were sent. */
static const struct failure failures[] = {
	{ COPYING_S, S, LM_SOURCE, LM_COPYING, LM_COPYING },
	{ COPYING_S, D, LM_SOURCE, LM_DEGRADED, LM_DEGRADED },
	{ COPYING_S, S | D, LM_SOURCE, LM_DEGRADED, LM_DEGRADED },
	{ SYNCED, S, LM_SOURCE, LM_COPYING, LM_COPYING },
	{ SYNCED, D, LM_SOURCE, LM_DEGRADED, LM_DEGRADED },
	{ SYNCED, S | D, LM_SOURCE, LM_DEGRADED, LM_DEGRADED },
	/* Back to the source by itself, but only if it has this, too. */
	{ SWITCHED, D, LM_SOURCE, LM_DEGRADED, LM_DEGRADED },
	{ SWITCHED, S, LM_DEST, LM_DEGRADED, LM_DEGRADED },
	{ SWITCHED, S | D, LM_DEST, LM_DEGRADED, LM_DEGRADED },
	/* The source lacks nothing: what was discarded may be anything. */
	{ DISCARDED_D, D, LM_SOURCE, LM_DEGRADED, LM_DEGRADED },
	{ DISCARDED_D, S, LM_DEST, LM_DEGRADED, LM_DEGRADED },
	{ DISCARDED_D, S | D, LM_DEST, LM_DEGRADED, LM_DEGRADED },
	{ COPYING_D, D, LM_DEST, LM_COPYING, LM_COPYING },
	{ COPYING_D, S, LM_DEST, LM_DEGRADED, LM_DEGRADED },
	{ COPYING_D, S | D, LM_DEST, LM_DEGRADED, LM_DEGRADED },
};

#undef S
#undef D

static void phase_failures(void)
{
	unsigned int i, flush;

	for (i = 0; i < 2 * sizeof(failures) / sizeof(*failures); i++) {
		const struct failure *f = &failures[i / 2];
		sector_t start = 1000, stop = 1030;
		enum lm_phase_name expect;
		enum lm_leg leg;
		u64 region;

		flush = i % 2;
		arrange(f->situation);
		if (flush) {
			start = 0;
			stop = 0;
			CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
		} else {
			CHECK_EQ(lm_phase_write_begin(&m, start, stop),
				 LM_BOTH_LEGS);
		}
		leg = lm_phase_failed(&m, LM_BOTH_LEGS, f->failed, start, stop);
		expect = flush ? f->after_flush : f->after_write;
		if (leg != f->active || phase() != expect)
			FAIL("%s, failed %x, flush %u: phase %d on leg %d",
			     situation_names[f->situation], f->failed, flush,
			     phase(), leg);
		CHECK_EQ(m.phase.active, leg);
		/* The regions touched, whole or in part, and no others. */
		for (region = 0; region < NR_REGIONS; region++) {
			bool set = f->situation != COPYING_S;

			if (f->situation >= DISCARDED_D && !region)
				set = false;
			if (!flush && (region == 1 || region == 2))
				set = false;
			CHECK_EQ(lm_bitmap_any_set(&m.bitmap, region, 1), set);
		}
		CHECK_EQ(lm_phase_in_doubt(&m), flush && leg == f->active &&
			 phase() == LM_COPYING);
		lm_phase_io_end(&m, LM_BOTH_LEGS);
		lm_phase_settle_doubt(&m);
		end();
	}
}

/*
 * The active leg fails a flush and goes on: what was not flushed is copied
 * again, and nothing is synced before that.
 */
static void phase_doubt(void)
{
	unsigned int attachments;
	u64 clears, losses;

	arrange(SYNCED);
	CHECK_EQ(lm_phase_write_begin(&m, 0, 8), LM_BOTH_LEGS);
	lm_phase_good(&m, 0, 8, LM_WRITTEN, lm_phase_losses(&m));
	CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
	lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(LM_SOURCE), 0, 0);
	CHECK(lm_bitmap_full(&m.bitmap));
	CHECK(!lm_phase_sync_begin(&m, &clears));
	CHECK(!lm_phase_wants_copy(&m, &attachments));
	CHECK_EQ(lm_phase_cutover(&m), LM_NOT_SYNCED);
	lm_phase_settle_doubt(&m);
	CHECK(!lm_bitmap_any_set(&m.bitmap, 0, 1));
	CHECK(lm_phase_wants_copy(&m, &attachments));
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	end();

	/* A write that was in flight all the time may be lost as well. */
	arrange(SYNCED);
	losses = lm_phase_losses(&m);
	CHECK_EQ(lm_phase_write_begin(&m, 0, 8), LM_BOTH_LEGS);
	CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
	lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(LM_SOURCE), 0, 0);
	lm_phase_settle_doubt(&m);
	CHECK(lm_bitmap_full(&m.bitmap));
	lm_phase_good(&m, 0, 8, LM_WRITTEN, losses);
	CHECK(!lm_bitmap_any_set(&m.bitmap, 0, 1));
	CHECK_EQ(phase(), LM_COPYING);
	CHECK(!lm_phase_source_incomplete(&m));
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	end();
}

/*
 * The same, and it was cut over before the write has ended: the dest alone is
 * known to hold it.
 */
static void phase_doubt_cutover(void)
{
	u64 losses, clears;

	arrange(SYNCED);
	losses = lm_phase_losses(&m);
	CHECK_EQ(lm_phase_write_begin(&m, 0, 8), LM_BOTH_LEGS);
	CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
	lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(LM_SOURCE), 0, 0);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	lm_phase_settle_doubt(&m);
	CHECK(lm_phase_sync_begin(&m, &clears));
	CHECK(lm_phase_sync_end(&m, clears));
	CHECK_EQ(lm_phase_cutover(&m), LM_ALLOWED);
	lm_phase_good(&m, 0, 8, LM_WRITTEN, losses);
	CHECK(lm_phase_source_incomplete(&m));
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	/* No failing back by itself to a source that may lack it. */
	CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
	CHECK_EQ(lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(LM_DEST), 0, 0),
		 LM_DEST);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	end();
}

/* A flush that the active leg alone was sent, and that came back too late. */
static void phase_late_failure(void)
{
	arrange(DEGRADED_S);
	CHECK_EQ(lm_phase_flush_begin(&m), LM_LEG_MASK(LM_SOURCE));
	CHECK_EQ(reattach(), LM_ALLOWED);
	make_synced();
	CHECK_EQ(lm_phase_cutover(&m), LM_ALLOWED);
	CHECK_EQ(lm_phase_failed(&m, LM_LEG_MASK(LM_SOURCE),
				 LM_LEG_MASK(LM_SOURCE), 0, 0), LM_DEST);
	CHECK_EQ(phase(), LM_DEGRADED);
	lm_phase_io_end(&m, LM_LEG_MASK(LM_SOURCE));
	end();

	/* Two writes of both legs: the second meets a standby that is gone. */
	arrange(SYNCED);
	CHECK_EQ(lm_phase_write_begin(&m, 0, 512), LM_BOTH_LEGS);
	fail_standby();
	rcu();
	CHECK(!m.phase.leg[LM_DEST].idle);
	lm_phase_good(&m, 0, 512, LM_WRITTEN, lm_phase_losses(&m));
	CHECK(!lm_bitmap_any_set(&m.bitmap, 0, 1));
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	CHECK(m.phase.leg[LM_DEST].idle);
	end();
}

static void phase_degraded_write(void)
{
	arrange(DEGRADED_S);
	CHECK(lm_bitmap_all_set(&m.bitmap, 1, NR_REGIONS - 1));
	CHECK_EQ(lm_phase_write_begin(&m, 1000, 1030), LM_LEG_MASK(LM_SOURCE));
	/* At once, not when it ends. */
	CHECK(!lm_bitmap_any_set(&m.bitmap, 1, 2));
	CHECK(lm_bitmap_all_set(&m.bitmap, 3, NR_REGIONS - 3));
	lm_phase_io_end(&m, LM_LEG_MASK(LM_SOURCE));
	CHECK_EQ(m.phase.leg[LM_SOURCE].ref.count, 1);
	end();
}

static void phase_sync(void)
{
	u64 clears;

	arrange(FILLED_S);
	CHECK(lm_phase_sync_begin(&m, &clears));
	/* Cleared and set again while the flush is under way. */
	lm_phase_clear(&m, 0, 512);
	lm_phase_good(&m, 0, 512, LM_WRITTEN, lm_phase_losses(&m));
	CHECK(!lm_phase_sync_end(&m, clears));
	CHECK_EQ(phase(), LM_COPYING);
	CHECK(lm_phase_sync_begin(&m, &clears));
	lm_phase_clear(&m, 0, 512);
	CHECK(!lm_phase_sync_end(&m, clears));
	CHECK(!lm_phase_sync_begin(&m, &clears));
	lm_phase_good(&m, 0, 512, LM_WRITTEN, lm_phase_losses(&m));
	CHECK(lm_phase_sync_begin(&m, &clears));
	CHECK(lm_phase_sync_end(&m, clears));
	CHECK_EQ(phase(), LM_SYNCED);
	CHECK(!lm_phase_sync_begin(&m, &clears));
	end();
}

/*
 * The source has failed a flush while the superblock was waited for that was to say
 * that it lacks nothing, and it is back; nothing was marked, so nothing was cleared.
 */
static void phase_sync_lacks(void)
{
	u64 clears;

	arrange(DEGRADED_D);
	CHECK_EQ(reattach(), LM_ALLOWED);
	write_all();
	flush_all();
	CHECK(lm_phase_sync_begin(&m, &clears));
	CHECK(lm_phase_sync_flushed(&m, clears));
	CHECK(!lm_phase_source_incomplete(&m));
	CHECK_EQ(lm_phase_flush_begin(&m), LM_BOTH_LEGS);
	lm_phase_failed(&m, LM_BOTH_LEGS, LM_LEG_MASK(LM_SOURCE), 0, 0);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	rcu();
	CHECK_EQ(reattach(), LM_ALLOWED);
	CHECK(lm_phase_source_incomplete(&m));
	CHECK(!lm_phase_sync_end(&m, clears));
	CHECK(lm_phase_source_incomplete(&m));
	end();
}

static void phase_forget(void)
{
	sector_t chunk = LM_CHUNK_SECTORS;

	arrange(SYNCED);
	CHECK_EQ(lm_phase_write_begin(&m, chunk, chunk + 8), LM_BOTH_LEGS);
	lm_phase_good(&m, chunk, chunk + 8, LM_WRITTEN, lm_phase_losses(&m));
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	fail_standby();
	rcu();
	CHECK_EQ(reattach(), LM_ALLOWED);
	/* The write that failed, and all of the chunk that was not flushed. */
	CHECK(!lm_bitmap_any_set(&m.bitmap, 0, 1));
	CHECK(lm_bitmap_all_set(&m.bitmap, 1, 3));
	CHECK(!lm_bitmap_any_set(&m.bitmap, 4, 4));
	CHECK(lm_bitmap_all_set(&m.bitmap, 8, 2));
	CHECK_EQ(phase(), LM_COPYING);
	CHECK(!lm_unflushed_test(&m.bitmap, chunk));
	end();
}

static void check_rescue(enum lm_leg used, sector_t start, sector_t stop,
			 bool may, bool counts)
{
	bool counted;

	CHECK_EQ(lm_phase_rescue_begin(&m, used, start, stop, &counted), may);
	CHECK_EQ(counted, counts);
	if (may)
		lm_phase_rescue_end(&m, lm_other_leg(used), counted);
}

static void phase_rescue(void)
{
	arrange(SYNCED);
	check_rescue(LM_SOURCE, 0, 8, true, false);
	lm_phase_clear(&m, 600, 601);
	/* Each region touched must be there. */
	check_rescue(LM_SOURCE, 0, 512, true, false);
	check_rescue(LM_SOURCE, 500, 513, false, false);
	/* Meanwhile it runs there: whatever the bits say. */
	check_rescue(LM_DEST, 500, 513, true, false);
	end();

	arrange(DEGRADED_S);
	/* Flushed, and all there. */
	check_rescue(LM_SOURCE, 600, 700, true, true);
	check_rescue(LM_SOURCE, 0, 8, false, false);
	lm_unflushed_mark(&m.bitmap, 600);
	check_rescue(LM_SOURCE, 600, 700, false, false);
	check_rescue(LM_SOURCE, 4096, 4100, true, true);
	end();

	arrange(BUSY_S);
	check_rescue(LM_SOURCE, 600, 700, false, false);
	rearrange(BUSY_S);
	arrange(ABORTED);
	check_rescue(LM_SOURCE, 600, 700, false, false);
	end();
}

static void phase_zeroes(void)
{
	struct lm_snapshot snap;

	begin(LM_SOURCE, LM_ATTACHED, true);
	lm_phase_snapshot(&m, &snap);
	CHECK(snap.dest_zeroed);
	CHECK(lm_phase_reads_zero(&m, LM_DEST));
	CHECK(!lm_phase_reads_zero(&m, LM_SOURCE));
	/* A line must not claim it any more; where bits are clear it holds. */
	CHECK_EQ(lm_phase_write_begin(&m, 0, 8), LM_BOTH_LEGS);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	lm_phase_snapshot(&m, &snap);
	CHECK(!snap.dest_zeroed);
	CHECK(lm_phase_reads_zero(&m, LM_DEST));
	lm_phase_clear(&m, 0, 8);
	CHECK(!lm_phase_reads_zero(&m, LM_DEST));
	end();

	begin(LM_SOURCE, LM_ATTACHED, true);
	fail_standby();
	rcu();
	CHECK_EQ(reattach(), LM_ALLOWED);
	CHECK(!lm_phase_reads_zero(&m, LM_DEST));
	end();

	begin(LM_SOURCE, LM_FAILED, true);
	CHECK(!lm_phase_reads_zero(&m, LM_DEST));
	end();
}

static void phase_events(void)
{
	unsigned int attachments, before;
	enum lm_leg from;
	int events;

	begin(LM_DEST, LM_FAILED, false);
	CHECK_EQ(phase(), LM_DEGRADED);
	CHECK(!lm_phase_copy_begin(&m, &from));
	CHECK(!lm_phase_wants_copy(&m, &before));
	CHECK_EQ(reattach(), LM_ALLOWED);
	CHECK_EQ(atomic_read(&m.phase.events), 1);
	CHECK(lm_phase_wants_copy(&m, &attachments));
	CHECK_EQ(attachments, before + 1);
	CHECK(lm_phase_copy_begin(&m, &from));
	CHECK_EQ(from, LM_DEST);
	lm_phase_io_end(&m, LM_BOTH_LEGS);
	make_synced();
	CHECK(!lm_phase_wants_copy(&m, &attachments));
	CHECK_EQ(phase(), LM_SWITCHED);
	CHECK_EQ(atomic_read(&m.phase.events), 2);
	/* No event without a change, but the copier is told. */
	events = atomic_read(&m.phase.events);
	lm_phase_clear(&m, 0, 8);
	pokes = 0;
	lm_phase_clear(&m, 8, 16);
	CHECK(pokes);
	CHECK_EQ(atomic_read(&m.phase.events), events + 1);
	end();
}

const struct unit_test phase_tests[] = {
	{ "phase: what each message is answered, in every state", phase_allowed },
	{ "phase: a leg is dropped when it is idle", phase_drop_waits },
	{ "phase: what a failure does, in every state", phase_failures },
	{ "phase: an active leg that fails a flush", phase_doubt },
	{ "phase: the same, and a cutover meanwhile", phase_doubt_cutover },
	{ "phase: failures that come late", phase_late_failure },
	{ "phase: a write without the standby clears first", phase_degraded_write },
	{ "phase: synced is a flush after the last bit", phase_sync },
	{ "phase: reattach forgets what was not flushed", phase_forget },
	{ "phase: who may answer a failed read", phase_rescue },
	{ "phase: a dest that reads as zeroes", phase_zeroes },
	{ "phase: events and the copier", phase_events },
	{ "phase: synced, and the source lacks something again", phase_sync_lacks },
	{ NULL, NULL },
};
