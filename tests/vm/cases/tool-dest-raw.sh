# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # tool.sh sets kill_first and kill_stride
# A destination that livemigrate makes, and a source that it deletes: raw images.
# The file is sparse or preallocated, served past the page cache without a look for
# partitions, and runs under a load that verifies. What cannot be made is refused and
# leaves nothing; a start that fails half-way takes the file back, and so do resume
# and abort after a SIGKILL at any call that changes something. After a boot it is
# served again. The source is deleted only if it is still what it was.
#
# Caught: a record that stayed, because the removal of a file that there was not failed.
#
# vm: livemigrate=sanitized disks=16M,120M,16M,8M timeout=240
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh modules=loop

. /vm/lib.sh
. legs.sh
. tool.sh

mkfs.ext4 -q /dev/vdb
mount /dev/vdb /mnt
rmdir /mnt/lost+found
dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=notrunc,fsync 2>/dev/null

# on DEVICE: vm1 is a plain mapping of it.
on()
{
	[ ! -e /sys/block/dm-0 ] || dmsetup remove vm1
	dmsetup create vm1 --table "0 32768 linear $1 0"
}

# files NAME...: in /mnt are these, and each is served by one loop device.
files()
{
	[ "$(ls /mnt | tr '\n' ' ')" = "${*:+$* }" ] || die "in /mnt: $(ls /mnt)"
	for f_; do
		[ "$(losetup -n -O NAME -j "/mnt/$f_" | wc -l)" -eq 1 ] || die "$f_ is not served once: $(losetup -a)"
	done
	[ "$(losetup -a | wc -l)" -eq $# ] || die "loop devices: $(losetup -a)"
	[ -z "$(ls /sys/block/loop*/loop*p* 2>/dev/null)" ] || die "somebody has looked for partitions"
}

loop_of()
{
	losetup -n -O NAME -j "$1" | tr -d ' '
}

# kept STATUS REGEX WORD...: refused, and no file or loop device has changed either.
kept()
{
	ls -lR /mnt >/run/files; losetup -a >>/run/files
	refused "$@"
	ls -lR /mnt >/run/files.now; losetup -a >>/run/files.now
	cmp /run/files /run/files.now || die "a file or a loop device has changed"
}

note "--- what cannot be made"
on /dev/vda
touch /mnt/there.raw
kept 9 'there.raw is a file' start vm1 --to /mnt/there.raw
rm /mnt/there.raw
kept 9 'no folder /mnt/folder' start vm1 --to /mnt/folder/vm1.raw
kept 9 'There is no destination /mnt/vm1.disk' start vm1 --to /mnt/vm1.disk
kept 2 'thin is for a new logical volume' start vm1 --to /mnt/vm1.raw --thin pool
dd if=/dev/zero of=/mnt/full bs=64k conv=fsync 2>/dev/null || :
kept 9 'no room for /mnt/vm1.raw: it may need 16.0 MiB, and its file system has [0-9.]+ [KM]iB.* say --force' start vm1 --to /mnt/vm1.raw
kept 1 'cannot be given its size.*No space left' start vm1 --to /mnt/vm1.raw --preallocate --force
rm /mnt/full
mount -o remount,ro /mnt
kept 9 'cannot be made: Read-only' start vm1 --to /mnt/vm1.raw
mount -o remount,rw /mnt
mkdir /run/inner
dmsetup create other --table "0 32768 linear /dev/vdc 0"
mkfs.ext4 -q /dev/mapper/other
mount /dev/mapper/other /run/inner
kept 9 'would lie on other itself' start other --to /run/inner/x.raw --force
umount /run/inner
dmsetup remove other

note "--- a start that fails half-way"
dd if=/dev/urandom of=/dev/vdd bs=8k count=1 conv=notrunc,fsync 2>/dev/null
kept 1 'does not take the target' start vm1 --to /mnt/vm1.raw --metadata /dev/vdd
grep -q 'nothing has changed' /run/said || die "it does not say so"
files

note "--- all the way, under load"
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40
tool run vm1 --to /mnt/vm1.raw --verify >/run/out
cat /run/out
load_alive
load_stop
files vm1.raw
loop=$(loop_of /mnt/vm1.raw)
load_check "$loop"
grep -q "^vm1: /mnt/vm1.raw is served as $loop" /run/out || die "it does not say what serves it"
grep -q '^vm1: the source, the device /dev/vda, is left' /run/out || die "it does not say what is left"
[ "$(cat "/sys/block/${loop#/dev/}/loop/dio")" = 1 ] || die "it is no direct I/O"
[ "$(stat -c '%s %a' /mnt/vm1.raw)" = "16777216 600" ] || die "$(stat -c '%s %a' /mnt/vm1.raw)"
# What the source held as zeroes has no room.
[ "$(stat -c %b /mnt/vm1.raw)" -lt 30000 ] || die "it is not sparse: $(stat -c %b /mnt/vm1.raw)"
all_clear

note "--- from an image to an image, and the old one is deleted"
exec 7</dev/mapper/vm1
tool run vm1 --to /mnt/vm2.raw --preallocate --delete-source >/run/out
exec 7<&-
cat /run/out
grep -q '^vm1: the source, the file /mnt/vm1.raw, is deleted' /run/out || die "it does not say so"
files vm2.raw
[ "$(stat -c %b /mnt/vm2.raw)" -ge 32768 ] || die "it has holes: $(stat -c %b /mnt/vm2.raw)"
legs_equal "$(loop_of /mnt/vm2.raw)" /dev/mapper/vm1
all_clear

note "--- another file has taken its name"
tool start vm1 --to /mnt/vm3.raw
answers 0 'made for it: /mnt/vm3.raw' status vm1
tool wait vm1
tool cutover vm1
kept 3 'nobody has it open' commit vm1 --delete-source
mv /mnt/vm2.raw /mnt/away.raw
echo precious >/mnt/vm2.raw
exec 7</dev/mapper/vm1
kept 9 'vm2.raw is not the file any more that it was' commit vm1 --delete-source
tool commit vm1
exec 7<&-
[ "$(cat /mnt/vm2.raw)" = precious ] || die "it was not ours"
rm /mnt/vm2.raw
losetup -d "$(loop_of /mnt/away.raw)"
rm /mnt/away.raw
files vm3.raw

note "--- a source that somebody else uses is not deleted"
tool start vm1 --to /mnt/vm4.raw
tool wait vm1
tool cutover vm1
dmsetup create other --table "0 8 linear $(loop_of /mnt/vm3.raw) 0"
exec 7</dev/mapper/vm1
answers 9 'in use' commit vm1 --delete-source
exec 7<&-
grep -q 'vm3.raw, is left as it was: "losetup --detach /dev/loop[0-9]* && rm /mnt/vm3.raw"' /run/said || die "it does not say how to go on"
all_clear
files vm3.raw vm4.raw
dmsetup remove other
losetup -d "$(loop_of /mnt/vm3.raw)"
rm /mnt/vm3.raw

note "--- abort"
tool start vm1 --to /mnt/vm5.raw
answers 0 'made for it, /mnt/vm5.raw, is left: "rm /mnt/vm5.raw"' abort vm1
all_clear
[ -f /mnt/vm5.raw ] || die "it is gone"
rm /mnt/vm5.raw
files vm4.raw
tool start vm1 --to /mnt/vm5.raw
tool wait vm1
tool abort vm1 --delete-dest
all_clear
files vm4.raw

note "--- another boot; nobody but the guest looks for its partitions"
one_partition /dev/mapper/vm1
dd if=/dev/zero of=/dev/vdd bs=1M count=8 conv=fsync,notrunc 2>/dev/null
data=$(md5sum </dev/mapper/vm1)
tool start vm1 --to /mnt/vm5.raw --metadata /dev/vdd
tool wait vm1
source=$(loop_of /mnt/vm4.raw)
dmsetup remove vm1
dmsetup remove vm1-livemigrate_src
losetup -d "$(loop_of /mnt/vm5.raw)"
sed -i 's/"boot": *"[^"]*"/"boot":"another"/' $STATES/vm1.json
dmsetup create vm1 --table "0 32768 linear $source 0"
dd if=/dev/mapper/vm1 of=/dev/mapper/vm1 bs=4k count=1 iflag=direct oflag=direct conv=notrunc 2>/dev/null
answers 3 'vm1 has been written to since it was made' resume vm1
dmsetup remove vm1
dmsetup create vm1 --table "0 32768 linear $source 0"
# That is not forgotten with the device; here it was nothing.
kept 3 'vm1 has been written to since it was made' resume vm1
sed -i 's/"used":true/"used":false/' $STATES/vm1.json
mv /mnt/vm5.raw /mnt/moved
kept 9 'vm5.raw is not there, or not the image' resume vm1
mv /mnt/moved /mnt/vm5.raw
tool resume vm1
files vm4.raw vm5.raw
tool wait vm1
[ "$(lm_field vm1 restored)" -gt 0 ] || die "it has begun anew: $(dmsetup status vm1)"
tool cutover vm1
exec 7</dev/mapper/vm1
tool commit vm1 --delete-source
exec 7<&-
files vm5.raw
all_clear
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"

export ASAN_OPTIONS=detect_leaks=0
note "--- killed while the source is deleted"
n=0 status=99 last=vm5.raw
exec 7</dev/mapper/vm1
while [ $status -eq 99 ]; do
	n=$((n + kill_few))
	livemigrate start vm1 --to "/mnt/k$n.raw" >/dev/null
	livemigrate wait vm1 >/dev/null
	livemigrate cutover vm1 >/dev/null
	kill_at $n commit vm1 --delete-source
	note "$(tail -n 1 /run/killed)"
	[ -f "/mnt/k$n.raw" ] || die "the dest is gone"
	[ -z "$(livemigrate list)" ] || livemigrate resume vm1 >/dev/null
	# Killed before that was recorded.
	[ -z "$(livemigrate list)" ] || livemigrate commit vm1 --delete-source >/dev/null
	all_clear
	files "k$n.raw"
	last=k$n.raw
done
exec 7<&-
[ $n -gt 20 ] || die "it was killed too seldom"
mv "/mnt/$last" /mnt/vm5.raw
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"

note "--- killed at each call of start"
n=$kill_first status=99
while [ $status -eq 99 ]; do
	n=$((n + kill_stride))
	kill_at $n start vm1 --to /mnt/vm6.raw --paused
	way="abort vm1 --delete-dest"
	[ -n "$(livemigrate list)" ] || way=
	note "$(tail -n 1 /run/killed), then ${way:-nothing}"
	# In every second round it is brought to its end first.
	if [ $((n % 2)) -eq 0 ] && [ -n "$way" ]; then
		livemigrate resume vm1 >/dev/null || die "it cannot be resumed"
		files vm5.raw vm6.raw
	fi
	# shellcheck disable=SC2086
	[ -z "$way" ] || livemigrate $way >/dev/null || die "it cannot be aborted"
	all_clear
	[ ! -e /mnt/vm6.raw ] || die "killed at $n: the file is left"
	files vm5.raw
done
[ $n -gt 15 ] || die "it was killed $n times only"
[ "$(md5sum </dev/mapper/vm1)" = "$data" ] || die "the data has changed"
dmsetup remove vm1
losetup -d "$(loop_of /mnt/vm5.raw)"
umount /mnt
