/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_MEMPOOL_H
#define SHIM_MEMPOOL_H

typedef struct { void *pool; } mempool_t;

#endif
