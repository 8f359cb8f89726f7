# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A destination that livemigrate makes, and a source that it deletes: images of QEMU's
# kinds, with the real qemu-img and qemu-nbd. From a disk to qcow2, to vhdx, to vhd,
# under a load that verifies, each one deleted when the next has it all; what is in the
# last image is read back by qemu-img. A qemu-nbd that dies is a dest that fails. What
# fails or is killed half-way leaves no file and no process. After a boot it is served
# again, but not where the kernel would look for the guest's partitions.
#
# Caught: a timeout that was not taken off after commit, put in on purpose.
#
# vm: livemigrate=sanitized disks=16M,160M,8M timeout=400 mem=768
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh bins=qemu-img,qemu-nbd modules=nbd:max_part=0

. /vm/lib.sh
. legs.sh
. tool.sh

# Where qemu-nbd has its sockets.
mkdir -p /var/lock
mkfs.ext4 -q /dev/vdb
mount /dev/vdb /mnt
rmdir /mnt/lost+found
dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=notrunc,fsync 2>/dev/null
dmsetup create vm1 --table "0 32768 linear /dev/vda 0"

servers()
{
	pidof qemu-nbd | wc -w
}

no_servers()
{
	[ "$(servers)" -eq 0 ]
}

# files NAME...: in /mnt are these, and each has its server; no more of either.
files()
{
	[ "$(ls /mnt | tr '\n' ' ')" = "${*:+$* }" ] || die "in /mnt: $(ls /mnt)"
	[ "$(servers)" -eq $# ] || die "$(servers) qemu-nbd run, not $#"
	[ "$(cat /sys/block/nbd*/pid 2>/dev/null | wc -l)" -eq $# ] || die "not $# nbd devices are connected"
	[ -z "$(ls -d /sys/block/nbd*/nbd*p* 2>/dev/null)" ] || die "somebody has looked for partitions"
}

# dest_of: the node that vm1's record has.
dest_of()
{
	livemigrate status vm1 --json | sed -n 's/.*"path": *"\(\/dev\/nbd[0-9]*\)".*/\1/p'
}

timeout_of()
{
	cat "/sys/kernel/debug/nbd/${1#/dev/}/timeout"
}

# kept STATUS REGEX WORD...: refused, and no file or process has changed either.
kept()
{
	ls -lR /mnt >/run/files; servers >>/run/files
	refused "$@"
	ls -lR /mnt >/run/files.now; servers >>/run/files.now
	cmp /run/files /run/files.now || die "a file or a server has changed"
}

note "--- what cannot be made"
export LIVEMIGRATE_PATH=/nowhere
kept 7 'qemu-img is needed .* not installed' start vm1 --to /mnt/a.qcow2
mkdir /run/path
ln -s "$(command -v qemu-img)" /run/path/
export LIVEMIGRATE_PATH=/run/path
kept 7 'qemu-nbd is needed .* not installed' start vm1 --to /mnt/a.qcow2
rmmod nbd
ln -s "$(command -v qemu-nbd)" /run/path/
kept 7 'The kernel has no module nbd' start vm1 --to /mnt/a.qcow2
unset LIVEMIGRATE_PATH
kept 2 'thin is for a new logical volume' start vm1 --to /mnt/a.qcow2 --thin pool
dd if=/dev/urandom of=/dev/vdc bs=8k count=1 conv=notrunc,fsync 2>/dev/null
kept 1 'does not take the target' start vm1 --to /mnt/a.qcow2 --metadata /dev/vdc
files
[ "$(cat /sys/module/nbd/parameters/max_part)" = 0 ] || die "the module was loaded so that it looks for partitions"

# move IMAGE: vm1, as it is, under load to it; what it was on is deleted.
move()
{
	load_start /dev/mapper/vm1 --rate 100 --mix w=60,r=40
	tool start vm1 --to "/mnt/$1" $2
	tool wait vm1
	nbd=$(dest_of)
	[ "$(timeout_of "$nbd")" -gt 0 ] || die "$nbd waits for ever"
	tool verify vm1
	tool cutover vm1
	# shellcheck disable=SC2086
	tool commit vm1 $3 >/run/out
	cat /run/out
	grep -q "^vm1: /mnt/$1 is served as $nbd" /run/out || die "it does not say what serves it"
	[ "$(timeout_of "$nbd")" -eq 0 ] || die "$nbd will fail one day: $(timeout_of "$nbd")"
	load_alive
	load_stop
	load_check "$nbd"
	all_clear
	files "$1"
}
note "--- qcow2"
move a.qcow2 "" ""
grep -q 'the source, the device /dev/vda, is left' /run/out || die "it does not say what is left"
note "--- vhdx"
move b.vhdx "" --delete-source
grep -q 'the source, the image /mnt/a.qcow2, is deleted' /run/out || die "it does not say so"
note "--- vhd, preallocated"
move c.vhd --preallocate --delete-source
data=$(md5sum </dev/mapper/vm1)

note "--- what is in the image"
dmsetup remove vm1
qemu-nbd --disconnect "$nbd"
wait_until 10 no_servers || die "a qemu-nbd is left"
[ "$(qemu-img convert -f vpc -O raw /mnt/c.vhd /run/raw && md5sum </run/raw)" = "$data" ] ||
	die "it is not what was on the device"
rm /run/raw /mnt/c.vhd
dmsetup create vm1 --table "0 32768 linear /dev/vda 0"
data=$(md5sum </dev/mapper/vm1)

note "--- qemu-nbd dies: after the cutover, too"
tool start vm1 --to /mnt/d.qcow2
tool wait vm1
tool cutover vm1
load_start /dev/mapper/vm1 --rate 100 --mix w=60,r=40
kill -9 "$(pidof qemu-nbd)"
lm_wait_phase vm1 degraded
lm_is vm1 active source || die "it is not on the source again"
answers 0 'made for it, /mnt/d.qcow2, is left: "rm /mnt/d.qcow2"' abort vm1
load_alive
load_stop
load_check /dev/vda
all_clear
rm /mnt/d.qcow2
files
data=$(md5sum </dev/mapper/vm1)

note "--- abort, and the image goes"
tool start vm1 --to /mnt/d.qcow2
files d.qcow2
tool abort vm1 --delete-dest
files
all_clear

note "--- another boot; nobody but the guest looks for its partitions"
one_partition /dev/mapper/vm1
data=$(md5sum </dev/mapper/vm1)
dd if=/dev/zero of=/dev/vdc bs=1M count=8 conv=fsync,notrunc 2>/dev/null
tool start vm1 --to /mnt/d.qcow2 --metadata /dev/vdc
tool wait vm1
nbd=$(dest_of)
dmsetup remove vm1
dmsetup remove vm1-livemigrate_src
qemu-nbd --disconnect "$nbd" >/dev/null
wait_until 10 rmmod nbd || die "nbd cannot be unloaded"
sed -i 's/"boot": *"[^"]*"/"boot":"another"/' $STATES/vm1.json
dmsetup create vm1 --table "0 32768 linear /dev/vda 0"
# The kernel makes 15 of it.
modprobe nbd max_part=8
kept 7 'loaded with max_part=15, so the host would look' resume vm1
rmmod nbd
tool resume vm1
files d.qcow2
tool wait vm1
[ "$(lm_field vm1 restored)" -gt 0 ] || die "it has begun anew: $(dmsetup status vm1)"
tool verify vm1
tool abort vm1 --delete-dest
files
all_clear

note "--- a disk of the tab: its line names the image, which is served at each boot"
tab_disk=/run/by-hand
ln -s /dev/vda $tab_disk
dmsetup remove vm1
tool disk add vm1 $tab_disk
tool run vm1 --to /mnt/e.qcow2 >/run/out
cat /run/out
! grep -q 'must have it served' /run/out || die "nobody must"
grep -q '^vm1 /mnt/e.qcow2 ' "$TAB" || die "its line is $(cat "$TAB")"
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"
nbd=$(ls -d /sys/block/nbd*/pid | cut -d / -f 4)
dmsetup remove vm1
qemu-nbd --disconnect "/dev/$nbd" >/dev/null
wait_until 10 no_servers || die "a qemu-nbd is left"
tool boot
files e.qcow2
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"
nbd=$(ls -d /sys/block/nbd*/pid | cut -d / -f 4)
[ "$(timeout_of "$nbd")" -eq 0 ] || die "$nbd will fail one day: $(timeout_of "$nbd")"
tool boot
files e.qcow2

note "--- the host goes down in commit, when it was decided; and then another file is there"
tool start vm1 --to /mnt/f.qcow2
tool wait vm1
tool cutover vm1
dmsetup remove vm1
dmsetup remove vm1-livemigrate_src
for nbd in /sys/block/nbd*/pid; do
	[ -e "$nbd" ] || continue
	qemu-nbd --disconnect "/dev/$(echo "$nbd" | cut -d / -f 4)" >/dev/null
done
wait_until 10 no_servers || die "a qemu-nbd is left"
sed -i 's/"boot": *"[^"]*"/"boot":"another"/; s/"step": *"run"/"step":"commit"/; s/"told": *false/"told":true/' $STATES/vm1.json
mv /mnt/f.qcow2 /mnt/away
echo x >/mnt/f.qcow2
answers 9 'committed to /mnt/f.qcow2, which is not there, or is another file' boot
[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
mv /mnt/away /mnt/f.qcow2
answers 0 'commit is finished, it is on /mnt/f.qcow2' boot
grep -q '^vm1 /mnt/f.qcow2 ' "$TAB" || die "its line is $(cat "$TAB")"
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"
tool disk remove vm1
wait_until 10 no_servers || die "a qemu-nbd is left"

note "--- what is served in another way is not taken for the image, nor is it ended"
qemu-img create -q -f qcow2 -b /mnt/f.qcow2 -F qcow2 /run/overlay.qcow2
qemu-nbd --fork --persistent --connect=/dev/nbd2 --format=qcow2 /run/overlay.qcow2
wait_until 10 test -e /sys/block/nbd2/pid
kept 9 'is served already, as /dev/nbd2, by a qemu-nbd that does not do so plainly' disk add vm1 /mnt/f.qcow2
qemu-nbd --disconnect /dev/nbd2 >/dev/null
wait_until 10 no_servers || die "a qemu-nbd is left"
rm /run/overlay.qcow2
qemu-nbd --fork --persistent --connect=/dev/nbd2 --format=raw /mnt/f.qcow2
wait_until 10 test -e /sys/block/nbd2/pid
kept 9 'is served already, as /dev/nbd2, by a qemu-nbd that does not' disk add vm1 /mnt/f.qcow2
kept 9 '/dev/nbd2 will be another device after a reboot' disk add vm1 /dev/nbd2
qemu-nbd --disconnect /dev/nbd2 >/dev/null
wait_until 10 no_servers || die "a qemu-nbd is left"
dmsetup create vm1 --table "0 8 linear /dev/vdc 0"
kept 3 'There is a device vm1 already' disk add vm1 /mnt/f.qcow2
dmsetup remove vm1
rm /mnt/e.qcow2 /mnt/f.qcow2
files
dmsetup create vm1 --table "0 32768 linear /dev/vda 0"

note "--- a dest that will be another one after a boot is not taken up"
truncate -s 16M /run/guest.raw
qemu-nbd --fork --persistent --connect=/dev/nbd3 --format=raw /run/guest.raw
wait_until 10 test -e /sys/block/nbd3/pid
dd if=/dev/zero of=/dev/vdc bs=1M count=8 conv=fsync,notrunc 2>/dev/null
answers 0 'destination /dev/nbd3 will be another device after a boot' \
	start vm1 --to /dev/nbd3 --metadata /dev/vdc
tool wait vm1
dmsetup remove vm1
dmsetup remove vm1-livemigrate_src
sed -i 's/"boot": *"[^"]*"/"boot":"another"/' $STATES/vm1.json
dmsetup create vm1 --table "0 32768 linear /dev/vda 0"
refused 9 'was /dev/nbd3, which may be another device' resume vm1
tool abort vm1
all_clear

note "--- QEMU claims no disk, but has it open"
qemu-nbd --disconnect /dev/nbd3 >/dev/null
wait_until 10 no_servers || die "a qemu-nbd is left"
qemu-nbd --fork --persistent --connect=/dev/nbd3 --format=raw /dev/vdc
wait_until 10 test -e /sys/block/nbd3/pid
refused 9 '/dev/vdc is in use .opened by process [0-9]*.' start vm1 --to /mnt/g.qcow2 --metadata /dev/vdc
qemu-nbd --disconnect /dev/nbd3 >/dev/null
wait_until 10 no_servers || die "a qemu-nbd is left"
rm /run/guest.raw

note "--- killed"
export ASAN_OPTIONS=detect_leaks=0
n=0 status=99
while [ $status -eq 99 ]; do
	# shellcheck disable=SC2154 # tool.sh sets it
	n=$((n + kill_few))
	kill_at $n start vm1 --to /mnt/e.qcow2 --paused
	note "$(tail -n 1 /run/killed)"
	[ -z "$(livemigrate list)" ] || livemigrate abort vm1 --delete-dest >/dev/null || die "it cannot be aborted"
	all_clear
	files
done
[ $n -gt 15 ] || die "it was killed too seldom"
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"
dmsetup remove vm1
umount /mnt
