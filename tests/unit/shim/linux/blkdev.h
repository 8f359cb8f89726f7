/* SPDX-License-Identifier: GPL-2.0-only */
/* What leg.c needs, which is built here for the sake of its flushes. */
#ifndef SHIM_BLKDEV_H
#define SHIM_BLKDEV_H

#include <linux/bio.h>
#include <linux/bitops.h>

#define REQ_OP_MASK		0xffU
#define REQ_OP_WRITE		1U
#define REQ_OP_DISCARD		3U
#define REQ_OP_WRITE_ZEROES	9U
#define bio_op(bio)		((bio)->bi_opf & REQ_OP_MASK)
#define REQ_SYNC		(1U << 11)
#define REQ_META		(1U << 12)
#define REQ_PRIO		(1U << 13)
#define REQ_IDLE		(1U << 14)
#define REQ_FUA			(1U << 15)
#define REQ_PREFLUSH		(1U << 16)
#define REQ_BACKGROUND		(1U << 17)
#define REQ_SWAP		(1U << 18)
#define REQ_NOUNMAP		(1U << 19)

#define BLK_STS_OK		0
#define BLK_STS_NOTSUPP		1
#define BLK_STS_TARGET		5
#define BLK_STS_IOERR		10
#define BLK_STS_AGAIN		12

#define blk_status_to_errno(status)	((status) ? -EIO : 0)
#define hweight32(w)			__builtin_popcount(w)

struct block_device {
	bool zeroes, discards;
	unsigned int io_opt, granularity;
	sector_t begins;
	/*
	 * As a metadata device; @power: sectors that still reach the medium;
	 * @during: what happens while something is written.
	 */
	u8 *image;
	sector_t sectors;
	unsigned int block;
	u64 power;
	bool broken;
	void (*during)(void);
};

#define to_sector(bytes)		((bytes) >> SECTOR_SHIFT)
#define bdev_nr_sectors(bdev)		((bdev)->sectors)
#define bdev_logical_block_size(bdev)	((bdev)->block)

#define bdev_write_zeroes_sectors(bdev)	((bdev)->zeroes)
#define bdev_max_discard_sectors(bdev)	((bdev)->discards)
#define bdev_io_opt(bdev)		((int)(bdev)->io_opt)
#define bdev_discard_granularity(bdev)	((bdev)->granularity)
#define get_start_sect(bdev)		((bdev)->begins)

static inline void bio_init(struct bio *bio, struct block_device *bdev,
			    struct bio_vec *vecs, unsigned short nr,
			    blk_opf_t opf)
{
	(void)vecs;
	(void)nr;
	memset(bio, 0, sizeof(*bio));
	bio->bi_bdev = bdev;
	bio->bi_opf = opf;
}

int blkdev_issue_flush(struct block_device *bdev);
void submit_bio_noacct(struct bio *bio);
void dm_submit_bio_remap(struct bio *clone, struct bio *bio);

#endif
