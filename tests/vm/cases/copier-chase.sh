# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Writes aimed at what is being copied right then. The dest is slow, so a job of
# the copier stays in its steps for long; stamp aims small writes, none of which
# covers a region, at the 2 MiB around the copier. The pass ends while the load
# goes on; no error, and no write is lost: stamp reads everything back, then
# each leg by itself holds all of it, and the legs are equal. Once with regions
# of 4 KiB, once of 32 KiB, and last of 1 MiB, a whole chunk.
#
# That writes did meet the copier's is seen in "held" (they waited for its write
# step) and in the source's reads (regions that were lost to a write were read
# once more).
#
# vm: disks=16M,16M:bps=8M
# Caught: a copy that writes what it lost to the guest (the legs differ).

. /vm/lib.sh

lm_hurry

# chase REGION_SIZE MAX_WRITE MIB
chase()
{
	note "--- regions of $1 sectors"
	total=$(($3 * 2048))
	dd if=/dev/urandom of=/dev/vda bs=1M count="$3" conv=fsync 2>/dev/null
	blockdev --flushbufs /dev/vda

	dmsetup create m --table "0 $total livemigrate /dev/vda 0 /dev/vdb 0 3 paused region_size $1"
	bg stamp stamp --dev /dev/mapper/m --chase m --bs "512:$2" --state /run/state \
		--mix w=80,f=5,u=5,n=10 --threads 4 --depth 4 --seconds 60
	wait_until 20 test -s /run/stamp.log || die "the load does not begin"
	sleep 0.5
	before=$(disk_stat /dev/vda read)
	lm_msg m resume
	lm_wait_phase m synced 30
	bg_runs stamp || die "the load has ended: $(cat /run/stamp.log)"
	dmsetup status m
	again=$(($(disk_stat /dev/vda read) - before - total))
	note "read once more: $again sectors of $total"
	sleep 0.5
	[ "$(lm_field m phase)" = synced ] || die "not synced any more"
	bg_end stamp TERM

	grep -q ' chased=0$' /run/stamp.log && die "no write chased the copier"
	[ "$(lm_field m held)" -gt 0 ] || die "no write met one of the copier"
	# As large as a chunk they are lost before they are read.
	[ "$1" -eq 2048 ] || [ "$again" -gt 0 ] || die "no region was lost to a write"
	legs_equal /dev/vda /dev/vdb "$total"
	dmsetup remove m
	stamp --check /run/state --dev /dev/vda
	stamp --check /run/state --dev /dev/vdb
}

chase 8 3584 16
chase 64 16384 16
# Each job is a region here, and one that is lost comes much later: a device so
# small that all of it lies around the copier.
chase 2048 65536 4
