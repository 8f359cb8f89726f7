// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migrations that this module knows, each shared by the tables that name
 * it: the live one, and one that is loaded to take its place.
 *
 * A migration whose table was never live has run nothing: a table loaded after
 * it for the same device is not bound by it, because it takes its place.  One
 * whose live table was replaced by another target's is retired, because what was
 * written since is unknown to it, and to its metadata.
 *
 * A table that is to take the place of a running migration's must name the same
 * legs in the same roles, or the one leg that a final migration has left; then
 * it shares that migration's state, whatever else its line says.  All else
 * that could show a guest stale data is refused.  (dm-thin's __pool_find() is
 * the precedent for state that outlives a table.)
 */
#include "dm-livemigrate.h"
#include "tracepoints.h"

#include <linux/sched/mm.h>
#include <linux/slab.h>

static DEFINE_MUTEX(lm_registry_making);
static DEFINE_MUTEX(lm_registry_lock);
static LIST_HEAD(lm_registry);

/**
 * lm_migration_error - count an error of a leg, remember the first
 * @m: the migration.
 * @leg: the leg.
 * @op: what it has failed.
 * @sector: where, from the target's start.
 * @error: a negative errno: blk_status_t differs from kernel to kernel.  That of
 *	LM_STS_WITHHELD does not count.
 *
 * Context: any; takes lm_stats.lock.
 */
void lm_migration_error(struct lm_migration *m, enum lm_leg leg, enum lm_op op,
			sector_t sector, int error)
{
	struct lm_stats *stats = &m->stats;
	unsigned long flags;

	if (error == blk_status_to_errno(LM_STS_WITHHELD))
		return;

	trace_lm_error(m, leg, op, sector, error);
	atomic64_inc(op == LM_OP_READ ? &stats->read_errors : &stats->write_errors);
	spin_lock_irqsave(&stats->lock, flags);
	if (!stats->has_error) {
		stats->has_error = true;
		stats->error_leg = leg;
		stats->error_op = op;
		stats->error_sector = sector;
		stats->error = error;
	}
	spin_unlock_irqrestore(&stats->lock, flags);
}

/**
 * lm_migration_mismatch - count a region in which the legs differ
 * @m: the migration.
 * @sector: where, from the target's start.
 *
 * Context: any; takes lm_stats.lock.
 */
void lm_migration_mismatch(struct lm_migration *m, sector_t sector)
{
	struct lm_stats *stats = &m->stats;
	unsigned long flags;

	atomic64_inc(&stats->mismatches);
	spin_lock_irqsave(&stats->lock, flags);
	if (!stats->has_mismatch || sector < stats->mismatch_sector) {
		stats->has_mismatch = true;
		stats->mismatch_sector = sector;
	}
	spin_unlock_irqrestore(&stats->lock, flags);
}

static bool lm_same_place(const struct lm_place *a, const struct lm_place *b)
{
	return a->disk == b->disk && a->start == b->start;
}

static bool lm_places_overlap(const struct lm_place *a, sector_t a_len,
			      const struct lm_place *b, sector_t b_len)
{
	return a->disk && a->disk == b->disk &&
	       a->start < b->start + b_len && b->start < a->start + a_len;
}

static bool lm_is_dropped(const struct lm_migration *m, enum lm_leg leg,
			  const struct lm_snapshot *snap)
{
	return snap->standby == LM_DROPPED && leg != snap->active;
}

/* Does @cfg name metadata that @m uses in any role, or the other way round? */
static bool lm_shares_metadata(const struct lm_migration *m,
			       const struct lm_snapshot *snap,
			       const struct lm_config *cfg)
{
	enum lm_leg leg;

	if (lm_places_overlap(&m->meta_place, m->meta_len, &cfg->meta_place,
			      cfg->meta_len))
		return true;
	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (lm_places_overlap(&m->meta_place, m->meta_len,
				      &cfg->place[leg], cfg->len) ||
		    (!lm_is_dropped(m, leg, snap) &&
		     lm_places_overlap(&m->place[leg], m->len, &cfg->meta_place,
				       cfg->meta_len)))
			return true;
	return false;
}

/* Does @cfg name a leg that @m uses? */
static bool lm_shares_leg(const struct lm_migration *m,
			  const struct lm_snapshot *snap,
			  const struct lm_config *cfg)
{
	enum lm_leg a, b;

	for (a = 0; a < LM_NR_LEGS; a++)
		for (b = 0; b < LM_NR_LEGS; b++)
			if (!lm_is_dropped(m, a, snap) &&
			    lm_places_overlap(&m->place[a], m->len,
					      &cfg->place[b], cfg->len))
				return true;
	return false;
}

/* Does @cfg name the metadata of @m?  Once it has ended it needs none. */
static bool lm_names_metadata(const struct lm_migration *m,
			      const struct lm_snapshot *snap,
			      const struct lm_config *cfg)
{
	if (snap->standby == LM_DROPPED && !cfg->meta_place.disk)
		return true;
	return lm_same_place(&m->meta_place, &cfg->meta_place);
}

/* Does @cfg name the legs of @m, or the one that is left of them? */
static bool lm_names_legs(const struct lm_migration *m,
			  const struct lm_snapshot *snap,
			  const struct lm_config *cfg)
{
	enum lm_leg leg;

	if (m->begin != cfg->begin || m->len != cfg->len)
		return false;
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		if (lm_same_place(&m->place[leg], &cfg->place[leg]))
			continue;
		/* A line may leave out a dropped leg. */
		if (lm_is_dropped(m, leg, snap) && !cfg->place[leg].disk)
			continue;
		return false;
	}
	return true;
}

/*
 * A table for a place that @m holds already.  Returns 1 if it is to share @m's
 * state, 0 if it is a new migration that may follow a final @m, or -EINVAL.
 */
static int lm_match(struct lm_migration *m, const struct lm_snapshot *snap,
		    const struct lm_config *cfg, char *why, size_t len)
{
	const struct lm_place *next = &cfg->place[cfg->active];
	const struct lm_place *now = &m->place[snap->active];
	bool final = snap->standby == LM_DROPPED;

	if (lm_names_legs(m, snap, cfg)) {
		unsigned int size = 1U << m->bitmap.region_shift;

		if (cfg->has_region_size && cfg->region_size != size) {
			snprintf(why, len,
				 "region_size %u differs from the running migration's %u: leave it as it is",
				 cfg->region_size, size);
			return -EINVAL;
		}
		if (!lm_names_metadata(m, snap, cfg)) {
			snprintf(why, len,
				 m->meta_place.disk ?
				 "the running migration has a metadata device: name it as it is" :
				 "the running migration has no metadata device: leave it out, or abort and begin anew with it");
			return -EINVAL;
		}
		return 1;
	}
	if (!final) {
		snprintf(why, len,
			 "this device runs another migration: name its legs as they are, or commit or abort it first");
		return -EINVAL;
	}
	/* Its table may begin elsewhere; each sector must stay where it is. */
	if (next->disk != now->disk ||
	    next->start - cfg->begin != now->start - m->begin) {
		snprintf(why, len,
			 "this device runs on the %s of a migration that was %s: the new source must be that leg, at the same offset",
			 snap->active == LM_SOURCE ? "source" : "dest",
			 snap->active == LM_SOURCE ? "aborted" : "committed");
		return -EINVAL;
	}
	return 0;
}

static void lm_migration_free(struct lm_migration *m)
{
	lm_save_free(m->save);
	lm_meta_close(m->meta);
	xa_destroy(&m->unread);
	lm_ranges_exit(&m->ranges);
	lm_bitmap_exit(&m->bitmap);
	kfree(m);
}

/* Bits and state that metadata has kept. */
static int lm_migration_load(struct lm_migration *m,
			     const struct lm_config *cfg, enum lm_leg active,
			     enum lm_standby standby)
{
	struct lm_meta_state state;
	bool known;
	int r;

	r = m->meta ? lm_unsaved_track(&m->bitmap) : 0;
	if (r)
		return r;
	known = m->meta && lm_meta_recorded(m->meta, &state);
	if (known)
		lm_meta_load(m->meta, &m->bitmap);

	r = lm_phase_init(m, active, standby, cfg->dest_zeroed && !known);
	if (r)
		return r;
	if (known)
		lm_phase_resumed(m, &state);
	lm_uevent_begin(m);
	return 0;
}

/* What the standby is at first, if nothing but the line tells. */
static enum lm_standby lm_first_standby(const struct lm_config *cfg)
{
	if (!cfg->place[lm_other_leg(cfg->active)].disk)
		return LM_DROPPED;
	/* Nothing vouches for the source: it is not touched unasked. */
	return cfg->detached || cfg->active == LM_DEST ? LM_FAILED : LM_ATTACHED;
}

/* The state that metadata tells of, which the line must not contradict. */
static int lm_follow_metadata(const struct lm_meta_state *state,
			      const struct lm_config *cfg, enum lm_leg *active,
			      enum lm_standby *standby, char *why, size_t len)
{
	lm_phase_recover(state, active, standby);
	if (cfg->has_active && cfg->active != *active) {
		snprintf(why, len,
			 "active %s contradicts the metadata, by which it is the %s: leave the option out",
			 cfg->active == LM_SOURCE ? "source" : "dest",
			 *active == LM_SOURCE ? "source" : "dest");
		return -EINVAL;
	}
	if (cfg->detached && *standby == LM_ATTACHED)
		*standby = LM_FAILED;
	return 0;
}

/* A new migration, in the state that its line, or its metadata, asks for. */
static struct lm_migration *lm_migration_new(const struct lm_config *cfg,
					     char *why, size_t len)
{
	unsigned int size = cfg->region_size;
	enum lm_leg active = cfg->active;
	enum lm_standby standby;
	struct lm_migration *m;
	struct lm_meta_state state;
	int r;

	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m) {
		snprintf(why, len, "no memory for the migration's state");
		return ERR_PTR(-ENOMEM);
	}
	kref_init(&m->refs);
	mutex_init(&m->messages);
	spin_lock_init(&m->stats.lock);
	init_waitqueue_head(&m->flush_wait);
	xa_init(&m->unread);
	m->md = cfg->md;
	m->table = cfg->table;
	m->begin = cfg->begin;
	m->len = cfg->len;
	memcpy(m->place, cfg->place, sizeof(m->place));
	m->meta_users = !!cfg->meta_bdev;
	m->paused = cfg->paused;
	m->copy_rate = cfg->copy_rate;
	m->standby_timeout = cfg->standby_timeout;

	standby = lm_first_standby(cfg);
	if (cfg->meta_bdev) {
		m->meta_place = cfg->meta_place;
		m->meta_len = cfg->meta_len;
		m->meta = lm_meta_open(cfg->meta_bdev, &cfg->geometry, size,
				       why, len);
		if (IS_ERR(m->meta)) {
			r = PTR_ERR(m->meta);
			m->meta = NULL;
			goto bad;
		}
		m->save = lm_save_new(m);
		if (!m->save) {
			snprintf(why, len, "no memory for the workqueues of the metadata");
			r = -ENOMEM;
			goto bad;
		}
		size = lm_meta_region_size(m->meta);
		if (lm_meta_recorded(m->meta, &state)) {
			r = lm_follow_metadata(&state, cfg, &active, &standby,
					       why, len);
			if (r)
				goto bad;
		}
	}

	snprintf(why, len,
		 "no memory for the bitmap of %llu regions: choose a larger region_size",
		 (unsigned long long)((cfg->len - 1) >> ilog2(size)) + 1);
	r = lm_bitmap_init(&m->bitmap, m->len, ilog2(size));
	if (!r)
		r = lm_ranges_init(&m->ranges, ilog2(size));
	if (!r)
		r = lm_migration_load(m, cfg, active, standby);
	if (!r)
		return m;
bad:
	lm_migration_free(m);
	return ERR_PTR(r);
}

/*
 * Look for a migration that @cfg names.  0 and @shared, which may be NULL, or an
 * error with a sentence.
 */
static int lm_registry_find(const struct lm_config *cfg,
			    struct lm_migration **shared, char *why, size_t len)
{
	struct lm_migration *m;
	int r = 0;

	lockdep_assert_held(&lm_registry_lock);

	*shared = NULL;
	list_for_each_entry(m, &lm_registry, node) {
		struct lm_snapshot snap;

		/* Another table of this device that this one takes the place of. */
		if (m->md == cfg->md && m->table != cfg->table &&
		    (m->life == LM_LOADED || m->life == LM_RETIRED))
			continue;
		lm_phase_snapshot(m, &snap);
		if (m->life == LM_LIVE && m->md == cfg->md && m->begin < cfg->begin + cfg->len &&
		    cfg->begin < m->begin + m->len) {
			r = lm_match(m, &snap, cfg, why, len);
			if (r == 1)
				*shared = m;
		} else if (lm_shares_metadata(m, &snap, cfg)) {
			snprintf(why, len,
				 "the metadata device, or a leg that is one, is in use by the migration of device %s: name another",
				 dm_device_name(m->md));
			r = -EBUSY;
		} else if (lm_shares_leg(m, &snap, cfg)) {
			snprintf(why, len,
				 "a leg is in use by the migration of device %s: remove that first, or name another",
				 dm_device_name(m->md));
			r = -EBUSY;
		}
		if (r < 0)
			return r;
	}
	if (*shared) {
		kref_get(&(*shared)->refs);
		if (cfg->meta_bdev)
			(*shared)->meta_users++;
	}
	return 0;
}

/**
 * lm_registry_get - the migration that a table line names
 * @cfg: the line.
 * @why: on error, a sentence.
 * @len: size of @why, bytes.
 *
 * Context: process, may sleep, reads metadata.
 * Return: the migration with a reference for lm_registry_put(), or an ERR_PTR.
 */
struct lm_migration *lm_registry_get(const struct lm_config *cfg, char *why,
				     size_t len)
{
	struct lm_migration *m = NULL, *shared;
	unsigned int noio;
	int r;

	/* One at a time; a resume, which wants the other, waits for nobody here. */
	mutex_lock(&lm_registry_making);
	mutex_lock(&lm_registry_lock);
	r = lm_registry_find(cfg, &shared, why, len);
	mutex_unlock(&lm_registry_lock);
	if (!r && !shared) {
		/* The device may be suspended, and memory wait for its I/O. */
		noio = memalloc_noio_save();
		m = lm_migration_new(cfg, why, len);
		memalloc_noio_restore(noio);
		if (IS_ERR(m)) {
			mutex_unlock(&lm_registry_making);
			return m;
		}
		mutex_lock(&lm_registry_lock);
		/* Another table may have gone live. */
		r = lm_registry_find(cfg, &shared, why, len);
		if (!r && !shared)
			list_add(&m->node, &lm_registry);
		mutex_unlock(&lm_registry_lock);
	}
	mutex_unlock(&lm_registry_making);

	if (m && (r || shared)) {
		lm_phase_exit(m);
		lm_migration_free(m);
	}
	if (r)
		return ERR_PTR(r);
	return shared ? shared : m;
}

/**
 * lm_registry_go_live - a table takes over
 * @m: its migration.
 * @named: a mask of the legs that its line names.
 * @has_metadata: its line names metadata.
 *
 * A dropped leg that it does not name is forgotten: a line that names it again
 * asks for a new migration.  So is metadata, which is of no use any more then;
 * the table that goes closes it.
 *
 * Context: process, may sleep.
 * Return: 0, or -ESTALE if another target's table has run since @m did.
 */
int lm_registry_go_live(struct lm_migration *m, unsigned int named,
			bool has_metadata)
{
	enum lm_leg leg;
	int r = 0;

	mutex_lock(&lm_registry_lock);
	if (m->life == LM_RETIRED || m->life == LM_RETIRING) {
		r = -ESTALE;
	} else {
		m->life = LM_LIVE;
		for (leg = 0; leg < LM_NR_LEGS; leg++)
			if (!(named & LM_LEG_MASK(leg)))
				memset(&m->place[leg], 0, sizeof(m->place[leg]));
		if (!has_metadata)
			memset(&m->meta_place, 0, sizeof(m->meta_place));
	}
	mutex_unlock(&lm_registry_lock);
	return r;
}

/**
 * lm_registry_retire - a live table goes, and none of ours has taken over
 * @m: its migration.
 * @life: LM_RETIRING until its metadata is not written to any more: so long no
 *	table may read it.  Then LM_RETIRED.
 *
 * Context: process, may sleep.
 */
void lm_registry_retire(struct lm_migration *m, enum lm_life life)
{
	mutex_lock(&lm_registry_lock);
	m->life = life;
	mutex_unlock(&lm_registry_lock);
}

static void lm_registry_release(struct kref *refs)
{
	struct lm_migration *m = container_of(refs, struct lm_migration, refs);

	list_del(&m->node);
	mutex_unlock(&lm_registry_lock);
	lm_phase_exit(m);
	lm_migration_free(m);
}

/* What a table no longer names may be the last use of the metadata's device. */
static void lm_registry_put_metadata(struct lm_migration *m)
{
	bool last;

	mutex_lock(&lm_registry_lock);
	last = !--m->meta_users;
	mutex_unlock(&lm_registry_lock);
	if (!last)
		return;
	lm_save_free(m->save);
	m->save = NULL;
	lm_meta_close(m->meta);
	m->meta = NULL;
}

/**
 * lm_registry_put - a table no longer names a migration
 * @m: the migration; no I/O of the table is in flight.
 * @has_metadata: its line names metadata, whose device is open yet.
 *
 * Context: process, sleeps as long as a metadata device is silent that no other
 * table names.
 */
void lm_registry_put(struct lm_migration *m, bool has_metadata)
{
	if (has_metadata)
		lm_registry_put_metadata(m);
	kref_put_mutex(&m->refs, lm_registry_release, &lm_registry_lock);
}
