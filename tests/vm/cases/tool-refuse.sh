# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What livemigrate cannot do it refuses with a sentence and an exit status of its
# own, and nothing has changed: tables, keys, names, nodes and records are
# compared before and after each.
#
# vm: livemigrate=sanitized disks=32M,32M,64M,16M,32M:logical=4096,64M timeout=200
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh bins=swapon,setpriv
# vm: modules=dm-thin-pool,dm-multipath,dm-round-robin,loop,scsi_debug:vpd_use_hostno=0:add_host=2:dev_size_mb=40:every_nth=0,sd_mod

. /vm/lib.sh
. legs.sh
. tool.sh

node()
{
	dmsetup create "$1" --table "0 $(sectors "$2") linear $2 0"
}

note "--- the command line"
refused 2 'There is no command moove' moove vm1
refused 2 'takes one device' start
refused 2 'takes one device' abort a b
refused 2 'Say --to DEVICE' start vm1
refused 2 '--to wants a value' start vm1 --to
refused 2 'has no option --fast' start vm1 --to /dev/vdc --fast
refused 2 'pause has no option --to' pause vm1 --to /dev/vdc
refused 2 "--rate takes a RATE, not '-1'" start vm1 --to /dev/vdc --rate -1
refused 2 "not '5000000M'" start vm1 --to /dev/vdc --rate 5000000M
refused 2 'no power of two' start vm1 --to /dev/vdc --region-size 12K
refused 2 'no power of two' start vm1 --to /dev/vdc --region-size 2M
refused 2 'more than a day' start vm1 --to /dev/vdc --standby-timeout 2d

note "--- the source"
refused 4 'There is no device vm1' start vm1 --to /dev/vdc
refused 4 'There is no device /dev/nothing' start /dev/nothing --to /dev/vdc
refused 4 'There is no device 253:77' start 253:77 --to /dev/vdc
refused 9 'is not on device mapper' start /dev/vda --to /dev/vdc
node vm1 /dev/vda
refused 4 'vm1 does not migrate' status vm1
refused 4 'vm1 does not migrate' abort vm1
refused 4 'vm1 does not migrate' commit vm1
for step in wait pause resume verify cutover failback reattach; do
	refused 4 'vm1 does not migrate' $step vm1
done
dmsetup suspend vm1
refused 3 'is suspended' start vm1 --to /dev/vdc
dmsetup resume vm1
dmsetup load vm1 --table "0 65536 linear /dev/vdb 0"
refused 3 'second table loaded' start vm1 --to /dev/vdc
dmsetup clear vm1
dmsetup create empty --notable
refused 9 'has no table' start empty --to /dev/vdc
dmsetup remove empty
dmsetup create ro --readonly --table "0 65536 linear /dev/vda 0"
refused 9 'read-only' start ro --to /dev/vdc
dmsetup remove ro
dmsetup create mp --table "0 65536 multipath 0 0 1 1 round-robin 0 1 1 /dev/vda 1000"
refused 9 'request-based' start mp --to /dev/vdc
dmsetup remove mp
# What no table does here: so the kernel's word for it is put over its own.
queue=$(readlink -f /sys/dev/block/"$(dmsetup info -c --noheadings -o major,minor --separator : vm1)"/queue)
mkdir /run/queue
for file in "$queue"/*; do
	cat "$file" >"/run/queue/${file##*/}" 2>/dev/null || :
done
mount -o bind /run/queue "$queue"
echo 1 >/run/queue/dax
refused 9 'offers DAX' start vm1 --to /dev/vdc
echo 0 >/run/queue/dax
mkdir /run/queue/crypto
refused 9 'offers inline encryption' start vm1 --to /dev/vdc
umount "$queue"
dmsetup create pool --table "0 131072 thin-pool /dev/vdd /dev/vdf 128 0"
refused 9 'is a thin-pool' start pool --to /dev/vdc
dmsetup remove pool

note "--- the destination"
refused 9 'There is no destination /dev/vdz: .* or name what is to be made' start vm1 --to /dev/vdz
refused 2 'thin is for a new logical volume' start vm1 --to /dev/vdc --thin pool
refused 2 'preallocate is for a new image' start vm1 --to /dev/vdc --preallocate
refused 9 'is a file' start vm1 --to /vm/case.sh
refused 9 'is no block device' start vm1 --to /dev/null
refused 9 'too small: it has 32768 sectors' start vm1 --to /dev/vdd
refused 9 'blocks of 4096 bytes' start vm1 --to /dev/vde
refused 9 'is vm1 itself' start vm1 --to /dev/mapper/vm1
refused 9 'part of the source' start vm1 --to /dev/vda
ln -s vda /dev/other
refused 9 'part of the source' start vm1 --to /dev/other
node above /dev/mapper/vm1
refused 9 'is itself built on vm1' start vm1 --to /dev/mapper/above
dmsetup remove above
node twin /dev/vda
refused 9 'the same disk under another name' start vm1 --to /dev/mapper/twin
dmsetup remove twin
losetup --read-only /dev/loop0 /dev/vdc
refused 9 'read-only' start vm1 --to /dev/loop0
losetup -d /dev/loop0

note "--- partitions"
one_partition /dev/vdf
blockdev --rereadpt /dev/vdf
[ -b /dev/vdf1 ] || die "there is no partition"
dmsetup create part --table "0 2048 linear /dev/vdf1 0"
refused 9 'part of the source' start part --to /dev/vdf
dmsetup remove part
refused 9 'holds a partition table \(dos\)' start vm1 --to /dev/vdf
node vdfheld /dev/vdf1
refused 9 'is in use' start vm1 --to /dev/vdf
dmsetup remove vdfheld

note "--- one disk by two paths"
wait_until 20 test -b /dev/sdb || die "scsi_debug gives no two disks"
node scsi /dev/sda
refused 9 'the same disk under another name' start scsi --to /dev/sdb
dmsetup remove scsi

note "--- a file on the disk that is to be moved"
mkfs.ext4 -q /dev/mapper/vm1
mount /dev/mapper/vm1 /mnt
truncate -s 64M /mnt/image
losetup /dev/loop0 /mnt/image
refused 9 'is itself built on vm1' start vm1 --to /dev/loop0
losetup -d /dev/loop0
truncate -s 40M /run/image
losetup /dev/loop0 /run/image
losetup /dev/loop1 /run/image
node looped /dev/loop0
refused 9 'the same disk under another name' start looped --to /dev/loop1
dmsetup remove looped
losetup -d /dev/loop0
losetup -d /dev/loop1
umount /mnt

note "--- in use"
mkfs.ext4 -q /dev/vdc
refused 9 'holds a file system \(ext4\)' start vm1 --to /dev/vdc
mount /dev/vdc /mnt
refused 9 'mounted on /mnt' start vm1 --to /dev/vdc
refused 9 'mounted on /mnt' start vm1 --to /dev/vdc --force
umount /mnt
mkswap /dev/vdc >/dev/null
/usr/sbin/swapon /dev/vdc
refused 9 'used as swap' start vm1 --to /dev/vdc --force
swapoff /dev/vdc
node holder /dev/vdc
refused 9 'held by the device holder' start vm1 --to /dev/vdc --force
exec 7</dev/mapper/holder
refused 9 'in use \(open\)' start vm1 --to /dev/mapper/holder --force
exec 7<&-
dmsetup remove holder

note "--- metadata"
refused 9 'no metadata device /dev/vdz' start vm1 --to /dev/vdb --metadata /dev/vdz
refused 9 'both destination and metadata' start vm1 --to /dev/vdb --metadata /dev/vdb
refused 9 'metadata device /dev/vda is part of the source' start vm1 --to /dev/vdb --metadata /dev/vda
dd if=/dev/urandom of=/dev/vdd bs=8k count=1 conv=notrunc,fsync 2>/dev/null
refused 1 'metadata' start vm1 --to /dev/vdb --metadata /dev/vdd

note "--- the name of the hidden device is taken"
node vm1-livemigrate_src /dev/vdd
refused 9 'There is a device vm1-livemigrate_src already' start vm1 --to /dev/vdb
dmsetup remove vm1-livemigrate_src
long=$(printf 'x%.0s' $(seq 120))
node "$long" /dev/vda
refused 9 'is too long' start "$long" --to /dev/vdb
dmsetup remove "$long"

dmsetup create left-livemigrate_src --uuid LIVEMIGRATE-left --table "0 65536 linear /dev/vda 0"
refused 9 'hidden source' start left-livemigrate_src --to /dev/vdb
dmsetup remove left-livemigrate_src

note "--- no permission"
cp /vm/tools/livemigrate /tmp/livemigrate
chmod 755 /tmp /tmp/livemigrate
snapshot >/run/before
status=0
/usr/bin/setpriv --reuid 65534 --clear-groups /tmp/livemigrate start vm1 --to /dev/vdb >/run/said 2>&1 || status=$?
cat /run/said
[ $status -eq 7 ] && grep -q 'run this as root' /run/said || die "it ended with $status"
snapshot >/run/after
cmp /run/before /run/after

note "--- a source that cannot be deleted is told of before anything begins"
refused 9 'the source cannot be deleted' run vm1 --to /dev/vdb --delete-source

note "--- while it migrates"
tool start vm1 --to /dev/vdb --paused
refused 9 '/dev/vdb was not made by livemigrate' abort vm1 --delete-dest
refused 3 'migrates already' start vm1 --to /dev/vdc --force
refused 3 'vm1-livemigrate_src is a leg of the migration of vm1: end that first' start vm1-livemigrate_src --to /dev/vdc --force
node other /dev/vdf
refused 9 'in use' start other --to /dev/vdb --force
refused 9 'in use' start other --to /dev/mapper/vm1-livemigrate_src --force
dmsetup remove other
refused 3 'cutover is refused: .* still to be copied' cutover vm1 --timeout 0
refused 3 'commit is refused: it runs on the source' commit vm1
refused 9 'the source cannot be deleted' commit vm1 --delete-source
refused 3 'still copying' wait vm1 --timeout 1
refused 2 'is no rate' rate vm1 fast
answers 0 'goes on' resume vm1
tool wait vm1
tool cutover vm1
refused 3 'abort is refused: it runs on the dest' abort vm1
tool commit vm1
all_clear
dmsetup remove vm1

note "--- no target in the kernel"
node vm1 /dev/vda
rmmod dm_livemigrate
refused 7 'The kernel has no target livemigrate' start vm1 --to /dev/vdb --force
dmsetup remove vm1
