// SPDX-License-Identifier: GPL-2.0-only
/*
 * logmark - the same marks in several logs of dm-log-writes, for logcheck.
 *
 * The logs have no common clock. Mark N is put into the first device's log, then
 * into the next one's and so on, and only then comes mark N + 1: so what lies
 * before mark N in the first log was there before mark N came into any other.
 */
#include "dmcommon.h"

#include <signal.h>

static const char usage[] =
	"usage: logmark [--every MS] NAME...\n"
	"Sends \"mark 0\", \"mark 1\" and so on to the log-writes devices of those names, in\n"
	"that order, until SIGTERM. Exit 0 if all were taken.";

static volatile sig_atomic_t stop;

static void end(int signal)
{
	(void)signal;
	stop = 1;
}

int main(int argc, char **argv)
{
	uint64_t every = 4, n = 0;
	const struct opt_entry options[] = {
		{ .name = "every", .number = &every },
	};
	const struct sigaction action = { .sa_handler = end };
	char text[40];
	int i, err;

	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (optind == argc)
		die("%s", usage);
	sigaction(SIGTERM, &action, NULL);
	dm_quiet();
	/* All logs get the last mark, too. */
	for (; !stop; n++) {
		snprintf(text, sizeof(text), "mark %" PRIu64, n);
		for (i = optind; i < argc; i++) {
			err = dm_message(argv[i], text);
			if (err)
				die("%s does not take mark %" PRIu64 ": %s.",
				    argv[i], n, strerror(err));
		}
		sleep_ns(every * 1000000);
	}
	printf("%" PRIu64 " marks in each log\n", n);
	return 0;
}
