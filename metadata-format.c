// SPDX-License-Identifier: GPL-2.0-only
/*
 * The format of the metadata: bytes of sectors and superblocks, and whether they
 * fit a table.  docs/livemigrate.rst describes it.  All of this works on memory,
 * and takes no lock.
 */
#include "metadata-format.h"

#include <linux/crc32c.h>

struct lm_disk_leg {
	__le64 start;			/* first sector of the data */
	__le64 size;			/* of the device, sectors */
	__u8 id[LM_META_ID];		/* what dm or a partition calls it */
} __packed;

/* The payload of a superblock. */
struct lm_disk_super {
	__le32 version;			/*  32 */
	__le32 flags;			/*  36: LM_DISK_... */
	__le64 generation;		/*  40 */
	__le64 len;			/*  48: of the migration, sectors */
	__le32 region_size;		/*  56: sectors */
	__le32 reserved;		/*  60 */
	struct lm_disk_leg leg[LM_NR_LEGS]; /* 64, 224 */
} __packed;

#define LM_DISK_DEST_ACTIVE	BIT(0)
#define LM_DISK_STANDBY_FAILED	BIT(1)
#define LM_DISK_STANDBY_DROPPED	BIT(2)
#define LM_DISK_INCOMPLETE	BIT(3)	/* the source lacks a write */
#define LM_DISK_SYNCED		BIT(4)
#define LM_DISK_CLEAN		BIT(5)	/* nothing was under way at the end */
#define LM_DISK_FLAGS		(BIT(7) - 1)

/* ------------------------------------------------------------------------
 * Sectors
 */

static u32 lm_sector_csum(const struct lm_disk_sector *s)
{
	return crc32c(~0U, &s->magic,
		      SECTOR_SIZE - offsetof(struct lm_disk_sector, magic));
}

/**
 * lm_sector_seal - make a sector whole that has its content
 * @s: the sector.
 * @uuid: of the metadata.
 * @magic: what it is.
 * @index: its number on the device.
 *
 * Context: any.
 */
void lm_sector_seal(struct lm_disk_sector *s, const u8 *uuid, u32 magic,
		    u64 index)
{
	s->magic = cpu_to_le32(magic);
	s->index = cpu_to_le64(index);
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	s->csum = cpu_to_le32(lm_sector_csum(s));
}

static bool lm_sector_is_good(const struct lm_disk_sector *s, u32 magic,
			      u64 index)
{
	return le32_to_cpu(s->magic) == magic && le64_to_cpu(s->index) == index &&
	       le32_to_cpu(s->csum) == lm_sector_csum(s);
}

/**
 * lm_sector_is_ours - is it sound, and of this migration, not an earlier one?
 * @s: the sector.
 * @uuid: of the metadata.
 * @magic: what it should be.
 * @index: its number on the device.
 *
 * Context: any.
 */
bool lm_sector_is_ours(const struct lm_disk_sector *s, const u8 *uuid,
		       u32 magic, u64 index)
{
	return lm_sector_is_good(s, magic, index) &&
	       !memcmp(s->uuid, uuid, sizeof(s->uuid));
}

/**
 * lm_sector_set_bits - put bits into a sector
 * @s: the sector.
 * @bits: the bits; the rest of the sector is clear.
 * @nr: how many, at most LM_META_BITS.
 *
 * Context: any.
 */
void lm_sector_set_bits(struct lm_disk_sector *s, const unsigned long *bits,
			unsigned int nr)
{
	u64 words[LM_META_BITS / 64] = { };
	unsigned int i;

	bitmap_to_arr64(words, bits, nr);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		__le64 word = cpu_to_le64(words[i]);

		memcpy(s->payload + i * sizeof(word), &word, sizeof(word));
	}
}

/**
 * lm_sector_get_bits - take the bits out of a sector
 * @s: the sector.
 * @bits: where they go.
 * @nr: how many, at most LM_META_BITS.
 *
 * Context: any.
 */
void lm_sector_get_bits(const struct lm_disk_sector *s, unsigned long *bits,
			unsigned int nr)
{
	u64 words[LM_META_BITS / 64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		__le64 word;

		memcpy(&word, s->payload + i * sizeof(word), sizeof(word));
		words[i] = le64_to_cpu(word);
	}
	bitmap_from_arr64(bits, words, nr);
}

/* ------------------------------------------------------------------------
 * The superblock
 */

/**
 * lm_super_flags - a state as a superblock says it
 * @state: the state.
 *
 * Context: any.
 * Return: the flags.
 */
u32 lm_super_flags(const struct lm_meta_state *state)
{
	return (state->active == LM_DEST ? LM_DISK_DEST_ACTIVE : 0) |
	       (state->standby == LM_FAILED ? LM_DISK_STANDBY_FAILED : 0) |
	       (state->standby == LM_DROPPED ? LM_DISK_STANDBY_DROPPED : 0) |
	       (state->source_incomplete ? LM_DISK_INCOMPLETE : 0) |
	       (state->synced ? LM_DISK_SYNCED : 0) |
	       (state->clean ? LM_DISK_CLEAN : 0);
}

static void lm_super_state(u32 flags, struct lm_meta_state *state)
{
	state->active = flags & LM_DISK_DEST_ACTIVE ? LM_DEST : LM_SOURCE;
	state->standby = flags & LM_DISK_STANDBY_DROPPED ? LM_DROPPED :
			 flags & LM_DISK_STANDBY_FAILED ? LM_FAILED :
							  LM_ATTACHED;
	state->source_incomplete = flags & LM_DISK_INCOMPLETE;
	state->synced = flags & LM_DISK_SYNCED;
	state->clean = flags & LM_DISK_CLEAN;
}

/**
 * lm_super_encode - make a superblock
 * @super: what it says, but for the flags.
 * @s: the sector, all zeroes.
 * @flags: the flags.
 * @copy: which of the copies.
 *
 * Context: any.
 */
void lm_super_encode(const struct lm_super *super, struct lm_disk_sector *s,
		     u32 flags, unsigned int copy)
{
	const struct lm_geometry *g = &super->geometry;
	struct lm_disk_super disk = {
		.version = cpu_to_le32(LM_META_VERSION),
		.flags = cpu_to_le32(flags),
		.generation = cpu_to_le64(super->generation),
		.len = cpu_to_le64(g->len),
		.region_size = cpu_to_le32(g->region_size),
	};
	enum lm_leg leg;

	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		disk.leg[leg].start = cpu_to_le64(g->leg[leg].start);
		disk.leg[leg].size = cpu_to_le64(g->leg[leg].size);
		memcpy(disk.leg[leg].id, g->leg[leg].id, LM_META_ID);
	}
	static_assert(sizeof(disk) <= LM_META_PAYLOAD);
	memcpy(s->payload, &disk, sizeof(disk));
	lm_sector_seal(s, super->uuid, LM_META_SUPER,
		       copy * LM_META_BLOCK_SECTORS);
}

/**
 * lm_super_decode - read a superblock
 * @block: its block.
 * @copy: which of the copies it is.
 * @super: what it says, if it is good.
 *
 * Context: any.
 * Return: whether it is good, nothing but zeroes, or bad.
 */
enum lm_super_verdict lm_super_decode(const struct lm_disk_sector *block,
				      unsigned int copy, struct lm_super *super)
{
	struct lm_geometry *g = &super->geometry;
	struct lm_disk_super disk;
	enum lm_leg leg;

	if (!lm_sector_is_good(block, LM_META_SUPER,
			       copy * LM_META_BLOCK_SECTORS))
		return memchr_inv(block, 0, LM_META_BLOCK) ? LM_SUPER_BAD :
							     LM_SUPER_NONE;

	memcpy(&disk, block->payload, sizeof(disk));
	memcpy(super->uuid, block->uuid, sizeof(super->uuid));
	super->version = le32_to_cpu(disk.version);
	super->flags = le32_to_cpu(disk.flags);
	super->generation = le64_to_cpu(disk.generation);
	lm_super_state(super->flags, &super->state);
	g->len = le64_to_cpu(disk.len);
	g->region_size = le32_to_cpu(disk.region_size);
	for (leg = 0; leg < LM_NR_LEGS; leg++) {
		g->leg[leg].start = le64_to_cpu(disk.leg[leg].start);
		g->leg[leg].size = le64_to_cpu(disk.leg[leg].size);
		memcpy(g->leg[leg].id, disk.leg[leg].id, LM_META_ID);
		g->leg[leg].id[LM_META_ID - 1] = '\0';
	}
	return LM_SUPER_GOOD;
}

static const char *lm_leg_word(enum lm_leg leg)
{
	return leg == LM_SOURCE ? "source" : "dest";
}

/* Is a line's leg the one that the metadata was made for? */
static int lm_check_device(enum lm_leg leg, const struct lm_leg_geometry *has,
			   const struct lm_leg_geometry *is, char *why,
			   size_t len)
{
	if (has->start != is->start || has->size != is->size) {
		snprintf(why, len,
			 "the metadata was made for a %s of %llu sectors used from %llu on, and this one has %llu and is used from %llu on: name the legs of that migration, or another metadata device",
			 lm_leg_word(leg), has->size, has->start, is->size,
			 is->start);
		return -EINVAL;
	}
	/* Only if both are known: names come and go, other than sizes. */
	if (has->id[0] && is->id[0] && strcmp(has->id, is->id)) {
		snprintf(why, len,
			 "the metadata was made for the %s with the UUID %.60s, and this one has %.60s: name the legs of that migration, in their roles",
			 lm_leg_word(leg), has->id, is->id);
		return -EINVAL;
	}
	return 0;
}

/* May the line name, or leave out, the leg as it does? */
static int lm_check_leg(enum lm_leg leg, const struct lm_super *super,
			const struct lm_geometry *is, char *why, size_t len)
{
	const struct lm_meta_state *state = &super->state;
	bool left = state->standby != LM_DROPPED || leg == state->active;

	if (left && !is->leg[leg].size) {
		snprintf(why, len,
			 "the %s is dropped in the table and in use in the metadata: name it",
			 lm_leg_word(leg));
		return -EINVAL;
	}
	if (!left && is->leg[leg].size) {
		snprintf(why, len,
			 "the metadata says that the migration was %s and its %s dropped, so that holds old data: write '- 0' for it, or use the %s without this target",
			 leg == LM_SOURCE ? "committed" : "aborted",
			 lm_leg_word(leg), lm_leg_word(lm_other_leg(leg)));
		return -EINVAL;
	}
	return left ? lm_check_device(leg, &super->geometry.leg[leg],
				      &is->leg[leg], why, len) : 0;
}

/**
 * lm_super_check - does a table fit the metadata?
 * @super: what a good superblock says.
 * @is: what the table names; its region_size is 0 if it does not say.
 * @why: if not, a sentence.
 * @len: size of @why, bytes.
 *
 * Context: any.
 * Return: 0 or -EINVAL.
 */
int lm_super_check(const struct lm_super *super, const struct lm_geometry *is,
		   char *why, size_t len)
{
	const struct lm_geometry *has = &super->geometry;
	int r;

	if (super->version != LM_META_VERSION || super->flags & ~LM_DISK_FLAGS) {
		snprintf(why, len,
			 "the metadata is of version %u, and this module knows version %u: use the module that made it",
			 super->version, LM_META_VERSION);
		return -EINVAL;
	}
	if (super->flags & LM_DISK_STALE) {
		snprintf(why, len,
			 "the metadata is out of date, because writing it has failed, or another table has run over its device: find out which leg is right from the log of that time, then zero its first 8 KiB to begin anew");
		return -EINVAL;
	}
	if (has->len != is->len) {
		snprintf(why, len,
			 "the metadata was made for %llu sectors, and the table has %llu: name the metadata of this migration",
			 has->len, is->len);
		return -EINVAL;
	}
	if (!is_power_of_2(has->region_size) || has->region_size < LM_MIN_REGION ||
	    has->region_size > LM_MAX_REGION) {
		snprintf(why, len,
			 "the metadata has regions of %u sectors, which cannot be: zero its first 8 KiB to begin anew",
			 has->region_size);
		return -EINVAL;
	}
	if (is->region_size && has->region_size != is->region_size) {
		snprintf(why, len,
			 "region_size %u differs from the metadata's %u: leave it out",
			 is->region_size, has->region_size);
		return -EINVAL;
	}
	r = lm_check_leg(LM_SOURCE, super, is, why, len);
	return r ? r : lm_check_leg(LM_DEST, super, is, why, len);
}
