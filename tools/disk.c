// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk.h"
#include "backing.h"
#include "check.h"
#include "dest-kind.h"
#include "image.h"
#include "lvm.h"
#include "nbd.h"
#include "paths.h"
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ------------------------------------------------------------------------
 * Mappings
 */

int disk_clear_torn(const char *name)
{
	struct dm_device device;
	int err = 0;

	if (!dm_find(name, &device) && dm_is_disk(&device) && !device.live)
		err = dm_remove(name);
	return err ? fail(FAILED, "%s has no table, and cannot be removed: %s.", name,
			  dm_why(err)) : DONE;
}

int disk_map(const char *name, const struct blockdev *bd, uint64_t sectors)
{
	struct dm_table table = { 0 };
	char *params = format("%u:%u 0", major(bd->dev), minor(bd->dev));
	int err;

	dm_table_add(&table, 0, sectors, "linear", params);
	err = dm_create_disk(name, &table);
	dm_table_free(&table);
	free(params);
	return err ? fail(FAILED, "/dev/mapper/%s cannot be made on %s: %s.", name,
			  bd->path, dm_why(err)) : DONE;
}

int disk_make(const struct tab_line *line)
{
	uint64_t sectors = line->sectors;
	struct blockdev bd;
	int code = disk_clear_torn(line->name);

	memset(&bd, 0, sizeof(bd));
	if (!code)
		code = named_get(ROLE_DISK, line->device, &bd);
	if (!code)
		code = check_disk(line->name, &bd, &sectors);
	if (!code)
		code = disk_map(line->name, &bd, sectors);
	if (code)
		backing_take_back();
	else
		backing_keep();
	blockdev_free(&bd);
	return code;
}

dev_t disk_below(const struct dm_device *device)
{
	struct dm_table table;
	struct place place;
	dev_t below = 0;

	if (dm_table_get(device->name, false, &table))
		return 0;
	if (table.nr == 1 && !strcmp(table.line[0].type, "linear") &&
	    linear_parse(table.line[0].params, &place) && !place.offset)
		below = makedev(place.major, place.minor);
	dm_table_free(&table);
	return below;
}

/* ------------------------------------------------------------------------
 * Lines
 */

/*
 * What it is called at boot: its uuid does not change if it is renamed. A volume's device
 * is lvm2's, and none of the lines, whatever it is called.
 */
static const char *boot_name(const char *name, const char *uuid)
{
	size_t len = strlen(DM_DISK_PREFIX);

	if (!strncmp(uuid, DM_DISK_PREFIX, len))
		return uuid + len;
	return lvm_is_volume(uuid) ? "" : name;
}

static int bad_line(const struct tab *tab, const char *name)
{
	const struct tab_line *bad = tab_find_bad(tab, name);

	return fail(NOT_NOW, "%s, line %zu: %s. Mend it first, or %s could come up with old data after a reboot.",
		    tab_file(), tab_number(tab, bad), bad->bad, name);
}

const char *disk_name(const struct state *state)
{
	return *state->line ? state->line : boot_name(state->name, state->uuid);
}

int disk_may_migrate(const struct dm_device *device)
{
	bool volume = lvm_is_volume(device->uuid);
	const char *name = volume ? device->name : boot_name(device->name, device->uuid);
	const struct tab_line *line;
	char *lasting;
	struct tab tab;
	int code = tab_load(&tab);

	line = code ? NULL : tab_find(&tab, name);
	if (line && volume) {
		code = fail(UNFIT, "%s is a logical volume, and %s, line %zu, has another disk of that name: \"livemigrate disk remove %s\" first.",
			    name, tab_file(), tab_number(&tab, line), name);
	} else if (line && named_by_content(line->device)) {
		lasting = named_lasting(NULL, disk_below(device), NULL);
		code = fail(UNFIT, "%s is %s in %s, line %zu, and the destination will be called so, too: write %s there.",
			    name, line->device, tab_file(), tab_number(&tab, line), lasting);
		free(lasting);
	}
	tab_free(&tab);
	return code;
}

int disk_may_follow(const struct migration *m)
{
	const char *name = disk_name(m->state);
	struct tab tab;
	int code = tab_load(&tab);

	if (code)
		return code;
	if (tab_find_bad(&tab, name))
		code = bad_line(&tab, name);
	else if (tab_find(&tab, name))
		code = tab_writable();
	tab_free(&tab);
	return code ? code : disk_check_dest(m->state);
}

static void tell_of(const char *name, const char *device, enum lasting how)
{
	if (how == LASTS_NOT)
		remark("%s is on %s now, which will be another device after a reboot, or none. So its line in %s says noauto: write there what lasts.",
		       name, device, tab_file());
	else
		remark("%s: the line of %s names %s now%s.", tab_file(), name, device,
		       how == LASTS ? "" : ", because it has no name that surely lasts");
}

/* A mapping keeps its size, whatever lies below it. */
static int point_line(struct tab *tab, const struct tab_line *line, const char *path,
		      dev_t dev, uint64_t sectors)
{
	struct tab_line want = {
		.name = copy_of(line->name), .lv = line->lv, .noauto = line->noauto,
	};
	enum lasting how;
	int code = DONE;

	want.device = named_lasting(path, dev, &how);
	want.sectors = !line->sectors && device_sectors(dev) == sectors ? 0 : sectors;
	want.noauto |= how == LASTS_NOT;
	if (strcmp(line->device, want.device) || line->sectors != want.sectors ||
	    line->noauto != want.noauto) {
		tab_set(tab, &want);
		code = tab_save(tab);
		if (!code)
			tell_of(want.name, want.device, how);
	}
	free(want.device);
	free(want.name);
	return code;
}

static int point_to(const char *name, const char *path, dev_t dev, uint64_t sectors)
{
	const struct tab_line *line;
	struct tab tab;
	int code = tab_load(&tab);

	line = code ? NULL : tab_find(&tab, name);
	if (line)
		code = point_line(&tab, line, path, dev, sectors);
	else if (!code && tab_find_bad(&tab, name))
		code = bad_line(&tab, name);
	tab_free(&tab);
	return code;
}

/* Of one that was begun by hand only the number is known so far. */
void disk_name_dest(const struct migration *m)
{
	const struct place *dest = &m->line.leg[DEST];
	char *path;

	if (m->state->dest.path[0] == '/')
		return;
	path = named_lasting(NULL, makedev(dest->major, dest->minor), NULL);
	free(m->state->dest.path);
	m->state->dest.path = path;
}

int disk_follow(const struct state *state)
{
	return point_to(disk_name(state), state->dest.path,
			state->dest.dev, state->sectors);
}

int disk_follow_record(const struct state *state)
{
	const char *name = disk_name(state);
	const char *path = dest_lasting(state);
	struct blockdev bd;
	int code;

	if (path[0] != '/' || named_is_passing(path))
		return fail(UNFIT, "%s was committed to %s, and it is not known what that is called since the reboot: write it into %s, and \"livemigrate abort --force %s\" forgets the migration.",
			    name, path, tab_file(), name);
	if (!dest_is_same(state))
		return fail(UNFIT, "%s was committed to %s, which is not there, or is another file: bring it back; or write into %s where the data is, and \"livemigrate abort --force %s\" forgets the migration.",
			    name, path, tab_file(), name);
	code = named_get("destination", path, &bd);
	if (!code)
		code = point_to(name, path, bd.dev, state->sectors);
	blockdev_free(&bd);
	return code;
}

/* A line that cannot be understood, or looked up, may be the one. */
static int check_unclear(const struct tab *tab, const struct tab_line *line,
			 const struct dm_device *device, dev_t leg)
{
	size_t number = tab_number(tab, line);

	if (line->bad)
		return fail(NOT_NOW, "%s, line %zu: %s. Mend it first: it may be that of %s.",
			    tab_file(), number, line->bad, device->name);
	if (!line->name)
		return DONE;
	/* What lies on the leg is found on what is above it, too. */
	if (named_by_content(line->device) &&
	    (named_is(line->device, leg) || named_is(line->device, device->dev)))
		return fail(NOT_NOW, "%s, line %zu: %s is what lies on the disk of %s, and the destination will be called so, too: write there what the disk itself is called.",
			    tab_file(), number, line->device, device->name);
	if (line->lv && !named_present(line->device))
		return fail(NOT_NOW, "%s, line %zu: %s is not there, and may be what %s lies on: bring it back, or \"livemigrate disk remove %s\".",
			    tab_file(), number, line->device, device->name, line->name);
	return DONE;
}

static int find_line(struct state *state, const struct tab *tab,
		     const struct dm_device *device, dev_t leg)
{
	int code = DONE;
	size_t i;

	for (i = 0; i < tab->nr; i++) {
		const struct tab_line *line = tab->line + i;

		if (!line->name || named_by_content(line->device) ||
		    !named_is(line->device, leg))
			continue;
		free(state->line);
		state->line = copy_of(line->name);
		return DONE;
	}
	for (i = 0; i < tab->nr && !code && !*state->line; i++)
		code = check_unclear(tab, tab->line + i, device, leg);
	return code;
}

int disk_find_line(struct state *state, const struct dm_device *device, dev_t leg)
{
	struct tab tab;
	int code;

	if (!lvm_is_volume(device->uuid))
		return DONE;
	code = tab_load(&tab);
	if (!code)
		code = find_line(state, &tab, device, leg);
	tab_free(&tab);
	return code;
}

/* The line is to name it one day, and boot to serve it. A volume has no name yet. */
int disk_check_dest(const struct state *state)
{
	const char *name = dest_lasting(state), *bad;

	if (!name || !disk_is_kept(state))
		return DONE;
	bad = name[0] == '/' ? tab_bad_device(name) : NULL;
	if (bad)
		return fail(UNFIT, "The destination %s cannot be written into %s: %s.", name,
			    tab_file(), bad);
	return image_format(state->object.kind) ? nbd_check_scan(name) : DONE;
}

struct state *disk_record(const char *name, int *damaged)
{
	struct state **states = states_load(damaged), *found = NULL;
	size_t i, at;

	for (i = at = 0; states[i]; i++) {
		if (!found && !strcmp(disk_name(states[i]), name))
			found = states[i];
		else
			states[at++] = states[i];
	}
	states[at] = NULL;
	states_free(states);
	return found;
}

bool disk_is_kept(const struct state *state)
{
	struct tab tab;
	bool is;

	if (tab_load(&tab))
		return false;
	is = tab_find(&tab, disk_name(state)) != NULL;
	tab_free(&tab);
	return is;
}

int disk_check_others(const char *role, const char *name, const struct blockdev *bd)
{
	struct tab tab;
	size_t i;
	int code = tab_load(&tab);

	for (i = 0; i < tab.nr && !code; i++) {
		const struct tab_line *line = tab.line + i;

		if (line->name && strcmp(line->name, name) && named_is(line->device, bd->dev))
			code = fail(UNFIT, "The %s %s is the disk of %s: see %s, line %zu.",
				    role, bd->path, line->name, tab_file(), i + 1);
	}
	tab_free(&tab);
	return code;
}
