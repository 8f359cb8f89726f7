// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume-held.h"
#include "child.h"
#include "device.h"
#include "lvm.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What udev takes to look at a new device, which nobody else knows of. */
#define GLANCE_MS	5000
#define GLANCE_STEP_MS	50

/* ------------------------------------------------------------------------
 * Which can be
 */

/* Over one that is not pinned lvm2 may have put its own table. */
static bool may_be(const struct state *state)
{
	return state->metadata.path && state->pinned && !state->adopted;
}

/* Some file systems do not show in /proc/self/mountinfo by the device's number. */
static char *claimer(dev_t dev)
{
	struct blockdev bd = { .path = device_node(dev) };
	char *user = device_claimer(dev);

	if (!user && (!bd.path || device_claimed(&bd)))
		user = copy_of("claimed by somebody");
	free(bd.path);
	return user;
}

/* Where systemd runs it must have been told to say "livemigrate boot". */
static bool has_boot(void)
{
	static const char * const argv[] = { "systemctl", "is-enabled", "--quiet",
					     "livemigrate.service", NULL };
	struct child child;
	bool has;

	if (access("/run/systemd/system", F_OK))
		return true;
	has = !child_run(argv, &child) && !child.status;
	child_free(&child);
	return has;
}

/*
 * Who is named at a boot waits for it, and the boot with him, should we fail; and whoever
 * activates it by himself would do so in vain. To be freed; NULL: nothing is against it.
 */
static char *against(const struct state *state, const struct lvm_volume *volume)
{
	char *user = claimer(state->dev), *why = NULL;

	if (user)
		why = format("it is %s", user);
	else if (!volume->plain)
		why = copy_of("it is shared, or has parts of its own");
	else if ((volume->skipped && !volume->held) || !lvm_is_automatic(state->source_id))
		why = copy_of("it is somebody else who activates it");
	else if (!has_boot())
		why = copy_of("livemigrate.service is not enabled");
	free(user);
	return why;
}

/* ------------------------------------------------------------------------
 * Hold and let go
 */

/* The record first: what is held without it nobody would let go of. */
static int hold(struct state *state, const struct lvm_volume *volume)
{
	int code;

	state->volume.held = true;
	code = state_save(state);
	if (!code && !(volume->held && volume->skipped))
		code = lvm_hold(volume);
	return code;
}

static void hold_or_tell(struct state *state, const struct lvm_volume *volume, char *why)
{
	if (!why && hold(state, volume))
		why = copy_of("lvm2 does not let it be otherwise");
	/* What was left of another migration. */
	if (why && volume->held)
		lvm_let_go(volume);
	if (why)
		remark("%s: %s, so after a boot its migration goes on only if you say \"livemigrate resume %s\", before anything uses it.",
		       state->name, why, state->name);
	else
		remark("%s: until its migration ends no boot activates it but \"livemigrate boot\", which goes on with that.",
		       state->name);
	free(why);
}

void volume_hold(struct state *state)
{
	struct lvm_volume volume;

	/* The device of one that rests has left its volume. */
	if (state->rested || strcmp(state->source_kind, "own volume"))
		return;
	if (lvm_look(state->source_id, &volume)) {
		if (may_be(state))
			hold_or_tell(state, &volume, copy_of("lvm2 does not tell of it"));
	} else if (state->volume.held && volume.held && volume.skipped) {
		/* It is. */
	} else if (may_be(state)) {
		hold_or_tell(state, &volume, against(state, &volume));
	} else if (volume.held) {
		lvm_let_go(&volume);
	}
	lvm_volume_free(&volume);
}

int volume_let_go(const struct state *state)
{
	struct lvm_volume volume;
	struct dm_device device;
	int code;

	if (!state->volume.held)
		return DONE;
	code = lvm_look(state->source_id, &volume);
	if (!code && volume.held) {
		code = lvm_let_go(&volume);
		if (!code && lvm_find_device(state->source_id, &device))
			code = lvm_activate(&volume);
	}
	lvm_volume_free(&volume);
	/* Whoever has removed it has let it go, too. */
	return code == NOT_FOUND ? DONE : code;
}

/* ------------------------------------------------------------------------
 * After a boot
 */

bool volume_is_there(const struct state *state)
{
	return lvm_is_there(state->source_id);
}

int volume_is_held(const struct state *state, bool *held)
{
	struct lvm_volume volume;
	int code;

	*held = false;
	if (!state->volume.held)
		return DONE;
	code = lvm_look(state->source_id, &volume);
	*held = !code && volume.held && volume.skipped;
	lvm_volume_free(&volume);
	return code != NOT_FOUND ? code :
	       fail(NOT_FOUND, "%s: the logical volume that it was is gone: \"livemigrate abort --force %s\" forgets the migration.",
		    state->name, state->name);
}

static void let_udev_look(const struct state *state)
{
	struct dm_device device;
	int ms;

	for (ms = 0; ms < GLANCE_MS; ms += GLANCE_STEP_MS) {
		if (lvm_find_device(state->source_id, &device) || !device.open_count)
			return;
		usleep(GLANCE_STEP_MS * 1000);
	}
}

static int with_volume(const struct state *state,
		       int (*what)(const struct lvm_volume *volume))
{
	struct lvm_volume volume;
	int code = lvm_look(state->source_id, &volume);

	if (!code)
		code = what(&volume);
	lvm_volume_free(&volume);
	return code;
}

int volume_activate(const struct state *state)
{
	int code = with_volume(state, lvm_activate);

	if (!code)
		let_udev_look(state);
	return code;
}

int volume_deactivate(const struct state *state)
{
	return with_volume(state, lvm_deactivate);
}
