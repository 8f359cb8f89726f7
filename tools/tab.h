/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of livemigrate.tab: which plain mappings there are, one a line, as
 * livemigrate.tab(5) has it. Whatever is not asked to change is kept byte for
 * byte. Pure text: no device is asked, and no file; that is tab-file.h.
 */
#ifndef TAB_H
#define TAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So long that the hidden device's name, which has more, is none too long. */
#define TAB_NAME_MAX 100

struct tab_line {
	char *raw;		/* with its newline, if it has one */
	size_t len;
	const char *bad;	/* what is wrong with it: then none of these are set */
	char *name, *device;	/* NULL: nothing but a comment */
	uint64_t sectors;	/* option size=N; 0: all of the device */
	bool noauto;		/* option noauto */
	bool lv;		/* option lv: the name is a volume's, VG/LV leads there, too */
};

struct tab {
	struct tab_line *line;
	size_t nr;
};

void tab_parse(const char *text, size_t len, struct tab *tab);
void tab_free(struct tab *tab);
/* All of it, to be freed; @len without the NUL behind it. */
char *tab_text(const struct tab *tab, size_t *len);

/* The good line of that name, or NULL. */
const struct tab_line *tab_find(const struct tab *tab, const char *name);
/* A bad line that begins with that name, or NULL. */
const struct tab_line *tab_find_bad(const struct tab *tab, const char *name);
/* 1 for the first. */
size_t tab_number(const struct tab *tab, const struct tab_line *line);

/* NULL, or what is wrong with them. */
const char *tab_bad_name(const char *name);
const char *tab_bad_device(const char *device);

/*
 * The line of that name, or a new one at the end, has the device and the options of
 * @want. All else in it stays, comments and blanks too. What @want says is good.
 */
void tab_set(struct tab *tab, const struct tab_line *want);
void tab_remove(struct tab *tab, const char *name);

#endif
