// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm2 knows the device of an active volume by its uuid, which cannot be changed. The
 * device that is moved keeps the source's, and what the source is called in lvm2's
 * metadata is what a boot would give to the old data. So the two volumes get other names
 * there; and their devices, which lvm2 must not touch meanwhile, by us.
 *
 * There is no instant at which the name is a leg that may become stale: until the source
 * is let go of it is the source's; then nobody's; then the dest's.
 */
#include "volume-name.h"
#include "child.h"
#include "dest-kind.h"
#include "lvm.h"
#include "named.h"
#include "say.h"
#include "tab-file.h"
#include "volume-line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASIDE		".lmsrc"
#define ASIDE_MAX	1000

bool volume_name_moves(const struct state *state)
{
	return *state->volume.lv;
}

/* ------------------------------------------------------------------------
 * Before
 */

/*
 * Without the pin lvm2 would put the old table back. A disk of livemigrate.tab has its
 * line, and a mapping of somebody else leads to what it is said to.
 */
static bool is_volume(const struct state *state)
{
	bool own = !strcmp(state->source_kind, "own volume");
	bool rested = state->rested && !strcmp(state->source_kind, "volume");

	return !*state->line && state->pinned && (own || rested) &&
	       lvm_is_volume(state->uuid);
}

/* The dest's id, if it is a plain volume; "" else. */
static int dest_id(const struct state *state, char **id)
{
	struct lvm_volume volume;
	int code = lvm_below(state->dest.dev, id);

	if (!code && *id) {
		code = lvm_look(*id, &volume);
		if (code || !volume.plain) {
			free(*id);
			*id = NULL;
		}
		lvm_volume_free(&volume);
		if (code == NOT_FOUND)
			code = DONE;
	}
	if (!*id)
		*id = copy_of("");
	return code;
}

/* A record of a device that is not there. */
static bool is_recorded(const char *vg, const char *lv)
{
	char *name = lvm_dm_name(vg, lv);
	bool is = state_exists(name);

	free(name);
	return is;
}

/* A name that nothing has, neither in lvm2's metadata nor in the kernel. */
static int choose_aside(const struct lvm_volume *volume, char **aside)
{
	bool is_free = false;
	int code = DONE, i;

	for (i = 1; !code && i < ASIDE_MAX; i++) {
		*aside = format("%s" ASIDE "%d", volume->lv, i);
		code = lvm_is_free(volume->vg, *aside, &is_free);
		if (!code && is_free && !is_recorded(volume->vg, *aside))
			return DONE;
		free(*aside);
	}
	*aside = NULL;
	return code;
}

static bool is_given(const struct state *state)
{
	return *state->volume.lv && lvm_same_group(state->source_id, state->volume.dest);
}

/* To be recorded by the caller. */
static int choose(struct state *state, const struct lvm_volume *volume)
{
	char *dest = NULL, *aside = NULL;
	int code = dest_id(state, &dest);

	if (!code)
		code = choose_aside(volume, &aside);
	if (code || !aside) {
		free(dest);
		return code;
	}
	free(state->volume.lv);
	free(state->volume.aside);
	free(state->volume.dest);
	state->volume.lv = copy_of(volume->lv);
	state->volume.aside = aside;
	state->volume.dest = dest;
	free(state->source_object);
	state->source_object = format("%s/%s", volume->vg, volume->lv);
	return DONE;
}

int volume_name_choose(struct state *state)
{
	struct lvm_volume volume = { 0 };
	int code;

	if (*state->volume.lv || state->volume.stays || state->adopted || !is_volume(state))
		return DONE;
	code = lvm_look(state->source_id, &volume);
	/* Whoever has removed it has solved the question, too. */
	if (code == NOT_FOUND)
		return DONE;
	if (!code && volume.plain) {
		code = choose(state, &volume);
		/* Later it could not be taken back. */
		if (!code && *state->volume.lv && !is_given(state))
			code = tab_writable();
	}
	if (code)
		remark("%s: so its name cannot be moved: \"livemigrate commit --force %s\" leaves it, and it leads to the old data then.",
		       state->name, state->name);
	lvm_volume_free(&volume);
	return code;
}

/* ------------------------------------------------------------------------
 * One name
 */

/* A volume's device is called as lvm2's metadata has it. */
static int rename_device(const char *id, const char *vg, const char *lv)
{
	char *name = lvm_dm_name(vg, lv);
	struct dm_device device;
	int err = 0;

	if (!lvm_find_device(id, &device) && strcmp(device.name, name))
		err = dm_rename(device.name, name);
	if (err)
		fail(FAILED, "The device %s cannot be renamed to %s: %s.", device.name, name,
		     dm_why(err));
	free(name);
	return err ? FAILED : DONE;
}

/* A volume whose device cannot be called after it is one that lvm2 stumbles over. */
static int want_free_device(const char *id, const char *vg, const char *lv)
{
	char *name = lvm_dm_name(vg, lv);
	struct dm_device device, own;
	int code = DONE;

	if (!dm_find(name, &device) &&
	    (lvm_find_device(id, &own) || own.dev != device.dev))
		code = fail(FAILED, "The name of %s/%s is taken: there is a device %s of somebody else's. Rename that, and try again.",
			    vg, lv, name);
	free(name);
	return code;
}

/*
 * @is_so: metadata says it already. @aside: the device first, because lvm2 could be asked
 * for another name of a device whose own is taken, and would leave it suspended; otherwise
 * metadata, which holds the name.
 */
static int rename_both(const char *id, const struct lvm_volume *volume, const char *to,
		       bool is_so, bool aside)
{
	int code = DONE;

	if (aside)
		code = rename_device(id, volume->vg, to);
	else if (!is_so)
		code = want_free_device(id, volume->vg, to);
	if (!code && !is_so)
		code = lvm_rename(volume, to);
	if (!code && !aside)
		code = rename_device(id, volume->vg, to);
	return code;
}

/* Of a volume that may be called so already, or be gone; else somebody has renamed it. */
static int change(const char *id, const char *from, const char *to, bool aside)
{
	struct lvm_volume volume;
	int code = lvm_look(id, &volume);
	bool is_so;

	if (code)
		return code == NOT_FOUND ? DONE : code;
	is_so = !strcmp(volume.lv, to);
	if (is_so || !strcmp(volume.lv, from))
		code = rename_both(id, &volume, to, is_so, aside);
	lvm_make_nodes(volume.vg);
	lvm_volume_free(&volume);
	return code;
}

/* The record is called as the device is, so that another one's can take the old name. */
static int follow_device(struct migration *m)
{
	struct dm_device now;

	if (!m->exists || dm_find_dev(m->device.dev, &now) ||
	    !strcmp(now.name, m->device.name))
		return DONE;
	m->device = now;
	return strcmp(m->state->name, now.name) ? state_rename(m->state, now.name) : DONE;
}

int volume_name_step_aside(struct migration *m)
{
	const struct state *state = m->state;
	int code = DONE;

	if (*state->volume.lv)
		code = change(state->source_id, state->volume.lv, state->volume.aside, true);
	return code ? code : follow_device(m);
}

int volume_name_restore(struct migration *m)
{
	struct state *state = m->state;
	int code;

	if (!*state->volume.lv)
		return DONE;
	code = change(state->source_id, state->volume.aside, state->volume.lv, false);
	if (!code)
		code = follow_device(m);
	if (code)
		return code;
	*state->volume.lv = '\0';
	*state->volume.aside = '\0';
	*state->volume.dest = '\0';
	return state_save(state);
}

/* ------------------------------------------------------------------------
 * After
 */

static int revive(const char *id)
{
	struct lvm_volume dest;
	int code = lvm_look(id, &dest);

	if (!code)
		code = lvm_revive(&dest);
	lvm_volume_free(&dest);
	return code == NOT_FOUND ? DONE : code;
}

/* Whatever the source is, and whether a name is moved or not. */
void volume_name_revive(const struct state *state)
{
	char *id;

	if (!child_exists("lvm") || lvm_below(state->dest.dev, &id) || !id)
		return;
	if (revive(id))
		remark("%s: its dest, %s, is still marked as the source of a former migration: see to it by hand.",
		       state->name, state->dest.path);
	free(id);
}

static int can_give(const struct state *state, const struct lvm_volume *dest)
{
	bool is_free = true;
	int code = DONE;

	/* As far as the metadata goes it may have been done. */
	if (strcmp(dest->lv, state->volume.lv))
		code = lvm_is_free(dest->vg, state->volume.lv, &is_free);
	return code || is_free ? code :
	       fail(FAILED, "%s: the logical volume %s/%s cannot be renamed to %s, that name has been taken meanwhile: free it, and \"livemigrate resume %s\" tries again.",
		    state->name, dest->vg, dest->lv, state->volume.lv, state->name);
}

static int give(const struct state *state, const struct lvm_volume *dest)
{
	int code = can_give(state, dest);

	if (!code)
		code = change(state->volume.dest, dest->lv, state->volume.lv, false);
	/* It may be the source of a former migration. */
	if (!code)
		code = revive(state->volume.dest);
	if (!code && strcmp(dest->lv, state->volume.lv))
		say("%s: the logical volume %s/%s is called %s/%s now.", state->name,
		    dest->vg, dest->lv, dest->vg, state->volume.lv);
	return code;
}

static int with_dest(const struct state *state,
		     int (*what)(const struct state *state, const struct lvm_volume *dest))
{
	struct lvm_volume dest;
	int code = lvm_look(state->volume.dest, &dest);

	if (code == NOT_FOUND)
		code = fail(FAILED, "%s: the logical volume %s, which has the data, is not there: \"livemigrate resume %s\" tries again.",
			    state->name, state->dest.path, state->name);
	else if (!code)
		code = what(state, &dest);
	lvm_volume_free(&dest);
	return code;
}

int volume_name_can_hand_over(const struct state *state)
{
	return is_given(state) ? with_dest(state, can_give) : volume_line_can_keep(state);
}

int volume_name_hand_over(const struct state *state)
{
	return is_given(state) ? with_dest(state, give) : volume_line_keep(state);
}

/* The source has stepped aside before. */
bool volume_name_is_ready(const struct state *state)
{
	return *state->volume.dest ? lvm_is_there(state->volume.dest) :
				     named_present(dest_lasting(state));
}

int volume_name_has_moved(const struct state *state, bool *has, bool *used)
{
	struct lvm_volume volume;
	struct dm_device device;
	int code = lvm_look(state->source_id, &volume);

	if (code == NOT_FOUND)
		return fail(FAILED, "%s: the logical volume that it was is gone.", state->name);
	if (code)
		return code;
	*has = !strcmp(volume.lv, state->volume.aside);
	*used = !lvm_find_device(state->source_id, &device) && device.open_count > 0;
	if (!*has && strcmp(volume.lv, state->volume.lv))
		code = fail(NOT_NOW, "%s: its source is called %s/%s now, neither %s nor %s: give it one of these, to say which it is.",
			    state->name, volume.vg, volume.lv, state->volume.lv,
			    state->volume.aside);
	lvm_volume_free(&volume);
	return code;
}

void volume_name_retire(const struct state *state)
{
	struct lvm_volume volume;

	if ((!*state->volume.lv && !state->volume.held) ||
	    lvm_look(state->source_id, &volume))
		return;
	if (*state->volume.lv || volume.held)
		lvm_retire(&volume);
	lvm_volume_free(&volume);
}
