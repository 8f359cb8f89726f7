// SPDX-License-Identifier: GPL-2.0-only
/*
 * cutload - a load made to be cut off: it writes sectors that say who they are
 * and keeps a journal (cutlog.h) that outlives the machine.
 *
 * An operation owns its sectors while it is in flight, so the writes of a
 * sector have an order, and each thread has one operation.
 */
#include "cutlog.h"

#include <dirent.h>
#include <pthread.h>

static const char usage[] =
	"usage: cutload --dev DEV [--seed N] [--threads N] [--flush PERMILLE]\n"
	"  [--fua PERMILLE] [--zero PERMILLE] [--pause US] [--hot SECTORS]\n"
	"cutload --mark TEXT --claims WORDS     (of: source dest no-source no-dest)\n"
	"The journal is the memory of the first ivshmem device.";

#define MAX_THREADS	64
#define MAX_LEN		128u		/* sectors in a write */

static struct {
	const char *dev, *mark, *claims;
	uint64_t seed, threads, flush, fua, zero, pause, hot;
} opt = {
	.seed = 1, .threads = 6, .flush = 20, .fua = 10, .zero = 20,
};

struct worker {
	pthread_t thread;
	uint32_t id;
	uint64_t rng, start, len;	/* start, len: owned; lock */
	unsigned char *buf;
};

static struct dev dev;
static struct cut_log *cutlog;
static struct worker workers[MAX_THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t next_seq = 1, next_flush = 1;

static bool file_is(const char *dir, const char *name, const char *text)
{
	char path[320], found[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(found, sizeof(found), f))
		found[0] = '\0';
	fclose(f);
	return !strncmp(found, text, strlen(text));
}

/* The memory of the host: BAR 2 of an ivshmem device. */
static struct cut_log *open_journal(void)
{
	static const char root[] = "/sys/bus/pci/devices";
	DIR *dir = opendir(root);
	struct dirent *d;
	char path[300];

	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", root, d->d_name);
		if (!file_is(path, "vendor", "0x1af4") ||
		    !file_is(path, "device", "0x1110"))
			continue;
		snprintf(path, sizeof(path), "%s/%s/resource2", root, d->d_name);
		cutlog = cut_open(path);
		if (cutlog->magic != CUT_MAGIC)
			die("%s holds no journal.", path);
		closedir(dir);
		return cutlog;
	}
	die("there is no ivshmem device.");
}

static bool is_free(const struct worker *me, uint64_t start, uint64_t len)
{
	uint64_t i;

	for (i = 0; i < opt.threads; i++) {
		const struct worker *w = &workers[i];

		if (w != me && w->len && start < w->start + w->len &&
		    w->start < start + len)
			return false;
	}
	return true;
}

static void take_place(struct worker *w)
{
	uint64_t len = rnd_log(&w->rng, 1, MAX_LEN), size, start;

	/* Half of them in a small part, where each sector is written often. */
	size = rnd(&w->rng) & 1 ? opt.hot : dev.sectors;
	pthread_mutex_lock(&lock);
	w->len = 0;
	do {
		start = rnd_below(&w->rng, size - len + 1);
		if (rnd(&w->rng) & 1)
			start &= ~7ull;
	} while (!is_free(w, start, len));
	w->start = start;
	w->len = len;
	pthread_mutex_unlock(&lock);
}

static void failed(int err)
{
	cut_say(cutlog, CUT_ERROR, 0, 0, (uint64_t)err);
	die("the device answers with an error: %s.", strerror(err));
}

static void one_write(struct worker *w, enum cut_kind kind)
{
	uint64_t seq = atomic_fetch_add(&next_seq, 1), i;
	struct iovec iov = { w->buf, w->len * SECTOR };
	uint64_t range[2] = { w->start * SECTOR, w->len * SECTOR };
	ssize_t n;

	for (i = 0; i < w->len && kind != CUT_ZERO; i++)
		stamp_make((struct stamp *)w->buf + i, w->start + i, seq, w->id,
			   cutlog->run);
	cut_say(cutlog, kind, seq, w->start, w->len);
	if (kind == CUT_ZERO)
		n = ioctl(dev.fd, BLKZEROOUT, range) ? -1 : (ssize_t)iov.iov_len;
	else
		n = pwritev2(dev.fd, &iov, 1, (off_t)range[0],
			     kind == CUT_FUA ? RWF_DSYNC : 0);
	if (n != (ssize_t)iov.iov_len)
		failed(n < 0 ? errno : EIO);
	cut_say(cutlog, CUT_ACK, seq, 0, 0);
}

static void one_flush(void)
{
	uint64_t seq = atomic_fetch_add(&next_flush, 1);

	cut_say(cutlog, CUT_FLUSH, seq, 0, 0);
	if (fdatasync(dev.fd))
		failed(errno);
	cut_say(cutlog, CUT_FLUSHED, seq, 0, 0);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t dice;

	for (;;) {
		dice = rnd_below(&w->rng, 1000);
		if (dice < opt.flush) {
			one_flush();
			continue;
		}
		dice -= opt.flush;
		take_place(w);
		if (dice < opt.fua)
			one_write(w, CUT_FUA);
		else if (dice < opt.fua + opt.zero)
			one_write(w, CUT_ZERO);
		else
			one_write(w, CUT_WRITE);
		if (opt.pause)
			sleep_ns(rnd_below(&w->rng, 2 * opt.pause) * 1000);
	}
	return NULL;
}

static uint32_t parse_claims(const char *text)
{
	static const char * const names[] = {
		"source", "dest", "no-source", "no-dest"
	};
	char *copy = strdup(text), *word;
	uint32_t claims = 0;
	size_t i;

	for (word = strtok(copy, " ,"); word; word = strtok(NULL, " ,")) {
		for (i = 0; i < ARRAY_LEN(names) && strcmp(word, names[i]); i++)
			;
		if (i == ARRAY_LEN(names))
			die("--claims does not know \"%s\".\n%s", word, usage);
		claims |= 1u << i;
	}
	free(copy);
	return claims;
}

int main(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "dev", .text = &opt.dev },
		{ .name = "seed", .number = &opt.seed },
		{ .name = "threads", .number = &opt.threads },
		{ .name = "flush", .number = &opt.flush },
		{ .name = "fua", .number = &opt.fua },
		{ .name = "zero", .number = &opt.zero },
		{ .name = "pause", .number = &opt.pause },
		{ .name = "hot", .number = &opt.hot },
		{ .name = "mark", .text = &opt.mark },
		{ .name = "claims", .text = &opt.claims },
	};
	uint64_t i;

	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (optind != argc || !opt.mark == !opt.dev || !opt.mark != !opt.claims)
		die("%s", usage);
	open_journal();
	if (opt.mark) {
		cut_mark(cutlog, opt.mark, parse_claims(opt.claims));
		return 0;
	}
	if (!opt.threads || opt.threads > MAX_THREADS)
		die("--threads must be 1 to %d.", MAX_THREADS);
	open_dev(&dev, opt.dev, O_RDWR);
	if (!opt.hot)
		opt.hot = dev.sectors / 32;
	if (opt.hot < 2 * opt.threads * MAX_LEN || opt.hot > dev.sectors)
		die("--hot must leave room for the writes.");
	for (i = 0; i < opt.threads; i++) {
		workers[i].id = (uint32_t)i;
		workers[i].rng = opt.seed + ((i + 1) << 32);
		workers[i].buf = alloc_buffer(MAX_LEN * SECTOR);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("no more threads to be had.");
	}
	for (i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}
