# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # tool.sh sets kill_first and kill_stride
# SIGKILL before each system call that changes anything, one after the other, in
# livemigrate disk add, and in the commit of a disk that has a line in livemigrate.tab.
# After the latter the guest goes on writing, and then the host boots (all devices are
# removed, and the records are of another boot): if boot makes the mapping, it has the
# newest that was written; it makes none only between the record of the commit and that
# the kernel has taken it; and never so with metadata, which knows.
#
# Caught: a mapping without its node, which neither boot nor disk add made good; and a
# boot that takes the source wherever it is not sure.
#
# vm: livemigrate=yes disks=8M,8M,8M timeout=600
# vm: files=tests/vm/tool.sh

. /vm/lib.sh
. tool.sh

by_id
tick=0

# newest DEV: something new is written there, as a guest does that goes on.
newest()
{
	tick=$((tick + 1))
	token $tick "$1"
}

one_line()
{
	[ "$(grep -c '^vm1 ' "$TAB")" -eq 1 ] || die "the tab: $(cat "$TAB")"
}

note "--- disk add"
n=$kill_first status=99
while [ $status -eq 99 ]; do
	n=$((n + kill_stride))
	kill_at $n disk add vm1 /dev/vda
	note "$(tail -n 1 /run/killed)"
	tool disk list
	# Either takes it up, and add in any case. The node, too: there is no udev.
	[ $((n % 2)) -eq 0 ] || tool boot
	[ $((n % 2)) -eq 1 ] && [ -b /dev/mapper/vm1 ] || tool disk add vm1 /dev/vda
	[ -b /dev/mapper/vm1 ] || die "there is no node"
	lies_on vm1 vda
	one_line
	tool disk remove vm1
	! grep -q '^vm1 ' "$TAB" || die "the tab: $(cat "$TAB")"
	! dmsetup info vm1 >/dev/null 2>&1 || die "vm1 is left"
done
[ $n -gt 10 ] || die "it was killed $n times only"
note "disk add: killed $((n - 1)) times"

# reboot: what a boot leaves of all this.
reboot_now()
{
	dmsetup remove vm1
	! dmsetup info vm1-livemigrate_src >/dev/null 2>&1 || dmsetup remove vm1-livemigrate_src
	[ ! -e $STATES/vm1.json ] ||
		sed -i 's/"boot": *"[^"]*"/"boot":"another"/' $STATES/vm1.json
}

# settle METADATA: whatever boot has found, the newest is there in the end.
settle()
{
	case "$boot" in
	0) has_token $tick /dev/mapper/vm1 ;;
	3)
		[ -z "$1" ] || die "metadata knows, and boot does not: $(cat /run/said)"
		[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
		undecided=$((undecided + 1))
		# Nobody has failed, so it is on the dest.
		tool resume vm1
		has_token $tick /dev/mapper/vm1
		;;
	*) die "boot ended with $boot: $(cat /run/said)" ;;
	esac
	one_line
	if dmsetup table vm1 | grep -q livemigrate; then
		tool wait vm1
		tool cutover vm1
		tool commit vm1
	elif [ -e $STATES/vm1.json ]; then
		# Its migration has ended with the reboot, on the source.
		lies_on vm1 $source
		tool abort vm1
	fi
	has_token $tick /dev/mapper/vm1
	all_clear
	one_line
}

# where: which disk has it, by the tab.
where()
{
	if grep -q '^vm1 .*disk0 ' "$TAB"; then
		source=vda dest=vdb
	else
		source=vdb dest=vda
	fi
	lies_on vm1 $source
}

# kills [METADATA]: until commit gets through.
kills()
{
	n=$kill_first status=99 undecided=0
	while [ $status -eq 99 ]; do
		n=$((n + kill_stride))
		where
		[ -z "$1" ] || dd if=/dev/zero of="$1" bs=8k count=1 conv=notrunc,fsync 2>/dev/null
		livemigrate start vm1 --to /dev/$dest --force ${1:+--metadata "$1"} >/dev/null
		livemigrate wait vm1 >/dev/null
		livemigrate cutover vm1 >/dev/null
		newest /dev/mapper/vm1
		kill_at $n commit vm1
		note "${1:+metadata: }$(tail -n 1 /run/killed)"
		tool list
		tool disk list
		newest /dev/mapper/vm1
		reboot_now
		boot=0
		livemigrate boot >/run/said 2>&1 || boot=$?
		sed 's/^/  /' /run/said
		settle "$1"
	done
	lies_on vm1 $dest
	[ $n -gt 20 ] || die "it was killed $n times only"
	note "commit${1:+ with metadata}: killed at every ${kill_stride}th of $n calls, undecided $undecided times"
}

printf '# before\nother /dev/vdz noauto\n' >"$TAB"
chmod 640 "$TAB"
tool disk add vm1 /dev/vda
kills ""
# It is not a way out of everything.
[ $undecided -lt 9 ] || die "undecided $undecided times"
# There are fewer such calls than are left out, unless each is tried.
[ $undecided -gt 0 ] || [ "$kill_stride" -gt 1 ] || die "it was never undecided"
kills /dev/vdc
[ "$(grep -v '^vm1 ' "$TAB")" = "$(printf '# before\nother /dev/vdz noauto')" ] ||
	die "other lines have changed: $(cat "$TAB")"
[ "$(stat -c %a "$TAB")" = 640 ] || die "the mode has changed"
tool disk remove vm1
