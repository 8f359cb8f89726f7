# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# livemigrate-pin: no other target's table can take its place by mistake,
# whatever the phase, and it is the same target in all else: a livemigrate
# device becomes pinned, and goes on, without losing its state. There is one
# deliberate way out: a table with an error target at its end.
#
# Method: linear tables are loaded over it and refused by device-mapper itself;
# the state before and after is compared as text.
#
# Caught: the target without DM_TARGET_IMMUTABLE; a state that is not handed on.
#
# vm: disks=16M,16M kernels=6.1,6.12

. /vm/lib.sh

pin()
{
	dmsetup table m | sed 's/ livemigrate / livemigrate-pin /'
}

# same_data WHEN: as it was in the beginning; if not, what is different?
same_data()
{
	now=$(md5sum </dev/mapper/m)
	[ "$now" = "$data" ] && return
	cmpdev /dev/vda /dev/mapper/m --sectors 32768 || :
	note "at first '$data', now '$now', read again '$(md5sum </dev/mapper/m)', source '$(md5sum </dev/vda)'"
	die "the data has changed $1"
}

# stays CMD...: refused, and all is as it was.
stays()
{
	before=$(dmsetup table m && dmsetup status m)
	kmsg_mark
	expect_fail "$@"
	expect_kmsg "can't replace immutable target type livemigrate-pin"
	[ "$(dmsetup table m && dmsetup status m)" = "$before" ] ||
		die "'$before' has become '$(dmsetup table m && dmsetup status m)'"
}

only_itself()
{
	stays dmsetup load m --table "0 32768 linear /dev/vda 0"
	stays dmsetup load m --table "0 32768 linear /dev/vdb 0"
	stays dmsetup load m --table "0 32768 striped 2 8 /dev/vda 0 /dev/vdb 0"
	own=$(dmsetup table m)
	case "$own" in
	*" livemigrate-pin "*) ;;
	*) die "it is not pinned any more: $own" ;;
	esac
	stays dmsetup load m --table "$(echo "$own" | sed 's/-pin//')"
	before=$(dmsetup status m)
	lm_load m "$own"
	[ "$(dmsetup table m)" = "$own" ] || die "its own line has changed '$own' to '$(dmsetup table m)'"
	[ "$(dmsetup status m)" = "$before" ] || die "its own line has changed '$before' to '$(dmsetup status m)'"
}

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync
data=$(md5sum </dev/vda)

lm_create m /dev/vda /dev/vdb copy_rate 2048
# Not pinned yet, it can be replaced.
dmsetup load m --table "0 32768 linear /dev/vda 0"
dmsetup clear m
lm_wait_above m copied 0
lm_msg m pause
sleep 0.5
state=$(dmsetup status m | sed 's/livemigrate//')
lm_load m "$(pin)"
[ "$(dmsetup status m | sed 's/livemigrate-pin//')" = "$state" ] ||
	die "'$state' has become, pinned, '$(dmsetup status m)'"
only_itself

lm_msg m copy_rate 0
lm_msg m resume
lm_wait_phase m synced
lm_counts m
legs_equal /dev/vda /dev/vdb
only_itself
lm_msg m cutover
only_itself
lm_drop m commit
only_itself
[ "$(lm_field m phase)" = committed ] || die "it is not committed"
same_data "with the commit"

# The way out, with the device held open: it is eight sectors longer for a while.
exec 3</dev/mapper/m
dmsetup load m <<LINES
0 32768 linear /dev/vdb 0
32768 8 error
LINES
dmsetup resume m
lm_load m "0 32768 linear /dev/vdb 0"
exec 3<&-
same_data "on the way out"
dmsetup remove m
