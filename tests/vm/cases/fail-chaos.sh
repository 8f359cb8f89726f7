# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Failures at the very moment of transitions. The dest breaks and heals at
# random instants while messages cut over, fail back, reattach, pause and resume,
# and a verifying load runs: the source never fails, so the guest must never see
# an error, and at the end both legs hold every write.
#
# Caught: lm_phase_write_begin() that keeps the bits of a write that leaves the
# standby out.
#
# vm: disks=32M:zeroes:discard,32M:zeroes:discard modules=dm-flakey
# vm: files=tests/vm/legs.sh timeout=200

. /vm/lib.sh
. legs.sh

lm_hurry

seed=$(hexdump -n 4 -e '"%u"' /dev/urandom)
note "seed $seed"

random()	# random N: a number below N, in $r
{
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	r=$((seed / 65536 % $1))
}

dd if=/dev/urandom of=/dev/vda bs=1M count=16 2>/dev/null
sync
leg_make src /dev/vda
leg_make dst /dev/vdb
lm_create m /dev/mapper/src /dev/mapper/dst
load_start /dev/mapper/m --mix w=60,r=20,z=5,d=5,f=5,u=5 --bs 512:128K \
	--dbs 4K:3M --threads 2 --depth 8 --seed "$seed"

end=$(($(date +%s) + 40))
broken='' rounds=0 switches=0
while [ "$(date +%s)" -lt $end ]; do
	rounds=$((rounds + 1))
	load_alive
	random 10
	case $r in
	0|1)
		if [ -n "$broken" ]; then
			leg_heal dst
			broken=''
		else
			random 2
			if [ "$r" = 0 ]; then leg_break dst; else leg_fail_writes dst; fi
			broken=1
		fi ;;
	2|3|4)
		[ -z "$broken" ] || { leg_heal dst; broken=''; }
		dmsetup message m 0 reattach 2>/dev/null || : ;;
	5|6)
		if dmsetup message m 0 cutover 2>/dev/null; then
			switches=$((switches + 1))
			# Half of the time it dies at that very moment.
			random 2
			[ "$r" = 0 ] || { leg_break dst; broken=1; }
		fi ;;
	7)	dmsetup message m 0 failback 2>/dev/null || : ;;
	8)	dmsetup message m 0 pause || : ;;
	9)	dmsetup message m 0 resume || : ;;
	esac
	random 4
	[ "$r" != 0 ] || sleep 0.$((seed / 65536 % 5))
done

[ -z "$broken" ] || leg_heal dst
lm_msg m resume
lm_reattach m
load_stop
wait_until 30 sh -c '. /vm/lib.sh; case $(lm_field m phase) in synced|switched) ;; *) false ;; esac' ||
	die "it does not come to rest: $(dmsetup status m)"
dmsetup status m
note "$rounds rounds, $switches cutovers"
[ $switches -gt 0 ] || die "it was never cut over"
legs_equal /dev/vda /dev/vdb
load_check /dev/vda
load_check /dev/vdb
dmsetup remove m
dmsetup remove src
dmsetup remove dst
