// SPDX-License-Identifier: GPL-2.0-or-later
#include "wait.h"
#include "events.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

bool goal_copied(const struct migration *m)
{
	return m->status.phase == SYNCED || m->status.phase == SWITCHED;
}

bool goal_verified(const struct migration *m)
{
	return strcmp(m->status.word[W_VERIFY], "running") != 0;
}

bool goal_none(const struct migration *m)
{
	(void)m;
	return false;
}

/* Can it get on by itself? */
static int health(const struct migration *m)
{
	char *note;
	int code = DONE;

	if (m->stage == RUNS && m->readable && m->status.phase != PHASE_DEGRADED &&
	    m->status.phase != ABORTED && m->status.phase != COMMITTED &&
	    !m->status.number[N_UNREADABLE])
		return DONE;
	if (m->stage == NO_MIGRATION)
		return fail(NOT_FOUND, "%s does not migrate any more.", migration_name(m));
	code = m->stage == RUNS && m->readable &&
	       (m->status.phase == PHASE_DEGRADED || m->status.number[N_UNREADABLE]) ?
	       DEGRADED : NOT_NOW;
	note = migration_note(m);
	fail(code, "%s: %s%s%s.", migration_name(m),
	     m->stage == RUNS && m->readable ? phase_names[m->status.phase] :
					       stage_names[m->stage],
	     note ? ": " : "", note ? note : "");
	free(note);
	return code;
}

/* How long until the time is over, or the next line of progress is due. */
static int time_left(int64_t end, const struct progress *progress)
{
	int64_t left = end < 0 ? -1 : end - now_ms();
	int step = progress_interval(progress);

	if (end >= 0 && left < 0)
		left = 0;
	if (step >= 0 && (left < 0 || left > step))
		left = step;
	return left > 3600000 ? 3600000 : (int)left;
}

int wait_for(struct migration *m, goal_fn goal, int64_t ms,
	     struct progress *progress)
{
	int64_t end = ms < 0 ? -1 : now_ms() + ms;
	int code = events_open();

	while (!code) {
		events_arm();
		migration_refresh(m);
		if (m->stage == RUNS && m->readable && goal(m))
			break;
		progress_show(progress, m);
		code = health(m);
		if (!code && end >= 0 && now_ms() >= end)
			code = OVER_TIME;
		if (!code && events_wait(time_left(end, progress)) == BY_SIGNAL)
			code = INTERRUPTED;
	}
	progress_end(progress, m);
	return code;
}
