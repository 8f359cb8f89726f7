// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metadata device, opened and read: is it ours, is it whole, and which bits may
 * be trusted.  What is damaged is read the safe way: a chunk whose active-writes
 * sector cannot be read counts as written to, a bit that cannot be read as clear.
 */
#include "metadata.h"

#include <linux/dm-bufio.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* ------------------------------------------------------------------------
 * Opening
 */

static enum lm_super_verdict lm_meta_read_super(struct lm_meta *meta,
						unsigned int copy,
						struct lm_super *super)
{
	enum lm_super_verdict verdict;
	struct lm_disk_sector *block;
	struct dm_buffer *buffer;

	block = dm_bufio_read(meta->bufio, copy, &buffer);
	if (IS_ERR(block))
		return LM_SUPER_BAD;
	verdict = lm_super_decode(block, copy, super);
	dm_bufio_release(buffer);
	return verdict;
}

/* Take over what the newer of the good copies says. */
static int lm_meta_load_super(struct lm_meta *meta, char *why, size_t len)
{
	unsigned int copy, none = 0;
	struct lm_super super;
	bool found = false;

	for (copy = 0; copy < LM_META_COPIES; copy++) {
		switch (lm_meta_read_super(meta, copy, &super)) {
		case LM_SUPER_GOOD:
			if (!found || super.generation > meta->super.generation)
				meta->super = super;
			found = true;
			break;
		case LM_SUPER_NONE:
			none++;
			break;
		case LM_SUPER_BAD:
			break;
		}
	}
	meta->is_new = none == LM_META_COPIES;
	if (found || meta->is_new)
		return 0;
	snprintf(why, len,
		 "the metadata device holds neither sound metadata nor zeroes: name another, or zero its first 8 KiB if nothing on it is needed");
	return -EINVAL;
}

/**
 * lm_meta_close - let a metadata device go
 * @meta: nothing is being written; NULL will do.
 *
 * Writes nothing.
 *
 * Context: process, may sleep.
 */
void lm_meta_close(struct lm_meta *meta)
{
	if (!meta)
		return;
	vfree(meta->active);
	vfree(meta->gate);
	vfree(meta->changed);
	vfree(meta->bits);
	kfree(meta->written);
	if (meta->bufio)
		dm_bufio_client_destroy(meta->bufio);
	kfree(meta);
}

static int lm_meta_layout(struct lm_meta *meta, sector_t size, char *why,
			  size_t len)
{
	const struct lm_geometry *g = &meta->super.geometry;
	u64 blocks;

	meta->chunk_regions = LM_CHUNK_SECTORS / g->region_size;
	meta->nr_chunks = DIV_ROUND_UP_ULL(g->len, LM_CHUNK_SECTORS);
	meta->nr_regions = DIV_ROUND_UP_ULL(g->len, g->region_size);
	meta->active_block = LM_META_COPIES;
	meta->active_blocks = DIV_ROUND_UP_ULL(meta->nr_chunks,
					       LM_META_BLOCK_BITS);
	meta->bitmap_block = meta->active_block + meta->active_blocks;
	meta->bitmap_blocks = DIV_ROUND_UP_ULL(meta->nr_regions,
					       LM_META_BLOCK_BITS);
	blocks = meta->bitmap_block + meta->bitmap_blocks;
	if (size < blocks * LM_META_BLOCK_SECTORS) {
		snprintf(why, len,
			 "the metadata device has %llu sectors, and %llu are needed: name a larger one, or choose a larger region_size",
			 (u64)size, blocks * LM_META_BLOCK_SECTORS);
		return -ENOSPC;
	}
	return 0;
}

static int lm_meta_alloc(struct lm_meta *meta)
{
	/* A block more, so that the last one can be handled as a whole. */
	size_t longs = (meta->active_blocks + 1) * LM_META_BLOCK_LONGS;

	meta->active = vzalloc(longs * sizeof(long));
	meta->gate = vzalloc(longs * sizeof(long));
	meta->changed = vzalloc(BITS_TO_LONGS(meta->active_blocks) *
				sizeof(long));
	meta->bits = vzalloc(LM_META_BATCH * LM_META_BLOCK_LONGS * sizeof(long));
	meta->written = kcalloc(LM_META_BLOCK_LONGS, sizeof(long), GFP_KERNEL);
	return meta->active && meta->gate && meta->changed && meta->bits &&
	       meta->written ? 0 : -ENOMEM;
}

/**
 * lm_meta_open - open a metadata device and read its superblock
 * @bdev: the device; stays open as long as the metadata does.
 * @g: what the table asks for; its region_size is 0 if it does not say.
 * @region_size: for new metadata, if @g does not say; sectors.
 * @why: on error, a sentence.
 * @len: size of @why, bytes.
 *
 * Writes nothing.  A device that begins with 8 KiB of zeroes is new; what else
 * holds no sound metadata of this migration is refused.
 *
 * Context: process, may sleep, reads.
 * Return: the metadata for lm_meta_close(), or an ERR_PTR.
 */
struct lm_meta *lm_meta_open(struct block_device *bdev,
			     const struct lm_geometry *g,
			     unsigned int region_size, char *why, size_t len)
{
	sector_t size = bdev_nr_sectors(bdev);
	struct lm_meta *meta;
	int r = -ENOMEM;

	snprintf(why, len, "no memory for the metadata");
	meta = kzalloc(sizeof(*meta), GFP_KERNEL);
	if (!meta)
		return ERR_PTR(r);
	spin_lock_init(&meta->lock);
	INIT_LIST_HEAD(&meta->waiting);
	mutex_init(&meta->commit);

	if (size < LM_META_COPIES * LM_META_BLOCK_SECTORS ||
	    bdev_logical_block_size(bdev) > LM_META_BLOCK) {
		snprintf(why, len,
			 "the metadata device has %llu sectors and logical blocks of %u bytes: it needs more than 16, and blocks of at most 4096",
			 (u64)size, bdev_logical_block_size(bdev));
		r = -EINVAL;
		goto bad;
	}
	meta->bufio = dm_bufio_client_create(bdev, LM_META_BLOCK, 1, 0, NULL,
					     NULL, 0);
	if (IS_ERR(meta->bufio)) {
		r = PTR_ERR(meta->bufio);
		meta->bufio = NULL;
		goto bad;
	}
	r = lm_meta_load_super(meta, why, len);
	if (r)
		goto bad;
	if (meta->is_new) {
		meta->super.geometry = *g;
		if (!g->region_size)
			meta->super.geometry.region_size = region_size;
		if (!g->leg[LM_SOURCE].size || !g->leg[LM_DEST].size) {
			snprintf(why, len,
				 "a migration that has ended needs no metadata: leave it out");
			r = -EINVAL;
			goto bad;
		}
		get_random_bytes(meta->super.uuid, sizeof(meta->super.uuid));
	} else {
		r = lm_super_check(&meta->super, g, why, len);
		if (r)
			goto bad;
	}
	r = lm_meta_layout(meta, size, why, len);
	if (!r)
		r = lm_meta_alloc(meta);
	if (!r)
		return meta;
bad:
	lm_meta_close(meta);
	return ERR_PTR(r);
}

/**
 * lm_meta_region_size - what a bit stands for
 * @meta: the metadata.
 *
 * Context: any.
 * Return: sectors.
 */
unsigned int lm_meta_region_size(const struct lm_meta *meta)
{
	return meta->super.geometry.region_size;
}

/**
 * lm_meta_recorded - the state that the metadata tells of
 * @meta: the metadata.
 * @state: where it goes.
 *
 * Context: process, while nothing is written.
 * Return: false if it is new and tells of none.
 */
bool lm_meta_recorded(const struct lm_meta *meta, struct lm_meta_state *state)
{
	*state = meta->super.state;
	return !meta->is_new;
}

/* ------------------------------------------------------------------------
 * Reading the bits
 */

/*
 * One sector's bits, [first, first + nr) of what it is one of.  A sector that
 * cannot be read, or is not ours, reads as @otherwise.  False if it cannot be
 * read: then another try may find something else, so the disk does not say what
 * we take it to say, and is to be written to first.
 */
static bool lm_meta_read_bits(struct lm_meta *meta, u32 magic, u64 sector,
			      unsigned int nr, bool otherwise)
{
	struct lm_disk_sector *s;
	struct dm_buffer *buffer;

	if (otherwise)
		bitmap_fill(meta->sector, LM_META_BITS);
	else
		bitmap_zero(meta->sector, LM_META_BITS);

	s = dm_bufio_read(meta->bufio, sector / LM_META_BLOCK_SECTORS, &buffer);
	if (IS_ERR(s))
		return false;
	s += sector % LM_META_BLOCK_SECTORS;
	if (lm_sector_is_ours(s, meta->super.uuid, magic, sector))
		lm_sector_get_bits(s, meta->sector, nr);
	dm_bufio_release(buffer);
	return true;
}

static void lm_meta_load_active(struct lm_meta *meta)
{
	u64 sector = meta->active_block * LM_META_BLOCK_SECTORS, first;

	for (first = 0; first < meta->nr_chunks; first += LM_META_BITS) {
		unsigned int nr = lm_sector_nr(first, meta->nr_chunks);

		/* In doubt there was a write. */
		if (!lm_meta_read_bits(meta, LM_META_ACTIVE, sector++, nr, true)) {
			bitmap_copy(meta->gate + first / BITS_PER_LONG,
				    meta->sector, nr);
			set_bit(first / LM_META_BLOCK_BITS, meta->changed);
		}
		bitmap_copy(meta->active + first / BITS_PER_LONG, meta->sector,
			    nr);
	}
}

/* The bits of some chunks are not known: none may be written to unseen. */
static void lm_meta_doubt_chunks(struct lm_meta *meta, struct lm_bitmap *b,
				 u64 first, unsigned int nr)
{
	u64 chunk = first / meta->chunk_regions;
	u64 last = (first + nr - 1) / meta->chunk_regions;

	for (; chunk <= last; chunk++) {
		if (!test_bit(chunk, meta->active))
			set_bit(chunk, meta->gate);
		lm_unsaved_mark(b, chunk);
	}
}

/* The bits of one chunk, of which @meta->sector holds those from @bit on. */
static void lm_meta_load_chunk(struct lm_meta *meta, struct lm_bitmap *b,
			       u64 chunk, unsigned int bit)
{
	u64 first = chunk * meta->chunk_regions;
	unsigned int nr = min_t(u64, meta->chunk_regions,
				meta->nr_regions - first);
	unsigned int end = bit + nr, from = bit, to;
	bool saved = false;

	while ((from = find_next_bit(meta->sector, end, from)) < end) {
		to = find_next_zero_bit(meta->sector, end, from);
		saved = true;
		if (test_bit(chunk, meta->active))
			break;
		lm_bitmap_set(b, first + from - bit, to - from, LM_RESTORED);
		from = to;
	}
	if (!saved)
		return;
	if (test_bit(chunk, meta->active))
		lm_unsaved_mark(b, chunk);
	else
		set_bit(chunk, meta->gate);
}

/**
 * lm_meta_load - read the bits
 * @meta: the metadata.
 * @b: an empty bitmap of the same size, which keeps account of unsaved chunks.
 *
 * Sets the bits that can be trusted: those of chunks that nobody was writing
 * to.  A damaged sector of the bitmap reads as all clear, a damaged sector of
 * active writes as all set.
 *
 * Context: process, may sleep, reads.
 */
void lm_meta_load(struct lm_meta *meta, struct lm_bitmap *b)
{
	u64 sector = meta->bitmap_block * LM_META_BLOCK_SECTORS, first;
	unsigned int bit;

	if (meta->is_new)
		return;
	dm_bufio_prefetch(meta->bufio, meta->active_block, meta->active_blocks);
	lm_meta_load_active(meta);

	for (first = 0; first < meta->nr_regions; first += LM_META_BITS) {
		unsigned int nr = lm_sector_nr(first, meta->nr_regions);
		u64 chunk = first / meta->chunk_regions;

		if (!(sector % (64 * LM_META_BLOCK_SECTORS)))
			dm_bufio_prefetch(meta->bufio,
					  sector / LM_META_BLOCK_SECTORS, 64);
		if (!lm_meta_read_bits(meta, LM_META_BITMAP, sector++, nr, false))
			lm_meta_doubt_chunks(meta, b, first, nr);
		for (bit = 0; bit < nr; bit += meta->chunk_regions)
			lm_meta_load_chunk(meta, b, chunk++, bit);
		cond_resched();
	}
}
