# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A standby that fails may have lost what it acknowledged and never flushed.
# Reattach copies all of the chunks written since the last good flush again, and
# no others.
#
# Method: two chunks are written and flushed, a third is written and not. Then
# the standby fails, "forgets" (all three are overwritten behind our back), and
# comes back. Only the third may be copied again.
#
# Caught: lm_phase_reattach() without lm_phase_forget(); lm_phase_failed() that
# keeps the bits of what failed.
#
# vm: disks=32M,32M modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

put()	# put DEV MIB
{
	dd if=/dev/urandom of="$1" bs=1M count=1 seek="$2" oflag=direct conv=notrunc 2>/dev/null
}

same()	# same MIB
{
	dd if=/dev/vda of=/run/a bs=1M count=1 skip="$1" iflag=direct 2>/dev/null
	dd if=/dev/vdb of=/run/b bs=1M count=1 skip="$1" iflag=direct 2>/dev/null
	cmp -s /run/a /run/b
}

leg_make src /dev/vda
leg_make dst /dev/vdb
lm_create m /dev/mapper/src /dev/mapper/dst
lm_wait_phase m synced

for way in write flush switched; do
	put /dev/mapper/m 3
	put /dev/mapper/m 7
	sync
	dd if=/dev/zero of=/dev/mapper/m bs=512 count=0 conv=notrunc,fsync 2>/dev/null
	put /dev/mapper/m 11
	[ $way != switched ] || lm_msg m cutover
	copied=$(lm_field m copied)

	if [ $way = flush ]; then
		leg_fail_writes dst
		dd if=/dev/zero of=/dev/mapper/m bs=512 count=0 conv=notrunc,fsync 2>/dev/null ||
			die "the guest saw the standby's flush fail"
	else
		leg_break dst
		put /dev/mapper/m 20
	fi
	lm_wait_phase m degraded 10
	[ "$(lm_field m active)" = source ] || die "$way: the source is not active"
	leg_heal dst
	for mib in 3 7 11; do
		put /dev/vdb $mib
	done

	lm_reattach m
	lm_wait_phase m synced 20
	same 11 || die "$way: what was not flushed was not copied again"
	same 20 || die "$way: what was written meanwhile was not copied"
	same 3 && die "$way: what was flushed was copied again"
	same 7 && die "$way: what was flushed was copied again"
	again=$(($(lm_field m copied) - copied))
	[ $again -le 512 ] || die "$way: $again regions were copied again"
	note "$way: $again regions copied again"
	# Make the legs equal again, for the next round.
	put /dev/mapper/m 3
	put /dev/mapper/m 7
done

dmsetup remove m
dmsetup remove src
dmsetup remove dst
