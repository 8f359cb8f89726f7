# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A standby with room for four requests that does not answer. Whoever sends to such a
# device sleeps in it, and could not be given up there: so neither the guest's own
# writes, nor its writeback, nor its flushes and discards may be kept waiting for
# room, and all go on once the standby has failed. The same for the copier, for verify,
# and for suspend. And a standby that is only slow, with more writes than it has room for,
# is no standby that hangs.
#
# Method: null_blk's requests end by a timer, long after standby_timeout.
#
# Caught: the standby's bios sent as they are by the guest's thread: all writes after
# the fourth end with null_blk's timer, not with standby_timeout.
#
# vm: disks=64M:discard:zeroes modules=null_blk:nr_devices=0 timeout=240 mem=640 kernels=6.1,6.12
# vm: files=tests/vm/hang.sh

. /vm/lib.sh
. hang.sh

# shellcheck disable=SC2034 # hang.sh uses it
answer=$((7 * SLOWNESS))	# seconds
soon=$((5 * SLOWNESS))		# by then all has gone on: the timeout, and to spare
patience=$((1500 * SLOWNESS))

hang_make 64
# shellcheck disable=SC2154 # hang_make sets it
dest=$hang

note "-- direct writes, more than there is room for"
lm_create m /dev/vda "$dest" paused standby_timeout $patience
clock_starts
for i in $(seq 24); do
	dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=$((i * 300)) oflag=direct conv=notrunc 2>/dev/null &
	eval "writer_$i=$!"
done
# shellcheck disable=SC2046
all_end writer $(seq 24)
within "24 writes" $soon
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
lm_is m in_flight 0 || die "something is in flight: $(dmsetup status m)"
clock_starts
dd if=/dev/urandom of=/dev/mapper/m bs=1M count=8 oflag=direct conv=notrunc,fsync 2>/dev/null
blkdiscard -o 0 -l 4M /dev/mapper/m
within "what came after" $soon
clock_starts
timeout 60 dmsetup suspend m || die "suspend hangs"
dmsetup resume m
within "suspend" $soon
lm_refused 'I/O is still in flight' lm_msg m reattach
all_is_back 8
dmsetup remove m

note "-- writeback, flushes, a discard and the copier at once"
lm_create m /dev/vda "$dest" standby_timeout $patience
clock_starts
dd if=/dev/urandom of=/dev/mapper/m bs=64k count=320 conv=notrunc,fsync 2>/dev/null &
buffered=$!
for i in 1 2 3 4; do
	dd if=/dev/zero of=/dev/mapper/m bs=4k count=0 conv=fsync,notrunc 2>/dev/null &
	eval "flusher_$i=$!"
done
blkdiscard -o 40M -l 8M /dev/mapper/m || die "a discard has failed"
wait $buffered || die "the writeback has failed"
all_end flusher 1 2 3 4
within "writeback, flushes and a discard" $soon
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
suspend_ends
all_is_back 8
dmsetup remove m
nullb_remove hang

note "-- slow, and no more than that"
slow slow 64 $((20 * 1000000))
# shellcheck disable=SC2154 # slow sets it
dest=$slow
lm_create m /dev/vda "$dest" paused standby_timeout $((3000 * SLOWNESS))
# Some 200 a second are what it can do.
fio --name=w --filename=/dev/mapper/m --rw=randwrite --bs=4k --ioengine=io_uring --direct=1 \
	--iodepth=256 --io_size=6M --size=32M --randseed=1 --output=/run/fio || die "fio: $(cat /run/fio)"
lm_is m phase copying || die "a slow standby was taken for one that hangs: $(dmsetup status m)"
lm_is m write_errors 0 || die "there were errors: $(dmsetup status m)"
lm_is m mirrored 1536 || die "not all writes were mirrored: $(dmsetup status m)"
lm_msg m resume
lm_wait_phase m synced 60
legs_equal /dev/vda "$dest"
dmsetup remove m
nullb_remove slow
