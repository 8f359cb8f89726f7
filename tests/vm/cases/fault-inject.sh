# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Memory that cannot be had, and bios that fail before they reach the disk, in
# every path of the module: constructors fail with a sentence or succeed; reads,
# writes, discards, messages and the copier do without, and the guest sees
# nothing of it; a leg whose disk fails one bio in so many is dealt with as one
# that fails. No byte is wrong, nothing is lost, and the legs are equal in the
# end.
#
# Method: the kernel's own fault injection. Of allocations only those fail that
# have the module's code on their stack, so that it can be one in ten; of bios
# those to one leg's disk. The load is stamp. Mind that a bio which fails so ends
# within its submission.
#
# vm: disks=24M:discard:zeroes,24M:discard:zeroes,24M,24M
# vm: timeout=240 kernels=debug
# An allocation that fails in the percpu allocator, or a slab cache, is shown
# with its stack by the kernel itself, names of functions included; whoever does
# more than that says so with other words, too.
# vm: dmesg-ok=Call Trace:$|[]]  ([?] )?[a-zA-Z0-9_.]+[+]0x[0-9a-f]+/0x[0-9a-f]+( [[][a-z_]+[]])?$

. /vm/lib.sh

lm_hurry

faults=/sys/kernel/debug
[ -d $faults/failslab ] || skip "the kernel injects no faults: tests/vm/run -k debug has one that does"

sections=/sys/module/dm_livemigrate/sections
from=$(cat $sections/.text)
size=$(awk '$1 == "dm_livemigrate" { print $2 }' /proc/modules)
to=$(printf '0x%x' $((from + size)))

# The same for all three; their rate is 0 until it is set.
for kind in failslab fail_page_alloc fail_make_request; do
	echo 0 >$faults/$kind/probability
	echo -1 >$faults/$kind/times
	echo 0 >$faults/$kind/verbose
	echo N >$faults/$kind/task-filter
done
for kind in failslab fail_page_alloc; do
	[ -e $faults/$kind/require-start ] ||
		skip "the kernel's fault injection does not look at the stack"
	echo 32 >$faults/$kind/stacktrace-depth
	echo "$from" >$faults/$kind/require-start
	echo "$to" >$faults/$kind/require-end
	# Those that may sleep fail as well.
	echo N >$faults/$kind/ignore-gfp-wait
done
echo 0 >$faults/fail_page_alloc/min-order

# memory PERCENT [INTERVAL]: of the module's allocations so many fail; of those
# only which are the INTERVALth of all in the machine.
memory()
{
	for kind in failslab fail_page_alloc; do
		echo 0 >$faults/$kind/probability
		echo "${2:-1}" >$faults/$kind/interval
		echo "$1" >$faults/$kind/probability
	done
}

# bios PERCENT [DISK...]: of the bios to these disks so many fail.
bios()
{
	echo 0 >$faults/fail_make_request/probability
	for disk in vda vdb vdc vdd; do
		echo 0 >/sys/block/$disk/make-it-fail
	done
	bi_percent_=$1
	shift
	for disk; do
		echo 1 >"/sys/block/${disk##*/}/make-it-fail"
	done
	echo "$bi_percent_" >$faults/fail_make_request/probability
}

mix=w=50,r=25,d=6,z=6,f=6,u=4,n=3

# load [ARG...]
load()
{
	bg load stamp --dev /dev/mapper/m --seconds 3000 --threads 2 --depth 4 \
		--bs 512:256K --dbs 512:3M --mix $mix --state /run/state "$@"
	wait_until 20 test -s /run/load.log || die "the load does not begin"
}

load_runs()
{
	bg_runs load || die "the load has ended: $(cat /run/load.log)"
}

holds()
{
	stamp --check /run/state --dev "$1" || die "$1 does not hold what was written"
}

settled_()
{
	case "$(lm_field m phase)" in
	synced | switched) ;;
	*) return 1 ;;
	esac
}

attached_()
{
	case "$(lm_field m phase)" in
	copying | synced | switched) return ;;
	esac
	dmsetup message m 0 reattach 2>/dev/null
	return 1
}

# rest: no more faults; the load ends, all is copied, and both legs hold it all.
rest()
{
	memory 0
	bios 0
	lm_msg m resume
	bg_end load TERM
	wait_until 30 attached_ || die "it cannot be reattached: $(dmsetup status m)"
	wait_until 60 settled_ || die "it does not come to an end: $(dmsetup status m)"
	dmsetup status m
	lm_counts m
	legs_equal "$@"
	holds "$1"
	holds "$2"
}

# tell MESSAGE...: it may lack memory, and be refused.
tell()
{
	dmsetup message m 0 "$*" >/run/said 2>&1 ||
		grep -qE 'Cannot allocate memory|Invalid argument|Device or resource busy' /run/said ||
		die "$* failed with $(cat /run/said)"
}

whole()
{
	[ "$(lm_field m phase)" != degraded ] ||
		die "memory that fails has made a leg fail: $(dmsetup status m)"
	for key in read_errors write_errors; do
		[ "$(lm_field m $key)" = 0 ] || die "lack of memory is no error of a leg: $(dmsetup status m)"
	done
}

note "-- constructors"
good=0 bad=0 turns=0 interval=5
while [ $turns -lt 60 ]; do
	turns=$((turns + 1))
	# Often enough for the first of its allocations, of which there are some
	# 400, and seldom enough for the last.
	interval=$((interval * 2))
	[ $interval -lt 5000 ] || interval=11
	memory 100 $interval
	if lm_create m /dev/vda /dev/vdb paused >/run/said 2>&1; then
		good=$((good + 1))
		# The second shares the first one's migration.
		if dmsetup load m --table "$(dmsetup table m)" 2>/run/said; then
			dmsetup resume m
		fi
		memory 0
		dmsetup remove m
	else
		memory 0
		bad=$((bad + 1))
		grep -q 'Cannot allocate memory' /run/said ||
			die "a constructor failed with $(cat /run/said)"
	fi
done
[ $good -gt 0 ] && [ $bad -gt 0 ] || die "of $turns constructors $bad failed, and $good did not"
note "of $turns constructors $bad failed"

note "-- no page at all, and a standby that hangs and keeps those there are"
dmsetup create dst --table "0 $(sectors /dev/vdb) linear /dev/vdb 0"
lm_create m /dev/vda /dev/mapper/dst standby_timeout 4000
lm_wait_phase m synced 60
load
for kind in failslab fail_page_alloc; do
	echo 1 >$faults/$kind/interval
done
echo 100 >$faults/fail_page_alloc/probability
sleep 2
load_runs
dmsetup suspend --noflush --nolockfs dst
lm_wait_phase m degraded 60
# Whoever waited for a page has it no more to wait for.
writes=$(disk_stat /dev/vda writes)
wrote()
{
	[ "$(disk_stat /dev/vda writes)" -gt $((writes + 100)) ]
}
wait_until 30 wrote || die "the guest hangs: $(dmsetup status m)"
load_runs
dmsetup resume dst
rest /dev/vda /dev/vdb
dmsetup remove m
dmsetup remove dst

for legs in "/dev/vda /dev/vdb" "/dev/vdc /dev/vdd"; do
	# shellcheck disable=SC2086
	set -- $legs
	note "-- memory, on $legs"
	dd if=/dev/urandom of="$1" bs=1M count=16 conv=fsync 2>/dev/null
	lm_create m "$1" "$2" copy_rate 2048
	memory 10
	load
	for message in pause 'copy_rate 0' resume cutover failback reattach; do
		sleep 1
		tell "$message"
		load_runs
		whole
	done
	# Above all the copier.
	wait_until 60 settled_ || die "it does not come to an end: $(dmsetup status m)"
	for message in cutover pause failback resume cutover; do
		sleep 1
		tell "$message"
		load_runs
	done
	whole
	rest "$1" "$2"

	note "-- bios of the standby"
	case "$(lm_field m active)" in
	source) standby=$2 ;;
	dest) standby=$1 ;;
	esac
	load
	fails=0
	for _ in 1 2 3; do
		bios 2 "$standby"
		memory 5
		if wait_until 3 lm_in_phase_ m degraded; then
			fails=$((fails + 1))
		fi
		load_runs
		# First on a disk that still fails.
		tell reattach
		sleep 1
		bios 0
		memory 0
		wait_until 20 attached_ || die "it cannot be reattached: $(dmsetup status m)"
	done
	[ $fails -gt 0 ] || die "the standby never failed"
	note "the standby failed in $fails rounds of 3"
	rest "$1" "$2"

	[ "$1" = /dev/vda ] || {
		dmsetup remove m
		continue
	}

	note "-- bios of the active dest, which the source replaces"
	[ "$(lm_field m phase)" = switched ] || lm_msg m cutover
	load
	bios 3 "$2"
	lm_wait_phase m degraded 20
	[ "$(lm_field m active)" = source ] || die "the source has not taken over: $(dmsetup status m)"
	load_runs
	rest "$1" "$2"

	note "-- bios of the active source: errors are the guest's, and nothing else is"
	load --errors-ok 100000
	bios 2 "$1"
	sleep 6
	load_runs
	[ "$(lm_field m active)" = source ] || die "a source that fails was left: $(dmsetup status m)"
	[ "$(lm_field m dest)" = A ] || die "the dest was taken for failed: $(dmsetup status m)"
	[ "$(lm_field m write_errors)" -gt 0 ] || die "no write has failed"
	rest "$1" "$2"

	note "-- bios of both, and memory"
	load --errors-ok 100000
	bios 1 "$1" "$2"
	memory 5
	for message in reattach cutover pause reattach failback resume cutover \
			'copy_rate 4096' reattach cutover 'copy_rate 0' failback; do
		sleep 1
		tell "$message"
		load_runs
	done
	rest "$1" "$2"
	memory 3
	lm_load m "$(dmsetup table m)" 2>/dev/null || dmsetup resume m
	memory 0
	dmsetup remove m
done
