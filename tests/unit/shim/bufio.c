// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-bufio over a disk in memory, which can lose its power: after so many sectors
 * nothing reaches it any more.  Like the real one it writes a dirty buffer when
 * it likes, and in any order.
 */
#include <linux/dm-bufio.h>
#include <linux/random.h>

#define BLOCK		4096
#define PER_BLOCK	(BLOCK >> SECTOR_SHIFT)

struct dm_buffer {
	struct dm_bufio_client *client;
	sector_t block;
	bool dirty;
	/* In fact no more than an array of sectors: alignment is the test's. */
	u8 data[BLOCK] __attribute__((aligned(8)));
};

struct dm_bufio_client {
	struct block_device *bdev;
	sector_t nr;
	bool error;
	unsigned int held;
	struct dm_buffer **buffer;
};

static u32 chance(u32 n)
{
	u32 r;

	get_random_bytes(&r, sizeof(r));
	return r % n;
}

struct dm_bufio_client *
dm_bufio_client_create(struct block_device *bdev, unsigned int block_size,
		       unsigned int reserved_buffers, unsigned int aux_size,
		       void (*alloc_callback)(struct dm_buffer *),
		       void (*write_callback)(struct dm_buffer *),
		       unsigned int flags)
{
	struct dm_bufio_client *c = calloc(1, sizeof(*c));

	(void)reserved_buffers;
	(void)aux_size;
	(void)alloc_callback;
	(void)write_callback;
	(void)flags;
	if (block_size != BLOCK)
		shim_bug("bufio: another block size");
	c->bdev = bdev;
	c->nr = bdev->sectors / PER_BLOCK;
	c->buffer = calloc(c->nr, sizeof(*c->buffer));
	return c;
}

void dm_bufio_client_destroy(struct dm_bufio_client *c)
{
	sector_t i;

	if (c->held)
		shim_bug("bufio: a buffer is held at the end");
	for (i = 0; i < c->nr; i++)
		free(c->buffer[i]);
	free(c->buffer);
	free(c);
}

static void write_buffer(struct dm_buffer *b)
{
	struct block_device *bdev = b->client->bdev;
	unsigned int i, first = chance(PER_BLOCK);

	b->dirty = false;
	if (bdev->during)
		bdev->during();
	if (bdev->broken) {
		b->client->error = true;
		return;
	}
	for (i = 0; i < PER_BLOCK; i++) {
		unsigned int sector = (first + i) % PER_BLOCK;

		if (!bdev->power)
			return;
		bdev->power--;
		memcpy(bdev->image + b->block * BLOCK + (sector << SECTOR_SHIFT),
		       b->data + (sector << SECTOR_SHIFT), 1 << SECTOR_SHIFT);
	}
}

static struct dm_buffer *get(struct dm_bufio_client *c, sector_t block,
			     bool read)
{
	struct dm_buffer *b;

	if (block >= c->nr)
		return NULL;
	b = c->buffer[block];
	if (!b) {
		b = calloc(1, sizeof(*b));
		b->client = c;
		b->block = block;
		if (read)
			memcpy(b->data, c->bdev->image + block * BLOCK, BLOCK);
		c->buffer[block] = b;
	}
	c->held++;
	return b;
}

void *dm_bufio_read(struct dm_bufio_client *c, sector_t block,
		    struct dm_buffer **buffer)
{
	if (c->bdev->broken)
		return ERR_PTR(-EIO);
	*buffer = get(c, block, true);
	return *buffer ? (*buffer)->data : ERR_PTR(-EIO);
}

void *dm_bufio_new(struct dm_bufio_client *c, sector_t block,
		   struct dm_buffer **buffer)
{
	*buffer = get(c, block, false);
	return *buffer ? (*buffer)->data : ERR_PTR(-EIO);
}

void dm_bufio_prefetch(struct dm_bufio_client *c, sector_t block,
		       unsigned int nr)
{
	(void)c;
	(void)block;
	(void)nr;
}

void dm_bufio_release(struct dm_buffer *buffer)
{
	buffer->client->held--;
	if (buffer->dirty && !chance(3))
		write_buffer(buffer);
}

void dm_bufio_mark_buffer_dirty(struct dm_buffer *buffer)
{
	buffer->dirty = true;
}

int dm_bufio_issue_flush(struct dm_bufio_client *c)
{
	return c->bdev->broken ? -EIO : 0;
}

int dm_bufio_write_dirty_buffers(struct dm_bufio_client *c)
{
	sector_t i, first = c->nr ? chance(c->nr) : 0;
	bool error;

	for (i = 0; i < c->nr; i++) {
		struct dm_buffer *b = c->buffer[(first + i) % c->nr];

		if (b && b->dirty)
			write_buffer(b);
	}
	error = c->error;
	c->error = false;
	return error ? -EIO : 0;
}
