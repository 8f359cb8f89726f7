// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the metadata is written, and what must have happened before.
 *
 * Two workers, so that a hung leg holds up no guest's first write:
 *
 * - @commit_work makes durable what somebody waits for: the active-writes bits
 *   of chunks that writes want to begin in, and the superblock.  It waits for
 *   the metadata device alone.
 * - @work saves the bitmap, every few seconds while there is something to save:
 *
 *   1. takes the marks of the chunks whose bits have changed.  One of which
 *      nothing was saved so far is claimed, with no guest's write under way
 *      there; if there is one, its active-writes bit is set;
 *   2. takes a copy of the bits;
 *   3. flushes both legs: the data that the copy speaks for is on them now;
 *   4. saves what is in the copy and set now as well;
 *   5. clears the active-writes bits of chunks in which nothing was written since
 *      before a flush of both legs, and whose bits are saved as they are.
 *
 * A saved bit counts only while its chunk's active-writes bit is clear.  So a
 * chunk that a guest writes to may have any bits on disk; and one that none
 * writes to has bits that only the copier has set, with data that was flushed.
 */
#include "dm-livemigrate.h"


/* How often the bits are saved, while they change. */
#define LM_SAVE_INTERVAL	(2 * HZ)

static void lm_save_state(void *arg, struct lm_meta_state *state)
{
	lm_phase_meta_state(arg, state);
}

/* A write of metadata has failed, perhaps: tell of it, once. */
static void lm_save_check(struct lm_target *t)
{
	struct lm_save *s = &t->save;

	if (likely(!lm_meta_has_failed(t->m->meta)) ||
	    test_and_set_bit(0, &t->m->meta_failure_told))
		return;
	DMERR("%s: writing to the metadata device has failed: the migration goes on in memory, and will not survive a crash",
	      dm_device_name(t->m->md));
	lm_phase_event(t->m);
	/* Those that wait need not any more. */
	queue_work(s->commit_wq, &s->commit_work);
	if (!READ_ONCE(s->stopped))
		mod_delayed_work(s->wq, &s->work, LM_SAVE_INTERVAL);
}

/* ------------------------------------------------------------------------
 * What somebody waits for
 */

/* Let those go on for whom the superblock was written. */
static void lm_save_recorded(struct lm_save *s)
{
	struct lm_meta_wait *wait, *next;
	LIST_HEAD(ready);

	spin_lock_irq(&s->lock);
	list_splice_init(&s->recording, &ready);
	spin_unlock_irq(&s->lock);

	list_for_each_entry_safe(wait, next, &ready, node)
		wait->ready(wait);
}

static void lm_save_commit_work(struct work_struct *work)
{
	struct lm_save *s = container_of(work, struct lm_save, commit_work);
	struct lm_target *t = container_of(s, struct lm_target, save);
	struct lm_migration *m = t->m;
	bool record;

	spin_lock_irq(&s->lock);
	list_splice_tail_init(&s->records, &s->recording);
	record = !list_empty(&s->recording);
	spin_unlock_irq(&s->lock);

	if (record) {
		lm_meta_record(m->meta, lm_save_state, m);
		lm_save_recorded(s);
	}
	lm_meta_commit(m->meta);
	lm_save_check(t);
}

/**
 * lm_save_watch - metadata that does not answer has failed
 * @t: the instance.
 * @timeout: after so many jiffies.
 *
 * Context: process.
 */
void lm_save_watch(struct lm_target *t, unsigned long timeout)
{
	struct lm_save *s = &t->save;
	struct lm_meta_wait *first;
	bool overdue;

	if (!t->m->meta)
		return;
	spin_lock_irq(&s->lock);
	/* The worker may be stuck with others than those it has taken. */
	first = list_first_entry_or_null(list_empty(&s->recording) ?
					 &s->records : &s->recording,
					 struct lm_meta_wait, node);
	overdue = first && time_after(jiffies, first->since + timeout);
	spin_unlock_irq(&s->lock);

	lm_meta_give_up(t->m->meta, overdue ? 0 : timeout);
	if (!lm_meta_has_failed(t->m->meta))
		return;
	lm_save_check(t);
	/* Also those that have come since. */
	lm_meta_release(t->m->meta);
	spin_lock_irq(&s->lock);
	list_splice_tail_init(&s->records, &s->recording);
	spin_unlock_irq(&s->lock);
	lm_save_recorded(s);
}

/**
 * lm_save_may_begin - may a write into a chunk go now?
 * @t: the instance.
 * @start: its first sector; its range is held.
 *
 * Context: any, no lock.
 */
bool lm_save_may_begin(struct lm_target *t, sector_t start)
{
	struct lm_meta *meta = t->m->meta;

	return !meta || lm_meta_is_open(meta, start >> LM_CHUNK_SHIFT);
}

/**
 * lm_save_begin - a write is about to begin
 * @t: the instance.
 * @start: its first sector; its range is held.
 * @wait: @ready is set.
 *
 * Context: any; takes lm_meta.lock.
 * Return: true if it may; else @wait's ready is called when it may, perhaps
 * before this returns.
 */
bool lm_save_begin(struct lm_target *t, sector_t start,
		   struct lm_meta_wait *wait)
{
	struct lm_meta *meta = t->m->meta;

	if (likely(!meta) || lm_meta_enter(meta, start >> LM_CHUNK_SHIFT, wait))
		return true;
	queue_work(t->save.commit_wq, &t->save.commit_work);
	return false;
}

/* Let @wait's ready be called when the state of now is durable. */
static void lm_save_record(struct lm_target *t, struct lm_meta_wait *wait)
{
	struct lm_save *s = &t->save;
	unsigned long flags;

	wait->since = jiffies;
	spin_lock_irqsave(&s->lock, flags);
	list_add_tail(&wait->node, &s->records);
	spin_unlock_irqrestore(&s->lock, flags);
	queue_work(s->commit_wq, &s->commit_work);
}

/**
 * lm_save_lacks - may something that the source lacks be acknowledged now?
 * @t: the instance.
 * @wait: @ready is set.
 *
 * It may, unless the metadata says yet that the source lacks nothing.
 *
 * Context: any.
 * Return: true if it may; else @wait's ready is called when it may, perhaps
 * before this returns.
 */
bool lm_save_lacks(struct lm_target *t, struct lm_meta_wait *wait)
{
	struct lm_meta *meta = t->m->meta;

	if (likely(!meta) || !lm_phase_source_incomplete(t->m))
		return true;
	/* Pairs with lm_meta_record(). */
	smp_mb();
	if (lm_meta_records_incomplete(meta) || lm_meta_has_failed(meta))
		return true;
	lm_save_record(t, wait);
	return false;
}

/**
 * lm_save_complete - is it durable that the source lacks nothing?
 * @t: the instance.
 * @wait: @ready is set.
 *
 * Context: any.
 * Return: true if it is; else @wait's ready is called when it is, perhaps before
 * this returns.
 */
bool lm_save_complete(struct lm_target *t, struct lm_meta_wait *wait)
{
	struct lm_meta *meta = t->m->meta;

	if (!meta || !lm_meta_records_incomplete(meta) ||
	    lm_meta_has_failed(meta))
		return true;
	lm_save_record(t, wait);
	return false;
}

/**
 * lm_save_now - make the state durable
 * @t: the instance.
 *
 * Context: process, sleeps for the metadata device.
 * Return: false if there is metadata that does not say so now.
 */
bool lm_save_now(struct lm_target *t)
{
	int r = 0;

	if (t->m->meta) {
		r = lm_meta_record(t->m->meta, lm_save_state, t->m);
		lm_save_check(t);
	}
	return !r;
}

/* ------------------------------------------------------------------------
 * The bitmap
 */

/* What a call under a bucket's lock is about. */
struct lm_save_chunk {
	struct lm_migration *m;
	u64 chunk;
};

static void lm_save_claim(void *arg)
{
	struct lm_save_chunk *c = arg;

	lm_meta_claim(c->m->meta, c->chunk, true);
}

static bool lm_save_if_quiet(struct lm_save_chunk *c, void (*fn)(void *arg))
{
	sector_t start = c->chunk << LM_CHUNK_SHIFT;

	return lm_range_if_quiet(&c->m->ranges, start, start + LM_CHUNK_SECTORS,
				 fn, c);
}

/* Take the marks of one block's chunks, and claim those that need it. */
static void lm_save_take(struct lm_migration *m, u64 chunk)
{
	struct lm_save_chunk c = { .m = m };
	u64 end;

	for (c.chunk = lm_meta_block_chunks(m->meta, chunk, &end);
	     c.chunk < end; c.chunk++) {
		if (!lm_unsaved_take(&m->bitmap, c.chunk) ||
		    lm_meta_is_claimed(m->meta, c.chunk))
			continue;
		if (!lm_save_if_quiet(&c, lm_save_claim))
			lm_meta_claim(m->meta, c.chunk, false);
	}
}

/* Nothing came of it: put the marks back.  Who had one is claimed by now. */
static void lm_save_put_back(struct lm_migration *m, const u64 *chunks,
			     unsigned int nr)
{
	u64 chunk, end;

	while (nr--)
		for (chunk = lm_meta_block_chunks(m->meta, chunks[nr], &end);
		     chunk < end; chunk++)
			if (lm_meta_is_claimed(m->meta, chunk))
				lm_unsaved_mark(&m->bitmap, chunk);
}

static void lm_save_retire_chunk(void *arg)
{
	struct lm_save_chunk *c = arg;
	struct lm_migration *m = c->m;

	/* Marked by who wrote before it let its range go. */
	if (!lm_unsaved_test(&m->bitmap, c->chunk) &&
	    !lm_unflushed_test(&m->bitmap, c->chunk << LM_CHUNK_SHIFT))
		lm_meta_retire(m->meta, c->chunk);
}

static void lm_save_retire(void *arg)
{
	struct lm_target *t = arg;
	struct lm_migration *m = t->m;
	struct lm_save_chunk c = { .m = m };

	/* A failed standby lacks what is written: the bits must tell. */
	if (!lm_phase_is_attached(m))
		return;
	for (;; c.chunk++) {
		c.chunk = lm_meta_next_active(m->meta, c.chunk);
		if (c.chunk >= m->bitmap.nr_chunks)
			break;
		lm_save_if_quiet(&c, lm_save_retire_chunk);
		cond_resched();
	}
}

static void lm_save_flushed(void *arg, unsigned int legs, blk_status_t status)
{
	struct lm_save *s = arg;

	s->flush_status = legs == LM_BOTH_LEGS ? status : BLK_STS_IOERR;
	complete(&s->flushed);
}

/*
 * Was nothing lost since the bits were copied: by another flush, which the device
 * may have told instead, by a standby that has failed and come back, or to a
 * verify that has found a difference?
 */
static bool lm_save_holds(void *arg)
{
	struct lm_target *t = arg;

	return lm_phase_losses(t->m) == t->save.losses;
}

/* Flush both legs, and see that nothing was lost. */
static bool lm_save_flush(struct lm_target *t)
{
	struct lm_save *s = &t->save;

	reinit_completion(&s->flushed);
	lm_flush_start(t, NULL, lm_save_flushed, s, GFP_NOIO);
	wait_for_completion(&s->flushed);
	if (s->flush_status)
		return false;
	lm_flush_barrier(t->m);
	return lm_save_holds(t);
}

/* Save some blocks.  Returns whether there are more. */
static bool lm_save_some(struct lm_target *t)
{
	struct lm_migration *m = t->m;
	struct lm_meta *meta = m->meta;
	u64 *chunks = t->save.chunks;
	unsigned int nr = 0;
	u64 chunk = 0;
	bool doubt;
	int r;

	while (nr < LM_META_BATCH) {
		chunk = lm_unsaved_next(&m->bitmap, chunk);
		if (chunk >= m->bitmap.nr_chunks)
			break;
		chunks[nr++] = chunk;
		lm_save_take(m, chunk);
		lm_meta_block_chunks(meta, chunk, &chunk);
	}
	/* The active-writes bits of those that were busy. */
	lm_meta_commit(meta);
	t->save.losses = lm_phase_losses(m);
	/* Bits that are about to be cleared, for a loss that is counted already. */
	doubt = lm_phase_in_doubt(m);
	/* Pairs with the end of lm_phase_settle_doubt(). */
	smp_rmb();
	lm_meta_snapshot(meta, &m->bitmap, chunks, nr);

	r = -EAGAIN;
	if (!doubt && lm_save_flush(t))
		r = lm_meta_save(meta, &m->bitmap, lm_save_holds,
				 lm_save_retire, t);
	if (r == -EAGAIN)
		lm_save_put_back(m, chunks, nr);
	return !r && nr == LM_META_BATCH;
}

static bool lm_save_has_work(struct lm_migration *m)
{
	u64 chunks = m->bitmap.nr_chunks;

	return lm_phase_is_attached(m) &&
	       (lm_unsaved_next(&m->bitmap, 0) < chunks ||
		lm_meta_next_active(m->meta, 0) < chunks);
}

static void lm_save_work(struct work_struct *work)
{
	struct lm_save *s = container_of(to_delayed_work(work),
					 struct lm_save, work);
	struct lm_target *t = container_of(s, struct lm_target, save);
	struct lm_migration *m = t->m;

	if (lm_meta_has_failed(m->meta)) {
		if (!lm_meta_invalidate(m->meta) && !READ_ONCE(s->stopped))
			queue_delayed_work(s->wq, &s->work, LM_SAVE_INTERVAL);
		return;
	}
	if (lm_phase_is_final(m))
		return;
	lm_save_now(t);
	while (!READ_ONCE(s->stopped) && lm_save_has_work(m) && lm_save_some(t))
		;
	lm_save_check(t);
	if (!READ_ONCE(s->stopped))
		queue_delayed_work(s->wq, &s->work, LM_SAVE_INTERVAL);
}

/**
 * lm_save_kick - the state has changed, or there are bits to save
 * @t: the instance.
 *
 * Context: any.
 */
void lm_save_kick(struct lm_target *t)
{
	if (t->m->meta && !READ_ONCE(t->save.stopped))
		mod_delayed_work(t->save.wq, &t->save.work, 0);
}

/* ------------------------------------------------------------------------
 * Beginning and end
 */

/**
 * lm_save_start - the instance goes live
 * @t: the instance.
 *
 * From now on the metadata says that something is under way.
 *
 * Context: process, sleeps for the metadata device.
 */
void lm_save_start(struct lm_target *t)
{
	if (!t->m->meta)
		return;
	lm_meta_begin(t->m->meta);
	lm_phase_set_clean(t->m, false);
	if (!lm_phase_is_final(t->m))
		lm_save_now(t);
	WRITE_ONCE(t->save.stopped, false);
	lm_save_kick(t);
}

/**
 * lm_save_stop - all that was written has ended: leave clean metadata behind
 * @t: the instance; nothing is in flight, and the copier stands still.
 *
 * Context: process, sleeps for the legs and the metadata device.
 */
void lm_save_stop(struct lm_target *t)
{
	struct lm_save *s = &t->save;
	struct lm_migration *m = t->m;

	if (!m->meta || s->stopped)
		return;
	WRITE_ONCE(s->stopped, true);
	cancel_delayed_work_sync(&s->work);
	flush_work(&s->commit_work);
	if (!lm_phase_is_final(m)) {
		while (!lm_meta_has_failed(m->meta) && lm_save_has_work(m) &&
		       lm_save_some(t))
			;
		/* Until now nobody was under way, so the bits that are, count. */
		lm_phase_set_clean(m, true);
		lm_save_now(t);
	}
	flush_work(&s->commit_work);
	cancel_delayed_work_sync(&s->work);
}

/**
 * lm_save_halt - the instance is about to go
 * @t: the instance; nothing is in flight.
 *
 * Also where it was never suspended properly.
 *
 * Context: process, sleeps.
 */
void lm_save_halt(struct lm_target *t)
{
	struct lm_save *s = &t->save;

	if (!s->wq)
		return;
	WRITE_ONCE(s->stopped, true);
	cancel_delayed_work_sync(&s->work);
	flush_work(&s->commit_work);
	cancel_delayed_work_sync(&s->work);
}

/**
 * lm_save_init - prepare an instance, which stands still
 * @t: the instance; @t->m is set.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_save_init(struct lm_target *t)
{
	struct lm_save *s = &t->save;

	spin_lock_init(&s->lock);
	INIT_LIST_HEAD(&s->records);
	INIT_LIST_HEAD(&s->recording);
	INIT_WORK(&s->commit_work, lm_save_commit_work);
	INIT_DELAYED_WORK(&s->work, lm_save_work);
	init_completion(&s->flushed);
	s->stopped = true;
	if (!t->m->meta)
		return 0;
	s->commit_wq = alloc_workqueue("dm_livemigrate_commit",
				       WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	s->wq = alloc_workqueue("dm_livemigrate_save",
				WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	return s->commit_wq && s->wq ? 0 : -ENOMEM;
}

/**
 * lm_save_exit - the end of lm_save_init()'s
 * @t: the instance; all zeroes will do.  It was stopped, or never started.
 *
 * Context: process, may sleep.
 */
void lm_save_exit(struct lm_target *t)
{
	if (t->save.wq)
		destroy_workqueue(t->save.wq);
	if (t->save.commit_wq)
		destroy_workqueue(t->save.commit_wq);
}
