# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A standby that keeps asleep whoever sends to it, though it was asked not to wait:
# dm drops the wish from a flush, and writeback throttling heeds it for no discard.
# And a source that hangs, from which the operator cuts over: what others wait for
# must not sleep in it.
#
# Method: as hang-tags, but below a linear table, which is another disk's until the
# legs are equal.
#
# Caught: a worker that sends to the source as it is (writes after the cutover hang).
#
# vm: disks=64M:discard:zeroes,64M:discard:zeroes,8M modules=null_blk:nr_devices=0 timeout=240
# vm: files=tests/vm/hang.sh

. /vm/lib.sh
. hang.sh

# shellcheck disable=SC2034 # hang.sh uses it
answer=$((6 * SLOWNESS))	# seconds
soon=$((4 * SLOWNESS))
patience=$((1500 * SLOWNESS))

hang_make 64 discard=1 cache_size=64
# shellcheck disable=SC2154 # hang_make sets it
[ "$(cat "$slow_queue/write_cache")" = "write back" ] || die "null_blk has no cache to flush"
[ "$(cat "$slow_queue/discard_max_bytes")" -gt 0 ] || die "null_blk takes no discards"
# Not every kernel has it.
wbt=$(cat "$slow_queue/wbt_lat_usec" 2>/dev/null || echo 0)
[ "$wbt" -gt 0 ] || note "SKIPPED in part: there is no writeback throttling"

# writes: into twelve chunks, more than the leg has room for
writes()
{
	for i in $(seq "$1" "$(($1 + 11))"); do
		dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=$((i * 256)) \
			oflag=direct conv=notrunc 2>/dev/null &
		eval "writer_$i=$!"
	done
}

written()
{
	# shellcheck disable=SC2046
	all_end writer $(seq "$1" "$(($1 + 11))")
}

dd if=/dev/urandom of=/dev/vda bs=1M count=48 2>/dev/null
sync

note "-- the dest hangs: writes, flushes, discards, verify, suspend"
dmsetup create leg --table "0 131072 linear /dev/vdb 0"
lm_create m /dev/vda /dev/mapper/leg standby_timeout $patience
lm_wait_phase m synced 60
lm_msg m copy_rate 2048
lm_msg m verify
# shellcheck disable=SC2154 # hang_make sets it
over leg "$hang"
[ "$(cat "/sys/block/dm-$(dmsetup info -c --noheadings -o minor leg)/queue/discard_max_bytes")" -gt 0 ] ||
	die "the leg takes no discards"
clock_starts
writes 0
for i in 1 2 3; do
	dd if=/dev/zero of=/dev/mapper/m bs=4k count=0 conv=fsync,notrunc 2>/dev/null &
	eval "flusher_$i=$!"
done
for i in 1 2 3 4 5 6; do
	blkdiscard -f -o $((30 + i * 2))M -l 1M /dev/mapper/m &
	eval "trimmer_$i=$!"
done
sleep 0.5
# Where a discard and a write are under way: these wait for them.
for i in 0 1 2 32 34 36 38; do
	dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=$((i * 256)) \
		oflag=direct conv=notrunc 2>/dev/null &
	eval "late_$i=$!"
done
written 0
all_end flusher 1 2 3
all_end trimmer 1 2 3 4 5 6
all_end late 0 1 2 32 34 36 38
within "all of it" $soon
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
suspend_ends
all_is_back 12
lm_drop m abort
dmsetup remove m
over leg /dev/vdb
dmsetup remove leg

note "-- the source hangs, and the operator cuts over"
dmsetup create leg --table "0 131072 linear /dev/vda 0"
lm_create m /dev/mapper/leg /dev/vdb metadata /dev/vdc standby_timeout $patience
lm_wait_phase m synced 60
# All bits saved: each first write into a chunk now goes by the worker.
sleep 5
over leg "$hang"
writes 0
sleep 1
lm_msg m cutover
clock_starts
writes 20
written 20
written 0
within "writes before and after the cutover" $soon
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
lm_is m active dest || die "not on the dest: $(dmsetup status m)"
suspend_ends
all_is_back 12
dmsetup remove m
dmsetup remove leg
nullb_remove hang
