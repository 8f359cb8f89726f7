# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A host over four boots, each of which ends as if the power went. vm1 is a logical volume,
# moved without metadata to another one of its group; vm2 is a disk of livemigrate.tab,
# moved with metadata. What starts the guests (libvirtd.service) must find the
# data behind both names at every boot, never what is stale.

set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
PORTS=/dev/virtio-ports/org.dm-livemigrate
exec >"$PORTS.output" 2>&1 </dev/null

nonce=$(sed 's/.*lm\.nonce=\([^ ]*\).*/\1/' /proc/cmdline)
boot=$(sed -n 's/.*lm\.boot=\([^ ]*\).*/\1/p' /proc/cmdline)
DATA=/var/lib/data	# the sums of what the guests have written

# The file system of the system is synced, as a host's is after a minute; nothing else.
finish()
{
	sync -f /
	echo "$*" >"$PORTS.result"
	sleep 1
	echo o >/proc/sysrq-trigger
	sleep 60
}

die()
{
	echo "FAILED: $*"
	livemigrate list || :
	dmsetup table || :
	lvm lvs -a -o +lv_skip_activation || :
	systemctl --no-pager --failed || :
	journalctl --no-pager -b -u livemigrate.service | tail -n 20 || :
	trap - EXIT
	finish "FAIL $nonce $*"
}
trap 'die "the case has ended at boot $boot"' EXIT

tool()
{
	livemigrate "$@" || die "livemigrate $* ended with status $?"
}

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

healthy()
{
	[ "$(systemctl is-active livemigrate.service)" = active ] || die "livemigrate.service is not active"
	[ -z "$(systemctl list-units --failed --plain --no-legend)" ] || die "units have failed"
}

case $boot in
1)
	echo "=== 1: two disks move when the power goes"
	mkdir -p $DATA
	modprobe dm-snapshot
	lvm vgcreate -q vg0 /dev/vdb /dev/vdc
	lvm lvcreate -q -y -L 16M -n vm1 vg0 /dev/vdb
	tool disk add vm2 /dev/disk/by-id/virtio-disk2
	write vm1 /dev/vg0/vm1
	write vm2 /dev/mapper/vm2
	tool start vg0/vm1 --to vg0/new --rate 64K
	tool start vm2 --to /dev/disk/by-id/virtio-disk3 --metadata /dev/disk/by-id/virtio-disk4 --rate 256K
	sleep 3
	echo yes >/var/lib/guest-boots
	;;
2)
	echo "=== 2: one goes on, one is told of; both are committed or switched when the power goes"
	healthy
	found vm1 /dev/vg0/vm1
	found vm2 /dev/mapper/vm2
	[ "$(phase vm2)" = copying ] || die "vm2 does not go on: it is $(phase vm2)"
	tool list
	tool abort vg0/vm1 --delete-dest
	holds vm1 /dev/vg0/vm1
	tool rate vm2 0
	tool start vg0/vm1 --to vg0/new
	tool wait vm2
	tool wait vg0/vm1
	tool cutover vm2
	tool cutover vg0/vm1
	write vm1 /dev/vg0/vm1
	write vm2 /dev/mapper/vm2
	tool commit vg0/vm1
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
	;;
esac
trap - EXIT
finish "PASS $nonce $boot"
