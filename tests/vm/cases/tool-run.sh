# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# livemigrate run, all five steps by one command, under a load that verifies: what
# it prints into a pipe, held against what is expected; how it moves on a terminal;
# Ctrl-C there, with each answer; a signal elsewhere, and taking it up again; a
# destination that fails while it is watched. And list --watch and --json, held
# against their schema.
#
# vm: livemigrate=sanitized disks=32M,32M,32M,32M:bps=8M timeout=240
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh bins=script,jq
# vm: modules=dm-flakey

. /vm/lib.sh
. legs.sh
. tool.sh

mkdir -p /dev/pts
mount -t devpts devpts /dev/pts

dd if=/dev/urandom of=/dev/vda bs=1M count=20 conv=notrunc,fsync 2>/dev/null
make_vm1()
{
	dmsetup create vm1 --table "0 65536 linear /dev/vda 0"
}
plain_dest()
{
	dmsetup table vm1 | grep -q '^0 65536 linear ' || die "not committed: $(dmsetup table vm1)"
	all_clear
	dmsetup remove vm1
}

# without_numbers FILE: counts and speeds differ each time, and so do the lines
# between the first and the last tenth.
without_numbers()
{
	sed -E 's/[0-9]+ guest writes/N guest writes/; s/, [0-9.]+ MiB\/s, [0-9:]+ left//
		s/[0-9]+ regions compared/N regions compared/
		s/; some were skipped,.*all the time//
		/copying [0-9.]+%/d' "$1" | uniq
}

note "--- into a pipe"
make_vm1
load_start /dev/mapper/vm1 --rate 200 --mix w=60,r=40
tool run vm1 --to /dev/vdb --verify --failback-window 3s >/run/out 2>/run/err
load_alive
load_stop
load_check /dev/vdb
cat /run/out
without_numbers /run/out >/run/said
cat >/run/expected <<'TEXT'
vm1: synced 100.0%, N guest writes mirrored
vm1: comparing the legs.
vm1: N regions compared, none differ.
vm1 runs on the dest, /dev/vdb; the source stays mirrored.
vm1: watching the dest for 0:03 before the source is let go.
vm1: switched 100.0%, N guest writes mirrored
vm1: the source, the device /dev/vda, is left as it was.
vm1: whatever makes it at boot (crypttab, kpartx, a script) still makes it on the source: let that name the dest before.
vm1 runs on /dev/vdb alone.
TEXT
diff /run/expected /run/said || die "it does not say what is expected"
[ ! -s /run/err ] || die "it also says: $(cat /run/err)"
plain_dest

note "--- on a terminal"
make_vm1
script -qfec "stty cols 120; livemigrate run vm1 --to /dev/vdd --force" /run/typescript </dev/null >/dev/null ||
	die "run has failed: $(cat /run/typescript)"
tr '\r' '\n' </run/typescript | sed "s/$(printf '\033')\[K//" >/run/lines
grep -qE '^vm1: copying \[#*\.+\] [0-9.]+%, [0-9.]+ MiB/s, [0-9:]+ left, [0-9]+ guest writes mirrored' /run/lines ||
	die "no bar moves: $(cat /run/lines)"
grep -q '^vm1: synced \[########################\] 100.0%' /run/lines || die "it is never full: $(cat /run/lines)"
grep -q '^vm1 runs on /dev/vdd alone' /run/lines || die "no end: $(cat /run/lines)"
plain_dest

script_ended()
{
	grep -q COMMAND_EXIT_CODE /run/typescript
}

# ctrl_c ANSWER: it is asked for, 2 s after the start. The keyboard stays there for
# as long as the program does, and no longer, or the copy would end meanwhile.
ctrl_c()
{
	rm -f /run/typescript
	(sleep 2; printf '\003'; sleep 1; printf '%s\n' "$1"; wait_until 60 script_ended) |
		script -qfec "livemigrate run vm1 --to /dev/vdd --force --rate 2M" \
			/run/typescript >/dev/null || :
	tr '\r' '\n' </run/typescript | tail -n 4
	grep -q '\[g\]o on, \[l\]eave it running, or \[a\]bort' /run/typescript ||
		die "it does not ask"
}

note "--- Ctrl-C: abort"
make_vm1
ctrl_c a
grep -q 'COMMAND_EXIT_CODE="130"' /run/typescript || die "not 130"
dmsetup table vm1 | grep -q ' linear 254:0 0' || die "not the original: $(dmsetup table vm1)"
all_clear

note "--- Ctrl-C: leave it running"
ctrl_c l
grep -q 'COMMAND_EXIT_CODE="130"' /run/typescript || die "not 130"
grep -q 'goes on migrating' /run/typescript || die "it does not say so"
[ "$(lm_field vm1 phase)" = copying ] || die "it does not copy any more"

note "--- Ctrl-C: go on, with what was left running"
ctrl_c g
grep -q 'going on with that' /run/typescript || die "it has not taken it up"
grep -q 'COMMAND_EXIT_CODE="0"' /run/typescript || die "not 0"
plain_dest

note "--- a signal where there is no terminal"
make_vm1
for begun in "" "going on with that"; do
	bg run livemigrate run vm1 --to /dev/vdd --force --rate 2M
	wait_until 10 grep -q copying /run/run.log
	bg_kill run TERM
	status=0
	wait "$(cat /run/run.pid)" || status=$?
	[ $status -eq 130 ] || die "it ended with $status"
	grep -q 'goes on migrating' /run/run.log || die "it says nothing"
	grep -q "$begun" /run/run.log || die "it has not been taken up: $(cat /run/run.log)"
	[ "$(lm_field vm1 phase)" = copying ] || die "it does not copy any more"
done

note "--- list, in all its forms"
answers 0 '^vm1 +copying +source +[0-9.]+% +/dev/vdd$' list
bg watch livemigrate list --watch --json
tool status vm1 --json >/run/json
jq -e '.schema == "livemigrate" and .version == 1 and (.migrations | length) == 1' /run/json >/dev/null ||
	die "not the schema: $(cat /run/json)"
cat >/run/schema <<'JQ'
.migrations[] | [
	.name == "vm1", .uuid == null, (.device | test("^253:[0-9]+$")), .size == 33554432,
	.stage == "running", .step == "run", .pinned == false, .metadata == null, .note == null,
	(.source | .path == "/dev/mapper/vm1-livemigrate_src" and .health == "A" and (.device | type) == "string"),
	(.dest | .path == "/dev/vdd" and .device == "254:48" and .health == "A"),
	.phase == "copying", .active == "source", .paused == false, .region_size == 4096,
	.total == 8192, (.done | type) == "number", (.percent | type) == "number",
	.first_error == null, .first_unreadable == null, .verify == null, .first_mismatch == null,
	(.counters | keys == ["cleared", "copied", "copy_rate", "held", "held_max_us", "in_flight",
		"mirrored", "mismatches", "read_errors", "restored", "unreadable", "verified",
		"verify_skipped", "write_errors", "written_skipped", "zero_skipped"]),
	(.counters | map(type == "number") | all),
	(keys - ["name", "uuid", "device", "size", "stage", "step", "pinned", "source", "dest",
		"metadata", "note", "phase", "active", "paused", "region_size", "done", "total",
		"percent", "counters", "first_error", "first_unreadable", "verify",
		"first_mismatch"] | length == 0)
] | if all then "good" else tostring end
JQ
[ "$(jq -r -f /run/schema /run/json)" = good ] ||
	die "not the schema: $(jq -c -f /run/schema /run/json) $(cat /run/json)"
tool rate vm1 0
tool wait vm1
tool cutover vm1
tool commit vm1
wait_until 10 grep -q '"migrations":\[\]' /run/watch.log
bg_end watch TERM >/dev/null
for phase in copying synced switched; do
	grep -q "\"phase\":\"$phase\"" /run/watch.log || die "list --watch has missed $phase"
done
jq -e '.version == 1' /run/watch.log >/dev/null || die "a line is no JSON"
plain_dest

note "--- a name that JSON and terminals do not like"
name='a"b\c$'
dmsetup create --manglename none "$name" --table "0 65536 linear /dev/vda 0"
tool start "$name" --to /dev/vdb --force
[ "$(livemigrate list --json | jq -r '.migrations[0].name')" = "$name" ] ||
	die "the name is $(livemigrate list --json)"
tool abort "$name"
dmsetup remove --manglename none "$name"
all_clear

note "--- the destination fails while it is watched"
make_vm1
leg_make dst /dev/vdc
load_start /dev/mapper/vm1 --rate 200
bg run livemigrate run vm1 --to /dev/mapper/dst --failback-window 60
wait_until 60 grep -q 'watching the dest' /run/run.log
leg_break dst
status=0
wait "$(cat /run/run.pid)" || status=$?
cat /run/run.log
[ $status -eq 5 ] || die "it ended with $status, not 5"
grep -q 'reattach vm1' /run/run.log || die "it does not say what to do"
[ "$(lm_field vm1 active)" = source ] || die "not on the source"
answers 5 'degraded, runs on the source' status vm1
load_alive
leg_heal dst
wait_until 10 livemigrate reattach vm1 || die "it cannot be reattached"
tool wait vm1
tool verify vm1
tool abort vm1
load_stop
load_check /dev/vda
all_clear
dmsetup remove vm1
dmsetup remove dst
