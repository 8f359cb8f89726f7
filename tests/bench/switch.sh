# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The longest write around cutover and failback, in counted time, beside the longest
# around a message that does nothing: to send one takes the processor, which is the
# guest's, so both have that. Of many, the median: the longest of all is chance, and more
# of it where there are more. It is printed, too.
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
	echo "$us" >>"/run/$ar_subject_"
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

for round in $(seq 15); do
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
	sort -n "/run/$subject" >/run/sorted
	figure switch "$subject" "$(sed -n "$((($(wc -l </run/sorted) + 1) / 2))p" /run/sorted)"
	figure switch-longest "$subject" "$(tail -n 1 /run/sorted)"
done
dmsetup remove m
stamp --check /run/state --dev "$a"
