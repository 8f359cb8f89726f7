// SPDX-License-Identifier: GPL-2.0-or-later
#include "lock.h"
#include "paths.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* Seconds: until we say that we wait, and until we do not any more. */
#define QUIET	1
#define PATIENT	30

static int lock_fd = -1, depth;
static bool taken;

static char *lock_file(void)
{
	return format("%s/lock", state_dir());
}

/* All folders down to the state's. */
static int make_folder(void)
{
	char *path = copy_of(state_dir()), *slash = path;
	int failed = 0;

	while (!failed && (slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		failed = mkdir(path, 0755) && errno != EEXIST;
		*slash = '/';
	}
	if (!failed)
		failed = mkdir(path, 0700) && errno != EEXIST;
	free(path);
	return failed;
}

static void wake_up(int signal)
{
	(void)signal;
}

/* One that comes too early is followed by another. */
static void alarm_every(int seconds)
{
	struct itimerval every = { { seconds, 0 }, { seconds, 0 } };

	setitimer(ITIMER_REAL, &every, NULL);
}

static int wait_for_lock(void)
{
	const struct sigaction wake = { .sa_handler = wake_up };
	struct sigaction before;
	int waited, failed = -1;
	char *holder;

	sigaction(SIGALRM, &wake, &before);
	alarm_every(QUIET);
	for (waited = 0; failed && waited < PATIENT; waited += QUIET) {
		failed = flock(lock_fd, LOCK_EX);
		if (!failed || errno != EINTR)
			break;
		if (!waited) {
			holder = lock_holder();
			remark("Another livemigrate is at work (%s): waiting for it.",
			       holder ? holder : "just ending");
			free(holder);
		}
	}
	alarm_every(0);
	sigaction(SIGALRM, &before, NULL);
	return failed;
}

static void sign(const char *what)
{
	char *text = format("%s (process %d)\n", what, (int)getpid());

	if (ftruncate(lock_fd, 0) || write(lock_fd, text, strlen(text)) < 0)
		remark("The lock cannot be signed: %s.", strerror(errno));
	free(text);
}

int lock_take(const char *what)
{
	char *path, *holder;
	int code = DONE;

	if (depth++)
		return DONE;
	path = lock_file();
	if (make_folder())
		code = fail(FAILED, "The folder %s cannot be made: %s.",
			    state_dir(), strerror(errno));
	if (!code) {
		lock_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (lock_fd < 0)
			code = fail(FAILED, "The lock %s cannot be opened: %s.",
				    path, strerror(errno));
	}
	if (!code && flock(lock_fd, LOCK_EX | LOCK_NB) && wait_for_lock()) {
		holder = lock_holder();
		code = fail(LOCKED, "Another livemigrate is still at work (%s): try again when it has ended.",
			    holder ? holder : "unknown");
		free(holder);
	}
	taken = !code;
	if (taken)
		sign(what);
	else
		lock_release();
	free(path);
	return code;
}

void lock_release(void)
{
	if (!depth || --depth)
		return;
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
	taken = false;
}

/* Whoever signed may be dead, and what it had begun holds the lock: child.c. */
static char *named_holder(const char *path)
{
	char *line = first_line(path), *number = line ? strstr(line, "(process ") : NULL, *text;
	pid_t pid = number ? (pid_t)strtol(number + 9, NULL, 10) : 0;

	if (pid <= 0 || !kill(pid, 0) || errno != ESRCH)
		return line;
	text = format("%s, which was killed; a program that it had begun goes on", line);
	free(line);
	return text;
}

char *lock_holder(void)
{
	char *path, *holder = NULL;
	int fd;

	if (taken)
		return NULL;
	path = lock_file();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
		holder = named_holder(path);
	if (fd >= 0)
		close(fd);
	free(path);
	return holder;
}
