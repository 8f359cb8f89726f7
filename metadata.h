/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open metadata device, between metadata.c, which writes it, and metadata-load.c,
 * which opens and reads it.
 */
#ifndef DM_LIVEMIGRATE_METADATA_H
#define DM_LIVEMIGRATE_METADATA_H

#include "metadata-format.h"

#include <linux/mutex.h>

struct dm_bufio_client;

/**
 * struct lm_meta - an open metadata device.
 * @bufio: its blocks.
 * @super: what the superblock says.
 * @is_new: there is nothing on it yet.
 * @failed: a write has failed: nothing on it counts any more.
 * @stale: it says so itself.
 * @begun: it was flushed since it was read.
 * @recording: odd while a state is being written; grows each time.
 * @in_io: something is being written; under @lock.
 * @io_since: since then, jiffies.
 * @chunk_regions: how many regions a chunk has.
 * @nr_chunks: how many chunks there are.
 * @nr_regions: how many regions.
 * @active_block: where the active-writes blocks begin.
 * @active_blocks: how many.
 * @bitmap_block: where the bitmap's blocks begin.
 * @bitmap_blocks: how many.
 * @lock: guards @waiting, the step from "must wait" to "waits", and @in_io.
 * @waiting: writes that wait for their chunk's bit.
 * @commit: held while metadata is written; the only one who changes @gate, and
 *	clears bits of @active.
 * @active: a bit for each chunk, as it is to be on disk.
 * @gate: a bit for each chunk: a write must wait.
 * @changed: a bit for each block of @active that differs from the disk's.
 * @written: of one block of @active, what was written.
 * @batch_len: how many blocks of the bitmap are being saved.
 * @batch: which.
 * @bits: what their regions were before the flush.
 * @sector: the bits of one sector, while they are loaded.
 */
struct lm_meta {
	struct dm_bufio_client *bufio;
	struct lm_super super;
	bool is_new;
	bool failed;
	bool stale;
	bool begun;
	unsigned int recording;
	bool in_io;
	unsigned long io_since;

	unsigned int chunk_regions;
	u64 nr_chunks;
	u64 nr_regions;
	u64 active_block, active_blocks;
	u64 bitmap_block, bitmap_blocks;

	spinlock_t lock;
	struct list_head waiting;
	struct mutex commit;
	unsigned long *active;
	unsigned long *gate;
	unsigned long *changed;
	unsigned long *written;

	unsigned int batch_len;
	u64 batch[LM_META_BATCH];
	unsigned long *bits;
	unsigned long sector[LM_META_LONGS];
};

/* How many of @nr bits lie in the sector that begins with bit @first. */
static inline unsigned int lm_sector_nr(u64 first, u64 nr)
{
	return first < nr ? min_t(u64, nr - first, LM_META_BITS) : 0;
}

#endif
