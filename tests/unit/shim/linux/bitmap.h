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

static inline void bitmap_zero(unsigned long *bits, unsigned int nr)
{
	memset(bits, 0, BITS_TO_LONGS(nr) * sizeof(long));
}

#endif
