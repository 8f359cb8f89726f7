// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * run: all five steps.
 */
#include "command.h"
#include "dest-kind.h"
#include "device.h"
#include "events.h"
#include "report.h"
#include "say.h"
#include "wait.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum answer { GO_ON, LEAVE, ABORT };

/* Only a person at a terminal can say so; what runs elsewhere is left alone. */
static enum answer ask(const char *device)
{
	enum answer answer = LEAVE;
	char line[64];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return LEAVE;
	/* Another Ctrl-C ends us, and leaves it running. */
	signals_release();
	fprintf(stderr, "\n%s: [g]o on, [l]eave it running, or [a]bort the migration? ",
		device);
	fflush(stderr);
	if (fgets(line, sizeof(line), stdin)) {
		if (line[0] == 'g' || line[0] == 'G')
			answer = GO_ON;
		else if (line[0] == 'a' || line[0] == 'A')
			answer = ABORT;
	}
	signals_catch();
	return answer;
}

/* The way back from wherever it is. */
static int give_up(const char *device)
{
	struct migration m;
	int code = DONE;

	if (!migration_look(device, &m) && m.stage == RUNS && m.readable &&
	    m.status.active == DEST)
		code = do_switch(device, "failback", -1);
	migration_free(&m);
	if (!code)
		code = do_abort(device, false);
	if (!code)
		say("%s: the migration is over, it runs on the source.", device);
	return code ? code : INTERRUPTED;
}

static void left_running(const char *device)
{
	remark("%s goes on migrating: \"livemigrate status %s\" shows it, \"livemigrate abort %s\" ends it, \"livemigrate run %s\" with the same words takes it up again.",
	       device, device, device, device);
}

/* After INTERRUPTED: DONE to go on, or the exit code. */
static int interrupted(const char *device)
{
	signals_take();
	switch (ask(device)) {
	case GO_ON:
		return DONE;
	case ABORT:
		return give_up(device);
	default:
		left_running(device);
		return INTERRUPTED;
	}
}

/* ------------------------------------------------------------------------
 * The steps
 */

/* It may have been begun already, to the same destination. */
static int begin_or_join(const struct request *r)
{
	struct migration m;
	bool join;

	join = !migration_look(r->device, &m) && m.stage == RUNS && m.state &&
	       m.state->step == STEP_RUN && is_given(r, OPT_TO) &&
	       dest_is_called(m.state, r->text[OPT_TO]);
	migration_free(&m);
	if (!join)
		return do_start(r);
	remark("%s migrates to %s already: going on with that.", r->device,
	       r->text[OPT_TO]);
	return DONE;
}

static int run_wait(const char *device, goal_fn goal, int64_t ms,
		    struct progress *progress)
{
	int64_t end = now_ms() + ms;
	struct migration m;
	int code = migration_find(device, &m);

	if (code)
		return code;
	do {
		code = wait_for(&m, goal, ms < 0 ? ms :
				end > now_ms() ? end - now_ms() : 0, progress);
		if (code != INTERRUPTED)
			break;
		code = interrupted(device);
	} while (!code);
	migration_free(&m);
	return code;
}

/* Those that are not waited for by wait_for(). */
static int run_step(const char *device, int (*step)(const char *device))
{
	int code;

	do {
		code = step(device);
		if (code != INTERRUPTED)
			break;
		code = interrupted(device);
	} while (!code);
	return code;
}

static int step_cutover(const char *device)
{
	return do_switch(device, "cutover", -1);
}

static int watch_dest(const struct request *r, struct progress *progress)
{
	uint64_t window = r->number[OPT_FAILBACK_WINDOW];
	char text[24];
	int code;

	if (!window)
		return DONE;
	say("%s: watching the dest for %s before the source is let go.", r->device,
	    time_text(window, text, sizeof(text)));
	code = run_wait(r->device, goal_none, (int64_t)window * 1000, progress);
	return code == OVER_TIME ? DONE : code;
}

/* If the dest has failed it runs on the source again, and must not be committed. */
static int still_on_dest(const char *device)
{
	struct migration m;
	int code = migration_find(device, &m);

	if (!code && (m.stage != RUNS || !m.readable || m.status.active != DEST))
		code = fail(DEGRADED, "%s does not run on the dest any more: see \"livemigrate status %s\".",
			    device, device);
	migration_free(&m);
	return code;
}

static int run_all(const struct request *r, struct progress *progress)
{
	int code = run_wait(r->device, goal_copied, -1, progress);

	if (!code && is_given(r, OPT_VERIFY)) {
		say("%s: comparing the legs.", r->device);
		code = run_step(r->device, do_verify);
	}
	if (!code)
		code = run_step(r->device, step_cutover);
	if (!code) {
		say("%s runs on the dest, %s; the source stays mirrored.", r->device,
		    r->text[OPT_TO]);
		code = watch_dest(r, progress);
	}
	if (!code)
		code = still_on_dest(r->device);
	if (!code)
		code = do_commit(r->device, is_given(r, OPT_DELETE_SOURCE), false);
	return code;
}

int cmd_run(const struct request *r)
{
	struct progress progress;
	int code = begin_or_join(r);

	if (code)
		return code;
	progress_begin(&progress, stdout);
	signals_catch();
	code = run_all(r, &progress);
	signals_release();
	if (!code)
		say("%s runs on %s alone.", r->device, r->text[OPT_TO]);
	else if (code != INTERRUPTED)
		left_running(r->device);
	return code;
}
