/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the kernel has refused: it says so in its log only.
 */
#ifndef KMSG_H
#define KMSG_H

#include <stddef.h>
#include <sys/types.h>

struct kmsg {
	int fd;
};

/* From here on. Nothing is wrong if the log cannot be read. */
void kmsg_mark(struct kmsg *log);
/*
 * What device mapper has said since about that device, the first of it; "" if it
 * has said nothing. Ends the reading.
 */
void kmsg_reason(struct kmsg *log, dev_t dev, char *why, size_t len);
void kmsg_forget(struct kmsg *log);
/* The same for one record of /dev/kmsg. Pure text. */
const char *kmsg_about(char *record, const char *device);

#endif
