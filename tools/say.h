/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the tool speaks: exit codes, and sentences.
 */
#ifndef SAY_H
#define SAY_H

#include <stddef.h>

/* As livemigrate(8) has them. */
enum exit_code {
	DONE = 0,
	FAILED = 1,		/* the kernel or a device would not */
	USAGE = 2,		/* the command line */
	NOT_NOW = 3,		/* the state does not allow it */
	NOT_FOUND = 4,		/* no such device, or it does not migrate */
	DEGRADED = 5,		/* a leg has failed */
	LOCKED = 6,		/* another livemigrate is at work */
	UNABLE = 7,		/* no permission, or no target in the kernel */
	DIFFERS = 8,		/* verify has found differences */
	UNFIT = 9,		/* source, dest or metadata cannot be used so */
	INTERRUPTED = 130,
};

/* A sentence on stderr; returns @code, for whoever returns that. */
int fail(enum exit_code code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* More about it, or what is no failure: also on stderr. */
void remark(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The result of a command, on stdout. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* @text with what is not printable as \xNN, so that no name plays with a terminal. */
const char *printable(const char *text, char *buf, size_t len);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Memory, or the end of the program with a sentence. */
void *alloc(size_t size);
char *copy_of(const char *text);
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
