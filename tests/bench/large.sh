# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A device of 64 TiB with regions of 4 KiB, in counted time: the constructor, the status,
# the memory; and cutover of one that is a thousand times as large as another. The legs are
# of nothing.
#
# Memory is cleared by an instruction that repeats itself, and each of its steps counts: of
# a byte, as the processor has it, 1 GB/s, which no machine is as slow at; or of
# eight bytes, if the kernel does not know that it is there for bytes, too (erms). So the
# latter; with the former the constructor takes 2.37 s.
#
# vm: append=clearcpuid=erms
# vm: clock=counted mem=3072 timeout=1800 modules=dm-zero
# vm: files=tests/bench/bench.sh

. /vm/lib.sh
. bench.sh

TIB=64

# timed WORK SUBJECT COMMAND...: seconds, dmsetup itself included
timed()
{
	ti_work_=$1 ti_subject_=$2
	shift 2
	ti_begun_=$(now_ms)
	"$@" >/run/timed
	figure "$ti_work_" "$ti_subject_" "$(seconds_since "$ti_begun_")"
}

free_kib()
{
	awk '$1 == "MemFree:" { print $2 }' /proc/meminfo
}

legs()		# legs SECTORS
{
	dmsetup create from --table "0 $1 zero"
	dmsetup create to --table "0 $1 zero"
}

no_legs()
{
	dmsetup remove from
	dmsetup remove to
}

size=$((TIB * 1024 * 1024 * 2048))
legs $size
before=$(free_kib)
timed large constructor dmsetup create m --table "0 $size livemigrate /dev/mapper/from 0 /dev/mapper/to 0 3 paused region_size 8"
figure large-memory livemigrate "$(awk -v kib=$((before - $(free_kib))) -v tib=$TIB 'BEGIN { print kib / 1024 / tib }')"
figure large-memory limit 33
timed large status dmsetup status m
timed large table dmsetup table m
timed large remove dmsetup remove m
no_legs
figure large limit 1

for mib in 16 16384; do
	size=$((mib * 2048))
	legs $size
	lm_create m /dev/mapper/from /dev/mapper/to region_size 8 dest_zeroed
	lm_wait_phase m synced 600
	timed large-cutover "${mib}-MiB" dmsetup message m 0 cutover
	timed large-failback "${mib}-MiB" dmsetup message m 0 failback
	dmsetup remove m
	no_legs
done
