/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_RANDOM_H
#define SHIM_RANDOM_H

#include <linux/types.h>

void get_random_bytes(void *buf, size_t len);

#endif
