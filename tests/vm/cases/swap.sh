# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Swap on the migrating device, under memory pressure: pages are written to it
# because there is no memory, so nothing on that way may need any. A program
# touches twice the machine's memory over and over, through copying, cutover and
# a standby that fails, and finds its pages right.
#
# Caught: bounce pages taken by reclaim instead of from the pool: the machine
# hangs.
#
# vm: disks=768M,768M mem=448 timeout=300 modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

leg_make src /dev/vda
leg_make dst /dev/vdb
mkswap /dev/vda >/dev/null
lm_create m /dev/mapper/src /dev/mapper/dst
swapon /dev/mapper/m

# A page takes a kernel that watches itself a millisecond each way.
rounds=3
[ "$SLOWNESS" -eq 1 ] || rounds=1
hog --mib 480 --seconds 35 --rounds $rounds >/run/hog.out 2>&1 &
hog_pid=$!

swapped()
{
	awk -v want="$1" '/^pswpout/ { exit !($2 * 4096 > want * 1048576) }' /proc/vmstat
}

wait_until 60 swapped 100 || die "nothing is swapped out"
lm_wait_phase m synced 120
lm_msg m cutover
sleep 3
leg_break dst
lm_wait_phase m degraded 20
leg_heal dst
lm_reattach m
lm_wait_phase m synced 120
wait $hog_pid || { cat /run/hog.out; die "the program found a wrong page, or died"; }
cat /run/hog.out
grep pswp /proc/vmstat
swapped 200 || die "too little was swapped out to prove anything"
swapoff /dev/mapper/m
lm_wait_phase m synced 60
legs_equal /dev/vda /dev/vdb
dmsetup remove m
dmsetup remove src
dmsetup remove dst
