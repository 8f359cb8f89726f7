// SPDX-License-Identifier: GPL-2.0-or-later
#include "check.h"
#include "paths.h"
#include "say.h"
#include "stack.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int check_kernel(bool pinned)
{
	if (dm_has_target(pinned ? TARGET_PINNED : TARGET))
		return DONE;
	return fail(UNABLE, "The kernel has no target %s: build and load the module (modprobe dm_livemigrate), which must fit the running kernel.",
		    pinned ? TARGET_PINNED : TARGET);
}

/* ------------------------------------------------------------------------
 * The source
 */

static bool has_file(dev_t dev, const char *below)
{
	char *path = sys_block(dev, below);
	bool has = !access(path, F_OK);

	free(path);
	return has;
}

static bool is_one(dev_t dev, const char *below)
{
	char *line = sys_block_line(dev, below);
	bool is = line && !strcmp(line, "1");

	free(line);
	return is;
}

/* What device mapper itself refuses to replace. */
static int check_kind(const struct dm_device *device)
{
	static const char above[] = "put a linear mapping above it when it is idle, let its user open that, and move that one";

	/* Only request-based devices have queues of blk-mq. */
	if (has_file(device->dev, "mq"))
		return fail(UNFIT, "%s is request-based (multipath), and its table cannot be replaced while it is in use: %s.",
			    device->name, above);
	if (is_one(device->dev, "queue/dax"))
		return fail(UNFIT, "%s offers DAX, direct access to memory, which cannot be mirrored, and its table cannot be replaced: %s.",
			    device->name, above);
	if (has_file(device->dev, "queue/crypto"))
		return fail(UNFIT, "%s offers inline encryption, and its table cannot be replaced while it is in use: %s.",
			    device->name, above);
	return DONE;
}

static int check_table(const struct dm_device *device, uint64_t *sectors)
{
	static const char * const pools[] = { "thin-pool", "multipath" };
	struct dm_table table;
	struct place on;
	int code = DONE;
	size_t i;

	if (dm_table_get(device->name, false, &table))
		return fail(FAILED, "%s: its table cannot be read.", device->name);
	*sectors = dm_table_len(&table);
	if (is_our_type(table.line[0].type) &&
	    !rest_parse(table.line[0].type, table.line[0].params, &on))
		code = fail(NOT_NOW, "%s migrates already: see \"livemigrate status %s\".",
			    device->name, device->name);
	for (i = 0; i < ARRAY_LEN(pools) && !code; i++)
		if (!strcmp(table.line[0].type, pools[i]))
			code = fail(UNFIT, "%s is a %s, which device mapper never lets be replaced: move what lies above it.",
				    device->name, pools[i]);
	dm_table_free(&table);
	return code;
}

int check_source(const struct dm_device *device, uint64_t *sectors)
{
	int code;

	if (!device->live)
		return fail(UNFIT, "%s has no table: there is nothing to move.",
			    device->name);
	if (device->suspended)
		return fail(NOT_NOW, "%s is suspended: whoever did that is at work on it; or else \"dmsetup resume %s\".",
			    device->name, device->name);
	if (device->inactive)
		return fail(NOT_NOW, "%s has a second table loaded, so somebody is at work on it; if not, \"dmsetup clear %s\".",
			    device->name, device->name);
	if (device->read_only)
		return fail(UNFIT, "%s is read-only: make it writable first, or copy it.",
			    device->name);
	code = check_kind(device);
	return code ? code : check_table(device, sectors);
}

/* ------------------------------------------------------------------------
 * The dest, and the metadata device
 */

static int check_kinship(const char *role, const struct blockdev *bd,
			 const struct dm_device *source)
{
	switch (stack_compare(source->dev, bd->dev)) {
	case STRANGERS:
		return DONE;
	case SAME_DEVICE:
		return fail(UNFIT, "The %s %s is %s itself.", role, bd->path,
			    source->name);
	case A_IS_BUILT_ON_B:
		return fail(UNFIT, "The %s %s is part of the source: %s is built on it.",
			    role, bd->path, source->name);
	case B_IS_BUILT_ON_A:
		return fail(UNFIT, "The %s %s is itself built on %s.", role,
			    bd->path, source->name);
	case SAME_SECTORS:
		return fail(UNFIT, "The %s %s lies on sectors of a disk on which %s lies, too: it is the same disk under another name.",
			    role, bd->path, source->name);
	}
	return DONE;
}

static int check_use(const char *role, const struct blockdev *bd)
{
	char *user = device_busy(bd);
	int code = DONE;

	if (user)
		code = fail(UNFIT, "The %s %s is in use (%s): what is on it would be overwritten.",
			    role, bd->path, user);
	free(user);
	return code;
}

static int check_content(const char *role, const struct blockdev *bd)
{
	char *content = device_content(bd->path);
	int code = DONE;

	if (content)
		code = fail(UNFIT, "The %s %s holds %s, which would be overwritten: wipe it (wipefs -a %s), or say --force.",
			    role, bd->path, content, bd->path);
	free(content);
	return code;
}

int check_dest(const char *role, const struct blockdev *bd,
	       const struct dm_device *source, uint64_t sectors, bool force)
{
	int code = check_kinship(role, bd, source);

	if (!code)
		code = check_use(role, bd);
	if (code)
		return code;
	if (bd->read_only)
		return fail(UNFIT, "The %s %s is read-only.", role, bd->path);
	if (bd->sectors < sectors)
		return fail(UNFIT, "The %s %s is too small: it has %llu sectors of 512 bytes, and %llu are needed.",
			    role, bd->path, (unsigned long long)bd->sectors,
			    (unsigned long long)sectors);
	if (sectors && bd->block > device_block(source->dev))
		return fail(UNFIT, "The %s %s has blocks of %u bytes, larger than those of %s, %u: its user would send writes that the %s cannot take.",
			    role, bd->path, bd->block, source->name,
			    device_block(source->dev), role);
	return force ? DONE : check_content(role, bd);
}

/* ------------------------------------------------------------------------
 * A disk for a plain mapping
 */

/* The smallest region of the target. */
#define LEAST	8

int check_disk(const char *name, const struct blockdev *bd, uint64_t *sectors)
{
	char *user = device_busy(bd);
	int code = DONE;

	if (user)
		code = fail(UNFIT, "%s: %s is in use (%s): whoever uses it must let it go first.",
			    name, bd->path, user);
	else if (bd->read_only)
		code = fail(UNFIT, "%s: %s is read-only: make it writable first.", name,
			    bd->path);
	else if (bd->sectors < LEAST)
		code = fail(UNFIT, "%s: %s is too small: it has %llu sectors of 512 bytes.",
			    name, bd->path, (unsigned long long)bd->sectors);
	else if (bd->sectors < *sectors)
		code = fail(UNFIT, "%s: %s has %llu sectors of 512 bytes, and size=%llu in the tab: it has shrunk, or it is another device. See what is on it before you change the line.",
			    name, bd->path, (unsigned long long)bd->sectors,
			    (unsigned long long)*sectors);
	free(user);
	if (!code && !*sectors)
		*sectors = bd->sectors;
	return code;
}
