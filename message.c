// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages: what each does, and the sentence for each refusal.
 */
#include "dm-livemigrate.h"

#include <linux/string.h>

/* Say why a message was refused; the error to return. */
static int lm_explain(struct lm_target *t, const char *message,
		      enum lm_refusal why)
{
	struct lm_bitmap *b = &t->m->bitmap;
	const char *device = lm_device_name(t->ti);
	u64 done = lm_bitmap_done(b);
	struct lm_snapshot snap;
	u64 unreadable, region;

	if (why == LM_NOT_SYNCED) {
		unreadable = lm_unread_count(t->m, &region);
		if (unreadable)
			why = LM_UNREADABLE;
	}
	switch (why) {
	case LM_ALLOWED:
		return 0;
	case LM_NOT_SYNCED:
		if (done < b->nr_regions)
			DMERR("%s: %s refused: %llu of %llu regions are still to be copied: wait for an event and try again",
			      device, message, b->nr_regions - done,
			      b->nr_regions);
		else
			DMERR("%s: %s refused: all is copied, but not flushed yet: wait for an event and try again",
			      device, message);
		return -EBUSY;
	case LM_STANDBY_FAILED:
		lm_phase_snapshot(t->m, &snap);
		DMERR("%s: %s refused: the %s has failed or is detached: see that it works, then send reattach",
		      device, message, lm_leg_names[lm_other_leg(snap.active)]);
		return -EINVAL;
	case LM_SOURCE_ACTIVE:
		DMERR("%s: %s refused: it runs on the source: send cutover first, or abort instead",
		      device, message);
		return -EINVAL;
	case LM_DEST_ACTIVE:
		DMERR("%s: %s refused: it runs on the dest: send failback first, or commit instead",
		      device, message);
		return -EINVAL;
	case LM_IS_ABORTED:
		DMERR("%s: %s refused: the migration was aborted: load a new table to start another",
		      device, message);
		return -EINVAL;
	case LM_IS_COMMITTED:
		DMERR("%s: %s refused: the migration is committed: load a new table to start another",
		      device, message);
		return -EINVAL;
	case LM_IS_DROPPING:
		DMERR("%s: %s refused: abort or commit is under way, and waits for I/O that is still in flight on the leg to drop",
		      device, message);
		return -EINVAL;
	case LM_IN_FLIGHT:
		DMERR("%s: %s refused: I/O is still in flight on the failed leg: try again when it has ended",
		      device, message);
		return -EBUSY;
	case LM_NOT_DROPPED:
		DMERR("%s: %s is under way, but I/O is still in flight on the leg to drop: leave that alone until status shows it as D",
		      device, message);
		return -EBUSY;
	case LM_UNREADABLE:
		DMERR("%s: %s refused: %llu regions cannot be read, the first at sector %llu: have them written anew, or mend the disk and send resume",
		      device, message, unreadable, region << b->region_shift);
		return -EBUSY;
	}
	return -EINVAL;
}

/*
 * A leg goes once nothing is in flight there.  A healthy one does at once; on
 * another we do not wait, but whoever goes on to delete it must know.
 */
static enum lm_refusal lm_await_drop(struct lm_migration *m)
{
	return wait_event_timeout(m->phase.idle, lm_phase_is_final(m), HZ) ?
	       LM_ALLOWED : LM_NOT_DROPPED;
}

/*
 * Before a leg goes metadata says so, or that it is out of date: after a crash
 * that leg must not be trusted.  If it can do neither we go on all the same: its
 * errors refuse nothing.
 */
static void lm_end_recorded(struct lm_target *t, const char *message)
{
	if (!lm_save_now(t))
		DMWARN("%s: %s goes on, but the metadata cannot tell of it: do not use that again",
		       lm_device_name(t->ti), message);
}

static enum lm_refusal lm_not_final(struct lm_migration *m)
{
	struct lm_snapshot snap;

	lm_phase_snapshot(m, &snap);
	if (snap.phase == LM_ABORTED)
		return LM_IS_ABORTED;
	return snap.phase == LM_COMMITTED ? LM_IS_COMMITTED : LM_ALLOWED;
}

static int lm_set_paused(struct lm_target *t, const char *message, bool paused)
{
	enum lm_refusal why = lm_not_final(t->m);

	if (!why) {
		WRITE_ONCE(t->m->paused, paused);
		lm_phase_poke(t->m);
	}
	return lm_explain(t, message, why);
}

static int lm_msg_pause(struct lm_target *t, const char *message, char *arg)
{
	return lm_set_paused(t, message, true);
}

static int lm_msg_resume(struct lm_target *t, const char *message, char *arg)
{
	lm_unread_retry(t->m);
	return lm_set_paused(t, message, false);
}

static int lm_msg_copy_rate(struct lm_target *t, const char *message, char *arg)
{
	enum lm_refusal why = lm_not_final(t->m);
	u64 rate;

	if (!lm_parse_number(arg, UINT_MAX, &rate)) {
		DMERR("%s: %s refused: '%.40s' is not a number of KiB/s from 0 to %u",
		      lm_device_name(t->ti), message, arg, UINT_MAX);
		return -EINVAL;
	}
	if (!why) {
		WRITE_ONCE(t->m->copy_rate, rate);
		lm_phase_poke(t->m);
	}
	return lm_explain(t, message, why);
}

static int lm_msg_cutover(struct lm_target *t, const char *message, char *arg)
{
	return lm_explain(t, message, lm_phase_cutover(t->m));
}

static int lm_msg_failback(struct lm_target *t, const char *message, char *arg)
{
	return lm_explain(t, message, lm_phase_failback(t->m));
}

static int lm_msg_abort(struct lm_target *t, const char *message, char *arg)
{
	enum lm_refusal why = lm_phase_end_begin(t->m, LM_SOURCE);

	if (why || lm_phase_is_final(t->m))
		return lm_explain(t, message, why);
	lm_end_recorded(t, message);
	why = lm_phase_abort(t->m);
	if (!why)
		why = lm_await_drop(t->m);
	return lm_explain(t, message, why);
}

static int lm_msg_commit(struct lm_target *t, const char *message, char *arg)
{
	enum lm_refusal why = lm_phase_may_commit(t->m);
	int r;

	if (why || lm_phase_is_final(t->m))
		return lm_explain(t, message, why);

	r = lm_flush_active(t, LM_DEST);
	if (r) {
		DMERR("%s: %s refused: the dest failed a flush (%d): nothing was dropped",
		      lm_device_name(t->ti), message, r);
		return r;
	}
	/* It may have failed back by itself meanwhile; from now on it cannot. */
	why = lm_phase_end_begin(t->m, LM_DEST);
	if (why)
		return lm_explain(t, message, why);
	lm_end_recorded(t, message);
	why = lm_phase_commit(t->m);
	if (!why)
		why = lm_await_drop(t->m);
	return lm_explain(t, message, why);
}

static int lm_msg_reattach(struct lm_target *t, const char *message, char *arg)
{
	return lm_explain(t, message, lm_phase_reattach(t->m));
}

static int lm_msg_verify(struct lm_target *t, const char *message, char *arg)
{
	enum lm_refusal why;

	if (arg && strcasecmp(arg, "stop")) {
		DMERR("%s: %s refused: '%.40s' is not 'stop'",
		      lm_device_name(t->ti), message, arg);
		return -EINVAL;
	}
	why = lm_phase_may_verify(t->m);
	if (arg) {
		lm_verify_stop(t, true);
		return 0;
	}
	if (!why && !lm_verify_begin(t)) {
		DMERR("%s: %s refused: the last one is still ending: try again",
		      lm_device_name(t->ti), message);
		return -EBUSY;
	}
	return lm_explain(t, message, why);
}

static const struct {
	const char *name;
	unsigned int min_args;
	unsigned int max_args;
	int (*handle)(struct lm_target *t, const char *message, char *arg);
} lm_messages[] = {
	{ "pause", 0, 0, lm_msg_pause },
	{ "resume", 0, 0, lm_msg_resume },
	{ "copy_rate", 1, 1, lm_msg_copy_rate },
	{ "cutover", 0, 0, lm_msg_cutover },
	{ "failback", 0, 0, lm_msg_failback },
	{ "commit", 0, 0, lm_msg_commit },
	{ "abort", 0, 0, lm_msg_abort },
	{ "reattach", 0, 0, lm_msg_reattach },
	{ "verify", 0, 1, lm_msg_verify },
};

/**
 * lm_message - carry out a message, or say in the log why not
 * @ti: the target.
 * @argc: how many words.
 * @argv: they.
 * @result: not used.
 * @maxlen: not used.
 *
 * Context: process, may sleep; one at a time for a migration.
 * Return: 0 or a negative errno.
 */
int lm_message(struct dm_target *ti, unsigned int argc, char **argv,
	       char *result, unsigned int maxlen)
{
	struct lm_target *t = ti->private;
	unsigned int i;
	int r;

	for (i = 0; i < ARRAY_SIZE(lm_messages); i++)
		if (!strcasecmp(argv[0], lm_messages[i].name))
			break;
	if (i == ARRAY_SIZE(lm_messages)) {
		DMERR("%s: message '%.40s' is unknown: it is one of pause, resume, copy_rate, cutover, failback, commit, abort, reattach, verify",
		      lm_device_name(ti), argv[0]);
		return -EINVAL;
	}
	if (argc - 1 < lm_messages[i].min_args ||
	    argc - 1 > lm_messages[i].max_args) {
		DMERR("%s: message %s takes %s, not %u words", lm_device_name(ti),
		      lm_messages[i].name,
		      lm_messages[i].min_args ? "one number" :
		      lm_messages[i].max_args ? "'stop' or nothing" :
						"nothing more",
		      argc - 1);
		return -EINVAL;
	}

	mutex_lock(&t->m->messages);
	r = lm_messages[i].handle(t, lm_messages[i].name,
				  argc > 1 ? argv[1] : NULL);
	mutex_unlock(&t->m->messages);
	return r;
}
