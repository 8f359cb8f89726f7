# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The longest write around cutover and failback, in counted time, beside the longest
# around a message that does nothing: to send one takes the processor, which is the
# guest's, so both have that.
#
# vm: clock=counted mem=512 timeout=900
# vm: modules=null_blk:nr_devices=0
# vm: files=tests/bench/bench.sh,tests/vm/windows.sh

. /vm/lib.sh
. bench.sh
. windows.sh

# around SUBJECT MESSAGE...: the longest write in the second around it
around()
{
	ar_subject_=$1
	shift
	window_end
	sleep 0.5
	lm_msg m "$@"
	sleep 0.5
	window_end
	us=$(window_longest)
	note "$*: $us us"
	eval "[ \$us -le \${longest_$ar_subject_:-0} ]" || eval "longest_$ar_subject_=\$us"
}

null_disk 64 memory_backed=1 mbps=64 irqmode=2 completion_nsec=100000
# shellcheck disable=SC2154 # null_disk sets it
a=$disk
null_disk 64 memory_backed=1 mbps=64 irqmode=2 completion_nsec=100000
b=$disk
dd if=/dev/urandom of="$a" bs=1M oflag=direct 2>/dev/null || :
lm_create m "$a" "$b"
lm_wait_phase m synced

bg stamp stamp --dev /dev/mapper/m --state /run/state --seconds 100000 --latency \
	--bs 512:16384 --mix w=100 --threads 4 --depth 4 --rate 300
wait_until 20 test -s /run/stamp.log || die "the load does not begin"
sleep 2

for round in 1 2 3 4 5; do
	note "round $round"
	around nothing copy_rate 0
	around nothing copy_rate 0
	around cutover cutover
	around nothing copy_rate 0
	around nothing copy_rate 0
	around failback failback
done
bg_end stamp TERM
for subject in nothing cutover failback; do
	eval "figure switch $subject \$longest_$subject"
done
dmsetup remove m
stamp --check /run/state --dev "$a"
