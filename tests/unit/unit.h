/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame of the unit tests.  Each test is a function that returns if it has
 * passed, and runs in a process of its own.
 */
#ifndef UNIT_H
#define UNIT_H

#include "dm-livemigrate.h"
#include "shim/shim.h"

#include <stdio.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

/* Each file of tests ends its list with an empty entry. */
extern const struct unit_test bitmap_tests[];
extern const struct unit_test range_tests[];
extern const struct unit_test phase_tests[];
extern const struct unit_test window_tests[];
extern const struct unit_test leg_tests[];
extern const struct unit_test model_tests[];
extern const struct unit_test metadata_tests[];

/* test-window.c: is this flush one of its own? */
bool window_took_flush(struct lm_flush *flush, struct bio *bio);

/* From the command line. */
extern u64 unit_seed;
extern u64 unit_steps;

void unit_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define FAIL(...) unit_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)						\
	do {								\
		if (unlikely(!(condition)))				\
			FAIL("not so: %s", #condition);			\
	} while (0)
#define CHECK_EQ(a, b)							\
	do {								\
		long long __va = (long long)(a), __vb = (long long)(b);	\
		if (unlikely(__va != __vb))				\
			FAIL("%s is %lld, %s is %lld", #a, __va, #b, __vb); \
	} while (0)

/* What a failure prints, oldest first.  Cheap enough to be always there. */
void unit_trace(const char *fmt, long a, long b, long c, long d);
void unit_trace_reset(void);

#define TRACE(fmt, ...) __TRACE(fmt, __VA_ARGS__, 0, 0, 0, 0)
#define __TRACE(fmt, a, b, c, d, ...) \
	unit_trace(fmt, (long)(a), (long)(b), (long)(c), (long)(d))

/* Random numbers: the same ones for the same seed. */
void unit_srand(u64 seed);
u64 unit_rand64(void);

/* 0 to n - 1 */
static inline unsigned int rnd(unsigned int n)
{
	return (unit_rand64() >> 32) * n >> 32;
}

/* true once in n times */
static inline bool one_in(unsigned int n)
{
	return !rnd(n);
}

#endif
