# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A source that hangs, from which the operator cuts over, while a file system forces its
# log. Its data comes with a flush, so dm's own worker sends it, for which all other
# such data wait, and suspend: it must not sleep in the source.
#
# Method: as hang-below. The source has no cache, so it has nothing to do for the flush
# itself. XFS writes its log in one bio with a flush; ext4 would wait before, in a write
# of its own thread. What keeps the source busy is written where XFS has nothing.
#
# Caught: a map() that treats dm's worker as the guest's own thread.
#
# vm: disks=320M,320M modules=null_blk:nr_devices=0,xfs mem=768 timeout=240
# vm: files=tests/vm/hang.sh

. /vm/lib.sh
. hang.sh

# shellcheck disable=SC2034 # hang.sh uses it
answer=$((6 * SLOWNESS))	# seconds
soon=$((4 * SLOWNESS))
patience=$((1500 * SLOWNESS))

hang_make 320
# shellcheck disable=SC2154 # slow sets it
[ "$(cat "$slow_queue/write_cache")" = "write through" ] || die "null_blk has a cache"

# force FILE: its new time is in the log when this ends.
force()
{
	touch "$1"
	dd if=/dev/zero of="$1" bs=1 count=0 conv=notrunc,fsync 2>/dev/null
}

mkdir -p /mnt
mkfs.xfs -q -f /dev/vda
dmsetup create leg --table "0 655360 linear /dev/vda 0"
lm_create m /dev/mapper/leg /dev/vdb standby_timeout $patience
lm_wait_phase m synced 60
mount -t xfs /dev/mapper/m /mnt
for i in 1 2 3; do
	force /mnt/file$i
done
sync
# shellcheck disable=SC2154 # hang_make sets it
over leg "$hang"

for i in $(seq 300 307); do
	dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=$((i * 256)) \
		oflag=direct conv=notrunc 2>/dev/null &
	eval "writer_$i=$!"
done
full()
{
	[ "$(awk '{ print $9 }' "$slow_queue/../stat")" -ge 4 ]
}
wait_until 10 full || die "the source is not full"
for i in 1 2; do
	force /mnt/file$i &
	eval "forcer_$i=$!"
	sleep 0.5
done
lm_msg m cutover
clock_starts
all_end forcer 1 2
force /mnt/file3
within "the log of before the cutover, and after" $soon
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
lm_is m active dest || die "not on the dest: $(dmsetup status m)"
suspend_ends
# shellcheck disable=SC2046
all_end writer $(seq 300 307)
umount /mnt
all_is_back 12
dmsetup remove m
dmsetup remove leg
nullb_remove hang
xfs_repair -n /dev/vdb >/run/repair 2>&1 || die "the file system has damage: $(tail -5 /run/repair)"
