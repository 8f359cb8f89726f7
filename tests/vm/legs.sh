# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Legs that can be made to fail, for cases: a dm device above a disk, whose
# table is swapped while it is in use. Needs the modules dm-flakey and, for
# leg_fail_reads and leg_slow, dm-delay. A case names this file in "files=" and
# says ". legs.sh".

# leg_load_ NAME LINE...
leg_load_()
{
	dmtable "$@"
}

# leg_make NAME DISK: /dev/mapper/NAME, all of DISK.
leg_make()
{
	dmsetup create "$1" --table "0 $(sectors "$2") linear $2 0"
	eval "leg_disk_$1=$2"
}

# leg_move NAME DISK: onto another disk, healed.
leg_move()
{
	eval "leg_disk_$1=$2"
	leg_heal "$1"
}

leg_disk()
{
	eval "echo \$leg_disk_$1"
}

# leg_break NAME: every read and write fails. (The error target swallows
# flushes: leg_fail_writes is for those.)
leg_break()
{
	leg_load_ "$1" "0 $(sectors "$(leg_disk "$1")") error"
}

# leg_break_part NAME START LENGTH: reads and writes of those sectors fail.
leg_break_part()
{
	lb_size_=$(sectors "$(leg_disk "$1")") lb_end_=$(($2 + $3)) lb_name_=$1
	lb_disk_=$(leg_disk "$1")
	set -- "$2 $3 error"
	[ "${1%% *}" -eq 0 ] || set -- "0 ${1%% *} linear $lb_disk_ 0" "$@"
	[ "$lb_end_" -eq "$lb_size_" ] ||
		set -- "$@" "$lb_end_ $((lb_size_ - lb_end_)) linear $lb_disk_ $lb_end_"
	leg_load_ "$lb_name_" "$@"
}

# leg_fail_writes NAME: writes and flushes fail, reads do not.
leg_fail_writes()
{
	leg_load_ "$1" "0 $(sectors "$(leg_disk "$1")") flakey $(leg_disk "$1") 0 0 100000 1 error_writes"
}

# leg_fail_all NAME: reads, writes and flushes fail.
leg_fail_all()
{
	leg_load_ "$1" "0 $(sectors "$(leg_disk "$1")") flakey $(leg_disk "$1") 0 0 100000"
}

# leg_fail_reads NAME: reads fail, writes and flushes do not. (Only newer kernels'
# flakey has a word for it.) /dev/mapper/broken is made by leg_broken.
leg_fail_reads()
{
	leg_load_ "$1" "0 $(sectors "$(leg_disk "$1")") delay /dev/mapper/broken 0 0 $(leg_disk "$1") 0 0 $(leg_disk "$1") 0 0"
}

# leg_broken SECTORS: once, before leg_fail_reads; dmsetup remove broken, after.
leg_broken()
{
	dmsetup create broken --table "0 $1 error"
}

# leg_slow NAME MILLISECONDS: each read, write and flush takes so long.
leg_slow()
{
	leg_load_ "$1" "0 $(sectors "$(leg_disk "$1")") delay $(leg_disk "$1") 0 $2 $(leg_disk "$1") 0 $2 $(leg_disk "$1") 0 $2"
}

# leg_hang NAME: what is sent to it waits, until leg_unhang.
leg_hang()
{
	dmsetup suspend --noflush --nolockfs "$1"
}

leg_unhang()
{
	dmsetup resume "$1"
}

# leg_heal NAME
leg_heal()
{
	leg_load_ "$1" "0 $(sectors "$(leg_disk "$1")") linear $(leg_disk "$1") 0"
}

leg_reattach_()
{
	dmsetup message "$1" 0 reattach 2>/dev/null
}

# lm_reattach NAME: as soon as nothing is in flight on the failed leg.
lm_reattach()
{
	wait_until 10 leg_reattach_ "$1" || die "$1 cannot be reattached"
}

# load_start DEV ARG...: a verifying load in the background.
load_start()
{
	ls_dev_=$1
	shift
	stamp --dev "$ls_dev_" --seconds 600 --state /run/stamp.state "$@" >/run/stamp.out 2>&1 &
	load_pid_=$!
	wait_until 20 test -s /run/stamp.out || die "the load does not start"
}

# load_stop: it has seen no error and verifies all that it wrote.
load_stop()
{
	kill -TERM "$load_pid_" 2>/dev/null || :
	wait "$load_pid_" || {
		cat /run/stamp.out
		die "the load has seen an error"
	}
	tail -n 2 /run/stamp.out
}

load_alive()
{
	kill -0 "$load_pid_" 2>/dev/null || {
		cat /run/stamp.out
		die "the load has ended with an error"
	}
}

# load_check DEV: DEV holds what the load left behind.
load_check()
{
	stamp --check /run/stamp.state --dev "$1" ||
		die "$1 does not hold what was written"
}
