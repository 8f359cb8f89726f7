/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far it is: a bar that moves on a terminal, a line now and then elsewhere.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "migration.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_SAMPLES 16

struct progress {
	FILE *out;
	bool terminal;
	int width;
	bool dirty;		/* the terminal's line is not empty */
	/* The last seconds, for the speed. */
	struct {
		int64_t ms;
		uint64_t regions;
	} sample[PROGRESS_SAMPLES];
	unsigned int nr;
	/* Elsewhere: what the last line said. */
	bool said;
	enum phase phase;
	enum leg active;
	unsigned int tenth;
};

void progress_begin(struct progress *p, FILE *out);
/* Nothing happens if @p is NULL. */
void progress_show(struct progress *p, const struct migration *m);
void progress_end(struct progress *p, const struct migration *m);
/* When to show it again, ms; -1: whenever. */
int progress_interval(const struct progress *p);

/* The line without its end. Pure text. */
void progress_line(char *line, size_t len, const char *name, const struct status *st,
		   uint64_t bytes_per_s, int bar);

#endif
