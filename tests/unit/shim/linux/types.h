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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef u8 __u8;
typedef uint32_t __le32;
typedef unsigned long long __le64;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long s64;
typedef u64 sector_t;
typedef unsigned int gfp_t;

static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	(void)gfp;
	return false;
}
typedef u8 blk_status_t;
typedef u32 blk_opf_t;

#define __force
#define fallthrough	__attribute__((fallthrough))
#define BIT(nr)		(1UL << (nr))
#define __packed	__attribute__((packed))
#define static_assert	_Static_assert
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define __percpu

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define xchg(p, v)		shim_xchg((p), (v))
#define smp_mb()		shim_mb()
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_rmb()		shim_mb()
#define smp_wmb()		shim_mb()
#define smp_mb__after_atomic()	shim_mb()
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)

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

#define BITS_PER_BYTE		8
#define DIV_ROUND_UP_ULL(n, d)	(((u64)(n) + (d) - 1) / (d))
#define div64_u64(a, b)		((u64)(a) / (b))
#define IS_ALIGNED(x, a)	(!((x) & ((__typeof__(x))(a) - 1)))
#define is_power_of_2(n)	((n) && !((n) & ((n) - 1)))
#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define SECTOR_SHIFT		9
#define SECTOR_SIZE		(1U << SECTOR_SHIFT)
#define PAGE_SECTORS		(1U << (PAGE_SHIFT - SECTOR_SHIFT))

/* The host's bytes go the same way, or the tests do not build. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "these tests want a little-endian machine"
#endif
#define cpu_to_le32(v)		((__le32)(v))
#define cpu_to_le64(v)		((__le64)(v))
#define le32_to_cpu(v)		((u32)(v))
#define le64_to_cpu(v)		((u64)(v))

#define ERR_PTR(error)		((void *)(long)(error))
#define PTR_ERR(p)		((long)(p))
#define IS_ERR(p)		((unsigned long)(p) >= (unsigned long)-4095)

static inline const void *memchr_inv(const void *p, int c, size_t len)
{
	const u8 *bytes = p;

	for (; len; len--, bytes++)
		if (*bytes != c)
			return bytes;
	return NULL;
}

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
