# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The order of data and metadata: at every instant, each region that durable
# metadata calls copied is durably the same on both legs.
#
# Method: dm-log-writes beneath source, dest and metadata, each with a log of its
# own (one log for all would hide a missing flush of one of them), logs what a
# flush has made durable. Through copying, cutover, failback, a dest and a source
# that fail, a clean stop and commit, under a load, logmark puts the same marks
# into the three logs, 3 ms apart, and then logcheck holds the logs against each
# other (its rules are in tests/tools/logcheck.c). The flushes take long
# (dm-delay), so that what is written too early is too early by many marks. The
# legs begin with different random bytes, so nothing is equal that was not copied.
# At last logcheck is given logs that are wrong, and must say so.
#
# Caught: lm_save_flush() that does not flush; lm_meta_save() before the flush; bits
# saved as they are after the flush, and not as they were before it; active writes
# retired without a look whether something was written since the flush; a gate that
# opens before its active-writes bit is durable, and one that never shuts.
#
# vm: disks=32M:discard,32M:discard,1M mem=768 timeout=180
# vm: modules=dm-log-writes,dm-delay,dm-flakey,brd:rd_nr=3:rd_size=262144
# vm: files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

lm_hurry

seed=$(hexdump -n 4 -e '"%u"' /dev/urandom)
note "seed $seed"

# flushes NAME DISK MS: its flushes take so long.
flushes()
{
	echo "0 $(sectors "$2") delay $2 0 0 $2 0 0 $2 0 $3"
}

# logged NAME DISK LOG MS: leg NAME, which can be made to fail, above a log, above
# slow flushes. What is failed never gets into the log, which would believe it.
logged()
{
	dmsetup create "$1-slow" --table "$(flushes "$1" "$2" "$4")"
	dmsetup create "$1-log" --table "0 $(sectors "$2") log-writes /dev/mapper/$1-slow $3"
	leg_make "$1" "/dev/mapper/$1-log"
}

logs="meta src dst"
logged meta /dev/vdc /dev/ram0 20
logged src /dev/vda /dev/ram1 30
logged dst /dev/vdb /dev/ram2 120

# load FLUSHES DISCARDS: another load than the one before. Few writes, so that
# chunks come to rest; no FUA, whose order the log loses.
running=
load()
{
	[ -z "$running" ] || load_stop
	running=yes
	seed=$((seed + 1))
	load_start /dev/mapper/m --threads 2 --depth 4 --rate 60 --bs 512:32K \
		--dbs 4K:64K --mix "w=85,r=10,z=2,f=$1,d=$2" --seed $seed
}

for leg in src dst; do
	dd if=/dev/urandom of=/dev/mapper/$leg bs=1M count=32 oflag=direct 2>/dev/null
	dd if=/dev/zero of=/dev/mapper/$leg count=0 conv=notrunc,fsync 2>/dev/null
done
bg marks logmark --every 3 meta-log src-log dst-log

note "copying"
lm_create m /dev/mapper/src /dev/mapper/dst metadata /dev/mapper/meta copy_rate 6144
load 2 3
lm_wait_phase m synced
note "synced, and nobody flushes but the target"
load 0 0
sleep 6
note "cutover"
lm_msg m cutover
sleep 4
load 5 3
sleep 2
note "failback, cutover, and the dest fails"
wait_until 20 dmsetup message m 0 failback
sleep 1
wait_until 20 dmsetup message m 0 cutover
sleep 1
leg_fail_writes dst
lm_wait_phase m degraded
lm_is m active source || die "it has not failed back: $(dmsetup status m)"
sleep 2
leg_heal dst
lm_reattach m
lm_wait_phase m synced
note "now the source flushes slowly, and fails"
load 0 0
dmtable src-slow "$(flushes src /dev/vda 120)"
dmtable dst-slow "$(flushes dst /dev/vdb 30)"
wait_until 20 dmsetup message m 0 cutover
sleep 3
leg_fail_writes src
lm_wait_phase m degraded
sleep 2
leg_heal src
lm_reattach m
lm_wait_phase m switched
note "a clean stop"
sleep 3
load_stop
running=
dmsetup remove m
lm_create m /dev/mapper/src /dev/mapper/dst metadata /dev/mapper/meta
lm_wait_phase m switched
load 2 3
sleep 2
note "commit"
wait_until 20 dmsetup message m 0 commit
sleep 0.5
load_stop
dmsetup remove m

bg_end marks TERM
for leg in $logs; do
	dmsetup status $leg-log
	dmsetup remove $leg
	dmsetup remove $leg-log
	dmsetup remove $leg-slow
done
check()
{
	logcheck --metadata /dev/ram0 --source /dev/ram1 --dest /dev/ram2 \
		--source-dev /dev/vda --dest-dev /dev/vdb "$@"
}

# spoilt HOW WORDS: logs that are wrong are found to be.
spoilt()
{
	expect_fail check --spoil "$1"
	grep -q "$2" /run/said || die "the check failed, but not because a region $2"
}

check --pairs 1000000 --trusts 10000 --writes 1000 ||
	die "durable metadata calls copied what is not, or nothing is proven"
note "the check can fail"
spoilt data 'is trusted, and the legs differ'
spoilt late 'is trusted, and the legs differ'
spoilt active 'was trusted while a write was not durable'
expect_fail check --pairs 1000000000
grep -q 'nothing is proven' /run/said || die "the check failed, but not because there was too little"
