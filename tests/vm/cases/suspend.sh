# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# In every phase, under load: the device can be suspended in all four ways,
# nothing goes to the legs then whatever the messages say, and it goes on after;
# its own line can be reloaded, and no region is copied twice for it; it can be
# removed, and the module unloaded.
#
# Method: the disks' counters show whether anything moves while suspended, and
# in an idle copy with suspends and reloads all along that source and dest were
# read and written exactly once. stamp verifies what the guest sees, and at the
# end both legs.
#
# Caught: a copier that suspend does not stop; one that a message starts again
# while suspended; one that resume does not start; a reload that begins anew.
#
# vm: disks=16M,16M timeout=180 kernels=6.1,6.12

. /vm/lib.sh

total=4096 sectors=32768

traffic()
{
	for t_disk_ in /dev/vda /dev/vdb; do
		disk_stat $t_disk_ read
		disk_stat $t_disk_ write
	done
}

# load [ARG...]
load()
{
	bg load stamp --dev /dev/mapper/m --seconds 600 --threads 2 --depth 4 "$@" \
		--bs 512:64K --mix w=60,r=30,z=3,f=3,u=4 --state /run/state
	wait_until 10 test -s /run/load.log
}

holds()
{
	stamp --check /run/state --dev "$1" || die "$1 does not hold what was written"
}

is_suspended()
{
	[ "$(dmsetup info -c --noheadings -o suspended m)" = Suspended ]
}

phase_is()
{
	[ "$(lm_field m phase)" = "$1" ] || die "it should be $1: $(dmsetup status m)"
}

# still MESSAGE...: suspended, nothing moves, and the messages do not change that.
still()
{
	is_suspended || die "it is not suspended"
	st_traffic_=$(traffic)
	st_copied_=$(lm_field m copied)
	for message; do
		lm_msg m "$message"
	done
	sleep 0.3
	[ "$(traffic)" = "$st_traffic_" ] ||
		die "suspended, something moved: $st_traffic_ is $(traffic)"
	[ "$(lm_field m copied)" = "$st_copied_" ] || die "suspended, it copies"
	[ "$(lm_field m in_flight)" = 0 ] || die "suspended, writes are in flight"
}

moved_()
{
	[ "$(traffic)" != "$go_from_" ]
}

# goes_on: resumed, the load gets on.
goes_on()
{
	go_from_=$(traffic)
	dmsetup resume m
	wait_until 10 moved_ || die "nothing moves after the resume"
	bg_runs load || die "the load has ended: $(cat /run/load.log)"
}

# in_every_way PHASE [HOW...]: suspend, look, reload, resume.
in_every_way()
{
	ie_phase_=$1
	shift
	[ $# -gt 0 ] || set -- "" "--noflush --nolockfs"
	for how; do
		# shellcheck disable=SC2086
		dmsetup suspend $how m
		phase_is "$ie_phase_"
		still pause resume "copy_rate 999" "copy_rate $rate"
		lm_counts m
		[ -z "$how" ] || {
			was=$(dmsetup status m)
			dmsetup load m --table "$(dmsetup table m)"
			[ "$(dmsetup status m)" = "$was" ] || die "the load has changed '$was' to '$(dmsetup status m)'"
		}
		goes_on
		phase_is "$ie_phase_"
		lm_load m "$(dmsetup table m)"
		phase_is "$ie_phase_"
	done
}

gone()
{
	bg_end load TERM
	dmsetup remove m
	rmmod dm_livemigrate
	insmod /vm/dm_livemigrate.ko
}

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync

note "-- idle: suspends and reloads all along, and each sector moves once"
# /dev/mapper/m is not opened, so that nobody else reads.
read=$(disk_stat /dev/vda read) written=$(disk_stat /dev/vdb write)
lm_create m /dev/vda /dev/vdb copy_rate $((6000 / SLOWNESS))
turns=0
while [ "$(lm_field m phase)" = copying ]; do
	dmsetup suspend m
	still "copy_rate 0" resume
	lm_msg m copy_rate $((6000 / SLOWNESS))
	dmsetup load m --table "$(dmsetup table m)"
	dmsetup resume m
	turns=$((turns + 1))
	[ $turns -lt 60 ] || die "it gets nowhere: $(dmsetup status m)"
	sleep 0.1
done
[ $turns -ge 4 ] || die "it was copied after $turns turns already"
phase_is synced
[ "$(lm_field m copied)" = $total ] || die "not $total regions were copied: $(dmsetup status m)"
[ "$(lm_field m cleared)" = 0 ] || die "regions were cleared: $(dmsetup status m)"
[ $(($(disk_stat /dev/vda read) - read)) = $sectors ] ||
	die "$(($(disk_stat /dev/vda read) - read)) sectors of the source were read"
[ $(($(disk_stat /dev/vdb write) - written)) = $sectors ] ||
	die "$(($(disk_stat /dev/vdb write) - written)) sectors of the dest were written"
legs_equal /dev/vda /dev/vdb
dmsetup remove m

note "-- copying, under load"
rate=$((300 / SLOWNESS))
lm_create m /dev/vda /dev/vdb copy_rate $rate
# Where it does not write, it is left to the copier.
load --size 12288
in_every_way copying "" --noflush --nolockfs "--noflush --nolockfs"
gone
holds /dev/vda

note "-- synced, under load"
lm_create m /dev/vda /dev/vdb
lm_wait_phase m synced
rate=0
load
in_every_way synced
dmsetup suspend m
still cutover failback cutover
phase_is switched
goes_on

note "-- switched, under load"
in_every_way switched
dmsetup suspend m
dmsetup load m --table "$(dmsetup table m)"
still failback
dmsetup resume m
phase_is synced
goes_on
[ "$(lm_field m cleared)" = 0 ] || die "regions were cleared: $(dmsetup status m)"
bg_end load TERM
legs_equal /dev/vda /dev/vdb
holds /dev/vda
holds /dev/vdb
load
lm_msg m cutover
gone
legs_equal /dev/vda /dev/vdb

note "-- degraded, under load"
lm_create m /dev/vda /dev/vdb detached
load
dest=$(disk_stat /dev/vdb write)
in_every_way degraded
[ "$(disk_stat /dev/vdb write)" = "$dest" ] || die "a detached dest was written to"
dmsetup suspend --noflush m
still reattach
phase_is copying
goes_on
lm_wait_phase m synced
bg_end load TERM
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
holds /dev/vdb
load
dmsetup suspend m
lm_refused 'commit refused: it runs on the source' lm_msg m commit
still abort abort
phase_is aborted
goes_on
gone
holds /dev/vda
