/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file livemigrate.tab: whole at every instant, the old one or the new one.
 * Changed under the lock. Exit codes, after a sentence.
 */
#ifndef TAB_FILE_H
#define TAB_FILE_H

#include "tab.h"

/* No file is an empty tab. Bad lines are for the caller to tell of. */
int tab_load(struct tab *tab);
/* With the owner and the mode that it had. On the disk when this returns. */
int tab_save(const struct tab *tab);
/* Could it be saved? For those who cannot take back what comes before. */
int tab_writable(void);

#endif
