// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk: the plain mappings of livemigrate.tab.
 */
#include "check.h"
#include "command.h"
#include "backing.h"
#include "disk.h"
#include "image.h"
#include "lock.h"
#include "lvm.h"
#include "paths.h"
#include "say.h"
#include "volume-line.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* It migrates under another name, that of a volume that it was: which? To be freed; or NULL. */
static char *migrates_as(const char *name)
{
	int damaged;
	struct state *state = disk_record(name, &damaged);
	char *other = state && strcmp(state->name, name) ? copy_of(state->name) : NULL;

	state_free(state);
	return other;
}

/* Does it migrate, or is there a record that says so? */
static int check_idle(const char *name)
{
	char *note, *other = migrates_as(name);
	struct migration m;
	int code = DONE;
	bool over;

	if (other) {
		code = fail(NOT_NOW, "%s migrates, as %s: commit or abort that first.", name,
			    other);
		free(other);
		return code;
	}
	if (migration_look(name, &m))
		return DONE;
	/* A pinned target stays, and is nothing but a plain mapping then. */
	over = m.stage == RUNS && !m.state && m.readable && m.status.phase == COMMITTED &&
	       m.line.leg[SOURCE].dropped;
	if (m.stage != NO_MIGRATION && !over) {
		note = migration_note(&m);
		code = fail(NOT_NOW, "%s migrates: commit or abort that first%s%s.", name,
			    note ? ": " : "", note ? note : "");
		free(note);
	}
	migration_free(&m);
	return code;
}

static int check_bad_line(const struct tab *tab, const char *name)
{
	const struct tab_line *bad = tab_find_bad(tab, name);

	return bad ? fail(NOT_NOW, "%s, line %zu: %s. Mend it first.", tab_file(),
			  tab_number(tab, bad), bad->bad) : DONE;
}

/* ------------------------------------------------------------------------
 * add
 */

struct adding {
	char *name;
	char *given;
	struct tab tab;
	struct blockdev bd;
	char *lasting;
	enum lasting how;
	uint64_t sectors;
	bool written;		/* an add that was interrupted has written the line */
};

/* What is written down: as it was given, if that lasts. */
static int find_name(struct adding *a)
{
	const char *bad;

	if (a->given[0] != '/' && !tab_bad_device(a->given) && !named_by_content(a->given)) {
		a->lasting = copy_of(a->given);
		return DONE;
	}
	a->lasting = named_lasting(named_by_content(a->given) ? NULL : a->bd.path, a->bd.dev,
				   &a->how);
	if (a->how == LASTS_NOT)
		return fail(UNFIT, "%s will be another device after a reboot, or none: it cannot be written into %s. Name a disk, a volume or an image file.",
			    a->given, tab_file());
	if (named_by_content(a->given))
		return fail(UNFIT, "%s is what is on the disk, which a migration copies, so the other one would be called so, too: use %s.",
			    a->given, a->lasting);
	bad = tab_bad_device(a->lasting);
	return bad ? fail(UNFIT, "%s cannot be written into %s: %s. Give it another name, by a link.",
			  a->lasting, tab_file(), bad) : DONE;
}

static int check_name(struct adding *a)
{
	const struct tab_line *line;
	struct dm_device device;

	if (check_bad_line(&a->tab, a->name))
		return NOT_NOW;
	if (!dm_find(a->name, &device) && (device.live || !dm_is_disk(&device)))
		return fail(NOT_NOW, "There is a device %s already: see \"livemigrate disk list\" and \"dmsetup table %s\".",
			    a->name, a->name);
	line = tab_find(&a->tab, a->name);
	a->written = line && named_is(line->device, a->bd.dev);
	if (line && !a->written)
		return fail(NOT_NOW, "%s is %s in %s, line %zu: \"livemigrate disk remove %s\" first.",
			    a->name, line->device, tab_file(), tab_number(&a->tab, line),
			    a->name);
	a->sectors = a->written ? line->sectors : 0;
	return check_idle(a->name);
}

/* To say it again is harmless. */
static bool is_there(const struct adding *a)
{
	const struct tab_line *line = tab_find(&a->tab, a->name);
	struct dm_device device;

	return line && !dm_find(a->name, &device) && dm_is_disk(&device) && device.live &&
	       disk_below(&device) == a->bd.dev && named_is(line->device, a->bd.dev);
}

static int check_add(struct adding *a)
{
	int code = check_name(a);

	if (!code)
		code = check_disk(a->name, &a->bd, &a->sectors);
	if (!code)
		code = disk_check_others(ROLE_DISK, a->name, &a->bd);
	if (!code)
		code = find_name(a);
	return code;
}

/* The line first: what is in use must not be gone after a reboot. */
static int add(struct adding *a)
{
	const struct tab_line line = {
		.name = a->name, .device = a->lasting, .sectors = a->sectors,
	};
	int code = DONE;

	if (!a->written) {
		tab_set(&a->tab, &line);
		code = tab_save(&a->tab);
	}
	if (code)
		return code;
	code = disk_map(a->name, &a->bd, a->sectors);
	if (code && !a->written) {
		tab_remove(&a->tab, a->name);
		tab_save(&a->tab);
	}
	return code;
}

static void tell_added(const struct adding *a)
{
	say("/dev/mapper/%s is on %s, now and after each boot: let its user open that.",
	    a->name, a->lasting);
	if (a->how == LASTS_PERHAPS)
		remark("%s has no name that surely lasts: if disks are added or taken out it may be another one.",
		       a->lasting);
	else if (strcmp(a->lasting, a->given))
		remark("%s is kept as %s, which is the same one after a reboot.", a->given,
		       a->lasting);
}

/* VG/LV is below /dev. */
static char *whole_path(const char *given)
{
	char *below = format("%s/%s", dev_dir(), given);

	if (given[0] != '/' && access(given, F_OK) && !access(below, F_OK))
		return below;
	free(below);
	return copy_of(given);
}

/* Taken for raw, a container would be written over by its guest. */
static int check_image(const char *path)
{
	const char *kind = image_is_raw(path) ? image_looks_like(path) : NULL;

	return kind ? fail(UNFIT, "%s is called as a raw image, but looks like one of the kind %s: let its name end in .%s, or convert it with qemu-img.",
			   path, kind, kind) : DONE;
}

static int disk_add(const struct request *r)
{
	struct adding a = { .name = r->operands[1] };
	const char *bad = tab_bad_name(a.name);
	int code;

	if (bad)
		return fail(UNFIT, "Nothing can be called '%s': %s.", a.name, bad);
	a.given = whole_path(r->operands[2]);
	code = tab_load(&a.tab);
	if (!code)
		code = disk_clear_torn(a.name);
	if (!code)
		code = check_image(a.given);
	if (!code)
		code = named_get(ROLE_DISK, a.given, &a.bd);
	if (!code && is_there(&a)) {
		dm_make_node(a.name);
		code = find_name(&a);
	} else if (!code) {
		code = check_add(&a);
		if (!code)
			code = add(&a);
	}
	if (!code && tab_find(&a.tab, a.name))
		volume_line_link(tab_find(&a.tab, a.name));
	if (code)
		backing_take_back();
	else
		tell_added(&a);
	free(a.lasting);
	free(a.given);
	blockdev_free(&a.bd);
	tab_free(&a.tab);
	return code;
}

/* ------------------------------------------------------------------------
 * remove
 */

static int unmap(const char *name, bool in_tab)
{
	struct dm_device device;
	int err = dm_find(name, &device);

	/* A volume of that name is lvm2's, and not what the line means. */
	if (!err && in_tab && lvm_is_volume(device.uuid))
		return DONE;
	if (err)
		return in_tab ? DONE : fail(NOT_FOUND, "There is no disk %s: \"livemigrate disk list\" lists them.",
					    name);
	if (!dm_is_disk(&device) && (!in_tab || !disk_below(&device)))
		return fail(UNFIT, "%s is no plain mapping of livemigrate's: see \"dmsetup table %s\".",
			    name, name);
	if (device.open_count > 0)
		return fail(NOT_NOW, "%s is in use: whoever has it open must close it first.",
			    name);
	err = dm_remove(name);
	return err ? fail(FAILED, "%s cannot be removed: %s.", name, dm_why(err)) : DONE;
}

static int disk_remove(const struct request *r)
{
	const char *name = r->operands[1];
	struct tab tab;
	int code = tab_load(&tab);
	bool in_tab;

	if (code)
		return code;
	in_tab = tab_find(&tab, name) != NULL;
	code = check_bad_line(&tab, name);
	if (!code)
		code = check_idle(name);
	if (!code && in_tab)
		code = tab_writable();
	if (!code)
		code = unmap(name, in_tab);
	if (!code && in_tab) {
		/* Before the line, which alone says what that was. */
		backing_release(tab_find(&tab, name)->device);
		volume_line_unlink(tab_find(&tab, name));
		tab_remove(&tab, name);
		code = tab_save(&tab);
	}
	tab_free(&tab);
	if (!code)
		say("%s is no disk of livemigrate's any more; what is on it is as it was.", name);
	return code;
}

/* ------------------------------------------------------------------------
 * resize
 */

static int set_line(struct tab *tab, const char *name, uint64_t sectors)
{
	const struct tab_line *line = tab_find(tab, name);
	struct tab_line want;
	int code;

	if (!line || !line->sectors || line->sectors == sectors)
		return DONE;
	want = *line;
	want.name = copy_of(line->name);
	want.device = copy_of(line->device);
	want.sectors = sectors;
	tab_set(tab, &want);
	code = tab_save(tab);
	free(want.device);
	free(want.name);
	return code;
}

static int set_mapping(const char *name, dev_t below, uint64_t sectors)
{
	struct dm_table table = { 0 };
	char *params = format("%u:%u 0", major(below), minor(below));
	int err;

	dm_table_add(&table, 0, sectors, "linear", params);
	err = dm_load(name, &table);
	if (!err)
		err = dm_swap(name);
	dm_table_free(&table);
	free(params);
	return err ? fail(FAILED, "%s cannot be made larger: %s.", name, dm_why(err)) : DONE;
}

/* @now: how large it is. The line first: after a reboot it must not be smaller. */
static int grow(struct tab *tab, const char *name, dev_t below, uint64_t now,
		uint64_t sectors)
{
	int code = set_line(tab, name, sectors);

	if (code)
		return code;
	code = set_mapping(name, below, sectors);
	if (code)
		set_line(tab, name, now);
	return code;
}

static int resize(struct tab *tab, const char *name, const struct dm_device *device)
{
	dev_t below = disk_below(device);
	uint64_t now, then;
	int code;

	if (!below)
		return fail(UNFIT, "%s is no plain mapping: see \"dmsetup table %s\".",
			    name, name);
	code = backing_follow(below);
	if (code)
		return code;
	now = device_sectors(device->dev);
	then = device_sectors(below);
	if (then < now)
		return fail(UNFIT, "%s has %llu sectors, and what it lies on has %llu: it has shrunk. A disk is not made smaller: make it as large as before, or what was behind its end is lost.",
			    name, (unsigned long long)now, (unsigned long long)then);
	if (then > now)
		code = grow(tab, name, below, now, then);
	if (!code)
		say("%s has %llu sectors of 512 bytes%s.", name, (unsigned long long)then,
		    then > now ? " now" : ", as before");
	return code;
}

static int disk_resize(const struct request *r)
{
	const char *name = r->operands[1];
	struct dm_device device;
	struct tab tab;
	int code = tab_load(&tab);

	if (code)
		return code;
	code = check_bad_line(&tab, name);
	if (!code)
		code = check_idle(name);
	if (!code && (dm_find(name, &device) || !device.live ||
		      (!dm_is_disk(&device) && !tab_find(&tab, name))))
		code = fail(NOT_FOUND, "There is no disk %s: \"livemigrate disk list\" lists them.",
			    name);
	if (!code)
		code = resize(&tab, name, &device);
	tab_free(&tab);
	return code;
}

/* ------------------------------------------------------------------------
 * list
 */

struct row {
	const struct tab_line *line;
	struct dm_device device;
	bool exists;
	dev_t below;
	uint64_t sectors;
	const char *state;
};

static void make_row(struct row *row, const struct tab_line *line)
{
	char *other = migrates_as(line->name);
	struct migration m;

	memset(row, 0, sizeof(*row));
	row->line = line;
	migration_look(line->name, &m);
	row->exists = m.exists && m.device.live;
	row->device = m.device;
	if (row->exists) {
		row->below = disk_below(&row->device);
		row->sectors = device_sectors(row->device.dev);
	}
	if (m.stage != NO_MIGRATION)
		row->state = row->exists ? "migrates" : "undecided";
	else if (other)
		row->state = "migrates";
	else if (row->exists)
		row->state = row->device.open_count > 0 ? "in use" : "idle";
	else
		row->state = line->noauto ? "noauto" : "absent";
	free(other);
	migration_free(&m);
}

static void print_row(const struct row *row)
{
	uint64_t sectors = row->exists ? row->sectors : row->line->sectors;
	char device[4096];

	printf("%-20s %-10s %14llu %s\n", row->line->name, row->state,
	       (unsigned long long)sectors << 9,
	       printable(row->line->device, device, sizeof(device)));
}

static struct json_object *dev_text(bool is, dev_t dev)
{
	char text[24];

	if (!is)
		return NULL;
	snprintf(text, sizeof(text), "%u:%u", major(dev), minor(dev));
	return json_object_new_string(text);
}

static struct json_object *json_row(const struct row *row)
{
	struct json_object *o = json_object_new_object();
	uint64_t sectors = row->exists ? row->sectors : row->line->sectors;
	char device[4096];

	json_object_object_add(o, "name", json_object_new_string(row->line->name));
	json_object_object_add(o, "path", json_object_new_string(
			       printable(row->line->device, device, sizeof(device))));
	json_object_object_add(o, "noauto", json_object_new_boolean(row->line->noauto));
	json_object_object_add(o, "lv", json_object_new_boolean(row->line->lv));
	json_object_object_add(o, "state", json_object_new_string(row->state));
	json_object_object_add(o, "device", dev_text(row->exists, row->device.dev));
	json_object_object_add(o, "below", dev_text(row->below != 0, row->below));
	json_object_object_add(o, "size", sectors ?
			       json_object_new_int64((int64_t)(sectors << 9)) : NULL);
	return o;
}

static void print_json(const struct tab *tab)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct row row;
	size_t i;

	for (i = 0; i < tab->nr; i++) {
		if (!tab->line[i].name)
			continue;
		make_row(&row, tab->line + i);
		json_object_array_add(list, json_row(&row));
	}
	json_object_object_add(o, "schema", json_object_new_string("livemigrate-disks"));
	json_object_object_add(o, "version", json_object_new_int(1));
	json_object_object_add(o, "disks", list);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_SPACED |
						      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static int disk_list(const struct request *r)
{
	struct tab tab;
	struct row row;
	int code = tab_load(&tab);
	size_t i;

	if (code)
		return code;
	if (is_given(r, OPT_JSON))
		print_json(&tab);
	for (i = 0; i < tab.nr; i++) {
		if (tab.line[i].bad)
			code = fail(FAILED, "%s, line %zu: %s.", tab_file(), i + 1,
				    tab.line[i].bad);
		if (!tab.line[i].name || is_given(r, OPT_JSON))
			continue;
		make_row(&row, tab.line + i);
		print_row(&row);
	}
	tab_free(&tab);
	return code;
}

/* ------------------------------------------------------------------------
 * Which of them
 */

static const struct verb {
	const char *name, *operands;
	int nr;
	bool changes;
	int (*run)(const struct request *r);
} verbs[] = {
	{ "add", "NAME DEV", 2, true, disk_add },
	{ "remove", "NAME", 1, true, disk_remove },
	{ "list", "[--json]", 0, false, disk_list },
	{ "resize", "NAME", 1, true, disk_resize },
};

static int run_verb(const struct verb *verb, const struct request *r)
{
	char *what;
	int code;

	if (r->nr_operands != verb->nr + 1 || (is_given(r, OPT_JSON) && verb->changes))
		return fail(USAGE, "It is: livemigrate disk %s %s.", verb->name,
			    verb->operands);
	if (!verb->changes)
		return verb->run(r);
	what = format("disk %s %s", verb->name, r->operands[1]);
	code = lock_take(what);
	free(what);
	if (code)
		return code;
	code = verb->run(r);
	lock_release();
	return code;
}

int cmd_disk(const struct request *r)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(r->operands[0], verbs[i].name))
			return run_verb(verbs + i, r);
	return fail(USAGE, "disk has no '%s': it is add, remove, list or resize.",
		    r->operands[0]);
}
