// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm2 knows the device of an active volume by its uuid, which cannot be changed. The
 * device that is moved keeps the source's, and the source's name in lvm2's metadata is
 * what a boot would give to the old data. So only the metadata is told of the new name,
 * and the device is renamed by us: lvm2 would load the volume's own table on the way,
 * which the pinned target keeps it from.
 *
 * There is no instant at which NAME is a leg that may become stale: until the source is
 * let go of it is the source; then it is nobody's; then the dest's.
 */
#include "volume-name.h"
#include "device.h"
#include "lvm.h"
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASIDE	".lmsrc"

/* Of the source. */
struct volume_name {
	char *vg, *lv;		/* as it is called now */
	char *base;		/* without what says that it has stepped aside */
	bool aside;
	bool own;		/* the device that is moved has its uuid */
	struct dm_device device;	/* with that uuid; .live: is there */
};

static bool is_own(const struct state *state)
{
	return !strcmp(state->source_kind, "own volume");
}

/* Without the pin lvm2 would put the old table back. */
bool volume_name_moves(const struct state *state)
{
	return state->pinned &&
	       (is_own(state) || (state->rested && !strcmp(state->source_kind, "volume")));
}

static void name_free(struct volume_name *name)
{
	free(name->vg);
	free(name->lv);
	free(name->base);
}

/* False if lvm2 has it no more. */
static bool name_get(const struct state *state, struct volume_name *name)
{
	char *now = lvm_name(state->source_id), *boot;
	size_t len;

	memset(name, 0, sizeof(*name));
	if (!now || !lvm_split(now, &name->vg, &name->lv)) {
		free(now);
		return false;
	}
	free(now);
	len = strlen(name->lv);
	name->aside = len > strlen(ASIDE) &&
		      !strcmp(name->lv + len - strlen(ASIDE), ASIDE);
	name->base = format("%.*s", (int)(name->aside ? len - strlen(ASIDE) : len),
			    name->lv);
	lvm_find_device(state->source_id, &name->device);
	boot = this_boot();
	name->own = is_own(state) && name->device.live && !strcmp(state->boot, boot) &&
		    name->device.dev == state->dev;
	free(boot);
	return true;
}

/* Its device's name, too; if that is not what lvm2 calls it, it is somebody else's. */
static int rename_device(const struct volume_name *name, const char *from, const char *to)
{
	char *before = lvm_dm_name(name->vg, from), *after = lvm_dm_name(name->vg, to);
	int err = 0;

	if (name->device.live && !strcmp(name->device.name, before))
		err = dm_rename(before, after);
	if (err)
		fail(FAILED, "The device %s cannot be renamed to %s: %s.", before, after,
		     dm_why(err));
	free(before);
	free(after);
	return err ? FAILED : DONE;
}

/* Metadata first, one way and back: a boot goes by that. */
static int change(const struct volume_name *name, const char *from, const char *to)
{
	int code = DONE;

	if (strcmp(name->lv, to))
		code = lvm_rename(name->vg, name->lv, to, name->own);
	if (!code && name->own)
		code = rename_device(name, from, to);
	return code;
}

/* Who is told how to remove the source must be told this name. */
static int call(struct state *state, const struct volume_name *name, const char *lv)
{
	char *now = format("%s/%s", name->vg, lv);
	bool same = !strcmp(now, state->source_object);

	free(state->source_object);
	state->source_object = now;
	return same ? DONE : state_save(state);
}

int volume_name_step_aside(struct migration *m)
{
	struct volume_name name;
	struct dm_device now;
	char *aside;
	int code;

	if (!volume_name_moves(m->state) || !name_get(m->state, &name))
		return DONE;
	aside = format("%s" ASIDE, name.base);
	if (!name.aside && lvm_exists(name.vg, aside))
		code = fail(NOT_NOW, "%s/%s is left of an earlier move, and its name is needed: remove it (lvm lvremove --driverloaded n %s/%s), or rename it.",
			    name.vg, aside, name.vg, aside);
	else
		code = change(&name, name.base, aside);
	if (!code)
		code = call(m->state, &name, aside);
	free(aside);
	name_free(&name);
	/* The record goes with the device. */
	if (!code && !dm_find_dev(m->device.dev, &now) &&
	    strcmp(now.name, m->device.name)) {
		m->device = now;
		code = state_rename(m->state, now.name);
	}
	return code;
}

int volume_name_restore(struct state *state)
{
	struct volume_name name;
	char *aside;
	int code = DONE;

	if (!volume_name_moves(state) || !name_get(state, &name))
		return DONE;
	aside = format("%s" ASIDE, name.base);
	if (name.aside)
		code = change(&name, aside, name.base);
	if (!code)
		code = call(state, &name, name.base);
	free(aside);
	name_free(&name);
	return code;
}

/* The dest's uuids, if it is a volume; to be freed. */
static char *dest_id(const struct state *state)
{
	struct dm_device device;
	dev_t other;
	char *id;

	if (device_find(state->dest.path, &device, &other) || !lvm_id(device.uuid, &id))
		return NULL;
	return id;
}

static int give(const struct volume_name *name, const char *dest, const char *id)
{
	char *vg = NULL, *lv = NULL;
	int code = DONE;

	if (lvm_split(dest, &vg, &lv) && !strcmp(vg, name->vg)) {
		if (strcmp(lv, name->base))
			code = lvm_rename(vg, lv, name->base, false);
		lvm_wake(id);
		if (!code)
			say("The logical volume %s is called %s/%s now, and what that was, %s/%s.",
			    dest, vg, name->base, name->vg, name->lv);
	} else {
		say("There is no logical volume %s/%s any more: after a boot the data is on %s, and %s/%s is stale.",
		    name->vg, name->base, dest, name->vg, name->lv);
	}
	free(vg);
	free(lv);
	return code;
}

int volume_name_hand_over(const struct state *state)
{
	struct volume_name name;
	char *id, *dest;
	int code = DONE;

	if (!volume_name_moves(state) || !name_get(state, &name))
		return DONE;
	id = dest_id(state);
	dest = id ? lvm_name(id) : NULL;
	if (name.aside && (dest || !lvm_exists(name.vg, name.base)))
		code = give(&name, dest ? dest : state->dest.path, id);
	free(id);
	free(dest);
	name_free(&name);
	return code;
}

void volume_name_retire(const struct state *state)
{
	struct volume_name name;

	if (!volume_name_moves(state) || !name_get(state, &name))
		return;
	if (name.aside)
		lvm_retire(name.vg, name.lv);
	name_free(&name);
}
