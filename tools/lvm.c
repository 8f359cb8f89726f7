// SPDX-License-Identifier: GPL-2.0-or-later
#include "lvm.h"
#include "child.h"
#include "report.h"
#include "say.h"
#include "stack.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PREFIX		"LVM-"
#define UUID_LEN	32
#define ID_OF_TWO	(2 * UUID_LEN)
/* On each that we make, and one that no other migration has. */
#define TAG		"livemigrate"
/* On a source that is left of a migration. */
#define STALE		"livemigrate-stale"
/* On a source that no boot is to make a device without the target. */
#define HELD		"livemigrate-held"
/* Where lv_attr says 'p', a disk is missing, and 'k', it is not activated. */
#define ATTR_PARTIAL	8
#define ATTR_SKIP	9

struct volume {
	char *text;		/* what the others are pieces of */
	char *vg, *lv, *vg_uuid, *lv_uuid, *attr, *extent, *shared, *tags;
};

/* ------------------------------------------------------------------------
 * Text
 */

static bool is_name(const char *name, size_t len)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-";

	return len > 0 && len <= DM_NAME_MAX && *name != '-' &&
	       strspn(name, good) >= len && strncmp(name, ".", len) &&
	       strncmp(name, "..", len);
}

bool lvm_split(const char *text, char **vg, char **lv)
{
	const char *slash;

	if (!strncmp(text, "/dev/", 5))
		text += 5;
	slash = strchr(text, '/');
	if (!slash || !is_name(text, (size_t)(slash - text)) ||
	    !is_name(slash + 1, strlen(slash + 1)) || !strncmp(text, "mapper/", 7))
		return false;
	*vg = format("%.*s", (int)(slash - text), text);
	*lv = copy_of(slash + 1);
	return true;
}

bool lvm_id(const char *dm_uuid, char **id)
{
	const char *uuid = dm_uuid + strlen(PREFIX);

	/* With more behind it, it is a part of a volume. */
	if (strncmp(dm_uuid, PREFIX, strlen(PREFIX)) || strlen(uuid) != ID_OF_TWO)
		return false;
	*id = copy_of(uuid);
	return true;
}

bool lvm_is_volume(const char *dm_uuid)
{
	char *id;
	bool is = lvm_id(dm_uuid, &id);

	if (is)
		free(id);
	return is;
}

/* As lvm2 writes it. */
static void dashed(const char *from, char text[39])
{
	static const int parts[] = { 6, 4, 4, 4, 4, 4, 6 };
	size_t i;

	for (i = 0; i < ARRAY_LEN(parts); i++) {
		memcpy(text, from, (size_t)parts[i]);
		from += parts[i];
		text += parts[i];
		*text++ = '-';
	}
	text[-1] = '\0';
}

void lvm_uuid_text(const char *id, char text[39])
{
	dashed(id + UUID_LEN, text);
}

bool lvm_same_group(const char *id, const char *other)
{
	return strlen(id) == ID_OF_TWO && strlen(other) == ID_OF_TWO &&
	       !memcmp(id, other, UUID_LEN);
}

static char *doubled(const char *name)
{
	char *text = alloc(2 * strlen(name) + 1), *to = text;

	for (; *name; name++) {
		if (*name == '-')
			*to++ = '-';
		*to++ = *name;
	}
	return text;
}

char *lvm_dm_name(const char *vg, const char *lv)
{
	char *a = doubled(vg), *b = doubled(lv), *name = format("%s-%s", a, b);

	free(a);
	free(b);
	return name;
}

bool lvm_fields(char *line, char **field, int nr)
{
	int i;

	line += strspn(line, " ");
	line[strcspn(line, "\n")] = '\0';
	for (i = 0; i < nr; i++) {
		field[i] = strsep(&line, "|");
		if (!field[i])
			return false;
	}
	return !line;
}

/* Both uuids without lvm2's dashes. */
static char *id_of(const struct volume *v)
{
	char *id = format("%s%s", v->vg_uuid, v->lv_uuid), *from = id, *to = id;

	for (; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = '\0';
	return id;
}

static bool has_tag(const struct volume *v, const char *tag)
{
	const char *tags = v->tags;
	size_t len;

	for (; *tags; tags += len + (tags[len] == ',')) {
		len = strcspn(tags, ",");
		if (len == strlen(tag) && !strncmp(tags, tag, len))
			return true;
	}
	return false;
}

static bool has_attr(const struct volume *v, size_t at, char is)
{
	return strlen(v->attr) > at && v->attr[at] == is;
}

/* ------------------------------------------------------------------------
 * Asking
 */

/* Its words, to be freed; NULL: why it failed is in @why, to be freed. */
static char *ask(const char * const *argv, char **why)
{
	struct child child;
	int err = child_run(argv, &child);
	char *out = NULL;

	*why = NULL;
	if (err || child.status)
		*why = child_why(&child, err);
	else
		out = copy_of(child.out);
	child_free(&child);
	return out;
}

static char *report(const char *command, const char *fields, const char *select,
		    const char *vg, char **why)
{
	const char *argv[] = { "lvm", command, "--noheadings", "--separator", "|",
			       "--units", "s", "--nosuffix", "-o", fields, "-S", select,
			       vg, NULL };

	return ask(argv, why);
}

static void volume_free(struct volume *v)
{
	free(v->text);
	memset(v, 0, sizeof(*v));
}

/* Of @vg (NULL: all) the first that @select says: 0, else -1 with @why or NULL, none. */
static int find(const char *vg, const char *select, struct volume *v, char **why)
{
	char *field[8];

	memset(v, 0, sizeof(*v));
	v->text = report("lvs", "vg_name,lv_name,vg_uuid,lv_uuid,lv_attr,vg_extent_size,vg_lock_type,lv_tags",
			 select, vg, why);
	if (v->text && lvm_fields(v->text, field, 8)) {
		v->vg = field[0];
		v->lv = field[1];
		v->vg_uuid = field[2];
		v->lv_uuid = field[3];
		v->attr = field[4];
		v->extent = field[5];
		v->shared = field[6];
		v->tags = field[7];
		return 0;
	}
	volume_free(v);
	return -1;
}

static int find_named(const char *vg, const char *lv, struct volume *v, char **why)
{
	char *select = format("lv_name=\"%s\"", lv);
	int none = find(vg, select, v, why);

	free(select);
	return none;
}

/* A group may have been cloned, and then the volume's own uuid is there twice. */
static int find_id(const char *id, struct volume *v, char **why)
{
	char vg[39], lv[39], *select;
	int none;

	memset(v, 0, sizeof(*v));
	*why = NULL;
	if (strlen(id) != ID_OF_TWO)
		return -1;
	dashed(id, vg);
	dashed(id + UUID_LEN, lv);
	select = format("vg_uuid=\"%s\" && lv_uuid=\"%s\"", vg, lv);
	none = find(NULL, select, v, why);
	free(select);
	return none;
}

/* Wherever it is by now. */
static int find_moved(const char *id, struct volume *v, char **why)
{
	char lv[39], *select;
	int none;

	dashed(id + UUID_LEN, lv);
	select = format("lv_uuid=\"%s\"", lv);
	none = find(NULL, select, v, why);
	free(select);
	return none;
}

/* That of the record's name, if we have made it. */
static int find_ours(const struct state *state, struct volume *v, char **why)
{
	char *vg = NULL, *lv = NULL, *tag = format(TAG "-%s", state->id);
	int none = -1;

	memset(v, 0, sizeof(*v));
	*why = NULL;
	if (lvm_split(state->object.name, &vg, &lv))
		none = find_named(vg, lv, v, why);
	if (!none && !has_tag(v, tag)) {
		volume_free(v);
		none = -1;
	}
	free(tag);
	free(vg);
	free(lv);
	return none;
}

static int run(const char * const *argv, const char *what, const char *name)
{
	char *why, *out = ask(argv, &why);
	int code = out ? DONE : fail(FAILED, "The logical volume %s cannot be %s: %s.",
				     name, what, why);

	free(out);
	free(why);
	return code;
}

/* ------------------------------------------------------------------------
 * Before one is made
 */

static int check_thick(const char *vg, const char *line, uint64_t sectors)
{
	uint64_t extent, available, need;
	char *copy = copy_of(line), *field[2], text[2][24];
	int code = DONE;

	if (!lvm_fields(copy, field, 2) || !number_parse(field[0], &extent) || !extent ||
	    !number_parse(field[1], &available)) {
		code = fail(FAILED, "lvm2 does not tell how much room %s has: '%s'.", vg,
			    line);
	} else {
		need = (sectors + extent - 1) / extent * extent;
		if (need > available)
			code = fail(UNFIT, "The volume group %s has no room: %s are needed, and %s are free.",
				    vg, size_text(need << 9, text[0], sizeof(text[0])),
				    size_text(available << 9, text[1], sizeof(text[1])));
	}
	free(copy);
	return code;
}

static int check_thin(const char *vg, const char *pool)
{
	struct volume v = { 0 };
	char *why = NULL;
	int none = is_name(pool, strlen(pool)) ? find_named(vg, pool, &v, &why) : -1;
	int code = DONE;

	if (none)
		code = fail(UNFIT, "There is no thin pool %s in the volume group %s%s%s.",
			    pool, vg, why ? ": " : "", why ? why : "");
	else if (v.attr[0] != 't')
		code = fail(UNFIT, "%s/%s is no thin pool.", vg, pool);
	volume_free(&v);
	free(why);
	return code;
}

static int check_free_name(const char *vg, const char *lv)
{
	struct volume v;
	char *why;
	int none = find_named(vg, lv, &v, &why), code = DONE;

	if (!none)
		code = fail(UNFIT, "There is a logical volume %s/%s already, which is not active: \"lvchange -ay %s/%s\" makes it a device, or choose another name.",
			    vg, lv, vg, lv);
	else if (why)
		code = fail(FAILED, "lvm2 does not tell of %s/%s: %s.", vg, lv, why);
	volume_free(&v);
	free(why);
	return code;
}

/* A guest's own group may be seen from outside. */
static int check_kinship(const char *vg, const struct dm_device *source)
{
	char *select = format("vg_name=\"%s\"", vg), *why, *rest, *line;
	char *out = report("pvs", "pv_name", select, NULL, &why);
	int code = DONE;
	struct stat st;

	for (rest = out; !code && rest && (line = strsep(&rest, "\n")); ) {
		line += strspn(line, " ");
		if (*line != '/' || stat(line, &st))
			continue;
		enum kinship kin = stack_compare(source->dev, st.st_rdev);

		if (kin == SAME_DEVICE || kin == B_IS_BUILT_ON_A)
			code = fail(UNFIT, "The volume group %s lies on %s itself (%s), which is to be moved.",
				    vg, source->name, line);
	}
	free(out);
	free(why);
	free(select);
	return code;
}

static int check_group(const struct state *state, const char *vg, const char *lv,
		       const struct dm_device *source)
{
	char *select = format("vg_name=\"%s\"", vg), *why;
	char *line = report("vgs", "vg_extent_size,vg_free", select, vg, &why);
	int code = DONE;

	if (!line)
		code = fail(UNFIT, "%s cannot be made, there is no such volume group: %s.",
			    state->object.name, why);
	if (!code)
		code = check_free_name(vg, lv);
	if (!code)
		code = check_kinship(vg, source);
	if (!code)
		code = *state->object.pool ? check_thin(vg, state->object.pool) :
					     check_thick(vg, line, state->sectors);
	free(line);
	free(why);
	free(select);
	return code;
}

int lvm_check(const struct state *state, const struct dm_device *source, bool force)
{
	char *vg, *lv;
	int code;

	(void)force;
	if (!child_exists("lvm"))
		return fail(UNABLE, "The logical volume %s cannot be made: lvm2 is not installed.",
			    state->object.name);
	if (!lvm_split(state->object.name, &vg, &lv))
		return fail(USAGE, "%s is no name of a logical volume.",
			    state->object.name);
	code = check_group(state, vg, lv, source);
	free(vg);
	free(lv);
	return code;
}

/* ------------------------------------------------------------------------
 * Making one, and back
 */

static int create(const struct state *state, const char *vg, const char *lv)
{
	char *size = format("%llus", (unsigned long long)state->sectors);
	char *tag = format(TAG "-%s", state->id);
	/* Former signatures go: nobody shall find them between here and the copy. */
	const char *thick[] = { "lvm", "lvcreate", "--yes", "--name", lv, "--addtag", TAG,
				"--addtag", tag, "--zero", "y", "--wipesignatures", "y",
				"--size", size, vg, NULL };
	const char *thin[] = { "lvm", "lvcreate", "--yes", "--name", lv, "--addtag", TAG,
			       "--addtag", tag, "--virtualsize", size, "--thinpool",
			       state->object.pool, vg, NULL };
	int code = run(*state->object.pool ? thin : thick, "made", state->object.name);

	free(size);
	free(tag);
	return code;
}

int lvm_make(struct state *state)
{
	char *vg, *lv, *why = NULL;
	struct volume v;
	int code;

	if (!lvm_split(state->object.name, &vg, &lv))
		return fail(USAGE, "%s is no name of a logical volume.",
			    state->object.name);
	code = create(state, vg, lv);
	if (!code && find_ours(state, &v, &why))
		code = fail(FAILED, "The logical volume %s has been made, and lvm2 does not tell of it: %s.",
			    state->object.name, why ? why : "it is not there");
	free(vg);
	free(lv);
	free(why);
	if (code)
		return code;
	free(state->object.id);
	state->object.id = id_of(&v);
	/* A thin one reads as zeroes, and so does the rest of each block if it is told to. */
	state->zeroed = v.attr[0] == 'V' && strlen(v.attr) > 7 && v.attr[7] == 'z';
	volume_free(&v);
	return state_save(state);
}

static bool is_the_one(const char *node, const char *id)
{
	struct dm_device device;
	struct stat st;

	return !stat(node, &st) && S_ISBLK(st.st_mode) &&
	       !dm_find_dev(st.st_rdev, &device) &&
	       !strncmp(device.uuid, PREFIX, strlen(PREFIX)) &&
	       !strcmp(device.uuid + strlen(PREFIX), id);
}

int lvm_serve(const struct state *state, char **node)
{
	const char *argv[] = { "lvm", "lvchange", "--activate", "y",
			       "--ignoreactivationskip", state->object.name, NULL };
	char *vg, *lv;
	int code = DONE;

	if (!lvm_split(state->object.name, &vg, &lv))
		return fail(USAGE, "%s is no name of a logical volume.",
			    state->object.name);
	*node = format("/dev/%s/%s", vg, lv);
	if (!is_the_one(*node, state->object.id))
		code = run(argv, "activated", state->object.name);
	if (!code && !is_the_one(*node, state->object.id))
		code = fail(UNFIT, "%s is not the logical volume that was made for %s.",
			    *node, state->name);
	free(vg);
	free(lv);
	return code;
}

/* It is like any other from now on. */
int lvm_keep(const struct state *state)
{
	char *tag = format(TAG "-%s", state->id);
	/* It may have been renamed since. */
	char *now = lvm_name(state->object.id);
	const char *name = now ? now : state->object.name;
	const char *argv[] = { "lvm", "lvchange", "--deltag", TAG, "--deltag", tag,
			       name, NULL };
	char *why, *out = ask(argv, &why);

	if (!out)
		remark("%s keeps the tags %s and %s: %s.", name, TAG, tag, why);
	free(out);
	free(why);
	free(now);
	free(tag);
	return DONE;
}

int lvm_unmake(const struct state *state)
{
	const char *argv[] = { "lvm", "lvremove", "--yes", "--force",
			       state->object.name, NULL };
	struct volume v;
	char *why;
	int code = DONE;

	if (!find_ours(state, &v, &why))
		code = run(argv, "removed", state->object.name);
	else if (why)
		code = fail(FAILED, "lvm2 does not tell whether %s is there: %s.",
			    state->object.name, why);
	volume_free(&v);
	free(why);
	return code;
}

/* ------------------------------------------------------------------------
 * Sources
 */

char *lvm_name(const char *id)
{
	struct volume v;
	char *why, *name = NULL;

	if (!find_id(id, &v, &why))
		name = format("%s/%s", v.vg, v.lv);
	volume_free(&v);
	free(why);
	return name;
}

static char *cannot(const struct volume *v, uint64_t left, bool own)
{
	uint64_t extent;

	/* Snapshots would go with their origin, and much else has parts of its own. */
	if (v->attr[0] != '-' && (own || v->attr[0] != 'V'))
		return format("%s/%s is no plain volume (its attributes are %s): delete it by hand",
			      v->vg, v->lv, v->attr);
	/* Other hosts' lvm2 must hear of it, which takes the device's own lock. */
	if (own && *v->shared && strcmp(v->shared, "none"))
		return format("the volume group %s is shared with other hosts: delete %s/%s by hand",
			      v->vg, v->vg, v->lv);
	if (!number_parse(v->extent, &extent) || left >= extent)
		return format("%s/%s has %llu sectors behind the end of what was moved, and whose they are is not known",
			      v->vg, v->lv, (unsigned long long)left);
	return NULL;
}

char *lvm_cannot_delete(const char *id, uint64_t left, bool own)
{
	struct volume v;
	char *why, *reason;

	if (find_id(id, &v, &why))
		reason = format("the logical volume that it was is not there any more%s%s",
				why ? ": " : "", why ? why : "");
	else
		reason = cannot(&v, left, own);
	volume_free(&v);
	free(why);
	return reason;
}

static int delete_it(const struct volume *v, bool own)
{
	char *name = format("%s/%s", v->vg, v->lv);
	/*
	 * Its device is the one that goes on, above the dest: lvm2 must not look at
	 * it, and would not remove a volume that is open.
	 */
	const char *only_metadata[] = { "lvm", "lvremove", "--yes", "--force",
					"--driverloaded", "n", name, NULL };
	const char *all[] = { "lvm", "lvremove", "--yes", name, NULL };
	char *reason = cannot(v, 0, own);
	int code;

	if (reason)
		code = fail(UNFIT, "The source is not deleted: %s.", reason);
	else
		code = run(own ? only_metadata : all, "removed", name);
	free(reason);
	free(name);
	return code;
}

int lvm_delete(const char *id, bool own)
{
	struct volume v;
	char *why;
	int code = DONE;

	if (!find_id(id, &v, &why))
		code = delete_it(&v, own);
	else if (!why && !find_moved(id, &v, &why))
		code = fail(UNFIT, "The source is not deleted: %s/%s is in another volume group now.",
			    v.vg, v.lv);
	else if (why)
		code = fail(FAILED, "lvm2 does not tell of the source: %s.", why);
	free(why);
	volume_free(&v);
	return code;
}

/* ------------------------------------------------------------------------
 * Names
 */

/* Of what lvm2 does not list: is it gone, or is its group not there, or not all of it? */
static int why_absent(const char *id)
{
	char vg[39], *select, *why, *line;
	struct volume v;
	uint64_t missing;
	char *field[2];
	int code = NOT_FOUND;

	dashed(id, vg);
	select = format("vg_uuid=\"%s\"", vg);
	line = report("vgs", "vg_name,vg_missing_pv_count", select, NULL, &why);
	free(select);
	if (!line)
		code = fail(FAILED, "lvm2 does not tell of the volume group %s: %s.", vg, why);
	else if (!lvm_fields(line, field, 2) || !number_parse(field[1], &missing))
		code = fail(FAILED, "The volume group %s is not there.", vg);
	else if (missing)
		code = fail(FAILED, "A disk of the volume group %s is missing.", field[0]);
	free(line);
	free(why);
	if (code != NOT_FOUND)
		return code;
	if (!find_moved(id, &v, &why)) {
		code = fail(FAILED, "The logical volume %s/%s is in another volume group now.",
			    v.vg, v.lv);
		volume_free(&v);
	} else if (why) {
		code = fail(FAILED, "lvm2 does not tell of the logical volume %s: %s.", id, why);
	}
	free(why);
	return code;
}

int lvm_look(const char *id, struct lvm_volume *volume)
{
	struct volume v;
	int code = DONE;
	char *why;

	memset(volume, 0, sizeof(*volume));
	if (strlen(id) != ID_OF_TWO)
		return NOT_FOUND;
	if (!find_id(id, &v, &why)) {
		volume->vg = copy_of(v.vg);
		volume->lv = copy_of(v.lv);
		/* Others have parts that are called after them. */
		volume->plain = (v.attr[0] == '-' || v.attr[0] == 'V') &&
				(!*v.shared || !strcmp(v.shared, "none"));
		volume->stale = has_tag(&v, STALE);
		volume->held = has_tag(&v, HELD);
		volume->skipped = has_attr(&v, ATTR_SKIP, 'k');
	} else if (why) {
		code = fail(FAILED, "lvm2 does not tell of the logical volume %s: %s.", id, why);
	} else {
		code = why_absent(id);
	}
	volume_free(&v);
	free(why);
	return code;
}

/*
 * One leg below a target that rests, or a plain mapping that has taken its place: lvm2
 * itself never maps a volume to the beginning of anything. 0: it is the volume's own table.
 */
static int step_down(const struct dm_device *device, dev_t *below)
{
	struct dm_table table = { 0 };
	struct place on;
	int code = DONE;

	*below = 0;
	if (dm_table_get(device->name, false, &table))
		return DONE;
	if (rest_parse(table.line[0].type, table.line[0].params, &on) ||
	    (table.nr == 1 && !strcmp(table.line[0].type, "linear") &&
	     linear_parse(table.line[0].params, &on) && !on.offset))
		*below = makedev(on.major, on.minor);
	else if (is_our_type(table.line[0].type))
		code = fail(NOT_NOW, "%s migrates itself, and where its data will be is not known yet: end that first.",
			    device->name);
	dm_table_free(&table);
	return code;
}

int lvm_below(dev_t dev, char **id)
{
	struct dm_device device;
	dev_t below = dev;
	int code = DONE;

	*id = NULL;
	if (!dev)
		return DONE;
	while (!code && below && !dm_find_dev(below, &device))
		code = step_down(&device, &below);
	if (!code && !below)
		lvm_id(device.uuid, id);
	return code;
}

void lvm_volume_free(struct lvm_volume *volume)
{
	free(volume->vg);
	free(volume->lv);
	memset(volume, 0, sizeof(*volume));
}

bool lvm_is_there(const char *id)
{
	struct volume v;
	bool is;
	char *why;

	is = !find_id(id, &v, &why) && !has_attr(&v, ATTR_PARTIAL, 'p');
	volume_free(&v);
	free(why);
	return is;
}

bool lvm_is_automatic(const char *id)
{
	char vg[39], lv[39], *select, *why, *line, *field[3];
	bool is;

	dashed(id, vg);
	dashed(id + UUID_LEN, lv);
	select = format("vg_uuid=\"%s\" && lv_uuid=\"%s\"", vg, lv);
	line = report("lvs", "lv_autoactivation,vg_autoactivation,vg_systemid", select, NULL,
		      &why);
	/* An lvm2 that does not know these activates all. */
	is = !line || !lvm_fields(line, field, 3) ||
	     (*field[0] && *field[1] && !*field[2]);
	free(line);
	free(why);
	free(select);
	return is;
}

int lvm_is_free(const char *vg, const char *lv, bool *is_free)
{
	char *why, *name = lvm_dm_name(vg, lv);
	struct dm_device device;
	struct volume v;
	int code = DONE;

	*is_free = find_named(vg, lv, &v, &why) && strlen(name) <= DM_NAME_MAX &&
		   dm_find(name, &device);
	if (why)
		code = fail(FAILED, "lvm2 does not tell whether there is a %s/%s: %s.", vg,
			    lv, why);
	volume_free(&v);
	free(why);
	free(name);
	return code;
}

int lvm_find_device(const char *id, struct dm_device *device)
{
	char *uuid = format(PREFIX "%s", id);
	int err = dm_find_uuid(uuid, device);

	free(uuid);
	return err;
}

/*
 * lvm2 itself would load the volume's own table on the way, and leave the device suspended
 * where its new name is taken; so it is kept from the kernel.
 */
int lvm_rename(const struct lvm_volume *volume, const char *to)
{
	const char *argv[] = { "lvm", "lvrename", "--driverloaded", "n", volume->vg,
			       volume->lv, to, NULL };
	char *name = format("%s/%s", volume->vg, volume->lv);
	char *what = format("renamed to %s", to);
	int code = run(argv, what, name);

	free(what);
	free(name);
	return code;
}

/* Where there is no udev. */
void lvm_make_nodes(const char *vg)
{
	const char *argv[] = { "lvm", "vgmknodes", vg, NULL };
	char *why, *out = ask(argv, &why);

	free(out);
	free(why);
}

int lvm_revive(const struct lvm_volume *volume)
{
	char *name = format("%s/%s", volume->vg, volume->lv);
	const char *argv[] = { "lvm", "lvchange", "--setactivationskip", "n", "--deltag",
			       STALE, "--deltag", HELD, name, NULL };
	int code = DONE;

	if (volume->stale || volume->held)
		code = run(argv, "made to be activated at a boot", name);

	free(name);
	return code;
}

void lvm_retire(const struct lvm_volume *volume)
{
	char *name = format("%s/%s", volume->vg, volume->lv);
	const char *argv[] = { "lvm", "lvchange", "--setactivationskip", "y", "--addtag",
			       STALE, "--deltag", HELD, name, NULL };
	char *why, *out = ask(argv, &why);

	if (!out)
		remark("%s, which is stale, cannot be marked so, and may be made a device at a boot: %s.",
		       name, why);
	free(out);
	free(why);
	free(name);
}

/* lvchange with these @words, which say of it what it cannot be if that fails. */
static int change(const struct lvm_volume *volume, const char * const *words,
		  const char *what)
{
	char *name = format("%s/%s", volume->vg, volume->lv);
	const char *argv[8] = { "lvm", "lvchange" };
	size_t i;
	int code;

	for (i = 0; words[i]; i++)
		argv[i + 2] = words[i];
	argv[i + 2] = name;
	code = run(argv, what, name);
	free(name);
	return code;
}

int lvm_hold(const struct lvm_volume *volume)
{
	static const char * const words[] = { "--setactivationskip", "y", "--addtag", HELD,
					      NULL };

	return change(volume, words, "kept from being activated at a boot");
}

int lvm_let_go(const struct lvm_volume *volume)
{
	static const char * const words[] = { "--setactivationskip", "n", "--deltag", HELD,
					      NULL };

	return change(volume, words, "made to be activated at a boot");
}

int lvm_activate(const struct lvm_volume *volume)
{
	static const char * const words[] = { "--activate", "y", "--ignoreactivationskip",
					      NULL };

	return change(volume, words, "activated");
}

int lvm_deactivate(const struct lvm_volume *volume)
{
	static const char * const words[] = { "--activate", "n", NULL };

	return change(volume, words, "deactivated");
}
