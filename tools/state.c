// SPDX-License-Identifier: GPL-2.0-or-later
#include "state.h"
#include "dm.h"
#include "durable.h"
#include "paths.h"
#include "say.h"
#include "status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define STATE_VERSION	1
#define SUFFIX		".json"

const char * const step_names[NR_STEPS] = {
	[STEP_START] = "start",
	[STEP_RUN] = "run",
	[STEP_COMMIT] = "commit",
	[STEP_ABORT] = "abort",
};

char *this_boot(void)
{
	char *path = format("%s/sys/kernel/random/boot_id", proc_dir());
	char *boot = first_line(path);

	free(path);
	return boot ? boot : copy_of("unknown");
}

struct state *state_new(void)
{
	struct state *state = alloc(sizeof(*state));
	unsigned char random[ID_LEN / 2];
	size_t i;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		exit(fail(FAILED, "There are no random numbers: %s.", strerror(errno)));
	for (i = 0; i < sizeof(random); i++)
		snprintf(state->id + 2 * i, 3, "%02x", random[i]);
	state->boot = this_boot();
	state->started = time(NULL);
	state->standby_timeout = -1;
	state->source_id = copy_of("");
	state->left = copy_of("");
	state->line = copy_of("");
	state->volume.lv = copy_of("");
	state->volume.aside = copy_of("");
	state->volume.dest = copy_of("");
	state->object.kind = copy_of("device");
	state->object.name = copy_of("");
	state->object.id = copy_of("");
	state->object.pool = copy_of("");
	return state;
}

void state_free(struct state *state)
{
	if (!state)
		return;
	free(state->name);
	free(state->uuid);
	free(state->boot);
	free(state->hidden);
	free(state->hidden_uuid);
	free(state->source_kind);
	free(state->source_object);
	free(state->source_id);
	free(state->volume.lv);
	free(state->volume.aside);
	free(state->volume.dest);
	free(state->left);
	free(state->line);
	free(state->object.kind);
	free(state->object.name);
	free(state->object.id);
	free(state->object.pool);
	free(state->dest.path);
	free(state->metadata.path);
	free(state);
}

/* ------------------------------------------------------------------------
 * As text
 */

static void put_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void put_number(struct json_object *o, const char *key, int64_t number)
{
	json_object_object_add(o, key, json_object_new_int64(number));
}

static void put_bool(struct json_object *o, const char *key, bool flag)
{
	json_object_object_add(o, key, json_object_new_boolean(flag));
}

static void put_dev(struct json_object *o, const char *key, dev_t dev)
{
	char text[24];

	snprintf(text, sizeof(text), "%u:%u", major(dev), minor(dev));
	put_text(o, key, text);
}

static void put_named(struct json_object *o, const char *key,
		      const struct named_dev *named)
{
	struct json_object *below;

	if (!named->path)
		return;
	below = json_object_new_object();
	put_text(below, "path", named->path);
	put_dev(below, "device", named->dev);
	json_object_object_add(o, key, below);
}

static void put_object(struct json_object *o, const char *key,
		       const struct dest_object *object)
{
	struct json_object *below = json_object_new_object();

	put_text(below, "kind", object->kind);
	put_text(below, "name", object->name);
	put_text(below, "id", object->id);
	put_text(below, "pool", object->pool);
	put_number(below, "block", (int64_t)object->block);
	put_bool(below, "preallocate", object->preallocate);
	put_bool(below, "fresh", object->fresh);
	json_object_object_add(o, key, below);
}

char *state_to_text(const struct state *state)
{
	struct json_object *o = json_object_new_object();
	char *text;

	put_number(o, "version", STATE_VERSION);
	put_text(o, "id", state->id);
	put_text(o, "name", state->name);
	put_text(o, "uuid", state->uuid);
	put_dev(o, "device", state->dev);
	put_text(o, "boot", state->boot);
	put_number(o, "diskseq", (int64_t)state->diskseq);
	put_text(o, "step", step_names[state->step]);
	put_bool(o, "told", state->told);
	put_bool(o, "again", state->again);
	put_text(o, "hidden", state->hidden);
	put_text(o, "hidden_uuid", state->hidden_uuid);
	put_dev(o, "source", state->source);
	put_text(o, "source_kind", state->source_kind);
	put_text(o, "source_object", state->source_object);
	put_text(o, "source_id", state->source_id);
	put_text(o, "volume_name", state->volume.lv);
	put_text(o, "volume_aside", state->volume.aside);
	put_text(o, "volume_dest", state->volume.dest);
	put_bool(o, "volume_stays", state->volume.stays);
	put_bool(o, "volume_held", state->volume.held);
	put_bool(o, "used", state->used);
	put_text(o, "left", state->left);
	put_text(o, "line", state->line);
	put_number(o, "sectors", (int64_t)state->sectors);
	put_named(o, "dest", &state->dest);
	put_named(o, "metadata", &state->metadata);
	put_object(o, "dest_object", &state->object);
	put_bool(o, "pinned", state->pinned);
	put_bool(o, "rested", state->rested);
	put_bool(o, "delete_source", state->delete_source);
	put_bool(o, "delete_dest", state->delete_dest);
	put_number(o, "rate", (int64_t)state->rate);
	put_number(o, "region_size", (int64_t)state->region_size);
	put_number(o, "standby_timeout", state->standby_timeout);
	put_bool(o, "paused", state->paused);
	put_bool(o, "zeroed", state->zeroed);
	put_number(o, "started", state->started);
	text = format("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

/* What is missing or of the wrong type is remembered here. */
struct reader {
	struct json_object *o;
	const char *bad;
};

static struct json_object *get(struct reader *r, const char *key, enum json_type type)
{
	struct json_object *value;

	if (json_object_object_get_ex(r->o, key, &value) &&
	    json_object_is_type(value, type))
		return value;
	if (!r->bad)
		r->bad = key;
	return NULL;
}

/* Also an empty one, which json-c ends with a NUL. */
static char *get_text(struct reader *r, const char *key)
{
	struct json_object *value = get(r, key, json_type_string);

	return copy_of(value ? json_object_get_string(value) : "");
}

static int64_t get_number(struct reader *r, const char *key)
{
	struct json_object *value = get(r, key, json_type_int);

	return value ? json_object_get_int64(value) : 0;
}

static uint64_t get_count(struct reader *r, const char *key)
{
	int64_t number = get_number(r, key);

	if (number < 0 && !r->bad)
		r->bad = key;
	return number < 0 ? 0 : (uint64_t)number;
}

static bool get_bool(struct reader *r, const char *key)
{
	struct json_object *value = get(r, key, json_type_boolean);

	return value && json_object_get_boolean(value);
}

static dev_t get_dev(struct reader *r, const char *key)
{
	char *text = get_text(r, key);
	unsigned int maj = 0, min = 0;

	if (!devno_parse(text, &maj, &min) && !r->bad)
		r->bad = key;
	free(text);
	return makedev(maj, min);
}

static void get_named(struct reader *r, const char *key, bool needed,
		      struct named_dev *named)
{
	struct reader below = { NULL, NULL };

	if (!needed && !json_object_object_get_ex(r->o, key, NULL))
		return;
	below.o = get(r, key, json_type_object);
	if (!below.o)
		return;
	named->path = get_text(&below, "path");
	named->dev = get_dev(&below, "device");
	if (below.bad && !r->bad)
		r->bad = key;
}

static void get_object(struct reader *r, const char *key, struct dest_object *object)
{
	struct reader below = { get(r, key, json_type_object), NULL };

	/* The texts are there in any case. */
	object->kind = get_text(&below, "kind");
	object->name = get_text(&below, "name");
	object->id = get_text(&below, "id");
	object->pool = get_text(&below, "pool");
	object->block = get_count(&below, "block");
	object->preallocate = get_bool(&below, "preallocate");
	object->fresh = get_bool(&below, "fresh");
	if (below.bad && !r->bad)
		r->bad = key;
}

static void get_id(struct reader *r, char *id)
{
	char *text = get_text(r, "id");

	if (strlen(text) == ID_LEN && strspn(text, "0123456789abcdef") == ID_LEN)
		strcpy(id, text);
	else if (!r->bad)
		r->bad = "id";
	free(text);
}

static enum step get_step(struct reader *r)
{
	char *text = get_text(r, "step");
	int step = NR_STEPS;

	while (step-- && strcmp(text, step_names[step]))
		;
	free(text);
	if (step < 0) {
		if (!r->bad)
			r->bad = "step";
		return STEP_START;
	}
	return (enum step)step;
}

static bool is_name(const char *name)
{
	return *name && strlen(name) <= DM_NAME_MAX && !strchr(name, '/');
}

static void read_state(struct reader *r, struct state *state)
{
	get_id(r, state->id);
	state->name = get_text(r, "name");
	state->uuid = get_text(r, "uuid");
	state->dev = get_dev(r, "device");
	state->boot = get_text(r, "boot");
	state->diskseq = get_count(r, "diskseq");
	state->step = get_step(r);
	state->told = get_bool(r, "told");
	state->again = get_bool(r, "again");
	state->hidden = get_text(r, "hidden");
	state->hidden_uuid = get_text(r, "hidden_uuid");
	state->source = get_dev(r, "source");
	state->source_kind = get_text(r, "source_kind");
	state->source_object = get_text(r, "source_object");
	state->source_id = get_text(r, "source_id");
	state->volume.lv = get_text(r, "volume_name");
	state->volume.aside = get_text(r, "volume_aside");
	state->volume.dest = get_text(r, "volume_dest");
	state->volume.stays = get_bool(r, "volume_stays");
	state->volume.held = get_bool(r, "volume_held");
	state->used = get_bool(r, "used");
	state->left = get_text(r, "left");
	state->line = get_text(r, "line");
	state->sectors = get_count(r, "sectors");
	get_named(r, "dest", true, &state->dest);
	get_named(r, "metadata", false, &state->metadata);
	get_object(r, "dest_object", &state->object);
	state->pinned = get_bool(r, "pinned");
	state->rested = get_bool(r, "rested");
	state->delete_source = get_bool(r, "delete_source");
	state->delete_dest = get_bool(r, "delete_dest");
	state->rate = get_count(r, "rate");
	state->region_size = get_count(r, "region_size");
	state->standby_timeout = get_number(r, "standby_timeout");
	state->paused = get_bool(r, "paused");
	state->zeroed = get_bool(r, "zeroed");
	state->started = get_number(r, "started");
	if (!r->bad && !is_name(state->name))
		r->bad = "name";
	if (!r->bad && *state->hidden && !is_name(state->hidden))
		r->bad = "hidden";
}

struct state *state_from_text(const char *text, const char **why)
{
	struct json_object *o = json_tokener_parse(text);
	struct reader reader = { o, NULL };
	struct state *state = NULL;

	*why = NULL;
	if (!json_object_is_type(o, json_type_object)) {
		*why = "it is no JSON object";
	} else if (get_number(&reader, "version") != STATE_VERSION) {
		*why = "it is of another version of livemigrate";
	} else {
		state = alloc(sizeof(*state));
		read_state(&reader, state);
		if (reader.bad) {
			*why = reader.bad;
			state_free(state);
			state = NULL;
		}
	}
	json_object_put(o);
	return state;
}

/* ------------------------------------------------------------------------
 * As files
 */

/* A file of another name first, so that ours is always whole. */
static int write_file(const char *path, const char *text)
{
	char *new = format("%s.new", path);
	int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int failed = fd < 0;

	if (!failed)
		failed = write_all(fd, text, strlen(text)) || fsync(fd);
	if (fd >= 0 && close(fd))
		failed = -1;
	if (!failed)
		failed = rename(new, path) || sync_folder(state_dir());
	free(new);
	return failed;
}

static char *file_of(const struct state *state)
{
	return format("%s/%s%s", state_dir(), state->name, SUFFIX);
}

int state_save(const struct state *state)
{
	char *path = file_of(state), *text = state_to_text(state);
	int code = DONE;

	if (write_file(path, text))
		code = fail(FAILED, "The state cannot be written to %s: %s.", path,
			    strerror(errno));
	free(text);
	free(path);
	return code;
}

int state_forget(const struct state *state)
{
	char *path = file_of(state), *new = format("%s.new", path);
	int code = DONE;

	/* One that was being written when we were killed. */
	unlink(new);
	free(new);
	if ((unlink(path) && errno != ENOENT) || sync_folder(state_dir()))
		code = fail(FAILED, "The state %s cannot be removed: %s. Remove it by hand.",
			    path, strerror(errno));
	free(path);
	return code;
}

bool state_exists(const char *name)
{
	char *path = format("%s/%s%s", state_dir(), name, SUFFIX);
	bool is = !access(path, F_OK);

	free(path);
	return is;
}

int state_rename(struct state *state, const char *name)
{
	char *from = file_of(state), *to = format("%s/%s%s", state_dir(), name, SUFFIX);
	int code = DONE;

	if (!access(to, F_OK))
		code = fail(NOT_NOW, "%s was called %s, and there is a record of another %s already: see \"livemigrate list\".",
			    name, state->name, name);
	else if (rename(from, to) || sync_folder(state_dir()))
		code = fail(FAILED, "The state %s cannot be renamed to %s: %s.", from,
			    to, strerror(errno));
	if (!code) {
		free(state->name);
		state->name = copy_of(name);
	}
	free(from);
	free(to);
	return code;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = copy_of("");
	}
	fclose(file);
	return text;
}

/*
 * NULL is counted in @damaged, unless the file is just gone: whoever looks has no lock.
 * @said: it has been told of.
 */
static struct state *load(const char *file, bool said, int *damaged)
{
	char *path = format("%s/%s", state_dir(), file);
	char *text = read_file(path);
	bool gone = !text && errno == ENOENT;
	const char *why = strerror(errno);
	struct state *state = NULL;

	if (text)
		state = state_from_text(text, &why);
	*damaged += !state && !gone;
	/* Who waits loads them over and over. */
	if (!state && !gone && !said)
		remark("The state %s cannot be read (%s): see docs/tool.rst, \"Damaged state\".",
		       path, why);
	if (state) {
		free(state->name);
		state->name = format("%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
	}
	free(text);
	free(path);
	return state;
}

static int is_state_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > strlen(SUFFIX) &&
	       !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

struct state **states_load(int *damaged)
{
	struct dirent **entries = NULL;
	int nr = scandir(state_dir(), &entries, is_state_file, alphasort);
	struct state **states = alloc((size_t)(nr > 0 ? nr + 1 : 1) * sizeof(*states));
	const int err = errno;
	static bool said;
	int i, good = 0;

	*damaged = nr < 0 && err != ENOENT;
	if (*damaged && !said)
		remark("The states in %s cannot be read: %s.", state_dir(), strerror(err));
	for (i = 0; i < nr; i++) {
		states[good] = load(entries[i]->d_name, said, damaged);
		if (states[good])
			good++;
		free(entries[i]);
	}
	free(entries);
	said = *damaged;
	return states;
}

void states_free(struct state **states)
{
	size_t i;

	for (i = 0; states && states[i]; i++)
		state_free(states[i]);
	free(states);
}
