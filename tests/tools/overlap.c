// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlap - writes to the same sectors, many in flight at once.
 *
 * Any of the writes in flight may win, so there is no one right content. But
 * each sector must hold, whole, what some write gave to this very sector, and
 * not a write that was over before another, acknowledged one began. And what
 * won on one leg of a mirror must have won on the other: compare the legs
 * afterwards.
 */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_WRITERS	64
#define MAX_DEPTH	512
#define MAX_WRITE	128u		/* sectors: 64 KiB */
#define MAX_REPORTS	10

static const char usage[] =
	"usage: overlap --dev DEV [--seconds N] [--depth N] [--writers N] [--size BYTES]\n"
	"  [--offset SECTORS] [--seed N]\n"
	"--depth (32) writes in flight in all, by --writers (2) threads, within --size (1M)\n"
	"bytes from sector --offset. Exit 0 good, 1 a lost, torn, stale or misplaced sector\n"
	"or an I/O error.";

/* One write in flight. */
struct slot {
	struct iocb cb;
	unsigned char *buf;
	_Atomic uint64_t start, len;	/* len 0: idle */
	uint64_t submitted;		/* by the clock below */
	uint64_t seq;
};

struct writer {
	pthread_t thread;
	uint32_t id;
	uint64_t rng;
	aio_context_t ctx;
	struct slot *slots;
	unsigned int nr_slots, in_flight;
	/* By seq: when that write was seen to be over; 0: not. */
	uint64_t *over;
	uint64_t nr_writes, room;
	uint64_t met;			/* writes that met another in flight */
};

static struct {
	const char *dev;
	uint64_t seconds, depth, writers, size, offset, seed;
} opt = { .seconds = 10, .depth = 32, .writers = 2, .size = 1 << 20 };

static struct dev dev;
static struct writer writers[MAX_WRITERS];
static uint32_t run;
static atomic_bool stopping;
static _Atomic uint64_t clock_tick = 1, nr_errors;
/* By sector: the latest beginning of an acknowledged write to it. */
static _Atomic uint64_t *latest;

static void note_over(struct writer *w, struct slot *slot)
{
	uint64_t i, old, first = slot->start - opt.offset;

	w->over[slot->seq] = clock_tick++;
	for (i = first; i < first + slot->len; i++) {
		old = latest[i];
		while (old < slot->submitted &&
		       !atomic_compare_exchange_weak(&latest[i], &old,
						     slot->submitted))
			;
	}
}

static void write_over(struct writer *w, const struct io_event *event)
{
	struct slot *slot = &w->slots[event->data];
	int64_t res = (int64_t)event->res;

	if (res == (int64_t)(slot->len * SECTOR)) {
		note_over(w, slot);
	} else {
		if (nr_errors++ < MAX_REPORTS)
			printf("ERROR write of %" PRIu64 " sectors at %" PRIu64 ": %s\n",
			       slot->len, slot->start,
			       res < 0 ? strerror((int)-res) : "short");
		stopping = true;
	}
	slot->len = 0;
	w->in_flight--;
}

static bool meets_another(const struct slot *me)
{
	uint64_t i, j, start, len;

	for (i = 0; i < opt.writers; i++) {
		for (j = 0; j < writers[i].nr_slots; j++) {
			const struct slot *s = &writers[i].slots[j];

			start = s->start;
			len = s->len;
			if (s != me && len && start < me->start + me->len &&
			    me->start < start + len)
				return true;
		}
	}
	return false;
}

static uint64_t new_seq(struct writer *w)
{
	if (w->nr_writes == w->room) {
		w->room = w->room ? 2 * w->room : 4096;
		w->over = realloc(w->over, w->room * sizeof(*w->over));
		if (!w->over)
			die("no memory for %" PRIu64 " writes.", w->room);
	}
	w->over[w->nr_writes] = 0;
	return w->nr_writes++;
}

static void submit(struct writer *w, struct slot *slot)
{
	struct stamp *s = (struct stamp *)slot->buf;
	uint64_t i, len, start;

	len = rnd_log(&w->rng, 1, min_u64(MAX_WRITE, opt.size));
	start = opt.offset + rnd_between(&w->rng, 0, opt.size - len);
	slot->seq = new_seq(w);
	for (i = 0; i < len; i++)
		stamp_make(s + i, start + i, slot->seq, w->id, run);
	slot->start = start;
	slot->len = len;
	if (meets_another(slot))
		w->met++;
	aio_prep_write(&slot->cb, dev.fd, slot->buf, start, len,
		       (uint64_t)(slot - w->slots));
	slot->submitted = clock_tick++;
	if (aio_submit(w->ctx, &slot->cb) != 1)
		die("io_submit: %s", strerror(errno));
	w->in_flight++;
}

/* Wait until at least one is over. */
static void reap(struct writer *w)
{
	struct io_event events[64];
	int i, nr;

	nr = aio_getevents(w->ctx, 1, ARRAY_LEN(events), events);
	if (nr < 0 && errno != EINTR)
		die("io_getevents: %s", strerror(errno));
	for (i = 0; i < nr; i++)
		write_over(w, &events[i]);
}

static void *work(void *arg)
{
	struct writer *w = arg;
	unsigned int i;

	while (!stopping) {
		for (i = 0; i < w->nr_slots; i++)
			if (!w->slots[i].len)
				submit(w, &w->slots[i]);
		reap(w);
	}
	while (w->in_flight)
		reap(w);
	return NULL;
}

static void setup_writer(uint32_t id)
{
	struct writer *w = &writers[id];
	unsigned int i;

	w->id = id;
	w->rng = opt.seed + ((uint64_t)(id + 1) << 32);
	w->nr_slots = (unsigned int)(opt.depth / opt.writers +
				     (id < opt.depth % opt.writers));
	w->slots = alloc_zeroed(w->nr_slots, sizeof(*w->slots));
	for (i = 0; i < w->nr_slots; i++)
		w->slots[i].buf = alloc_buffer(MAX_WRITE * SECTOR);
	if (aio_setup(w->nr_slots, &w->ctx))
		die("io_setup: %s", strerror(errno));
}

/* What is wrong with this sector's content, or NULL. */
static const char *judge(uint64_t sector, const struct stamp *s)
{
	uint64_t newest = latest[sector - opt.offset];
	const struct writer *w;

	if (!newest)
		return stamp_is_ours(s, run) ? "nobody wrote here" : NULL;
	if (!stamp_is_whole(s, sector, run))
		return "not a whole stamp of this sector";
	if (s->writer >= opt.writers ||
	    s->seq >= writers[s->writer].nr_writes)
		return "a write that never was";
	w = &writers[s->writer];
	if (w->over[s->seq] && w->over[s->seq] < newest)
		return "STALE: a later write was acknowledged and is lost";
	return NULL;
}

static uint64_t check_all(uint64_t *written)
{
	const uint64_t step = 2048;
	unsigned char *buf = alloc_buffer(step * SECTOR);
	uint64_t at, i, nr, wrong = 0, end = opt.offset + opt.size;
	const char *why;
	char is[200];

	*written = 0;
	for (at = opt.offset; at < end; at += nr) {
		nr = min_u64(step, end - at);
		if (pread(dev.fd, buf, nr * SECTOR, (off_t)(at * SECTOR)) !=
		    (ssize_t)(nr * SECTOR)) {
			printf("ERROR %" PRIu64 " sectors at %" PRIu64 " cannot be read: %s\n",
			       nr, at, strerror(errno));
			nr_errors++;
			continue;
		}
		for (i = 0; i < nr; i++) {
			struct stamp *s = (struct stamp *)buf + i;

			*written += latest[at + i - opt.offset] != 0;
			why = judge(at + i, s);
			if (why && wrong++ < MAX_REPORTS)
				printf("WRONG sector %" PRIu64 ": %s; expected the last write or one beside it, found %s\n",
				       at + i, why, stamp_describe(s, run, is,
								   sizeof(is)));
		}
	}
	free(buf);
	return wrong;
}

static void load(void)
{
	uint64_t end = now_ns() + opt.seconds * 1000000000u;
	uint32_t i;

	for (i = 0; i < opt.writers; i++)
		setup_writer(i);
	for (i = 0; i < opt.writers; i++)
		if (pthread_create(&writers[i].thread, NULL, work, &writers[i]))
			die("no more threads to be had.");
	while (!stopping && now_ns() < end)
		sleep_ns(20000000);
	stopping = true;
	for (i = 0; i < opt.writers; i++)
		pthread_join(writers[i].thread, NULL);
}

static void parse_command_line(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "dev", .text = &opt.dev },
		{ .name = "seconds", .number = &opt.seconds },
		{ .name = "depth", .number = &opt.depth },
		{ .name = "writers", .number = &opt.writers },
		{ .name = "size", .number = &opt.size },
		{ .name = "offset", .number = &opt.offset },
		{ .name = "seed", .number = &opt.seed },
	};

	opt.seed = fresh_seed();
	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (!opt.dev || optind != argc || opt.size % SECTOR || !opt.size)
		die("%s", usage);
	if (opt.writers < 2 || opt.writers > MAX_WRITERS ||
	    opt.depth < opt.writers || opt.depth > MAX_DEPTH)
		die("--writers is 2 to %d, --depth at least that and at most %d.",
		    MAX_WRITERS, MAX_DEPTH);
	opt.size /= SECTOR;
}

int main(int argc, char **argv)
{
	uint64_t i, writes = 0, met = 0, wrong, written;
	bool bad;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_command_line(argc, argv);
	open_dev(&dev, opt.dev, O_RDWR);
	fit_window(&dev, opt.offset, &opt.size);
	run = (uint32_t)fresh_number();
	latest = alloc_zeroed(opt.size, sizeof(*latest));
	printf("seed %" PRIu64 " run %u, %" PRIu64 " writes at once on %" PRIu64 " sectors from %" PRIu64 "\n",
	       opt.seed, run, opt.depth, opt.size, opt.offset);

	load();
	wrong = check_all(&written);
	for (i = 0; i < opt.writers; i++) {
		writes += writers[i].nr_writes;
		met += writers[i].met;
	}
	printf("writes=%" PRIu64 " met_another=%" PRIu64 " sectors_written=%" PRIu64 "\n",
	       writes, met, written);
	bad = wrong || nr_errors;
	printf("%s: %" PRIu64 " sectors wrong, %" PRIu64 " errors\n",
	       bad ? "BAD" : "good", wrong, nr_errors);
	return bad ? EXIT_WRONG : 0;
}
