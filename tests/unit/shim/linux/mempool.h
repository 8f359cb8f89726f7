/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_MEMPOOL_H
#define SHIM_MEMPOOL_H

#include <linux/types.h>

typedef struct { size_t size; } mempool_t;

static inline void *mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	(void)gfp;
	return malloc(pool->size);
}

static inline void mempool_free(void *p, mempool_t *pool)
{
	(void)pool;
	free(p);
}

#endif
