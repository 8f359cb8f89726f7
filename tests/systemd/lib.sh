# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the cases in a machine with systemd share (tests/machine.sh boots it). Sourced first.

set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
PORTS=/dev/virtio-ports/org.dm-livemigrate
# shellcheck disable=SC2034 # those who source this use it
HERE=/usr/lib/livemigrate-test
exec >"$PORTS.output" 2>&1 </dev/null

nonce=$(sed 's/.*lm\.nonce=\([^ ]*\).*/\1/' /proc/cmdline)
boot=$(sed -n 's/.*lm\.boot=\([^ ]*\).*/\1/p' /proc/cmdline)

# finish PASS|FAIL [WORD...]: and as if the power went. The file system of the system is
# synced, as a host's is after a minute; nothing else.
finish()
{
	trap - EXIT
	dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|hung task|blocked for more than' >/run/bad || :
	if [ -s /run/bad ] && [ "$1" = PASS ]; then
		cat /run/bad
		set -- FAIL "the kernel's log has: $(head -n 1 /run/bad)"
	fi
	sync -f /
	if [ "$1" = PASS ]; then
		echo "PASS $nonce $boot" >"$PORTS.result"
	else
		shift
		echo "FAIL $nonce $*" >"$PORTS.result"
	fi
	sleep 1
	echo o >/proc/sysrq-trigger
	sleep 60
}

die()
{
	echo "FAILED: $*"
	livemigrate list || :
	dmsetup table || :
	lvm lvs -a -o +lv_skip_activation || :
	systemctl --no-pager --failed || :
	journalctl --no-pager -b -p warning | tail -n 20 || :
	journalctl --no-pager -b -u livemigrate.service | tail -n 20 || :
	finish FAIL "$*"
}
trap 'die "the case has ended at boot $boot"' EXIT

tool()
{
	livemigrate "$@" || die "livemigrate $* ended with status $?"
}

# wait_until SECONDS COMMAND...
wait_until()
{
	wu_left_=$1
	shift
	until "$@"; do
		[ "$wu_left_" -gt 0 ] || return 1
		wu_left_=$((wu_left_ - 1))
		sleep 1
	done
}
