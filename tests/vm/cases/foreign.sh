# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A destination full of a former tenant's data shows none of it, whatever mixture
# of writes, discards, partial discards, write-zeroes and aborts came before; and a
# thin one holds no more blocks than the source's data needs.
#
# Method: every sector of the dest holds a known line. After synced, and after
# cutover and commit, none of the device's sectors does. The dests differ in what
# they can: discard and write-zeroes; discard alone, which need not zero; neither;
# dm-thin.
#
# vm: disks=16M:discard,16M:discard:zeroes,16M:discard,16M,8M,32M:discard timeout=300 modules=dm-thin-pool

. /vm/lib.sh

LINE='what the former tenant has left here, thirty-two sectors deep.'

# stain DEV: each sector holds the line, eight times.
stain()
{
	yes "$LINE" | head -c 1048576 >/run/stain
	for mib in $(seq 0 15); do
		dd if=/run/stain of="$1" bs=1M seek="$mib" oflag=direct conv=notrunc 2>/dev/null
	done
}

# clean DEV: no part of a line is left.
clean()
{
	dd if="$1" bs=1M count=16 iflag=direct 2>/dev/null | grep -a -q 'former tenant' &&
		die "$1 shows what the former tenant has left"
	return 0
}

load()	# load SECONDS: all kinds of orders, of all sizes
{
	stamp --dev /dev/mapper/m --seconds "$1" --mix w=40,d=25,z=15,u=10,f=10 \
		--threads 2 --depth 4 --dbs 512:3M >/run/stamp.out 2>&1 || {
		cat /run/stamp.out
		die "the load has seen an error"
	}
}

# The stain is seen where it is.
stain /dev/vdb
dd if=/dev/vdb bs=1M count=16 iflag=direct 2>/dev/null | grep -a -q 'former tenant' ||
	die "the stain is not there"

for dest in vdb vdc vdd; do
	note "$dest"
	# A source with holes: every other MiB reads as zeroes.
	dd if=/dev/zero of=/dev/vda bs=1M count=16 oflag=direct 2>/dev/null
	for mib in $(seq 0 2 15); do
		dd if=/dev/urandom of=/dev/vda bs=1M count=1 seek="$mib" oflag=direct conv=notrunc 2>/dev/null
	done
	stain /dev/$dest

	note "aborted half-way, under load"
	lm_create m /dev/vda /dev/$dest copy_rate 4096
	load 2
	lm_drop m abort
	dmsetup remove m

	note "begun anew"
	lm_create m /dev/vda /dev/$dest copy_rate 8192
	load 2
	lm_msg m copy_rate 0
	lm_wait_phase m synced 60
	clean /dev/$dest
	legs_equal /dev/vda /dev/$dest

	note "cut over, more load, committed"
	wait_until 30 lm_msg m cutover 2>/dev/null || die "no cutover"
	load 2
	wait_until 30 lm_is m phase switched || die "not switched: $(dmsetup status m)"
	clean /dev/mapper/m
	lm_drop m commit
	load 2
	clean /dev/mapper/m
	clean /dev/$dest
	dmsetup remove m
done

note "a thin dest: blocks of 64 KiB"
dd if=/dev/zero of=/dev/vde bs=1M count=8 oflag=direct 2>/dev/null
yes "$LINE" | head -c 33554432 | dd of=/dev/vdf bs=1M oflag=direct iflag=fullblock 2>/dev/null
dmsetup create pool --table "0 65536 thin-pool /dev/vde /dev/vdf 128 0"
dmsetup message pool 0 "create_thin 0"
dmsetup create thin --table "0 32768 thin /dev/mapper/pool 0"
used()
{
	dmsetup status pool | awk '{ split($6, a, "/"); print a[1] }'
}
dd if=/dev/zero of=/dev/vda bs=1M count=16 oflag=direct 2>/dev/null
dd if=/dev/urandom of=/dev/vda bs=1M count=4 seek=7 oflag=direct conv=notrunc 2>/dev/null
dd if=/dev/urandom of=/dev/vda bs=4k count=1 seek=4000 oflag=direct conv=notrunc 2>/dev/null
lm_create m /dev/vda /dev/mapper/thin
lm_wait_phase m synced
[ "$(used)" -eq 65 ] || die "4 MiB and one piece take $(used) blocks of 64 KiB, not 65"
legs_equal /dev/vda /dev/mapper/thin

note "zeroes and discards of the guest take none"
dd if=/dev/zero of=/dev/mapper/m bs=1M count=2 seek=1 oflag=direct conv=notrunc 2>/dev/null
blkdiscard -o 8M -l 2M /dev/mapper/m
blkdiscard -z -o 12M -l 3M /dev/mapper/m
lm_wait_phase m synced
legs_equal /dev/vda /dev/mapper/thin
# A write of zeroes is a write: two MiB, as on the source.
echo "blocks: $(used)"
[ "$(used)" -le $((65 + 32 + 48)) ] || die "the pool holds $(used) blocks"
clean /dev/mapper/thin
dmsetup remove m
dmsetup remove thin
dmsetup remove pool
