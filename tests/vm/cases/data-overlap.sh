# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Guest writes to the same sectors, 32 in flight at once, reach both legs in one
# order. Which of them wins is the guest's own affair, but on both legs it must
# be the same one: "overlap" writes while the copier is at work, at synced and
# when switched, once to 64 KiB, where nearly every write meets another, and once
# to 1 MiB. After each the legs are compared byte for byte, "overlap" has found
# no sector lost, torn or stale, and the status says that writes waited (held).
#
#
# A disk that takes one request at a time and one that takes all 32: the former's
# scheduler sorts by sector what waits, so it does not keep the order in which
# overlapping writes came, and the legs would disagree all the time.
#
# vm: modules=null_blk:nr_devices=0,mq-deadline
# Caught: ranges that are always granted (the legs differ).

. /vm/lib.sh

lm_hurry

# load BYTES SECTOR
load()
{
	overlap --dev /dev/mapper/m --depth 32 --size "$1" --offset "$2" --seconds 3
}

# The legs are equal, and writes did have to wait for each other.
good()
{
	legs_equal "$source" "$dest"
	now=$(lm_field m held)
	note "held: $((now - held)), the longest $(lm_field m held_max_us) us"
	[ "$now" -gt $((held + 1000 / SLOWNESS)) ] ||
		die "hardly any write had to wait: nothing was tested"
	held=$now
}

need null_blk
nullb lm-source 24 submit_queues=1 hw_queue_depth=64
# shellcheck disable=SC2154 # nullb sets it
source=$nullb_dev_
# 100 us for a request, told by a timer's interrupt.
nullb lm-dest 24 submit_queues=1 hw_queue_depth=1 irqmode=2 completion_nsec=100000
# shellcheck disable=SC2154 # nullb sets it
dest=$nullb_dev_
echo none >"/sys/block/${source##*/}/queue/scheduler"
echo mq-deadline >"/sys/block/${dest##*/}/queue/scheduler" ||
	skip "this kernel has no mq-deadline"
dd if=/dev/urandom of="$source" bs=1M count=24 oflag=direct 2>/dev/null
held=0

# Slow enough to be at it all the time: 24 s.
lm_create m "$source" "$dest" copy_rate 1024
load 65536 10000
load 1048576 20000
[ "$(lm_field m phase)" = copying ] || die "the copier was done before the load"
lm_msg m copy_rate 0
lm_wait_phase m synced
good

for phase in synced switched; do
	[ $phase = synced ] || lm_msg m cutover
	load 65536 30001
	load 1048576 4095
	[ "$(lm_field m phase)" = $phase ] || die "not $phase any more"
	good
done
dmsetup remove m
nullb_remove lm-source
nullb_remove lm-dest
