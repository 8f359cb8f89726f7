/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration as it is: what was recorded of it, held against what the kernel has.
 * Where it stands follows from the two, and is kept nowhere else.
 */
#ifndef MIGRATION_H
#define MIGRATION_H

#include "dm.h"
#include "state.h"
#include "status.h"

enum stage {
	NO_MIGRATION,
	RUNS,			/* the target is in its place */
	STARTING,		/* it is not yet: start was interrupted */
	ENDING,			/* not any more: commit or abort was interrupted */
	REPLACED,		/* somebody else has replaced it */
	GONE,			/* the device is not there any more */
	REBOOTED,		/* it ran before this boot */
	NR_STAGES
};

extern const char * const stage_names[NR_STAGES];

struct migration {
	struct state *state;	/* NULL: nothing was recorded */
	struct dm_device device;
	bool exists;		/* device is there */
	bool readable;		/* status and line are */
	bool pinned;
	uint64_t sectors;	/* of the target */
	struct status status;
	struct target_line line;
	const char *why;	/* not readable: what is wrong */
	enum stage stage;
};

/* As in the state, or as the kernel has it. */
const char *migration_name(const struct migration *m);

/*
 * The migration of a NAME or device, as it is now: an exit code, after a sentence.
 * NOT_FOUND if it does not migrate.
 */
int migration_find(const char *arg, struct migration *m);
/* The same without a sentence; NO_MIGRATION is no failure. */
int migration_look(const char *arg, struct migration *m);
/* Look again at the one that @m was. */
void migration_refresh(struct migration *m);
void migration_free(struct migration *m);

/* All of this host; NULL ends the list. @damaged: states that cannot be read. */
struct migration **migrations_all(int *damaged);
void migrations_free(struct migration **all);

/* What a person should know about it, and do; NULL if all is as it should be. */
char *migration_note(const struct migration *m);

/*
 * Does nothing migrate, though the target is there? A pinned one stays after commit, for
 * as long as the device does.
 */
bool migration_is_at_rest(const struct migration *m);

/* Is the live table a plain mapping of the dest? The original one? */
bool migration_on_plain_dest(const struct migration *m);
bool migration_on_original(const struct migration *m);

/* The hidden device of @state, if it is there and ours. */
bool hidden_find(const struct state *state, struct dm_device *hidden);
/* Its name and uuid for @device; an exit code, after a sentence. */
int hidden_name(struct state *state, const struct dm_device *device);

/* A record for one that runs without: NOT_FOUND etc. after a sentence. */
int migration_adopt(struct migration *m);

#endif
