// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a leg would be written as a whole.
 */
#include "unit.h"

#include <linux/blkdev.h>

#define MAX 512U

static struct block_device bdev;
static struct dm_dev dev = { &bdev };
static struct lm_target t;

static unsigned int granule(unsigned int io_opt, unsigned int granularity, bool discards,
			    sector_t begins, sector_t start)
{
	memset(&bdev, 0, sizeof(bdev));
	bdev.io_opt = io_opt << SECTOR_SHIFT;
	bdev.granularity = granularity << SECTOR_SHIFT;
	bdev.discards = discards;
	bdev.begins = begins;
	t.dev[LM_DEST] = &dev;
	t.start[LM_DEST] = start;
	return lm_leg_granule(&t, LM_DEST, MAX);
}

static void test_granule(void)
{
	CHECK_EQ(granule(0, 0, false, 0, 0), 1);
	CHECK_EQ(granule(128, 0, false, 0, 0), 128);
	CHECK_EQ(granule(MAX, 0, false, 0, 0), MAX);
	/* Of those that a guest would wait for, and of other sizes, none. */
	CHECK_EQ(granule(2 * MAX, 0, false, 0, 0), 1);
	CHECK_EQ(granule(192, 0, false, 0, 0), 1);
	/* Who does not discard has a granularity that means nothing. */
	CHECK_EQ(granule(128, 256, false, 0, 0), 128);
	CHECK_EQ(granule(128, 256, true, 0, 0), 256);
	CHECK_EQ(granule(256, 8, true, 0, 0), 256);
	/* Where it does not begin with one, nor does any piece. */
	CHECK_EQ(granule(128, 0, false, 2048, 128), 128);
	CHECK_EQ(granule(128, 0, false, 2048, 64), 1);
	CHECK_EQ(granule(128, 0, false, 63, 65), 128);
	CHECK_EQ(granule(128, 0, false, 63, 0), 1);
	/* A line without that leg. */
	t.dev[LM_DEST] = NULL;
	CHECK_EQ(lm_leg_granule(&t, LM_DEST, MAX), 1);
}

const struct unit_test leg_tests[] = {
	{ "leg: what it would be written as a whole", test_granule },
	{ NULL, NULL },
};
