/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running another program: by its name and arguments, without a shell, in a clean
 * environment, and with its words kept.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>

struct child {
	int status;		/* its exit status; 128 and the number of a signal */
	char *out, *err;	/* what it said there */
};

/*
 * @argv ends with NULL. 0, or an errno if it could not be run: ENOENT, there is no
 * such program. In either case child_free().
 */
int child_run(const char * const *argv, struct child *child);
void child_free(struct child *child);

/* Is there such a program? */
bool child_exists(const char *name);

/*
 * Why it failed: what it said on stderr, as one line; or how it ended. To be freed.
 * @err as of child_run().
 */
char *child_why(const struct child *child, int err);
/* The lines of @text in one, "; " between them. To be freed. Pure text. */
char *one_line(const char *text);

#endif
