// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmfuzz - wrong table lines and messages, and what becomes of them.
 *
 * Table lines go into the inactive slot of a scratch device, messages to a
 * live one. Each refusal must leave one clear sentence in the kernel log, and
 * the live device as it was.
 */
#include "dmcommon.h"
#include "dmgrammar.h"

#define MAX_REPORTS	20

static const char usage[] =
	"usage: dmfuzz --live NAME --source DEV --dest DEV [--scratch NAME] [--tables N]\n"
	"  [--messages N] [--metadata DEV] [--refused WORD,WORD...] [--seed N]\n"
	"--live NAME is the dm name (not the path) of a running livemigrate device, made\n"
	"without dest_zeroed, that gets the messages; best idle and synced. --source and --dest\n"
	"are two other block devices (absolute paths) for the lines loaded into the inactive\n"
	"slot of --scratch (dmfuzz-scratch), which is made and removed; --metadata\n"
	"DEV, zeroed, is for their option of that name. --refused: table\n"
	"options that must be refused by name (metadata,verify); - for none.";

static struct {
	const char *live, *source, *dest, *scratch, *metadata, *refused;
	uint64_t tables, messages, seed;
} opt = {
	.scratch = "dmfuzz-scratch", .tables = 1000, .messages = 1000,
	.refused = "metadata,verify",
};

static uint64_t nr_accepted, nr_refused, nr_moved, nr_bad;

static __attribute__((format(printf, 2, 3)))
void bad(const char *sent, const char *fmt, ...)
{
	va_list ap;

	if (nr_bad++ >= MAX_REPORTS)
		return;
	printf("BAD after \"%.400s\": ", sent);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- what is sent ---- */

static void join(const struct draft *d, struct dm_line *line)
{
	size_t used = 0;
	unsigned int i;

	line->start = d->start;
	line->len = d->len;
	snprintf(line->type, sizeof(line->type), DM_TARGET);
	line->params[0] = '\0';
	for (i = 0; i < d->nr && used < sizeof(line->params); i++)
		used += (size_t)snprintf(line->params + used,
					 sizeof(line->params) - used, "%s%s",
					 i ? (below(10) ? " " : "  ") : "",
					 d->words[i]);
}

/* commit and abort only where the active leg forbids them. */
static char *forbidden_word(struct draft *d)
{
	struct dm_status st;

	if (dm_status(opt.live, &st))
		return word(d, "frobnicate");
	return word(d, strcmp(st.active, "source") ? "abort" : "commit");
}

static char *pick_message(struct draft *d)
{
	if (below(8))
		return make_message(d);
	d->must_fail = true;
	return forbidden_word(d);
}

/* ---- the kernel log ---- */

static int kmsg = -1;

/* The text of the next new line, or false. */
static bool next_log_line(char *text, size_t len)
{
	char record[8192 + 1], *body, *end;
	ssize_t n;

	do {
		n = read(kmsg, record, sizeof(record) - 1);
	} while (n < 0 && (errno == EPIPE || errno == EINTR));
	if (n < 0) {
		if (errno != EAGAIN)
			die("/dev/kmsg cannot be read: %s", strerror(errno));
		return false;
	}
	record[n] = '\0';
	body = strchr(record, ';');
	body = body ? body + 1 : record;
	end = strchr(body, '\n');
	if (end)
		*end = '\0';
	snprintf(text, len, "%.*s", (int)len - 1, body);
	return true;
}

static void skip_log(void)
{
	char text[8192];

	while (next_log_line(text, sizeof(text)))
		;
}

/* What follows the target's name, without "(-EINVAL)", is it a sentence? */
static bool is_sentence(const char *text)
{
	const char *said = strstr(text, DM_TARGET), *end;

	if (!said) /* device-mapper's own, before any target is asked */
		return strstr(text, "zero-length target") ||
		       strstr(text, "too large device") ||
		       strstr(text, "Empty message");
	said += strlen(DM_TARGET);
	said += strspn(said, ": ");
	end = strstr(said, " (-E");
	return (end ? end - said : (ptrdiff_t)strlen(said)) > 10 &&
	       strchr(said, ' ');
}

static void check_log(const char *sent, const char *must_name)
{
	bool clear = false, named = !must_name;
	char text[8192], last[300] = "nothing";
	unsigned int waited = 0;

	for (;;) {
		/* What another processor is still writing hides what came after it. */
		if (!next_log_line(text, sizeof(text))) {
			if (clear || waited++ == 200)
				break;
			usleep(10000);
			continue;
		}
		snprintf(last, sizeof(last), "%.299s", text);
		if (strstr(text, "Unknown error"))
			bad(sent, "the log says no more than \"%s\"", last);
		clear |= is_sentence(text);
		named |= must_name && strstr(text, must_name);
	}
	if (!clear)
		bad(sent, "refused without a clear sentence; the log says \"%s\"", last);
	else if (!named)
		bad(sent, "refused without naming %s; the log says \"%s\"",
		    must_name, last);
}

/* ---- the live device before and after ---- */

struct shape {
	struct dm_line table;
	struct dm_status st;
};

static void look(struct shape *s)
{
	int err = dm_line(DM_DEVICE_TABLE, opt.live, false, &s->table);

	if (!err)
		err = dm_status(opt.live, &s->st);
	if (err)
		die("\"%s\" shows no table or no status: %s", opt.live,
		    strerror(err));
}

/* The copier may come to its end by itself. */
static bool moved_by_itself(const struct dm_status *a, const struct dm_status *b)
{
	return !strcmp(a->phase, "copying") &&
	       (!strcmp(b->phase, "synced") || !strcmp(b->phase, "switched"));
}

static void check_unchanged(const char *sent, const struct shape *before)
{
	const struct dm_status *a = &before->st, *b;
	struct shape after;

	look(&after);
	b = &after.st;
	if (before->table.len != after.table.len ||
	    strcmp(before->table.params, after.table.params))
		bad(sent, "refused, but the table was \"%s\" and is \"%s\"",
		    before->table.params, after.table.params);
	if (strcmp(a->phase, b->phase) && moved_by_itself(a, b))
		nr_moved++;
	else if (strcmp(a->phase, b->phase))
		bad(sent, "refused, but the phase was %s and is %s", a->phase,
		    b->phase);
	if (strcmp(a->active, b->active) || a->region_size != b->region_size ||
	    a->source != b->source || a->dest != b->dest)
		bad(sent, "refused, but the status was %s %" PRIu64 " %c %c and is %s %" PRIu64 " %c %c",
		    a->active, a->region_size, a->source, a->dest, b->active,
		    b->region_size, b->source, b->dest);
}

static void check_refusal(const char *sent, int err, const struct draft *d,
			  const struct shape *before)
{
	nr_refused++;
	if (err == ENOMSG)
		return; /* libdevmapper itself: the kernel never saw it */
	if (err == ENOMEM || err == EFAULT || err == EIO || err == ENOTTY)
		bad(sent, "refused with %s, which is no answer to a wrong line",
		    strerror(err));
	check_log(sent, d->must_name);
	check_unchanged(sent, before);
}

/* ---- one of each ---- */

/* What is printed must be accepted. */
static void check_printed(const char *sent)
{
	struct dm_line line;
	int err = dm_line(DM_DEVICE_TABLE, opt.scratch, true, &line);

	if (err) {
		bad(sent, "accepted, but no table is shown: %s", strerror(err));
		return;
	}
	dm_simple(DM_DEVICE_CLEAR, opt.scratch);
	err = dm_load(opt.scratch, &line);
	if (err)
		bad(sent, "accepted, but what it prints, \"%s\", is not: %s",
		    line.params, strerror(err));
}

static void try_line(struct draft *d)
{
	static struct dm_line line;
	char sent[DM_LINE_MAX + 80];
	struct shape before;
	int err;

	make_line(d);
	join(d, &line);
	snprintf(sent, sizeof(sent), "%" PRIu64 " %" PRIu64 " %s %s",
		 line.start, line.len, line.type, line.params);
	look(&before);
	skip_log();
	err = dm_load(opt.scratch, &line);
	if (err) {
		check_refusal(sent, err, d, &before);
	} else {
		nr_accepted++;
		if (d->must_fail)
			bad(sent, "this line was accepted");
		check_printed(sent);
	}
	dm_simple(DM_DEVICE_CLEAR, opt.scratch);
}

static void try_message(struct draft *d)
{
	struct shape before;
	char *text;
	int err;

	memset(d, 0, offsetof(struct draft, arena));
	text = pick_message(d);
	look(&before);
	skip_log();
	err = dm_message(opt.live, text);
	if (err) {
		check_refusal(text, err, d, &before);
		return;
	}
	nr_accepted++;
	if (d->must_fail)
		bad(text, "this message was accepted");
}

/* ---- all of them ---- */

static void setup(void)
{
	struct dev source, dest;
	struct shape live;
	int err;

	open_dev(&source, opt.source, O_RDONLY);
	open_dev(&dest, opt.dest, O_RDONLY);
	grammar.source = opt.source;
	grammar.dest = opt.dest;
	grammar.sectors = min_u64(source.sectors, dest.sectors);
	grammar.metadata = opt.metadata;
	grammar.refused = opt.refused;
	grammar.rng = opt.seed;
	close(source.fd);
	close(dest.fd);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg cannot be read: %s", strerror(errno));
	look(&live);
	if (strcmp(live.table.type, DM_TARGET))
		die("\"%s\" is of target %s, not %s.", opt.live,
		    live.table.type, DM_TARGET);
	dm_simple(DM_DEVICE_REMOVE, opt.scratch);
	err = dm_simple(DM_DEVICE_CREATE, opt.scratch);
	if (err)
		die("\"%s\" cannot be made: %s", opt.scratch, strerror(err));
}

static void remove_scratch(void)
{
	unsigned int tries;

	for (tries = 0; tries < 50; tries++) {
		if (!dm_simple(DM_DEVICE_REMOVE, opt.scratch))
			return;
		sleep_ns(100000000);
	}
	bad("the end", "\"%s\" cannot be removed", opt.scratch);
}

static void parse_command_line(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "live", .text = &opt.live },
		{ .name = "source", .text = &opt.source },
		{ .name = "dest", .text = &opt.dest },
		{ .name = "scratch", .text = &opt.scratch },
		{ .name = "metadata", .text = &opt.metadata },
		{ .name = "refused", .text = &opt.refused },
		{ .name = "tables", .number = &opt.tables },
		{ .name = "messages", .number = &opt.messages },
		{ .name = "seed", .number = &opt.seed },
	};

	opt.seed = fresh_seed();
	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (!opt.live || !opt.source || !opt.dest || optind != argc)
		die("%s", usage);
}

int main(int argc, char **argv)
{
	static struct draft draft;
	uint64_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dm_quiet();
	parse_command_line(argc, argv);
	setup();
	printf("seed %" PRIu64 "\n", opt.seed);

	for (i = 0; i < opt.tables; i++)
		try_line(&draft);
	printf("tables: accepted=%" PRIu64 " refused=%" PRIu64 "\n",
	       nr_accepted, nr_refused);
	if (opt.tables >= 100 && !nr_accepted)
		bad("all lines", "not one was accepted, the valid ones neither");
	nr_accepted = 0;
	nr_refused = 0;
	for (i = 0; i < opt.messages; i++)
		try_message(&draft);
	printf("messages: accepted=%" PRIu64 " refused=%" PRIu64 "\n",
	       nr_accepted, nr_refused);
	remove_scratch();

	printf("%s: %" PRIu64 " complaints, %" PRIu64 " phase changes by itself\n",
	       nr_bad ? "BAD" : "good", nr_bad, nr_moved);
	return nr_bad ? EXIT_WRONG : 0;
}
