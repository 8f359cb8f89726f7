// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * start: steps 1 to 3.
 */
#include "check.h"
#include "command.h"
#include "disk.h"
#include "insert.h"
#include "lock.h"
#include "say.h"
#include "source-kind.h"

#include <stdlib.h>

struct start {
	struct dm_device device;
	struct blockdev dest, metadata;
	struct state *state;
};

static int check_options(const struct request *r)
{
	uint64_t size = r->number[OPT_REGION_SIZE];

	if (!is_given(r, OPT_TO))
		return fail(USAGE, "%s to where? Say --to DEVICE.", r->device);
	if (is_given(r, OPT_REGION_SIZE) &&
	    (size < 4096 || size > 1048576 || size & (size - 1)))
		return fail(USAGE, "--region-size %s is no power of two from 4K to 1M.",
			    r->text[OPT_REGION_SIZE]);
	if (is_given(r, OPT_STANDBY_TIMEOUT) && r->number[OPT_STANDBY_TIMEOUT] > 86400)
		return fail(USAGE, "--standby-timeout %s is more than a day.",
			    r->text[OPT_STANDBY_TIMEOUT]);
	return DONE;
}

/* A record of that name, or a device that migrates already. */
static int check_record(const struct dm_device *device)
{
	struct migration m;
	int code = DONE;

	if (migration_look(device->name, &m))
		return DONE;
	if (m.stage != NO_MIGRATION) {
		char *note = migration_note(&m);

		code = fail(NOT_NOW, "%s migrates already%s%s.", device->name,
			    note ? ": " : "", note ? note : "");
		free(note);
	}
	migration_free(&m);
	return code;
}

static int check_all(const struct request *r, struct start *s, uint64_t *sectors)
{
	bool force = is_given(r, OPT_FORCE);
	int code = check_kernel(is_given(r, OPT_PINNED));

	if (!code)
		code = check_record(&s->device);
	if (!code)
		code = check_source(&s->device, sectors);
	if (!code)
		code = blockdev_get("destination", r->text[OPT_TO], &s->dest);
	if (!code)
		code = check_dest("destination", &s->dest, &s->device, *sectors, force);
	if (!code)
		code = disk_check_others("destination", s->device.name, &s->dest);
	if (code || !is_given(r, OPT_METADATA))
		return code;
	code = blockdev_get("metadata device", r->text[OPT_METADATA], &s->metadata);
	if (!code)
		code = check_dest("metadata device", &s->metadata, &s->device, 0, false);
	if (!code)
		code = disk_check_others("metadata device", s->device.name, &s->metadata);
	if (!code && s->metadata.dev == s->dest.dev)
		code = fail(UNFIT, "%s cannot be both destination and metadata device.",
			    s->dest.path);
	return code;
}

/* The record is read after a reboot, too. */
static char *lasting(const struct blockdev *bd)
{
	enum lasting how;

	return named_lasting(bd->path, bd->dev, &how);
}

static int make_state(const struct request *r, struct start *s, uint64_t sectors)
{
	struct state *state = state_new();
	struct dm_table original;
	int code;

	s->state = state;
	state->name = copy_of(s->device.name);
	state->uuid = copy_of(s->device.uuid);
	state->dev = s->device.dev;
	state->diskseq = device_seq(s->device.dev);
	state->sectors = sectors;
	state->dest.path = lasting(&s->dest);
	state->dest.dev = s->dest.dev;
	if (s->metadata.path) {
		state->metadata.path = lasting(&s->metadata);
		state->metadata.dev = s->metadata.dev;
	}
	state->pinned = is_given(r, OPT_PINNED);
	state->paused = is_given(r, OPT_PAUSED);
	state->zeroed = is_given(r, OPT_ZEROED);
	state->rate = r->number[OPT_RATE];
	state->region_size = r->number[OPT_REGION_SIZE] >> 9;
	if (is_given(r, OPT_STANDBY_TIMEOUT))
		state->standby_timeout = (int64_t)r->number[OPT_STANDBY_TIMEOUT] * 1000;
	code = hidden_name(state, &s->device);
	if (code)
		return code;
	if (dm_table_get(s->device.name, false, &original))
		return fail(FAILED, "%s: its table cannot be read.", s->device.name);
	source_kind_find(state, &s->device, &original);
	dm_table_free(&original);
	return is_given(r, OPT_DELETE_SOURCE) ? source_kind_deletable(state) : DONE;
}

static int start_locked(const struct request *r, struct start *s)
{
	uint64_t sectors;
	int code = device_want(r->device, &s->device);

	if (!code)
		code = check_all(r, s, &sectors);
	if (!code)
		code = make_state(r, s, sectors);
	if (!code)
		code = insert(s->state);
	return code;
}

int do_start(const struct request *r)
{
	struct start s = { 0 };
	int code = check_options(r);
	char *what;

	if (code)
		return code;
	what = format("start %s", r->device);
	code = lock_take(what);
	free(what);
	if (code)
		return code;
	code = start_locked(r, &s);
	lock_release();
	blockdev_free(&s.dest);
	blockdev_free(&s.metadata);
	state_free(s.state);
	return code;
}

int cmd_start(const struct request *r)
{
	int code = do_start(r);

	if (!code)
		say("%s migrates to %s: \"livemigrate wait %s\" returns when all is copied, and \"livemigrate cutover %s\" lets it run there.",
		    r->device, r->text[OPT_TO], r->device, r->device);
	return code;
}
