# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034,SC2154 # shared with peers.sh
# A copy beside a guest that wants little, 1.6 MiB/s, on disks of 64 MiB/s, in counted
# time: how long the copy takes, and what the guest waits meanwhile. dm-linear is the
# guest alone.
#
# vm: clock=counted mem=5120 timeout=3000 bins=mdadm,nbd-client,qemu-storage-daemon
# vm: modules=null_blk:nr_devices=0,dm-mirror,raid1,dm-thin-pool,nbd:nbds_max=1
# vm: files=tests/bench/bench.sh,tests/bench/peers.sh,build/bench/dm-clone.ko

. /vm/lib.sh
. bench.sh
. peers.sh

MIB=${MIB:-4096}
SPEED=64
GUESTS=${GUESTS:-write read sequential database}

# guest_start WORK DEV: in the background, until it is told to end.
guest_start()
{
	case "$1" in
	write) set -- "$1" "$2" --rw=randwrite --bs=4k --rate_iops=400 ;;
	read) set -- "$1" "$2" --rw=randread --bs=4k --rate_iops=400 ;;
	sequential) set -- "$1" "$2" --rw=write --bs=4k --rate_iops=400 ;;
	# fio 3.33 divides by zero if it must fsync by Poisson's clock.
	database) set -- "$1" "$2" --rw=randwrite --bs=16k --fsync=1 --rate_iops=100 --rate_process=linear ;;
	esac
	gs_dev_=$2
	shift 2
	fio --name=guest --filename="$gs_dev_" --direct=1 --ioengine=io_uring --iodepth=16 \
		--rate_process=poisson --randrepeat=1 --norandommap --time_based --runtime=100000 \
		--percentile_list=50:99:99.9 --lat_percentiles=1 "$@" \
		--output-format=json --output=/run/guest.json >/dev/null 2>&1 &
	guest=$!
}

guest_end()
{
	kill -INT $guest
	wait $guest || :
}

# percentile P: microseconds, of what the guest has read or written
percentile()
{
	awk -v p="\"$1" '
		$1 == "\"lat_ns\"" { inside = 1 }
		inside && index($1, p) == 1 && $3 + 0 > worst { worst = $3 + 0 }
		inside && index($1, p) == 1 { inside = 0 }
		END { printf "%.1f", worst / 1000 }' /run/guest.json
}

latencies()	# latencies WORK SUBJECT
{
	for p in 50 99 99.9; do
		figure "$1-p$p" "$2" "$(percentile $p)"
	done
}

null_disk "$MIB" memory_backed=1 mbps=$SPEED irqmode=2 completion_nsec=100000
a=$disk
null_disk "$MIB" mbps=$SPEED irqmode=2 completion_nsec=100000
b=$disk
# dm-clone's metadata must be there when it is read.
null_disk 64 memory_backed=1
meta=$disk
size=$(sectors "$a")
peers_init
fio_run "$a" --rw=write --bs=1M --iodepth=4 --size="${MIB}M"

for work in $GUESTS; do
	dmsetup create linear --table "0 $size linear $a 0"
	guest_start "$work" /dev/mapper/linear
	sleep 30
	guest_end
	latencies "$work" dm-linear
	dmsetup remove linear
	figure "$work-time" limit "$((MIB / SPEED))"

	subjects=livemigrate
	[ "$work" != write ] || subjects="livemigrate dm-mirror md-raid1 dm-clone qemu-mirror"
	for subject in ${SUBJECTS:-$subjects}; do
		peer_make "$subject"
		guest_start "$work" "$peer"
		sleep 1
		peer_copy "$subject"
		guest_end
		latencies "$work" "$subject"
		figure "$work-time" "$subject" "$took"
		peer_remove "$subject"
	done
done
