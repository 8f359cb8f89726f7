# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Reads that a leg fails. The other leg answers where it holds the data; where
# it does not, the error is the guest's, as on the source alone. The phase does
# not change. The copier goes on around what it cannot read, cutover waits, and
# a guest's overwrite heals.
#
# Caught: a failed standby that answers for every region.
#
# vm: disks=32M,32M modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

read_mib()	# read_mib MIB: its checksum, read through the target
{
	dd if=/dev/mapper/m of=/run/out bs=1M count=1 skip="$1" iflag=direct 2>/dev/null &&
		md5sum </run/out
}

of_disk()
{
	dd if="$1" bs=1M count=1 skip="$2" iflag=direct 2>/dev/null | md5sum
}

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync
leg_make src /dev/vda
leg_make dst /dev/vdb

# 4 KiB of the source, in MiB 5, cannot be read.
bad=$((5 * 2048 + 8))
leg_break_part src $bad 8

began=$(cut -d ' ' -f 1 /proc/uptime)
lm_create m /dev/mapper/src /dev/mapper/dst
event=$(dmsetup info -c --noheadings -o events m)
wait_until 20 sh -c '. /vm/lib.sh; [ "$(lm_field m done)" -eq $(($(lm_field m total) - 1)) ]' ||
	die "the copier does not go on around a bad region: $(dmsetup status m)"
[ "$(lm_field m phase)" = copying ] || die "not copying"
[ "$(lm_field m read_errors)" -gt 0 ] || die "no read error was counted"
case $(lm_field m first_error) in
source:r:*:-5) ;;
*) die "first_error is $(lm_field m first_error)" ;;
esac
expect_fail lm_msg m cutover
grep -q busy /run/said || die "cutover is not refused as busy"
expect_kmsg 'cutover refused: 1 regions cannot be read, the first at sector 10248'
lm_is m unreadable 1 || die "status does not count the region: $(dmsetup status m)"
lm_is m first_unreadable $bad || die "status does not name its sector: $(dmsetup status m)"
read_mib 5 >/dev/null && die "the guest did not see the source's error"
[ "$(read_mib 6)" = "$(of_disk /dev/vda 6)" ] || die "MiB 6 reads wrong"

# After some tries it is left alone, with an event.
left_alone()
{
	kmsg_since | grep -q 'source cannot be read at sector 10248'
}
wait_until 20 left_alone || die "it is tried for ever"
left=$(kmsg_since | sed -n 's/^\[ *\([0-9.]*\)\].*source cannot be read at sector 10248.*/\1/p')
note "left alone after $(echo "$began $left" | awk '{ print $2 - $1 }') s"
# Five tries, a second apart.
echo "$began $left" | awk '{ exit $2 - $1 < 3.8 }' || die "the tries come too fast"
# A worker raises it.
told()
{
	[ "$(dmsetup info -c --noheadings -o events m)" -gt "$event" ]
}
wait_until 5 told || die "there was no event"
errors=$(lm_field m read_errors)
sleep 3
lm_is m read_errors "$errors" || die "it is still being tried"

# resume asks for another round.
lm_msg m resume
wait_until 10 lm_is_above_ m read_errors "$errors" || die "resume does not try again"

# The disk remaps a bad sector when it is written to: heal, and overwrite.
leg_heal src
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=$((bad / 8)) oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase m synced 20
lm_is m unreadable 0 || die "the region is still listed: $(dmsetup status m)"
lm_is m first_unreadable - || die "its sector is still listed"
legs_equal /dev/vda /dev/vdb

# Synced: the dest answers for the source.
leg_break_part src $bad 8
[ "$(read_mib 5)" = "$(of_disk /dev/vdb 5)" ] || die "the dest did not answer"
[ "$(lm_field m phase)" = synced ] || die "a read error changed the phase"

# Switched: the source answers for the dest.
leg_heal src
lm_msg m cutover
leg_break_part dst 4096 64
[ "$(read_mib 2)" = "$(of_disk /dev/vda 2)" ] || die "the source did not answer"
[ "$(lm_field m phase)" = switched ] || die "a read error changed the phase"

# Degraded: the failed source still answers for what was flushed there and not
# written since, and for nothing else.
leg_heal dst
dd if=/dev/zero of=/dev/mapper/m bs=512 count=0 conv=notrunc,fsync 2>/dev/null
leg_break_part src 20480 8
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=2560 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase m degraded 10
[ "$(lm_field m active)" = dest ] || die "the dest is not active"
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=768 oflag=direct conv=notrunc 2>/dev/null
leg_break_part dst 0 32768
sleep 1
[ "$(read_mib 2)" = "$(of_disk /dev/vda 2)" ] || die "the failed source did not answer"
read_mib 3 >/dev/null && die "the failed source answered with what it does not hold"
leg_heal dst
leg_heal src

lm_reattach m
lm_wait_phase m switched 20
legs_equal /dev/vda /dev/vdb
dmsetup remove m
dmsetup remove src
dmsetup remove dst
