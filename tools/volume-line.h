/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A logical volume whose data has left its group: nothing in lvm2 can be called as it was.
 * A line of livemigrate.tab can, so that /dev/VG/LV leads to the data after a boot. Under
 * the lock. Exit codes, after a sentence; each can be done again.
 */
#ifndef VOLUME_LINE_H
#define VOLUME_LINE_H

#include "state.h"
#include "tab.h"

/* After a commit that gives the name to no volume; and could it be done? */
int volume_line_keep(const struct state *state);
int volume_line_can_keep(const struct state *state);
/* Has it been done? */
bool volume_line_is_there(const struct state *state);

/* /dev/VG/LV of a mapping that is there, and of one that is going. */
void volume_line_link(const struct tab_line *line);
void volume_line_unlink(const struct tab_line *line);

#endif
