// SPDX-License-Identifier: GPL-2.0-only
/* range.c: by hand, and with random holders against a slow model of it. */
#include "unit.h"

#define NR_HOLDERS	24
#define REGION_SHIFT	3
#define NR_SECTORS	(3 * LM_CHUNK_SECTORS)

enum state { IDLE, WAITING, HELD, YIELDING };

/*
 * @came: the order of coming; hardening counts as coming.
 * @granted: how often it was told.
 */
struct holder {
	struct lm_range range;
	enum state state;
	u64 came;
	unsigned int granted;
	DECLARE_BITMAP(lost, LM_CHUNK_REGIONS);
	bool expect_lost[LM_CHUNK_REGIONS];
};

static struct lm_ranges rs;
static struct holder holders[NR_HOLDERS];
static u64 arrivals;

static bool overlap(const struct holder *a, const struct holder *b)
{
	return a->range.start < b->range.end && b->range.start < a->range.end;
}

static void granted(struct lm_range *range)
{
	struct holder *h = container_of(range, struct holder, range);

	CHECK(!shim_locks_held());
	h->granted++;
}

static void place(struct holder *h, sector_t start, sector_t end)
{
	CHECK_EQ(h->state, IDLE);
	h->range.start = start;
	h->range.end = end;
	h->range.granted = granted;
	h->range.lost = NULL;
	h->granted = 0;
}

/* Must @h wait, by the model? */
static bool blocked(const struct holder *h)
{
	const struct holder *o;

	for (o = holders; o < holders + NR_HOLDERS; o++)
		if (o != h && (o->state == WAITING || o->state == HELD) &&
		    o->came < h->came && overlap(o, h))
			return true;
	return false;
}

static void model_lose(struct holder *yielding, const struct holder *by)
{
	sector_t start = max(yielding->range.start, by->range.start);
	sector_t end = min(yielding->range.end, by->range.end);
	sector_t sector;

	for (sector = start; sector < end; sector++)
		yielding->expect_lost[(sector - yielding->range.start) >>
				      REGION_SHIFT] = true;
}

static void model_came(struct holder *h)
{
	struct holder *o;

	h->came = ++arrivals;
	for (o = holders; o < holders + NR_HOLDERS; o++)
		if (o != h && o->state == YIELDING && overlap(o, h))
			model_lose(o, h);
}

static bool lock(struct holder *h)
{
	bool held = lm_range_lock(&rs, &h->range);

	TRACE("%ld locks [%ld, %ld): %ld", h - holders, h->range.start,
	      h->range.end, held);
	model_came(h);
	CHECK_EQ(held, !blocked(h));
	h->state = held ? HELD : WAITING;
	return held;
}

static void lock_yielding(struct holder *h)
{
	const struct holder *o;

	memset(h->lost, 0, sizeof(h->lost));
	memset(h->expect_lost, 0, sizeof(h->expect_lost));
	h->range.lost = h->lost;
	TRACE("%ld yields in [%ld, %ld)", h - holders, h->range.start,
	      h->range.end);
	lm_range_lock_yielding(&rs, &h->range);
	for (o = holders; o < holders + NR_HOLDERS; o++)
		if (o != h && o->state != IDLE && overlap(o, h))
			model_lose(h, o);
	h->state = YIELDING;
}

static void check_lost(const struct holder *h)
{
	unsigned int i;

	for (i = 0; i < LM_CHUNK_REGIONS; i++)
		if (test_bit(i, h->lost) != h->expect_lost[i])
			FAIL("region %u of %td: lost is %d", i, h - holders,
			     test_bit(i, h->lost));
}

static void harden(struct holder *h)
{
	TRACE("%ld hardens", h - holders);
	lm_range_harden(&rs, &h->range);
	check_lost(h);
	h->came = ++arrivals;
	h->state = HELD;
}

static void unlock(struct holder *h)
{
	struct holder *o;

	TRACE("%ld unlocks", h - holders);
	lm_range_unlock(&rs, &h->range);
	h->state = IDLE;
	for (o = holders; o < holders + NR_HOLDERS; o++) {
		if (o->state == WAITING && !blocked(o)) {
			if (o->granted != 1)
				FAIL("%td's turn has come: told %u times",
				     o - holders, o->granted);
			o->state = HELD;
		} else if (o->state == WAITING && o->granted) {
			FAIL("%td holds its range too early", o - holders);
		}
	}
}

static void check_empty(void)
{
	unsigned int i;

	for (i = 0; i < LM_RANGE_BUCKETS; i++)
		CHECK(list_empty(&rs.bucket[i].ranges));
}

static void begin(void)
{
	memset(holders, 0, sizeof(holders));
	CHECK_EQ(lm_ranges_init(&rs, REGION_SHIFT), 0);
}

static void end(void)
{
	check_empty();
	lm_ranges_exit(&rs);
}

static void range_fifo(void)
{
	struct holder *a = holders, *b = a + 1, *c = a + 2, *d = a + 3;

	begin();
	place(a, 0, 8);
	place(b, 4, 12);
	place(c, 8, 16);
	place(d, 16, 24);
	CHECK(lock(a));
	CHECK(!lock(b));
	/* Overlaps only one that waits: it must not overtake. */
	CHECK(!lock(c));
	CHECK(lock(d));
	unlock(a);
	CHECK_EQ(b->state, HELD);
	CHECK_EQ(c->state, WAITING);
	unlock(b);
	CHECK_EQ(c->state, HELD);
	unlock(d);
	unlock(c);
	end();
}

static void range_apart(void)
{
	struct holder *a = holders, *b = a + 1, *c = a + 2;

	begin();
	/* Neighbours, and the same place in another chunk. */
	place(a, 100, 108);
	place(b, 108, 109);
	place(c, 100 + LM_CHUNK_SECTORS, 108 + LM_CHUNK_SECTORS);
	CHECK(lock(a));
	CHECK(lock(b));
	CHECK(lock(c));
	unlock(a);
	unlock(b);
	unlock(c);
	end();
}

static void range_yield(void)
{
	struct holder *a = holders, *b = a + 1, *c = a + 2, *y = a + 3;

	begin();
	place(a, 3, 5);
	place(y, 0, 64);
	place(b, 20, 22);
	place(c, 0, 30);
	CHECK(lock(a));
	lock_yielding(y);
	CHECK_EQ(y->lost[0], 1);
	CHECK(lock(b));
	CHECK_EQ(y->lost[0], 5);
	harden(y);
	/* It waits for all three, and each counts once. */
	CHECK(!lock(c));
	CHECK_EQ(y->lost[0], 5);
	unlock(a);
	unlock(y);
	CHECK_EQ(c->state, WAITING);
	unlock(b);
	CHECK_EQ(c->state, HELD);
	unlock(c);
	end();
}

/* Those that came before it hardened have not counted it. */
static void range_harden_tail(void)
{
	struct holder *a = holders, *b = a + 1, *y = a + 2;

	begin();
	place(y, 0, 64);
	place(a, 0, 8);
	place(b, 0, 8);
	lock_yielding(y);
	CHECK(lock(a));
	CHECK(!lock(b));
	harden(y);
	unlock(y);
	CHECK_EQ(b->state, WAITING);
	CHECK_EQ(b->granted, 0);
	unlock(a);
	CHECK_EQ(b->state, HELD);
	unlock(b);
	end();
}

static void range_unlock_yielding(void)
{
	struct holder *a = holders, *b = a + 1, *y = a + 2;

	begin();
	place(a, 0, 8);
	place(y, 0, 8);
	place(b, 0, 8);
	CHECK(lock(a));
	lock_yielding(y);
	CHECK(!lock(b));
	unlock(y);
	CHECK_EQ(b->state, WAITING);
	unlock(a);
	CHECK_EQ(b->state, HELD);
	unlock(b);
	end();
}

static void random_place(struct holder *h)
{
	/* Two chunks, or many would never meet. */
	sector_t chunk = (sector_t)rnd(2) << LM_CHUNK_SHIFT;
	sector_t start = rnd(3) ? rnd(64) : rnd(LM_CHUNK_SECTORS);
	sector_t len = 1 + rnd(rnd(8) ? 24 : LM_CHUNK_SECTORS);

	place(h, chunk + start,
	      chunk + min_t(sector_t, start + len, LM_CHUNK_SECTORS));
}

static void random_step(struct holder *h)
{
	switch (h->state) {
	case IDLE:
		random_place(h);
		if (one_in(4)) {
			h->range.start &= ~((1ULL << REGION_SHIFT) - 1);
			lock_yielding(h);
		} else {
			lock(h);
		}
		break;
	case YIELDING:
		if (one_in(2))
			harden(h);
		else
			unlock(h);
		break;
	case HELD:
		unlock(h);
		break;
	case WAITING:
		break;
	}
}

static void range_random(void)
{
	u64 step;
	struct holder *h;
	bool busy;

	begin();
	for (step = 0; step < unit_steps; step++) {
		random_step(&holders[rnd(NR_HOLDERS)]);
		/* From time to time all let go: nobody may be left behind. */
		if (step % 4096)
			continue;
		do {
			busy = false;
			for (h = holders; h < holders + NR_HOLDERS; h++) {
				if (h->state == HELD || h->state == YIELDING) {
					unlock(h);
					busy = true;
				}
			}
		} while (busy);
		for (h = holders; h < holders + NR_HOLDERS; h++)
			CHECK_EQ(h->state, IDLE);
		check_empty();
	}
	for (h = holders; h < holders + NR_HOLDERS; h++)
		h->state = IDLE;
	lm_ranges_exit(&rs);
}

const struct unit_test range_tests[] = {
	{ "range: in the order of coming", range_fifo },
	{ "range: those apart do not wait", range_apart },
	{ "range: one that yields, then hardens", range_yield },
	{ "range: hardening is coming anew", range_harden_tail },
	{ "range: unlocked while it yields", range_unlock_yielding },
	{ "range: random holders", range_random },
	{ NULL, NULL },
};
