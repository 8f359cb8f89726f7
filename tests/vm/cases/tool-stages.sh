# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What livemigrate makes of a migration that is not as it left it: another table put
# in its place, by hand or back to the source; the device removed, with metadata and
# without; the host booted since (the record says another boot); the device renamed;
# suspended; a migration that dmsetup began; a record that is damaged or lost; a leg
# that fails. And the small commands: pause, resume, rate, reattach.
#
# Caught: abort of a renamed device, which lost sight of its record half-way;
# a device made anew that was taken for the old one.
#
# vm: livemigrate=sanitized disks=32M,32M,32M,8M timeout=300
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh modules=dm-flakey,dm-delay

. /vm/lib.sh
. legs.sh
. tool.sh

make_vm1()
{
	dmsetup create vm1 --table "0 65536 linear /dev/vda 0"
}
dd if=/dev/urandom of=/dev/vda bs=1M count=32 conv=fsync,notrunc 2>/dev/null
data=$(md5sum </dev/vda)
right()
{
	[ "$(md5sum </dev/mapper/"${1:-vm1}")" = "$data" ] || die "the data has changed"
}

note "--- pause, rate, resume"
make_vm1
tool start vm1 --to /dev/vdb --paused --rate 2M
lm_is vm1 running paused || die "it is not paused"
lm_is vm1 copy_rate 2048 || die "the rate is not 2048"
answers 0 'copier paused, at most 2048 KiB/s' status vm1
tool resume vm1
lm_wait_above vm1 done 0
tool pause vm1
lm_is vm1 running paused || die "it is not paused again"
answers 0 'at most 51200 KiB/s' rate vm1 50M
lm_is vm1 copy_rate 51200 || die "the rate is not 51200"
answers 0 'without limit' rate vm1 0
tool resume vm1
tool wait vm1

note "--- by all its names"
major=$(dmsetup info -c --noheadings -o major vm1) minor=$(dmsetup info -c --noheadings -o minor vm1)
mkdir -p /dev/vg && ln -s ../mapper/vm1 /dev/vg/vm1
for name in vm1 /dev/mapper/vm1 "$major:$minor" "/dev/block/$major:$minor" vg/vm1 /dev/vg/vm1; do
	[ "${name#/dev/block}" = "$name" ] || { mkdir -p /dev/block; mknod "$name" b "$major" "$minor"; }
	answers 0 '^vm1, 32.0 MiB: synced' status "$name"
done

note "--- renamed behind our back"
dmsetup rename vm1 vm2
answers 0 '^vm2 +synced' list
tool cutover vm2
right vm2
tool failback vm2
tool abort vm2
all_clear
dmsetup rename vm2 vm1

note "--- suspended behind our back"
tool start vm1 --to /dev/vdb --force
tool wait vm1
dmsetup suspend vm1
answers 0 'it is suspended, and all its I/O waits: "livemigrate resume vm1"' list
tool resume vm1
right

note "--- commit cut off before the kernel heard of it, and then the dest failed: here, failback"
tool cutover vm1
dmsetup message vm1 0 failback
sed -i 's/"step": *"run"/"step":"commit"/' $STATES/vm1.json
answers 0 '! commit was interrupted before it began, and it runs on the source: "livemigrate resume vm1"' list
answers 0 'commit had not begun, and cannot: the migration goes on' resume vm1
grep -q '"step": *"run"' $STATES/vm1.json || die "$(cat $STATES/vm1.json)"
right

note "--- the original table put back behind our back, as lvm2 does"
lm_load vm1 "0 65536 linear /dev/vda 0"
answers 0 '! somebody has put another table in its place.*/dev/vdb is stale; "livemigrate abort vm1" clears up' list
refused 3 'somebody has put another table' resume vm1
refused 3 'somebody has put another table' cutover vm1
refused 3 'somebody has put another table' commit vm1
refused 3 'somebody has put another table' start vm1 --to /dev/vdc --force
refused 3 'replaced: somebody has put another table' wait vm1
tool abort vm1
all_clear
right

note "--- the device removed, without metadata"
tool start vm1 --to /dev/vdb --force
tool wait vm1
dmsetup remove vm1
answers 0 '! the device was removed: the source is complete, unless .* its failure, and /dev/vdb is not' list
refused 3 'the device was removed' resume vm1
tool abort vm1
all_clear

note "--- and with metadata, the device made again"
make_vm1
dd if=/dev/zero of=/dev/vdd bs=1M count=8 conv=fsync,notrunc 2>/dev/null
tool start vm1 --to /dev/vdb --metadata /dev/vdd --force
tool wait vm1
dmsetup remove vm1
answers 0 'the device was removed: if nobody has used the device since, "livemigrate resume vm1" goes on with its metadata' list
refused 3 'There is no device vm1 yet' resume vm1
make_vm1
exec 7</dev/mapper/vm1
answers 3 'in use already' resume vm1
exec 7<&-
tool resume vm1
tool wait vm1
[ "$(lm_field vm1 restored)" -gt 0 ] || die "it has begun anew: $(dmsetup status vm1)"
answers 0 'metadata +/dev/vdd: ok' status vm1

note "--- another boot"
dmsetup remove vm1
dmsetup remove vm1-livemigrate_src
sed -i 's/"boot": *"[^"]*"/"boot":"another"/' $STATES/vm1.json
answers 0 'the host has booted since: if nobody has used the device since, "livemigrate resume vm1" goes on' list
make_vm1
tool resume vm1
tool wait vm1
tool cutover vm1
right
tool commit vm1
all_clear
right
dmsetup remove vm1
make_vm1

note "--- another boot, during commit"
tool start vm1 --to /dev/vdb --force
tool wait vm1
dmsetup remove vm1
dmsetup remove vm1-livemigrate_src
sed -i 's/"boot": *"[^"]*"/"boot":"another"/; s/"step": *"run"/"step":"commit"/' $STATES/vm1.json
make_vm1
answers 0 'booted since, during commit: the newest data may be on /dev/vdb' list
refused 3 'vm1: the host has booted since, during commit' boot
refused 3 'during commit' resume vm1
refused 3 'during commit' abort vm1
refused 3 'during commit' commit vm1
tool abort vm1 --force
all_clear

note "--- begun with dmsetup"
lm_load vm1 "0 65536 livemigrate /dev/vda 0 /dev/vdb 0"
answers 0 '! it was not started by livemigrate' list
tool wait vm1
refused 3 'commit is refused' commit vm1
tool cutover vm1
tool commit vm1
dmsetup table vm1 | grep -q "linear 254:16 0" || die "$(dmsetup table vm1)"
all_clear
lm_load vm1 "0 65536 linear /dev/vda 0"
lm_load vm1 "0 65536 livemigrate /dev/vda 0 /dev/vdb 0"
tool abort vm1
dmsetup table vm1 | grep -q "linear 254:0 0" || die "$(dmsetup table vm1)"
all_clear

note "--- a record that is damaged, and one that is lost"
tool start vm1 --to /dev/vdb --force
truncate -s 100 $STATES/vm1.json
answers 1 'vm1.json cannot be read' list
answers 1 'vm1.json cannot be read' boot --timeout 1
rm $STATES/vm1.json
answers 0 '! it was not started by livemigrate' list
tool wait vm1
tool abort vm1
all_clear

note "--- a dest that fails"
leg_make dst /dev/vdb
tool start vm1 --to /dev/mapper/dst --force
tool wait vm1
leg_break dst
dd if=/dev/vda of=/dev/mapper/vm1 bs=4096 count=1 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase vm1 degraded
answers 5 'dest +/dev/mapper/dst .*: failed or detached' status vm1
answers 5 'degraded: the dest has failed' wait vm1
answers 3 'cutover is refused' cutover vm1
leg_heal dst
answers 0 'both legs take part' reattach vm1
tool wait vm1
answers 0 'none differ' verify vm1
note "--- a dest that is not the same: verify says so"
tool pause vm1
tool resume vm1
dd if=/dev/urandom of=/dev/vdb bs=4096 seek=100 count=3 oflag=direct conv=notrunc 2>/dev/null
answers 8 'the legs differed in 3 regions, the first at sector 800' verify vm1
tool wait vm1
tool abort vm1
all_clear
right

note "--- a dest that hangs while it is let go: abort waits for it, and can be finished by another"
load_start /dev/mapper/vm1 --rate 50 --mix w=100
dmtable dst "0 65536 linear /dev/vdb 0"
tool start vm1 --to /dev/mapper/dst --force --standby-timeout 1
tool wait vm1
dmsetup suspend --noflush --nolockfs dst
lm_wait_phase vm1 degraded
bg abort livemigrate abort vm1
wait_until 10 grep -q 'is under way' /run/abort.log || die "it does not wait: $(cat /run/abort.log)"
answers 0 'abort is under way, and I/O is still in flight' list
bg_kill abort KILL
# What is under way is not that.
answers 3 'commit is refused' commit vm1
answers 0 'abort is under way, and I/O is still in flight' list
bg other livemigrate resume vm1
wait_until 10 grep -q 'is under way' /run/other.log || die "the other does not wait: $(cat /run/other.log)"
dmsetup resume dst
bg_end other
all_clear
load_alive
load_stop
load_check /dev/vda
dmsetup remove vm1

note "--- a source that hangs while it is let go, and two wait for it; pinned"
dmtable dst "0 65536 linear /dev/vdb 0"
dmsetup create src --table "0 65536 linear /dev/vda 0"
dmsetup create vm1 --table "0 65536 linear /dev/mapper/src 0"
tool start vm1 --to /dev/mapper/dst --force --pinned --standby-timeout 1
tool wait vm1
tool cutover vm1
dmsetup suspend --noflush --nolockfs src
dd if=/dev/zero of=/dev/mapper/vm1 bs=4096 count=1 oflag=direct conv=notrunc 2>/dev/null
lm_wait_phase vm1 degraded
for waiter in one two; do
	bg $waiter livemigrate commit vm1
	wait_until 10 grep -q 'is under way' /run/$waiter.log || die "$waiter does not wait: $(cat /run/$waiter.log)"
done
answers 3 'abort is refused' abort vm1
answers 0 'commit is under way, and I/O is still in flight' list
dmsetup resume src
bg_end one
bg_end two
[ -z "$(ls $STATES/*.json 2>/dev/null)" ] || die "a record is left"
dmsetup table vm1 | grep -q 'livemigrate-pin - 0 ' || die "it does not rest: $(dmsetup table vm1)"

note "--- a commit that was cut off, and is not meant any more"
tool start vm1 --to /dev/mapper/src --force
tool wait vm1
tool cutover vm1
export ASAN_OPTIONS=detect_leaks=0
n=0
until grep -q '"step": *"commit"' $STATES/vm1.json; do
	n=$((n + 1))
	kill_at $n commit vm1
	# shellcheck disable=SC2154 # kill_at sets it
	[ $status -eq 99 ] || die "commit never begins"
done
[ "$(lm_field vm1 phase)" = switched ] || die "the kernel has been told: $(dmsetup status vm1)"
tool failback vm1
grep -q '"step": *"run"' $STATES/vm1.json || die "commit is recorded still: $(cat $STATES/vm1.json)"
tool abort vm1
dmsetup remove vm1
dmsetup remove src
dmsetup remove dst
