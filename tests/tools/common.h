/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test programs share: numbers, random numbers, opening a device,
 * sectors that say who wrote them, and the raw aio calls.
 *
 * Exit codes: 0 good, 1 the data or the device is wrong, 2 usage or
 * environment.
 */
#ifndef TESTS_TOOLS_COMMON_H
#define TESTS_TOOLS_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SECTOR		512u
#define EXIT_WRONG	1
#define EXIT_ENV	2

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* The environment is not as it must be: no verdict on the device. */
static inline __attribute__((noreturn, format(printf, 1, 2)))
void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(EXIT_ENV);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A number with an optional K, M or G behind it. */
static inline uint64_t parse_number(const char *text, const char *what)
{
	unsigned int shift = 0;
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	switch (*end) {
	case 'K':
	case 'k':
		shift = 10;
		break;
	case 'M':
	case 'm':
		shift = 20;
		break;
	case 'G':
	case 'g':
		shift = 30;
		break;
	}
	if (shift)
		end++;
	if (errno || end == text || *end || *text == '-' ||
	    n > UINT64_MAX >> shift)
		die("%s wants a number, not \"%s\".", what, text);
	return n << shift;
}

/*
 * Long options by a table: a number, a text, or a flag that stands alone.
 * Whatever is left over on the line is for the caller, from optind on.
 */
struct opt_entry {
	const char *name;
	uint64_t *number;
	const char **text;
	bool *flag;
};

#define OPT_MAX		24

static inline void parse_options(int argc, char **argv, const char *usage,
				 const struct opt_entry *table, size_t nr)
{
	struct option longs[OPT_MAX + 1] = { 0 };
	size_t i;
	int c;

	for (i = 0; i < nr && i < OPT_MAX; i++) {
		longs[i].name = table[i].name;
		longs[i].has_arg = !table[i].flag;
		longs[i].val = 256 + (int)i;
	}
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c < 256)
			die("%s", usage);
		i = (size_t)c - 256;
		if (table[i].number)
			*table[i].number = parse_number(optarg, table[i].name);
		else if (table[i].text)
			*table[i].text = optarg;
		else
			*table[i].flag = true;
	}
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};

	nanosleep(&ts, NULL);
}

/* splitmix64: small, fast, and any seed is a good seed. */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 <= result < n, n > 0 */
static inline uint64_t rnd_below(uint64_t *state, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)rnd(state) * n) >> 64);
}

/* lo <= result <= hi */
static inline uint64_t rnd_between(uint64_t *state, uint64_t lo, uint64_t hi)
{
	return lo + rnd_below(state, hi - lo + 1);
}

/* Numbers of every order of magnitude between lo and hi, lo >= 1. */
static inline uint64_t rnd_log(uint64_t *state, uint64_t lo, uint64_t hi)
{
	unsigned int steps = 0;

	while ((lo << steps) < hi)
		steps++;
	return rnd_between(state, lo,
			   min_u64(hi, lo << rnd_between(state, 0, steps)));
}

static inline uint64_t fresh_number(void)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		die("no random number to be had: %s", strerror(errno));
	return n;
}

/* A seed short enough to be typed again. */
static inline uint64_t fresh_seed(void)
{
	return fresh_number() % 1000000000u;
}

struct dev {
	const char *path;
	int fd;
	bool is_block;
	uint64_t sectors;
};

static inline void open_dev(struct dev *dev, const char *path, int mode)
{
	struct stat st;
	uint64_t bytes;

	dev->path = path;
	dev->fd = open(path, mode | O_DIRECT | O_CLOEXEC);
	if (dev->fd < 0)
		die("%s cannot be opened: %s", path, strerror(errno));
	if (fstat(dev->fd, &st))
		die("%s: fstat: %s", path, strerror(errno));
	dev->is_block = S_ISBLK(st.st_mode);
	if (dev->is_block) {
		if (ioctl(dev->fd, BLKGETSIZE64, &bytes))
			die("%s: BLKGETSIZE64: %s", path, strerror(errno));
	} else {
		bytes = (uint64_t)st.st_size;
	}
	dev->sectors = bytes / SECTOR;
	if (!dev->sectors)
		die("%s has no sectors.", path);
}

/* Clamp the window that the user asked for to the device; 0 means the rest. */
static inline void fit_window(const struct dev *dev, uint64_t offset,
			      uint64_t *size)
{
	if (offset >= dev->sectors)
		die("%s has %" PRIu64 " sectors, the offset is %" PRIu64 ".",
		    dev->path, dev->sectors, offset);
	if (!*size)
		*size = dev->sectors - offset;
	if (*size > dev->sectors - offset)
		die("%s has %" PRIu64 " sectors, %" PRIu64 " from %" PRIu64
		    " do not fit.", dev->path, dev->sectors, *size, offset);
}

static inline void *alloc_buffer(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, 4096, bytes))
		die("no memory for a buffer of %zu bytes.", bytes);
	memset(p, 0, bytes);
	return p;
}

static inline void *alloc_zeroed(uint64_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("no memory for %" PRIu64 " times %zu bytes.", n, size);
	return p;
}

/*
 * A sector that says what it is: written by whom, where, when, in which run;
 * the sum is over everything before it. A sector that is lost, stale, torn or
 * in the wrong place names itself.
 */
#define STAMP_MAGIC	0x3150554e49474d4cu

struct stamp {
	uint64_t magic;
	uint64_t sector;
	uint64_t seq;
	uint32_t writer;
	uint32_t run;
	uint64_t fill[59];
	uint64_t sum;
};

_Static_assert(sizeof(struct stamp) == SECTOR, "a stamp is one sector");

static inline uint64_t hash_words(const void *data, size_t nr)
{
	const uint64_t *w = data;
	uint64_t h = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < nr; i++) {
		h = (h ^ w[i]) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	return h;
}

static inline uint64_t stamp_sum(const struct stamp *s)
{
	return hash_words(s, offsetof(struct stamp, sum) / sizeof(uint64_t));
}

static inline void stamp_make(struct stamp *s, uint64_t sector, uint64_t seq,
			      uint32_t writer, uint32_t run)
{
	uint64_t state = sector ^ (seq << 24) ^ ((uint64_t)run << 32) ^ writer;
	size_t i;

	s->magic = STAMP_MAGIC;
	s->sector = sector;
	s->seq = seq;
	s->writer = writer;
	s->run = run;
	for (i = 0; i < ARRAY_LEN(s->fill); i++)
		s->fill[i] = rnd(&state);
	s->sum = stamp_sum(s);
}

/* Does it come from this run, whole or not? */
static inline bool stamp_is_ours(const struct stamp *s, uint32_t run)
{
	return s->magic == STAMP_MAGIC && s->run == run;
}

/* Does it come from this run, for this sector, and is it not torn? */
static inline bool stamp_is_whole(const struct stamp *s, uint64_t sector,
				  uint32_t run)
{
	return stamp_is_ours(s, run) && s->sector == sector &&
	       s->sum == stamp_sum(s);
}

static inline bool is_zeroes(const void *sector)
{
	const uint64_t *w = sector;
	size_t i;

	for (i = 0; i < SECTOR / sizeof(*w); i++)
		if (w[i])
			return false;
	return true;
}

/* What is in a sector, in words. */
static inline const char *stamp_describe(const struct stamp *s, uint32_t run,
					 char *out, size_t len)
{
	if (is_zeroes(s))
		snprintf(out, len, "zeroes");
	else if (s->magic != STAMP_MAGIC)
		snprintf(out, len, "foreign bytes beginning %016" PRIx64
			 " %016" PRIx64, s->magic, s->sector);
	else
		snprintf(out, len, "%s sector %" PRIu64 " seq %" PRIu64
			 " of writer %u%s",
			 s->sum == stamp_sum(s) ? "a whole stamp for" :
			 "a TORN stamp (bad sum) for",
			 s->sector, s->seq, s->writer,
			 s->run == run ? "" : " from an EARLIER run");
	return out;
}

/* libaio is not needed for four system calls. */
static inline int aio_setup(unsigned int nr, aio_context_t *ctx)
{
	return (int)syscall(SYS_io_setup, nr, ctx);
}

static inline int aio_submit(aio_context_t ctx, struct iocb *cb)
{
	return (int)syscall(SYS_io_submit, ctx, 1, &cb);
}

static inline int aio_getevents(aio_context_t ctx, long min, long nr,
				struct io_event *events)
{
	return (int)syscall(SYS_io_getevents, ctx, min, nr, events, NULL);
}

static inline void aio_prep_write(struct iocb *cb, int fd, const void *buf,
				  uint64_t sector, uint64_t sectors,
				  uint64_t data)
{
	memset(cb, 0, sizeof(*cb));
	cb->aio_lio_opcode = IOCB_CMD_PWRITE;
	cb->aio_fildes = (uint32_t)fd;
	cb->aio_buf = (uintptr_t)buf;
	cb->aio_nbytes = sectors * SECTOR;
	cb->aio_offset = (int64_t)(sector * SECTOR);
	cb->aio_data = data;
}

#endif
