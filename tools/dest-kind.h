/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Destinations that are made for a migration: what they are, and how each is made,
 * served as a block device, found again, and taken back. A destination that was
 * there before has the kind "device", and nothing here touches it.
 */
#ifndef DEST_KIND_H
#define DEST_KIND_H

#include "device.h"
#include "state.h"

/*
 * What --to says: an exit code, after a sentence. @pool: a thin volume of that pool;
 * NULL, none.
 */
int dest_parse(const char *to, const char *pool, bool preallocate,
	       struct dest_object *object);
/* The path of a block device that is called VG/LV, else @to itself; to be freed. */
char *dest_path(const char *to);
bool dest_is_made(const struct state *state);
/* What it is called after a reboot, too, if anything: its node, or the image. */
const char *dest_lasting(const struct state *state);
/* Is that what it was? Of a device nothing is known that it could be asked for. */
bool dest_is_same(const struct state *state);
/* Is @to the name of what state's dest really is? */
bool dest_is_called(const struct state *state, const char *to);
/* What it is called: the object, or the device. */
const char *dest_name(const struct state *state);

/* Exit codes, after a sentence. */

/* Can it be made? Nothing is changed. */
int dest_check(const struct state *state, const struct dm_device *source, bool force);
/*
 * Makes it, and sets state->dest. What is made is recorded before, so that it can be
 * taken back, after a crash, too.
 */
int dest_make(struct state *state, const struct dm_device *source);
/* Takes it back if the target has not run on it yet. */
int dest_unmake(const struct state *state);
/* After a boot, or an interrupted start: it is served again, and state->dest is right. */
int dest_find_again(struct state *state, const struct dm_device *source);

/* After commit: it stays. @served: at each boot, without anybody's help. */
int dest_keep(const struct state *state, bool served);
/* After abort: nobody needs it; state->delete_dest says whether it goes. */
int dest_drop(const struct state *state);
/* Nothing is known of its use: it stays as it is, and is told of. */
void dest_leave(const struct state *state);
/* Can it be deleted after an abort? */
int dest_deletable(const struct state *state);

#endif
