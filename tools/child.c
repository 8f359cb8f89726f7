// SPDX-License-Identifier: GPL-2.0-or-later
#include "child.h"
#include "paths.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than anybody says. */
#define MAX_WORDS	65536

/* Files in memory and not pipes: a daemon that keeps them open holds nobody up. */
struct channels {
	int out, err;
	int failed[2];		/* a pipe: the errno of an exec that has failed */
	/* What is run: who stands by never returns, and must still be seen to have it. */
	const char *file;
	char **env;
};

static void channels_close(struct channels *c)
{
	int *fd[] = { &c->out, &c->err, &c->failed[0], &c->failed[1] };
	size_t i;

	for (i = 0; i < ARRAY_LEN(fd); i++) {
		if (*fd[i] >= 0)
			close(*fd[i]);
		*fd[i] = -1;
	}
}

static int channels_open(struct channels *c)
{
	*c = (struct channels){ .out = -1, .err = -1, .failed = { -1, -1 } };
	c->out = memfd_create("out", MFD_CLOEXEC);
	c->err = memfd_create("err", MFD_CLOEXEC);
	if (c->out < 0 || c->err < 0 || pipe2(c->failed, O_CLOEXEC)) {
		int err = errno;

		channels_close(c);
		return err;
	}
	return 0;
}

/* Nothing of ours but what lvm2 and the like have to know. */
static char **environment(void)
{
	char **env = alloc(5 * sizeof(*env));
	const char *udev = getenv("DM_DISABLE_UDEV");
	int nr = 0;

	env[nr++] = format("PATH=%s", program_path());
	env[nr++] = copy_of("LC_ALL=C");
	env[nr++] = copy_of("HOME=/");
	if (udev)
		env[nr] = format("DM_DISABLE_UDEV=%s", udev);
	return env;
}

static char *find_program(const char *name)
{
	const char *path = program_path();
	char *file;

	while (*path) {
		size_t len = strcspn(path, ":");

		file = format("%.*s/%s", (int)len, path, name);
		if (!access(file, X_OK))
			return file;
		free(file);
		path += len + (path[len] == ':');
	}
	return NULL;
}

bool child_exists(const char *name)
{
	char *file = find_program(name);
	bool exists = file != NULL;

	free(file);
	return exists;
}

/* In the child's child. exec closes every other descriptor, those that we were given, too. */
static void become(const char * const *argv, const struct channels *c)
{
	int null = open("/dev/null", O_RDWR), err;

	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(c->out, STDOUT_FILENO) >= 0 && dup2(c->err, STDERR_FILENO) >= 0) {
		if (null > STDERR_FILENO)
			close(null);
		execve(c->file, (char * const *)argv, c->env);
	}
	err = errno;
	if (write(c->failed[1], &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

static char *words(int fd)
{
	char *text = alloc(MAX_WORDS + 1);
	ssize_t len = pread(fd, text, MAX_WORDS, 0);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

/* As a shell has it; or -1 and errno. */
static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int await(pid_t pid, struct channels *c, struct child *child)
{
	ssize_t got;
	int err = 0;

	close(c->failed[1]);
	c->failed[1] = -1;
	do
		got = read(c->failed[0], &err, sizeof(err));
	while (got < 0 && errno == EINTR);
	child->status = status_of(pid);
	if (child->status < 0)
		return errno;
	return got == sizeof(err) ? err : 0;
}

/*
 * The lock belongs to this process, too, so if we are killed it is held until the
 * program has ended, whose work is not ours to leave half done.
 */
static int stand_by(const char * const *argv, struct channels *c)
{
	pid_t pid;
	int status, err;

	/* A Ctrl-C at the terminal must not end it half-way. */
	setpgid(0, 0);
	pid = fork();
	if (!pid)
		become(argv, c);
	if (pid < 0) {
		err = errno;
		return write(c->failed[1], &err, sizeof(err)) < 0 ? 126 : 127;
	}
	close(c->failed[1]);
	status = status_of(pid);
	return status < 0 ? 126 : status;
}

static int spawn(const char *file, const char * const *argv, struct child *child)
{
	struct channels channels;
	char **env;
	pid_t pid;
	int err = channels_open(&channels), i;

	if (err)
		return err;
	channels.file = file;
	channels.env = env = environment();
	pid = fork();
	if (!pid)
		_exit(stand_by(argv, &channels));
	err = pid < 0 ? errno : await(pid, &channels, child);
	free(child->out);
	free(child->err);
	child->out = words(channels.out);
	child->err = words(channels.err);
	for (i = 0; env[i]; i++)
		free(env[i]);
	free(env);
	channels_close(&channels);
	return err;
}

int child_run(const char * const *argv, struct child *child)
{
	char *file = find_program(argv[0]);
	int err = ENOENT;

	child->status = 127;
	child->out = copy_of("");
	child->err = copy_of("");
	if (file)
		err = spawn(file, argv, child);
	free(file);
	return err;
}

void child_free(struct child *child)
{
	free(child->out);
	free(child->err);
	child->out = child->err = NULL;
}

char *one_line(const char *text)
{
	char *line = alloc(2 * strlen(text) + 1), *end = line;

	while (*text) {
		size_t len = strcspn(text, "\n"), i;

		while (len && (*text == ' ' || *text == '\t')) {
			text++;
			len--;
		}
		if (len && end > line)
			end = stpcpy(end, "; ");
		/* Nothing that plays with a terminal. */
		for (i = 0; i < len; i++)
			*end++ = (unsigned char)text[i] < ' ' || text[i] == 0x7f ?
				 ' ' : text[i];
		text += len + (text[len] == '\n');
	}
	while (end > line && (end[-1] == '.' || end[-1] == ' '))
		end--;
	*end = '\0';
	return line;
}

char *child_why(const struct child *child, int err)
{
	char *said;

	if (err)
		return format("it cannot be run: %s", strerror(err));
	said = one_line(child->err);
	if (*said)
		return said;
	free(said);
	return child->status < 128 ?
		format("it ended with status %d and said nothing", child->status) :
		format("it was ended by signal %d", child->status - 128);
}
