# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The cost of an I/O: 4 KiB, random, 16 at a time, on disks that answer at once, in
# counted time, where a figure is instructions and nothing else.
#
# vm: clock=counted mem=512 timeout=1200 bins=mdadm
# vm: modules=null_blk:nr_devices=0,dm-mirror,raid1,dm-thin-pool
# vm: files=tests/bench/bench.sh,build/bench/dm-clone.ko

. /vm/lib.sh
. bench.sh

each()		# each SUBJECT DEV
{
	for rw in randwrite randread; do
		figure "$rw" "$1" "$(fio_iops "$2" $rw)"
	done
}

null_disk 1024
# shellcheck disable=SC2154 # null_disk sets it
a=$disk
null_disk 1024
b=$disk
# dm-clone's metadata must be there when it is read.
null_disk 64 memory_backed=1
meta=$disk
size=$(sectors "$a")

each disk "$a"

dmsetup create linear --table "0 $size linear $a 0"
each dm-linear /dev/mapper/linear
dmsetup remove linear

dmsetup create mirror --table "0 $size mirror core 2 1024 nosync 2 $a 0 $b 0"
each dm-mirror /dev/mapper/mirror
dmsetup remove mirror

mdadm --build /dev/md0 --level=1 --raid-devices=2 --assume-clean --run "$a" "$b" >/run/mdadm 2>&1 ||
	{ cat /run/mdadm; die "md cannot be made"; }
each md-raid1 /dev/md0
mdadm --stop /dev/md0 >/dev/null 2>&1

insmod /vm/tools/dm-clone.ko
dmsetup create clone --table "0 $size clone $meta $b $a 2048 2 no_discard_passdown no_hydration"
dmsetup message clone 0 hydration_threshold 64
dmsetup message clone 0 hydration_batch_size 64
dmsetup message clone 0 enable_hydration
hydrated() { dmsetup status clone | awk '{ split($7, n, "/"); exit n[1] != n[2] }'; }
wait_until 300 hydrated
each dm-clone /dev/mapper/clone
dmsetup remove clone

lm_create m "$a" "$b" paused
each copying /dev/mapper/m
lm_msg m resume
lm_wait_phase m synced 300
each synced /dev/mapper/m
lm_msg m cutover
each switched /dev/mapper/m
lm_msg m commit
lm_wait_phase m committed
each committed /dev/mapper/m
dmsetup remove m

# With metadata: the first write into a chunk waits for one of the metadata, if none is
# on its way; those that follow wait for none.
dd if=/dev/zero of="$meta" bs=1M count=16 oflag=direct 2>/dev/null
lm_create m "$a" "$b" metadata "$meta"
lm_wait_phase m synced 300
sleep 10
before=$(disk_stat "$meta" write)
fio_run /dev/mapper/m --rw=write:1020k --bs=4k --iodepth=1 --number_ios=256 --size=1G
figure first-write livemigrate "$(awk -v n=$((($(disk_stat "$meta" write) - before) / 8)) 'BEGIN { print n / 256 }')"
figure first-write limit 1
figure randwrite synced-metadata "$(fio_iops /dev/mapper/m randwrite)"
dmsetup remove m
