// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions that the active leg cannot read.
 *
 * Each is tried some times and then left alone, until the guest has written it
 * anew (its bit is set then), or somebody asks for another try.  There are few
 * as a rule, so they are kept one by one.
 */
#include "dm-livemigrate.h"

#include <linux/xarray.h>

/* How often a region is read before it is left alone. */
#define LM_READ_TRIES	5UL

/**
 * lm_unread_failed - a region could not be read
 * @m: the migration.
 * @region: the region, read alone.
 *
 * Context: process, may sleep.
 * Return: true if it is left alone from now on.
 */
bool lm_unread_failed(struct lm_migration *m, u64 region)
{
	void *entry = xa_load(&m->unread, region);
	unsigned long tries = entry ? xa_to_value(entry) + 1 : 1;

	if (tries > LM_READ_TRIES)
		return false;
	/* Without memory it counts as its first try, for ever. */
	xa_store(&m->unread, region, xa_mk_value(tries),
		 GFP_NOWAIT | __GFP_NOWARN);
	return tries == LM_READ_TRIES;
}

/* Is it left alone? */
static bool lm_unread_is_left(void *entry)
{
	return xa_to_value(entry) >= LM_READ_TRIES;
}

/**
 * lm_unread_skip - pass over regions that are left alone
 * @m: the migration.
 * @first: a region; the next that is not left alone, after.
 * @max: how many are looked for from there; as far as the next left alone.
 *
 * Context: any.
 */
void lm_unread_skip(struct lm_migration *m, u64 *first, u64 *max)
{
	unsigned long region = *first;
	void *entry;

	if (likely(xa_empty(&m->unread)))
		return;
	while ((entry = xa_load(&m->unread, region)) && lm_unread_is_left(entry))
		region++;
	*first = region;
	xa_for_each_range(&m->unread, region, entry, region, *first + *max - 1) {
		if (lm_unread_is_left(entry)) {
			*max = region - *first;
			break;
		}
	}
}

/**
 * lm_unread_count - how many regions cannot be read
 * @m: the migration.
 * @first: the first of them, if there is one.
 *
 * Forgets those that hold something new.
 *
 * Context: any.
 */
u64 lm_unread_count(struct lm_migration *m, u64 *first)
{
	unsigned long region;
	void *entry;
	u64 nr = 0;

	xa_for_each(&m->unread, region, entry) {
		if (lm_bitmap_all_set(&m->bitmap, region, 1))
			xa_erase(&m->unread, region);
		else if (!nr++)
			*first = region;
	}
	return nr;
}

/**
 * lm_unread_retry - let all be tried again
 * @m: the migration.
 *
 * Context: process, may sleep.
 */
void lm_unread_retry(struct lm_migration *m)
{
	xa_destroy(&m->unread);
}
