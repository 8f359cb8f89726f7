// SPDX-License-Identifier: GPL-2.0-only
/*
 * bitmap.c and range.c with real threads: are counts exact, are ranges held by
 * one at a time, is nobody left waiting?  Built once more with the thread
 * sanitizer.  Prints TAP.
 *
 * Usage: threads [NAME]	(NAME is put in front of what is printed)
 */
#include "dm-livemigrate.h"
#include "shim/shim.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define NR_THREADS	4
#define NR_SECTORS	(LM_CHUNK_SECTORS + 40)
#define NR_REGIONS	(NR_SECTORS / 8)

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			printf("# %s:%d: not so: %s\n", __FILE__,	\
			       __LINE__, #condition);			\
			failures++;					\
		}							\
	} while (0)

static unsigned int failures, failed, number;
static const char *prefix = "threads";
static pthread_barrier_t barrier;

static unsigned int rnd(unsigned int *state, unsigned int n)
{
	*state = *state * 1103515245 + 12345;
	return (*state >> 8) % n;
}

static void run(void *(*thread)(void *))
{
	pthread_t threads[NR_THREADS];
	unsigned long i;

	pthread_barrier_init(&barrier, NULL, NR_THREADS);
	for (i = 0; i < NR_THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)i))
			abort();
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

static void report(const char *name)
{
	printf("%sok %u - %s: %s\n", failures ? "not " : "", ++number, prefix,
	       name);
	failed += !!failures;
	failures = 0;
}

/* ------------------------------------------------------------------------
 * Bits.  Each thread sets and, under the lock, clears at random; at the end the
 * counters say what the bits say.
 */

static struct lm_bitmap b;
static spinlock_t clearing;

static void *bits_thread(void *arg)
{
	unsigned int state = (unsigned long)arg + 1, i;
	u64 full = 0;

	pthread_barrier_wait(&barrier);
	for (i = 0; i < 200000; i++) {
		u64 first = rnd(&state, NR_REGIONS);
		u64 nr = 1 + rnd(&state, min_t(u64, 70, NR_REGIONS - first));

		if (rnd(&state, 3)) {
			lm_bitmap_set(&b, first, nr, rnd(&state, LM_NR_CAUSES));
			lm_unflushed_mark(&b, first * 8);
			continue;
		}
		shim_spin_lock(&clearing);
		/* What is full under the lock is full. */
		if (lm_bitmap_full(&b)) {
			full++;
			CHECK(lm_bitmap_all_set(&b, 0, NR_REGIONS));
		}
		lm_bitmap_clear(&b, first, min_t(u64, nr, 3));
		shim_spin_unlock(&clearing);
	}
	return NULL;
}

static void bits(void)
{
	u64 i, weight = 0;

	if (lm_bitmap_init(&b, NR_SECTORS, 3))
		abort();
	run(bits_thread);
	for (i = 0; i < NR_REGIONS; i++)
		weight += test_bit(i, b.bits);
	CHECK(lm_bitmap_done(&b) == weight);
	CHECK(lm_unflushed_test(&b, 0) && lm_unflushed_test(&b, LM_CHUNK_SECTORS));
	lm_bitmap_exit(&b);
	report("bits set and cleared at once");
}

/* ------------------------------------------------------------------------
 * All set the same bits: each is counted exactly once.
 */

static u64 counted;

static void *once_thread(void *arg)
{
	unsigned int i, round;

	for (round = 0; round < 2000; round++) {
		u64 news = 0;

		pthread_barrier_wait(&barrier);
		for (i = 0; i < NR_REGIONS; i++)
			news += lm_bitmap_set(&b, i, 1, LM_COPIED);
		__atomic_fetch_add(&counted, news, __ATOMIC_RELAXED);
		pthread_barrier_wait(&barrier);
		if (arg)
			continue;
		CHECK(__atomic_exchange_n(&counted, 0, __ATOMIC_RELAXED) ==
		      NR_REGIONS);
		CHECK(lm_bitmap_full(&b));
		CHECK(lm_bitmap_clear(&b, 0, NR_REGIONS) == NR_REGIONS);
		CHECK(lm_bitmap_done(&b) == 0);
	}
	return NULL;
}

static void once(void)
{
	if (lm_bitmap_init(&b, NR_SECTORS, 3))
		abort();
	run(once_thread);
	lm_bitmap_exit(&b);
	report("the same bits set by all are counted once");
}

/* ------------------------------------------------------------------------
 * Ranges.  What is held is written to, without a lock.
 */

struct holder {
	struct lm_range range;
	bool granted;
	DECLARE_BITMAP(lost, LM_CHUNK_REGIONS);
};

static struct lm_ranges rs;
static unsigned long owner[64 * 8];

static void granted(struct lm_range *range)
{
	struct holder *h = container_of(range, struct holder, range);

	__atomic_store_n(&h->granted, true, __ATOMIC_RELEASE);
}

/* Plain accesses: the thread sanitizer sees if two do it at once. */
static void use(const struct holder *h, unsigned long me, bool all)
{
	sector_t s;

	for (s = h->range.start; s < h->range.end; s++)
		if (all || !test_bit((s - h->range.start) / 8, h->lost))
			owner[s] = me;
	for (s = h->range.start; s < h->range.end; s++)
		if (all || !test_bit((s - h->range.start) / 8, h->lost))
			CHECK(owner[s] == me);
}

static void *ranges_thread(void *arg)
{
	unsigned int state = (unsigned long)arg + 7, i;
	unsigned long me = (unsigned long)arg + 1;
	struct holder h;

	pthread_barrier_wait(&barrier);
	for (i = 0; i < 20000; i++) {
		unsigned int how = rnd(&state, 8);
		unsigned int from = rnd(&state, 64 * 8 - 8);

		memset(&h, 0, sizeof(h));
		h.range.granted = granted;
		h.range.start = how < 2 ? from & ~7U : from;
		h.range.end = h.range.start + 1 +
			      rnd(&state, min_t(unsigned int, 40,
						64 * 8 - from));
		if (how < 2) {
			h.range.lost = h.lost;
			lm_range_lock_yielding(&rs, &h.range);
			if (how) {
				lm_range_harden(&rs, &h.range);
				use(&h, me, false);
			}
		} else {
			if (!lm_range_lock(&rs, &h.range))
				while (!__atomic_load_n(&h.granted, __ATOMIC_ACQUIRE))
					sched_yield();
			use(&h, me, true);
		}
		lm_range_unlock(&rs, &h.range);
	}
	return NULL;
}

static void ranges(void)
{
	unsigned int i;

	if (lm_ranges_init(&rs, 3))
		abort();
	run(ranges_thread);
	for (i = 0; i < LM_RANGE_BUCKETS; i++)
		CHECK(list_empty(&rs.bucket[i].ranges));
	lm_ranges_exit(&rs);
	report("ranges held by one at a time");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		prefix = argv[1];
	/* One that is left waiting waits for ever. */
	alarm(120);
	bits();
	once();
	ranges();
	printf("1..%u\n", number);
	return !!failed;
}
