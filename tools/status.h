/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the target prints, read: its status, its table line, and the lines of
 * linear tables. Pure text: no device is asked.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum phase { COPYING, SYNCED, SWITCHED, PHASE_DEGRADED, ABORTED, COMMITTED, NR_PHASES };
enum leg { SOURCE, DEST, NR_LEGS };

extern const char * const phase_names[NR_PHASES];
extern const char * const leg_names[NR_LEGS];

/* The counted keys that are numbers, in the order of status_numbers[]. */
enum number {
	N_COPIED, N_WRITTEN_SKIPPED, N_ZERO_SKIPPED, N_RESTORED, N_CLEARED,
	N_MIRRORED, N_IN_FLIGHT, N_HELD, N_HELD_MAX_US, N_COPY_RATE,
	N_READ_ERRORS, N_WRITE_ERRORS, N_MISMATCHES, N_UNREADABLE,
	N_VERIFIED, N_VERIFY_SKIPPED, NR_NUMBERS
};
/* Those that are words; "-" stands for none. */
enum word {
	W_FIRST_ERROR, W_METADATA, W_FIRST_UNREADABLE, W_VERIFY,
	W_FIRST_MISMATCH, NR_WORDS
};

extern const char * const status_numbers[NR_NUMBERS];
extern const char * const status_words[NR_WORDS];

#define STATUS_WORD_LEN 64

struct status {
	enum phase phase;
	enum leg active;
	uint64_t region_size;		/* sectors */
	uint64_t done, total;		/* regions */
	char health[NR_LEGS];		/* A, F or D */
	bool paused;
	uint64_t number[NR_NUMBERS];	/* 0 where it is not printed */
	char word[NR_WORDS][STATUS_WORD_LEN];
};

/* NULL, or what is wrong with @text. Keys that we do not know are passed over. */
const char *status_parse(const char *text, struct status *st);

/* Hundredths of a percent, 10000 only if all are done. */
unsigned int status_done(const struct status *st);

struct place {
	bool dropped;			/* "- 0" */
	unsigned int major, minor;
	uint64_t offset;		/* sectors */
};

struct target_line {
	struct place leg[NR_LEGS];
	bool has_metadata;
	unsigned int meta_major, meta_minor;
};

/* The parameters of a line of ours, as the kernel prints them. */
const char *target_line_parse(const char *text, struct target_line *line);

/* "MAJOR:MINOR OFFSET", the parameters of a linear line. */
bool linear_parse(const char *text, struct place *place);

/* The line of a pinned target that is nothing but a mapping of @on any more. */
bool rest_parse(const char *type, const char *text, struct place *on);

/* A decimal number and nothing else. */
bool number_parse(const char *text, uint64_t *number);
/* MAJOR:MINOR and nothing else. */
bool devno_parse(const char *text, unsigned int *major, unsigned int *minor);

/* Our two target types. */
#define TARGET		"livemigrate"
#define TARGET_PINNED	"livemigrate-pin"
bool is_our_type(const char *type);

#endif
