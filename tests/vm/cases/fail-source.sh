# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Writes that the source fails, or both legs. Before cutover the guest sees the
# error, as on the source alone, nothing degrades, and the regions are copied
# again. Where dest is active but lacks a standby that could take over, its
# errors are the guest's too. A flush that the source fails is the guest's; one
# that the active dest fails makes it fail back.
#
# Caught: a failing dest handing over to a source that is not complete.
#
# vm: disks=32M:discard,32M:discard modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

put()	# put KIB: 4 KiB there, through the target
{
	dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=$(($1 / 4)) oflag=direct conv=notrunc 2>/dev/null
}

flush()
{
	dd if=/dev/zero of=/dev/mapper/m bs=512 count=0 conv=notrunc,fsync 2>/dev/null
}

phase_is()
{
	[ "$(lm_field m phase)" = "$1" ] || die "the phase is not $1: $(dmsetup status m)"
}

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync
leg_make src /dev/vda
leg_make dst /dev/vdb
lm_create m /dev/mapper/src /dev/mapper/dst paused

# Copying: both fail a write. The error is the guest's, the source stays.
leg_break_part src 2048 8
leg_break_part dst 2048 8
put 1024 && die "the guest did not see the error of both"
phase_is degraded
[ "$(lm_field m active)" = source ] || die "the active leg has changed"
leg_heal src
leg_heal dst
lm_reattach m
lm_msg m resume
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb

# Synced: the source fails a write. Its region is copied again.
leg_break_part src 2048 8
put 1024 && die "the guest did not see the source's error"
[ "$(lm_field m active)" = source ] || die "the active leg has changed"
[ "$(lm_field m dest)" = A ] || die "the dest was taken for failed"
phase_is copying
expect_fail lm_msg m cutover
leg_heal src
lm_wait_phase m synced 20
legs_equal /dev/vda /dev/vdb

# Synced: both fail it. The error is the guest's; the dest is not trusted.
leg_break_part src 2048 8
leg_break_part dst 2048 8
put 1024 && die "the guest did not see the error of both"
phase_is degraded
[ "$(lm_field m active)" = source ] || die "the active leg has changed"
leg_heal src
leg_heal dst
lm_reattach m
lm_wait_phase m synced 20
legs_equal /dev/vda /dev/vdb

# Synced: the source fails a flush.
leg_fail_writes src
flush && die "the guest did not see the source's failed flush"
leg_heal src
lm_wait_phase m synced 20
[ "$(lm_field m dest)" = A ] || die "the dest was taken for failed"

# Switched: both fail a write. The source, now standby, is not trusted.
lm_msg m cutover
leg_break_part src 2048 8
leg_break_part dst 2048 8
put 1024 && die "the guest did not see the error of both"
[ "$(lm_field m active)" = dest ] || die "it failed back to a source that failed too"
leg_heal src
leg_heal dst

# Degraded, dest active: its errors are the guest's, and reattach brings back
# from it what the source lacks, though a write failed meanwhile.
leg_break_part dst 4096 8
put 2048 && die "the guest did not see the dest's error"
phase_is degraded
[ "$(lm_field m active)" = dest ] || die "the active leg has changed"
leg_heal dst
put 8192
lm_reattach m

# Copying to the source: the dest must not fail back to it yet.
lm_wait_phase m switched 20
lm_msg m pause
leg_break src
put 12288
lm_wait_phase m degraded 10
leg_heal src
lm_reattach m
phase_is copying
leg_break_part dst 16384 8
put 8192 && die "an incomplete source took over"
[ "$(lm_field m active)" = dest ] || die "it failed back to an incomplete source"
expect_fail lm_msg m failback
leg_heal dst
lm_msg m resume
lm_wait_phase m switched 20
legs_equal /dev/vda /dev/vdb

# Switched: the dest fails a flush, and the source takes over.
leg_fail_writes dst
flush || die "the guest saw the dest's failed flush"
lm_wait_phase m degraded 10
[ "$(lm_field m active)" = source ] || die "it did not fail back"
leg_heal dst
lm_reattach m
lm_wait_phase m synced 20
legs_equal /dev/vda /dev/vdb

# Switched, and a discard has cleared bits: the source still holds all that was
# written, so it takes over at once.
lm_msg m cutover
lm_msg m pause
blkdiscard -o 1048576 -l 4194304 /dev/mapper/m
phase_is copying
[ "$(lm_field m active)" = dest ] || die "the active leg has changed"
leg_break dst
put 20480 || die "the guest saw the dest's error, which the source could hide"
phase_is degraded
[ "$(lm_field m active)" = source ] || die "it did not fail back"
leg_heal dst
lm_reattach m
lm_msg m resume
lm_wait_phase m synced 20
legs_equal /dev/vda /dev/vdb

dmsetup remove m
dmsetup remove src
dmsetup remove dst
