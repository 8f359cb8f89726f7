# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What others see of a migration while it runs.
#
# 1. Uevents: a rule of udev hears of each phase but the first, of one in a second, and of
#    the last one always, also if a plain table takes the migration's place at once; a table
#    that is loaded anew tells nothing twice, and none that is suspended tells anything. A leg
#    that is dropped while it does not answer is not told as failed.
# 2. Tracepoints, by the script of the examples and by trace-cmd: what they say of copies
#    adds up to the status, as do writes that were held; phases and errors are told.
#
# One processor, as tracing changes the kernel's code: see smp_arguments in tests/common.sh.
#
# vm: disks=16M,16M,16M modules=dm-flakey,dm-delay kernels=6.1,6.12,7.x timeout=120 smp=1
# vm: bins=trace-cmd,udevadm,systemd-escape,/lib/systemd/systemd-udevd,/usr/lib/udev/rules.d/55-dm.rules,/usr/lib/udev/rules.d/60-persistent-storage-dm.rules,/usr/lib/udev/rules.d/95-dm-notify.rules
# vm: files=tests/vm/legs.sh,examples/watch.sh,examples/91-livemigrate-notify.rules
# Caught: an uevent that is not sent again after a table was loaded in between, one for each
# change, one while suspended, "committed" lost to the table that came next, "degraded" of a
# leg that was being dropped, zeroes that are counted as data.

. /vm/lib.sh
. legs.sh

unset DM_DISABLE_UDEV
mkdir -p /run/udev /etc/udev/rules.d /usr/lib/udev/rules.d
cp /vm/tools/91-livemigrate-notify.rules /etc/udev/rules.d/
cat >/etc/udev/rules.d/92-all.rules <<'EOF'
ENV{DM_ACTION}=="LIVEMIGRATE_PHASE", RUN+="/usr/bin/heard $env{DM_NAME} $env{LIVEMIGRATE_PHASE} $env{LIVEMIGRATE_ACTIVE} $env{DM_TARGET}"
EOF
cat >/usr/bin/heard <<'EOF'
#!/bin/sh
echo "$*" >>/run/heard
EOF
# What the rule of the examples would start.
cat >/usr/bin/systemctl <<'EOF'
#!/bin/sh
echo "$*" >>/run/started
EOF
chmod +x /usr/bin/heard /usr/bin/systemctl
: >/run/heard
/lib/systemd/systemd-udevd --daemon || die "udev does not start"

heard_() { [ "$(tail -n 1 /run/heard)" = "$*" ]; }

# heard NAME PHASE LEG: that was the last of all.
heard()
{
	wait_until 10 heard_ "$@" livemigrate || die "udev has not heard '$*' at last but: $(cat /run/heard)"
}

# quiet: nothing is under way, in the kernel or in udev.
quiet()
{
	sleep 1.5
	udevadm settle --timeout=30 || die "udev does not come to an end"
}

# heard_nothing: since quiet was called last before lines were counted.
heard_nothing()
{
	quiet
	[ "$(wc -l </run/heard)" -eq "$lines" ] || die "udev has heard $1: $(tail -n 3 /run/heard)"
}

note "--- uevents"
dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null
leg_make l /dev/vdb
lm_create m /dev/vda /dev/mapper/l paused
lines=0
heard_nothing "of the phase that it begins with"
lm_msg m resume
heard m synced source
lm_msg m cutover
heard m switched dest

# Many at once: one a second, and the last one.
quiet
lines=$(wc -l </run/heard)
from=$(now_ms)
for _ in 1 2 3 4 5 6 7 8 9 10; do
	lm_msg m failback
	lm_msg m cutover
done
lm_msg m failback
took=$((($(now_ms) - from) / 1000))
[ "$took" -lt 10 ] || die "21 messages took $took s"
quiet
heard m synced source
now=$(($(wc -l </run/heard) - lines))
[ "$now" -ge 1 ] && [ "$now" -le $((took + 2)) ] || die "$now uevents in $took s"
note "21 changes of phase in $took s: $now uevents"

# The same phase, in another table.
lines=$(wc -l </run/heard)
lm_load m "$(lm_table m)"
heard_nothing "the same again, of another table"

# One that is due when the table goes: so soon after the first.
lm_msg m cutover
sleep 0.3
lm_msg m failback
lm_load m "$(lm_table m)"
quiet
heard m synced source

# Not while it is suspended, but then.
dmsetup suspend m
lines=$(wc -l </run/heard)
lm_msg m cutover
heard_nothing "of a device that is suspended"
dmsetup resume m
heard m switched dest

# The dest is dropped, but has something yet, and the change before that is not told yet.
quiet
lm_msg m failback
heard m synced source
lm_msg m cutover
leg_hang l
dd if=/dev/zero of=/dev/mapper/m bs=4k count=1 oflag=direct 2>/dev/null &
lm_wait_above m in_flight 0
lm_msg m failback
lm_msg m abort 2>/dev/null && die "abort did not wait for the leg"
quiet
[ "$(tail -n 1 /run/heard)" = "m synced source livemigrate" ] || die "a leg that is dropped was told of as $(tail -n 1 /run/heard)"
leg_unhang l
wait
heard m aborted source
dmsetup remove --retry m

# Committed, and a plain table at once.
lm_create m /dev/vda /dev/mapper/l
heard m synced source
lm_msg m cutover
lm_msg m commit
lm_load m "0 $(sectors /dev/vda) linear /dev/mapper/l 0"
heard m committed dest

# Degraded, and removed.
dmsetup remove --retry m
lm_create m /dev/vda /dev/mapper/l
heard m synced source
leg_fail_all l
dd if=/dev/zero of=/dev/mapper/m bs=4k count=1 oflag=direct 2>/dev/null
heard m degraded source
lm_drop m abort
heard m aborted source
udevadm settle --timeout=30
dmsetup remove --retry m
leg_heal l

# That there are no others, and none twice.
grep -v '^m [a-z]* \(source\|dest\) livemigrate$' /run/heard && die "a word was heard that nobody has said"
[ -z "$(uniq -d /run/heard)" ] || die "it was told twice: $(uniq -d /run/heard)"
for phase in synced degraded committed; do
	grep -q "^start --no-block livemigrate-notify@m:$phase.service\$" /run/started ||
		die "the rule of the examples has not started livemigrate-notify@m:$phase.service: $(cat /run/started)"
done
grep -qE 'copying|switched|aborted' /run/started && die "the rule has started too much: $(cat /run/started)"

note "--- tracepoints"
# As much data as zeroes.
dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=fsync,notrunc 2>/dev/null
cat >/run/all <<'EOF'
set -eu
. /vm/lib.sh
. legs.sh
leg_disk_l=/dev/vdb
dmsetup create m --table "0 32768 livemigrate /dev/vda 0 /dev/mapper/l 0"
lm_wait_phase m synced
dmsetup status m >/run/status
# Two to the same sectors: one waits.
leg_slow l 1000
dd if=/dev/zero of=/dev/mapper/m bs=8k count=1 seek=10 oflag=direct 2>/dev/null &
sleep 0.3
dd if=/dev/zero of=/dev/mapper/m bs=8k count=1 seek=10 oflag=direct 2>/dev/null
wait
leg_fail_all l
dd if=/dev/zero of=/dev/mapper/m bs=4k count=1 seek=3 oflag=direct 2>/dev/null
lm_wait_phase m degraded
dmsetup status m >>/run/status
exit 3
EOF
mount -t tracefs tracefs /sys/kernel/tracing
# As the guest sees it, to the block.
minor=$(dmsetup info -c --noheadings -o minor l)
status=0
sh /vm/tools/watch.sh sh /run/all >/run/seen || status=$?
[ $status -eq 3 ] || die "watch.sh ended with status $status, not with its command's, 3: $(cat /run/seen)"
cat /run/seen
told()
{
	grep -qE "^$1\$" /run/seen || die "watch.sh does not say '$1'"
}
dev="dev=[0-9]+:$((minor + 1))"
told "phase: $dev phase=synced was=copying active=source"
told "phase: $dev phase=degraded was=synced active=source"
told "error: $dev leg=dest op=write sector=24 error=-5"
copied=$(awk 'NR == 1 { for (i = 12; i < 40; i += 2) if ($i == "copied") print $(i + 1) }' /run/status)
zeroes=$(awk 'NR == 1 { for (i = 12; i < 40; i += 2) if ($i == "zero_skipped") print $(i + 1) }' /run/status)
held=$(awk 'NR == 2 { for (i = 12; i < 40; i += 2) if ($i == "held") print $(i + 1) }' /run/status)
[ "$copied" = 2048 ] && [ "$zeroes" = 2048 ] && [ "$held" = 1 ] ||
	die "that is not what was to happen: copied $copied, zero_skipped $zeroes, held $held"
told "copied: $copied regions and $zeroes of zeroes in [0-9]+ pieces, [0-9]+ us each"
us=$(awk 'NR == 2 { for (i = 12; i < 40; i += 2) if ($i == "held_max_us") print $(i + 1) }' /run/status)
told "held: 1 writes, at most $us us \\([0-9]+:$((minor + 1)), sector 160\\)"
[ "$us" -gt 100000 ] || die "it was held for $us us only"
udevadm settle --timeout=30
dmsetup remove --retry m
dmsetup remove --retry l
udevadm control --exit
