// SPDX-License-Identifier: GPL-2.0-or-later
#include "restart.h"
#include "check.h"
#include "dest-kind.h"
#include "disk.h"
#include "insert.h"
#include "lvm.h"
#include "say.h"
#include "source-kind.h"
#include "volume-held.h"

#include <stdlib.h>
#include <string.h>

/* By what it is called now another device could be overwritten. */
static int check_lasts(const char *role, const char *path, const struct state *state)
{
	char *boot = this_boot();
	int code = DONE;

	if (strcmp(boot, state->boot) && named_is_passing(path))
		code = fail(UNFIT, "The %s was %s, which may be another device since the host has booted: \"livemigrate abort %s\", and start again.",
			    role, path, state->name);
	free(boot);
	return code;
}

int restart_check_names(const struct state *state)
{
	int code = DONE;

	if (!dest_is_made(state))
		code = check_lasts("destination", state->dest.path, state);
	if (!code && state->metadata.path)
		code = check_lasts("metadata device", state->metadata.path, state);
	return code;
}

/* What has run may have said there that the source is not complete. */
static int check_metadata(const struct blockdev *bd, const struct state *state)
{
	bool has_run = state->step != STEP_START || state->again;

	if (!has_run || device_has_metadata(bd))
		return DONE;
	return fail(UNFIT, "The metadata device %s holds no metadata, though the migration ran with it: is it another device? \"livemigrate abort %s\" forgets the migration; the source is complete then, unless the kernel's log told of its failure.",
		    bd->path, state->name);
}

/* Numbers of devices are given anew at each boot. */
static int find_again(const char *role, struct named_dev *named, const struct state *state,
		      const struct dm_device *source, uint64_t sectors)
{
	struct blockdev bd = { 0 };
	int code;

	if (!named->path)
		return DONE;
	code = named_get(role, named->path, &bd);
	if (!code)
		code = check_dest(role, &bd, source, sectors, true);
	if (!code && named == &state->metadata)
		code = check_metadata(&bd, state);
	if (!code)
		named->dev = bd.dev;
	blockdev_free(&bd);
	return code;
}

static int check_again(struct migration *m)
{
	struct state *state = m->state;
	uint64_t sectors;
	int code = check_kernel(state->pinned);

	if (!code)
		code = check_source(&m->device, &sectors);
	if (!code && sectors != state->sectors)
		code = fail(UNFIT, "%s has another size now, %llu sectors instead of %llu: \"livemigrate abort %s\", and start again.",
			    m->device.name, (unsigned long long)sectors,
			    (unsigned long long)state->sectors, m->device.name);
	if (!code)
		code = restart_check_names(state);
	/* Before a dest is made anew. */
	if (!code)
		code = find_again("metadata device", &state->metadata, state, &m->device, 0);
	if (!code)
		code = dest_find_again(state, &m->device);
	if (!code && !dest_is_made(state))
		code = find_again("destination", &state->dest, state, &m->device, sectors);
	return code;
}

int restart(struct migration *m, bool again)
{
	int code;

	if (!m->exists && !dm_find(m->state->name, &m->device))
		return fail(NOT_NOW, "There is a device %s, but not that of the migration: remove it (\"dmsetup remove %s\"), and try again.",
			    m->state->name, m->state->name);
	if (!m->exists && disk_is_kept(m->state))
		return fail(NOT_NOW, "There is no device %s yet: \"livemigrate boot\" makes it, and goes on.",
			    m->state->name);
	if (!m->exists)
		return fail(NOT_NOW, "There is no device %s yet: make it, with the table that it had, and try again.",
			    m->state->name);
	code = insert_undo(m->state);
	if (code)
		return code;
	migration_refresh(m);
	/* The target may have run on it, and written. */
	if (!m->state->object.fresh)
		m->state->zeroed = false;
	code = check_again(m);
	if (!code)
		code = source_kind_find(m->state, &m->device);
	if (code)
		return code;
	m->state->dev = m->device.dev;
	m->state->diskseq = device_seq(m->device.dev);
	free(m->state->boot);
	m->state->boot = this_boot();
	m->state->again = again;
	*m->state->left = '\0';
	return insert(m->state);
}

/* ------------------------------------------------------------------------
 * With metadata
 */

/* From now on, whatever comes: what tells of it here goes with the device. */
static int spoil(struct migration *m)
{
	int code = DONE;

	if (!m->state->used) {
		m->state->used = true;
		code = state_save(m->state);
	}
	return code ? code :
	       fail(NOT_NOW, "%s has been written to since it was made, without the target, and the metadata does not know where: \"livemigrate abort %s\", and start again.",
		    migration_name(m), migration_name(m));
}

/* Metadata knows nothing of what was written without the target. */
static int check_unused(struct migration *m)
{
	if (m->state->used || (m->exists && device_written(m->device.dev)))
		return spoil(m);
	if (m->exists && m->device.open_count > 0)
		return fail(NOT_NOW, "%s is in use already, and what is written to it is not known to the metadata: \"livemigrate abort %s\", and start again.",
			    m->device.name, m->device.name);
	return DONE;
}

/* If that fails the record stays: it tells that the dest may be the newer one. */
static int restart_with_metadata(struct migration *m)
{
	int code = check_unused(m);
	struct state *before;
	const char *why;
	char *text;

	if (code)
		return code;
	text = state_to_text(m->state);
	before = state_from_text(text, &why);
	code = restart(m, true);
	if (code && before) {
		/* A fresh dest may have been made anew. */
		free(before->object.id);
		before->object.id = copy_of(m->state->object.id);
		/* As it was before the first try. */
		if (before->again) {
			before->step = STEP_RUN;
			before->again = false;
			free(before->boot);
			before->boot = copy_of("");
		}
		state_save(before);
	}
	state_free(before);
	free(text);
	return code;
}

/* ------------------------------------------------------------------------
 * A volume that lvm2 leaves to us
 */

/* It may have been renamed while it was no device. */
static int make_device(struct migration *m)
{
	int code = volume_activate(m->state);
	struct dm_device device;

	if (code)
		return code;
	if (!lvm_find_device(m->state->source_id, &device) &&
	    strcmp(device.name, m->state->name))
		code = state_rename(m->state, device.name);
	if (code)
		return code;
	migration_refresh(m);
	return m->exists && m->state ? DONE :
	       fail(FAILED, "%s: lvm2 has activated it, and there is no such device.",
		    migration_name(m));
}

/* Somebody may make it a device in this boot, and a later one could not know. */
static int leave(struct migration *m)
{
	free(m->state->left);
	m->state->left = this_boot();
	return state_save(m->state);
}

/* Without the target it is for nobody to use. */
static int take_device_back(struct migration *m, int code)
{
	struct dm_device device;
	int err;

	migration_refresh(m);
	if (!m->state || m->stage == RUNS || m->state->used)
		return code;
	err = leave(m);
	if (err)
		return err;
	if (!lvm_find_device(m->state->source_id, &device) && volume_deactivate(m->state))
		return fail(code, "%s cannot be deactivated: nobody must use it before its migration goes on, or is aborted.",
			    migration_name(m));
	return fail(code, "%s: its migration cannot go on, so it is not activated. See \"livemigrate list\"; when that is mended, \"livemigrate resume %s\"; or \"livemigrate abort --force %s\" forgets the migration.",
		    migration_name(m), migration_name(m), migration_name(m));
}

static int restart_held(struct migration *m)
{
	int code = DONE;

	/* Whoever uses it knows by now, and goes on. */
	if (m->state->used)
		return spoil(m);
	if (!m->exists)
		code = make_device(m);
	if (!code)
		code = restart_with_metadata(m);
	return code ? take_device_back(m, code) : DONE;
}

/* By whoever has taken part of it in another boot than this. */
static bool may_be_used(const struct migration *m)
{
	char *boot = this_boot();
	bool may = m->state->used || (*m->state->left && strcmp(m->state->left, boot)) ||
		   (m->stage == REBOOTED && m->state->step == STEP_START);

	free(boot);
	return may;
}

static bool is_cut_off(const struct migration *m)
{
	return m->state && m->state->volume.held && m->state->step != STEP_COMMIT &&
	       (m->stage == GONE || m->stage == REBOOTED ||
		(m->stage == STARTING && m->state->again) ||
		(m->stage == ENDING && m->state->step == STEP_ABORT));
}

int restart_again(struct migration *m)
{
	bool held;
	int code = volume_is_held(m->state, &held);

	if (code)
		return code;
	return held ? restart_held(m) : restart_with_metadata(m);
}

bool restart_is_due(const struct migration *m)
{
	return is_cut_off(m) && (m->state->step == STEP_ABORT || !may_be_used(m));
}

bool restart_is_a_persons(const struct migration *m)
{
	return is_cut_off(m) && m->state->step != STEP_ABORT && may_be_used(m);
}

int restart_at_boot(struct migration *m, bool *done)
{
	int code = volume_is_held(m->state, done);

	return code || !*done ? code : restart_held(m);
}
