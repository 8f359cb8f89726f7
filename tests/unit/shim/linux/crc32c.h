/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_CRC32C_H
#define SHIM_CRC32C_H

#include <linux/types.h>

/* Bit by bit: Castagnoli's polynomial, reflected. */
static inline u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return crc;
}

#endif
