# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Every way to submit I/O: fio with io_uring, io_uring that polls (hipri),
# libaio and plain system calls, each writing and verifying its own part, and
# stamp with nothing but RWF_NOWAIT writes, all at once and through a whole
# migration: while the copier works, at synced with cutover, failback and
# cutover, and across commit. The legs are compared at synced and at switched.
# The legs are null_blk devices with poll queues, so polled bios do reach the
# target; a leg that is sent one lets it time out.
#
# vm: modules=null_blk:nr_devices=0:poll_queues=1 mem=768
# Caught: leg bios that inherit REQ_POLLED (writes time out).

. /vm/lib.sh

lm_hurry

# engines DEV SEED [OPTION...]: each engine in a part of its own.
engines()
{
	file=$1 seed=$2
	shift 2
	fio --output-format=terse --terse-version=3 --filename="$file" --direct=1 \
		--verify=crc32c --verify_interval=512 --verify_fatal=1 \
		--verify_state_save=0 --allrandrepeat=1 --thread --group_reporting \
		--randseed="$seed" --rw=randwrite --bsrange=512-128k "$@" \
		--name=uring --ioengine=io_uring --iodepth=16 --offset=0 --size=2M \
		--name=polled --ioengine=io_uring --hipri --iodepth=4 --offset=2M --size=2M \
		--name=fixed --ioengine=io_uring --fixedbufs --registerfiles \
			--iodepth=8 --offset=4M --size=2M \
		--name=libaio --ioengine=libaio --iodepth=16 --offset=6M --size=2M \
		--name=sync --ioengine=psync --offset=8M --size=1M \
		--name=poll_sync --ioengine=pvsync2 --hipri --offset=9M --size=1M \
		>/run/fio.out 2>&1 ||
		{ cat /run/fio.out && die "fio has found something"; }
}

begin()
{
	bg stamp stamp --dev /dev/mapper/m --state /run/state --learn --seconds $((60 * SLOWNESS)) \
		--offset 20480 --size 8192 --bs 512:65536 --mix n=90,r=10
	wait_until 20 test -s /run/stamp.log || die "the load does not begin"
}

end()
{
	bg_runs stamp || die "the load has ended: $(cat /run/stamp.log)"
	bg_end stamp TERM
	grep -q ' nowait=0 ' /run/stamp.log && die "no NOWAIT write"
	:
}

checked()
{
	legs_equal "$source" "$dest"
	stamp --check /run/state --dev "$source"
	stamp --check /run/state --dev "$dest"
}

need null_blk
nullb lm-source 24 submit_queues=1 poll_queues=1
# shellcheck disable=SC2154 # nullb sets it
source=$nullb_dev_
nullb lm-dest 24 submit_queues=1 poll_queues=1
# shellcheck disable=SC2154 # nullb sets it
dest=$nullb_dev_

dd if=/dev/urandom of="$source" bs=1M count=24 oflag=direct 2>/dev/null
# The last 10 MiB are nobody's, so that something is left to be copied.
lm_create m "$source" "$dest" copy_rate 512
if [ "$(cat "/sys/block/$(dmsetup info -c --noheadings -o blkdevname m)/queue/io_poll")" = 1 ]; then
	note "the device polls"
else
	note "SKIPPED in part: the device does not poll, so hipri is without effect"
fi

begin
engines /dev/mapper/m 1
[ "$(lm_field m phase)" = copying ] || die "the copier was done before the load"
lm_msg m copy_rate 0
lm_wait_phase m synced
end
checked

begin
bg engines engines /dev/mapper/m 2
for switch in cutover failback cutover; do
	lm_msg m $switch
	sleep 1
done
bg_end engines
end
[ "$(lm_field m phase)" = switched ] || die "not switched"
checked

begin
bg engines engines /dev/mapper/m 3
sleep 0.5
lm_drop m commit
bg_end engines
end
[ "$(lm_field m phase)" = committed ] || die "not committed"
dmsetup status m
dmsetup remove m
engines "$dest" 3 --verify_only
stamp --check /run/state --dev "$dest"
nullb_remove lm-source
nullb_remove lm-dest
