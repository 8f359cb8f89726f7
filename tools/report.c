// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"
#include "say.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ------------------------------------------------------------------------
 * The calculation
 */

static void describe_leg(struct report *r, const struct migration *m, enum leg leg)
{
	const struct place *place = &m->line.leg[leg];
	struct dm_device on_dm;

	if (m->readable) {
		r->leg[leg].dropped = place->dropped;
		r->leg[leg].dev = makedev(place->major, place->minor);
		r->leg[leg].health = m->status.health[leg];
	} else if (m->state) {
		r->leg[leg].dev = leg == DEST ? m->state->dest.dev : m->state->source;
	}
	if (m->state && leg == DEST)
		r->leg[leg].named = m->state->dest.path;
	if (m->state && leg == DEST && *m->state->object.name)
		r->leg[leg].object = m->state->object.name;
	if (r->leg[leg].dropped || !r->leg[leg].dev)
		snprintf(r->leg[leg].path, sizeof(r->leg[leg].path), "-");
	else if (!dm_find_dev(r->leg[leg].dev, &on_dm))
		snprintf(r->leg[leg].path, sizeof(r->leg[leg].path),
			 "/dev/mapper/%s", on_dm.name);
	else
		snprintf(r->leg[leg].path, sizeof(r->leg[leg].path), "/dev/block/%u:%u",
			 major(r->leg[leg].dev), minor(r->leg[leg].dev));
}

void report_make(struct report *r, const struct migration *m)
{
	const struct status *st = &m->status;

	memset(r, 0, sizeof(*r));
	r->name = migration_name(m);
	r->uuid = m->exists ? m->device.uuid : m->state->uuid;
	r->device = m->exists ? m->device.dev : 0;
	r->exists = m->exists;
	r->recorded = m->state != NULL;
	r->stage = stage_names[m->stage];
	r->step = m->state ? step_names[m->state->step] : NULL;
	r->pinned = m->stage == RUNS ? m->pinned : m->state && m->state->pinned;
	r->size = (m->stage == RUNS ? m->sectors : m->state ? m->state->sectors : 0) << 9;
	describe_leg(r, m, SOURCE);
	describe_leg(r, m, DEST);
	if (m->state && m->state->metadata.path)
		snprintf(r->metadata, sizeof(r->metadata), "%s", m->state->metadata.path);
	else if (m->readable && m->line.has_metadata)
		snprintf(r->metadata, sizeof(r->metadata), "/dev/block/%u:%u",
			 m->line.meta_major, m->line.meta_minor);
	r->note = migration_note(m);
	r->known = m->stage == RUNS && m->readable;
	if (!r->known)
		return;
	r->status = st;
	r->done = status_done(st);
	r->copied = st->number[N_COPIED] * st->region_size << 9;
	r->written = st->number[N_WRITTEN_SKIPPED] * st->region_size << 9;
	r->zeroes = st->number[N_ZERO_SKIPPED] * st->region_size << 9;
}

void report_free(struct report *r)
{
	free(r->note);
	r->note = NULL;
}

const char *size_text(uint64_t bytes, char *buf, size_t len)
{
	static const char * const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0;

	/* Tenths of a unit. */
	bytes = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
	while (bytes >= 10240 && unit < 5) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, len, "%llu.%llu %s", (unsigned long long)bytes / 10,
		 (unsigned long long)bytes % 10, units[unit]);
	return buf;
}

const char *time_text(uint64_t seconds, char *buf, size_t len)
{
	unsigned long long hours = seconds / 3600;

	if (hours)
		snprintf(buf, len, "%llu:%02u:%02u", hours,
			 (unsigned int)(seconds / 60 % 60), (unsigned int)(seconds % 60));
	else
		snprintf(buf, len, "%u:%02u", (unsigned int)(seconds / 60),
			 (unsigned int)(seconds % 60));
	return buf;
}

/* ------------------------------------------------------------------------
 * For people
 */

static const char *health_text(char health)
{
	switch (health) {
	case 'A':
		return "good";
	case 'F':
		return "failed or detached";
	case 'D':
		return "dropped";
	default:
		return "not known";
	}
}

static void print_leg(FILE *out, const struct report *r, enum leg leg)
{
	char path[4 * DM_NAME_MAX], dev[24] = "";

	printable(r->leg[leg].named ? r->leg[leg].named : r->leg[leg].path, path,
		  sizeof(path));
	if (r->leg[leg].dev && !r->leg[leg].dropped)
		snprintf(dev, sizeof(dev), " (%u:%u)", major(r->leg[leg].dev),
			 minor(r->leg[leg].dev));
	fprintf(out, "  %-9s %s%s: %s\n", leg_names[leg], path, dev,
		health_text(r->leg[leg].health));
	if (r->leg[leg].object)
		fprintf(out, "            made for it: %s\n",
			printable(r->leg[leg].object, path, sizeof(path)));
}

static void print_verify(FILE *out, const struct status *st)
{
	const char *verify = st->word[W_VERIFY];

	if (!strcmp(verify, "-"))
		return;
	fprintf(out, "  verify    %s: %llu regions compared, %llu differed, %llu skipped\n",
		verify, (unsigned long long)st->number[N_VERIFIED],
		(unsigned long long)st->number[N_MISMATCHES],
		(unsigned long long)st->number[N_VERIFY_SKIPPED]);
}

static void print_status(FILE *out, const struct report *r)
{
	char copied[24], written[24], zeroes[24];
	const struct status *st = r->status;

	print_leg(out, r, SOURCE);
	print_leg(out, r, DEST);
	if (*r->metadata)
		fprintf(out, "  metadata  %s: %s\n", r->metadata, st->word[W_METADATA]);
	fprintf(out, "  done      %u.%02u%%, copier %s", r->done / 100, r->done % 100,
		st->paused ? "paused" : "running");
	if (st->number[N_COPY_RATE])
		fprintf(out, ", at most %llu KiB/s",
			(unsigned long long)st->number[N_COPY_RATE]);
	fprintf(out, "\n  copied    %s; zeroes: %s; written by the guest first: %s\n",
		size_text(r->copied, copied, sizeof(copied)),
		size_text(r->zeroes, zeroes, sizeof(zeroes)),
		size_text(r->written, written, sizeof(written)));
	fprintf(out, "  guest     %llu writes mirrored, %llu under way\n",
		(unsigned long long)st->number[N_MIRRORED],
		(unsigned long long)st->number[N_IN_FLIGHT]);
	fprintf(out, "  errors    %llu reading, %llu writing",
		(unsigned long long)st->number[N_READ_ERRORS],
		(unsigned long long)st->number[N_WRITE_ERRORS]);
	if (strcmp(st->word[W_FIRST_ERROR], "-"))
		fprintf(out, ", the first %s", st->word[W_FIRST_ERROR]);
	fputc('\n', out);
	print_verify(out, st);
}

static const char *phase_text(const struct report *r)
{
	return r->known ? phase_names[r->status->phase] : r->stage;
}

void report_print(FILE *out, const struct migration *m)
{
	char name[4 * DM_NAME_MAX], size[24];
	struct report r;

	report_make(&r, m);
	fprintf(out, "%s, %s: %s", printable(r.name, name, sizeof(name)),
		size_text(r.size, size, sizeof(size)), phase_text(&r));
	if (r.known)
		fprintf(out, ", runs on the %s", leg_names[r.status->active]);
	if (r.pinned)
		fprintf(out, ", pinned");
	fputc('\n', out);
	if (r.known)
		print_status(out, &r);
	else
		print_leg(out, &r, DEST);
	if (r.note)
		fprintf(out, "  note      %s\n", r.note);
	report_free(&r);
	fflush(out);
}

static void print_row(FILE *out, const struct report *r, int width)
{
	char name[4 * DM_NAME_MAX], dest[4 * DM_NAME_MAX], done[16] = "-";

	if (r->known)
		snprintf(done, sizeof(done), "%u.%02u%%", r->done / 100, r->done % 100);
	fprintf(out, "%-*s  %-9s  %-7s  %-7s  %s\n", width,
		printable(r->name, name, sizeof(name)), phase_text(r),
		r->known ? leg_names[r->status->active] : "-", done,
		printable(r->leg[DEST].named ? r->leg[DEST].named : r->leg[DEST].path,
			  dest, sizeof(dest)));
	if (r->note)
		fprintf(out, "%-*s  ! %s\n", width, "", r->note);
}

void report_print_list(FILE *out, struct migration **all)
{
	char name[4 * DM_NAME_MAX];
	size_t width = strlen("NAME"), i;
	struct report r;

	for (i = 0; all[i]; i++) {
		size_t len = strlen(printable(migration_name(all[i]), name, sizeof(name)));

		width = len > width ? len : width;
	}
	if (all[0])
		fprintf(out, "%-*s  %-9s  %-7s  %-7s  %s\n", (int)width, "NAME",
			"PHASE", "RUNS ON", "DONE", "DEST");
	for (i = 0; all[i]; i++) {
		report_make(&r, all[i]);
		print_row(out, &r, (int)width);
		report_free(&r);
	}
	fflush(out);
}

/* ------------------------------------------------------------------------
 * As JSON
 */

/*
 * json-c escapes whatever must be; but JSON is UTF-8, and a name need not be: its
 * other bytes become \xNN, as udev has them.
 */
static struct json_object *json_text(const char *text)
{
	struct json_object *o;
	char *safe, *to;

	if (!text)
		return NULL;
	to = safe = alloc(4 * strlen(text) + 1);
	while (*text) {
		unsigned char c = (unsigned char)*text++;

		if (c < 0x80)
			*to++ = (char)c;
		else
			to += sprintf(to, "\\x%02x", c);
	}
	o = json_object_new_string(safe);
	free(safe);
	return o;
}

static void put(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

static struct json_object *json_count(uint64_t count)
{
	return json_object_new_uint64(count);
}

static struct json_object *json_dev(dev_t dev)
{
	char text[24];

	snprintf(text, sizeof(text), "%u:%u", major(dev), minor(dev));
	return dev ? json_object_new_string(text) : NULL;
}

static struct json_object *json_leg(const struct report *r, enum leg leg)
{
	struct json_object *o = json_object_new_object();
	const char health[2] = { r->leg[leg].health, '\0' };

	if (leg == DEST)
		put(o, "object", json_text(r->leg[leg].object));
	put(o, "path", json_text(r->leg[leg].named ? r->leg[leg].named :
				 r->leg[leg].dropped || !r->leg[leg].dev ? NULL :
				 r->leg[leg].path));
	put(o, "device", r->leg[leg].dropped ? NULL : json_dev(r->leg[leg].dev));
	put(o, "health", *health ? json_object_new_string(health) : NULL);
	return o;
}

static void put_status(struct json_object *o, const struct report *r)
{
	struct json_object *counters = json_object_new_object();
	const struct status *st = r->status;
	char percent[16];
	int i;

	snprintf(percent, sizeof(percent), "%u.%02u", r->done / 100, r->done % 100);
	put(o, "phase", json_object_new_string(phase_names[st->phase]));
	put(o, "active", json_object_new_string(leg_names[st->active]));
	put(o, "paused", json_object_new_boolean(st->paused));
	put(o, "region_size", json_count(st->region_size << 9));
	put(o, "done", json_count(st->done));
	put(o, "total", json_count(st->total));
	put(o, "percent", json_object_new_double_s(r->done / 100.0, percent));
	for (i = 0; i < NR_NUMBERS; i++)
		put(counters, status_numbers[i], json_count(st->number[i]));
	put(o, "counters", counters);
	for (i = 0; i < NR_WORDS; i++)
		if (i != W_METADATA)
			put(o, status_words[i], strcmp(st->word[i], "-") ?
			    json_text(st->word[i]) : NULL);
}

static struct json_object *json_metadata(const struct report *r)
{
	struct json_object *o;

	if (!*r->metadata)
		return NULL;
	o = json_object_new_object();
	put(o, "path", json_text(r->metadata));
	put(o, "state", r->known ? json_text(r->status->word[W_METADATA]) : NULL);
	return o;
}

static struct json_object *json_migration(const struct migration *m)
{
	struct json_object *o = json_object_new_object();
	struct report r;

	report_make(&r, m);
	put(o, "name", json_text(r.name));
	put(o, "uuid", *r.uuid ? json_text(r.uuid) : NULL);
	put(o, "device", json_dev(r.device));
	put(o, "size", json_count(r.size));
	put(o, "stage", json_object_new_string(r.stage));
	put(o, "step", json_text(r.step));
	put(o, "pinned", json_object_new_boolean(r.pinned));
	put(o, "source", json_leg(&r, SOURCE));
	put(o, "dest", json_leg(&r, DEST));
	put(o, "metadata", json_metadata(&r));
	if (r.known)
		put_status(o, &r);
	put(o, "note", json_text(r.note));
	report_free(&r);
	return o;
}

void report_print_json(FILE *out, struct migration **all, bool pretty)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
	size_t i;

	put(o, "schema", json_object_new_string("livemigrate"));
	put(o, "version", json_object_new_int(REPORT_VERSION));
	for (i = 0; all[i]; i++)
		json_object_array_add(list, json_migration(all[i]));
	put(o, "migrations", list);
	flags |= pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED :
			  JSON_C_TO_STRING_PLAIN;
	fprintf(out, "%s\n", json_object_to_json_string_ext(o, flags));
	json_object_put(o);
	fflush(out);
}
