# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Legs with bad blocks. Of the source: they are counted, the first is named, each is
# tried so often and no more, all else is copied, cutover is refused until they hold
# something that can be read. A write that fails in its middle is the guest's error,
# and what the disk did of it is on both legs in the end. Of the dest: a write or a
# copy that meets one degrades, a read is answered by the source.
#
# Caught: neighbours of a bad block that count as unreadable, too, because the reads
# of single regions were merged into one request on their way to the disk; writes that
# the dest never got, as it had failed before, that count as its errors.
#
# Method: null_blk, which fails every request that touches one of its bad blocks.
# They lie at the first and the last sector, and across two regions and two chunks.
#
# vm: modules=null_blk:nr_devices=0

. /vm/lib.sh

bad()	# bad NAME FIRST LAST: those sectors
{
	echo "+$2-$3" >"/sys/kernel/config/nullb/$1/badblocks"
}

good()
{
	echo "-$2-$3" >"/sys/kernel/config/nullb/$1/badblocks"
}

put()	# put BS NUMBER: random bytes there, through the target
{
	dd if=/dev/urandom of=/dev/mapper/m bs="$1" count=1 seek="$2" oflag=direct conv=notrunc 2>/dev/null
}

sum()	# sum DEV MIB
{
	dd if="$1" of=/run/mib bs=1M count=1 skip="$2" iflag=direct 2>/dev/null &&
		md5sum </run/mib
}

is()	# is PHASE ACTIVE SOURCE DEST
{
	lm_wait_phase m "$1"
	[ "$(dmsetup status m | awk '{ print $4, $5, $8, $9 }')" = "$*" ] ||
		die "it should be $*: $(dmsetup status m)"
}

# unreadable COUNT SECTOR: all but so many regions are copied, the first is there.
unreadable()
{
	wait_until 20 lm_is m done $((8192 - $1)) || die "the rest is not copied: $(dmsetup status m)"
	wait_until 5 lm_is m unreadable "$1" || die "not $1 unreadable regions: $(dmsetup status m)"
	lm_is m first_unreadable "$2" || die "the first is not at $2: $(dmsetup status m)"
	is copying source A A
	lm_refused "cutover refused: $1 regions cannot be read, the first at sector $2" lm_msg m cutover
}

nullb src 32
# shellcheck disable=SC2154 # nullb sets it
S=$nullb_dev_
nullb dst 32
# shellcheck disable=SC2154 # nullb sets it
D=$nullb_dev_
dd if=/dev/urandom of="$S" bs=1M oflag=direct 2>/dev/null || :

note "the source cannot be read in three places, four regions"
bad src 0 0
bad src 2044 2051
bad src 65535 65535
lm_create m "$S" "$D"
unreadable 4 0
first=$(lm_field m first_error)
case "$first" in source:r:*:-5) ;; *) die "first_error is $first" ;; esac
[ "$(sum /dev/mapper/m 3)" = "$(sum "$D" 3)" ] || die "MiB 3 reads wrong"
sum /dev/mapper/m 1 && die "a bad block was read"
dd if=/dev/mapper/m of=/run/a bs=4k skip=257 count=255 iflag=direct 2>/dev/null ||
	die "what lies behind a bad block cannot be read"

note "each is tried five times"
at_rest_()
{
	at_was_=$(lm_field m read_errors)
	sleep 3
	lm_is m read_errors "$at_was_"
}
wait_until 30 at_rest_ || die "they are tried for ever: $(dmsetup status m)"
dmsetup status m
# A run of regions for each place first, then each region; and the guest's one.
[ "$(lm_field m read_errors)" -ge 20 ] || die "they were given up too soon: $(dmsetup status m)"
[ "$(lm_field m read_errors)" -le 40 ] || die "they were tried too often: $(dmsetup status m)"

note "healed by overwriting; a write of a part is not enough before a resume"
good src 2044 2051
put 8k 127
put 4k 256
put 4k 255
unreadable 2 0
put 512 1
good src 0 0
put 512 0
sleep 1.5
unreadable 2 0
lm_msg m resume
unreadable 1 65528
good src 65535 65535
lm_msg m resume
is synced source A A
legs_equal "$S" "$D"
lm_counts m

note "a write whose middle the source fails"
bad src 20485 20485
put 256k 40 && die "the guest does not see the source's error"
unreadable 1 20480
lm_is m first_error "$first" || die "the first error is not kept: $(dmsetup status m)"
lm_is m dest A || die "the dest was taken for failed"
good src 20485 20485
put 256k 40
is synced source A A
legs_equal "$S" "$D"

note "a write whose middle the dest fails"
bad dst 30000 30000
put 256k 58 || die "the guest sees the dest's error"
is degraded source A F
lm_is m write_errors 2 || die "not one write failed on each leg: $(dmsetup status m)"
lm_refused 'cutover refused: the dest has failed' lm_msg m cutover
# Not mended: it fails again, and is not tried for ever.
lm_msg m reattach
is degraded source A F
good dst 30000 30000
lm_msg m reattach
is synced source A A
legs_equal "$S" "$D"

note "the active dest: reads are answered by the source, a write fails back"
lm_msg m cutover
bad dst 40000 40003
errors=$(lm_field m read_errors)
[ "$(sum /dev/mapper/m 19)" = "$(sum "$S" 19)" ] || die "the source does not answer"
lm_is m read_errors $((errors + 1)) || die "not one read failed: $(dmsetup status m)"
is switched dest A A
put 1M 19 || die "the guest sees the dest's error"
is degraded source A F
good dst 40000 40003
lm_msg m reattach
is synced source A A
legs_equal "$S" "$D"
dmsetup remove m

note "many writes at once to a dest that fails each: errors that it gave count"
# null_blk with memory may sleep, so they wait for each other in a backlog, and most
# of them have not been sent when the first one fails.
lm_create m "$S" "$D"
is synced source A A
for _ in $(seq 10); do
	errors=$(lm_field m write_errors)
	asked=$(disk_stat "$D" writes)
	for at in $(seq 0 100 8191); do
		bad dst "$at" "$at"
	done
	put 4M 0
	is degraded source A F
	errors=$(($(lm_field m write_errors) - errors))
	asked=$(($(disk_stat "$D" writes) - asked))
	echo "$errors errors, $asked writes"
	[ $errors -gt 0 ] && [ $errors -le $asked ] ||
		die "$errors errors count, of $asked writes: $(dmsetup status m)"
	for at in $(seq 0 100 8191); do
		good dst "$at" "$at"
	done
	lm_msg m reattach
	is synced source A A
done
dmsetup remove m

note "a copy meets a bad block of the dest, and no guest writes"
bad dst 50000 50000
lm_create m "$S" "$D"
is degraded source A F
good dst 50000 50000
lm_msg m reattach
is synced source A A
legs_equal "$S" "$D"
dmsetup remove m
nullb_remove src
nullb_remove dst
