# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Ten thousand table lines and messages, most of them wrong: each refusal leaves
# one clear sentence in the kernel's log and the running device, which has metadata,
# as it was, what
# is accepted is printed as a line that is accepted again, and nothing is left
# behind.
#
# Method: dmfuzz makes them from the grammar of valid ones, broken in one or two
# places; the memory that is in use is compared before and after.
#
# Caught: a migration's bitmap not freed; an option given twice that is refused
# without a sentence.
#
# vm: disks=16M,16M,16M,16M,1M,1M timeout=180

. /vm/lib.sh

# Memory of the kernel's own that can grow unseen, KiB.
in_use()
{
	awk '/^(SUnreclaim|VmallocUsed|Percpu):/ { sum += $2 } END { print sum }' /proc/meminfo
}

dd if=/dev/urandom of=/dev/vda bs=1M 2>/dev/null || :
lm_create m /dev/vda /dev/vdb metadata /dev/vde standby_timeout 5000
lm_wait_phase m synced

# The first ones fill caches that stay.
dmfuzz --live m --source /dev/vdc --dest /dev/vdd --metadata /dev/vdf --tables 200 --messages 200
before=$(in_use)
dmfuzz --live m --source /dev/vdc --dest /dev/vdd --metadata /dev/vdf --tables $((5000 / SLOWNESS)) \
	--messages $((5000 / SLOWNESS))
sleep 0.5
after=$(in_use)
note "in use: $before KiB before, $after KiB after"
# A table takes 1 MiB for its pages alone; a leak of 1 in 100 is more than this.
[ $((after - before)) -lt 4096 ] || die "memory was left behind"

lm_msg m copy_rate 0
lm_msg m resume
[ "$(lm_field m active)" = source ] || lm_msg m failback
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
lm_is m metadata ok || die "the metadata of what runs is lost: $(dmsetup status m)"
dmsetup remove m
