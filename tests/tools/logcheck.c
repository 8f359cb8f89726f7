// SPDX-License-Identifier: GPL-2.0-only
/*
 * logcheck - is what durable metadata calls copied on both legs, durably, at every
 * instant? From three logs of dm-log-writes, one beneath each leg and one beneath
 * the metadata device, and the marks that logmark has put into them: mark N came
 * into the metadata's log first, then into the source's, then into the dest's,
 * and then mark N + 1 into the metadata's. So what is between mark N and N + 1 in
 * the metadata's log happened between N - 1 and N + 1 of either leg's; and what is
 * between N and N + 1 in a leg's, between N and N + 2 in the metadata's.
 *
 * Two rules, for each interval and each region:
 *
 * 1. Equal. If the metadata trusts it at some instant of the interval (also if no
 *    more than some of the writes between two flushes are on the disk), and
 *    nothing became durable there on a leg from N - 1 to N + 1, so that the legs
 *    were the whole time what they are now, then they are equal.
 * 2. Quiet. If a write or discard of it became durable on a leg from N to N + 1,
 *    then the metadata did not trust it all the time from N to N + 2. At least
 *    just before, while the write was not durable, it must not.
 *
 * A wrong order of a save and a flush breaks the first rule if it takes longer
 * than the marks are apart. At the first mark the legs must differ in each
 * region, so that none is equal without having been copied.
 */
#include "logmeta.h"
#include "logwrites.h"

#define MAX_REPORTS	10

static const char usage[] =
	"usage: logcheck --metadata LOG --source LOG --dest LOG --source-dev DEV\n"
	"  --dest-dev DEV [--pairs N] [--trusts N] [--writes N] [--spoil data|late|active]\n"
	"Fails with 1 if the logs break a rule, or held too little to prove it: regions looked\n"
	"at in some interval, times that one began to be trusted, regions written in some\n"
	"interval; or if some region was never looked at.\n"
	"The devices are the legs beneath the logs: a log played back gives them.\n"
	"--spoil makes the logs wrong while they are read: a byte in what the dest was given\n"
	"last, the dest some marks late, or no active-writes bit: to see it fail.";

/* Marks, for --spoil late: longer than a save takes after the flush. */
#define LAG		64u

/* Bits for regions; of an interval, and of the one before. */
struct flags {
	uint64_t *now, *before;
};

struct leg {
	const char *name;
	struct log log;
	struct dev dev;
	unsigned char *image;		/* what is durable */
	struct flags touched;		/* where that has changed */
	uint64_t *former;		/* of each region, hash of the first image */
	uint64_t writes, lag;
	unsigned char *spoilt;		/* a byte of @image, for --spoil data */
};

static struct {
	const char *metadata, *source, *dest, *source_dev, *dest_dev, *spoil;
	uint64_t pairs, trusts, writes;
} opt;

static struct meta meta;
static struct log meta_log;
static struct leg legs[2] = { { .name = "source" }, { .name = "dest" } };
static struct flags trusted;		/* at some instant */
static struct flags sure;		/* all the time */
static uint64_t *equal, *looked_at, *ever;
static uint64_t nr_pairs, nr_trusts, nr_wrong;

static bool test(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> n % 64 & 1;
}

static uint64_t count(const uint64_t *bits)
{
	uint64_t i, n = 0;

	for (i = 0; i < meta.words; i++)
		n += (uint64_t)__builtin_popcountll(bits[i]);
	return n;
}

static void flags_make(struct flags *f)
{
	f->now = alloc_zeroed(meta.words, sizeof(uint64_t));
	f->before = alloc_zeroed(meta.words, sizeof(uint64_t));
}

static void flags_turn(struct flags *f)
{
	uint64_t *old = f->before;

	f->before = f->now;
	f->now = old;
	memset(f->now, 0, meta.words * sizeof(uint64_t));
}

/* ---- regions ---- */

static uint64_t region_bytes(uint64_t region)
{
	uint64_t start = region * meta.region_size;

	return min_u64(meta.region_size, meta.len - start) * SECTOR;
}

static unsigned char *region_data(const struct leg *leg, uint64_t region)
{
	return leg->image + region * meta.region_size * SECTOR;
}

static uint64_t region_hash(const struct leg *leg, uint64_t region)
{
	return hash_words(region_data(leg, region), region_bytes(region) / 8);
}

static void compare(uint64_t region)
{
	bool same = !memcmp(region_data(&legs[0], region),
			    region_data(&legs[1], region), region_bytes(region));

	equal[region / 64] &= ~(1ull << region % 64);
	equal[region / 64] |= (uint64_t)same << region % 64;
}

static const char *describe(const struct leg *leg, uint64_t region)
{
	return region_hash(leg, region) == leg->former[region] ?
	       "what it held at the beginning" : "something newer";
}

/* Some of each rule's: another's must not hide them. */
static void report(uint64_t mark, uint64_t region, const char *what, uint64_t *nr)
{
	nr_wrong++;
	if ((*nr)++ >= MAX_REPORTS)
		return;
	printf("WRONG between mark %" PRIu64 " and %" PRIu64 ": region %" PRIu64
	       " %s. The source has %s, the dest %s; they are %s.\n",
	       mark, mark + 1, region, what, describe(&legs[0], region),
	       describe(&legs[1], region),
	       test(equal, region) ? "equal" : "not equal");
}

/* ---- the logs ---- */

/* Is it a mark? Then it must be the one that comes next. */
static bool is_mark(const struct log *log, const struct log_entry *e,
		    uint64_t want)
{
	if (!(e->flags & LOG_MARK))
		return false;
	if (!strcmp(e->mark, LOG_END))
		die("%s ends before mark %" PRIu64 ".", log->dev.path, want);
	if (parse_number(e->mark, "a mark") != want)
		die("%s has mark \"%s\" where %" PRIu64 " should be.",
		    log->dev.path, e->mark, want);
	return true;
}

/* It is logged before writes that came earlier: no order is left then. */
static void refuse_fua(const struct log *log, const struct log_entry *e)
{
	if (e->flags & LOG_FUA)
		die("%s has a write with FUA: use a load without.", log->dev.path);
}

static void leg_write(struct leg *leg, const struct log_entry *e)
{
	uint64_t region, end = min_u64(e->sector + e->nr_sectors, meta.len);
	unsigned char *to = leg->image + e->sector * SECTOR;

	if (e->sector >= end)
		return;
	if (e->data)
		memcpy(to, e->data, (end - e->sector) * SECTOR);
	else
		memset(to, 0, (end - e->sector) * SECTOR);
	for (region = e->sector / meta.region_size;
	     region * meta.region_size < end; region++) {
		leg->writes += !test(leg->touched.now, region);
		leg->touched.now[region / 64] |= 1ull << region % 64;
	}
	leg->spoilt = to;
}

/* On to a mark, or to the end of the log. */
static void leg_read(struct leg *leg, uint64_t mark)
{
	struct log_entry e = { 0 };

	while (log_next(&leg->log, &e)) {
		if (mark != UINT64_MAX && is_mark(&leg->log, &e, mark))
			return;
		refuse_fua(&leg->log, &e);
		if (e.nr_sectors)
			leg_write(leg, &e);
	}
	if (mark != UINT64_MAX || strcmp(e.mark, LOG_END))
		die("%s was cut off: was its log device too small?",
		    leg->log.dev.path);
}

static void note_trust(void)
{
	uint64_t i;

	for (i = 0; i < meta.words; i++) {
		trusted.now[i] |= meta_trusted(&meta, i);
		sure.now[i] &= meta_sure(&meta, i);
	}
	if (meta_is_whole(&meta))
		for (i = 0; i < meta.regions; i++)
			trusted.now[i / 64] |= 1ull << i % 64;
}

/* On to a mark; false if the log ends first. */
static bool meta_read(uint64_t mark)
{
	struct log_entry e;
	uint64_t i;

	while (log_next(&meta_log, &e)) {
		if (e.flags & LOG_MARK && !strcmp(e.mark, LOG_END))
			return false;
		if (is_mark(&meta_log, &e, mark))
			return true;
		refuse_fua(&meta_log, &e);
		for (i = 0; e.data && i < e.nr_sectors; i++)
			meta_put(&meta, e.sector + i,
				 (const void *)(e.data + i * SECTOR));
		note_trust();
		if (e.flags & LOG_FLUSH)
			meta_settle(&meta);
	}
	die("%s was cut off: was its log device too small?", meta_log.dev.path);
}

/* ---- the rules ---- */

static void each(uint64_t bits, uint64_t word, uint64_t mark, const char *what,
		 uint64_t *nr)
{
	for (; bits; bits &= bits - 1)
		report(mark, word * 64 + (uint64_t)__builtin_ctzll(bits), what, nr);
}

/* The interval that begins with this mark, and the one before it. */
static void judge(uint64_t mark)
{
	static uint64_t nr_differ, nr_early;
	uint64_t i, moved, now, before, look;

	for (i = 0; i < meta.words; i++) {
		now = legs[0].touched.now[i] | legs[1].touched.now[i];
		before = legs[0].touched.before[i] | legs[1].touched.before[i];
		moved = now | before;

		look = trusted.now[i] & ~moved;
		nr_pairs += (uint64_t)__builtin_popcountll(look);
		nr_trusts += (uint64_t)__builtin_popcountll(look & ~looked_at[i]);
		/* One that is written to begins anew. */
		looked_at[i] = (looked_at[i] & trusted.now[i]) | look;
		ever[i] |= look;
		each(look & ~equal[i], i, mark,
		     "is trusted, and the legs differ there", &nr_differ);
		each(before & sure.now[i] & sure.before[i], i, mark - 1,
		     "was trusted while a write was not durable", &nr_early);
	}
}

static void compare_touched(void)
{
	uint64_t i, bits;

	for (i = 0; i < meta.words; i++)
		for (bits = legs[0].touched.now[i] | legs[1].touched.now[i];
		     bits; bits &= bits - 1)
			compare(i * 64 + (uint64_t)__builtin_ctzll(bits));
}

static void next_interval(void)
{
	flags_turn(&trusted);
	flags_turn(&sure);
	memset(sure.now, 0xff, meta.words * sizeof(uint64_t));
	flags_turn(&legs[0].touched);
	flags_turn(&legs[1].touched);
	/* As it was at the mark. */
	note_trust();
}

/* What was there when it began: no region may be equal by chance. */
static void begin(void)
{
	uint64_t i, same;
	struct leg *leg;

	for (leg = legs; leg < legs + 2; leg++) {
		leg->writes = 0;
		memset(leg->touched.now, 0, meta.words * sizeof(uint64_t));
		for (i = 0; i < meta.regions; i++)
			leg->former[i] = region_hash(leg, i);
	}
	for (i = 0; i < meta.regions; i++)
		compare(i);
	same = count(equal);
	if (same)
		die("at the first mark %" PRIu64 " regions are equal: fill the legs with different bytes, and mark before the migration begins.",
		    same);
	if (meta.usable)
		die("at the first mark there is metadata: mark before the migration begins.");
}

static void spoil(struct leg *leg)
{
	if (!opt.spoil || strcmp(opt.spoil, "data") || !leg->spoilt)
		return;
	*leg->spoilt ^= 1;
	leg->spoilt = NULL;
}

static uint64_t run(void)
{
	uint64_t mark = 0;
	struct leg *leg;

	for (leg = legs; leg < legs + 2; leg++)
		leg_read(leg, 0);
	if (!meta_read(0))
		die("there are no marks.");
	begin();
	for (;;) {
		next_interval();
		if (!meta_read(mark + 1))
			return mark + 1;
		for (leg = legs; leg < legs + 2; leg++)
			if (mark + 1 > leg->lag)
				leg_read(leg, mark + 1 - leg->lag);
		spoil(&legs[1]);
		compare_touched();
		judge(mark++);
	}
}

/* Played back, the log gives what is on the device. */
static void check_device(struct leg *leg)
{
	const uint64_t step = LOG_WINDOW * SECTOR, bytes = meta.len * SECTOR;
	unsigned char *buf = alloc_buffer(step);
	uint64_t at, n, i;

	leg_read(leg, UINT64_MAX);
	for (at = 0; at < bytes; at += n) {
		n = min_u64(step, bytes - at);
		if (pread(leg->dev.fd, buf, n, (off_t)at) != (ssize_t)n)
			die("%s cannot be read.", leg->dev.path);
		if (!memcmp(buf, leg->image + at, n))
			continue;
		for (i = 0; buf[i] == leg->image[at + i]; i++)
			;
		printf("WRONG: the log of the %s, played back, gives something else than is on %s, from sector %" PRIu64 " on.\n",
		       leg->name, leg->dev.path, (at + i) / SECTOR);
		nr_wrong++;
		break;
	}
	free(buf);
}

/* ---- beginning and end ---- */

/* The first superblock of the log says how large all is. */
static void find_geometry(void)
{
	struct log_entry e;

	while (log_next(&meta_log, &e))
		if (e.data && e.sector == 0 &&
		    meta_is_good((const void *)e.data, META_SUPER, 0)) {
			meta_begin(&meta, (const void *)e.data);
			log_rewind(&meta_log);
			return;
		}
	die("%s has no superblock of a migration.", meta_log.dev.path);
}

static void open_leg(struct leg *leg, const char *log, const char *dev)
{
	log_open(&leg->log, log);
	open_dev(&leg->dev, dev, O_RDONLY);
	if (leg->dev.sectors < meta.len)
		die("%s has %" PRIu64 " sectors, and the migration %" PRIu64 ".",
		    dev, leg->dev.sectors, meta.len);
	leg->image = alloc_zeroed(meta.len, SECTOR);
	leg->former = alloc_zeroed(meta.regions, sizeof(uint64_t));
	flags_make(&leg->touched);
}

static void at_least(uint64_t n, uint64_t wanted, const char *what)
{
	if (n >= wanted)
		return;
	printf("WRONG: %" PRIu64 " %s, and at least %" PRIu64 " are wanted: nothing is proven.\n",
	       n, what, wanted);
	nr_wrong++;
}

static int verdict(uint64_t marks)
{
	uint64_t writes = legs[0].writes + legs[1].writes;

	printf("%" PRIu64 " marks; %" PRIu64 " of %" PRIu64 " regions compared, %"
	       PRIu64 " pairs of a mark and a region, trusted anew %" PRIu64
	       " times; regions written in some interval: source %" PRIu64
	       ", dest %" PRIu64 "\n", marks, count(ever), meta.regions, nr_pairs,
	       nr_trusts, legs[0].writes, legs[1].writes);
	at_least(nr_pairs, opt.pairs, "pairs");
	at_least(nr_trusts, opt.trusts, "times trusted anew");
	at_least(writes, opt.writes, "regions of writes");
	at_least(count(ever), meta.regions, "regions ever compared");
	if (meta.bad_sectors) {
		printf("WRONG: %" PRIu64 " sectors of metadata were written without a good sum.\n",
		       meta.bad_sectors);
		nr_wrong++;
	}
	printf("%s: %" PRIu64 " wrong\n", nr_wrong ? "BAD" : "good", nr_wrong);
	return nr_wrong ? EXIT_WRONG : 0;
}

static void parse_spoil(void)
{
	if (!opt.spoil || !strcmp(opt.spoil, "data"))
		return;
	if (!strcmp(opt.spoil, "late"))
		legs[1].lag = LAG;
	else if (!strcmp(opt.spoil, "active"))
		meta.ignore_active = true;
	else
		die("--spoil does not know \"%s\".\n%s", opt.spoil, usage);
}

int main(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "metadata", .text = &opt.metadata },
		{ .name = "source", .text = &opt.source },
		{ .name = "dest", .text = &opt.dest },
		{ .name = "source-dev", .text = &opt.source_dev },
		{ .name = "dest-dev", .text = &opt.dest_dev },
		{ .name = "pairs", .number = &opt.pairs },
		{ .name = "trusts", .number = &opt.trusts },
		{ .name = "writes", .number = &opt.writes },
		{ .name = "spoil", .text = &opt.spoil },
	};
	uint64_t marks;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (optind != argc || !opt.metadata || !opt.source || !opt.dest ||
	    !opt.source_dev || !opt.dest_dev)
		die("%s", usage);
	log_open(&meta_log, opt.metadata);
	find_geometry();
	parse_spoil();
	open_leg(&legs[0], opt.source, opt.source_dev);
	open_leg(&legs[1], opt.dest, opt.dest_dev);
	flags_make(&trusted);
	flags_make(&sure);
	equal = alloc_zeroed(meta.words, sizeof(uint64_t));
	looked_at = alloc_zeroed(meta.words, sizeof(uint64_t));
	ever = alloc_zeroed(meta.words, sizeof(uint64_t));

	marks = run();
	if (!legs[1].lag) {
		check_device(&legs[0]);
		check_device(&legs[1]);
	}
	return verdict(marks);
}
