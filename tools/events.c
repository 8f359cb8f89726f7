// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"
#include "paths.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/*
 * libdevmapper waits for one device in one call that nothing but a signal ends.
 * The kernel can be polled, for all of them, on a file of one's own.
 */
#define CONTROL		"/dev/mapper/control"
/* The first version of the interface that has it. */
#define ARM_VERSION	{ 4, 37, 0 }

static int control = -1, records = -1;
static volatile sig_atomic_t signalled;
static struct sigaction old_int, old_term;
static sigset_t old_mask;
static bool catching;

int events_open(void)
{
	if (control < 0)
		control = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (control < 0)
		return fail(UNABLE, "%s cannot be opened: %s.", CONTROL,
			    strerror(errno));
	if (records < 0)
		records = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return DONE;
}

void events_arm(void)
{
	struct dm_ioctl arm = {
		.version = ARM_VERSION,
		.data_size = sizeof(arm),
	};
	char changes[1024];

	/* Each time: there may have been no folder. */
	inotify_add_watch(records, state_dir(), IN_MOVED_TO | IN_DELETE);
	while (read(records, changes, sizeof(changes)) > 0)
		;
	ioctl(control, DM_DEV_ARM_POLL, &arm);
}

enum woken events_wait(int ms)
{
	struct pollfd pollfd[] = {
		{ .fd = control, .events = POLLIN },
		{ .fd = records, .events = POLLIN },
	};
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };
	int n;

	if (signalled)
		return BY_SIGNAL;
	/* Outside of this call caught signals are blocked: none is missed. */
	n = ppoll(pollfd, 2, ms < 0 ? NULL : &left, catching ? &old_mask : NULL);
	if (n < 0)
		return BY_SIGNAL;
	return n ? BY_EVENT : BY_TIME;
}

void events_close(void)
{
	if (control >= 0)
		close(control);
	if (records >= 0)
		close(records);
	control = records = -1;
}

static void remember(int signal)
{
	signalled = signal;
}

void signals_catch(void)
{
	const struct sigaction catch = { .sa_handler = remember };
	sigset_t ours;

	if (catching)
		return;
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &old_mask);
	sigaction(SIGINT, &catch, &old_int);
	sigaction(SIGTERM, &catch, &old_term);
	catching = true;
}

void signals_release(void)
{
	if (!catching)
		return;
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	catching = false;
}

int signals_take(void)
{
	int signal = signalled;

	signalled = 0;
	return signal;
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
