# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# cutover, failback, cutover and commit hold no I/O. stamp writes 300 times a
# second and tells the longest write of each window of 1 s; a write in flight at
# its end counts with its age. One window in three has a switch in its middle.
# The other two are the measure: the same load, a second earlier and later, with
# the same noise of the host. It fails if the longest write in the 4 windows
# with a switch is longer than the longest in the 8 without and than 50 ms (times how
# slow the kernel is: one that watches itself has a noise of its own).
#
# Why so: a held write shows in the maximum and in nothing else, for there are
# few. The maximum of 8 noisy windows is rarely below that of 4, and when it is,
# by some milliseconds (they are 5 to 12 ms here as a rule): hence the floor. A
# switch that suspends the device, or drains it, takes longer than that: dm's own
# suspend waits for grace periods of RCU and for a flush.
#
# The messages themselves must return within 1 s, and no write may fail.
#
# vm: disks=24M:iops=1500,24M:iops=1500 alone=yes files=tests/vm/windows.sh
# Caught: a switch that holds writes for 300 ms.

. /vm/lib.sh
. windows.sh

dd if=/dev/urandom of=/dev/vda bs=1M count=24 conv=fsync 2>/dev/null
lm_create m /dev/vda /dev/vdb
lm_wait_phase m synced

bg stamp stamp --dev /dev/mapper/m --state /run/state --seconds $((60 * SLOWNESS)) --latency \
	--bs 512:16384 --mix w=85,r=5,f=5,u=5 --threads 4 --depth 4 --rate 300
wait_until 20 test -s /run/stamp.log || die "the load does not begin"
sleep 2
window_end

with=0 without=0 messages=0
for switch in cutover failback cutover commit; do
	for _ in 1 2; do
		sleep 1
		window_end
		us=$(window_longest)
		note "without: $us us"
		[ "$us" -le $without ] || without=$us
	done
	sleep 0.5
	start=$(now_ms)
	lm_msg m $switch
	took=$(($(now_ms) - start))
	[ $took -le $messages ] || messages=$took
	sleep 0.5
	window_end
	us=$(window_longest)
	note "$switch: $us us, the message $took ms"
	[ "$us" -le $with ] || with=$us
done
bg_runs stamp || die "the load has ended"
bg_end stamp TERM

note "the longest write: $with us around a switch, $without us else"
[ "$(lm_field m phase)" = committed ] || die "not committed"
[ $messages -le $((1000 * SLOWNESS)) ] || die "a message took $messages ms"
[ $with -le $without ] || [ $with -le $((50000 * SLOWNESS)) ] || die "a switch has held writes"
dmsetup remove m
stamp --check /run/state --dev /dev/vdb
