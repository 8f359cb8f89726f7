/* SPDX-License-Identifier: GPL-2.0-only */
/* What dm-livemigrate.h and leg.c must know about bios. */
#ifndef SHIM_BIO_H
#define SHIM_BIO_H

#include <linux/atomic.h>
#include <linux/types.h>

struct block_device;
struct bvec_iter { sector_t bi_sector; };
struct bio_vec { void *bv_page; };
struct bio {
	struct block_device *bi_bdev;
	struct bvec_iter bi_iter;
	blk_opf_t bi_opf;
	blk_status_t bi_status;
	unsigned short bi_vcnt;
	void *bi_private;
	void (*bi_end_io)(struct bio *bio);
};

struct bio_list { struct bio *head; };
struct bio_set { void *pool; };

#endif
