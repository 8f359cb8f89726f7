// SPDX-License-Identifier: GPL-2.0-or-later
#include "dest-kind.h"
#include "check.h"
#include "image.h"
#include "loop.h"
#include "lvm.h"
#include "nbd.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define VOLUME	"volume"
/* Tenths of a second. */
#define CURIOSITY 50

struct dest_kind {
	const char *name;
	const char *suffix;	/* of files; NULL */
	/* As the functions of the header; each can be done again. */
	int (*check)(const struct state *state, const struct dm_device *source,
		     bool force);
	int (*make)(struct state *state);
	int (*serve)(const struct state *state, char **node);
	int (*keep)(const struct state *state);
	int (*stop)(const struct state *state);
	int (*unmake)(const struct state *state);
	/* A command that removes it; to be freed. */
	char *(*removal)(const struct state *state);
};

/* ------------------------------------------------------------------------
 * Raw images, by loop devices
 */

static int raw_serve(const struct state *state, char **node)
{
	/* Of the same boot. */
	*node = loop_serving(state->object.id);
	return *node ? DONE : loop_attach(state->object.name,
					  (unsigned int)state->object.block, node);
}

static int raw_stop(const struct state *state)
{
	return loop_detach(state->object.id);
}

static char *raw_removal(const struct state *state)
{
	return loop_removal(state->object.name, state->object.id);
}

static int nothing(const struct state *state)
{
	(void)state;
	return DONE;
}

/* ------------------------------------------------------------------------
 * QEMU's images, by qemu-nbd
 */

static int qemu_check(const struct state *state, const struct dm_device *source, bool force)
{
	int code = image_check(state, source, force);

	return code ? code : nbd_check(state->object.name);
}

static int qemu_serve(const struct state *state, char **node)
{
	*node = nbd_serving(state->object.id);
	return *node ? DONE : nbd_attach(state->object.name,
					 image_format(state->object.kind),
					 state->sectors, state->object.fresh, node);
}

/* From now on there is no other leg to go back to: a long wait is better than an error. */
static int qemu_keep(const struct state *state)
{
	return nbd_set_timeout(state->dest.path, 0);
}

static int qemu_stop(const struct state *state)
{
	return nbd_detach(state->object.id);
}

static char *qemu_removal(const struct state *state)
{
	return nbd_removal(state->object.name, state->object.id);
}

/* ------------------------------------------------------------------------
 * All kinds
 */

static char *volume_removal(const struct state *state)
{
	return format("lvremove %s", state->object.name);
}

static const struct dest_kind kinds[] = {
	{ VOLUME, NULL, lvm_check, lvm_make, lvm_serve, lvm_keep, nothing, lvm_unmake,
	  volume_removal },
	{ "raw", ".raw", image_check, image_make, raw_serve, nothing, raw_stop,
	  image_unmake, raw_removal },
	{ "qcow2", ".qcow2", qemu_check, image_make, qemu_serve, qemu_keep, qemu_stop,
	  image_unmake, qemu_removal },
	{ "vhdx", ".vhdx", qemu_check, image_make, qemu_serve, qemu_keep, qemu_stop,
	  image_unmake, qemu_removal },
	{ "vhd", ".vhd", qemu_check, image_make, qemu_serve, qemu_keep, qemu_stop,
	  image_unmake, qemu_removal },
};

/* What was there before is let alone. */
static int leave_alone(const struct state *state, const struct dm_device *source, bool force)
{
	(void)source;
	(void)force;
	return nothing(state);
}

static int make_none(struct state *state)
{
	return nothing(state);
}

static int serve_none(const struct state *state, char **node)
{
	*node = copy_of(state->dest.path);
	return DONE;
}

static char *no_removal(const struct state *state)
{
	(void)state;
	return copy_of("");
}

static const struct dest_kind device = {
	"device", NULL, leave_alone, make_none, serve_none, nothing, nothing, nothing,
	no_removal
};

static const struct dest_kind *kind_of(const struct state *state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, state->object.kind))
			return kinds + i;
	return &device;
}

bool dest_is_made(const struct state *state)
{
	return kind_of(state) != &device;
}

const char *dest_lasting(const struct state *state)
{
	return kind_of(state)->suffix ? state->object.name : state->dest.path;
}

bool dest_is_same(const struct state *state)
{
	return !kind_of(state)->suffix ||
	       file_is(state->object.name, state->object.id, true);
}

/* ------------------------------------------------------------------------
 * What --to says
 */

static const struct dest_kind *kind_of_file(const char *path)
{
	size_t len = strlen(path), i, n;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		n = kinds[i].suffix ? strlen(kinds[i].suffix) : 0;
		if (n && len > n && !strcmp(path + len - n, kinds[i].suffix) &&
		    path[len - n - 1] != '/')
			return kinds + i;
	}
	return NULL;
}

static void set(char **text, char *to)
{
	free(*text);
	*text = to;
}

static void set_object(struct dest_object *object, const char *kind, char *name)
{
	set(&object->kind, copy_of(kind));
	set(&object->name, name);
}

char *dest_path(const char *to)
{
	char *below = format("/dev/%s", to);
	struct stat st;

	if (*to != '/' && stat(to, &st) && !stat(below, &st) && S_ISBLK(st.st_mode))
		return below;
	free(below);
	return copy_of(to);
}

/* One that is not there. */
static bool is_volume(const char *to, char **name)
{
	char *vg, *lv;

	if (!lvm_split(to, &vg, &lv))
		return false;
	*name = format("%s/%s", vg, lv);
	free(vg);
	free(lv);
	return true;
}

static int check_options(const char *to, const char *pool, bool preallocate,
			 const struct dest_object *object)
{
	bool file = object->name[0] == '/';

	if (pool && strcmp(object->kind, VOLUME))
		return fail(USAGE, "--thin is for a new logical volume, VG/LV, which %s is not.",
			    to);
	if (preallocate && !file)
		return fail(USAGE, "--preallocate is for a new image, which %s is not.",
			    to);
	return DONE;
}

static int find_out(const char *to, struct dest_object *object)
{
	const struct dest_kind *file = kind_of_file(to);
	struct stat st;
	char *name;

	if (!stat(to, &st)) {
		if (S_ISREG(st.st_mode))
			return fail(UNFIT, "The destination %s is a file: name one that is not there yet, and it is made; or give this one a loop device (losetup --find --show --direct-io=on %s), and name that.",
				    to, to);
		set_object(object, "device", copy_of(""));
	} else if (file && strncmp(to, "/dev/", 5)) {
		set_object(object, file->name, absolute_path(to));
	} else if (is_volume(to, &name)) {
		set_object(object, VOLUME, name);
	} else {
		set_object(object, "device", copy_of(""));
	}
	return DONE;
}

int dest_parse(const char *to, const char *pool, bool preallocate,
	       struct dest_object *object)
{
	char *path = dest_path(to);
	int code = find_out(path, object);

	free(path);
	if (code)
		return code;
	code = check_options(to, pool, preallocate, object);
	set(&object->pool, copy_of(pool ? pool : ""));
	object->preallocate = preallocate;
	return code;
}

bool dest_is_called(const struct state *state, const char *to)
{
	char *path = dest_path(to);
	struct stat st;
	bool is;

	is = !stat(path, &st) && S_ISBLK(st.st_mode);
	free(path);
	if (is)
		return st.st_rdev == state->dest.dev;
	path = absolute_path(to);
	is = dest_is_made(state) && (!strcmp(path, state->object.name) ||
				     !strcmp(to, state->object.name));
	free(path);
	return is;
}

const char *dest_name(const struct state *state)
{
	if (dest_is_made(state))
		return state->object.name;
	return state->dest.path ? state->dest.path : "the destination";
}

int dest_check(const struct state *state, const struct dm_device *source, bool force)
{
	return kind_of(state)->check(state, source, force);
}

/* ------------------------------------------------------------------------
 * Making it, and back
 */

/* udev and the like look at what is new, for a moment. */
static void let_them_look(dev_t dev)
{
	const struct timespec tenth = { 0, 100000000 };
	char *user = device_user(dev);
	int i;

	for (i = 0; user && i < CURIOSITY; i++) {
		nanosleep(&tenth, NULL);
		free(user);
		user = device_user(dev);
	}
	free(user);
}

/* What is served must fit like any other; what lies on it is ours. */
static int serve(struct state *state, const struct dm_device *source)
{
	struct blockdev bd = { 0 };
	char *node = NULL;
	int code = kind_of(state)->serve(state, &node);

	if (!code)
		code = blockdev_get("destination", node, &bd);
	if (!code) {
		set(&state->dest.path, copy_of(node));
		state->dest.dev = bd.dev;
		let_them_look(bd.dev);
		code = check_dest("destination", &bd, source, state->sectors, true);
	}
	blockdev_free(&bd);
	free(node);
	return code;
}

int dest_make(struct state *state, const struct dm_device *source)
{
	int code;

	set(&state->dest.path, copy_of(state->object.name));
	state->dest.dev = 0;
	set(&state->object.id, copy_of(""));
	state->object.fresh = true;
	state->step = STEP_START;
	code = state_save(state);
	if (!code)
		code = kind_of(state)->make(state);
	if (!code)
		code = serve(state, source);
	return code;
}

int dest_unmake(const struct state *state)
{
	const struct dest_kind *kind = kind_of(state);
	int code;

	if (!state->object.fresh)
		return DONE;
	code = kind->stop(state);
	return code ? code : kind->unmake(state);
}

/* Device numbers are given anew at each boot. */
static int same_file(struct state *state)
{
	struct stat st;

	if (!kind_of(state)->suffix)
		return DONE;
	if (!dest_is_same(state))
		return fail(UNFIT, "%s is not there, or not the image that was made: \"livemigrate abort %s\", and start again.",
			    state->object.name, state->name);
	if (!stat(state->object.name, &st))
		set(&state->object.id, file_id(&st));
	return DONE;
}

int dest_find_again(struct state *state, const struct dm_device *source)
{
	int code;

	if (!dest_is_made(state))
		return DONE;
	/* Nothing of use is on it yet, and it may be half of one. */
	if (state->object.fresh) {
		code = dest_unmake(state);
		return code ? code : dest_make(state, source);
	}
	code = same_file(state);
	return code ? code : serve(state, source);
}

/* ------------------------------------------------------------------------
 * In the end
 */

int dest_deletable(const struct state *state)
{
	return dest_is_made(state) ? DONE :
		fail(UNFIT, "%s was not made by livemigrate: delete it by hand.",
		     dest_name(state));
}

int dest_keep(const struct state *state, bool served)
{
	const struct dest_kind *kind = kind_of(state);

	if (kind->suffix && !served)
		say("%s: %s is served as %s. Whoever makes %s at boot must have it served before.",
		    state->name, state->object.name, state->dest.path, state->name);
	return kind->keep(state);
}

int dest_drop(const struct state *state)
{
	const struct dest_kind *kind = kind_of(state);
	int code = kind->stop(state);

	if (!code && state->delete_dest)
		return kind->unmake(state);
	if (!code)
		dest_leave(state);
	return code;
}

void dest_leave(const struct state *state)
{
	char *removal;

	if (!dest_is_made(state))
		return;
	removal = kind_of(state)->removal(state);
	say("%s: what was made for it, %s, is left: \"%s\" removes it.", state->name,
	    state->object.name, removal);
	free(removal);
}
