# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A machine that libvirt runs, as Debian sets it up: virtio, cache=none, native AIO. It writes
# and verifies, half of it with buffers that change in flight, while its disk moves: all steps
# with verify, failback, and commit. Its XML is the same before and after. Then the source is
# destroyed, and libvirt starts it again; it finds all that it wrote.

. /usr/lib/livemigrate-test/lib.sh

SAID=/var/log/libvirt/qemu/vm1-serial.log

virsh_()
{
	virsh -q "$@" || die "virsh $* ended with status $?"
}

says()
{
	grep -q "$1" $SAID
}

is_off()
{
	[ "$(virsh -q domstate vm1)" = "shut off" ]
}

ends()
{
	wait_until 900 is_off || die "the machine does not end: $(cat $SAID)"
	cat $SAID
	says "GUEST GOOD" || die "the machine has not found what it wrote"
}

echo "=== 1: a machine of libvirt's, whose disk moves while it writes"
truncate -s 64M /var/lib/vm1/notes
tool disk add vm1 /dev/vdb
systemctl start libvirtd.service || die "libvirtd does not start"
virsh_ define $HERE/vm1.xml
virsh_ dumpxml --inactive vm1 >/run/before.xml
virsh_ start vm1
wait_until 900 says WRITING || die "the machine does not boot: $(cat $SAID /var/log/libvirt/qemu/vm1.log)"
virsh_ dumpxml vm1 >/run/before-live.xml

tool start vm1 --to /dev/vdc --force --rate 2M
tool wait vm1
livemigrate status vm1
tool verify vm1
tool cutover vm1
sleep 3
tool failback vm1
sleep 3
tool cutover vm1
sleep 3
tool commit vm1
virsh_ dumpxml vm1 >/run/after-live.xml
virsh_ dumpxml --inactive vm1 >/run/after.xml
cmp /run/before.xml /run/after.xml || die "the XML is another one now"
cmp /run/before-live.xml /run/after-live.xml || die "the XML of the machine that runs is another one now"
[ "$(virsh -q domstate vm1)" = running ] || die "the machine is $(virsh -q domstate vm1)"
[ -z "$(virsh -q domblkerror vm1 | grep -v 'No errors found')" ] || die "libvirt knows of an error: $(virsh -q domblkerror vm1)"

# QEMU looks once a second whether somebody is there.
(echo stop; sleep 5) >"$(virsh_ ttyconsole vm1)" &
ends
dmsetup table vm1 | grep -q "linear $(lsblk -dno MAJ:MIN /dev/vdc | tr -d ' ')" || die "it does not lie on the dest: $(dmsetup table vm1)"
dd if=/dev/zero of=/dev/vdb bs=1M oflag=direct 2>/dev/null || :
virsh_ start vm1
ends
virsh_ undefine vm1
tool disk remove vm1
finish PASS
