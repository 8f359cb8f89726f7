/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a logical volume is called that has been moved. Its device goes on above the
 * dest, but after a boot its name would lead to the old data (docs/tool.rst).
 */
#ifndef VOLUME_NAME_H
#define VOLUME_NAME_H

#include "migration.h"

/* Is the source a volume whose name is to go to the dest? */
bool volume_name_moves(const struct state *state);

/* Exit codes, after a sentence. Each can be done again. */

/* Before the source is let go of: it is called NAME.lmsrc from now on. */
int volume_name_step_aside(struct migration *m);
/* It is not let go of. */
int volume_name_restore(struct state *state);
/* The source has gone: the dest is called NAME if it is of the same group. */
int volume_name_hand_over(const struct state *state);
/* It is left: lvm2 shall not make a device of it by itself. */
void volume_name_retire(const struct state *state);

#endif
