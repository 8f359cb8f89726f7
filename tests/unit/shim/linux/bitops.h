/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_BITOPS_H
#define SHIM_BITOPS_H

#include <linux/types.h>

#define hweight_long(w)		((unsigned long)__builtin_popcountl(w))

static inline unsigned long *shim_word(const unsigned long *bits,
				       unsigned long bit)
{
	return (unsigned long *)bits + bit / BITS_PER_LONG;
}

static inline unsigned long shim_mask(unsigned long bit)
{
	return 1UL << bit % BITS_PER_LONG;
}

static inline bool test_bit(unsigned long bit, const unsigned long *bits)
{
	return READ_ONCE(*shim_word(bits, bit)) & shim_mask(bit);
}

static inline void set_bit(unsigned long bit, unsigned long *bits)
{
	shim_preempt();
	__atomic_fetch_or(shim_word(bits, bit), shim_mask(bit), __ATOMIC_RELAXED);
}

static inline void __set_bit(unsigned long bit, unsigned long *bits)
{
	*shim_word(bits, bit) |= shim_mask(bit);
}

static inline bool test_and_set_bit(unsigned long bit, unsigned long *bits)
{
	shim_preempt();
	return __atomic_fetch_or(shim_word(bits, bit), shim_mask(bit),
				 __ATOMIC_SEQ_CST) & shim_mask(bit);
}

static inline bool test_and_clear_bit(unsigned long bit, unsigned long *bits)
{
	shim_preempt();
	return __atomic_fetch_and(shim_word(bits, bit), ~shim_mask(bit),
				  __ATOMIC_SEQ_CST) & shim_mask(bit);
}

static inline void clear_bit(unsigned long bit, unsigned long *bits)
{
	shim_preempt();
	__atomic_fetch_and(shim_word(bits, bit), ~shim_mask(bit),
			   __ATOMIC_RELAXED);
}

static inline void clear_bit_unlock(unsigned long bit, unsigned long *bits)
{
	shim_preempt();
	__atomic_fetch_and(shim_word(bits, bit), ~shim_mask(bit),
			   __ATOMIC_RELEASE);
}

/* The first bit at or after @from that differs from @flip's, or @size. */
static inline unsigned long shim_find(const unsigned long *bits,
				      unsigned long size, unsigned long from,
				      unsigned long flip)
{
	unsigned long word;

	if (from >= size)
		return size;
	word = (READ_ONCE(*shim_word(bits, from)) ^ flip) &
	       ~0UL << from % BITS_PER_LONG;
	from -= from % BITS_PER_LONG;
	while (!word) {
		from += BITS_PER_LONG;
		if (from >= size)
			return size;
		word = READ_ONCE(*shim_word(bits, from)) ^ flip;
	}
	from += (unsigned long)__builtin_ctzl(word);
	return min(from, size);
}

#define find_next_bit(bits, size, from)	     shim_find(bits, size, from, 0)
#define find_next_zero_bit(bits, size, from) shim_find(bits, size, from, ~0UL)

#endif
