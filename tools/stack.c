// SPDX-License-Identifier: GPL-2.0-or-later
#include "stack.h"
#include "device.h"
#include "paths.h"
#include "say.h"
#include "status.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* More than anybody stacks; ends whatever would go round in circles. */
#define MAX_DEPTH	24

static dev_t read_dev(const char *path)
{
	char *line = first_line(path);
	unsigned int maj, min;
	dev_t dev = 0;

	if (line && devno_parse(line, &maj, &min))
		dev = makedev(maj, min);
	free(line);
	return dev;
}

/* The disk that a partition is of, else 0. */
static dev_t disk_of(dev_t dev)
{
	char *partition = sys_block_line(dev, "partition"), *path;
	dev_t disk = 0;

	if (partition) {
		path = sys_block(dev, "../dev");
		disk = read_dev(path);
		free(path);
	}
	free(partition);
	return disk;
}

/* What a loop device lies on; false if it is none. */
static bool loop_file(dev_t dev, struct stat *st)
{
	char *file = sys_block_line(dev, "loop/backing_file");
	bool is = file && !stat(file, st);

	free(file);
	return is;
}

/* ------------------------------------------------------------------------
 * Is B somewhere below A?
 */

static bool below(dev_t a, dev_t b, int depth);

static bool below_slaves(dev_t a, dev_t b, int depth)
{
	char *path = sys_block(a, "slaves"), *file;
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool is = false;

	while (dir && !is && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		file = format("%s/%s/dev", path, entry->d_name);
		is = below(read_dev(file), b, depth + 1);
		free(file);
	}
	if (dir)
		closedir(dir);
	free(path);
	return is;
}

static bool below(dev_t a, dev_t b, int depth)
{
	struct stat st;
	dev_t disk;

	if (!a || depth > MAX_DEPTH)
		return false;
	/* Of a disk that is used whole its partitions are a part. */
	if (a == b || disk_of(b) == a)
		return true;
	disk = disk_of(a);
	if (disk && below(disk, b, depth + 1) && !disk_of(b))
		return true;
	/* A file on B's file system, or a block device. */
	if (loop_file(a, &st) &&
	    below(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, b, depth + 1))
		return true;
	return below_slaves(a, b, depth);
}

/* ------------------------------------------------------------------------
 * On which sectors of which disks does it lie?
 */

struct extent {
	dev_t disk;
	uint64_t start, len;
};

struct extents {
	struct extent *extent;
	size_t nr;
};

static void add(struct extents *list, dev_t disk, uint64_t start, uint64_t len)
{
	struct extent *more = realloc(list->extent, (list->nr + 1) * sizeof(*more));

	if (!more)
		exit(fail(FAILED, "There is no memory left."));
	list->extent = more;
	more[list->nr++] = (struct extent){ disk, start, len };
}

static void flatten(struct extents *list, dev_t dev, uint64_t start, uint64_t len,
		    int depth);

/* Whatever pairs of device and offset stand from @params on: 1 or more of them. */
static void flatten_pairs(struct extents *list, const char *params, int nr,
			  uint64_t start, uint64_t len, int depth)
{
	unsigned int maj, min;
	uint64_t offset;
	int used;

	while (nr-- && sscanf(params, " %u:%u %" SCNu64 "%n", &maj, &min, &offset,
			      &used) == 3) {
		flatten(list, makedev(maj, min), offset + start, len, depth + 1);
		params += used;
	}
}

/* @start and @len are within the line. Keys are among its words: none is kept. */
static void flatten_line(struct extents *list, dev_t dev, const struct dm_line *line,
			 uint64_t start, uint64_t len, int depth)
{
	int stripes, used = 0;

	if (!strcmp(line->type, "linear")) {
		flatten_pairs(list, line->params, 1, start, len, depth);
	} else if (!strcmp(line->type, "striped") &&
		   sscanf(line->params, "%d %*u%n", &stripes, &used) == 1 && used) {
		/* All of each stripe: near enough. */
		flatten_pairs(list, line->params + used, stripes, 0,
			      line->len / (uint64_t)(stripes > 0 ? stripes : 1),
			      depth);
	} else if (!strcmp(line->type, "crypt")) {
		/* Cipher, key and offset of the IV come first. */
		if (sscanf(line->params, "%*s %*s %*s%n", &used) >= 0)
			flatten_pairs(list, line->params + used, 1, start, len, depth);
	} else if (is_our_type(line->type)) {
		flatten_pairs(list, line->params, NR_LEGS, start, len, depth);
	} else {
		add(list, dev, line->start + start, len);
	}
}

static bool flatten_dm(struct extents *list, dev_t dev, uint64_t start, uint64_t len,
		       int depth)
{
	struct dm_device found;
	struct dm_table table;
	size_t i;

	if (dm_find_dev(dev, &found) || dm_table_get(found.name, false, &table))
		return false;
	for (i = 0; i < table.nr; i++) {
		const struct dm_line *line = table.line + i;
		uint64_t from = start > line->start ? start : line->start;
		uint64_t to = line->start + line->len;

		if (to > start + len)
			to = start + len;
		if (from < to)
			flatten_line(list, dev, line, from - line->start, to - from,
				     depth);
	}
	dm_table_free(&table);
	return true;
}

/* Where in its file a loop device begins, sectors. */
static uint64_t loop_offset(dev_t dev)
{
	char *line = sys_block_line(dev, "loop/offset");
	uint64_t offset = line ? strtoull(line, NULL, 10) >> 9 : 0;

	free(line);
	return offset;
}

static void flatten(struct extents *list, dev_t dev, uint64_t start, uint64_t len,
		    int depth)
{
	dev_t disk = disk_of(dev);
	char *line;

	if (depth > MAX_DEPTH)
		return;
	if (disk) {
		line = sys_block_line(dev, "start");
		flatten(list, disk, start + (line ? strtoull(line, NULL, 10) : 0),
			len, depth + 1);
		free(line);
	} else {
		line = sys_block_line(dev, "dm/name");
		if (!line || !flatten_dm(list, dev, start, len, depth))
			add(list, dev, start + loop_offset(dev), len);
		free(line);
	}
}

/* What two names of one disk have in common; NULL if nothing tells. */
static char *identity(dev_t dev)
{
	struct stat st;
	char *id;

	if (loop_file(dev, &st)) {
		id = format("loop %llu:%llu", (unsigned long long)st.st_dev,
			    (unsigned long long)st.st_ino);
		return id;
	}
	id = sys_block_line(dev, "wwid");
	if (!id || !*id) {
		free(id);
		id = sys_block_line(dev, "device/wwid");
	}
	if (id && !*id) {
		free(id);
		id = NULL;
	}
	return id;
}

static bool same_disk(dev_t a, dev_t b)
{
	char *one, *other;
	bool same;

	if (a == b)
		return true;
	one = identity(a);
	other = identity(b);
	same = one && other && !strcmp(one, other);
	free(one);
	free(other);
	return same;
}

static bool overlap(const struct extents *a, const struct extents *b)
{
	size_t i, j;

	for (i = 0; i < a->nr; i++)
		for (j = 0; j < b->nr; j++)
			if (a->extent[i].start < b->extent[j].start + b->extent[j].len &&
			    b->extent[j].start < a->extent[i].start + a->extent[i].len &&
			    same_disk(a->extent[i].disk, b->extent[j].disk))
				return true;
	return false;
}

enum kinship stack_compare(dev_t a, dev_t b)
{
	struct extents on_a = { 0 }, on_b = { 0 };
	enum kinship kin = STRANGERS;

	if (a == b)
		return SAME_DEVICE;
	if (below(a, b, 0))
		return A_IS_BUILT_ON_B;
	if (below(b, a, 0))
		return B_IS_BUILT_ON_A;
	flatten(&on_a, a, 0, device_sectors(a), 0);
	flatten(&on_b, b, 0, device_sectors(b), 0);
	if (overlap(&on_a, &on_b))
		kin = SAME_SECTORS;
	free(on_a.extent);
	free(on_b.extent);
	return kin;
}
