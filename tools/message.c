// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"
#include "kmsg.h"
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int message_try(const struct migration *m, const char *message, char *why,
		size_t len)
{
	struct kmsg log;
	int err;

	why[0] = '\0';
	kmsg_mark(&log);
	err = dm_message(m->device.name, message);
	if (err)
		kmsg_reason(&log, m->device.dev, why, len);
	else
		kmsg_forget(&log);
	return err;
}

/* What to do, as far as the state tells. */
static char *advice(const struct migration *m)
{
	const char *name = m->device.name;

	if (!m->readable)
		return NULL;
	switch (m->status.phase) {
	case COPYING:
		return format("\"livemigrate wait %s\" returns when all is copied", name);
	case COMMITTED:
		return format("\"livemigrate commit %s\" takes the target out", name);
	case ABORTED:
		return format("\"livemigrate abort %s\" takes the target out", name);
	default:
		return NULL;
	}
}

int message_refused(const struct migration *m, const char *message, int err,
		    const char *why)
{
	char *first = copy_of(message), *what = NULL;
	const char *reason = why;
	int code;

	first[strcspn(first, " ")] = '\0';
	/* The log begins with "MESSAGE refused: ". */
	if (!strncmp(reason, first, strlen(first)) &&
	    !strncmp(reason + strlen(first), " refused: ", 10))
		reason += strlen(first) + 10;
	if (err != EBUSY && err != EINVAL) {
		code = fail(FAILED, "%s: %s has failed: %s.", m->device.name, first,
			    *reason ? reason : strerror(err));
	} else {
		what = advice(m);
		code = fail(NOT_NOW, "%s: %s is refused: %s.%s%s%s", m->device.name,
			    first, *reason ? reason : strerror(err),
			    what ? " (" : "", what ? what : "", what ? ".)" : "");
	}
	free(what);
	free(first);
	return code;
}

int message_send(const struct migration *m, const char *message)
{
	char why[512];
	int err = message_try(m, message, why, sizeof(why));

	return err ? message_refused(m, message, err, why) : DONE;
}
