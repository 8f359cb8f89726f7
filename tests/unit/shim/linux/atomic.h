/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ATOMIC_H
#define SHIM_ATOMIC_H

#include <linux/types.h>

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef struct { long counter; } atomic_long_t;

static inline void atomic_inc(atomic_t *v)
{
	shim_preempt();
	__atomic_fetch_add(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline int atomic_dec_return(atomic_t *v)
{
	shim_preempt();
	return __atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline bool atomic_dec_and_test(atomic_t *v)
{
	shim_preempt();
	return __atomic_fetch_sub(&v->counter, 1, __ATOMIC_SEQ_CST) == 1;
}

static inline void atomic_set(atomic_t *v, int n)
{
	WRITE_ONCE(v->counter, n);
}

static inline int atomic_read(const atomic_t *v)
{
	return READ_ONCE(v->counter);
}

static inline int atomic_read_acquire(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);
}

static inline int atomic_fetch_or(int mask, atomic_t *v)
{
	shim_preempt();
	return __atomic_fetch_or(&v->counter, mask, __ATOMIC_SEQ_CST);
}

static inline bool atomic_try_cmpxchg(atomic_t *v, int *old, int n)
{
	shim_preempt();
	return __atomic_compare_exchange_n(&v->counter, old, n, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline int atomic_cmpxchg(atomic_t *v, int old, int n)
{
	atomic_try_cmpxchg(v, &old, n);
	return old;
}

static inline void atomic64_add(s64 n, atomic64_t *v)
{
	shim_preempt();
	__atomic_fetch_add(&v->counter, n, __ATOMIC_RELAXED);
}

static inline s64 atomic64_read(const atomic64_t *v)
{
	return READ_ONCE(v->counter);
}

static inline long atomic_long_fetch_or(long mask, atomic_long_t *v)
{
	shim_preempt();
	return __atomic_fetch_or(&v->counter, mask, __ATOMIC_SEQ_CST);
}

static inline long atomic_long_fetch_andnot(long mask, atomic_long_t *v)
{
	shim_preempt();
	return __atomic_fetch_and(&v->counter, ~mask, __ATOMIC_SEQ_CST);
}

static inline void atomic_long_andnot(long mask, atomic_long_t *v)
{
	shim_preempt();
	__atomic_fetch_and(&v->counter, ~mask, __ATOMIC_RELAXED);
}

static inline void atomic_long_or(long mask, atomic_long_t *v)
{
	shim_preempt();
	__atomic_fetch_or(&v->counter, mask, __ATOMIC_RELAXED);
}

#endif
