/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block devices: by whatever name, of what size, and in whose use.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "dm.h"

/* A number that no other device gets before the next boot; 0: not known. */
uint64_t device_seq(dev_t dev);
/* Has anything been written or discarded since it was made, as far as the kernel counts? */
bool device_written(dev_t dev);
/* How large it is; 0 if that is not known. */
uint64_t device_sectors(dev_t dev);

struct blockdev {
	char *path;		/* absolute, as it was named */
	dev_t dev;
	uint64_t sectors;
	unsigned int block;	/* logical, bytes */
	bool read_only;
};

/*
 * A dm device by NAME, VG/LV, path or major:minor; ENXIO: there is none. With
 * ENOTBLK, @other is a block device that is not on dm.
 */
int device_find(const char *arg, struct dm_device *found, dev_t *other);
/* The same for a command line: an exit code, after a sentence. */
int device_want(const char *arg, struct dm_device *found);

/* An exit code, after a sentence; @role is "destination" or "metadata device". */
int blockdev_get(const char *role, const char *path, struct blockdev *bd);
void blockdev_free(struct blockdev *bd);
/* The logical block of a device, bytes. */
unsigned int device_block(dev_t dev);
/* The kernel's own node of it, /dev/dm-0; NULL if there is no such device. */
char *device_node(dev_t dev);
/* To be freed. */
char *absolute_path(const char *path);

/* Is it claimed: mounted, swapped to, part of an array or of another dm device? */
bool device_claimed(const struct blockdev *bd);
/* By whom, as far as that can be told: "mounted on /mnt". To be freed. */
char *device_claimer(dev_t dev);
/* By whom it is claimed, or that a process has it open. To be freed. */
char *device_user(dev_t dev);
/* The same, and all else that shows that somebody uses it. To be freed. */
char *device_busy(const struct blockdev *bd);
/* What lies on it: "a file system (ext4)", or NULL; to be freed. */
char *device_content(const char *path);

/* Metadata of the target? Zeroes are new metadata, for which the kernel takes any line. */
bool device_has_metadata(const struct blockdev *bd);

#endif
