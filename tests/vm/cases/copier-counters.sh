# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the copier does and what it leaves alone, counted exactly: by the status
# where we know how many regions each step must add, and by the disks' own
# statistics, which know nothing of us.
#
# 1. done = copied + written_skipped + zero_skipped + restored - cleared, and
#    each of them is what writes and discards of known regions must make it.
# 2. What was overwritten whole before the copier came is never copied: nothing
#    is read from the source, nothing written to the dest twice.
# 3. An idle copy reads each sector of the source once and writes it once.
# 4. Zeroes: a dest that is known to be zeroes, or that reads as zeroes, is
#    written only where the source has data; one that can write zeroes gets not
#    a byte more than the data (a loop device shows it by what its file takes).
# 5. A dest full of junk ends up equal to the source, in either way.
# 6. copy_rate is kept, can be changed while it runs, and 0 lifts it; pause
#    stands still, resume goes on, and nothing is copied twice for it.
#
# vm: disks=24M:discard,24M:discard,24M,24M,24M:zeroes modules=loop
# Caught: a discard whose bits are not cleared (1), bits that are counted though
# they were set (1), a copier that does not look at set bits (2), one that
# writes zeroes where it read zeroes (4), one that takes every dest for a zeroed
# one (4), one whose rate counts double (6).

. /vm/lib.sh

size=$(sectors /dev/vda)
total=$((size / 8))

# has WORDS...: those are in the status, in this order.
has()
{
	case "$(dmsetup status m) " in
	*" $* "*) ;;
	*) die "no '$*' in the status: $(dmsetup status m)" ;;
	esac
}

# is DONE COPIED WRITTEN_SKIPPED ZERO_SKIPPED CLEARED
is()
{
	has "$1/$total"
	has "copied $2 written_skipped $3 zero_skipped $4 restored 0 cleared $5"
	[ "$1" -eq $(($2 + $3 + $4 - $5)) ] || die "$1 is not the sum of: $*"
}

# write SECTOR COUNT: one write to the device.
write()
{
	dd if=/dev/urandom of=/dev/mapper/m bs=$(($2 * 512)) count=1 iflag=fullblock \
		seek=$(($1 * 512)) oflag=direct,seek_bytes conv=notrunc 2>/dev/null
}

# discard SECTOR COUNT
discard()
{
	blkdiscard -o $(($1 * 512)) -l $(($2 * 512)) /dev/mapper/m
}

fill()	# fill DEV [MIB [SEEK]]
{
	dd if=/dev/urandom of="$1" bs=1M count="${2:-24}" seek="${3:-0}" \
		conv=notrunc,fsync 2>/dev/null
	blockdev --flushbufs "$1"
}

empty()	# empty DEV
{
	dd if=/dev/zero of="$1" bs=1M count=24 conv=notrunc,fsync 2>/dev/null
	blockdev --flushbufs "$1"
}

# mark SOURCE DEST; moved READ-FROM-SOURCE READ-FROM-DEST WRITTEN-TO-DEST: that
# many sectors since then, or "-" for any number. Nothing goes to the source.
mark()
{
	source=$1 dest=$2
	source_read=$(disk_stat "$1" read) source_written=$(disk_stat "$1" write)
	dest_read=$(disk_stat "$2" read) dest_written=$(disk_stat "$2" write)
}

moved()
{
	is_="$(($(disk_stat "$source" read) - source_read))"
	is_="$is_ $(($(disk_stat "$dest" read) - dest_read))"
	is_="$is_ $(($(disk_stat "$dest" write) - dest_written))"
	should="$1 $2 $3"
	note "sectors: source read, dest read, dest written: $is_"
	[ "$is_" = "$should" ] || die "they should be: $should"
	[ "$(disk_stat "$source" write)" -eq "$source_written" ] ||
		die "the source was written to"
}

note "--- 1: the sum"
fill /dev/vda
lm_create m /dev/vda /dev/vdb paused
is 0 0 0 0 0
write 0 8
is 1 0 1 0 0
write 9 6
is 1 0 1 0 0
write 12 24
is 3 0 3 0 0
write 0 8
is 3 0 3 0 0
write 24 16
is 4 0 4 0 0
write 2040 2064
is 262 0 262 0 0
discard 16 16
is 260 0 262 0 2
discard 1 1
is 259 0 262 0 3
discard 4800 8
is 259 0 262 0 3
write 16 16
is 261 0 264 0 3
blkdiscard -z -o $((800 * 512)) -l 4096 /dev/mapper/m
is 262 0 265 0 3
discard 40000 $((size - 40000))
is 262 0 265 0 3
fill /dev/mapper/m 1 21
is 518 0 521 0 3
lm_msg m resume
lm_wait_phase m synced
# What was discarded reads as zeroes here: regions 600 and 5000 to the end, less
# the 256 that were written then.
zeroes=$((1 + total - 5000 - 256))
is $total $((total - 518 - zeroes)) 521 $zeroes 3
legs_equal /dev/vda /dev/vdb
lm_msg m cutover
discard 0 16384
lm_wait_phase m switched
is $total $((total - 518 - zeroes)) 521 $((zeroes + 2048)) 2051
legs_equal /dev/vda /dev/vdb
dmsetup remove m

note "--- 2: all written before the copier came"
fill /dev/vdc
mark /dev/vdc /dev/vdd
lm_create m /dev/vdc /dev/vdd paused
dd if=/dev/urandom of=/dev/mapper/m bs=1M count=24 iflag=fullblock oflag=direct 2>/dev/null
is $total 0 $total 0 0
source_written=$((source_written + size))
moved 0 0 "$size"
lm_msg m resume
lm_wait_phase m synced
is $total 0 $total 0 0
moved 0 0 "$size"
legs_equal /dev/vdc /dev/vdd
dmsetup remove m

note "--- 3: an idle copy"
fill /dev/vdc
mark /dev/vdc /dev/vdd
lm_create m /dev/vdc /dev/vdd
lm_wait_phase m synced
is $total $total 0 0 0
moved "$size" 0 "$size"
legs_equal /dev/vdc /dev/vdd
dmsetup remove m

note "--- 4: zeroes"
empty /dev/vdc
fill /dev/vdc 3 5
dd if=/dev/urandom of=/dev/vdc bs=4k count=1 seek=$((total - 1)) conv=notrunc,fsync 2>/dev/null
blockdev --flushbufs /dev/vdc
data=$((3 * 2048 + 8))

empty /dev/vdd
mark /dev/vdc /dev/vdd
lm_create m /dev/vdc /dev/vdd dest_zeroed
lm_wait_phase m synced
is $total $((data / 8)) 0 $((total - data / 8)) 0
moved "$size" 0 $data
legs_equal /dev/vdc /dev/vdd
dmsetup remove m

empty /dev/vdd
mark /dev/vdc /dev/vdd
lm_create m /dev/vdc /dev/vdd
lm_wait_phase m synced
is $total $((data / 8)) 0 $((total - data / 8)) 0
moved "$size" $((size - data)) $data
legs_equal /dev/vdc /dev/vdd
dmsetup remove m

# First the file is a hole, then full of junk.
truncate -s 24M /run/thin
for junk in 0 24; do
	dd if=/dev/urandom of=/run/thin bs=1M count=$junk conv=notrunc 2>/dev/null
	loop=$(losetup -f --show /run/thin)
	lm_create m /dev/vdc "$loop"
	lm_wait_phase m synced
	is $total $((data / 8)) 0 $((total - data / 8)) 0
	legs_equal /dev/vdc "$loop"
	dmsetup remove m
	losetup -d "$loop"
	note "the file takes $(du -k /run/thin)"
	[ "$(du -k /run/thin | cut -f 1)" -le $((data / 2)) ] ||
		die "a thin dest has grown beyond its data"
done

note "--- 5: junk"
for dest in /dev/vdd /dev/vde; do
	fill $dest
	lm_create m /dev/vdc $dest
	lm_wait_phase m synced
	is $total $((data / 8)) 0 $((total - data / 8)) 0
	legs_equal /dev/vdc $dest
	dmsetup remove m
done

note "--- 6: pace"
fill /dev/vdc
start=$(now_ms)
lm_create m /dev/vdc /dev/vdd copy_rate 4096
lm_wait_phase m synced
took=$(($(now_ms) - start))
note "24 MiB at 4 MiB/s: $took ms"
[ $took -ge 5500 ] || die "too fast"
[ $took -le 9000 ] || die "too slow"
dmsetup remove m

lm_create m /dev/vdc /dev/vdd copy_rate 512
sleep 1
done_=$(lm_field m 'done')
[ "$done_" -gt 0 ] || die "nothing was copied"
[ "$done_" -le 512 ] || die "$done_ regions in a second, at 512 KiB/s"
lm_msg m copy_rate 0
has copy_rate 0
lm_wait_phase m synced 5
dmsetup remove m

mark /dev/vdc /dev/vdd
lm_create m /dev/vdc /dev/vdd copy_rate 8192
sleep 0.5
lm_msg m pause
has paused
sleep 0.5
done_=$(lm_field m 'done')
written=$(disk_stat /dev/vdd write)
sleep 1.5
is "$done_" "$done_" 0 0 0
[ "$(disk_stat /dev/vdd write)" -eq "$written" ] || die "it writes while paused"
[ "$done_" -gt 0 ] || die "nothing was copied before the pause"
[ "$done_" -lt "$total" ] || die "all was copied before the pause"
lm_msg m copy_rate 0
lm_msg m resume
lm_wait_phase m synced 5
is $total $total 0 0 0
has running
moved "$size" 0 "$size"
legs_equal /dev/vdc /dev/vdd
dmsetup remove m
