// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device-mapper targets "livemigrate" and "livemigrate-pin": methods, the
 * table line and status.
 *
 * Two instances can share one migration: the live table's, and that of a table
 * which is loaded to take its place.  The latter takes over in preresume, when
 * nothing of the former's is in flight any more.
 */
#include "dm-livemigrate.h"
#include "compat.h"
#include "version.h"

#include <linux/ctype.h>
#include <linux/dm-ioctl.h>
#include <linux/module.h>
#include <linux/slab.h>

/* The longest sentence about a table line. */
#define LM_WHY_LEN 256
/* A day. */
#define LM_MAX_TIMEOUT 86400000U

const char * const lm_leg_names[LM_NR_LEGS] = { "source", "dest" };

const char * const lm_phase_names[] = {
	[LM_COPYING] = "copying",
	[LM_SYNCED] = "synced",
	[LM_SWITCHED] = "switched",
	[LM_DEGRADED] = "degraded",
	[LM_ABORTED] = "aborted",
	[LM_COMMITTED] = "committed",
};

/**
 * lm_device_name - whom a sentence in the log is about
 * @ti: the target.
 *
 * Context: any.
 * Return: "major:minor" of its device.
 */
const char *lm_device_name(struct dm_target *ti)
{
	return dm_device_name(dm_table_get_md(ti->table));
}

/* ------------------------------------------------------------------------
 * The table line
 */

/*
 * Refuse a table with a sentence.  dm prints ti->error after the constructor
 * has returned, so the text must outlast it: there are a few places, and many
 * constructors that fail at once could at worst mix up their sentences.
 */
static __printf(2, 3) int lm_refuse(struct dm_target *ti, const char *fmt, ...)
{
	static char sentences[8][LM_WHY_LEN];
	static atomic_t next;
	char *sentence = sentences[atomic_inc_return(&next) % ARRAY_SIZE(sentences)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, LM_WHY_LEN, fmt, args);
	va_end(args);
	ti->error = sentence;
	return -EINVAL;
}

/**
 * lm_parse_number - a decimal number and nothing else
 * @word: the text.
 * @max: the largest.
 * @number: where it goes.
 *
 * Context: any.
 * Return: false if it is none, or larger.
 */
bool lm_parse_number(const char *word, u64 max, u64 *number)
{
	return isdigit(word[0]) && !strpbrk(word, "\n") &&
	       !kstrtoull(word, 10, number) && *number <= max;
}

/* What does not change when the machine boots again, if there is such a thing. */
static void lm_device_id(struct block_device *bdev, char *id)
{
	struct mapped_device *md = dm_get_md(bdev->bd_dev);
	char name[DM_NAME_LEN];

	static_assert(LM_META_ID >= DM_UUID_LEN);
	if (md) {
		if (dm_copy_name_and_uuid(md, name, id))
			id[0] = '\0';
		dm_put(md);
	} else if (bdev->bd_meta_info) {
		strscpy(id, bdev->bd_meta_info->uuid, LM_META_ID);
	}
}

static int lm_open_leg(struct lm_target *t, enum lm_leg leg, const char *path,
		       const char *offset, struct lm_config *cfg)
{
	struct dm_target *ti = t->ti;
	const char *name = lm_leg_names[leg];
	struct block_device *bdev;
	u64 start, size;
	int r;

	if (!lm_parse_number(offset, U64_MAX >> SECTOR_SHIFT, &start))
		return lm_refuse(ti, "the %s offset '%.40s' is not a number of sectors",
				 name, offset);
	if (!strcmp(path, "-")) {
		if (start)
			return lm_refuse(ti, "a dropped %s is written '- 0', not '- %llu'",
					 name, start);
		return 0;
	}

	r = dm_get_device(ti, path, dm_table_get_mode(ti->table), &t->dev[leg]);
	if (r) {
		lm_refuse(ti, "cannot open the %s '%.80s': see that the path is right and nobody holds it exclusively",
			  name, path);
		return r;
	}
	t->start[leg] = start;
	bdev = t->dev[leg]->bdev;
	t->blocks[leg] = lm_backlog_blocks(bdev);
	size = bdev_nr_sectors(bdev);

	if (bdev->bd_disk == dm_disk(dm_table_get_md(ti->table)))
		return lm_refuse(ti, "the %s '%.80s' is the device itself", name, path);
	if (bdev_is_zoned(bdev))
		return lm_refuse(ti, "the %s '%.80s' is a zoned device: those cannot be migrated",
				 name, path);
	if (start > size || ti->len > size - start)
		return lm_refuse(ti, "the %s '%.80s' is too small: it has %llu sectors, and %llu from %llu on are needed",
				 name, path, size, (u64)ti->len, start);
	if ((start | ti->len) & ((bdev_logical_block_size(bdev) >> SECTOR_SHIFT) - 1))
		return lm_refuse(ti, "the %s offset %llu or the length %llu is no multiple of the %u-byte blocks of '%.80s'",
				 name, start, (u64)ti->len,
				 bdev_logical_block_size(bdev), path);

	cfg->place[leg].disk = disk_devt(bdev->bd_disk);
	cfg->place[leg].start = get_start_sect(bdev) + start;
	cfg->geometry.leg[leg].start = start;
	cfg->geometry.leg[leg].size = size;
	lm_device_id(bdev, cfg->geometry.leg[leg].id);
	return 0;
}

static int lm_open_metadata(struct lm_target *t, struct lm_config *cfg)
{
	struct dm_target *ti = t->ti;
	struct block_device *bdev;
	enum lm_leg leg;
	int r;

	if (!cfg->meta_path)
		return 0;
	r = dm_get_device(ti, cfg->meta_path, dm_table_get_mode(ti->table),
			  &t->meta_dev);
	if (r) {
		lm_refuse(ti, "cannot open the metadata device '%.80s': see that the path is right and nobody holds it exclusively",
			  cfg->meta_path);
		return r;
	}
	bdev = t->meta_dev->bdev;
	if (bdev->bd_disk == dm_disk(dm_table_get_md(ti->table)))
		return lm_refuse(ti, "the metadata device '%.80s' is the device itself",
				 cfg->meta_path);
	if (bdev_is_zoned(bdev))
		return lm_refuse(ti, "the metadata device '%.80s' is a zoned device: name another",
				 cfg->meta_path);
	cfg->meta_bdev = bdev;
	cfg->meta_place.disk = disk_devt(bdev->bd_disk);
	cfg->meta_place.start = get_start_sect(bdev);
	cfg->meta_len = bdev_nr_sectors(bdev);
	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (cfg->place[leg].disk == cfg->meta_place.disk &&
		    cfg->place[leg].start < cfg->meta_place.start + cfg->meta_len &&
		    cfg->meta_place.start < cfg->place[leg].start + ti->len)
			return lm_refuse(ti, "the metadata device '%.80s' and the %s lie on the same sectors: name another metadata device",
					 cfg->meta_path, lm_leg_names[leg]);
	return 0;
}

static int lm_check_legs(struct lm_target *t, const struct lm_config *cfg)
{
	const struct lm_place *source = &cfg->place[LM_SOURCE];
	const struct lm_place *dest = &cfg->place[LM_DEST];
	struct dm_target *ti = t->ti;
	unsigned int source_block, dest_block;

	if (!source->disk && !dest->disk)
		return lm_refuse(ti, "source and dest are both dropped: name the one that is left");
	if (!source->disk || !dest->disk)
		return 0;

	if (source->disk == dest->disk && source->start < dest->start + ti->len &&
	    dest->start < source->start + ti->len)
		return lm_refuse(ti, "source and dest lie on the same sectors of %s: name another dest",
				 t->dev[LM_SOURCE]->name);

	source_block = bdev_logical_block_size(lm_leg_bdev(t, LM_SOURCE));
	dest_block = bdev_logical_block_size(lm_leg_bdev(t, LM_DEST));
	if (dest_block > source_block)
		return lm_refuse(ti, "the dest has logical blocks of %u bytes, the source of %u: a running system cannot change to larger ones, choose another dest",
				 dest_block, source_block);
	return 0;
}

enum lm_option {
	LM_OPT_REGION_SIZE, LM_OPT_COPY_RATE, LM_OPT_PAUSED, LM_OPT_DEST_ZEROED,
	LM_OPT_ACTIVE, LM_OPT_DETACHED, LM_OPT_METADATA, LM_OPT_STANDBY_TIMEOUT,
	LM_NR_OPTIONS
};

static const struct {
	const char *name;
	bool has_value;
} lm_options[] = {
	[LM_OPT_REGION_SIZE] = { "region_size", true },
	[LM_OPT_COPY_RATE] = { "copy_rate", true },
	[LM_OPT_PAUSED] = { "paused", false },
	[LM_OPT_DEST_ZEROED] = { "dest_zeroed", false },
	[LM_OPT_ACTIVE] = { "active", true },
	[LM_OPT_DETACHED] = { "detached", false },
	[LM_OPT_METADATA] = { "metadata", true },
	[LM_OPT_STANDBY_TIMEOUT] = { "standby_timeout", true },
};

static int lm_parse_option(struct dm_target *ti, enum lm_option option,
			   const char *value, struct lm_config *cfg)
{
	u64 number;

	switch (option) {
	case LM_OPT_REGION_SIZE:
		if (!lm_parse_number(value, LM_MAX_REGION, &number) ||
		    number < LM_MIN_REGION || !is_power_of_2(number))
			return lm_refuse(ti, "region_size '%.40s' is not a power of two from %u to %u sectors",
					 value, LM_MIN_REGION, LM_MAX_REGION);
		cfg->region_size = number;
		cfg->has_region_size = true;
		return 0;
	case LM_OPT_COPY_RATE:
		if (!lm_parse_number(value, UINT_MAX, &number))
			return lm_refuse(ti, "copy_rate '%.40s' is not a number of KiB/s from 0 to %u",
					 value, UINT_MAX);
		cfg->copy_rate = number;
		return 0;
	case LM_OPT_PAUSED:
		cfg->paused = true;
		return 0;
	case LM_OPT_DEST_ZEROED:
		cfg->dest_zeroed = true;
		return 0;
	case LM_OPT_ACTIVE:
		if (strcmp(value, "source") && strcmp(value, "dest"))
			return lm_refuse(ti, "active '%.40s' is neither source nor dest",
					 value);
		cfg->active = strcmp(value, "dest") ? LM_SOURCE : LM_DEST;
		cfg->has_active = true;
		return 0;
	case LM_OPT_DETACHED:
		cfg->detached = true;
		return 0;
	case LM_OPT_METADATA:
		cfg->meta_path = value;
		return 0;
	case LM_OPT_STANDBY_TIMEOUT:
		if (!lm_parse_number(value, LM_MAX_TIMEOUT, &number))
			return lm_refuse(ti, "standby_timeout '%.40s' is not a number of milliseconds from 0 to %u",
					 value, LM_MAX_TIMEOUT);
		cfg->standby_timeout = number;
		return 0;
	default:
		return -EINVAL;
	}
}

static int lm_parse_options(struct dm_target *ti, unsigned int argc, char **argv,
			    struct lm_config *cfg)
{
	unsigned int seen = 0, i;
	u64 count;

	if (!argc)
		return 0;
	if (!lm_parse_number(argv[0], UINT_MAX, &count))
		return lm_refuse(ti, "the count of option words '%.40s' is not a number",
				 argv[0]);
	if (count != argc - 1)
		return lm_refuse(ti, "the line announces %llu option words and has %u",
				 count, argc - 1);

	for (i = 1; i < argc; i++) {
		const char *word = argv[i], *value = NULL;
		enum lm_option option;
		int r;

		for (option = 0; option < LM_NR_OPTIONS; option++)
			if (!strcmp(word, lm_options[option].name))
				break;
		if (option == LM_NR_OPTIONS)
			return lm_refuse(ti, "option '%.40s' is unknown", word);
		if (seen & BIT(option))
			return lm_refuse(ti, "option '%s' is given twice", word);
		seen |= BIT(option);
		if (lm_options[option].has_value) {
			if (++i == argc)
				return lm_refuse(ti, "option '%s' lacks its value", word);
			value = argv[i];
		}
		r = lm_parse_option(ti, option, value, cfg);
		if (r)
			return r;
	}
	return 0;
}

/* What the options mean together with the legs. */
static int lm_check_config(struct lm_target *t, struct lm_config *cfg)
{
	unsigned int block = 1;
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		if (!cfg->place[leg].disk) {
			if (cfg->has_active && cfg->active == leg)
				return lm_refuse(t->ti, "active is %s, which is dropped",
						 lm_leg_names[leg]);
			cfg->active = lm_other_leg(leg);
			continue;
		}
		block = max(block, bdev_logical_block_size(lm_leg_bdev(t, leg)) >>
				   SECTOR_SHIFT);
	}
	if (cfg->region_size < block) {
		if (cfg->has_region_size)
			return lm_refuse(t->ti, "region_size %u is smaller than a leg's logical block of %u sectors",
					 cfg->region_size, block);
		cfg->region_size = block;
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Events
 */

static void lm_poke_work(struct work_struct *work)
{
	struct lm_target *t = container_of(work, struct lm_target, poke_work);
	int events = atomic_read(&t->m->phase.events);
	struct lm_snapshot snap;

	lm_phase_settle_doubt(t->m);
	if (events != t->events_told) {
		t->events_told = events;
		lm_phase_snapshot(t->m, &snap);
		/* A guest that discards may change it all the time. */
		DMINFO_LIMIT("%s: %s, running on the %s", lm_device_name(t->ti),
			     lm_phase_names[snap.shown], lm_leg_names[snap.active]);
		dm_table_event(t->ti->table);
		lm_save_kick(t);
		lm_uevent_kick(t);
	}
	lm_copier_kick(t);
	lm_verify_kick(t);
}

/* Under lm_phase.lock, from any context. */
static void lm_poke(void *owner)
{
	struct lm_target *t = owner;

	queue_work(t->done_wq, &t->poke_work);
}

/* ------------------------------------------------------------------------
 * Constructor and destructor
 */

static void lm_target_free(struct lm_target *t)
{
	enum lm_leg leg;

	lm_backlog_exit(t);
	lm_watch_exit(t);
	if (t->done_wq)
		destroy_workqueue(t->done_wq);
	if (t->submit_wq)
		destroy_workqueue(t->submit_wq);
	lm_verify_exit(t);
	lm_copier_exit(t);
	lm_mirror_exit(t);
	if (t->m)
		lm_registry_put(t->m, t->meta_dev);
	if (t->meta_dev)
		dm_put_device(t->ti, t->meta_dev);
	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (t->dev[leg])
			dm_put_device(t->ti, t->dev[leg]);
	kfree(t);
}

/* What an instance needs to run; @t->m is set. */
static int lm_target_init(struct lm_target *t)
{
	int r;

	INIT_WORK(&t->poke_work, lm_poke_work);
	lm_uevent_init(t);
	lm_verify_init(t);
	t->submit_wq = alloc_workqueue("dm_livemigrate_submit",
				       WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	t->done_wq = alloc_workqueue("dm_livemigrate_done",
				     WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!t->submit_wq || !t->done_wq || lm_backlog_init(t) || lm_watch_init(t)) {
		t->ti->error = "no memory for the workqueues";
		return -ENOMEM;
	}
	r = lm_mirror_init(t, &t->ti->error);
	if (r)
		return r;
	if (t->meta_dev)
		t->save = t->m->save;
	return lm_copier_init(t, &t->ti->error);
}

static void lm_set_up_target(struct dm_target *ti, struct lm_target *t)
{
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->per_io_data_size = sizeof(struct lm_io);
	ti->accounts_remapped_io = true;
	if (!lm_phase_is_final(t->m)) {
		ti->max_io_len = LM_CHUNK_SECTORS;
		/* Either leg may have a cache, whatever dm sees of it. */
		ti->flush_supported = true;
		ti->limit_swap_bios = true;
	}
	ti->private = t;
}

static int lm_parse_table(struct lm_target *t, unsigned int argc, char **argv,
			  struct lm_config *cfg)
{
	struct dm_target *ti = t->ti;
	enum lm_leg leg;
	int r;

	if (argc < 4)
		return lm_refuse(ti, "the line has %u words, and at least 4 are needed: <source> <offset> <dest> <offset>",
				 argc);
	if (!(dm_table_get_mode(ti->table) & LM_MODE_WRITE))
		return lm_refuse(ti, "a read-only table cannot migrate: load it writable");

	r = lm_parse_options(ti, argc - 4, argv + 4, cfg);
	for (leg = 0; !r && leg < LM_NR_LEGS; leg++)
		r = lm_open_leg(t, leg, argv[2 * leg], argv[2 * leg + 1], cfg);
	if (!r)
		r = lm_check_legs(t, cfg);
	if (!r)
		r = lm_check_config(t, cfg);
	if (!r)
		r = lm_open_metadata(t, cfg);
	cfg->geometry.len = ti->len;
	cfg->geometry.region_size = cfg->has_region_size ? cfg->region_size : 0;
	return r;
}

static int lm_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct lm_config cfg = {
		.table = ti->table,
		.md = dm_table_get_md(ti->table),
		.begin = ti->begin,
		.len = ti->len,
		.region_size = LM_MIN_REGION,
		.standby_timeout = LM_STANDBY_TIMEOUT,
	};
	char why[LM_WHY_LEN];
	struct lm_target *t;
	int r;

	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "no memory for the table";
		return -ENOMEM;
	}
	t->ti = ti;

	r = lm_parse_table(t, argc, argv, &cfg);
	if (r)
		goto bad;

	t->m = lm_registry_get(&cfg, why, sizeof(why));
	if (IS_ERR(t->m)) {
		r = PTR_ERR(t->m);
		t->m = NULL;
		lm_refuse(ti, "%s", why);
		goto bad;
	}
	r = lm_target_init(t);
	if (r)
		goto bad;
	lm_set_up_target(ti, t);
	return 0;
bad:
	lm_target_free(t);
	return r;
}

/*
 * Is this a table that was replaced, and not the end of its device?  dm does not
 * hand out a device that is being removed.
 */
static bool lm_is_replaced(struct dm_target *ti)
{
	struct mapped_device *md = dm_get_md(disk_devt(dm_disk(dm_table_get_md(ti->table))));

	if (md)
		dm_put(md);
	return md;
}

/* A live table goes, and none of ours takes over its migration. */
static void lm_retire(struct lm_target *t, bool replaced)
{
	lm_registry_retire(t->m, LM_RETIRING);
	if (!lm_save_retire(t, replaced))
		DMWARN("%s: another table has taken the migration's place, but the metadata cannot tell of it: do not use that again",
		       lm_device_name(t->ti));
	lm_registry_retire(t->m, LM_RETIRED);
}

static void lm_dtr(struct dm_target *ti)
{
	struct lm_target *t = ti->private;
	struct lm_migration *m = t->m;
	bool owns, replaced;

	spin_lock_irq(&m->phase.lock);
	owns = m->owner == t;
	if (owns) {
		m->owner = NULL;
		m->poke = NULL;
	}
	spin_unlock_irq(&m->phase.lock);
	replaced = owns && lm_is_replaced(ti);
	if (owns)
		lm_retire(t, replaced);
	cancel_work_sync(&t->poke_work);
	lm_watch_stop(t);
	lm_copier_stop(t);
	lm_verify_stop(t, false);
	lm_copier_wait(t);
	lm_verify_wait(t);
	/* What comes back late kicks the copier, in vain. */
	lm_watch_wait(t);
	lm_copier_wait(t);
	lm_verify_wait(t);
	lm_save_detach(t);
	lm_uevent_end(t, replaced);
	lm_target_free(t);
}

/* ------------------------------------------------------------------------
 * Suspend and resume
 */

/* The file system is frozen after this, with writes: only the copier stops. */
static void lm_presuspend(struct dm_target *ti)
{
	lm_copier_stop(ti->private);
	lm_verify_stop(ti->private, false);
}

static void lm_presuspend_undo(struct dm_target *ti)
{
	lm_copier_start(ti->private);
	lm_verify_start(ti->private);
}

static void lm_postsuspend(struct dm_target *ti)
{
	struct lm_target *t = ti->private;

	lm_copier_wait(t);
	lm_verify_wait(t);
	flush_work(&t->poke_work);
	lm_save_stop(t);
	lm_watch_stop(t);
}

static int lm_preresume(struct dm_target *ti)
{
	struct lm_target *t = ti->private;
	struct lm_migration *m = t->m;
	unsigned int named = 0;
	enum lm_leg leg;
	int r;

	for (leg = 0; leg < LM_NR_LEGS; leg++)
		if (t->dev[leg])
			named |= LM_LEG_MASK(leg);
	r = lm_registry_go_live(m, named, t->meta_dev);
	if (r) {
		DMERR("%s: another table has run since this one was loaded: load it again",
		      lm_device_name(ti));
		return r;
	}

	spin_lock_irq(&m->phase.lock);
	if (m->owner != t) {
		m->owner = t;
		m->poke = lm_poke;
		t->events_told = atomic_read(&m->phase.events);
	}
	spin_unlock_irq(&m->phase.lock);
	lm_save_start(t);
	return 0;
}

static void lm_resume(struct dm_target *ti)
{
	struct lm_target *t = ti->private;

	if (!lm_phase_is_final(t->m))
		lm_hand_on_stable_writes(dm_disk(t->m->md), lm_leg_bdev(t, LM_DEST));
	lm_watch_start(t);
	lm_copier_start(t);
	lm_verify_start(t);
	lm_uevent_kick(t);
	/* What the predecessor was told, and could not do any more. */
	lm_phase_poke(t->m);
}

/* ------------------------------------------------------------------------
 * Status
 */

static char lm_leg_letter(const struct lm_snapshot *snap, enum lm_leg leg)
{
	if (leg == snap->active || snap->standby == LM_ATTACHED)
		return 'A';
	return snap->standby == LM_FAILED ? 'F' : 'D';
}

static void lm_first_error(struct lm_stats *stats, char *token, size_t len)
{
	unsigned long flags;

	spin_lock_irqsave(&stats->lock, flags);
	if (stats->has_error)
		snprintf(token, len, "%s:%c:%llu:%d",
			 lm_leg_names[stats->error_leg], stats->error_op,
			 (u64)stats->error_sector, stats->error);
	else
		strscpy(token, "-", len);
	spin_unlock_irqrestore(&stats->lock, flags);
}

static const char * const lm_verify_words[] = {
	[LM_VERIFY_NEVER] = "-",
	[LM_VERIFY_RUNNING] = "running",
	[LM_VERIFY_DONE] = "done",
	[LM_VERIFY_STOPPED] = "stopped",
};

static const char *lm_metadata_word(struct lm_migration *m)
{
	/* The metadata itself may go while status is asked for. */
	if (!m->meta_place.disk)
		return "-";
	return test_bit(0, &m->meta_failure_told) ? "failed" : "ok";
}

static size_t lm_status_info(struct lm_migration *m, char *result, size_t maxlen)
{
	struct lm_bitmap *b = &m->bitmap;
	struct lm_stats *stats = &m->stats;
	struct lm_snapshot snap;
	u64 unreadable, region;
	char error[48];
	size_t sz = 0;

	lm_phase_snapshot(m, &snap);
	lm_first_error(stats, error, sizeof(error));

	DMEMIT("%s %s %u %llu/%llu %c %c %s", lm_phase_names[snap.phase],
	       lm_leg_names[snap.active], 1U << b->region_shift,
	       snap.done, b->nr_regions,
	       lm_leg_letter(&snap, LM_SOURCE), lm_leg_letter(&snap, LM_DEST),
	       READ_ONCE(m->paused) ? "paused" : "running");
	DMEMIT(" 42 copied %llu written_skipped %llu zero_skipped %llu restored %llu cleared %llu",
	       snap.set[LM_COPIED], snap.set[LM_WRITTEN], snap.set[LM_ZERO],
	       snap.set[LM_RESTORED], snap.cleared);
	DMEMIT(" mirrored %lld in_flight %lld held %lld held_max_us %lld copy_rate %u",
	       atomic64_read(&stats->mirrored), atomic64_read(&stats->in_flight),
	       atomic64_read(&stats->held), atomic64_read(&stats->held_max_us),
	       READ_ONCE(m->copy_rate));
	DMEMIT(" read_errors %lld write_errors %lld first_error %s mismatches %lld",
	       atomic64_read(&stats->read_errors),
	       atomic64_read(&stats->write_errors), error,
	       atomic64_read(&stats->mismatches));
	DMEMIT(" metadata %s", lm_metadata_word(m));
	unreadable = lm_unread_count(m, &region);
	DMEMIT(" unreadable %llu first_unreadable ", unreadable);
	if (unreadable)
		DMEMIT("%llu", region << b->region_shift);
	else
		DMEMIT("-");
	DMEMIT(" verify %s verified %lld verify_skipped %lld first_mismatch ",
	       lm_verify_words[READ_ONCE(m->verify.state)],
	       atomic64_read(&m->verify.compared),
	       atomic64_read(&m->verify.skipped));
	if (READ_ONCE(stats->has_mismatch))
		DMEMIT("%llu", (u64)stats->mismatch_sector);
	else
		DMEMIT("-");
	return sz;
}

/*
 * A line that the constructor accepts, and that does no harm at any later time:
 * it names no dropped leg, and claims of the dest only what will stay true.
 */
static size_t lm_status_table(struct lm_target *t, char *result, size_t maxlen)
{
	struct lm_migration *m = t->m;
	unsigned int region_size = 1U << m->bitmap.region_shift;
	unsigned int rate = READ_ONCE(m->copy_rate);
	bool paused = READ_ONCE(m->paused);
	bool active_dest, detached, dest_zeroed, metadata, timeout, final;
	struct lm_snapshot snap;
	enum lm_leg leg;
	size_t sz = 0;

	lm_phase_snapshot(m, &snap);
	final = snap.standby == LM_DROPPED;
	/* What metadata knows by itself is not said twice. */
	metadata = t->meta_dev && !final;
	active_dest = !final && !metadata && snap.active == LM_DEST;
	detached = snap.standby == LM_FAILED && !metadata && !active_dest;
	dest_zeroed = snap.dest_zeroed && !metadata;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		if (final && leg != snap.active)
			DMEMIT("- 0 ");
		else
			DMEMIT("%s %llu ", t->dev[leg]->name, (u64)t->start[leg]);
	}
	timeout = !final && m->standby_timeout != LM_STANDBY_TIMEOUT;
	DMEMIT("%d region_size %u", 2 + 2 * !!rate + paused + dest_zeroed +
	       2 * active_dest + detached + 2 * metadata + 2 * timeout,
	       region_size);
	if (timeout)
		DMEMIT(" standby_timeout %u", m->standby_timeout);
	if (metadata)
		DMEMIT(" metadata %s", t->meta_dev->name);
	if (rate)
		DMEMIT(" copy_rate %u", rate);
	if (paused)
		DMEMIT(" paused");
	if (dest_zeroed)
		DMEMIT(" dest_zeroed");
	if (active_dest)
		DMEMIT(" active dest");
	if (detached)
		DMEMIT(" detached");
	return sz;
}

static size_t lm_status_ima(struct lm_target *t, char *result, size_t maxlen)
{
	size_t sz = 0;

	DMEMIT_TARGET_NAME_VERSION(t->ti->type);
	DMEMIT(",source=%s,source_start=%llu,dest=%s,dest_start=%llu,region_size=%u;",
	       t->dev[LM_SOURCE] ? t->dev[LM_SOURCE]->name : "-",
	       (u64)t->start[LM_SOURCE],
	       t->dev[LM_DEST] ? t->dev[LM_DEST]->name : "-",
	       (u64)t->start[LM_DEST], 1U << t->m->bitmap.region_shift);
	return sz;
}

static void lm_status(struct dm_target *ti, status_type_t type,
		      unsigned int status_flags, char *result,
		      unsigned int maxlen)
{
	struct lm_target *t = ti->private;

	*result = '\0';
	switch (type) {
	case STATUSTYPE_INFO:
		lm_status_info(t->m, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		lm_status_table(t, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		lm_status_ima(t, result, maxlen);
		break;
	}
}

/* ------------------------------------------------------------------------
 * Limits
 */

/*
 * dm gives the device what all its legs can do.  But a guest that runs was told
 * what the source can do, and may hold us to it; what the dest lacks is
 * emulated.  So dm sees the source alone, and lm_io_hints() adds those limits
 * of the dest that must hold.  A final migration shows the leg that is left.
 */
static enum lm_leg lm_shown_leg(struct lm_target *t)
{
	return lm_phase_is_final(t->m) ? READ_ONCE(t->m->phase.active) : LM_SOURCE;
}

static int lm_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
			      void *data)
{
	struct lm_target *t = ti->private;
	enum lm_leg leg = lm_shown_leg(t);

	return fn(ti, t->dev[leg], t->start[leg], ti->len, data);
}

static void lm_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct lm_target *t = ti->private;
	struct queue_limits told = *limits;
	struct block_device *dest;

	if (lm_phase_is_final(t->m))
		return;
	dest = lm_leg_bdev(t, LM_DEST);
	blk_stack_limits(limits, &bdev_get_queue(dest)->limits,
			 get_start_sect(dest) + t->start[LM_DEST]);

	limits->max_discard_sectors = told.max_discard_sectors;
	limits->max_hw_discard_sectors = told.max_hw_discard_sectors;
	limits->discard_granularity = told.discard_granularity;
	limits->discard_alignment = told.discard_alignment;
	limits->max_write_zeroes_sectors = told.max_write_zeroes_sectors;
	lm_keep_features(limits, &told);
}

/* ------------------------------------------------------------------------
 * The module
 */

static int lm_map(struct dm_target *ti, struct bio *bio)
{
	return lm_mirror_map(ti->private, bio);
}

static int lm_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	return lm_mirror_end_io(ti->private, bio, error);
}

#define LM_TARGET_TYPE(_name, _features)			\
	{							\
		.name = _name,					\
		.version = { 1, 0, 0 },				\
		.features = DM_TARGET_NOWAIT | (_features),	\
		.module = THIS_MODULE,				\
		.ctr = lm_ctr,					\
		.dtr = lm_dtr,					\
		.map = lm_map,					\
		.end_io = lm_end_io,				\
		.presuspend = lm_presuspend,			\
		.presuspend_undo = lm_presuspend_undo,		\
		.postsuspend = lm_postsuspend,			\
		.preresume = lm_preresume,			\
		.resume = lm_resume,				\
		.status = lm_status,				\
		.message = lm_message,				\
		.iterate_devices = lm_iterate_devices,		\
		.io_hints = lm_io_hints,			\
	}

/* dm registers longer names as well, but no table can ask for them. */
static_assert(sizeof("livemigrate-pin") <= DM_MAX_TYPE_NAME);

/* The pinned one cannot be replaced by another target's table. */
static struct target_type lm_target_types[] = {
	LM_TARGET_TYPE("livemigrate", 0),
	LM_TARGET_TYPE("livemigrate-pin", DM_TARGET_IMMUTABLE),
};

static int __init lm_module_init(void)
{
	int i, r;

	for (i = 0; i < ARRAY_SIZE(lm_target_types); i++) {
		r = dm_register_target(&lm_target_types[i]);
		if (r) {
			while (i--)
				dm_unregister_target(&lm_target_types[i]);
			return r;
		}
	}
	return 0;
}

static void __exit lm_module_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(lm_target_types); i++)
		dm_unregister_target(&lm_target_types[i]);
	/* The last callback of a leg's reference may still be returning. */
	rcu_barrier();
	synchronize_rcu();
}

module_init(lm_module_init);
module_exit(lm_module_exit);

MODULE_DESCRIPTION("device-mapper live migration target");
MODULE_AUTHOR("The dm-livemigrate developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(LM_VERSION);
MODULE_ALIAS("dm-livemigrate-pin");
