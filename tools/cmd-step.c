// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One step each: messages to the target, and the two ends.
 */
#include "command.h"
#include "check.h"
#include "dest-kind.h"
#include "disk.h"
#include "ending.h"
#include "events.h"
#include "group.h"
#include "insert.h"
#include "lock.h"
#include "message.h"
#include "restart.h"
#include "restore.h"
#include "say.h"
#include "source-kind.h"
#include "volume-held.h"
#include "volume-name.h"
#include "wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a switch waits for by itself: a guest that trims makes "synced" flicker. */
#define SWITCH_PATIENCE	5000

/* The lock, and then the migration as it is under it. */
static int begin(const char *command, const char *device, struct migration *m)
{
	char *what = format("%s %s", command, device);
	int code = lock_take(what);

	free(what);
	memset(m, 0, sizeof(*m));
	if (code)
		return code;
	code = migration_find(device, m);
	/* A record goes with its device. */
	if (!code && m->state && m->exists && strcmp(m->state->name, m->device.name))
		code = state_rename(m->state, m->device.name);
	if (code) {
		migration_free(m);
		lock_release();
	}
	return code;
}

static void finish(struct migration *m)
{
	migration_free(m);
	lock_release();
}

/* It runs, so start has been done; only the record says otherwise. */
static int settle(struct state *state)
{
	if (!state || state->step != STEP_START)
		return DONE;
	state->step = STEP_RUN;
	state->object.fresh = false;
	state->again = false;
	return state_save(state);
}

/* The target must be there to be told something. */
static int want_running(const struct migration *m)
{
	char *note;

	if (m->stage == RUNS && m->readable)
		return DONE;
	note = migration_note(m);
	fail(NOT_NOW, "%s: %s.", migration_name(m), note ? note : "it does not run");
	free(note);
	return NOT_NOW;
}

/* An end that was cut off before the kernel heard of it: it is not meant any more. */
static int withdraw(struct migration *m)
{
	struct state *state = m->state;
	int code;

	if (!state || state->told || state->step == STEP_RUN)
		return DONE;
	state->step = STEP_RUN;
	state->delete_source = false;
	state->delete_dest = false;
	code = state_save(state);
	return code ? code : volume_name_restore(m);
}

static int do_message(const char *command, const char *device, const char *message)
{
	struct migration m;
	int code = begin(command, device, &m);

	if (code)
		return code;
	code = want_running(&m);
	if (!code)
		code = message_send(&m, message);
	finish(&m);
	return code;
}

/* What the copier was told holds after a boot, too. */
static int keep_pace(struct state *state, bool paused, uint64_t rate)
{
	if (state->paused == paused && state->rate == rate)
		return DONE;
	state->paused = paused;
	state->rate = rate;
	return state_save(state);
}

/* @rate: NULL to pause it. */
static int tell_copier(const char *device, const char *message, const uint64_t *rate)
{
	struct migration m;
	int code = begin(rate ? "rate" : "pause", device, &m);

	if (code)
		return code;
	code = want_running(&m);
	if (!code)
		code = message_send(&m, message);
	if (!code && m.state)
		code = keep_pace(m.state, rate ? m.state->paused : true,
				 rate ? *rate : m.state->rate);
	finish(&m);
	return code;
}

/* It was paused before the boot, perhaps; the kernel first, then the record. */
static int unpause(struct migration *m)
{
	int code = DONE;

	migration_refresh(m);
	if (m->stage != RUNS || !m->readable)
		return DONE;
	if (m->status.paused)
		code = message_send(m, "resume");
	if (!code && m->state)
		code = keep_pace(m->state, false, m->state->rate);
	return code;
}

int cmd_pause(const struct request *r)
{
	int code = tell_copier(r->device, "pause", NULL);

	if (!code)
		say("%s: the copier stands still; the guest's writes are mirrored as before.",
		    r->device);
	return code;
}

int cmd_rate(const struct request *r)
{
	char *message;
	uint64_t rate;
	int code;

	if (!parse_rate(r->operand, &rate))
		return fail(USAGE, "'%s' is no rate: say KiB/s, or a number with M or G behind it; 0 for no limit.",
			    r->operand);
	message = format("copy_rate %llu", (unsigned long long)rate);
	code = tell_copier(r->device, message, &rate);
	free(message);
	if (!code && rate)
		say("%s: at most %llu KiB/s are copied.", r->device,
		    (unsigned long long)rate);
	else if (!code)
		say("%s: it is copied without limit.", r->device);
	return code;
}

int cmd_reattach(const struct request *r)
{
	int code = do_message("reattach", r->device, "reattach");

	if (!code)
		say("%s: both legs take part, and what one of them lacks is copied.",
		    r->device);
	return code;
}

/* ------------------------------------------------------------------------
 * resume: the copier, or what was interrupted
 */

static int resume_absent(struct migration *m)
{
	struct dm_device other;

	if (m->state->step == STEP_COMMIT && disk_is_kept(m->state))
		return restore_on_dest(m->state);
	if (m->state->step == STEP_COMMIT && volume_name_moves(m->state))
		return end_by_taking_dest(m);
	if (m->state->step != STEP_START &&
	    (m->state->step != STEP_RUN || !m->state->metadata.path))
		return want_running(m);
	/* Also one that boot is not to make. */
	if (!m->exists && m->state->metadata.path && disk_is_kept(m->state) &&
	    dm_find(disk_name(m->state), &other))
		return restore_disk(disk_name(m->state));
	return restart_again(m);
}

/* A commit that was cut off before the kernel heard of it, and the dest failed since. */
static bool is_vain(const struct migration *m)
{
	return m->stage == RUNS && m->readable && m->state &&
	       m->state->step == STEP_COMMIT && !m->state->told &&
	       m->status.active == SOURCE;
}

static int resume_running(struct migration *m)
{
	if (m->device.suspended && dm_resume(m->device.name))
		return fail(FAILED, "%s cannot be resumed: its I/O still waits.",
			    m->device.name);
	if (is_vain(m))
		return withdraw(m);
	if (m->state && m->state->step == STEP_COMMIT)
		return end_by_commit(m);
	if (m->state && m->state->step == STEP_ABORT)
		return end_by_abort(m, false);
	if (m->state && m->state->step == STEP_START)
		return settle(m->state);
	return m->readable ? message_send(m, "resume") : want_running(m);
}

/* A start that was cut off before the volume was held. */
static int hold(struct migration *m, bool started, int code)
{
	if (!code && started && m->state)
		volume_hold(m->state);
	return code;
}

static int resume_stage(struct migration *m)
{
	bool started = m->state && m->state->step == STEP_START;

	switch (m->stage) {
	case RUNS:
		return hold(m, started, resume_running(m));
	case STARTING:
		return m->state->again ? restart_again(m) :
					 hold(m, started, restart(m, false));
	case ENDING:
		return m->state->step == STEP_COMMIT ? end_by_commit(m) :
						       end_by_abort(m, false);
	case GONE:
	case REBOOTED:
		return resume_absent(m);
	default:
		return want_running(m);
	}
}

int do_resume(const char *device)
{
	struct migration m;
	int code = begin("resume", device, &m);

	if (code)
		return code;
	code = resume_stage(&m);
	finish(&m);
	return code;
}

int cmd_resume(const struct request *r)
{
	struct migration m;
	enum step step;
	bool was, vain, runs;
	int code = group_settle(r->device, group_finish, &was);

	if (was && !code)
		say("%s: all of its group run on the same leg.", r->device);
	if (was || code)
		return code;
	code = begin("resume", r->device, &m);
	if (code)
		return code;
	step = m.state ? m.state->step : STEP_RUN;
	vain = is_vain(&m);
	code = resume_stage(&m);
	if (!code && step == STEP_RUN)
		code = unpause(&m);
	if (!code)
		migration_refresh(&m);
	runs = m.stage == RUNS;
	finish(&m);
	if (code)
		return code;
	if (vain)
		say("%s: commit had not begun, and cannot: the migration goes on.", r->device);
	else if (step == STEP_COMMIT || step == STEP_ABORT)
		say("%s: %s is finished.", r->device, step_names[step]);
	else if (runs)
		say("%s: it goes on.", r->device);
	return DONE;
}

/* ------------------------------------------------------------------------
 * cutover and failback
 */

/*
 * The message itself is the test: a status that says "synced" may be out of date
 * when it is read. The lock is held for no longer than each try.
 */
static int try_switch(const char *device, const char *message, bool last,
		      bool *again)
{
	struct migration m;
	char why[512];
	int code = begin(message, device, &m), err;

	*again = false;
	if (code)
		return code;
	code = want_running(&m);
	/* An abort takes back what only start has touched: not the guest's data. */
	if (!code)
		code = settle(m.state);
	if (!code) {
		err = message_try(&m, message, why, sizeof(why));
		if (!err && strcmp(message, "verify"))
			code = withdraw(&m);
		*again = err == EBUSY && !m.status.number[N_UNREADABLE] && !last;
		if (err && !*again)
			code = message_refused(&m, message, err, why);
	}
	finish(&m);
	return code;
}

int do_switch(const char *device, const char *message, int64_t patience_ms)
{
	int64_t end = patience_ms < 0 ? INT64_MAX : now_ms() + patience_ms;
	int code = events_open();
	bool again = true;

	while (!code) {
		bool last = now_ms() >= end;

		events_arm();
		code = try_switch(device, message, last, &again);
		if (code || !again)
			break;
		/* Whatever came just before we armed is seen a second later. */
		if (events_wait(1000) == BY_SIGNAL)
			return INTERRUPTED;
	}
	return code;
}

static int do_switch_command(const struct request *r, const char *message, enum leg to)
{
	int64_t patience = is_given(r, OPT_TIMEOUT) ?
			   (int64_t)r->number[OPT_TIMEOUT] * 1000 : SWITCH_PATIENCE;
	int code;

	if (is_given(r, OPT_GROUP))
		return cmd_group(r, to, patience);
	code = do_switch(r->device, message, patience);
	if (!code)
		say("%s runs on the %s; the other one stays mirrored.", r->device,
		    leg_names[to]);
	return code;
}

int cmd_cutover(const struct request *r)
{
	return do_switch_command(r, "cutover", DEST);
}

int cmd_failback(const struct request *r)
{
	return do_switch_command(r, "failback", SOURCE);
}

/* ------------------------------------------------------------------------
 * verify
 */

static int verdict(const struct migration *m)
{
	const struct status *st = &m->status;

	if (strcmp(st->word[W_VERIFY], "done"))
		return fail(NOT_NOW, "%s: verify has been stopped, %llu regions were compared.",
			    m->device.name,
			    (unsigned long long)st->number[N_VERIFIED]);
	if (st->number[N_MISMATCHES])
		return fail(DIFFERS, "%s: the legs differed in %llu regions, the first at sector %s; they are copied again. Find out which device is at fault before you trust the dest.",
			    m->device.name,
			    (unsigned long long)st->number[N_MISMATCHES],
			    st->word[W_FIRST_MISMATCH]);
	say("%s: %llu regions compared, none differ%s.", m->device.name,
	    (unsigned long long)st->number[N_VERIFIED],
	    st->number[N_VERIFY_SKIPPED] ? "; some were skipped, because the guest writes to them all the time" : "");
	return DONE;
}

int do_verify(const char *device)
{
	struct migration m;
	int code = do_switch(device, "verify", SWITCH_PATIENCE);

	if (!code)
		code = migration_find(device, &m);
	if (code)
		return code;
	code = wait_for(&m, goal_verified, -1, NULL);
	if (!code)
		code = verdict(&m);
	migration_free(&m);
	return code;
}

int cmd_verify(const struct request *r)
{
	int code;

	if (is_given(r, OPT_STOP))
		return do_message("verify", r->device, "verify stop");
	signals_catch();
	code = do_verify(r->device);
	if (code == INTERRUPTED)
		do_message("verify", r->device, "verify stop");
	signals_release();
	return code;
}

/* ------------------------------------------------------------------------
 * commit and abort
 */

/* Some would be committed, and others perhaps go back. */
static int want_whole_group(const struct migration *m)
{
	char *note = group_note(migration_name(m));
	int code = note ? fail(NOT_NOW, "%s: %s.", migration_name(m), note) : DONE;

	free(note);
	return code;
}

/* Somebody has done away with the target: what is left to be done? */
static int end_absent(struct migration *m, bool force)
{
	if (m->state->step == STEP_COMMIT && !force)
		return want_running(m);
	return end_by_forgetting(m, force);
}

int do_commit(const char *device, bool delete_source, bool force)
{
	struct migration m;
	int code = begin("commit", device, &m);

	if (code)
		return code;
	if (m.stage != ENDING || m.state->step != STEP_COMMIT)
		code = want_running(&m);
	if (!code)
		code = want_whole_group(&m);
	if (!code)
		code = m.stage == RUNS ? migration_adopt(&m) : DONE;
	if (!code && delete_source)
		code = source_kind_deletable(m.state);
	if (!code && delete_source && m.device.open_count <= 0)
		code = fail(NOT_NOW, "%s: nobody has it open, so nothing shows that its user runs well on the dest, and the source is not deleted: let its user start first; or commit without --delete-source, and delete it by hand.",
			    m.device.name);
	if (!code) {
		m.state->delete_source = delete_source;
		m.state->volume.stays = force;
		code = end_by_commit(&m);
	}
	finish(&m);
	return code;
}

int cmd_commit(const struct request *r)
{
	int code = do_commit(r->device, is_given(r, OPT_DELETE_SOURCE),
			     is_given(r, OPT_FORCE));

	if (!code)
		say("%s runs on the dest alone.", r->device);
	return code;
}

static bool is_committed(const struct migration *m)
{
	return m->stage == RUNS ? m->readable && m->status.phase == COMMITTED :
				  m->stage == ENDING && m->state->step == STEP_COMMIT;
}

static int want_dest_deleted(struct migration *m)
{
	int code = m->state ? DONE : migration_adopt(m);

	if (!code)
		code = dest_deletable(m->state);
	if (!code)
		m->state->delete_dest = true;
	return code;
}

static int abort_stage(struct migration *m, bool force)
{
	if (is_committed(m))
		return fail(NOT_NOW, "%s is committed already: \"livemigrate %s %s\" clears up.",
			    m->device.name, m->state ? "resume" : "commit", m->device.name);
	if (m->stage == STARTING)
		return end_by_forgetting(m, force);
	if (m->stage == RUNS && !m->readable)
		return want_running(m);
	if (m->stage == RUNS || m->stage == ENDING)
		return end_by_abort(m, force);
	return end_absent(m, force);
}

static int abort_it(const char *device, bool force, bool delete_dest)
{
	struct migration m;
	bool was;
	int code = group_settle(device, group_to_source, &was);

	if (!code)
		code = begin("abort", device, &m);
	if (code)
		return code;
	if (delete_dest)
		code = want_dest_deleted(&m);
	if (!code)
		code = abort_stage(&m, force);
	finish(&m);
	return code;
}

/* What the boot has cut off of it, as far as no person is needed. */
static int take_up(struct migration *m, const char **what)
{
	bool done;
	int code;

	if (!restart_is_due(m))
		return DONE;
	if (m->state->step == STEP_ABORT) {
		*what = "abort is finished";
		return abort_stage(m, false);
	}
	code = restart_at_boot(m, &done);
	if (!code && done)
		*what = "its migration goes on";
	return code;
}

int do_take_up(const char *name)
{
	const char *what = NULL;
	struct migration m;
	int code = lock_take("boot");

	if (code)
		return code;
	/* Somebody may have ended it meanwhile. */
	if (!migration_look(name, &m))
		code = take_up(&m, &what);
	finish(&m);
	if (!code && what)
		remark("%s: %s.", name, what);
	return code;
}

int do_abort(const char *device, bool force)
{
	return abort_it(device, force, false);
}

int cmd_abort(const struct request *r)
{
	int code = abort_it(r->device, is_given(r, OPT_FORCE),
			    is_given(r, OPT_DELETE_DEST));

	if (!code)
		say("%s: the migration is over, and nothing is mirrored any more.",
		    r->device);
	return code;
}
