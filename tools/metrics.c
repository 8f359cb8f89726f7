// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics.h"
#include "report.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX	"livemigrate_"

/* Of a status that could be read. */
struct number_metric {
	enum number number;
	const char *name, *type, *help;
	bool regions;		/* counted so; bytes are shown */
};

static const struct number_metric numbers[] = {
	{ N_COPIED, "copied_bytes_total", "counter", "Copied by the copier.", true },
	{ N_WRITTEN_SKIPPED, "written_skipped_bytes_total", "counter",
	  "Not copied, because a write of the guest's had brought it.", true },
	{ N_ZERO_SKIPPED, "zero_skipped_bytes_total", "counter",
	  "Not copied, because it was zeroes, and the standby had them.", true },
	{ N_CLEARED, "cleared_bytes_total", "counter", "To be copied once more.", true },
	{ N_MIRRORED, "mirrored_writes_total", "counter",
	  "Writes of the guest's that went to both legs.", false },
	{ N_IN_FLIGHT, "writes_in_flight", "gauge", "Such writes that are under way.", false },
	{ N_HELD, "held_writes_total", "counter",
	  "Writes of the guest's that had to wait for another one, or for a copy.", false },
	{ N_READ_ERRORS, "read_errors_total", "counter", "Errors of a leg, reading.", false },
	{ N_WRITE_ERRORS, "write_errors_total", "counter", "Errors of a leg, writing.", false },
	{ N_UNREADABLE, "unreadable_regions", "gauge",
	  "Regions that the active leg cannot read, and the other one does not have.", false },
	{ N_VERIFIED, "verified_bytes_total", "counter", "Compared by verify.", true },
	{ N_MISMATCHES, "mismatches_total", "counter",
	  "Regions that verify found different.", false },
};

/* A label's value: UTF-8, with three things escaped; other bytes as \xNN. */
static void print_value(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\' || c == '"')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\\\x%02x", c);
		else
			fputc(c, out);
	}
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name,
		type);
}

/* @label: a second one, or NULL. */
static void sample(FILE *out, const char *metric, const struct report *r,
		   const char *label, const char *value, uint64_t number)
{
	fprintf(out, PREFIX "%s{name=\"", metric);
	print_value(out, r->name);
	if (label)
		fprintf(out, "\",%s=\"%s", label, value);
	fprintf(out, "\"} %llu\n", (unsigned long long)number);
}

/* One of several: 1 for the one that it is. */
static void print_phases(FILE *out, const struct report *r, size_t nr)
{
	size_t i;
	int phase;

	head(out, "phase", "gauge", "In which phase it is: 1 for that.");
	for (i = 0; i < nr; i++)
		for (phase = 0; r[i].known && phase < NR_PHASES; phase++)
			sample(out, "phase", r + i, "phase", phase_names[phase],
			       r[i].status->phase == (enum phase)phase);
}

static uint64_t leg_is_active(const struct report *r, enum leg leg)
{
	return r->status->active == leg;
}

static uint64_t leg_is_good(const struct report *r, enum leg leg)
{
	return r->leg[leg].health == 'A';
}

static void print_legs(FILE *out, const char *name, const char *help,
		       uint64_t (*value)(const struct report *r, enum leg leg),
		       const struct report *r, size_t nr)
{
	size_t i;
	int leg;

	head(out, name, "gauge", help);
	for (i = 0; i < nr; i++)
		for (leg = 0; r[i].known && leg < NR_LEGS; leg++)
			sample(out, name, r + i, "leg", leg_names[leg],
			       value(r + i, (enum leg)leg));
}

static uint64_t size_of(const struct report *r)
{
	return r->size;
}

static uint64_t runs(const struct report *r)
{
	return r->known;
}

static uint64_t attention(const struct report *r)
{
	return r->note != NULL;
}

/* The last region may be a part of one. */
static uint64_t done(const struct report *r)
{
	const struct status *st = r->status;

	return st->done == st->total ? r->size : st->done * st->region_size << 9;
}

static uint64_t paused(const struct report *r)
{
	return r->status->paused;
}

static uint64_t rate_limit(const struct report *r)
{
	return r->status->number[N_COPY_RATE] << 10;
}

/* One value each. @all: also of those whose status could not be read. */
static const struct gauge {
	const char *name, *help;
	bool all;
	uint64_t (*value)(const struct report *r);
} gauges[] = {
	{ "size_bytes", "How large the device is that moves.", true, size_of },
	{ "runs", "1: its target is in place, and tells how it is.", true, runs },
	{ "attention", "1: something is to be done about it: livemigrate list says what.",
	  true, attention },
	{ "done_bytes", "What the standby holds as the active leg does.", false, done },
	{ "paused", "1: the copier stands still.", false, paused },
	{ "copy_rate_limit_bytes", "What it may copy in a second; 0: no limit.", false,
	  rate_limit },
};

static void print_gauge(FILE *out, const struct gauge *gauge, const struct report *r,
			size_t nr)
{
	size_t i;

	head(out, gauge->name, "gauge", gauge->help);
	for (i = 0; i < nr; i++)
		if (gauge->all || r[i].known)
			sample(out, gauge->name, r + i, NULL, NULL, gauge->value(r + i));
}

static void print_number(FILE *out, const struct number_metric *metric,
			 const struct report *r, size_t nr)
{
	uint64_t number;
	size_t i;

	head(out, metric->name, metric->type, metric->help);
	for (i = 0; i < nr; i++) {
		if (!r[i].known)
			continue;
		number = r[i].status->number[metric->number];
		sample(out, metric->name, r + i, NULL, NULL,
		       metric->regions ? number * r[i].status->region_size << 9 : number);
	}
}

void metrics_print(FILE *out, struct migration **all, int damaged)
{
	struct report *r;
	size_t nr, i;

	for (nr = 0; all[nr]; nr++)
		;
	r = alloc((nr + 1) * sizeof(*r));
	for (i = 0; i < nr; i++)
		report_make(r + i, all[i]);
	head(out, "migrations", "gauge", "Migrations of this host, recorded or running.");
	fprintf(out, PREFIX "migrations %zu\n", nr);
	head(out, "damaged_records", "gauge", "Records that cannot be read.");
	fprintf(out, PREFIX "damaged_records %d\n", damaged);
	for (i = 0; i < ARRAY_LEN(gauges); i++)
		print_gauge(out, gauges + i, r, nr);
	print_phases(out, r, nr);
	print_legs(out, "leg_active", "On which leg it runs: 1 for that.", leg_is_active, r, nr);
	print_legs(out, "leg_good", "1: the leg takes part; 0: failed, detached or dropped.",
		   leg_is_good, r, nr);
	for (i = 0; i < ARRAY_LEN(numbers); i++)
		print_number(out, numbers + i, r, nr);
	for (i = 0; i < nr; i++)
		report_free(r + i);
	free(r);
	fflush(out);
}
