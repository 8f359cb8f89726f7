/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device-mapper calls that the test programs make, through libdevmapper
 * and without its log. Every call returns 0 or the errno of the ioctl;
 * ENOMSG stands for a refusal by the library itself, before any ioctl.
 */
#ifndef TESTS_TOOLS_DMCOMMON_H
#define TESTS_TOOLS_DMCOMMON_H

#include "common.h"
#include <libdevmapper.h>

#define DM_TARGET	"livemigrate"
#define DM_LINE_MAX	4096

/* One line of a table or a status. */
struct dm_line {
	uint64_t start;
	uint64_t len;
	char type[32];
	char params[DM_LINE_MAX];
};

/* The fixed fields of a status line. */
struct dm_status {
	char phase[32];
	char active[16];
	uint64_t region_size;
	uint64_t done;
	uint64_t total;
	char source;
	char dest;
};

static inline void dm_no_log(int level, const char *file, int line,
			     int dm_errno, const char *fmt, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)dm_errno;
	(void)fmt;
}

static inline void dm_quiet(void)
{
	dm_log_with_errno_init(dm_no_log);
}

static inline struct dm_task *dm_begin(int what, const char *name)
{
	struct dm_task *task = dm_task_create(what);

	if (!task || !dm_task_set_name(task, name))
		die("libdevmapper gives no task for device \"%s\".", name);
	dm_task_no_open_count(task);
	return task;
}

static inline int dm_run(struct dm_task *task)
{
	int err;

	if (dm_task_run(task))
		return 0;
	err = dm_task_get_errno(task);
	return err ? err : ENOMSG;
}

static inline int dm_end(struct dm_task *task)
{
	int err = dm_run(task);

	dm_task_destroy(task);
	return err;
}

/* Resume, clear, remove, or create without a table. */
static inline int dm_simple(int what, const char *name)
{
	return dm_end(dm_begin(what, name));
}

static inline int dm_message(const char *name, const char *text)
{
	struct dm_task *task = dm_begin(DM_DEVICE_TARGET_MSG, name);

	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, text)) {
		dm_task_destroy(task);
		return ENOMSG;
	}
	return dm_end(task);
}

static inline int dm_load(const char *name, const struct dm_line *line)
{
	struct dm_task *task = dm_begin(DM_DEVICE_RELOAD, name);

	if (!dm_task_add_target(task, line->start, line->len, line->type,
				line->params)) {
		dm_task_destroy(task);
		return ENOMSG;
	}
	return dm_end(task);
}

static inline int dm_suspend(const char *name, bool noflush, bool skip_lockfs)
{
	struct dm_task *task = dm_begin(DM_DEVICE_SUSPEND, name);

	if (noflush)
		dm_task_no_flush(task);
	if (skip_lockfs)
		dm_task_skip_lockfs(task);
	return dm_end(task);
}

static inline int dm_info(const char *name, struct dm_info *info)
{
	struct dm_task *task = dm_begin(DM_DEVICE_INFO, name);
	int err = dm_run(task);

	if (!err && (!dm_task_get_info(task, info) || !info->exists))
		err = ENXIO;
	dm_task_destroy(task);
	return err;
}

/*
 * The first line of DM_DEVICE_TABLE or DM_DEVICE_STATUS. ENXIO: no such
 * device; ENODATA: it has no table.
 */
static inline int dm_line(int what, const char *name, bool inactive,
			  struct dm_line *line)
{
	struct dm_task *task = dm_begin(what, name);
	char *type = NULL, *params = NULL;
	struct dm_info info;
	int err;

	dm_task_no_flush(task);
	if (inactive)
		dm_task_query_inactive_table(task);
	err = dm_run(task);
	if (err)
		goto out;
	if (!dm_task_get_info(task, &info) || !info.exists) {
		err = ENXIO;
		goto out;
	}
	dm_get_next_target(task, NULL, &line->start, &line->len, &type,
			   &params);
	if (!type) {
		err = ENODATA;
		goto out;
	}
	if (params && strlen(params) >= sizeof(line->params))
		die("a line of \"%s\" is longer than %d bytes.", name,
		    DM_LINE_MAX);
	snprintf(line->type, sizeof(line->type), "%s", type);
	snprintf(line->params, sizeof(line->params), "%s",
		 params ? params : "");
out:
	dm_task_destroy(task);
	return err;
}

static inline bool dm_parse_status(const struct dm_line *line,
				   struct dm_status *st)
{
	return sscanf(line->params,
		      "%31s %15s %" SCNu64 " %" SCNu64 "/%" SCNu64 " %c %c",
		      st->phase, st->active, &st->region_size, &st->done,
		      &st->total, &st->source, &st->dest) == 7;
}

static inline int dm_status(const char *name, struct dm_status *st)
{
	struct dm_line line;
	int err = dm_line(DM_DEVICE_STATUS, name, false, &line);

	if (!err && !dm_parse_status(&line, st))
		err = EBADMSG;
	return err;
}

#endif
