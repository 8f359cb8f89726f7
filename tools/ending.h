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
int end_by_abort(struct migration *m);
/* Only the record and the hidden device: the target is not there any more. */
int end_by_forgetting(struct migration *m);

#endif
