// SPDX-License-Identifier: GPL-2.0-or-later
#include "ending.h"
#include "dest-kind.h"
#include "disk.h"
#include "events.h"
#include "insert.h"
#include "kmsg.h"
#include "lock.h"
#include "message.h"
#include "say.h"
#include "source-kind.h"
#include "volume-held.h"
#include "volume-line.h"
#include "volume-name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* What is longer by these can take the place of a pinned target: see below. */
#define BEYOND	8

/* One of the two ends. */
struct end {
	enum step step;
	const char *message;
	enum phase phase;
	enum leg dropped;
	int (*replace)(struct migration *m);
};

static bool is_over(const struct migration *m, const struct end *end)
{
	return m->readable && m->status.phase == end->phase &&
	       m->status.health[end->dropped] == 'D';
}

/* ------------------------------------------------------------------------
 * The message, and until the leg has gone
 */

static int record_all(struct migration *m, enum step step, bool told)
{
	m->state->step = step;
	m->state->told = told;
	return state_save(m->state);
}

static int record(struct migration *m, enum step step, bool told)
{
	if (m->state->step == step && m->state->told == told)
		return DONE;
	return record_all(m, step, told);
}

/*
 * The kernel drops no leg that is active. So what is under way there may be the other
 * end, and what is recorded could be taken for true by the next boot.
 */
static bool can_be(const struct migration *m, const struct end *end)
{
	return m->status.active != end->dropped;
}

/* What was recorded when we came. */
struct before {
	enum step step;
	bool told;
};

/*
 * It is not begun after all. Only a record of ours tells of nothing in the kernel: one
 * that was there may be of an end that is under way, and stays.
 */
static void take_back(struct migration *m, const struct end *end,
		      const struct before *before)
{
	m->state->delete_source = false;
	m->state->delete_dest = false;
	if (m->state->adopted)
		state_forget(m->state);
	else if (!record(m, before->step, before->told) && end->step == STEP_COMMIT &&
		 before->step == STEP_RUN)
		volume_name_restore(m);
}

/*
 * The kernel answers EBUSY when it has begun and cannot end yet, and when it is
 * asked again it says that that is under way.
 */
static int tell(struct migration *m, const struct end *end, const struct before *before)
{
	char why[512];
	int err = message_try(m, end->message, why, sizeof(why));
	int code;

	if (!err)
		return DONE;
	if (can_be(m, end) && (err == EBUSY || strstr(why, "under way")))
		return record(m, end->step, true);
	code = message_refused(m, end->message, err, why);
	take_back(m, end, before);
	return code;
}

/* Somebody else may have ended it. */
static bool is_waited_for(const struct migration *m, const struct end *end)
{
	return m->stage == RUNS && m->state && !is_over(m, end);
}

static int await_drop(struct migration *m, const struct end *end)
{
	char *what = format("%s %s", end->message, m->device.name);
	int code = events_open();

	remark("%s: %s is under way, and I/O is still in flight on the %s: waiting for it.",
	       m->device.name, end->message, leg_names[end->dropped]);
	while (!code) {
		events_arm();
		migration_refresh(m);
		if (!is_waited_for(m, end))
			break;
		/* Whoever takes the lock meanwhile finds a record, and goes on with it. */
		lock_release();
		events_wait(-1);
		code = lock_take(what);
	}
	free(what);
	if (!code)
		migration_refresh(m);
	return code;
}

/* If its name cannot be moved, the source is not let go of. */
static int record_end(struct migration *m, const struct end *end,
		      const struct before *before)
{
	int code = DONE;

	if (end->step == STEP_COMMIT)
		code = volume_name_choose(m->state);
	if (!code)
		code = record_all(m, end->step, false);
	if (code || end->step != STEP_COMMIT)
		return code;
	code = volume_name_step_aside(m);
	if (code) {
		take_back(m, end, before);
		remark("%s: \"livemigrate commit --force %s\" leaves the name of its volume, which leads to the old data then.",
		       m->device.name, m->device.name);
	}
	return code;
}

/* From the record to the end of the leg. */
static int drop(struct migration *m, const struct end *end)
{
	const struct before before = {
		m->state->step == STEP_START ? STEP_RUN : m->state->step, m->state->told
	};
	int code = DONE;

	if (is_over(m, end))
		return record(m, end->step, true);
	if (m->state->step != end->step || !m->state->told) {
		if (can_be(m, end))
			code = record_end(m, end, &before);
		if (!code)
			code = tell(m, end, &before);
		if (!code)
			migration_refresh(m);
	}
	if (!code && is_waited_for(m, end))
		code = await_drop(m, end);
	if (!code && is_waited_for(m, end))
		code = fail(FAILED, "%s: the kernel has taken %s, but status does not say so.",
			    m->device.name, end->message);
	return code;
}

/* ------------------------------------------------------------------------
 * Another table in the place of the target
 */

static int put(struct migration *m, const struct dm_table *table)
{
	const char *name = m->device.name;
	char why[512];
	struct kmsg log;
	int err;

	kmsg_mark(&log);
	err = dm_load(name, table);
	if (!err)
		err = dm_swap(name);
	if (!err) {
		kmsg_forget(&log);
		return DONE;
	}
	kmsg_reason(&log, m->device.dev, why, sizeof(why));
	return fail(FAILED, "%s: its new table is not taken (%s); it goes on under the target: \"livemigrate resume %s\" tries again.",
		    name, why[0] ? why : dm_why(err), name);
}

static int put_line(struct migration *m, const char *type, const char *params)
{
	struct dm_table table = { 0 };
	int code;

	dm_table_add(&table, 0, m->sectors, type, params);
	code = put(m, &table);
	dm_table_free(&table);
	return code;
}

/* A pinned target that only maps @place takes the place of a pinned one. */
static int put_at_rest(struct migration *m, const struct place *place)
{
	char *params = format("- 0 %u:%u %llu", place->major, place->minor,
			      (unsigned long long)place->offset);
	int code = put_line(m, TARGET_PINNED, params);

	free(params);
	return code;
}

/*
 * A pinned one stays, but lets go of the source: its line names that no more as
 * soon as it is dropped, but only another table does not hold it.
 */
static int put_dest(struct migration *m)
{
	const struct place *dest = &m->line.leg[DEST];
	char *params;
	int code;

	if (m->pinned)
		return put_at_rest(m, dest);
	params = format("%u:%u %llu", dest->major, dest->minor,
			(unsigned long long)dest->offset);
	code = put_line(m, "linear", params);
	free(params);
	return code;
}

/*
 * Device mapper lets a pinned target be replaced by nothing but a table with an
 * error target in it. So one that is longer by it comes between.
 */
static int put_unpinned(struct migration *m, struct dm_table *table)
{
	int code;

	dm_table_add(table, dm_table_len(table), BEYOND, "error", "");
	code = put(m, table);
	if (!code) {
		struct dm_table shorter = { table->line, table->nr - 1 };

		code = put(m, &shorter);
	}
	return code;
}

static int put_original(struct migration *m)
{
	struct dm_table table = { 0 };
	struct dm_device hidden;
	int code;

	if (m->state->rested)
		return put_at_rest(m, &m->line.leg[SOURCE]);
	if (hidden_find(m->state, &hidden)) {
		if (dm_table_get(hidden.name, false, &table))
			return fail(FAILED, "The table of the hidden device %s cannot be read.",
				    hidden.name);
	} else {
		const struct place *source = &m->line.leg[SOURCE];
		char *params = format("%u:%u %llu", source->major, source->minor,
				      (unsigned long long)source->offset);

		dm_table_add(&table, 0, m->sectors, "linear", params);
		free(params);
	}
	code = m->pinned ? put_unpinned(m, &table) : put(m, &table);
	dm_table_free(&table);
	return code;
}

/* The way out of a pinned one may have been interrupted in its middle. */
static int cut_to_size(struct migration *m)
{
	struct dm_table table = { 0 };
	int code = DONE;

	if (!dm_table_get(m->device.name, false, &table) && table.nr > 1 &&
	    dm_table_len(&table) == m->state->sectors + BEYOND) {
		struct dm_table shorter = { table.line, table.nr - 1 };

		code = put(m, &shorter);
	}
	dm_table_free(&table);
	return code;
}

/* It stepped aside before the message, and its disk may have failed since. */
static void keep_aside(struct migration *m)
{
	if (volume_name_step_aside(m))
		remark("%s: if its source comes back under its old name, that leads to the old data.",
		       m->device.name);
}

/*
 * From here on the source is stale. The record says so before the line of
 * livemigrate.tab names the dest, so that no boot in between takes the source.
 */
static int settle(struct migration *m)
{
	int code = volume_name_choose(m->state);

	/* It may have been let go of by hand. */
	if (!code)
		code = record_all(m, STEP_COMMIT, true);
	if (code)
		return code;
	keep_aside(m);
	return disk_follow(m->state);
}

static const struct end by_commit = {
	STEP_COMMIT, "commit", COMMITTED, SOURCE, put_dest
};
static const struct end by_abort = {
	STEP_ABORT, "abort", ABORTED, DEST, put_original
};

/* ------------------------------------------------------------------------
 * All of it
 */

/* There may be a line since the start, or the record be lost. Not when it is decided. */
static int find_line(struct migration *m)
{
	const struct place *source = &m->line.leg[SOURCE];
	struct state *state = m->state;
	struct dm_device hidden;
	char *before;
	bool found;
	int code;

	if (source->dropped || state->told || hidden_find(state, &hidden))
		return DONE;
	before = copy_of(state->line);
	code = disk_find_line(state, &m->device, makedev(source->major, source->minor));
	found = strcmp(state->line, before);
	free(before);
	if (code || !found || state->adopted)
		return code;
	code = state_save(state);
	/* A name that was chosen before is not moved, too. */
	return code ? code : volume_name_restore(m);
}

/* Before the kernel hears of it: what then must be can be done. */
static int prepare_commit(struct migration *m)
{
	int code = DONE;

	if (!is_over(m, &by_commit)) {
		code = find_line(m);
		if (!code)
			code = disk_may_follow(m);
	}
	if (!code)
		disk_name_dest(m);
	return code;
}

static int finish(struct migration *m, const struct end *end)
{
	int code = DONE;

	if (m->exists && m->device.suspended && dm_resume(m->device.name))
		return fail(FAILED, "%s is suspended and cannot be resumed.",
			    m->device.name);
	if (m->stage == RUNS) {
		code = migration_adopt(m);
		if (!code && end == &by_commit)
			code = prepare_commit(m);
		if (!code)
			code = drop(m, end);
		/* Somebody else has ended it while we waited. */
		if (!code && !m->state)
			return DONE;
		if (!code && m->stage == RUNS && end == &by_commit)
			code = settle(m);
		if (!code && m->stage == RUNS)
			code = end->replace(m);
		if (!code)
			migration_refresh(m);
	}
	/* Somebody else has ended it while we waited. */
	if (!code && !m->state)
		return DONE;
	/* It may have been ended by hand. */
	if (!code && m->stage == ENDING && end == &by_commit)
		code = disk_follow(m->state);
	if (!code && m->stage == ENDING)
		code = cut_to_size(m);
	if (!code && m->stage != ENDING && !(m->stage == RUNS && is_over(m, end)))
		code = fail(FAILED, "%s: somebody has removed the target or the device meanwhile: see \"livemigrate list\".",
			    migration_name(m));
	return code;
}

int end_by_commit(struct migration *m)
{
	bool delete_source;
	int forgotten, code = finish(m, &by_commit);

	if (code || !m->state)
		return code;
	delete_source = m->state->delete_source;
	code = insert_undo(m->state);
	if (code)
		return code;
	volume_name_revive(m->state);
	code = volume_name_hand_over(m->state);
	dest_keep(m->state, disk_is_kept(m->state) || volume_line_is_there(m->state));
	if (code)
		return code;
	volume_name_retire(m->state);
	/* The migration is over, whatever becomes of the source. */
	if (delete_source)
		code = source_kind_delete(m);
	else
		source_kind_left(m->state);
	forgotten = state_forget(m->state);
	return code ? code : forgotten;
}

/* Nothing is changed before it can be done. */
static int may_take_dest(const struct migration *m)
{
	const struct state *state = m->state;
	bool moved, used;
	int code;

	if (!state->told) {
		code = volume_name_has_moved(state, &moved, &used);
		if (code)
			return code;
		if (!moved)
			return fail(NOT_NOW, "%s: commit had not begun when the host went down, and its source is complete: \"livemigrate abort --force %s\", and start again.",
				    state->name, state->name);
		if (used)
			return fail(NOT_NOW, "%s: its source is in use already, so it is not known any more which leg is the newer one: look at both, then \"livemigrate abort --force %s\" leaves the name with the old source.",
				    state->name, state->name);
	}
	return volume_name_can_hand_over(state);
}

int end_by_taking_dest(struct migration *m)
{
	bool delete_source = m->state->delete_source;
	int code = may_take_dest(m);

	if (!code)
		code = record(m, STEP_COMMIT, true);
	if (!code)
		code = insert_undo(m->state);
	if (code)
		return code;
	keep_aside(m);
	code = volume_name_hand_over(m->state);
	if (code)
		return code;
	dest_keep(m->state, volume_line_is_there(m->state));
	if (delete_source)
		remark("%s: its old source has not been deleted: do that by hand.",
		       m->state->name);
	volume_name_retire(m->state);
	source_kind_left(m->state);
	return state_forget(m->state);
}

/*
 * Whoever finds it then may write to it, so there is no way back to its metadata. And it
 * waits for no dest that cannot be dropped.
 */
static int let_go(struct migration *m, bool force)
{
	enum step step = m->state->step;
	int code = DONE;

	if (!m->state->volume.held)
		return DONE;
	if (step == STEP_START || step == STEP_RUN) {
		m->state->again = false;
		code = record_all(m, STEP_ABORT, false);
	}
	if (!code)
		code = volume_let_go(m->state);
	if (code && !force)
		return fail(code, "%s: so its volume is still not activated at a boot: \"livemigrate abort %s\" tries again, and with --force it forgets that.",
			    migration_name(m), migration_name(m));
	if (!code)
		return DONE;
	remark("%s: when its volume is there, \"lvchange --setactivationskip n\" and \"--deltag livemigrate-held\" make it one like any other.",
	       migration_name(m));
	return DONE;
}

int end_by_abort(struct migration *m, bool force)
{
	int code = finish(m, &by_abort);

	if (code || !m->state)
		return code;
	code = volume_name_restore(m);
	if (!code)
		code = insert_undo(m->state);
	if (!code)
		code = let_go(m, force);
	if (!code)
		code = dest_drop(m->state);
	return code ? code : state_forget(m->state);
}

int end_by_forgetting(struct migration *m, bool force)
{
	struct state *state = m->state;
	/* Of a source that is stale nobody shall find the name. */
	bool stale = state->step == STEP_COMMIT && state->told;
	int code = stale ? DONE : volume_name_restore(m);

	/* Its group may be gone for good. */
	if (code && force)
		code = DONE;
	if (!code)
		code = insert_undo(state);
	if (!code && stale)
		volume_name_retire(state);
	else if (!code)
		code = let_go(m, force);
	if (code)
		return code;
	if (state->step == STEP_START && state->object.fresh)
		code = dest_unmake(state);
	else if (state->delete_dest)
		code = dest_drop(state);
	else
		dest_leave(state);
	return code ? code : state_forget(state);
}
