/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-livemigrate: shared types, and every function that one file of the module
 * offers to another.
 *
 * Words (docs/livemigrate.rst has them all):
 *
 *   leg      one of the two devices, source and dest.  One is active: it
 *            answers reads, and its result is the guest's.  The other is the
 *            standby: it gets every write as well.
 *   region   what one bit of the bitmap stands for: "the standby holds what
 *            the active leg holds here".  4 KiB unless asked otherwise.
 *   chunk    1 MiB.  A guest's bio (discards apart) and a copy stay within
 *            one.
 *   final    committed or aborted: one leg is left, for ever.
 *
 * Units: sector_t is 512-byte sectors counted from the start of the target;
 * regions and chunks are u64 indices.
 *
 * Locks, outer to inner.  docs/design.rst says why.
 *
 *   lm_registry_making        mutex, one constructor at a time
 *   lm_registry_lock          mutex; no I/O, no memory
 *   lm_migration.messages     mutex, one message at a time
 *   lm_meta.commit            mutex; held over I/O to the metadata device
 *   lm_told.lock              mutex; held over a uevent, which takes memory
 *   lm_phase.lock             spinlock, irqsave; the state, and all clearing
 *                             of bits
 *   lm_bucket.lock            spinlock, irqsave; never with lm_phase.lock held,
 *                             and nothing is taken inside it
 *   lm_meta.lock              spinlock, irqsave; nothing is taken inside it
 *   bitmap words              atomic bit operations, no lock
 *
 * Nothing is allocated or submitted under a spinlock.
 */
#ifndef DM_LIVEMIGRATE_H
#define DM_LIVEMIGRATE_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "bitmap.h"
#include "pace.h"
#include "range.h"

#define DM_MSG_PREFIX "livemigrate"

#define LM_STANDBY_TIMEOUT	30000U	/* milliseconds */

enum lm_leg { LM_SOURCE, LM_DEST, LM_NR_LEGS };

#define LM_LEG_MASK(leg)	(1U << (leg))
#define LM_BOTH_LEGS		(LM_LEG_MASK(LM_SOURCE) | LM_LEG_MASK(LM_DEST))

static inline enum lm_leg lm_other_leg(enum lm_leg leg)
{
	return leg == LM_SOURCE ? LM_DEST : LM_SOURCE;
}

enum lm_standby { LM_ATTACHED, LM_FAILED, LM_DROPPED };

/* ------------------------------------------------------------------------
 * metadata.c, metadata-load.c: what survives a crash, on its device.  Knows nothing of bios, and
 * not what a state means.
 */

/* Of a leg's id, the end included: no shorter than DM_UUID_LEN. */
#define LM_META_ID	144
/* Blocks of the bitmap that are saved at once, each of 30720 regions. */
#define LM_META_BATCH	64

/* What metadata is bound to.  All zeroes for a leg that was dropped. */
struct lm_leg_geometry {
	u64 start;		/* first sector of the data */
	u64 size;		/* of the device, sectors */
	char id[LM_META_ID];	/* its UUID, as dm or a partition has it, or "" */
};

struct lm_geometry {
	u64 len;
	unsigned int region_size;
	struct lm_leg_geometry leg[LM_NR_LEGS];
};

/**
 * struct lm_meta_state - what the superblock says of the state.
 * @source_incomplete: the source lacks something that was acknowledged.
 * @clean: nothing was under way.
 */
struct lm_meta_state {
	enum lm_leg active;
	enum lm_standby standby;
	bool source_incomplete;
	bool synced;
	bool clean;
};

/* Somebody who waits for metadata; @ready is called from a worker. */
struct lm_meta_wait {
	struct list_head node;
	u64 chunk;
	unsigned long since;
	void (*ready)(struct lm_meta_wait *wait);
};

struct lm_meta;

struct lm_meta *lm_meta_open(struct block_device *bdev,
			     const struct lm_geometry *g,
			     unsigned int region_size, char *why, size_t len);
void lm_meta_close(struct lm_meta *meta);
unsigned int lm_meta_region_size(const struct lm_meta *meta);
bool lm_meta_recorded(const struct lm_meta *meta, struct lm_meta_state *state);
void lm_meta_load(struct lm_meta *meta, struct lm_bitmap *b);

int lm_meta_record(struct lm_meta *meta,
		   void (*get)(void *arg, struct lm_meta_state *state),
		   void *arg);
bool lm_meta_records_incomplete(const struct lm_meta *meta);
bool lm_meta_records_complete(const struct lm_meta *meta);
bool lm_meta_has_failed(const struct lm_meta *meta);
bool lm_meta_give_up(struct lm_meta *meta, unsigned long timeout);
void lm_meta_release(struct lm_meta *meta);
bool lm_meta_invalidate(struct lm_meta *meta);
bool lm_meta_is_stale(const struct lm_meta *meta);

bool lm_meta_is_open(const struct lm_meta *meta, u64 chunk);
bool lm_meta_enter(struct lm_meta *meta, u64 chunk, struct lm_meta_wait *wait);
void lm_meta_commit(struct lm_meta *meta);

void lm_meta_claim(struct lm_meta *meta, u64 chunk, bool quiet);
bool lm_meta_is_claimed(const struct lm_meta *meta, u64 chunk);
u64 lm_meta_next_active(const struct lm_meta *meta, u64 chunk);
void lm_meta_retire(struct lm_meta *meta, u64 chunk);
void lm_meta_doubt(struct lm_meta *meta, u64 chunk);
u64 lm_meta_block_chunks(const struct lm_meta *meta, u64 chunk, u64 *end);
void lm_meta_snapshot(struct lm_meta *meta, const struct lm_bitmap *b,
		      const u64 *chunks, unsigned int nr);
int lm_meta_save(struct lm_meta *meta, const struct lm_bitmap *b,
		 bool (*holds)(void *arg), void (*retire)(void *arg), void *arg);

/* ------------------------------------------------------------------------
 * phase.c: the state, the one setter, what is allowed.  Never sees a bio.
 */

enum lm_phase_name {
	LM_COPYING, LM_SYNCED, LM_SWITCHED, LM_DEGRADED, LM_ABORTED,
	LM_COMMITTED,
};

struct lm_migration;
struct lm_save;

/**
 * struct lm_leg_ref - I/O of ours in flight on a leg.
 * @ref: live while the leg takes part; killed when it fails or is dropped.
 * @idle: killed, and nothing is in flight any more.
 */
struct lm_leg_ref {
	struct percpu_ref ref;
	struct lm_migration *m;
	enum lm_leg leg;
	bool idle;
};

/**
 * struct lm_phase - the state of a migration; the phase derives from it.
 * @lock: guards all but the refs' counts.
 * @active: the leg that answers reads.
 * @standby: what the other leg is.
 * @synced: all bits are set, and both legs were flushed since the last was.
 * @complete: the standby holds, flushed, all that the guest has written; what
 *	it has discarded since may differ.
 * @source_incomplete: the source lacks something that was acknowledged.
 * @clean: nothing is under way, and the metadata may say so.
 * @losses: counts flushes that failed, standbys that were attached again, and
 *	differences found: what was copied before may be lost.
 * @failing: writes that have failed, of which the state does not tell yet.
 * @doubt: the active leg may have lost what it had not flushed, and the bits of
 *	those chunks are still to be cleared.
 * @dropping: abort or commit was asked for; the standby goes once it is idle.
 * @dest_zeroed: where its bit is clear the dest still reads as zeroes.
 * @dest_written: the dest was written to: a line printed from now on must not
 *	claim that it is all zeroes.  Set without the lock.
 * @clears: counts the clearings of bits, to notice one during a flush.
 * @attachments: counts the times that a standby was attached.
 * @rescues: reads in flight on a failed standby.
 * @shown: the phase that the last event told of.
 * @events: counts phase changes.
 * @idle: woken when a leg becomes idle or dropped.
 */
struct lm_phase {
	spinlock_t lock;
	enum lm_leg active;
	enum lm_standby standby;
	bool synced;
	bool complete;
	bool source_incomplete;
	bool clean;
	bool doubt;
	bool dropping;
	bool dest_zeroed;
	bool dest_written;
	u64 clears;
	u64 losses;
	atomic_t failing;
	unsigned int attachments;
	unsigned int rescues;
	enum lm_phase_name shown;
	atomic_t events;
	wait_queue_head_t idle;
	struct lm_leg_ref leg[LM_NR_LEGS];
};

/* Why a request was refused; message.c has the sentences. */
enum lm_refusal {
	LM_ALLOWED,
	LM_NOT_SYNCED,		/* regions are still to be copied: wait */
	LM_STANDBY_FAILED,	/* the standby failed: reattach */
	LM_SOURCE_ACTIVE,	/* it runs on the source: cut over first */
	LM_DEST_ACTIVE,		/* it runs on the dest: fail back first */
	LM_IS_ABORTED,
	LM_IS_COMMITTED,
	LM_IS_DROPPING,		/* abort or commit is under way */
	LM_IN_FLIGHT,		/* I/O is still in flight on the standby: wait */
	LM_NOT_DROPPED,		/* the same, for a leg on its way out */
	LM_UNREADABLE,		/* the active leg cannot be read: overwrite */
};

/**
 * struct lm_snapshot - a copy of the state at one instant.
 * @phase: the phase.
 * @shown: the same, as events tell it: a leg that is being dropped has not failed.
 * @active: the leg that answers reads.
 * @standby: what the other one is.
 * @dest_zeroed: as a line may claim it.
 * @done: regions; the sum of @set, less @cleared.
 * @set: how many bits each cause has set.
 * @cleared: how many were cleared again.
 */
struct lm_snapshot {
	enum lm_phase_name phase;
	enum lm_phase_name shown;
	enum lm_leg active;
	enum lm_standby standby;
	bool dest_zeroed;
	u64 done;
	u64 set[LM_NR_CAUSES];
	u64 cleared;
};

int lm_phase_init(struct lm_migration *m, enum lm_leg active,
		  enum lm_standby standby, bool dest_zeroed);
void lm_phase_exit(struct lm_migration *m);
void lm_phase_snapshot(struct lm_migration *m, struct lm_snapshot *snap);
bool lm_phase_is_final(const struct lm_migration *m);
bool lm_phase_is_attached(const struct lm_migration *m);

enum lm_leg lm_phase_read_begin(struct lm_migration *m);
void lm_phase_write_dest(struct lm_migration *m);
unsigned int lm_phase_write_begin(struct lm_migration *m, sector_t start,
				  sector_t end);
unsigned int lm_phase_flush_begin(struct lm_migration *m);
bool lm_phase_copy_begin(struct lm_migration *m, enum lm_leg *from);
void lm_phase_io_end(struct lm_migration *m, unsigned int legs);

void lm_phase_good(struct lm_migration *m, sector_t start, sector_t end,
		   enum lm_cause cause, u64 losses);
void lm_phase_failing(struct lm_migration *m, enum lm_leg leg);
void lm_phase_settled(struct lm_migration *m);
bool lm_phase_is_failing(const struct lm_migration *m);
enum lm_leg lm_phase_failed(struct lm_migration *m, unsigned int sent,
			    unsigned int failed, sector_t start, sector_t end);
void lm_phase_clear(struct lm_migration *m, sector_t start, sector_t end);
void lm_phase_mismatch(struct lm_migration *m, sector_t start, sector_t end);
bool lm_phase_give_up(struct lm_migration *m, enum lm_leg leg);
enum lm_leg lm_phase_standby_leg(const struct lm_migration *m);

bool lm_phase_rescue_begin(struct lm_migration *m, enum lm_leg used,
			   sector_t start, sector_t end, bool *counted);
void lm_phase_rescue_end(struct lm_migration *m, enum lm_leg leg, bool counted);

void lm_phase_meta_state(struct lm_migration *m, struct lm_meta_state *state);
void lm_phase_recover(const struct lm_meta_state *state, enum lm_leg *active,
		      enum lm_standby *standby);
void lm_phase_resumed(struct lm_migration *m, const struct lm_meta_state *state);
void lm_phase_set_clean(struct lm_migration *m, bool clean);
bool lm_phase_source_incomplete(const struct lm_migration *m);
u64 lm_phase_losses(const struct lm_migration *m);
bool lm_phase_in_doubt(const struct lm_migration *m);
void lm_phase_settle_doubt(struct lm_migration *m);
void lm_phase_poke(struct lm_migration *m);
void lm_phase_event(struct lm_migration *m);

bool lm_phase_sync_begin(struct lm_migration *m, u64 *clears);
bool lm_phase_sync_flushed(struct lm_migration *m, u64 clears);
bool lm_phase_sync_end(struct lm_migration *m, u64 clears);
bool lm_phase_wants_copy(struct lm_migration *m, unsigned int *attachments);
bool lm_phase_reads_zero(struct lm_migration *m, enum lm_leg leg);

enum lm_refusal lm_phase_cutover(struct lm_migration *m);
enum lm_refusal lm_phase_failback(struct lm_migration *m);
enum lm_refusal lm_phase_end_begin(struct lm_migration *m, enum lm_leg on);
enum lm_refusal lm_phase_abort(struct lm_migration *m);
enum lm_refusal lm_phase_may_commit(struct lm_migration *m);
enum lm_refusal lm_phase_commit(struct lm_migration *m);
enum lm_refusal lm_phase_reattach(struct lm_migration *m);
enum lm_refusal lm_phase_may_verify(struct lm_migration *m);

/* ------------------------------------------------------------------------
 * registry.c: the state that outlives a table.
 */

/* Where a leg lies: sectors of a whole disk, so that aliases are seen. */
struct lm_place {
	dev_t disk;		/* 0: dropped, printed as "-" */
	sector_t start;
};

/* What a leg was asked for, as the status has it. */
enum lm_op { LM_OP_READ = 'r', LM_OP_WRITE = 'w', LM_OP_FLUSH = 'f' };

/* Counters for status that belong to no other struct. */
struct lm_stats {
	atomic64_t mirrored;		/* guest writes sent to both legs */
	atomic64_t in_flight;		/* guest writes not ended yet */
	atomic64_t held;		/* guest writes that waited for a range */
	atomic64_t held_max_us;
	atomic64_t read_errors;		/* of either leg */
	atomic64_t write_errors;
	atomic64_t mismatches;		/* regions that verify found to differ */
	spinlock_t lock;		/* the first error and mismatch, set once */
	bool has_mismatch;
	sector_t mismatch_sector;
	bool has_error;
	enum lm_op error_op;
	enum lm_leg error_leg;
	sector_t error_sector;
	int error;
};

enum lm_verify_state {
	LM_VERIFY_NEVER, LM_VERIFY_RUNNING, LM_VERIFY_DONE, LM_VERIFY_STOPPED,
};

/**
 * struct lm_verify - how far the legs were compared.
 * @state: whether they are being; RUNNING ends by cmpxchg.
 * @cursor: the region that it has reached.
 * @compared: regions that were.
 * @skipped: those that the guest has written to all the time.
 */
struct lm_verify {
	enum lm_verify_state state;
	u64 cursor;
	atomic64_t compared;
	atomic64_t skipped;
};

/*
 * Loaded; live; replaced by another target's table, so of no use any more; and
 * the same, with metadata that does not say so yet.
 */
enum lm_life { LM_LOADED, LM_LIVE, LM_RETIRED, LM_RETIRING };

/**
 * struct lm_told - what the last uevent has told; uevent.c's.
 * @lock: one at a time tells.
 * @phase: its phase.
 * @active: its active leg.
 * @next: when another one may be sent, jiffies.
 */
struct lm_told {
	struct mutex lock;
	enum lm_phase_name phase;
	enum lm_leg active;
	u64 next;
};

/**
 * struct lm_migration - one migration: all that must survive a table reload.
 * @refs: one for each table that names it, loaded or live.
 * @life: whether its table was ever live; under lm_registry_lock.
 * @table: the table that it was made for.  Only compared.
 * @md: the mapped device; with @begin and @len the place in its table.
 * @place: the legs.
 * @messages: one message at a time.
 * @paused: the copier stands still.
 * @copy_rate: KiB/s the copier may use, 0 for no limit.
 * @standby_timeout: milliseconds after which a standby that does not answer has
 *	failed, 0 for never.
 * @flushes: flushes of both legs in flight.
 * @flush_epoch: which of @flush_count a flush that begins now counts in.
 * @flush_count: flushes in flight, for lm_flush_barrier().
 * @flush_wait: woken when one of those is zero.
 * @unread: regions that the active leg could not read, and how often.
 * @meta: its metadata, or NULL.
 * @save: who writes that.
 * @meta_users: tables that name it; who lets go last closes it, while its
 *	device is open yet.  Under lm_registry_lock.
 * @meta_place: where that lies.
 * @meta_failure_told: bit 0: so it was.
 * @told: what the last uevent has told.
 * @owner: the live table's struct lm_target, NULL while there is none; under
 *	phase.lock.
 * @poke: called under phase.lock, from any context, when the phase changed or
 *	there may be something for the copier to do.
 *
 * Holds no dm_target and no dm_dev: those belong to a table.
 */
struct lm_migration {
	struct list_head node;
	struct kref refs;
	enum lm_life life;
	const struct dm_table *table;
	struct mapped_device *md;
	sector_t begin;
	sector_t len;
	struct lm_place place[LM_NR_LEGS];

	struct lm_bitmap bitmap;
	struct lm_ranges ranges;
	struct lm_phase phase;
	struct lm_stats stats;

	struct mutex messages;
	bool paused;
	unsigned int copy_rate;
	unsigned int standby_timeout;
	atomic_t flushes;
	int flush_epoch;
	atomic_t flush_count[2];
	wait_queue_head_t flush_wait;

	struct lm_verify verify;
	struct xarray unread;
	struct lm_meta *meta;
	struct lm_save *save;
	unsigned int meta_users;
	struct lm_place meta_place;
	sector_t meta_len;
	unsigned long meta_failure_told;
	struct lm_told told;

	void *owner;
	void (*poke)(void *owner);
};

void lm_migration_error(struct lm_migration *m, enum lm_leg leg, enum lm_op op,
			sector_t sector, int error);
void lm_migration_mismatch(struct lm_migration *m, sector_t sector);

/* What a table line asks for. */
struct lm_config {
	const struct dm_table *table;
	struct mapped_device *md;
	sector_t begin;
	sector_t len;
	struct lm_place place[LM_NR_LEGS];
	struct lm_place meta_place;
	sector_t meta_len;
	const char *meta_path;
	struct block_device *meta_bdev;
	struct lm_geometry geometry;
	unsigned int region_size;
	unsigned int copy_rate;
	unsigned int standby_timeout;
	bool has_region_size;
	bool paused;
	bool dest_zeroed;
	bool detached;
	bool has_active;
	enum lm_leg active;
};

struct lm_migration *lm_registry_get(const struct lm_config *cfg, char *why,
				     size_t len);
int lm_registry_go_live(struct lm_migration *m, unsigned int named,
			bool has_metadata);
void lm_registry_retire(struct lm_migration *m, enum lm_life life);
void lm_registry_put(struct lm_migration *m, bool has_metadata);

/* ------------------------------------------------------------------------
 * A table's instance, and the way of the data.
 */

struct lm_target;

/* A bio for each leg.  No array: a bio ends in vectors, which we do not use. */
struct lm_leg_bios {
	struct bio source;
	struct bio dest;
};

static inline struct bio *lm_leg_bio(struct lm_leg_bios *bios, enum lm_leg leg)
{
	return leg == LM_SOURCE ? &bios->source : &bios->dest;
}

/* The bits of lm_sent.state above the legs' own, which say "has come back". */
#define LM_SENT_GIVEN_UP(leg)	BIT(2 + (leg))	/* that leg is not waited for */
#define LM_SENT_LATE		BIT(4)	/* all that counts has come back */
#define LM_SENT_DETACHED	BIT(5)	/* the last one to come back frees it */
#define LM_SENT_FAILING		BIT(6)	/* one has failed: lm_phase_failing() */

/**
 * struct lm_sent - what was sent to legs, and has not all come back.
 * @legs: a mask: where it was sent.
 * @state: a mask of the legs that have answered, or that it was not sent to; and
 *	LM_SENT_...
 * @since: when, jiffies.
 * @start: first sector, from the target's start; for who sends again.
 * @bytes: how long it is.
 *
 * Whoever does not answer in time is given up: its holder goes on as if it had
 * failed, and leaves this behind for the bio that may still come.
 */
struct lm_sent {
	unsigned int legs;
	atomic_t state;
	unsigned long since;
	sector_t start;
	unsigned int bytes;
	struct lm_leg_bios bios;
};

/* What is to be done when a bio has come back. */
enum lm_sent_next {
	LM_SENT_WAIT,		/* nothing: others are awaited */
	LM_SENT_END,		/* all are back: end it */
	LM_SENT_END_EARLY,	/* all but the one that was given up: end it */
	LM_SENT_FREE,		/* that one: free what was left behind */
};

/* A flush is over.  @legs: those that have answered.  @status is the active
 * leg's, or BLK_STS_AGAIN if the active leg has changed to one that the flush was
 * not sent to: send it again, from a context that may submit.  Any context.
 */
typedef void (*lm_flush_fn)(void *arg, unsigned int legs, blk_status_t status);

/* A flush of every leg that takes part; leg.c's own. */
struct lm_flush {
	struct lm_target *t;
	lm_flush_fn done;
	void *arg;
	struct list_head node;
	struct lm_sent sent;
	struct lm_meta_wait wait;
	blk_status_t status;
	unsigned int hung;
	int epoch;
	bool collects;
};

/*
 * How a bio of ours ends that its leg never got, because that had failed before: no
 * error of the leg's, and nothing to tell a guest.  A word of dm's own, which no
 * device says, and dm must not hear from us.
 */
#define LM_STS_WITHHELD	BLK_STS_DM_REQUEUE

/* So many bios wait for room on a leg before those who send do. */
#define LM_BACKLOG_MAX	64

enum lm_backlog_kind {
	LM_BACKLOG_SHARED,	/* what both legs are sent for the guest */
	LM_BACKLOG_OWN,		/* what serves no guest */
	LM_BACKLOG_WHOLE,	/* the guest's own bios, for one leg */
	LM_NR_BACKLOGS
};

/**
 * struct lm_backlog - bios for a leg that had no room for them.
 * @t: the instance.
 * @leg: the leg.
 * @wq: runs @work, which may wait for the leg as long as that likes.
 * @bios: of each kind in the order of their coming, under lm_target.lock.
 * @nr: how many of the first kind.
 * @last: the kind of the last that was sent; the worker's.
 */
struct lm_backlog {
	struct lm_target *t;
	enum lm_leg leg;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct bio_list bios[LM_NR_BACKLOGS];
	atomic_t nr;
	enum lm_backlog_kind last;
};

/* How many pages of bounce need no allocated vector. */
#define LM_INLINE_VECS 4

enum lm_io_kind {
	LM_IO_PASSED,		/* nothing is to be done at its end */
	LM_IO_FINAL,		/* to the leg that is left */
	LM_IO_READ,
	LM_IO_WRITE,		/* mirrored */
	LM_IO_SOLE,		/* a write to the active leg alone */
	LM_IO_FLUSH,
	LM_IO_WALK,		/* discard or write-zeroes, chunk by chunk */
};

/**
 * struct lm_req - what a write, or a walk's step, has sent, and its pages.
 * @io: whose it is; not to be used by who comes back last.
 */
struct lm_req {
	struct lm_target *t;
	struct lm_io *io;
	unsigned int nr_pages;
	struct bio_vec *vecs;
	struct bio_vec inline_vecs[LM_INLINE_VECS];
	struct lm_sent sent;
};

/**
 * struct lm_io - what is kept with each bio of the guest.
 * @range: what a write holds, or the chunk's part where a walk is.
 * @leg: where the guest's own bio goes.
 * @flags: its bi_flags as it came.
 * @iter: its iterator, the same, sectors counted from the target's start.
 * @losses: lm_phase_losses() before it was sent.
 * @legs: a mask: where it was sent, each with a reference held.
 * @hung: a mask: those of them that were given up.
 * @end: the sector behind a walk's last.
 * @emulate: a mask: legs that get zeroes as data.
 * @resend: a mask: legs that a walk must send to again.
 * @counted: how the rescue of a read holds the other leg.
 * @wait: for metadata.
 */
struct lm_io {
	struct lm_target *t;
	enum lm_io_kind kind;
	enum lm_leg leg;
	u64 losses;
	unsigned int legs;
	unsigned int hung;
	unsigned int emulate;
	unsigned int resend;
	bool counted;
	blk_status_t status;
	struct lm_range range;
	struct lm_meta_wait wait;
	unsigned short flags;
	union {
		struct bvec_iter iter;
		sector_t end;
	};
	struct lm_req *req;
};

/* dm keeps it in front of the bio. */
#define lm_io(bio)	((struct lm_io *)dm_per_bio_data(bio, sizeof(struct lm_io)))
#define lm_io_bio(io)	dm_bio_from_per_bio_data(io, sizeof(struct lm_io))

#define LM_NR_JOBS	8
/* The most that a job copies while it holds its range from beginning to end. */
#define LM_HOLD_SECTORS	64U

struct lm_job;

/**
 * struct lm_pacer - how fast to copy, or to compare, beside the guest.
 * @lock: protects @pace; taken last, in any context.
 * @pace: pure calculation.
 * @guest: what the guest had done when it was looked at last.
 * @looked: when that was, ns.
 */
struct lm_pacer {
	spinlock_t lock;
	struct lm_pace pace;
	struct lm_pace_guest guest;
	u64 looked;
};

/**
 * struct lm_copier - the one pass from the active leg to the standby.
 * @work: hands out jobs; the only user of @cursor, @sweep and @attachments.
 * @cursor: the region that the sweep has reached.
 * @sweep: how often it has gone over the device.  From the third on a job does
 *	not give way any more, so the pass ends.
 * @stopped: suspended.
 * @errors: this sweep had a read, or a flush, that failed.
 * @careful: the last one had: copy region by region.
 * @retry_at: and no sooner than then, jiffies.
 * @busy: jobs and flushes that still use the instance.
 * @started: this sweep has had a job.
 * @granule: regions; a job ends where a multiple of it does, if it can.
 * @pacer: when the next job may start.
 * @flushing: bit 0: a flush is under way; with @flush_syncs, to be synced.
 * @flush_clears: for lm_phase_sync_end().
 * @jobs_busy: a bit for each job that is under way.
 */
struct lm_copier {
	struct delayed_work work;
	u64 cursor;
	unsigned int sweep;
	unsigned int attachments;
	bool stopped;
	bool errors;
	bool careful;
	unsigned long retry_at;
	bool flush_syncs;
	atomic_t busy;
	wait_queue_head_t idle;
	bool started;
	unsigned int granule;
	struct lm_pacer pacer;
	u64 flush_clears;
	unsigned long last_flush;
	unsigned long flushing;
	struct bio_set bios;
	struct lm_meta_wait wait;
	unsigned long jobs_busy;
	struct lm_job *job[LM_NR_JOBS];
};

#define LM_NR_CHECKS	4
/* The most that one check compares, unless a region is larger. */
#define LM_CHECK_SECTORS 256U

struct lm_check;

/**
 * struct lm_verifier - the comparison of the legs.
 * @work: hands out checks; the only user of lm_verify.cursor.
 * @stopped: suspended.
 * @busy: checks that still use the instance.
 * @pacer: when the next may start.
 */
struct lm_verifier {
	struct delayed_work work;
	bool stopped;
	atomic_t busy;
	wait_queue_head_t idle;
	struct lm_pacer pacer;
	struct lm_check *check[LM_NR_CHECKS];
};

/**
 * struct lm_target - one table's instance.
 * @submit_wq: runs @submit_work, which may wait for memory, so for bios of
 *	ours to end.
 * @done_wq: runs all that lets them end; never waits for @submit_wq.
 * @save: the migration's, if this table names the metadata; else NULL.
 */
struct lm_target {
	struct dm_target *ti;
	struct lm_migration *m;
	struct dm_dev *dev[LM_NR_LEGS];
	struct dm_dev *meta_dev;
	sector_t start[LM_NR_LEGS];

	mempool_t pages;		/* req.c's, down to @starving */
	mempool_t vecs;
	mempool_t reqs;
	struct lm_stash __percpu *stash;
	bool starving;			/* the submit worker waits for memory */

	mempool_t flushes;
	struct bio_set bios;

	struct workqueue_struct *watch_wq;
	struct delayed_work watch_work;
	bool watching;
	atomic_t left_behind;
	wait_queue_head_t all_back;
	unsigned long looked;		/* when the watch did, jiffies */
	struct list_head flush_list;	/* all that are in flight */

	struct workqueue_struct *submit_wq;
	struct workqueue_struct *done_wq;
	struct work_struct submit_work;
	struct work_struct rescue_work;
	struct work_struct poke_work;
	int events_told;
	struct delayed_work uevent_work;

	spinlock_t lock;		/* the lists of bios and flushes; a leaf */
	struct bio_list submits;
	struct bio_list rescues;
	struct lm_backlog backlog[LM_NR_LEGS];
	bool blocks[LM_NR_LEGS];	/* lm_backlog_blocks() */
	wait_queue_head_t backlog_room;

	struct lm_copier copier;
	struct lm_verifier verifier;
	struct lm_save *save;
};

/* leg.c: bios to the legs, and flushes of them. */
struct block_device *lm_leg_bdev(struct lm_target *t, enum lm_leg leg);
void lm_leg_bio_init(struct lm_target *t, struct bio *bio, enum lm_leg leg,
		     struct bio_vec *vecs, unsigned int nr_vecs, blk_opf_t opf,
		     sector_t sector);
bool lm_leg_zeroes(struct lm_target *t, enum lm_leg leg);
bool lm_leg_discards(struct lm_target *t, enum lm_leg leg);
unsigned int lm_leg_granule(struct lm_target *t, enum lm_leg leg, unsigned int max);
bool lm_not_supported(blk_status_t status);
bool lm_bio_failed(const struct bio *bio);
void lm_sent_begin(struct lm_sent *sent, unsigned int legs, sector_t start,
		   unsigned int bytes);
enum lm_sent_next lm_sent_back(struct lm_sent *sent, struct lm_migration *m,
			       struct bio *bio, enum lm_leg *leg);
void lm_sent_settled(struct lm_sent *sent, struct lm_migration *m);
bool lm_sent_give_up(struct lm_sent *sent, enum lm_leg leg);
bool lm_sent_detach(struct lm_sent *sent, struct lm_target *t);
bool lm_sent_is_overdue(const struct lm_sent *sent, enum lm_leg leg,
			unsigned long timeout);
void lm_left_behind_end(struct lm_target *t);
bool lm_flush_start(struct lm_target *t, struct bio *clone, lm_flush_fn done,
		    void *arg, gfp_t gfp);
bool lm_flush_give_up_one(struct lm_target *t, enum lm_leg leg,
			  unsigned long timeout);
bool lm_flush_is_overdue(struct lm_target *t, enum lm_leg leg,
			 unsigned long timeout);
void lm_flush_barrier(struct lm_migration *m);
int lm_flush_active(struct lm_target *t, enum lm_leg leg);

/* backlog.c: to a leg, without waiting for it. */
int lm_backlog_init(struct lm_target *t);
void lm_backlog_abandon(struct lm_target *t, enum lm_leg leg);
void lm_backlog_exit(struct lm_target *t);
void lm_backlog_send(struct lm_target *t, enum lm_leg leg, struct bio *clone,
		     struct bio *bio);
bool lm_backlog_blocks(struct block_device *bdev);
void lm_backlog_send_own(struct lm_target *t, enum lm_leg leg, struct bio *bio);
void lm_backlog_send_whole(struct lm_target *t, enum lm_leg leg, struct bio *bio);
bool lm_backlog_has_room(struct lm_target *t, bool waits);
void lm_backlog_await(struct lm_target *t);
bool lm_sent_again(struct lm_sent *sent, struct lm_target *t, struct bio *bio);

/* whole.c: the guest's bios that go to one leg as they are. */
void lm_whole_init(struct lm_target *t);
bool lm_in_worker(void);
void lm_whole_detach(struct bio *bio);
bool lm_whole_begin(struct lm_io *io, struct bio *bio, enum lm_leg leg);
bool lm_whole_again(struct lm_io *io, struct bio *bio, blk_status_t status);
int lm_whole_read(struct lm_io *io, struct bio *bio);
int lm_whole_read_end(struct lm_io *io, struct bio *bio, blk_status_t status);

/* req.c: what a write to both legs needs. */
bool lm_req_alloc(struct lm_io *io, unsigned int bytes, gfp_t gfp);
void lm_req_free(struct lm_target *t, struct lm_req *req);
int lm_req_init(struct lm_target *t);
void lm_req_exit(struct lm_target *t);

/* mirror.c: the guest's bios. */
int lm_mirror_init(struct lm_target *t, char **error);
void lm_mirror_exit(struct lm_target *t);
int lm_mirror_map(struct lm_target *t, struct bio *bio);
void lm_mirror_give_up(struct lm_io *io, enum lm_leg leg);
int lm_mirror_end_io(struct lm_target *t, struct bio *bio, blk_status_t *error);

/* copier.c: what nobody wrote. */
int lm_copier_init(struct lm_target *t, char **error);
void lm_copier_exit(struct lm_target *t);
void lm_copier_kick(struct lm_target *t);
void lm_copier_stop(struct lm_target *t);
void lm_copier_wait(struct lm_target *t);
void lm_copier_start(struct lm_target *t);
void lm_copier_idle(struct lm_copier *c);

/* job.c: a run of regions that is copied. */
int lm_jobs_init(struct lm_target *t);
void lm_jobs_exit(struct lm_target *t);
void lm_jobs_trim(struct lm_target *t);
struct lm_job *lm_job_get(struct lm_target *t);
void lm_job_start(struct lm_job *job, u64 first, unsigned int nr, bool yields);
bool lm_job_is_overdue(const struct lm_range *range, enum lm_leg leg,
		       unsigned long timeout);
bool lm_job_give_up(struct lm_range *range);
void lm_job_let_go(struct lm_range *range);

/* pacer.c: how fast. */
void lm_pacer_init(struct lm_pacer *pacer, unsigned int least);
void lm_pacer_restart(struct lm_pacer *pacer);
u64 lm_pacer_wait(struct lm_target *t, struct lm_pacer *pacer, bool idle, bool hurry);
bool lm_pacer_nap(struct lm_target *t, u64 wait, struct delayed_work *work);
unsigned int lm_pacer_sectors(struct lm_pacer *pacer);
void lm_pacer_begun(struct lm_pacer *pacer, unsigned int sectors);
void lm_pacer_ended(struct lm_pacer *pacer, unsigned int leg, unsigned int sectors,
		    u64 sent, u64 back);

/* unread.c: what the active leg cannot read. */
bool lm_unread_failed(struct lm_migration *m, u64 region);
void lm_unread_skip(struct lm_migration *m, u64 *first, u64 *max);
u64 lm_unread_count(struct lm_migration *m, u64 *first);
void lm_unread_retry(struct lm_migration *m);

/* verify.c: are the legs equal? */
void lm_verify_init(struct lm_target *t);
void lm_verify_exit(struct lm_target *t);
bool lm_verify_begin(struct lm_target *t);
void lm_verify_kick(struct lm_target *t);
void lm_verify_start(struct lm_target *t);
void lm_verify_stop(struct lm_target *t, bool for_good);
void lm_verify_wait(struct lm_target *t);
bool lm_check_is_overdue(const struct lm_range *range, enum lm_leg leg,
			 unsigned long timeout);
bool lm_check_give_up(struct lm_range *range);
void lm_check_let_go(struct lm_range *range);

/* uevent.c: for udev. */
void lm_uevent_begin(struct lm_migration *m);
void lm_uevent_init(struct lm_target *t);
void lm_uevent_kick(struct lm_target *t);
void lm_uevent_end(struct lm_target *t, bool last);

/* watch.c: a standby that does not answer. */
int lm_watch_init(struct lm_target *t);
void lm_watch_exit(struct lm_target *t);
void lm_watch_start(struct lm_target *t);
void lm_watch_stop(struct lm_target *t);
void lm_watch_wait(struct lm_target *t);

/* save.c: when the metadata is written. */
struct lm_save *lm_save_new(struct lm_migration *m);
void lm_save_free(struct lm_save *s);
void lm_save_start(struct lm_target *t);
void lm_save_stop(struct lm_target *t);
void lm_save_detach(struct lm_target *t);
bool lm_save_retire(struct lm_target *t, bool replaced);
void lm_save_kick(struct lm_target *t);
void lm_save_doubt(struct lm_target *t, sector_t start);
bool lm_save_now(struct lm_target *t);
bool lm_save_begin(struct lm_target *t, sector_t start,
		   struct lm_meta_wait *wait);
bool lm_save_lacks(struct lm_target *t, struct lm_meta_wait *wait);
bool lm_save_complete(struct lm_target *t, struct lm_meta_wait *wait);
void lm_save_watch(struct lm_target *t, unsigned long timeout);

/* dm-livemigrate.c: what the table line and messages share. */

extern const char * const lm_leg_names[LM_NR_LEGS];
extern const char * const lm_phase_names[];

const char *lm_device_name(struct dm_target *ti);
bool lm_parse_number(const char *word, u64 max, u64 *number);

/* message.c: what is asked of it while it runs. */

int lm_message(struct dm_target *ti, unsigned int argc, char **argv,
	       char *result, unsigned int maxlen);

#endif
