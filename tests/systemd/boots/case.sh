# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A host over some boots, each of which ends as if the power went. vm1 is a logical volume,
# moved without metadata to another one of its group; vm2 is a disk of livemigrate.tab, and
# vm3 a logical volume, both moved with metadata: vm3 comes one step further at each boot.
# vm4 is moved into an image for QEMU, which is served at each boot from then on.
# What starts the guests (libvirtd.service) must find the data behind each name at every
# boot, never what is stale.

. /usr/lib/livemigrate-test/lib.sh

DATA=/var/lib/data	# the sums of what the guests have written

# write NAME DEV: a guest writes all of its disk.
write()
{
	dd if=/dev/urandom of="$2" bs=1M count=16 oflag=direct 2>/dev/null
	dd if="$2" bs=1M count=16 iflag=direct 2>/dev/null | md5sum >$DATA/"$1"
}

# found NAME DEV: the guests have found that, and so do we.
found()
{
	[ "$(sed -n "s,^$2 ,,p" /run/guest)" = "$(cat $DATA/"$1")" ] ||
		die "$1 was started with what is not its data: $(cat /run/guest)"
	holds "$@"
}

holds()
{
	[ "$(dd if="$2" bs=1M count=16 iflag=direct 2>/dev/null | md5sum)" = "$(cat $DATA/"$1")" ] ||
		die "$2 does not hold the data of $1"
}

phase()
{
	livemigrate status "$1" --json | grep -o '"phase": *"[a-z]*"' | cut -d '"' -f 4
}

# watched STATUS WORD...: as tool, but it ends with that status.
watched()
{
	want=$1 status=0
	shift
	valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
		livemigrate "$@" || status=$?
	[ $status -eq "$want" ] || die "valgrind livemigrate $* ended with status $status, not $want"
}

healthy()
{
	[ "$(systemctl is-active livemigrate.service)" = active ] || die "livemigrate.service is not active"
	[ -z "$(systemctl list-units --failed --plain --no-legend)" ] || die "units have failed"
}

# What vm3 held before is there, and its migration is, too.
goes_on()
{
	found vm3 /dev/vg0/vm3
	case "$(phase vg0/vm3)" in
	copying | synced) ;;
	*) die "vm3 does not go on: it is $(phase vg0/vm3)" ;;
	esac
}

# vm4's image is, by a qemu-nbd that neither the command's end nor a session's ends.
served()
{
	grep -q '^vm4 /var/lib/vm4.qcow2 ' /etc/livemigrate.tab || die "its line is: $(cat /etc/livemigrate.tab)"
	systemctl list-units --plain --no-legend 'livemigrate-nbd*.scope' | grep -q running ||
		die "no scope serves it: $(systemctl list-units --plain --no-legend 'livemigrate*')"
}

# shellcheck disable=SC2154 # lib.sh has it
case $boot in
1)
	echo "=== 1: two disks move when the power goes"
	mkdir -p $DATA
	modprobe dm-snapshot
	lvm vgcreate -q vg0 /dev/vdb /dev/vdc
	lvm lvcreate -q -y -L 16M -n vm1 vg0 /dev/vdb
	lvm lvcreate -q -y -L 16M -n vm3 vg0 /dev/vdb
	tool disk add vm2 /dev/disk/by-id/virtio-disk2
	write vm3 /dev/vg0/vm3
	write vm1 /dev/vg0/vm1
	write vm2 /dev/mapper/vm2
	tool start vg0/vm1 --to vg0/new --rate 64K
	tool start vm2 --to /dev/disk/by-id/virtio-disk3 --metadata /dev/disk/by-id/virtio-disk4 --rate 64K
	tool start vg0/vm3 --to vg0/new3 --metadata /dev/disk/by-id/virtio-disk5 --rate 64K
	sleep 4
	echo /dev/vg0/vm1 /dev/vg0/vm3 /dev/mapper/vm2 >/var/lib/guest-disks
	;;
2)
	echo "=== 2: one goes on, one is told of; both are committed or switched when the power goes"
	healthy
	found vm1 /dev/vg0/vm1
	found vm2 /dev/mapper/vm2
	[ "$(phase vm2)" = copying ] || die "vm2 does not go on: it is $(phase vm2)"
	tool list
	goes_on
	tool rate vg0/vm3 0
	tool abort vg0/vm1 --delete-dest
	holds vm1 /dev/vg0/vm1
	tool rate vm2 0
	tool start vg0/vm1 --to vg0/new
	tool wait vm2
	tool wait vg0/vm1
	tool cutover vm2
	tool cutover vg0/vm1
	write vm2 /dev/mapper/vm2
	tool commit vg0/vm1
	# What is called by the name from now on, and nothing else, holds this.
	write vm1 /dev/vg0/vm1
	write vm3 /dev/vg0/vm3
	tool wait vg0/vm3
	;;
3)
	echo "=== 3: the names mean the new data, whatever lvm2 is told"
	healthy
	found vm1 /dev/vg0/vm1
	found vm2 /dev/mapper/vm2
	# The source is complete, and runs after a crash; what was in flight is copied again.
	case "$(phase vm2)" in
	copying | synced) ;;
	*) die "vm2 does not go on: it is $(phase vm2)" ;;
	esac
	! dmsetup table vm2 | grep copy_rate || die "it has forgotten that there is no limit"
	lvm vgchange -q -ay vg0
	lvm lvchange -q --refresh vg0/vm1
	holds vm1 /dev/vg0/vm1
	! dmsetup ls | grep lmsrc || die "the old data is activated"
	tool list
	tool wait vm2
	tool cutover vm2
	tool commit vm2
	goes_on
	tool wait vg0/vm3
	tool cutover vg0/vm3
	write vm3 /dev/vg0/vm3
	write vm2 /dev/mapper/vm2
	;;
4)
	echo "=== 4: nothing is left of the moves but the old data, which is removed"
	healthy
	found vm1 /dev/vg0/vm1
	found vm2 /dev/mapper/vm2
	! livemigrate status vm2 || die "vm2 still migrates"
	dmsetup table vm2 | grep -q linear || die "vm2 is no plain mapping"
	lvm lvremove -q -y vg0/vm1.lmsrc1
	tool disk remove vm2
	tool disk add vm4 /dev/disk/by-id/virtio-disk2
	write vm4 /dev/mapper/vm4
	tool run vm4 --to /var/lib/vm4.qcow2
	served
	echo /dev/vg0/vm1 /dev/vg0/vm3 /dev/mapper/vm4 >/var/lib/guest-disks
	goes_on
	lvm lvchange -q --refresh vg0/vm3 || :
	goes_on
	tool wait vg0/vm3
	tool cutover vg0/vm3
	tool failback vg0/vm3
	write vm3 /dev/vg0/vm3
	;;
5)
	echo "=== 5: switched back, and committed when the power goes"
	healthy
	found vm4 /dev/mapper/vm4
	served
	write vm4 /dev/mapper/vm4
	goes_on
	tool wait vg0/vm3
	tool cutover vg0/vm3
	tool commit vg0/vm3
	write vm3 /dev/vg0/vm3
	;;
6)
	echo "=== 6: valgrind watches the command: all that it looks at was written, nothing is lost"
	healthy
	found vm3 /dev/vg0/vm3
	found vm4 /dev/mapper/vm4
	served
	watched 0 disk remove vm4
	[ -z "$(systemctl list-units --plain --no-legend 'livemigrate-nbd*')" ] || die "qemu-nbd still runs"
	! livemigrate status vg0/vm3 || die "vm3 still migrates"
	lvm lvremove -q -y vg0/vm3.lmsrc1
	by_id=/dev/disk/by-id/virtio-disk
	# What is there is of a migration that was committed.
	dd if=/dev/zero of=${by_id}4 bs=8k count=1 conv=notrunc,fsync 2>/dev/null
	watched 0 disk add vm3 ${by_id}2
	watched 0 disk list
	watched 9 start vm3 --to ${by_id}4
	watched 0 start vm3 --to ${by_id}3 --force --metadata ${by_id}4 --paused
	watched 3 start vm3 --to ${by_id}3
	watched 0 rate vm3 4M
	watched 0 pause vm3
	watched 0 resume vm3
	watched 0 wait vm3
	watched 0 verify vm3
	watched 0 cutover vm3
	watched 3 abort vm3
	watched 0 status vm3
	watched 0 list --json
	watched 0 failback vm3
	watched 0 cutover vm3
	watched 0 commit vm3
	watched 0 disk remove vm3
	watched 0 run vg0/vm1 --to vg0/more --failback-window 0
	watched 4 status vg0/vm1
	watched 0 start vg0/vm1 --to vg0/again
	watched 0 abort vg0/vm1 --delete-dest
	watched 2 frobnicate
	watched 0 boot
	;;
esac
finish PASS
