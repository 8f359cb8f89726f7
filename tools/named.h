/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block devices by names that are the same after a reboot: links that udev makes
 * of serial numbers, UUIDs, image files.
 */
#ifndef NAMED_H
#define NAMED_H

#include "device.h"

enum lasting {
	LASTS,
	LASTS_PERHAPS,		/* the kernel's own name: there is no better one */
	LASTS_NOT		/* it will be another device, or none */
};

/* What to keep of @dev, which was called @path (or NULL); to be freed. @how: or NULL. */
char *named_lasting(const char *path, dev_t dev, enum lasting *how);

/* A loop or nbd device: another one after a reboot, or none. Pure text. */
bool named_is_passing(const char *path);
/* Is it the UUID or label of what lies there, also as a path? A migration copies that. */
bool named_by_content(const char *name);

/* A path or UUID= etc.: is it that device? Of an image file, its loop device? */
bool named_is(const char *name, dev_t dev);
/* A path or UUID= etc.: is there such a thing now? */
bool named_present(const char *name);
/*
 * The same as a device. An image file gets a loop device. @role as for
 * blockdev_get(). An exit code, after a sentence.
 */
int named_get(const char *role, const char *name, struct blockdev *bd);

/*
 * How good a link below /dev/disk/by-id is, 0 for one that goes with the content,
 * and so to the copy. Pure text.
 */
int named_rank(const char *link);

#endif
