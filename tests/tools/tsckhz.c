// SPDX-License-Identifier: GPL-2.0-only
/*
 * tsckhz - how fast this processor's time stamp counter runs, in kHz.
 *
 * QEMU hands it on to a machine that it emulates. Such a machine counts it at boot, against
 * a timer that is late when the host has other things to do, and may come to a thirtieth of
 * the truth. So it is told. Prints nothing where there is no such counter.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_S	1000000000u
#define NS_PER_MS	1000000u
#define SPAN		(50 * NS_PER_MS)
/* A look that took longer was disturbed. */
#define MAX_CYCLES	20000u
#define MAX_TRIES	100000

#ifdef __x86_64__
#include <x86intrin.h>

struct look {
	uint64_t cycles, ns;
};

static struct look look(void)
{
	struct look l = { 0 };
	int tries;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		uint64_t before = __rdtsc(), after;
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		after = __rdtsc();
		l.cycles = before + (after - before) / 2;
		l.ns = (uint64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
		if (after - before < MAX_CYCLES)
			break;
	}
	return l;
}

int main(void)
{
	struct timespec nap = { .tv_nsec = SPAN };
	struct look from = look(), to;

	nanosleep(&nap, NULL);
	to = look();
	printf("%" PRIu64 "\n",
	       (to.cycles - from.cycles) * NS_PER_MS / (to.ns - from.ns));
	return 0;
}
#else
int main(void)
{
	return 0;
}
#endif
