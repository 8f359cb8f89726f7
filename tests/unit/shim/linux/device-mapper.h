/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_DEVICE_MAPPER_H
#define SHIM_DEVICE_MAPPER_H

#include <linux/blkdev.h>

struct block_device;
struct dm_dev { struct block_device *bdev; };
struct dm_table;
struct dm_target;
struct mapped_device;

#endif
