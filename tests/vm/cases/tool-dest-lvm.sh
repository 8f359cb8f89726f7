# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A destination that livemigrate makes, and a source that it deletes: logical volumes,
# with the real lvm2. Thick and thin; what cannot be made is refused and changes
# nothing; a start that fails half-way, or is killed, leaves no volume. The source is a
# volume under a mapping, or the device itself, which goes on under load while lvm2
# forgets it, and cannot put its old table back; it is moved again from there, and an
# abort leaves it where it is. What is no plain volume is not deleted.
#
# vm: livemigrate=sanitized disks=64M,40M,16M,8M timeout=400 mem=640
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh bins=lvm modules=dm-thin-pool,dm-snapshot
# vm: dmesg-ok=thin: .* reached low water mark

. /vm/lib.sh
. legs.sh
. tool.sh
. lvm.sh

# kept STATUS REGEX WORD...: refused, and lvm2 has nothing else either.
kept()
{
	lvm vgs --noheadings -o vg_name,vg_free,vg_seqno 2>/dev/null >/run/groups
	refused "$@"
	lvm vgs --noheadings -o vg_name,vg_free,vg_seqno 2>/dev/null >/run/groups.now
	cmp /run/groups /run/groups.now || die "a volume group has changed"
}

vm_lvm vgcreate vg0 /dev/vda
vm_lvm vgcreate vg1 /dev/vdb
vm_lvm lvcreate -y -L 16M -n vm1 vg0
vm_lvm lvcreate -y -L 16M -n below vg0
dd if=/dev/urandom of=/dev/vg0/vm1 bs=1M count=8 conv=fsync,notrunc 2>/dev/null
dd if=/dev/urandom of=/dev/vg0/below bs=1M count=8 conv=fsync,notrunc 2>/dev/null
# Not a whole extent.
dmsetup create plain --table "0 32000 linear /dev/vg0/below 0"
data=$(md5sum </dev/mapper/plain)

note "--- what cannot be made"
kept 9 'nothere/new cannot be made, there is no such volume group: .*not found' start plain --to nothere/new
kept 9 'There is no thin pool nopool in the volume group vg1' start plain --to vg1/new --thin nopool
kept 2 'preallocate is for a new image' start plain --to vg1/new --preallocate
vm_lvm lvcreate -y -L 24M -n fill vg1
kept 9 'vg1 has no room: 16.0 MiB are needed, and 12.0 MiB are free' start plain --to vg1/new
kept 9 'vg1/fill is no thin pool' start plain --to vg1/new --thin fill
vm_lvm lvchange -an vg1/fill
kept 9 'There is a logical volume vg1/fill already, which is not active' start plain --to vg1/fill
vm_lvm lvremove -y vg1/fill
dmsetup create guest --table "0 32768 linear /dev/vdc 0"
vm_lvm vgcreate inner /dev/mapper/guest
kept 9 'The volume group inner lies on guest itself' start guest --to inner/x
vm_lvm vgremove inner
vm_lvm pvremove /dev/mapper/guest
dmsetup remove guest

note "--- a start that fails half-way"
dd if=/dev/urandom of=/dev/vdd bs=8k count=1 conv=notrunc,fsync 2>/dev/null
before=$(volumes)
answers 1 'nothing has changed' start plain --to vg1/new --metadata /dev/vdd
[ "$(volumes)" = "$before" ] || die "there are now: $(volumes)"
all_clear

note "--- the device is the volume itself, under load"
kept 2 '--pinned and --unpinned contradict' start vg0/vm1 --to vg1/new --pinned --unpinned
load_start /dev/vg0/vm1 --rate 200 --mix w=60,r=40
tool start vg0/vm1 --to vg1/new
lvm lvs --noheadings -o lv_tags vg1/new 2>/dev/null | grep -q 'livemigrate,livemigrate-[0-9a-f]' || die "no tags: $(lvm lvs -o lv_tags vg1/new)"
answers 0 'made for it: vg1/new' status vg0/vm1
tool wait vg0/vm1
tool cutover vg0/vm1
expect_fail lvm lvchange --refresh vg0/vm1
[ "$(lm_field vg0-vm1 active)" = dest ] || die "lvm2 has put its table back"
tool commit vg0/vm1 --delete-source >/run/out
cat /run/out
grep -q 'the source, the logical volume vg0/vm1.lmsrc1, is deleted' /run/out || die "it does not say so"
[ "$(volumes)" = "vg0/below vg1/new" ] || die "there are now: $(volumes)"
grep -q 'no logical volume vg0/vm1 any more: the data is on .*new' /run/out || die "it does not say so"
[ -z "$(lvm lvs --noheadings -o lv_tags vg1/new 2>/dev/null | tr -d ' ')" ] || die "it keeps its tags"
load_alive

note "--- and moved again, from the target that it rests on"
resting=$(dmsetup table vg0-vm1.lmsrc1)
[ "${resting#*livemigrate-pin - 0 }" != "$resting" ] || die "its table is $resting"
kept 3 'vg0-vm1.lmsrc1 is pinned since it was moved last' start vg0-vm1.lmsrc1 --to vg0/back --unpinned
tool start vg0-vm1.lmsrc1 --to vg0/back
tool wait vg0-vm1.lmsrc1
tool cutover vg0-vm1.lmsrc1
tool failback vg0-vm1.lmsrc1
tool abort vg0-vm1.lmsrc1 --delete-dest
[ "$(dmsetup table vg0-vm1.lmsrc1)" = "$resting" ] || die "its table is $(dmsetup table vg0-vm1.lmsrc1)"
[ "$(volumes)" = "vg0/below vg1/new" ] || die "there are now: $(volumes)"
[ -z "$(ls /var/lib/livemigrate/*.json 2>/dev/null)" ] || die "a record is left"
load_alive
tool run vg0-vm1.lmsrc1 --to vg0/back --delete-source >/run/out
cat /run/out
grep -q 'the source, the logical volume vg1/new, is deleted' /run/out || die "it does not say so"
[ "$(volumes)" = "vg0/back vg0/below" ] || die "there are now: $(volumes)"
load_alive
load_stop
load_check /dev/vg0/back
load_check /dev/mapper/vg0-vm1.lmsrc1
dmsetup remove vg0-vm1.lmsrc1
all_clear
grep -q '^vg0-vm1 /dev/vg0/back lv$' "$TAB" || die "the tab is $(cat "$TAB")"
tool disk remove vg0-vm1
vm_lvm lvremove -y vg0/back

note "--- the same, left as it was, and removed as it is told"
vm_lvm lvcreate -y -L 8M -n vm2 vg0
tool run vg0/vm2 --to vg1/new >/run/out
cat /run/out
removal=$(sed -n 's/^vg0-vm2[.a-z0-9]*: the source, the logical volume vg0\/vm2.lmsrc1, is left as it was: "\(.*\)" removes it.$/\1/p' /run/out)
[ -n "$removal" ] || die "it does not say how to remove it"
$removal -y
[ "$(volumes)" = "vg0/below vg1/new" ] || die "there are now: $(volumes)"
dmsetup remove vg0-vm2.lmsrc1
tool disk remove vg0-vm2
vm_lvm lvremove -y vg1/new

note "--- an origin is not deleted, since its snapshots would go with it"
vm_lvm lvcreate -y -s -L 4M -n snap vg0/below
# What snapshots put on the volume's own device is lvm2's, and not ours.
kept 9 'cannot be deleted: vg0/below is no plain volume' run plain --to vg1/new --delete-source
vm_lvm lvremove -y vg0/snap

note "--- a volume with more in it than was moved is not deleted"
dmsetup create half --table "0 16384 linear /dev/vg0/below 0"
kept 9 'vg0/below has 16384 sectors behind the end' run half --to vg1/new --delete-source
dmsetup remove half

note "--- a mapping: from a thick volume to a thin one, and back"
vm_lvm lvcreate -y --type thin-pool -L 20M --poolmetadatasize 4M -n pool vg1
exec 7</dev/mapper/plain
tool run plain --to /dev/vg1/thin --thin pool --delete-source
[ "$(volumes)" = "vg1/pool vg1/thin" ] || die "there are now: $(volumes)"
lvm lvs --noheadings -o lv_attr,data_percent vg1/thin 2>/dev/null | tee /run/attr
grep -q ' V' /run/attr || die "it is not thin"
awk '$2 > 60 { exit 1 }' /run/attr || die "zeroes have been written to it"
[ "$(md5sum </dev/mapper/plain)" = "$data" ] || die "the data has changed"
tool start plain --to vg0/back
tool wait plain
tool cutover plain
# It has another name by now, and is the same all the same.
vm_lvm lvrename vg1/thin vg1/renamed
tool commit plain --delete-source
exec 7<&-
[ "$(volumes)" = "vg0/back vg1/pool" ] || die "there are now: $(volumes)"
[ "$(md5sum </dev/mapper/plain)" = "$data" ] || die "the data has changed"
vm_lvm lvremove -y vg1/pool
all_clear

note "--- abort"
tool start plain --to vg1/new
answers 0 'made for it, vg1/new, is left: "lvremove vg1/new"' abort plain
[ "$(volumes)" = "vg0/back vg1/new" ] || die "there are now: $(volumes)"
vm_lvm lvremove -y vg1/new
tool start plain --to vg1/new
tool abort plain --delete-dest
[ "$(volumes)" = "vg0/back" ] || die "there are now: $(volumes)"
all_clear

note "--- killed"
export ASAN_OPTIONS=detect_leaks=0
n=0 status=99
while [ $status -eq 99 ]; do
	# shellcheck disable=SC2154 # tool.sh sets it
	n=$((n + kill_few))
	kill_at $n start plain --to vg1/new --paused
	note "$(tail -n 1 /run/killed)"
	[ -z "$(livemigrate list)" ] || livemigrate abort plain --delete-dest >/dev/null || die "it cannot be aborted"
	all_clear
	[ "$(volumes)" = "vg0/back" ] || die "killed at $n: there are now $(volumes)"
done
[ $n -gt 15 ] || die "it was killed too seldom"
[ "$(md5sum </dev/mapper/plain)" = "$data" ] || die "the data has changed"
dmsetup remove plain
vm_lvm lvremove -y vg0/back
