// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * livemigrate: moves a block device in use to another device. The table of
 * commands, their options and their help; who does what is in cmd-*.c.
 */
#include "command.h"
#include "dm.h"
#include "migration.h"
#include "say.h"
#include "../version.h"
#include "tab-file.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum unit { NOTHING, TEXT, RATE, SIZE, TIME };

static const struct {
	const char *name, *value;
	enum unit unit;
	const char *help;
} options[NR_OPTIONS] = {
	[OPT_TO] = { "to", "DEST", TEXT,
		"a block device, or what is to be made: VG/LV, FILE.raw, .qcow2, .vhdx, .vhd" },
	[OPT_METADATA] = { "metadata", "DEV", TEXT,
		"keep the state on DEV, so that the migration survives a crash" },
	[OPT_RATE] = { "rate", "RATE", RATE,
		"copy at most so many KiB/s, or 50M, 1G" },
	[OPT_PAUSED] = { "paused", NULL, NOTHING,
		"mirror, but do not copy until resume" },
	[OPT_ZEROED] = { "zeroed", NULL, NOTHING,
		"the destination reads as zeroes, all of it: write none" },
	[OPT_REGION_SIZE] = { "region-size", "SIZE", SIZE,
		"what a bit of the bitmap stands for, 4K to 1M" },
	[OPT_STANDBY_TIMEOUT] = { "standby-timeout", "TIME", TIME,
		"a leg that answers nothing for so long has failed; 0: never" },
	[OPT_PINNED] = { "pinned", NULL, NOTHING,
		"let no other program replace the table; so it is with a logical volume" },
	[OPT_UNPINNED] = { "unpinned", NULL, NOTHING,
		"let lvm2 replace the table of a logical volume" },
	[OPT_FORCE] = { "force", NULL, NOTHING,
		"overwrite what is on the destination; abort: forget the record" },
	[OPT_VERIFY] = { "verify", NULL, NOTHING,
		"compare source and destination before the cutover" },
	[OPT_FAILBACK_WINDOW] = { "failback-window", "TIME", TIME,
		"keep the source mirrored for so long after the cutover" },
	[OPT_DELETE_SOURCE] = { "delete-source", NULL, NOTHING,
		"delete the source when it is let go" },
	[OPT_DELETE_DEST] = { "delete-dest", NULL, NOTHING,
		"delete the destination that was made for the migration" },
	[OPT_THIN] = { "thin", "POOL", TEXT,
		"make a thin logical volume, in this pool of its group" },
	[OPT_PREALLOCATE] = { "preallocate", NULL, NOTHING,
		"reserve room for all of the image that is made" },
	[OPT_JSON] = { "json", NULL, NOTHING, "for programs" },
	[OPT_PROMETHEUS] = { "prometheus", NULL, NOTHING,
		"for Prometheus, by way of a file" },
	[OPT_WATCH] = { "watch", NULL, NOTHING, "again at each change, until Ctrl-C" },
	[OPT_TIMEOUT] = { "timeout", "TIME", TIME, "wait no longer" },
	[OPT_STOP] = { "stop", NULL, NOTHING, "end what is under way" },
	[OPT_GROUP] = { "group", NULL, NOTHING,
		"several devices, all of them or none" },
	[OPT_HELP] = { "help", NULL, NOTHING, "say this" },
};

/* Operands: with --group, else one. */
#define MANY	1000

#define START_OPTIONS							\
	(OPTION(OPT_TO) | OPTION(OPT_METADATA) | OPTION(OPT_RATE) |	\
	 OPTION(OPT_PAUSED) | OPTION(OPT_ZEROED) | OPTION(OPT_REGION_SIZE) | \
	 OPTION(OPT_STANDBY_TIMEOUT) | OPTION(OPT_PINNED) | OPTION(OPT_UNPINNED) | \
	 OPTION(OPT_FORCE) | \
	 OPTION(OPT_THIN) | OPTION(OPT_PREALLOCATE))

static const struct command {
	const char *name, *operands;
	int min, max;
	unsigned int options;
	int (*run)(const struct request *r);
	const char *help;
} commands[] = {
	{ "start", "DEVICE", 1, 1, START_OPTIONS, cmd_start,
	  "mirror a device in use to a destination, and copy the rest" },
	{ "run", "DEVICE", 1, 1, START_OPTIONS | OPTION(OPT_VERIFY) |
	  OPTION(OPT_FAILBACK_WINDOW) | OPTION(OPT_DELETE_SOURCE), cmd_run,
	  "all of it: start, wait, cutover, commit" },
	{ "status", "DEVICE", 1, 1, OPTION(OPT_JSON), cmd_status,
	  "all about one migration" },
	{ "list", "", 0, 0, OPTION(OPT_JSON) | OPTION(OPT_PROMETHEUS) | OPTION(OPT_WATCH), cmd_list,
	  "the migrations of this host" },
	{ "wait", "DEVICE", 1, 1, OPTION(OPT_TIMEOUT), cmd_wait,
	  "until all is copied" },
	{ "pause", "DEVICE", 1, 1, 0, cmd_pause,
	  "let the copier stand still" },
	{ "resume", "DEVICE", 1, 1, 0, cmd_resume,
	  "let it go on; finish what was interrupted" },
	{ "rate", "DEVICE RATE", 2, 2, 0, cmd_rate,
	  "limit the copier: KiB/s, or 50M, 1G; 0 for no limit" },
	{ "verify", "DEVICE", 1, 1, OPTION(OPT_STOP), cmd_verify,
	  "compare source and destination while they are in use" },
	{ "cutover", "DEVICE", 1, MANY, OPTION(OPT_TIMEOUT) | OPTION(OPT_GROUP), cmd_cutover,
	  "run on the destination; the source stays mirrored" },
	{ "failback", "DEVICE", 1, MANY, OPTION(OPT_TIMEOUT) | OPTION(OPT_GROUP), cmd_failback,
	  "run on the source again; nothing is lost" },
	{ "abort", "DEVICE", 1, 1, OPTION(OPT_FORCE) | OPTION(OPT_DELETE_DEST), cmd_abort,
	  "stay on the source, and let the destination go" },
	{ "reattach", "DEVICE", 1, 1, 0, cmd_reattach,
	  "let a leg that had failed take part again" },
	{ "commit", "DEVICE", 1, 1, OPTION(OPT_DELETE_SOURCE) | OPTION(OPT_FORCE), cmd_commit,
	  "stay on the destination, and let the source go" },
	{ "disk", "add NAME DEV | remove NAME | list | resize NAME", 1, 3,
	  OPTION(OPT_JSON), cmd_disk,
	  "keep plain mappings, which can be moved later, over reboots" },
	{ "boot", "", 0, 0, OPTION(OPT_TIMEOUT), cmd_boot,
	  "make those mappings, and go on with their migrations" },
};

#define NR_COMMANDS ((int)ARRAY_LEN(commands))

static const struct command *find_command(const char *name)
{
	int i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands + i;
	return NULL;
}

/* ------------------------------------------------------------------------
 * Help
 */

static int help_all(FILE *out)
{
	int i;

	fputs("livemigrate COMMAND [DEVICE] [OPTION]...\n"
	      "Moves a device-mapper device in use to another block device.\n\n", out);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-9s %-12s %s\n", commands[i].name,
			strlen(commands[i].operands) > 12 ? "..." : commands[i].operands,
			commands[i].help);
	fputs("\nDEVICE is a name of device mapper, VG/LV, a path or major:minor.\n"
	      "livemigrate COMMAND --help tells more; all is in livemigrate(8).\n", out);
	return out == stdout ? DONE : USAGE;
}

static int help_one(const struct command *c)
{
	char option[48];
	int o;

	printf("livemigrate %s%s%s%s\n", c->name, *c->operands ? " " : "", c->operands,
	       c->options ? " [OPTION]..." : "");
	printf("%s.\n", c->help);
	if (c->options)
		putchar('\n');
	for (o = 0; o < NR_OPTIONS; o++) {
		if (!(c->options & OPTION(o)))
			continue;
		snprintf(option, sizeof(option), "--%s%s%s", options[o].name,
			 options[o].value ? " " : "",
			 options[o].value ? options[o].value : "");
		printf("  %-23s %s\n", option, options[o].help);
	}
	return DONE;
}

static int complete_disks(void)
{
	struct tab tab;
	size_t i;
	int code = tab_load(&tab);

	for (i = 0; i < tab.nr; i++)
		if (tab.line[i].name)
			puts(tab.line[i].name);
	tab_free(&tab);
	return code;
}

static int complete_devices(bool migrating)
{
	struct migration **all;
	int damaged, code = dm_begin();
	char **names;
	size_t i;

	if (code)
		return code;
	if (migrating) {
		all = migrations_all(&damaged);
		for (i = 0; all[i]; i++)
			puts(migration_name(all[i]));
		migrations_free(all);
	} else if (!dm_names(&names)) {
		for (i = 0; names[i]; i++)
			puts(names[i]);
		dm_names_free(names);
	}
	return DONE;
}

/*
 * For the completion of shells, and for tests: "complete" prints the commands,
 * "complete COMMAND" its options, those with a value with an = behind;
 * "complete --devices", "complete --migrations" and "complete --disks" names.
 */
static int complete(int argc, char **argv)
{
	const struct command *c = argc > 0 ? find_command(argv[0]) : NULL;
	int i;

	if (argc > 0 && !strcmp(argv[0], "--devices"))
		return complete_devices(false);
	if (argc > 0 && !strcmp(argv[0], "--migrations"))
		return complete_devices(true);
	if (argc > 0 && !strcmp(argv[0], "--disks"))
		return complete_disks();
	for (i = 0; argc == 0 && i < NR_COMMANDS; i++)
		puts(commands[i].name);
	for (i = 0; c && i < NR_OPTIONS; i++)
		if (c->options & OPTION(i) || i == OPT_HELP)
			printf("--%s%s\n", options[i].name, options[i].value ? "=" : "");
	return DONE;
}

/* ------------------------------------------------------------------------
 * The command line
 */

static int take_value(enum opt o, const char *text, struct request *r)
{
	bool good = true;

	r->given |= OPTION(o);
	r->text[o] = text;
	switch (options[o].unit) {
	case RATE:
		good = parse_rate(text, &r->number[o]);
		break;
	case SIZE:
		good = parse_size(text, &r->number[o]);
		break;
	case TIME:
		good = parse_time(text, &r->number[o]);
		break;
	default:
		break;
	}
	return good ? DONE : fail(USAGE, "--%s takes a %s, not '%s'.",
				  options[o].name, options[o].value, text);
}

static const char *operands_text(int max)
{
	switch (max) {
	case 0:
		return "no device";
	case 1:
		return "one device";
	case 2:
		return "a device and a rate";
	default:
		return "other words";
	}
}

static int parse(const struct command *c, int argc, char **argv, struct request *r)
{
	struct option longs[NR_OPTIONS + 1] = { 0 };
	int nr = 0, o, found, max, code = DONE;

	for (o = 0; o < NR_OPTIONS; o++) {
		if (!(c->options & OPTION(o)) && o != OPT_HELP)
			continue;
		longs[nr].name = options[o].name;
		longs[nr].has_arg = options[o].value ? required_argument : no_argument;
		longs[nr++].val = 256 + o;
	}
	opterr = 0;
	while (!code && (found = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (found == 'h')
			found = 256 + OPT_HELP;
		if (found == ':')
			code = fail(USAGE, "%s wants a value: see \"livemigrate %s --help\".",
				    argv[optind - 1], c->name);
		else if (found == '?')
			code = fail(USAGE, "%s has no option %s: see \"livemigrate %s --help\".",
				    c->name, argv[optind - 1], c->name);
		else
			code = take_value((enum opt)(found - 256), optarg, r);
	}
	if (code || is_given(r, OPT_HELP))
		return code;
	nr = argc - optind;
	max = c->max == MANY && !is_given(r, OPT_GROUP) ? 1 : c->max;
	if (nr < c->min || nr > max)
		return fail(USAGE, "%s takes %s: livemigrate %s %s.", c->name, operands_text(max),
			    c->name, c->operands);
	r->operands = argv + optind;
	r->nr_operands = nr;
	r->device = nr > 0 ? argv[optind] : NULL;
	r->operand = nr > 1 ? argv[optind + 1] : NULL;
	return DONE;
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct request request = { 0 };
	int code;

	if (argc < 2)
		return help_all(stderr);
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
	    !strcmp(argv[1], "-h"))
		return help_all(stdout);
	if (!strcmp(argv[1], "--version")) {
		say("livemigrate " LM_VERSION);
		return DONE;
	}
	if (!strcmp(argv[1], "complete"))
		return complete(argc - 2, argv + 2);
	command = find_command(argv[1]);
	if (!command)
		return fail(USAGE, "There is no command %s: \"livemigrate help\" lists them.",
			    argv[1]);
	code = parse(command, argc - 1, argv + 1, &request);
	if (code)
		return code;
	if (is_given(&request, OPT_HELP))
		return help_one(command);
	code = dm_begin();
	return code ? code : command->run(&request);
}
