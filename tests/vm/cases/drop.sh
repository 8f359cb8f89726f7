# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A dropped leg is left alone: once status shows it as D, no I/O of ours is in
# flight on it or ever will be.
#
# Method: under load, the disk's I/O counters do not move any more after the
# status has shown D. With a leg that takes 8 s for each write (dm-delay), abort
# says that it is under way before its writes have come back; until they have, the phase is
# degraded, the leg F, and reattach refused; then an event tells of the end.
#
# Caught: a leg dropped before it is idle.
#
# vm: disks=32M,32M modules=dm-delay,dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

# Reads, writes, discards and flushes that the disk has completed or has now.
disk_io()
{
	awk '{ print $1, $5, $9, $12, $16 }' "/sys/block/$1/stat"
}

still()	# still DISK
{
	before=$(disk_io "$1")
	sleep 3
	load_alive
	[ "$(disk_io "$1")" = "$before" ] ||
		die "$1 was dropped, but its counters went from $before to $(disk_io "$1")"
}

create()
{
	lm_create m /dev/vda /dev/vdb
	lm_wait_phase m synced
	load_start /dev/mapper/m --mix w=70,r=20,f=5,u=5 --threads 2 --depth 8
	sleep 1
}

end()
{
	load_stop
	load_check "$1"
	dmsetup remove m
}

note "abort"
create
lm_drop m abort
[ "$(lm_field m dest)" = D ] || die "abort of a healthy dest did not end at once"
still vdb
end /dev/vda

note "abort while copying"
lm_create m /dev/vda /dev/vdb copy_rate 2048
load_start /dev/mapper/m --mix w=70,r=20,f=5,u=5 --threads 2 --depth 8
sleep 1
lm_drop m abort
lm_wait_phase m aborted 5
still vdb
end /dev/vda

note "commit"
create
lm_msg m cutover
sleep 1
lm_drop m commit
[ "$(lm_field m source)" = D ] || die "commit did not drop a healthy source at once"
still vda
end /dev/vdb

note "abort with writes in flight"
size=$(sectors /dev/vdb)
dmsetup create slow --table "0 $size linear /dev/vdb 0"
lm_create m /dev/vda /dev/mapper/slow
lm_wait_phase m synced
leg_load_ slow "0 $size delay /dev/vdb 0 0 /dev/vdb 0 8000"
dd if=/dev/urandom of=/dev/mapper/m bs=64k count=1 seek=3 oflag=direct conv=notrunc 2>/dev/null &
writer=$!
sleep 0.3
event=$(dmsetup info -c --noheadings -o events m)
expect_fail lm_msg m abort
grep -q busy /run/said || die "abort does not say that it is not over"
expect_kmsg 'abort is under way'
[ "$(lm_field m phase)" = degraded ] || die "aborted with a write in flight: $(dmsetup status m)"
[ "$(lm_field m dest)" = F ] || die "the dest is not F"
expect_fail lm_msg m reattach
expect_kmsg 'reattach refused: abort or commit is under way'
expect_fail lm_msg m abort
[ "$(dmsetup info -c --noheadings -o events m)" = "$event" ] || die "an event told of a failure that was none"
timeout 20 dmsetup wait m "$event" || die "no event told of the end"
[ "$(lm_field m phase)" = aborted ] || die "not aborted: $(dmsetup status m)"
wait $writer || die "the write failed"
dmsetup remove m

note "degraded with writes in flight: reattach is busy"
lm_create m /dev/vda /dev/mapper/slow paused
# 8 s for each write, and one part of the leg fails at once.
leg_load_ slow "0 8192 delay /dev/vdb 0 0 /dev/vdb 0 8000" "8192 8 error" \
	"8200 $((size - 8200)) linear /dev/vdb 8200"
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null &
writer=$!
sleep 0.3
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=1024 oflag=direct conv=notrunc 2>/dev/null
[ "$(lm_field m phase)" = degraded ] || die "not degraded"
expect_fail lm_msg m reattach
grep -q busy /run/said || die "reattach is not refused as busy"
wait $writer || die "the write failed"
leg_load_ slow "0 $size linear /dev/vdb 0"
lm_msg m reattach
lm_msg m resume
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
dmsetup remove m
dmsetup remove slow
