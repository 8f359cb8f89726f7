// SPDX-License-Identifier: GPL-2.0-only
/*
 * pace.c beside guests and on disks of many kinds, in simulated time.  What chose its
 * constants, and what they are held to: each line of works[] is a test.
 *
 * A disk has one queue.  What differs is when it takes the next request from it, and
 * how long that takes then.  The copier is copier.c's: up to eight pieces under way,
 * each read from one disk and then written to the other; the guest's writes go to both.
 *
 * Usage: sim [-v] [NAME]...
 */
#include "pace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS	1000000ULL
#define SECOND	1000000000ULL
#define MIB	1048576.0

static u64 now;
static bool verbose;

/* ------------------------------------------------------------------------
 * Chance, the same in each run (xorshift)
 */

static u64 seed;

static double chance(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

/* Ns between two that come independently, so many a second. */
static u64 interval(double per_second)
{
	return (u64)(-log(1 - chance()) * 1e9 / per_second);
}

/* ------------------------------------------------------------------------
 * Events, in a heap
 */

struct event {
	u64 at, nr;
	void (*call)(void *arg);
	void *arg;
};

static struct event heap[65536];
static size_t nr_events;
static u64 last_nr;

static bool before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->nr < b->nr);
}

static void at(u64 when, void (*call)(void *arg), void *arg)
{
	struct event event = { when, last_nr++, call, arg };
	size_t i = nr_events++;

	if (nr_events == sizeof(heap) / sizeof(*heap))
		abort();
	for (; i && before(&event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = event;
}

static bool step(void)
{
	struct event first = heap[0], last;
	size_t i = 0, child;

	if (!nr_events)
		return false;
	last = heap[--nr_events];
	for (; (child = 2 * i + 1) < nr_events; i = child) {
		child += child + 1 < nr_events && before(&heap[child + 1], &heap[child]);
		if (!before(&heap[child], &last))
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	now = first.at;
	first.call(first.arg);
	return true;
}

/* ------------------------------------------------------------------------
 * Disks
 */

enum kind {
	TICK,		/* null_blk's mbps=: a budget for each 20 ms */
	LEAK,		/* QEMU's throttling of bytes: a bucket of 100 ms that leaks */
	LEAK_IOPS,	/* the same of requests */
	FIFO,		/* one request at a time */
	SSD,		/* eight at a time, 80 us each at least */
	HDD,		/* one at a time, and it seeks, but in a row */
};

struct request {
	double bytes;
	bool in_row;
	void (*done)(void *arg);
	void *arg;
	struct request *next;
};

struct disk {
	enum kind kind;
	double per_second;	/* bytes, or requests */
	double budget;		/* TICK: what is left; LEAK: what is in the bucket */
	u64 leaked;
	int busy, channels;
	bool stopped;
	struct request *first, **last;
};

static struct disk disks[2];

#define LATENCY	50000ULL

static void disk_pump(struct disk *d);

static void disk_tick(void *arg)
{
	struct disk *d = arg;

	d->budget = d->per_second / 50;
	d->stopped = false;
	disk_pump(d);
	at(now + 20 * MS, disk_tick, d);
}

static void disk_go_on(void *arg)
{
	struct disk *d = arg;

	d->stopped = false;
	disk_pump(d);
}

static void disk_channel_free(void *arg)
{
	struct disk *d = arg;

	d->busy--;
	disk_pump(d);
}

static void request_done(void *arg)
{
	struct request *r = arg;

	r->done(r->arg);
	free(r);
}

static bool take_tick(struct disk *d, const struct request *r)
{
	d->budget -= r->bytes;
	d->stopped = d->budget < 0;
	return !d->stopped;
}

static bool take_leak(struct disk *d, const struct request *r)
{
	double excess;

	d->budget -= (double)(now - d->leaked) * d->per_second / 1e9;
	d->leaked = now;
	if (d->budget < 0)
		d->budget = 0;
	excess = d->budget - d->per_second / 10;
	if (excess > 0) {
		d->stopped = true;
		at(now + (u64)(excess / d->per_second * 1e9) + 1, disk_go_on, d);
		return false;
	}
	d->budget += d->kind == LEAK ? r->bytes : 1;
	return true;
}

static bool take_channel(struct disk *d, const struct request *r, u64 *took)
{
	double ns = r->bytes / (d->per_second / d->channels) * 1e9;

	if (d->busy >= d->channels)
		return false;
	if (d->kind == SSD)
		ns += 80000;
	else
		ns += d->kind == HDD ? 100000 : 20000;
	if (d->kind == HDD && !r->in_row)
		ns += 4e6 + chance() * 8e6;
	d->busy++;
	*took = (u64)ns;
	at(now + *took, disk_channel_free, d);
	return true;
}

static bool disk_take(struct disk *d, const struct request *r, u64 *took)
{
	*took = 0;
	if (d->stopped)
		return false;
	if (d->kind == TICK)
		return take_tick(d, r);
	if (d->kind == LEAK || d->kind == LEAK_IOPS)
		return take_leak(d, r);
	return take_channel(d, r, took);
}

static void disk_pump(struct disk *d)
{
	struct request *r;
	u64 took;

	while ((r = d->first) && disk_take(d, r, &took)) {
		d->first = r->next;
		if (!d->first)
			d->last = &d->first;
		at(now + took + LATENCY, request_done, r);
	}
}

static void disk_io(struct disk *d, u64 bytes, bool in_row, void (*done)(void *arg),
		    void *arg)
{
	struct request *r = calloc(1, sizeof(*r));

	*r = (struct request){ (double)bytes, in_row, done, arg, NULL };
	*d->last = r;
	d->last = &r->next;
	disk_pump(d);
}

static void disk_make(struct disk *d, enum kind kind, double per_second)
{
	struct request *r;

	while ((r = d->first)) {
		d->first = r->next;
		free(r);
	}
	memset(d, 0, sizeof(*d));
	d->kind = kind;
	d->per_second = per_second;
	d->channels = kind == SSD ? 8 : 1;
	d->last = &d->first;
	if (kind == TICK) {
		d->budget = per_second / 50;
		at((u64)(chance() * 20e6), disk_tick, d);
	}
}

/* ------------------------------------------------------------------------
 * Guests
 */

enum guest_kind { STILL, READS, WRITES, IN_ROW, SATURATES, SATURATES_READING };

#define DEPTH	16

static struct {
	enum guest_kind kind;
	double per_second;
	u64 size;
	bool mirrored;
	u64 on, off;		/* by turns, ns; 0: always on */
	struct lm_pace_guest did;
	int under_way;
	u64 busy_since;
	double *took;		/* ns */
	size_t nr, room;
} guest;

/* ------------------------------------------------------------------------
 * The copier
 */

/* KiB/s */
static const unsigned int caps[] = { 0, 2048, 16384, 65536, 1 << 20 };

static struct {
	struct lm_pace pace;
	bool paced, capped;
	unsigned int cap;
	double zeroes, small;	/* parts of its pieces */
	u64 left, copied, size;
	u64 ended;
	unsigned int jobs;
	u64 timer;		/* the number of the one that counts */
} copier;

struct guest_io {
	u64 since;
	int left;
};

static void guest_io(void *arg);

static bool saturates(enum guest_kind kind)
{
	return kind == SATURATES || kind == SATURATES_READING;
}

static bool reads(enum guest_kind kind)
{
	return kind == READS || kind == SATURATES_READING;
}

static void guest_record(double ns)
{
	if (guest.nr == guest.room) {
		guest.room = guest.room ? 2 * guest.room : 4096;
		guest.took = realloc(guest.took, guest.room * sizeof(double));
	}
	guest.took[guest.nr++] = ns;
}

static void guest_done(void *arg)
{
	struct guest_io *io = arg;

	if (--io->left)
		return;
	if (!--guest.under_way)
		guest.did.busy += now - guest.busy_since;
	guest_record((double)(now - io->since));
	free(io);
	if (saturates(guest.kind))
		at(now + 20000, guest_io, NULL);
}

static void guest_io(void *arg)
{
	u64 turn = guest.on ? now % (guest.on + guest.off) : 0;
	struct guest_io *io;

	if (guest.on && turn >= guest.on) {
		at(now - turn + guest.on + guest.off, guest_io, arg);
		return;
	}
	io = malloc(sizeof(*io));
	io->since = now;
	io->left = !reads(guest.kind) && guest.mirrored ? 2 : 1;
	guest.did.ios++;
	if (!guest.under_way++)
		guest.busy_since = now;
	if (io->left == 2)
		disk_io(&disks[1], guest.size, guest.kind == IN_ROW, guest_done, io);
	disk_io(&disks[0], guest.size, guest.kind == IN_ROW, guest_done, io);
	if (!saturates(guest.kind))
		at(now + (guest.kind == IN_ROW ? (u64)(1e9 / guest.per_second) :
						 interval(guest.per_second)), guest_io, arg);
}

static void guest_begin(enum guest_kind kind, double per_second, u64 size, bool mirrored,
			u64 when)
{
	int i;

	guest.kind = kind;
	guest.per_second = per_second;
	guest.size = size;
	guest.mirrored = mirrored;
	memset(&guest.did, 0, sizeof(guest.did));
	guest.under_way = 0;
	guest.nr = 0;
	for (i = 0; kind != STILL && i < (saturates(kind) ? DEPTH : 1); i++)
		at(when, guest_io, NULL);
}

static struct lm_pace_guest guest_now(void)
{
	struct lm_pace_guest did = guest.did;

	if (guest.under_way)
		did.busy += now - guest.busy_since;
	return did;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(double q)
{
	size_t i = (size_t)((double)guest.nr * q);

	return guest.nr ? guest.took[i < guest.nr ? i : guest.nr - 1] : 0;
}

/* ------------------------------------------------------------------------
 * The copier
 */

#define NR_JOBS	8


struct job {
	u64 bytes, started;
	bool zero;
};

static void copier_work(void);

static void job_end(struct job *job)
{
	copier.copied += job->bytes;
	copier.jobs--;
	free(job);
	if (copier.copied == copier.size)
		copier.ended = now;
	copier_work();
}

static void job_write_done(void *arg)
{
	struct job *job = arg;

	lm_pace_ended(&copier.pace, 1, (unsigned int)(job->bytes >> 9), job->started, now);
	job_end(job);
}

static void job_write(void *arg)
{
	struct job *job = arg;

	if (job->zero) {
		job_end(job);
		return;
	}
	job->started = now;
	disk_io(&disks[1], job->bytes, true, job_write_done, job);
}

static void job_read_done(void *arg)
{
	struct job *job = arg;

	lm_pace_ended(&copier.pace, 0, (unsigned int)(job->bytes >> 9), job->started, now);
	at(now + 30000, job_write, job);
}

static void copier_timer(void *arg)
{
	if ((u64)(uintptr_t)arg == copier.timer)
		copier_work();
}

static bool copier_may(void)
{
	struct lm_pace_guest did = guest_now();
	u64 wait;

	if (!copier.paced)
		return true;
	if (copier.capped && chance() < 0.003)
		copier.cap = caps[(unsigned int)(chance() * (sizeof(caps) / sizeof(*caps)))];
	lm_pace_cap(&copier.pace, copier.cap);
	lm_pace_look(&copier.pace, &did, !copier.jobs, now);
	wait = lm_pace_wait(&copier.pace, false, now);
	if (wait == LM_PACE_STOP && !copier.jobs) {
		printf("Bail out! It waits for a piece to end, and none is under way\n");
		exit(1);
	}
	if (wait && wait != LM_PACE_STOP)
		at(now + wait + (u64)(chance() * 60000), copier_timer,
		   (void *)(uintptr_t)++copier.timer);
	return !wait;
}

static void copier_work(void)
{
	struct job *job;
	u64 bytes;

	while (copier.left && copier.jobs < NR_JOBS && copier_may()) {
		bytes = copier.paced ? (u64)copier.pace.piece << 9 : 262144;
		if (copier.small && chance() < copier.small)
			bytes = 4096;
		bytes = bytes < copier.left ? bytes : copier.left;
		lm_pace_begun(&copier.pace, (unsigned int)(bytes >> 9), now);
		job = malloc(sizeof(*job));
		job->bytes = bytes;
		job->started = now;
		job->zero = copier.zeroes && chance() < copier.zeroes;
		copier.left -= bytes;
		copier.jobs++;
		disk_io(&disks[0], bytes, true, job_read_done, job);
	}
}

static void copier_begin(void *arg)
{
	(void)arg;
	copier_work();
}

static void copier_trace(void *arg)
{
	const struct lm_pace *p = &copier.pace;
	static const char * const modes[] = { "alone", "low", "climb", "keep" };

	printf("#   %6.2f s %-5s rate %6.2f good %6.2f MiB/s, steps 1/%u, pieces of %u, copied %.0f MiB\n",
	       (double)now / 1e9, modes[p->mode], (double)p->rate / MIB,
	       (double)p->good / MIB, p->divisor, p->piece, (double)copier.copied / MIB);
	at(now + SECOND / 2, copier_trace, arg);
}

/* ------------------------------------------------------------------------
 * Works
 */

/* What must hold, as ratios: 0 for what is not looked at. */
struct work {
	const char *name;
	enum kind kind;
	double per_second;	/* MiB, or requests */
	enum guest_kind guest;
	double guest_per_second;
	u64 guest_size;
	double mib;		/* to copy */
	double begins;		/* the guest, s */
	double max_time;	/* to the disk's own speed */
	double max_p99, max_p999;	/* to the guest alone */
	double min_ios;		/* of the guest alone */
	bool capped;		/* by a copy_rate that changes all the time */
	double dest;		/* how fast it is, to the source; 0: the same */
	double on, off;		/* the guest, by turns, s */
	double zeroes;		/* the part of the pieces that need not be written */
	double small;		/* the part of them that is one region */
};

#define SEED	88172645463325252ULL

static void begin(const struct work *w)
{
	double per_second = w->kind == LEAK_IOPS ? w->per_second : w->per_second * MIB;

	nr_events = 0;
	now = 0;
	seed = SEED;
	disk_make(&disks[0], w->kind, per_second);
	disk_make(&disks[1], w->kind, per_second * (w->dest ? w->dest : 1));
}

struct result {
	double time, p50, p99, p999, ios;
};

static struct result take_result(double seconds)
{
	struct result r = { 0 };

	if (guest.nr)
		qsort(guest.took, guest.nr, sizeof(double), by_size);
	r.p50 = percentile(0.5);
	r.p99 = percentile(0.99);
	r.p999 = percentile(0.999);
	r.ios = (double)guest.did.ios / seconds;
	return r;
}

static void guest_takes_turns(const struct work *w)
{
	guest.on = (u64)(w->on * 1e9);
	guest.off = (u64)(w->off * 1e9);
}

static struct result run_alone(const struct work *w)
{
	begin(w);
	guest_begin(w->guest, w->guest_per_second, w->guest_size, false, 0);
	guest_takes_turns(w);
	while (now < 30 * SECOND && step())
		;
	return take_result((double)now / 1e9);
}

static struct result run_beside(const struct work *w, bool paced)
{
	double limit = (w->kind == LEAK_IOPS ? w->per_second / 4 : w->per_second) *
		       (w->dest && w->dest < 1 ? w->dest : 1);
	struct result r;

	begin(w);
	memset(&copier, 0, sizeof(copier));
	copier.paced = paced;
	copier.capped = w->capped;
	copier.left = copier.size = (u64)(w->mib * MIB);
	lm_pace_init(&copier.pace, 8, 0);
	copier.zeroes = w->zeroes;
	copier.small = w->small;
	guest_begin(w->guest, w->guest_per_second, w->guest_size, true,
		    (u64)(w->begins * 1e9));
	guest_takes_turns(w);
	at(1000, copier_begin, NULL);
	if (paced && verbose)
		at(0, copier_trace, NULL);
	while (!copier.ended && now < 1000 * SECOND && step())
		;
	r = take_result((double)now / 1e9 - w->begins);
	r.time = copier.ended ? (double)copier.ended / 1e9 / (w->mib / limit) : 9999;
	return r;
}

static bool is_within(double value, double max)
{
	return !max || value <= max;
}

static bool work(const struct work *w, int nr)
{
	struct result alone = run_alone(w), full = run_beside(w, false);
	struct result paced = run_beside(w, true);
	bool good = is_within(paced.time, w->max_time) &&
		    is_within(paced.p99 / alone.p99, w->max_p99) &&
		    is_within(paced.p999 / alone.p999, w->max_p999) &&
		    (!w->min_ios || paced.ios >= w->min_ios * alone.ios);

	printf("%sok %d - pace: %s: time %.2f (unpaced %.2f)", good ? "" : "not ", nr,
	       w->name, paced.time, full.time);
	if (w->guest != STILL)
		printf(", p50 %.2f p99 %.2f (%.0f) p99.9 %.2f (%.0f), I/Os %.2f (%.2f)",
		       paced.p50 / alone.p50, paced.p99 / alone.p99, full.p99 / alone.p99,
		       paced.p999 / alone.p999, full.p999 / alone.p999,
		       paced.ios / alone.ios, full.ios / alone.ios);
	putchar('\n');
	fflush(stdout);
	return good;
}

static const struct work works[] = {
	{ "tick, still", TICK, 64, STILL, 0, 0, 1024, 0, 1.04, 0, .max_p999 = 0 },
	{ "tick, 400 writes", TICK, 64, WRITES, 400, 4096, 4096, 0, 1.1, 2, .max_p999 = 3 },
	{ "tick, 400 writes after 3 s", TICK, 64, WRITES, 400, 4096, 4096, 3, 1.1, 2, .max_p999 = 3 },
	{ "tick, 400 reads", TICK, 64, READS, 400, 4096, 4096, 0, 1.1, 2, .max_p999 = 3 },
	{ "tick, 100 of 16 KiB", TICK, 64, WRITES, 100, 16384, 4096, 0, 1.15, 2, .max_p999 = 3 },
	{ "tick, 4 MiB/s in a row", TICK, 64, IN_ROW, 32, 131072, 4096, 0, 1.2, 2, .max_p999 = 3 },
	{ "tick, 400 writes, copy_rate changes", TICK, 64, WRITES, 400, 4096, 512, 0, 12, 2, 0, 0, .capped = true },
	{ "tick, saturated", TICK, 64, SATURATES, 0, 4096, 64, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "tick, saturated with reads", TICK, 64, SATURATES_READING, 0, 4096, 64, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "tick, slow, saturated with reads", TICK, 16, SATURATES_READING, 0, 4096, 64, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "leak, 400 writes", LEAK, 64, WRITES, 400, 4096, 4096, 0, 1.1, 2, .max_p999 = 0 },
	{ "leak, 16 MiB/s in a row", LEAK, 64, IN_ROW, 128, 131072, 4096, 0, 1.6, 2, .max_p999 = 0 },
	{ "leak, saturated", LEAK, 16, SATURATES, 0, 4096, 16, 0, 0, 0, 0, .min_ios = 0.88 },
	{ "leak, saturated with reads", LEAK, 16, SATURATES_READING, 0, 4096, 64, 0, 0, 0, 0, .min_ios = 0.88 },
	{ "requests, saturated", LEAK_IOPS, 1500, SATURATES, 0, 4096, 16, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "fifo, 400 writes", FIFO, 64, WRITES, 400, 4096, 1024, 0, 0, 0, .max_p999 = 0 },
	{ "fifo, saturated", FIFO, 64, SATURATES, 0, 4096, 64, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "ssd, 2000 writes", SSD, 500, WRITES, 2000, 4096, 4096, 0, 2.3, 2, .max_p999 = 2 },
	{ "ssd, saturated", SSD, 500, SATURATES, 0, 4096, 128, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "hdd, 40 reads", HDD, 150, READS, 40, 4096, 256, 0, 0, 0, .max_p999 = 0 },
	{ "hdd, saturated", HDD, 150, SATURATES, 0, 4096, 16, 0, 0, 0, 0, .min_ios = 0.9 },
	{ "tick, 400 writes, the dest half as fast", TICK, 64, WRITES, 400, 4096, 2048, 0, 1.25, 2, 0, 0, .dest = 0.5 },
	{ "tick, 400 writes, the source half as fast", TICK, 32, WRITES, 400, 4096, 2048, 0, 1.25, 2, 0, 0, .dest = 2 },
	{ "tick, 400 writes for 7 s of 10", TICK, 64, WRITES, 400, 4096, 4096, 0, 1.15, 4, 0, 0, .on = 7, .off = 3 },
	{ "tick, 400 writes, half of it zeroes", TICK, 64, WRITES, 400, 4096, 4096, 0, 1.15, 2, 3, 0, .zeroes = 0.5 },
	{ "tick, 400 writes, a third small", TICK, 64, WRITES, 400, 4096, 2048, 0, 1.25, 2, 0, 0, .small = 0.33 },
	{ "ssd, 2000 writes, the dest a quarter as fast", SSD, 500, WRITES, 2000, 4096, 2048, 0, 1.4, 6, 8, 0, .dest = 0.25 },
};

int main(int argc, char **argv)
{
	int i, nr = 0, bad = 0;
	size_t w;

	if (argc > 1 && !strcmp(argv[1], "-v")) {
		verbose = true;
		argv++;
		argc--;
	}
	for (w = 0; w < sizeof(works) / sizeof(*works); w++) {
		bool asked = argc == 1;

		for (i = 1; i < argc; i++)
			asked |= !strncmp(argv[i], works[w].name, strlen(argv[i]));
		if (asked)
			bad += !work(&works[w], ++nr);
	}
	printf("1..%d\n", nr);
	return bad ? 1 : 0;
}
