// SPDX-License-Identifier: GPL-2.0-or-later
#include "nbd.h"
#include "child.h"
#include "device.h"
#include "image.h"
#include "paths.h"
#include "say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <linux/nbd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Tenths of a second until the kernel and a qemu-nbd are connected, or not. */
#define PATIENCE	100
/* Others may take the same one at the same time. */
#define TRIES		5
/*
 * Seconds without an answer after which the device fails, and the migration with it:
 * the guest is on the source again, instead of hanging.
 */
#define TIMEOUT		30

static void a_moment(void)
{
	const struct timespec tenth = { 0, 100000000 };

	nanosleep(&tenth, NULL);
}

/* ------------------------------------------------------------------------
 * Who serves a device
 */

static char *of_node(const char *node, const char *below)
{
	return format("%s/block/%s/%s", sys_dir(), strrchr(node, '/') + 1, below);
}

static char *line_of_node(const char *node, const char *below)
{
	char *path = of_node(node, below), *line = first_line(path);

	free(path);
	return line;
}

/* A thread's number; 0: nobody. */
static pid_t server_of(const char *node)
{
	char *line = line_of_node(node, "pid");
	pid_t pid = line ? (pid_t)strtol(line, NULL, 10) : 0;

	free(line);
	return pid;
}

static bool is_qemu_nbd(pid_t pid)
{
	char *path = format("%s/%d/exe", proc_dir(), (int)pid), file[4096];
	ssize_t len = readlink(path, file, sizeof(file) - 1);
	const char *name;

	free(path);
	if (len < 0)
		return false;
	file[len] = '\0';
	name = strrchr(file, '/');
	/* " (deleted)" stands behind that of one that has been upgraded. */
	return name && !strncmp(name + 1, "qemu-nbd", strlen("qemu-nbd"));
}

static bool has_open(pid_t pid, const char *id)
{
	char *folder = format("%s/%d/fd", proc_dir(), (int)pid), *path;
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool has = false;

	while (dir && !has && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		path = format("%s/%s", folder, entry->d_name);
		has = file_is(path, id, false);
		free(path);
	}
	if (dir)
		closedir(dir);
	free(folder);
	return has;
}

/* With others it may be a part of the image, or what was written lies elsewhere. */
static bool is_plain(const char *option)
{
	static const char * const plain[] = {
		"-c", "--connect", "-f", "--format", "-t", "--persistent", "--fork",
		"--cache", "--discard", "--detect-zeroes", "--aio", "--pid-file", "-v",
		"--verbose",
	};
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(plain); i++) {
		n = strlen(plain[i]);
		if (!strncmp(option, plain[i], n) && (!option[n] || option[n] == '='))
			return true;
	}
	return !strcmp(option, "--");
}

const char *nbd_argument(const char *cmdline, size_t len)
{
	const char *last = NULL, *end = cmdline + len, *word = cmdline;

	if (!len || end[-1])
		return NULL;
	for (word += strlen(word) + 1; word < end; word += strlen(word) + 1) {
		if (*word == '-' && !is_plain(word))
			return NULL;
		last = word;
	}
	return last && *last != '-' ? last : NULL;
}

const char *nbd_format(const char *cmdline, size_t len)
{
	const char *end = cmdline + len, *word = cmdline, *format = NULL;

	if (!len || end[-1])
		return NULL;
	for (word += strlen(word) + 1; word < end; word += strlen(word) + 1) {
		const char *next = word + strlen(word) + 1;

		if (!strcmp(word, "-f") || !strcmp(word, "--format"))
			format = next < end ? next : NULL;
		else if (!strncmp(word, "--format=", 9))
			format = word + 9;
		else if (!strncmp(word, "-f", 2))
			format = word + 2;
	}
	return format;
}

/* Its length; 0: not known. */
static size_t cmdline_of(pid_t pid, char *words, size_t size)
{
	char *path = format("%s/%d/cmdline", proc_dir(), (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, words, size);

	if (fd >= 0)
		close(fd);
	free(path);
	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

/* The path of the image, absolute; to be freed. */
static char *argument_of(pid_t pid)
{
	char words[8192], folder[4096] = "", *image = NULL, *path;
	size_t nr = cmdline_of(pid, words, sizeof(words));
	const char *argument = nr ? nbd_argument(words, nr) : NULL;
	ssize_t len;

	if (argument && *argument == '/')
		return copy_of(argument);
	path = format("%s/%d/cwd", proc_dir(), (int)pid);
	len = readlink(path, folder, sizeof(folder) - 1);
	if (argument && len > 0)
		image = format("%.*s/%s", (int)len, folder, argument);
	free(path);
	return image;
}

static bool image_at(const char *node, char **path, char **id)
{
	pid_t pid = server_of(node);
	struct stat st;

	*path = *id = NULL;
	if (!pid || !is_qemu_nbd(pid))
		return false;
	*path = argument_of(pid);
	if (*path && !stat(*path, &st) && S_ISREG(st.st_mode)) {
		*id = file_id(&st);
		if (has_open(pid, *id))
			return true;
	}
	free(*path);
	free(*id);
	*path = *id = NULL;
	return false;
}

bool nbd_image(dev_t dev, char **path, char **id)
{
	char *node = major(dev) == NBD_MAJOR ? device_node(dev) : NULL;
	bool is = node && image_at(node, path, id);

	free(node);
	return is;
}

/* The first device that @wanted says; to be freed. */
static char *find(bool (*wanted)(const char *node, const char *id), const char *id)
{
	char *node, *path;
	bool there = true;
	int i;

	for (i = 0; there; i++) {
		node = format("/dev/nbd%d", i);
		path = of_node(node, "");
		there = !access(path, F_OK);
		free(path);
		if (there && wanted(node, id))
			return node;
		free(node);
	}
	return NULL;
}

static bool serves(const char *node, const char *id)
{
	pid_t pid = server_of(node);

	return pid && is_qemu_nbd(pid) && has_open(pid, id);
}

static bool serves_as(const char *node, const char *format)
{
	char words[8192];
	size_t len = cmdline_of(server_of(node), words, sizeof(words));
	const char *its = len ? nbd_format(words, len) : NULL;

	return its && !strcmp(its, format);
}

bool nbd_is_format(dev_t dev, const char *format)
{
	char *node = major(dev) == NBD_MAJOR ? device_node(dev) : NULL;
	bool is = node && serves_as(node, format);

	free(node);
	return is;
}

/* The process, of which the kernel names a thread. */
static pid_t process_of(pid_t thread);

bool nbd_is_ours(const char *node)
{
	char *path = format("/run/livemigrate-%s.pid", strrchr(node, '/') + 1);
	char *line = first_line(path);
	pid_t pid = process_of(server_of(node));
	bool is = line && pid && strtol(line, NULL, 10) == pid;

	free(line);
	free(path);
	return is;
}

int nbd_find_plain(const char *path, const char *format, char **node)
{
	char *its = NULL, *its_id = NULL, *id = NULL;
	struct stat st;
	bool plain;

	*node = NULL;
	if (!stat(path, &st))
		id = file_id(&st);
	if (id)
		*node = nbd_serving(id);
	if (!*node) {
		free(id);
		return DONE;
	}
	plain = image_at(*node, &its, &its_id) && !strcmp(its_id, id) &&
		serves_as(*node, format);
	free(its);
	free(its_id);
	free(id);
	if (plain)
		return DONE;
	fail(UNFIT, "The image %s is served already, as %s, by a qemu-nbd that does not do so plainly and as %s: end that first (qemu-nbd --disconnect %s).",
	     path, *node, format, *node);
	free(*node);
	*node = NULL;
	return UNFIT;
}

char *nbd_serving(const char *id)
{
	return *id ? find(serves, id) : NULL;
}

char *nbd_removal(const char *path, const char *id)
{
	char *node = nbd_serving(id);
	char *text = image_removal(path, "qemu-nbd --disconnect", node);

	free(node);
	return text;
}

static bool is_free(const char *node, const char *id)
{
	char *size = line_of_node(node, "size");
	bool is = size && !strcmp(size, "0") && !server_of(node);

	(void)id;
	free(size);
	return is;
}

/* One whose server has died keeps its size. */
static bool is_unused(const char *node, const char *id)
{
	int fd;

	(void)id;
	if (server_of(node))
		return false;
	fd = open(node, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static char *find_free(void)
{
	char *node = find(is_free, NULL);

	return node ? node : find(is_unused, NULL);
}

/* ------------------------------------------------------------------------
 * On
 */

/* Where it is to be loaded: it must not look for the partitions of guests. */
static int want_module(const char *path)
{
	const char *argv[] = { "modprobe", "nbd", "max_part=0", NULL };
	char *there = format("%s/module/nbd", sys_dir()), *why;
	struct child child;
	int code = DONE, err;

	if (access(there, F_OK)) {
		err = child_run(argv, &child);
		if (err || child.status || access(there, F_OK)) {
			why = child_why(&child, err);
			code = fail(UNABLE, "The kernel has no module nbd, which it takes to serve %s: %s.",
				    path, why);
			free(why);
		}
		child_free(&child);
	}
	free(there);
	return code;
}

int nbd_check(const char *path)
{
	char *node;
	int code;

	if (!child_exists("qemu-nbd"))
		return fail(UNABLE, "The program qemu-nbd is needed to serve %s, and is not installed: it comes with QEMU (Debian: qemu-utils).",
			    path);
	code = want_module(path);
	if (code)
		return code;
	node = find_free();
	if (!node)
		code = fail(UNABLE, "All nbd devices are in use, and it takes one to serve %s: end one (qemu-nbd --disconnect), or load the module nbd with a larger nbds_max.",
			    path);
	free(node);
	return code;
}

static int check_scan(const char *path, bool empty)
{
	char *file = format("%s/module/nbd/parameters/max_part", sys_dir());
	char *parts = first_line(file);
	int code = DONE;

	if (!empty && parts && strcmp(parts, "0"))
		code = fail(UNABLE, "%s is not served: the module nbd was loaded with max_part=%s, so the host would look for the guest's partitions in it. Load it anew (modprobe -r nbd; modprobe nbd max_part=0).",
			    path, parts);
	free(parts);
	free(file);
	return code;
}

void nbd_words(struct nbd_words *w, const char *node, const char *path,
	       const char *kind, bool direct, bool systemd)
{
	const char *name = strrchr(node, '/') + 1;
	int n = 0;

	w->unit = format("--unit=livemigrate-%s", name);
	w->connect = format("--connect=%s", node);
	w->format = format("--format=%s", kind);
	w->cache = format("--cache=%s", direct ? "none" : "writeback");
	w->pid_file = format("--pid-file=/run/livemigrate-%s.pid", name);
	if (systemd) {
		/*
		 * A scope of its own, which neither the end of a session nor ours ends.
		 * At shutdown it must not go before the guests do.
		 */
		w->argv[n++] = "systemd-run";
		w->argv[n++] = "--scope";
		w->argv[n++] = "--quiet";
		w->argv[n++] = "--collect";
		w->argv[n++] = w->unit;
		w->argv[n++] = "--property=DefaultDependencies=no";
		w->argv[n++] = "--";
	}
	w->argv[n++] = "qemu-nbd";
	w->argv[n++] = "--fork";
	w->argv[n++] = "--persistent";
	w->argv[n++] = w->connect;
	w->argv[n++] = w->format;
	w->argv[n++] = w->cache;
	w->argv[n++] = "--discard=unmap";
	/* nbd has no write-zeroes: zeroes come as data. */
	w->argv[n++] = "--detect-zeroes=unmap";
	w->argv[n++] = w->pid_file;
	w->argv[n++] = "--";
	w->argv[n++] = path;
	w->argv[n] = NULL;
}

void nbd_words_free(struct nbd_words *w)
{
	free(w->unit);
	free(w->connect);
	free(w->format);
	free(w->cache);
	free(w->pid_file);
}

static bool takes_direct(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* qemu-nbd returns shortly before the kernel has the connection. */
static bool is_connected(const char *node, uint64_t sectors)
{
	char *size;
	bool is = false;
	int i;

	for (i = 0; i < PATIENCE && !is; i++) {
		size = line_of_node(node, "size");
		is = server_of(node) && size && strtoull(size, NULL, 10) >= sectors;
		free(size);
		if (!is)
			a_moment();
	}
	return is;
}

/* @taken: somebody else was quicker. */
static int attach_at(const char *node, const char *path, const char *format,
		     uint64_t sectors, bool *taken)
{
	bool direct = takes_direct(path);
	struct nbd_words words;
	struct child child;
	int err, code = DONE;
	char *why;

	*taken = false;
	nbd_words(&words, node, path, format, direct,
		  !access("/run/systemd/system", F_OK));
	err = child_run(words.argv, &child);
	if (err || child.status) {
		*taken = server_of(node) != 0;
		why = child_why(&child, err);
		if (!*taken)
			code = fail(FAILED, "qemu-nbd does not serve %s as %s: %s.", path,
				    node, why);
		free(why);
	} else if (!is_connected(node, sectors)) {
		code = fail(FAILED, "qemu-nbd was started for %s, but %s does not become a disk of %llu sectors.",
			    path, node, (unsigned long long)sectors);
	} else if (!direct) {
		remark("%s is served through the page cache: its file system takes no direct I/O.",
		       path);
	}
	child_free(&child);
	nbd_words_free(&words);
	return code;
}

int nbd_check_scan(const char *path)
{
	return check_scan(path, false);
}

int nbd_attach(const char *path, const char *format, uint64_t sectors, bool empty,
	       char **node)
{
	bool taken = true;
	int code, tries;

	*node = NULL;
	code = nbd_check(path);
	if (!code)
		code = check_scan(path, empty);
	for (tries = 0; !code && taken && tries < TRIES; tries++) {
		free(*node);
		*node = find_free();
		if (!*node)
			break;
		code = attach_at(*node, path, format, sectors, &taken);
	}
	if (!code && (taken || !*node))
		code = fail(FAILED, "There is no nbd device for %s: others take them all.",
			    path);
	if (!code)
		code = nbd_set_timeout(*node, TIMEOUT);
	return code;
}

int nbd_set_timeout(const char *node, unsigned int seconds)
{
	int fd = open(node, O_RDWR | O_CLOEXEC), code = DONE;

	if (fd < 0 || ioctl(fd, NBD_SET_TIMEOUT, (unsigned long)seconds))
		code = fail(FAILED, "The device %s does not take a timeout of %u s: %s.",
			    node, seconds, strerror(errno));
	if (fd >= 0)
		close(fd);
	return code;
}

/* ------------------------------------------------------------------------
 * Off
 */

static pid_t process_of(pid_t thread)
{
	char *path = format("%s/%d/status", proc_dir(), (int)thread), *line = NULL;
	FILE *file = fopen(path, "re");
	size_t size = 0;
	int pid = 0;

	while (file && !pid && getline(&line, &size, file) > 0)
		if (sscanf(line, "Tgid: %d", &pid) != 1)
			pid = 0;
	free(line);
	if (file)
		fclose(file);
	free(path);
	return pid;
}

static int disconnect(const char *node)
{
	int fd = open(node, O_RDWR | O_EXCL | O_CLOEXEC), err = 0;

	if (fd < 0)
		return fail(UNFIT, "The device %s cannot be disconnected: %s.", node,
			    errno == EBUSY ? "it is in use" : strerror(errno));
	if (fsync(fd) || ioctl(fd, NBD_DISCONNECT) || ioctl(fd, NBD_CLEAR_SOCK))
		err = errno;
	close(fd);
	return err ? fail(FAILED, "The device %s cannot be disconnected: %s.", node,
			  strerror(err)) : DONE;
}

static int detach_one(const char *node)
{
	pid_t pid = process_of(server_of(node));
	struct pollfd end = { .fd = pid ? pidfd_open(pid, 0) : -1, .events = POLLIN };
	int code = disconnect(node), done = 1;

	/* It has the file open until it ends. */
	if (!code && end.fd >= 0)
		done = poll(&end, 1, PATIENCE * 100);
	if (!code && done == 0)
		code = fail(FAILED, "%s is disconnected, but its qemu-nbd, process %d, does not end.",
			    node, (int)pid);
	if (end.fd >= 0)
		close(end.fd);
	return code;
}

int nbd_end(const char *node)
{
	return detach_one(node);
}

/* Also one that is not connected yet: whoever has started it was killed just now. */
static bool is_open_in_any(const char *id)
{
	DIR *dir = opendir(proc_dir());
	struct dirent *entry;
	bool is = false;

	while (dir && !is && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		is = pid > 0 && is_qemu_nbd(pid) && has_open(pid, id);
	}
	if (dir)
		closedir(dir);
	return is;
}

int nbd_detach(const char *id)
{
	int code = DONE, i;
	char *node;

	for (i = 0; !code && *id && is_open_in_any(id); i++) {
		node = nbd_serving(id);
		if (node)
			code = detach_one(node);
		else if (i >= PATIENCE)
			code = fail(UNFIT, "A qemu-nbd still has the image open.");
		else
			a_moment();
		free(node);
	}
	return code;
}
