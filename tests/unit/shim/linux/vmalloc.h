/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_VMALLOC_H
#define SHIM_VMALLOC_H

#include <linux/types.h>

#define array_size(n, size)	((size_t)(n) * (size))
/* Asked for with __GFP_ZERO only. */
#define __vmalloc(bytes, gfp)	((void)(gfp), calloc(1, bytes))
#define vzalloc(bytes)		calloc(1, bytes)
#define vfree(p)		free(p)

#endif
