/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things are. The environment can say otherwise, for tests; this is the
 * one place that asks it.
 */
#ifndef PATHS_H
#define PATHS_H

#include <sys/types.h>

const char *state_dir(void);	/* LIVEMIGRATE_STATE_DIR, /var/lib/livemigrate */
const char *sys_dir(void);	/* LIVEMIGRATE_SYS, /sys */
const char *proc_dir(void);	/* LIVEMIGRATE_PROC, /proc */
/* Where other programs are looked for: LIVEMIGRATE_PATH, or the system's folders. */
const char *program_path(void);
const char *dev_dir(void);	/* LIVEMIGRATE_DEV, /dev */
const char *tab_file(void);	/* LIVEMIGRATE_TAB, /etc/livemigrate.tab */

/* /sys/dev/block/MAJOR:MINOR/@below, to be freed. */
char *sys_block(dev_t dev, const char *below);

/* The first line of a file, to be freed; NULL if it cannot be read. */
char *first_line(const char *path);
/* The same of sys_block(). */
char *sys_block_line(dev_t dev, const char *below);

#endif
