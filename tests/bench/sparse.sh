# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A source with data in a tenth of it, to a thin volume, on disks of 64 MiB/s: to read all
# of the source takes longer than to write the data. What the copy takes in the pool is
# shown, too.
#
# vm: mem=768 timeout=900
# vm: modules=dm-thin-pool files=tests/bench/bench.sh
# vm: disks=512M:bps=64M,512M:bps=64M,16M

. /vm/lib.sh
. bench.sh

size=$(sectors /dev/vda)
# Every tenth of 64 KiB, after all has been zeroes.
blkdiscard -z /dev/vda
fio_run /dev/vda --rw=write:576k --bs=64k --iodepth=8 --size=512M --number_ios=819
dd if=/dev/zero of=/dev/vdc bs=4096 count=1 oflag=direct 2>/dev/null
dmsetup create pool --table "0 $size thin-pool /dev/vdc /dev/vdb 128 0 1 skip_block_zeroing"
dmsetup message pool 0 "create_thin 0"
dmsetup create thin --table "0 $size thin /dev/mapper/pool 0"

begun=$(now_ms)
lm_create m /dev/vda /dev/mapper/thin dest_zeroed
lm_is m phase synced || dmsetup wait m 0
took=$(seconds_since "$begun")
lm_wait_phase m synced
legs_equal /dev/vda /dev/mapper/thin
figure sparse limit 8
figure sparse livemigrate "$took"
# Blocks of 64 KiB that the pool has given away.
figure sparse-taken limit "$((819 * 64 / 1024))"
figure sparse-taken livemigrate "$(dmsetup status pool | awk '{ split($6, n, "/"); print n[1] * 64 / 1024 }')"
dmsetup remove m
dmsetup remove thin
dmsetup remove pool
