# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# verify compares the legs while the guest writes. It finds what differs, names
# the first sector, and has it copied again; it raises no alarm for writes in
# flight, of whatever kind; it can be paused, stopped, and begun again; it keeps to
# copy_rate; a reload and a failure of the standby end it or let it go on, and
# nothing hangs.
#
# vm: disks=32M:discard,32M:discard timeout=240 modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

leg_make src /dev/vda
leg_make dst /dev/vdb
dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct 2>/dev/null || :

verify_ended()
{
	[ "$(lm_field m verify)" != running ]
}

verify()	# verify SECONDS: to its end
{
	lm_msg m verify
	wait_until "$1" verify_ended || die "verify does not end: $(dmsetup status m)"
	dmsetup status m
}

lm_create m /dev/mapper/src /dev/mapper/dst paused
[ "$(lm_field m verify)" = - ] || die "verify was never asked for"
lm_refused 'verify refused: 8192 of 8192 regions are still to be copied' lm_msg m verify
lm_refused "'now' is not 'stop'" lm_msg m verify now
lm_msg m verify stop
lm_msg m resume
lm_wait_phase m synced

note "equal legs"
verify 30
lm_is m verify done || die "it was not done"
lm_is m verified 8192 || die "not all were compared"
lm_is m mismatches 0 || die "a false alarm"
lm_is m first_mismatch - || die "a first mismatch of none"

note "three sectors differ: found, named, and copied again"
for sector in 5000 40001 65535; do
	dd if=/dev/urandom of=/dev/vdb bs=512 seek=$sector count=1 oflag=direct conv=notrunc 2>/dev/null
done
kmsg_mark
verify 30
lm_is m mismatches 3 || die "there are 3 regions that differ"
lm_is m first_mismatch 5000 || die "the first one begins at 5000"
expect_kmsg 'the legs differ in the 8 sectors from 5000 on'
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
lm_counts m

note "under load of every kind, in both roles: no alarm"
lm_hurry
load_start /dev/mapper/m --mix w=50,r=10,f=10,u=15,z=5,d=10 --threads 3 --depth 8
for round in 1 2 3; do
	wait_until 60 lm_msg m verify 2>/dev/null || die "it is never synced: $(dmsetup status m)"
	wait_until 60 verify_ended || die "verify does not end: $(dmsetup status m)"
	dmsetup status m
	lm_is m mismatches 3 || die "a false alarm in round $round: $(dmsetup status m)"
	lm_is m verify done || die "it was not done: $(dmsetup status m)"
	wait_until 60 lm_msg m cutover 2>/dev/null || die "no cutover"
done
load_stop
lm_no_hurry
wait_until 60 lm_msg m failback 2>/dev/null || die "no failback"
lm_wait_phase m synced 30
legs_equal /dev/vda /dev/vdb

note "pause, reload, suspend, stop"
lm_msg m copy_rate 4096
lm_msg m verify
lm_wait_above m verified 100
lm_msg m pause
sleep 0.5
before=$(lm_field m verified)
sleep 1
lm_is m verified "$before" || die "it goes on while paused"
lm_load m "$(dmsetup table m)"
lm_is m verify running || die "a reload ends it"
lm_msg m resume
lm_wait_above m verified "$before"
dmsetup suspend m
before=$(lm_field m verified)
sleep 1
lm_is m verified "$before" || die "it goes on while suspended"
dmsetup resume m
lm_wait_above m verified "$before"
lm_msg m verify stop
lm_is m verify stopped || die "it was not stopped"
[ "$(lm_field m verified)" -lt 8192 ] || die "copy_rate is not kept"
verify 30
lm_is m verify done || die "it cannot be begun again"

note "the standby fails"
lm_msg m verify
leg_break dst
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase m degraded
wait_until 10 verify_ended || die "it goes on with one leg: $(dmsetup status m)"
lm_is m mismatches 3 || die "a read that failed passes for a mismatch"
lm_refused 'verify refused: the dest has failed' lm_msg m verify
leg_heal dst
lm_reattach m
lm_wait_phase m synced
lm_msg m copy_rate 0
verify 30
lm_is m mismatches 3 || die "the legs differ after reattach"
dmsetup remove m
dmsetup remove src
dmsetup remove dst
