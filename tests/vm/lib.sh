# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Helpers for cases, in busybox's sh. Sourced first by each of them:
#
#	. /vm/lib.sh
#
# Cases run under "sh -eu".

PATH=/vm/tools:$PATH

# Busybox prefers its own, which are less: its dd drops O_DIRECT without a word,
# its blkdiscard cannot write zeroes.
dd()
{
	/usr/bin/dd "$@"
}

blkdiscard()
{
	/usr/sbin/blkdiscard "$@"
}

losetup()
{
	/usr/sbin/losetup "$@"
}

fstrim()
{
	/usr/sbin/fstrim "$@"
}

note()
{
	echo "$*"
}

# die MSG: the case fails, for that reason.
die()
{
	echo "FAILED: $*"
	echo "$*" >/run/why
	exit 1
}

# skip MSG: the case cannot be run here, for that reason.
skip()
{
	echo "SKIPPED: $*"
	echo "$*" >/run/why
	exit 77
}

# boot_again: the machine goes off, as in a power cut, and the case is begun anew on
# the disks as they are, with $BOOT one higher. It has declared "boots=N".
boot_again()
{
	rm -f /run/why
	exit 88
}

# need NAME...: skip unless each is a program or a loaded (or built-in) module.
need()
{
	for n_; do
		command -v "$n_" >/dev/null 2>&1 && continue
		[ -d "/sys/module/$(echo "$n_" | tr - _)" ] && continue
		skip "neither a program nor a module named $n_ is here"
	done
}

# expect_fail CMD...: the command must fail; its words are shown, and kept in
# /run/said for a look.
expect_fail()
{
	if "$@" >/run/said 2>&1; then
		cat /run/said
		die "this should have failed: $*"
	fi
	cat /run/said
}

# wait_until SECONDS CMD...: until the command succeeds; false if it never does.
# A slow kernel is given more.
wait_until()
{
	wu_end_=$(($(date +%s) + $1 * ${SLOWNESS:-1}))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$wu_end_" ] || return 1
		sleep 0.1
	done
}

# sectors DEV
sectors()
{
	blockdev --getsz "$1"
}

# legs_equal DEV1 DEV2 [SECTORS]: the same bytes, read past the page cache.
legs_equal()
{
	cmpdev "$1" "$2" ${3:+--sectors "$3"} || die "$1 and $2 differ"
}

# kmsg_mark: what kmsg_since and expect_kmsg look at begins here.
kmsg_mark()
{
	kmsg_count_=$((${kmsg_count_:-0} + 1))
	echo "mark $kmsg_count_" >/dev/kmsg
}

# kmsg_since: our module's and device-mapper's lines since the last mark (or
# the beginning).
kmsg_since()
{
	if [ "${kmsg_count_:-0}" -gt 0 ]; then
		dmesg | sed "1,/\] mark $kmsg_count_\$/d"
	else
		dmesg
	fi | grep -E 'device-mapper|livemigrate' || :
}

kmsg_has_()
{
	kmsg_since | grep -qE "$1"
}

# expect_kmsg REGEX: such a line must be there, or come at once: workers write some.
expect_kmsg()
{
	wait_until 5 kmsg_has_ "$1" ||
		die "no line in the kernel's log matches '$1'; there are: $(kmsg_since | tail -n 5)"
}

# lm_create NAME SOURCE DEST [OPTION...]: of the size of SOURCE, at offset 0.
lm_create()
{
	lc_name_=$1 lc_source_=$2 lc_dest_=$3
	shift 3
	dmsetup create "$lc_name_" --table \
		"0 $(sectors "$lc_source_") livemigrate $lc_source_ 0 $lc_dest_ 0${1:+ $# $*}"
}

# lm_hurry: the copier does not give way to the guest, so that they meet everywhere.
lm_hurry()
{
	echo N >/sys/module/dm_livemigrate/parameters/pace
}

# lm_no_hurry: it does again.
lm_no_hurry()
{
	echo Y >/sys/module/dm_livemigrate/parameters/pace
}

lm_table()
{
	dmsetup table "$1"
}

# lm_field NAME FIELD: one word of the status: phase, active, region_size, done,
# total, source, dest, running (running or paused), or any of the counted keys.
lm_field()
{
	# start, length and "livemigrate" come before the status itself
	dmsetup status "$1" | awk -v field="$2" '
		BEGIN { split("phase active region_size progress source dest running", names, " ") }
		{
			for (i = 1; i <= 7; i++)
				value[names[i]] = $(i + 3)
			split(value["progress"], p, "/")
			value["done"] = p[1]
			value["total"] = p[2]
			for (i = 12; i < 11 + $11; i += 2)
				value[$i] = $(i + 1)
			if (!(field in value))
				exit 1
			print value[field]
		}' || die "the status of $1 has no '$2': $(dmsetup status "$1")"
}

lm_in_phase_()
{
	[ "$(lm_field "$1" phase)" = "$2" ]
}

# lm_wait_phase NAME PHASE [SECONDS]
lm_wait_phase()
{
	wait_until "${3:-30}" lm_in_phase_ "$1" "$2" ||
		die "$1 is not $2 after ${3:-30} s: $(dmsetup status "$1")"
}

# lm_is NAME FIELD VALUE
lm_is()
{
	[ "$(lm_field "$1" "$2")" = "$3" ]
}

lm_is_above_()
{
	[ "$(lm_field "$1" "$2")" -gt "$3" ]
}

# lm_wait_above NAME FIELD NUMBER [SECONDS]: until that count is above it.
lm_wait_above()
{
	wait_until "${4:-30}" lm_is_above_ "$1" "$2" "$3" ||
		die "$2 of $1 is not above $3 after ${4:-30} s: $(dmsetup status "$1")"
}

# lm_msg NAME WORD...: a message to the target.
lm_msg()
{
	lm_name_=$1
	shift
	dmsetup message "$lm_name_" 0 "$*"
}

# lm_drop DEV abort|commit: the message, and until it is done. The kernel waits a second
# for I/O in flight on the leg to drop, which is not enough where all is slow.
lm_drop()
{
	lm_msg "$1" "$2" || {
		[ "$SLOWNESS" -gt 1 ] || return 1
		lm_dropping_=$1
		wait_until 10 lm_dropped_
	}
}

lm_dropped_()
{
	dmsetup status "$lm_dropping_" | grep -qE ' (aborted|committed) .* (A D|D A) '
}

# bg NAME CMD...: in the background; its words go to /run/NAME.log.
bg()
{
	bg_name_=$1
	shift
	"$@" >"/run/$bg_name_.log" 2>&1 &
	echo $! >"/run/$bg_name_.pid"
}

# bg_kill NAME SIGNAL
bg_kill()
{
	kill "-$2" "$(cat "/run/$1.pid")"
}

# bg_runs NAME: it still does.
bg_runs()
{
	[ -d "/proc/$(cat "/run/$1.pid")" ] &&
		! grep -q '^State:.*Z' "/proc/$(cat "/run/$1.pid")/status"
}

# bg_end NAME [SIGNAL]: send that signal, if any, and wait: it must succeed.
bg_end()
{
	[ -z "${2:-}" ] || bg_kill "$1" "$2" || :
	be_status_=0
	wait "$(cat "/run/$1.pid")" || be_status_=$?
	sed "s/^/$1: /" "/run/$1.log"
	[ "$be_status_" -eq 0 ] || die "$1 ended with status $be_status_"
}

# now_ms: milliseconds since the machine began, in steps of ten.
now_ms()
{
	awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
}

# disk_stat DEV read|write|reads|writes: sectors so far, or requests. Zeroes
# that the disk was told to write by itself count as written.
disk_stat()
{
	case "$2" in
	reads) ds_field_=1 ;;
	read) ds_field_=3 ;;
	writes) ds_field_=5 ;;
	write) ds_field_=7 ;;
	esac
	awk -v f="$ds_field_" '{ print $f }' "/sys/block/${1##*/}/stat"
}

# lm_load NAME LINE: a table line over the running device, and make it live.
lm_load()
{
	dmsetup load "$1" --table "$2"
	dmsetup resume "$1"
}

# lm_counts NAME: each region that is done was counted once. To be asked while
# nothing moves.
lm_counts()
{
	lc_status_=$(dmsetup status "$1")
	echo "$lc_status_" | awk '{
		split($7, done, "/")
		for (i = 12; i < 11 + $11; i += 2)
			n[$i] = $(i + 1)
		exit done[1] != n["copied"] + n["written_skipped"] + \
			n["zero_skipped"] + n["restored"] - n["cleared"]
	}' || die "the counters of $1 do not add up: $lc_status_"
}

# lm_refused REGEX CMD...: the command fails, and a line of our target in the
# kernel's log says why.
lm_refused()
{
	lr_why_=$1
	shift
	kmsg_mark
	if "$@" >/run/said 2>&1; then
		die "this should have been refused: $*"
	fi
	kmsg_since | grep livemigrate >/run/why_refused || :
	grep -qE "$lr_why_" /run/why_refused ||
		die "refused, but not because of '$lr_why_': $* said '$(cat /run/said)', and the log '$(cat /run/why_refused)'"
	sed 's/^\[[^]]*\] *device-mapper: //' /run/why_refused
}

# nullb NAME MIB [KEY=VALUE...]: a null_blk disk in memory; nullb_dev_ is its
# path. The case has "modules=null_blk:nr_devices=0". nullb_remove NAME ends it.
nullb()
{
	nb_dir_=/sys/kernel/config/nullb/$1
	nullb_dev_=/dev/$1
	mkdir "$nb_dir_"
	echo "$2" >"$nb_dir_/size"
	echo 1 >"$nb_dir_/memory_backed"
	shift 2
	for nb_; do
		echo "${nb_#*=}" >"$nb_dir_/${nb_%%=*}"
	done
	echo 1 >"$nb_dir_/power"
	# Older kernels go by a number.
	[ -b "$nullb_dev_" ] || nullb_dev_=/dev/nullb$(cat "$nb_dir_/index")
	[ -b "$nullb_dev_" ] || die "null_blk gives no ${nullb_dev_##*/}"
}

nullb_remove()
{
	rmdir "/sys/kernel/config/nullb/$1"
}
