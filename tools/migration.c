// SPDX-License-Identifier: GPL-2.0-or-later
#include "migration.h"
#include "child.h"
#include "device.h"
#include "disk.h"
#include "group.h"
#include "lock.h"
#include "lvm.h"
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* lvm2 leaves alone what bears the uuid of a volume and a suffix. */
#define HIDDEN_SUFFIX	"-livemigrate_src"
#define LVM_PREFIX	"LVM-"
#define LVM_UUID_LEN	68
#define OUR_PREFIX	"LIVEMIGRATE-"

const char * const stage_names[NR_STAGES] = {
	[NO_MIGRATION] = "none",
	[RUNS] = "running",
	[STARTING] = "starting",
	[ENDING] = "ending",
	[REPLACED] = "replaced",
	[GONE] = "gone",
	[REBOOTED] = "rebooted",
};

const char *migration_name(const struct migration *m)
{
	return m->exists || !m->state ? m->device.name : m->state->name;
}

void migration_free(struct migration *m)
{
	state_free(m->state);
	memset(m, 0, sizeof(*m));
}

/* ------------------------------------------------------------------------
 * Hidden devices
 */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

static bool is_hidden(const struct dm_device *device)
{
	return ends_with(device->name, HIDDEN_SUFFIX) &&
	       (!strncmp(device->uuid, OUR_PREFIX, strlen(OUR_PREFIX)) ||
		ends_with(device->uuid, HIDDEN_SUFFIX));
}

bool hidden_find(const struct state *state, struct dm_device *hidden)
{
	return *state->hidden && !dm_find(state->hidden, hidden) &&
	       !strcmp(hidden->uuid, state->hidden_uuid);
}

int hidden_name(struct state *state, const struct dm_device *device)
{
	struct dm_device other;

	if (is_hidden(device))
		return fail(UNFIT, "%s is the hidden source of another migration.",
			    device->name);
	/* The leg that it rests on is the source, as the kernel wants it. */
	if (state->rested) {
		state->hidden = copy_of("");
		state->hidden_uuid = copy_of("");
		return DONE;
	}
	state->hidden = format("%s" HIDDEN_SUFFIX, device->name);
	if (!strncmp(device->uuid, LVM_PREFIX, strlen(LVM_PREFIX)) &&
	    strlen(device->uuid) >= LVM_UUID_LEN)
		state->hidden_uuid = format("%.*s" HIDDEN_SUFFIX, LVM_UUID_LEN,
					    device->uuid);
	else
		state->hidden_uuid = format(OUR_PREFIX "%s", state->id);
	if (strlen(state->hidden) > DM_NAME_MAX)
		return fail(UNFIT, "The name %s is too long: that of the hidden device, %s, would have more than %d characters.",
			    device->name, state->hidden, DM_NAME_MAX);
	if (!dm_find(state->hidden, &other))
		return fail(UNFIT, "There is a device %s already, and that name is needed: see \"livemigrate list\", or remove it with \"dmsetup remove %s\".",
			    state->hidden, state->hidden);
	return DONE;
}

/* ------------------------------------------------------------------------
 * What the kernel has
 */

/* @m->device is there: read table and status, if they are ours. */
static bool read_target(struct migration *m)
{
	struct dm_table table = { 0 }, status = { 0 };
	const char *name = m->device.name;
	bool ours;

	ours = !dm_table_get(name, false, &table) && table.nr == 1 &&
	       is_our_type(table.line[0].type);
	if (ours) {
		m->pinned = !strcmp(table.line[0].type, TARGET_PINNED);
		m->sectors = table.line[0].len;
		m->why = target_line_parse(table.line[0].params, &m->line);
		if (!m->why && (dm_status_get(name, &status) || status.nr != 1 ||
				!is_our_type(status.line[0].type)))
			m->why = "its table has just changed";
		if (!m->why)
			m->why = status_parse(status.line[0].params, &m->status);
		m->readable = !m->why;
	}
	dm_table_free(&table);
	dm_table_free(&status);
	return ours;
}

bool migration_is_at_rest(const struct migration *m)
{
	return m->stage == RUNS && !m->state && m->readable && m->pinned &&
	       m->line.leg[SOURCE].dropped;
}

static bool is_leg(const struct place *place, dev_t dev)
{
	return place->dropped || makedev(place->major, place->minor) == dev;
}

/*
 * The source is known when the target is in its place; the dest before. What rests on a
 * pinned one has no source, and another dest, until then.
 */
static bool is_recorded_one(const struct migration *m)
{
	return is_leg(&m->line.leg[DEST], m->state->dest.dev) &&
	       (!m->state->source || is_leg(&m->line.leg[SOURCE], m->state->source));
}

bool migration_on_plain_dest(const struct migration *m)
{
	struct dm_table table;
	struct place place;
	bool is;

	if (!m->state || dm_table_get(m->device.name, false, &table))
		return false;
	is = table.nr == 1 && !strcmp(table.line[0].type, "linear") &&
	     table.line[0].len == m->state->sectors &&
	     linear_parse(table.line[0].params, &place) && !place.offset &&
	     makedev(place.major, place.minor) == m->state->dest.dev;
	dm_table_free(&table);
	return is;
}

/* An error target may stand behind it, on the way out of a pinned one. */
static bool begins_with(const struct dm_table *table, const struct dm_table *original)
{
	struct dm_table head = { table->line, original->nr };

	return table->nr == original->nr + 1 && dm_table_same(&head, original) &&
	       !strcmp(table->line[original->nr].type, "error");
}

bool migration_on_original(const struct migration *m)
{
	struct dm_table table = { 0 }, original = { 0 };
	struct dm_device hidden;
	bool is;

	/* It is removed when the original is back, so there is no other any more. */
	if (!hidden_find(m->state, &hidden))
		return true;
	is = !dm_table_get(hidden.name, false, &original) &&
	     !dm_table_get(m->device.name, false, &table) &&
	     (dm_table_same(&table, &original) || begins_with(&table, &original));
	dm_table_free(&table);
	dm_table_free(&original);
	return is;
}

/* ------------------------------------------------------------------------
 * Where it stands
 */

/* Does @state tell of this very device, not of one that was removed since? */
static bool is_same_life(const struct state *state, const struct dm_device *device,
			 const char *boot)
{
	return !strcmp(state->boot, boot) && state->dev == device->dev &&
	       (!state->diskseq || state->diskseq == device_seq(device->dev));
}

static enum stage stage_of_record(const struct migration *m)
{
	switch (m->state->step) {
	case STEP_START:
		return STARTING;
	case STEP_COMMIT:
		return migration_on_plain_dest(m) ? ENDING : REPLACED;
	case STEP_ABORT:
		return migration_on_original(m) ? ENDING : REPLACED;
	default:
		return REPLACED;
	}
}

/* m->state, m->device and m->exists are set. */
static void derive_stage(struct migration *m)
{
	char *boot = this_boot();
	bool same_boot = m->state && !strcmp(m->state->boot, boot);
	bool same_life = m->state && m->exists && is_same_life(m->state, &m->device, boot);
	bool ours = m->exists && read_target(m);

	if (ours && m->state && m->readable && !is_recorded_one(m))
		ours = false;
	if (ours)
		m->stage = RUNS;
	else if (!m->state)
		m->stage = NO_MIGRATION;
	else if (!same_life)
		m->stage = same_boot ? GONE : REBOOTED;
	else
		m->stage = stage_of_record(m);
	free(boot);
}

/* Is @state about that device, or its successor? It may have been renamed. */
static bool is_about(const struct state *state, const struct dm_device *device,
		     const char *boot)
{
	if (strcmp(state->uuid, device->uuid))
		return false;
	return !strcmp(state->name, device->name) || is_same_life(state, device, boot);
}

static void find_device(struct migration *m)
{
	char *boot = this_boot();

	m->exists = !dm_find(m->state->name, &m->device) &&
		    is_about(m->state, &m->device, boot);
	if (!m->exists && !strcmp(m->state->boot, boot))
		m->exists = !dm_find_dev(m->state->dev, &m->device) &&
			    is_about(m->state, &m->device, boot);
	free(boot);
}

static struct state *take(struct state **states, size_t i)
{
	struct state *state = states[i];

	do
		states[i] = states[i + 1];
	while (states[i++]);
	return state;
}

/* As device mapper calls it, whose node may not be there; to be freed. */
static char *name_of_dm(const char *arg)
{
	char *vg, *lv, *name;

	if (!lvm_split(arg, &vg, &lv))
		return copy_of(arg);
	name = lvm_dm_name(vg, lv);
	free(vg);
	free(lv);
	return name;
}

/* Before a commit that was interrupted has given the name away. */
static bool was_called(const struct state *state, const char *name)
{
	char *vg, *lv, *was;
	bool is;

	if (!*state->volume.lv || !lvm_split(state->source_object, &vg, &lv))
		return false;
	was = lvm_dm_name(vg, state->volume.lv);
	is = !strcmp(was, name);
	free(was);
	free(vg);
	free(lv);
	return is;
}

/* The record about m->device, or about what is called @arg if there is no device. */
static void find_state(struct migration *m, const char *arg)
{
	int damaged;
	struct state **states = states_load(&damaged);
	char *boot = this_boot(), *name = name_of_dm(arg);
	size_t i, other = 0;

	for (i = 0; states[i]; i++) {
		/* That of a device that is not there, whose name another one has. */
		if (m->exists && !strcmp(states[i]->name, m->device.name) &&
		    !is_about(states[i], &m->device, boot))
			other = i + 1;
		if (m->exists ? is_about(states[i], &m->device, boot) :
				!strcmp(states[i]->name, name) ||
				was_called(states[i], name)) {
			m->state = take(states, i);
			break;
		}
	}
	if (!m->state && other) {
		m->state = take(states, other - 1);
		m->exists = false;
	}
	states_free(states);
	free(boot);
	free(name);
}

int migration_look(const char *arg, struct migration *m)
{
	dev_t other;
	int err;

	memset(m, 0, sizeof(*m));
	err = device_find(arg, &m->device, &other);
	m->exists = !err;
	if (err && err != ENXIO)
		return err;
	find_state(m, arg);
	/* It may have another name by now. */
	if (m->state && !m->exists)
		find_device(m);
	derive_stage(m);
	return 0;
}

int migration_find(const char *arg, struct migration *m)
{
	int code;

	if (migration_look(arg, m) || (!m->exists && !m->state)) {
		code = device_want(arg, &m->device);
		migration_free(m);
		return code ? code : NOT_FOUND;
	}
	if (m->stage == NO_MIGRATION) {
		migration_free(m);
		return fail(NOT_FOUND, "%s does not migrate: \"livemigrate list\" shows what does.",
			    arg);
	}
	return DONE;
}

void migration_refresh(struct migration *m)
{
	char *name = copy_of(migration_name(m));

	migration_free(m);
	migration_look(name, m);
	/* Whatever becomes of it, it keeps its name. */
	if (!m->exists)
		snprintf(m->device.name, sizeof(m->device.name), "%s", name);
	free(name);
}

/* ------------------------------------------------------------------------
 * All of them
 */

struct list {
	struct migration **all;
	size_t nr;
};

static struct migration *list_add(struct list *list)
{
	struct migration **all = realloc(list->all, (list->nr + 2) * sizeof(*all));

	if (!all)
		exit(fail(FAILED, "There is no memory left."));
	list->all = all;
	all[list->nr] = alloc(sizeof(**all));
	all[list->nr + 1] = NULL;
	return all[list->nr++];
}

static bool is_listed(const struct list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (list->all[i]->exists && !strcmp(list->all[i]->device.name, name))
			return true;
	return false;
}

static bool runs_ours(const char *name)
{
	struct dm_table status;
	bool ours;

	ours = !dm_status_get(name, &status) && status.nr == 1 &&
	       is_our_type(status.line[0].type);
	dm_table_free(&status);
	return ours;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(migration_name(*(struct migration * const *)a),
		      migration_name(*(struct migration * const *)b));
}

struct migration **migrations_all(int *damaged)
{
	struct state **states = states_load(damaged);
	struct list list = { alloc(sizeof(*list.all)), 0 };
	struct migration *m;
	char **names;
	size_t i;

	while (states[0]) {
		m = list_add(&list);
		m->state = take(states, 0);
		find_device(m);
		derive_stage(m);
	}
	states_free(states);
	/* And what runs without a record. */
	dm_names(&names);
	for (i = 0; names[i]; i++) {
		if (is_listed(&list, names[i]) || !runs_ours(names[i]))
			continue;
		m = list_add(&list);
		m->exists = !dm_find(names[i], &m->device);
		derive_stage(m);
	}
	dm_names_free(names);
	qsort(list.all, list.nr, sizeof(*list.all), by_name);
	return list.all;
}

void migrations_free(struct migration **all)
{
	size_t i;

	for (i = 0; all && all[i]; i++) {
		migration_free(all[i]);
		free(all[i]);
	}
	free(all);
}

/* ------------------------------------------------------------------------
 * In words
 */

static char *note_running(const struct migration *m)
{
	const char *name = m->device.name;
	const struct status *st = &m->status;

	if (!m->readable)
		return format("its status cannot be read (%s): is this livemigrate as new as the kernel's?",
			      m->why);
	if (m->device.suspended)
		return format("it is suspended, and all its I/O waits: \"livemigrate resume %s\"",
			      name);
	if (m->state && m->state->told && st->phase != ABORTED && st->phase != COMMITTED)
		return format("%s is under way, and I/O is still in flight on the leg to drop; if nobody waits for it any more, \"livemigrate resume %s\" does, and finishes it",
			      step_names[m->state->step], name);
	if (m->state && m->state->step == STEP_COMMIT && !m->state->told &&
	    st->active == SOURCE)
		return format("commit was interrupted before it began, and it runs on the source: \"livemigrate resume %s\" goes on with the migration",
			      name);
	if (m->state && (m->state->step == STEP_COMMIT || m->state->step == STEP_ABORT))
		return format("%s was interrupted: \"livemigrate resume %s\" finishes it",
			      step_names[m->state->step], name);
	if (st->phase == COMMITTED)
		return m->pinned && m->line.leg[SOURCE].dropped ?
			format("committed; the target stays until %s is closed", name) :
			format("\"livemigrate commit %s\" takes the target out", name);
	if (st->phase == ABORTED)
		return format("\"livemigrate abort %s\" takes the target out", name);
	if (st->phase == PHASE_DEGRADED && st->active == SOURCE)
		return format("the dest has failed or is detached: \"livemigrate reattach %s\" when it works again, or abort",
			      name);
	if (st->phase == PHASE_DEGRADED)
		return format("the source has failed or is detached: \"livemigrate reattach %s\" when it works again, or commit",
			      name);
	if (st->number[N_UNREADABLE])
		return format("%llu regions of the %s cannot be read, the first at sector %s: mend it and resume, or have them written anew",
			      (unsigned long long)st->number[N_UNREADABLE],
			      leg_names[st->active], st->word[W_FIRST_UNREADABLE]);
	if (!strcmp(st->word[W_METADATA], "failed"))
		return copy_of("its metadata cannot be written: it would not survive a crash");
	if (!m->state)
		return copy_of("it was not started by livemigrate");
	if (*m->state->volume.lv)
		return format("a commit that was given up has left its volume the name %s: \"livemigrate commit %s\", or abort",
			      m->state->volume.aside, name);
	return NULL;
}

static char *note_replaced(const struct migration *m)
{
	const char *name = migration_name(m);

	if (m->state->step == STEP_COMMIT)
		return format("somebody has put another table in its place during commit: the newest data may be on %s; look at \"dmsetup table %s\", then \"livemigrate abort --force %s\" forgets it",
			      m->state->dest.path, name, name);
	return format("somebody has put another table in its place, and nothing is mirrored any more: %s is stale; \"livemigrate abort %s\" clears up",
		      m->state->dest.path, name);
}

static char *note_absent(const struct migration *m)
{
	const char *name = migration_name(m);
	const char *when = m->stage == GONE ? "the device was removed" :
					      "the host has booted since";
	/* In the midst of going on after a boot. */
	bool was_cut_off = m->stage == REBOOTED && m->state->again;
	bool goes_on = m->state->metadata.path &&
		       (m->state->step == STEP_RUN || m->state->again);

	if (m->state->step == STEP_COMMIT && disk_is_kept(m->state))
		return format("%s, during commit: the newest data is on %s, unless the kernel's log told that this one failed: \"livemigrate resume %s\" takes it, \"livemigrate abort --force %s\" and then \"livemigrate boot\" the old source",
			      when, m->state->dest.path, name, name);
	if (m->state->step == STEP_COMMIT && m->state->told && *m->state->volume.lv)
		return format("%s, at the end of commit: \"livemigrate resume %s\" gives the volume's name to %s; if that cannot be, \"livemigrate abort --force %s\" forgets it",
			      when, name, m->state->dest.path, name);
	if (m->state->step == STEP_COMMIT && *m->state->volume.lv)
		return format("%s, during commit: the newest data is on %s, unless the kernel's log told that this one failed: \"livemigrate resume %s\" gives it the volume's name, if the commit had begun; \"livemigrate abort --force %s\" leaves that with the old source",
			      when, m->state->dest.path, name, name);
	if (m->state->step == STEP_COMMIT)
		return format("%s, during commit: the newest data may be on %s, and the old source stale; \"livemigrate abort --force %s\" forgets it",
			      when, m->state->dest.path, name);
	if (m->state->used && m->state->step != STEP_ABORT)
		return format("%s, and it was used without the target, so the metadata is out of date: \"livemigrate abort %s\", and start again",
			      when, name);
	if (goes_on && (*m->state->left || was_cut_off))
		return format("%s, and livemigrate boot could not go on: if nobody has used the device since, \"livemigrate resume %s\" goes on with its metadata; else \"livemigrate abort %s\", and start again",
			      when, name, name);
	if (goes_on && m->state->volume.held && !m->exists)
		return format("%s, and its volume is made a device again with the target in its place, or not at all: \"livemigrate resume %s\" goes on with its metadata, \"livemigrate abort %s\" takes the source alone",
			      when, name, name);
	if (goes_on)
		return format("%s: if nobody has used the device since, \"livemigrate resume %s\" goes on with its metadata, once it is there; else \"livemigrate abort %s\", and start again",
			      when, name, name);
	if (*m->state->volume.lv)
		return format("%s: the source is complete, and is called %s: \"livemigrate abort %s\" calls it %s again",
			      when, m->state->volume.aside, name, m->state->volume.lv);
	return format("%s: the source is complete, unless the kernel's log told of its failure, and %s is not; \"livemigrate abort %s\" forgets it",
		      when, m->state->dest.path, name);
}

/* What looks like an interruption may be somebody's work. */
static char *note_at_work(const struct migration *m)
{
	char *holder, *note = NULL;

	if (m->stage == RUNS && (!m->state || m->state->step == STEP_RUN))
		return NULL;
	holder = lock_holder();
	if (holder)
		note = format("another livemigrate is at work: %s", holder);
	free(holder);
	return note;
}

char *migration_note(const struct migration *m)
{
	const char *name = migration_name(m);
	char *note = note_at_work(m);

	if (note)
		return note;
	switch (m->stage) {
	case RUNS:
		note = group_note(m->device.name);
		return note ? note : note_running(m);
	case STARTING:
		if (m->state->again)
			return format("going on with it after a reboot was interrupted, and nobody must use it before: \"livemigrate resume %s\" goes on, \"livemigrate abort %s\" forgets it",
				      name, name);
		return format("start was interrupted, it runs on the source alone: \"livemigrate resume %s\" goes on, \"livemigrate abort %s\" takes it back",
			      name, name);
	case ENDING:
		return format("%s was interrupted when it was done but for clearing up: \"livemigrate resume %s\" finishes it",
			      step_names[m->state->step], name);
	case REPLACED:
		return note_replaced(m);
	case GONE:
	case REBOOTED:
		return note_absent(m);
	default:
		return NULL;
	}
}

/* ------------------------------------------------------------------------
 * Those that were made by hand
 */

/* A line that names the source no more leaves only the name to go by. */
static bool adopt_hidden(const struct migration *m, struct dm_device *hidden)
{
	const struct place *source = &m->line.leg[SOURCE];
	char *name = format("%s" HIDDEN_SUFFIX, m->device.name);
	int err;

	if (source->dropped)
		err = dm_find(name, hidden);
	else
		err = dm_find_dev(makedev(source->major, source->minor), hidden);
	free(name);
	return !err && is_hidden(hidden);
}

int migration_adopt(struct migration *m)
{
	const struct place *source = &m->line.leg[SOURCE], *dest = &m->line.leg[DEST];
	struct dm_device hidden;
	struct state *state;
	char *id;

	if (m->state)
		return DONE;
	if (!m->readable)
		return fail(FAILED, "The status of %s cannot be read: %s.",
			    m->device.name, m->why);
	if (source->offset || dest->offset)
		return fail(UNFIT, "%s was not started by livemigrate, and its legs do not begin at sector 0: end it with dmsetup, as README.md has it.",
			    m->device.name);
	state = state_new();
	state->adopted = true;
	state->name = copy_of(m->device.name);
	state->uuid = copy_of(m->device.uuid);
	state->dev = m->device.dev;
	state->diskseq = device_seq(m->device.dev);
	state->step = STEP_RUN;
	state->source = makedev(source->major, source->minor);
	state->dest.dev = makedev(dest->major, dest->minor);
	state->dest.path = format("%u:%u", dest->major, dest->minor);
	state->pinned = m->pinned;
	if (adopt_hidden(m, &hidden)) {
		state->hidden = copy_of(hidden.name);
		state->hidden_uuid = copy_of(hidden.uuid);
	} else {
		state->hidden = copy_of("");
		state->hidden_uuid = copy_of("");
		/* lvm2 must not get at it after an abort either. */
		state->rested = m->pinned && !source->dropped &&
				!strncmp(m->device.uuid, LVM_PREFIX, strlen(LVM_PREFIX));
	}
	state->source_kind = copy_of("table");
	state->source_object = copy_of("");
	/* By the record that was lost, perhaps. */
	state->volume.held = child_exists("lvm") && lvm_id(m->device.uuid, &id);
	if (state->volume.held) {
		free(state->source_id);
		state->source_id = id;
	}
	state->sectors = m->sectors;
	m->state = state;
	return DONE;
}
