# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034,SC2154 # shared with peers.sh
# How long a copy takes while the guest is still: on disks without a limit, and on disks
# of 64 MiB/s. The limit is a sequential write at depth 8, or the disk's speed.
#
# vm: mem=1536 timeout=900 bins=mdadm,nbd-client,qemu-storage-daemon
# vm: modules=dm-mirror,raid1,dm-thin-pool,nbd:nbds_max=1
# vm: files=tests/bench/bench.sh,tests/bench/peers.sh,build/bench/dm-clone.ko
# vm: disks=1G,1G,512M:bps=64M,512M:bps=64M,16M

. /vm/lib.sh
. bench.sh
. peers.sh

SUBJECTS=${SUBJECTS:-livemigrate dd dm-mirror md-raid1 dm-clone qemu-mirror}
meta=/dev/vde
peers_init

# copies WORK: of $a to $b, by each of them
copies()
{
	size=$(sectors "$a")
	for subject in $SUBJECTS; do
		if [ "$subject" = dd ]; then
			begun=$(now_ms)
			dd if="$a" of="$b" bs=1M iflag=direct oflag=direct 2>/dev/null
			took=$(seconds_since "$begun")
		else
			peer_make "$subject"
			peer_copy "$subject"
			peer_remove "$subject"
		fi
		legs_equal "$a" "$b"
		figure "$1" "$subject" "$took"
		# Other data, and no holes, which would be the host's work.
		fio_run "$b" --rw=write --bs=1M --iodepth=4 --size=100%
	done
}

LOOK_MS=10
a=/dev/vda b=/dev/vdb SPEED=1024
fio_run $a --rw=write --bs=1M --iodepth=8 --size=1G
fio_run $b --rw=write --bs=1M --iodepth=8 --size=1G
fio_run $b --rw=write --bs=256k --iodepth=8 --size=1G
figure copy-unlimited limit "$(awk -F ';' '{ print $50 / 1000 }' /run/fio)"
copies copy-unlimited

a=/dev/vdc b=/dev/vdd SPEED=64
fio_run $a --rw=write --bs=1M --iodepth=4 --size=512M
fio_run $b --rw=write --bs=1M --iodepth=4 --size=512M
figure copy-64 limit 8
copies copy-64
