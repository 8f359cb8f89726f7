/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device mapper, by libdevmapper. Whatever can fail returns 0 or an errno;
 * dm_why() has more about the last one. Devices are named as the kernel names
 * them. With udev the calls that make or change nodes wait for it; without, the
 * library makes the nodes.
 */
#ifndef DM_H
#define DM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DM_NAME_MAX 127
#define DM_UUID_MAX 128

/* The uuids of the mappings of livemigrate.tab; behind it, their names. */
#define DM_DISK_PREFIX "LIVEMIGRATE-disk-"

struct dm_line {
	uint64_t start, len;		/* sectors */
	char *type, *params;
};

/* May hold keys: only dm_table_free() forgets them. */
struct dm_table {
	struct dm_line *line;
	size_t nr;
};

struct dm_device {
	char name[DM_NAME_MAX + 1];
	char uuid[DM_UUID_MAX + 1];
	dev_t dev;
	bool live, inactive, suspended, read_only;
	int open_count;
	uint32_t event_nr;
};

/* 0, or an exit code after a sentence: is there device mapper, and may we? */
int dm_begin(void);
/* The library's own words about the last error, or strerror(@err). */
const char *dm_why(int err);

int dm_find(const char *name, struct dm_device *found);
int dm_find_dev(dev_t dev, struct dm_device *found);
int dm_find_uuid(const char *uuid, struct dm_device *found);
/* Names of all devices, to be freed one by one; NULL ends them. */
int dm_names(char ***names);
void dm_names_free(char **names);

/* Does the kernel have that target? It is asked to load it. */
bool dm_has_target(const char *type);

int dm_table_get(const char *name, bool inactive, struct dm_table *table);
int dm_status_get(const char *name, struct dm_table *status);
void dm_table_add(struct dm_table *table, uint64_t start, uint64_t len,
		  const char *type, const char *params);
void dm_table_free(struct dm_table *table);
uint64_t dm_table_len(const struct dm_table *table);
bool dm_table_same(const struct dm_table *a, const struct dm_table *b);

/* A device that neither udev nor lvm2 looks into. */
int dm_create_hidden(const char *name, const char *uuid,
		     const struct dm_table *table, dev_t *dev);
/*
 * A mapping of livemigrate.tab. udev makes its node, but neither udev nor lvm2 look
 * into it: nor later, by dm_resume().
 */
int dm_create_disk(const char *name, const struct dm_table *table);
bool dm_is_disk(const struct dm_device *device);
/* The one that was made so, whatever it is called now. */
int dm_find_disk(const char *name, struct dm_device *found);
/* Its node, where there is no udev, and who made the device was killed before. */
int dm_make_node(const char *name);
int dm_load(const char *name, const struct dm_table *table);
int dm_clear(const char *name);
/*
 * Make the loaded table live, or wake what was suspended: one call, in which
 * nobody can leave the device suspended. A file system on it is not frozen.
 */
int dm_resume(const char *name);
/* The same after dm_load(): if that fails, the table before is live again. */
int dm_swap(const char *name);
int dm_message(const char *name, const char *message);
int dm_rename(const char *name, const char *to);
int dm_remove(const char *name);

#endif
