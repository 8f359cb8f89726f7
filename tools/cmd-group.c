// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cutover --group, failback --group: all of them or none. Why nothing is suspended
 * for it is in docs/tool.rst.
 */
#include "command.h"
#include "events.h"
#include "group.h"
#include "lock.h"
#include "message.h"
#include "say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a member answers before anything is sent. */
enum answer { READY, LATER, NEVER };

/* One more, if it is not where it shall be. @code: NEVER, and why. */
static enum answer look_at(const struct migration *m, enum leg to, int *code)
{
	enum phase phase = to == DEST ? SYNCED : SWITCHED;
	char *note;

	if (m->stage == RUNS && m->readable && m->status.phase == phase)
		return READY;
	if (m->stage == RUNS && m->readable && m->status.phase == COPYING &&
	    !m->status.number[N_UNREADABLE])
		return LATER;
	note = migration_note(m);
	*code = fail(NOT_NOW, "%s is %s%s%s. None was switched.", migration_name(m),
		     m->stage == RUNS && m->readable ? phase_names[m->status.phase] :
						       stage_names[m->stage],
		     note ? ": " : "", note ? note : "");
	free(note);
	return NEVER;
}

/* Twice the same one, by whatever names? */
static bool is_repeated(struct group *all, const char *name)
{
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (!strcmp(all->name[i], name))
			return true;
	group_add(all, name);
	return false;
}

/* Those that are to be switched, if each can be: all are looked at in any case. */
static enum answer gather(const struct request *r, struct group *group, int *code)
{
	struct group all = { 0 };
	enum answer answer = READY, one;
	struct migration m;
	int i;

	for (i = 0; i < r->nr_operands && answer != NEVER; i++) {
		*code = migration_find(r->operands[i], &m);
		if (*code)
			break;
		if (is_repeated(&all, migration_name(&m))) {
			*code = fail(USAGE, "%s is named twice.", r->operands[i]);
		} else if (m.stage != RUNS || !m.readable || m.status.active != group->to) {
			group_add(group, migration_name(&m));
			one = look_at(&m, group->to, code);
			answer = one > answer ? one : answer;
		}
		migration_free(&m);
		if (*code)
			break;
	}
	group_free(&all);
	return *code ? NEVER : answer;
}

static int refused(const struct group *group, size_t which, const char *message, int err,
		   const char *why)
{
	struct migration m;
	int code;

	if (migration_look(group->name[which], &m))
		return fail(FAILED, "%s has gone.", group->name[which]);
	code = message_refused(&m, message, err, why);
	migration_free(&m);
	return code;
}

/* Under the lock, all of it: nobody sees some here and some there. */
static int switch_now(struct group *group, const char *message, bool last, bool *again)
{
	char why[512] = "";
	size_t which = 0;
	int err, code = group->nr ? group_save(group) : DONE, back;

	if (code || !group->nr)
		return code;
	err = group_send(group, &which, why, sizeof(why));
	if (!err)
		return group_forget();
	*again = err == EBUSY && !last;
	if (!*again)
		code = refused(group, which, message, err, why);
	back = group_send_back(group);
	if (!back && code)
		remark("So none was switched: those that were are back on the %s.",
		       leg_names[group->to]);
	return back ? back : code;
}

static int try_group(const struct request *r, enum leg to, bool last, bool *again)
{
	struct group group = { .to = to }, other;
	enum answer answer;
	int code = DONE;

	*again = false;
	if (group_interrupted(NULL, &other)) {
		char *note = group_note(other.name[0]);

		code = fail(NOT_NOW, "%s: %s.", other.name[0], note ? note : "it is just being switched");
		free(note);
		group_free(&other);
		return code;
	}
	answer = gather(r, &group, &code);
	if (answer == LATER && !last)
		*again = true;
	else if (answer == LATER)
		code = fail(NOT_NOW, "Not all of them are copied yet: \"livemigrate wait\" returns when one is. None was switched.");
	else if (answer == READY)
		code = switch_now(&group, to == DEST ? "cutover" : "failback", last, again);
	group_free(&group);
	return code;
}

static int do_group(const struct request *r, enum leg to, int64_t patience_ms)
{
	int64_t end = now_ms() + patience_ms;
	int code = events_open();
	bool again = true;

	while (!code) {
		bool last = now_ms() >= end;

		events_arm();
		code = lock_take(to == DEST ? "cutover --group" : "failback --group");
		if (!code)
			code = try_group(r, to, last, &again);
		lock_release();
		if (code || !again)
			break;
		if (events_wait(1000) == BY_SIGNAL)
			return INTERRUPTED;
	}
	return code;
}

int cmd_group(const struct request *r, enum leg to, int64_t patience_ms)
{
	struct group group = { 0 };
	char *names;
	int code, i;

	signals_catch();
	code = do_group(r, to, patience_ms);
	signals_release();
	if (code)
		return code;
	for (i = 0; i < r->nr_operands; i++)
		group_add(&group, r->operands[i]);
	names = group_names(&group);
	say("%s: all of them run on the %s; the other legs stay mirrored.", names,
	    leg_names[to]);
	free(names);
	group_free(&group);
	return DONE;
}
