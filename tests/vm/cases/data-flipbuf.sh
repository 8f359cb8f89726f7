# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A guest that changes its buffer while the write is in flight, as O_DIRECT from
# a page cache does, gets the same bytes on both legs. "flipbuf" does nothing
# else, with 32 writes in flight, none of which overlap, so a difference comes
# from the buffers alone; while the copier is at work, at synced and when
# switched. It fails by itself if no buffer changed in flight; after each load
# the legs are compared byte for byte.
#
# vm: disks=24M,32M
# Caught: legs that are sent the guest's own pages, no copies (the legs differ).

. /vm/lib.sh

lm_hurry

load()
{
	flipbuf --dev /dev/mapper/m --size 16384 --seconds 4
}

dd if=/dev/urandom of=/dev/vda bs=1M count=24 conv=fsync 2>/dev/null

# The copier needs 24 s for all, and is where the load is for 8 s.
lm_create m /dev/vda /dev/vdb copy_rate 1024
load
[ "$(lm_field m phase)" = copying ] || die "the copier was done before the load"
lm_msg m copy_rate 0
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb "$(sectors /dev/vda)"

for phase in synced switched; do
	[ $phase = synced ] || lm_msg m cutover
	load
	[ "$(lm_field m phase)" = $phase ] || die "not $phase any more"
	legs_equal /dev/vda /dev/vdb "$(sectors /dev/vda)"
done
dmsetup remove m
