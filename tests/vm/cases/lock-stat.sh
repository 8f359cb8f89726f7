# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# No lock that every write takes is one that writes wait for: on several processors
# they get in each other's way only where they mean the same data.
#
# Method: the kernel's own count of locks, while a guest writes 4 KiB here and there from
# four processors at once, to a device that copies and to one that is synced. Of the locks
# that are taken at least once for each write, one in a hundred at most has to be waited
# for, but those that dm-linear on the same disk waits for half as often at least. A processor of the
# machine may stand still with a lock held, because the host runs another one, so none is
# never waited for.
#
# vm: smp=4 timeout=240 kernels=debug
# vm: modules=null_blk:nr_devices=0 files=tests/bench/bench.sh
# Caught: stats.lock taken around the count of each mirrored write.

. /vm/lib.sh
. bench.sh

[ -e /proc/lock_stat ] || skip "the kernel does not count its locks: tests/vm/run -k debug has one that does"

WRITES=8000

# waited DEV: into /run/waited what of the locks that are taken for each write is waited for
# more than once in a hundred times, in a thousand.
waited()
{
	echo 0 >/proc/lock_stat
	echo 1 >/proc/sys/kernel/lock_stat
	fio_run "$1" --rw=randwrite --bs=4k --iodepth=8 --numjobs=4 --group_reporting \
		--number_ios=$((WRITES / 4)) --size=64M --offset_increment=64M
	echo 0 >/proc/sys/kernel/lock_stat
	# Each line: the lock's name, which may hold spaces, a colon, and ten figures. With
	# readers it has two, -R: and -W:.
	awk -v writes=$WRITES -v all=/run/all '
		match($0, /: +[0-9]+ +[0-9]+ +[0-9.]+ /) {
			name = substr($0, 1, RSTART - 1)
			gsub(/^ +| +$/, "", name)
			gsub(/ /, "_", name)
			split(substr($0, RSTART + 1), n)
			if (n[8] < writes)
				next
			share = int(n[2] * 1000 / n[8])
			print name, n[2], n[8] >all
			if (share >= 10)
				print name, share
		}' /proc/lock_stat | sort >/run/waited
	[ -s /run/all ] || die "the kernel has counted no lock: $(head -n 20 /proc/lock_stat)"
	note "$1: locks taken for each write: waited for, of so many times"
	while read -r line; do
		note "  $line"
	done </run/all
	rm /run/all
}

null_disk 256
# shellcheck disable=SC2154 # null_disk sets it
a=$disk
null_disk 256
b=$disk

dmsetup create linear --table "0 $(sectors "$a") linear $a 0"
waited /dev/mapper/linear
dmsetup remove linear
mv /run/waited /run/linear

lm_create m "$a" "$b" paused
for phase in copying synced; do
	[ $phase = copying ] || { lm_msg m resume && lm_wait_phase m synced 60; }
	waited /dev/mapper/m
	while read -r name share; do
		linear=$(sed -n "s/^$name //p" /run/linear)
		[ "$share" -le $((2 * ${linear:-0})) ] ||
			die "$phase: writes wait for $name in $share of 1000 cases"
	done </run/waited
done
dmsetup remove m
