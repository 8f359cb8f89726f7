# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Two at once: whoever comes second waits, or is told who is at work; nobody who
# only looks waits. And many at once, on devices of their own and on the same one:
# each ends with a status that fits, one of them has done it, and no record is torn.
#
# Caught: a record that went while list read the folder, and was called damaged.
#
# vm: livemigrate=yes disks=16M,16M,16M,16M timeout=200
# vm: files=tests/vm/tool.sh bins=flock,jq

. /vm/lib.sh
. tool.sh

dmsetup create vm1 --table "0 32768 linear /dev/vda 0"
mkdir -p $STATES

note "--- somebody holds the lock for a while"
bg holder /usr/bin/flock -o $STATES/lock sh -c 'echo "commit other (process 1)" >'$STATES'/lock; sleep 4'
wait_until 10 grep -q other $STATES/lock
start=$(now_ms)
answers 0 'Another livemigrate is at work \(commit other \(process 1\)\): waiting for it' \
	start vm1 --to /dev/vdb --paused
took=$(($(now_ms) - start))
[ $took -ge 1000 ] || die "it has not waited: $took ms"
bg_end holder

note "--- and for too long"
bg holder /usr/bin/flock -o $STATES/lock sh -c 'echo "commit other (process 1)" >'$STATES'/lock; sleep 60'
wait_until 10 grep -q other $STATES/lock
answers 0 '^vm1 .*copying' list
answers 0 'copying, runs on the source' status vm1
refused 6 'still at work \(commit other \(process 1\)\): try again' abort vm1
bg_kill holder KILL
wait_until 10 /usr/bin/flock -n $STATES/lock true
tool abort vm1
all_clear

note "--- ten at once for the same"
for i in $(seq 10); do
	bg start$i livemigrate start vm1 --to /dev/vdb --force
done
good=0
for i in $(seq 10); do
	status=0
	wait "$(cat /run/start$i.pid)" || status=$?
	case $status in
	0) good=$((good + 1)) ;;
	3) grep -q 'migrates already' /run/start$i.log || die "$(cat /run/start$i.log)" ;;
	*) die "start $i ended with $status: $(cat /run/start$i.log)" ;;
	esac
done
[ $good -eq 1 ] || die "$good of ten have started it"
tool wait vm1
tool cutover vm1
for i in $(seq 6); do
	bg commit$i livemigrate commit vm1
done
for i in $(seq 6); do
	status=0
	wait "$(cat /run/commit$i.pid)" || status=$?
	case $status in
	0 | 4) ;;
	*) die "commit $i ended with $status: $(cat /run/commit$i.log)" ;;
	esac
done
all_clear
dmsetup table vm1 | grep -q linear || die "$(dmsetup table vm1)"

note "--- start and abort against each other, and somebody looking on"
dmsetup create vm2 --table "0 32768 linear /dev/vdc 0"
(while :; do livemigrate list --json | jq -e '.version == 1' >/dev/null || echo BAD; done) >/run/looks 2>&1 &
looker=$!
for i in $(seq 8); do
	bg a livemigrate start vm2 --to /dev/vdd --force
	bg b livemigrate abort vm2
	bg c livemigrate start vm2 --to /dev/vdd --force
	bg d livemigrate cutover vm2 --timeout 0
	for w in a b c d; do
		status=0
		wait "$(cat /run/$w.pid)" || status=$?
		case $status in
		0 | 3 | 4) ;;
		*) die "$w ended with $status: $(cat /run/$w.log)" ;;
		esac
	done
	livemigrate failback vm2 >/dev/null 2>&1 || :
	livemigrate abort vm2 >/dev/null 2>&1 || :
	all_clear
done
kill $looker
[ ! -s /run/looks ] || die "list saw what cannot be: $(head -n 3 /run/looks)"
dmsetup remove vm1
dmsetup remove vm2
