# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The newcomer's host, on which the packages are installed: its first boot. The lines of
# README.md put a logical volume below a mapping, move it into a file and back while a load
# verifies, and remove the packages; what runs goes on.

. /usr/lib/livemigrate-test/lib.sh

lines()	# lines FILE: run them, each as somebody types it
{
	while IFS= read -r line; do
		echo "# $line"
		sh -c "$line" </dev/null || die "'$line' ended with status $?"
	done <"$HERE/$1"
}

alive()
{
	kill -0 "$load" || { cat /run/stamp.out; die "the load has ended"; }
}

# It has booted on one (smp_arguments in tests/common.sh).
for processor in /sys/devices/system/cpu/cpu[1-9]*/online; do
	echo 1 >"$processor"
done

# The host as it was.
pvcreate -q /dev/vdb >/dev/null
vgcreate -q vg0 /dev/vdb >/dev/null
lvcreate -q -y -W n -L 64M -n vm1 vg0 >/dev/null
mkfs.ext4 -q /dev/vdc
mkdir /images
mount /dev/vdc /images
dd if=/dev/urandom of=/dev/vg0/vm1 bs=1M count=40 oflag=direct 2>/dev/null

lines add
$HERE/stamp --dev /dev/mapper/vm1 --seconds 1000 --state /run/stamp.state --rate 100 --mix w=60,r=40 >/run/stamp.out 2>&1 &
load=$!
lines move
alive
[ ! -e /images/vm1.raw ] || die "the image is still there"
[ "$(lvs --noheadings -o lv_name vg0 | xargs)" = vm1 ] || die "the volumes are: $(lvs)"
livemigrate list
[ -z "$(livemigrate list --json | grep '"phase"')" ] || die "a migration is not ended: $(livemigrate list --json)"

lines remove
alive
[ ! -e /usr/sbin/livemigrate ] || die "the command is still there"
[ -z "$(find /lib/modules -name 'dm_livemigrate*')" ] || die "the module is still there"
[ -s /etc/livemigrate.tab ] || die "the list of disks is gone"
sleep 2
alive
kill -TERM "$load"
wait "$load" || { cat /run/stamp.out; die "the load has seen an error"; }
tail -n 2 /run/stamp.out
$HERE/stamp --check /run/stamp.state --dev /dev/mapper/vm1 || die "/dev/mapper/vm1 does not hold what was written"
$HERE/stamp --check /run/stamp.state --dev /dev/vg0/vm1 || die "/dev/vg0/vm1 does not hold what was written"
dmsetup remove vm1
modprobe -r dm_livemigrate 2>/dev/null || rmmod dm_livemigrate || die "the module is in use yet"
finish PASS
