# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Bios that must not wait (io_uring sends all as such first) where there is something
# to wait for: polled and not, whole and split by dm, in each phase that sends them in
# another way. The guest must never see EAGAIN, and all must end.
#
# Method: null_blk devices with poll queues. One that takes four bios at a time, each
# for 2 ms, has no room again and again. A striped one splits what it is sent. Writes
# overlap, so that they wait for ranges.
#
# Caught: "would block" told to dm's worker, which asks for a polled bio once more; a
# leg's "would block" handed on, of polled bios and of split ones (all: fio gets EAGAIN).
#
# vm: modules=null_blk:nr_devices=0:poll_queues=1,dm-flakey mem=512 files=tests/vm/legs.sh
# vm: kernels=6.1,6.12 timeout=300

. /vm/lib.sh
. legs.sh

# load OPTION...: it must see no error.
load()
{
	note "   fio $*"
	timeout 120 fio --output-format=terse --terse-version=3 --filename=/dev/mapper/m --direct=1 \
		--thread --group_reporting --time_based --runtime=1 --norandommap \
		--name=load --ioengine=io_uring --numjobs=2 "$@" >/run/fio.out 2>&1 ||
		{ cat /run/fio.out && die "fio has failed: $*"; }
}

overlapped()
{
	load --hipri --rw=randwrite --bsrange=512-64k --offset=2M --size=128k --iodepth=8
	load --rw=randwrite --bsrange=512-64k --offset=2M --size=128k --iodepth=8
}

# no_room RW: most of those of 512 KiB lie in two chunks, which dm splits.
no_room()
{
	load --hipri --rw="$1" --bs=4k --iodepth=32
	load --hipri --rw="$1" --bs=512k --blockalign=4k --iodepth=8
	load --rw="$1" --bs=512k --blockalign=4k --iodepth=8
}

need null_blk
nullb lm-source 8 submit_queues=1 poll_queues=1
# shellcheck disable=SC2154 # nullb sets it
source=$nullb_dev_
nullb lm-dest 8 submit_queues=1 poll_queues=1
dest=$nullb_dev_
nullb lm-full 8 submit_queues=1 poll_queues=1 hw_queue_depth=4 \
	irqmode=2 completion_nsec=2000000
full=$nullb_dev_
# null_blk may sleep for memory while it is polled, which it must not.
for dev in "$source" "$dest" "$full"; do
	dd if=/dev/zero of="$dev" bs=1M oflag=direct 2>/dev/null || :
done

note "-- writes wait for each other: synced, switched"
lm_create m "$source" "$dest"
[ "$(cat "/sys/block/$(dmsetup info -c --noheadings -o blkdevname m)/queue/io_poll")" = 1 ] ||
	note "SKIPPED in part: the device does not poll"
lm_wait_phase m synced
overlapped
lm_msg m cutover
overlapped
legs_equal "$source" "$dest"
dmsetup remove m

note "-- degraded, of a leg that splits"
dmsetup create striped --table "0 16384 striped 2 8 $source 0 $dest 0"
leg_make dst "$full"
lm_create m /dev/mapper/striped /dev/mapper/dst copy_rate 0
leg_fail_writes dst
dd if=/dev/zero of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
overlapped
dmsetup remove m
dmsetup remove striped
dmsetup remove dst

note "-- a leg without room: copying, degraded, aborted"
leg_make dst "$dest"
lm_create m "$full" /dev/mapper/dst copy_rate 0
no_room randread
no_room randwrite
leg_fail_writes dst
dd if=/dev/zero of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
lm_is m phase degraded || die "not degraded: $(dmsetup status m)"
no_room randread
no_room randwrite
lm_drop m abort
lm_wait_phase m aborted
no_room randread
no_room randwrite
dmsetup remove m
dmsetup remove dst
for name in source dest full; do
	nullb_remove lm-$name
done
