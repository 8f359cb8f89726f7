/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A logical volume that migrates with metadata is not made a device at a boot by lvm2, but
 * by us, who put the target into its place at once. What was written to it without, the
 * metadata would not know of, and old data could come back. Under the lock.
 */
#ifndef VOLUME_HELD_H
#define VOLUME_HELD_H

#include "state.h"

/* Once the target runs. If it cannot be, a remark says so, and a person resumes. */
void volume_hold(struct state *state);
/* The reverse; it is made a device, if it is none. An exit code, after a sentence. */
int volume_let_go(const struct state *state);

/* Does lvm2 see it, so that it can be activated? Without a sentence. */
bool volume_is_there(const struct state *state);
/*
 * Is it, by the record and by lvm2's metadata? An exit code, after a sentence. NOT_FOUND:
 * the volume is gone.
 */
int volume_is_held(const struct state *state, bool *held);
/* Make it a device, and none any more; exit codes, after a sentence. */
int volume_activate(const struct state *state);
int volume_deactivate(const struct state *state);

#endif
