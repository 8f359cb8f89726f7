# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A standby that neither answers nor fails. After standby_timeout it has failed,
# and the guest's writes and flushes go on, those that touch the same sectors
# included, as do those that wait for a copy. What was sent comes back later and
# does no harm; reattach is refused until then. The same for a metadata device. The
# active leg is waited for, and what it says in the end, an error too, counts.
#
# Caught: an abort that waits for a hung metadata device.
#
# Method: the leg is suspended beneath the target, so that its bios wait.
#
# vm: disks=32M:discard:zeroes,32M:discard:zeroes,8M timeout=240 modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

leg_make src /dev/vda
leg_make dst /dev/vdb
dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct 2>/dev/null || :

# hang LEG, unhang LEG
hang()
{
	dmsetup suspend --noflush --nolockfs "$1"
}

unhang()
{
	dmsetup resume "$1"
}

create()	# create [OPTION...]
{
	lm_create m /dev/mapper/src /dev/mapper/dst standby_timeout 1000 "$@"
}

lm_refused 'standby_timeout .nope. is not a number' \
	lm_create m /dev/mapper/src /dev/mapper/dst standby_timeout nope
create
lm_table m | grep -q 'standby_timeout 1000' || die "the table lacks the option: $(lm_table m)"

note "the dest hangs under load, and comes back"
lm_wait_phase m synced
load_start /dev/mapper/m --mix w=70,r=20,f=5,u=5 --threads 2 --depth 8
sleep 1
kmsg_mark
hang dst
lm_wait_phase m degraded 10
expect_kmsg 'the dest has not answered for 1000 ms'
sleep 3
load_alive
lm_refused 'I/O is still in flight' lm_msg m reattach
load_stop
load_check /dev/mapper/m
load_check /dev/vda
unhang dst
lm_reattach m
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
lm_counts m

note "one write, the same sectors again, a flush and a discard"
hang dst
start=$(now_ms)
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
took=$(($(now_ms) - start))
[ $took -ge 900 ] || die "a write ended after $took ms, and the standby has not answered"
[ $took -le 4000 ] || die "a write took $took ms"
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc,fsync 2>/dev/null
blkdiscard -o 0 -l 2M /dev/mapper/m
lm_wait_phase m degraded 5

note "abort is under way until what hangs has come back; suspend does not wait for it"
expect_fail lm_msg m abort
timeout 20 dmsetup suspend m || die "suspend hangs"
timeout 20 dmsetup resume m
[ "$(lm_field m dest)" = F ] || die "a leg that hangs shows as dropped"
unhang dst
lm_wait_phase m aborted 10
dmsetup remove m

note "a flush hangs, a discard hangs, write-zeroes hang"
for order in '/usr/bin/dd if=/dev/zero of=/dev/mapper/m bs=4k count=0 conv=fsync,notrunc' \
	'/usr/sbin/blkdiscard -o 1M -l 5M /dev/mapper/m' '/usr/sbin/blkdiscard -z -o 1M -l 5M /dev/mapper/m'; do
	create
	lm_wait_phase m synced
	hang dst
	timeout 20 $order 2>/dev/null || die "hangs or fails: $order"
	lm_wait_phase m degraded 5
	unhang dst
	lm_reattach m
	lm_wait_phase m synced
	legs_equal /dev/vda /dev/vdb
	dmsetup remove m
done

note "a copy hangs: the guest writes where it holds its range"
create copy_rate 4096
lm_wait_above m done 256
hang dst
timeout 20 /usr/bin/dd if=/dev/urandom of=/dev/mapper/m bs=64k oflag=direct 2>/dev/null || :
[ "$(lm_field m phase)" = degraded ] || die "it did not go to the end: $(dmsetup status m)"
timeout 20 dmsetup suspend m || die "suspend waits for a copy that hangs"
dmsetup resume m
unhang dst
lm_msg m copy_rate 0
lm_reattach m
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb

note "the source hangs, while it is the standby"
lm_msg m cutover
hang src
timeout 20 /usr/bin/dd if=/dev/urandom of=/dev/mapper/m bs=4k count=10 oflag=direct conv=notrunc,fsync 2>/dev/null ||
	die "the guest hangs"
[ "$(lm_field m source)" = F ] || die "the source is not failed: $(dmsetup status m)"
unhang src
lm_reattach m
lm_wait_phase m switched
legs_equal /dev/vda /dev/vdb
dmsetup remove m

note "the active leg hangs, and then fails: the source's error is the guest's, the dest's is not"
create
lm_wait_phase m synced
for leg in src dst; do
	hang $leg
	dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/run/dd.err &
	writer=$!
	sleep 3
	lm_is m in_flight 1 || die "a write has ended without the active leg: $(dmsetup status m)"
	lm_is m source A && lm_is m dest A || die "the active leg, or the other, has failed: $(dmsetup status m)"
	dmsetup load $leg --table "0 $(sectors /dev/vda) flakey $(leg_disk $leg) 0 0 100000"
	unhang $leg
	if [ $leg = src ]; then
		wait $writer && die "the guest has not seen the source's error"
		lm_is m phase copying || die "not copying: $(dmsetup status m)"
		leg_heal src
		lm_wait_phase m synced
		lm_msg m cutover
	else
		wait $writer || die "the guest has seen the dest's error: $(cat /run/dd.err)"
		lm_wait_phase m degraded 5
		lm_is m active source || die "it did not fail back: $(dmsetup status m)"
		leg_heal dst
		lm_reattach m
		lm_wait_phase m synced
	fi
	legs_equal /dev/vda /dev/vdb
done
dmsetup remove m

note "both hang, and the standby answers first: no error, and no range let go"
create
lm_wait_phase m synced
hang src
hang dst
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/run/dd.err &
writer=$!
lm_wait_phase m degraded 10
sleep 1
unhang dst
sleep 2
lm_is m in_flight 1 || die "the write has ended without the active leg: $(dmsetup status m)"
unhang src
wait $writer || die "the guest sees an error of a leg that is slow: $(cat /run/dd.err)"
lm_reattach m
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb

note "the source cannot be read, and the dest, which is asked instead, hangs"
hang dst
leg_break src
bg reader dd if=/dev/mapper/m of=/run/answer bs=4k count=1 skip=3 iflag=direct
sleep 3
bg_runs reader || die "the read did not wait: $(cat /run/reader.log)"
unhang dst
bg_end reader
leg_heal src
dd if=/dev/vda of=/run/right bs=4k count=1 skip=3 iflag=direct 2>/dev/null
cmp /run/right /run/answer || die "the read has the wrong answer"
lm_is m phase synced || die "the phase has changed: $(dmsetup status m)"

note "verify on a leg that hangs: it ends, and suspend does not wait for it"
lm_msg m copy_rate 1024
lm_msg m verify
lm_wait_above m verified 10
hang dst
lm_wait_phase m degraded 10
timeout 20 dmsetup suspend m || die "suspend waits for a check that hangs"
dmsetup resume m
unhang dst
lm_reattach m
lm_msg m copy_rate 0
lm_wait_phase m synced
lm_is m mismatches 0 || die "a false alarm"
dmsetup remove m

note "0 is for never"
lm_create m /dev/mapper/src /dev/mapper/dst standby_timeout 0
lm_wait_phase m synced
hang dst
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null &
sleep 3
[ "$(lm_field m phase)" = synced ] || die "it has given up: $(dmsetup status m)"
[ "$(lm_field m in_flight)" -eq 1 ] || die "the write has ended"
unhang dst
wait
dmsetup remove m

note "the metadata device hangs"
leg_make meta /dev/vdc
lm_create m /dev/mapper/src /dev/mapper/dst standby_timeout 1000 metadata /dev/mapper/meta
lm_wait_phase m synced
sleep 5
hang meta
timeout 20 /usr/bin/dd if=/dev/urandom of=/dev/mapper/m bs=1M count=32 oflag=direct conv=notrunc,fsync 2>/dev/null ||
	die "the guest hangs on the metadata"
lm_is m metadata failed || die "metadata that hangs is not shown as failed: $(dmsetup status m)"
lm_is m phase synced || die "the phase has changed: $(dmsetup status m)"
unhang meta
legs_equal /dev/vda /dev/vdb
dmsetup remove m

note "the metadata device hangs, and nobody knows yet: abort is obeyed after that time"
dd if=/dev/zero of=/dev/vdc bs=4k count=2 oflag=direct conv=notrunc 2>/dev/null
create metadata /dev/mapper/meta
lm_wait_phase m synced
sleep 5
hang meta
timeout 20 dmsetup message m 0 abort || die "abort fails, or hangs"
lm_is m phase aborted || die "not aborted: $(dmsetup status m)"
lm_is m metadata failed || die "metadata that hangs is not shown as failed: $(dmsetup status m)"
timeout 20 dmsetup message m 0 abort || die "a message hangs"
unhang meta
dmsetup remove m
for leg in src dst meta; do
	dmsetup remove $leg
done
