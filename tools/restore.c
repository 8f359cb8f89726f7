// SPDX-License-Identifier: GPL-2.0-or-later
#include "restore.h"
#include "check.h"
#include "command.h"
#include "dest-kind.h"
#include "disk.h"
#include "insert.h"
#include "paths.h"
#include "restart.h"
#include "say.h"
#include "volume-line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct disk {
	const char *name;
	struct tab tab;
	const struct tab_line *line;
	struct state *state;		/* of a migration before this boot, or NULL */
	int damaged;			/* records, that cannot be read */
	struct dm_device device;
	bool exists;
};

/* ------------------------------------------------------------------------
 * What there is
 */

/* One that cannot be read may say that the line is stale. */
static int check_damaged(const struct disk *d)
{
	char *path = format("%s/%s.json", state_dir(), d->name);
	const char *name = d->name;
	int code = DONE;

	/* A volume's device has another name than its line. */
	if (d->line->lv && d->damaged)
		code = fail(NOT_NOW, "%s: there is a record that cannot be read, which may be of its migration, so it is not known where its data is. Look, write that device into %s, and move the record out of %s.",
			    name, tab_file(), state_dir());
	else if (!access(path, F_OK) || errno != ENOENT)
		code = fail(NOT_NOW, "%s: the record of its migration, %s, cannot be read, so it is not known where its data is. Look, write that device into %s, and move the record away.",
			    name, path, tab_file());
	free(path);
	return code;
}

static int find_line(struct disk *d)
{
	const struct tab_line *bad;
	int code = tab_load(&d->tab);

	if (code)
		return code;
	d->line = tab_find(&d->tab, d->name);
	if (d->line)
		return DONE;
	bad = tab_find_bad(&d->tab, d->name);
	return bad ? fail(FAILED, "%s, line %zu: %s.", tab_file(),
			  tab_number(&d->tab, bad), bad->bad) :
		     fail(NOT_FOUND, "%s has no line of %s any more.", tab_file(), d->name);
}

static void disk_free(struct disk *d)
{
	state_free(d->state);
	tab_free(&d->tab);
	d->state = NULL;
	d->line = NULL;
}

/* After a boot no pinned target is there that it could rest on. */
static int become_plain(struct state *state, const char *name, const char *uuid)
{
	struct dm_device device = { 0 };
	/* While it is known what that is called. */
	int code = insert_undo(state);

	if (code)
		return code;
	snprintf(device.name, sizeof(device.name), "%s", name);
	snprintf(device.uuid, sizeof(device.uuid), "%s", uuid);
	free(state->uuid);
	state->uuid = copy_of(uuid);
	state->rested = false;
	free(state->hidden);
	free(state->hidden_uuid);
	state->hidden = state->hidden_uuid = NULL;
	code = hidden_name(state, &device);
	return code ? code : state_save(state);
}

/* The record goes by the name and the uuid that the mapping has from now on. */
static int own_record(struct disk *d)
{
	char *uuid = format(DM_DISK_PREFIX "%s", d->name);
	int code = DONE;

	if (strcmp(d->state->name, d->name))
		code = state_rename(d->state, d->name);
	if (!code && !d->exists && (strcmp(d->state->uuid, uuid) || d->state->rested))
		code = become_plain(d->state, d->name, uuid);
	free(uuid);
	return code;
}

/* ------------------------------------------------------------------------
 * On the dest
 */

static int make_on_dest(struct disk *d)
{
	struct blockdev bd;
	int code;

	if (!d->exists)
		return disk_make(d->line);
	code = named_get("destination", dest_lasting(d->state), &bd);
	if (!code && disk_below(&d->device) != bd.dev)
		code = fail(NOT_NOW, "%s is there, but not on %s, which has its data: remove it (\"dmsetup remove %s\"), and try again.",
			    d->name, dest_lasting(d->state), d->name);
	blockdev_free(&bd);
	return code;
}

/* From now on it is decided, whatever the metadata device may do. */
static int decide(struct disk *d)
{
	if (d->state->step == STEP_COMMIT && d->state->told)
		return DONE;
	d->state->step = STEP_COMMIT;
	d->state->told = true;
	return state_save(d->state);
}

/* Line, mapping, record: in this order, so that it can be begun again. */
static int take_dest(struct disk *d)
{
	int code = decide(d);

	if (!code)
		code = disk_follow_record(d->state);
	tab_free(&d->tab);
	if (!code)
		code = find_line(d);
	if (!code)
		code = make_on_dest(d);
	if (!code)
		code = state_forget(d->state);
	if (code)
		return code;
	remark("%s: commit is finished, it is on %s.", d->name, dest_lasting(d->state));
	if (d->state->delete_source)
		remark("%s: its old source has not been deleted: do that by hand.", d->name);
	return DONE;
}

/* A volume's name is a link, too. */
static void make_link(const char *name)
{
	const struct tab_line *line;
	struct dm_device device;
	struct tab tab;

	if (tab_load(&tab))
		return;
	line = tab_find(&tab, name);
	if (line && !dm_find(name, &device) && device.live)
		volume_line_link(line);
	tab_free(&tab);
}

int restore_on_dest(const struct state *state)
{
	struct disk d = { .name = disk_name(state) };
	int code;

	d.state = disk_record(d.name, &d.damaged);
	if (!d.state)
		return fail(NOT_FOUND, "There is no record of %s.", state->name);
	code = find_line(&d);
	d.exists = !dm_find(d.name, &d.device) && d.device.live;
	if (!code)
		code = own_record(&d);
	if (!code)
		code = insert_undo(d.state);
	if (!code)
		code = take_dest(&d);
	if (!code)
		make_link(d.name);
	disk_free(&d);
	return code;
}

/* ------------------------------------------------------------------------
 * With metadata
 */

/*
 * Of metadata that says something the kernel takes a line that leaves out the source
 * only if the source was let go of. Nothing comes of it: it never becomes live.
 */
static int ask_line(struct disk *d, const struct blockdev *dest,
		    const struct blockdev *metadata, bool *committed)
{
	struct dm_table table = { 0 };
	char *params = format("- 0 %u:%u 0 2 metadata %u:%u", major(dest->dev),
			      minor(dest->dev), major(metadata->dev), minor(metadata->dev));

	dm_table_add(&table, 0, d->state->sectors, TARGET, params);
	*committed = !dm_load(d->name, &table);
	dm_table_free(&table);
	free(params);
	return *committed && dm_clear(d->name) ?
	       fail(FAILED, "%s: the loaded table cannot be cleared.", d->name) : DONE;
}

/* One that was made is served anew after a boot, by whatever name. */
static int find_dest(struct disk *d, struct blockdev *dest)
{
	int code = DONE;

	if (dest_is_made(d->state) && !dm_find(d->name, &d->device))
		code = dest_find_again(d->state, &d->device);
	return code ? code : named_get("destination", d->state->dest.path, dest);
}

static int ask_kernel(struct disk *d, bool *committed)
{
	struct blockdev dest = { 0 }, metadata = { 0 };
	int code = check_kernel(false);

	*committed = false;
	/* Nothing has run on that yet: who goes on makes it anew. */
	if (code || d->state->object.fresh)
		return code;
	code = restart_check_names(d->state);
	if (!code)
		code = find_dest(d, &dest);
	if (!code)
		code = named_get("metadata device", d->state->metadata.path, &metadata);
	if (!code && device_has_metadata(&metadata))
		code = ask_line(d, &dest, &metadata, committed);
	blockdev_free(&dest);
	blockdev_free(&metadata);
	return code;
}

static int go_on(struct disk *d)
{
	bool committing = d->state->step == STEP_COMMIT;
	int code = DONE;

	if (committing) {
		d->state->step = STEP_RUN;
		code = state_save(d->state);
	}
	if (!code)
		code = do_resume(d->name);
	if (!code && committing)
		remark("%s: commit had not begun, say it again: the migration goes on.", d->name);
	else if (!code)
		remark("%s: its migration goes on.", d->name);
	return code;
}

/* The plain mapping is for nobody to use: what is written there would be missed. */
static int take_mapping_back(struct disk *d, int code)
{
	if (dm_remove(d->name))
		return fail(FAILED, "%s cannot be removed: nobody must use it before its migration goes on, or is aborted.",
			    d->name);
	d->exists = false;
	return fail(code, "%s: its migration cannot go on, so /dev/mapper/%s is not made. See \"livemigrate list\"; when that is mended, \"livemigrate boot\"; or \"livemigrate abort --force %s\" forgets the migration, and then boot takes %s.",
		    d->name, d->name, d->name, d->line->device);
}

static int with_metadata(struct disk *d)
{
	bool idle = !d->exists || (dm_is_disk(&d->device) && !d->device.open_count);
	bool committed = false;
	int code = d->exists ? DONE : disk_make(d->line);

	if (code)
		return code;
	/* In use, it has been let go of before, and do_resume() says what to do. */
	if (idle)
		code = ask_kernel(d, &committed);
	if (!code && !committed)
		code = go_on(d);
	if (code)
		return idle ? take_mapping_back(d, code) : code;
	if (!committed)
		return DONE;
	if (dm_remove(d->name))
		return fail(FAILED, "%s cannot be removed, and is not on %s, which has its data.",
			    d->name, d->state->dest.path);
	d->exists = false;
	return take_dest(d);
}

/* ------------------------------------------------------------------------
 * Without
 */

static int undecided(struct disk *d)
{
	return fail(NOT_NOW, "%s: the host went down in the middle of commit, so /dev/mapper/%s is not made. All that was acknowledged is on %s, unless the kernel's log told that this one failed: \"livemigrate resume %s\" takes it; \"livemigrate abort --force %s\" and then \"livemigrate boot\" take %s.",
		    d->name, d->name, d->state->dest.path, d->name, d->name,
		    d->line->device);
}

static int on_source(struct disk *d)
{
	int code = d->exists ? DONE : disk_make(d->line);

	if (code)
		return code;
	if (d->state->step == STEP_ABORT)
		return state_forget(d->state);
	remark("%s: its migration to %s had no metadata and has ended; it is on %s, which is complete, unless the kernel's log told of its failure: \"livemigrate abort %s\", and start again.",
	       d->name, d->state->dest.path, d->line->device, d->name);
	return DONE;
}

/* Or what finds one that is there; not an image. Who needs it says that it is missing. */
static bool is_device(const char *name)
{
	struct stat st;

	return name[0] == '/' ? !stat(name, &st) && S_ISBLK(st.st_mode) : named_present(name);
}

/* A line by what lies on the disk may find the copy. */
static int check_not_dest(const struct disk *d)
{
	const char *dest = dest_lasting(d->state);
	struct blockdev bd;
	int code;

	if (d->exists || !is_device(d->line->device))
		return DONE;
	code = named_get(ROLE_DISK, d->line->device, &bd);
	if (!code && dest[0] == '/' && named_is(dest, bd.dev))
		code = fail(NOT_NOW, "%s: %s finds %s, which is the destination of its migration, and not the source: write the source's own name into %s.",
			    d->name, d->line->device, bd.path, tab_file());
	blockdev_free(&bd);
	return code;
}

static int with_record(struct disk *d)
{
	const struct state *state = d->state;
	int code = own_record(d);

	if (!code)
		code = insert_undo(state);
	if (code)
		return code;
	if (state->step == STEP_COMMIT && state->told)
		return take_dest(d);
	code = check_not_dest(d);
	if (code)
		return code;
	if (state->step != STEP_ABORT && state->metadata.path)
		return with_metadata(d);
	return state->step == STEP_COMMIT ? undecided(d) : on_source(d);
}

/* ------------------------------------------------------------------------
 * All of it
 */

/* Is there a migration of this boot? It goes on, or is somebody's business. */
static bool is_of_this_boot(const char *name, bool *torn)
{
	struct migration m;
	bool is;

	is = !migration_look(name, &m) && m.exists && m.stage != GONE &&
	     m.stage != REBOOTED && m.stage != NO_MIGRATION;
	*torn = is && m.stage == STARTING && m.state->again && !m.device.open_count;
	migration_free(&m);
	return is;
}

static int make_alone(struct disk *d)
{
	int code = check_damaged(d);

	return code ? code : disk_make(d->line);
}

/* The device of a volume that has left it: what it does is its own business. */
static bool is_moving_below(const char *name)
{
	int damaged;
	struct state *state = disk_record(name, &damaged);
	bool torn, is = state && *state->line && is_of_this_boot(state->name, &torn);

	state_free(state);
	return is;
}

/* A line that keeps a volume's name: lvm2 may have found one of that name again. */
static int check_is_disk(const struct disk *d)
{
	if (!d->exists || !d->line->lv || dm_is_disk(&d->device))
		return DONE;
	return fail(NOT_NOW, "There is a device %s that is not what %s says: what is to be used is %s. Remove or rename that one, and \"livemigrate boot\".",
		    d->name, tab_file(), d->line->device);
}

/* Somebody has given it another name, and it is there. */
static bool is_renamed(const char *name)
{
	struct dm_device found;

	return !dm_find_disk(name, &found) && strcmp(found.name, name);
}

static int restore(const char *name)
{
	struct disk d = { .name = name };
	bool torn;
	int code;

	if (!dm_find(name, &d.device) && d.device.live)
		dm_make_node(name);
	/* A boot before this one was killed in the middle. If it fails, as others. */
	if (is_of_this_boot(name, &torn) && (!torn || !do_resume(name)))
		return DONE;
	if (is_renamed(name) || is_moving_below(name))
		return DONE;
	code = find_line(&d);
	d.exists = !dm_find(name, &d.device) && d.device.live;
	if (!code)
		code = check_is_disk(&d);
	if (!code) {
		d.state = disk_record(name, &d.damaged);
		if (d.state)
			code = with_record(&d);
		else if (!d.exists)
			code = make_alone(&d);
	}
	disk_free(&d);
	return code;
}

int restore_disk(const char *name)
{
	int code = restore(name);

	if (!code)
		make_link(name);
	return code;
}

bool restore_legs_are_there(const struct state *state)
{
	const char *dest = dest_lasting(state);
	bool there = dest[0] != '/' || named_present(dest);

	return there && (!state->metadata.path || named_present(state->metadata.path));
}

bool restore_is_ready(const char *name)
{
	struct disk d = { .name = name };
	bool ready = true;

	d.exists = !dm_find(name, &d.device) && d.device.live;
	if (!tab_load(&d.tab))
		d.line = tab_find(&d.tab, name);
	if (d.line && !d.exists) {
		ready = named_present(d.line->device);
		d.state = disk_record(name, &d.damaged);
		if (d.state)
			ready &= restore_legs_are_there(d.state);
	}
	disk_free(&d);
	return ready;
}
