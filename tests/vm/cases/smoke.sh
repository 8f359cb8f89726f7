# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The five steps, with nothing else going on: copy, cut over, fail back, cut
# over again, commit; the legs are equal at synced, the data is right after.
#
# vm: disks=64M,80M kernels=6.1,6.12

. /vm/lib.sh

dd if=/dev/urandom of=/dev/vda bs=1M count=20 seek=3 conv=notrunc,fsync 2>/dev/null
before=$(md5sum </dev/vda)

lm_create m /dev/vda /dev/vdb
lm_table m
lm_wait_phase m synced
dmsetup status m
[ "$(lm_field m copied)" -gt 0 ] || die "nothing was copied"
legs_equal /dev/vda /dev/vdb "$(sectors /dev/vda)"

lm_msg m cutover
[ "$(lm_field m phase)" = switched ] || die "not switched"
lm_msg m failback
[ "$(lm_field m phase)" = synced ] || die "not synced"
lm_msg m cutover
lm_msg m commit
dmsetup status m
lm_table m
[ "$(lm_field m phase)" = committed ] || die "not committed"
[ "$(md5sum </dev/mapper/m)" = "$before" ] || die "the data has changed"
dmsetup remove m
