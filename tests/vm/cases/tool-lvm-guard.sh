# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What lvm2 is told behind the back of a migration, with the real lvm2 and under load, in
# each phase and after it (while it copies and when it is committed; with CELLS=all also at
# synced and switched): whatever would put the volume's own table back, or take a leg
# away, fails, and leaves the guest, the target and what lvm2 knows as they were; the rest
# does no harm. Then the migration goes on to its end.
#
# Caught: a volume that is not pinned (the old table comes back, silently).
#
# vm: livemigrate=sanitized disks=40M,40M,40M timeout=500 mem=640
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh,tests/vm/lvm.sh bins=lvm modules=dm-snapshot,dm-mirror

. /vm/lib.sh
. legs.sh
. tool.sh
. lvm.sh

known()		# what lvm2 has written down, but for what it counts and when
{
	lvm lvs -a --noheadings -o lv_full_name,lv_uuid,lv_size,lv_layout,lv_permissions,devices --unquoted 2>/dev/null |
		sort
}

# harmless DM WORD...: the table is as before, the guest gets on, and so is what lvm2 knows.
harmless()
{
	ha_dm_=$1
	shift
	load_alive
	[ "$(dmsetup table "$ha_dm_")" = "$table" ] || die "lvm $*: its table is $(dmsetup table "$ha_dm_")"
	[ "$(dmsetup info -c --noheadings -o suspended,tables_loaded "$ha_dm_")" = "Active:Live" ] ||
		die "lvm $*: $(dmsetup info "$ha_dm_")"
	[ "$(lm_field "$ha_dm_" phase)/$(lm_field "$ha_dm_" active)" = "$stands" ] ||
		die "lvm $*: $(dmsetup status "$ha_dm_")"
	ha_ops_=$(ops)
	gets_on() { [ "$(ops)" -gt "$ha_ops_" ]; }
	wait_until 10 gets_on || die "lvm $*: the guest gets nowhere"
	[ -z "$(dmsetup info -c --noheadings -o name,suspended | grep Suspended)" ] ||
		die "lvm $*: left suspended: $(dmsetup info -c)"
	known >/run/known.now
	cmp -s /run/known /run/known.now || { diff /run/known /run/known.now; die "lvm $* has changed what lvm2 knows"; }
}

ops()
{
	awk '{ print $1 + $5 }' "/sys/block/dm-$minor/stat"
}

# behind DM VOLUME LEG: all of them; VOLUME is what the device is called, LEG its dest.
behind()
{
	note "--- $1: $(lm_field "$1" phase)"
	table=$(dmsetup table "$1")
	stands=$(lm_field "$1" phase)/$(lm_field "$1" active)
	minor=$(dmsetup info -c --noheadings -o minor "$1")
	known >/run/known
	while read -r words; do
		# shellcheck disable=SC2086 # they are words
		if lvm $words >/run/lvm.log 2>&1 </dev/null; then
			cat /run/lvm.log
			die "lvm $words has done it"
		fi
		note "$words: $(tail -n 1 /run/lvm.log)"
		# What it says is to be done by hand.
		case "$words" in lvcreate*) vm_lvm lvremove -y vg0/snap ;; esac
		# shellcheck disable=SC2086
		harmless "$1" $words
	done <<-WORDS
	lvchange --refresh $2
	vgchange --refresh vg0
	lvextend -y -L +4M $2
	lvreduce -f -y -L -4M $2
	lvcreate -y -s -L 4M -n snap $2
	lvrename $2 elsewhere
	lvchange -y --permission r $2
	lvconvert -y --type mirror -m 1 --mirrorlog core $2
	pvmove -n ${2#*/} /dev/vda /dev/vdc
	lvchange -an $2
	vgchange -an vg0
	lvremove -f -y $2
	lvchange -an $3
	lvremove -f -y $3
	WORDS
	while read -r words; do
		# shellcheck disable=SC2086
		vm_lvm $words
		# shellcheck disable=SC2086
		harmless "$1" $words
	done <<-WORDS
	vgchange -ay
	vgchange -aay
	lvchange -ay $2
	vgscan --mknodes
	vgmknodes
	pvscan --cache -aay
	lvs -a
	WORDS
}

vm_lvm vgcreate -s 4M vg0 /dev/vda /dev/vdc
vm_lvm vgcreate -s 4M vg1 /dev/vdb
vm_lvm lvcreate -y -L 16M -n vm1 vg0 /dev/vda
load_start /dev/vg0/vm1 --rate 200 --mix w=60,r=40
tool start vg0/vm1 --to vg1/new --rate 16
behind vg0-vm1 vg0/vm1 vg1/new
tool rate vg0-vm1 0
tool wait vg0-vm1
[ "${CELLS:-}" != all ] || behind vg0-vm1 vg0/vm1 vg1/new
tool cutover vg0-vm1
[ "${CELLS:-}" != all ] || behind vg0-vm1 vg0/vm1 vg1/new
tool commit vg0-vm1
behind vg0-vm1.lmsrc1 vg0/vm1.lmsrc1 vg1/new
load_alive
load_stop
load_check /dev/vg1/new
load_check /dev/mapper/vg0-vm1.lmsrc1
dmsetup remove vg0-vm1.lmsrc1
all_clear
vm_lvm vgremove -f -y vg0
vm_lvm vgremove -f -y vg1
