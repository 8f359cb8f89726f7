// SPDX-License-Identifier: GPL-2.0-or-later
#include "status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char * const phase_names[NR_PHASES] = {
	[COPYING] = "copying",
	[SYNCED] = "synced",
	[SWITCHED] = "switched",
	[PHASE_DEGRADED] = "degraded",
	[ABORTED] = "aborted",
	[COMMITTED] = "committed",
};

const char * const leg_names[NR_LEGS] = { "source", "dest" };

const char * const status_numbers[NR_NUMBERS] = {
	[N_COPIED] = "copied",
	[N_WRITTEN_SKIPPED] = "written_skipped",
	[N_ZERO_SKIPPED] = "zero_skipped",
	[N_RESTORED] = "restored",
	[N_CLEARED] = "cleared",
	[N_MIRRORED] = "mirrored",
	[N_IN_FLIGHT] = "in_flight",
	[N_HELD] = "held",
	[N_HELD_MAX_US] = "held_max_us",
	[N_COPY_RATE] = "copy_rate",
	[N_READ_ERRORS] = "read_errors",
	[N_WRITE_ERRORS] = "write_errors",
	[N_MISMATCHES] = "mismatches",
	[N_UNREADABLE] = "unreadable",
	[N_VERIFIED] = "verified",
	[N_VERIFY_SKIPPED] = "verify_skipped",
};

const char * const status_words[NR_WORDS] = {
	[W_FIRST_ERROR] = "first_error",
	[W_METADATA] = "metadata",
	[W_FIRST_UNREADABLE] = "first_unreadable",
	[W_VERIFY] = "verify",
	[W_FIRST_MISMATCH] = "first_mismatch",
};

/* What is left of the text, a word at a time. */
struct words {
	const char *next;
};

static bool next_word(struct words *words, char *word, size_t len)
{
	const char *start = words->next + strspn(words->next, " ");
	size_t n = strcspn(start, " ");

	words->next = start + n;
	if (!n || n >= len)
		return false;
	memcpy(word, start, n);
	word[n] = '\0';
	return true;
}

static bool no_more(const struct words *words)
{
	return !words->next[strspn(words->next, " ")];
}

bool number_parse(const char *text, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && !*end;
}

bool devno_parse(const char *text, unsigned int *major, unsigned int *minor)
{
	const char *colon = strchr(text, ':');
	uint64_t a, b;
	char first[16];

	if (!colon || (size_t)(colon - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(colon - text));
	first[colon - text] = '\0';
	/* What the kernel's numbers of devices hold. */
	if (!number_parse(first, &a) || !number_parse(colon + 1, &b) ||
	    a >= 1U << 12 || b >= 1U << 20)
		return false;
	*major = (unsigned int)a;
	*minor = (unsigned int)b;
	return true;
}

static bool next_number(struct words *words, uint64_t *number)
{
	char word[24];

	return next_word(words, word, sizeof(word)) && number_parse(word, number);
}

static int find(const char *word, const char * const names[], int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(word, names[i]))
			return i;
	return -1;
}

static int next_of(struct words *words, const char * const names[], int nr)
{
	char word[24];

	return next_word(words, word, sizeof(word)) ? find(word, names, nr) : -1;
}

static bool parse_progress(struct words *words, struct status *st)
{
	char word[48], *slash;

	if (!next_word(words, word, sizeof(word)))
		return false;
	slash = strchr(word, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return number_parse(word, &st->done) && number_parse(slash + 1, &st->total) &&
	       st->total && st->done <= st->total;
}

static bool parse_health(struct words *words, char *health)
{
	char word[2];

	if (!next_word(words, word, sizeof(word)) || !strchr("AFD", word[0]))
		return false;
	*health = word[0];
	return true;
}

static const char *parse_key(struct words *words, struct status *st)
{
	char key[STATUS_WORD_LEN], value[STATUS_WORD_LEN];
	int i;

	if (!next_word(words, key, sizeof(key)) ||
	    !next_word(words, value, sizeof(value)))
		return "a key has no value";
	i = find(key, status_numbers, NR_NUMBERS);
	if (i >= 0)
		return number_parse(value, &st->number[i]) ? NULL :
			"a count is not a number";
	i = find(key, status_words, NR_WORDS);
	if (i >= 0)
		strcpy(st->word[i], value);
	return NULL;
}

const char *status_parse(const char *text, struct status *st)
{
	static const char * const pace[] = { "running", "paused" };
	struct words words = { text };
	const char *why = NULL;
	uint64_t nr;
	int i;

	memset(st, 0, sizeof(*st));
	for (i = 0; i < NR_WORDS; i++)
		strcpy(st->word[i], "-");
	i = next_of(&words, phase_names, NR_PHASES);
	if (i < 0)
		return "its phase is unknown";
	st->phase = (enum phase)i;
	i = next_of(&words, leg_names, NR_LEGS);
	if (i < 0)
		return "its active leg is unknown";
	st->active = (enum leg)i;
	if (!next_number(&words, &st->region_size) || !st->region_size ||
	    st->region_size > 2048)
		return "its region size is not known";
	if (!parse_progress(&words, st))
		return "its regions are not counted";
	if (!parse_health(&words, &st->health[SOURCE]) ||
	    !parse_health(&words, &st->health[DEST]))
		return "the health of a leg is unknown";
	i = next_of(&words, pace, 2);
	if (i < 0)
		return "it is neither running nor paused";
	st->paused = i == 1;
	if (!next_number(&words, &nr) || nr % 2)
		return "its words are not counted";
	for (; nr && !why; nr -= 2)
		why = parse_key(&words, st);
	if (!why && !no_more(&words))
		why = "it has more words than it counts";
	return why;
}

unsigned int status_done(const struct status *st)
{
	/* 128 bits: regions times ten thousand. */
	return (unsigned int)((unsigned __int128)st->done * 10000 / st->total);
}

static bool parse_place(struct words *words, struct place *place)
{
	char word[24];

	memset(place, 0, sizeof(*place));
	if (!next_word(words, word, sizeof(word)))
		return false;
	if (!strcmp(word, "-"))
		place->dropped = true;
	else if (!devno_parse(word, &place->major, &place->minor))
		return false;
	return next_number(words, &place->offset);
}

const char *target_line_parse(const char *text, struct target_line *line)
{
	struct words words = { text };
	char word[24];
	uint64_t nr = 0;
	int i;

	memset(line, 0, sizeof(*line));
	for (i = 0; i < NR_LEGS; i++)
		if (!parse_place(&words, &line->leg[i]))
			return "it does not name two legs";
	if (!no_more(&words) && !next_number(&words, &nr))
		return "its options are not counted";
	for (; nr; nr--) {
		if (!next_word(&words, word, sizeof(word)))
			return "it has fewer options than it counts";
		if (!strcmp(word, "metadata") && nr > 1) {
			if (!next_word(&words, word, sizeof(word)) ||
			    !devno_parse(word, &line->meta_major, &line->meta_minor))
				return "its metadata device is no device";
			line->has_metadata = true;
			nr--;
		}
	}
	return no_more(&words) ? NULL : "it has more options than it counts";
}

bool linear_parse(const char *text, struct place *place)
{
	struct words words = { text };

	return parse_place(&words, place) && !place->dropped && no_more(&words);
}

bool rest_parse(const char *type, const char *text, struct place *on)
{
	struct target_line line;

	if (strcmp(type, TARGET_PINNED) || target_line_parse(text, &line) ||
	    !line.leg[SOURCE].dropped || line.leg[DEST].dropped)
		return false;
	*on = line.leg[DEST];
	return true;
}

bool is_our_type(const char *type)
{
	return !strcmp(type, TARGET) || !strcmp(type, TARGET_PINNED);
}
