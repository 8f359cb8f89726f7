# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The guest's side of tests/power/run: drives the target through the steps of
# power.plan, with a load above it, until the power goes. Each mark tells the
# journal what the legs are promised to hold from then on: what is promised less
# is told before the step that takes it away, what is promised more after it.
# vm: timeout=60 modules=dm-flakey files=tests/vm/legs.sh
. /vm/lib.sh
. legs.sh

lm_hurry

# setting NAME: power.NAME=VALUE of the kernel's command line
setting()
{
	sed -n "s/.*power\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

# mark NAME LEGS
step=0
mark()
{
	cutload --mark "$step:$1" --claims "$2"
}

# soon PHASE...: wait for one of these, and look often: what is cut off should
# be as fresh as can be.
soon()
{
	for _ in $(seq 1500); do
		phase=$(lm_field m phase)
		for wanted; do
			[ "$phase" != "$wanted" ] || return 0
		done
	done
	die "m is not $*: $(dmsetup status m)"
}

# break_leg NAME: where breaks is "power" the host does it, when it sees the mark
# before: the disk loses what it had not flushed, and then has errors.
break_leg()
{
	case "$breaks" in
	error) leg_break "$1" ;;
	writes) leg_fail_writes "$1" ;;
	esac
}

disk_answers_()
{
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
}

# mend_leg NAME
mend_leg()
{
	case "$breaks" in
	power)
		wait_until 40 disk_answers_ "$(leg_disk "$1")" ||
			die "the host does not bring back the disk under $1"
		;;
	*) leg_heal "$1" ;;
	esac
}

take_step()
{
	case "$1" in
	synced)
		soon synced
		mark synced source,dest
		;;
	cutover)
		mark cutover-sent source,dest
		lm_msg m cutover
		soon switched
		mark switched source,dest
		;;
	failback)
		mark failback-sent source,dest
		lm_msg m failback
		soon synced
		mark failed-back source,dest
		;;
	dest-fails)
		mark dest-breaks source
		break_leg d
		soon degraded
		mark dest-failed source
		broken=d
		;;
	source-fails)
		mark source-breaks dest
		break_leg s
		soon degraded
		mark source-failed dest
		broken=s
		;;
	reattach)
		mend_leg $broken
		lm_reattach m
		if [ $broken = s ]; then
			mark reattached dest
			soon switched
		else
			mark reattached source
			soon synced
		fi
		mark equal-again source,dest
		;;
	commit)
		mark commit-sent dest
		lm_msg m commit
		soon committed
		mark committed dest,no-source
		;;
	abort)
		mark abort-sent source
		lm_msg m abort
		soon aborted
		mark aborted source,no-dest
		;;
	none) ;;
	*) die "there is no step '$1'" ;;
	esac
}

seed=$(setting seed) rate=$(setting rate) breaks=$(setting breaks) metadata=
[ -z "$(setting metadata)" ] || metadata="metadata /dev/vdc"
for device in /sys/bus/pci/devices/*; do
	[ "$(cat "$device/device")" != 0x1110 ] || echo 1 >"$device/enable"
done
leg_make s /dev/vda
leg_make d /dev/vdb
# What has ended wants the one leg that is left.
# shellcheck disable=SC2086
lm_create m /dev/mapper/s /dev/mapper/d copy_rate "$rate" $metadata || {
	line="/dev/mapper/s 0 - 0"
	! kmsg_since | grep -q 'was committed and its source dropped' ||
		line="- 0 /dev/mapper/d 0"
	dmsetup create m --table "0 $(sectors /dev/vda) livemigrate $line 2 $metadata"
}

if [ "$(setting plan)" = recover ]; then
	note "first: $(dmsetup status m)"
	mark recovering ""
	dd if=/dev/mapper/m of=/dev/vdd bs=1M iflag=direct oflag=direct conv=notrunc
	case "$(lm_field m phase)" in degraded) lm_reattach m ;; esac
	soon synced switched committed aborted
	note "then: $(dmsetup status m)"
	case "$phase" in synced | switched)
		dmsetup suspend m
		legs_equal /dev/vda /dev/vdb
		dmsetup resume m
		;;
	esac
	dmsetup remove m
	dmsetup remove s
	dmsetup remove d
	exit 0
fi

mark begun source
# shellcheck disable=SC2046
cutload --dev /dev/mapper/m --seed "$seed" --flush "$(setting flush)" \
	--fua "$(setting fua)" --pause "$(setting pause)" &
load=$!
if [ -n "$metadata" ]; then
	while :; do
		cutload --mark "done $(lm_field m done)" --claims ""
		sleep 0.3
	done &
fi
for word in $(setting plan | tr , " "); do
	step=$((step + 1))
	take_step "$word"
done
wait $load
die "the load has ended: $(dmsetup status m)"
