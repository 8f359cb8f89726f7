/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a device can be moved, and to where: looked at before anything is
 * changed. Exit codes, after a sentence.
 */
#ifndef CHECK_H
#define CHECK_H

#include "device.h"

int check_kernel(bool pinned);
/* Does it run on a table that can be replaced while it is in use? */
int check_source(const struct dm_device *device, uint64_t *sectors);
/* @role as for blockdev_get(); @sectors it must have; @force: whatever lies on it. */
int check_dest(const char *role, const struct blockdev *bd,
	       const struct dm_device *source, uint64_t sectors, bool force);

/*
 * Can /dev/mapper/NAME be put on it? @sectors of it, or 0 for all, which is then
 * set.
 */
int check_disk(const char *name, const struct blockdev *bd, uint64_t *sectors);

#endif
