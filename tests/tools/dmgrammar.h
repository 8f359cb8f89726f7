/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The grammar of table lines and messages, and the ways to break it.
 *
 * A draft is a valid line first; then it is changed, harmlessly or not. What
 * no target may accept is marked must_fail.
 */
#ifndef TESTS_TOOLS_DMGRAMMAR_H
#define TESTS_TOOLS_DMGRAMMAR_H

#include "common.h"

#define MAX_WORDS	64
#define ARENA		(64 * 1024)
#define LONG_WORD	1500

/* Set by the program before the first draft. */
static struct {
	const char *source, *dest;	/* devices of at least this size */
	uint64_t sectors;
	const char *metadata;		/* for the option, or NULL */
	const char *refused;		/* options refused by name, or "-" */
	uint64_t rng;
} grammar;

static uint64_t below(uint64_t n)
{
	return rnd_below(&grammar.rng, n);
}

#define PICK(array) ((array)[below(ARRAY_LEN(array))])

/* ---- a line being made ---- */

struct draft {
	uint64_t start, len;
	char *words[MAX_WORDS];
	unsigned int nr;
	bool must_fail;
	const char *must_name;	/* the log must name this option */
	size_t used;
	char arena[ARENA];
};

static __attribute__((format(printf, 2, 3)))
char *word(struct draft *d, const char *fmt, ...)
{
	char *w = d->arena + d->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w, ARENA - d->used, fmt, ap);
	va_end(ap);
	if (n < 0 || d->used + (size_t)n + 1 > ARENA)
		die("the arena of a draft is too small.");
	d->used += (size_t)n + 1;
	return w;
}

static void append(struct draft *d, char *w)
{
	if (d->nr < MAX_WORDS)
		d->words[d->nr++] = w;
}

static char *long_word(struct draft *d)
{
	char text[LONG_WORD + 1];
	size_t n = 200 + below(LONG_WORD - 200), i;

	for (i = 0; i < n; i++)
		text[i] = (char)('a' + below(26));
	text[n] = '\0';
	return word(d, "%s", text);
}

static bool is_number(const char *w)
{
	return *w && strspn(w, "0123456789") == strlen(w);
}

/* One of the words that are numbers, or 0: the first word is a device. */
static unsigned int number_at(const struct draft *d)
{
	unsigned int at[MAX_WORDS], n = 0, i;

	for (i = 1; i < d->nr; i++)
		if (is_number(d->words[i]))
			at[n++] = i;
	return n ? at[below(n)] : 0;
}

/* Add an option, with or without a value, and count its words. */
static void add_option(struct draft *d, const char *name, char *value)
{
	unsigned long nr;

	if (d->nr < 5)
		append(d, word(d, "0"));
	append(d, word(d, "%s", name));
	if (value)
		append(d, value);
	if (d->nr > 4 && is_number(d->words[4])) {
		nr = strtoul(d->words[4], NULL, 10);
		d->words[4] = word(d, "%lu", nr + (value ? 2 : 1));
	}
}

#define NR_OPTIONS	8

static void add_valid_option(struct draft *d, unsigned int which)
{
	switch (which) {
	case 0:
		add_option(d, "region_size", word(d, "%u", 8u << below(9)));
		break;
	case 1:
		add_option(d, "copy_rate",
			   word(d, "%u", (unsigned int)below(1000000)));
		break;
	case 2:
		add_option(d, "paused", NULL);
		break;
	case 3:
		add_option(d, "dest_zeroed", NULL);
		break;
	case 4:
		add_option(d, "active", word(d, below(4) ? "source" : "dest"));
		break;
	case 5:
		add_option(d, "detached", NULL);
		break;
	case 6:
		add_option(d, "standby_timeout",
			   word(d, "%u", (unsigned int)below(100000)));
		break;
	default:
		if (grammar.metadata)
			add_option(d, "metadata", word(d, "%s", grammar.metadata));
	}
}

static void valid_line(struct draft *d)
{
	unsigned int i;

	memset(d, 0, offsetof(struct draft, arena));
	d->len = below(4) ? grammar.sectors : rnd_between(&grammar.rng, 1, grammar.sectors);
	append(d, word(d, "%s", grammar.source));
	append(d, word(d, "0"));
	append(d, word(d, "%s", grammar.dest));
	append(d, word(d, "0"));
	for (i = 0; i < NR_OPTIONS; i++)
		if (!below(3))
			add_valid_option(d, i);
}

/* ---- mutations that may or may not leave a valid line ---- */

static void drop_word(struct draft *d)
{
	unsigned int i = (unsigned int)below(d->nr);

	memmove(&d->words[i], &d->words[i + 1],
		(d->nr - i - 1) * sizeof(d->words[0]));
	d->nr--;
}

static void swap_words(struct draft *d)
{
	unsigned int i = (unsigned int)below(d->nr);
	unsigned int j = (unsigned int)below(d->nr);
	char *w = d->words[i];

	d->words[i] = d->words[j];
	d->words[j] = w;
}

static void repeat_option(struct draft *d)
{
	unsigned int which = (unsigned int)below(NR_OPTIONS);

	add_valid_option(d, which);
	add_valid_option(d, which);
}

static void dropped_leg(struct draft *d)
{
	if (d->nr > 2)
		d->words[2 * below(2)] = word(d, "-");
}

/* The first two leave a bad line bad, whatever else is done to it. */
static void (* const harmless[])(struct draft *) = {
	drop_word, repeat_option, swap_words, dropped_leg
};

/* ---- mutations that no line survives ---- */

static void wrong_count(struct draft *d)
{
	unsigned int real, wrong;

	while (d->nr < 5)
		append(d, word(d, "0"));
	real = d->nr - 5;
	do {
		wrong = (unsigned int)below(real + 6);
	} while (wrong == real);
	d->words[4] = word(d, "%u", wrong);
}

static void wrong_number(struct draft *d)
{
	static const char * const forms[] = {
		"18446744073709551616", "99999999999999999999999999", "-1",
		"-8", "8x", "8k", "0x", "8,", "1e3", "8.0", "++8", "NaN"
	};
	unsigned int at = number_at(d);

	if (at)
		d->words[at] = word(d, "%s", PICK(forms));
	else
		d->nr = 0;
}

static void huge_offset(struct draft *d)
{
	static const char * const forms[] = {
		"9223372036854775807", "18446744073709551615",
		"36028797018963968", "18446744073709551608"
	};

	if (d->nr > 3)
		d->words[1 + 2 * below(2)] = word(d, "%s", PICK(forms));
	else
		d->nr = 0;
}

static void unknown_option(struct draft *d)
{
	static const char * const names[] = {
		"frobnicate", "region_sizes", "pause", "copy-rate", "--help",
		"region_size=8", "%s%n", "livemigrate", "no_discard_passdown"
	};

	add_option(d, PICK(names), below(2) ? word(d, "8") : NULL);
}

static void wrong_value(struct draft *d)
{
	static const char * const sizes[] = {
		"0", "1", "4", "7", "12", "4096", "65536", "4294967304"
	};

	switch (below(3)) {
	case 0:
		add_option(d, "region_size", word(d, "%s", PICK(sizes)));
		break;
	case 1:
		add_option(d, "active", word(d, "both"));
		break;
	default:
		add_option(d, below(2) ? "region_size" : "copy_rate", NULL);
	}
}

static void wrong_device(struct draft *d)
{
	static const char * const names[] = {
		"/dev/does-not-exist", "999:999", "nonsense", "/", "/dev",
		"/dev/null", "0:0", "../dev"
	};

	if (d->nr < 3)
		d->nr = 0;
	else if (below(3))
		d->words[2 * below(2)] = word(d, "%s", PICK(names));
	else
		d->words[2] = d->words[0];
}

static void wrong_length(struct draft *d)
{
	switch (below(4)) {
	case 0:
		d->len = 0;
		break;
	case 1:
		d->len = grammar.sectors + 1 + below(1u << 20);
		break;
	case 2:
		d->len = UINT64_MAX >> (1 + below(20));
		break;
	default:
		d->start = 8;
	}
}

static void overlong_word(struct draft *d)
{
	if (d->nr)
		d->words[below(d->nr)] = long_word(d);
}

static void no_words(struct draft *d)
{
	d->nr = below(4) ? (unsigned int)below(min_u64(d->nr, 4)) : 0;
}

static void (* const fatal[])(struct draft *) = {
	wrong_count, wrong_number, huge_offset, unknown_option, wrong_value,
	wrong_device, wrong_length, overlong_word, no_words
};

/* An option that is refused by its name, or false if there are none. */
static bool later_option(struct draft *d)
{
	char *list = word(d, "%s", grammar.refused), *names[16], *w;
	unsigned int n = 0;

	for (w = strtok(list, ","); w && n < 16; w = strtok(NULL, ","))
		names[n++] = w;
	if (!n || !strcmp(grammar.refused, "-"))
		return false;
	w = names[below(n)];
	if (!strcmp(w, "metadata"))
		add_option(d, w, word(d, "%s", grammar.dest));
	else
		add_option(d, w, strcmp(w, "verify") ? word(d, "1000") : NULL);
	d->must_name = w;
	return true;
}

static void make_line(struct draft *d)
{
	uint64_t kind = below(10);

	valid_line(d);
	if (kind == 0)
		return;
	if (kind == 1 && later_option(d)) {
		d->must_fail = true;
		return;
	}
	if (kind < 4)
		PICK(harmless)(d);
	if (kind == 4)
		harmless[below(2)](d);
	if (kind >= 4) {
		PICK(fatal)(d);
		d->must_fail = true;
	}
}

/* ---- messages ---- */

static void vary_case(char *text)
{
	for (; *text; text++)
		if (*text >= 'a' && *text <= 'z' && below(2))
			*text = (char)(*text - 32);
}

/* Sets must_fail where no state allows it. */
static char *make_message(struct draft *d)
{
	static const char * const good[] = {
		"pause", "resume", "cutover", "failback", "reattach", "verify",
		"verify stop"
	};
	static const char * const wrong[] = {
		"", " ", "\t \n", "frobnicate", "pau", "pausee", "cutover;",
		"--help", "-1", "0", "%s%s%n", "livemigrate", "copy_rate",
		"copy_rate -1", "copy_rate 18446744073709551616",
		"copy_rate 12x", "copy_rate x", "copy_rate 1 2", "copy_rate=1",
		"commit please", "abort now", "commit 0", "abort abort",
		"source", "re attach", "\\", "copy_rate \\", "\x80\xff",
	};
	char *text;

	d->must_fail = true;
	switch (below(7)) {
	case 0:
	case 1:
		d->must_fail = false;
		text = word(d, "%s", PICK(good));
		if (!below(3))
			vary_case(text);
		return text;
	case 2:
		d->must_fail = false;
		return word(d, "copy_rate %u", (unsigned int)below(100000));
	case 3:
		return word(d, "%s %s", PICK(good),
			    below(2) ? "now" : PICK(good));
	case 4:
		return below(4) ? word(d, "%s", PICK(wrong)) : long_word(d);
	case 5:
		return word(d, "%s%c", PICK(good), (char)('!' + below(15)));
	default:
		return word(d, "%s", PICK(wrong));
	}
}

#endif
