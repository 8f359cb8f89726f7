# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Metadata on a device of its own: a migration that was removed cleanly goes on
# as it was; one whose machine stopped at some instant (the disks are copied while
# it runs, and the copies set up again) goes on from the source and copies again
# no more than the chunks that were being written to. Metadata that is damaged,
# of another migration or turned round is refused, and unchanged by that.
#
# vm: disks=64M,64M,8M,64M,64M,8M,128M timeout=240 modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

S=/dev/vda D=/dev/vdb M=/dev/vdc S2=/dev/vdd D2=/dev/vde M2=/dev/vdf

# crash: what the disks hold now, as another set of disks.
crash()
{
	dd if=$S of=$S2 bs=1M iflag=direct oflag=direct 2>/dev/null
	dd if=$D of=$D2 bs=1M iflag=direct oflag=direct 2>/dev/null
	dd if=$M of=$M2 bs=1M iflag=direct oflag=direct 2>/dev/null
}

patterned()	# patterned DEV MIB: data, in which each MiB differs
{
	dd if=/dev/urandom of="$1" bs=1M count="$2" oflag=direct conv=notrunc 2>/dev/null
}

wipe()
{
	dd if=/dev/zero of="$1" bs=4k count=2 oflag=direct conv=notrunc 2>/dev/null
}

write_at()	# write_at DEV KIB COUNT: so many blocks of 4 KiB
{
	dd if=/dev/urandom of="$1" bs=4k seek=$(($2 / 4)) count="$3" oflag=direct conv=notrunc 2>/dev/null
}

# says_stale: the superblock's flags (at byte 36) do.
says_stale()
{
	dd if=$M bs=512 count=1 iflag=direct 2>/dev/null | tail -c +37 | head -c 1 |
		od -An -tu1 | grep -qw 64
}

# active_bytes DEV: those that are not zero, of the chunks' active-writes bits
active_bytes()
{
	dd if="$1" bs=512 skip=16 count=1 iflag=direct 2>/dev/null | tail -c +33 |
		tr -d '\000' | od -An -tu1 | xargs
}

no_active()	# no_active DEV: no active-writes bit is set on it
{
	[ "$(dd if="$1" bs=512 skip=16 count=1 iflag=direct 2>/dev/null | tail -c +33 | tr -d '\000' | wc -c)" -eq 0 ]
}

patterned $S 64

note "a clean stop half-way"
lm_create m $S $D metadata $M copy_rate 8192
[ "$(lm_field m metadata)" = ok ] || die "status does not show the metadata"
lm_table m | grep -q " metadata 254:32" || die "the table does not name the metadata: $(lm_table m)"
lm_wait_above m done 4000
dmsetup remove m
lm_create m $S $D metadata $M paused
restored=$(lm_field m restored)
[ "$restored" -gt 4000 ] || die "only $restored regions were restored"
[ "$(lm_field m copied)" -eq 0 ] || die "something was copied while paused"
lm_msg m resume
lm_wait_phase m synced
lm_counts m
[ $(($(lm_field m copied) + restored)) -eq 16384 ] || die "regions were copied twice: $(dmsetup status m)"
legs_equal $S $D

note "a clean stop after cutover goes on there"
lm_msg m cutover
write_at /dev/mapper/m 0 10
dmsetup remove m
lm_create m $S $D metadata $M
[ "$(lm_field m active)" = dest ] || die "it does not run on the dest: $(dmsetup status m)"
[ "$(lm_field m phase)" = switched ] || die "it is not switched: $(dmsetup status m)"
[ "$(lm_field m copied)" -eq 0 ] || die "something was copied again"
legs_equal $S $D

note "detached by the line: what the source lacks then is durable"
dmsetup remove m
lm_create m $S $D metadata $M detached
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
write_at /dev/mapper/m 512 2
crash
lm_create n $S2 $D2 metadata $M2 paused
lm_is n active dest || die "the source is active, and lacks a write: $(dmsetup status n)"
dmsetup remove n
lm_reattach m
lm_wait_phase m switched

note "an unclean stop: the source is active, and only what was written is copied"
# The source hangs, so the writes stay in flight, and no save ends before the crash.
dmsetup remove m
leg_make src $S
lm_create m /dev/mapper/src $D metadata $M standby_timeout 0
lm_wait_phase m switched
wait_until 20 no_active $M || die "the active-writes bits are not cleared"
dmsetup suspend --noflush --nolockfs src
write_at /dev/mapper/m 1024 1 &
first=$!
write_at /dev/mapper/m $((1024 * 40 + 512)) 1 &
second=$!
two_active()
{
	lm_is m in_flight 2 && [ "$(active_bytes $M)" = "2 1" ]
}
wait_until 20 two_active || die "a write went without its active-writes bit: $(active_bytes $M), $(dmsetup status m)"
crash
dmsetup resume src
wait $first && wait $second || die "a write has failed"
lm_create n $S2 $D2 metadata $M2 paused
[ "$(lm_field n active)" = source ] || die "the dest is active after a crash: $(dmsetup status n)"
[ "$(lm_field n restored)" -eq $((16384 - 512)) ] || die "not the chunks written to are in doubt: $(dmsetup status n)"
# The last word of an interrupted write may be on one leg alone.
patterned /dev/vdg 1
dd if=/dev/vdg of=$D2 bs=4k count=2 seek=256 oflag=direct conv=notrunc 2>/dev/null
lm_msg n resume
lm_wait_phase n synced
[ "$(lm_field n copied)" -eq 512 ] || die "copied again: $(lm_field n copied) regions"
legs_equal $S2 $D2

note "crash again, before anything was written: the same"
dmsetup remove n
crash
lm_create n $S2 $D2 metadata $M2 paused
[ "$(lm_field n restored)" -ge $((16384 - 512)) ] || die "too much is in doubt: $(dmsetup status n)"
dmsetup remove n

note "the source failed after cutover: the dest is active after a crash"
dmsetup remove m
wipe $M
lm_create m /dev/mapper/src $D metadata $M
lm_wait_phase m synced
lm_msg m cutover
leg_fail_writes src
write_at /dev/mapper/m 2048 4
lm_wait_phase m degraded
crash
lm_create n $S2 $D2 metadata $M2 paused
[ "$(lm_field n active)" = dest ] || die "the source is active, and lacks a write: $(dmsetup status n)"
[ "$(lm_field n source)" = F ] || die "the source is not shown as failed"
dmsetup remove n
leg_heal src
lm_reattach m
lm_wait_phase m switched
crash
lm_create n $S2 $D2 metadata $M2 paused
[ "$(lm_field n active)" = source ] || die "the source is complete again, and not active: $(dmsetup status n)"
dmsetup remove n

note "two on one metadata device, a leg for one, a line that says otherwise"
lm_refused 'metadata device, or a leg that is one, is in use' lm_create n $S2 $D2 metadata $M
lm_refused 'metadata device, or a leg that is one, is in use' lm_create n $M $D2
lm_refused 'lie on the same sectors' lm_create n $S2 $D2 metadata $S2
lm_refused 'has a metadata device: name it' dmsetup load m --table "0 131072 livemigrate /dev/mapper/src 0 $D 0"
lm_refused 'contradicts the metadata' lm_create n $S2 $D2 metadata $M2 active dest
lm_refused 'differs from the metadata' lm_create n $S2 $D2 metadata $M2 region_size 16

note "a reload hands it over"
copied=$(lm_field m copied)
lm_load m "$(dmsetup table m)"
lm_wait_phase m switched
[ "$(lm_field m copied)" -eq "$copied" ] || die "a reload copied something"
[ "$(lm_field m metadata)" = ok ] || die "the metadata was lost by a reload"

note "commit is durable, and what it dropped cannot come back"
lm_drop m commit
crash
lm_refused 'was committed and its source dropped' lm_create n $S2 $D2 metadata $M2
lm_refused 'was committed and its source dropped' lm_create n $D2 $S2 metadata $M2
dmsetup create n --table "0 131072 livemigrate - 0 $D2 0 2 metadata $M2"
[ "$(lm_field n phase)" = committed ] || die "not committed: $(dmsetup status n)"
lm_load n "$(dmsetup table n)"
dmsetup remove n
dmsetup remove m

note "abort is, too"
wipe $M
lm_create m /dev/mapper/src $D metadata $M
lm_drop m abort
dmsetup remove m
lm_refused 'was aborted and its dest dropped' lm_create n /dev/mapper/src $D metadata $M

note "damage"
wipe $M
lm_create m /dev/mapper/src $D metadata $M
lm_wait_phase m synced
dmsetup remove m
# One superblock is enough.
dd if=/dev/urandom of=$M bs=512 count=1 oflag=direct conv=notrunc 2>/dev/null
lm_create m /dev/mapper/src $D metadata $M paused
[ "$(lm_field m restored)" -eq 16384 ] || die "a damaged superblock hid the sound one"
dmsetup remove m
# A bitmap sector: its 3840 regions are copied again.
dd if=/dev/urandom of=$M bs=512 seek=26 count=1 oflag=direct conv=notrunc 2>/dev/null
lm_create m /dev/mapper/src $D metadata $M paused
[ "$(lm_field m restored)" -eq $((16384 - 3840)) ] || die "a damaged bitmap sector: $(dmsetup status m)"
dmsetup remove m
# The sector of active writes: all is in doubt.
dd if=/dev/urandom of=$M bs=512 seek=16 count=1 oflag=direct conv=notrunc 2>/dev/null
lm_create m /dev/mapper/src $D metadata $M
[ "$(lm_field m restored)" -eq 0 ] || die "a damaged active-writes sector: $(dmsetup status m)"
lm_wait_phase m synced
dmsetup remove m
lm_refused 'made for 131072 sectors, and the table has 65536' \
	dmsetup create n --table "0 65536 livemigrate /dev/mapper/src 0 $D 0 2 metadata $M"
lm_refused 'made for a source of 131072 sectors' \
	dmsetup create n --table "0 131072 livemigrate /dev/vdg 0 $D 0 2 metadata $M"
dd if=/dev/urandom of=$M bs=4k count=2 oflag=direct conv=notrunc 2>/dev/null
before=$(md5sum <$M)
lm_refused 'neither sound metadata nor zeroes' lm_create n /dev/mapper/src $D metadata $M
[ "$(md5sum <$M)" = "$before" ] || die "refused metadata was changed"
wipe $M

note "the metadata device fails: the migration goes on, says so, and the metadata says it is stale"
leg_make meta $M
lm_create m /dev/mapper/src $D metadata /dev/mapper/meta
lm_wait_phase m synced
leg_break meta
write_at /dev/mapper/m 0 40
wait_until 20 lm_is m metadata failed || die "a failed metadata device is not shown: $(dmsetup status m)"
expect_kmsg 'writing to the metadata device has failed'
write_at /dev/mapper/m $((20 * 1024)) 40
lm_msg m cutover
lm_msg m failback
leg_heal meta
wait_until 20 says_stale || die "the metadata does not say that it is stale"
legs_equal $S $D
dmsetup remove m
lm_refused 'out of date' lm_create n /dev/mapper/src $D metadata /dev/mapper/meta

note "it fails, and the device is removed at once: what was written then is on no record"
wipe $M
lm_create m /dev/mapper/src $D metadata /dev/mapper/meta
lm_wait_phase m synced
wait_until 20 no_active $M || die "the active-writes bits are not cleared"
sleep 3
leg_break meta
write_at /dev/mapper/m 0 1
wait_until 2 lm_is m metadata failed || die "a failed metadata device is not shown: $(dmsetup status m)"
leg_heal meta
dmsetup remove m
says_stale || die "the metadata does not say that it is stale"
lm_refused 'out of date' lm_create n /dev/mapper/src $D metadata /dev/mapper/meta

note "suspend is the first to notice"
wipe $M
lm_create m /dev/mapper/src $D metadata /dev/mapper/meta paused
sleep 3
# Not the superblock: that can still be written, and says it.
leg_break_part meta 16 16
lm_msg m resume
lm_wait_above m copied 0
dmsetup suspend m
says_stale || die "the metadata does not say that it is stale"
dmsetup resume m
leg_heal meta
lm_wait_phase m synced
dmsetup remove m

note "another target's table runs past a migration: its metadata is out of date"
wipe $M
lm_create m $S $D metadata $M
lm_wait_phase m synced
lm_msg m cutover
line=$(dmsetup table m)
lm_load m "0 131072 linear $S 0"
write_at /dev/mapper/m 0 10
lm_refused 'or another table has run over its device' dmsetup load m --table "$line"
dmsetup remove m
lm_refused 'out of date' lm_create m $S $D metadata $M

note "no removal counts as that, nor a reload"
wipe $M
lm_create m $S $D metadata $M
lm_wait_phase m synced
lm_load m "$(dmsetup table m)"
dmsetup load m --table "$(dmsetup table m)"
dmsetup remove m
lm_create m $S $D metadata $M
lm_is m phase synced || die "a removal with a table loaded: $(dmsetup status m)"
exec 9</dev/mapper/m
dmsetup remove --deferred m
dmsetup status m >/dev/null || die "it is gone already"
exec 9<&-
wait_until 10 lm_create m $S $D metadata $M || die "it is not removed"
lm_is m phase synced || die "a deferred removal: $(dmsetup status m)"
dmsetup remove m

note "commit, and it cannot be recorded: the metadata is out of date before the leg goes"
wipe $M
lm_create m /dev/mapper/src $D metadata /dev/mapper/meta
lm_wait_phase m synced
lm_msg m cutover
wait_until 20 no_active $M || die "the active-writes bits are not cleared"
sleep 3
leg_break meta
write_at /dev/mapper/m 0 1
wait_until 2 lm_is m metadata failed || die "a failed metadata device is not shown: $(dmsetup status m)"
leg_heal meta
kmsg_mark
lm_drop m commit
says_stale || die "the metadata does not say that it is stale"
kmsg_since | grep 'do not use that again' && die "a warning for nothing"
dmsetup remove m

note "nor can that be said: it is committed all the same, with a warning"
wipe $M
lm_create m /dev/mapper/src $D metadata /dev/mapper/meta
lm_wait_phase m synced
lm_msg m cutover
leg_break meta
kmsg_mark
lm_drop m commit
expect_kmsg 'commit goes on, but the metadata cannot tell of it: do not use that again'
lm_is m phase committed || die "not committed: $(dmsetup status m)"
dmsetup remove m

leg_heal meta
dmsetup remove meta
dmsetup remove src
