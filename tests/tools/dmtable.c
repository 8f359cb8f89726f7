// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmtable: puts another table under a device in use. Swap may lie on it: then
 * between suspend and resume nobody who is to say resume may need a page that
 * was swapped out, so this program does both, and all its pages stay in memory.
 */
#include "dmcommon.h"

#include <sys/mman.h>

static const char usage[] = "usage: dmtable NAME LINE...\n"
	"Loads the lines, each \"START LENGTH TYPE PARAMETERS\", and makes them live.\n"
	"I/O in flight is not waited for. Exit 0 if they are.";

static void add(struct dm_task *task, const char *text)
{
	struct dm_line line;
	int rest = 0;

	if (sscanf(text, "%" SCNu64 " %" SCNu64 " %31s %n", &line.start,
		   &line.len, line.type, &rest) < 3)
		die("\"%s\" is no table line: START LENGTH TYPE PARAMETERS.", text);
	if (!dm_task_add_target(task, line.start, line.len, line.type,
				text + rest))
		die("libdevmapper does not take the line \"%s\".", text);
}

int main(int argc, char **argv)
{
	struct dm_task *load, *suspend, *resume;
	int err;

	if (argc < 3)
		die("%s", usage);
	dm_quiet();
	load = dm_begin(DM_DEVICE_RELOAD, argv[1]);
	for (int i = 2; i < argc; i++)
		add(load, argv[i]);
	err = dm_end(load);
	if (err)
		die("%s does not take the table: %s.", argv[1], strerror(err));

	suspend = dm_begin(DM_DEVICE_SUSPEND, argv[1]);
	dm_task_no_flush(suspend);
	dm_task_skip_lockfs(suspend);
	resume = dm_begin(DM_DEVICE_RESUME, argv[1]);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall: %s.", strerror(errno));
	err = dm_run(suspend);
	if (!err)
		err = dm_run(resume);
	if (err)
		die("%s is not resumed: %s.", argv[1], strerror(err));
	dm_task_destroy(suspend);
	dm_task_destroy(resume);
	return 0;
}
