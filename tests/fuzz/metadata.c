// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metadata reader over damaged images, for libFuzzer.
 *
 * An input is a list of edits of a sound image: a head byte, then for each edit
 * an offset in sixteenths of a sector (two bytes), a length (one) and the bytes.
 * Bit 0 of the head: every sector gets a fitting checksum afterwards, so that
 * what lies behind that is reached, too. Bit 1: begin with zeroes instead.
 *
 * Whatever is on the disk: it is refused with a sentence, or read; no bit is set
 * that the device has no region for; and nothing is written.
 */
#include "dm-livemigrate.h"
#include "shim/shim.h"

#include <linux/crc32c.h>
#include <linux/dm-bufio.h>
#include <linux/random.h>

#define IMAGE_SIZE	(16 * 4096)
#define NR_SECTORS	(40 * LM_CHUNK_SECTORS - 24)

static u8 image[IMAGE_SIZE], sound[IMAGE_SIZE], before[IMAGE_SIZE];
static struct block_device disk = {
	.image = image,
	.sectors = IMAGE_SIZE >> SECTOR_SHIFT,
	.block = 512,
	.power = ~0ULL,
};
static const struct lm_geometry geometry = {
	.len = NR_SECTORS,
	.leg = { { .size = NR_SECTORS }, { .size = NR_SECTORS } },
};

/* The same ones each time: an input must mean the same tomorrow. */
void get_random_bytes(void *buf, size_t len)
{
	static u32 x = 1;
	u8 *p = buf;

	while (len--)
		*p++ = (u8)((x = x * 1103515245 + 12345) >> 16);
}

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void get_state(void *arg, struct lm_meta_state *state)
{
	(void)arg;
	memset(state, 0, sizeof(*state));
}

static bool holds(void *arg)
{
	(void)arg;
	return true;
}

static void retire(void *arg)
{
	(void)arg;
}

static void make_sound(void)
{
	char why[256];
	struct lm_meta *meta = lm_meta_open(&disk, &geometry, 8, why, sizeof(why));
	struct lm_bitmap b;
	u64 chunk;

	if (IS_ERR(meta) || lm_meta_record(meta, get_state, NULL) ||
	    lm_bitmap_init(&b, NR_SECTORS, 3) || lm_unsaved_track(&b))
		fail("no sound image can be made");
	lm_bitmap_set(&b, 0, b.nr_regions / 2, LM_COPIED);
	for (chunk = 0; chunk < b.nr_chunks; chunk++)
		if (lm_unsaved_take(&b, chunk))
			lm_meta_claim(meta, chunk, chunk % 3);
	chunk = 0;
	lm_meta_snapshot(meta, &b, &chunk, 1);
	if (lm_meta_save(meta, &b, holds, retire, NULL))
		fail("no sound image can be saved");
	lm_bitmap_exit(&b);
	lm_meta_close(meta);
	memcpy(sound, image, IMAGE_SIZE);
}

static void edit(const u8 *data, size_t size)
{
	u8 head = size ? *data : 0;

	if (head & 2)
		memset(image, 0, IMAGE_SIZE);
	else
		memcpy(image, sound, IMAGE_SIZE);
	for (data++, size--; size > 3; ) {
		size_t at = (data[0] | data[1] << 8) * 32 % IMAGE_SIZE;
		size_t len = min_t(size_t, data[2], size - 3);

		len = min(len, IMAGE_SIZE - at);
		memcpy(image + at, data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	if (head & 1) {
		size_t at;

		for (at = 0; at < IMAGE_SIZE; at += SECTOR_SIZE) {
			u32 csum = crc32c(~0U, image + at + 4, SECTOR_SIZE - 4);

			memcpy(image + at, &csum, sizeof(csum));
		}
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static bool made;
	struct lm_meta_state state;
	struct lm_meta *meta;
	struct lm_bitmap b;
	char why[256] = "";

	if (!made)
		make_sound();
	made = true;
	if (!size)
		return 0;
	edit(data, size);
	memcpy(before, image, IMAGE_SIZE);

	meta = lm_meta_open(&disk, &geometry, 8, why, sizeof(why));
	if (IS_ERR(meta)) {
		if (!why[0] || !memchr(why, 0, sizeof(why)))
			fail("refused without a sentence");
	} else {
		lm_meta_recorded(meta, &state);
		if (lm_bitmap_init(&b, NR_SECTORS,
				   ilog2(lm_meta_region_size(meta))) ||
		    lm_unsaved_track(&b))
			fail("no memory");
		lm_meta_load(meta, &b);
		if (lm_bitmap_done(&b) > b.nr_regions)
			fail("more bits than regions");
		lm_bitmap_exit(&b);
		lm_meta_close(meta);
	}
	if (memcmp(before, image, IMAGE_SIZE))
		fail("reading has written");
	return 0;
}
