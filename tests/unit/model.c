// SPDX-License-Identifier: GPL-2.0-only
/* The legs, flushes of them, and what must hold at every instant. */
#include "model.h"

struct sim sim;

bool same_content(u32 a, u32 b)
{
	return a == b || (a & b & ZERO);
}

/* ------------------------------------------------------------------------
 * Legs
 */

/* Something is sent to @leg.  @owned: for that there must be a reference. */
void leg_submit(enum lm_leg leg, bool owned)
{
	const struct lm_phase *p = &sim.m.phase;

	if (p->standby == LM_DROPPED && leg != p->active)
		FAIL("I/O is sent to the leg that was dropped");
	if (owned && p->leg[leg].ref.count < 1 + !p->leg[leg].ref.dead &&
	    !p->rescues)
		FAIL("I/O is sent to leg %d without a reference", leg);
	sim.leg[leg].in_flight++;
}

/* Once in how many times does a single I/O fail?  0 for never. */
static unsigned int leg_odds(enum lm_leg leg, bool write)
{
	unsigned int odds = sim.profile->glitch;

	if (sim.calm)
		return 0;
	/* That would be the second fault at once. */
	if (sim.leg[lm_other_leg(leg)].lossy &&
	    (write || sim.profile->tells_once))
		return 0;
	if (write || !odds)
		return odds;
	/* Reads change nothing: the more of them fail, the better. */
	return sim.m.phase.standby == LM_FAILED ? 3 : odds / 16 + 1;
}

/*
 * Something that was sent when @leg had broken @breaks times has ended: was it
 * good?
 */
bool leg_ended(enum lm_leg leg, unsigned int breaks, bool write)
{
	struct leg *l = &sim.leg[leg];
	unsigned int odds = leg_odds(leg, write);

	CHECK(l->in_flight);
	l->in_flight--;
	if (l->broken || l->breaks != breaks)
		return false;
	return !odds || !one_in(odds);
}

void leg_put(enum lm_leg leg, unsigned int cell, u32 content)
{
	struct leg *l = &sim.leg[leg];

	l->now[cell].content = content;
	l->now[cell].seq = ++l->seq;
	l->lost[cell] = false;
}

/*
 * The copier found that @leg holds zeroes here already: they stand for @content
 * now.  (If it is wrong, nothing is written, and the legs differ.)
 */
void leg_same(enum lm_leg leg, unsigned int cell, u32 content)
{
	struct cell *durable = &sim.leg[leg].durable[cell];
	struct cell *now = &sim.leg[leg].now[cell];

	if (!(now->content & content & ZERO))
		return;
	now->content = content;
	if (durable->seq == now->seq)
		durable->content = content;
}

/*
 * Is a failure settled half: one leg's part has failed, the other's flies?  Or
 * does one leg answer for what the other could not read?
 */
static bool model_failure_pending(void)
{
	unsigned int i;

	for (i = 0; i < NR_OPS; i++)
		if (sim.op[i].failed || sim.op[i].flush.failed ||
		    sim.op[i].state == OP_READ_FAILED ||
		    sim.op[i].state == OP_RESCUE_FLIES)
			return true;
	for (i = 0; i < NR_JOBS; i++)
		if (sim.job[i].failed)
			return true;
	return sim.copier.flush.failed;
}

/* Any part of what was not flushed goes. */
void leg_lose(enum lm_leg leg)
{
	struct leg *l = &sim.leg[leg];
	unsigned int c, odds = 1 + rnd(4);

	TRACE("leg %ld loses what is not flushed", leg);
	l->lossy = true;
	l->losses++;
	for (c = 0; c < sim.nr_cells; c++) {
		if (l->now[c].seq == l->durable[c].seq || !one_in(odds))
			continue;
		l->now[c] = l->durable[c];
		l->lost[c] = true;
	}
}

/* May something happen to @leg, or would that be the second fault at once? */
static bool leg_may_fail(enum lm_leg leg)
{
	const struct leg *other = &sim.leg[lm_other_leg(leg)];

	return !other->broken && !other->lossy && !model_failure_pending() &&
	       !sim.operator.commit;
}

/*
 * From now on @leg fails everything.  It loses something only where we can be
 * expected to make up for it: on a standby, or on an active dest from which we
 * fail back to a complete source.
 */
void leg_break(enum lm_leg leg)
{
	const struct lm_phase *p = &sim.m.phase;
	struct leg *l = &sim.leg[leg];

	if (l->broken || !leg_may_fail(leg))
		return;
	TRACE("leg %ld breaks", leg);
	l->broken = true;
	l->breaks++;
	if (sim.profile->loses && p->standby == LM_ATTACHED &&
	    (leg == model_standby() || (leg == LM_DEST && p->complete)))
		leg_lose(leg);
}

/*
 * The module knows that the leg failed, and what it may have lost: what it
 * vouches for now must be there.
 */
void model_noticed(void)
{
	const struct lm_phase *p = &sim.m.phase;
	struct leg *l = &sim.leg[model_standby()];

	if (!l->lossy || p->standby == LM_ATTACHED ||
	    !p->leg[model_standby()].idle)
		return;
	memset(l->lost, 0, sizeof(l->lost));
	l->lossy = false;
}

void leg_repair(enum lm_leg leg)
{
	struct leg *l = &sim.leg[leg];

	model_noticed();
	if (!l->broken || l->lossy)
		return;
	TRACE("leg %ld is repaired", leg);
	l->broken = false;
}

/* ------------------------------------------------------------------------
 * Flushes, by leg.c
 */

void lm_migration_error(struct lm_migration *m, enum lm_leg leg, enum lm_op op,
			sector_t sector, int error)
{
	CHECK(op == LM_OP_FLUSH && !sector && error);
	if (m != &sim.m)
		return;
	TRACE("a flush fails on leg %ld", leg);
}

/* There is no metadata. */
bool lm_save_lacks(struct lm_target *t, struct lm_meta_wait *wait)
{
	(void)t;
	(void)wait;
	return true;
}

static void flush_done(void *arg, unsigned int legs, blk_status_t status)
{
	struct flush *f = arg;

	TRACE("a flush of legs %ld has ended: %ld", legs, status);
	f->failed = 0;
	f->legs = legs;
	f->status = status;
	f->state = FLUSH_OVER;
}

void submit_bio_noacct(struct bio *bio)
{
	struct lm_flush *lm = bio->bi_private;
	enum lm_leg leg = bio == &lm->sent.bios.source ? LM_SOURCE : LM_DEST;
	struct flush *f = lm->arg;

	if (window_took_flush(lm, bio))
		return;
	CHECK(bio->bi_bdev == &sim.bdev[leg]);
	CHECK(bio->bi_opf & REQ_PREFLUSH);
	leg_submit(leg, true);
	f->bio[leg] = bio;
	f->pending |= LM_LEG_MASK(leg);
	f->breaks[leg] = sim.leg[leg].breaks;
	f->losses[leg] = sim.leg[leg].losses;
	memcpy(f->covered[leg], sim.leg[leg].now,
	       sim.nr_cells * sizeof(struct cell));
}

void dm_submit_bio_remap(struct bio *clone, struct bio *bio)
{
	(void)clone;
	submit_bio_noacct(bio);
}

/* Of a commit, which the model does not send. */
int blkdev_issue_flush(struct block_device *bdev)
{
	CHECK(!bdev);
	return 0;
}

/* Here there is always room. */
void lm_backlog_send(struct lm_target *t, enum lm_leg leg, struct bio *clone,
		     struct bio *bio)
{
	(void)t;
	(void)leg;
	(void)clone;
	submit_bio_noacct(bio);
}

bool lm_sent_again(struct lm_sent *sent, struct lm_target *t, struct bio *bio)
{
	(void)sent;
	(void)t;
	(void)bio;
	return false;
}

void flush_begin(struct flush *f)
{
	f->pending = 0;
	f->state = FLUSH_FLIES;
	CHECK(lm_flush_start(&sim.t, NULL, flush_done, f, 0));
	TRACE("a flush begins on legs %ld", f->pending);
}

/*
 * May @leg have lost what is not flushed when it fails a flush or a write, and go
 * on as if nothing had happened?  Not the one that answers reads; and a read that is on
 * its way there, from before the roles changed, would see it.
 */
bool leg_may_lose(enum lm_leg leg)
{
	const struct lm_phase *p = &sim.m.phase;
	unsigned int i;

	for (i = 0; i < NR_OPS; i++)
		if (sim.op[i].state == OP_READ_FLIES && sim.op[i].leg == leg)
			return false;
	return sim.profile->tells_once && p->standby == LM_ATTACHED &&
	       leg == model_standby() && !sim.leg[leg].broken &&
	       leg_may_fail(leg);
}

static bool flush_end_leg(struct flush *f, enum lm_leg leg)
{
	struct leg *l = &sim.leg[leg];
	unsigned int c;

	f->pending &= ~LM_LEG_MASK(leg);
	if (!leg_ended(leg, f->breaks[leg], true)) {
		if (leg_may_lose(leg))
			leg_lose(leg);
		f->failed |= LM_LEG_MASK(leg);
		return false;
	}
	if (f->losses[leg] != l->losses)
		return true;
	for (c = 0; c < sim.nr_cells; c++) {
		if (f->covered[leg][c].seq <= l->durable[c].seq)
			continue;
		/* The same zeroes may stand for something newer: leg_same(). */
		l->durable[c] = f->covered[leg][c].seq == l->now[c].seq ?
				l->now[c] : f->covered[leg][c];
	}
	return true;
}

/* True once it is over. */
bool flush_step(struct flush *f)
{
	enum lm_leg leg = rnd(LM_NR_LEGS);
	struct bio *bio;

	if (f->state == FLUSH_FLIES) {
		if (!(f->pending & LM_LEG_MASK(leg)))
			leg = lm_other_leg(leg);
		CHECK(f->pending & LM_LEG_MASK(leg));
		bio = f->bio[leg];
		bio->bi_status = flush_end_leg(f, leg) ? BLK_STS_OK : BLK_STS_IOERR;
		bio->bi_end_io(bio);
		return false;
	}
	CHECK_EQ(f->state, FLUSH_OVER);
	f->state = FLUSH_IDLE;
	return true;
}

/* ------------------------------------------------------------------------
 * What must hold
 */

/* May a read that began when the bound was this return that? */
bool model_may_read(u32 content, u32 bound, bool any)
{
	if (content & FOREIGN)
		return false;
	return any || NUMBER(content) >= NUMBER(bound) ||
	       (content & bound & ZERO);
}

/* Cells are held, and not to give way: by nobody else. */
void model_take(const void *who, unsigned int from, unsigned int to)
{
	for (; from < to; from++) {
		if (sim.holder[from])
			FAIL("cell %u is held twice", from);
		sim.holder[from] = who;
	}
}

void model_give(const void *who, unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		if (sim.holder[from] == who)
			sim.holder[from] = NULL;
}

u64 model_bits_changed(void)
{
	u64 sum = atomic64_read(&sim.m.bitmap.cleared);
	int i;

	for (i = 0; i < LM_NR_CAUSES; i++)
		sum += atomic64_read(&sim.m.bitmap.set[i]);
	return sum;
}

static bool is_op(const void *holder)
{
	return (const char *)holder >= (const char *)sim.op &&
	       (const char *)holder < (const char *)(sim.op + NR_OPS);
}

static void model_check_cell(unsigned int c)
{
	const struct lm_phase *p = &sim.m.phase;
	const struct lm_bitmap *b = &sim.m.bitmap;
	sector_t sector = sector_of(c);
	u64 region = sector >> b->region_shift;
	enum lm_leg leg;
	bool speaks;

	/* The active leg, and the source as long as it is to be complete. */
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		const struct leg *l = &sim.leg[leg];

		if (leg != p->active &&
		    (leg == LM_DEST || sim.source_incomplete))
			continue;
		if (l->lost[c])
			continue;
		if (!model_may_read(l->now[c].content, sim.bound[c], sim.any[c]))
			FAIL("cell %u of leg %d holds %x, acknowledged was %x",
			     c, leg, l->now[c].content, sim.bound[c]);
		if (!l->lossy &&
		    !model_may_read(l->durable[c].content, sim.flushed[c],
				    sim.flushed_any[c]))
			FAIL("cell %u of leg %d: only %x is durable, flushed was %x",
			     c, leg, l->durable[c].content, sim.flushed[c]);
	}

	/* What a set bit says. */
	if (sim.leg[LM_SOURCE].lost[c] || sim.leg[LM_DEST].lost[c] ||
	    is_op(sim.holder[c]) || !lm_bitmap_all_set(b, region, 1))
		return;
	speaks = p->standby == LM_ATTACHED ||
		 (p->standby == LM_FAILED && p->leg[model_standby()].idle &&
		  !ATOMICALLY(lm_unflushed_test(b, sector)));
	if (speaks && !same_content(sim.leg[LM_SOURCE].now[c].content,
				    sim.leg[LM_DEST].now[c].content))
		FAIL("cell %u differs, though its bit is set: %x, %x", c,
		     sim.leg[LM_SOURCE].now[c].content,
		     sim.leg[LM_DEST].now[c].content);
}

static void model_check_state(void)
{
	const struct lm_phase *p = &sim.m.phase;
	struct lm_snapshot snap;

	shim_no_preempt++;
	lm_phase_snapshot(&sim.m, &snap);
	shim_no_preempt--;

	if ((snap.phase == LM_SYNCED || snap.phase == LM_SWITCHED) &&
	    !lm_bitmap_all_set(&sim.m.bitmap, 0, sim.m.bitmap.nr_regions))
		FAIL("phase %d with a clear bit", snap.phase);
	if (snap.standby == LM_DROPPED) {
		enum lm_leg gone = model_standby();

		CHECK_EQ(p->leg[gone].ref.count, 0);
		CHECK_EQ(p->rescues, 0);
		CHECK_EQ(sim.leg[gone].in_flight, 0);
	}
	if (!sim.depth) {
		u64 region, weight = 0;

		for (region = 0; region < sim.m.bitmap.nr_regions; region++)
			weight += test_bit(region, sim.m.bitmap.bits);
		CHECK_EQ(lm_bitmap_done(&sim.m.bitmap), weight);
	}
}

/* Between any two steps.  All cells, or a few of them. */
void model_check(bool all)
{
	unsigned int c, nr = sim.nr_cells;

	model_noticed();
	model_check_state();
	if (!all) {
		c = rnd(nr);
		nr = min(nr, c + 8);
	} else {
		c = 0;
	}
	for (; c < nr; c++)
		model_check_cell(c);
}
