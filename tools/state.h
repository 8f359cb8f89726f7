/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel cannot know of a migration: a file for each in the state
 * folder, whole at every instant and on the disk before it counts. It is also the
 * journal: it names the step that was begun, and whether that was done the
 * kernel tells (docs/tool.rst).
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum step {
	STEP_START,		/* to put the target into its place */
	STEP_RUN,		/* it is there */
	STEP_COMMIT,		/* to let the source go, and the target */
	STEP_ABORT,		/* to let the dest go, and the target */
	NR_STEPS
};

extern const char * const step_names[NR_STEPS];

#define ID_LEN 32

struct named_dev {
	char *path;		/* NULL: there is none */
	dev_t dev;
};

/* What the dest really is, and whether we have made it: dest-kind.h. */
struct dest_object {
	char *kind;		/* "device": that itself, which was there before */
	char *name;		/* VG/LV, or the path of an image */
	char *id;		/* tells it from another of that name; "": not there yet */
	char *pool;		/* of a thin volume; "" */
	uint64_t block;		/* bytes, what it is served with */
	bool preallocate;
	bool fresh;		/* the target has not run on it yet */
};

struct state {
	char id[ID_LEN + 1];	/* hex, random */
	char *name, *uuid;	/* of the device that is moved */
	dev_t dev;
	char *boot;		/* the kernel's boot_id: dev counts only within */
	uint64_t diskseq;	/* of this very device: no other has it in a boot */
	enum step step;
	bool told;		/* commit or abort: the kernel has it under way */
	bool again;		/* start: of one that had run before a reboot */
	char *hidden, *hidden_uuid;	/* "" if the source is no device of ours */
	dev_t source;		/* the leg; 0 until it is known */
	/* What the source really is, for who deletes it: source-kind.h. */
	char *source_kind, *source_object, *source_id;
	/* The name that a commit moves from a volume to another: volume-name.h. */
	struct {
		char *lv;	/* of the source, before; "": none is moved */
		char *aside;	/* of the source, after */
		char *dest;	/* the id of the volume that gets it; "": none */
		bool stays;	/* it was said so */
		bool held;	/* volume-held.h */
	} volume;
	uint64_t sectors;
	struct named_dev dest, metadata;
	char *line;		/* of livemigrate.tab, that names what is moved; "": by the device */
	struct dest_object object;	/* of the dest */
	bool pinned, delete_source, delete_dest;
	bool rested;			/* on a pinned target that was left of another migration */
	/* The options of the table line. */
	uint64_t rate;			/* KiB/s, 0: none */
	uint64_t region_size;		/* sectors, 0: the target's own */
	int64_t standby_timeout;	/* milliseconds, -1: the target's own */
	bool paused, zeroed;
	bool used;		/* without the target: the metadata is out of date */
	char *left;		/* the boot in which it did not go on, and may have been; "" */
	int64_t started;		/* seconds since 1970 */
	bool adopted;			/* not kept: it was not recorded before */
};

struct state *state_new(void);
void state_free(struct state *state);
/* The boot that we run in; to be freed. */
char *this_boot(void);

/* Exit codes, after a sentence. */
int state_save(const struct state *state);
int state_forget(const struct state *state);

bool state_exists(const char *name);

/* The device has another name now. */
int state_rename(struct state *state, const char *name);

/*
 * All of them; NULL ends the list. A file's name is what its device is called. What cannot
 * be read is told of, if the last look has found nothing of that kind, and counted in
 * @damaged.
 */
struct state **states_load(int *damaged);
void states_free(struct state **states);

/* Pure text, for tests: NULL and what is wrong, or a state. */
struct state *state_from_text(const char *text, const char **why);
char *state_to_text(const struct state *state);

#endif
