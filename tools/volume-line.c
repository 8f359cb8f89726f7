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

	if (mem && dm_split_lvm_name(mem, name, &vg, &lv, &layer) && *vg && *lv && !*layer)
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

static int find_dest(const struct state *state, struct place_in_tab *to)
{
	char *boot = this_boot();
	struct blockdev bd = { 0 };
	int code = DONE;

	to->dev = state->dest.dev;
	if (strcmp(state->boot, boot)) {
		code = disk_want_dest(state, &bd);
		to->dev = bd.dev;
	}
	if (!code)
		to->device = named_lasting(dest_lasting(state), to->dev, &to->how);
	blockdev_free(&bd);
	free(boot);
	return code;
}

static bool is_same_thing(const char *a, const char *b)
{
	struct stat x, y;

	if (stat(a, &x) || stat(b, &y) || (x.st_mode & S_IFMT) != (y.st_mode & S_IFMT))
		return false;
	return S_ISBLK(x.st_mode) ? x.st_rdev == y.st_rdev :
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A volume has stepped aside, so it is its name that counts. */
static bool names_source(const struct tab_line *line, const struct state *state)
{
	char *boot = this_boot(), *path;
	bool names;

	path = state->source_object[0] == '/' ? copy_of(state->source_object) :
	       format("%s/%s", dev_dir(), state->source_object);
	names = !strcmp(line->device, path) ||
		(!strcmp(state->boot, boot) && is_same_thing(line->device, path));
	free(path);
	free(boot);
	return names;
}

/* From @i on. Of others than the device that has moved: its own line is followed before. */
static size_t find_line(const struct tab *tab, size_t i, const struct state *state)
{
	while (i < tab->nr &&
	       (!tab->line[i].name || !strcmp(tab->line[i].name, disk_name(state)) ||
		!names_source(tab->line + i, state)))
		i++;
	return i;
}

static int follow_lines(struct tab *tab, const struct state *state,
			const struct place_in_tab *to)
{
	int code = DONE;
	size_t i;

	for (i = find_line(tab, 0, state); i < tab->nr && !code;
	     i = find_line(tab, i + 1, state))
		code = disk_point_line(tab, tab->line + i, to->device, to->dev,
				       state->sectors);
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
	}
	free(name);
	return code;
}

/* Of a name that some line leads on from already nobody needs another one. */
static int keep(struct tab *tab, const struct state *state)
{
	bool follows = *state->source_object && find_line(tab, 0, state) < tab->nr;
	struct place_in_tab to = { 0 };
	char *vg = NULL, *lv = NULL;
	int code;

	if (!follows && !(*state->volume.lv && lvm_split(state->source_object, &vg, &lv)))
		return DONE;
	code = find_dest(state, &to);
	if (!code)
		code = follows ? follow_lines(tab, state, &to) :
				 keep_name(tab, state, &to, vg, lv);
	free(to.device);
	free(vg);
	free(lv);
	return code;
}

int volume_line_keep(const struct state *state)
{
	struct tab tab;
	int code = tab_load(&tab);

	if (!code)
		code = keep(&tab, state);
	tab_free(&tab);
	return code;
}
