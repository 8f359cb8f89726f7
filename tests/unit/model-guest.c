// SPDX-License-Identifier: GPL-2.0-only
/* The guest's bios, as mirror.c takes them. */
#include "model.h"

#define id(op) ((op) - sim.op)

static u32 op_new_content(const struct op *op)
{
	u32 content = ++sim.number;

	CHECK(content < FOREIGN);
	if (op->kind != OP_WRITE || one_in(8))
		content |= ZERO;
	return content;
}

static unsigned int op_from(const struct op *op)
{
	return cell_of(op->range.start);
}

static unsigned int op_to(const struct op *op)
{
	return cell_of(op->range.end);
}

/* ------------------------------------------------------------------------
 * Ranges
 */

/* It holds its range now: whoever held these sectors before came before. */
static void op_holds(struct op *op)
{
	unsigned int c;

	TRACE("op %ld holds [%ld, %ld)", id(op), op->range.start, op->range.end);
	model_take(op, op_from(op), op_to(op));
	for (c = op_from(op); c < op_to(op); c++) {
		if (sim.last[c] > NUMBER(op->content))
			FAIL("op %td was overtaken at cell %u", id(op), c);
		sim.last[c] = NUMBER(op->content);
	}
	op->state = OP_HELD;
}

static void op_granted(struct lm_range *range)
{
	struct op *op = container_of(range, struct op, range);

	if (op->state != OP_WAITS)
		FAIL("op %td is granted what it does not wait for", id(op));
	op_holds(op);
}

static void op_lock(struct op *op)
{
	bool held;

	op->content = op_new_content(op);
	op->range.granted = op_granted;
	op->range.lost = NULL;
	op->state = OP_WAITS;
	held = ATOMICALLY(lm_range_lock(&sim.m.ranges, &op->range));
	TRACE("op %ld locks [%ld, %ld): %ld", id(op), op->range.start,
	      op->range.end, held);
	if (held)
		op_holds(op);
}

/* ------------------------------------------------------------------------
 * Starting
 */

/* Sectors near the hot cell, or anywhere; few, or a whole chunk. */
static void op_place(struct op *op)
{
	unsigned int from, nr;

	from = one_in(4) ? rnd(sim.nr_cells) :
	       (sim.hot + rnd(8)) % sim.nr_cells;
	nr = one_in(16) ? sim.nr_cells : one_in(4) ? 1 + rnd(64) : 1 + rnd(6);
	if (one_in(32))
		from = 0;
	op->range.start = sector_of(from);
	op->end = sector_of(min(from + nr, sim.nr_cells));
	op->range.end = min((op->range.start | (LM_CHUNK_SECTORS - 1)) + 1,
			    op->end);
}

static void op_start_read(struct op *op)
{
	unsigned int from = op_from(op), nr = op_to(op) - from;

	op->final = lm_phase_is_final(&sim.m);
	op->failed_read = false;
	memcpy(op->bound, sim.bound + from, nr * sizeof(*op->bound));
	memcpy(op->any, sim.any + from, nr * sizeof(*op->any));
	if (op->final)
		op->leg = READ_ONCE(sim.m.phase.active);
	else
		op->leg = lm_phase_read_begin(&sim.m);
}

static void op_read_cells(struct op *op, enum lm_leg leg)
{
	unsigned int c, from = op_from(op);

	for (c = from; c < op_to(op); c++)
		op->data[c - from] = sim.leg[leg].now[c].content;
}

static void op_submit_read(struct op *op, enum lm_leg leg, bool owned)
{
	leg_submit(leg, owned);
	op->breaks[leg] = sim.leg[leg].breaks;
	op->early = one_in(2);
	if (op->early)
		op_read_cells(op, leg);
}

/* As in lm_mirror_map(): what is final has no other business of ours. */
static void op_start_final_write(struct op *op)
{
	unsigned int c;
	u32 content = op_new_content(op);

	/* Those from before would overtake it. */
	for (c = 0; c < NR_OPS; c++)
		if (&sim.op[c] != op && sim.op[c].state != OP_FREE)
			return;
	leg_submit(model_active(), false);
	if (!leg_ended(model_active(), sim.leg[model_active()].breaks, true))
		return;
	for (c = op_from(op); c < op_to(op); c++) {
		leg_put(model_active(), c, content);
		sim.bound[c] = content;
		sim.any[c] = false;
	}
}

static bool op_start(struct op *op)
{
	unsigned int kind = rnd(32);

	if (sim.quiet)
		return false;
	op->kind = kind < 18 ? OP_WRITE : kind < 27 ? OP_READ :
		   kind < 29 ? OP_FLUSH : kind < 30 ? OP_ZEROES : OP_DISCARD;
	if (op->kind == OP_DISCARD && (sim.calm || !sim.profile->discards))
		op->kind = OP_WRITE;
	op->sole = false;
	op->final = false;
	op->failed = 0;
	op->status = true;
	op->nr_parts = 0;
	op_place(op);

	if (op->kind == OP_READ) {
		op_start_read(op);
		op_submit_read(op, op->leg, !op->final);
		op->state = OP_READ_FLIES;
		return true;
	}
	if (lm_phase_is_final(&sim.m)) {
		if (op->kind == OP_WRITE)
			op_start_final_write(op);
		return true;
	}
	if (op->kind == OP_FLUSH) {
		op->began = ++sim.flush_began;
		memcpy(op->bound, sim.bound, sim.nr_cells * sizeof(*op->bound));
		memcpy(op->any, sim.any, sim.nr_cells * sizeof(*op->any));
		flush_begin(&op->flush);
		op->state = OP_FLUSHES;
		return true;
	}
	if (op->kind == OP_WRITE)
		op->end = op->range.end;
	op_lock(op);
	return true;
}

/* ------------------------------------------------------------------------
 * Writes, discards, write-zeroes
 */

static void op_write_cells(struct op *op, enum lm_leg leg, bool torn)
{
	const struct leg *l = &sim.leg[leg];
	unsigned int c;

	for (c = op_from(op); c < op_to(op); c++) {
		if (torn && one_in(2))
			continue;
		/* A discard is heeded here and there, or not at all. */
		if (op->kind == OP_DISCARD && !op->equal &&
		    (!l->discards || one_in(2)))
			continue;
		leg_put(leg, c, op->content);
	}
}

/* lm_write_send(), lm_walk_send() */
static void op_send(struct op *op)
{
	struct lm_migration *m = &sim.m;
	enum lm_leg leg;

	op->losses = lm_phase_losses(m);
	op->legs = lm_phase_write_begin(m, op->range.start, op->range.end);
	if (op->kind == OP_WRITE && op->legs == LM_BOTH_LEGS && one_in(8)) {
		/* Attached just now: it goes for memory and tries again. */
		lm_phase_io_end(m, op->legs);
		return;
	}
	op->sole = op->kind == OP_WRITE && op->legs != LM_BOTH_LEGS;
	op->equal = op->kind != OP_DISCARD ||
		    (op->legs == LM_BOTH_LEGS && sim.leg[LM_SOURCE].zeroes &&
		     sim.leg[LM_DEST].zeroes);
	if (!op->equal)
		lm_phase_clear(m, op->range.start, op->range.end);
	TRACE("op %ld is sent to legs %ld as %ld, kind %ld", id(op), op->legs,
	      op->content, op->kind);

	op->pending = op->legs;
	op->early = rnd(4) & op->legs;
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		if (!(op->legs & LM_LEG_MASK(leg)))
			continue;
		leg_submit(leg, true);
		op->breaks[leg] = sim.leg[leg].breaks;
		if (sim.leg[leg].broken)
			op->early &= ~LM_LEG_MASK(leg);
		else if (op->early & LM_LEG_MASK(leg))
			op_write_cells(op, leg, false);
	}
	op->state = OP_FLIES;
}

static void op_end_leg(struct op *op)
{
	enum lm_leg leg = rnd(LM_NR_LEGS);
	bool good, early;

	if (!(op->pending & LM_LEG_MASK(leg)))
		leg = lm_other_leg(leg);
	op->pending &= ~LM_LEG_MASK(leg);
	good = leg_ended(leg, op->breaks[leg], true);
	early = op->early & LM_LEG_MASK(leg);
	if (!good) {
		TRACE("op %ld fails on leg %ld", id(op), leg);
		/*
		 * The device may tell this write of what it has lost, and no
		 * other; and it does so before it answers a later flush well.
		 */
		if (op->legs == LM_BOTH_LEGS && leg_may_lose(leg))
			leg_lose(leg);
		shim_no_preempt++;
		/* lm_sent_back() */
		if (!op->failed)
			lm_phase_failing(&sim.m, leg);
		else
			lm_phase_give_up(&sim.m, leg);
		shim_no_preempt--;
		op->failed |= LM_LEG_MASK(leg);
		/* One that broke loses it, or never got it. */
		if (!early && !sim.leg[leg].broken &&
		    op->breaks[leg] == sim.leg[leg].breaks)
			op_write_cells(op, leg, true);
	} else if (!early) {
		op_write_cells(op, leg, false);
	}
	if (!op->pending)
		op->state = OP_SETTLE;
}

/* lm_io_settle(), or the end of a write that went to the active leg alone */
static void op_settle(struct op *op)
{
	sector_t start = op->range.start, end = op->range.end;
	struct lm_migration *m = &sim.m;

	if (op->sole) {
		op->status = !op->failed;
	} else if (op->failed) {
		enum lm_leg leg = lm_phase_failed(m, op->legs, op->failed,
						  start, end);

		op->status = op->legs & LM_LEG_MASK(leg) &&
			     !(op->failed & LM_LEG_MASK(leg));
		TRACE("op %ld has failed on %ld: leg %ld is active, good %ld",
		      id(op), op->failed, leg, op->status);
	} else if (op->legs == LM_BOTH_LEGS && op->equal) {
		lm_phase_good(m, start, end, LM_WRITTEN, op->losses);
	}
	if (op->failed)
		lm_phase_settled(&sim.m);
	op->failed = 0;
	op->state = OP_SETTLED;
}

static void op_unlock(struct op *op)
{
	unsigned int i = op->nr_parts++;

	op->parts[i].from = op_from(op);
	op->parts[i].to = op_to(op);
	op->parts[i].content = op->content;
	op->parts[i].any = !op->equal;
	model_give(op, op_from(op), op_to(op));
	lm_range_unlock(&sim.m.ranges, &op->range);
	op->state = OP_ACK;
}

static void op_acknowledge(struct op *op)
{
	unsigned int i, c;

	for (i = 0; i < op->nr_parts; i++) {
		for (c = op->parts[i].from; c < op->parts[i].to; c++) {
			if (NUMBER(op->parts[i].content) < NUMBER(sim.bound[c]))
				continue;
			sim.bound[c] = op->parts[i].content;
			sim.any[c] = op->parts[i].any;
		}
	}
}

/* lm_io_end(), or on to the next chunk of a discard */
static void op_ack(struct op *op)
{
	if (op->status && op->range.end < op->end) {
		op->range.start = op->range.end;
		op->range.end = min((op->range.start | (LM_CHUNK_SECTORS - 1)) + 1,
				    op->end);
		op_lock(op);
		return;
	}
	TRACE("op %ld ends: %ld", id(op), op->status);
	if (op->status)
		op_acknowledge(op);
	op->state = OP_FREE;
}

/* ------------------------------------------------------------------------
 * Reads and flushes
 */

static void op_check_read(const struct op *op)
{
	unsigned int i, nr = op_to(op) - op_from(op);

	for (i = 0; i < nr; i++)
		if (!model_may_read(op->data[i], op->bound[i], op->any[i]))
			FAIL("op %td reads %x at cell %u from leg %d, acknowledged was %x",
			     id(op), op->data[i], op_from(op) + i, op->leg,
			     op->bound[i]);
}

static void op_read_end(struct op *op)
{
	bool good = leg_ended(op->leg, op->breaks[op->leg], false);

	if (good && !op->early)
		op_read_cells(op, op->leg);
	if (!op->final)
		lm_phase_io_end(&sim.m, LM_LEG_MASK(op->leg));
	op->state = OP_FREE;
	if (good)
		op_check_read(op);
	else if (!op->final)
		op->state = OP_READ_FAILED;
}

/* lm_rescue(): is the answer what the bits say? */
static void op_rescue(struct op *op)
{
	const struct lm_phase *p = &sim.m.phase;
	enum lm_leg leg = lm_other_leg(op->leg);
	bool may;

	may = ATOMICALLY(lm_phase_rescue_begin(&sim.m, op->leg, op->range.start,
					       op->range.end, &op->counted));
	TRACE("op %ld is to be rescued by leg %ld: %ld, counted %ld", id(op),
	      leg, may, op->counted);
	if (!may) {
		CHECK(p->active != leg);
		if (p->synced)
			FAIL("a read is not rescued though the legs are equal");
		op->state = OP_FREE;
		return;
	}
	op->leg = leg;
	op_submit_read(op, leg, true);
	op->state = OP_RESCUE_FLIES;
}

static void op_rescue_end(struct op *op)
{
	bool good = leg_ended(op->leg, op->breaks[op->leg], false);

	if (good && !op->early)
		op_read_cells(op, op->leg);
	lm_phase_rescue_end(&sim.m, op->leg, op->counted);
	op->state = OP_FREE;
	if (good)
		op_check_read(op);
}

static void op_flush(struct op *op)
{
	unsigned int c;

	if (!flush_step(&op->flush))
		return;
	if (op->flush.status == BLK_STS_AGAIN) {
		flush_begin(&op->flush);
		return;
	}
	op->state = OP_FREE;
	if (op->flush.status)
		return;
	for (c = 0; c < sim.nr_cells; c++) {
		if (NUMBER(op->bound[c]) < NUMBER(sim.flushed[c]))
			continue;
		sim.flushed[c] = op->bound[c];
		sim.flushed_any[c] = op->any[c];
	}
}

/* ------------------------------------------------------------------------ */

bool op_is_idle(const struct op *op)
{
	return op->state == OP_FREE && !op->busy;
}

/* False if there was nothing to do. */
bool op_step(struct op *op)
{
	bool did = true;

	if (op->busy)
		return false;
	op->busy = true;
	switch (op->state) {
	case OP_FREE:
		did = op_start(op);
		break;
	case OP_WAITS:
		did = false;
		break;
	case OP_HELD:
		op_send(op);
		break;
	case OP_FLIES:
		op_end_leg(op);
		break;
	case OP_SETTLE:
		op_settle(op);
		break;
	case OP_SETTLED:
		lm_phase_io_end(&sim.m, op->legs);
		op->state = OP_UNLOCK;
		break;
	case OP_UNLOCK:
		op_unlock(op);
		break;
	case OP_ACK:
		op_ack(op);
		break;
	case OP_READ_FLIES:
		op_read_end(op);
		break;
	case OP_READ_FAILED:
		op_rescue(op);
		break;
	case OP_RESCUE_FLIES:
		op_rescue_end(op);
		break;
	case OP_FLUSHES:
		op_flush(op);
		break;
	}
	op->busy = false;
	return did;
}
