/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image files, and the loop devices that show them. A loop device's number says
 * nothing after a reboot; its file does.
 */
#ifndef BACKING_H
#define BACKING_H

#include <sys/types.h>

/* The file that a loop device shows all of, to be freed; NULL: none, or a part. */
char *backing_file(dev_t dev);
/* The size of its file may have changed: an exit code, after a sentence. */
int backing_follow(dev_t dev);
/*
 * A loop device for all of @file, one that is there or a new one, which goes when
 * nobody has it any more: we do until we end. An exit code, after a sentence;
 * @node is to be freed.
 */
int backing_attach(const char *file, char **node);

#endif
