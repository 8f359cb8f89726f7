# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What "dmsetup table" prints can be given back to the kernel at any time. Over
# the running device it changes nothing: bitmap, counters, roles, pause and rate
# are the running migration's, whatever the line says. In an empty place it
# begins anew, without ever writing to a leg that may hold the only good copy.
#
# Method: in every phase, and with every option, the printed line is loaded over
# the device, and into a new one after it was removed; a line that was saved
# early is loaded late. What is printed before and after is compared as text,
# the legs by checksum, and what reached a leg by its disk's counters.
#
# vm: disks=16M,16M,16M files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

total=4096
dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync

put()
{
	dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek="$1" \
		oflag=direct conv=notrunc 2>/dev/null
}

sum()
{
	dd if="$1" bs=1M iflag=direct 2>/dev/null | md5sum
}

phase_is()
{
	[ "$(lm_field m phase)" = "$1" ] ||
		die "it should be $1: $(dmsetup status m)"
}

prints()
{
	case "$(dmsetup table m) " in
	*" $1 "*) ;;
	*) die "it should print '$1': $(dmsetup table m)" ;;
	esac
}

prints_not()
{
	case "$(dmsetup table m) " in
	*" $1 "*) die "it should not print '$1': $(dmsetup table m)" ;;
	esac
}

# adopts LINE: over the running device it changes nothing.
adopts()
{
	ad_line_=$(dmsetup table m)
	ad_status_=$(dmsetup status m)
	dmsetup load m --table "$1"
	[ "$(dmsetup table --inactive m)" = "$ad_line_" ] ||
		die "loaded, '$1' would be '$(dmsetup table --inactive m)', not '$ad_line_'"
	dmsetup resume m
	[ "$(dmsetup table m)" = "$ad_line_" ] ||
		die "'$1' made of '$ad_line_' '$(dmsetup table m)'"
	[ "$(dmsetup status m)" = "$ad_status_" ] ||
		die "'$1' made of '$ad_status_' '$(dmsetup status m)'"
}

own_line()
{
	adopts "$(dmsetup table m)"
	# The same by a suspend of its own, as other tools do.
	ol_status_=$(dmsetup status m)
	dmsetup load m --table "$(dmsetup table m)"
	dmsetup suspend m
	dmsetup resume m
	[ "$(dmsetup status m)" = "$ol_status_" ] ||
		die "after suspend, load and resume '$ol_status_' is '$(dmsetup status m)'"
}

# anew PHASE: removed, and made again from its line, it is in that phase.
anew()
{
	an_line_=$(dmsetup table m)
	dmsetup remove m
	dmsetup create m --table "$an_line_"
	[ "$(dmsetup table m)" = "$an_line_" ] ||
		die "made anew from '$an_line_', it prints '$(dmsetup table m)'"
	phase_is "$1"
}

note "-- options, one by one and together"
option()
{
	lm_create m /dev/vda /dev/vdb "$@"
	adopts "$(dmsetup table m)"
}
for size in 64 2048; do
	option paused region_size $size
	prints "region_size $size"
	anew copying
	[ "$(lm_field m region_size)" = $size ] || die "the region size is lost"
	dmsetup remove m
done
option paused copy_rate 4294967295
prints "copy_rate 4294967295"
anew copying
[ "$(lm_field m copy_rate)" = 4294967295 ] || die "the rate is lost"
dmsetup remove m
option paused
prints "3 region_size 8 paused"
anew copying
[ "$(lm_field m running)" = paused ] || die "it is not paused"
[ "$(lm_field m done)" = 0 ] || die "it copies though it is paused"
# By message as by option.
lm_msg m copy_rate 77
prints "copy_rate 77 paused"
lm_msg m copy_rate 0
prints_not copy_rate
dmsetup remove m
option paused active source
prints_not active
dmsetup remove m
option detached
prints detached
anew degraded
[ "$(lm_field m dest)" = F ] || die "detached, and not F"
dmsetup remove m
option active dest detached
prints "active dest"
anew degraded
[ "$(lm_field m source)" = F ] || die "active dest, and the source not F"
dmsetup remove m
option region_size 16 copy_rate 9 paused dest_zeroed
prints "6 region_size 16 copy_rate 9 paused dest_zeroed"
anew copying
dmsetup remove m

note "-- dest_zeroed is claimed only until the dest is written to"
option paused dest_zeroed
prints dest_zeroed
anew copying
prints dest_zeroed
put 5
prints_not dest_zeroed
anew copying
dmsetup remove m
option dest_zeroed
lm_wait_phase m synced
prints_not dest_zeroed
dmsetup remove m
option active dest dest_zeroed
prints_not dest_zeroed
dmsetup remove m

note "-- copying"
lm_create m /dev/vda /dev/vdb copy_rate $((1024 / SLOWNESS))
saved=$(dmsetup table m)
lm_wait_above m done 256
was=$(lm_field m copied)
dmsetup load m --table "$saved"
dmsetup resume m
[ "$(lm_field m copied)" -ge "$was" ] || die "the bitmap is lost"
was=$(lm_field m copied)
lm_wait_above m copied $((was + 256))
lm_msg m pause
lm_msg m copy_rate 2048
sleep 0.5
phase_is copying
own_line
adopts "$saved"
# Other options than the running ones, too; all but the region size, which
# cannot be what the line asks for.
adopts "0 32768 livemigrate /dev/vda 0 /dev/vdb 0 7 region_size 8 copy_rate 1 active dest detached"
adopts "0 32768 livemigrate /dev/vda 0 /dev/vdb 0"
lm_refused 'region_size 16 differs' dmsetup load m --table \
	"0 32768 livemigrate /dev/vda 0 /dev/vdb 0 2 region_size 16"
prints "copy_rate 2048 paused"
[ "$(lm_field m copied)" -lt $total ] || die "all is copied: nothing was tried"
anew copying
[ "$(lm_field m done)" = 0 ] || die "made anew, it has copied already"
lm_msg m copy_rate 0
lm_msg m resume

note "-- synced"
lm_wait_phase m synced
lm_counts m
own_line
adopts "$saved"
lm_msg m pause
anew copying
lm_msg m resume
lm_wait_phase m synced
saved=$(dmsetup table m)

note "-- switched"
lm_msg m cutover
phase_is switched
prints "active dest"
saved_switched=$(dmsetup table m)
own_line
adopts "$saved"
put 7
legs_equal /dev/vda /dev/vdb
# Its line, where nothing vouches for the source: that is left alone.
anew degraded
[ "$(lm_field m active)" = dest ] || die "it runs on the source"
own_line
source=$(sum /dev/vda)
writes=$(disk_stat /dev/vda write)
put 9
dd if=/dev/zero of=/dev/mapper/m bs=64k count=4 seek=20 conv=notrunc,fsync 2>/dev/null
[ "$(lm_field m written_skipped)" = 0 ] || die "bits were set in degraded"
lm_msg m resume
own_line
anew degraded
put 11
sleep 0.5
[ "$(sum /dev/vda)" = "$source" ] || die "the source has changed"
[ "$(disk_stat /dev/vda write)" = "$writes" ] || die "the source was written to"
phase_is degraded
lm_msg m reattach
lm_wait_phase m switched
[ "$(lm_field m copied)" -gt 0 ] || die "nothing was copied back"
lm_counts m
own_line
legs_equal /dev/vda /dev/vdb

note "-- committed"
lm_drop m commit
phase_is committed
touched=$(disk_stat /dev/vda write)
adopts "$saved"
put 13
lm_load m "$saved"
[ "$(lm_field m source)" = D ] || die "the source is not dropped"
prints "livemigrate - 0"
own_line
anew committed
own_line
put 15
[ "$(disk_stat /dev/vda write)" = "$touched" ] || die "a dropped source was written to"
# Its own line has forgotten the source: that would be the wrong way round.
lm_refused 'runs on the dest .*committed: the new source must be that leg' dmsetup load m --table "$saved"
lm_refused 'runs on the dest .*committed: the new source must be that leg' dmsetup load m --table \
	"0 32768 livemigrate /dev/vda 0 - 0"
# With the right leg active it is a new one, whose source is let be.
lm_load m "$saved_switched"
phase_is degraded
own_line
put 16
[ "$(disk_stat /dev/vda write)" = "$touched" ] || die "a dropped source was written to"
lm_drop m commit
lm_load m "$(dmsetup table m)"
# A new migration may follow.
dest=$(sum /dev/mapper/m)
lm_load m "0 32768 livemigrate /dev/vdb 0 /dev/vdc 0"
lm_wait_phase m synced
[ "$(sum /dev/mapper/m)" = "$dest" ] || die "the next migration shows other data"
legs_equal /dev/vdb /dev/vdc
dmsetup remove m

note "-- aborted"
lm_create m /dev/vda /dev/vdb
lm_wait_phase m synced
saved=$(dmsetup table m)
lm_drop m abort
phase_is aborted
touched=$(disk_stat /dev/vdb write)
adopts "$saved"
adopts "0 32768 livemigrate /dev/vda 0 - 0"
prints "- 0 2 region_size 8"
put 17
own_line
anew aborted
own_line
put 19
[ "$(disk_stat /dev/vdb write)" = "$touched" ] || die "a dropped dest was written to"
lm_refused 'runs on the source .*aborted: the new source must be that leg' dmsetup load m --table \
	"0 32768 livemigrate - 0 /dev/vdb 0"
lm_load m "0 32768 livemigrate /dev/vda 0 /dev/vdc 0"
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdc
dmsetup remove m

note "-- what is left can grow, as a volume does"
dmsetup create m --table "0 16384 livemigrate /dev/vda 0 /dev/vdb 0 1 paused"
lm_refused 'this device runs another migration' dmsetup load m --table \
	"0 32768 livemigrate /dev/vda 0 /dev/vdb 0 1 paused"
lm_drop m abort
lm_load m "0 32768 livemigrate /dev/vda 0 - 0"
phase_is aborted
cmp /dev/mapper/m /dev/vda || die "grown, it shows other data"
dmsetup remove m

note "-- what was loaded and never ran binds nobody"
dmsetup create m --notable
dmsetup load m --table "0 32768 livemigrate /dev/vda 0 /dev/vdb 0 3 region_size 16 paused"
dmsetup load m --table "0 32768 livemigrate /dev/vda 0 /dev/vdc 0 1 paused"
dmsetup load m --table "0 32768 livemigrate /dev/vda 0 /dev/vdb 0 2 region_size 64"
dmsetup resume m
prints "2 region_size 64"
lm_wait_phase m synced
# Nor does it touch what runs.
was=$(dmsetup status m)
dmsetup load m --table "$(dmsetup table m)"
dmsetup clear m
dmsetup load m --table "0 32768 linear /dev/vda 0"
dmsetup clear m
[ "$(dmsetup status m)" = "$was" ] || die "a table that never ran has changed '$was' to '$(dmsetup status m)'"

note "-- what another target's table has replaced is forgotten"
saved=$(dmsetup table m)
lm_load m "0 32768 linear /dev/vda 0"
put 26
lm_load m "${saved%% 2 region_size*} 3 region_size 64 paused"
phase_is copying
[ "$(lm_field m done)" = 0 ] || die "the bitmap has outlived another table"
lm_msg m resume
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
lm_msg m cutover
saved=$(dmsetup table m)
lm_load m "0 32768 linear /dev/vdb 0"
lm_load m "$saved"
phase_is degraded
[ "$(lm_field m active)" = dest ] || die "it runs on the source"
dmsetup remove m

note "-- degraded, because a leg has failed"
leg_make src /dev/vda
leg_make dst /dev/vdb
lm_create m /dev/mapper/src /dev/mapper/dst
lm_wait_phase m synced
saved=$(dmsetup table m)
leg_break dst
put 21
lm_wait_phase m degraded
prints detached
cleared=$(lm_field m cleared)
leg_heal dst
writes=$(disk_stat /dev/vdb write)
own_line
adopts "$saved"
put 22
[ "$(lm_field m active)" = source ] || die "it runs on the dest"
[ "$(disk_stat /dev/vdb write)" = "$writes" ] || die "a failed dest was written to"
lm_msg m reattach
lm_wait_phase m synced
cleared=$(($(lm_field m cleared) - cleared))
[ $cleared -le 512 ] || die "the reloads have cleared $cleared regions"
legs_equal /dev/vda /dev/vdb

lm_msg m cutover
leg_break src
put 23
lm_wait_phase m degraded
[ "$(lm_field m active)" = dest ] || die "it runs on the source"
leg_heal src
writes=$(disk_stat /dev/vda write)
own_line
adopts "$saved"
put 24
anew degraded
put 25
[ "$(disk_stat /dev/vda write)" = "$writes" ] || die "a failed source was written to"
# Copying to the source: the line says so, and what it says is safe.
lm_msg m pause
lm_msg m reattach
phase_is copying
own_line
anew degraded
lm_msg m reattach
lm_msg m resume
lm_wait_phase m switched
legs_equal /dev/vda /dev/vdb
dmsetup remove m
dmsetup remove src
dmsetup remove dst
