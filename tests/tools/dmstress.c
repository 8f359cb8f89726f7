// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmstress - everything that the control side can be asked, all at once.
 *
 * Processes send messages, suspend, resume, reload the device's own table
 * line and read its status, with no order among them, and may remove it and make
 * it anew. A call may succeed or be refused with EBUSY or EINVAL, or find no
 * device where that may be; it may not fail otherwise, nor hang.
 */
#include "dmcommon.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MAX_PROCS	256
#define NS_PER_S	1000000000u

static const char usage[] =
	"usage: dmstress --name NAME [--seconds N] [--procs N] [--limit SECONDS] [--final]\n"
	"  [--remake] [--seed N]\n"
	"--procs (8) processes for --seconds (10). A call that takes longer than --limit (20)\n"
	"fails. --final: in the second half commit and abort too. --remake: the device is\n"
	"removed, too, and made anew of the line that it printed. At the end the device is\n"
	"there, and resumed.";

enum call { CALL_MESSAGE, CALL_SUSPEND, CALL_RESUME, CALL_RELOAD, CALL_STATUS,
	    CALL_TABLE, CALL_REMAKE, NR_CALLS };
static const char * const call_names[NR_CALLS] = {
	"message", "suspend", "resume", "reload", "status", "table", "remake"
};
/* More resumes than suspends: or nothing else would happen. */
static const unsigned int weights[NR_CALLS] = { 40, 10, 25, 10, 10, 5, 5 };

/* Shared between the processes, one for each; pid is the parent's. */
struct record {
	pid_t pid;
	_Atomic uint64_t began;		/* of the call going on, 0: none */
	_Atomic unsigned int call;
	char text[64];
	uint64_t good[NR_CALLS], refused[NR_CALLS];
	uint64_t longest_ns;
};

static struct {
	const char *name;
	uint64_t seconds, procs, limit, seed;
	bool final, remake;
} opt = { .seconds = 10, .procs = 8, .limit = 20 };

/*
 * dm's records for IMA know no lock: two loads, or a load and a resume, at once
 * free them twice. So the inactive slot has one user at a time.
 */
static struct shared {
	pthread_mutex_t tables;
} *shared;

static struct record *records;
static uint64_t rng, half, end;

static uint64_t below(uint64_t n)
{
	return rnd_below(&rng, n);
}

/* ---- what a process does ---- */

static void pick_message(char *out, size_t len)
{
	static const char * const words[] = {
		"pause", "resume", "cutover", "failback", "reattach", "verify",
		"verify stop"
	};

	/* Often enough that one is taken, on the slowest machine. */
	if (opt.final && now_ns() > half && !below(20))
		snprintf(out, len, "%s", below(2) ? "commit" : "abort");
	else if (!below(5))
		snprintf(out, len, "copy_rate %u",
			 below(2) ? 0 : (unsigned int)below(200000));
	else
		snprintf(out, len, "%s", words[below(ARRAY_LEN(words))]);
}

static int reload_own_line(void)
{
	static struct dm_line line;
	int err = dm_line(DM_DEVICE_TABLE, opt.name, false, &line);

	if (err)
		return err;
	pthread_mutex_lock(&shared->tables);
	err = dm_load(opt.name, &line);
	pthread_mutex_unlock(&shared->tables);
	return err;
}

static int dm_create(const char *name, const struct dm_line *line)
{
	struct dm_task *task = dm_begin(DM_DEVICE_CREATE, name);

	if (!dm_task_add_target(task, line->start, line->len, line->type,
				line->params)) {
		dm_task_destroy(task);
		return ENOMSG;
	}
	return dm_end(task);
}

/* Somebody may hold it for a moment: then it stays. What is removed comes back. */
static int remake(void)
{
	static struct dm_line line;
	int err;

	pthread_mutex_lock(&shared->tables);
	err = dm_line(DM_DEVICE_TABLE, opt.name, false, &line);
	if (!err)
		err = dm_simple(DM_DEVICE_REMOVE, opt.name);
	if (!err)
		err = dm_create(opt.name, &line);
	if (err && err != EBUSY)
		printf("\"%s\" is not made anew of \"%s\": %s\n", opt.name,
		       line.params, strerror(err));
	pthread_mutex_unlock(&shared->tables);
	return err;
}

static int read_status(void)
{
	struct dm_status st;

	return dm_status(opt.name, &st);
}

static int read_table(void)
{
	static struct dm_line line;

	return dm_line(DM_DEVICE_TABLE, opt.name, below(2), &line);
}

static int make_call(struct record *r, enum call call)
{
	unsigned int how;
	int err;

	switch (call) {
	case CALL_MESSAGE:
		return dm_message(opt.name, r->text);
	case CALL_SUSPEND:
		how = (unsigned int)below(4);
		return dm_suspend(opt.name, how & 1, how & 2);
	case CALL_RESUME:
		/*
		 * dm's own: the table could not be swapped in, since somebody
		 * else suspended, and another was loaded meanwhile.
		 */
		pthread_mutex_lock(&shared->tables);
		err = dm_simple(DM_DEVICE_RESUME, opt.name);
		pthread_mutex_unlock(&shared->tables);
		return err == ENXIO ? EBUSY : err;
	case CALL_RELOAD:
		return reload_own_line();
	case CALL_REMAKE:
		return remake();
	case CALL_STATUS:
		return read_status();
	default:
		err = read_table();
		return err == ENODATA ? 0 : err; /* nothing in that slot */
	}
}

static enum call pick_call(void)
{
	unsigned int sum = 0, n, i;

	for (i = 0; i < (opt.remake ? NR_CALLS : CALL_REMAKE); i++)
		sum += weights[i];
	n = (unsigned int)below(sum);
	for (i = 0; n >= weights[i]; i++)
		n -= weights[i];
	return (enum call)i;
}

/* Made anew, it is away for a moment; but not for who makes it. */
static bool may_fail(enum call call, int err)
{
	return err == EBUSY || err == EINVAL ||
	       (opt.remake && call != CALL_REMAKE &&
		(err == ENXIO || err == ENODATA));
}

/* Returns false if the call did what it may not. */
static bool one_call(struct record *r)
{
	enum call call = pick_call();
	uint64_t took;
	int err;

	r->text[0] = '\0';
	if (call == CALL_MESSAGE)
		pick_message(r->text, sizeof(r->text));
	r->call = call;
	r->began = now_ns();
	err = make_call(r, call);
	took = now_ns() - r->began;
	r->began = 0;

	r->longest_ns = max_u64(r->longest_ns, took);
	if (!err)
		r->good[call]++;
	else if (may_fail(call, err))
		r->refused[call]++;
	if (took > opt.limit * NS_PER_S)
		printf("WRONG %s %s: took %" PRIu64 " ms\n", call_names[call],
		       r->text, took / 1000000);
	else if (err && !may_fail(call, err))
		printf("WRONG %s %s: expected success, EBUSY or EINVAL, found %s\n",
		       call_names[call], r->text, strerror(err));
	else
		return true;
	return false;
}

/* _exit: libdevmapper must not touch the device nodes on the way out. */
static __attribute__((noreturn)) void child(unsigned int index)
{
	struct record *r = &records[index];
	bool good = true;

	rng = opt.seed + ((uint64_t)(index + 1) << 32);
	while (good && now_ns() < end)
		good = one_call(r);
	fflush(stdout);
	_exit(good ? 0 : EXIT_WRONG);
}

/* ---- the parent ---- */

static void start_children(void)
{
	unsigned int i;
	pid_t pid;

	fflush(stdout);
	for (i = 0; i < opt.procs; i++) {
		pid = fork();
		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (!pid)
			child(i);
		records[i].pid = pid;
	}
}

/* Is a call going on that began too long ago? */
static bool hangs(const struct record *r)
{
	uint64_t began = r->began, now = now_ns();

	return began && now > began && now - began > opt.limit * NS_PER_S;
}

static void give_up_on(struct record *r)
{
	printf("WRONG %s %s: hangs for more than %" PRIu64 " s (process %d)\n",
	       call_names[r->call], r->text, opt.limit, r->pid);
	kill(r->pid, SIGKILL);
}

/* Has it ended, or must it be given up? *bad is set where it went wrong. */
static bool is_over(struct record *r, bool *bad)
{
	int status;

	if (waitpid(r->pid, &status, WNOHANG) == r->pid) {
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			*bad = true;
		return true;
	}
	if (hangs(r)) {
		give_up_on(r);
		*bad = true;
		return true;
	}
	return false;
}

static bool watch_children(void)
{
	bool over[MAX_PROCS] = { false }, bad = false;
	unsigned int left = (unsigned int)opt.procs, i;

	while (left) {
		for (i = 0; i < opt.procs; i++) {
			if (!over[i] && is_over(&records[i], &bad)) {
				over[i] = true;
				left--;
			}
		}
		sleep_ns(NS_PER_S / 20);
	}
	return !bad;
}

/*
 * In a process of its own, so that a hang is seen here too. A resume takes
 * the table in the inactive slot, if one was left there.
 */
static __attribute__((noreturn)) void leave_resumed(void)
{
	struct dm_info info;
	int err = EAGAIN;

	for (;;) {
		err = dm_simple(DM_DEVICE_RESUME, opt.name);
		if (!err)
			err = dm_info(opt.name, &info);
		if (!err && !info.suspended)
			_exit(0);
		if (err && err != EINVAL && err != EBUSY)
			break;
		sleep_ns(NS_PER_S / 10);
	}
	printf("WRONG at the end: the device cannot be resumed: %s\n",
	       strerror(err));
	fflush(stdout);
	_exit(EXIT_WRONG);
}

static bool resume_at_end(void)
{
	struct record *r = &records[0];
	bool bad = false;
	pid_t pid;

	fflush(stdout);
	r->text[0] = '\0';
	r->call = CALL_RESUME;
	r->began = now_ns();
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid)
		leave_resumed();
	r->pid = pid;
	while (!is_over(r, &bad))
		sleep_ns(NS_PER_S / 20);
	return !bad;
}

static void print_counts(void)
{
	uint64_t good[NR_CALLS] = { 0 }, refused[NR_CALLS] = { 0 }, longest = 0;
	unsigned int i, c;

	for (i = 0; i < opt.procs; i++) {
		for (c = 0; c < NR_CALLS; c++) {
			good[c] += records[i].good[c];
			refused[c] += records[i].refused[c];
		}
		longest = max_u64(longest, records[i].longest_ns);
	}
	for (c = 0; c < NR_CALLS; c++)
		printf("%s: good=%" PRIu64 " refused=%" PRIu64 "\n",
		       call_names[c], good[c], refused[c]);
	printf("longest call %" PRIu64 " ms\n", longest / 1000000);
}

static void parse_command_line(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "name", .text = &opt.name },
		{ .name = "seconds", .number = &opt.seconds },
		{ .name = "procs", .number = &opt.procs },
		{ .name = "limit", .number = &opt.limit },
		{ .name = "final", .flag = &opt.final },
		{ .name = "remake", .flag = &opt.remake },
		{ .name = "seed", .number = &opt.seed },
	};

	opt.seed = fresh_seed();
	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (!opt.name || !opt.limit || optind != argc)
		die("%s", usage);
	if (!opt.procs || opt.procs > MAX_PROCS)
		die("--procs is 1 to %d.", MAX_PROCS);
}

static void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	return p;
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t attr;
	struct dm_status st;
	bool good;
	int err;

	dm_quiet();
	parse_command_line(argc, argv);
	err = dm_status(opt.name, &st);
	if (err)
		die("\"%s\" shows no status of %s: %s", opt.name, DM_TARGET,
		    strerror(err));
	records = map_shared(opt.procs * sizeof(*records));
	shared = map_shared(sizeof(*shared));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->tables, &attr);
	printf("seed %" PRIu64 ", %" PRIu64 " processes\n", opt.seed, opt.procs);
	half = now_ns() + opt.seconds * NS_PER_S / 2;
	end = now_ns() + opt.seconds * NS_PER_S;

	start_children();
	good = watch_children();
	if (!resume_at_end())
		good = false;
	print_counts();
	if (good && dm_status(opt.name, &st)) {
		printf("WRONG at the end: \"%s\" shows no status\n", opt.name);
		good = false;
	}
	printf("%s: %s\n", good ? "good" : "BAD", good ? st.phase : "see above");
	fflush(stdout);
	_exit(good ? 0 : EXIT_WRONG);
}
