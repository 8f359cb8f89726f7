# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The standby, or the active dest, dies in each phase under a verifying load.
# The guest sees no error; the phase is degraded; after reattach the legs are
# equal again, and no region was copied but those that were missing.
#
# Method: the legs are dm devices whose table becomes "error". The copied
# counter is compared with what was clear, and with what was written meanwhile.
#
# Caught: nothing yet that fail-forget does not catch more sharply.
#
# vm: disks=48M:zeroes,48M:zeroes modules=dm-flakey files=tests/vm/legs.sh
# vm: timeout=200

. /vm/lib.sh
. legs.sh

mix=w=60,r=25,z=5,f=5,u=5

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
sync
leg_make src /dev/vda
leg_make dst /dev/vdb

# Each region is set once more than it was cleared, whatever happened.
check_counters()
{
	[ $(($(lm_field m copied) + $(lm_field m written_skipped) +
		$(lm_field m zero_skipped) - $(lm_field m cleared))) -eq \
		"$(lm_field m total)" ] || die "the counters do not add up: $(dmsetup status m)"
}

rest()
{
	sleep 1
	load_alive
}

synced_and_equal()
{
	lm_wait_phase m "$1" 60
	load_stop
	lm_wait_phase m "$1" 20
	legs_equal /dev/vda /dev/vdb
	load_check /dev/vda
	load_check /dev/vdb
	check_counters
}

# 1. While copying: half is copied and flushed.
lm_create m /dev/mapper/src /dev/mapper/dst copy_rate 16384
wait_until 20 sh -c '. /vm/lib.sh; [ "$(lm_field m done)" -gt 3000 ]'
lm_msg m pause
sleep 1
fsync_dev() { dd if=/dev/zero of=/dev/mapper/m bs=512 count=0 conv=notrunc,fsync 2>/dev/null; }
fsync_dev
before=$(lm_field m copied)
leg_break dst
dd if=/dev/vda of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase m degraded 10
[ "$(lm_field m dest)" = F ] || die "the dest is not F"
[ "$(lm_field m active)" = source ] || die "the source is not active"
cleared=$(lm_field m cleared)
[ "$cleared" -le 1 ] || die "one write cleared $cleared regions"
leg_heal dst
lm_msg m copy_rate 0
lm_reattach m
lm_msg m resume
lm_wait_phase m synced 60
[ "$(lm_field m copied)" -le $(($(lm_field m total) + 1)) ] ||
	die "more was copied than was missing: $before before, $(lm_field m copied) after"
check_counters
legs_equal /dev/vda /dev/vdb

# 2. Synced, under load.
load_start /dev/mapper/m --mix $mix --bs 512:256K --threads 2 --depth 4
rest
leg_break dst
lm_wait_phase m degraded 10
rest
copied=$(lm_field m copied)
leg_heal dst
lm_reattach m
synced_and_equal synced
[ "$(lm_field m copied)" -gt "$copied" ] || die "nothing was copied again"

# 3. Switched, under load: the dest dies, it fails back by itself.
lm_msg m cutover
load_start /dev/mapper/m --mix $mix --bs 512:256K --threads 2 --depth 4
rest
leg_break dst
lm_wait_phase m degraded 10
[ "$(lm_field m active)" = source ] || die "it did not fail back"
expect_fail lm_msg m cutover
rest
leg_heal dst
lm_reattach m
synced_and_equal synced

# 4. Switched, under load: the source, now the standby, dies. Only the dest is
# right until a reattach has completed: failback is refused.
lm_msg m cutover
load_start /dev/mapper/m --mix $mix --bs 512:256K --threads 2 --depth 4
rest
leg_break src
lm_wait_phase m degraded 10
[ "$(lm_field m active)" = dest ] || die "the dest is not active"
[ "$(lm_field m source)" = F ] || die "the source is not F"
expect_fail lm_msg m failback
rest
leg_heal src
lm_reattach m
synced_and_equal switched
lm_msg m failback

# 5. Degraded, and it dies for good: abort.
leg_break dst
load_start /dev/mapper/m --mix $mix --bs 512:256K --threads 2 --depth 4
lm_wait_phase m degraded 10
lm_drop m abort
[ "$(lm_field m phase)" = aborted ] || die "not aborted"
rest
load_stop
load_check /dev/vda

dmsetup remove m
dmsetup remove src
dmsetup remove dst
