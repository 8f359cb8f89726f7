// SPDX-License-Identifier: GPL-2.0-or-later
#include "tab.h"
#include "say.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS	" \t\r"

/* What udev lets a node be called: so NAME is called so below /dev/mapper, too. */
static const char name_chars[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.:=@_";

const char *tab_bad_name(const char *name)
{
	if (!*name || strlen(name) > TAB_NAME_MAX)
		return "a name has 1 to 100 characters";
	if (name[strspn(name, name_chars)])
		return "a name is made of letters, digits and + - . : = @ _";
	if (name[0] == '-' || !strcmp(name, ".") || !strcmp(name, "..") ||
	    !strcmp(name, "control"))
		return "nothing can be called so";
	return NULL;
}

static bool is_tag(const char *device)
{
	static const char * const tags[] = { "UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(tags); i++)
		if (!strncmp(device, tags[i], strlen(tags[i])))
			return device[strlen(tags[i])] != '\0';
	return false;
}

const char *tab_bad_device(const char *device)
{
	const char *c;

	if (device[0] != '/' && !is_tag(device))
		return "a device is a whole path, or UUID=, PARTUUID=, LABEL= or PARTLABEL=";
	for (c = device; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return "the device's name has blanks in it";
	return NULL;
}

/* ------------------------------------------------------------------------
 * Reading
 */

/* A field of a line, as offsets: both are 0 if there is none. */
struct field {
	size_t start, end;
};

enum { NAME, DEVICE, OPTIONS, NR_FIELDS };

static size_t body_len(const struct tab_line *line)
{
	return line->len && line->raw[line->len - 1] == '\n' ? line->len - 1 : line->len;
}

static bool is_blank(char c)
{
	return c && strchr(BLANKS, c);
}

/* How many there are; one that begins with # ends them. */
static int split(const struct tab_line *line, struct field field[NR_FIELDS])
{
	size_t at = 0, end = body_len(line);
	int nr = 0;

	memset(field, 0, NR_FIELDS * sizeof(*field));
	for (;;) {
		while (at < end && is_blank(line->raw[at]))
			at++;
		if (at == end || line->raw[at] == '#')
			return nr;
		if (nr == NR_FIELDS)
			return nr + 1;
		field[nr].start = at;
		while (at < end && !is_blank(line->raw[at]))
			at++;
		field[nr++].end = at;
	}
}

static char *field_text(const struct tab_line *line, const struct field *field)
{
	return format("%.*s", (int)(field->end - field->start), line->raw + field->start);
}

static bool is_nothing(const char *options)
{
	return !strcmp(options, "-") || !strcmp(options, "none");
}

static const char *read_options(char *options, struct tab_line *line)
{
	char *next = options, *option;

	if (is_nothing(options))
		return NULL;
	while ((option = strsep(&next, ","))) {
		if (!strcmp(option, "noauto"))
			line->noauto = true;
		else if (!strcmp(option, "lv"))
			line->lv = true;
		else if (strncmp(option, "size=", 5))
			return "the options are size=SECTORS, noauto and lv";
		else if (!number_parse(option + 5, &line->sectors) || !line->sectors ||
			 line->sectors > UINT64_MAX >> 9)
			return "size= takes a number of sectors";
	}
	return NULL;
}

static const char *read_line(struct tab_line *line)
{
	struct field field[NR_FIELDS];
	const char *bad = NULL;
	char *options;
	int nr;

	if (memchr(line->raw, '\0', line->len))
		return "it has bytes that are no text";
	nr = split(line, field);
	if (!nr)
		return NULL;
	if (nr == 1 || nr > NR_FIELDS)
		return "a line is NAME DEVICE OPTIONS";
	line->name = field_text(line, &field[NAME]);
	line->device = field_text(line, &field[DEVICE]);
	bad = tab_bad_name(line->name);
	if (!bad)
		bad = tab_bad_device(line->device);
	if (!bad && nr > OPTIONS) {
		options = field_text(line, &field[OPTIONS]);
		bad = read_options(options, line);
		free(options);
	}
	return bad;
}

static void forget_fields(struct tab_line *line)
{
	free(line->name);
	free(line->device);
	line->name = line->device = NULL;
	line->sectors = 0;
	line->noauto = line->lv = false;
	line->bad = NULL;
}

static bool is_called(const struct tab_line *line, const char *name)
{
	struct field field[NR_FIELDS];
	size_t len = strlen(name);

	return split(line, field) && field[NAME].end - field[NAME].start == len &&
	       !memcmp(line->raw + field[NAME].start, name, len);
}

/* Two lines of a name: neither counts, for nobody knows which is meant. */
static const char *check_twice(struct tab *tab, const struct tab_line *line)
{
	static const char twice[] = "there is another line of that name";
	struct field field[NR_FIELDS];
	const char *bad = NULL;
	char *name;
	size_t i;

	if (!split(line, field))
		return NULL;
	name = field_text(line, &field[NAME]);
	for (i = 0; i < tab->nr; i++) {
		if (tab->line + i == line || !is_called(tab->line + i, name))
			continue;
		bad = twice;
		forget_fields(tab->line + i);
		tab->line[i].bad = twice;
	}
	free(name);
	return bad;
}

/* @line->raw is new, and the other lines are read. */
static void take_line(struct tab *tab, struct tab_line *line)
{
	const char *bad, *twice;

	forget_fields(line);
	bad = read_line(line);
	twice = check_twice(tab, line);
	if (!bad)
		bad = twice;
	if (bad)
		forget_fields(line);
	line->bad = bad;
}

static struct tab_line *add_line(struct tab *tab, const char *raw, size_t len)
{
	struct tab_line *line = realloc(tab->line, (tab->nr + 1) * sizeof(*line));

	if (!line)
		exit(fail(FAILED, "There is no memory left."));
	tab->line = line;
	line += tab->nr++;
	memset(line, 0, sizeof(*line));
	line->raw = alloc(len + 1);
	memcpy(line->raw, raw, len);
	line->len = len;
	take_line(tab, line);
	return line;
}

void tab_parse(const char *text, size_t len, struct tab *tab)
{
	const char *end;

	memset(tab, 0, sizeof(*tab));
	while (len) {
		end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;

		add_line(tab, text, n);
		text += n;
		len -= n;
	}
}

void tab_free(struct tab *tab)
{
	size_t i;

	for (i = 0; i < tab->nr; i++) {
		forget_fields(&tab->line[i]);
		free(tab->line[i].raw);
	}
	free(tab->line);
	memset(tab, 0, sizeof(*tab));
}

char *tab_text(const struct tab *tab, size_t *len)
{
	char *text;
	size_t i;

	for (i = *len = 0; i < tab->nr; i++)
		*len += tab->line[i].len;
	text = alloc(*len + 1);
	for (i = *len = 0; i < tab->nr; i++) {
		memcpy(text + *len, tab->line[i].raw, tab->line[i].len);
		*len += tab->line[i].len;
	}
	return text;
}

const struct tab_line *tab_find(const struct tab *tab, const char *name)
{
	size_t i;

	for (i = 0; i < tab->nr; i++)
		if (tab->line[i].name && !strcmp(tab->line[i].name, name))
			return tab->line + i;
	return NULL;
}

const struct tab_line *tab_find_bad(const struct tab *tab, const char *name)
{
	size_t i;

	for (i = 0; i < tab->nr; i++)
		if (tab->line[i].bad && is_called(tab->line + i, name))
			return tab->line + i;
	return NULL;
}

size_t tab_number(const struct tab *tab, const struct tab_line *line)
{
	return (size_t)(line - tab->line) + 1;
}

/* ------------------------------------------------------------------------
 * Writing
 */

static char *options_text(const struct tab_line *want)
{
	char *size = want->sectors ? format(",size=%llu", (unsigned long long)want->sectors) :
				     copy_of("");
	char *all = format("%s%s%s", size, want->noauto ? ",noauto" : "", want->lv ? ",lv" : "");
	char *text = copy_of(*all ? all + 1 : "-");

	free(size);
	free(all);
	return text;
}

static void append(struct tab *tab, const char *text)
{
	struct tab_line *last = tab->nr ? tab->line + tab->nr - 1 : NULL;
	char *raw;

	/* The last one may want its newline. */
	if (last && body_len(last) == last->len) {
		raw = alloc(last->len + 2);
		memcpy(raw, last->raw, last->len);
		raw[last->len++] = '\n';
		free(last->raw);
		last->raw = raw;
	}
	add_line(tab, text, strlen(text));
}

/* Both fields anew, and what lies before, between and behind them as it is. */
static void rewrite(struct tab *tab, struct tab_line *line, const char *device,
		    const char *options)
{
	struct field field[NR_FIELDS];
	int nr = split(line, field);
	const struct field *d = &field[DEVICE], *o = &field[OPTIONS];
	char *raw;

	if (nr > OPTIONS)
		raw = format("%.*s%s%.*s%s%s", (int)d->start, line->raw, device,
			     (int)(o->start - d->end), line->raw + d->end, options,
			     line->raw + o->end);
	else
		raw = format("%.*s%s %s%s", (int)d->start, line->raw, device, options,
			     line->raw + d->end);
	free(line->raw);
	line->raw = raw;
	line->len = strlen(raw);
	take_line(tab, line);
}

void tab_set(struct tab *tab, const struct tab_line *want)
{
	const struct tab_line *line = tab_find(tab, want->name);
	char *options = options_text(want), *text;

	if (line) {
		rewrite(tab, tab->line + (line - tab->line), want->device, options);
	} else {
		text = format("%s %s %s\n", want->name, want->device, options);
		append(tab, text);
		free(text);
	}
	free(options);
}

void tab_remove(struct tab *tab, const char *name)
{
	const struct tab_line *found = tab_find(tab, name);
	struct tab_line *line;

	if (!found)
		return;
	line = tab->line + (found - tab->line);
	forget_fields(line);
	free(line->raw);
	tab->nr--;
	memmove(line, line + 1, (tab->nr - (size_t)(line - tab->line)) * sizeof(*line));
}
