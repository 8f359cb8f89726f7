# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The two lines of README.md that move a volume into a file and back, as they stand
# there, under a load that verifies and has the device open all the time. After each
# the old data is gone, and in the end the name means the new volume.
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
	grep '^livemigrate run vg0' /vm/tools/README.md | sed -n "$1p" >/run/line
	[ -s /run/line ] || die "README.md has no line $1 that moves a volume"
	cat /run/line
	. /run/line
	load_alive
}

vm_lvm vgcreate vg0 /dev/vda
vm_lvm lvcreate -y -L 16M -n vm1 vg0
mkfs.ext4 -q /dev/vdb
mkdir /images
mount /dev/vdb /images
dd if=/dev/urandom of=/dev/vg0/vm1 bs=1M count=12 conv=fsync,notrunc 2>/dev/null
load_start /dev/vg0/vm1 --rate 200 --mix w=60,r=40

line 1
[ -z "$(volumes)" ] || die "the volume is not deleted: $(volumes)"
[ -f /images/vm1.raw ] || die "there is no image"

line 2
[ "$(volumes)" = vg0/vm1 ] || die "the volumes are $(volumes)"
[ ! -e /images/vm1.raw ] && [ -z "$(losetup -a)" ] || die "the image is not deleted"

load_stop
load_check /dev/vg0/vm1
dmsetup remove vg0-vm1.lmsrc1
all_clear
load_check /dev/vg0/vm1
vm_lvm vgchange -an vg0
umount /images
