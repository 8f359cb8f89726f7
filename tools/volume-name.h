/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A logical volume that is moved: its name goes to the volume that has its data. Under the
 * lock; exit codes, after a sentence. Each can be done again, wherever it was interrupted.
 */
#ifndef VOLUME_NAME_H
#define VOLUME_NAME_H

#include "migration.h"

/* Does a commit change the name of the source? If it has been decided. */
bool volume_name_moves(const struct state *state);

/* What will be called how: in @state, and no more than that. */
int volume_name_choose(struct state *state);
/* Before the source is let go of: from here on a boot finds nothing under the name. */
int volume_name_step_aside(struct migration *m);
/* It is not let go of after all. */
int volume_name_restore(struct migration *m);
/* After that: the name means the dest. */
int volume_name_hand_over(const struct state *state);
/* Are the volumes there that it needs? */
bool volume_name_is_ready(const struct state *state);
/* The dest may be the source of a former migration, and marked so: it is none any more. */
void volume_name_revive(const struct state *state);
/*
 * Has the source stepped aside? And does somebody use it? It does so before the kernel hears of the commit: if not,
 * the source is complete.
 */
int volume_name_has_moved(const struct state *state, bool *has, bool *used);
/* Is the volume there that gets the name, and is that free? */
int volume_name_can_hand_over(const struct state *state);
/* The source that is left is not made a device by itself any more. */
void volume_name_retire(const struct state *state);

#endif
