# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What metadata costs a guest's write: nothing where nothing was copied; one write of
# the metadata, which all that come at once share, for the first into a chunk where
# something was; nothing for those that follow.
#
# Method: blocks written to the metadata's disk are counted. The dest hangs meanwhile, so
# that no save of bits ends and counts as well.
#
# Caught: a commit for each write that waits; writes that commit where no bit is saved.
#
# vm: disks=64M,64M,8M files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

leg_make dst /dev/vdb
dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct 2>/dev/null || :

write_to()	# write_to CHUNK SECTOR: one sector there, so no region whole
{
	dd if=/dev/urandom of=/dev/mapper/m bs=512 seek=$(($1 * 2048 + $2)) count=1 \
		oflag=direct conv=notrunc 2>/run/dd.err || die "a write has failed: $(cat /run/dd.err)"
}

metadata_writes()	# blocks of 4 KiB
{
	echo $(($(disk_stat /dev/vdc write) / 8))
}

# at_once SECTOR: a write into each of 32 chunks; how many of the metadata there were
# until all were sent, in $cost. They end when the dest does not hang any more.
at_once()
{
	before=$(metadata_writes)
	mirrored=$(lm_field m mirrored)
	bg fio fio --name=w --filename=/dev/mapper/m --rw=write:1048064 --bs=512 \
		--offset=$((10 * 1048576 + $1 * 512)) --number_ios=32 --iodepth=32 \
		--ioengine=libaio --direct=1
	wait_until 20 lm_is m mirrored $((mirrored + 32)) ||
		die "not all writes were sent: $(dmsetup status m)"
	cost=$(($(metadata_writes) - before))
	note "$cost writes of metadata for 32 chunks"
}

note "nothing was copied: nothing is written"
lm_create m /dev/vda /dev/mapper/dst metadata /dev/vdc paused standby_timeout 0
sleep 3
before=$(metadata_writes)
for chunk in $(seq 0 9); do
	write_to "$chunk" 1
done
sleep 3
[ "$(metadata_writes)" -eq "$before" ] ||
	die "$(($(metadata_writes) - before)) writes of metadata for chunks with no bit set"

note "all was copied: those that come at once share a few"
lm_msg m resume
lm_wait_phase m synced
at_rest()
{
	ar_was_=$(metadata_writes)
	sleep 3
	[ "$(metadata_writes)" -eq "$ar_was_" ]
}
wait_until 40 at_rest || die "the metadata is written to all the time"
dmsetup suspend --noflush --nolockfs dst
at_once 1
first=$(cat /run/fio.pid)
[ $cost -ge 1 ] || die "writes went without their active-writes bits"
[ $cost -le 8 ] || die "$cost writes of metadata for 32 chunks"

note "what follows is free"
at_once 9
[ $cost -eq 0 ] || die "$cost writes of metadata for chunks that were open"
dmsetup resume dst
wait "$first" || die "the first writes have failed"
bg_end fio
dmsetup remove m
dmsetup remove dst
