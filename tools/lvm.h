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
/* The volume's half of such an id, as lvm2 writes it; pure. */
void lvm_uuid_text(const char *id, char text[39]);
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

#endif
