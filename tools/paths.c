// SPDX-License-Identifier: GPL-2.0-or-later
#include "paths.h"
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

const char *state_dir(void)
{
	return from_environment("LIVEMIGRATE_STATE_DIR", "/var/lib/livemigrate");
}

const char *sys_dir(void)
{
	return from_environment("LIVEMIGRATE_SYS", "/sys");
}

const char *proc_dir(void)
{
	return from_environment("LIVEMIGRATE_PROC", "/proc");
}

const char *program_path(void)
{
	return from_environment("LIVEMIGRATE_PATH",
				"/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin");
}

const char *dev_dir(void)
{
	return from_environment("LIVEMIGRATE_DEV", "/dev");
}

const char *tab_file(void)
{
	return from_environment("LIVEMIGRATE_TAB", "/etc/livemigrate.tab");
}

char *sys_block(dev_t dev, const char *below)
{
	return format("%s/dev/block/%u:%u/%s", sys_dir(), major(dev), minor(dev),
		      below);
}

char *first_line(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getline(&line, &size, file) < 0) {
		free(line);
		line = NULL;
	} else {
		line[strcspn(line, "\n")] = '\0';
	}
	fclose(file);
	return line;
}

char *sys_block_line(dev_t dev, const char *below)
{
	char *path = sys_block(dev, below);
	char *line = first_line(path);

	free(path);
	return line;
}
