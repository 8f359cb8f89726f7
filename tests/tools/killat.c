// SPDX-License-Identifier: GPL-2.0-only
/*
 * killat - runs a program and kills it at its Nth system call, before that is
 * carried out: SIGKILL, which nothing can catch. Counting begins at the first call
 * whose name is given by --from, so that the loading of libraries can be left out.
 * With --changing only those are counted that change something that outlives the
 * program: at any other call it leaves what it leaves at the next of these.
 */
#include "common.h"

#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define EXIT_KILLED	99

static const char usage[] =
	"usage: killat N [--from flock] [--changing] COMMAND ARG...\n"
	"Exit 99 if it was killed, which is told with the call's number; its own status\n"
	"if it ended before. N 0: never, but the calls are counted and told.";

struct options {
	uint64_t nr;
	long from;
	bool changing;
	char **command;
};

static struct options parse(int argc, char **argv)
{
	struct options o = { .from = -1 };
	int i = 2;

	if (argc < 3)
		die("%s", usage);
	o.nr = parse_number(argv[1], "N");
	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--changing"))
			o.changing = true;
		else if (!strcmp(argv[i], "--from") && i + 1 < argc &&
			 !strcmp(argv[++i], "flock"))
			o.from = SYS_flock;
		else
			die("%s", usage);
	}
	if (i >= argc)
		die("%s", usage);
	o.command = argv + i;
	return o;
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			die("ptrace: %s", strerror(errno));
		execvp(command[0], command);
		die("%s: %s", command[0], strerror(errno));
	}
	return pid;
}

/* At the beginning of a call; the signals that it gets meanwhile are passed on. */
static bool next_stop(pid_t pid, int *status)
{
	int signal = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)signal))
			die("ptrace: %s", strerror(errno));
		if (waitpid(pid, status, 0) != pid)
			die("waitpid: %s", strerror(errno));
		if (!WIFSTOPPED(*status))
			return false;
		signal = WSTOPSIG(*status);
		if (signal == (SIGTRAP | 0x80))
			return true;
	}
}

/* Of device mapper's and of loop devices': those that do not only tell. */
static bool changes_device(unsigned long request)
{
	switch (request) {
	case LOOP_CONFIGURE:
	case LOOP_CLR_FD:
	case LOOP_CTL_GET_FREE:
	case DM_DEV_CREATE:
	case DM_DEV_REMOVE:
	case DM_DEV_RENAME:
	case DM_DEV_SUSPEND:
	case DM_TABLE_LOAD:
	case DM_TABLE_CLEAR:
	case DM_TARGET_MSG:
	case LOOP_SET_CAPACITY:
		return true;
	default:
		return false;
	}
}

static bool changes(const struct __ptrace_syscall_info *info)
{
	switch (info->entry.nr) {
	case SYS_ioctl:
		return changes_device(info->entry.args[1]);
	case SYS_openat:
		return info->entry.args[2] & O_CREAT;
	case SYS_write:
	case SYS_ftruncate:
	case SYS_fchmod:
	case SYS_fchown:
	case SYS_fsync:
	case SYS_fallocate:
	case SYS_rename:
	case SYS_renameat2:
	case SYS_link:
	case SYS_clone:
	case SYS_unlink:
	case SYS_mkdir:
	case SYS_mknod:
	case SYS_mknodat:
	case SYS_flock:
	case SYS_semop:
	case SYS_semctl:
	case SYS_exit_group:
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	struct __ptrace_syscall_info info;
	uint64_t count = 0;
	bool counting = o.from < 0;
	pid_t pid = start(o.command);
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		die("%s does not run.", o.command[0]);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		die("ptrace: %s", strerror(errno));
	while (next_stop(pid, &status)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0)
			die("ptrace tells of no system call.");
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		counting |= (long)info.entry.nr == o.from;
		if (!counting || (o.changing && !changes(&info)) || ++count != o.nr)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		printf("killed at call %" PRIu64 ", number %" PRIu64 "\n", count,
		       (uint64_t)info.entry.nr);
		return EXIT_KILLED;
	}
	printf("%" PRIu64 " calls\n", count);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WRONG;
}
