// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command's parsers over any text, for libFuzzer: the target's status, its
 * table line, a linear line, a record of the kernel's log, a state file, the table
 * of disks, numbers with units.
 *
 * Whatever it is: it is refused, or what is read holds what is promised of it. A
 * state that is taken is printed, and read again as the same. Of the table of disks
 * nothing changes but the line that is asked for.
 */
#include "command.h"
#include "kmsg.h"
#include "progress.h"
#include "report.h"
#include "say.h"
#include "state.h"
#include "status.h"
#include "tab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void try_status(const char *text)
{
	struct status st;
	char line[512];

	if (status_parse(text, &st))
		return;
	must(st.phase < NR_PHASES && st.active < NR_LEGS, "a phase out of range");
	must(st.total && st.done <= st.total, "more done than there is");
	must(status_done(&st) <= 10000, "more than a hundred percent");
	must((status_done(&st) == 10000) == (st.done == st.total), "100% is all of it");
	for (int i = 0; i < NR_WORDS; i++)
		must(*st.word[i] && !strchr(st.word[i], ' '), "a word is none");
	for (size_t len = 1; len < sizeof(line); len = len * 3 + 1) {
		progress_line(line, len, "name", &st, st.number[N_COPIED], len & 1 ? 24 : 0);
		must(strlen(line) < len, "the line of progress is too long");
	}
}

static void try_lines(const char *text)
{
	struct target_line line;
	struct place place;

	if (!target_line_parse(text, &line))
		for (int i = 0; i < NR_LEGS; i++)
			must(line.leg[i].dropped || line.leg[i].major < 1U << 12,
			     "no such major");
	if (linear_parse(text, &place))
		must(!place.dropped && place.minor < 1U << 20, "no such minor");
}

static void try_state(const char *text)
{
	struct state *state, *again;
	const char *why;
	char *printed, *reprinted;

	state = state_from_text(text, &why);
	must(!state == !!why, "a refusal without a reason, or the other way round");
	if (!state)
		return;
	printed = state_to_text(state);
	again = state_from_text(printed, &why);
	must(again, "what was printed is not taken");
	reprinted = state_to_text(again);
	must(!strcmp(printed, reprinted), "what was printed is another state");
	free(printed);
	free(reprinted);
	state_free(state);
	state_free(again);
}

static void same_but(const struct tab *tab, const struct tab *before, size_t but)
{
	for (size_t i = 0; i < tab->nr && i < before->nr; i++) {
		/* A last line without its newline gets one when another follows. */
		size_t len = before->line[i].len;

		if (i == but)
			continue;
		must(tab->line[i].len - len <= (i + 1 == before->nr), "a line has another length");
		must(!memcmp(tab->line[i].raw, before->line[i].raw, len), "another line has changed");
	}
}

static void change_tab(const char *text, size_t size, const char *name)
{
	static char device[] = "/dev/disk/by-id/other";
	const struct tab_line want = {
		.name = copy_of(name), .device = device, .sectors = size + 1,
		.noauto = size & 1, .lv = size >> 1 & 1,
	};
	struct tab before, tab, again;
	size_t len, but;
	char *printed;

	tab_parse(text, size, &before);
	tab_parse(text, size, &tab);
	but = tab_find(&tab, name) ? tab_number(&tab, tab_find(&tab, name)) - 1 : tab.nr;
	tab_set(&tab, &want);
	same_but(&tab, &before, but);
	printed = tab_text(&tab, &len);
	tab_parse(printed, len, &again);
	must(again.nr == tab.nr, "there are more lines than before, or less");
	must(tab_find(&again, name) && !strcmp(tab_find(&again, name)->device, device) &&
	     tab_find(&again, name)->sectors == size + 1 &&
	     tab_find(&again, name)->noauto == (size & 1) &&
	     tab_find(&again, name)->lv == (size >> 1 & 1), "it is not what was set");
	tab_remove(&again, name);
	must(!tab_find(&again, name) && !tab_find_bad(&again, name), "it has not gone");
	free(printed);
	free(want.name);
	tab_free(&again);
	tab_free(&tab);
	tab_free(&before);
}

static void try_tab(const char *text, size_t size)
{
	struct tab tab;
	size_t len;
	char *printed;

	tab_parse(text, size, &tab);
	printed = tab_text(&tab, &len);
	must(len == size && !memcmp(printed, text, len), "the tab is not as it was");
	free(printed);
	for (size_t i = 0; i < tab.nr; i++) {
		const struct tab_line *line = tab.line + i;

		must(!line->name == !line->device, "a name without a device");
		if (!line->name)
			continue;
		must(!line->bad && !tab_bad_name(line->name) && !tab_bad_device(line->device),
		     "a bad line is taken");
		must(tab_find(&tab, line->name) == line && !tab_find_bad(&tab, line->name),
		     "a line of two is taken");
		if (i < 4)
			change_tab(text, size, line->name);
	}
	if (!tab_find_bad(&tab, "new-1"))
		change_tab(text, size, "new-1");
	tab_free(&tab);
}

static void try_texts(char *text)
{
	char safe[64];
	uint64_t n;

	for (const char *p = printable(text, safe, sizeof(safe)); *p; p++)
		must(*p > ' ' && *p < 0x7f, "not printable");
	must(strlen(safe) < sizeof(safe), "too long");
	if (parse_time(text, &n))
		must(n < INT64_MAX / 1000, "a time that cannot be counted");
	if (parse_rate(text, &n))
		must(n <= UINT32_MAX, "a rate that the target does not take");
	parse_size(text, &n);
	/* The last: it writes into the text. */
	kmsg_about(text, "253:0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	try_status(text);
	try_lines(text);
	try_state(text);
	try_tab(text, size);
	try_texts(text);
	free(text);
	return 0;
}
