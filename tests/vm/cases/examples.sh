# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The scripts of examples/, each beneath a load that verifies, or twice where they say that
# they may be run again. And the metrics, which a strict reader takes.
#
# vm: livemigrate=yes disks=48M,64M,48M,48M mem=640 timeout=300
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh,examples/move-by-dmsetup.sh,examples/evacuate-group.sh,examples/machine.sh,examples/ensure.sh,tests/vm/metrics.awk bins=lvm,jq

. /vm/lib.sh
. legs.sh
. tool.sh
. lvm.sh

example()	# example NAME WORD...
{
	ex_=$1
	shift
	sh "/vm/tools/$ex_.sh" "$@" || die "$ex_ $* ended with status $?"
}

metrics()	# metrics REGEX...: they are well formed, and say each of these
{
	livemigrate list --prometheus >/run/metrics || die "there are no metrics"
	awk -f /vm/tools/metrics.awk /run/metrics || die "Prometheus would not take them: $(cat /run/metrics)"
	for me_; do
		grep -qE "^livemigrate_$me_\$" /run/metrics || die "they do not say '$me_': $(cat /run/metrics)"
	done
}

by_id
dd if=/dev/urandom of=/dev/vda bs=1M count=30 conv=fsync,notrunc 2>/dev/null

note "--- by dmsetup alone"
dmsetup create vm1 --table "0 65536 linear /dev/vda 0"
load_start /dev/mapper/vm1 --rate 300 --mix w=60,r=40
example move-by-dmsetup vm1 /dev/vda /dev/vdb
load_stop
load_check /dev/vdb
dmsetup remove vm1
all_clear

note "--- what the metrics say"
metrics 'migrations 0' 'damaged_records 0'
livemigrate disk add 'a:b@c' /dev/vda >/dev/null
tool start 'a:b@c' --to /dev/vdb --force --paused --rate 2M
metrics 'migrations 1' 'phase\{name="a:b@c",phase="copying"\} 1' 'phase\{name="a:b@c",phase="synced"\} 0' \
	'leg_active\{name="a:b@c",leg="source"\} 1' 'leg_good\{name="a:b@c",leg="dest"\} 1' \
	'paused\{name="a:b@c"\} 1' 'size_bytes\{name="a:b@c"\} 50331648' 'done_bytes\{name="a:b@c"\} 0' \
	'copy_rate_limit_bytes\{name="a:b@c"\} 2097152' 'attention\{name="a:b@c"\} 0' 'runs\{name="a:b@c"\} 1'
refused 2 'goes with neither' list --prometheus --json
tool rate 'a:b@c' 0
tool resume 'a:b@c'
tool wait 'a:b@c'
metrics 'phase\{name="a:b@c",phase="synced"\} 1' 'done_bytes\{name="a:b@c"\} 50331648' \
	'copied_bytes_total\{name="a:b@c"\} [1-9][0-9]*'
tool abort 'a:b@c'
dmsetup remove 'a:b@c'
tool disk remove 'a:b@c'
echo '{' >$STATES/torn.json
livemigrate list --prometheus >/run/metrics 2>/dev/null && die "it does not tell of the torn record"
grep -q '^livemigrate_damaged_records 1$' /run/metrics || die "it counts $(cat /run/metrics)"
rm $STATES/torn.json
all_clear

note "--- where it is to be"
tool disk add vm1 /dev/vda
load_start /dev/mapper/vm1 --rate 300 --mix w=60,r=40
[ "$(example ensure vm1 /dev/disk/by-id/virtio-disk0)" = ok ] || die "it has changed something"
[ "$(example ensure vm1 /dev/disk/by-id/virtio-disk1)" = changed ] || die "it has changed nothing"
[ "$(example ensure vm1 /dev/disk/by-id/virtio-disk1)" = ok ] || die "it has changed something"
# Begun by somebody, who has paused it; and who has switched it.
tool start vm1 --to /dev/vda --force --paused
sh /vm/tools/ensure.sh vm1 /dev/disk/by-id/virtio-disk0 && die "it does not leave alone what is paused"
livemigrate status vm1 --json | jq -e ".migrations[0].paused" >/dev/null || die "it has resumed what was paused"
tool resume vm1
tool wait vm1
tool cutover vm1
[ "$(example ensure vm1 /dev/disk/by-id/virtio-disk0)" = changed ] || die "it has changed nothing"
load_stop
load_check /dev/vda
dmsetup remove vm1
tool disk remove vm1
all_clear

note "--- the disks of a machine"
for n in 1 2; do
	dmsetup create disk$n --table "0 40000 linear /dev/vda $((n * 45000 - 45000))"
	dmsetup create new$n --table "0 40000 linear /dev/vdb $((n * 45000 - 45000))"
done
load_start /dev/mapper/disk1 --rate 200 --mix w=60,r=40
# The second one is too small: none is moved.
dmsetup create small --table "0 8 linear /dev/vdc 0"
! sh /vm/tools/machine.sh disk1 /dev/mapper/new1 disk2 /dev/mapper/small || die "it has succeeded"
lies_on_vda()
{
	dmsetup table disk1 | grep -q '^0 40000 linear 254:0 0$' || die "disk1 is $(dmsetup table disk1)"
}
lies_on_vda
example machine disk1 /dev/mapper/new1 disk2 /dev/mapper/new2
load_stop
load_check /dev/mapper/new1
[ -z "$(dmsetup table disk1 | grep -v ' linear ')" ] || die "disk1 is $(dmsetup table disk1)"
dmsetup remove disk1 disk2 new1 new2 small
all_clear

note "--- all of a group"
dd if=/dev/zero of=/dev/vda bs=1M count=1 conv=notrunc 2>/dev/null
vm_lvm vgcreate old /dev/vda
vm_lvm vgcreate new /dev/vdd
vm_lvm lvcreate -y -L 8M -n a old
vm_lvm lvcreate -y -L 8M -n b old
load_start /dev/old/a --rate 200 --mix w=60,r=40
exec 8</dev/old/b
example evacuate-group old new
[ "$(volumes)" = "new/a new/b" ] || die "there are now: $(volumes)"
exec 8<&-
load_stop
load_check /dev/new/a
[ "$(grep -c ' lv$' "$TAB")" = 2 ] || die "the tab is $(cat "$TAB")"
dmsetup remove old-a.lmsrc1 old-b.lmsrc1
vm_lvm vgchange -an
