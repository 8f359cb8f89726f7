# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A dest at the far end of a network: slow, it fails writes, it stalls and comes
# back, its server is killed and has forgotten what it never flushed. Under a
# verifying load the guest sees nothing of it, in either role, and after reattach
# the legs are equal.
#
# Caught: lm_phase_reattach() that does not copy again what was not flushed.
#
# Method: nbd, and an nbdkit whose filters are slow (delay, rate), fail writes while
# a file is there (error), and keep what is written until a flush (cache). The leg is
# a linear device, which is put on another nbd device when that one is dead.
#
# vm: disks=24M modules=dm-flakey,nbd:nbds_max=2 mem=640 timeout=180
# vm: files=tests/vm/legs.sh bins=nbdkit,nbd-client,/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-file-plugin.so,/usr/lib/x86_64-linux-gnu/nbdkit/filters/nbdkit-error-filter.so,/usr/lib/x86_64-linux-gnu/nbdkit/filters/nbdkit-delay-filter.so,/usr/lib/x86_64-linux-gnu/nbdkit/filters/nbdkit-rate-filter.so,/usr/lib/x86_64-linux-gnu/nbdkit/filters/nbdkit-cache-filter.so

. /vm/lib.sh
. legs.sh

# serve: the server, on what it has flushed so far.
serve()
{
	rm -f /run/far.sock
	TMPDIR=/run nbdkit -f -U /run/far.sock --filter=error --filter=rate --filter=delay \
		--filter=cache file /run/far.img cache=writeback cache-min-block-size=4K \
		error=EIO error-pwrite-rate=100% error-pwrite-file=/run/far.errors \
		rate-file=/run/far.rate wdelay=2ms >>/run/nbdkit.log 2>&1 &
	server=$!
}

connect_()
{
	nbd-client -unix /run/far.sock "$1" -b 512 >>/run/nbd.log 2>&1
}

connect()	# connect NBD
{
	wait_until 10 connect_ "$1" || { cat /run/nbdkit.log /run/nbd.log; die "no connection to the server"; }
}

# crash: the server goes, with what it has not flushed.
crash()
{
	kill -KILL "$server"
	wait "$server" 2>/dev/null || :
}

# disconnect: what was sent to a server that is no more waits for an answer until
# then, and fails.
disconnect()
{
	nbd-client -d $nbd >/dev/null
}

# back: a new server, on the other nbd device.
back()
{
	serve
	nbd=/dev/nbd$((1 - ${nbd#/dev/nbd}))
	connect $nbd
	leg_move far $nbd
}

load()
{
	load_start /dev/mapper/m --mix w=60,r=20,f=5,u=10,z=5 --bs 512:64K --threads 2 --depth 4
	sleep 1
}

degraded()
{
	lm_wait_phase m degraded 10
	lm_is m active source || die "it runs on the dest: $(dmsetup status m)"
	sleep 0.5
	load_alive
}

# equal PHASE: with what failed attached again.
equal()
{
	lm_reattach m
	lm_wait_phase m "$1" 60
	load_stop
	lm_wait_phase m "$1"
	legs_equal /dev/vda /dev/mapper/far
	load_check /dev/vda
	load_check /dev/mapper/far
}

mib()	# mib DEV NUMBER
{
	dd if="$1" bs=1M count=1 skip="$2" iflag=direct 2>/dev/null | md5sum
}

put()	# put MIB
{
	dd if=/dev/urandom of=/dev/mapper/m bs=1M count=1 seek="$1" oflag=direct conv=notrunc 2>/dev/null
}

dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct 2>/dev/null || :
truncate -s 24M /run/far.img
echo 40M >/run/far.rate	# bits a second
nbd=/dev/nbd0
serve
connect $nbd
leg_make far $nbd

note "a slow one, under load"
lm_create m /dev/vda /dev/mapper/far standby_timeout $((3000 * SLOWNESS))
load
lm_wait_phase m synced 60
echo 0 >/run/far.rate
lm_msg m cutover
sleep 1
lm_msg m failback
load_stop
legs_equal /dev/vda /dev/mapper/far
[ "$(lm_field m write_errors)" = 0 ] || die "slow was taken for failed: $(dmsetup status m)"

note "it fails writes"
load
: >/run/far.errors
degraded
rm /run/far.errors
equal synced

note "it stalls, and comes back"
load
kill -STOP "$server"
degraded
lm_refused 'I/O is still in flight' lm_msg m reattach
kill -CONT "$server"
equal synced

note "the server crashes, and has forgotten what was not flushed"
dd if=/dev/zero of=/dev/mapper/m bs=512 count=0 conv=notrunc,fsync 2>/dev/null
put 20
[ "$(mib /dev/mapper/far 20)" = "$(mib /dev/vda 20)" ] || die "the legs differ"
crash
put 21
lm_wait_phase m degraded
disconnect
back
[ "$(mib $nbd 20)" != "$(mib /dev/vda 20)" ] || die "nothing was forgotten: the cache does not cache"
lm_reattach m
lm_wait_phase m synced
legs_equal /dev/vda /dev/mapper/far

note "the same, under load"
load
crash
degraded
disconnect
back
equal synced

note "the same, while it runs there: the guest waits until nbd gives up"
lm_msg m cutover
load
crash
sleep 1
load_alive
disconnect
degraded
back
equal synced

dmsetup remove m
dmsetup remove far
disconnect
kill "$server"
wait "$server" || :
