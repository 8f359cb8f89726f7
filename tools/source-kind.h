/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a source really is, for commit --delete-source: each kind knows its own,
 * and how to delete it.
 */
#ifndef SOURCE_KIND_H
#define SOURCE_KIND_H

#include "dm.h"
#include "state.h"

struct source_kind {
	const char *name;	/* as it is kept in the state */
	/*
	 * Is it such a one? Then @object, to be freed, is what is kept of it. Asked
	 * at the start, while the original table is live.
	 */
	bool (*is)(const struct dm_device *device, const struct dm_table *original,
		   char **object);
	/* NULL, or a sentence why it cannot be deleted. */
	const char *(*cannot)(const struct state *state);
	/* An exit code, after a sentence. Nothing uses it any more. */
	int (*remove)(const struct state *state);
};

/* The first kind that fits: sets source_kind and source_object. */
void source_kind_find(struct state *state, const struct dm_device *device,
		      const struct dm_table *original);
/* An exit code, after a sentence: can it be deleted? */
int source_kind_deletable(const struct state *state);
int source_kind_delete(const struct state *state);

#endif
