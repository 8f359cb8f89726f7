/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands, and what can be said on their lines. The table is in
 * livemigrate.c; help, completion and the test of the man page read it.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

enum opt {
	OPT_TO, OPT_METADATA, OPT_RATE, OPT_PAUSED, OPT_ZEROED, OPT_REGION_SIZE,
	OPT_STANDBY_TIMEOUT, OPT_PINNED, OPT_UNPINNED, OPT_FORCE, OPT_VERIFY,
	OPT_FAILBACK_WINDOW, OPT_DELETE_SOURCE, OPT_DELETE_DEST, OPT_THIN,
	OPT_PREALLOCATE, OPT_JSON, OPT_PROMETHEUS, OPT_WATCH, OPT_TIMEOUT,
	OPT_STOP, OPT_GROUP, OPT_HELP, NR_OPTIONS
};

#define OPTION(o) (1U << (o))

struct request {
	const char *device;		/* the first operand, or NULL */
	const char *operand;		/* the second */
	char **operands;		/* all of them */
	int nr_operands;
	unsigned int given;		/* a bit for each option */
	const char *text[NR_OPTIONS];
	uint64_t number[NR_OPTIONS];	/* rates in KiB/s, sizes in bytes, times in s */
};

static inline bool is_given(const struct request *r, enum opt option)
{
	return r->given & OPTION(option);
}

/* Exit codes, after a sentence. */
int cmd_start(const struct request *r);
int cmd_run(const struct request *r);
int cmd_status(const struct request *r);
int cmd_list(const struct request *r);
int cmd_wait(const struct request *r);
int cmd_pause(const struct request *r);
int cmd_resume(const struct request *r);
int cmd_rate(const struct request *r);
int cmd_verify(const struct request *r);
int cmd_cutover(const struct request *r);
int cmd_failback(const struct request *r);
int cmd_abort(const struct request *r);
int cmd_reattach(const struct request *r);
int cmd_commit(const struct request *r);
int cmd_disk(const struct request *r);
int cmd_boot(const struct request *r);
/* cutover --group, failback --group. */
int cmd_group(const struct request *r, enum leg to, int64_t patience_ms);

/* What run does with the parts of the others. */
int do_start(const struct request *r);
int do_switch(const char *device, const char *message, int64_t patience_ms);
int do_verify(const char *device);
int do_commit(const char *device, bool delete_source, bool force);
int do_abort(const char *device, bool force);
/* Go on with what was interrupted, by a crash or a reboot. */
int do_resume(const char *device);
/* Of a held volume, what that leaves to no person; with a remark. */
int do_take_up(const char *name);

/* Numbers with units; false: that is none. */
bool parse_rate(const char *text, uint64_t *kib);	/* 512, 512K, 50M, 2G */
bool parse_size(const char *text, uint64_t *bytes);	/* 65536, 64K, 1M */
bool parse_time(const char *text, uint64_t *seconds);	/* 90, 90s, 10m, 2h, 1d */

#endif
