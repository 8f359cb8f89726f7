# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The lines of README.md that put a volume below a mapping, and move that into a file and
# back, as they stand there, under a load that verifies and has the mapping open all the
# time. After each the old data is gone. After the end, as after a boot, the name is there
# again, and means the new volume.
#
# vm: livemigrate=sanitized disks=64M,64M timeout=240 mem=640
# vm: files=README.md,tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh bins=lvm modules=loop

. /vm/lib.sh
. legs.sh
. tool.sh
. lvm.sh

# line NUMBER: run that one.
line()
{
	grep '^livemigrate disk add vm1 vg0\|^livemigrate run vm1 --to.*--delete-source' \
		/vm/tools/README.md | sed -n "$1p" >/run/line
	[ -s /run/line ] || die "README.md has no line $1 that moves a volume"
	cat /run/line
	. /run/line
}

vm_lvm vgcreate vg0 /dev/vda
vm_lvm lvcreate -y -L 16M -n vm1 vg0
mkfs.ext4 -q /dev/vdb
mkdir /images
mount /dev/vdb /images
dd if=/dev/urandom of=/dev/vg0/vm1 bs=1M count=12 conv=fsync,notrunc 2>/dev/null

line 1
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40

line 2
load_alive
[ -z "$(volumes)" ] || die "the volume is not deleted: $(volumes)"
[ -f /images/vm1.raw ] || die "there is no image"
grep -q '^vm1 /images/vm1.raw ' "$TAB" || die "its line is $(cat "$TAB")"

line 3
load_alive
[ "$(volumes)" = vg0/vm1 ] || die "the volumes are $(volumes)"
[ ! -e /images/vm1.raw ] && [ -z "$(losetup -a)" ] || die "the image is not deleted"

load_stop
dmsetup remove vm1
all_clear
livemigrate boot
load_check /dev/mapper/vm1
load_check /dev/vg0/vm1
dmsetup remove vm1
vm_lvm vgchange -an vg0
umount /images
