# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Messages (verify among them), suspends, resumes, reloads and status by eight
# processes with no order among them, while a guest writes, discards and verifies:
# no call hangs or fails in a way that it may not, no byte is wrong, the migration
# can still be brought to its end, and then the legs are equal. The same while the
# device is removed and made anew all the time, where it goes on by its metadata. A
# last, shorter time without metadata, with commit and abort among the messages.
#
# Method: dmstress and stamp at once; at the end each leg is held against what
# was acknowledged. Nobody can write to what is removed: there the legs are compared
# with what they held before.
#
# Caught: a suspend that does not wait for verify's checks.
#
# vm: disks=32M:discard:zeroes,32M:discard:zeroes,8M timeout=240 kernels=6.1,6.12

. /vm/lib.sh

lm_hurry

mix=w=50,r=20,d=8,z=8,f=4,u=5,n=5

# Suspended as often as not, it still gets somewhere.
load()
{
	bg load stamp --dev /dev/mapper/m --seconds 600 --threads 2 --depth 4 \
		--bs 512:256K --dbs 512:4M --mix $mix --state /run/state
	wait_until 10 test -s /run/load.log
}

holds()
{
	stamp --check /run/state --dev "$1" || die "$1 does not hold what was written"
}

settled_()
{
	case "$(lm_field m phase)" in
	synced | switched) ;;
	*) return 1 ;;
	esac
}

settled()
{
	wait_until 60 settled_ || die "it does not come to an end: $(dmsetup status m)"
}

dd if=/dev/urandom of=/dev/vda bs=1M count=24 2>/dev/null
dd if=/dev/urandom of=/dev/vdb bs=1M count=32 2>/dev/null
sync
lm_create m /dev/vda /dev/vdb copy_rate 4096 metadata /dev/vdc standby_timeout 5000
load
dmstress --name m --limit $((20 * SLOWNESS)) --seconds 20 --procs 8
bg_runs load || die "the load has ended: $(cat /run/load.log)"
lm_msg m copy_rate 0
lm_msg m resume
settled
bg_end load TERM
# Its last discards may have cleared bits.
settled
legs_equal /dev/vda /dev/vdb
holds /dev/vda
holds /dev/vdb
lm_counts m
lm_is m mismatches 0 || die "verify has raised an alarm: $(dmsetup status m)"
lm_is m metadata ok || die "the metadata is lost: $(dmsetup status m)"
dmsetup status m

note "removed and made anew"
dmstress --name m --limit $((20 * SLOWNESS)) --seconds $((12 * SLOWNESS)) --procs 8 --remake
lm_msg m copy_rate 0
lm_msg m resume
[ "$(lm_field m phase)" != degraded ] || lm_msg m reattach
settled
lm_is m mismatches 0 || die "verify has raised an alarm: $(dmsetup status m)"
lm_is m metadata ok || die "the metadata is lost: $(dmsetup status m)"
legs_equal /dev/vda /dev/vdb
holds /dev/vda

note "commit and abort, too, without metadata"
dmsetup remove m
lm_create m /dev/vda /dev/vdb
load
dmstress --name m --limit $((20 * SLOWNESS)) --seconds $((6 * SLOWNESS)) --procs 8 --final
bg_end load TERM
dmsetup status m
case "$(lm_field m phase)" in
aborted) holds /dev/vda ;;
committed) holds /dev/vdb ;;
*)
	# A line that was read before the end, and loaded after it, has begun another one.
	lm_msg m copy_rate 0
	lm_msg m resume
	[ "$(lm_field m phase)" != degraded ] || lm_msg m reattach
	settled
	lm_is m mismatches 0 || die "verify has raised an alarm: $(dmsetup status m)"
	legs_equal /dev/vda /dev/vdb
	holds /dev/vda
	;;
esac
dmsetup remove m
