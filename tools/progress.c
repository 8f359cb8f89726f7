// SPDX-License-Identifier: GPL-2.0-or-later
#include "progress.h"
#include "events.h"
#include "report.h"
#include "say.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR		24

void progress_begin(struct progress *p, FILE *out)
{
	struct winsize size;

	memset(p, 0, sizeof(*p));
	p->out = out;
	p->terminal = isatty(fileno(out));
	p->width = 80;
	if (p->terminal && !ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
		p->width = size.ws_col;
}

int progress_interval(const struct progress *p)
{
	return p ? 1000 : -1;
}

static void take_sample(struct progress *p, const struct status *st)
{
	unsigned int i = p->nr++ % PROGRESS_SAMPLES;

	/* It has begun anew, or goes back. */
	if (p->nr > 1 && st->done < p->sample[(p->nr - 2) % PROGRESS_SAMPLES].regions) {
		p->nr = 1;
		i = 0;
	}
	p->sample[i].ms = now_ms();
	p->sample[i].regions = st->done;
}

static uint64_t speed(const struct progress *p, const struct status *st)
{
	unsigned int last = (p->nr - 1) % PROGRESS_SAMPLES;
	unsigned int first = p->nr > PROGRESS_SAMPLES ? p->nr % PROGRESS_SAMPLES : 0;
	int64_t ms = p->sample[last].ms - p->sample[first].ms;

	if (p->nr < 2 || ms < 500)
		return 0;
	return (p->sample[last].regions - p->sample[first].regions) *
	       (st->region_size << 9) * 1000 / (uint64_t)ms;
}

void progress_line(char *line, size_t len, const char *name, const struct status *st,
		   uint64_t bytes_per_s, int bar)
{
	unsigned int done = status_done(st), filled = done * (unsigned int)bar / 10000;
	uint64_t left = (st->total - st->done) * (st->region_size << 9);
	char safe[4 * DM_NAME_MAX], eta[24];
	int n = 0, i;

	n += snprintf(line, len, "%s: %s ", printable(name, safe, sizeof(safe)),
		      phase_names[st->phase]);
	if (bar && n + bar + 4 < (int)len) {
		line[n++] = '[';
		for (i = 0; i < bar; i++)
			line[n++] = i < (int)filled ? '#' : '.';
		line[n++] = ']';
		line[n++] = ' ';
	}
	if (n < (int)len)
		n += snprintf(line + n, len - (size_t)n, "%u.%u%%", done / 100,
			      done % 100 / 10);
	if (bytes_per_s && st->phase == COPYING && n < (int)len)
		n += snprintf(line + n, len - (size_t)n, ", %llu.%llu MiB/s, %s left",
			      (unsigned long long)(bytes_per_s >> 20),
			      (unsigned long long)((bytes_per_s & 1048575) * 10 >> 20),
			      time_text(left / bytes_per_s, eta, sizeof(eta)));
	if (st->paused && n < (int)len)
		n += snprintf(line + n, len - (size_t)n, ", paused");
	if (n < (int)len)
		snprintf(line + n, len - (size_t)n, ", %llu guest writes mirrored",
			 (unsigned long long)st->number[N_MIRRORED]);
}

/* Off a terminal a line for each phase, and for each tenth of the way. */
static bool is_news(const struct progress *p, const struct status *st)
{
	return !p->said || p->phase != st->phase || p->active != st->active ||
	       p->tenth != status_done(st) / 1000;
}

void progress_show(struct progress *p, const struct migration *m)
{
	const struct status *st = &m->status;
	char line[512];

	if (!p || m->stage != RUNS || !m->readable)
		return;
	take_sample(p, st);
	if (p->terminal) {
		progress_line(line, sizeof(line), m->device.name, st, speed(p, st),
			      p->width >= 100 ? BAR : BAR / 2);
		/* One that is too long would wrap, and stay. */
		if (p->width > 1 && strlen(line) >= (size_t)p->width)
			line[p->width - 1] = '\0';
		fprintf(p->out, "\r\033[K%s", line);
		p->dirty = true;
	} else if (is_news(p, st)) {
		progress_line(line, sizeof(line), m->device.name, st, speed(p, st), 0);
		fprintf(p->out, "%s\n", line);
		p->said = true;
		p->phase = st->phase;
		p->active = st->active;
		p->tenth = status_done(st) / 1000;
	}
	fflush(p->out);
}

void progress_end(struct progress *p, const struct migration *m)
{
	if (!p)
		return;
	progress_show(p, m);
	if (p->dirty)
		fputc('\n', p->out);
	p->dirty = false;
	fflush(p->out);
}
