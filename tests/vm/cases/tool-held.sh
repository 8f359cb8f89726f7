# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # tool.sh sets kill_first and kill_stride
# A logical volume that migrates with metadata, with the real lvm2, and over real reboots,
# in which the machine just stops: no boot makes it a device but with the target in its
# place, whatever lvm2 is told and whatever is missing; copying, switched, and in the midst
# of abort. What others would wait for at a boot is not held. Killed anywhere, start leaves
# nothing that is held without a record of it; and in the end nothing is held.
#
# Caught: a volume that lvm2 activates (the guest's writes there are lost); one that stays
# active without the target; one that is held for ever.
#
# vm: livemigrate=sanitized disks=96M,8M,8M boots=5 timeout=400 mem=640
# vm: files=tests/vm/tool.sh,tests/vm/lvm.sh bins=lvm modules=ext4

. /vm/lib.sh
export LIVEMIGRATE_STATE_DIR=/state/lib
. tool.sh
. lvm.sh

# Who is killed cannot say what it has lost.
export ASAN_OPTIONS=detect_leaks=0

mkdir -p /state
note "=== boot $BOOT"

marks()	# marks VG/LV: "skip" if lvm2 does not activate it by itself, and our tags
{
	lvm lvs --noheadings -o lv_skip_activation,lv_tags "$1" 2>/dev/null | sed 's/activation//' | xargs
}

marked()	# marked VG/LV MARKS
{
	lvm lvs "$1" >/run/lvm.log 2>&1 || die "there is no $1"
	[ "$(marks "$1" | sed 's/^skip */skip /; s/ $//')" = "$2" ] || die "$1 has the marks '$(marks "$1")', not '$2'"
}

fill()
{
	dd if=/dev/urandom of=/dev/vg0/vm1 bs=1M count=8 oflag=direct conv=notrunc 2>/dev/null
	md5sum </dev/vg0/vm1 >/state/sum
	sync -f /state
}

same()	# what it held before
{
	[ "$(dd if=/dev/vg0/vm1 bs=1M iflag=direct 2>/dev/null | md5sum)" = "$(cat /state/sum)" ] || die "vm1 does not hold its data"
}

fresh_metadata()
{
	dd if=/dev/zero of=/dev/vdb bs=64k count=1 oflag=direct conv=notrunc 2>/dev/null
}

begin()	# begin [OPTION]...
{
	fresh_metadata
	tool start vg0/vm1 --to vg0/new --metadata /dev/vdb "$@"
}

# Whatever lvm2 is told to activate, it is not that.
absent()
{
	vm_lvm vgchange -ay vg0
	[ ! -e /dev/vg0/vm1 ] || die "lvm2 has activated vm1"
	! dmsetup info vg0-vm1 >/dev/null 2>&1 || die "lvm2 has made a device of vm1"
}

first_boot()
{
	mkfs.ext4 -q /dev/vdc
	mount /dev/vdc /state
	vm_lvm vgcreate vg0 /dev/vda
	vm_lvm lvcreate -y -L 8M -n vm1 vg0
	vm_lvm lvcreate -y -L 8M -n other vg0
	fill

	note "--- what is not held"
	tool start vg0/vm1 --to vg0/new
	marked vg0/vm1 ''
	tool abort vg0/vm1 --delete-dest
	mkfs.ext4 -q /dev/vg0/other
	mount /dev/vg0/other /mnt
	answers 0 'vg0-other: it is mounted on /mnt, so after a boot its migration goes on only if you say' start vg0/other --to vg0/new --metadata /dev/vdb
	marked vg0/other ''
	umount /mnt
	tool abort vg0/other --delete-dest
	vm_lvm lvchange --setactivationskip y vg0/other
	fresh_metadata
	answers 0 migrates start vg0/other --to vg0/new --metadata /dev/vdb
	marked vg0/other skip
	grep -q 'somebody else who activates it' /run/said || die "it does not say so"
	tool abort vg0/other --delete-dest
	marked vg0/other skip
	vm_lvm lvchange --setactivationskip n vg0/other
	lvm lvchange --setautoactivation n vg0/other
	fresh_metadata
	answers 0 'somebody else who activates it' start vg0/other --to vg0/new --metadata /dev/vdb
	marked vg0/other ''
	tool abort vg0/other --delete-dest

	note "--- held, and let go of"
	begin
	marked vg0/vm1 'skip livemigrate-held'
	tool abort vg0/vm1 --delete-dest
	marked vg0/vm1 ''

	note "--- a start that is killed"
	kill_n=$kill_first status=99
	while [ $status -eq 99 ]; do
		kill_n=$((kill_n + kill_stride))
		[ $kill_n -ge 1 ] || continue
		fresh_metadata
		kill_at "$kill_n" start vg0/vm1 --to vg0/new --metadata /dev/vdb
		[ -z "$(marks vg0/vm1)" ] || grep -q '"volume_held":true' /state/lib/vg0-vm1.json ||
			die "killed at $kill_n: it is held, and nothing says so"
		! [ -e /state/lib/vg0-vm1.json ] || tool abort vg0/vm1
		marked vg0/vm1 ''
		# A dest that was not fresh any more is left.
		! lvm lvs vg0/new >/dev/null 2>&1 || vm_lvm lvremove -y vg0/new
		all_clear
	done
	note "it was killed at calls up to $kill_n"
	same

	begin --rate 64K
	fill
	boot_again
}

second_boot()
{
	note "--- copying: without the target it is no device"
	absent
	answers 0 'made a device again with the target in its place, or not at all' list
	rmmod dm_livemigrate
	answers 7 'vg0-vm1: its migration cannot go on, so it is not activated' boot --timeout 1
	[ "$(grep -c 'cannot go on' /run/said)" -eq 1 ] || die "it says so more than once"
	absent
	insmod /vm/dm_livemigrate.ko

	note "--- boot is killed"
	n=$kill_first status=99
	while [ $status -eq 99 ]; do
		n=$((n + kill_stride))
		[ $n -ge 1 ] || continue
		kill_at "$n" boot --timeout 1
		# Who finds the device then must find the target, or a boot that goes on.
		[ $status -eq 0 ] || absent_or_due
	done
	note "it was killed at calls up to $n"
	# What was in flight is copied again, at the rate that was asked for.
	case "$(lm_field vg0-vm1 phase)" in
	copying | synced) ;;
	*) die "$(dmsetup status vg0-vm1)" ;;
	esac
	same
	marked vg0/vm1 'skip livemigrate-held'
	tool boot --timeout 1
	tool rate vg0/vm1 0
	tool wait vg0/vm1
	tool cutover vg0/vm1
	fill
	boot_again
}

# Half-way; and nothing that was killed makes it forget that it must go on.
absent_or_due()
{
	livemigrate list >/run/list
	grep -qE 'with the target in its place|nobody has used|nobody must use|copying|synced' /run/list ||
		die "killed at $n: $(cat /run/list)"
}

third_boot()
{
	note "--- switched: it cannot go on, in all of this boot"
	absent
	rmmod dm_livemigrate
	answers 7 'so it is not activated' boot --timeout 1
	sync -f /state
	boot_again
}

fourth_boot()
{
	note "--- who knows what was done in that one: a person must say"
	absent
	answers 3 'boot could not go on' boot --timeout 1
	absent
	tool resume vg0/vm1
	same
	tool wait vg0/vm1
	fill
	note "--- an abort that the power cuts off"
	cut=0
	for n in $(seq 2 40); do
		kill_at "$n" abort vg0/vm1
		if grep -q '"step":"abort"' /state/lib/vg0-vm1.json; then
			cut=1
			break
		fi
	done
	[ $cut -eq 1 ] || die "it was not killed in time"
	sync -f /state
	boot_again
}

fifth_boot()
{
	note "--- which boot finishes"
	absent
	answers 0 'vg0-vm1: abort is finished' boot --timeout 1
	marked vg0/vm1 ''
	same
	all_clear
	vm_lvm lvremove -y vg0/new

	note "--- a commit"
	begin
	tool wait vg0/vm1
	tool cutover vg0/vm1
	tool commit vg0/vm1
	marked vg0/vm1 ''
	marked vg0/vm1.lmsrc1 'skip livemigrate-stale'
	dmsetup remove vg0-vm1.lmsrc1
	vm_lvm lvremove -y vg0/vm1.lmsrc1

	note "--- forgotten by force"
	vm_lvm lvcreate -y -L 8M -n new vg0
	fresh_metadata
	tool start vg0/vm1 --to vg0/new --metadata /dev/vdb --force
	dmsetup remove vg0-vm1
	tool abort --force vg0/vm1
	marked vg0/vm1 ''
	[ -e /dev/vg0/vm1 ] || die "it is not activated"
	same
	all_clear

	note "--- removed, and used without the target: never again"
	fresh_metadata
	tool start vg0/vm1 --to vg0/new --metadata /dev/vdb --force
	tool wait vg0/vm1
	dmsetup remove vg0-vm1
	answers 0 'made a device again with the target in its place' list
	vm_lvm lvchange -ay -K vg0/vm1
	dd if=/dev/urandom of=/dev/vg0/vm1 bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
	md5sum </dev/vg0/vm1 >/state/sum
	answers 3 'written to since it was made' boot --timeout 1
	[ -e /dev/vg0/vm1 ] || die "it was taken away from who has made it a device"
	vm_lvm lvchange -an vg0/vm1
	absent
	answers 0 'was used without the target' list
	answers 3 'was used without the target' boot --timeout 1
	answers 3 'written to since it was made' resume vg0/vm1
	absent
	tool abort vg0/vm1
	marked vg0/vm1 ''
	same
	all_clear

	note "--- and in use"
	fresh_metadata
	tool start vg0/vm1 --to vg0/new --metadata /dev/vdb --force
	dmsetup remove vg0-vm1
	vm_lvm lvchange -ay -K vg0/vm1
	exec 7<>/dev/vg0/vm1
	answers 3 'is in use already' boot --timeout 1
	[ -e /dev/vg0/vm1 ] || die "it was taken away from its user"
	exec 7>&-
	answers 0 'boot could not go on' list
	answers 0 'its migration goes on' boot --timeout 1
	same
	tool abort vg0/vm1
	vm_lvm vgchange -an vg0
	all_clear
}

case $BOOT in
1) first_boot ;;
2 | 3 | 4 | 5)
	mount /dev/vdc /state
	case $BOOT in
	2) second_boot ;;
	3) third_boot ;;
	4) fourth_boot ;;
	*) fifth_boot ;;
	esac
	;;
esac
