// SPDX-License-Identifier: GPL-2.0-or-later
#include "source-kind.h"
#include "say.h"

#include <string.h>

/* ------------------------------------------------------------------------
 * A table that is nobody's but its maker's
 */

static bool table_is(const struct dm_device *device, const struct dm_table *original,
		     char **object)
{
	(void)device;
	(void)original;
	*object = copy_of("");
	return true;
}

static const char *table_cannot(const struct state *state)
{
	(void)state;
	return "its source is a table of device mapper, and what that lies on is not known to be the migration's alone: delete it by hand when you have committed";
}

static int table_remove(const struct state *state)
{
	return fail(UNFIT, "%s: %s.", state->name, table_cannot(state));
}

/* The last one takes everything. */
static const struct source_kind kinds[] = {
	{ "table", table_is, table_cannot, table_remove },
};

static const struct source_kind *kind_of(const struct state *state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, state->source_kind))
			return kinds + i;
	return kinds + ARRAY_LEN(kinds) - 1;
}

void source_kind_find(struct state *state, const struct dm_device *device,
		      const struct dm_table *original)
{
	size_t i = 0;

	while (!kinds[i].is(device, original, &state->source_object))
		i++;
	state->source_kind = copy_of(kinds[i].name);
}

int source_kind_deletable(const struct state *state)
{
	const char *why = kind_of(state)->cannot(state);

	return why ? fail(UNFIT, "%s: the source cannot be deleted: %s.",
			  state->name, why) : DONE;
}

int source_kind_delete(const struct state *state)
{
	return kind_of(state)->remove(state);
}
