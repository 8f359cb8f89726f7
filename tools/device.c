// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"
#include "paths.h"
#include "say.h"
#include "status.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------------
 * Names
 */

static bool is_dm(dev_t dev)
{
	char *name = sys_block_line(dev, "dm/name");
	bool is = name != NULL;

	free(name);
	return is;
}

static bool is_block(dev_t dev)
{
	char *size = sys_block_line(dev, "size");
	bool is = size != NULL;

	free(size);
	return is;
}

/* A path, or VG/LV below /dev. */
static bool block_node(const char *path, dev_t *dev)
{
	struct stat st;
	char *below;
	bool is;

	if (!stat(path, &st)) {
		*dev = st.st_rdev;
		return S_ISBLK(st.st_mode);
	}
	if (path[0] == '/')
		return false;
	below = format("/dev/%s", path);
	is = !stat(below, &st) && S_ISBLK(st.st_mode);
	if (is)
		*dev = st.st_rdev;
	free(below);
	return is;
}

int device_find(const char *arg, struct dm_device *found, dev_t *other)
{
	unsigned int maj, min;

	*other = 0;
	/* No name of dm's has a slash. */
	if (!strchr(arg, '/')) {
		int err = dm_find(arg, found);

		if (err != ENXIO)
			return err;
		if (!devno_parse(arg, &maj, &min))
			return ENXIO;
		*other = makedev(maj, min);
		if (!is_block(*other))
			return ENXIO;
	} else if (!block_node(arg, other)) {
		return ENXIO;
	}
	return is_dm(*other) ? dm_find_dev(*other, found) : ENOTBLK;
}

int device_want(const char *arg, struct dm_device *found)
{
	dev_t other;
	int err = device_find(arg, found, &other);

	switch (err) {
	case 0:
		return DONE;
	case ENXIO:
		return fail(NOT_FOUND, "There is no device %s: \"dmsetup ls\" lists those of device mapper.",
			    arg);
	case ENOTBLK:
		return fail(UNFIT, "%s is not on device mapper, so it cannot be exchanged while it is in use. When it is idle, put a plain mapping on it, \"livemigrate disk add NAME %s\", and let its user open /dev/mapper/NAME instead.",
			    arg, arg);
	default:
		return fail(FAILED, "%s: device mapper does not tell of it: %s.",
			    arg, dm_why(err));
	}
}

/* ------------------------------------------------------------------------
 * What a block device is
 */

uint64_t device_sectors(dev_t dev)
{
	char *line = sys_block_line(dev, "size");
	uint64_t sectors = line ? strtoull(line, NULL, 10) : 0;

	free(line);
	return sectors;
}

char *device_node(dev_t dev)
{
	char *path = sys_block(dev, ""), *real = realpath(path, NULL), *node = NULL;
	char *name = real ? strrchr(real, '/') : NULL, *mark;

	if (name) {
		node = format("/dev%s", name);
		/* As in cciss!c0d0. */
		for (mark = node; (mark = strchr(mark, '!')); )
			*mark = '/';
	}
	free(real);
	free(path);
	return node;
}

unsigned int device_block(dev_t dev)
{
	char *line = sys_block_line(dev, "queue/logical_block_size");
	unsigned int block = line ? (unsigned int)strtoul(line, NULL, 10) : 512;

	free(line);
	return block;
}

uint64_t device_seq(dev_t dev)
{
	char *line = sys_block_line(dev, "diskseq");
	uint64_t seq = line ? strtoull(line, NULL, 10) : 0;

	free(line);
	return seq;
}

bool device_written(dev_t dev)
{
	char *line = sys_block_line(dev, "stat");
	unsigned long long written = 0, discarded = 0;

	/* Sectors, as Documentation/block/stat.rst has them: a flush writes none. */
	if (line)
		sscanf(line, "%*u %*u %*u %*u %*u %*u %llu %*u %*u %*u %*u %*u %*u %llu",
		       &written, &discarded);
	free(line);
	return written || discarded;
}

char *absolute_path(const char *path)
{
	char *here, *whole;

	if (path[0] == '/')
		return copy_of(path);
	here = getcwd(NULL, 0);
	whole = format("%s/%s", here ? here : "", path);
	free(here);
	return whole;
}

static int take_geometry(const char *role, int fd, struct blockdev *bd)
{
	uint64_t bytes;
	int block, read_only;

	if (ioctl(fd, BLKGETSIZE64, &bytes) || ioctl(fd, BLKSSZGET, &block) ||
	    ioctl(fd, BLKROGET, &read_only))
		return fail(UNFIT, "The %s %s does not tell its size: %s.", role,
			    bd->path, strerror(errno));
	bd->sectors = bytes >> 9;
	bd->block = (unsigned int)block;
	bd->read_only = read_only;
	return DONE;
}

int blockdev_get(const char *role, const char *path, struct blockdev *bd)
{
	const char *hint = strcmp(role, "destination") ? "" :
			   ", or name what is to be made: a logical volume, VG/LV, or an image, which ends in .raw, .qcow2, .vhdx or .vhd";
	struct stat st;
	int fd, code;

	memset(bd, 0, sizeof(*bd));
	if (stat(path, &st)) {
		if (errno == ENOENT)
			return fail(UNFIT, "There is no %s %s: make it first%s.",
				    role, path, hint);
		return fail(UNFIT, "The %s %s cannot be looked at: %s.", role,
			    path, strerror(errno));
	}
	if (S_ISREG(st.st_mode))
		return fail(UNFIT, "The %s %s is a file: give it a loop device (losetup --find --show --direct-io=on %s), and name that.",
			    role, path, path);
	if (!S_ISBLK(st.st_mode))
		return fail(UNFIT, "The %s %s is no block device.", role, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(UNFIT, "The %s %s cannot be opened: %s.", role, path,
			    strerror(errno));
	bd->path = absolute_path(path);
	bd->dev = st.st_rdev;
	code = take_geometry(role, fd, bd);
	close(fd);
	return code;
}

void blockdev_free(struct blockdev *bd)
{
	free(bd->path);
	bd->path = NULL;
}

/* ------------------------------------------------------------------------
 * Who uses it
 */

bool device_claimed(const struct blockdev *bd)
{
	int fd = open(bd->path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY;
	close(fd);
	return false;
}

static char *mounted_on(dev_t dev)
{
	char *path = format("%s/self/mountinfo", proc_dir()), *line = NULL;
	FILE *file = fopen(path, "re");
	char *user = NULL, where[4096];
	unsigned int maj, min;
	size_t size = 0;

	while (file && !user && getline(&line, &size, file) > 0)
		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &maj, &min, where) == 3 &&
		    makedev(maj, min) == dev)
			user = format("mounted on %s", where);
	free(line);
	if (file)
		fclose(file);
	free(path);
	return user;
}

static char *swapped_to(dev_t dev)
{
	char *path = format("%s/swaps", proc_dir()), *line = NULL;
	FILE *file = fopen(path, "re");
	char *user = NULL, node[4096];
	struct stat st;
	size_t size = 0;

	while (file && !user && getline(&line, &size, file) > 0)
		if (sscanf(line, "%4095s", node) == 1 && node[0] == '/' &&
		    !stat(node, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev)
			user = copy_of("used as swap");
	free(line);
	if (file)
		fclose(file);
	free(path);
	return user;
}

/* The kernel's name of a holder, and dm's if it is one. */
static char *held_by(dev_t dev)
{
	char *path = sys_block(dev, "holders"), *user = NULL, *file, *name;
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && !user && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		file = format("%s/%s/dm/name", path, entry->d_name);
		name = first_line(file);
		user = name ? format("held by the device %s", name) :
			      format("held by %s", entry->d_name);
		free(name);
		free(file);
	}
	if (dir)
		closedir(dir);
	free(path);
	return user;
}

/* A process has a dm device open. (Other devices do not count their openers.) */
static char *dm_opened(dev_t dev)
{
	struct dm_device found;

	if (is_dm(dev) && !dm_find_dev(dev, &found) && found.open_count > 0)
		return copy_of("open");
	return NULL;
}

char *device_claimer(dev_t dev)
{
	char *user = mounted_on(dev);

	if (!user)
		user = swapped_to(dev);
	if (!user)
		user = held_by(dev);
	return user;
}

char *device_user(dev_t dev)
{
	char *user = device_claimer(dev);

	if (!user)
		user = dm_opened(dev);
	return user;
}

static bool may_write(pid_t pid, const char *fd)
{
	char *path = format("%s/%d/fdinfo/%s", proc_dir(), (int)pid, fd), *line = NULL;
	FILE *file = fopen(path, "re");
	unsigned int flags = 0;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	free(line);
	if (file)
		fclose(file);
	free(path);
	return (flags & O_ACCMODE) != O_RDONLY;
}

static bool has_open(pid_t pid, dev_t dev)
{
	char *folder = format("%s/%d/fd", proc_dir(), (int)pid), *path;
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat st;
	bool has = false;

	while (dir && !has && (entry = readdir(dir))) {
		path = format("%s/%s", folder, entry->d_name);
		has = !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev &&
		      may_write(pid, entry->d_name);
		free(path);
	}
	if (dir)
		closedir(dir);
	free(folder);
	return has;
}

/* An nbd device is open in whoever serves it; @thread is what the kernel says of that. */
static bool is_server(pid_t pid, const char *thread)
{
	char *path = format("%s/%d/task/%s", proc_dir(), (int)pid, thread);
	bool is = *thread && !access(path, F_OK);

	free(path);
	return is;
}

/* Who can write to it without a claim, as QEMU. By number: it may have nodes of its own. */
static char *opened_by(dev_t dev)
{
	char *server = sys_block_line(dev, "pid"), *user = NULL;
	DIR *dir = opendir(proc_dir());
	struct dirent *entry;

	while (dir && !user && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && has_open(pid, dev) &&
		    !is_server(pid, server ? server : ""))
			user = format("opened by process %d", (int)pid);
	}
	if (dir)
		closedir(dir);
	free(server);
	return user;
}

/* Tenths of a second: what only looks is gone by then. */
#define PATIENCE 10

char *device_busy(const struct blockdev *bd)
{
	const struct timespec tenth = { 0, 100000000 };
	char *user = device_user(bd->dev);
	int i;

	if (!user && device_claimed(bd))
		user = copy_of("opened exclusively");
	if (user)
		return user;
	user = opened_by(bd->dev);
	for (i = 0; user && i < PATIENCE; i++) {
		nanosleep(&tenth, NULL);
		free(user);
		user = opened_by(bd->dev);
	}
	return user;
}

/* ------------------------------------------------------------------------
 * What lies on it
 */

static char *describe(blkid_probe probe)
{
	const char *type = NULL, *usage = NULL, *table = NULL;

	blkid_probe_lookup_value(probe, "TYPE", &type, NULL);
	blkid_probe_lookup_value(probe, "USAGE", &usage, NULL);
	if (type && !strcmp(type, "LVM2_member"))
		return copy_of("a physical volume of LVM");
	if (type && usage && !strcmp(usage, "filesystem"))
		return format("a file system (%s)", type);
	if (type)
		return format("data (%s)", type);
	if (!blkid_probe_lookup_value(probe, "PTTYPE", &table, NULL))
		return format("a partition table (%s)", table);
	return copy_of("data of some kind");
}

/* Of metadata, as docs/livemigrate.rst has it. */
#define BLOCK	4096

bool device_has_metadata(const struct blockdev *bd)
{
	int fd = open(bd->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	char *blocks = aligned_alloc(BLOCK, 2 * BLOCK);
	bool has = fd >= 0 && blocks && pread(fd, blocks, 2 * BLOCK, 0) == 2 * BLOCK &&
		   (!memcmp(blocks + 4, "LMsb", 4) || !memcmp(blocks + BLOCK + 4, "LMsb", 4));

	free(blocks);
	if (fd >= 0)
		close(fd);
	return has;
}

char *device_content(const char *path)
{
	blkid_probe probe = blkid_new_probe_from_filename(path);
	char *content = NULL;
	int found;

	if (!probe)
		return copy_of("what cannot be read");
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
	blkid_probe_enable_partitions(probe, 1);
	found = blkid_do_safeprobe(probe);
	if (found == 0)
		content = describe(probe);
	else if (found == -2)
		content = copy_of("data of more than one kind");
	else if (found < 0)
		content = copy_of("what cannot be read");
	blkid_free_probe(probe);
	return content;
}
