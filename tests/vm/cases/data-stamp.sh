# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Every operation, whole migrations, all kinds of legs. stamp knows what each
# sector must hold; it writes (plain, FUA, NOWAIT), reads, discards, zeroes and
# flushes from 512 bytes to 1 MiB, and discards and zeroes up to 3 MiB, at any
# sector. It runs while the copier works; then through cutover, failback and
# cutover; then across commit. Each time it is stopped and has itself found
# nothing wrong; then each leg alone, read where it lies, holds what stamp
# knows, and the legs are equal byte for byte; after commit the dest alone is
# checked, with the device gone.
#
# Legs with and without discard and write-zeroes in all combinations that
# differ; regions of 8, 64 and 2048 sectors; a length that is no multiple of a
# region or chunk; legs at odd offsets; a target that is not at the beginning of
# its device.
#
# vm: disks=26M:discard:zeroes,26M:discard:zeroes,26M,26M,26M:discard,26M:discard
# vm: mem=768 timeout=180
# Caught: a discard whose bits are not cleared; a write that sets the bits of
# regions that it covers in part.

. /vm/lib.sh

lm_hurry

# begin SECONDS RATE: the load, and let it go on for a while.
begin()
{
	bg stamp stamp --dev /dev/mapper/m --state /run/state --seconds 60 --learn \
		--offset "$begin" --size "$len" --bs 512:1048576 --dbs 512:3145728 \
		--mix w=45,r=20,d=9,z=9,f=5,u=6,n=6 --threads 2 --depth 6 \
		--rate "$2"
	wait_until 20 test -s /run/stamp.log || die "the load does not begin"
	sleep "$1"
	bg_runs stamp || die "the load has ended: $(cat /run/stamp.log)"
}

# check DEV OFFSET: it holds what stamp has left.
check()
{
	stamp --check /run/state --dev "$1" --shift $(($2 - begin)) >/run/check ||
		{ cat /run/check && die "$1 does not hold what was written"; }
}

legs_good()
{
	cmpdev "$source" "$dest" --skip-a "$from" --skip-b "$to" --sectors "$len" ||
		die "the legs differ"
	check "$source" "$from"
	check "$dest" "$to"
}

# The target may be the second of its table, so not lm_msg, lm_field.
msg()
{
	dmsetup message m "$begin" "$*"
}

in_phase()
{
	[ "$(dmsetup status m | awk 'END { print $4 }')" = "$1" ]
}

wait_phase()
{
	wait_until 30 in_phase "$1" || die "not $1: $(dmsetup status m)"
}

# A discard may send it back to copying for a moment.
try()
{
	wait_until 20 msg "$1" 2>/run/refused ||
		die "$1 is refused for ever: $(dmsetup status m)"
}

# migrate SOURCE OFFSET DEST OFFSET LENGTH REGION_SIZE BEGIN
migrate()
{
	note "--- $*"
	source=$1 from=$2 dest=$3 to=$4 len=$5 begin=$7
	dd if=/dev/urandom of="$source" bs=1M count=20 conv=fsync 2>/dev/null
	dd if=/dev/urandom of="$dest" bs=1M count=6 seek=4 conv=fsync 2>/dev/null
	blockdev --flushbufs "$source"
	blockdev --flushbufs "$dest"
	{
		[ "$begin" -eq 0 ] || echo "0 $begin linear $source 0"
		echo "$begin $len livemigrate $source $from $dest $to 4 region_size $6 copy_rate 2048"
	} | dmsetup create m

	begin 1.2 0
	msg copy_rate 0
	sleep 0.5
	bg_end stamp TERM
	wait_phase synced
	legs_good

	begin 0.3 200
	for swap in cutover failback cutover; do
		try $swap
		sleep 0.3
	done
	bg_end stamp TERM
	wait_phase switched
	legs_good

	begin 0.3 0
	try commit
	sleep 0.2
	bg_end stamp TERM
	dmsetup status m
	dmsetup remove m
	check "$dest" "$to"
}

#       source   offset dest     offset length region begin
migrate /dev/vda 0      /dev/vdb 0      53248  8      0
migrate /dev/vda 7      /dev/vdc 1031   45003  64     0
migrate /dev/vdc 3001   /dev/vda 6143   40961  2048   2999
migrate /dev/vdc 5      /dev/vdd 0      50001  8      0
migrate /dev/vde 2049   /dev/vda 4097   47777  8      2047
migrate /dev/vda 1      /dev/vde 513    50007  64     0
migrate /dev/vde 0      /dev/vdf 0      53247  2048   0
