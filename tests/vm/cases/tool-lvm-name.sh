# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The name of a logical volume that is moved, with the real lvm2, and over a real reboot,
# in which the machine just stops: it means the data, never the old one. Moved within its
# group, and out of it; what stands in the way is refused before anything has changed; a
# commit that is killed anywhere is finished by resume, or taken back; one that a reboot
# has cut off leaves no such name until somebody decides.
#
# Caught: a name that is not changed (after the boot it means the old data).
#
# vm: livemigrate=sanitized disks=96M,40M,8M boots=2 timeout=400 mem=640
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh bins=lvm modules=ext4

. /vm/lib.sh
export LIVEMIGRATE_STATE_DIR=/state/lib
. legs.sh
. tool.sh
. lvm.sh

mkdir -p /state
note "=== boot $BOOT"

fill()	# fill DEV: with what is not zero; its sum in $sum
{
	dd if=/dev/urandom of="$1" bs=1M count=8 conv=fsync,notrunc 2>/dev/null
	sum=$(md5sum <"$1")
}

is()	# is VG/LV: it holds what was filled in
{
	[ "$(dd if="/dev/$1" iflag=direct bs=1M 2>/dev/null | md5sum)" = "$sum" ] || die "$1 is not the data"
}

skipped()	# skipped VG/LV: lvm2 does not make a device of it by itself
{
	lvm lvs --noheadings -o lv_skip_activation "$1" 2>/dev/null | grep -q skip || die "$1 is activated"
}

# The device of the last move, and what was left, go.
gone()	# gone DM VG/LV
{
	dmsetup remove "$1"
	vm_lvm lvremove -y "$2"
	all_clear
}

recorded()	# the name of the device that there is a record of
{
	find /state/lib -name '*.json' | sed 's,.*/,,; s/\.json$//'
}

first_boot()
{
	mkfs.ext4 -q /dev/vdc
	mount /dev/vdc /state
	vm_lvm vgcreate vg0 /dev/vda
	vm_lvm vgcreate vg1 /dev/vdb
	vm_lvm lvcreate -y -L 8M -n vm-1 vg0
	fill /dev/vg0/vm-1

	note "--- within the group"
	load_start /dev/vg0/vm-1 --rate 100 --mix w=60,r=40 --offset 0
	tool start vg0/vm-1 --to vg0/other
	tool wait vg0/vm-1
	tool cutover vg0/vm-1
	vm_lvm lvcreate -y -L 4M -n vm-1.lmsrc vg0
	refused 3 'vg0/vm-1.lmsrc is left of an earlier move' commit vg0/vm-1
	is_source=$(volumes)
	[ "$is_source" = "vg0/other vg0/vm-1 vg0/vm-1.lmsrc" ] || die "there are now: $is_source"
	vm_lvm lvremove -y vg0/vm-1.lmsrc
	answers 0 'vg0/other is called vg0/vm-1 now' commit vg0/vm-1
	load_alive
	load_stop
	[ "$(volumes)" = "vg0/vm-1 vg0/vm-1.lmsrc" ] || die "there are now: $(volumes)"
	load_check /dev/vg0/vm-1
	load_check /dev/mapper/vg0-vm--1.lmsrc
	skipped vg0/vm-1.lmsrc
	gone vg0-vm--1.lmsrc vg0/vm-1.lmsrc

	note "--- aborted: all as it was"
	fill /dev/vg0/vm-1
	tool run vg0/vm-1 --to vg0/other --failback-window 0 --delete-source
	[ "$(volumes)" = "vg0/vm-1" ] || die "there are now: $(volumes)"
	is vg0/vm-1
	dmsetup remove vg0-vm--1.lmsrc
	tool start vg0/vm-1 --to vg0/other
	tool wait vg0/vm-1
	tool abort vg0/vm-1 --delete-dest
	[ "$(volumes)" = "vg0/vm-1" ] || die "there are now: $(volumes)"
	[ -e /dev/mapper/vg0-vm--1 ] || die "the device has another name"

	note "--- killed in commit"
	export ASAN_OPTIONS=detect_leaks=0
	n=0
	status=99
	while [ $status -eq 99 ]; do
		# shellcheck disable=SC2154 # tool.sh sets it
		n=$((n + 3 * kill_stride))
		tool start vg0/vm-1 --to vg0/other >/dev/null
		tool wait vg0/vm-1
		tool cutover vg0/vm-1 >/dev/null
		kill_at $n commit vg0/vm-1
		note "$n: $(tail -n 1 /run/killed)"
		device=$(recorded)
		if [ -n "$device" ] && [ $((n % 2)) -eq 0 ] &&
			livemigrate failback "$device" >/dev/null 2>&1; then
			# The record has gone with its device.
			tool abort "$(recorded)" --delete-dest >/dev/null
			[ "$(volumes)" = "vg0/vm-1" ] || die "there are now: $(volumes)"
			[ -e /dev/mapper/vg0-vm--1 ] || die "the device has another name"
			is vg0/vm-1
			continue
		fi
		if [ -n "$device" ]; then
			livemigrate resume "$device" >/dev/null || die "it cannot be resumed"
			device=$(recorded)
			[ -z "$device" ] || tool commit "$device" >/dev/null
		fi
		[ "$(volumes)" = "vg0/vm-1 vg0/vm-1.lmsrc" ] || die "there are now: $(volumes)"
		is vg0/vm-1
		gone vg0-vm--1.lmsrc vg0/vm-1.lmsrc
	done
	[ $n -gt 12 ] || die "it was killed too seldom"

	note "--- cut off by the machine"
	tool start vg0/vm-1 --to vg0/other
	tool wait vg0/vm-1
	tool cutover vg0/vm-1
	fill /dev/vg0/vm-1
	echo "$sum" >/state/sum
	# Between the step aside and the new name.
	cut=0
	for n in $(seq 8 40); do
		kill_at "$n" commit vg0/vm-1
		if lvm lvs vg0/vm-1.lmsrc >/dev/null 2>&1; then
			cut=1
			break
		fi
	done
	[ $cut -eq 1 ] || die "it was not killed in time"
	volumes
	sync
	boot_again
}

second_boot()
{
	mount /dev/vdc /state
	sum=$(cat /state/sum)
	vm_lvm vgchange -ay
	[ ! -e /dev/vg0/vm-1 ] || die "the name is there: $(volumes)"
	answers 0 'gives it the volume.s name' list
	livemigrate list
	tool resume vg0-vm--1
	[ "$(volumes)" = "vg0/vm-1 vg0/vm-1.lmsrc" ] || die "there are now: $(volumes)"
	is vg0/vm-1
	skipped vg0/vm-1.lmsrc
	[ -z "$(recorded)" ] || die "a record is left"
	umount /state
	vm_lvm vgchange -an
}

if [ "$BOOT" -eq 1 ]; then
	first_boot
else
	second_boot
fi
