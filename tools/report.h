/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What there is to say about migrations: worked out once, printed for people or
 * as JSON (the schema is in docs/tool.rst).
 */
#ifndef REPORT_H
#define REPORT_H

#include "migration.h"

#include <stddef.h>
#include <stdio.h>

#define REPORT_VERSION 1

struct report {
	const char *name, *uuid;
	dev_t device;
	bool exists, recorded, known;	/* known: the status could be read */
	const char *stage, *step;	/* step: NULL if not recorded */
	uint64_t size;			/* bytes; 0 if not known */
	bool pinned;
	struct {
		char path[DM_NAME_MAX + 16];
		char *named;		/* as it was given; NULL */
		char *object;		/* what was made, and lies below that; NULL */
		dev_t dev;
		bool dropped;
		char health;		/* A, F, D; 0 if not known */
	} leg[NR_LEGS];
	char metadata[4096];		/* its path, or "" */
	const struct status *status;	/* if known */
	unsigned int done;		/* hundredths of a percent */
	uint64_t copied, written, zeroes;	/* bytes */
	char *note;
};

void report_make(struct report *report, const struct migration *m);
void report_free(struct report *report);

/* For people: all there is about one, or a line for each. */
void report_print(FILE *out, const struct migration *m);
void report_print_list(FILE *out, struct migration **all);
/* One JSON document on a line, or indented. */
void report_print_json(FILE *out, struct migration **all, bool pretty);

/* "12.5 MiB"; "1:02:03" */
const char *size_text(uint64_t bytes, char *buf, size_t len);
const char *time_text(uint64_t seconds, char *buf, size_t len);

#endif
