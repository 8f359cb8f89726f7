/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, for those who want to know where the time goes: the events of
 * "livemigrate" in tracefs, for trace-cmd, perf and bpftrace.  Not used, each costs
 * little more than a jump that is not taken.
 *
 * Sectors are those of the target, from its start; dev is the mapped device.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM livemigrate

#if !defined(DM_LIVEMIGRATE_TRACEPOINTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define DM_LIVEMIGRATE_TRACEPOINTS_H

#include "dm-livemigrate.h"

#include <linux/blkdev.h>
#include <linux/tracepoint.h>

/* Those who read the records know no names of ours. */
TRACE_DEFINE_ENUM(LM_COPYING);
TRACE_DEFINE_ENUM(LM_SYNCED);
TRACE_DEFINE_ENUM(LM_SWITCHED);
TRACE_DEFINE_ENUM(LM_DEGRADED);
TRACE_DEFINE_ENUM(LM_ABORTED);
TRACE_DEFINE_ENUM(LM_COMMITTED);
TRACE_DEFINE_ENUM(LM_SOURCE);
TRACE_DEFINE_ENUM(LM_DEST);
TRACE_DEFINE_ENUM(LM_OP_READ);
TRACE_DEFINE_ENUM(LM_OP_WRITE);
TRACE_DEFINE_ENUM(LM_OP_FLUSH);

#define lm_show_phase(phase) \
	__print_symbolic(phase, \
		{ LM_COPYING, "copying" }, { LM_SYNCED, "synced" }, \
		{ LM_SWITCHED, "switched" }, { LM_DEGRADED, "degraded" }, \
		{ LM_ABORTED, "aborted" }, { LM_COMMITTED, "committed" })
#define lm_show_leg(leg) \
	__print_symbolic(leg, { LM_SOURCE, "source" }, { LM_DEST, "dest" })
#define lm_show_op(op) \
	__print_symbolic(op, { LM_OP_READ, "read" }, \
		{ LM_OP_WRITE, "write" }, { LM_OP_FLUSH, "flush" })

/* The phase has changed. */
TRACE_EVENT(lm_phase,
	TP_PROTO(struct lm_migration *m, enum lm_phase_name from,
		 enum lm_phase_name to, enum lm_leg active),
	TP_ARGS(m, from, to, active),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(int, phase)
		__field(int, was)
		__field(int, active)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(m->md));
		__entry->phase = to;
		__entry->was = from;
		__entry->active = active;
	),
	TP_printk("dev=%d:%d phase=%s was=%s active=%s",
		  MAJOR(__entry->dev), MINOR(__entry->dev),
		  lm_show_phase(__entry->phase), lm_show_phase(__entry->was),
		  lm_show_leg(__entry->active))
);

/* A write or discard of the guest waits no longer for its range. */
TRACE_EVENT(lm_held,
	TP_PROTO(struct lm_migration *m, sector_t start, sector_t end, u64 us),
	TP_ARGS(m, start, end, us),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(sector_t, sector)
		__field(unsigned int, nr_sectors)
		__field(u64, us)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(m->md));
		__entry->sector = start;
		__entry->nr_sectors = end - start;
		__entry->us = us;
	),
	TP_printk("dev=%d:%d sector=%llu nr_sectors=%u us=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev),
		  (unsigned long long)__entry->sector, __entry->nr_sectors,
		  (unsigned long long)__entry->us)
);

/* A copy was written; what is neither data nor zero was left to the guest. */
TRACE_EVENT(lm_copy,
	TP_PROTO(struct lm_migration *m, enum lm_leg from, sector_t start,
		 sector_t end, unsigned int data, unsigned int zero, u64 us),
	TP_ARGS(m, from, start, end, data, zero, us),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(int, from)
		__field(sector_t, sector)
		__field(unsigned int, nr_sectors)
		__field(unsigned int, regions)
		__field(unsigned int, zero_regions)
		__field(u64, us)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(m->md));
		__entry->from = from;
		__entry->sector = start;
		__entry->nr_sectors = end - start;
		__entry->regions = data;
		__entry->zero_regions = zero;
		__entry->us = us;
	),
	TP_printk("dev=%d:%d from=%s sector=%llu nr_sectors=%u regions=%u zero_regions=%u us=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev),
		  lm_show_leg(__entry->from),
		  (unsigned long long)__entry->sector, __entry->nr_sectors,
		  __entry->regions, __entry->zero_regions, (unsigned long long)__entry->us)
);

/* A leg has failed a read, a write or a flush. */
TRACE_EVENT(lm_error,
	TP_PROTO(struct lm_migration *m, enum lm_leg leg, enum lm_op op,
		 sector_t sector, int error),
	TP_ARGS(m, leg, op, sector, error),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(int, leg)
		__field(int, op)
		__field(sector_t, sector)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(m->md));
		__entry->leg = leg;
		__entry->op = op;
		__entry->sector = sector;
		__entry->error = error;
	),
	TP_printk("dev=%d:%d leg=%s op=%s sector=%llu error=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev),
		  lm_show_leg(__entry->leg), lm_show_op(__entry->op),
		  (unsigned long long)__entry->sector, __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE tracepoints
#include <trace/define_trace.h>
