/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_BITMAP_H
#define SHIM_BITMAP_H

#include <linux/bitops.h>

static inline void bitmap_set(unsigned long *bits, unsigned int first,
			      unsigned int nr)
{
	for (; nr; first++, nr--)
		__set_bit(first, bits);
}

static inline void bitmap_clear(unsigned long *bits, unsigned int first,
				unsigned int nr)
{
	for (; nr; first++, nr--)
		*shim_word(bits, first) &= ~shim_mask(first);
}

static inline void bitmap_fill(unsigned long *bits, unsigned int nr)
{
	memset(bits, 0xff, BITS_TO_LONGS(nr) * sizeof(long));
}

static inline void bitmap_copy(unsigned long *to, const unsigned long *from,
			       unsigned int nr)
{
	memcpy(to, from, BITS_TO_LONGS(nr) * sizeof(long));
}

/* As the kernel's: bits beyond the end are clear, words beyond it untouched. */
static inline void bitmap_to_arr64(u64 *words, const unsigned long *bits,
				   unsigned int nr)
{
	memcpy(words, bits, BITS_TO_LONGS(nr) * sizeof(long));
	if (nr % 64)
		words[nr / 64] &= ~0ULL >> (64 - nr % 64);
}

static inline void bitmap_from_arr64(unsigned long *bits, const u64 *words,
				     unsigned int nr)
{
	memcpy(bits, words, BITS_TO_LONGS(nr) * sizeof(long));
	if (nr % 64)
		bits[nr / 64] &= ~0UL >> (64 - nr % 64);
}

static inline void bitmap_zero(unsigned long *bits, unsigned int nr)
{
	memset(bits, 0, BITS_TO_LONGS(nr) * sizeof(long));
}

#endif
