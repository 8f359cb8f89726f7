# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The copier heeds what the devices say of themselves, beside a guest, where its pieces
# are small.
#
# 1. A block of a thin volume is written as a whole, so the pool fills none with zeroes
#    before: its disk gets each byte once, though a block is four times a piece, and
#    though the guest's writes make the copier begin in the midst of blocks.
# 2. What nobody waits for has the least priority that makes progress, class 2 (best
#    effort), level 7: the reads of a copy. Its writes, which hold up the guest's to the
#    same place, have none, as the guest's.
# 3. Where the dest must not be sent pages that change, the device says so, too.
#
# Method: the disk's own statistics; a probe in the kernel on what is submitted, which
# reads the bio's fields at their places on 64 bits (bi_opf, 16, and bi_ioprio, 22;
#    bi_size, 40 or 48).
#
# vm: disks=32M,64M:discard:zeroes,8M modules=dm-thin-pool
# Caught: pieces of 64 KiB (1), that end anywhere (1); reads without a priority (2),
# writes with one (2); nothing handed on (3).

. /vm/lib.sh

size=$(sectors /dev/vda)
block=512
dd if=/dev/urandom of=/dev/vda bs=1M count=32 conv=fsync 2>/dev/null
# A pool that fills the rest of a block with zeroes, as lvm2 has it.
dmsetup create pool --table "0 $(sectors /dev/vdb) thin-pool /dev/vdc /dev/vdb $block 0"
dmsetup message pool 0 "create_thin 0"
dmsetup create thin --table "0 $size thin /dev/mapper/pool 0"


# Some regions in the midst of every third block are there before.
lm_create m /dev/vda /dev/mapper/thin dest_zeroed paused
written=0
at=192
while [ $at -lt "$size" ]; do
	dd if=/dev/urandom of=/dev/mapper/m bs=4k seek=$((at / 8)) count=1 oflag=direct 2>/dev/null
	written=$((written + 8))
	at=$((at + 3 * block))
done
before=$(disk_stat /dev/vdb write)
requests=$(disk_stat /dev/vdb writes)

tracing=/sys/kernel/tracing
mount -t tracefs tracefs $tracing 2>/dev/null || :
[ -e $tracing/kprobe_events ] || note "no priorities: the kernel has no probes"
if [ -e $tracing/kprobe_events ]; then
	echo 'p:bios submit_bio_noacct opf=+16(%di):u32 prio=+22(%di):u16 one=+40(%di):u32 other=+48(%di):u32' \
		>$tracing/kprobe_events
	echo 1 >$tracing/events/kprobes/bios/enable
fi

# A guest that only reads, so that nobody but the copier writes.
bg guest fio --name=guest --filename=/dev/mapper/m --direct=1 --rw=randread --bs=4k \
	--rate_iops=200 --time_based --runtime=$((60 * SLOWNESS))
sleep 1
lm_msg m resume
lm_wait_phase m synced 60
bg_kill guest INT
# It calls that an error.
wait "$(cat /run/guest.pid)" || :

# 1
wrote=$(($(disk_stat /dev/vdb write) - before))
note "$((size - written)) sectors in $(($(disk_stat /dev/vdb writes) - requests)) requests"
[ $wrote -eq $((size - written)) ] ||
	die "the pool's disk was written $wrote sectors to hold $((size - written))"

# 2
if [ -e $tracing/kprobe_events ]; then
	echo 0 >$tracing/events/kprobes/bios/enable
	sed -n 's/.* opf=\([0-9]*\) prio=\([0-9]*\) one=\([0-9]*\) other=\([0-9]*\).*/\1 \2 \3 \4/p' $tracing/trace >/run/bios.all
	# Where the size lies depends on the kernel; the guest's reads say where.
	awk '$3 == 4096 { one++ } $4 == 4096 { other++ } END { print (one > other) ? 3 : 4 }' /run/bios.all >/run/field
	awk -v at="$(cat /run/field)" '$at >= 65536 { print $1 % 256 ? "write" : "read", int($2 / 8192) "." $2 % 8192 }' /run/bios.all |
		sort | uniq -c >/run/bios
	cat /run/bios
	echo >$tracing/kprobe_events
	grep -q ' read 2.7$' /run/bios && grep -q ' write 0.0$' /run/bios &&
		[ "$(wc -l </run/bios)" -eq 2 ] ||
		die "the copier's reads must be of class 2, level 7, and its writes of none"
fi

# stable: does the device say so?
stable()
{
	cat "/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor --separator : m)/queue/stable_writes"
}

# 3
[ "$(stable)" = 0 ] || die "it wants stable writes, and neither leg does"
dmsetup remove m
dmsetup remove thin
dmsetup remove pool
echo 1 >/sys/block/vdb/queue/stable_writes
lm_create m /dev/vda /dev/vdb paused
[ "$(stable)" = 1 ] || die "it wants no stable writes, and its dest does"
dmsetup remove m
