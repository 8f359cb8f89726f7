/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that hold a disk: making one, and telling it from any other.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include "device.h"
#include "state.h"

#include <sys/stat.h>

/* "major:minor:inode" of a file; to be freed. */
char *file_id(const struct stat *st);
/* Is that still the file at @path? With @moved also under another device number. */
bool file_is(const char *path, const char *id, bool moved);

/* QEMU's name of a kind of image, "vpc" for "vhd"; NULL: "raw", or none. */
const char *image_format(const char *kind);
/*
 * By the file's name alone: what is in it a guest may have written. Of what does not
 * end so, "raw".
 */
const char *image_format_of(const char *path);
bool image_is_raw(const char *path);
/* A raw image that begins or ends as one of another kind: what kind, or NULL. */
const char *image_looks_like(const char *path);
/* The arguments of qemu-img for @object; @size is one, to be freed. Pure. */
void image_argv(const struct dest_object *object, const char *path, uint64_t bytes,
		char **size, const char *argv[12]);

/* What removes one that @node serves (NULL: nothing does): @detach is for that. */
char *image_removal(const char *path, const char *detach, const char *node);

/* Exit codes, after a sentence. */

/* Can state->object be made there? Nothing is changed. */
int image_check(const struct state *state, const struct dm_device *source, bool force);
/* Makes it under a name of its own, records what it is, and gives it its name. */
int image_make(struct state *state);
/* Removes what image_make() has made, and nothing else. */
int image_unmake(const struct state *state);
/* Removes the file at @path if it is the one of @id; it may be gone already. */
int image_delete(const char *path, const char *id);

#endif
