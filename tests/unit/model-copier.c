// SPDX-License-Identifier: GPL-2.0-only
/* The copier, as copier.c has it: jobs, sweeps, flushes. */
#include "model.h"

#define id(job) ((job) - sim.job)

/* In the sweep of this number a job ceases to give way. */
#define HOLD_SWEEP 2

static void copier_kick(void)
{
	sim.copier.kicked = true;
}

/* ------------------------------------------------------------------------
 * Jobs
 */

static sector_t job_sector(const struct job *job, unsigned int region)
{
	const struct lm_bitmap *b = &sim.m.bitmap;

	return min((job->first + region) << b->region_shift, b->nr_sectors);
}

static unsigned int job_cell(const struct job *job, unsigned int region)
{
	return cell_of(job_sector(job, region));
}

/* The cells of what the job has not lost are its own now. */
static void job_holds(struct job *job)
{
	unsigned int i;

	for (i = 0; i < job->nr; i++)
		if (!test_bit(i, job->lost))
			model_take(job, job_cell(job, i), job_cell(job, i + 1));
}

static void job_granted(struct lm_range *range)
{
	struct job *job = container_of(range, struct job, range);

	if (job->state != JOB_WAITS)
		FAIL("job %td is granted what it does not wait for", id(job));
	job_holds(job);
	job->state = JOB_HELD;
}

static bool job_reads_zero(const struct job *job, const u32 *data,
			   unsigned int region)
{
	unsigned int c, from = job_cell(job, 0);

	for (c = job_cell(job, region); c < job_cell(job, region + 1); c++)
		if (!(data[c - from] & ZERO))
			return false;
	return true;
}

static void job_read_cells(const struct job *job, enum lm_leg leg, u32 *data)
{
	unsigned int c, from = job_cell(job, 0);

	for (c = from; c < job_cell(job, job->nr); c++)
		data[c - from] = sim.leg[leg].now[c].content;
}

static void job_submit(struct job *job, enum lm_leg leg)
{
	leg_submit(leg, true);
	job->breaks = sim.leg[leg].breaks;
	job->early = one_in(2) && !sim.leg[leg].broken;
}

/* lm_job_read() */
static void job_read(struct job *job)
{
	unsigned int i;
	bool all = true;

	job->losses = lm_phase_losses(&sim.m);
	job->begun = lm_phase_copy_begin(&sim.m, &job->from);
	if (!job->begun) {
		job->state = JOB_UNLOCK;
		return;
	}
	for (i = 0; i < job->nr; i++)
		job->skip[i] = lm_bitmap_any_set(&sim.m.bitmap, job->first + i, 1);
	for (i = 0; i < job->nr; i++) {
		job->skip[i] |= test_bit(i, job->lost);
		all &= job->skip[i];
	}
	TRACE("job %ld begins to copy from leg %ld, skips all: %ld", id(job),
	      job->from, all);
	if (all) {
		job->state = JOB_UNLOCK;
		return;
	}
	job_submit(job, job->from);
	if (job->early)
		job_read_cells(job, job->from, job->data);
	job->state = JOB_READS;
}

/* lm_job_check() */
static void job_check(struct job *job)
{
	enum lm_leg to = lm_other_leg(job->from);
	bool zeroed = ATOMICALLY(lm_phase_reads_zero(&sim.m, to));
	bool any = false;
	unsigned int i;

	job->by_data = !sim.leg[to].zeroes;
	for (i = 0; i < job->nr; i++) {
		job->zero[i] = !job->skip[i] && job_reads_zero(job, job->data, i);
		job->same[i] = job->zero[i] && zeroed;
		any |= job->zero[i];
	}
	if (zeroed || !job->by_data || !any) {
		job->state = JOB_WRITE;
		return;
	}
	job_submit(job, to);
	if (job->early)
		job_read_cells(job, to, job->there);
	job->state = JOB_CHECKS;
}

static void job_read_done(struct job *job)
{
	bool good = leg_ended(job->from, job->breaks, false);

	if (!good) {
		sim.copier.errors = true;
		job->state = JOB_UNLOCK;
		return;
	}
	if (!job->early)
		job_read_cells(job, job->from, job->data);
	job_check(job);
}

/* lm_job_checked() */
static void job_checked(struct job *job)
{
	enum lm_leg to = lm_other_leg(job->from);
	bool good = leg_ended(to, job->breaks, false);
	unsigned int i;

	if (good && !job->early)
		job_read_cells(job, to, job->there);
	for (i = 0; i < job->nr; i++)
		if (job->zero[i])
			job->same[i] = good && job_reads_zero(job, job->there, i);
	job->state = JOB_WRITE;
}

/* Hold fast; what is left to write is nobody else's business now. */
static void job_harden(struct job *job)
{
	unsigned int i;

	shim_no_preempt++;
	if (job->yields) {
		lm_range_harden(&sim.m.ranges, &job->range);
		job_holds(job);
		for (i = 0; i < job->nr; i++)
			job->skip[i] |= test_bit(i, job->lost);
		job->yields = false;
	}
	for (i = 0; i < job->nr; i++) {
		if (job->skip[i])
			continue;
		if (lm_bitmap_any_set(&sim.m.bitmap, job->first + i, 1))
			FAIL("region %llu is copied, and is there already",
			     job->first + i);
		/* Only a dest that failed may have handed over. */
		if (sim.m.phase.active != job->from)
			CHECK(job->from == LM_DEST &&
			      sim.m.phase.standby == LM_FAILED);
	}
	shim_no_preempt--;
}

static void job_put_cells(struct job *job, bool torn)
{
	enum lm_leg to = lm_other_leg(job->from);
	unsigned int i, c, from = job_cell(job, 0);

	for (i = 0; i < job->nr; i++) {
		if (job->skip[i])
			continue;
		for (c = job_cell(job, i); c < job_cell(job, i + 1); c++)
			if (job->same[i])
				leg_same(to, c, job->data[c - from]);
			else if (!torn || one_in(2))
				leg_put(to, c, job->data[c - from]);
	}
}

/* lm_job_write() */
static void job_write(struct job *job)
{
	job_harden(job);
	if (!lm_phase_is_attached(&sim.m)) {
		job->state = JOB_UNLOCK;
		return;
	}
	job_submit(job, lm_other_leg(job->from));
	if (job->early)
		job_put_cells(job, false);
	job->state = JOB_WRITES;
}

/* lm_phase_good() for each run of regions that are zero, or are not */
static void job_good(struct job *job, bool zero)
{
	unsigned int from, end;

	for (from = 0; from < job->nr; from = end) {
		for (end = from; end < job->nr && !job->skip[end] &&
		     job->zero[end] == zero; end++)
			;
		if (end == from) {
			end++;
			continue;
		}
		lm_phase_good(&sim.m, job_sector(job, from),
			      job_sector(job, end), zero ? LM_ZERO : LM_COPIED,
			      job->losses);
	}
}

static void job_write_done(struct job *job)
{
	enum lm_leg to = lm_other_leg(job->from);
	bool good = leg_ended(to, job->breaks, true);
	unsigned int i, zero = 0;

	job->state = JOB_UNLOCK;
	for (i = 0; i < job->nr; i++)
		zero += !job->skip[i] && job->zero[i] && !job->same[i];
	if (good && zero && !job->by_data && one_in(16)) {
		/* It cannot write zeroes, contrary to what it says. */
		job->by_data = true;
		job->state = JOB_WRITE;
		return;
	}
	if (!good) {
		TRACE("job %ld cannot write to leg %ld", id(job), to);
		if (!job->early && !sim.leg[to].broken &&
		    job->breaks == sim.leg[to].breaks)
			job_put_cells(job, true);
		job->failed = true;
		lm_phase_failed(&sim.m, LM_LEG_MASK(to), LM_LEG_MASK(to),
				job->range.start, job->range.end);
		job->failed = false;
		return;
	}
	if (!job->early)
		job_put_cells(job, false);
	TRACE("job %ld has written", id(job));
	job_good(job, true);
	job_good(job, false);
}

/* lm_job_start() */
static void job_start(struct job *job, u64 first, unsigned int nr, bool yields)
{
	job->first = first;
	job->nr = nr;
	job->yields = yields;
	job->begun = false;
	job->range.start = job_sector(job, 0);
	job->range.end = job_sector(job, nr);
	job->range.granted = job_granted;
	job->range.lost = job->lost;
	memset(job->lost, 0, sizeof(job->lost));
	TRACE("job %ld: [%ld, %ld), gives way: %ld", id(job), job->range.start,
	      job->range.end, yields);

	shim_no_preempt++;
	job->state = JOB_WAITS;
	if (yields) {
		lm_range_lock_yielding(&sim.m.ranges, &job->range);
		job->state = JOB_HELD;
	} else if (lm_range_lock(&sim.m.ranges, &job->range)) {
		job_holds(job);
		job->state = JOB_HELD;
	}
	shim_no_preempt--;
}

bool job_step(struct job *job)
{
	if (job->busy || job->state == JOB_FREE || job->state == JOB_WAITS)
		return false;
	job->busy = true;
	switch (job->state) {
	case JOB_HELD:
		job_read(job);
		break;
	case JOB_READS:
		job_read_done(job);
		break;
	case JOB_CHECKS:
		job_checked(job);
		break;
	case JOB_WRITE:
		job_write(job);
		break;
	case JOB_WRITES:
		job_write_done(job);
		break;
	case JOB_UNLOCK:
		model_give(job, job_cell(job, 0), job_cell(job, job->nr));
		lm_range_unlock(&sim.m.ranges, &job->range);
		job->state = JOB_UNLOCKED;
		break;
	case JOB_UNLOCKED:
		if (job->begun)
			lm_phase_io_end(&sim.m, LM_BOTH_LEGS);
		job->state = JOB_PUT;
		break;
	case JOB_PUT:
		job->state = JOB_FREE;
		copier_kick();
		break;
	case JOB_FREE:
	case JOB_WAITS:
		break;
	}
	job->busy = false;
	return true;
}

/* ------------------------------------------------------------------------
 * The pass
 */

static void copier_flush(bool syncs)
{
	if (sim.copier.flush.state != FLUSH_IDLE)
		return;
	sim.copier.syncs = syncs;
	sim.copier.bits_changed = model_bits_changed();
	flush_begin(&sim.copier.flush);
}

/* lm_copier_flushed() */
static void copier_flushed(void)
{
	struct flush *f = &sim.copier.flush;
	bool synced;

	if (f->status) {
		sim.copier.errors = true;
	} else if (sim.copier.syncs && f->legs == LM_BOTH_LEGS) {
		synced = ATOMICALLY(lm_phase_sync_flushed(&sim.m, sim.copier.clears)) &&
			 ATOMICALLY(lm_phase_sync_end(&sim.m, sim.copier.clears));
		TRACE("the flush of all has ended, synced: %ld", synced);
		if (synced && model_bits_changed() != sim.copier.bits_changed)
			FAIL("synced, but bits have changed since the flush began");
	}
	copier_kick();
}

static void copier_restart(void)
{
	sim.copier.cursor = 0;
	sim.copier.sweep = 0;
	sim.copier.careful = false;
	sim.copier.errors = false;
}

/* lm_copier_next() */
static unsigned int copier_next(u64 *first)
{
	struct lm_bitmap *b = &sim.m.bitmap;
	unsigned int sectors = sim.copier.sweep < HOLD_SWEEP ?
			       sim.copier.job_sectors : sim.copier.hold_sectors;
	u64 chunk_end, max;

	*first = lm_bitmap_next_clear(b, sim.copier.cursor, b->nr_regions);
	if (*first == b->nr_regions)
		return 0;
	max = sim.copier.careful ? 1 : max(sectors >> b->region_shift, 1U);
	chunk_end = (((*first << b->region_shift) | (LM_CHUNK_SECTORS - 1)) + 1)
		    >> b->region_shift;
	max = min(max, chunk_end - *first);
	max = max_t(u64, lm_bitmap_clear_run(b, *first, max), 1);
	sim.copier.cursor = *first + max;
	return max;
}

static bool copier_sweep_ended(void)
{
	bool errors = sim.copier.errors;
	u64 clears;

	sim.copier.cursor = 0;
	sim.copier.sweep++;
	sim.copier.careful = errors;
	sim.copier.errors = false;
	if (errors) {
		sim.copier.retry = true;
		return false;
	}
	if (lm_phase_sync_begin(&sim.m, &clears)) {
		sim.copier.clears = clears;
		copier_flush(true);
		return false;
	}
	return true;
}

static bool copier_jobs_busy(void)
{
	unsigned int i;

	for (i = 0; i < NR_JOBS; i++)
		if (sim.job[i].state != JOB_FREE || sim.job[i].busy)
			return true;
	return false;
}

static struct job *copier_job(void)
{
	unsigned int i;

	for (i = 0; i < NR_JOBS; i++)
		if (sim.job[i].state == JOB_FREE && !sim.job[i].busy)
			return &sim.job[i];
	return NULL;
}

/* One turn of lm_copier_work()'s loop.  False if it is to end. */
static bool copier_turn(void)
{
	unsigned int attachments, nr;
	struct job *job;
	u64 first;

	if (sim.m.paused)
		return false;
	if (!lm_phase_wants_copy(&sim.m, &attachments)) {
		copier_restart();
		return false;
	}
	if (attachments != sim.copier.attachments) {
		sim.copier.attachments = attachments;
		copier_restart();
	}
	if (one_in(64))
		copier_flush(false);
	job = copier_job();
	if (!job)
		return false;
	nr = copier_next(&first);
	if (nr) {
		job_start(job, first, nr, sim.copier.sweep < HOLD_SWEEP);
		return true;
	}
	if (copier_jobs_busy() || sim.copier.flush.state != FLUSH_IDLE)
		return false;
	return copier_sweep_ended();
}

bool copier_is_idle(void)
{
	return !copier_jobs_busy() && sim.copier.flush.state == FLUSH_IDLE &&
	       !sim.copier.running && !sim.copier.busy && !sim.copier.kicked;
}

bool copier_step(void)
{
	if (sim.copier.busy)
		return false;
	if (sim.copier.flush.state != FLUSH_IDLE && one_in(2)) {
		sim.copier.busy = true;
		if (flush_step(&sim.copier.flush))
			copier_flushed();
		sim.copier.busy = false;
		return true;
	}
	if (sim.copier.retry && one_in(8)) {
		sim.copier.retry = false;
		copier_kick();
	}
	if (!sim.copier.running) {
		if (!sim.copier.kicked)
			return false;
		sim.copier.kicked = false;
		/* Before the copier is kicked: lm_poke_work(). */
		lm_phase_settle_doubt(&sim.m);
		sim.copier.running = true;
	}
	sim.copier.busy = true;
	sim.copier.running = copier_turn();
	sim.copier.busy = false;
	return true;
}
