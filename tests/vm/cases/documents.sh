# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The examples of docs/livemigrate.rst and of the man page livemigrate(8), each line as it
# stands there, in their order; only nobody waits for an hour. (README.md's are run by
# readme, far, tool-there-and-back, and "make check-packages".) A page that comes to have
# another number of them fails here.
#
# vm: livemigrate=yes disks=32M,32M,64M,80M,64M,8M timeout=300 mem=768
# vm: files=docs/livemigrate.rst,tools/livemigrate.8,tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh
# vm: bins=lvm,qemu-img,qemu-nbd modules=dm-thin-pool,nbd:max_part=0,dm-flakey

. /vm/lib.sh
. legs.sh
. tool.sh
. lvm.sh

# block NUMBER: run that block of the section "Examples".
block()
{
	awk -v n="$1" '
		/^Examples$/ { here = 1; next }
		/^Known issues$/ { here = 0 }
		here && /::$/ { i++; inside = 1; next }
		inside && /^[^ ]/ { inside = 0 }
		here && inside && i == n { sub(/^  /, ""); print }' /vm/tools/livemigrate.rst >/run/block
	[ -s /run/block ] || die "docs/livemigrate.rst has no example $1"
	cat /run/block
}

# line NUMBER: run that line of EXAMPLES.
line()
{
	awk '/^\.SH EXAMPLES/ { here = 1 } /^\.fi/ { here = 0 } here && /^livemigrate/' \
		/vm/tools/livemigrate.8 | sed 's/ 1h$/ 1s/' >/run/lines
	[ "$(wc -l </run/lines)" -eq 9 ] || die "livemigrate.8 has $(wc -l </run/lines) examples: this case is made for 9"
	sed -n "$1p" /run/lines >/run/block
	cat /run/block
	. /run/block
}

[ "$(awk '/^Examples$/ { here = 1 } /^Known issues$/ { exit } here && /::$/' /vm/tools/livemigrate.rst | wc -l)" -eq 6 ] ||
	die "docs/livemigrate.rst has other examples: this case is made for 6"
by_id
ln -s ../../vda /dev/disk/by-id/wwn-0x5000c500a1b2c3d4
mkdir /dev/old /dev/new

# The copier does not give way to the load: with what each of them writes it would take long.
lm_hurry

note "--- docs/livemigrate.rst"
ln -s ../vda /dev/old/vm1
leg_make l /dev/vdb
ln -s ../mapper/l /dev/new/vm1
dd if=/dev/urandom of=/dev/vda bs=1M count=16 conv=fsync,notrunc 2>/dev/null
dmsetup create vm1 --table "0 65536 linear /dev/old/vm1 0"
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40
block 1
. /run/block
lm_wait_phase vm1 synced
block 3
. /run/block
[ "$(lm_field vm1 phase)" = synced ] || die "it is not back on the source"
leg_fail_writes l
lm_wait_phase vm1 degraded
leg_heal l
block 4
. /run/block
lm_wait_phase vm1 synced
lm_msg vm1 cutover
block 5
. /run/block
load_stop
dmsetup table vm1 | grep -q ' linear ' || die "the target is not out"
load_check /dev/mapper/l
dmsetup remove vm1
leg_move l /dev/vde
dmsetup create vm1 --table "0 65536 linear /dev/old/vm1 0"
block 2
lm_load vm1 "0 65536 $(sed -n 's/^[.][.][.] //p' /run/block)"
sed '/^[.][.][.] /d' /run/block >/run/rest
. /run/rest
[ "$(lm_field vm1 copy_rate)" = 51200 ] || die "the copier has no limit"
lm_wait_phase vm1 synced
[ "$(lm_field vm1 running)" = running ] || die "it is still paused"
block 6
. /run/block
dmsetup table vm1 | grep -q " linear 254:0 " || die "it is not on the source"
dmsetup remove vm1
dmsetup remove l
rm /dev/new/vm1

note "--- livemigrate(8)"
ln -s ../vdb /dev/new/vm1
line 1
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40
line 2
load_stop
load_check /dev/vdb
dmsetup remove vm1
tool disk remove vm1
# The next ones begin where these have ended.
ln -sf ../vda /dev/new/vm1
dd if=/dev/zero of=/dev/vda bs=1M count=1 2>/dev/null
tool disk add vm1 /dev/vdb
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40
line 3
line 4
line 5
line 6
load_stop
load_check /dev/vda
dmsetup remove vm1
tool disk remove vm1

vm_lvm vgcreate vg0 /dev/vdc
vm_lvm vgcreate vg1 /dev/vdd
vm_lvm lvcreate -y -L 16M -n vm1 vg0
vm_lvm lvcreate -y -T -L 40M vg1/pool
mkdir /images
mkfs.ext4 -q /dev/vde
mount /dev/vde /images
mkdir -p /var/lock
tool disk add vm1 vg0/vm1
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40
line 7
[ "$(volumes)" = "vg1/pool vg1/vm1" ] || die "the volumes are $(volumes)"
line 8
[ -f /images/vm1.qcow2 ] || die "there is no image"
load_stop
load_check /dev/mapper/vm1
tool disk remove vm1
dmsetup remove vm1 2>/dev/null || :
vm_lvm lvremove -y vg1/vm1 vg1/pool

for disk in system data log; do
	vm_lvm lvcreate -y -L 8M -n $disk vg0
	tool disk add vm1-$disk vg0/$disk
	tool start vm1-$disk --to vg1/$disk
	tool wait vm1-$disk
done
line 9
for disk in system data log; do
	[ "$(lm_field vm1-$disk phase)" = switched ] || die "vm1-$disk is not switched"
	tool commit vm1-$disk
	tool disk remove vm1-$disk
	dmsetup remove vm1-$disk 2>/dev/null || :
done
umount /images
vm_lvm vgchange -an vg0 vg1
