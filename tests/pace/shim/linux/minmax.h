/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/types.h>

#define max3(a, b, c)	max(max(a, b), c)
