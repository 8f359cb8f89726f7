# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Every message in every phase: what is allowed is done, what is so already is
# done again without harm, and what is not allowed is refused with its reason,
# EBUSY where waiting helps and EINVAL where it does not, and changes nothing.
# Each change of the phase, and nothing else, is an event.
#
# Method: one device is led through all phases; in each of them all messages are
# sent that must not change it, the status compared as text, then one that does.
# Events are counted at every step. For the refusals that need I/O in flight,
# one half of the dest hangs (its dm device is suspended) and the other fails.
#
# Caught: abort allowed while it runs on the dest; a reattach that begins again
# though the standby is attached; one that does not wait for I/O in flight; no
# event for degraded; EINVAL where it should be EBUSY.
#
# vm: disks=16M,16M timeout=240 files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

events()
{
	dmsetup info -c --noheadings -o events m
}

told_()
{
	[ "$(events)" = "$expected" ]
}

# told N: that many more phase changes were told, no less and no more.
told()
{
	expected=$((expected + $1))
	[ "$1" -gt 0 ] || sleep 0.1
	wait_until 5 told_ || die "$expected events were expected, there are $(events): $(dmsetup status m)"
}

# is PHASE ACTIVE SOURCE DEST
is()
{
	set -- "$*" "$(dmsetup status m | awk '{ print $4, $5, $8, $9 }')"
	[ "$1" = "$2" ] || die "it should be '$1' and is '$2'"
	phase=${1%% *}
}

# may MESSAGE: it succeeds, though it has nothing to do.
may()
{
	ma_before_=$(dmsetup status m)
	lm_msg m "$1" || die "$phase: $1 failed"
	[ "$(dmsetup status m)" = "$ma_before_" ] ||
		die "$phase: $1 made of '$ma_before_' '$(dmsetup status m)'"
}

# may_not MESSAGE busy|invalid REGEX
may_not()
{
	mn_before_=$(dmsetup status m)
	lm_refused "$3" lm_msg m "$1"
	case "$2" in
	busy) grep -q 'Device or resource busy' /run/said ;;
	invalid) grep -q 'Invalid argument' /run/said ;;
	esac || die "$phase: $1 should fail as $2, not with $(cat /run/said)"
	[ "$(dmsetup status m)" = "$mn_before_" ] ||
		die "$phase: refused, $1 made of '$mn_before_' '$(dmsetup status m)'"
}

# Pause, rate and resume change what they say, and come back to what was.
may_be_tuned()
{
	lm_msg m copy_rate 7
	[ "$(lm_field m copy_rate)" = 7 ] || die "$phase: the rate is not 7"
	lm_msg m COPY_RATE 0
	lm_msg m resume
	[ "$(lm_field m running)" = running ] || die "$phase: it is not running"
	lm_msg m Pause
	may pause
	[ "$(lm_field m running)" = paused ] || die "$phase: it is not paused"
	lm_msg m resume
	may resume
	may 'copy_rate 0'
}

may_not_be_tuned()
{
	for message in pause resume 'copy_rate 5'; do
		may_not "$message" invalid "${message% *} refused: the migration (is|was) $1"
	done
}

runs_on_source='refused: it runs on the source: send cutover first'
runs_on_dest='refused: it runs on the dest: send failback first'

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync
for i in 1 2; do
	dmsetup create half$i --table "0 16384 linear /dev/vdb $(((i - 1) * 16384))"
done
dmsetup create dst <<LINES
0 16384 linear /dev/mapper/half1 0
16384 16384 linear /dev/mapper/half2 0
LINES

note "-- copying"
lm_create m /dev/vda /dev/mapper/dst paused
expected=$(events)
is copying source A A
may_not cutover busy 'cutover refused: 4096 of 4096 regions are still to be copied: wait'
may failback
may_not commit invalid "commit $runs_on_source"
may reattach
may pause
lm_msg m copy_rate 512
lm_msg m resume
lm_wait_above m done 0
lm_msg m pause
sleep 0.5
may_not cutover busy 'cutover refused: [1-9][0-9]* of 4096 regions'

note "-- what is no message"
may_not frobnicate invalid "message 'frobnicate' is unknown: it is one of pause"
may_not pausee invalid "message 'pausee' is unknown"
may_not 'pause now' invalid 'message pause takes nothing more, not 1 words'
may_not 'cutover cutover please' invalid 'message cutover takes nothing more, not 2 words'
may_not copy_rate invalid 'message copy_rate takes one number, not 0 words'
may_not 'copy_rate 1 2' invalid 'message copy_rate takes one number, not 2 words'
for rate in -1 x 1k 0x10 4294967296 18446744073709551616; do
	may_not "copy_rate $rate" invalid "'$rate' is not a number of KiB/s from 0 to 4294967295"
done
may_not verify busy 'verify refused: [1-9][0-9]* of 4096 regions'
may_not 'verify now' invalid "verify refused: 'now' is not 'stop'"
may_not 'verify stop now' invalid "message verify takes 'stop' or nothing, not 2 words"
told 0

note "-- synced"
lm_msg m copy_rate 0
event=$(events)
dmsetup wait m "$event" &
waits=$!
sleep 0.2
lm_msg m resume
lm_wait_phase m synced
wait $waits || die "dmsetup wait has failed"
told 1
is synced source A A
may failback
may_not commit invalid "commit $runs_on_source"
may reattach
may_be_tuned
told 0

note "-- switched"
event=$(events)
dmsetup wait m "$event" &
waits=$!
sleep 0.2
lm_msg m CutOver
wait $waits || die "dmsetup wait has failed"
told 1
is switched dest A A
may cutover
may_not abort invalid "abort $runs_on_dest"
may reattach
may_be_tuned
told 0
lm_msg m FAILBACK
told 1
is synced source A A
lm_msg m cutover
told 1
lm_msg m failback
told 1

note "-- degraded, running on the source, with I/O in flight on the dest"
dmsetup suspend --noflush half1
bg hangs dd if=/dev/zero of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc
leg_load_ half2 "0 16384 error"
dd if=/dev/zero of=/dev/mapper/m bs=4k seek=4095 count=1 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase m degraded
told 1
is degraded source A F
may_not reattach busy 'reattach refused: I/O is still in flight on the failed leg: try again'
may_not cutover invalid 'cutover refused: the dest has failed or is detached: .* send reattach'
may_not commit invalid "commit $runs_on_source"
may failback
may_be_tuned
leg_load_ half2 "0 16384 linear /dev/vdb 16384"
dmsetup resume half1
bg_end hangs 2>/dev/null
may_not cutover invalid 'the dest has failed or is detached'
lm_msg m pause
lm_reattach m
told 1
is copying source A A
may reattach
may_not cutover busy 'regions are still to be copied'
lm_msg m resume
lm_wait_phase m synced
told 1

note "-- aborted, but not before the last I/O on the dest has ended"
dmsetup suspend --noflush half1
bg hangs dd if=/dev/zero of=/dev/mapper/m bs=4k seek=1 count=1 oflag=direct conv=notrunc
lm_wait_above m in_flight 0
lm_refused 'abort is under way, but I/O is still in flight on the leg to drop' lm_msg m abort
grep -q 'Device or resource busy' /run/said || die "abort should say busy"
is degraded source A F
may_not abort busy 'abort is under way'
for message in cutover commit reattach; do
	may_not $message invalid "$message refused: abort or commit is under way"
done
may_be_tuned
told 0
dmsetup resume half1
bg_end hangs 2>/dev/null
lm_wait_phase m aborted 5
told 1
is aborted source A D
may abort
may Abort
for message in cutover failback commit reattach; do
	may_not $message invalid "$message refused: the migration was aborted: load a new table"
done
may_not_be_tuned aborted
told 0
dmsetup remove m

note "-- degraded and copying, running on the dest"
lm_create m /dev/vda /dev/mapper/dst active dest paused
expected=$(events)
is degraded dest F A
may cutover
may_not failback invalid 'failback refused: the source has failed or is detached: .* send reattach'
may_not abort invalid "abort $runs_on_dest"
lm_msg m reattach
told 1
is copying dest A A
may cutover
may reattach
may_not failback busy 'failback refused: 4096 of 4096 regions are still to be copied: wait'
may_not abort invalid "abort $runs_on_dest"
lm_msg m resume
lm_wait_phase m switched
told 1

note "-- committed"
lm_msg m commit
told 1
is committed dest D A
may commit
may COMMIT
for message in cutover failback abort reattach; do
	may_not $message invalid "$message refused: the migration is committed: load a new table"
done
may_not_be_tuned committed
told 0
dmsetup remove m

note "-- commit and abort where the standby has no part any more"
lm_create m /dev/vda /dev/mapper/dst active dest
lm_msg m commit
is committed dest D A
dmsetup remove m
lm_create m /dev/vda /dev/mapper/dst paused active dest
lm_msg m reattach
is copying dest A A
lm_msg m commit
is committed dest D A
dmsetup remove m
lm_create m /dev/vda /dev/mapper/dst detached
lm_msg m abort
is aborted source A D
dmsetup remove m
lm_create m /dev/vda /dev/mapper/dst paused
lm_msg m abort
is aborted source A D
dmsetup remove m
dmsetup remove dst
dmsetup remove half1
dmsetup remove half2
