// SPDX-License-Identifier: GPL-2.0-or-later
#include "image.h"
#include "child.h"
#include "durable.h"
#include "report.h"
#include "say.h"
#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A last block that is not whole could not be written past the page cache. */
#define ROUND	4096

char *file_id(const struct stat *st)
{
	return format("%u:%u:%" PRIu64, major(st->st_dev), minor(st->st_dev),
		      (uint64_t)st->st_ino);
}

bool file_is(const char *path, const char *id, bool moved)
{
	const char *inode;
	struct stat st;
	char *now;
	bool is;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	now = file_id(&st);
	inode = strrchr(id, ':');
	is = moved && inode ? !strcmp(strrchr(now, ':'), inode) : !strcmp(now, id);
	free(now);
	return is;
}

/* No other file is called so. */
static char *own_name(const struct state *state)
{
	return format("%s.livemigrate-%s", state->object.name, state->id);
}

static uint64_t bytes_of(const struct state *state)
{
	return ((state->sectors << 9) + ROUND - 1) / ROUND * ROUND;
}

/* ------------------------------------------------------------------------
 * Before
 */

static int check_kinship(const char *path, dev_t file_system,
			 const struct dm_device *source)
{
	enum kinship kin = stack_compare(source->dev, file_system);

	if (kin == SAME_DEVICE || kin == B_IS_BUILT_ON_A)
		return fail(UNFIT, "The file %s would lie on %s itself, which is to be moved.",
			    path, source->name);
	return DONE;
}

static int check_room(const char *path, const char *folder, uint64_t bytes)
{
	char need[24], have[24];
	struct statvfs fs;

	if (statvfs(folder, &fs))
		return fail(UNFIT, "The folder %s does not tell how much room it has: %s.",
			    folder, strerror(errno));
	if ((uint64_t)fs.f_bavail * fs.f_frsize >= bytes)
		return DONE;
	return fail(UNFIT, "There is no room for %s: it may need %s, and its file system has %s. Where it will not need so much, say --force.",
		    path, size_text(bytes, need, sizeof(need)),
		    size_text((uint64_t)fs.f_bavail * fs.f_frsize, have, sizeof(have)));
}

static int check_folder(const struct state *state, const char *folder,
			const struct dm_device *source, bool force)
{
	const struct dest_object *object = &state->object;
	struct stat st;
	int code;

	if (stat(folder, &st) || !S_ISDIR(st.st_mode))
		return fail(UNFIT, "The image %s cannot be made: there is no folder %s.",
			    object->name, folder);
	code = check_kinship(object->name, st.st_dev, source);
	/* A preallocated one finds out by itself, and so do others later. */
	return code || force ? code : check_room(object->name, folder, bytes_of(state));
}

int image_check(const struct state *state, const struct dm_device *source, bool force)
{
	char *folder = folder_of(state->object.name);
	int code = check_folder(state, folder, source, force);

	free(folder);
	if (!code && image_format(state->object.kind) && !child_exists("qemu-img"))
		code = fail(UNABLE, "The program qemu-img is needed to make %s, and is not installed: it comes with QEMU (Debian: qemu-utils).",
			    state->object.name);
	return code;
}

/* ------------------------------------------------------------------------
 * What is in it
 */

static const struct {
	const char *kind, *format, *options, *preallocated;
} formats[] = {
	{ "qcow2", "qcow2", NULL, "preallocation=falloc" },
	{ "vhdx", "vhdx", NULL, "subformat=fixed" },
	/* Without, its size is rounded to old disks' geometry. */
	{ "vhd", "vpc", "force_size=on", "force_size=on,subformat=fixed" },
};

static size_t find_format(const char *kind)
{
	size_t i = 0;

	while (i < ARRAY_LEN(formats) && strcmp(formats[i].kind, kind))
		i++;
	return i;
}

const char *image_format(const char *kind)
{
	size_t i = find_format(kind);

	return i < ARRAY_LEN(formats) ? formats[i].format : NULL;
}

const char *image_format_of(const char *path)
{
	const char *suffix = strrchr(path, '.');
	const char *format = suffix && suffix[1] && !strchr(suffix, '/') ?
			     image_format(suffix + 1) : NULL;

	return format ? format : "raw";
}

bool image_is_raw(const char *path)
{
	return !strcmp(image_format_of(path), "raw");
}

const char *image_looks_like(const char *path)
{
	static const struct {
		const char *magic, *kind;
		bool ends;
	} looks[] = {
		{ "QFI\xfb", "qcow2", false },
		{ "vhdxfile", "vhdx", false },
		{ "conectix", "vhd", false },
		{ "conectix", "vhd", true },
		{ "KDMV", "vmdk", false },
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	off_t size = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) ? st.st_size : 0;
	const char *kind = NULL;
	char head[8];
	size_t i;

	for (i = 0; i < ARRAY_LEN(looks) && size >= 512 && !kind; i++) {
		size_t len = strlen(looks[i].magic);

		if (pread(fd, head, len, looks[i].ends ? size - 512 : 0) == (ssize_t)len &&
		    !memcmp(head, looks[i].magic, len))
			kind = looks[i].kind;
	}
	if (fd >= 0)
		close(fd);
	return kind;
}

void image_argv(const struct dest_object *object, const char *path, uint64_t bytes,
		char **size, const char *argv[12])
{
	size_t i = find_format(object->kind);
	const char *options = object->preallocate ? formats[i].preallocated :
						    formats[i].options;
	int n = 0;

	*size = format("%" PRIu64, bytes);
	argv[n++] = "qemu-img";
	argv[n++] = "create";
	argv[n++] = "-q";
	argv[n++] = "-f";
	argv[n++] = formats[i].format;
	if (options) {
		argv[n++] = "-o";
		argv[n++] = options;
	}
	argv[n++] = path;
	argv[n++] = *size;
	argv[n] = NULL;
}

static int fill_by_qemu(const struct dest_object *object, const char *path,
			uint64_t bytes)
{
	const char *argv[12];
	struct child child;
	char *size, *why;
	int err, code = DONE;

	image_argv(object, path, bytes, &size, argv);
	err = child_run(argv, &child);
	if (err || child.status) {
		why = child_why(&child, err);
		code = fail(FAILED, "The image %s cannot be made by qemu-img: %s.",
			    object->name, why);
		free(why);
	}
	child_free(&child);
	free(size);
	return code;
}

static int fill(const struct state *state, const char *path, int fd)
{
	const struct dest_object *object = &state->object;
	uint64_t bytes = bytes_of(state);
	int err = 0;

	if (image_format(object->kind))
		return fill_by_qemu(object, path, bytes);
	if (object->preallocate)
		err = posix_fallocate(fd, 0, (off_t)bytes);
	else if (ftruncate(fd, (off_t)bytes))
		err = errno;
	return err ? fail(FAILED, "The image %s cannot be given its size, %llu bytes: %s.",
			  object->name, (unsigned long long)bytes, strerror(err)) : DONE;
}

char *image_removal(const char *path, const char *detach, const char *node)
{
	return node ? format("%s %s && rm %s", detach, node, path) :
		      format("rm %s", path);
}

/* ------------------------------------------------------------------------
 * Making and unmaking
 */

/* Whatever has got that name meanwhile is not overwritten. */
static int give_name(const char *from, const char *to)
{
	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return sync_folder_of(to);
	/* Not every file system knows that. */
	if (errno != EINVAL || link(from, to))
		return -1;
	return unlink(from) || sync_folder_of(to);
}

static int make_in(struct state *state, const char *path, int fd)
{
	struct stat st;
	int code;

	if (fstat(fd, &st))
		return fail(FAILED, "%s cannot be looked at: %s.", path, strerror(errno));
	free(state->object.id);
	state->object.id = file_id(&st);
	code = state_save(state);
	if (!code)
		code = fill(state, path, fd);
	if (!code && fsync(fd))
		code = fail(FAILED, "%s cannot be written: %s.", path, strerror(errno));
	if (!code && give_name(path, state->object.name))
		code = fail(FAILED, "%s cannot be given its name: %s.",
			    state->object.name, strerror(errno));
	/* Nobody has written to it. */
	if (!code)
		state->zeroed = true;
	return code;
}

int image_make(struct state *state)
{
	char *path = own_name(state);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), code;

	if (fd < 0) {
		code = fail(UNFIT, "The image %s cannot be made: %s.",
			    state->object.name, strerror(errno));
	} else {
		code = make_in(state, path, fd);
		close(fd);
	}
	free(path);
	return code;
}

int image_delete(const char *path, const char *id)
{
	if (access(path, F_OK) && errno == ENOENT)
		return DONE;
	if (!file_is(path, id, false))
		return fail(UNFIT, "%s is not the file any more that it was: it is left as it is.",
			    path);
	if (unlink(path) || sync_folder_of(path))
		return fail(FAILED, "The image %s cannot be removed: %s.", path,
			    strerror(errno));
	return DONE;
}

/* Device numbers are given anew at each boot; inodes stay. */
int image_unmake(const struct state *state)
{
	const struct dest_object *object = &state->object;
	char *path = own_name(state);
	struct stat st;
	char *boot = this_boot();
	bool moved = strcmp(state->boot, boot);
	int code = DONE;

	free(boot);
	/* On a file system that is read-only not even what is not there can be removed. */
	if (!lstat(path, &st) && unlink(path))
		code = fail(FAILED, "%s cannot be removed: %s.", path, strerror(errno));
	free(path);
	/* Another one of that name is not ours. */
	if (!code && *object->id && file_is(object->name, object->id, moved) &&
	    (unlink(object->name) || sync_folder_of(object->name)))
		code = fail(FAILED, "The image %s cannot be removed: %s.", object->name,
			    strerror(errno));
	return code;
}
