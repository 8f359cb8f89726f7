// SPDX-License-Identifier: GPL-2.0-only
/*
 * cutcheck - the host's side of cutload: it makes journals and disks, waits for
 * the instant to cut, and judges what the disks hold after it.
 *
 * A sector must hold the newest write to it that was flushed, or a later one
 * that was issued. Flushed means: acknowledged before a flush was begun that
 * was acknowledged in its turn. On which legs that holds, and until when, the
 * marks in the journal say: a leg that is no longer promised to hold what comes
 * still holds what it was promised to hold.
 */
#include "cutlog.h"

#include <signal.h>

#define MAX_REPORTS	8

static const char usage[] =
	"usage: cutcheck new JOURNAL --run N\n"
	"cutcheck fill FILE --size BYTES --run N [--zeroes PERCENT]\n"
	"cutcheck wait JOURNAL --mark TEXT [--writes N] --pid N --seconds N --ms N\n"
	"  until the mark and N writes are there, and then MS more; 1 if that is\n"
	"  not to be, because of an error, the end of that process, or the time\n"
	"cutcheck judge JOURNAL --leg source|dest --image FILE --before FILE --base FILE\n"
	"  --before: the leg when the journal was begun; --base: the device then\n"
	"cutcheck judge JOURNAL --leg all --image FILE --base FILE\n"
	"  an image of the device: it holds all that is flushed\n"
	"cutcheck marks JOURNAL\n"
	"cutcheck saved JOURNAL --seconds N\n"
	"  how many regions of 4 KiB an orderly --metadata must have kept.";

static struct {
	const char *mark, *leg, *image, *before, *base;
	uint64_t run, size, zeroes, writes, pid, seconds, ms;
} opt;

static struct cut_log *cutlog;
static uint64_t slots;			/* in use */

/* ---- making ---- */

static int make_journal(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, CUT_BYTES))
		die("%s cannot be made: %s.", path, strerror(errno));
	close(fd);
	cutlog = cut_open(path);
	cutlog->magic = CUT_MAGIC;
	cutlog->run = (uint32_t)opt.run;
	return 0;
}

/* Stamps of that run, and stretches of zeroes. */
static int fill(const char *path)
{
	uint64_t i, rng = opt.run, left = 0, sectors = opt.size / SECTOR;
	bool zero = false;
	struct stamp s;
	FILE *f = fopen(path, "w");

	for (i = 0; f && i < sectors; i++, left--) {
		if (!left) {
			left = 8 * rnd_between(&rng, 1, 64);
			zero = rnd_below(&rng, 100) < opt.zeroes;
		}
		memset(&s, 0, sizeof(s));
		if (!zero)
			stamp_make(&s, i, 0, 0, (uint32_t)opt.run);
		if (fwrite(&s, sizeof(s), 1, f) != 1)
			break;
	}
	if (!f || i < sectors || fclose(f))
		die("%s cannot be written: %s.", path, strerror(errno));
	return 0;
}

/* ---- waiting ---- */

/* A record that may still be in the making counts as none. */
static enum cut_kind kind_at(uint64_t n)
{
	return atomic_load(&cutlog->slot[n].r.kind);
}

static const char *seen_failing;

static bool has_mark(void)
{
	static uint64_t at;
	static bool found;
	uint64_t end = min_u64(cutlog->next, CUT_SLOTS);

	for (; at < end; at++) {
		const struct cut_slot *s = &cutlog->slot[at];

		/* Its maker may have been killed: look no more in a while. */
		if (kind_at(at) == CUT_NONE && end - at < 1000)
			break;
		if (kind_at(at) == CUT_ERROR)
			seen_failing = "the load saw an error";
		if (kind_at(at) == CUT_MARK && !strcmp(s->m.text, opt.mark))
			found = true;
	}
	return found;
}

static int wait_for_mark(void)
{
	uint64_t end = now_ns() + opt.seconds * 1000000000u;

	for (;;) {
		bool there = has_mark();

		if (seen_failing)
			break;
		if (there && cutlog->acked >= opt.writes) {
			sleep_ns(opt.ms * 1000000);
			return 0;
		}
		if (kill((pid_t)opt.pid, 0))
			seen_failing = "the machine went off";
		else if (now_ns() > end)
			seen_failing = "the time is over";
		sleep_ns(500000);
	}
	printf("%s before the mark \"%s\" and %" PRIu64 " writes; there are %" PRIu64 " writes.\n",
	       seen_failing, opt.mark, opt.writes, cutlog->acked);
	return EXIT_WRONG;
}

/* ---- judging ---- */

#define NEVER		UINT64_MAX

struct write {
	uint64_t sector, len;
	uint64_t issued, acked;		/* slots */
	enum cut_kind kind;		/* CUT_NONE: there is no such write */
};

static struct write *writes;		/* by seq */
static uint64_t nr_writes;		/* one more than the highest seq */

struct flush {
	uint64_t begun, done;
};

static struct flush *flushes;		/* by seq */
static uint64_t nr_flushes, nr_flushed, nr_acked;

static void read_journal(void)
{
	uint64_t i;

	writes = alloc_zeroed(slots + 2, sizeof(*writes));
	flushes = alloc_zeroed(slots + 2, sizeof(*flushes));
	for (i = 0; i < slots; i++) {
		const struct cut_record *r = &cutlog->slot[i].r;
		enum cut_kind kind = kind_at(i);

		if (kind == CUT_NONE || kind == CUT_MARK)
			continue;
		if (kind == CUT_ERROR)
			die("the load saw an error: %s.", strerror((int)r->len));
		if (r->seq > slots)
			die("the journal is no journal: seq %" PRIu64 " at slot %" PRIu64 ".",
			    r->seq, i);
		switch (kind) {
		case CUT_ACK:
			writes[r->seq].acked = i;
			nr_acked++;
			break;
		case CUT_FLUSH:
			flushes[r->seq] = (struct flush) { i, NEVER };
			nr_flushes = max_u64(nr_flushes, r->seq + 1);
			break;
		case CUT_FLUSHED:
			flushes[r->seq].done = i;
			nr_flushed++;
			break;
		default:
			writes[r->seq] = (struct write) {
				r->sector, r->len, i, NEVER, kind
			};
			nr_writes = max_u64(nr_writes, r->seq + 1);
		}
	}
}

/* What the marks say of one leg. */
struct promise {
	bool ever;		/* that it holds what is flushed */
	uint64_t until;		/* slot: what was flushed before that */
	uint64_t dropped;	/* slot: nothing issued later is there */
	bool now;
};

static struct promise read_promise(const char *leg)
{
	struct promise p = { .until = 0, .dropped = NEVER };
	uint32_t bit, no;
	uint64_t i;

	if (!strcmp(leg, "all"))
		return (struct promise) { true, NEVER, NEVER, true };
	bit = !strcmp(leg, "source") ? CUT_SOURCE : CUT_DEST;
	no = bit == CUT_SOURCE ? CUT_NO_SOURCE : CUT_NO_DEST;
	for (i = 0; i < slots; i++) {
		uint32_t claims;

		if (kind_at(i) != CUT_MARK)
			continue;
		claims = cutlog->slot[i].m.claims;
		if (!claims)
			continue;
		if (p.now)
			p.until = i;
		p.now = claims & bit;
		p.ever |= p.now;
		if ((claims & no) && p.dropped == NEVER)
			p.dropped = i;
	}
	if (p.now)
		p.until = NEVER;
	return p;
}

struct expected {
	uint64_t durable, newest, zero;	/* seq, 0 for none */
};

static struct expected *expected;	/* by sector */
static uint64_t sectors;

/* The order of issue is that of the slots, not that of seq. */
static void expect(const struct promise *p)
{
	uint64_t begun = 0, i, s;

	for (i = 0; i < nr_flushes; i++)
		if (flushes[i].done && flushes[i].done < p->until)
			begun = max_u64(begun, flushes[i].begun);
	for (i = 0; i < slots; i++) {
		enum cut_kind kind = kind_at(i);
		uint64_t seq = cutlog->slot[i].r.seq;
		const struct write *w = &writes[seq];
		bool durable;

		if (kind != CUT_WRITE && kind != CUT_FUA && kind != CUT_ZERO)
			continue;
		if (w->sector > sectors || w->len > sectors - w->sector)
			die("the journal is no journal: a write behind the end.");
		durable = w->acked < begun ||
			  (kind == CUT_FUA && w->acked < p->until);
		for (s = w->sector; s < w->sector + w->len; s++) {
			struct expected *e = &expected[s];

			e->newest = seq;
			if (kind == CUT_ZERO)
				e->zero = seq;
			if (durable)
				e->durable = seq;
		}
	}
}

/* The write that put this into the sector; 0: none of this journal. */
static uint64_t found_in(uint64_t sector, const struct stamp *s)
{
	const struct write *w;

	if (is_zeroes(s))
		return expected[sector].zero;
	if (!stamp_is_whole(s, sector, cutlog->run) || s->seq >= nr_writes)
		return 0;
	w = &writes[s->seq];
	if (w->kind == CUT_NONE || w->kind == CUT_ZERO || sector < w->sector ||
	    sector >= w->sector + w->len)
		return 0;
	return s->seq;
}

static uint64_t issued(uint64_t seq)
{
	return seq ? writes[seq].issued : 0;
}

static const char *describe_write(uint64_t seq, char *out, size_t len)
{
	const struct write *w = &writes[seq];

	if (!seq)
		snprintf(out, len, "what it held at the beginning");
	else
		snprintf(out, len, "seq %" PRIu64 " (%s, issued at %" PRIu64 ", %s)",
			 seq, w->kind == CUT_ZERO ? "zeroes" :
			 w->kind == CUT_FUA ? "FUA" : "write", w->issued,
			 w->acked == NEVER ? "not acknowledged" : "acknowledged");
	return out;
}

struct judgement {
	uint64_t wrong, late, bound, lost, newest;
};

static void report(struct judgement *j, const char *what, uint64_t sector,
		   const struct stamp *found)
{
	const struct expected *e = &expected[sector];
	char is[200], should[120], last[120];

	if (j->wrong++ >= MAX_REPORTS)
		return;
	stamp_describe(found, cutlog->run, is, sizeof(is));
	printf("WRONG on %s: sector %" PRIu64 " %s: it holds %s; flushed is %s; the newest is %s\n",
	       opt.leg, sector, what, is,
	       describe_write(e->durable, should, sizeof(should)),
	       describe_write(e->newest, last, sizeof(last)));
}

static void judge(struct judgement *j, const struct promise *p, uint64_t sector,
		  const struct stamp *is, const struct stamp *before,
		  const struct stamp *base)
{
	const struct expected *e = &expected[sector];
	uint64_t seq = found_in(sector, is);
	bool old = !memcmp(is, base, SECTOR), own = before && !memcmp(is, before, SECTOR);

	if (e->durable)
		j->bound++;
	if (!seq && !old && !own)
		return report(j, "holds what was never written there", sector, is);
	if (seq && seq == e->newest)
		j->newest++;
	else if (e->newest && writes[e->newest].acked != NEVER)
		j->lost++;
	/* Zeroes may be older ones. */
	if (seq && p->dropped != NEVER && !is_zeroes(is) &&
	    issued(seq) > p->dropped)
		return report(j, "was written after the leg was dropped", sector, is);
	if (!p->ever)
		return;
	if (e->durable && issued(seq) < issued(e->durable))
		return report(j, "has lost a flushed write", sector, is);
	if (!e->durable && !seq && !old)
		report(j, "was not copied", sector, is);
}

static void read_all(const char *path, void **buf, uint64_t want)
{
	FILE *f = fopen(path, "r");

	*buf = alloc_buffer(want);
	if (!f || fread(*buf, 1, want, f) != want)
		die("%s cannot be read: %s.", path, strerror(errno));
	fclose(f);
}

static int judge_image(void)
{
	struct promise p = read_promise(opt.leg);
	void *image, *base, *before = NULL;
	struct judgement j = { 0 };
	struct stat st;
	uint64_t i;

	if (stat(opt.base, &st))
		die("%s cannot be read: %s.", opt.base, strerror(errno));
	sectors = (uint64_t)st.st_size / SECTOR;
	read_all(opt.image, &image, sectors * SECTOR);
	read_all(opt.base, &base, sectors * SECTOR);
	if (opt.before)
		read_all(opt.before, &before, sectors * SECTOR);
	expected = alloc_zeroed(sectors, sizeof(*expected));
	read_journal();
	expect(&p);
	for (i = 0; i < sectors; i++)
		judge(&j, &p, i, (struct stamp *)image + i,
		      before ? (struct stamp *)before + i : NULL,
		      (struct stamp *)base + i);
	printf("%s %s: wrong=%" PRIu64 " promised=%s bound=%" PRIu64 " newest=%" PRIu64
	       " lost=%" PRIu64 " writes=%" PRIu64 " flushes=%" PRIu64 "\n",
	       j.wrong ? "BAD" : "good", opt.leg, j.wrong,
	       !p.ever ? "never" : p.now ? "now" : "once", j.bound, j.newest,
	       j.lost, nr_acked, nr_flushed);
	return j.wrong ? EXIT_WRONG : 0;
}

/* ---- the rest ---- */

static int print_marks(void)
{
	uint64_t i, first = 0, last = 0;

	for (i = 0; i < slots; i++)
		if (kind_at(i) != CUT_MARK && kind_at(i) != CUT_NONE)
			last = max_u64(last, cutlog->slot[i].r.ns);
	for (i = 0; i < slots; i++) {
		const struct cut_mark *m = &cutlog->slot[i].m;

		if (kind_at(i) != CUT_MARK)
			continue;
		if (!first)
			first = m->ns;
		printf("%7.3f s, slot %" PRIu64 ": %s (%u)\n",
		       (double)(m->ns - first) / 1e9, i, m->text, m->claims);
	}
	printf("%7.3f s, slot %" PRIu64 ": the last record\n",
	       last > first ? (double)(last - first) / 1e9 : 0, slots);
	return 0;
}

/*
 * Marks "done N" say how many regions were done. What was done some seconds
 * before the cut must be known to be done after it, except where its chunk was
 * written since.
 */
static int print_saved(void)
{
	uint64_t i, end = 0, from, done = 0, touched = 0, chunk;
	static bool chunks[1 << 16];

	for (i = 0; i < slots; i++)
		if (kind_at(i) != CUT_NONE && kind_at(i) != CUT_MARK)
			end = max_u64(end, cutlog->slot[i].r.ns);
	from = end - min_u64(end, opt.seconds * 1000000000u);
	for (i = 0; i < slots; i++) {
		const struct cut_record *r = &cutlog->slot[i].r;
		const struct cut_mark *m = &cutlog->slot[i].m;
		enum cut_kind kind = kind_at(i);

		if (kind == CUT_MARK) {
			if (m->ns <= from)
				sscanf(m->text, "done %" SCNu64, &done);
		} else if (r->ns >= from && r->len &&
			   (kind == CUT_WRITE || kind == CUT_FUA || kind == CUT_ZERO)) {
			chunk = r->sector / 2048;
			for (; chunk <= (r->sector + r->len - 1) / 2048; chunk++)
				chunks[chunk % ARRAY_LEN(chunks)] = true;
		}
	}
	for (i = 0; i < ARRAY_LEN(chunks); i++)
		touched += chunks[i];
	printf("%" PRIu64 "\n", done - min_u64(done, touched * 256));
	return 0;
}

static void load_journal(const char *path)
{
	cutlog = cut_open(path);
	if (cutlog->magic != CUT_MAGIC)
		die("%s holds no journal.", path);
	slots = min_u64(cutlog->next, CUT_SLOTS);
}

int main(int argc, char **argv)
{
	const struct opt_entry options[] = {
		{ .name = "mark", .text = &opt.mark },
		{ .name = "leg", .text = &opt.leg },
		{ .name = "image", .text = &opt.image },
		{ .name = "before", .text = &opt.before },
		{ .name = "base", .text = &opt.base },
		{ .name = "run", .number = &opt.run },
		{ .name = "size", .number = &opt.size },
		{ .name = "zeroes", .number = &opt.zeroes },
		{ .name = "writes", .number = &opt.writes },
		{ .name = "pid", .number = &opt.pid },
		{ .name = "seconds", .number = &opt.seconds },
		{ .name = "ms", .number = &opt.ms },
	};
	const char *what, *file;

	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (optind + 2 != argc)
		die("%s", usage);
	what = argv[optind];
	file = argv[optind + 1];
	if (!strcmp(what, "new"))
		return make_journal(file);
	if (!strcmp(what, "fill"))
		return fill(file);
	load_journal(file);
	if (!strcmp(what, "wait") && opt.mark && opt.pid)
		return wait_for_mark();
	if (!strcmp(what, "judge") && opt.leg && opt.image && opt.base)
		return judge_image();
	if (!strcmp(what, "marks"))
		return print_marks();
	if (!strcmp(what, "saved"))
		return print_saved();
	die("%s", usage);
}
