# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# livemigrate start, wait, cutover, failback, commit and abort, each a command of
# its own, on sources of every kind and to destinations of two kinds, under a load
# that verifies. The device keeps its name, its minor and those who have it open;
# after commit the destination holds all that was written, after abort the
# original table is back, keys included; and nothing of the migration is left.
#
# Caught: a pinned target that held the source after commit; --zeroed, said of a
# destination that was not.
#
# vm: livemigrate=yes disks=64M,64M,80M,80M timeout=300
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh
# vm: modules=dm-crypt,dm-thin-pool

. /vm/lib.sh
. legs.sh
. tool.sh

# An LV-like destination: two segments.
dmsetup create lv --table "0 50000 linear /dev/vdd 70000
50000 20000 linear /dev/vdd 2048"

# moves KIND DEST END [OPTION...]
moves()
{
	mv_kind_=$1 mv_dest_=$2 mv_end_=$3
	shift 3
	note "--- $mv_kind_ to $mv_dest_, $mv_end_ $*"
	source_make "$mv_kind_"
	original=$(dmsetup table --showkeys vm1)
	source_hold
	load_start /dev/mapper/vm1 --rate 400
	tool start vm1 --to "$mv_dest_" "$@"
	case "$(dmsetup table vm1)" in
	*" livemigrate"*) ;;
	*) die "the target is not in its place: $(dmsetup table vm1)" ;;
	esac
	[ "$(dmsetup table --showkeys vm1-livemigrate_src)" = "$original" ] ||
		die "the source is not as it was"
	source_kept
	tool wait vm1 --timeout 60
	tool cutover vm1
	lm_is vm1 active dest || die "not on the dest"
	tool status vm1
	tool failback vm1
	lm_is vm1 active source || die "not on the source"
	if [ "$mv_end_" = commit ]; then
		tool cutover vm1
		source_kept
		tool commit vm1
	else
		tool abort vm1
		[ "$(dmsetup table --showkeys vm1)" = "$original" ] ||
			die "the table was '$original', and is '$(dmsetup table --showkeys vm1)'"
	fi
	source_kept
	load_alive
	load_stop
	source_let_go
	load_check /dev/mapper/vm1
}

# committed KIND DEST: after moves, on a plain table.
committed()
{
	dmsetup table vm1 | grep -q '^0 65536 linear ' ||
		die "the table is not plain: $(dmsetup table vm1)"
	load_check "$2"
	all_clear
	source_remove "$1"
}

for kind in linear segments striped crypt thin; do
	moves $kind /dev/vdc commit --force
	committed $kind /dev/vdc
	moves $kind /dev/mapper/lv abort --force --region-size 64K
	all_clear
	source_remove $kind
done
blkdiscard -z /dev/mapper/lv
moves segments /dev/mapper/lv commit --zeroed
committed segments /dev/mapper/lv

note "--- pinned: back to the original table, or until the last close"
moves linear /dev/vdc abort --force --pinned
all_clear
source_remove linear
moves linear /dev/vdc commit --force --pinned
dmsetup table vm1 | grep -q ' livemigrate-pin - 0 ' ||
	die "it has not let go of the source: $(dmsetup table vm1)"
load_check /dev/vdc
answers 0 'committed; the target stays until vm1 is closed' status vm1
source_remove linear
all_clear
dmsetup remove lv

note "--- made by cryptsetup or kpartx, which load their own table anew: pinned unasked"
for uuid in CRYPT-PLAIN-c part1-mpath-c; do
	dmsetup create c --uuid $uuid --table "0 65536 linear /dev/vda 0"
	tool start c --to /dev/vdc --paused --force
	dmsetup table c | grep -q ' livemigrate-pin ' || die "it is not pinned: $(dmsetup table c)"
	expect_fail dmsetup load c --table "0 65536 linear /dev/vda 0"
	tool abort c
	dmsetup table c | grep -q ' linear ' || die "its table is $(dmsetup table c)"
	dmsetup remove c
done
all_clear

note "--- what its user sees of an encrypted device is not encrypted"
source_make crypt
answers 0 'vm1 is encrypted, and /dev/vdc gets what its user sees' start vm1 --to /dev/vdc --paused --force
tool abort vm1
all_clear
source_remove crypt
