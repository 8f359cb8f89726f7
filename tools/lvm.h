/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logical volumes, by lvm2's own commands. What lvm2 does to the kernel's devices of
 * a volume that is moved is in docs/tool.rst.
 */
#ifndef LVM_H
#define LVM_H

#include "dm.h"
#include "state.h"

/* "VG/LV", or "/dev/VG/LV": its two names, to be freed. Pure text. */
bool lvm_split(const char *text, char **vg, char **lv);
/* Both uuids in one, as device mapper has them behind "LVM-", 64 characters; pure. */
bool lvm_id(const char *dm_uuid, char **id);
/* Is it a volume's? Pure. */
bool lvm_is_volume(const char *dm_uuid);
/* The volume's half of such an id, as lvm2 writes it; pure. */
void lvm_uuid_text(const char *id, char text[39]);
/* Are two such ids of the same volume group? Pure. */
bool lvm_same_group(const char *id, const char *other);
/* Device mapper's name of a volume, to be freed; pure. */
char *lvm_dm_name(const char *vg, const char *lv);
/* The fields of a report's line, of which @line is cut into pieces. Pure. */
bool lvm_fields(char *line, char **field, int nr);

/* For destinations; exit codes, after a sentence. */
int lvm_check(const struct state *state, const struct dm_device *source, bool force);
int lvm_make(struct state *state);
int lvm_serve(const struct state *state, char **node);
int lvm_keep(const struct state *state);
int lvm_unmake(const struct state *state);

/* For sources: "VG/LV" of an id, to be freed; NULL if there is none. */
char *lvm_name(const char *id);
/*
 * NULL, or why it cannot be deleted, to be freed. @left sectors of it were not moved; @own: the
 * device that is moved is the volume itself, and runs on under its uuid.
 */
char *lvm_cannot_delete(const char *id, uint64_t left, bool own);
/* An exit code, after a sentence. It may be gone already. */
int lvm_delete(const char *id, bool own);

struct lvm_volume {
	char *vg, *lv;
	bool plain;		/* no parts of its own, and nobody else's host sees it */
	bool stale;		/* retired */
	bool held;		/* by lvm_hold() */
	bool skipped;		/* not activated but when that is meant */
};

/*
 * Of an id: DONE, or NOT_FOUND without a sentence: its group is there, and it is not. Or an
 * exit code, after one.
 */
int lvm_look(const char *id, struct lvm_volume *volume);
/*
 * The id of the volume that has what a device shows: where it rests on a leg of a former
 * migration, that one's. NULL: it is none. An exit code, after a sentence.
 */
int lvm_below(dev_t dev, char **id);
void lvm_volume_free(struct lvm_volume *volume);
/* With all of its disks; without a sentence. */
bool lvm_is_there(const char *id);
/* Does lvm2 activate it at a boot, but for what is skipped? The same. */
bool lvm_is_automatic(const char *id);
/* Is the name, and that of its device? An exit code, after a sentence. */
int lvm_is_free(const char *vg, const char *lv, bool *is_free);
/* The device of such an id: 0, or an errno. */
int lvm_find_device(const char *id, struct dm_device *device);
/* In lvm2's metadata alone: the device keeps its name. An exit code, after a sentence. */
int lvm_rename(const struct lvm_volume *volume, const char *to);
/* Links to a group's devices, as their names are now. */
void lvm_make_nodes(const char *vg);
/* Not to be activated but by who means it; tagged, too. Not held any more. */
void lvm_retire(const struct lvm_volume *volume);
/* The reverse of that, and of lvm_hold(); an exit code, after a sentence. */
int lvm_revive(const struct lvm_volume *volume);

/*
 * Not to be activated but by us, and the reverse; held or not, it is made a device, or
 * none any more. Exit codes, after a sentence.
 */
int lvm_hold(const struct lvm_volume *volume);
int lvm_let_go(const struct lvm_volume *volume);
int lvm_activate(const struct lvm_volume *volume);
int lvm_deactivate(const struct lvm_volume *volume);

#endif
