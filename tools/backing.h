/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image files, and the devices that show them: loop devices, or those of qemu-nbd for
 * QEMU's kinds of images. Such a device's number says nothing after a reboot; its file
 * does.
 */
#ifndef BACKING_H
#define BACKING_H

#include <sys/types.h>

/* The file that a device shows all of, to be freed; NULL: none, or a part. */
char *backing_file(dev_t dev);
/* The size of its file may have changed: an exit code, after a sentence. */
int backing_follow(dev_t dev);
/*
 * A device for all of @file, one that is there or a new one. A loop device goes when
 * nobody has it any more: we do until we end. An exit code, after a sentence;
 * @node is to be freed.
 */
int backing_attach(const char *file, char **node);
/* What this process has attached, and does not go by itself: it was in vain, or not. */
void backing_take_back(void);
void backing_keep(void);
/* What serves @file, and was started by us, and does not go by itself, is ended. */
int backing_release(const char *file);

#endif
