# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The commands of README.md, run as they stand there, one block after the other,
# under a load that verifies. After each block it is as the text says.
#
# vm: disks=64M,80M files=README.md

. /vm/lib.sh

# block NUMBER: run that one of the "```sh" blocks. They share variables, as they
# would in a user's shell.
block()
{
	awk -v n="$1" '/^```sh$/ { i++; inside = 1; next } /^```/ { inside = 0 }
		inside && i == n' /vm/tools/README.md >/run/block
	[ -s /run/block ] || die "README.md has no block $1"
	echo "--- block $1"
	cat /run/block
	echo "---"
	. /run/block
}

blocks=$(grep -c '^```sh$' /vm/tools/README.md)
[ "$blocks" = 7 ] || die "README.md has $blocks blocks: this case is made for 7"

mkdir /dev/old /dev/new
ln -s ../vda /dev/old/vm1
ln -s ../vdb /dev/new/vm1
dd if=/dev/urandom of=/dev/vda bs=1M count=30 conv=fsync,notrunc 2>/dev/null
# What was on the dest must not be seen again.
dd if=/dev/urandom of=/dev/vdb bs=1M count=80 conv=fsync,notrunc 2>/dev/null

block 1
stamp --dev /dev/mapper/vm1 --seconds $((100 * SLOWNESS)) --rate 300 --learn --state /run/state &
load=$!
sleep 1

block 2
[ "$(lm_field vm1 active)" = source ] || die "not on the source"
block 3
lm_wait_phase vm1 synced
block 4
[ "$(lm_field vm1 phase)" = switched ] || die "not switched"
sleep 1
block 5
lm_wait_phase vm1 switched
sleep 1

# The source is complete up to the commit: dm waits for the load's writes.
dmsetup suspend vm1
legs_equal /dev/vda /dev/vdb "$(sectors /dev/vda)"
dmsetup resume vm1

block 6
[ "$(lm_field vm1 phase)" = committed ] || die "not committed"
block 7
lm_table vm1 | grep ' linear ' || die "the table is not linear"

# Nobody needs the source now.
dd if=/dev/urandom of=/dev/vda bs=1M count=64 conv=fsync,notrunc 2>/dev/null
kill -TERM $load
wait $load || die "the load ended with status $?"
dmsetup remove vm1
stamp --check /run/state --dev /dev/vdb
