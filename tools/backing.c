// SPDX-License-Identifier: GPL-2.0-or-later
#include "backing.h"
#include "device.h"
#include "image.h"
#include "nbd.h"
#include "paths.h"
#include "say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Others look for a free one, too. */
#define TRIES	16

static char *loop_node(dev_t dev)
{
	return format("%s/loop%u", dev_dir(), minor(dev));
}

static bool is_all_of(int fd, const struct stat *file)
{
	struct loop_info64 info;

	return !ioctl(fd, LOOP_GET_STATUS64, &info) && !info.lo_offset &&
	       !info.lo_sizelimit && info.lo_device == file->st_dev &&
	       info.lo_inode == file->st_ino;
}

static char *loop_file(dev_t dev)
{
	char *file, *node;
	struct stat st;
	int fd;

	file = sys_block_line(dev, "loop/backing_file");
	node = loop_node(dev);
	fd = open(node, O_RDONLY | O_CLOEXEC);
	/* It may be deleted, or another one of that name. */
	if (!file || stat(file, &st) || fd < 0 || !is_all_of(fd, &st)) {
		free(file);
		file = NULL;
	}
	if (fd >= 0)
		close(fd);
	free(node);
	return file;
}

/* One that could not be served so again is none. */
static char *nbd_file(dev_t dev)
{
	char *file, *id;

	if (!nbd_image(dev, &file, &id))
		return NULL;
	free(id);
	if (!image_is_raw(file) && nbd_is_format(dev, image_format_of(file)))
		return file;
	free(file);
	return NULL;
}

char *backing_file(dev_t dev)
{
	return major(dev) == LOOP_MAJOR ? loop_file(dev) : nbd_file(dev);
}

int backing_follow(dev_t dev)
{
	char *node;
	int fd, code = DONE;

	if (major(dev) != LOOP_MAJOR)
		return DONE;
	node = loop_node(dev);
	fd = open(node, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_SET_CAPACITY, 0))
		code = fail(FAILED, "%s cannot take the size of its file: %s.", node,
			    strerror(errno));
	if (fd >= 0)
		close(fd);
	free(node);
	return code;
}

/* The descriptor of the one that shows it, or -1. */
static int find_attached(const struct stat *file, char **node)
{
	char *folder = format("%s/block", sys_dir());
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "loop", 4))
			continue;
		*node = format("%s/%s", dev_dir(), entry->d_name);
		fd = open(*node, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && is_all_of(fd, file))
			break;
		if (fd >= 0)
			close(fd);
		fd = -1;
		free(*node);
	}
	if (dir)
		closedir(dir);
	free(folder);
	return fd;
}

/* 0, or an errno: EBUSY if another one was quicker. */
static int attach_to(int loop, int file, const char *path)
{
	struct loop_config config = {
		.fd = (unsigned int)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", path);
	return ioctl(loop, LOOP_CONFIGURE, &config) ? errno : 0;
}

static int attach_free(int control, int file, const char *path, char **node)
{
	int tries, number, loop, err = ENODEV;

	for (tries = 0; tries < TRIES; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return errno;
		*node = format("%s/loop%d", dev_dir(), number);
		loop = open(*node, O_RDWR | O_CLOEXEC);
		err = loop < 0 ? errno : attach_to(loop, file, path);
		/* With the last one that has it open it goes: so it stays open. */
		if (!err)
			return 0;
		if (loop >= 0)
			close(loop);
		free(*node);
		if (err != EBUSY)
			break;
	}
	return err;
}

static int loop_attach_all(const char *path, char **node)
{
	int file = open(path, O_RDWR | O_CLOEXEC), control = -1, err = 0;
	char *control_node = format("%s/loop-control", dev_dir());
	struct stat st;

	if (file < 0 || fstat(file, &st)) {
		err = errno;
	} else if (find_attached(&st, node) < 0) {
		control = open(control_node, O_RDWR | O_CLOEXEC);
		err = control < 0 ? errno : attach_free(control, file, path, node);
	}
	if (file >= 0)
		close(file);
	if (control >= 0)
		close(control);
	free(control_node);
	return err ? fail(FAILED, "The image %s cannot be given a loop device: %s.",
			  path, strerror(err)) : DONE;
}

/* What was attached by this process. */
static char *new_node;

/* It is somebody's disk, not a leg that another one can stand in for: it waits. */
static int nbd_attach_all(const char *path, char **node)
{
	const char *as = image_format_of(path);
	int code = nbd_find_plain(path, as, node);

	if (!code && !*node) {
		code = nbd_attach(path, as, 1, false, node);
		if (!code) {
			free(new_node);
			new_node = copy_of(*node);
		}
	}
	return code ? code : nbd_set_timeout(*node, 0);
}

int backing_attach(const char *path, char **node)
{
	return image_is_raw(path) ? loop_attach_all(path, node) : nbd_attach_all(path, node);
}

void backing_take_back(void)
{
	if (new_node)
		nbd_end(new_node);
	backing_keep();
}

void backing_keep(void)
{
	free(new_node);
	new_node = NULL;
}

int backing_release(const char *file)
{
	char *node = NULL;
	int code;

	if (file[0] != '/' || image_is_raw(file))
		return DONE;
	code = nbd_find_plain(file, image_format_of(file), &node);
	if (!code && node && nbd_is_ours(node))
		code = nbd_end(node);
	free(node);
	return code;
}
