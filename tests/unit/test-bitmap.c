// SPDX-License-Identifier: GPL-2.0-only
/* bitmap.c against arrays of bools and slow, obvious arithmetic. */
#include "unit.h"

static void make(struct lm_bitmap *b, sector_t nr_sectors, unsigned int shift)
{
	CHECK_EQ(lm_bitmap_init(b, nr_sectors, shift), 0);
}

static void bitmap_init(void)
{
	static const struct {
		sector_t sectors;
		unsigned int shift;
		u64 regions, chunks;
	} cases[] = {
		{ 1, 3, 1, 1 },
		{ 8, 3, 1, 1 },
		{ 9, 3, 2, 1 },
		{ 2047, 11, 1, 1 },
		{ 2048, 11, 1, 1 },
		{ 2049, 11, 2, 2 },
		{ 2048, 3, 256, 1 },
		{ 6145, 3, 769, 4 },
	};
	struct lm_bitmap b;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make(&b, cases[i].sectors, cases[i].shift);
		CHECK_EQ(b.nr_regions, cases[i].regions);
		CHECK_EQ(b.nr_chunks, cases[i].chunks);
		CHECK_EQ(lm_bitmap_done(&b), 0);
		CHECK(!lm_bitmap_full(&b));
		CHECK_EQ(lm_bitmap_next_clear(&b, 0, b.nr_regions), 0);
		CHECK_EQ(lm_unflushed_next(&b, 0, b.nr_chunks), b.nr_chunks);
		lm_bitmap_exit(&b);
		lm_bitmap_exit(&b);
	}
}

/* Region by region, as one would explain it. */
static void check_arithmetic(const struct lm_bitmap *b, sector_t start,
			     sector_t end, u64 from, u64 to)
{
	u64 touched = 0, covered = 0, first_touched = 0, first_covered = 0;
	u64 region, first, nr;

	for (region = from; region < to; region++) {
		sector_t left = region << b->region_shift;
		sector_t right = min((region + 1) << b->region_shift,
				     b->nr_sectors);

		if (start < right && left < end && !touched++)
			first_touched = region;
		if (start <= left && right <= end && !covered++)
			first_covered = region;
	}
	nr = lm_bitmap_touched(b, start, end, &first);
	CHECK_EQ(nr, touched);
	CHECK_EQ(first, first_touched);
	nr = lm_bitmap_covered(b, start, end, &first);
	CHECK_EQ(nr, covered);
	if (nr)
		CHECK_EQ(first, first_covered);
}

static void bitmap_arithmetic(void)
{
	sector_t start, end, nr;
	struct lm_bitmap b;

	/* All there is on a small device, whose last region may be short. */
	for (nr = 17; nr <= 32; nr++) {
		make(&b, nr, 3);
		for (start = 0; start < nr; start++)
			for (end = start + 1; end <= nr; end++)
				check_arithmetic(&b, start, end, 0, b.nr_regions);
		lm_bitmap_exit(&b);
	}
}

/* 64 TiB in regions of 4 KiB, and more: sums must not be cut to 32 bits. */
static void bitmap_large_arithmetic(void)
{
	unsigned int shift, i;

	for (shift = 3; shift <= 11; shift++) {
		struct lm_bitmap b = { .region_shift = shift };

		for (i = 0; i < 2000; i++) {
			sector_t start, end;

			b.nr_sectors = (1ULL << (37 + rnd(10))) +
				       (one_in(2) ? 0 : rnd(1U << shift));
			b.nr_regions = ((b.nr_sectors - 1) >> shift) + 1;
			b.nr_chunks = ((b.nr_sectors - 1) >> LM_CHUNK_SHIFT) + 1;
			start = one_in(2) ? b.nr_sectors - 1 - rnd(5000) :
				unit_rand64() % (b.nr_sectors - 1);
			end = min(start + 1 + rnd(4096), b.nr_sectors);
			check_arithmetic(&b, start, end,
					 (start >> shift) - !!(start >> shift),
					 min((end >> shift) + 2, b.nr_regions));
		}
	}
}

static void check_against(const struct lm_bitmap *b, const bool *model)
{
	u64 i, n = 0, from = rnd(b->nr_regions), nr, run;
	bool all = true, any = false;

	for (i = 0; i < b->nr_regions; i++)
		n += model[i];
	CHECK_EQ(lm_bitmap_done(b), n);
	CHECK_EQ(lm_bitmap_full(b), n == b->nr_regions);

	nr = 1 + rnd(b->nr_regions - from);
	for (i = from; i < from + nr; i++) {
		all = all && model[i];
		any = any || model[i];
	}
	CHECK_EQ(lm_bitmap_all_set(b, from, nr), all);
	CHECK_EQ(lm_bitmap_any_set(b, from, nr), any);

	for (i = from; i < from + nr && model[i]; i++)
		;
	CHECK_EQ(lm_bitmap_next_clear(b, from, from + nr), i);

	/* It may be asked to look beyond the end. */
	run = 1 + rnd(b->nr_regions);
	for (i = from; i < min(from + run, b->nr_regions) && !model[i]; i++)
		;
	CHECK_EQ(lm_bitmap_clear_run(b, from, run), i - from);
}

static void bitmap_random(void)
{
	static const u64 sizes[] = { 1, 63, 64, 65, 127, 128, 129, 200, 320 };
	bool model[320];
	unsigned int s, i;

	for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		struct lm_bitmap b;

		make(&b, sizes[s] * 8 - rnd(8), 3);
		CHECK_EQ(b.nr_regions, sizes[s]);
		memset(model, 0, sizeof(model));
		for (i = 0; i < 20000; i++) {
			u64 first = rnd(sizes[s]), j, changed = 0;
			u64 nr = 1 + rnd(one_in(4) ? sizes[s] - first :
					 min_t(u64, 3, sizes[s] - first));
			bool set = rnd(16) < (i & 1024 ? 14 : 4);

			for (j = first; j < first + nr; j++) {
				changed += model[j] != set;
				model[j] = set;
			}
			if (set)
				CHECK_EQ(lm_bitmap_set(&b, first, nr,
						       rnd(LM_NR_CAUSES)), changed);
			else
				CHECK_EQ(lm_bitmap_clear(&b, first, nr), changed);
			check_against(&b, model);
		}
		lm_bitmap_exit(&b);
	}
}

/* Each cause has its own counter, and a bit that is set already counts none. */
static void bitmap_counters(void)
{
	struct lm_bitmap b;

	make(&b, 800, 3);
	CHECK_EQ(lm_bitmap_set(&b, 0, 10, LM_COPIED), 10);
	CHECK_EQ(lm_bitmap_set(&b, 5, 10, LM_WRITTEN), 5);
	CHECK_EQ(lm_bitmap_set(&b, 0, 20, LM_ZERO), 5);
	CHECK_EQ(lm_bitmap_clear(&b, 10, 80), 10);
	CHECK_EQ(lm_bitmap_set(&b, 10, 1, LM_RESTORED), 1);
	CHECK_EQ(atomic64_read(&b.set[LM_COPIED]), 10);
	CHECK_EQ(atomic64_read(&b.set[LM_WRITTEN]), 5);
	CHECK_EQ(atomic64_read(&b.set[LM_ZERO]), 5);
	CHECK_EQ(atomic64_read(&b.set[LM_RESTORED]), 1);
	CHECK_EQ(atomic64_read(&b.cleared), 10);
	CHECK_EQ(lm_bitmap_done(&b), 11);
	lm_bitmap_exit(&b);
}

/* The scan goes on beyond one of its slices. */
static void bitmap_long_scan(void)
{
	u64 nr = (3ULL << 20) + 77;
	struct lm_bitmap b;

	make(&b, nr * 8, 3);
	CHECK_EQ(lm_bitmap_set(&b, 0, nr, LM_COPIED), nr);
	CHECK(lm_bitmap_full(&b));
	CHECK_EQ(lm_bitmap_next_clear(&b, 0, nr), nr);
	CHECK_EQ(lm_bitmap_clear(&b, nr - 1, 1), 1);
	CHECK_EQ(lm_bitmap_next_clear(&b, 5, nr), nr - 1);
	CHECK_EQ(lm_bitmap_next_clear(&b, 5, nr - 1), nr - 1);
	CHECK_EQ(lm_bitmap_clear(&b, 1 << 20, 1), 1);
	CHECK_EQ(lm_bitmap_next_clear(&b, 5, nr), 1 << 20);
	CHECK_EQ(lm_bitmap_next_clear(&b, (1 << 20) + 1, nr), nr - 1);
	CHECK_EQ(lm_bitmap_clear(&b, 0, nr), nr - 2);
	CHECK_EQ(lm_bitmap_clear_run(&b, 3, nr), nr - 3);
	lm_bitmap_exit(&b);
}

/*
 * A chunk is marked from lm_unflushed_mark() until a flush that began later
 * has ended well; one flush at a time collects.
 */
static void bitmap_unflushed(void)
{
	enum { NR = 150 };
	bool marked[NR] = { false }, covered[NR] = { false };
	bool collecting = false;
	struct lm_bitmap b;
	unsigned int i, c;

	make(&b, NR * LM_CHUNK_SECTORS - 5, 3);
	for (i = 0; i < 200000; i++) {
		sector_t start = (sector_t)rnd(NR) << LM_CHUNK_SHIFT;

		c = start >> LM_CHUNK_SHIFT;
		switch (rnd(16)) {
		case 0:
			CHECK_EQ(lm_unflushed_collect(&b), !collecting);
			if (collecting)
				break;
			collecting = true;
			memcpy(covered, marked, sizeof(covered));
			memset(marked, 0, sizeof(marked));
			break;
		case 1:
			if (!collecting)
				break;
			lm_unflushed_drop(&b);
			collecting = false;
			memset(covered, 0, sizeof(covered));
			break;
		case 2:
			if (!collecting)
				break;
			lm_unflushed_put_back(&b);
			collecting = false;
			for (c = 0; c < NR; c++)
				marked[c] |= covered[c];
			memset(covered, 0, sizeof(covered));
			break;
		case 3:
			if (collecting || !one_in(64))
				break;
			lm_unflushed_reset(&b);
			memset(marked, 0, sizeof(marked));
			break;
		case 4:
			lm_unflushed_mark(&b, start + rnd(LM_CHUNK_SECTORS));
			marked[c] = true;
			break;
		case 5:
			while (c < NR && !marked[c] && !covered[c])
				c++;
			CHECK_EQ(lm_unflushed_next(&b, start >> LM_CHUNK_SHIFT,
						   b.nr_chunks), c);
			break;
		default:
			CHECK_EQ(lm_unflushed_test(&b, start +
						   rnd(LM_CHUNK_SECTORS)),
				 marked[c] || covered[c]);
		}
	}
	lm_bitmap_exit(&b);
}

const struct unit_test bitmap_tests[] = {
	{ "bitmap: its size", bitmap_init },
	{ "bitmap: sectors to regions, all of a small device", bitmap_arithmetic },
	{ "bitmap: sectors to regions beyond 2^32", bitmap_large_arithmetic },
	{ "bitmap: random changes", bitmap_random },
	{ "bitmap: counters", bitmap_counters },
	{ "bitmap: a long scan", bitmap_long_scan },
	{ "bitmap: unflushed chunks", bitmap_unflushed },
	{ NULL, NULL },
};
