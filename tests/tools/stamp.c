// SPDX-License-Identifier: GPL-2.0-only
/*
 * stamp - a load that knows what every sector must hold.
 *
 * Every sector written says where it belongs, which write put it there and
 * that it is whole. The last acknowledged state of each sector is kept in
 * memory, and every read is held against it, and at the end all of them.
 *
 * An operation owns its sectors while it is in flight: no two operations
 * touch a sector at once, so there is always one right answer. The depth
 * comes from many threads, each with one operation of its own.
 */
#include "dmcommon.h"
#include "truth.h"

#include <pthread.h>
#include <signal.h>

#define MAX_WORKERS	1024
#define CHUNK		2048u		/* sectors read at a time in a check */
#define CHASE_REACH	4096u		/* 2 MiB to either side of the copier */
#define CHASE_NONE	UINT64_MAX
#define NS_PER_S	1000000000u

static const char usage[] =
	"usage: stamp --dev DEV [--seconds N | --ops N] [--threads N] [--depth N]\n"
	"  [--bs MIN:MAX] [--dbs MIN:MAX] [--mix w=60,r=20,d=5,z=5,f=5,u=5,n=0] [--seq]\n"
	"  [--offset SECTORS] [--size SECTORS] [--rate IOPS] [--chase DMNAME] [--learn]\n"
	"  [--latency] [--errors-ok N] [--state FILE] [--seed N]\n"
	"stamp --check FILE --dev DEV [--shift SECTORS]\n"
	"mix: w write, r read, d discard, z zero, f flush, u write with FUA, n write with NOWAIT.\n"
	"--bs, --dbs (discards, zeroes) in bytes. SIGTERM ends the load, SIGUSR1 prints the window.\n"
	"--shift: sector S of the state lies at S + SHIFT of DEV.";

enum op { OP_WRITE, OP_READ, OP_DISCARD, OP_ZERO, OP_FLUSH, OP_FUA, OP_NOWAIT,
	  NR_OPS };
static const char op_letters[] = "wrdzfun";
static const char * const op_names[NR_OPS] = {
	"write", "read", "discard", "zero", "flush", "fua", "nowait"
};

static struct {
	const char *dev, *state, *check, *chase;
	uint64_t seconds, ops, seed, offset, size, rate, errors_ok, shift;
	uint64_t bs[2], dbs[2];		/* sectors */
	uint64_t threads, depth;
	unsigned int mix[NR_OPS], mix_sum;
	bool seq, latency, learn;
} opt = {
	.bs = { 1, 128 }, .threads = 4, .depth = 4,
	.mix = { 60, 20, 5, 5, 5, 5, 0 }, .mix_sum = 100,
};

struct worker {
	pthread_t thread;
	uint32_t id;
	uint64_t rng;
	unsigned char *buf;
	uint64_t start, len;		/* owned sectors; lock */
	_Atomic uint64_t began;		/* of the write in flight, 0: none */
};

static struct dev dev;
static struct worker workers[MAX_WORKERS];
static unsigned int nr_workers;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
static uint64_t seq_next, rate_next;	/* lock */

static atomic_bool stopping;
static _Atomic uint64_t next_seq = 1, tickets, chase_pos = CHASE_NONE;
static _Atomic uint64_t nr_done[NR_OPS], nr_errors, nr_unsupported;
static _Atomic uint64_t nr_again, nr_chased;

/* Since the last SIGUSR1, and since the beginning. */
static struct window {
	_Atomic uint64_t max_ns, ios, errors;
} window, whole;

static void raise_to(_Atomic uint64_t *max, uint64_t n)
{
	uint64_t old = *max;

	while (old < n && !atomic_compare_exchange_weak(max, &old, n))
		;
}

/* ---- the operations; each returns 0 or an errno ---- */

static int result(ssize_t n, uint64_t len)
{
	if (n < 0)
		return errno;
	return (uint64_t)n == len * SECTOR ? 0 : EIO;
}

static int do_write(struct worker *w, void *buf, int flags)
{
	struct iovec iov = { buf, w->len * SECTOR };
	off_t at = (off_t)(w->start * SECTOR);

	return result(pwritev2(dev.fd, &iov, 1, at, flags), w->len);
}

static int op_write(struct worker *w, enum op op)
{
	/* Not at the beginning of a page as a rule: pages cross sectors. */
	unsigned char *buf = w->buf + SECTOR * rnd_below(&w->rng, 8);
	struct stamp *s = (struct stamp *)buf;
	uint64_t i, seq = atomic_fetch_add(&next_seq, 1);
	int flags = op == OP_FUA ? RWF_DSYNC : op == OP_NOWAIT ? RWF_NOWAIT : 0;
	int err;

	for (i = 0; i < w->len; i++)
		stamp_make(s + i, w->start + i, seq, w->id, truth.run);
	w->began = now_ns();
	err = do_write(w, buf, flags);
	if (err && op == OP_NOWAIT) {
		/* Part of it may have been written: all of it once more. */
		nr_again++;
		err = do_write(w, buf, 0);
	}
	set_truth(w->start, w->len, err ? K_UNSURE : K_SEQ, seq);
	return err;
}

static int op_read(struct worker *w)
{
	unsigned char *buf = w->buf + SECTOR * rnd_below(&w->rng, 8);
	int err = result(pread(dev.fd, buf, w->len * SECTOR,
			       (off_t)(w->start * SECTOR)), w->len);

	if (!err)
		judge_all("read", w->start, w->len, buf);
	return err;
}

static int op_discard(struct worker *w)
{
	uint64_t range[2] = { w->start * SECTOR, w->len * SECTOR };
	int r;

	set_truth(w->start, w->len, K_DISCARDED, 0);
	if (dev.is_block)
		r = ioctl(dev.fd, BLKDISCARD, range);
	else
		r = fallocate(dev.fd, FALLOC_FL_PUNCH_HOLE |
			      FALLOC_FL_KEEP_SIZE, (off_t)range[0],
			      (off_t)range[1]);
	return r ? errno : 0;
}

static int op_zero(struct worker *w)
{
	uint64_t range[2] = { w->start * SECTOR, w->len * SECTOR };
	int r, err;

	if (dev.is_block)
		r = ioctl(dev.fd, BLKZEROOUT, range);
	else
		r = fallocate(dev.fd, FALLOC_FL_ZERO_RANGE |
			      FALLOC_FL_KEEP_SIZE, (off_t)range[0],
			      (off_t)range[1]);
	err = r ? errno : 0;
	set_truth(w->start, w->len, err ? K_UNSURE : K_ZERO, 0);
	return err;
}

static int run_op(struct worker *w, enum op op)
{
	switch (op) {
	case OP_READ:
		return op_read(w);
	case OP_DISCARD:
		return op_discard(w);
	case OP_ZERO:
		return op_zero(w);
	case OP_FLUSH:
		return fdatasync(dev.fd) ? errno : 0;
	default:
		return op_write(w, op);
	}
}

/* ---- where and when ---- */

static bool is_free(const struct worker *me, uint64_t start, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		const struct worker *w = &workers[i];

		if (w != me && w->len && start < w->start + w->len &&
		    w->start < start + len)
			return false;
	}
	return true;
}

static uint64_t random_start(struct worker *w, uint64_t len)
{
	uint64_t lo = opt.offset, hi = opt.offset + opt.size - len, start;

	start = rnd_between(&w->rng, lo, hi);
	if (rnd(&w->rng) & 1)
		start = max_u64(lo, start & ~7ull);
	return start;
}

/* Near the copier, or anywhere if it stands or is out of our window. */
static uint64_t chase_start(struct worker *w, uint64_t len)
{
	uint64_t end = opt.offset + opt.size - len, pos = chase_pos, lo, hi;

	lo = pos > CHASE_REACH ? pos - CHASE_REACH : 0;
	hi = min_u64(pos + CHASE_REACH, end);
	lo = max_u64(lo, opt.offset);
	if (pos == CHASE_NONE || lo > hi)
		return random_start(w, len);
	nr_chased++;
	return rnd_between(&w->rng, lo, hi);
}

static uint64_t pick_start(struct worker *w, enum op op, uint64_t len)
{
	uint64_t start;

	if (opt.seq) {
		if (seq_next < opt.offset ||
		    seq_next + len > opt.offset + opt.size)
			seq_next = opt.offset;
		start = seq_next;
		seq_next += len;
		return start;
	}
	if (opt.chase && op != OP_READ)
		return chase_start(w, len);
	return random_start(w, len);
}

/* Choose sectors and own them until give_back. */
static void take_place(struct worker *w, enum op op)
{
	const uint64_t *bs = op == OP_DISCARD || op == OP_ZERO ? opt.dbs : opt.bs;
	uint64_t len, start;
	unsigned int tries = 0;

	len = min_u64(rnd_log(&w->rng, bs[0], bs[1]), opt.size);
	pthread_mutex_lock(&lock);
	start = pick_start(w, op, len);
	while (!is_free(w, start, len)) {
		if (opt.seq || ++tries % 8 == 0)
			pthread_cond_wait(&freed, &lock);
		if (!opt.seq)
			start = pick_start(w, op, len);
	}
	w->start = start;
	w->len = len;
	pthread_mutex_unlock(&lock);
}

static void give_back(struct worker *w)
{
	pthread_mutex_lock(&lock);
	w->len = 0;
	pthread_cond_broadcast(&freed);
	pthread_mutex_unlock(&lock);
}

/* Wait for this operation's turn, never making up for lost time. */
static void pace(void)
{
	uint64_t turn, now = now_ns();

	if (!opt.rate)
		return;
	pthread_mutex_lock(&lock);
	turn = max_u64(rate_next, now);
	rate_next = turn + NS_PER_S / opt.rate;
	pthread_mutex_unlock(&lock);
	while (!stopping && (now = now_ns()) < turn)
		sleep_ns(min_u64(turn - now, NS_PER_S / 10));
}

static enum op pick_op(struct worker *w)
{
	uint64_t n = rnd_below(&w->rng, opt.mix_sum);
	int op = 0;

	while (n >= opt.mix[op])
		n -= opt.mix[op++];
	return (enum op)op;
}

/* ---- the load ---- */

static void count_write_time(struct worker *w)
{
	uint64_t ns = now_ns() - w->began;

	w->began = 0;
	raise_to(&window.max_ns, ns);
	raise_to(&whole.max_ns, ns);
}

static void op_failed(const struct worker *w, enum op op, int err)
{
	uint64_t n = atomic_fetch_add(&nr_errors, 1) + 1;

	window.errors++;
	if (n <= MAX_REPORTS)
		printf("ERROR %s of %" PRIu64 " sectors at %" PRIu64 ": %s\n",
		       op_names[op], w->len, w->start, strerror(err));
	if (n > opt.errors_ok)
		stopping = true;
}

static void one_op(struct worker *w)
{
	enum op op = pick_op(w);
	int err;

	if (op != OP_FLUSH)
		take_place(w, op);
	err = run_op(w, op);
	if (w->began)
		count_write_time(w);
	window.ios++;
	if (!err)
		nr_done[op]++;
	else if (op == OP_DISCARD && err == EOPNOTSUPP)
		nr_unsupported++;
	else
		op_failed(w, op, err);
	if (op != OP_FLUSH)
		give_back(w);
	if (truth.wrong)
		stopping = true;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!stopping) {
		if (opt.ops && atomic_fetch_add(&tickets, 1) >= opt.ops)
			break;
		pace();
		if (!stopping)
			one_op(w);
	}
	return NULL;
}

static void *chase(void *arg)
{
	struct dm_status st;

	(void)arg;
	while (!stopping) {
		if (!dm_status(opt.chase, &st) && !strcmp(st.phase, "copying"))
			chase_pos = st.done * st.region_size;
		else
			chase_pos = CHASE_NONE;
		sleep_ns(NS_PER_S / 50);
	}
	return NULL;
}

/* A write that is still in flight counts with its age. */
static void print_window(void)
{
	uint64_t now = now_ns(), began, max = atomic_exchange(&window.max_ns, 0);
	uint64_t ios = atomic_exchange(&window.ios, 0);
	uint64_t errors = atomic_exchange(&window.errors, 0);
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		began = workers[i].began;
		if (began && began < now)
			max = max_u64(max, now - began);
	}
	raise_to(&whole.max_ns, max);
	printf("window max_us=%" PRIu64 " ios=%" PRIu64 " errors=%" PRIu64 "\n",
	       max / 1000, ios, errors);
}

static bool all_tickets_gone(void)
{
	return opt.ops && tickets >= opt.ops + nr_workers;
}

static void wait_for_end(const sigset_t *signals)
{
	uint64_t end = opt.seconds ? now_ns() + opt.seconds * NS_PER_S : UINT64_MAX;
	const struct timespec tick = { .tv_nsec = NS_PER_S / 20 };

	while (!stopping && !all_tickets_gone() && now_ns() < end) {
		switch (sigtimedwait(signals, NULL, &tick)) {
		case SIGUSR1:
			print_window();
			break;
		case SIGTERM:
		case SIGINT:
			return;
		}
	}
}

static void start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	if (pthread_create(t, NULL, fn, arg))
		die("no more threads to be had.");
}

static void load(const sigset_t *signals)
{
	uint64_t room = max_u64(opt.bs[1], 1) + 8;
	pthread_t chaser;
	unsigned int i;

	for (i = 0; i < nr_workers; i++) {
		workers[i].id = i;
		workers[i].rng = opt.seed + ((uint64_t)(i + 1) << 32);
		workers[i].buf = alloc_buffer(room * SECTOR);
	}
	if (opt.chase)
		start_thread(&chaser, chase, NULL);
	for (i = 0; i < nr_workers; i++)
		start_thread(&workers[i].thread, work, &workers[i]);
	wait_for_end(signals);
	if (!all_tickets_gone())
		stopping = true;
	for (i = 0; i < nr_workers; i++)
		pthread_join(workers[i].thread, NULL);
	stopping = true;
	if (opt.chase)
		pthread_join(chaser, NULL);
}

/* ---- checking everything ---- */

static void check_all(const char *when)
{
	unsigned char *buf = alloc_buffer(CHUNK * SECTOR);
	uint64_t at = truth.offset, end = truth.offset + truth.size, len;
	int err;

	for (; at < end; at += len) {
		len = min_u64(CHUNK, end - at);
		err = result(pread(dev.fd, buf, len * SECTOR,
				   (off_t)((at + opt.shift) * SECTOR)), len);
		if (!err) {
			judge_all(when, at, len, buf);
			continue;
		}
		if (nr_errors++ < 2 * MAX_REPORTS)
			printf("ERROR %s: %" PRIu64 " sectors at %" PRIu64 " cannot be read: %s\n",
			       when, len, at, strerror(err));
	}
	free(buf);
}

static int verdict(void)
{
	bool bad = truth.wrong || nr_errors > opt.errors_ok;

	truth_print_kinds();
	printf("%s: %" PRIu64 " sectors wrong, %" PRIu64 " errors\n",
	       bad ? "BAD" : "good", truth.wrong, nr_errors);
	return bad ? EXIT_WRONG : 0;
}

static void print_load(void)
{
	unsigned int i;

	printf("done:");
	for (i = 0; i < NR_OPS; i++)
		printf(" %s=%" PRIu64, op_names[i], nr_done[i]);
	printf(" unsupported=%" PRIu64 " nowait_again=%" PRIu64 " chased=%" PRIu64 "\n",
	       nr_unsupported, nr_again, nr_chased);
	if (opt.latency)
		printf("latency max_us=%" PRIu64 "\n", whole.max_ns / 1000);
}

/* ---- options ---- */

static void parse_mix(const char *text)
{
	char *copy = strdup(text), *word;
	const char *letter;

	memset(opt.mix, 0, sizeof(opt.mix));
	opt.mix_sum = 0;
	for (word = strtok(copy, ","); word; word = strtok(NULL, ",")) {
		letter = strchr(op_letters, word[0]);
		if (!letter || word[1] != '=')
			die("--mix does not know \"%s\".\n%s", word, usage);
		opt.mix[letter - op_letters] = (unsigned int)
			min_u64(parse_number(word + 2, "mix"), 100000);
	}
	free(copy);
	for (letter = op_letters; *letter; letter++)
		opt.mix_sum += opt.mix[letter - op_letters];
	if (!opt.mix_sum)
		die("--mix leaves nothing to do.\n%s", usage);
}

static void parse_sizes(const char *text, const char *what, uint64_t *out)
{
	char *copy = strdup(text), *colon = strchr(copy, ':');

	if (colon)
		*colon = '\0';
	out[0] = parse_number(copy, what);
	out[1] = colon ? parse_number(colon + 1, what) : out[0];
	free(copy);
	if (!out[0] || out[0] % SECTOR || out[1] % SECTOR || out[0] > out[1] ||
	    out[1] > 1u << 30)
		die("%s wants MIN:MAX in bytes, multiples of %u.", what, SECTOR);
	out[0] /= SECTOR;
	out[1] /= SECTOR;
}

static void parse_command_line(int argc, char **argv)
{
	const char *bs = NULL, *dbs = NULL, *mix = NULL;
	const struct opt_entry options[] = {
		{ .name = "dev", .text = &opt.dev },
		{ .name = "seconds", .number = &opt.seconds },
		{ .name = "ops", .number = &opt.ops },
		{ .name = "threads", .number = &opt.threads },
		{ .name = "depth", .number = &opt.depth },
		{ .name = "bs", .text = &bs },
		{ .name = "dbs", .text = &dbs },
		{ .name = "mix", .text = &mix },
		{ .name = "seq", .flag = &opt.seq },
		{ .name = "offset", .number = &opt.offset },
		{ .name = "size", .number = &opt.size },
		{ .name = "rate", .number = &opt.rate },
		{ .name = "chase", .text = &opt.chase },
		{ .name = "learn", .flag = &opt.learn },
		{ .name = "latency", .flag = &opt.latency },
		{ .name = "errors-ok", .number = &opt.errors_ok },
		{ .name = "state", .text = &opt.state },
		{ .name = "check", .text = &opt.check },
		{ .name = "shift", .number = &opt.shift },
		{ .name = "seed", .number = &opt.seed },
	};

	opt.seed = fresh_seed();
	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (!opt.dev || optind != argc || (opt.shift && !opt.check))
		die("%s", usage);
	if (bs)
		parse_sizes(bs, "--bs", opt.bs);
	memcpy(opt.dbs, opt.bs, sizeof(opt.dbs));
	if (dbs)
		parse_sizes(dbs, "--dbs", opt.dbs);
	if (mix)
		parse_mix(mix);
	if (!opt.threads || !opt.depth || opt.threads > MAX_WORKERS ||
	    opt.depth > MAX_WORKERS || opt.threads * opt.depth > MAX_WORKERS)
		die("--threads times --depth must be 1 to %d.", MAX_WORKERS);
	if (opt.rate > NS_PER_S)
		die("--rate is at most %u.", NS_PER_S);
	if (!opt.seconds && !opt.ops)
		opt.seconds = 10;
	nr_workers = (unsigned int)(opt.threads * opt.depth);
}

static int check_state(void)
{
	truth_load(opt.check);
	open_dev(&dev, opt.dev, O_RDONLY);
	fit_window(&dev, truth.offset + opt.shift, &truth.size);
	check_all("check");
	return verdict();
}

static int load_and_verify(const sigset_t *signals)
{
	struct dm_status st;

	open_dev(&dev, opt.dev, O_RDWR);
	fit_window(&dev, opt.offset, &opt.size);
	if (opt.chase && dm_status(opt.chase, &st))
		die("\"%s\" shows no status of %s.", opt.chase, DM_TARGET);
	truth_begin(opt.offset, opt.size, (uint32_t)fresh_number());
	printf("seed %" PRIu64 " run %u, %u operations at once on %" PRIu64
	       " sectors from %" PRIu64 "\n", opt.seed, truth.run, nr_workers,
	       opt.size, opt.offset);
	if (opt.learn)
		check_all("learning");
	load(signals);
	print_load();
	check_all("at the end");
	if (opt.state)
		truth_save(opt.state);
	return verdict();
}

int main(int argc, char **argv)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	dm_quiet();
	parse_command_line(argc, argv);
	return opt.check ? check_state() : load_and_verify(&signals);
}
