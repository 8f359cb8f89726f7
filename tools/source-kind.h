/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a source really is: each kind knows its own, how it is called, and how to
 * delete it. It is found out at the start, while the original table is live, and
 * what is not the same any more at the end is not deleted.
 */
#ifndef SOURCE_KIND_H
#define SOURCE_KIND_H

#include "migration.h"

struct source_kind {
	const char *name;	/* as it is kept in the state */
	/* Is it such a one? Then @name and @id, to be freed, are kept of it. */
	bool (*is)(const struct dm_device *device, const struct dm_table *original,
		   char **name, char **id);
	/* NULL, or why it cannot be deleted; to be freed. The hidden device is there. */
	char *(*cannot)(const struct state *state);
	/* An exit code, after a sentence. Nothing of ours uses it any more. */
	int (*remove)(const struct state *state);
	const char *noun;	/* "the file" */
	/* A command that removes it, or NULL; to be freed. */
	char *(*removal)(const struct state *state);
};

/* Exit codes, after a sentence. */

/* @device runs its original table: sets source_kind, source_object and source_id. */
int source_kind_find(struct state *state, const struct dm_device *device);
/* Can it be deleted? */
int source_kind_deletable(const struct state *state);
/* @m is committed, and lacks but the end. */
int source_kind_delete(const struct migration *m);
/* Says what it was, and how it is removed. */
void source_kind_left(const struct state *state);

#endif
