// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests and prints TAP.
 *
 * Usage: unit [--seed N] [--steps N] [--first] [--list] [NAME...]
 *
 * A NAME stands for all tests whose name begins with it.  --steps is how many
 * steps each random schedule runs, --first stops at the first failure.  The
 * seed is also taken from SEED in the environment; without it, it differs from
 * run to run.
 */
#include "unit.h"

#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

u64 unit_seed;
u64 unit_steps = 400000;

static const struct unit_test *const unit_files[] = {
	bitmap_tests, range_tests, phase_tests, window_tests, leg_tests, metadata_tests,
	model_tests,
};

/* ------------------------------------------------------------------------
 * Random numbers: xorshift64*
 */

static u64 unit_rand_state;

void unit_srand(u64 seed)
{
	unsigned int i;

	unit_rand_state = seed * 0x9E3779B97F4A7C15ull + 0x1234567;
	if (!unit_rand_state)
		unit_rand_state = 1;
	for (i = 0; i < 4; i++)
		unit_rand64();
}

u64 unit_rand64(void)
{
	unit_rand_state ^= unit_rand_state >> 12;
	unit_rand_state ^= unit_rand_state << 25;
	unit_rand_state ^= unit_rand_state >> 27;
	return unit_rand_state * 0x2545F4914F6CDD1Dull;
}

/* ------------------------------------------------------------------------
 * Failing
 */

#define TRACE_LEN 64U

static struct {
	const char *fmt;
	long arg[4];
} unit_ring[TRACE_LEN];
static unsigned int unit_traced;

void unit_trace(const char *fmt, long a, long b, long c, long d)
{
	unsigned int i = unit_traced++ % TRACE_LEN;

	unit_ring[i].fmt = fmt;
	unit_ring[i].arg[0] = a;
	unit_ring[i].arg[1] = b;
	unit_ring[i].arg[2] = c;
	unit_ring[i].arg[3] = d;
}

void unit_trace_reset(void)
{
	unit_traced = 0;
}

static void unit_print_trace(void)
{
	unsigned int i = unit_traced > TRACE_LEN ? unit_traced - TRACE_LEN : 0;

	for (; i < unit_traced; i++) {
		const long *arg = unit_ring[i % TRACE_LEN].arg;

		printf("#   ");
		printf(unit_ring[i % TRACE_LEN].fmt, arg[0], arg[1], arg[2],
		       arg[3]);
		printf("\n");
	}
}

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	unit_print_trace();
	printf("# %s:%d: ", file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n# to see it again: --seed %llu\n", unit_seed);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

static void unit_bug(const char *what)
{
	FAIL("%s", what);
}

/* ------------------------------------------------------------------------
 * Running
 */

/* A process for each: what a test leaves behind does not matter. */
static bool unit_run(const struct unit_test *test, unsigned int number)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		alarm(300);
		unit_srand(unit_seed);
		test->run();
		exit(EXIT_SUCCESS);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	printf("%sok %u - %s\n", status ? "not " : "", number, test->name);
	return !status;
}

static bool unit_wanted(const struct unit_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strncmp(test->name, *names, strlen(*names)))
			return true;
	return false;
}

static u64 unit_number(const char *text)
{
	char *end;
	u64 n = text ? strtoull(text, &end, 0) : 0;

	if (!text || !*text || *end) {
		fprintf(stderr, "'%s' is no number\n", text ? text : "");
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	unsigned int i, number = 0, failed = 0;
	const char *seed = getenv("SEED");
	const struct unit_test *test;
	bool list = false, first = false;

	unit_seed = seed && *seed ? unit_number(seed) :
		    (u64)time(NULL) * 1000003 % 1000000000;
	for (argv++, argc--; argc && !strncmp(*argv, "--", 2); argv++, argc--) {
		if (!strcmp(*argv, "--list")) {
			list = true;
			continue;
		}
		if (!strcmp(*argv, "--first")) {
			first = true;
			continue;
		}
		if (argc > 1 && !strcmp(*argv, "--seed")) {
			unit_seed = unit_number(argv[1]);
		} else if (argc > 1 && !strcmp(*argv, "--steps")) {
			unit_steps = unit_number(argv[1]);
		} else {
			fprintf(stderr, "usage: unit [--seed N] [--steps N] [--first] [--list] [NAME...]\n");
			return 2;
		}
		argv++;
		argc--;
	}

	shim_bug_hook = unit_bug;
	if (!list)
		printf("# seed %llu\n", unit_seed);
	for (i = 0; i < sizeof(unit_files) / sizeof(*unit_files); i++) {
		for (test = unit_files[i]; test->name; test++) {
			if (!unit_wanted(test, argv) || (failed && first))
				continue;
			if (list)
				printf("%s\n", test->name);
			else if (!unit_run(test, ++number))
				failed++;
		}
	}
	if (!list)
		printf("1..%u\n", number);
	return failed || (!number && !list);
}
