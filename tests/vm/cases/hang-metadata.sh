# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A metadata device that does not answer. Suspend, resume, abort, commit and a
# reload of the table end within a few standby_timeouts all the same, whoever
# waits for it at that moment; the guest goes on. Removal waits for it, and goes
# on when it comes back; the metadata is marked as out of date then, and what was
# left behind ends before the module goes.
#
# Method: the metadata device is suspended beneath the target, so that its bios
# wait.
#
# Caught: all of these, waiting for ever; a write that waited for the metadata when
# the leg was dropped.
#
# vm: disks=32M:discard:zeroes,32M:discard:zeroes,8M timeout=240 modules=dm-flakey files=tests/vm/legs.sh

. /vm/lib.sh
. legs.sh

M=/dev/vdc

leg_make meta $M
dd if=/dev/urandom of=/dev/vda bs=1M oflag=direct 2>/dev/null || :

hang()
{
	dmsetup suspend --noflush --nolockfs meta
}

unhang()
{
	dmsetup resume meta
}

# begin [OPTION...]: anew, with new metadata
begin()
{
	dd if=/dev/zero of=$M bs=4k count=2 oflag=direct conv=notrunc 2>/dev/null
	lm_create m /dev/vda /dev/vdb standby_timeout 1000 metadata /dev/mapper/meta "$@"
}

# soon CMD...: it ends within a few timeouts. (One that hangs is not to be
# killed: then the case ends by its own timeout.)
soon()
{
	so_start_=$(now_ms)
	so_status_=0
	"$@" || so_status_=$?
	so_took_=$(($(now_ms) - so_start_))
	[ $so_took_ -lt $((6000 * SLOWNESS)) ] || die "it took $so_took_ ms: $*"
	echo "$so_took_ ms: $*"
	return $so_status_
}

write_all()
{
	/usr/bin/dd if=/dev/urandom of=/dev/mapper/m bs=1M count=32 oflag=direct conv=notrunc,fsync 2>/dev/null
}

says_stale()
{
	dd if=$M bs=512 count=1 iflag=direct 2>/dev/null | tail -c +37 | head -c 1 |
		od -An -tu1 | grep -qw 64
}

# gone: removed, which waits for the device. What is on it is out of date.
gone()
{
	bg remove dmsetup remove m
	sleep 2
	bg_runs remove || die "removed, while its I/O to the metadata device was in flight"
	unhang
	bg_end remove
	says_stale || die "the metadata does not say that it is out of date"
	lm_refused 'out of date' lm_create m /dev/vda /dev/vdb metadata /dev/mapper/meta
}

ended()
{
	! bg_runs "$1"
}

SLOWNESS=${SLOWNESS:-1}

note "suspend, which is the first to notice; resume, a reload, suspend again"
begin
lm_wait_phase m synced
sleep 4
hang
soon dmsetup suspend m || die "suspend fails"
lm_is m metadata failed || die "not shown as failed: $(dmsetup status m)"
soon dmsetup resume m || die "resume fails"
soon write_all || die "a write fails"
dmsetup load m --table "$(dmsetup table m)"
soon dmsetup resume m || die "a reload fails"
soon write_all || die "a write fails after a reload"
soon dmsetup suspend m || die "suspend fails"
soon dmsetup resume m || die "resume fails"
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
gone

note "resume is the first to notice; abort finds it failed"
begin paused
soon dmsetup suspend m
hang
soon dmsetup resume m || die "resume fails"
lm_is m metadata failed || die "not shown as failed: $(dmsetup status m)"
soon lm_msg m abort || die "abort fails"
lm_wait_phase m aborted
gone

note "abort is the first to notice"
begin paused
sleep 4
hang
kmsg_mark
soon lm_msg m abort || die "abort fails"
expect_kmsg 'abort goes on, but the metadata cannot tell of it'
lm_wait_phase m aborted
soon dmsetup suspend m || die "suspend fails"
soon dmsetup resume m || die "resume fails"
gone

note "commit is, while suspended; then a line without metadata, which waits for it"
begin
lm_wait_phase m synced
lm_msg m cutover
sleep 4
dmsetup suspend m
hang
soon lm_msg m commit || die "commit fails"
lm_is m phase committed || die "not committed: $(dmsetup status m)"
soon dmsetup resume m || die "resume fails"
dmsetup load m --table "$(dmsetup table m)"
bg resume dmsetup resume m
sleep 2
bg_runs resume || die "the metadata device was let go while its I/O was in flight"
timeout 10 /usr/bin/dd if=/dev/mapper/m of=/dev/null bs=1M iflag=direct 2>/dev/null ||
	die "the guest waits as well"
unhang
bg_end resume
lm_is m metadata - || die "it still has metadata: $(dmsetup status m)"
dmsetup remove m

note "bits are being saved, and a guest writes, when it hangs: suspend, reload, and back"
begin copy_rate 4096
lm_wait_above m done 1024
hang
bg write write_all
sleep 0.3
soon dmsetup suspend m || die "suspend fails"
dmsetup load m --table "$(dmsetup table m)"
soon dmsetup resume m || die "a reload fails"
bg_end write
lm_msg m copy_rate 0
lm_wait_phase m synced
soon dmsetup suspend m || die "suspend fails"
unhang
soon dmsetup resume m || die "resume fails"
wait_until 10 says_stale || die "the metadata does not say that it is out of date"
dmsetup load m --table "$(dmsetup table m)"
soon dmsetup resume m
lm_wait_phase m synced
legs_equal /dev/vda /dev/vdb
dmsetup remove m

note "it hangs once abort is recorded: who waits for it when the leg goes is not forgotten"
dmsetup create dst --table "0 $(sectors /dev/vdb) linear /dev/vdb 0"
dd if=/dev/zero of=$M bs=4k count=2 oflag=direct conv=notrunc 2>/dev/null
lm_create m /dev/vda /dev/mapper/dst standby_timeout 1000 metadata /dev/mapper/meta
lm_wait_phase m synced
sleep 4
# A write in flight there keeps the leg from going.
dmsetup suspend --noflush --nolockfs dst
dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase m degraded
lm_refused 'abort is under way' lm_msg m abort
hang
bg write dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 seek=4096 oflag=direct conv=notrunc
bg zeroes blkdiscard -z -o 20M /dev/mapper/m
dmsetup resume dst
lm_wait_phase m aborted
wait_until 6 ended write || die "a write hangs: $(dmsetup status m)"
wait_until 6 ended zeroes || die "write-zeroes hang: $(dmsetup status m)"
bg_end write
bg_end zeroes
soon write_all
unhang
dmsetup remove m
dmsetup remove dst
dmsetup remove meta
