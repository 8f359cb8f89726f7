# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Which state a table gets: a running predecessor's, or a new one. A table that
# was loaded and never live lends nothing to the one that takes its place; one
# that another target's table has replaced is forgotten; what follows a final
# migration must keep each sector where it is.
#
# vm: disks=16M,16M,16M

. /vm/lib.sh

size=$(sectors /dev/vda)

load()
{
	dmsetup load m --table "$1"
}

line()	# line LEGS [OPTION...]
{
	l_legs_=$1
	shift
	echo "0 $size livemigrate $l_legs_${1:+ $# $*}"
}

junk()
{
	dd if=/dev/urandom of="$1" bs=1M 2>/dev/null || :
	sync
}

a=/dev/vda b=/dev/vdb c=/dev/vdc
dd if=/dev/urandom of=$a bs=1M count=4 2>/dev/null
sync

note "a loaded line that was a mistake"
dmsetup create m --table "0 $size linear $a 0"
junk $b
load "$(line "$a 0 $b 0" dest_zeroed)"
load "$(line "$a 0 $b 0")"
dmsetup resume m
lm_wait_phase m synced
legs_equal $a $b

note "replaced by another target: what was written since is copied"
load "0 $size linear $a 0"
dmsetup resume m
dd if=/dev/urandom of=/dev/mapper/m bs=1M count=1 seek=9 oflag=direct conv=notrunc 2>/dev/null
load "$(line "$a 0 $b 0")"
dmsetup resume m
lm_wait_phase m synced
legs_equal $a $b

note "a loaded line with the wrong dest"
load "0 $size linear $a 0"
dmsetup resume m
load "$(line "$a 0 $c 0")"
load "$(line "$a 0 $b 0" region_size 64)"
dmsetup resume m
[ "$(lm_field m region_size)" = 64 ] || die "the corrected line was not taken"
lm_wait_phase m synced

note "another device's legs are not to be had"
expect_fail dmsetup create n --table "0 $size livemigrate $c 0 $b 0"
expect_kmsg 'a leg is in use by the migration of device 253:0'

note "after commit: what follows must begin with the leg that is left"
lm_msg m cutover
lm_drop m commit
expect_fail load "$(line "$b 0 $c 0" active dest)"
expect_kmsg 'the new source must be that leg'
expect_fail load "$(line "$a 0 $c 0")"
expect_fail load "$(line "$a 0 - 0")"
# The saved line of the copy adopts what is: committed.
load "$(line "$a 0 $b 0")"
dmsetup resume m
[ "$(lm_field m phase)" = committed ] || die "a saved line undid the commit"
# The other way round is a new migration.
junk $a
load "$(line "$b 0 $a 0")"
dmsetup resume m
lm_wait_phase m synced
legs_equal $b $a

note "aborted, and once more to the same dest"
lm_drop m abort
load "$(line "$b 0 $a 0")"
dmsetup resume m
[ "$(lm_field m phase)" = aborted ] || die "a saved line undid the abort"
load "$(line "$b 0 - 0")"
dmsetup resume m
load "$(line "$b 0 $a 0")"
dmsetup resume m
lm_wait_phase m synced
legs_equal $b $a
dmsetup remove m

note "a table that begins elsewhere must keep each sector where it is"
half=$((size / 2))
dmsetup create m --table "0 $half livemigrate - 0 $b 0
$half $half linear $b $half"
expect_fail load "0 $half linear $b 0
$half $half livemigrate $b 0 $c 0"  # free place: refused only by its legs
dmsetup remove m
dmsetup create m --table "$(line "- 0 $b 0")"
expect_fail load "0 $half linear $b 0
$half $half livemigrate $b 0 $c 0"
expect_kmsg 'at the same offset'
load "0 $half linear $b 0
$half $half livemigrate $b $half $c 0"
dmsetup resume m
# One status line for each of the table's two targets.
wait_until 20 sh -c 'dmsetup status m | grep -q " livemigrate synced "' ||
	die "the second segment is not synced: $(dmsetup status m)"
dmsetup remove m
