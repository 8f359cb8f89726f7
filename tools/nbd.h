/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images of QEMU's kinds as block devices: a qemu-nbd for each, which outlives us.
 */
#ifndef NBD_H
#define NBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit codes, after a sentence. */

/* Are there qemu-nbd, the module, and a device that is free? */
int nbd_check(const char *path);
/*
 * Serves the image at @path; @node is to be freed. @empty: it is new, so that a look
 * for partitions finds none.
 */
int nbd_attach(const char *path, const char *format, uint64_t sectors, bool empty,
	       char **node);
/* Ends whatever qemu-nbd serves the file of @id, after a flush; refused if in use. */
int nbd_detach(const char *id);

/* The node at which the file of @id is served; NULL: none. To be freed. */
char *nbd_serving(const char *id);
/* The image that a qemu-nbd serves as @dev, and its id; to be freed. */
bool nbd_image(dev_t dev, char **path, char **id);
/* A command that disconnects it and removes the file; to be freed. */
char *nbd_removal(const char *path, const char *id);
/* An answer that takes longer than so many seconds is an error; 0: wait for ever. */
int nbd_set_timeout(const char *node, unsigned int seconds);

/*
 * The node at which the image at @path is served plainly and with @format; NULL: none. If
 * it is served in another way, as by a snapshot of it, a sentence and UNFIT.
 */
int nbd_find_plain(const char *path, const char *format, char **node);
/* Is it served as @format says? */
bool nbd_is_format(dev_t dev, const char *format);
/* Was the qemu-nbd at @node started by us? */
bool nbd_is_ours(const char *node);
/* Ends the one at @node. */
int nbd_end(const char *node);
/* Could an image with data in it be served? Else a sentence. */
int nbd_check_scan(const char *path);

/* What a qemu-nbd of that command line serves, all of it; NULL: not known. Pure. */
const char *nbd_argument(const char *cmdline, size_t len);
/* And as what; NULL: not said. Pure. */
const char *nbd_format(const char *cmdline, size_t len);
/* How one is started; @words is what must be freed. Pure. */
struct nbd_words {
	char *unit, *connect, *format, *cache, *pid_file;
	const char *argv[24];
};
void nbd_words(struct nbd_words *words, const char *node, const char *path,
	       const char *format, bool direct, bool systemd);
void nbd_words_free(struct nbd_words *words);

#endif
