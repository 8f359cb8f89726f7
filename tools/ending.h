/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two ends of a migration. Each is a series of steps that can be interrupted
 * anywhere and begun again: what is done already the kernel tells. Under the
 * lock, which is given away while there is something to wait for.
 */
#ifndef ENDING_H
#define ENDING_H

#include "migration.h"

/* Exit codes, after a sentence. @m is current, and is looked at again. */
int end_by_commit(struct migration *m);
int end_by_abort(struct migration *m, bool force);
/* The commit of a volume that a boot has cut off: its name goes to the dest. */
int end_by_taking_dest(struct migration *m);
/*
 * Only the record and the hidden device: the target is not there any more. @force: though a
 * volume's name cannot be given back.
 */
int end_by_forgetting(struct migration *m, bool force);

#endif
