// SPDX-License-Identifier: GPL-2.0-or-later
#include "tab-file.h"
#include "durable.h"
#include "paths.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than anybody writes. */
#define TAB_MAX	(1 << 20)

static const char header[] =
	"# NAME DEVICE OPTIONS: see livemigrate.tab(5). \"livemigrate commit\" changes DEVICE.\n";

/* Where it really is: a link stays one. */
static char *real_file(void)
{
	char *real = realpath(tab_file(), NULL);

	return real ? real : copy_of(tab_file());
}

static char *read_all(int fd, size_t *len)
{
	char *text = alloc(TAB_MAX + 1);
	ssize_t n;

	*len = 0;
	do {
		n = read(fd, text + *len, TAB_MAX + 1 - *len);
		if (n > 0)
			*len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (!n && *len > TAB_MAX)
		errno = EFBIG;
	if (n < 0 || *len > TAB_MAX) {
		free(text);
		return NULL;
	}
	return text;
}

int tab_load(struct tab *tab)
{
	int fd = open(tab_file(), O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len;

	memset(tab, 0, sizeof(*tab));
	if (fd < 0 && errno == ENOENT)
		return DONE;
	if (fd >= 0)
		text = read_all(fd, &len);
	if (!text) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		return fail(FAILED, "%s cannot be read: %s.", tab_file(), strerror(err));
	}
	close(fd);
	tab_parse(text, len, tab);
	free(text);
	return DONE;
}

/* As the old one is, before there is anything in it. */
static int make_alike(int fd, const char *file)
{
	struct stat st;

	if (stat(file, &st))
		return errno == ENOENT ? fchmod(fd, 0644) : -1;
	return fchown(fd, st.st_uid, st.st_gid) || fchmod(fd, st.st_mode & 07777);
}

static int write_new(const char *file, const char *new, const char *text, size_t len,
		     bool first)
{
	int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int failed = fd < 0 || make_alike(fd, file);

	if (!failed && first)
		failed = write_all(fd, header, strlen(header));
	if (!failed)
		failed = write_all(fd, text, len) || fsync(fd);
	if (fd >= 0 && close(fd))
		failed = -1;
	return failed;
}

int tab_save(const struct tab *tab)
{
	char *file = real_file(), *new = format("%s.new", file);
	bool first = access(file, F_OK) && errno == ENOENT;
	size_t len;
	char *text = tab_text(tab, &len);
	int code = DONE;

	if (write_new(file, new, text, len, first) || rename(new, file)) {
		code = fail(FAILED, "%s cannot be written: %s.", file, strerror(errno));
		unlink(new);
	} else if (sync_folder_of(file)) {
		code = fail(FAILED, "The folder of %s cannot be flushed: %s.", file,
			    strerror(errno));
	}
	free(text);
	free(new);
	free(file);
	return code;
}

int tab_writable(void)
{
	char *file = real_file(), *folder = folder_of(file);
	int code = DONE;

	if (access(folder, W_OK))
		code = fail(FAILED, "%s could not be written, because its folder cannot: %s.",
			    file, strerror(errno));
	free(folder);
	free(file);
	return code;
}
