/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Putting the target into its place, and taking that back. Under the lock.
 */
#ifndef INSERT_H
#define INSERT_H

#include "migration.h"

/*
 * The record says what is wanted; the device runs its original table. On failure
 * all is as it was, and the record is gone, but for one with "again". An exit code,
 * after a sentence.
 */
int insert(struct state *state);
/* What an interrupted insertion left: all is as before, but for the record. */
int insert_undo(const struct state *state);

#endif
