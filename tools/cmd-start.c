// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * start: steps 1 to 3.
 */
#include "check.h"
#include "command.h"
#include "dest-kind.h"
#include "disk.h"
#include "image.h"
#include "insert.h"
#include "lock.h"
#include "lvm.h"
#include "nbd.h"
#include "paths.h"
#include "say.h"
#include "source-kind.h"
#include "volume-held.h"
#include "volume-name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

struct start {
	struct dm_device device;
	bool pinned, encrypted;
	dev_t rests_on;		/* a leg of its last migration; 0: it does not */
	enum lasting dest_lasts, metadata_lasts;
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
	if (m.stage != NO_MIGRATION && !migration_is_at_rest(&m)) {
		char *note = migration_note(&m);

		code = fail(NOT_NOW, "%s migrates already%s%s.", device->name,
			    note ? ": " : "", note ? note : "");
		free(note);
	}
	migration_free(&m);
	return code;
}

/* A hidden device may be gone, and its number another one's. */
static bool is_leg(const struct state *state, const struct dm_device *device)
{
	if (state->dev == device->dev)
		return false;
	return state->dest.dev == device->dev ||
	       (state->source == device->dev &&
		(!*state->hidden_uuid || !strcmp(state->hidden_uuid, device->uuid)));
}

/* What is recorded of a leg must stay true until that migration ends. */
static int check_is_no_leg(const struct dm_device *device)
{
	int damaged, code = DONE;
	struct state **states = states_load(&damaged);
	char *boot = this_boot();
	size_t i;

	for (i = 0; states[i] && !code; i++)
		if (!strcmp(states[i]->boot, boot) && is_leg(states[i], device))
			code = fail(NOT_NOW, "%s is a leg of the migration of %s: end that first.",
				    device->name, states[i]->name);
	states_free(states);
	free(boot);
	return code;
}

/* Those whose makers load their own table anew: resize and refresh, and kpartx -u. */
static bool is_managed(const char *uuid)
{
	if (lvm_is_volume(uuid) || !strncmp(uuid, "CRYPT-", 6))
		return true;
	return !strncmp(uuid, "part", 4) && uuid[4] >= '0' && uuid[4] <= '9' &&
	       strchr(uuid, '-');
}

/*
 * Where it rests on a pinned target, nothing else can take that one's place. lvm2 puts
 * a volume's own table back whenever it looks at it anew, over a running migration.
 */
static int choose_pinned(const struct request *r, struct start *s)
{
	struct dm_table table = { 0 };
	struct place on;

	if (!dm_table_get(s->device.name, false, &table) &&
	    rest_parse(table.line[0].type, table.line[0].params, &on))
		s->rests_on = makedev(on.major, on.minor);
	dm_table_free(&table);
	s->pinned = s->rests_on || is_given(r, OPT_PINNED) ||
		    (!is_given(r, OPT_UNPINNED) && is_managed(s->device.uuid));
	if (is_given(r, OPT_UNPINNED) && is_given(r, OPT_PINNED))
		return fail(USAGE, "--pinned and --unpinned contradict each other.");
	if (is_given(r, OPT_UNPINNED) && s->rests_on)
		return fail(NOT_NOW, "%s is pinned since it was moved last, until it is closed and removed: leave --unpinned out.",
			    s->device.name);
	return check_kernel(s->pinned);
}

/* What the state can say before it is known whether that can be done. */
static void make_state(const struct request *r, struct start *s, uint64_t sectors)
{
	struct state *state = state_new();

	s->state = state;
	state->name = copy_of(s->device.name);
	state->uuid = copy_of(s->device.uuid);
	state->dev = s->device.dev;
	state->diskseq = device_seq(s->device.dev);
	state->sectors = sectors;
	state->object.block = device_block(s->device.dev);
	state->pinned = s->pinned;
	state->rested = s->rests_on != 0;
	state->paused = is_given(r, OPT_PAUSED);
	state->zeroed = is_given(r, OPT_ZEROED);
	state->rate = r->number[OPT_RATE];
	state->region_size = r->number[OPT_REGION_SIZE] >> 9;
	if (is_given(r, OPT_STANDBY_TIMEOUT))
		state->standby_timeout = (int64_t)r->number[OPT_STANDBY_TIMEOUT] * 1000;
}

/* What the guest writes is not encrypted above its own crypt device. */
static bool is_encrypted(const struct dm_device *device)
{
	struct dm_table table;
	bool is = false;
	size_t i;

	if (dm_table_get(device->name, false, &table))
		return false;
	for (i = 0; i < table.nr; i++)
		is |= !strcmp(table.line[i].type, "crypt");
	dm_table_free(&table);
	return is;
}

static void tell_passing(const char *role, const char *path, enum lasting how)
{
	if (how == LASTS_NOT)
		remark("The %s %s will be another device after a boot, or none: the migration will not go on then.",
		       role, path);
	else if (how == LASTS_PERHAPS)
		remark("The %s %s has no name that surely lasts: if disks are added or taken out before a boot, it may be another one.",
		       role, path);
}

/* What a person may not have thought of. */
static void tell_started(const struct request *r, const struct start *s)
{
	if (s->encrypted)
		remark("%s is encrypted, and %s gets what its user sees: if that is to be encrypted, too, make a crypt device there, and name that.",
		       s->device.name, r->text[OPT_TO]);
	/* Who gives metadata means to go on after a boot. */
	if (!s->state->metadata.path)
		return;
	if (!dest_is_made(s->state))
		tell_passing("destination", s->state->dest.path, s->dest_lasts);
	tell_passing("metadata device", s->state->metadata.path, s->metadata_lasts);
}

static int choose_dest(const struct request *r, struct start *s)
{
	struct state *state = s->state;
	bool force = is_given(r, OPT_FORCE);
	struct blockdev bd;
	char *path;
	int code = dest_parse(r->text[OPT_TO], r->text[OPT_THIN],
			      is_given(r, OPT_PREALLOCATE), &state->object);

	if (code)
		return code;
	if (dest_is_made(state)) {
		code = dest_check(state, &s->device, force);
		return code ? code : disk_check_dest(state);
	}
	path = dest_path(r->text[OPT_TO]);
	code = blockdev_get("destination", path, &bd);
	free(path);
	if (!code)
		code = check_dest("destination", &bd, &s->device, state->sectors, force);
	if (!code)
		code = disk_check_others("destination", s->device.name, &bd);
	if (!code) {
		/* The record is read after a reboot, too. */
		state->dest.path = named_lasting(bd.path, bd.dev, &s->dest_lasts);
		state->dest.dev = bd.dev;
		code = disk_check_dest(state);
	}
	blockdev_free(&bd);
	return code;
}

static int choose_metadata(const struct request *r, struct start *s)
{
	struct state *state = s->state;
	struct blockdev bd;
	int code;

	if (!is_given(r, OPT_METADATA))
		return DONE;
	if (*state->line)
		return fail(UNFIT, "%s is the disk %s of %s, and after a boot only that is there: so --metadata cannot make its migration go on. Leave it out; or let its user open /dev/mapper/%s, and migrate that.",
			    s->device.name, state->line, tab_file(), state->line);
	code = blockdev_get("metadata device", r->text[OPT_METADATA], &bd);
	if (!code)
		code = check_dest("metadata device", &bd, &s->device, 0, false);
	if (!code)
		code = disk_check_others("metadata device", s->device.name, &bd);
	if (!code && bd.dev == state->dest.dev)
		code = fail(UNFIT, "%s cannot be both destination and metadata device.",
			    bd.path);
	if (!code) {
		state->metadata.path = named_lasting(bd.path, bd.dev, &s->metadata_lasts);
		state->metadata.dev = bd.dev;
	}
	blockdev_free(&bd);
	return code;
}

static int look_at_source(const struct request *r, struct start *s)
{
	int code = hidden_name(s->state, &s->device);

	if (!code)
		code = source_kind_find(s->state, &s->device);
	if (!code && is_given(r, OPT_DELETE_SOURCE))
		code = source_kind_deletable(s->state);
	if (!code && is_given(r, OPT_DELETE_SOURCE) && s->device.open_count <= 0)
		remark("%s: nobody has it open; if so at the end, commit is refused, as the source is to be deleted.",
		       s->device.name);
	return code;
}

/* Until here nothing has been changed. */
static int make_dest(struct start *s)
{
	int code;

	if (!dest_is_made(s->state))
		return DONE;
	code = dest_make(s->state, &s->device);
	if (code && !dest_unmake(s->state) && !state_forget(s->state))
		remark("%s runs as before: nothing has changed.", s->state->name);
	return code;
}

static int start_locked(const struct request *r, struct start *s)
{
	uint64_t sectors;
	int code = device_want(r->device, &s->device);

	if (!code)
		code = choose_pinned(r, s);
	if (!code)
		code = check_record(&s->device);
	if (!code)
		code = check_is_no_leg(&s->device);
	if (!code)
		code = disk_may_migrate(&s->device);
	if (!code)
		code = check_source(&s->device, &sectors);
	if (code)
		return code;
	make_state(r, s, sectors);
	/* Above a volume that it has left it may be the disk of some line. */
	if (s->rests_on)
		code = disk_find_line(s->state, &s->device, s->rests_on);
	if (!code)
		code = choose_dest(r, s);
	if (!code)
		code = choose_metadata(r, s);
	if (!code)
		code = look_at_source(r, s);
	if (!code)
		code = make_dest(s);
	s->encrypted = is_encrypted(&s->device);
	if (!code)
		code = insert(s->state);
	if (code)
		return code;
	/* What it was before is overwritten. */
	volume_name_revive(s->state);
	volume_hold(s->state);
	tell_started(r, s);
	return DONE;
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
