# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The name of a logical volume that is moved, with the real lvm2, and over a real reboot,
# in which the machine just stops: it means the data, never the old one. Moved within its
# group, and out of it, where a line of livemigrate.tab keeps the name; what stands in the way is refused before anything has changed; a
# commit that is killed anywhere is finished by resume, or taken back; one that a reboot
# has cut off leaves no such name until somebody decides.
#
# Caught: a name that is not changed (after the boot it means the old data); one that left
# its group, moved on, and was cut off in that, while its line still named the old data.
#
# vm: livemigrate=sanitized disks=96M,40M,24M,8M boots=2 timeout=1000 mem=640
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh bins=lvm,jq modules=ext4,loop

. /vm/lib.sh
export LIVEMIGRATE_STATE_DIR=/state/lib LIVEMIGRATE_TAB=/state/tab
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

# out_of_it LV VG/LV: it is committed, and the name is told of
out_of_it()
{
	tool start "vg0/$1" --to "$2"
	tool wait "vg0/$1"
	tool cutover "vg0/$1"
	answers 0 "After each boot /dev/vg0/$1 and /dev/mapper/vg0-.* lead there" commit "vg0/$1"
}

tab_is()
{
	[ "$(grep -v '^#' "$TAB")" = "$1" ] || die "the tab is: $(cat "$TAB")"
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

# cut_off NUMBERS DEVICE COMMAND...: commit is killed before one of these calls, so far that the
# command succeeds
cut_off()
{
	co_numbers_=$1 co_device_=$2
	shift 2
	for co_n_ in $co_numbers_; do
		kill_at "$co_n_" commit "$co_device_"
		! "$@" >/dev/null 2>&1 || return 0
	done
	die "it was not killed in time"
}

record_says()	# record_says TEXT NAME: in the record of a device that is called so, or so and more
{
	grep -q "$1" "/state/lib/$2"*.json
}

recorded()	# the name of the device that there is a record of
{
	find /state/lib -name '*.json' | sed 's,.*/,,; s/\.json$//' | sort
}

first_boot()
{
	mkfs.ext4 -q /dev/vdc
	# What is not written with care is lost when the machine stops.
	mount -o commit=600 /dev/vdc /state
	vm_lvm vgcreate vg0 /dev/vda
	vm_lvm vgcreate vg1 /dev/vdb
	vm_lvm lvcreate -y -L 8M -n vm-1 vg0
	fill /dev/vg0/vm-1

	note "--- within the group"
	load_start /dev/vg0/vm-1 --rate 100 --mix w=60,r=40 --offset 0
	tool start vg0/vm-1 --to vg0/other
	refused 3 'vg0-other is a leg of the migration of vg0-vm--1' start vg0/other --to vg0/third
	tool wait vg0/vm-1
	tool cutover vg0/vm-1
	# Names that are taken: a volume's, and a device's.
	vm_lvm lvcreate -y -L 4M -n vm-1.lmsrc1 vg0
	dmsetup create vg0-vm--1.lmsrc2 --table "0 8 error"
	answers 0 'vg0/other is called vg0/vm-1 now' commit vg0/vm-1
	grep -q '"lvm lvremove --driverloaded n vg0/vm-1.lmsrc3" removes it' /run/said || die "it does not say how to remove it"
	load_alive
	[ "$(volumes)" = "vg0/vm-1 vg0/vm-1.lmsrc1 vg0/vm-1.lmsrc3" ] || die "there are now: $(volumes)"
	skipped vg0/vm-1.lmsrc3
	vm_lvm lvremove -y vg0/vm-1.lmsrc1
	dmsetup remove vg0-vm--1.lmsrc2

	note "--- and again, from where it rests"
	tool start vg0-vm--1.lmsrc3 --to vg0/third
	tool wait vg0-vm--1.lmsrc3
	tool cutover vg0-vm--1.lmsrc3
	answers 0 'vg0/third is called vg0/vm-1 now' commit vg0-vm--1.lmsrc3
	load_alive
	load_stop
	[ "$(volumes)" = "vg0/vm-1 vg0/vm-1.lmsrc1 vg0/vm-1.lmsrc3" ] || die "there are now: $(volumes)"
	[ "$(dmsetup info -c --noheadings -o suspended vg0-vm--1)" = Active ] || die "the leg is suspended"
	load_check /dev/vg0/vm-1
	load_check /dev/mapper/vg0-vm--1.lmsrc3
	skipped vg0/vm-1.lmsrc1

	note "--- below itself, by the name, and then from where it rests"
	tool run vg0/vm-1 --to vg0/fourth --failback-window 0
	tool start vg0-vm--1.lmsrc3 --to vg0/fifth
	tool wait vg0-vm--1.lmsrc3
	tool cutover vg0-vm--1.lmsrc3
	answers 0 'vg0/fifth is called vg0/vm-1 now' commit vg0-vm--1.lmsrc3
	fill /dev/mapper/vg0-vm--1.lmsrc3
	is vg0/vm-1
	dmsetup remove vg0-vm--1.lmsrc3
	for n in 1 2 3 4; do
		skipped vg0/vm-1.lmsrc$n
		vm_lvm lvremove -y vg0/vm-1.lmsrc$n
	done
	all_clear

	note "--- aborted: all as it was"
	fill /dev/vg0/vm-1
	exec 7</dev/vg0/vm-1
	tool run vg0/vm-1 --to vg0/other --failback-window 0 --delete-source
	exec 7<&-
	[ "$(volumes)" = "vg0/vm-1" ] || die "there are now: $(volumes)"
	is vg0/vm-1
	dmsetup remove vg0-vm--1.lmsrc1
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
		n=$((n + kill_stride))
		tool start vg0/vm-1 --to vg0/other >/dev/null
		tool wait vg0/vm-1
		tool cutover vg0/vm-1 >/dev/null
		kill_at $n commit vg0/vm-1
		note "$n: $(tail -n 1 /run/killed)"
		device=$(recorded)
		# By the old name, as long as nobody else has it. (The node may lack: it was
		# killed before.)
		[ -z "$device" ] || dmsetup info vg0-vm--1 >/dev/null 2>&1 || device=vg0-vm--1
		if [ -n "$device" ] && [ $((n / kill_stride % 2)) -eq 0 ] &&
			livemigrate failback "$device" >/dev/null 2>&1; then
			[ "$(volumes)" = "vg0/other vg0/vm-1" ] || die "there are now: $(volumes)"
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
		[ "$(volumes)" = "vg0/vm-1 vg0/vm-1.lmsrc1" ] || die "there are now: $(volumes)"
		is vg0/vm-1
		gone vg0-vm--1.lmsrc1 vg0/vm-1.lmsrc1
	done
	[ $n -gt 12 ] || die "it was killed too seldom"

	note "--- out of its group, and on from there"
	vm_lvm lvcreate -y -L 4M -n four-1 vg0
	dd if=/dev/urandom of=/dev/vg0/four-1 bs=1M count=4 conv=fsync,notrunc 2>/dev/null
	exec 7</dev/vg0/four-1
	out_of_it four-1 vg1/first
	tab_is 'vg0-four--1 /dev/vg1/first lv'
	[ ! -e /dev/vg0/four-1 ] || die "the name leads somewhere"
	# What has the name now is not to be taken for what had it.
	vm_lvm lvcreate -y -L 4M -n four-1 vg0
	refused 9 'has another disk of that name' start vg0/four-1 --to vg0/never
	vm_lvm lvremove -y vg0/four-1
	# As it is in use.
	answers 9 'vg0-four--1: .* is in use .held by the device vg0-four--1.lmsrc1' boot
	# Within the new group, to an image, and to a volume again.
	refused 9 'is the disk vg0-four--1 of .*so --metadata cannot' start vg0-four--1.lmsrc1 --to vg1/second --metadata /dev/vdd
	tool start vg0-four--1.lmsrc1 --to vg1/second
	refused 3 'vg0-four--1 migrates, as vg0-four--1.lmsrc1' disk remove vg0-four--1
	tool boot
	tool wait vg0-four--1.lmsrc1
	tool cutover vg0-four--1.lmsrc1
	tab_is 'vg0-four--1 /dev/vg1/first lv'
	tool commit vg0-four--1.lmsrc1
	tab_is 'vg0-four--1 /dev/vg1/second lv'
	# A start that is cut off while its dest is made has begun nothing.
	for n in $(seq 4 6 34); do
		kill_at $n start vg0-four--1.lmsrc1 --to /state/four.raw
		[ -z "$(recorded)" ] || tool abort vg0-four--1.lmsrc1 --delete-dest
		tab_is 'vg0-four--1 /dev/vg1/second lv'
		[ ! -e /state/four.raw ] || die "the image is left"
	done
	tool run vg0-four--1.lmsrc1 --to /state/four.raw --failback-window 0
	tab_is 'vg0-four--1 /state/four.raw lv'
	tool run vg0-four--1.lmsrc1 --to vg1/third --failback-window 0
	tab_is 'vg0-four--1 /dev/vg1/third lv'
	dd if=/dev/urandom of=/dev/mapper/vg0-four--1.lmsrc1 bs=1M count=4 conv=fsync,notrunc 2>/dev/null
	md5sum </dev/mapper/vg0-four--1.lmsrc1 >/state/four
	exec 7<&-
	dmsetup remove vg0-four--1.lmsrc1
	vm_lvm lvremove -y vg1/first vg1/second
	rm /state/four.raw
	all_clear

	note "--- ... where the line cannot be written, it is said so"
	echo 'vg0-five /dev/vdz -' >>"$TAB"
	vm_lvm lvcreate -y -L 4M -n five vg0
	refused 9 'has another disk of that name' start vg0/five --to vg1/five
	tool disk remove vg0-five
	[ -e /dev/vg0/five ] || die "the volume is gone"
	exec 7</dev/vg0/five
	tool start vg0/five --to vg1/five
	tool wait vg0/five
	tool cutover vg0/five
	echo 'vg0-five /dev/vdz -' >>"$TAB"
	answers 0 'has a line of that name, of another disk: what used it must use vg1/five' commit vg0/five
	sed -i '/^vg0-five/d' "$TAB"
	exec 7<&-
	dmsetup remove vg0-five.lmsrc1
	vm_lvm lvremove -y vg0/five.lmsrc1 vg0/four-1.lmsrc1 vg1/five

	note "--- cut off by the machine"
	tool start vg0/vm-1 --to vg0/other
	tool wait vg0/vm-1
	tool cutover vg0/vm-1
	fill /dev/vg0/vm-1
	echo "$sum" >/state/sum
	# Between the step aside and the new name.
	cut_off "$(seq 10 3 40)" vg0/vm-1 lvm lvs vg0/vm-1.lmsrc1
	volumes

	note "--- ... and another, that was let go of"
	vm_lvm lvcreate -y -L 4M -n two vg0
	tool start vg0/two --to vg0/two-new
	tool wait vg0-two
	tool cutover vg0-two
	dd if=/dev/urandom of=/dev/vg0/two bs=1M count=4 conv=fsync,notrunc 2>/dev/null
	md5sum </dev/vg0/two >/state/two
	cut_off "$(seq 12 4 60)" vg0-two record_says '"told":true' vg0-two
	volumes

	note "--- ... and one that leaves its group"
	vm_lvm lvcreate -y -L 4M -n six vg0
	tool start vg0/six --to vg1/six
	tool wait vg0-six
	tool cutover vg0-six
	dd if=/dev/urandom of=/dev/vg0/six bs=1M count=4 conv=fsync,notrunc 2>/dev/null
	md5sum </dev/vg0/six >/state/six
	cut_off "$(seq 12 4 60)" vg0-six record_says '"told":true' vg0-six
	! grep -q vg0-six "$TAB" || die "it was killed too late"

	note "--- ... and one that had left it, and moved on"
	vm_lvm lvcreate -y -L 4M -n seven vg0
	tool run vg0/seven --to vg1/seven --failback-window 0
	tool start vg0-seven.lmsrc1 --to vg0/seven-b
	tool wait vg0-seven.lmsrc1
	tool cutover vg0-seven.lmsrc1
	dd if=/dev/urandom of=/dev/mapper/vg0-seven.lmsrc1 bs=1M count=4 conv=fsync,notrunc 2>/dev/null
	md5sum </dev/mapper/vg0-seven.lmsrc1 >/state/seven
	cut_off "$(seq 4 60)" vg0-seven.lmsrc1 record_says '"told":true' vg0-seven
	grep -q '^vg0-seven /dev/vg1/seven lv$' "$TAB" || die "it was killed too late: $(cat "$TAB")"

	note "--- ... and one before anything had happened"
	vm_lvm lvcreate -y -L 4M -n three vg0
	tool start vg0/three --to vg0/three-new
	tool wait vg0-three
	tool cutover vg0-three
	cut_off "$(seq 4 40)" vg0-three record_says '"step":"commit"' vg0-three
	[ -e /dev/vg0/three ] || die "that was too late: $(volumes)"
	sync

	note "--- ... and one that had just begun"
	vm_lvm lvcreate -y -L 4M -n eight vg0
	tool disk add eight vg0/eight
	tool start eight --to vg0/eight-new
	boot_again
}

# What was committed before the boot, and what boot has finished.
left_the_group()
{
	# What was said was on the disk.
	tab_is "$(printf 'vg0-four--1 /dev/vg1/third lv\nvg0-seven /dev/vg0/seven-b lv\neight /dev/vg0/eight size=8192\nvg0-six /dev/vg1/six lv')"
	tool abort eight
	tool disk remove eight
	vm_lvm lvremove -y vg0/eight vg0/eight-new
	[ "$(md5sum </dev/vg0/four-1)" = "$(cat /state/four)" ] || die "vg0/four-1 has the old data"
	[ "$(md5sum </dev/vg0/six)" = "$(cat /state/six)" ] || die "vg0/six has the old data"
	[ "$(md5sum </dev/vg0/seven)" = "$(cat /state/seven)" ] || die "vg0/seven has the old data"
	tool disk remove vg0-seven
	vm_lvm lvremove -y vg0/seven-b vg0/seven.lmsrc1 vg1/seven
	# lvm2 came first with another one of that name.
	dmsetup remove vg0-six
	rm /dev/vg0/six
	vm_lvm lvcreate -y -L 4M -n six vg0
	answers 3 'There is a device vg0-six that is not what' boot
	vm_lvm lvremove -y vg0/six
	answers 3 'vg0-vm--1' boot
	[ "$(livemigrate disk list --json | jq -c '[.disks[] | [.name, .lv, .state]]')" = \
		'[["vg0-four--1",true,"idle"],["vg0-six",true,"idle"]]' ] || die "$(livemigrate disk list --json)"
	# A disk of the tab like any other, under both names.
	tool run vg0/four-1 --to vg1/fourth --failback-window 0
	tab_is "$(printf 'vg0-four--1 /dev/vg1/fourth lv\nvg0-six /dev/vg1/six lv')"
	[ "$(md5sum </dev/vg1/fourth)" = "$(cat /state/four)" ] || die "vg1/fourth has the old data"
	tool disk remove vg0-four--1
	tool disk remove vg0-six
	[ ! -L /dev/vg0/four-1 ] && [ ! -L /dev/vg0/six ] || die "a link is left"
	vm_lvm lvremove -y vg0/six.lmsrc1 vg1/six vg1/third vg1/fourth
}

second_boot()
{
	mount /dev/vdc /state
	sum=$(cat /state/sum)
	vm_lvm vgchange -ay
	[ ! -e /dev/vg0/vm-1 ] || die "the name is there: $(volumes)"
	[ ! -e /dev/vg0/two ] || die "the name is there: $(volumes)"
	answers 3 'gives it the volume.s name' boot
	[ "$(volumes)" = "vg0/eight vg0/eight-new vg0/other vg0/seven-b vg0/seven.lmsrc1 vg0/six.lmsrc1 vg0/three vg0/three-new vg0/two vg0/two.lmsrc1 vg0/vm-1.lmsrc1 vg1/seven vg1/six vg1/third" ] || die "there are now: $(volumes)"
	left_the_group
	[ "$(md5sum </dev/vg0/two)" = "$(cat /state/two)" ] || die "vg0/two has the old data"
	skipped vg0/two.lmsrc1
	[ "$(recorded | xargs)" = "vg0-three vg0-vm--1.lmsrc1" ] || die "there are records of: $(recorded)"
	refused 3 'commit had not begun when the host went down, and its source is complete' resume vg0-three
	tool abort --force vg0-three
	vm_lvm lvremove -y vg0/three-new vg0/three
	exec 9</dev/vg0/vm-1.lmsrc1
	refused 3 'is in use already' resume vg0-vm--1.lmsrc1
	exec 9<&-
	tool resume vg0-vm--1
	[ "$(volumes)" = "vg0/two vg0/two.lmsrc1 vg0/vm-1 vg0/vm-1.lmsrc1" ] || die "there are now: $(volumes)"
	is vg0/vm-1
	skipped vg0/vm-1.lmsrc1
	[ -z "$(recorded)" ] || die "a record is left"
	umount /state
	vm_lvm vgchange -an
}

if [ "$BOOT" -eq 1 ]; then
	first_boot
else
	second_boot
fi
