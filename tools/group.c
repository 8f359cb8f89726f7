// SPDX-License-Identifier: GPL-2.0-or-later
#include "group.h"
#include "durable.h"
#include "events.h"
#include "lock.h"
#include "message.h"
#include "paths.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Milliseconds: a guest that trims makes "switched" flicker, too. */
#define PATIENCE	5000

static const char * const switches[NR_LEGS] = {
	[SOURCE] = "failback",
	[DEST] = "cutover",
};

void group_add(struct group *group, const char *name)
{
	char **names = realloc(group->name, (group->nr + 1) * sizeof(*names));

	if (!names)
		exit(fail(FAILED, "There is no memory left."));
	group->name = names;
	names[group->nr++] = copy_of(name);
}

void group_free(struct group *group)
{
	while (group->nr)
		free(group->name[--group->nr]);
	free(group->name);
	group->name = NULL;
}

char *group_names(const struct group *group)
{
	char *all = copy_of(""), *more;
	size_t i;

	for (i = 0; i < group->nr; i++) {
		more = format("%s%s%s", all, i ? " " : "", group->name[i]);
		free(all);
		all = more;
	}
	return all;
}

/* ------------------------------------------------------------------------
 * On the disk. It need not outlive the boot, only us: so nothing is flushed.
 */

static char *file_of_group(void)
{
	return format("%s/group", state_dir());
}

static char *to_text(const struct group *group)
{
	struct json_object *o = json_object_new_object();
	struct json_object *names = json_object_new_array();
	char *boot = this_boot(), *text;
	size_t i;

	for (i = 0; i < group->nr; i++)
		json_object_array_add(names, json_object_new_string(group->name[i]));
	json_object_object_add(o, "boot", json_object_new_string(boot));
	json_object_object_add(o, "to", json_object_new_string(leg_names[group->to]));
	json_object_object_add(o, "names", names);
	text = format("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	free(boot);
	return text;
}

int group_save(const struct group *group)
{
	char *file = file_of_group(), *new = format("%s.new", file), *text = to_text(group);
	int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int failed = fd < 0 || write_all(fd, text, strlen(text));
	int code = DONE;

	if (fd >= 0 && close(fd))
		failed = 1;
	if (failed || rename(new, file))
		code = fail(FAILED, "The state cannot be written to %s: %s.", file,
			    strerror(errno));
	free(text);
	free(new);
	free(file);
	return code;
}

int group_forget(void)
{
	char *file = file_of_group();
	int code = DONE;

	if (unlink(file) && errno != ENOENT)
		code = fail(FAILED, "The state %s cannot be removed: %s. Remove it by hand.",
			    file, strerror(errno));
	free(file);
	return code;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;
	const char *text = NULL;

	if (json_object_object_get_ex(o, key, &value))
		text = json_object_get_string(value);
	return text ? text : "";
}

static void take_names(struct json_object *o, struct group *group)
{
	struct json_object *names;
	size_t i;

	if (!json_object_object_get_ex(o, "names", &names) ||
	    !json_object_is_type(names, json_type_array))
		return;
	for (i = 0; i < json_object_array_length(names); i++)
		if (json_object_is_type(json_object_array_get_idx(names, i), json_type_string))
			group_add(group, json_object_get_string(
					 json_object_array_get_idx(names, i)));
}

static bool has(const struct group *group, const char *name)
{
	size_t i;

	for (i = 0; i < group->nr; i++)
		if (!strcmp(group->name[i], name))
			return true;
	return false;
}

bool group_interrupted(const char *name, struct group *group)
{
	char *file = file_of_group(), *text = first_line(file), *boot = this_boot();
	struct json_object *o = text ? json_tokener_parse(text) : NULL;

	memset(group, 0, sizeof(*group));
	/* After a reboot there are no roles any more that could differ by this. */
	if (o && json_object_is_type(o, json_type_object) && !strcmp(text_of(o, "boot"), boot)) {
		group->to = strcmp(text_of(o, "to"), leg_names[DEST]) ? SOURCE : DEST;
		take_names(o, group);
	}
	json_object_put(o);
	free(boot);
	free(text);
	free(file);
	if (group->nr && (!name || has(group, name)))
		return true;
	group_free(group);
	return false;
}

/* ------------------------------------------------------------------------
 * Switching
 */

int group_send(const struct group *group, size_t *refused, char *why, size_t len)
{
	struct migration m;
	size_t i;
	int err = 0;

	for (i = 0; i < group->nr && !err; i++) {
		*refused = i;
		err = migration_look(group->name[i], &m);
		if (!err && (m.stage != RUNS || !m.readable))
			err = ENXIO;
		if (!err && m.status.active != group->to)
			err = message_try(&m, switches[group->to], why, len);
		migration_free(&m);
	}
	return err;
}

/* The lock is given away while it is waited. */
static int wait_again(void)
{
	int woken;

	lock_release();
	woken = events_wait(1000);
	return woken == BY_SIGNAL ? INTERRUPTED : lock_take("group");
}

/* Until all run there, or one of them never will. */
static int send_all(const struct group *group, int *err, size_t *refused, char *why,
		    size_t len)
{
	int64_t end = now_ms() + PATIENCE;
	int code = events_open();

	while (!code) {
		events_arm();
		*err = group_send(group, refused, why, len);
		if (*err != EBUSY || now_ms() >= end)
			break;
		code = wait_again();
	}
	return code;
}

int group_send_back(struct group *group)
{
	char why[512] = "", *names = group_names(group);
	size_t refused;
	int err = 0, code;

	group->to = group->to == DEST ? SOURCE : DEST;
	code = group_save(group);
	if (!code)
		code = send_all(group, &err, &refused, why, sizeof(why));
	if (!code && err == EBUSY)
		code = fail(NOT_NOW, "%s: not all are back on the %s yet (%s: %s): \"livemigrate resume %s\" goes on. No write is lost: both legs get all of them.",
			    names, leg_names[group->to], group->name[refused],
			    *why ? why : strerror(err), group->name[0]);
	else if (!code && err)
		code = fail(DEGRADED, "%s: %s cannot go back to the %s (%s): see \"livemigrate list\".",
			    names, group->name[refused], leg_names[group->to],
			    *why ? why : strerror(err));
	/* Where it can never be done there is nothing to be finished. */
	if (err != EBUSY && code != INTERRUPTED && group_forget())
		code = FAILED;
	free(names);
	return code;
}

int group_to_source(const char *name)
{
	struct group group;
	int code;

	if (!group_interrupted(name, &group))
		return DONE;
	group.to = DEST;
	code = group_send_back(&group);
	group_free(&group);
	return code;
}

int group_finish(const char *name)
{
	char why[512] = "", *names;
	struct group group;
	size_t refused;
	int err, code;

	if (!group_interrupted(name, &group))
		return DONE;
	names = group_names(&group);
	code = send_all(&group, &err, &refused, why, sizeof(why));
	if (!code && err) {
		remark("%s: %s is refused by %s (%s): all go back.", names,
		       switches[group.to], group.name[refused],
		       *why ? why : strerror(err));
		code = group_send_back(&group);
		if (!code)
			code = fail(NOT_NOW, "%s run on the %s, all of them.", names,
				    leg_names[group.to]);
	} else if (!code) {
		code = group_forget();
	}
	free(names);
	group_free(&group);
	return code;
}

/* The name that dm has for whatever was said; if there is none, just that. */
static void name_of(const char *device, char *name, size_t len)
{
	struct migration m = { 0 };
	bool found = !migration_look(device, &m) && *migration_name(&m);

	snprintf(name, len, "%s", found ? migration_name(&m) : device);
	migration_free(&m);
}

int group_settle(const char *device, int (*what)(const char *name), bool *was)
{
	char name[DM_NAME_MAX + 1];
	struct group group;
	int code;

	name_of(device, name, sizeof(name));
	*was = group_interrupted(name, &group);
	if (!*was)
		return DONE;
	group_free(&group);
	code = lock_take("group");
	if (code)
		return code;
	signals_catch();
	code = what(name);
	signals_release();
	lock_release();
	return code;
}

char *group_note(const char *name)
{
	struct group group;
	char *holder, *names, *note;

	if (!group_interrupted(name, &group))
		return NULL;
	names = group_names(&group);
	holder = lock_holder();
	if (holder)
		note = format("another livemigrate is at work: %s", holder);
	else
		note = format("the %s of %s together was interrupted, and not all may run on the %s: \"livemigrate resume %s\" finishes it, \"livemigrate abort %s\" takes it back first",
			      switches[group.to], names, leg_names[group.to], name, name);
	free(holder);
	free(names);
	group_free(&group);
	return note;
}
