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

MIB=${MIB:-64}
SPEED=${SPEED:-16}

# guest_start RW DEV: in the background, until it is told to end.
guest_start()
{
	fio --name=guest --filename="$2" --rw="$1" --bs=4k --direct=1 \
		--ioengine=io_uring --iodepth=16 --randrepeat=1 --norandommap \
		--time_based --runtime=100000 --output=/run/fio >/dev/null 2>&1 &
	guest=$!
	sleep 1
}

guest_end()
{
	kill -INT $guest
	# It calls that an error.
	wait $guest || :
}

# What NAME has done so far: reads and writes.
ios_of()
{
	awk '{ print $1 + $5 }' "/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor --separator : "$1")/stat"
}

# count NAME COMMAND...: the IOPS of that device until the command has ended into $iops, and
# how long that took into $took.
count()
{
	co_name_=$1
	shift
	co_begun_=$(now_ms)
	co_ios_=$(ios_of "$co_name_")
	"$@"
	co_ios_=$(($(ios_of "$co_name_") - co_ios_))
	took=$(seconds_since "$co_begun_")
	iops=$(awk -v n=$co_ios_ -v s="$took" 'BEGIN { print int(n / s) }')
}

null_disk "$MIB" memory_backed=1 mbps="$SPEED" irqmode=2 completion_nsec=100000
# shellcheck disable=SC2154 # null_disk sets it
a=$disk
null_disk "$MIB" mbps="$SPEED" irqmode=2 completion_nsec=100000
b=$disk
size=$(sectors "$a")
fio_run "$a" --rw=write --bs=1M --iodepth=4 --size="${MIB}M"

for rw in randwrite randread; do
	dmsetup create linear --table "0 $size linear $a 0"
	guest_start $rw /dev/mapper/linear
	count linear sleep 5
	guest_end
	figure "saturated-$rw" dm-linear "$iops"
	dmsetup remove linear

	lm_create m "$a" "$b" paused
	guest_start $rw /dev/mapper/m
	count m sleep 5
	figure "saturated-$rw" mirrored "$iops"
	events=$(dmsetup info -c --noheadings -o events m)
	lm_msg m resume
	count m dmsetup wait m "$events"
	guest_end
	lm_is m phase synced || die "it is not synced: $(dmsetup status m)"
	figure "saturated-$rw" copying "$iops"
	figure "saturated-$rw-time" copying "$took"
	figure "saturated-$rw-time" limit $((MIB / SPEED))
	lm_msg m abort
	dmsetup remove m
done
