// SPDX-License-Identifier: GPL-2.0-or-later
#include "durable.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed = fd < 0 || fsync(fd);

	if (fd >= 0)
		close(fd);
	return failed;
}

char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return copy_of(".");
	return slash == path ? copy_of("/") :
			       format("%.*s", (int)(slash - path), path);
}

int sync_folder_of(const char *path)
{
	char *folder = folder_of(path);
	int failed = sync_folder(folder);

	free(folder);
	return failed;
}
