// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm.h"
#include "say.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* libdevmapper's levels: 4 and below are errors. */
#define LEVEL_MASK	7
#define LEVEL_ERROR	4

/* What a guest has on its disk is no business of the host's. */
#define SCAN_NOTHING	(DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | \
			 DM_UDEV_DISABLE_DISK_RULES_FLAG)

static char last_error[512];

__attribute__((format(printf, 5, 6)))
static void keep_error(int level, const char *file, int line, int class,
		       const char *fmt, ...)
{
	va_list args;

	(void)file;
	(void)line;
	(void)class;
	if ((level & LEVEL_MASK) > LEVEL_ERROR)
		return;
	va_start(args, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, args);
	va_end(args);
}

const char *dm_why(int err)
{
	return last_error[0] ? last_error : strerror(err);
}

int dm_begin(void)
{
	char version[32];

	dm_log_with_errno_init(keep_error);
	/* A name is taken as it is, not as udev would write it. */
	dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
	if (geteuid())
		return fail(UNABLE, "Device mapper is for root only: run this as root.");
	/* Is it there at all? */
	struct dm_task *task = dm_task_create(DM_DEVICE_VERSION);
	bool good = task && dm_task_run(task) &&
		    dm_task_get_driver_version(task, version, sizeof(version));

	if (task)
		dm_task_destroy(task);
	if (!good)
		return fail(UNABLE, "The kernel has no device mapper (%s): load it with \"modprobe dm_mod\".",
			    dm_why(errno));
	return DONE;
}

static struct dm_task *task_new(int what, const char *name)
{
	struct dm_task *task = dm_task_create(what);

	last_error[0] = '\0';
	if (!task || (name && !dm_task_set_name(task, name))) {
		if (task)
			dm_task_destroy(task);
		return NULL;
	}
	return task;
}

static int run(struct dm_task *task)
{
	int err;

	if (!task)
		return ENOMEM;
	if (dm_task_run(task))
		return 0;
	err = dm_task_get_errno(task);
	return err ? err : EIO;
}

static int run_and_destroy(struct dm_task *task)
{
	int err = run(task);

	if (task)
		dm_task_destroy(task);
	return err;
}

/* With a cookie udev is waited for, if there is one. */
static int run_with_udev(struct dm_task *task, uint16_t flags)
{
	uint32_t cookie = 0;
	int err;

	if (!task)
		return ENOMEM;
	if (!dm_task_set_cookie(task, &cookie, flags)) {
		dm_task_destroy(task);
		return EIO;
	}
	err = run(task);
	dm_udev_wait(cookie);
	dm_task_destroy(task);
	dm_task_update_nodes();
	return err;
}

static int take_info(struct dm_task *task, struct dm_device *found)
{
	const char *name, *uuid;
	struct dm_info info;
	int err = run(task);

	memset(found, 0, sizeof(*found));
	if (!err && !dm_task_get_info(task, &info))
		err = EIO;
	if (!err && !info.exists)
		err = ENXIO;
	if (!err) {
		name = dm_task_get_name(task);
		uuid = dm_task_get_uuid(task);
		snprintf(found->name, sizeof(found->name), "%s", name ? name : "");
		snprintf(found->uuid, sizeof(found->uuid), "%s", uuid ? uuid : "");
		found->dev = makedev(info.major, info.minor);
		found->live = info.live_table;
		found->inactive = info.inactive_table;
		found->suspended = info.suspended;
		found->read_only = info.read_only;
		found->open_count = info.open_count;
		found->event_nr = info.event_nr;
	}
	if (task)
		dm_task_destroy(task);
	return err;
}

int dm_find(const char *name, struct dm_device *found)
{
	if (!*name || strlen(name) > DM_NAME_MAX) {
		memset(found, 0, sizeof(*found));
		return ENXIO;
	}
	return take_info(task_new(DM_DEVICE_INFO, name), found);
}

int dm_find_uuid(const char *uuid, struct dm_device *found)
{
	struct dm_task *task = task_new(DM_DEVICE_INFO, NULL);

	if (task && !dm_task_set_uuid(task, uuid)) {
		dm_task_destroy(task);
		task = NULL;
	}
	return take_info(task, found);
}

int dm_find_disk(const char *name, struct dm_device *found)
{
	char uuid[DM_UUID_MAX + 1];

	snprintf(uuid, sizeof(uuid), DM_DISK_PREFIX "%s", name);
	return dm_find_uuid(uuid, found);
}

int dm_find_dev(dev_t dev, struct dm_device *found)
{
	struct dm_task *task = task_new(DM_DEVICE_INFO, NULL);

	if (task && (!dm_task_set_major(task, (int)major(dev)) ||
		     !dm_task_set_minor(task, (int)minor(dev)))) {
		dm_task_destroy(task);
		task = NULL;
	}
	return take_info(task, found);
}

bool dm_is_disk(const struct dm_device *device)
{
	return !strncmp(device->uuid, DM_DISK_PREFIX, strlen(DM_DISK_PREFIX));
}

int dm_names(char ***list)
{
	struct dm_task *task = task_new(DM_DEVICE_LIST, NULL);
	struct dm_names *names;
	size_t nr = 0;
	int err;

	*list = alloc(sizeof(**list));
	err = run(task);
	names = err ? NULL : dm_task_get_names(task);
	/* The first of an empty list has no device. */
	while (names && names->dev) {
		*list = realloc(*list, (nr + 2) * sizeof(**list));
		if (!*list)
			exit(fail(FAILED, "There is no memory left."));
		(*list)[nr++] = copy_of(names->name);
		(*list)[nr] = NULL;
		if (!names->next)
			break;
		names = (struct dm_names *)((char *)names + names->next);
	}
	if (task)
		dm_task_destroy(task);
	return err;
}

void dm_names_free(char **names)
{
	size_t i;

	for (i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

bool dm_has_target(const char *type)
{
	/* This one lets the kernel load the module. */
	return !run_and_destroy(task_new(DM_DEVICE_GET_TARGET_VERSION, type));
}

void dm_table_add(struct dm_table *table, uint64_t start, uint64_t len,
		  const char *type, const char *params)
{
	struct dm_line *line = realloc(table->line, (table->nr + 1) * sizeof(*line));

	if (!line)
		exit(fail(FAILED, "There is no memory left."));
	table->line = line;
	line += table->nr++;
	line->start = start;
	line->len = len;
	line->type = copy_of(type);
	line->params = copy_of(params);
}

void dm_table_free(struct dm_table *table)
{
	size_t i;

	for (i = 0; i < table->nr; i++) {
		explicit_bzero(table->line[i].params, strlen(table->line[i].params));
		free(table->line[i].params);
		free(table->line[i].type);
	}
	free(table->line);
	memset(table, 0, sizeof(*table));
}

uint64_t dm_table_len(const struct dm_table *table)
{
	const struct dm_line *last = table->line + table->nr - 1;

	return table->nr ? last->start + last->len : 0;
}

bool dm_table_same(const struct dm_table *a, const struct dm_table *b)
{
	size_t i;

	if (a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (a->line[i].start != b->line[i].start ||
		    a->line[i].len != b->line[i].len ||
		    strcmp(a->line[i].type, b->line[i].type) ||
		    strcmp(a->line[i].params, b->line[i].params))
			return false;
	return true;
}

static int take_lines(struct dm_task *task, struct dm_table *table)
{
	char *type, *params;
	uint64_t start, len;
	struct dm_info info;
	void *next = NULL;
	int err = run(task);

	memset(table, 0, sizeof(*table));
	if (!err && (!dm_task_get_info(task, &info) || !info.exists))
		err = ENXIO;
	if (!err) {
		do {
			next = dm_get_next_target(task, next, &start, &len, &type,
						  &params);
			if (type)
				dm_table_add(table, start, len, type,
					     params ? params : "");
		} while (next);
		if (!table->nr)
			err = ENODATA;
	}
	if (task)
		dm_task_destroy(task);
	return err;
}

int dm_table_get(const char *name, bool inactive, struct dm_table *table)
{
	struct dm_task *task = task_new(DM_DEVICE_TABLE, name);

	if (task) {
		dm_task_secure_data(task);
		dm_task_no_open_count(task);
		if (inactive)
			dm_task_query_inactive_table(task);
	}
	return take_lines(task, table);
}

int dm_status_get(const char *name, struct dm_table *status)
{
	struct dm_task *task = task_new(DM_DEVICE_STATUS, name);

	if (task) {
		dm_task_no_open_count(task);
		/* Status of a thin pool and the like would commit. */
		dm_task_no_flush(task);
	}
	return take_lines(task, status);
}

static bool give_table(struct dm_task *task, const struct dm_table *table)
{
	size_t i;

	if (!task || !dm_task_secure_data(task))
		return false;
	for (i = 0; i < table->nr; i++)
		if (!dm_task_add_target(task, table->line[i].start,
					table->line[i].len, table->line[i].type,
					table->line[i].params))
			return false;
	return true;
}

static int create(const char *name, const char *uuid, const struct dm_table *table,
		  uint16_t flags, dev_t *dev)
{
	struct dm_task *task = task_new(DM_DEVICE_CREATE, name);
	struct dm_device made;
	int err;

	if (!give_table(task, table) || !dm_task_set_uuid(task, uuid) ||
	    !dm_task_set_add_node(task, DM_ADD_NODE_ON_CREATE)) {
		if (task)
			dm_task_destroy(task);
		return ENOMEM;
	}
	err = run_with_udev(task, flags);
	if (!err)
		err = dm_find(name, &made);
	if (!err)
		*dev = made.dev;
	return err;
}

int dm_create_hidden(const char *name, const char *uuid,
		     const struct dm_table *table, dev_t *dev)
{
	return create(name, uuid, table, SCAN_NOTHING | DM_UDEV_DISABLE_OTHER_RULES_FLAG,
		      dev);
}

int dm_create_disk(const char *name, const struct dm_table *table)
{
	char uuid[DM_UUID_MAX + 1];
	dev_t dev;

	snprintf(uuid, sizeof(uuid), DM_DISK_PREFIX "%s", name);
	return create(name, uuid, table, SCAN_NOTHING, &dev);
}

int dm_make_node(const char *name)
{
	int err = run_and_destroy(task_new(DM_DEVICE_MKNODES, name));

	dm_task_update_nodes();
	return err;
}

int dm_load(const char *name, const struct dm_table *table)
{
	struct dm_task *task = task_new(DM_DEVICE_RELOAD, name);

	if (!give_table(task, table)) {
		if (task)
			dm_task_destroy(task);
		return ENOMEM;
	}
	return run_and_destroy(task);
}

int dm_clear(const char *name)
{
	return run_and_destroy(task_new(DM_DEVICE_CLEAR, name));
}

int dm_resume(const char *name)
{
	struct dm_device device;
	bool is_disk = !dm_find(name, &device) && dm_is_disk(&device);
	struct dm_task *task = task_new(DM_DEVICE_RESUME, name);

	if (task) {
		dm_task_skip_lockfs(task);
		dm_task_set_add_node(task, DM_ADD_NODE_ON_RESUME);
	}
	return run_with_udev(task, is_disk ? SCAN_NOTHING : 0);
}

/* One that fails half-way leaves the device suspended, on either table. */
int dm_swap(const char *name)
{
	struct dm_device device;
	int err = dm_resume(name);

	if (err && !dm_find(name, &device) && device.suspended)
		dm_resume(name);
	return err;
}

int dm_message(const char *name, const char *message)
{
	struct dm_task *task = task_new(DM_DEVICE_TARGET_MSG, name);

	if (task && (!dm_task_set_sector(task, 0) ||
		     !dm_task_set_message(task, message))) {
		dm_task_destroy(task);
		return ENOMEM;
	}
	return run_and_destroy(task);
}

int dm_rename(const char *name, const char *to)
{
	struct dm_task *task = task_new(DM_DEVICE_RENAME, name);

	if (task && !dm_task_set_newname(task, to)) {
		dm_task_destroy(task);
		return EINVAL;
	}
	return run_with_udev(task, 0);
}

int dm_remove(const char *name)
{
	struct dm_task *task = task_new(DM_DEVICE_REMOVE, name);

	/* udev, or a curious program, may look at it for a moment. */
	if (task)
		dm_task_retry_remove(task);
	return run_with_udev(task, 0);
}
