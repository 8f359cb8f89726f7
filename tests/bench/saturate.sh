# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A copy beside a guest that takes all that the disks give, 16 MiB/s, in counted time:
# what it keeps of its IOPS, and that the copy ends.
#
# vm: clock=counted mem=768 timeout=3000
# vm: modules=null_blk:nr_devices=0
# vm: files=tests/bench/bench.sh

. /vm/lib.sh
. bench.sh

MIB=32
SPEED=16

saturate()	# saturate RW DEV WORD...
{
	sa_rw_=$1 sa_dev_=$2
	shift 2
	fio --name=guest --filename="$sa_dev_" --rw="$sa_rw_" --bs=4k --direct=1 \
		--ioengine=io_uring --iodepth=16 --randrepeat=1 --norandommap \
		--minimal --terse-version=3 --output=/run/fio "$@" >/dev/null 2>&1
}

null_disk $MIB memory_backed=1 mbps=$SPEED irqmode=2 completion_nsec=100000
# shellcheck disable=SC2154 # null_disk sets it
a=$disk
null_disk $MIB mbps=$SPEED irqmode=2 completion_nsec=100000
b=$disk
size=$(sectors "$a")
fio_run "$a" --rw=write --bs=1M --iodepth=4 --size="${MIB}M"

for rw in randwrite randread; do
	dmsetup create linear --table "0 $size linear $a 0"
	saturate $rw /dev/mapper/linear --time_based --runtime=20
	figure "saturated-$rw" dm-linear "$(fio_had $rw)"
	dmsetup remove linear

	lm_create m "$a" "$b" paused
	saturate $rw /dev/mapper/m --time_based --runtime=100000 &
	guest=$!
	sleep 1
	events=$(dmsetup info -c --noheadings -o events m)
	begun=$(now_ms)
	lm_msg m resume
	dmsetup wait m "$events"
	took=$(seconds_since "$begun")
	kill -INT $guest
	wait $guest || :
	lm_is m phase synced || die "it is not synced: $(dmsetup status m)"
	figure "saturated-$rw" copying "$(fio_had $rw)"
	figure "saturated-$rw-time" copying "$took"
	figure "saturated-$rw-time" limit $((MIB / SPEED))
	lm_msg m abort
	dmsetup remove m
done
