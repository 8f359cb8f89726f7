// SPDX-License-Identifier: GPL-2.0-or-later
#include "insert.h"
#include "dest-kind.h"
#include "device.h"
#include "kmsg.h"
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* The options of a table line, counted. */
struct options {
	char text[512];
	int words;
};

__attribute__((format(printf, 3, 4)))
static void add(struct options *options, int words, const char *fmt, ...)
{
	size_t len = strlen(options->text);
	va_list args;

	options->words += words;
	va_start(args, fmt);
	vsnprintf(options->text + len, sizeof(options->text) - len, fmt, args);
	va_end(args);
}

static char *parameters(const struct state *state)
{
	struct options options = { "", 0 };

	if (state->region_size)
		add(&options, 2, " region_size %llu",
		    (unsigned long long)state->region_size);
	if (state->rate)
		add(&options, 2, " copy_rate %llu", (unsigned long long)state->rate);
	if (state->standby_timeout >= 0)
		add(&options, 2, " standby_timeout %lld",
		    (long long)state->standby_timeout);
	if (state->metadata.path)
		add(&options, 2, " metadata %u:%u", major(state->metadata.dev),
		    minor(state->metadata.dev));
	if (state->paused)
		add(&options, 1, " paused");
	if (state->zeroed)
		add(&options, 1, " dest_zeroed");
	return format("%u:%u 0 %u:%u 0 %d%s", major(state->source),
		      minor(state->source), major(state->dest.dev),
		      minor(state->dest.dev), options.words, options.text);
}

static void add_target(const struct state *state, struct dm_table *table)
{
	char *params = parameters(state);

	dm_table_add(table, 0, state->sectors,
		     state->pinned ? TARGET_PINNED : TARGET, params);
	free(params);
}

/* The original table, below a hidden device; or what a pinned target rests on. */
static int make_source(struct state *state)
{
	struct dm_table original;
	struct place on;
	int err = dm_table_get(state->name, false, &original);

	if (!err && state->rested) {
		if (!rest_parse(original.line[0].type, original.line[0].params, &on))
			err = fail(FAILED, "%s does not rest on a pinned target any more.",
				   state->name);
		state->source = err ? 0 : makedev(on.major, on.minor);
	} else if (!err) {
		err = dm_create_hidden(state->hidden, state->hidden_uuid, &original,
				       &state->source);
		/* The same table, as far as this is about keys, may need them again. */
		if (err)
			fail(FAILED, "%s: its table cannot be put below a second device, %s: %s. (A key that is in the kernel's keyring must be there still.)",
			     state->name, state->hidden, dm_why(err));
	} else {
		fail(FAILED, "%s: its table cannot be read: %s.", state->name,
		     dm_why(err));
	}
	dm_table_free(&original);
	return err ? FAILED : DONE;
}

static int load(const struct state *state)
{
	struct dm_table table = { 0 };
	char why[1024];
	struct kmsg log;
	int err;

	add_target(state, &table);
	kmsg_mark(&log);
	err = dm_load(state->name, &table);
	dm_table_free(&table);
	if (!err) {
		kmsg_forget(&log);
		return DONE;
	}
	kmsg_reason(&log, state->dev, why, sizeof(why));
	return fail(FAILED, "%s: the kernel does not take the target: %s.",
		    state->name, why[0] ? why : dm_why(err));
}

static bool is_live(const char *name)
{
	struct migration m;
	bool live;

	live = !migration_look(name, &m) && m.stage == RUNS && !m.device.suspended;
	migration_free(&m);
	return live;
}

static int go_live(const struct state *state)
{
	int err = dm_swap(state->name);

	if (!err || is_live(state->name))
		return DONE;
	return fail(FAILED, "%s: the target cannot be made live: %s.", state->name,
		    dm_why(err));
}

/* An inactive table of ours holds the hidden device. */
static int clear_inactive(const char *name)
{
	struct dm_table table = { 0 };
	bool ours = false;
	int err = 0;

	if (!dm_table_get(name, true, &table))
		ours = table.nr == 1 && is_our_type(table.line[0].type);
	dm_table_free(&table);
	if (ours)
		err = dm_clear(name);
	return err ? fail(FAILED, "%s: the loaded table cannot be cleared: %s.",
			  name, dm_why(err)) : DONE;
}

int insert_undo(const struct state *state)
{
	struct dm_device device, hidden;
	int err, code;

	/* One that has taken its name is somebody else's. */
	if (!dm_find(state->name, &device) && !strcmp(device.uuid, state->uuid)) {
		if (device.suspended)
			dm_resume(state->name);
		code = device.inactive ? clear_inactive(state->name) : DONE;
		if (code)
			return code;
	}
	if (!hidden_find(state, &hidden))
		return DONE;
	err = dm_remove(hidden.name);
	return err ? fail(FAILED, "The hidden device %s cannot be removed: %s.",
			  hidden.name, dm_why(err)) : DONE;
}

/* It was asked before, but whoever has found the device meanwhile may have been quick. */
static int check_unwritten(const struct state *state)
{
	struct dm_device device;

	if (!state->again ||
	    (!device_written(state->dev) && !dm_find(state->name, &device) &&
	     !device.open_count))
		return DONE;
	return fail(NOT_NOW, "%s has just been opened, and what is written to it is not known to the metadata: \"livemigrate abort %s\", and start again.",
		    state->name, state->name);
}

int insert(struct state *state)
{
	int code;

	state->step = STEP_START;
	state->source = 0;
	code = state_save(state);
	if (code)
		return code;
	code = make_source(state);
	if (!code)
		code = load(state);
	if (!code)
		code = check_unwritten(state);
	if (!code)
		code = go_live(state);
	if (code) {
		if (!insert_undo(state) && !state->again &&
		    !dest_unmake(state) && !state_forget(state))
			remark("%s runs as before: nothing has changed.", state->name);
		return code;
	}
	state->step = STEP_RUN;
	state->object.fresh = false;
	state->again = false;
	return state_save(state);
}
