/* SPDX-License-Identifier: GPL-2.0-only */
/* dm-bufio over a disk in memory: shim/bufio.c. */
#ifndef SHIM_DM_BUFIO_H
#define SHIM_DM_BUFIO_H

#include <linux/blkdev.h>

struct dm_bufio_client;
struct dm_buffer;

struct dm_bufio_client *
dm_bufio_client_create(struct block_device *bdev, unsigned int block_size,
		       unsigned int reserved_buffers, unsigned int aux_size,
		       void (*alloc_callback)(struct dm_buffer *),
		       void (*write_callback)(struct dm_buffer *),
		       unsigned int flags);
void dm_bufio_client_destroy(struct dm_bufio_client *c);
void *dm_bufio_read(struct dm_bufio_client *c, sector_t block,
		    struct dm_buffer **buffer);
void *dm_bufio_new(struct dm_bufio_client *c, sector_t block,
		   struct dm_buffer **buffer);
void dm_bufio_prefetch(struct dm_bufio_client *c, sector_t block,
		       unsigned int nr);
void dm_bufio_release(struct dm_buffer *buffer);
void dm_bufio_mark_buffer_dirty(struct dm_buffer *buffer);
int dm_bufio_write_dirty_buffers(struct dm_bufio_client *c);
int dm_bufio_issue_flush(struct dm_bufio_client *c);

#endif
