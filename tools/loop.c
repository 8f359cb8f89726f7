// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"
#include "image.h"
#include "paths.h"
#include "say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define CONTROL	"/dev/loop-control"
/* Others may look for a free one at the same time. */
#define TRIES	50
/* Tenths of a second until whoever still looks at it has closed it. */
#define PATIENCE 50

/* ------------------------------------------------------------------------
 * What they serve
 */

static bool get_info(const char *node, struct loop_info64 *info)
{
	int fd = open(node, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && !ioctl(fd, LOOP_GET_STATUS64, info);

	if (fd >= 0)
		close(fd);
	return good;
}

/* The kernel's numbers are packed as those of stat() are. */
static char *info_id(const struct loop_info64 *info)
{
	struct stat st = { .st_dev = info->lo_device, .st_ino = info->lo_inode };

	return file_id(&st);
}

bool loop_backing_get(dev_t dev, struct loop_backing *backing)
{
	char *node = major(dev) == LOOP_MAJOR ? device_node(dev) : NULL;
	struct loop_info64 info;

	memset(backing, 0, sizeof(*backing));
	if (node && get_info(node, &info)) {
		backing->path = sys_block_line(dev, "loop/backing_file");
		backing->id = info_id(&info);
		backing->whole = !info.lo_offset && !info.lo_sizelimit &&
				 !(info.lo_flags & LO_FLAGS_READ_ONLY);
		backing->direct = info.lo_flags & LO_FLAGS_DIRECT_IO;
	}
	free(node);
	if (backing->path)
		return true;
	loop_backing_free(backing);
	return false;
}

void loop_backing_free(struct loop_backing *backing)
{
	free(backing->path);
	free(backing->id);
	memset(backing, 0, sizeof(*backing));
}

char *loop_serving(const char *id)
{
	char *folder = format("%s/block", sys_dir()), *node, *its;
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct loop_info64 info;

	free(folder);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "loop", 4))
			continue;
		node = format("/dev/%s", entry->d_name);
		its = get_info(node, &info) ? info_id(&info) : copy_of("");
		if (!strcmp(its, id)) {
			free(its);
			closedir(dir);
			return node;
		}
		free(its);
		free(node);
	}
	if (dir)
		closedir(dir);
	return NULL;
}

char *loop_removal(const char *path, const char *id)
{
	char *node = loop_serving(id);
	char *text = image_removal(path, "losetup --detach", node);

	free(node);
	return text;
}

/* ------------------------------------------------------------------------
 * On and off
 */

static void set_up(int file, const char *path, unsigned int block,
		   struct loop_config *config)
{
	memset(config, 0, sizeof(*config));
	config->fd = (__u32)file;
	config->block_size = block;
	/* No scan for partitions: those are the guest's. */
	config->info.lo_flags = LO_FLAGS_DIRECT_IO;
	snprintf((char *)config->info.lo_file_name, LO_NAME_SIZE, "%s", path);
}

/* 0, or an errno: EBUSY, somebody else was quicker. */
static int configure(const char *node, int file, const char *path, unsigned int block)
{
	struct loop_config config;
	int fd = open(node, O_RDWR | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	set_up(file, path, block, &config);
	if (ioctl(fd, LOOP_CONFIGURE, &config))
		err = errno;
	close(fd);
	return err;
}

static int attach_file(const char *path, int control, int file, unsigned int block,
		       char **node)
{
	int number, err = EBUSY, tries;

	for (tries = 0; tries < TRIES && err == EBUSY; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return fail(FAILED, "There is no free loop device for %s: %s.",
				    path, strerror(errno));
		free(*node);
		*node = format("/dev/loop%d", number);
		err = configure(*node, file, path, block);
	}
	if (err)
		return fail(FAILED, "The loop device %s does not take %s: %s.", *node,
			    path, strerror(err));
	return DONE;
}

int loop_attach(const char *path, unsigned int block, char **node)
{
	int control = open(CONTROL, O_RDWR | O_CLOEXEC), file, code;
	struct loop_info64 info;

	*node = NULL;
	if (control < 0)
		return fail(UNABLE, "There are no loop devices to serve %s (%s: %s): load them with \"modprobe loop\".",
			    path, CONTROL, strerror(errno));
	file = open(path, O_RDWR | O_CLOEXEC);
	code = file < 0 ? fail(FAILED, "%s cannot be opened: %s.", path, strerror(errno)) :
			  attach_file(path, control, file, block, node);
	if (file >= 0)
		close(file);
	close(control);
	if (!code && get_info(*node, &info) && !(info.lo_flags & LO_FLAGS_DIRECT_IO))
		remark("%s is served through the page cache: its file system takes no direct I/O in blocks of %u bytes.",
		       path, block);
	if (code) {
		free(*node);
		*node = NULL;
	}
	return code;
}

static bool serves(const char *node, const char *id)
{
	struct loop_info64 info;
	bool is = false;
	char *its;

	if (get_info(node, &info)) {
		its = info_id(&info);
		is = !strcmp(its, id);
		free(its);
	}
	return is;
}

/* Somebody who looks at it just now keeps it for as long. */
static bool is_off(const char *node, const char *id)
{
	const struct timespec tenth = { 0, 100000000 };
	int i;

	for (i = 0; i < PATIENCE && serves(node, id); i++)
		nanosleep(&tenth, NULL);
	return i < PATIENCE;
}

static int detach_one(const char *node, const char *id)
{
	int fd = open(node, O_RDWR | O_EXCL | O_CLOEXEC), err = 0;

	if (fd < 0)
		return fail(UNFIT, "The loop device %s cannot be taken down: %s.", node,
			    errno == EBUSY ? "it is in use" : strerror(errno));
	if (fsync(fd) || ioctl(fd, LOOP_CLR_FD))
		err = errno;
	close(fd);
	/* Gone already. */
	if (err == ENXIO)
		return DONE;
	if (err)
		return fail(FAILED, "The loop device %s cannot be taken down: %s.", node,
			    strerror(err));
	if (!is_off(node, id))
		return fail(NOT_NOW, "The loop device %s is still open somewhere, and goes when it is closed.",
			    node);
	return DONE;
}

int loop_detach(const char *id)
{
	char *node;
	int code = DONE;

	while (!code && *id && (node = loop_serving(id))) {
		code = detach_one(node, id);
		free(node);
	}
	return code;
}
