/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A logical volume whose data has left its group: nothing in lvm2 can be called as it was.
 * A line of livemigrate.tab can, so that /dev/VG/LV leads to the data after a boot; and
 * lines that named what has moved name where it is now. Under the lock.
 */
#ifndef VOLUME_LINE_H
#define VOLUME_LINE_H

#include "state.h"
#include "tab.h"

/*
 * After a commit that gives the name to no volume: an exit code, after a sentence. It can
 * be done again.
 */
int volume_line_keep(const struct state *state);

/* /dev/VG/LV of a mapping that is there, and of one that is going. */
void volume_line_link(const struct tab_line *line);
void volume_line_unlink(const struct tab_line *line);

#endif
