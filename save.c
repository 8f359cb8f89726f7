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

#include <linux/slab.h>

/* How often the bits are saved, while they change. */
#define LM_SAVE_INTERVAL	(2 * HZ)
/* How many times in a standby_timeout who waits for a worker looks. */
#define LM_SAVE_LOOKS		4

/**
 * struct lm_save - when metadata is written.
 * @m: the migration.  All tables that name the metadata share this, so a table
 *	that goes leaves a worker behind that a silent device holds.
 * @commit_wq: runs @commit_work.
 * @wq: runs @work.
 * @commit_work: waits for the metadata device alone.
 * @work: waits for the legs as well.
 * @stopped: suspended: no more is begun.
 * @halted: the metadata is about to go: nothing is queued any more.
 * @last: whoever suspends waits for @work to leave clean metadata behind.
 * @ended: it has.
 * @lock: guards the lists, @t, @flushing and the end of @last; lm_phase.lock is
 *	taken inside.
 * @t: the live table's instance, whose legs are flushed; NULL while suspended.
 * @flushing: they are being.
 * @idle: woken when they no longer are.
 * @records: who waits for the superblock.
 * @recording: those for whom it is being written.
 * @syncs: processes that do.
 * @syncing: those for whom it is being written.
 * @flushed: the legs were, before bits are saved.
 * @flush_status: how that went.
 * @losses: lm_phase_losses() before the bits were copied.
 * @chunks: one of each block that is being saved.
 */
struct lm_save {
	struct lm_migration *m;
	struct workqueue_struct *commit_wq;
	struct workqueue_struct *wq;
	struct work_struct commit_work;
	struct delayed_work work;
	bool stopped;
	bool halted;
	bool last;
	struct completion ended;

	spinlock_t lock;
	struct lm_target *t;
	bool flushing;
	wait_queue_head_t idle;
	struct list_head records;
	struct list_head recording;
	struct list_head syncs;
	struct list_head syncing;

	struct completion flushed;
	blk_status_t flush_status;
	u64 losses;
	u64 chunks[LM_META_BATCH];
};

/* A process that waits for the superblock, though not for ever. */
struct lm_save_sync {
	struct list_head node;
	struct completion done;
};

static void lm_save_state(void *arg, struct lm_meta_state *state)
{
	lm_phase_meta_state(arg, state);
}

/* A write of metadata has failed, perhaps: tell of it, once. */
static void lm_save_check(struct lm_save *s)
{
	struct lm_migration *m = s->m;

	if (likely(!lm_meta_has_failed(m->meta)) ||
	    test_and_set_bit(0, &m->meta_failure_told))
		return;
	DMERR("%s: writing to the metadata device has failed: the migration goes on in memory, and will not survive a crash",
	      dm_device_name(m->md));
	lm_phase_event(m);
	/* Those that wait need not any more. */
	queue_work(s->commit_wq, &s->commit_work);
	/* It is to say at once that it is out of date. */
	if (!READ_ONCE(s->halted))
		mod_delayed_work(s->wq, &s->work, 0);
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

/* The same for processes, which may have given up meanwhile. */
static void lm_save_synced(struct lm_save *s)
{
	struct lm_save_sync *sync, *next;

	spin_lock_irq(&s->lock);
	list_for_each_entry_safe(sync, next, &s->syncing, node) {
		list_del_init(&sync->node);
		complete(&sync->done);
	}
	spin_unlock_irq(&s->lock);
}

static void lm_save_commit_work(struct work_struct *work)
{
	struct lm_save *s = container_of(work, struct lm_save, commit_work);
	struct lm_migration *m = s->m;
	bool sync, record;

	spin_lock_irq(&s->lock);
	list_splice_tail_init(&s->records, &s->recording);
	list_splice_tail_init(&s->syncs, &s->syncing);
	sync = !list_empty(&s->syncing);
	record = sync || !list_empty(&s->recording);
	spin_unlock_irq(&s->lock);

	if (record) {
		lm_meta_record(m->meta, lm_save_state, m);
		lm_save_recorded(s);
	}
	lm_meta_commit(m->meta);
	lm_save_check(s);
	if (sync && lm_meta_has_failed(m->meta))
		lm_meta_invalidate(m->meta);
	lm_save_synced(s);
}

/* Metadata that does not answer has failed; who waits for it need not then. */
static void lm_save_look(struct lm_save *s, unsigned long timeout)
{
	struct lm_meta *meta = s->m->meta;
	struct lm_meta_wait *first;
	bool overdue;

	spin_lock_irq(&s->lock);
	/* The worker may be stuck with others than those it has taken. */
	first = list_first_entry_or_null(list_empty(&s->recording) ?
					 &s->records : &s->recording,
					 struct lm_meta_wait, node);
	overdue = first && time_after(jiffies, first->since + timeout);
	spin_unlock_irq(&s->lock);

	lm_meta_give_up(meta, overdue ? 0 : timeout);
	if (!lm_meta_has_failed(meta))
		return;
	lm_save_check(s);
	/* Also those that have come since. */
	lm_meta_release(meta);
	spin_lock_irq(&s->lock);
	list_splice_tail_init(&s->records, &s->recording);
	spin_unlock_irq(&s->lock);
	lm_save_recorded(s);
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
	if (t->save)
		lm_save_look(t->save, timeout);
}

/*
 * Wait until a worker says @done, but no longer than standby_timeout once the
 * metadata has failed: the worker may hang on its device.  False if it does not
 * say so.  Works without the watch, too, which stands still while suspended.
 */
static bool lm_save_await(struct lm_save *s, struct completion *done)
{
	unsigned long timeout = msecs_to_jiffies(s->m->standby_timeout);
	unsigned int looks = 0;

	if (!timeout) {
		wait_for_completion(done);
		return true;
	}
	while (!wait_for_completion_timeout(done, timeout / LM_SAVE_LOOKS + 1)) {
		lm_save_look(s, timeout);
		if (lm_meta_has_failed(s->m->meta) && ++looks > LM_SAVE_LOOKS)
			return false;
	}
	return true;
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
	/* Once a leg was dropped, what the metadata says of the bits is no matter. */
	if (!t->save || lm_phase_is_final(t->m) ||
	    lm_meta_enter(t->m->meta, start >> LM_CHUNK_SHIFT, wait))
		return true;
	queue_work(t->save->commit_wq, &t->save->commit_work);
	return false;
}

/* Let @wait's ready be called when the state of now is durable. */
static void lm_save_record(struct lm_target *t, struct lm_meta_wait *wait)
{
	struct lm_save *s = t->save;
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

	if (likely(!t->save) || !lm_phase_source_incomplete(t->m))
		return true;
	/* Pairs with lm_meta_record(). */
	smp_mb();
	if (lm_meta_records_incomplete(meta) || lm_meta_has_failed(meta) ||
	    lm_phase_is_final(t->m))
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

	if (!t->save)
		return true;
	/* After the state was changed: pairs with lm_meta_record(). */
	smp_mb();
	if (lm_meta_records_complete(meta) || lm_meta_has_failed(meta))
		return true;
	lm_save_record(t, wait);
	return false;
}

/**
 * lm_save_now - make the state durable, or that the metadata is out of date
 * @t: the instance.
 *
 * Context: process, sleeps for the metadata device, though not for ever.
 * Return: false if there is metadata that says neither now.
 */
bool lm_save_now(struct lm_target *t)
{
	struct lm_save *s = t->save;
	struct lm_save_sync sync;

	if (!s)
		return true;
	init_completion(&sync.done);
	spin_lock_irq(&s->lock);
	list_add_tail(&sync.node, &s->syncs);
	spin_unlock_irq(&s->lock);
	queue_work(s->commit_wq, &s->commit_work);

	lm_save_await(s, &sync.done);
	spin_lock_irq(&s->lock);
	list_del_init(&sync.node);
	spin_unlock_irq(&s->lock);
	return !lm_meta_has_failed(s->m->meta) || lm_meta_is_stale(s->m->meta);
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
	if (lm_unsaved_test(&m->bitmap, c->chunk) ||
	    lm_unflushed_test(&m->bitmap, c->chunk << LM_CHUNK_SHIFT))
		return;
	lm_meta_retire(m->meta, c->chunk);
	/* Pairs with lm_meta_doubt(), which comes without a range. */
	smp_mb();
	if (lm_unsaved_test(&m->bitmap, c->chunk))
		lm_meta_doubt(m->meta, c->chunk);
}

static void lm_save_retire_chunks(void *arg)
{
	struct lm_save *s = arg;
	struct lm_migration *m = s->m;
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

/*
 * Was nothing lost since the bits were copied: by another flush or a write, which
 * the device may have told instead, by a standby that has failed and perhaps come
 * back, or to a verify that has found a difference?
 */
static bool lm_save_holds(void *arg)
{
	struct lm_save *s = arg;

	return !lm_phase_is_failing(s->m) && lm_phase_is_attached(s->m) &&
	       lm_phase_losses(s->m) == s->losses;
}

/* The instance whose legs may be flushed, for lm_save_flush_end(); or NULL. */
static struct lm_target *lm_save_flush_begin(struct lm_save *s)
{
	struct lm_target *t = NULL;

	spin_lock_irq(&s->lock);
	if (s->t && !lm_meta_has_failed(s->m->meta)) {
		t = s->t;
		s->flushing = true;
	}
	spin_unlock_irq(&s->lock);
	return t;
}

static void lm_save_flush_end(struct lm_save *s)
{
	spin_lock_irq(&s->lock);
	s->flushing = false;
	wake_up_all(&s->idle);
	spin_unlock_irq(&s->lock);
}

static void lm_save_flushed(void *arg, unsigned int legs, blk_status_t status)
{
	struct lm_save *s = arg;

	s->flush_status = legs == LM_BOTH_LEGS ? status : BLK_STS_IOERR;
	complete(&s->flushed);
}

/* Flush both legs, and see that nothing was lost. */
static bool lm_save_flush(struct lm_save *s)
{
	struct lm_target *t = lm_save_flush_begin(s);

	if (!t)
		return false;
	reinit_completion(&s->flushed);
	lm_flush_start(t, NULL, lm_save_flushed, s, GFP_NOIO);
	wait_for_completion(&s->flushed);
	lm_save_flush_end(s);
	if (s->flush_status)
		return false;
	lm_flush_barrier(s->m);
	return lm_save_holds(s);
}

/* Save some blocks.  Returns whether there are more. */
static bool lm_save_some(struct lm_save *s)
{
	struct lm_migration *m = s->m;
	struct lm_meta *meta = m->meta;
	unsigned int nr = 0;
	u64 chunk = 0;
	bool doubt;
	int r;

	while (nr < LM_META_BATCH) {
		chunk = lm_unsaved_next(&m->bitmap, chunk);
		if (chunk >= m->bitmap.nr_chunks)
			break;
		s->chunks[nr++] = chunk;
		lm_save_take(m, chunk);
		lm_meta_block_chunks(meta, chunk, &chunk);
	}
	/* The active-writes bits of those that were busy. */
	lm_meta_commit(meta);
	s->losses = lm_phase_losses(m);
	/* Bits that are about to be cleared, for a loss that is counted already. */
	doubt = lm_phase_in_doubt(m);
	/* Pairs with the end of lm_phase_settle_doubt(). */
	smp_rmb();
	lm_meta_snapshot(meta, &m->bitmap, s->chunks, nr);

	r = -EAGAIN;
	if (!doubt && lm_save_flush(s))
		r = lm_meta_save(meta, &m->bitmap, lm_save_holds,
				 lm_save_retire_chunks, s);
	if (r == -EAGAIN)
		lm_save_put_back(m, s->chunks, nr);
	return !r && nr == LM_META_BATCH;
}

static bool lm_save_has_work(struct lm_migration *m)
{
	u64 chunks = m->bitmap.nr_chunks;

	return lm_phase_is_attached(m) &&
	       (lm_unsaved_next(&m->bitmap, 0) < chunks ||
		lm_meta_next_active(m->meta, 0) < chunks);
}

/* Save all that there is, as long as it is wanted. */
static void lm_save_all(struct lm_save *s)
{
	while ((!READ_ONCE(s->stopped) || READ_ONCE(s->last)) &&
	       !lm_meta_has_failed(s->m->meta) && lm_save_has_work(s->m) &&
	       lm_save_some(s))
		;
}

/* Until now nobody was under way, so the bits that are, count. */
static void lm_save_clean(struct lm_save *s)
{
	lm_save_all(s);
	/* What was found wrong must be durable first, saved or not. */
	lm_meta_commit(s->m->meta);
	if (lm_meta_has_failed(s->m->meta))
		return;
	spin_lock_irq(&s->lock);
	/* Whoever waited may have given up, and it may run again. */
	if (s->last)
		lm_phase_set_clean(s->m, true);
	spin_unlock_irq(&s->lock);
	lm_meta_record(s->m->meta, lm_save_state, s->m);
}

static void lm_save_work(struct work_struct *work)
{
	struct lm_save *s = container_of(to_delayed_work(work),
					 struct lm_save, work);
	struct lm_migration *m = s->m;
	bool last = READ_ONCE(s->last);
	bool again = !READ_ONCE(s->stopped);

	if (lm_phase_is_final(m)) {
		again = false;
	} else if (last) {
		lm_save_clean(s);
	} else if (again) {
		lm_meta_record(m->meta, lm_save_state, m);
		lm_save_all(s);
	}
	lm_save_check(s);
	/* Also just now: this may be the last chance to say so. */
	if (lm_meta_has_failed(m->meta))
		again = !lm_meta_invalidate(m->meta);
	if (last)
		complete(&s->ended);
	if (again && !READ_ONCE(s->halted))
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
	struct lm_save *s = t->save;

	if (s && !READ_ONCE(s->stopped))
		mod_delayed_work(s->wq, &s->work, 0);
}

/**
 * lm_save_doubt - bits were cleared though no guest has written there
 * @t: the instance.
 * @start: the first sector of what they stand for.
 *
 * The metadata may say that they are set.  That it is not to be trusted there is
 * made durable at once, without the legs: one of them is at fault.
 *
 * Context: any.
 */
void lm_save_doubt(struct lm_target *t, sector_t start)
{
	if (!t->save)
		return;
	lm_meta_doubt(t->m->meta, start >> LM_CHUNK_SHIFT);
	queue_work(t->save->commit_wq, &t->save->commit_work);
	lm_save_kick(t);
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
 * Context: process, sleeps for the metadata device, though not for ever.
 */
void lm_save_start(struct lm_target *t)
{
	struct lm_save *s = t->save;

	if (!s)
		return;
	spin_lock_irq(&s->lock);
	s->t = t;
	spin_unlock_irq(&s->lock);
	lm_phase_set_clean(t->m, false);
	if (!lm_phase_is_final(t->m) && !lm_meta_has_failed(t->m->meta))
		lm_save_now(t);
	WRITE_ONCE(s->stopped, false);
	lm_save_kick(t);
}

/**
 * lm_save_stop - all that was written has ended: leave clean metadata behind
 * @t: the instance; nothing is in flight, and the copier stands still.
 *
 * A worker that hangs on the metadata device is left behind.
 *
 * Context: process, sleeps for the legs, and for the metadata device, though not
 * for ever.
 */
void lm_save_stop(struct lm_target *t)
{
	struct lm_save *s = t->save;

	if (!s || s->stopped)
		return;
	WRITE_ONCE(s->stopped, true);
	reinit_completion(&s->ended);
	WRITE_ONCE(s->last, true);
	mod_delayed_work(s->wq, &s->work, 0);
	lm_save_await(s, &s->ended);
	spin_lock_irq(&s->lock);
	WRITE_ONCE(s->last, false);
	spin_unlock_irq(&s->lock);
	lm_save_detach(t);
}

/**
 * lm_save_detach - the instance's legs are flushed no more
 * @t: the instance; nothing is in flight.
 *
 * Also where it was never suspended properly.
 *
 * Context: process, sleeps for the legs.
 */
void lm_save_detach(struct lm_target *t)
{
	struct lm_save *s = t->save;

	if (!s)
		return;
	spin_lock_irq(&s->lock);
	if (s->t == t) {
		s->stopped = true;
		s->t = NULL;
		wait_event_lock_irq(s->idle, !s->flushing, s->lock);
	}
	spin_unlock_irq(&s->lock);
}

/**
 * lm_save_new - for a migration's metadata
 * @m: the migration; @m->meta is open.
 *
 * Context: process, may sleep.
 * Return: for lm_save_free(); NULL if there is no memory.
 */
struct lm_save *lm_save_new(struct lm_migration *m)
{
	struct lm_save *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->m = m;
	s->stopped = true;
	spin_lock_init(&s->lock);
	init_waitqueue_head(&s->idle);
	INIT_LIST_HEAD(&s->records);
	INIT_LIST_HEAD(&s->recording);
	INIT_LIST_HEAD(&s->syncs);
	INIT_LIST_HEAD(&s->syncing);
	INIT_WORK(&s->commit_work, lm_save_commit_work);
	INIT_DELAYED_WORK(&s->work, lm_save_work);
	init_completion(&s->flushed);
	init_completion(&s->ended);
	s->commit_wq = alloc_workqueue("dm_livemigrate_commit",
				       WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	s->wq = alloc_workqueue("dm_livemigrate_save",
				WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	if (s->commit_wq && s->wq)
		return s;
	lm_save_free(s);
	return NULL;
}

/* Once this has returned neither worker runs, nor will. */
static void lm_save_halt(struct lm_save *s)
{
	WRITE_ONCE(s->halted, true);
	cancel_delayed_work_sync(&s->work);
	flush_work(&s->commit_work);
	/* It may have been queued just before. */
	cancel_delayed_work_sync(&s->work);
}

/**
 * lm_save_retire - the live table goes, and none of ours has taken over
 * @t: its instance.
 * @replaced: another table runs on its device, past us.
 *
 * The metadata is clean, by the suspend before.  What it says of the legs is wrong
 * as soon as that other table writes.
 *
 * Context: process, sleeps as long as the metadata device is silent.
 * Return: false if there is metadata that should say so, and does not.
 */
bool lm_save_retire(struct lm_target *t, bool replaced)
{
	struct lm_save *s = t->save;

	if (!s)
		return true;
	lm_save_detach(t);
	lm_save_halt(s);
	return !replaced || lm_phase_is_final(t->m) ||
	       lm_meta_invalidate(t->m->meta);
}

/**
 * lm_save_free - the end of lm_save_new()'s
 * @s: it; NULL will do.  No live table names the metadata.
 *
 * Context: process, sleeps as long as the metadata device is silent.
 */
void lm_save_free(struct lm_save *s)
{
	if (!s)
		return;
	lm_save_halt(s);
	if (s->wq)
		destroy_workqueue(s->wq);
	if (s->commit_wq)
		destroy_workqueue(s->commit_wq);
	kfree(s);
}
