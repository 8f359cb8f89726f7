/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loop devices: a raw image as a block device.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop_backing {
	char *path;		/* of the file */
	char *id;		/* as file_id() has it */
	bool whole;		/* from its beginning to its end, and writable */
	bool direct;		/* past the page cache */
};

/* What a loop device serves; false if @dev is none, or serves no file. */
bool loop_backing_get(dev_t dev, struct loop_backing *backing);
void loop_backing_free(struct loop_backing *backing);

/* A command that takes it down and removes the file; to be freed. */
char *loop_removal(const char *path, const char *id);

/* Exit codes, after a sentence. */

/* Serves the file at @path, with blocks of @block bytes; @node is to be freed. */
int loop_attach(const char *path, unsigned int block, char **node);
/* The node of whatever loop device serves the file of @id; NULL: none does. */
char *loop_serving(const char *id);
/* Ends each that serves the file of @id, after a flush; refused if one is in use. */
int loop_detach(const char *id);

#endif
