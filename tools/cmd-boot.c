// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * boot: all mappings of livemigrate.tab, the migrations that have metadata, and the names
 * of volumes whose commit was cut off. What one of them lacks the others do not wait for.
 */
#include "command.h"
#include "disk.h"
#include "events.h"
#include "lock.h"
#include "paths.h"
#include "restart.h"
#include "restore.h"
#include "say.h"
#include "tab-file.h"
#include "volume-held.h"
#include "volume-name.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between two looks for devices that are not there yet. */
#define PAUSE_US	300000

/* The lock is held for no longer than one disk. */
static int restore(const char *name)
{
	int code = lock_take("boot");

	if (code)
		return code;
	code = restore_disk(name);
	lock_release();
	return code;
}

/* @code: of those before. The worst is not known, so the first is kept. */
static void keep(int *code, int more)
{
	if (!*code)
		*code = more;
}

/* Those whose devices are there; all of them if @last. How many are left. */
static size_t try_all(const struct tab *tab, bool *done, bool last, int *code)
{
	size_t i, left = 0;

	for (i = 0; i < tab->nr; i++) {
		if (done[i])
			continue;
		done[i] = last || restore_is_ready(tab->line[i].name);
		if (done[i])
			keep(code, restore(tab->line[i].name));
		else
			left++;
	}
	return left;
}

/* ------------------------------------------------------------------------
 * Volumes
 */

/* What has been tried once is not tried again: its sentence has been said. */
struct tried {
	char **name;
	size_t nr;
};

static bool is_tried(const struct tried *tried, const char *name)
{
	size_t i;

	for (i = 0; i < tried->nr; i++)
		if (!strcmp(tried->name[i], name))
			return true;
	return false;
}

static void tried_add(struct tried *tried, const char *name)
{
	char **names = alloc((tried->nr + 1) * sizeof(*names));

	if (tried->nr)
		memcpy(names, tried->name, tried->nr * sizeof(*names));
	names[tried->nr++] = copy_of(name);
	free(tried->name);
	tried->name = names;
}

static void tried_free(struct tried *tried)
{
	while (tried->nr)
		free(tried->name[--tried->nr]);
	free(tried->name);
}

/* Has the boot cut off its commit? A disk of the file is asked for by its line. */
static bool is_cut_off(const struct migration *m)
{
	return m->stage == REBOOTED && m->state->step == STEP_COMMIT &&
	       !disk_is_kept(m->state);
}

/* The source was let go of, and that is known: nobody needs to be asked. */
static bool is_decided(const struct migration *m)
{
	return m->state->told && volume_name_moves(m->state);
}

static bool is_ready(const struct migration *m)
{
	if (!restart_is_due(m))
		return is_decided(m) && volume_name_is_ready(m->state);
	return volume_is_there(m->state) &&
	       (m->state->step == STEP_ABORT || restore_legs_are_there(m->state));
}

static int tell(const struct migration *m)
{
	char *note = migration_note(m);
	int code = fail(NOT_NOW, "%s: %s.", m->state->name, note);

	free(note);
	return code;
}

static int go_on(const struct migration *m)
{
	int code;

	if (restart_is_due(m))
		return do_take_up(m->state->name);
	if (!is_decided(m))
		return tell(m);
	code = do_resume(m->state->name);
	if (!code)
		remark("%s: commit is finished.", m->state->name);
	return code;
}

/* Those whose devices are there; all of them if @last. How many are left. */
static size_t try_volumes(struct tried *tried, bool last, int *code)
{
	struct migration **all;
	size_t i, left = 0;
	int damaged;

	all = migrations_all(&damaged);
	for (i = 0; all[i]; i++) {
		if (!(is_cut_off(all[i]) || restart_is_due(all[i]) ||
		      restart_is_a_persons(all[i])) ||
		    is_tried(tried, all[i]->state->name))
			continue;
		if (last || is_ready(all[i])) {
			tried_add(tried, all[i]->state->name);
			keep(code, go_on(all[i]));
		} else if (restart_is_due(all[i]) || is_decided(all[i])) {
			/* What a person decides is not waited for. */
			left++;
		}
	}
	migrations_free(all);
	return left;
}

/* ------------------------------------------------------------------------
 * All of it
 */

/* One may lie on another one, which comes behind it: so again while it gets on. */
static void try_until(const struct tab *tab, bool *done, int64_t end, int *code)
{
	struct tried tried = { 0 };
	size_t before = SIZE_MAX, left;

	for (;;) {
		/* A disk may lie on a volume that is not there before. */
		left = try_volumes(&tried, false, code) + try_all(tab, done, false, code);
		if (!left || (left == before && now_ms() >= end))
			break;
		if (left == before)
			usleep(PAUSE_US);
		before = left;
	}
	try_volumes(&tried, true, code);
	if (left)
		try_all(tab, done, true, code);
	tried_free(&tried);
}

/* Lines that came while we were about it: of volumes whose data left their group. */
static void try_new(const struct tab *before, int *code)
{
	struct tab tab;
	size_t i;

	if (tab_load(&tab))
		return;
	for (i = 0; i < tab.nr; i++)
		if (tab.line[i].name && !tab.line[i].noauto &&
		    !tab_find(before, tab.line[i].name))
			keep(code, restore(tab.line[i].name));
	tab_free(&tab);
}

int cmd_boot(const struct request *r)
{
	int64_t end = now_ms() + (int64_t)r->number[OPT_TIMEOUT] * 1000;
	struct tab tab;
	/* Volumes need no tab. */
	int code = tab_load(&tab);
	int damaged;
	bool *done;
	size_t i;

	/* It may have been about a volume, which is in use with old data now. */
	states_free(states_load(&damaged));
	if (damaged)
		keep(&code, FAILED);
	done = alloc((tab.nr + 1) * sizeof(*done));
	for (i = 0; i < tab.nr; i++) {
		done[i] = !tab.line[i].name || tab.line[i].noauto;
		if (tab.line[i].bad)
			keep(&code, fail(FAILED, "%s, line %zu: %s.", tab_file(), i + 1,
					 tab.line[i].bad));
	}
	try_until(&tab, done, end, &code);
	try_new(&tab, &code);
	free(done);
	tab_free(&tab);
	return code;
}
