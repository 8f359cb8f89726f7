// SPDX-License-Identifier: GPL-2.0-only
/*
 * flipbuf - O_DIRECT writes whose buffer changes while they are in flight.
 *
 * What arrives is anybody's guess, and legal. What arrives on one leg of a
 * mirror must arrive on the other too: compare the legs afterwards. No two
 * writes overlap, so a difference comes from the buffers alone.
 */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>

#define CELL		128u		/* sectors, 64 KiB: one write at most */
#define MAX_DEPTH	512
#define MAX_FLIPPERS	16
#define LINE_WORDS	8		/* words from one flipped to the next */

static const char usage[] =
	"usage: flipbuf --dev DEV [--seconds N] [--depth N] [--flippers N]\n"
	"  [--offset SECTORS] [--size SECTORS] [--seed N]\n"
	"--depth (32) writes at once, --flippers (1) threads that change their buffers.\n"
	"Prints how many writes there were and in how many the buffer changed between\n"
	"submission and completion. Exit 1 on an I/O error, or if no buffer changed.";

/* One write in flight, in cells of its own: cell % depth == index. */
struct slot {
	struct iocb cb;
	_Atomic uint64_t *buf;
	_Atomic uint64_t words;		/* to be flipped; 0: not in flight */
	_Atomic uint64_t flips;		/* whole passes over the buffer */
	uint64_t flips_before;
	uint64_t start, len;
};

static struct {
	const char *dev;
	uint64_t seconds, depth, flippers, size, offset, seed;
} opt = { .seconds = 10, .depth = 32, .flippers = 1 };

static struct dev dev;
static struct slot slots[MAX_DEPTH];
static aio_context_t ctx;
static atomic_bool stopping;
static bool failed;
static uint64_t rng, in_flight, nr_writes, nr_changed, nr_flips;

/* One word in every cache line, so that no line stays what it was. */
static void flip(struct slot *slot, uint64_t salt)
{
	uint64_t i, words = slot->words;

	for (i = salt % LINE_WORDS; i < words; i += LINE_WORDS)
		atomic_store_explicit(&slot->buf[i], salt * 0x9e3779b97f4a7c15u + i,
				      memory_order_relaxed);
	if (words)
		slot->flips++;
}

static void *flipper(void *arg)
{
	uint64_t i, salt = (uint64_t)(uintptr_t)arg << 48;

	while (!stopping)
		for (i = 0; i < opt.depth; i++)
			flip(&slots[i], ++salt);
	return NULL;
}

static void submit(uint64_t index)
{
	struct slot *slot = &slots[index];
	uint64_t cells = opt.size / CELL, mine, cell;

	mine = (cells - index + opt.depth - 1) / opt.depth;
	cell = index + opt.depth * rnd_below(&rng, mine);
	slot->len = rnd_log(&rng, 1, CELL);
	slot->start = opt.offset + cell * CELL +
		      rnd_between(&rng, 0, CELL - slot->len);
	aio_prep_write(&slot->cb, dev.fd, (void *)slot->buf, slot->start,
		       slot->len, index);
	slot->words = slot->len * SECTOR / sizeof(uint64_t);
	slot->flips_before = slot->flips;
	if (aio_submit(ctx, &slot->cb) != 1)
		die("io_submit: %s", strerror(errno));
	in_flight++;
}

static void write_over(const struct io_event *event)
{
	struct slot *slot = &slots[event->data];
	int64_t res = (int64_t)event->res;
	uint64_t flips = slot->flips - slot->flips_before;

	slot->words = 0;
	in_flight--;
	if (res != (int64_t)(slot->len * SECTOR)) {
		printf("ERROR write of %" PRIu64 " sectors at %" PRIu64 ": %s\n",
		       slot->len, slot->start,
		       res < 0 ? strerror((int)-res) : "short");
		failed = true;
		return;
	}
	nr_writes++;
	nr_changed += flips != 0;
	nr_flips += flips;
}

static void reap(void)
{
	struct io_event events[64];
	int i, nr;

	nr = aio_getevents(ctx, 1, ARRAY_LEN(events), events);
	if (nr < 0 && errno != EINTR)
		die("io_getevents: %s", strerror(errno));
	for (i = 0; i < nr; i++)
		write_over(&events[i]);
}

static void load(void)
{
	uint64_t i, end = now_ns() + opt.seconds * 1000000000u;

	while (!failed && now_ns() < end) {
		for (i = 0; i < opt.depth; i++)
			if (!slots[i].words)
				submit(i);
		reap();
	}
	while (in_flight)
		reap();
}

static void setup(void)
{
	uint64_t i;

	open_dev(&dev, opt.dev, O_RDWR);
	fit_window(&dev, opt.offset, &opt.size);
	if (opt.size / CELL < opt.depth)
		die("--depth %" PRIu64 " needs a window of %" PRIu64 " sectors.",
		    opt.depth, opt.depth * CELL);
	for (i = 0; i < opt.depth; i++)
		slots[i].buf = alloc_buffer(CELL * SECTOR);
	if (aio_setup((unsigned int)opt.depth, &ctx))
		die("io_setup: %s", strerror(errno));
	rng = opt.seed;
}

static void parse_command_line(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "dev", .text = &opt.dev },
		{ .name = "seconds", .number = &opt.seconds },
		{ .name = "depth", .number = &opt.depth },
		{ .name = "flippers", .number = &opt.flippers },
		{ .name = "size", .number = &opt.size },
		{ .name = "offset", .number = &opt.offset },
		{ .name = "seed", .number = &opt.seed },
	};

	opt.seed = fresh_seed();
	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (!opt.dev || optind != argc)
		die("%s", usage);
	if (!opt.depth || opt.depth > MAX_DEPTH || !opt.flippers ||
	    opt.flippers > MAX_FLIPPERS)
		die("--depth is 1 to %d, --flippers 1 to %d.", MAX_DEPTH,
		    MAX_FLIPPERS);
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_FLIPPERS];
	uint64_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_command_line(argc, argv);
	setup();
	printf("seed %" PRIu64 ", %" PRIu64 " writes at once on %" PRIu64 " sectors from %" PRIu64 "\n",
	       opt.seed, opt.depth, opt.size, opt.offset);
	for (i = 0; i < opt.flippers; i++)
		if (pthread_create(&threads[i], NULL, flipper,
				   (void *)(uintptr_t)(i + 1)))
			die("no more threads to be had.");
	load();
	stopping = true;
	for (i = 0; i < opt.flippers; i++)
		pthread_join(threads[i], NULL);

	printf("writes=%" PRIu64 " changed_in_flight=%" PRIu64 " changes=%" PRIu64 "\n",
	       nr_writes, nr_changed, nr_flips);
	if (!failed && !nr_changed) {
		printf("BAD: no buffer changed while its write was in flight, so nothing was tested\n");
		failed = true;
	}
	if (!failed)
		printf("good: no errors\n");
	return failed ? EXIT_WRONG : 0;
}
