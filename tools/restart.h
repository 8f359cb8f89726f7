/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A start that was interrupted is begun again, and a migration with metadata goes on
 * after a boot. Under the lock. Exit codes, after a sentence.
 */
#ifndef RESTART_H
#define RESTART_H

#include "migration.h"

/* @again: the target has run before, with the metadata that there is. */
int restart(struct migration *m, bool again);
/* Do dest and metadata device have names that still mean them? */
int restart_check_names(const struct state *state);
/* With metadata, of a device that nobody has used meanwhile. */
int restart_again(struct migration *m);
/* Has the boot cut it off, and is it for boot to take it up? */
bool restart_is_due(const struct migration *m);
/* Or may somebody have used it without the target, so that a person must say? */
bool restart_is_a_persons(const struct migration *m);
/* The same as restart_again(), if no person is needed; else nothing, and not @done. */
int restart_at_boot(struct migration *m, bool *done);

#endif
