// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the command's pure parts on the host, which has no device mapper: what
 * reads the target's words, numbers with units, state files and the kernel's log,
 * and what prints progress. TAP.
 */
#include "child.h"
#include "command.h"
#include "dest-kind.h"
#include "group.h"
#include "image.h"
#include "kmsg.h"
#include "lock.h"
#include "lvm.h"
#include "named.h"
#include "nbd.h"
#include "progress.h"
#include "report.h"
#include "say.h"
#include "state.h"
#include "status.h"
#include "tab-file.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int number, failed;
static const char *wrong;

#define CHECK(condition)						\
	do {								\
		if (!(condition) && !wrong)				\
			wrong = "line " LINE(__LINE__) ": not so: " #condition; \
	} while (0)
#define LINE(n) LINE_(n)
#define LINE_(n) #n

static void done(const char *name)
{
	if (wrong)
		printf("# %s\n", wrong);
	printf("%sok %d - %s\n", wrong ? "not " : "", ++number, name);
	failed += !!wrong;
	wrong = NULL;
}

#define HEAD "copying source 8 12/8192 A F running"

static const char *why_not(const char *text)
{
	struct status st;
	const char *why = status_parse(text, &st);

	return why ? why : "";
}

static void test_status(void)
{
	struct status st;

	CHECK(!status_parse("switched dest 2048 7/7 D A paused 8 copied 5 "
			    "first_error dest:w:2048:-5 new_key some:thing "
			    "held_max_us 18446744073709551615", &st));
	CHECK(st.phase == SWITCHED && st.active == DEST && st.region_size == 2048);
	CHECK(st.done == 7 && st.total == 7 && status_done(&st) == 10000);
	CHECK(st.health[SOURCE] == 'D' && st.health[DEST] == 'A' && st.paused);
	CHECK(st.number[N_COPIED] == 5 && st.number[N_MIRRORED] == 0);
	CHECK(st.number[N_HELD_MAX_US] == UINT64_MAX);
	CHECK(!strcmp(st.word[W_FIRST_ERROR], "dest:w:2048:-5"));
	CHECK(!strcmp(st.word[W_VERIFY], "-"));
	done("a status is read, unknown keys are passed over");

	CHECK(!*why_not(HEAD " 0"));
	CHECK(strstr(why_not(""), "phase"));
	CHECK(strstr(why_not("copied source 8 1/2 A A running 0"), "phase"));
	CHECK(strstr(why_not("copying both 8 1/2 A A running 0"), "active"));
	CHECK(strstr(why_not("copying source 0 1/2 A A running 0"), "region size"));
	CHECK(strstr(why_not("copying source 4096 1/2 A A running 0"), "region size"));
	CHECK(strstr(why_not("copying source 8 1 A A running 0"), "regions"));
	CHECK(strstr(why_not("copying source 8 3/2 A A running 0"), "regions"));
	CHECK(strstr(why_not("copying source 8 0/0 A A running 0"), "regions"));
	CHECK(strstr(why_not("copying source 8 -1/2 A A running 0"), "regions"));
	CHECK(strstr(why_not("copying source 8 1/2 X A running 0"), "health"));
	CHECK(strstr(why_not("copying source 8 1/2 A AA running 0"), "health"));
	CHECK(strstr(why_not("copying source 8 1/2 A A walking 0"), "paused"));
	CHECK(strstr(why_not(HEAD), "counted"));
	CHECK(strstr(why_not(HEAD " 1 copied"), "counted"));
	CHECK(strstr(why_not(HEAD " 2 copied"), "no value"));
	CHECK(strstr(why_not(HEAD " 2 copied x"), "not a number"));
	CHECK(strstr(why_not(HEAD " 2 copied 1 more"), "more words"));
	CHECK(strstr(why_not(HEAD " 99999999999999999999"), "counted"));
	done("a damaged status is refused, and it is said why");

	CHECK(!status_parse("copying source 8 17179869183/17179869184 A A running 0", &st));
	CHECK(status_done(&st) == 9999);
	done("all but one region of 64 TiB is not 100%");
}

static void test_lines(void)
{
	struct target_line line;
	struct place place;

	CHECK(!target_line_parse("253:1 0 254:16 2048 5 metadata 254:32 region_size 8 paused", &line));
	CHECK(line.leg[SOURCE].major == 253 && line.leg[SOURCE].minor == 1);
	CHECK(line.leg[DEST].offset == 2048 && line.has_metadata && line.meta_minor == 32);
	CHECK(!target_line_parse("- 0 254:16 0 2 region_size 8", &line));
	CHECK(line.leg[SOURCE].dropped && !line.leg[DEST].dropped && !line.has_metadata);
	CHECK(!target_line_parse("1:2 3 4:5 6", &line));
	CHECK(target_line_parse("253:1 0 254:16", &line));
	CHECK(target_line_parse("/dev/vda 0 254:16 0 0", &line));
	CHECK(target_line_parse("253:1 0 254:16 0 2 paused", &line));
	CHECK(target_line_parse("253:1 0 254:16 0 1 paused more", &line));
	CHECK(target_line_parse("253:1 0 254:16 0 2 metadata x", &line));
	done("table lines of the target");

	CHECK(linear_parse("254:0 2048", &place) && place.major == 254 && place.offset == 2048);
	CHECK(!linear_parse("254:0", &place));
	CHECK(!linear_parse("254:0 1 2", &place));
	CHECK(!linear_parse("- 0", &place));
	CHECK(!linear_parse("4096:0 0", &place));
	CHECK(!linear_parse("254:1048576 0", &place));
	done("linear lines");
}

static void test_units(void)
{
	uint64_t n;

	CHECK(parse_rate("512", &n) && n == 512);
	CHECK(parse_rate("50M", &n) && n == 51200);
	CHECK(parse_rate("2G", &n) && n == 2097152);
	CHECK(parse_rate("0", &n) && n == 0);
	CHECK(parse_rate("4294967295", &n) && !parse_rate("4294967296", &n));
	CHECK(!parse_rate("", &n) && !parse_rate("M", &n) && !parse_rate("1.5M", &n));
	CHECK(!parse_rate("-1", &n) && !parse_rate("+1", &n) && !parse_rate(" 1", &n));
	/* 2^64 KiB/s. */
	CHECK(!parse_rate("17592186044416G", &n) && !parse_rate("99999999999999999999G", &n));
	CHECK(parse_size("64K", &n) && n == 65536 && !parse_size("1G", &n));
	CHECK(parse_time("90", &n) && n == 90 && parse_time("10m", &n) && n == 600);
	CHECK(parse_time("1d", &n) && n == 86400 && !parse_time("40000d", &n));
	CHECK(!parse_time("1w", &n) && !parse_time("1mm", &n));
	done("numbers with units");
}

static void test_texts(void)
{
	char buf[128];

	CHECK(!strcmp(size_text(0, buf, sizeof(buf)), "0.0 KiB"));
	CHECK(!strcmp(size_text(1536, buf, sizeof(buf)), "1.5 KiB"));
	CHECK(!strcmp(size_text(1048576, buf, sizeof(buf)), "1.0 MiB"));
	CHECK(!strcmp(size_text(UINT64_MAX, buf, sizeof(buf)), "15.9 EiB"));
	CHECK(!strcmp(time_text(59, buf, sizeof(buf)), "0:59"));
	CHECK(!strcmp(time_text(3723, buf, sizeof(buf)), "1:02:03"));
	CHECK(!strcmp(printable("a b\033[2J\xff", buf, sizeof(buf)), "a\\x20b\\x1b[2J\\xff"));
	CHECK(strlen(printable("\n\n\n\n\n", buf, 8)) < 8);
	done("sizes, times, and names that would play with a terminal");
}

static void test_kmsg(void)
{
	char mine[] = "3,10,99,-;device-mapper: livemigrate: 253:0: cutover refused: not yet\n SUBSYSTEM=block\n";
	char table[] = "3,10,99,-;device-mapper: table: 253:0: livemigrate: too small (-EINVAL)\n";
	char other[] = "3,10,99,-;device-mapper: livemigrate: 253:10: synced\n";
	char stranger[] = "3,10,99,-;EXT4-fs (dm-0): 253:0: x\n";
	char torn[] = "3,10";

	CHECK(!strcmp(kmsg_about(mine, "253:0"), "cutover refused: not yet"));
	CHECK(!strcmp(kmsg_about(table, "253:0"), "livemigrate: too small (-EINVAL)"));
	CHECK(!kmsg_about(other, "253:1") && !kmsg_about(other, "253:0"));
	CHECK(!kmsg_about(stranger, "253:0"));
	CHECK(!kmsg_about(torn, "253:0"));
	done("records of the kernel's log");
}

static void test_progress(void)
{
	struct status st;
	char line[256];

	status_parse("copying source 8 4096/8192 A A running 2 mirrored 12", &st);
	progress_line(line, sizeof(line), "vm1", &st, 8 << 20, 10);
	CHECK(!strcmp(line, "vm1: copying [#####.....] 50.0%, 8.0 MiB/s, 0:02 left, 12 guest writes mirrored"));
	progress_line(line, sizeof(line), "vm1", &st, 0, 0);
	CHECK(!strcmp(line, "vm1: copying 50.0%, 12 guest writes mirrored"));
	st.paused = true;
	progress_line(line, sizeof(line), "v\nm", &st, 0, 0);
	CHECK(!strcmp(line, "v\\x0am: copying 50.0%, paused, 12 guest writes mirrored"));
	done("a line of progress");
}

/* ------------------------------------------------------------------------
 * State files
 */

static struct state *some_state(const char *name)
{
	struct state *state = state_new();

	state->name = copy_of(name);
	state->uuid = copy_of("LVM-x\"y\\z");
	state->dev = makedev(253, 7);
	state->diskseq = 12;
	state->step = STEP_COMMIT;
	state->hidden = format("%s-livemigrate_src", name);
	state->hidden_uuid = copy_of("u");
	state->source_kind = copy_of("table");
	state->source_object = copy_of("/img/a\"b.raw");
	state->object.preallocate = true;
	state->sectors = 65536;
	state->dest.path = copy_of("/dev/disk/by-id/a\nb");
	state->dest.dev = makedev(254, 16);
	state->told = true;
	return state;
}

static void test_state_text(void)
{
	struct state *state = some_state("vm1"), *again;
	const char *why;
	char *text = state_to_text(state), *damaged;
	size_t i;

	again = state_from_text(text, &why);
	CHECK(again && !strcmp(again->name, "vm1") && !strcmp(again->uuid, state->uuid));
	CHECK(again && again->dev == state->dev && again->step == STEP_COMMIT && again->told);
	CHECK(again && !strcmp(again->dest.path, state->dest.path));
	CHECK(again && !again->metadata.path && again->standby_timeout == -1);
	CHECK(again && !strcmp(again->source_object, state->source_object));
	CHECK(again && !strcmp(again->object.kind, "device") && again->object.preallocate);
	state_free(again);
	done("a state is read as it was written");

	/* Wherever it is torn, it is refused. */
	for (i = 0; i + 2 < strlen(text); i++) {
		damaged = format("%.*s", (int)i, text);
		again = state_from_text(damaged, &why);
		CHECK(!again && why);
		state_free(again);
		free(damaged);
	}
	/* A key by another name is missing. */
	for (char *end = strstr(text, "\":"); end; end = strstr(end + 1, "\":")) {
		end[-1]++;
		again = state_from_text(text, &why);
		CHECK(!again && why);
		state_free(again);
		end[-1]--;
	}
	CHECK(!state_from_text("{\"version\": 2}", &why) && strstr(why, "another version"));
	CHECK(!state_from_text("[1]", &why));
	done("a torn state, or one of another version, is refused");
	free(text);
	state_free(state);
}

static void test_state_files(void)
{
	char folder[] = "/tmp/livemigrate-unit.XXXXXX";
	struct state *one = some_state("vm1"), *other = some_state("a:b. x");
	struct state **all;
	char *path;
	int damaged;

	CHECK(mkdtemp(folder));
	setenv("LIVEMIGRATE_STATE_DIR", folder, 1);
	all = states_load(&damaged);
	CHECK(!all[0] && !damaged);
	states_free(all);
	CHECK(!state_save(one) && !state_save(other) && !state_save(one));
	path = format("%s/vm2.json", folder);
	CHECK(!symlink("/dev/null", path));
	all = states_load(&damaged);
	CHECK(all[0] && all[1] && !all[2] && damaged == 1);
	CHECK(all[0] && !strcmp(all[0]->name, "a:b. x"));
	states_free(all);
	CHECK(!state_forget(one) && !state_forget(one) && !state_forget(other));
	CHECK(!unlink(path) && !rmdir(folder));
	free(path);
	state_free(one);
	state_free(other);
	done("state files are kept and forgotten, and a damaged one is counted");
}

/* ------------------------------------------------------------------------
 * Destinations that are made, and the programs that make them
 */

static bool means(const char *to, const char *kind, const char *name)
{
	struct state *state = state_new();
	bool is = !dest_parse(to, NULL, false, &state->object) &&
		  !strcmp(state->object.kind, kind) && !strcmp(state->object.name, name);

	state_free(state);
	return is;
}

static int parse_code(const char *to, const char *pool, bool preallocate)
{
	struct state *state = state_new();
	int code = dest_parse(to, pool, preallocate, &state->object);

	state_free(state);
	return code;
}

static void test_dest_names(void)
{
	char folder[] = "/tmp/livemigrate-unit.XXXXXX", *file, *here, *below;

	CHECK(mkdtemp(folder) && !chdir(folder));
	file = format("%s/there.raw", folder);
	here = format("%s/new.raw", folder);
	below = format("%s/vg0/vm1.raw", folder);
	CHECK(means("/nowhere/vm1.raw", "raw", "/nowhere/vm1.raw"));
	CHECK(means("new.raw", "raw", here));
	CHECK(means("/x/a.qcow2", "qcow2", "/x/a.qcow2") && means("/x/a.vhdx", "vhdx", "/x/a.vhdx"));
	CHECK(means("/x/a.vhd", "vhd", "/x/a.vhd") && means("/x/a.vhd.old", "device", ""));
	CHECK(means("/dev/null", "device", "") && means("/nowhere/vm1", "device", ""));
	CHECK(means("/nowhere/.raw", "device", "") && means("/dev/x.raw", "device", ""));
	CHECK(means("vg0/vm1", "volume", "vg0/vm1") && means("/dev/vg0/vm-1", "volume", "vg0/vm-1"));
	CHECK(means("/dev/vg0/vm1.raw", "volume", "vg0/vm1.raw"));
	CHECK(means("vg0/vm1.raw", "raw", below));
	CHECK(means("/dev/mapper/vm1", "device", "") && means("../vm1", "device", ""));
	CHECK(means("vg0/-vm1", "device", "") && means("vg0/a b", "device", ""));
	CHECK(means("/dev/vg0/a/b", "device", "") && means("vg0/", "device", ""));
	CHECK(parse_code("vg0/vm1", "pool", false) == DONE);
	CHECK(parse_code("vg0/vm1", NULL, true) == USAGE);
	CHECK(!close(creat(file, 0600)));
	CHECK(parse_code(file, NULL, false) == UNFIT);
	CHECK(parse_code("/nowhere/vm1.raw", NULL, true) == DONE);
	CHECK(parse_code("/nowhere/vm1.raw", "pool", false) == USAGE);
	CHECK(parse_code("/dev/null", "pool", false) == USAGE);
	CHECK(parse_code("/dev/null", NULL, true) == USAGE);
	CHECK(!unlink(file) && !chdir("/") && !rmdir(folder));
	free(below);
	free(here);
	free(file);
	done("what a destination is, by its name");
}

static void test_images(void)
{
	char folder[] = "/tmp/livemigrate-unit.XXXXXX", *path, *other, *own;
	struct state *state = some_state("vm1");
	struct stat st;

	CHECK(mkdtemp(folder));
	setenv("LIVEMIGRATE_STATE_DIR", folder, 1);
	path = format("%s/vm1.raw", folder);
	other = format("%s/other", folder);
	own = format("%s.livemigrate-%s", path, state->id);
	state->sectors = 2049;
	dest_parse(path, NULL, false, &state->object);
	CHECK(!image_make(state));
	/* Sparse, and in whole pages. */
	CHECK(!stat(path, &st) && st.st_size == 1052672 && !st.st_blocks);
	CHECK((st.st_mode & 0777) == 0600 && access(own, F_OK));
	CHECK(file_is(path, state->object.id, false));
	/* Another one has taken its name: it is not ours. */
	CHECK(!rename(path, other) && !close(creat(path, 0600)));
	CHECK(!file_is(path, state->object.id, false) && !image_unmake(state));
	CHECK(!access(path, F_OK) && image_delete(path, state->object.id) == UNFIT);
	CHECK(!rename(other, path) && !image_unmake(state) && access(path, F_OK));
	CHECK(!image_unmake(state) && !image_delete(path, state->object.id));
	/* Its disk has another number after a boot. */
	CHECK(!image_make(state));
	state->object.id[0] = 'x';
	CHECK(!image_unmake(state) && !access(path, F_OK));
	state->boot[0] ^= 1;
	CHECK(!image_unmake(state) && access(path, F_OK));
	state->boot[0] ^= 1;
	/* Killed before it had its name. */
	CHECK(!close(creat(own, 0600)) && !image_unmake(state) && access(own, F_OK));
	/* A name that was taken meanwhile is not overwritten. */
	CHECK(!close(creat(path, 0600)) && image_make(state) == FAILED);
	CHECK(!stat(path, &st) && !st.st_size && !image_unmake(state));
	CHECK(!access(path, F_OK) && access(own, F_OK));
	CHECK(!unlink(path) && !state_forget(state) && !rmdir(folder));
	state_free(state);
	free(own);
	free(other);
	free(path);
	done("an image is made whole or not at all, and only that one is removed");
}

static void test_lvm(void)
{
	char line[] = "  vg0|vm1|6-4||-wi-a-----|8192|a,b\n", few[] = "a|b", many[] = "a|b|c|d";
	char *field[7], *id = NULL, text[39];
	const char *uuid = "LVM-0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";

	CHECK(lvm_fields(line, field, 7) && !strcmp(field[0], "vg0") && !*field[3]);
	CHECK(!strcmp(field[6], "a,b"));
	CHECK(!lvm_fields(few, field, 3) && !lvm_fields(many, field, 3));
	CHECK(lvm_id(uuid, &id) && !strcmp(id, uuid + 4));
	lvm_uuid_text(id, text);
	CHECK(!strcmp(text, "ABCDEF-GHIJ-KLMN-OPQR-STUV-WXYZ-abcdef"));
	free(id);
	id = lvm_dm_name("v-g", "vm--1.x");
	CHECK(!strcmp(id, "v--g-vm----1.x"));
	free(id);
	CHECK(lvm_same_group("0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
			     "0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZabcdeX"));
	CHECK(!lvm_same_group("0123456789abcdefghijklmnopqrstuXABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
			      "0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"));
	CHECK(!lvm_same_group("", ""));
	CHECK(!lvm_id("LVM-x", &id) && !lvm_id("CRYPT-x", &id));
	CHECK(!lvm_id("LVM-0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZabcdef-tpool", &id));
	done("what lvm2 says of a volume");
}

static bool argument_is(const char *line, size_t len, const char *wanted)
{
	const char *found = nbd_argument(line, len);

	return wanted ? found && !strcmp(found, wanted) : !found;
}

#define ARGUMENT_IS(line, wanted) argument_is(line, sizeof(line), wanted)

static void test_nbd(void)
{
	static const char * const plain[] = {
		"qemu-nbd", "--fork", "--persistent", "--connect=/dev/nbd7",
		"--format=vpc", "--cache=none", "--discard=unmap", "--detect-zeroes=unmap",
		"--pid-file=/run/livemigrate-nbd7.pid", "--", "/x.vhd", NULL,
	};
	struct nbd_words words;
	int i;

	nbd_words(&words, "/dev/nbd7", "/x.vhd", "vpc", true, false);
	for (i = 0; plain[i]; i++)
		CHECK(words.argv[i] && !strcmp(words.argv[i], plain[i]));
	CHECK(!words.argv[i]);
	nbd_words_free(&words);
	/* The same in a scope of systemd's. */
	nbd_words(&words, "/dev/nbd7", "/x.vhd", "vpc", false, true);
	CHECK(!strcmp(words.argv[0], "systemd-run") && !strcmp(words.argv[1], "--scope"));
	CHECK(!strcmp(words.argv[4], "--unit=livemigrate-nbd7"));
	CHECK(!strcmp(words.argv[6], "--") && !strcmp(words.argv[7], "qemu-nbd"));
	CHECK(!strcmp(words.argv[12], "--cache=writeback"));
	for (i = 0; words.argv[i]; i++)
		;
	CHECK(i == 18 && !strcmp(words.argv[17], "/x.vhd"));
	nbd_words_free(&words);
	done("how a qemu-nbd is started");

	CHECK(ARGUMENT_IS("qemu-nbd\0--fork\0--connect=/dev/nbd7\0--\0/x.vhd", "/x.vhd"));
	CHECK(ARGUMENT_IS("qemu-nbd\0-c\0/dev/nbd0\0-f\0qcow2\0a b", "a b"));
	CHECK(ARGUMENT_IS("qemu-nbd\0-c\0/dev/nbd0\0-r\0x", NULL));
	CHECK(ARGUMENT_IS("qemu-nbd\0--offset=512\0-c\0/dev/nbd0\0x", NULL));
	CHECK(ARGUMENT_IS("qemu-nbd\0--snap\0-c\0/dev/nbd0\0x", NULL));
	CHECK(ARGUMENT_IS("qemu-nbd\0x\0-c", NULL) && ARGUMENT_IS("qemu-nbd", NULL));
	CHECK(!nbd_argument("qemu-nbd", 8) && !nbd_argument("", 0));
	done("which image a qemu-nbd serves");
}

/* qemu-img takes it, and the image has the size that was asked for. */
static void test_qemu_image(const char *kind, bool preallocate)
{
	char folder[] = "/tmp/livemigrate-unit.XXXXXX", *path;
	struct state *state = some_state("vm1");
	const char *argv[] = { "qemu-img", "info", "-f", image_format(kind), NULL, NULL };
	struct child child;

	CHECK(mkdtemp(folder));
	setenv("LIVEMIGRATE_STATE_DIR", folder, 1);
	path = format("%s/vm1.%s", folder, kind);
	argv[4] = path;
	state->sectors = 20480;
	CHECK(!dest_parse(path, NULL, preallocate, &state->object));
	CHECK(!image_make(state) && state->zeroed);
	CHECK(file_is(path, state->object.id, false));
	CHECK(!child_run(argv, &child) && !child.status);
	CHECK(strstr(child.out, "(10485760 bytes)"));
	child_free(&child);
	CHECK(!image_unmake(state) && access(path, F_OK));
	CHECK(!state_forget(state) && !rmdir(folder));
	state_free(state);
	free(path);
}

static void test_qemu_images(void)
{
	static const char * const kinds[] = { "qcow2", "vhdx", "vhd" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		test_qemu_image(kinds[i], false);
		test_qemu_image(kinds[i], true);
	}
	done("images of QEMU's kinds are made, as large as they shall be");
}

static void test_formats(void)
{
	struct dest_object object = { .kind = (char *)"vhd" };
	const char *argv[12];
	char *size;

	image_argv(&object, "/x.vhd", 264242688, &size, argv);
	CHECK(!strcmp(argv[0], "qemu-img") && !strcmp(argv[4], "vpc"));
	CHECK(!strcmp(argv[6], "force_size=on") && !strcmp(argv[7], "/x.vhd"));
	CHECK(!strcmp(argv[8], "264242688") && !argv[9]);
	free(size);
	object.preallocate = true;
	image_argv(&object, "/x.vhd", 512, &size, argv);
	CHECK(!strcmp(argv[6], "force_size=on,subformat=fixed"));
	free(size);
	object.kind = (char *)"qcow2";
	image_argv(&object, "/x", 512, &size, argv);
	CHECK(!strcmp(argv[6], "preallocation=falloc"));
	free(size);
	object.preallocate = false;
	image_argv(&object, "/x", 512, &size, argv);
	CHECK(!strcmp(argv[5], "/x") && !argv[7]);
	free(size);
	CHECK(!image_format("raw") && !strcmp(image_format("vhdx"), "vhdx"));
	done("how qemu-img is told what to make");
}

static void test_children(void)
{
	const char * const good[] = { "sh", "-c", "echo one; echo two >&2; env", NULL };
	const char * const bad[] = { "sh", "-c", "echo ' no.' >&2; echo; exit 3", NULL };
	const char * const silent[] = { "sh", "-c", "kill -9 $$", NULL };
	const char * const none[] = { "no-such-program", NULL };
	struct child child;
	char *why;

	setenv("LM_SECRET", "x", 1);
	CHECK(!child_run(good, &child) && !child.status);
	CHECK(!strncmp(child.out, "one\n", 4) && !strcmp(child.err, "two\n"));
	CHECK(strstr(child.out, "LC_ALL=C") && !strstr(child.out, "LM_SECRET"));
	child_free(&child);
	CHECK(!child_run(bad, &child) && child.status == 3);
	why = child_why(&child, 0);
	CHECK(!strcmp(why, "no"));
	free(why);
	child_free(&child);
	CHECK(!child_run(silent, &child));
	why = child_why(&child, 0);
	CHECK(child.status == 137 && strstr(why, "signal 9"));
	free(why);
	child_free(&child);
	CHECK(child_run(none, &child) && !child_exists("no-such-program"));
	CHECK(child_exists("sh"));
	child_free(&child);
	why = one_line("  a b\n\n\tc\x1b[2J.\n");
	CHECK(!strcmp(why, "a b; c [2J"));
	free(why);
	done("programs are run in a clean environment, and their words kept");
}

/* ------------------------------------------------------------------------
 * livemigrate.tab
 */

#define TAB	"# disks\n\nvm1\t/dev/sda  size=65536\t# the web\n" \
		" vm2 UUID=ab-c\n#vm3 /dev/x\nvm4 /dev/vg/x noauto,size=8\nvm5 /a\\x20b none"

static void parse(const char *text, struct tab *tab)
{
	tab_parse(text, strlen(text), tab);
}

static bool is_text(const struct tab *tab, const char *text)
{
	size_t len;
	char *all = tab_text(tab, &len);
	bool is = len == strlen(text) && !memcmp(all, text, len);

	if (!is)
		printf("# it is:\n%s\n", all);
	free(all);
	return is;
}

static void set(struct tab *tab, char *name, char *device, uint64_t sectors, bool noauto)
{
	const struct tab_line want = {
		.name = name, .device = device, .sectors = sectors, .noauto = noauto,
	};

	tab_set(tab, &want);
}

static bool is_locked(void)
{
	char *holder = lock_holder();
	bool is = holder != NULL;

	free(holder);
	return is;
}

/* What it has begun goes on, and nobody comes between. */
static void test_killed_with_child(void)
{
	const char * const argv[] = { "sh", "-c", "echo x >began; sleep 1; echo x >ended", NULL };
	char folder[] = "/tmp/lm-unit-XXXXXX", *before = getcwd(NULL, 0);
	struct child child;
	pid_t pid;
	int i;

	CHECK(mkdtemp(folder) && !chdir(folder));
	setenv("LIVEMIGRATE_STATE_DIR", folder, 1);
	pid = fork();
	if (!pid) {
		lock_take("test");
		child_run(argv, &child);
		_exit(0);
	}
	for (i = 0; i < 500 && access("began", F_OK); i++)
		usleep(10000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(is_locked() && access("ended", F_OK));
	for (i = 0; i < 500 && is_locked(); i++)
		usleep(10000);
	CHECK(!is_locked() && !access("ended", F_OK));
	unsetenv("LIVEMIGRATE_STATE_DIR");
	unlink("began");
	unlink("ended");
	unlink("lock");
	CHECK(!chdir(before) && !rmdir(folder));
	free(before);
	done("whoever is killed while a program runs holds the lock until that has ended");
}

static void write_at(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0 && pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
	close(fd);
}

#define WORDS(text)	text, sizeof(text)

static void test_image_names(void)
{
	char path[] = "/tmp/lm-unit-XXXXXX";
	int fd = mkstemp(path);

	CHECK(!strcmp(image_format_of("/a/b.qcow2"), "qcow2"));
	CHECK(!strcmp(image_format_of("/a/b.vhd"), "vpc"));
	CHECK(!strcmp(image_format_of("/a/b.raw"), "raw"));
	CHECK(!strcmp(image_format_of("/a.qcow2/b"), "raw"));
	CHECK(!strcmp(image_format_of("/a/b."), "raw"));
	CHECK(fd >= 0 && !ftruncate(fd, 4096) && !image_looks_like(path));
	write_at(path, 4096 - 512, "conectix");
	CHECK(image_looks_like(path) && !strcmp(image_looks_like(path), "vhd"));
	write_at(path, 0, "QFI\xfb");
	CHECK(image_looks_like(path) && !strcmp(image_looks_like(path), "qcow2"));
	CHECK(!ftruncate(fd, 4) && !image_looks_like(path));
	close(fd);
	unlink(path);
	CHECK(named_by_content("UUID=1") && named_by_content("/dev/disk/by-label/x"));
	CHECK(!named_by_content("PARTUUID=1") && !named_by_content("/dev/disk/by-id/x"));
	CHECK(!strcmp(nbd_format(WORDS("qemu-nbd\0-f\0raw\0x")), "raw"));
	CHECK(!strcmp(nbd_format(WORDS("qemu-nbd\0--format=qcow2\0x")), "qcow2"));
	CHECK(!nbd_format(WORDS("qemu-nbd\0--fork\0x")) && !nbd_format(WORDS("qemu-nbd\0-f")));
	done("an image's kind is its name's, and what lies on a disk is no name of it");
}

static void test_tab_reading(void)
{
	const struct tab_line *line;
	struct tab tab;

	parse(TAB, &tab);
	CHECK(tab.nr == 7 && is_text(&tab, TAB));
	line = tab_find(&tab, "vm1");
	CHECK(line && !strcmp(line->device, "/dev/sda") && line->sectors == 65536 && !line->noauto);
	CHECK(line && tab_number(&tab, line) == 3);
	line = tab_find(&tab, "vm2");
	CHECK(line && !strcmp(line->device, "UUID=ab-c") && !line->sectors);
	line = tab_find(&tab, "vm4");
	CHECK(line && line->sectors == 8 && line->noauto);
	CHECK(line && !line->lv);
	CHECK(tab_find(&tab, "vm5") && !tab_find(&tab, "vm3") && !tab_find(&tab, "#vm3"));
	tab_free(&tab);
	done("lines of the tab");
}

static const char *why_bad(const char *text)
{
	static char why[256];
	struct tab tab;

	parse(text, &tab);
	snprintf(why, sizeof(why), "%s", tab.nr == 1 && tab.line[0].bad ? tab.line[0].bad : "");
	CHECK(!tab_find(&tab, "vm1"));
	tab_free(&tab);
	return why;
}

static void test_tab_bad_lines(void)
{
	char *name = format("%0101d /dev/a\n", 0);
	struct tab tab;

	CHECK(strstr(why_bad("vm1\n"), "NAME DEVICE"));
	CHECK(strstr(why_bad("vm1 /dev/a - more\n"), "NAME DEVICE"));
	CHECK(strstr(why_bad("vm1 dev/a\n"), "whole path"));
	CHECK(strstr(why_bad("vm1 UUID=\n"), "whole path"));
	CHECK(strstr(why_bad("vm1 /dev/a size=8,frob\n"), "options are"));
	CHECK(strstr(why_bad("vm1 /dev/a size=\n"), "number of sectors"));
	CHECK(strstr(why_bad("vm1 /dev/a size=0\n"), "number of sectors"));
	CHECK(strstr(why_bad("vm1 /dev/a size=36028797018963968\n"), "number of sectors"));
	CHECK(strstr(why_bad("vm1 /dev/a\001\n"), "blanks"));
	CHECK(strstr(why_bad("vm/1 /dev/a\n"), "letters"));
	CHECK(strstr(why_bad("-vm1 /dev/a\n"), "called so"));
	CHECK(strstr(why_bad("control /dev/a\n"), "called so"));
	CHECK(strstr(why_bad(name), "100 characters"));
	free(name);
	tab_parse("vm1 /dev/a\0b\n", 13, &tab);
	CHECK(tab.nr == 1 && tab.line[0].bad && tab_find_bad(&tab, "vm1"));
	tab_free(&tab);
	done("a bad line of the tab is refused, and it is said why");

	/* Whichever of two were taken, it might be the stale one. */
	parse("vm1 /dev/a\nvm2 /dev/b\nvm1 /dev/c\nvm1 /dev/d frob\n", &tab);
	CHECK(!tab_find(&tab, "vm1") && tab_find(&tab, "vm2") && tab_find_bad(&tab, "vm1"));
	CHECK(!tab_find_bad(&tab, "vm2") && !tab_find_bad(&tab, "vm"));
	tab_free(&tab);
	done("of two lines of one name neither counts");
}

static void test_tab_writing(void)
{
	struct tab_line lv;
	struct tab tab;

	parse(TAB, &tab);
	set(&tab, "vm1", "/dev/disk/by-id/x", 0, false);
	set(&tab, "vm2", "/srv/image", 16, true);
	set(&tab, "vm9", "PARTUUID=1", 0, false);
	tab_remove(&tab, "vm4");
	tab_remove(&tab, "vm7");
	CHECK(is_text(&tab, "# disks\n\nvm1\t/dev/disk/by-id/x  -\t# the web\n"
		      " vm2 /srv/image size=16,noauto\n#vm3 /dev/x\nvm5 /a\\x20b none\n"
		      "vm9 PARTUUID=1 -\n"));
	CHECK(tab_find(&tab, "vm2") && tab_find(&tab, "vm2")->sectors == 16);
	tab_free(&tab);
	parse("", &tab);
	set(&tab, "vm1", "/dev/a", 8, false);
	CHECK(is_text(&tab, "vm1 /dev/a size=8\n"));
	tab_remove(&tab, "vm1");
	CHECK(is_text(&tab, ""));
	tab_free(&tab);
	parse("vm1 /dev/a\r\nvm2 /dev/b", &tab);
	set(&tab, "vm1", "/dev/c", 0, true);
	set(&tab, "vm2", "/dev/d", 0, false);
	CHECK(is_text(&tab, "vm1 /dev/c noauto\r\nvm2 /dev/d -"));
	tab_free(&tab);
	parse("vg-a /dev/a lv,noauto\n", &tab);
	lv = *tab_find(&tab, "vg-a");
	CHECK(lv.lv && lv.noauto && !lv.sectors);
	lv.name = "vg-b";
	lv.device = "/dev/b";
	tab_set(&tab, &lv);
	lv.noauto = false;
	lv.sectors = 8;
	lv.name = "vg-a";
	tab_set(&tab, &lv);
	CHECK(is_text(&tab, "vg-a /dev/b size=8,lv\nvg-b /dev/b noauto,lv\n"));
	tab_free(&tab);
	done("a line of the tab is changed, and nothing else");
}

static void write_tab(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK(file && fputs(text, file) >= 0 && !fclose(file));
}

static void test_tab_file(void)
{
	char folder[] = "/tmp/livemigrate-unit.XXXXXX", text[256] = "";
	char *path, *link, *new;
	struct stat st = { 0 };
	struct tab tab;
	FILE *file;

	CHECK(mkdtemp(folder));
	path = format("%s/real", folder);
	link = format("%s/tab", folder);
	new = format("%s/real.new", folder);
	setenv("LIVEMIGRATE_TAB", link, 1);
	CHECK(!tab_load(&tab) && !tab.nr);
	CHECK(!symlink("real", link));
	write_tab(path, TAB);
	CHECK(!chmod(path, 0640) && !chown(path, 1234, 2345));
	/* What a killed one has left. */
	write_tab(new, "vm1 /torn");
	CHECK(!tab_load(&tab) && tab_find(&tab, "vm1"));
	set(&tab, "vm1", "/dev/sdb", 65536, false);
	CHECK(!tab_writable() && !tab_save(&tab));
	tab_free(&tab);
	CHECK(!lstat(link, &st) && S_ISLNK(st.st_mode));
	CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0640 && st.st_uid == 1234 && st.st_gid == 2345);
	CHECK(access(new, F_OK));
	CHECK(!tab_load(&tab) && tab_find(&tab, "vm1") &&
	      !strcmp(tab_find(&tab, "vm1")->device, "/dev/sdb"));
	tab_free(&tab);
	CHECK(!unlink(link) && !unlink(path));
	/* The first one has a word about what it is. */
	CHECK(!tab_load(&tab));
	set(&tab, "vm1", "/dev/a", 0, false);
	CHECK(!tab_save(&tab));
	tab_free(&tab);
	file = fopen(link, "r");
	CHECK(file && fgets(text, sizeof(text), file) && strstr(text, "livemigrate.tab(5)"));
	if (file)
		fclose(file);
	CHECK(!stat(link, &st) && (st.st_mode & 07777) == 0644);
	CHECK(!unlink(link) && !mkdir(link, 0700) && tab_load(&tab) == FAILED);
	CHECK(!rmdir(link) && !rmdir(folder));
	CHECK(tab_writable() == FAILED);
	unsetenv("LIVEMIGRATE_TAB");
	free(path);
	free(link);
	free(new);
	done("the tab's file keeps its mode, its owner and its place");
}

/* ------------------------------------------------------------------------
 * Names that last
 */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Any block device of this machine, only looked at; false: there is none. */
static bool some_disk(char *kernel, size_t len, dev_t *dev)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	bool found = false;
	struct stat st;

	while (dir && !found && (entry = readdir(dir))) {
		char *node = format("/dev/%s", entry->d_name);

		if (!named_is_passing(node) && !stat(node, &st) && S_ISBLK(st.st_mode)) {
			snprintf(kernel, len, "%s", entry->d_name);
			*dev = st.st_rdev;
			found = true;
		}
		free(node);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void link_to(const char *folder, const char *below, const char *kernel)
{
	char *path = format("%s/%s", folder, below), *node = format("/dev/%s", kernel);

	CHECK(!symlink(node, path));
	free(node);
	free(path);
}

static bool lasts_as(const char *path, dev_t dev, const char *folder, const char *below,
		     enum lasting want)
{
	char *wanted = format("%s/%s", folder, below), *name;
	enum lasting how;
	bool is;

	name = named_lasting(path, dev, &how);
	is = !strcmp(name, wanted) && how == want;
	if (!is)
		printf("# it is %s (%d)\n", name, how);
	free(name);
	free(wanted);
	return is;
}

static void test_lasting_links(const char *folder, const char *kernel, dev_t dev)
{
	char *given = format("%s/%s", folder, kernel);

	link_to(folder, kernel, kernel);
	CHECK(lasts_as(given, dev, folder, kernel, LASTS_PERHAPS));
	CHECK(lasts_as(NULL, dev, folder, kernel, LASTS_PERHAPS));
	link_to(folder, "disk/by-id/lvm-pv-uuid-1", kernel);
	CHECK(lasts_as(given, dev, folder, kernel, LASTS_PERHAPS));
	link_to(folder, "disk/by-path/pci-1", kernel);
	CHECK(lasts_as(given, dev, folder, "disk/by-path/pci-1", LASTS));
	link_to(folder, "disk/by-id/ata-b", kernel);
	link_to(folder, "disk/by-id/ata-a", kernel);
	CHECK(lasts_as(given, dev, folder, "disk/by-id/ata-a", LASTS));
	link_to(folder, "disk/by-id/wwn-1", kernel);
	link_to(folder, "disk/by-id/wwn-0", "null");
	CHECK(lasts_as(given, dev, folder, "disk/by-id/wwn-1", LASTS));
	free(given);
	/* What the user calls it is kept, if it is not the kernel's own name. */
	given = format("%s/disk/by-id/ata-b", folder);
	CHECK(lasts_as(given, dev, folder, "disk/by-id/ata-b", LASTS));
	free(given);
	/* One that leads elsewhere by now is not. */
	given = format("%s/disk/by-id/wwn-0", folder);
	CHECK(lasts_as(given, dev, folder, "disk/by-id/wwn-1", LASTS));
	free(given);
}

static void test_lasting(void)
{
	static const char * const folders[] = { "disk", "disk/by-id", "disk/by-path" };
	char folder[] = "/tmp/livemigrate-unit.XXXXXX", kernel[256];
	size_t i;
	dev_t dev;

	CHECK(named_rank("wwn-0x5") > named_rank("scsi-35") && named_rank("scsi-35") > named_rank("scsi-SQ"));
	CHECK(named_rank("scsi-SQ") > named_rank("ata-x") && named_rank("virtio-x") > named_rank("y"));
	CHECK(named_rank("y") && !named_rank("lvm-pv-uuid-x") && !named_rank("dm-uuid-x"));
	CHECK(named_is_passing("/dev/loop0") && named_is_passing("/dev/nbd12p3") && named_is_passing("nbd0"));
	CHECK(!named_is_passing("/srv/loop1.img") && !named_is_passing("/dev/loop") && !named_is_passing("/dev/nbd"));
	CHECK(!named_is_passing("/dev/nbd1p") && !named_is_passing("/dev/loop0/x") && !named_is_passing("/dev/sda"));
	done("names that go with the content, or not at all");

	if (!some_disk(kernel, sizeof(kernel), &dev)) {
		printf("ok %d - names that last # SKIP this machine has no disk\n", ++number);
		return;
	}
	CHECK(mkdtemp(folder));
	for (i = 0; i < ARRAY_LEN(folders); i++) {
		char *path = format("%s/%s", folder, folders[i]);

		CHECK(!mkdir(path, 0700));
		free(path);
	}
	setenv("LIVEMIGRATE_DEV", folder, 1);
	test_lasting_links(folder, kernel, dev);
	unsetenv("LIVEMIGRATE_DEV");
	CHECK(!nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS));
	done("the name of a disk that lasts");
}

/* ------------------------------------------------------------------------
 * The journal of a group
 */

static void write_boot(const char *folder, const char *boot)
{
	char *path = format("%s/sys/kernel/random/boot_id", folder);

	write_tab(path, boot);
	free(path);
}

static bool interrupted(const char *name, enum leg to)
{
	struct group group;
	bool is = group_interrupted(name, &group);
	char *names = group_names(&group);

	is = is && group.to == to && !strcmp(names, "vm1 a\"b");
	free(names);
	group_free(&group);
	return is;
}

static void test_group(void)
{
	char folder[] = "/tmp/livemigrate-unit.XXXXXX", *file, *path;
	struct group group = { .to = DEST };

	CHECK(mkdtemp(folder));
	path = format("mkdir -p %s/sys/kernel/random", folder);
	CHECK(!system(path));
	free(path);
	write_boot(folder, "one\n");
	file = format("%s/group", folder);
	setenv("LIVEMIGRATE_STATE_DIR", folder, 1);
	setenv("LIVEMIGRATE_PROC", folder, 1);
	group_add(&group, "vm1");
	group_add(&group, "a\"b");
	CHECK(!interrupted(NULL, DEST) && !group_save(&group));
	CHECK(interrupted(NULL, DEST) && interrupted("vm1", DEST) && interrupted("a\"b", DEST));
	CHECK(!interrupted("vm2", DEST) && !interrupted("vm", DEST));
	group.to = SOURCE;
	CHECK(!group_save(&group) && interrupted("vm1", SOURCE));
	/* Roles end with the boot. */
	write_boot(folder, "two\n");
	CHECK(!interrupted("vm1", SOURCE));
	write_boot(folder, "one\n");
	CHECK(interrupted("vm1", SOURCE) && !group_forget() && !interrupted(NULL, SOURCE));
	CHECK(!group_forget());
	write_tab(file, "{\"boot\":\"one\",\"to\":\"dest\",\"names\":[\"vm1\",");
	CHECK(!interrupted(NULL, DEST));
	write_tab(file, "{\"boot\":\"one\",\"names\":[7,null]}");
	CHECK(!interrupted(NULL, SOURCE));
	write_tab(file, "[]");
	CHECK(!interrupted(NULL, SOURCE));
	unsetenv("LIVEMIGRATE_STATE_DIR");
	unsetenv("LIVEMIGRATE_PROC");
	group_free(&group);
	free(file);
	CHECK(!nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS));
	done("a group that is being switched is kept until it is done, or the host boots");
}

int main(void)
{
	umask(022);
	test_status();
	test_lines();
	test_units();
	test_texts();
	test_kmsg();
	test_progress();
	test_state_text();
	test_state_files();
	test_dest_names();
	test_images();
	test_lvm();
	test_nbd();
	test_formats();
	test_qemu_images();
	test_children();
	test_killed_with_child();
	test_image_names();
	test_tab_reading();
	test_tab_bad_lines();
	test_tab_writing();
	test_tab_file();
	test_lasting();
	test_group();
	printf("1..%d\n", number);
	return failed != 0;
}
