// SPDX-License-Identifier: GPL-2.0-only
/*
 * metadata.c over a disk in memory that loses its power at any sector, and
 * fails, and holds garbage.  What save.c does around it is repeated here.
 */
#include "unit.h"

#include <linux/dm-bufio.h>
#include <linux/random.h>

#define NR_CHUNKS	40
#define MAX_REGIONS	(NR_CHUNKS * LM_CHUNK_REGIONS)
#define IMAGE_BLOCKS	16

void get_random_bytes(void *buf, size_t len)
{
	u8 *p = buf;

	while (len--)
		*p++ = (u8)unit_rand64();
}

static u32 chance(u32 n)
{
	return (u32)(unit_rand64() % n);
}

/* ------------------------------------------------------------------------
 * A migration as far as metadata goes
 */

static u8 image[IMAGE_BLOCKS * 4096];
static struct block_device disk = {
	.image = image,
	.sectors = sizeof(image) >> SECTOR_SHIFT,
	.block = 512,
};
static struct lm_geometry geometry;
static struct lm_bitmap b;
static struct lm_meta *meta;
static char why[256];

/*
 * Of each chunk: writes under way; written to since the legs were flushed.  Of
 * each region: copied since.
 */
static unsigned int writing[NR_CHUNKS];
static bool written[NR_CHUNKS], copied[MAX_REGIONS];
/* What a save that ended has made durable; a write takes it back. */
static bool safe[MAX_REGIONS];
/*
 * The legs were found to differ; the metadata was told to doubt it; a save, or then
 * a commit, has ended since.  Until then the disk says what it said before, and was
 * wrong then.
 */
static bool differs[MAX_REGIONS], doubted[MAX_REGIONS];
static bool told[MAX_REGIONS], excused[MAX_REGIONS];
static struct lm_meta_state state, acknowledged;
/* lm_phase_losses(), now and when a save began. */
static u64 losses, losses_then;

static struct lm_meta *open_it(void)
{
	why[0] = '\0';
	return lm_meta_open(&disk, &geometry, 8, why, sizeof(why));
}

static void load(void)
{
	CHECK_EQ(lm_bitmap_init(&b, geometry.len,
				ilog2(lm_meta_region_size(meta))), 0);
	CHECK_EQ(lm_unsaved_track(&b), 0);
	lm_meta_load(meta, &b);
	memset(writing, 0, sizeof(writing));
	memset(written, 0, sizeof(written));
	memset(copied, 0, sizeof(copied));
	memset(differs, 0, sizeof(differs));
	memset(told, 0, sizeof(told));
	memset(excused, 0, sizeof(excused));
}

static void unload(void)
{
	lm_bitmap_exit(&b);
	lm_meta_close(meta);
}

static void get_state(void *arg, struct lm_meta_state *s)
{
	(void)arg;
	*s = state;
}

static bool same_state(const struct lm_meta_state *x,
		       const struct lm_meta_state *y)
{
	return x->active == y->active && x->standby == y->standby &&
	       x->source_incomplete == y->source_incomplete &&
	       x->synced == y->synced && x->clean == y->clean;
}

static bool dead(void)
{
	return !disk.power;
}

static void begin(unsigned int region_size)
{
	memset(image, 0, sizeof(image));
	memset(safe, 0, sizeof(safe));
	memset(&geometry, 0, sizeof(geometry));
	geometry.len = NR_CHUNKS * LM_CHUNK_SECTORS - chance(LM_CHUNK_SECTORS);
	geometry.region_size = region_size;
	geometry.leg[LM_SOURCE].size = geometry.len;
	geometry.leg[LM_DEST].size = geometry.len + 8;
	disk.power = ~0ULL;
	disk.broken = false;
	meta = open_it();
	if (IS_ERR(meta))
		FAIL("a new device is refused: %s", why);
	memset(&state, 0, sizeof(state));
	CHECK_EQ(lm_meta_record(meta, get_state, NULL), 0);
	acknowledged = state;
	load();
}

static u64 chunk_of(u64 region)
{
	return region << b.region_shift >> LM_CHUNK_SHIFT;
}

/* ------------------------------------------------------------------------
 * What happens to it
 */

static bool is_ready;
/* Nothing happens while a save is under way. */
static bool calm;

static void ready(struct lm_meta_wait *wait)
{
	(void)wait;
	is_ready = true;
}

static void do_write_begin(void)
{
	struct lm_meta_wait wait = { .ready = ready };
	u64 chunk = chance(b.nr_chunks), region;

	is_ready = lm_meta_enter(meta, chunk, &wait);
	if (!is_ready)
		lm_meta_commit(meta);
	CHECK(is_ready);
	/* In doubt also if the power goes just when the bit is durable. */
	for (region = 0; region < b.nr_regions; region++)
		if (chunk_of(region) == chunk)
			safe[region] = false;
	if (!dead())
		writing[chunk]++;
}

static void do_write_end(void)
{
	u64 chunk = chance(b.nr_chunks);
	u64 first = chunk << LM_CHUNK_SHIFT >> b.region_shift;

	if (!writing[chunk])
		return;
	written[chunk] = true;
	differs[first] = false;
	told[first] = false;
	if (chance(2))
		lm_bitmap_set(&b, first, 1, LM_WRITTEN);
	else
		lm_bitmap_clear(&b, first, 1);
	writing[chunk]--;
}

static void do_copy(void)
{
	u64 region = chance((u32)b.nr_regions);

	if (writing[chunk_of(region)] ||
	    !lm_bitmap_set(&b, region, 1, LM_COPIED))
		return;
	copied[region] = true;
	differs[region] = false;
	told[region] = false;
}

/* lm_check_differs() */
static void do_differ(void)
{
	u64 region = chance((u32)b.nr_regions), other;

	if (writing[chunk_of(region)] || !lm_bitmap_clear(&b, region, 1))
		return;
	differs[region] = true;
	excused[region] = true;
	safe[region] = false;
	/* A copy from before a loss takes its bit back later: lm_phase_good(). */
	if (chance(2))
		losses++;
	doubted[region] = chance(2);
	if (!doubted[region])
		return;
	lm_meta_doubt(meta, chunk_of(region));
	/* Nothing of the chunk is trusted before it is saved again. */
	for (other = 0; other < b.nr_regions; other++)
		if (chunk_of(other) == chunk_of(region))
			safe[other] = false;
}

/* What lm_save_doubt() asks for: no leg is needed. */
static void do_commit(void)
{
	u64 region;

	lm_meta_commit(meta);
	for (region = 0; !dead() && region < b.nr_regions; region++)
		told[region] |= differs[region] && doubted[region];
}

static void do_record(void)
{
	state.active = chance(2);
	state.standby = chance(2);
	state.source_incomplete = chance(2);
	state.synced = chance(2);
	state.clean = chance(2);
	if (!lm_meta_record(meta, get_state, NULL) && !dead())
		acknowledged = state;
}

/* lm_save_retire_chunks() */
static void retire(void *arg)
{
	u64 chunk;

	(void)arg;
	for (chunk = 0; chunk < b.nr_chunks; chunk++) {
		chunk = lm_meta_next_active(meta, chunk);
		if (chunk >= b.nr_chunks)
			break;
		if (!writing[chunk] && !written[chunk] &&
		    !lm_unsaved_test(&b, chunk))
			lm_meta_retire(meta, chunk);
	}
}

/* lm_save_take() of all blocks */
static unsigned int take(u64 *chunks)
{
	u64 chunk = 0, end, c;
	unsigned int nr = 0;

	for (;;) {
		chunk = lm_unsaved_next(&b, chunk);
		if (chunk >= b.nr_chunks)
			return nr;
		chunks[nr++] = chunk;
		for (c = lm_meta_block_chunks(meta, chunk, &end); c < end; c++)
			if (lm_unsaved_take(&b, c) && !lm_meta_is_claimed(meta, c))
				lm_meta_claim(meta, c, !writing[c]);
		chunk = end;
	}
}

/* lm_save_put_back() */
static void put_back(const u64 *chunks, unsigned int nr)
{
	u64 chunk, end;

	while (nr--)
		for (chunk = lm_meta_block_chunks(meta, chunks[nr], &end);
		     chunk < end; chunk++)
			if (lm_meta_is_claimed(meta, chunk))
				lm_unsaved_mark(&b, chunk);
}

/* lm_save_holds() */
static bool holds(void *arg)
{
	(void)arg;
	return losses == losses_then;
}

static void some_step(void);

/* lm_save_some() */
static void do_save(void)
{
	static unsigned int depth;
	bool was[MAX_REGIONS];
	u64 chunks[LM_META_BATCH], region;
	unsigned int nr;
	int r;

	if (depth)
		return;
	depth++;
	nr = take(chunks);
	lm_meta_commit(meta);
	while (!calm && chance(3) && !dead())
		some_step();
	losses_then = losses;
	lm_meta_snapshot(meta, &b, chunks, nr);
	/* The flush: of what has been written when it begins. */
	for (region = 0; region < b.nr_regions; region++)
		was[region] = lm_bitmap_all_set(&b, region, 1) &&
			      !writing[chunk_of(region)];
	memset(written, 0, sizeof(written));
	memset(copied, 0, sizeof(copied));
	while (!calm && chance(3) && !dead())
		some_step();
	r = lm_meta_save(meta, &b, holds, retire, NULL);
	if (r == -EAGAIN)
		put_back(chunks, nr);
	if (!r && !dead()) {
		for (region = 0; region < b.nr_regions; region++) {
			/* All bits lie in one block. */
			told[region] |= nr && differs[region];
			if (!test_bit(chunk_of(region), b.unsaved))
				excused[region] = false;
		}
		for (region = 0; region < b.nr_regions; region++)
			if (was[region] && !writing[chunk_of(region)] &&
			    !written[chunk_of(region)] &&
			    lm_bitmap_all_set(&b, region, 1) &&
			    !test_bit(chunk_of(region), b.unsaved))
				safe[region] = true;
	}
	depth--;
}

static void some_step(void)
{
	switch (chance(10)) {
	case 0:
	case 1:
		do_write_begin();
		break;
	case 2:
	case 3:
		do_write_end();
		break;
	case 4:
	case 5:
		do_copy();
		break;
	case 6:
		do_save();
		break;
	case 7:
		do_differ();
		break;
	case 8:
		do_commit();
		break;
	default:
		do_record();
	}
}

/* ------------------------------------------------------------------------
 * The power goes, and comes back
 */

static void after_reboot(void)
{
	unsigned int was_writing[NR_CHUNKS];
	bool was_written[NR_CHUNKS];
	static bool was_copied[MAX_REGIONS], was_set[MAX_REGIONS];
	static bool was_told[MAX_REGIONS], was_excused[MAX_REGIONS];
	struct lm_meta_state found;
	u64 region;

	for (region = 0; region < b.nr_regions; region++)
		was_set[region] = lm_bitmap_all_set(&b, region, 1);
	memcpy(was_writing, writing, sizeof(writing));
	memcpy(was_written, written, sizeof(written));
	memcpy(was_copied, copied, sizeof(copied));
	memcpy(was_told, told, sizeof(told));
	memcpy(was_excused, excused, sizeof(excused));
	unload();

	disk.power = ~0ULL;
	meta = open_it();
	if (IS_ERR(meta))
		FAIL("after a power cut it is refused: %s", why);
	CHECK(lm_meta_recorded(meta, &found));
	if (!same_state(&found, &state) && !same_state(&found, &acknowledged))
		FAIL("it tells of a state that was never asked for");
	state = found;
	acknowledged = found;
	load();

	for (region = 0; region < b.nr_regions; region++) {
		bool set = lm_bitmap_all_set(&b, region, 1);
		u64 chunk = chunk_of(region);

		if (set && (was_writing[chunk] || was_written[chunk]))
			FAIL("region %llu is trusted, and was written to", region);
		if (set && !was_excused[region] &&
		    (was_copied[region] || !was_set[region]))
			FAIL("region %llu is trusted, and was not flushed", region);
		if (set && was_told[region])
			FAIL("region %llu is trusted, and differs", region);
		if (!set && safe[region])
			FAIL("region %llu was saved, and is not there", region);
	}
}

static void metadata_power(void)
{
	unsigned int round, cut;

	for (round = 0; round < 60; round++) {
		unit_srand(unit_seed + round);
		begin(8U << chance(9));
		for (cut = 0; cut < 20; cut++) {
			unsigned int steps = chance(60);

			/* Somewhere in what is written next. */
			while (steps--)
				some_step();
			disk.power = chance(40);
			for (steps = 0; !dead() && steps < 1000; steps++)
				some_step();
			if (dead())
				after_reboot();
			disk.power = ~0ULL;
		}
		unload();
	}
}

/* ------------------------------------------------------------------------
 * Something is lost while a save waits for the device
 */

static void lose_it(void)
{
	disk.during = NULL;
	/* The legs differ; the copier brings it again; nobody flushes. */
	CHECK(lm_bitmap_clear(&b, 0, 1));
	losses++;
	CHECK(lm_bitmap_set(&b, 0, 1, LM_COPIED));
}

/* How many bits are durable, if @during happens while bits are saved. */
static u64 saved_while(void (*during)(void))
{
	struct lm_meta_wait wait = { .ready = ready };
	u64 chunks[LM_META_BATCH], nr;
	unsigned int taken;
	int r;

	calm = true;
	begin(8);
	/* A write wants its active-writes bit: what a save does first. */
	lm_bitmap_set(&b, LM_CHUNK_REGIONS, 1, LM_COPIED);
	do_save();
	CHECK(!lm_meta_enter(meta, 1, &wait));
	writing[1]++;

	lm_bitmap_set(&b, 0, 2, LM_COPIED);
	taken = take(chunks);
	losses_then = losses;
	lm_meta_snapshot(meta, &b, chunks, taken);
	disk.during = during;
	r = lm_meta_save(meta, &b, holds, retire, NULL);
	CHECK_EQ(r, during ? -EAGAIN : 0);
	CHECK(!disk.during);
	unload();
	meta = open_it();
	load();
	nr = lm_bitmap_done(&b);
	unload();
	return nr;
}

static void metadata_loss(void)
{
	unit_srand(unit_seed);
	/* Region 0 and 1; the chunk of the third is being written to. */
	CHECK_EQ(saved_while(NULL), 2);
	CHECK_EQ(saved_while(lose_it), 0);
}

/* ------------------------------------------------------------------------
 * Who asks while the superblock is written
 */

static unsigned int asked;

static void ask(void)
{
	asked++;
	CHECK(!lm_meta_records_complete(meta));
	CHECK(!lm_meta_records_incomplete(meta));
}

/* While a state is being written neither answer can be relied on. */
static void metadata_asked(void)
{
	unsigned int incomplete;

	unit_srand(unit_seed);
	begin(8);
	CHECK(lm_meta_records_complete(meta));
	state.active = LM_DEST;
	for (incomplete = 0; incomplete < 2; incomplete++) {
		state.source_incomplete = incomplete;
		state.synced = !state.synced;
		asked = 0;
		disk.during = ask;
		CHECK_EQ(lm_meta_record(meta, get_state, NULL), 0);
		disk.during = NULL;
		CHECK(asked);
		CHECK_EQ(lm_meta_records_incomplete(meta), incomplete);
		CHECK_EQ(lm_meta_records_complete(meta), !incomplete);
	}
	unload();
}

/* ------------------------------------------------------------------------
 * Damage
 */

static u64 restored(void)
{
	u64 nr;

	meta = open_it();
	if (IS_ERR(meta))
		FAIL("refused: %s", why);
	load();
	nr = lm_bitmap_done(&b);
	unload();
	return nr;
}

static void damage_sector(unsigned int sector)
{
	image[sector * SECTOR_SIZE + chance(SECTOR_SIZE)] ^= 1U << chance(8);
}

static void saved_image(void)
{
	calm = true;
	begin(8);
	lm_bitmap_set(&b, 0, b.nr_regions, LM_COPIED);
	do_save();
	state.clean = true;
	if (!lm_meta_record(meta, get_state, NULL))
		acknowledged = state;
	unload();
}

static void metadata_damage(void)
{
	static u8 good[sizeof(image)];
	unsigned int round, sector;
	u64 all;

	unit_srand(unit_seed);
	saved_image();
	memcpy(good, image, sizeof(image));
	all = restored();
	CHECK_EQ(all, DIV_ROUND_UP_ULL(geometry.len, 8));

	for (round = 0; round < 200; round++) {
		u64 left;

		/* One superblock; then a sector of active writes; of bits. */
		memcpy(image, good, sizeof(image));
		damage_sector(chance(2) * 8);
		CHECK_EQ(restored(), all);

		memcpy(image, good, sizeof(image));
		damage_sector(16);
		CHECK_EQ(restored(), 0);

		memcpy(image, good, sizeof(image));
		sector = chance(2);
		damage_sector(24 + sector);
		left = restored();
		CHECK_EQ(left, all - 3840);

		/* A sound one, in another's place. */
		memcpy(image, good, sizeof(image));
		memcpy(image + 24 * SECTOR_SIZE, image + 25 * SECTOR_SIZE,
		       SECTOR_SIZE);
		CHECK_EQ(restored(), all - 3840);

		/* Both superblocks. */
		memcpy(image, good, sizeof(image));
		damage_sector(0);
		damage_sector(8);
		CHECK(IS_ERR(open_it()));
		CHECK(strstr(why, "neither sound metadata nor zeroes"));
	}

	/* Sectors of an earlier migration on the same device. */
	memcpy(image, good, sizeof(image));
	memset(image, 0, 8192);
	meta = open_it();
	CHECK(!IS_ERR(meta));
	memset(&state, 0, sizeof(state));
	CHECK_EQ(lm_meta_record(meta, get_state, NULL), 0);
	lm_meta_close(meta);
	CHECK_EQ(restored(), 0);
}

static void refused(const char *because)
{
	static u8 before[sizeof(image)];

	memcpy(before, image, sizeof(image));
	CHECK(IS_ERR(open_it()));
	if (!strstr(why, because))
		FAIL("refused because '%s', not '%s'", why, because);
	CHECK(!memcmp(before, image, sizeof(image)));
}

static void metadata_refusals(void)
{
	struct lm_geometry right;

	unit_srand(unit_seed);
	saved_image();
	right = geometry;
	geometry.len -= 8;
	refused("sectors, and the table has");
	geometry = right;
	geometry.region_size = 16;
	refused("region_size 16 differs");
	geometry = right;
	geometry.leg[LM_DEST].size++;
	refused("was made for a dest of");
	geometry = right;
	geometry.leg[LM_SOURCE].start = 1;
	refused("was made for a source of");
	geometry = right;
	geometry.leg[LM_DEST].size = 0;
	refused("the dest is dropped in the table");
	geometry = right;
	disk.sectors = 24;
	refused("metadata device has 24 sectors");
	disk.sectors = sizeof(image) >> SECTOR_SHIFT;
}

/* ------------------------------------------------------------------------
 * Writes that fail
 */

static void metadata_failure(void)
{
	struct lm_meta_wait wait = { .ready = ready };

	unit_srand(unit_seed);
	calm = true;
	begin(8);
	lm_bitmap_set(&b, 0, b.nr_regions, LM_COPIED);
	do_save();
	CHECK(!lm_meta_is_open(meta, 3));
	disk.broken = true;
	is_ready = false;
	CHECK(!lm_meta_enter(meta, 3, &wait));
	lm_meta_commit(meta);
	/* Nobody waits for what cannot be. */
	CHECK(is_ready);
	CHECK(lm_meta_has_failed(meta));
	CHECK(lm_meta_is_open(meta, 5));
	CHECK(lm_meta_record(meta, get_state, NULL));
	CHECK(!lm_meta_invalidate(meta));
	disk.broken = false;
	CHECK(lm_meta_invalidate(meta));
	unload();
	refused("out of date");
}

/* For a TiB in the smallest regions it takes no more than 48 MiB. */
static void metadata_size(void)
{
	sector_t sectors = disk.sectors;

	memset(image, 0, sizeof(image));
	memset(&geometry, 0, sizeof(geometry));
	geometry.len = 1ULL << (40 - SECTOR_SHIFT);
	geometry.region_size = LM_MIN_REGION;
	geometry.leg[LM_SOURCE].size = geometry.len;
	geometry.leg[LM_DEST].size = geometry.len;
	disk.power = ~0ULL;
	disk.broken = false;
	disk.sectors = 48 << (20 - SECTOR_SHIFT);
	meta = open_it();
	CHECK(!IS_ERR(meta));
	lm_meta_close(meta);
	/* And no less than its bits. */
	disk.sectors = 32 << (20 - SECTOR_SHIFT);
	CHECK(IS_ERR(open_it()));
	CHECK(strstr(why, "are needed"));
	disk.sectors = sectors;
}

const struct unit_test metadata_tests[] = {
	{ "metadata: the power goes at any sector", metadata_power },
	{ "metadata: a loss while a save waits", metadata_loss },
	{ "metadata: who asks while it is written", metadata_asked },
	{ "metadata: damaged sectors", metadata_damage },
	{ "metadata: refusals change nothing", metadata_refusals },
	{ "metadata: writes that fail", metadata_failure },
	{ "metadata: a TiB fits in 48 MiB", metadata_size },
	{ NULL, NULL },
};
