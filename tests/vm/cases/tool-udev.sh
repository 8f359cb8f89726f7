# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Where udev runs, with Debian's rules and lvm2's, as on a host: nobody looks into the
# hidden device, so that the links by label and uuid lead to the device that is in use, at
# each step and after a spurious event; nor is the guest's own volume group found there. No
# cookie is left, and the links of a logical volume go where its name goes.
#
# vm: livemigrate=sanitized disks=64M,64M,8M timeout=300 mem=640
# vm: bins=lvm,blkid,udevadm,/lib/systemd/systemd-udevd,/usr/lib/udev/rules.d/50-udev-default.rules,/usr/lib/udev/rules.d/55-dm.rules,/usr/lib/udev/rules.d/56-lvm.rules,/usr/lib/udev/rules.d/60-block.rules,/usr/lib/udev/rules.d/60-persistent-storage.rules,/usr/lib/udev/rules.d/60-persistent-storage-dm.rules,/usr/lib/udev/rules.d/69-lvm.rules,/usr/lib/udev/rules.d/95-dm-notify.rules
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh,tools/56-livemigrate.rules,docs/packages.rst

. /vm/lib.sh
. legs.sh
. tool.sh
. lvm.sh

sed -i 's/udev_sync = 0 udev_rules = 0/udev_sync = 1 udev_rules = 1/' /etc/lvm/lvm.conf
unset DM_DISABLE_UDEV
cp /vm/tools/56-livemigrate.rules /usr/lib/udev/rules.d/
/lib/systemd/systemd-udevd --daemon || die "udev does not start"

settle()	# what has happened is done with, and nobody waits for a cookie
{
	udevadm settle --timeout=30 || die "udev does not come to an end"
	[ -z "$(dmsetup udevcookies | sed 1d)" ] || die "cookies are left: $(dmsetup udevcookies)"
}

trigger()	# an event that nobody has a reason for
{
	udevadm trigger --action=change --subsystem-match=block
	settle
}

# leads LINK NAME: it leads to that device.
leads()
{
	le_node_=/dev/dm-$(dmsetup info -c --noheadings -o minor "$2")
	[ "$(readlink -f "$1")" = "$le_node_" ] ||
		die "$1 leads to $(readlink -f "$1"), not to $le_node_, $2"
}

# one_of LINK NAME...: it leads to one of them. (Which of two devices that hold the same has
# the links, udev does not say.)
one_of()
{
	oo_link_=$1
	shift
	for oo_; do
		[ "$(readlink -f "$oo_link_")" != "/dev/dm-$(dmsetup info -c --noheadings -o minor "$oo_")" ] || return 0
	done
	die "$oo_link_ leads to $(readlink -f "$oo_link_"), none of $*"
}

# links_right NAME DEST: its label and uuid are found on one of these, and nothing on what
# is hidden.
links_right()
{
	for lr_ in at_once after_an_event; do
		[ $lr_ = at_once ] && settle || trigger
		one_of /dev/disk/by-label/GUEST "$1" "$2"
		one_of "/dev/disk/by-uuid/$uuid" "$1" "$2"
		leads "/dev/mapper/$1" "$1"
		for lr_hidden_ in $(dmsetup ls | sed -n 's/\(.*_src\)\t.*/\1/p'); do
			lr_node_=/dev/dm-$(dmsetup info -c --noheadings -o minor "$lr_hidden_")
			[ -z "$(find /dev/disk -lname "*/${lr_node_#/dev/}")" ] ||
				die "links lead to $lr_hidden_: $(find /dev/disk -lname "*/${lr_node_#/dev/}")"
		done
	done
}

all_steps()	# all_steps NAME DEST
{
	links_right "$1" "${2##*/}"
	tool start "$1" --to "$2" --force
	links_right "$1" "${2##*/}"
	[ -z "$(lvm pvs --noheadings -o pv_name 2>/dev/null | grep _src)" ] || die "lvm2 finds what is hidden"
	tool wait "$1"
	tool cutover "$1"
	links_right "$1" "${2##*/}"
	tool failback "$1"
	tool abort "$1"
	links_right "$1" "${2##*/}"
}

udevadm trigger --action=add
settle

note "--- any device"
# Not from their beginnings on: a disk as a whole is looked into, and has what it holds.
dmsetup create vm1 --table "0 65536 linear /dev/vda 8192"
dmsetup create dst --table "0 65536 linear /dev/vdb 8192"
mkfs.ext4 -q -L GUEST /dev/mapper/vm1
trigger
uuid=$(blkid -p -o value -s UUID /dev/mapper/vm1)
[ -n "$uuid" ] || die "the file system has no uuid"
[ -e /dev/disk/by-label/GUEST ] || die "udev makes no links: $(find /dev/disk)"
exec 9</dev/mapper/vm1
all_steps vm1 /dev/mapper/dst
tool run vm1 --to /dev/mapper/dst --force
settle
leads /dev/mapper/vm1 vm1
all_clear
exec 9<&-
dmsetup remove vm1
dmsetup remove dst
settle
dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync,notrunc 2>/dev/null
dd if=/dev/zero of=/dev/vdb bs=1M count=8 conv=fsync,notrunc 2>/dev/null

note "--- a guest's volume group in what is no volume: the filter of docs/packages.rst"
dmsetup create vm1 --table "0 65536 linear /dev/vda 8192"
vm_lvm pvcreate /dev/mapper/vm1
settle
exec 9</dev/mapper/vm1
tool start vm1 --to /dev/vdb --force
settle
lvm pvs >/run/pvs 2>&1 || :
grep -q livemigrate_src /run/pvs || die "lvm2 leaves the hidden device alone by itself: $(cat /run/pvs)"
awk '/^  devices [{]/ { here = 1 } here { print } here && /[}]/ { exit }' /vm/tools/packages.rst >/run/filter
[ -s /run/filter ] || die "docs/packages.rst has no filter"
lvm pvs --config "$(cat /run/filter)" >/run/pvs 2>&1 || die "lvm2 does not take the filter: $(cat /run/pvs)"
! grep -q livemigrate_src /run/pvs || die "lvm2 finds what is hidden: $(cat /run/pvs)"
grep -q /dev/mapper/vm1 /run/pvs || die "lvm2 does not find what is in use: $(cat /run/pvs)"
tool wait vm1
tool abort vm1
exec 9<&-
settle
all_clear
dmsetup remove vm1
settle
dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync,notrunc 2>/dev/null
dd if=/dev/zero of=/dev/vdb bs=1M count=8 conv=fsync,notrunc 2>/dev/null

note "--- a guest's volume group in a logical volume"
vm_lvm vgcreate vg0 /dev/vda /dev/vdb
vm_lvm lvcreate -y -L 16M -n vm1 vg0
leads /dev/vg0/vm1 vg0-vm1
vm_lvm pvcreate --config 'devices { scan_lvs = 1 }' /dev/vg0/vm1
vm_lvm vgcreate --config 'devices { scan_lvs = 1 }' guestvg /dev/vg0/vm1
settle
exec 9</dev/vg0/vm1
tool start vg0/vm1 --to vg0/new
trigger
[ "$(lvm vgs --noheadings -o vg_name 2>/dev/null | xargs)" = vg0 ] || die "lvm2 finds $(lvm vgs)"
tool wait vg0-vm1
tool cutover vg0-vm1
tool commit vg0-vm1
settle
trigger
[ "$(lvm vgs --noheadings -o vg_name 2>/dev/null | xargs)" = vg0 ] || die "lvm2 finds $(lvm vgs)"
[ "$(volumes)" = "vg0/vm1 vg0/vm1.lmsrc1" ] || die "there are now: $(volumes)"
leads /dev/vg0/vm1 vg0-vm1
leads /dev/vg0/vm1.lmsrc1 vg0-vm1.lmsrc1
leads /dev/mapper/vg0-vm1.lmsrc1 vg0-vm1.lmsrc1
[ ! -e /dev/vg0/new ] || die "the dest's old link is there"
exec 9<&-
dmsetup remove vg0-vm1.lmsrc1
all_clear
vm_lvm vgremove -f -y vg0
settle
udevadm control --exit || :
