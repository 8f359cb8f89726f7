// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Those that only look: list, status, wait.
 */
#include "command.h"
#include "events.h"
#include "metrics.h"
#include "report.h"
#include "say.h"
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int print_all(const struct request *r)
{
	int damaged;
	struct migration **all = migrations_all(&damaged);

	if (is_given(r, OPT_JSON))
		report_print_json(stdout, all, !is_given(r, OPT_WATCH));
	else if (is_given(r, OPT_PROMETHEUS))
		metrics_print(stdout, all, damaged);
	else
		report_print_list(stdout, all);
	migrations_free(all);
	return damaged ? FAILED : DONE;
}

/* Anew at each event, and on a terminal each second. */
static int watch(const struct request *r)
{
	bool terminal = isatty(STDOUT_FILENO) && !is_given(r, OPT_JSON);
	int code = events_open();

	signals_catch();
	while (!code) {
		events_arm();
		if (terminal)
			printf("\033[H\033[J");
		print_all(r);
		if (events_wait(terminal ? 1000 : -1) == BY_SIGNAL)
			break;
	}
	signals_release();
	return code;
}

int cmd_list(const struct request *r)
{
	if (is_given(r, OPT_PROMETHEUS) && (is_given(r, OPT_JSON) || is_given(r, OPT_WATCH)))
		return fail(USAGE, "--prometheus goes with neither --json nor --watch: what it prints is for a file, which is written anew.");
	return is_given(r, OPT_WATCH) ? watch(r) : print_all(r);
}

int cmd_status(const struct request *r)
{
	struct migration m, *all[2] = { &m, NULL };
	int code = migration_find(r->device, &m);

	if (code)
		return code;
	if (is_given(r, OPT_JSON))
		report_print_json(stdout, all, true);
	else
		report_print(stdout, &m);
	if (m.stage != RUNS || !m.readable)
		code = NOT_NOW;
	else if (m.status.phase == PHASE_DEGRADED || m.status.number[N_UNREADABLE])
		code = DEGRADED;
	migration_free(&m);
	return code;
}

int cmd_wait(const struct request *r)
{
	int64_t ms = is_given(r, OPT_TIMEOUT) ?
		     (int64_t)r->number[OPT_TIMEOUT] * 1000 : -1;
	struct progress progress;
	struct migration m;
	int code = migration_find(r->device, &m);

	if (code)
		return code;
	progress_begin(&progress, stdout);
	signals_catch();
	code = wait_for(&m, goal_copied, ms, progress.terminal ? &progress : NULL);
	if (!code)
		say("%s: %s.", m.device.name, phase_names[m.status.phase]);
	else if (code == OVER_TIME)
		code = fail(NOT_NOW, "%s: still %s, %u.%02u%% done.", m.device.name,
			    phase_names[m.status.phase], status_done(&m.status) / 100,
			    status_done(&m.status) % 100);
	signals_release();
	migration_free(&m);
	return code;
}
