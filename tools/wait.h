/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for a migration to get somewhere, with or without its progress shown.
 */
#ifndef WAIT_H
#define WAIT_H

#include "migration.h"
#include "progress.h"

/* Is it where it shall be? @m is current. */
typedef bool (*goal_fn)(const struct migration *m);

bool goal_copied(const struct migration *m);	/* synced or switched */
bool goal_verified(const struct migration *m);
bool goal_none(const struct migration *m);	/* for waiting out a time */

/* What wait_for() returns beside exit codes: the time is over. */
#define OVER_TIME (-1)

/*
 * Until @goal is reached (DONE), @ms are over (below 0: without end), a caught
 * signal comes (INTERRUPTED), or it cannot get there by itself any more, because
 * a leg has failed or the target is gone: then a sentence has been said. @m is
 * current afterwards.
 */
int wait_for(struct migration *m, goal_fn goal, int64_t ms,
	     struct progress *progress);

#endif
