/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to the target, and why it refuses them.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "migration.h"

#include <stddef.h>

/* 0 or an errno; @why is what the kernel's log says of it, or "". */
int message_try(const struct migration *m, const char *message, char *why,
		size_t len);
/* A sentence about that; NOT_NOW as a rule. @m is as it was before. */
int message_refused(const struct migration *m, const char *message, int err,
		    const char *why);
/* Both. */
int message_send(const struct migration *m, const char *message);

#endif
