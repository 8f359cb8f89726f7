/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that change legs together, all or none (docs/tool.rst): which of them are
 * being switched is kept on disk while it is done, so that an interrupted one can be
 * finished or taken back. Under the lock, but for what only looks.
 */
#ifndef GROUP_H
#define GROUP_H

#include "migration.h"

struct group {
	enum leg to;		/* where they are to run */
	char **name;
	size_t nr;
};

void group_add(struct group *group, const char *name);
void group_free(struct group *group);
/* Their names, with blanks between; to be freed. */
char *group_names(const struct group *group);

/* Exit codes, after a sentence. */
int group_save(const struct group *group);
int group_forget(void);
/* One that was interrupted in this boot, with @name in it if that is not NULL. */
bool group_interrupted(const char *name, struct group *group);

/*
 * Switch those that do not run there yet. 0, or an errno with the one that refused,
 * @why as the kernel has it; those before it have been switched.
 */
int group_send(const struct group *group, size_t *refused, char *why, size_t len);
/* All of them to the other leg, again, after one of them has refused this one. */
int group_send_back(struct group *group);

/*
 * What was interrupted: to its end, or all to the source. An exit code, after a
 * sentence; DONE also where there was nothing.
 */
int group_finish(const char *name);
int group_to_source(const char *name);

/* One of these two for a device by whatever name; @was: there was something. */
int group_settle(const char *device, int (*what)(const char *name), bool *was);

/* For list; NULL. To be freed. */
char *group_note(const char *name);

#endif
