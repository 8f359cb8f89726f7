// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metadata device: what a migration must remember over a crash.
 *
 * It holds, in blocks of 4 KiB that are made of sectors of 512 bytes, each with
 * a checksum of its own, so that a torn block is no more than some old sectors:
 *
 *   block 0, 1   the superblock, twice.  Both are written, one after the other
 *                with a flush between, so a damaged one is not missed.
 *   then         the active-writes sectors, a bit for each chunk: a write may be
 *                under way here, or not flushed; trust no bit of the bitmap.
 *   then         the bitmap sectors, a bit for each region.
 *
 * docs/livemigrate.rst has the format byte by byte.
 *
 * Each chunk has two flags in memory:
 *
 *   active gate
 *     0     0   no bit of it is set on disk.  A write needs nothing.
 *     0     1   its bits on disk are trusted.  A write must not begin.
 *     1     1   a write wants to begin: a commit is on its way.
 *     1     0   its active-writes bit is on disk.  Writes go as they come.
 *
 * So the way of a write looks at the gate alone, and pays for the first write
 * into a chunk only where something was copied.
 *
 * dm-bufio writes dirty buffers whenever it likes.  So a buffer is changed only
 * here, to something that may be on disk at that moment, and written and
 * flushed before the next step.
 *
 * It is opened and read by metadata-load.c.  The bytes are metadata-format.c's.
 * What the bits mean to a migration, and when they may be saved, is save.c's.
 */
#include "metadata.h"

#include <linux/dm-bufio.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* ------------------------------------------------------------------------
 * Writing
 */

/* From now on nothing on the device counts, and nobody waits for it. */
static int lm_meta_fail(struct lm_meta *meta, int error)
{
	WRITE_ONCE(meta->failed, true);
	return error;
}

static void lm_meta_set_io(struct lm_meta *meta, bool in_io)
{
	spin_lock_irq(&meta->lock);
	meta->in_io = in_io;
	meta->io_since = jiffies;
	spin_unlock_irq(&meta->lock);
}

/*
 * Write and flush what was changed.  A buffer is filled to be written whole, so
 * it need not be read.
 */
static int lm_meta_sync(struct lm_meta *meta)
{
	int r;

	lm_meta_set_io(meta, true);
	r = dm_bufio_write_dirty_buffers(meta->bufio);
	lm_meta_set_io(meta, false);
	return r ? lm_meta_fail(meta, r) : 0;
}

static struct lm_disk_sector *lm_meta_block(struct lm_meta *meta, u64 block,
					    struct dm_buffer **buffer)
{
	struct lm_disk_sector *s = dm_bufio_new(meta->bufio, block, buffer);

	if (IS_ERR(s)) {
		lm_meta_fail(meta, PTR_ERR(s));
		return NULL;
	}
	memset(s, 0, LM_META_BLOCK);
	return s;
}

static void lm_meta_block_done(struct dm_buffer *buffer)
{
	dm_bufio_mark_buffer_dirty(buffer);
	dm_bufio_release(buffer);
}

/* Make a block of bits; @bits holds its own, @nr of them. */
static int lm_meta_put_bits(struct lm_meta *meta, u32 magic, u64 block,
			    const unsigned long *bits, u64 nr)
{
	struct lm_disk_sector *s;
	struct dm_buffer *buffer;
	unsigned int i;

	s = lm_meta_block(meta, block, &buffer);
	if (!s)
		return -EIO;
	for (i = 0; i < LM_META_BLOCK_SECTORS; i++) {
		lm_sector_set_bits(&s[i], bits + i * LM_META_LONGS,
				   lm_sector_nr((u64)i * LM_META_BITS, nr));
		lm_sector_seal(&s[i], meta->super.uuid, magic,
			       block * LM_META_BLOCK_SECTORS + i);
	}
	lm_meta_block_done(buffer);
	return 0;
}

static int __lm_meta_put_active(struct lm_meta *meta, u64 block)
{
	u64 first = block * LM_META_BLOCK_BITS;
	const unsigned long *active = meta->active + block * LM_META_BLOCK_LONGS;
	unsigned int i;

	lockdep_assert_held(&meta->commit);

	/* As it is now: writers go on setting bits. */
	for (i = 0; i < LM_META_BLOCK_LONGS; i++)
		meta->written[i] = READ_ONCE(active[i]);
	return lm_meta_put_bits(meta, LM_META_ACTIVE, meta->active_block + block,
				meta->written,
				min_t(u64, meta->nr_chunks - first,
				      LM_META_BLOCK_BITS));
}

/* Write the blocks of active writes that have changed, and open the gates. */
static int __lm_meta_commit_active(struct lm_meta *meta)
{
	u64 block = 0;
	unsigned int i;
	int r;

	lockdep_assert_held(&meta->commit);

	for (;;) {
		unsigned long *gate;

		block = find_next_bit(meta->changed, meta->active_blocks, block);
		if (block >= meta->active_blocks)
			return 0;
		/* Before the bits are read: pairs with lm_meta_want(). */
		if (!test_and_clear_bit(block, meta->changed))
			continue;
		r = __lm_meta_put_active(meta, block);
		if (!r)
			r = lm_meta_sync(meta);
		if (r)
			return r;
		gate = meta->gate + block * LM_META_BLOCK_LONGS;
		for (i = 0; i < LM_META_BLOCK_LONGS; i++)
			if (gate[i] & meta->written[i])
				atomic_long_andnot(meta->written[i],
						   (atomic_long_t *)&gate[i]);
		block++;
	}
}

/* Both copies, one after the other. */
static int __lm_meta_put_super(struct lm_meta *meta, u32 flags)
{
	unsigned int copy;
	int r;

	lockdep_assert_held(&meta->commit);

	meta->super.generation++;
	for (copy = 0; copy < LM_META_COPIES; copy++) {
		struct lm_disk_sector *s;
		struct dm_buffer *buffer;

		s = lm_meta_block(meta, copy, &buffer);
		if (!s)
			return -EIO;
		lm_super_encode(&meta->super, s, flags, copy);
		lm_meta_block_done(buffer);
		r = lm_meta_sync(meta);
		if (r)
			return r;
	}
	return 0;
}

/* Nothing is set on a new device; its bitmap needs no writing for that. */
static int __lm_meta_format(struct lm_meta *meta)
{
	u64 block;

	for (block = 0; block < meta->active_blocks; block++) {
		int r = __lm_meta_put_active(meta, block);

		if (r)
			return r;
	}
	return lm_meta_sync(meta);
}

/**
 * lm_meta_record - make a state durable
 * @meta: the metadata.
 * @get: gives the state; called once nobody else can write one any more.
 * @arg: for @get.
 *
 * The first one flushes in any case: after a crash that spared the device's
 * cache, what was read may have been in there alone, and go with the next one.
 *
 * Context: process, sleeps for the metadata device.
 * Return: 0, or an error: then the metadata has failed.
 */
int lm_meta_record(struct lm_meta *meta,
		   void (*get)(void *arg, struct lm_meta_state *state),
		   void *arg)
{
	struct lm_meta_state state;
	int r = -EIO;
	u32 flags;

	mutex_lock(&meta->commit);
	if (meta->failed)
		goto out;
	/*
	 * Nobody may rely on what is about to be overwritten: who finds this
	 * asks again, and who did not has changed the state before we look.
	 */
	flags = lm_super_flags(&meta->super.state);
	WRITE_ONCE(meta->recording, meta->recording + 1);
	/* Pairs with lm_meta_records_complete(). */
	smp_wmb();
	WRITE_ONCE(meta->super.state.source_incomplete, false);
	/* Pairs with lm_save_lacks() and lm_save_complete(). */
	smp_mb();
	get(arg, &state);
	r = 0;
	if (!meta->is_new && lm_super_flags(&state) == flags) {
		if (!meta->begun)
			r = lm_meta_sync(meta);
		if (!r)
			WRITE_ONCE(meta->super.state.source_incomplete,
				   state.source_incomplete);
		goto begun;
	}
	if (meta->is_new)
		r = __lm_meta_format(meta);
	if (!r)
		r = __lm_meta_put_super(meta, lm_super_flags(&state));
	if (!r) {
		meta->is_new = false;
		/* Looked at without the mutex: lm_meta_records_incomplete(). */
		meta->super.state = state;
	}
begun:
	meta->begun |= !r;
	/* After what it says now. */
	smp_store_release(&meta->recording, meta->recording + 1);
out:
	mutex_unlock(&meta->commit);
	return r;
}

/**
 * lm_meta_records_incomplete - is it durable that the source may lack a write?
 * @meta: the metadata.
 *
 * Context: any.
 */
bool lm_meta_records_incomplete(const struct lm_meta *meta)
{
	return READ_ONCE(meta->super.state.source_incomplete) ||
	       (READ_ONCE(meta->super.state.standby) == LM_DROPPED &&
		READ_ONCE(meta->super.state.active) == LM_DEST);
}

/**
 * lm_meta_records_complete - is it durable that the source lacks nothing?
 * @meta: the metadata.
 *
 * Not while a state is being written: it may be one that says otherwise.
 *
 * Context: any.
 */
bool lm_meta_records_complete(const struct lm_meta *meta)
{
	/* Pairs with the end of lm_meta_record(). */
	unsigned int recording = smp_load_acquire(&meta->recording);
	bool incomplete = lm_meta_records_incomplete(meta);

	/* Pairs with its beginning. */
	smp_rmb();
	return !(recording & 1) && !incomplete &&
	       READ_ONCE(meta->recording) == recording;
}

/**
 * lm_meta_has_failed - has a write of metadata failed?
 * @meta: the metadata.
 *
 * Context: any.
 */
bool lm_meta_has_failed(const struct lm_meta *meta)
{
	return READ_ONCE(meta->failed);
}

/**
 * lm_meta_invalidate - let failed metadata say that it is out of date
 * @meta: the metadata, which has failed.
 *
 * Context: process, sleeps for the metadata device.
 * Return: true if it says so now.
 */
bool lm_meta_invalidate(struct lm_meta *meta)
{
	bool done;

	mutex_lock(&meta->commit);
	done = meta->stale || !__lm_meta_put_super(meta, LM_DISK_STALE);
	WRITE_ONCE(meta->stale, done);
	mutex_unlock(&meta->commit);
	return done;
}

/**
 * lm_meta_is_stale - does failed metadata say that it is out of date?
 * @meta: the metadata.
 *
 * Context: any.
 */
bool lm_meta_is_stale(const struct lm_meta *meta)
{
	return READ_ONCE(meta->stale);
}

/* ------------------------------------------------------------------------
 * Gates
 */

/**
 * lm_meta_is_open - may a write into a chunk go now?
 * @meta: the metadata.
 * @chunk: the chunk; the write's range is held.
 *
 * Context: any, no lock.
 */
bool lm_meta_is_open(const struct lm_meta *meta, u64 chunk)
{
	return !test_bit(chunk, meta->gate) || READ_ONCE(meta->failed);
}

/* Let the next commit set a chunk's active-writes bit. */
static void lm_meta_want(struct lm_meta *meta, u64 chunk)
{
	set_bit(chunk, meta->active);
	/* After the bit: pairs with __lm_meta_commit_active(). */
	smp_mb__after_atomic();
	set_bit(chunk / LM_META_BLOCK_BITS, meta->changed);
}

/**
 * lm_meta_enter - a write is about to begin in a chunk
 * @meta: the metadata.
 * @chunk: the chunk; the write's range is held.
 * @wait: @ready is set.
 *
 * Context: any; takes lm_meta.lock.
 * Return: true if it may; else lm_meta_commit() is to be called, and @wait's
 * ready when it may.
 */
bool lm_meta_enter(struct lm_meta *meta, u64 chunk, struct lm_meta_wait *wait)
{
	unsigned long flags;
	bool open;

	if (likely(lm_meta_is_open(meta, chunk)))
		return true;

	spin_lock_irqsave(&meta->lock, flags);
	open = lm_meta_is_open(meta, chunk);
	if (!open) {
		lm_meta_want(meta, chunk);
		wait->chunk = chunk;
		wait->since = jiffies;
		list_add_tail(&wait->node, &meta->waiting);
	}
	spin_unlock_irqrestore(&meta->lock, flags);
	return open;
}

/**
 * lm_meta_release - let those go on that need wait no more
 * @meta: the metadata.
 *
 * Context: process.
 */
void lm_meta_release(struct lm_meta *meta)
{
	struct lm_meta_wait *wait, *next;
	LIST_HEAD(ready);

	spin_lock_irq(&meta->lock);
	list_for_each_entry_safe(wait, next, &meta->waiting, node)
		if (lm_meta_is_open(meta, wait->chunk))
			list_move_tail(&wait->node, &ready);
	spin_unlock_irq(&meta->lock);

	list_for_each_entry_safe(wait, next, &ready, node)
		wait->ready(wait);
}

/**
 * lm_meta_commit - make the active-writes bits durable that are wanted
 * @meta: the metadata.
 *
 * All that wait share it.
 *
 * Context: process, sleeps for the metadata device.
 */
void lm_meta_commit(struct lm_meta *meta)
{
	mutex_lock(&meta->commit);
	if (!meta->failed)
		__lm_meta_commit_active(meta);
	mutex_unlock(&meta->commit);
	lm_meta_release(meta);
}

/**
 * lm_meta_give_up - metadata has failed if it has not answered for too long
 * @meta: the metadata.
 * @timeout: for so many jiffies; 0 if that is known already.
 *
 * Context: process.
 * Return: true if it has failed just now.
 */
bool lm_meta_give_up(struct lm_meta *meta, unsigned long timeout)
{
	struct lm_meta_wait *first;
	bool overdue = !timeout;

	spin_lock_irq(&meta->lock);
	first = list_first_entry_or_null(&meta->waiting, struct lm_meta_wait,
					 node);
	overdue |= first && time_after(jiffies, first->since + timeout);
	overdue |= meta->in_io && time_after(jiffies, meta->io_since + timeout);
	overdue &= !meta->failed;
	if (overdue)
		lm_meta_fail(meta, -ETIMEDOUT);
	spin_unlock_irq(&meta->lock);
	return overdue;
}

/* ------------------------------------------------------------------------
 * Saving
 */

/**
 * lm_meta_claim - a chunk's bits are about to be saved for the first time
 * @meta: the metadata.
 * @chunk: the chunk.
 * @quiet: no guest's range is held there, and the bucket's lock is.
 *
 * From now on a write into it waits for its active-writes bit.  If one is under
 * way, that bit is set first.
 *
 * Context: process, in turn with all else that saves.
 */
void lm_meta_claim(struct lm_meta *meta, u64 chunk, bool quiet)
{
	/*
	 * Before the gate, or somebody could wait for what nobody writes; the
	 * gate after a commit by somebody else does no harm either.
	 */
	if (!quiet)
		lm_meta_want(meta, chunk);
	set_bit(chunk, meta->gate);
	if (!quiet)
		set_bit(chunk / LM_META_BLOCK_BITS, meta->changed);
}

/**
 * lm_meta_is_claimed - has a chunk been claimed, or does it have its bit?
 * @meta: the metadata.
 * @chunk: the chunk.
 *
 * Context: process, in turn with all else that saves.
 */
bool lm_meta_is_claimed(const struct lm_meta *meta, u64 chunk)
{
	return test_bit(chunk, meta->gate) || test_bit(chunk, meta->active);
}

/**
 * lm_meta_next_active - find a chunk that has its active-writes bit
 * @meta: the metadata.
 * @chunk: first to look at.
 *
 * Context: process.
 * Return: the chunk, or the number of chunks.
 */
u64 lm_meta_next_active(const struct lm_meta *meta, u64 chunk)
{
	return find_next_bit(meta->active, meta->nr_chunks, chunk);
}

/**
 * lm_meta_retire - a chunk's active-writes bit is not needed any more
 * @meta: the metadata.
 * @chunk: the chunk: nobody writes there, the legs were flushed since somebody
 *	did, and its bits are saved as they are.  The bucket's lock is held.
 *
 * Context: process, in turn with all else that saves, under lm_meta.commit:
 * from the callback of lm_meta_save().
 */
void lm_meta_retire(struct lm_meta *meta, u64 chunk)
{
	lockdep_assert_held(&meta->commit);

	/* One whose commit is under way is wanted. */
	if (test_bit(chunk, meta->gate))
		return;
	/* In this order: who finds the gate shut sets the bit again. */
	clear_bit(chunk, meta->active);
	/* Pairs with the bucket's lock, which that one has taken since. */
	smp_mb__after_atomic();
	set_bit(chunk, meta->gate);
	set_bit(chunk / LM_META_BLOCK_BITS, meta->changed);
}

/**
 * lm_meta_doubt - bits were cleared that may be on disk, and are trusted there
 * @meta: the metadata.
 * @chunk: their chunk, which was marked as unsaved before.
 *
 * Sets its active-writes bit, as if somebody wanted to write there: the next
 * lm_meta_commit() makes that durable, which a save may never come to.
 *
 * Context: any.
 */
void lm_meta_doubt(struct lm_meta *meta, u64 chunk)
{
	/* Pairs with lm_save_retire_chunk(): it sees the mark, or we the gate. */
	smp_mb();
	if (test_bit(chunk, meta->gate))
		lm_meta_want(meta, chunk);
}

/**
 * lm_meta_block_chunks - the chunks whose bits lie in one block
 * @meta: the metadata.
 * @chunk: one of them.
 * @end: the chunk behind the last.
 *
 * Context: any.
 * Return: the first.
 */
u64 lm_meta_block_chunks(const struct lm_meta *meta, u64 chunk, u64 *end)
{
	u64 nr = LM_META_BLOCK_BITS / meta->chunk_regions;
	u64 first = div64_u64(chunk, nr) * nr;

	*end = min(first + nr, meta->nr_chunks);
	return first;
}

/**
 * lm_meta_snapshot - remember the bits of the blocks to be saved
 * @meta: the metadata.
 * @b: the bitmap.
 * @chunks: one chunk of each block.
 * @nr: how many blocks, at most LM_META_BATCH.
 *
 * Context: process, in turn with all else that saves.
 */
void lm_meta_snapshot(struct lm_meta *meta, const struct lm_bitmap *b,
		      const u64 *chunks, unsigned int nr)
{
	unsigned long *bits = meta->bits;
	unsigned int n, i;

	meta->batch_len = nr;
	for (n = 0; n < nr; n++) {
		u64 block = div64_u64(chunks[n] * meta->chunk_regions,
				      LM_META_BLOCK_BITS);
		u64 first = block * LM_META_BLOCK_LONGS;

		meta->batch[n] = block;
		for (i = 0; i < LM_META_BLOCK_LONGS; i++)
			*bits++ = lm_bitmap_word(b, first + i);
	}
}

/* A chunk that is not claimed has nothing on disk. */
static void lm_meta_mask_block(struct lm_meta *meta, u64 block,
			       unsigned long *bits)
{
	u64 nr = LM_META_BLOCK_BITS / meta->chunk_regions;
	u64 chunk = block * nr;
	unsigned int i;

	for (i = 0; i < nr && chunk + i < meta->nr_chunks; i++)
		if (!lm_meta_is_claimed(meta, chunk + i))
			bitmap_clear(bits, i * meta->chunk_regions,
				     meta->chunk_regions);
}

/* Of what was remembered of a block, what is set now as well. */
static void lm_meta_keep_bits(struct lm_meta *meta, const struct lm_bitmap *b,
			      unsigned int n)
{
	unsigned long *bits = meta->bits + n * LM_META_BLOCK_LONGS;
	u64 block = meta->batch[n];
	unsigned int i;

	for (i = 0; i < LM_META_BLOCK_LONGS; i++)
		bits[i] &= lm_bitmap_word(b, block * LM_META_BLOCK_LONGS + i);
	lm_meta_mask_block(meta, block, bits);
}

static int lm_meta_put_bitmap(struct lm_meta *meta, unsigned int n)
{
	u64 block = meta->batch[n];

	return lm_meta_put_bits(meta, LM_META_BITMAP, meta->bitmap_block + block,
				meta->bits + n * LM_META_BLOCK_LONGS,
				min_t(u64, meta->nr_regions -
					   block * LM_META_BLOCK_BITS,
				      LM_META_BLOCK_BITS));
}

/**
 * lm_meta_save - save what was remembered, as far as it still holds
 * @meta: the metadata.
 * @b: the bitmap.
 * @holds: is what the flush has told still true?  Called once the bits of now
 *	were looked at, and before anything is made of them.
 * @retire: called when the bits are on disk; calls lm_meta_retire().
 * @arg: for both.
 *
 * Both legs were flushed since lm_meta_snapshot().
 *
 * Context: process, sleeps for the metadata device.
 * Return: 0; -EAGAIN if that does not hold: nothing was saved; or another error:
 * then the metadata has failed.
 */
int lm_meta_save(struct lm_meta *meta, const struct lm_bitmap *b,
		 bool (*holds)(void *arg), void (*retire)(void *arg), void *arg)
{
	unsigned int n;
	int r = -EIO;

	mutex_lock(&meta->commit);
	if (meta->failed)
		goto out;
	/* What is wanted now may be for bits that are about to be saved. */
	r = __lm_meta_commit_active(meta);
	if (r)
		goto out;
	for (n = 0; n < meta->batch_len; n++)
		lm_meta_keep_bits(meta, b, n);
	/*
	 * A bit that was cleared and set again since the snapshot looks as if
	 * nothing had happened: who set it did so after the loss was counted.
	 */
	smp_rmb();
	if (!holds(arg)) {
		r = -EAGAIN;
		goto out;
	}
	for (n = 0; !r && n < meta->batch_len; n++)
		r = lm_meta_put_bitmap(meta, n);
	if (!r)
		r = lm_meta_sync(meta);
	if (!r) {
		retire(arg);
		r = __lm_meta_commit_active(meta);
	}
out:
	mutex_unlock(&meta->commit);
	return r;
}
