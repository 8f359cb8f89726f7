// SPDX-License-Identifier: GPL-2.0-or-later
#include "source-kind.h"
#include "child.h"
#include "dest-kind.h"
#include "device.h"
#include "image.h"
#include "loop.h"
#include "lvm.h"
#include "nbd.h"
#include "say.h"
#include "volume-name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Sectors of an image behind the device's end that rounding explains. */
#define ROUNDING 2048

/* One line that maps all of the device to another, from its beginning on. */
static bool is_mapping(const struct dm_table *original, dev_t *below)
{
	const struct dm_line *line = original->line;
	struct place place;

	if (original->nr != 1 || !(rest_parse(line->type, line->params, &place) ||
				   (!strcmp(line->type, "linear") &&
				    linear_parse(line->params, &place))) || place.offset)
		return false;
	*below = makedev(place.major, place.minor);
	return true;
}

static char *no_removal(const struct state *state)
{
	(void)state;
	return NULL;
}

/* ------------------------------------------------------------------------
 * A logical volume: the device that is moved, or what it maps
 */

static bool keep_volume(char *id_of_it, char **name, char **id)
{
	*name = lvm_name(id_of_it);
	if (!*name) {
		free(id_of_it);
		return false;
	}
	*id = id_of_it;
	return true;
}

static bool own_is(const struct dm_device *device, const struct dm_table *original,
		   char **name, char **id)
{
	struct place on;
	char *found;

	/* Its device has left it already. */
	if (rest_parse(original->line[0].type, original->line[0].params, &on))
		return false;
	return lvm_id(device->uuid, &found) && keep_volume(found, name, id);
}

static char *own_cannot(const struct state *state)
{
	return lvm_cannot_delete(state->source_id, 0, true);
}

static int own_remove(const struct state *state)
{
	return lvm_delete(state->source_id, true);
}

/* It may have been renamed. */
static char *name_now(const struct state *state)
{
	char *now = lvm_name(state->source_id);

	return now ? now : copy_of(state->source_object);
}

/* Its device is the one that goes on, for as long as that is there. */
static char *own_removal(const struct state *state)
{
	struct dm_device device;
	bool in_use = !lvm_find_device(state->source_id, &device);
	char *name = name_now(state);
	char *words = format("%s %s", in_use ? "lvm lvremove --driverloaded n" : "lvremove",
			     name);

	free(name);
	return words;
}

/* Of a volume's device whose name could not be moved. */
static const char by_lvm[] = "Its device is in use as before, above the dest, but after a boot, or when lvm2 loads its table anew (lvchange --refresh, lvextend, lvrename), the name of the volume leads to the old data: remove it, or rename it (lvm lvrename --driverloaded n), before.";

/* Has the device left the volume, whose uuid it has, by a migration before? */
static bool has_left(const struct state *state, char *id)
{
	struct lvm_volume volume;
	int code = state->rested ? lvm_look(id, &volume) : FAILED;
	bool has = code == NOT_FOUND || (!code && volume.stale);

	if (!code)
		lvm_volume_free(&volume);
	return has;
}

/* Of what its name leads to after a boot. */
static void caution(const struct state *state)
{
	bool left;
	char *id;

	if (!strncmp(state->uuid, DM_DISK_PREFIX, strlen(DM_DISK_PREFIX)) ||
	    volume_name_moves(state))
		return;
	if (!lvm_id(state->uuid, &id)) {
		say("%s: whatever makes it at boot (crypttab, kpartx, a script) still makes it on the source: let that name the dest before.",
		    state->name);
		if (state->pinned)
			say("%s: when it is closed, \"dmsetup remove %s\" removes it; what made it does not know its table.",
			    state->name, state->name);
		return;
	}
	left = has_left(state, id);
	free(id);
	if (left)
		return;
	if (state->volume.held)
		say("%s: Its device is in use as before, above the dest, but after a boot there is none by that name: what used it must use the dest then; \"livemigrate disk add %s %s\", when it is closed and removed, makes one of that name.",
		    state->name, state->name, dest_name(state));
	else
		say("%s: %s", state->name, by_lvm);
}

static bool is_volume(dev_t dev, char **name, char **id)
{
	char *found;

	return !lvm_below(dev, &found) && found && keep_volume(found, name, id);
}

static bool volume_is(const struct dm_device *device, const struct dm_table *original,
		      char **name, char **id)
{
	dev_t below;

	(void)device;
	return is_mapping(original, &below) && is_volume(below, name, id);
}

/* What the hidden device's table says; before there is one, the device's own. */
static char *volume_cannot(const struct state *state)
{
	struct dm_table table = { 0 };
	struct dm_device hidden;
	char *reason = NULL, *name = NULL, *id = NULL;
	bool good = !dm_table_get(hidden_find(state, &hidden) ? hidden.name :
				  state->name, false, &table);
	uint64_t len = good ? dm_table_len(&table) : 0;
	dev_t below = state->source;

	/* Where there is no hidden device its source is the leg. */
	if (!state->rested || !below)
		good = good && is_mapping(&table, &below);
	good = good && is_volume(below, &name, &id) && !strcmp(id, state->source_id);
	if (good)
		reason = lvm_cannot_delete(id, device_sectors(below) - len, false);
	else
		reason = format("its table does not say any more that it lies on %s",
				state->source_object);
	dm_table_free(&table);
	free(name);
	free(id);
	return reason;
}

static int volume_remove(const struct state *state)
{
	return lvm_delete(state->source_id, false);
}

static char *volume_removal(const struct state *state)
{
	char *name = name_now(state), *words = format("lvremove %s", name);

	free(name);
	return words;
}

/* ------------------------------------------------------------------------
 * A raw image, served by a loop device
 */

static bool loop_is(const struct dm_device *device, const struct dm_table *original,
		    char **name, char **id)
{
	struct loop_backing backing;
	bool is = false;
	dev_t below;

	(void)device;
	if (!is_mapping(original, &below) || !loop_backing_get(below, &backing))
		return false;
	if (backing.whole && file_is(backing.path, backing.id, false) &&
	    device_sectors(below) < dm_table_len(original) + ROUNDING) {
		*name = copy_of(backing.path);
		*id = copy_of(backing.id);
		is = true;
	}
	loop_backing_free(&backing);
	return is;
}

static char *image_cannot(const struct state *state)
{
	if (file_is(state->source_object, state->source_id, false))
		return NULL;
	return format("%s is not the file any more that it was at the start",
		      state->source_object);
}

static int loop_remove(const struct state *state)
{
	int code = loop_detach(state->source_id);

	return code ? code : image_delete(state->source_object, state->source_id);
}

static char *its_loop_removal(const struct state *state)
{
	return loop_removal(state->source_object, state->source_id);
}

/* ------------------------------------------------------------------------
 * An image of QEMU's, served by a qemu-nbd
 */

static bool nbd_is(const struct dm_device *device, const struct dm_table *original,
		   char **name, char **id)
{
	dev_t below;

	(void)device;
	return is_mapping(original, &below) &&
	       device_sectors(below) < dm_table_len(original) + ROUNDING &&
	       nbd_image(below, name, id);
}

static int nbd_remove(const struct state *state)
{
	int code = nbd_detach(state->source_id);

	return code ? code : image_delete(state->source_object, state->source_id);
}

static char *its_nbd_removal(const struct state *state)
{
	return nbd_removal(state->source_object, state->source_id);
}

/* ------------------------------------------------------------------------
 * Another device, or a table that is nobody's but its maker's
 */

static bool disk_is(const struct dm_device *device, const struct dm_table *original,
		    char **name, char **id)
{
	dev_t below;

	(void)device;
	if (!is_mapping(original, &below))
		return false;
	*name = device_node(below);
	*id = copy_of("");
	return *name != NULL;
}

static char *disk_cannot(const struct state *state)
{
	return format("%s is no volume or image that could be deleted",
		      state->source_object);
}

static int disk_remove(const struct state *state)
{
	return fail(UNFIT, "%s is no volume or image that could be deleted.",
		    state->source_object);
}

static bool table_is(const struct dm_device *device, const struct dm_table *original,
		     char **name, char **id)
{
	(void)device;
	(void)original;
	*name = copy_of("");
	*id = copy_of("");
	return true;
}

static char *table_cannot(const struct state *state)
{
	(void)state;
	return copy_of("it is a table of device mapper, and what that lies on is not known to be the migration's alone: delete it by hand when you have committed");
}

static int table_remove(const struct state *state)
{
	char *why = table_cannot(state);
	int code = fail(UNFIT, "%s: the source is left: %s.", state->name, why);

	free(why);
	return code;
}

/* The last one takes everything. */
static const struct source_kind kinds[] = {
	{ "own volume", own_is, own_cannot, own_remove, "the logical volume", own_removal },
	{ "volume", volume_is, volume_cannot, volume_remove, "the logical volume",
	  volume_removal },
	{ "loop", loop_is, image_cannot, loop_remove, "the file", its_loop_removal },
	{ "nbd", nbd_is, image_cannot, nbd_remove, "the image", its_nbd_removal },
	{ "disk", disk_is, disk_cannot, disk_remove, "the device", no_removal },
	{ "table", table_is, table_cannot, table_remove, "a table", no_removal },
};

static const struct source_kind *kind_of(const struct state *state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, state->source_kind))
			return kinds + i;
	return kinds + ARRAY_LEN(kinds) - 1;
}

/* What lvm2 cannot tell of is not taken for something else. */
static int want_known(char *id)
{
	struct lvm_volume volume;
	int code = lvm_look(id, &volume);

	if (!code)
		lvm_volume_free(&volume);
	free(id);
	return code == NOT_FOUND ? DONE : code;
}

static int want_volumes_known(const struct dm_device *device,
			      const struct dm_table *original)
{
	int code = DONE;
	dev_t below;
	char *id;

	if (!child_exists("lvm"))
		return DONE;
	if (lvm_id(device->uuid, &id))
		code = want_known(id);
	if (!code && is_mapping(original, &below)) {
		code = lvm_below(below, &id);
		if (!code && id)
			code = want_known(id);
	}
	return code;
}

int source_kind_find(struct state *state, const struct dm_device *device)
{
	struct dm_table original;
	size_t i = 0;
	int code;

	if (dm_table_get(device->name, false, &original))
		return fail(FAILED, "%s: its table cannot be read.", device->name);
	code = want_volumes_known(device, &original);
	if (code) {
		dm_table_free(&original);
		return code;
	}
	free(state->source_kind);
	free(state->source_object);
	free(state->source_id);
	while (!kinds[i].is(device, &original, &state->source_object, &state->source_id))
		i++;
	state->source_kind = copy_of(kinds[i].name);
	dm_table_free(&original);
	return DONE;
}

int source_kind_deletable(const struct state *state)
{
	char *why = kind_of(state)->cannot(state);
	int code = why ? fail(UNFIT, "%s: the source cannot be deleted: %s.",
			      state->name, why) : DONE;

	free(why);
	return code;
}

/* ------------------------------------------------------------------------
 * A last look at the dest
 */

static int flush(const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (fsync(fd))
		err = errno;
	close(fd);
	return err;
}

/* Its first and its last block, past the page cache. */
static int read_ends(const char *node)
{
	int fd = open(node, O_RDONLY | O_DIRECT | O_CLOEXEC), err = 0;
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	void *block = NULL;
	ssize_t len = 4096;

	if (fd < 0)
		return errno;
	errno = 0;
	if (posix_memalign(&block, 4096, 4096))
		err = ENOMEM;
	/* A tail of less is read in sectors. */
	if (!err && end % len)
		len = 512;
	if (!err && (end < len || pread(fd, block, (size_t)len, 0) != len ||
		     pread(fd, block, (size_t)len, end - len) != len))
		err = errno ? errno : EIO;
	free(block);
	close(fd);
	return err;
}

static bool is_on_dest(const struct migration *m)
{
	if (!m->exists || m->device.suspended)
		return false;
	if (m->stage == ENDING)
		return migration_on_plain_dest(m);
	return m->readable && m->status.phase == COMMITTED &&
	       m->status.health[DEST] == 'A' && m->status.health[SOURCE] == 'D';
}

/* Does it answer there, and is all of it on the disk? Else why not. */
static const char *not_proven(const struct migration *m)
{
	char *node, *dest;
	int err = ENODEV;

	if (!is_on_dest(m))
		return "the device does not run there";
	node = device_node(m->device.dev);
	dest = device_node(m->state->dest.dev);
	if (node && dest)
		err = read_ends(node);
	if (!err)
		err = flush(node);
	if (!err)
		err = flush(dest);
	free(node);
	free(dest);
	return err ? strerror(err) : NULL;
}

int source_kind_delete(const struct migration *m)
{
	const struct state *state = m->state;
	const char *why = not_proven(m);
	char *name = name_now(state);
	int code;

	if (why) {
		code = fail(FAILED, "%s: the dest does not answer as it should (%s), so the source is not deleted.",
			    state->name, why);
	} else {
		code = kind_of(state)->remove(state);
		if (!code)
			say("%s: the source, %s %s, is deleted.", state->name,
			    kind_of(state)->noun, name);
	}
	free(name);
	if (code)
		source_kind_left(state);
	return code;
}

void source_kind_left(const struct state *state)
{
	const struct source_kind *kind = kind_of(state);
	char *removal = kind->removal(state), *name = name_now(state);

	if (!*state->source_object)
		say("%s: what its old table lay on is left as it was.", state->name);
	else if (removal)
		say("%s: the source, %s %s, is left as it was: \"%s\" removes it.",
		    state->name, kind->noun, name, removal);
	else
		say("%s: the source, %s %s, is left as it was.", state->name, kind->noun,
		    name);
	free(removal);
	free(name);
	caution(state);
}
