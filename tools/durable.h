/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that are to be there after a crash: whole, and under their names.
 */
#ifndef DURABLE_H
#define DURABLE_H

#include <stddef.h>

/* All of it; 0, or -1 with errno. Not flushed. */
int write_all(int fd, const char *text, size_t len);
/* Names that were made, changed or removed there; 0, or errno is set. */
int sync_folder(const char *folder);
/* The same for the folder that @path is in. */
int sync_folder_of(const char *path);
/* That folder; to be freed. */
char *folder_of(const char *path);

#endif
