# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# cutover --group and failback --group of three disks, each under a load that
# verifies: all of them or none. One that is not copied, or has failed, lets none
# switch; one whose guest trims, so that "synced" flickers, lets all switch or all stay.
# SIGKILL before each system call that changes anything: list tells of it, no part of
# it can be committed, and resume brings all to the dest, or abort all to the source.
# One that cannot follow then brings all back.
#
# vm: livemigrate=yes disks=8M,8M,8M:discard,8M,8M,8M:discard timeout=300
# vm: files=tests/vm/tool.sh,tests/vm/legs.sh modules=dm-flakey

. /vm/lib.sh
. legs.sh
. tool.sh

ALL="a b c"

# all_on LEG
all_on()
{
	for ao_ in $ALL; do
		[ "$(lm_field $ao_ active)" = "$1" ] ||
			die "$ao_ runs on the $(lm_field $ao_ active), not on the $1"
		[ "$(dmsetup info -c --noheadings -o suspended $ao_)" = Active ] || die "$ao_ is suspended"
	done
}

# alike: all on the same leg, whichever; sets leg.
alike()
{
	leg=$(lm_field a active)
	all_on "$leg"
}

loads_alive()
{
	for la_ in $ALL; do
		bg_runs load_$la_ || die "the load of $la_ has ended: $(cat /run/load_$la_.log)"
	done
}

wait_all()
{
	for wa_ in $ALL; do
		livemigrate wait $wa_ >/dev/null || die "$wa_ is never copied"
	done
}

leg_make dst /dev/vdf
dmsetup create a --table "0 16384 linear /dev/vda 0"
dmsetup create b --table "0 16384 linear /dev/vdb 0"
dmsetup create c --table "0 16384 linear /dev/vdc 0"
for name in $ALL; do
	bg load_$name stamp --dev /dev/mapper/$name --seconds 600 --state /run/state_$name \
		--rate 100 --mix w=70,r=20,f=5,u=5
done
sleep 1
tool start a --to /dev/vdd
tool start b --to /dev/vde
tool start c --to /dev/mapper/dst --paused

note "--- one is not copied yet: none is switched"
answers 3 'None was switched' cutover --group $ALL --timeout 1
all_on source
refused 2 'is named twice' cutover --group a b /dev/mapper/a
refused 4 'no device d' cutover --group a d
all_on source
tool resume c
wait_all

note "--- all of them, there and back"
answers 0 'a b c: all of them run on the dest' cutover --group $ALL
all_on dest
tool cutover --group c a b
tool failback --group $ALL
all_on source
tool cutover b
tool cutover --group $ALL
all_on dest
tool failback --group a /dev/mapper/b c
all_on source
loads_alive

note "--- one has failed: none is switched"
leg_break dst
lm_wait_phase c degraded
answers 3 'c is degraded: the dest has failed.* None was switched' cutover --group $ALL
all_on source
leg_heal dst
wait_until 10 livemigrate reattach c || die "c cannot be reattached"
wait_all

note "--- a guest that trims"
bg_end load_c TERM >/dev/null
bg load_c stamp --dev /dev/mapper/c --seconds 600 --state /run/state_c --learn \
	--rate 100 --mix w=40,d=50,z=10
sleep 1
done_=0 not=0
for _ in 1 2 3 4 5 6; do
	for switch in cutover failback; do
		if livemigrate $switch --group $ALL --timeout 1 >/run/said 2>&1; then
			done_=$((done_ + 1))
		else
			not=$((not + 1))
			sed 's/^/  /' /run/said
		fi
		alike
	done
done
note "done $done_ times, refused $not times"
bg_end load_c TERM >/dev/null
bg load_c stamp --dev /dev/mapper/c --seconds 600 --state /run/state_c --learn \
	--rate 100 --mix w=70,r=20,f=5,u=5
loads_alive
wait_all
tool failback --group $ALL
all_on source

note "--- killed"
# members: how many run on the dest.
members()
{
	on_dest=0
	for m_ in $ALL; do
		[ "$(lm_field $m_ active)" != dest ] || on_dest=$((on_dest + 1))
	done
}

# recover WAY
recover()
{
	case "$1" in
	resume)
		answers 0 'all of its group run on the same leg' resume a
		all_on dest
		tool failback --group $ALL
		;;
	abort)
		# c goes back, and with it the others; then it is begun anew.
		tool abort c
		members_=$ALL ALL="a b"
		all_on source
		ALL=$members_
		tool start c --to /dev/mapper/dst --force
		wait_all
		;;
	fail)
		# c cannot follow any more: so all go back.
		leg_break dst
		lm_wait_phase c degraded
		answers 3 'all go back|run on the source, all of them' resume b
		all_on source
		leg_heal dst
		wait_until 10 livemigrate reattach c || die "c cannot be reattached"
		wait_all
		;;
	esac
	[ ! -e $STATES/group ] || die "the journal is left"
}

n=0 status=99 mixed=0 ways=0
while [ $status -eq 99 ]; do
	n=$((n + 1))
	wait_all
	kill_at $n cutover --group $ALL
	loads_alive
	members
	note "$(tail -n 1 /run/killed): $on_dest on the dest"
	[ $on_dest -eq 0 ] || [ $on_dest -eq 3 ] || mixed=$((mixed + 1))
	tool list >/run/list
	if [ -e $STATES/group ]; then
		for name in $ALL; do
			answers 0 'the cutover of a b c together was interrupted' status $name
		done
		refused 3 'was interrupted' commit a
		refused 3 'was interrupted' cutover --group a b
		# With c on the dest a broken one would go back by itself.
		ways=$((ways + 1))
		case $((ways % 3)) in
		0) recover abort ;;
		1) recover resume ;;
		2) [ "$(lm_field c active)" = source ] && recover fail || recover resume ;;
		esac
	else
		[ $on_dest -eq 0 ] || [ $on_dest -eq 3 ] || die "mixed, and there is no journal"
		[ $on_dest -eq 0 ] || tool failback --group $ALL
	fi
	all_on source
done
note "killed $((n - 1)) times, mixed $mixed times, with a journal $ways times"
[ $mixed -gt 0 ] && [ $ways -gt 2 ] || die "it was never killed in the middle"

note "--- the end: both legs of each have all of it"
tool cutover --group $ALL
loads_alive
for name in $ALL; do
	bg_end load_$name TERM | tail -n 1
	tool wait $name
	tool verify $name
	tool commit $name
	stamp --check /run/state_$name --dev /dev/mapper/$name
	dmsetup remove $name
done
stamp --check /run/state_a --dev /dev/vda
stamp --check /run/state_b --dev /dev/vdb
stamp --check /run/state_c --dev /dev/vdc
dmsetup remove dst
all_clear
