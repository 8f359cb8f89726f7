// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume-line.h"
#include "dest-kind.h"
#include "disk.h"
#include "image.h"
#include "lvm.h"
#include "nbd.h"
#include "paths.h"
#include "say.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------
 * The link below /dev
 */

/* What lvm2 would call it; NULL: @name is not made as those of volumes are. */
static char *link_path(const char *name)
{
	struct dm_pool *mem = dm_pool_create("name", 512);
	char *vg = NULL, *lv = NULL, *layer = NULL, *path = NULL;

	if (mem && dm_split_lvm_name(mem, name, &vg, &lv, &layer) && *vg && *lv && !*layer &&
	    *vg != '.' && *lv != '.')
		path = format("%s/%s/%s", dev_dir(), vg, lv);
	if (mem)
		dm_pool_destroy(mem);
	return path;
}

static char *link_text(const char *name)
{
	return format("../mapper/%s", name);
}

static bool is_link_to(const char *path, const char *text)
{
	char now[TAB_NAME_MAX + 16];
	ssize_t len = readlink(path, now, sizeof(now) - 1);

	if (len < 0)
		return false;
	now[len] = '\0';
	return !strcmp(now, text);
}

static void make_link(const char *name, const char *path, const char *text)
{
	char *folder = format("%.*s", (int)(strrchr(path, '/') - path), path);

	mkdir(folder, 0755);
	if (symlink(text, path) && !is_link_to(path, text))
		remark("%s cannot be made to lead to /dev/mapper/%s: %s.", path, name,
		       errno == EEXIST ? "there is such a thing already" : strerror(errno));
	free(folder);
}

void volume_line_link(const struct tab_line *line)
{
	char *path = line->lv ? link_path(line->name) : NULL, *text;

	if (!path)
		return;
	text = link_text(line->name);
	make_link(line->name, path, text);
	free(text);
	free(path);
}

void volume_line_unlink(const struct tab_line *line)
{
	char *path = line->lv ? link_path(line->name) : NULL, *text;

	if (!path)
		return;
	text = link_text(line->name);
	if (is_link_to(path, text))
		unlink(path);
	free(text);
	free(path);
}

/* ------------------------------------------------------------------------
 * Lines
 */

/* What a line calls the dest. */
struct place_in_tab {
	char *device;
	enum lasting how;
	dev_t dev;
};

/* Else its number may be another one's by now. */
static bool is_held(const struct state *state)
{
	char *boot = this_boot();
	struct dm_device device;
	bool is = !strcmp(state->boot, boot) && !dm_find_dev(state->dev, &device) &&
		  !strcmp(device.uuid, state->uuid);

	free(boot);
	return is;
}

static int find_by_name(const struct state *state, dev_t *dev)
{
	const char *path = dest_lasting(state);
	struct blockdev bd = { 0 };
	int code;

	if (path[0] != '/' || named_is_passing(path) || !dest_is_same(state))
		return fail(UNFIT, "%s: %s, which has the data, is not there, or has no name that lasts: \"livemigrate resume %s\" tries again.",
			    state->name, path, state->name);
	code = named_get("destination", path, &bd);
	*dev = bd.dev;
	blockdev_free(&bd);
	return code;
}

static int find_dest(const struct state *state, struct place_in_tab *to)
{
	struct dm_device volume;
	int code = DONE;

	if (is_held(state))
		to->dev = state->dest.dev;
	else if (!*state->volume.dest)
		code = find_by_name(state, &to->dev);
	else if (!lvm_find_device(state->volume.dest, &volume))
		to->dev = volume.dev;
	else
		code = fail(FAILED, "%s: the logical volume %s, which has the data, is not there: \"livemigrate resume %s\" tries again.",
			    state->name, dest_name(state), state->name);
	if (!code)
		to->device = named_lasting(dest_lasting(state), to->dev, &to->how);
	return code;
}

static const char *cannot_be_named(const struct tab *tab, const char *name,
				   const struct place_in_tab *to)
{
	const struct tab_line *line = tab_find(tab, name);

	if (line && strcmp(line->device, to->device) && !named_is(line->device, to->dev))
		return "has a line of that name, of another disk";
	if (tab_find_bad(tab, name))
		return "has a bad line of that name";
	if (tab_bad_name(name) || tab_bad_device(to->device) || to->how == LASTS_NOT ||
	    (to->device[0] == '/' && !image_is_raw(to->device) && nbd_check_scan(to->device)))
		return "cannot say so";
	return NULL;
}

static int add_line(struct tab *tab, char *name, const struct state *state,
		    const struct place_in_tab *to)
{
	struct tab_line line = {
		.name = name, .device = to->device, .lv = true,
		.sectors = device_sectors(to->dev) == state->sectors ? 0 : state->sectors,
	};

	if (tab_find(tab, name))
		return DONE;
	tab_set(tab, &line);
	return tab_save(tab);
}

static int keep_name(struct tab *tab, const struct state *state,
		     const struct place_in_tab *to, const char *vg, const char *lv)
{
	char *name = lvm_dm_name(vg, lv);
	const char *why = cannot_be_named(tab, name, to);
	int code = why ? DONE : add_line(tab, name, state, to);

	if (code) {
		fail(code, "%s: \"livemigrate resume %s\" tries again.", state->name,
		     state->name);
	} else if (why) {
		say("%s: there is no logical volume %s/%s any more, and %s %s: what used it must use %s, which has the data, when it opens it again.",
		    state->name, vg, lv, tab_file(), why, dest_name(state));
	} else {
		say("%s: there is no logical volume %s/%s any more: the data is on %s. After each boot /dev/%s/%s and /dev/mapper/%s lead there, by a line of %s.",
		    state->name, vg, lv, dest_name(state), vg, lv, name, tab_file());
		if (to->how == LASTS_PERHAPS)
			remark("%s has no name that surely lasts: if disks are added or taken out it may be another one.",
			       to->device);
	}
	free(name);
	return code;
}

static bool names_of(const struct state *state, char **vg, char **lv)
{
	return *state->volume.lv && lvm_split(state->source_object, vg, lv);
}

int volume_line_keep(const struct state *state)
{
	struct place_in_tab to = { 0 };
	struct tab tab;
	char *vg, *lv;
	int code;

	if (!names_of(state, &vg, &lv))
		return DONE;
	code = tab_load(&tab);
	if (!code)
		code = find_dest(state, &to);
	if (!code)
		code = keep_name(&tab, state, &to, vg, lv);
	free(to.device);
	tab_free(&tab);
	free(vg);
	free(lv);
	return code;
}

int volume_line_can_keep(const struct state *state)
{
	struct place_in_tab to = { 0 };
	int code = *state->volume.lv ? tab_writable() : DONE;

	if (!code && *state->volume.lv)
		code = find_dest(state, &to);
	free(to.device);
	return code;
}

bool volume_line_is_there(const struct state *state)
{
	struct tab tab;
	bool is = false;
	char *vg, *lv, *name;

	if (!names_of(state, &vg, &lv))
		return false;
	name = lvm_dm_name(vg, lv);
	if (!tab_load(&tab)) {
		is = tab_find(&tab, name) != NULL;
		tab_free(&tab);
	}
	free(name);
	free(vg);
	free(lv);
	return is;
}
