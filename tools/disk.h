/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plain mappings of livemigrate.tab: making them, and what a migration makes
 * of their lines. Under the lock. Exit codes, after a sentence.
 */
#ifndef DISK_H
#define DISK_H

#include "migration.h"
#include "named.h"
#include "tab-file.h"

#define ROLE_DISK "disk"

/* The mapping of @line, which is not there yet. */
int disk_make(const struct tab_line *line);
/* The same on a device that is looked at already. */
int disk_map(const char *name, const struct blockdev *bd, uint64_t sectors);

/* What one that was killed in the making has left. */
int disk_clear_torn(const char *name);

/* What the mapping lies on: 0 if its table is not a plain one. */
dev_t disk_below(const struct dm_device *device);

/* May it be migrated: does its line, if there is one, name nothing that is copied? */
int disk_may_migrate(const struct dm_device *device);

/*
 * Commit of a migration. Before anything begins: may the line be changed, if there is
 * one? And has the record a name of the dest that can be looked up later? When the
 * kernel has let go of the source, and the record says so: the line names the dest.
 */
int disk_may_follow(const struct migration *m);
void disk_name_dest(const struct migration *m);
int disk_follow(const struct state *state);
/* The same after a reboot, where there is nothing but such a record. */
int disk_follow_record(const struct state *state);

/* What its line calls it: its uuid does not change if it is renamed. */
const char *disk_name(const struct state *state);
/*
 * The line that has @leg, if there is one, on which a volume's device rests that has left
 * its volume: it is that disk, then, until a boot. In @state.
 */
int disk_find_line(struct state *state, const struct dm_device *device, dev_t leg);
/* Can the line, if there is one, name the dest? */
int disk_check_dest(const struct state *state);
/* The record of the disk's migration, whatever its device is called; NULL: none. */
struct state *disk_record(const char *name, int *damaged);

/* Has it a line? */
bool disk_is_kept(const struct state *state);

/* Is a device the disk of another line than @name's? A sentence and UNFIT. */
int disk_check_others(const char *role, const char *name, const struct blockdev *bd);

#endif
