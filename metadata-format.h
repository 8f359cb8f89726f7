/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lies on the metadata device: between metadata.c and metadata-load.c, and
 * metadata-format.c, which knows what the bytes mean, and nothing of the device.
 */
#ifndef DM_LIVEMIGRATE_METADATA_FORMAT_H
#define DM_LIVEMIGRATE_METADATA_FORMAT_H

#include "dm-livemigrate.h"

#define LM_META_VERSION		1
#define LM_META_BLOCK		4096U
#define LM_META_BLOCK_SECTORS	(LM_META_BLOCK >> SECTOR_SHIFT)
#define LM_META_COPIES		2	/* of the superblock, in blocks 0 and 1 */

/* "LMsb", "LMaw", "LMbm" */
#define LM_META_SUPER		0x62734d4cU
#define LM_META_ACTIVE		0x77614d4cU
#define LM_META_BITMAP		0x6d624d4cU

#define LM_META_HEADER		32U
#define LM_META_PAYLOAD		(SECTOR_SIZE - LM_META_HEADER)
/* How many bits a sector holds: those of whole chunks, whatever the region. */
#define LM_META_BITS		(LM_META_PAYLOAD * BITS_PER_BYTE)
#define LM_META_LONGS		(LM_META_BITS / BITS_PER_LONG)
#define LM_META_BLOCK_BITS	(LM_META_BITS * LM_META_BLOCK_SECTORS)
#define LM_META_BLOCK_LONGS	(LM_META_LONGS * LM_META_BLOCK_SECTORS)

/*
 * On disk, little endian.  The checksum, CRC32C with all bits set at first and no
 * inversion at the end, covers the sector from @magic on.
 */
struct lm_disk_sector {
	__le32 csum;			/*   0 */
	__le32 magic;			/*   4 */
	__le64 index;			/*   8: sector of the device */
	__u8 uuid[16];			/*  16: made with the superblock */
	__u8 payload[LM_META_PAYLOAD];	/*  32 */
} __packed;

/**
 * struct lm_super - what a superblock says.
 * @uuid: in every sector, so that those of an earlier migration do not count.
 * @version: of the format.
 * @flags: as they are on disk.
 * @generation: counts up.
 * @geometry: what the metadata was made for.
 * @state: of the migration, as far as @flags tells.
 */
struct lm_super {
	u8 uuid[16];
	u32 version;
	u32 flags;
	u64 generation;
	struct lm_geometry geometry;
	struct lm_meta_state state;
};

enum lm_super_verdict { LM_SUPER_NONE, LM_SUPER_BAD, LM_SUPER_GOOD };

/*
 * The one flag that is no part of a state: a write of metadata has failed, or the
 * legs were written to by somebody else.
 */
#define LM_DISK_STALE		BIT(6)

void lm_sector_seal(struct lm_disk_sector *s, const u8 *uuid, u32 magic,
		    u64 index);
bool lm_sector_is_ours(const struct lm_disk_sector *s, const u8 *uuid,
		       u32 magic, u64 index);
void lm_sector_set_bits(struct lm_disk_sector *s, const unsigned long *bits,
			unsigned int nr);
void lm_sector_get_bits(const struct lm_disk_sector *s, unsigned long *bits,
			unsigned int nr);

u32 lm_super_flags(const struct lm_meta_state *state);
void lm_super_encode(const struct lm_super *super, struct lm_disk_sector *s,
		     u32 flags, unsigned int copy);
enum lm_super_verdict lm_super_decode(const struct lm_disk_sector *block,
				      unsigned int copy, struct lm_super *super);
int lm_super_check(const struct lm_super *super, const struct lm_geometry *is,
		   char *why, size_t len);

#endif
