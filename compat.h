/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that this module builds on, probed by
 * what the headers offer, never by a version number: stable kernels carry
 * backports.  Included by .c files only.
 */
#ifndef DM_LIVEMIGRATE_COMPAT_H
#define DM_LIVEMIGRATE_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>

/* Older uapi headers keep the flag inside dm's own sources. */
#ifndef DM_STATUS_NOFLUSH_FLAG
#define DM_STATUS_NOFLUSH_FLAG (1 << 0)
#endif

/* A table's mode is an fmode_t up to 6.4, a blk_mode_t since. */
#ifdef BLK_OPEN_WRITE
#define LM_MODE_WRITE BLK_OPEN_WRITE
#else
#define LM_MODE_WRITE FMODE_WRITE
#endif

/*
 * Since 6.11 a queue's features are part of its limits: stacking them clears
 * what one leg lacks.  Before, dm asks each leg that it is shown.
 */
#ifdef BLK_FEAT_POLL
#define lm_bdev_polls(bdev) \
	(bdev_get_queue(bdev)->limits.features & BLK_FEAT_POLL)
#define lm_keep_features(limits, told) \
	((limits)->features |= (told)->features & (BLK_FEAT_NOWAIT | BLK_FEAT_POLL))
#else
#define lm_bdev_polls(bdev) \
	test_bit(QUEUE_FLAG_POLL, &bdev_get_queue(bdev)->queue_flags)
#define lm_keep_features(limits, told) do { } while (0)
#endif

/*
 * Does dm count what the device does?  Older kernels always do, and leave the flag
 * unset; those in between, where one may switch it off, cannot be told from them.
 */
#ifdef BLK_FEAT_IO_STAT
#define lm_counts_io(disk) blk_queue_io_stat((disk)->queue)
#else
#define lm_counts_io(disk) true
#endif

/* On resume, after dm has set its own flag.  Since 6.11 that is stacked, too. */
#ifdef QUEUE_FLAG_STABLE_WRITES
#define lm_hand_on_stable_writes(disk, bdev) do { \
	if (bdev_stable_writes(bdev)) \
		blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, (disk)->queue); \
} while (0)
#else
#define lm_hand_on_stable_writes(disk, bdev) do { } while (0)
#endif
#endif
