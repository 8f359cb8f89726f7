// SPDX-License-Identifier: GPL-2.0-or-later
#include "named.h"
#include "backing.h"
#include "paths.h"
#include "say.h"
#include "stack.h"
#include "status.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------
 * From the device to a name
 */

/* The best first; whatever is not here comes after them. */
static const char * const ranks[] = {
	"wwn-", "nvme-eui.", "nvme-uuid.", "scsi-3", "md-uuid-", "scsi-", "ata-",
	"nvme-", "virtio-",
};

int named_rank(const char *link)
{
	int i;

	/* What these are made of is copied with the rest. */
	if (!strncmp(link, "lvm-pv-uuid-", 12) || !strncmp(link, "dm-", 3))
		return 0;
	for (i = 0; i < (int)ARRAY_LEN(ranks); i++)
		if (!strncmp(link, ranks[i], strlen(ranks[i])))
			return (int)ARRAY_LEN(ranks) + 1 - i;
	return 1;
}

static bool is_node_of(const char *path, dev_t dev)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

/* The best of a folder's links that lead there, the first of those by name. */
static char *best_link(const char *below, dev_t dev)
{
	char *folder = format("%s/disk/%s", dev_dir(), below), *path, *best = NULL;
	struct dirent **entries = NULL;
	int nr = scandir(folder, &entries, NULL, alphasort), rank, best_rank = 0, i;

	for (i = 0; i < nr; i++) {
		path = format("%s/%s", folder, entries[i]->d_name);
		rank = named_rank(entries[i]->d_name);
		if (rank > best_rank && is_node_of(path, dev)) {
			free(best);
			best = path;
			path = NULL;
			best_rank = rank;
		}
		free(path);
		free(entries[i]);
	}
	free(entries);
	free(folder);
	return best;
}

/* As in /sys; "cciss!c0d0" is a folder and a file in /dev. */
static char *kernel_name(dev_t dev)
{
	char *path = sys_block(dev, "."), *real = realpath(path, NULL), *name, *c;

	free(path);
	if (!real)
		return NULL;
	name = copy_of(strrchr(real, '/') + 1);
	for (c = name; *c; c++)
		if (*c == '!')
			*c = '/';
	free(real);
	return name;
}

/* Is it called so only since this boot? */
static bool is_kernels(const char *path, const char *kernel)
{
	const char *last = strrchr(path, '/');
	size_t len = strlen(path), n = strlen(kernel);
	unsigned int maj, min;

	return !last || devno_parse(last + 1, &maj, &min) ||
	       (len > n && path[len - n - 1] == '/' && !strcmp(path + len - n, kernel));
}

bool named_is_passing(const char *path)
{
	static const char digits[] = "0123456789";
	const char *c = strrchr(path, '/');

	c = c ? c + 1 : path;
	if (strncmp(c, "nbd", 3) && strncmp(c, "loop", 4))
		return false;
	c += *c == 'n' ? 3 : 4;
	if (!isdigit(*c))
		return false;
	c += strspn(c, digits);
	/* A partition of it is no better. */
	if (c[0] == 'p' && isdigit(c[1]))
		c += 1 + strspn(c + 1, digits);
	return !*c;
}

bool named_by_content(const char *name)
{
	static const char * const names[] = {
		"UUID=", "LABEL=", "/dev/disk/by-uuid/", "/dev/disk/by-label/",
		"/dev/disk/by-id/lvm-pv-uuid-",
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

char *named_lasting(const char *path, dev_t dev, enum lasting *how)
{
	char *kernel = kernel_name(dev), *name = backing_file(dev);
	enum lasting is = LASTS;
	struct dm_device on_dm;

	if (!name && kernel && path && is_node_of(path, dev) && !is_kernels(path, kernel))
		name = copy_of(path);
	if (!name && kernel && !strncmp(kernel, "dm-", 3) && !dm_find_dev(dev, &on_dm))
		name = format("%s/mapper/%s", dev_dir(), on_dm.name);
	if (!name)
		name = best_link("by-id", dev);
	if (!name)
		name = best_link("by-partuuid", dev);
	if (!name)
		name = best_link("by-path", dev);
	if (!name) {
		is = kernel && !named_is_passing(kernel) ? LASTS_PERHAPS : LASTS_NOT;
		name = kernel ? format("%s/%s", dev_dir(), kernel) : copy_of(path ? path : "-");
	}
	free(kernel);
	if (how)
		*how = is;
	return name;
}

/* ------------------------------------------------------------------------
 * From a name to the device
 */

struct entry {
	char *path;
	dev_t dev;
};

/* More than that are too many in any case. */
struct found {
	struct entry entry[256];
	size_t nr;
};

static void found_add(struct found *found, const char *path, dev_t dev)
{
	if (found->nr == ARRAY_LEN(found->entry))
		return;
	found->entry[found->nr].path = copy_of(path);
	found->entry[found->nr++].dev = dev;
}

static void found_drop(struct found *found, size_t i)
{
	free(found->entry[i].path);
	found->entry[i] = found->entry[--found->nr];
}

static void found_free(struct found *found)
{
	while (found->nr)
		found_drop(found, found->nr - 1);
}

/* What we have put above it bears its UUID, too. */
static bool is_ours(dev_t dev)
{
	struct dm_device on_dm;

	return !dm_find_dev(dev, &on_dm) && !strncmp(on_dm.uuid, "LIVEMIGRATE-", 12);
}

/* Of two that are one above the other, as multipath and its paths, the lower one. */
static bool drop_lower(struct found *found)
{
	size_t i, j;

	for (i = 0; i < found->nr; i++)
		for (j = 0; j < found->nr; j++)
			if (i != j && stack_compare(found->entry[i].dev, found->entry[j].dev) ==
				      A_IS_BUILT_ON_B) {
				found_drop(found, j);
				return true;
			}
	return false;
}

static void find_value(const char *type, const char *value, struct found *found)
{
	blkid_dev_iterate iterate;
	blkid_cache cache;
	struct stat st;
	blkid_dev dev;

	if (blkid_get_cache(&cache, "/dev/null"))
		return;
	blkid_probe_all(cache);
	iterate = blkid_dev_iterate_begin(cache);
	blkid_dev_set_search(iterate, type, value);
	while (!blkid_dev_next(iterate, &dev))
		if (!stat(blkid_dev_devname(dev), &st) && S_ISBLK(st.st_mode) &&
		    !is_ours(st.st_rdev))
			found_add(found, blkid_dev_devname(dev), st.st_rdev);
	blkid_dev_iterate_end(iterate);
	blkid_put_cache(cache);
	while (drop_lower(found))
		;
}

static void find_tag(const char *tag, struct found *found)
{
	const char *equals = strchr(tag, '=');
	char *type;

	memset(found, 0, sizeof(*found));
	if (!equals)
		return;
	type = format("%.*s", (int)(equals - tag), tag);
	find_value(type, equals + 1, found);
	free(type);
}

bool named_present(const char *name)
{
	struct found found;
	bool present;

	if (name[0] == '/')
		return !access(name, F_OK);
	find_tag(name, &found);
	present = found.nr > 0;
	found_free(&found);
	return present;
}

bool named_is(const char *name, dev_t dev)
{
	char *file = backing_file(dev);
	struct stat st, backing;
	struct found found;
	bool is = false;
	size_t i;

	if (name[0] != '/') {
		find_tag(name, &found);
		for (i = 0; i < found.nr; i++)
			is |= found.entry[i].dev == dev;
		found_free(&found);
	} else if (!stat(name, &st)) {
		if (S_ISBLK(st.st_mode))
			is = st.st_rdev == dev;
		else if (file && !stat(file, &backing))
			is = st.st_dev == backing.st_dev && st.st_ino == backing.st_ino;
	}
	free(file);
	return is;
}

static int get_tagged(const char *role, const char *tag, struct blockdev *bd)
{
	struct found found;
	int code;

	find_tag(tag, &found);
	if (!found.nr)
		code = fail(UNFIT, "There is no %s %s.", role, tag);
	else if (found.nr > 1)
		code = fail(UNFIT, "%s is %s, but also %s, as after a copy: name it by a path.",
			    tag, found.entry[0].path, found.entry[1].path);
	else
		code = blockdev_get(role, found.entry[0].path, bd);
	found_free(&found);
	return code;
}

int named_get(const char *role, const char *name, struct blockdev *bd)
{
	struct stat st;
	char *node;
	int code;

	memset(bd, 0, sizeof(*bd));
	if (name[0] != '/' && strchr(name, '=') && access(name, F_OK))
		return get_tagged(role, name, bd);
	if (stat(name, &st) || !S_ISREG(st.st_mode))
		return blockdev_get(role, name, bd);
	code = backing_attach(name, &node);
	if (!code) {
		code = blockdev_get(role, node, bd);
		free(node);
	}
	return code;
}
