// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void kmsg_mark(struct kmsg *log)
{
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd >= 0)
		lseek(log->fd, 0, SEEK_END);
}

void kmsg_forget(struct kmsg *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

/*
 * A record is "PRIORITY,NUMBER,TIME,FLAGS;TEXT\n" and more lines that begin with a
 * blank; our texts are "device-mapper: WHO: MAJOR:MINOR: WHAT".
 */
const char *kmsg_about(char *record, const char *device)
{
	char *text = strchr(record, ';'), *what;
	char key[32];

	if (!text)
		return NULL;
	text++;
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "device-mapper: ", strlen("device-mapper: ")))
		return NULL;
	snprintf(key, sizeof(key), " %s: ", device);
	what = strstr(text, key);
	return what ? what + strlen(key) : NULL;
}

void kmsg_reason(struct kmsg *log, dev_t dev, char *why, size_t len)
{
	char record[8192], device[24];
	const char *about;
	ssize_t n;

	why[0] = '\0';
	if (log->fd < 0)
		return;
	snprintf(device, sizeof(device), "%u:%u", major(dev), minor(dev));
	while (!why[0]) {
		n = read(log->fd, record, sizeof(record) - 1);
		/* EPIPE: records were lost, the next one is there. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		record[n] = '\0';
		about = kmsg_about(record, device);
		if (about)
			snprintf(why, len, "%s", about);
	}
	kmsg_forget(log);
}
