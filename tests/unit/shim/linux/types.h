/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module takes from the kernel's headers, for the host.  No more than
 * it needs: a header that is missing here is a new dependency.
 */
#ifndef SHIM_TYPES_H
#define SHIM_TYPES_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long s64;
typedef u64 sector_t;
typedef unsigned int gfp_t;
typedef u8 blk_status_t;
typedef u32 blk_opf_t;

#define __force
#define fallthrough	__attribute__((fallthrough))
#define BIT(nr)		(1UL << (nr))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define xchg(p, v)		shim_xchg((p), (v))
#define smp_mb()		shim_mb()
#define smp_rmb()		shim_mb()

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* As the kernel's: the types must agree. */
#define shim_same(a, b)	((void)((__typeof__(a) *)1 == (__typeof__(b) *)1))
#define min(a, b) ({					\
	__typeof__(a) __a = (a);			\
	__typeof__(b) __b = (b);			\
	shim_same(__a, __b);				\
	__a < __b ? __a : __b; })
#define max(a, b) ({					\
	__typeof__(a) __a = (a);			\
	__typeof__(b) __b = (b);			\
	shim_same(__a, __b);				\
	__a > __b ? __a : __b; })
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)

#define BITS_PER_LONG		(8 * (unsigned int)sizeof(long))
#define BITS_TO_LONGS(nr)	(((nr) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define ilog2(n)		(63 - __builtin_clzll(n))

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define SECTOR_SHIFT		9
#define PAGE_SECTORS		(1U << (PAGE_SHIFT - SECTOR_SHIFT))

#define GFP_KERNEL		0U
#define __GFP_ZERO		0U
#define __GFP_NOWARN		0U

/*
 * A place where another CPU may do something first.  Does nothing while a
 * spinlock is held, or if the test has no use for it.
 */
void shim_preempt(void);

/* The kernel would have crashed, or printed a trace. */
void shim_bug(const char *what) __attribute__((noreturn));

static inline void shim_mb(void)
{
	shim_preempt();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	shim_preempt();
}

#define shim_xchg(p, v) ({						\
	shim_preempt();							\
	__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST); })

#endif
