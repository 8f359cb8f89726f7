# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2154 # tool.sh sets kill_first and kill_stride
# SIGKILL in the middle of livemigrate start, commit and abort: before each system
# call that changes anything (every 24th of them, but for CELLS=all), one after the
# other, until the command gets through. (At any other call it leaves what it leaves at the next of these; with every=yes
# it is killed at each, which takes an hour.) Each time the device goes on with the
# right data; list knows of whatever is left, and says what to do; and resume, or
# in every other round abort, ends it, or what it says to be begun again. Then
# nothing is left.
#
# Caught: abort, killed when the hidden device was gone but not the record, which
# was taken for a table that somebody else had put in its place.
#
# vm: livemigrate=yes disks=8M,8M,8M timeout=900
# vm: files=tests/vm/tool.sh

. /vm/lib.sh
. tool.sh

every=no
changing=--changing
[ $every = no ] || changing=

dd if=/dev/urandom of=/dev/vda bs=1M conv=notrunc 2>/dev/null || :
dd if=/dev/urandom of=/dev/vdb bs=1M conv=notrunc 2>/dev/null || :
sync

# What is on it, past the cache.
sum()
{
	dd if="$1" bs=1M count=6 iflag=direct 2>/dev/null | md5sum
}

# prepare COMMAND: all that comes before it.
prepare()
{
	dmsetup create vm1 <<-TABLE
	0 8000 linear /dev/vda 8
	8000 4288 linear /dev/vdb 0
	TABLE
	original=$(dmsetup table vm1)
	data=$(sum /dev/mapper/vm1)
	exec 8</dev/mapper/vm1
	[ "$1" != start ] || return 0
	livemigrate start vm1 --to /dev/vdc --force $options >/dev/null
	livemigrate wait vm1 >/dev/null
	[ "$1" != commit ] || livemigrate cutover vm1 >/dev/null
}

right_data()
{
	[ "$(dmsetup info -c --noheadings -o suspended vm1)" = Active ] ||
		die "$1: it is suspended"
	[ "$(sum /dev/mapper/vm1)" = "$data" ] || die "$1: the data is not right"
}

# listed: whatever is left, list tells of it, with a word of advice if need be.
listed()
{
	livemigrate list >/run/list
	if dmsetup ls | grep -q livemigrate_src || [ -n "$(find $STATES -name '*.json')" ] ||
	   dmsetup table vm1 | grep -q livemigrate; then
		grep -q '^vm1 ' /run/list || die "list does not tell of it: $(cat /run/list)"
	fi
	grep -q '^vm1 .* running\|^vm1 .* \(copying\|synced\|switched\) ' /run/list ||
		[ ! -s /run/list ] || grep -q '! .*livemigrate\|committed; the target stays' /run/list ||
		die "list gives no advice: $(cat /run/list)"
	tail -n +2 /run/list
}

# recover COMMAND WAY: one of the two must do; what then still runs is ended as
# usual.
recover()
{
	[ -s /run/list ] || return 0
	! grep -q 'committed; the target stays' /run/list || return 0
	if livemigrate "$2" vm1 >/run/said 2>&1; then
		sed 's/^/  /' /run/said
	else
		sed 's/^/  /' /run/said
		# From the dest, or after the commit, there is no way back.
		[ "$2" = abort ] && [ "$1" = commit ] || die "$2 does not end it"
		grep -qE 'runs on the dest|resume vm1' /run/said || die "$2 gives no advice"
		livemigrate resume vm1
	fi
	right_data "after $2"
	case "$(dmsetup table vm1)" in
	*"livemigrate-pin - 0 "*) return 0 ;;
	*livemigrate*) ;;
	*) return 0 ;;
	esac
	[ "$1" = start ] || [ "$2" != abort ] || [ "$1" = commit ] ||
		die "it runs, after abort"
	livemigrate wait vm1 >/dev/null
	if [ "$(lm_field vm1 active)" = dest ]; then
		livemigrate commit vm1
	else
		livemigrate abort vm1
	fi
}

# kills COMMAND WORD...: until it gets through.
kills()
{
	command=$1 n=$kill_first status=99
	while [ $status -eq 99 ]; do
		n=$((n + kill_stride)) status=0
		prepare "$command"
		# shellcheck disable=SC2086
		killat $n --from flock $changing livemigrate "$@" >/run/killed 2>&1 || status=$?
		right_data "killed at $n"
		way=resume
		[ $((n % 2)) -eq 1 ] || way=abort
		note "$command $options: $(tail -n 1 /run/killed), then $way"
		[ $status -eq 99 ] || [ $status -eq 0 ] ||
			die "it ended with status $status: $(cat /run/killed)"
		listed
		if [ $status -eq 0 ] && [ "$command" = start ]; then
			way=abort
		fi
		recover "$command" $way
		right_data "in the end"
		case "$(dmsetup table vm1)" in
		"$original") ;;
		"0 12288 linear "*) [ "$(sum /dev/vdc)" = "$data" ] || die "the dest is not right" ;;
		*"livemigrate-pin - 0 "*) [ "$(sum /dev/vdc)" = "$data" ] || die "the dest is not right" ;;
		*) die "a wrong table: $(dmsetup table vm1)" ;;
		esac
		exec 8<&-
		dmsetup remove vm1
		all_clear
	done
	[ $n -gt 8 ] || die "it has been killed $n times only"
	note "$command $options: killed at every ${kill_stride}th of $n calls"
}

options=
kills start vm1 --to /dev/vdc --force
kills commit vm1
kills abort vm1
# Other tables take the target's place then.
options=--pinned
kills commit vm1
kills abort vm1
