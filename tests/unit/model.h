/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A migration of a tiny device, with all that surrounds bitmap.c, range.c and
 * phase.c, and the flushes of leg.c, played: a guest, the copier, two legs with volatile caches that fail,
 * an operator.  Each is a state machine; a schedule picks at random whose next
 * step comes.  What mirror.c and copier.c do is repeated here step by step:
 * a change there belongs here, too.
 *
 * The device is made of cells, the smallest units that I/O has here.  A cell
 * holds the number of the write that it comes from.  Numbers grow, and writes
 * to the same sectors take effect in the order of their numbers; so what a read
 * may return is: any number not below that of the last write that was
 * acknowledged before it began.
 */
#ifndef MODEL_H
#define MODEL_H

#include "unit.h"

#include <linux/blkdev.h>

#define MAX_CELLS	1536
#define NR_OPS		8
#define NR_JOBS		4

/* A cell's content: a number, and flags. */
#define ZERO		(1U << 31)	/* reads as zeroes */
#define FOREIGN		(1U << 30)	/* was there before us: nobody may see it */
#define NUMBER(content)	((content) & (FOREIGN - 1))

struct cell {
	u32 content;
	u32 seq;		/* when the leg was given it */
};

/**
 * struct leg - a device.
 * @now: what it reads as.
 * @durable: what a loss of its cache leaves.
 * @lost: lost, and nobody has noticed yet.
 * @broken: fails all that it is sent.
 * @breaks: how often it broke; I/O from before has failed.
 * @losses: how often it lost something; flushes from before prove nothing.
 * @in_flight: I/O of ours.
 */
struct leg {
	struct cell now[MAX_CELLS];
	struct cell durable[MAX_CELLS];
	bool lost[MAX_CELLS];
	bool lossy;
	bool broken;
	bool discards;
	bool zeroes;
	unsigned int breaks;
	unsigned int losses;
	unsigned int in_flight;
	u32 seq;
};

/* A flush of the legs that take part, by leg.c itself. */
enum flush_state { FLUSH_IDLE, FLUSH_FLIES, FLUSH_OVER };

struct flush {
	struct bio *bio[LM_NR_LEGS];
	enum flush_state state;
	unsigned int pending, failed, legs;
	blk_status_t status;
	unsigned int breaks[LM_NR_LEGS];
	unsigned int losses[LM_NR_LEGS];
	struct cell covered[LM_NR_LEGS][MAX_CELLS];
};

enum op_kind { OP_READ, OP_WRITE, OP_ZEROES, OP_DISCARD, OP_FLUSH, NR_OP_KINDS };

enum op_state {
	OP_FREE, OP_WAITS, OP_HELD, OP_FLIES, OP_SETTLE, OP_SETTLED, OP_UNLOCK,
	OP_ACK, OP_READ_FLIES, OP_READ_FAILED, OP_RESCUE_FLIES, OP_FLUSHES,
};

/**
 * struct op - a bio of the guest.
 * @busy: in the middle of a step, which something else has come into.
 * @content: what it writes.
 * @early: legs that take their part at once, not when it ends.
 * @parts: of a discard or write-zeroes: where its parts lay, and their numbers.
 * @bound, @any: for each cell of a read, what it may not be older than.
 */
struct op {
	struct lm_range range;
	enum op_kind kind;
	enum op_state state;
	bool busy;
	bool sole;
	bool final;
	bool equal;
	bool status;
	bool counted;
	bool failed_read;
	enum lm_leg leg;
	u32 content;
	sector_t end;
	unsigned int legs, pending, failed, early;
	u64 losses;
	unsigned int breaks[LM_NR_LEGS];
	unsigned int nr_parts;
	struct {
		unsigned int from, to;
		u32 content;
		bool any;
	} parts[8];
	u32 data[MAX_CELLS];
	u32 bound[MAX_CELLS];
	bool any[MAX_CELLS];
	u64 began;
	struct flush flush;
};

enum job_state {
	JOB_FREE, JOB_WAITS, JOB_HELD, JOB_READS, JOB_CHECKS, JOB_WRITE,
	JOB_WRITES, JOB_UNLOCK, JOB_UNLOCKED, JOB_PUT,
};

struct job {
	struct lm_range range;
	enum job_state state;
	bool busy;
	bool yields;
	bool early;
	bool begun;
	bool by_data;
	bool failed;
	enum lm_leg from;
	u64 losses;
	unsigned int breaks;
	u64 first;
	unsigned int nr;
	DECLARE_BITMAP(lost, LM_CHUNK_REGIONS);
	bool skip[LM_CHUNK_REGIONS];
	bool zero[LM_CHUNK_REGIONS];
	bool same[LM_CHUNK_REGIONS];
	u32 data[MAX_CELLS];
	u32 there[MAX_CELLS];	/* what the standby holds */
};

/* What a schedule may do. */
struct profile {
	const char *name;
	unsigned int preempt;	/* once in so many chances something comes in between */
	unsigned int glitch;	/* once in so many a single I/O fails */
	unsigned int breaks;	/* once in so many steps a leg breaks */
	bool loses;		/* a leg that breaks loses what is not flushed */
	bool tells_once;	/* a flush that fails has lost it, the next is good */
	bool drops;		/* the operator aborts and commits */
	bool discards;
};

struct sim {
	struct lm_migration m;
	struct lm_target t;
	struct dm_dev dev[LM_NR_LEGS];
	struct block_device bdev[LM_NR_LEGS];
	const struct profile *profile;
	struct leg leg[LM_NR_LEGS];
	struct op op[NR_OPS];
	struct job job[NR_JOBS];

	unsigned int nr_cells;
	unsigned int cell_shift;	/* sectors in a cell */
	unsigned int hot;		/* a cell that many writes touch */
	u32 number;
	u64 steps;
	unsigned int depth;
	bool calm;			/* no failures, no discards */
	bool quiet;			/* and no new I/O */

	u32 bound[MAX_CELLS];
	bool any[MAX_CELLS];		/* discarded: all but foreign content will do */
	u32 flushed[MAX_CELLS];
	bool flushed_any[MAX_CELLS];
	u64 flush_began;
	u32 last[MAX_CELLS];		/* number of the last that held it */
	const void *holder[MAX_CELLS];

	bool source_incomplete;
	enum lm_phase_name shown;
	u64 changes;

	struct {
		bool kicked, running, busy, retry, errors, careful, syncs;
		unsigned int sweep, attachments;
		unsigned int job_sectors, hold_sectors;
		u64 cursor, clears, bits_changed;
		struct flush flush;
	} copier;

	struct {
		bool busy;
		unsigned int commit;
	} operator;
};

extern struct sim sim;

/* One call is one step: nobody comes in between. */
#define ATOMICALLY(call) ({		\
	__typeof__(call) __r;		\
	shim_no_preempt++;		\
	__r = (call);			\
	shim_no_preempt--;		\
	__r; })

static inline unsigned int cell_of(sector_t sector)
{
	/* The last cell may be short. */
	return (sector + (1U << sim.cell_shift) - 1) >> sim.cell_shift;
}

static inline sector_t sector_of(unsigned int cell)
{
	return min((sector_t)cell << sim.cell_shift, sim.m.bitmap.nr_sectors);
}

static inline enum lm_leg model_active(void)
{
	return sim.m.phase.active;
}

static inline enum lm_leg model_standby(void)
{
	return lm_other_leg(sim.m.phase.active);
}

/* model.c */
bool same_content(u32 a, u32 b);
void leg_submit(enum lm_leg leg, bool owned);
bool leg_ended(enum lm_leg leg, unsigned int breaks, bool write);
void leg_put(enum lm_leg leg, unsigned int cell, u32 content);
void leg_same(enum lm_leg leg, unsigned int cell, u32 content);
void leg_break(enum lm_leg leg);
void leg_lose(enum lm_leg leg);
bool leg_may_lose(enum lm_leg leg);
void leg_repair(enum lm_leg leg);
void flush_begin(struct flush *f);
bool flush_step(struct flush *f);
bool model_may_read(u32 content, u32 bound, bool any);
void model_take(const void *who, unsigned int from, unsigned int to);
void model_give(const void *who, unsigned int from, unsigned int to);
void model_noticed(void);
void model_check(bool all);
u64 model_bits_changed(void);

/* model-guest.c */
bool op_step(struct op *op);
bool op_is_idle(const struct op *op);

/* model-copier.c */
bool job_step(struct job *job);
bool copier_step(void);
bool copier_is_idle(void);

#endif
