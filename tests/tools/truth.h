/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every sector of a window must hold, in eight bytes a sector; the
 * judgement of what it does hold; and the file that keeps it for later.
 *
 * Not locked: whoever calls owns the sectors that he names.
 */
#ifndef TESTS_TOOLS_TRUTH_H
#define TESTS_TOOLS_TRUTH_H

#include "common.h"

#include <stdatomic.h>

#define MAX_REPORTS	10
#define STATE_MAGIC	0x3150544154534d4cu

/* What a sector must hold: the kind in the top three bits, a value below. */
enum kind {
	K_UNKNOWN,	/* not written and not read by us so far */
	K_LEARNT,	/* not written by us; read once: hash of what it held */
	K_SEQ,		/* the write with this number */
	K_ZERO,		/* zeroes */
	K_DISCARDED,	/* zeroes or anything this sector ever held */
	K_UNSURE,	/* a write of it failed: like discarded */
	NR_KINDS
};
static const char * const kind_names[NR_KINDS] = {
	"unknown", "learnt", "written", "zeroed", "discarded", "unsure"
};

#define VALUE_MASK	(UINT64_MAX >> 3)

static inline enum kind kind_of(uint64_t truth)
{
	return (enum kind)(truth >> 61);
}

static inline uint64_t truth_of(enum kind kind, uint64_t value)
{
	return (uint64_t)kind << 61 | (value & VALUE_MASK);
}

static struct {
	uint64_t offset, size;		/* the window, in sectors */
	uint64_t *of;			/* by sector - offset */
	uint32_t run;
	_Atomic uint64_t wrong;
} truth;

static void truth_begin(uint64_t offset, uint64_t size, uint32_t run)
{
	truth.offset = offset;
	truth.size = size;
	truth.run = run;
	truth.of = alloc_zeroed(size, sizeof(*truth.of));
}

static void expected_text(uint64_t t, char *out, size_t len)
{
	switch (kind_of(t)) {
	case K_UNKNOWN:
		snprintf(out, len, "a sector that this run never wrote");
		break;
	case K_LEARNT:
		snprintf(out, len, "unchanged contents (never written by this run)");
		break;
	case K_SEQ:
		snprintf(out, len, "seq %" PRIu64, t & VALUE_MASK);
		break;
	case K_ZERO:
		snprintf(out, len, "zeroes");
		break;
	default:
		snprintf(out, len, "zeroes or an own whole stamp (%s)",
			 kind_names[kind_of(t)]);
	}
}

static void report_wrong(const char *when, uint64_t sector, uint64_t t,
			 const struct stamp *found)
{
	char is[200], should[100];

	if (atomic_fetch_add(&truth.wrong, 1) >= MAX_REPORTS)
		return;
	expected_text(t, should, sizeof(should));
	stamp_describe(found, truth.run, is, sizeof(is));
	printf("WRONG %s: sector %" PRIu64 ": expected %s, found %s\n", when,
	       sector, should, is);
}

/* Is it right? A sector that nobody has looked at is learnt. */
static bool judge(uint64_t sector, const struct stamp *s, uint64_t *t)
{
	switch (kind_of(*t)) {
	case K_UNKNOWN:
		if (stamp_is_ours(s, truth.run))
			return false;
		*t = truth_of(K_LEARNT, hash_words(s, SECTOR / 8));
		return true;
	case K_LEARNT:
		return *t == truth_of(K_LEARNT, hash_words(s, SECTOR / 8));
	case K_SEQ:
		return stamp_is_whole(s, sector, truth.run) &&
		       s->seq == (*t & VALUE_MASK);
	case K_ZERO:
		return is_zeroes(s);
	default:
		/* Of ours it may hold only what was given to this sector. */
		return !stamp_is_ours(s, truth.run) || stamp_is_whole(s, sector, truth.run);
	}
}

static void judge_all(const char *when, uint64_t start, uint64_t len,
		      const void *buf)
{
	const struct stamp *s = buf;
	uint64_t i, *t = truth.of + (start - truth.offset);

	for (i = 0; i < len; i++)
		if (!judge(start + i, s + i, t + i))
			report_wrong(when, start + i, t[i], s + i);
}

static void set_truth(uint64_t start, uint64_t len, enum kind kind,
		      uint64_t value)
{
	uint64_t i, *t = truth.of + (start - truth.offset);

	for (i = 0; i < len; i++)
		t[i] = truth_of(kind, value);
}

struct state_head {
	uint64_t magic, offset, size;
	uint32_t run, zero;
};

static void truth_save(const char *path)
{
	struct state_head head = {
		STATE_MAGIC, truth.offset, truth.size, truth.run, 0
	};
	FILE *f = fopen(path, "w");

	if (!f || fwrite(&head, sizeof(head), 1, f) != 1 ||
	    fwrite(truth.of, sizeof(*truth.of), truth.size, f) != truth.size ||
	    fclose(f))
		die("%s cannot be written: %s", path, strerror(errno));
}

static void truth_load(const char *path)
{
	FILE *f = fopen(path, "r");
	struct state_head head;

	if (!f || fread(&head, sizeof(head), 1, f) != 1 ||
	    head.magic != STATE_MAGIC)
		die("%s is no state file of stamp.", path);
	truth_begin(head.offset, head.size, head.run);
	if (fread(truth.of, sizeof(*truth.of), truth.size, f) != truth.size)
		die("%s is cut short.", path);
	fclose(f);
}

static void truth_print_kinds(void)
{
	uint64_t kinds[NR_KINDS] = { 0 }, i;

	for (i = 0; i < truth.size; i++)
		kinds[kind_of(truth.of[i])]++;
	printf("sectors:");
	for (i = 0; i < NR_KINDS; i++)
		printf(" %s=%" PRIu64, kind_names[i], kinds[i]);
	printf("\n");
}

#endif
