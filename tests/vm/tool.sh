# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# For cases about the command livemigrate: sources of every kind, and how it must
# answer. A case says "livemigrate=yes", names this file in "files=", and says
# ". tool.sh".

STATES=${LIVEMIGRATE_STATE_DIR:-/var/lib/livemigrate}
TAB=${LIVEMIGRATE_TAB:-/etc/livemigrate.tab}

# To kill it at each call takes long. So it is done at every 24th, from a random one
# on (where there are few of them: every twelfth, $kill_few), or at each with CELLS=all:
#
#	n=$kill_first
#	while ...; do
#		n=$((n + kill_stride))
# shellcheck disable=SC2034 # the cases use them
kill_stride=24 kill_few=12
# shellcheck disable=SC2034
[ "${CELLS:-}" != all ] || kill_stride=1 kill_few=1
# shellcheck disable=SC2034 # the cases use it
kill_first=$(($(hexdump -n 1 -e '"%u"' /dev/urandom) % kill_stride + 1 - kill_stride))

# kill_at N WORD...: livemigrate is killed before the Nth call that changes something;
# sets status to 99, or to 0 if it made fewer.
kill_at()
{
	status=0 ka_at_=$1
	shift
	killat "$ka_at_" --from flock --changing livemigrate "$@" >/run/killed 2>&1 || status=$?
	[ $status -eq 99 ] || [ $status -eq 0 ] || die "it ended with $status: $(cat /run/killed)"
}

# tool WORD...: livemigrate succeeds.
tool()
{
	livemigrate "$@" || die "livemigrate $* ended with status $?"
}

# answers STATUS REGEX WORD...: livemigrate ends with that status, and what it
# says matches.
answers()
{
	an_want_=$1 an_regex_=$2 an_status_=0
	shift 2
	livemigrate "$@" >/run/said 2>&1 || an_status_=$?
	sed 's/^/  /' /run/said
	[ "$an_status_" -eq "$an_want_" ] ||
		die "livemigrate $* ended with status $an_status_, not $an_want_"
	grep -qE -e "$an_regex_" /run/said ||
		die "livemigrate $* does not say '$an_regex_'"
}

# snapshot: all that a command could change. (Counts of events and openers apart.)
snapshot()
{
	dmsetup ls | sort
	dmsetup table --showkeys
	dmsetup table --inactive --showkeys
	dmsetup info -c --noheadings -o name,uuid,major,minor,attr
	find $STATES -name '*.json' -exec cat {} + 2>/dev/null || :
	cat "$TAB" 2>/dev/null || :
}

# refused STATUS REGEX WORD...: as answers, and nothing has changed.
refused()
{
	snapshot >/run/before
	answers "$@"
	snapshot >/run/after
	cmp -s /run/before /run/after || {
		diff /run/before /run/after || :
		die "a refused command has changed something"
	}
	[ "$(wc -l </run/said)" -le 2 ] || die "that is more than a sentence"
}

# one_partition DEV: a partition table, of 1 MiB from sector 2048 on.
one_partition()
{
	dd if=/dev/zero of="$1" bs=512 count=1 conv=notrunc 2>/dev/null
	printf '\000\000\000\000\203\000\000\000\000\010\000\000\000\010\000\000' |
		dd of="$1" bs=1 seek=446 conv=notrunc 2>/dev/null
	printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc,fsync 2>/dev/null
}

# source_make KIND: /dev/mapper/vm1, 32 MiB, on vda and vdb. Kinds: linear,
# segments, striped, crypt, thin.
source_make()
{
	case "$1" in
	linear) dmsetup create vm1 --table "0 65536 linear /dev/vda 0" ;;
	segments)
		dmsetup create vm1 <<-TABLE
		0 30000 linear /dev/vda 40000
		30000 35536 linear /dev/vdb 8
		TABLE
		;;
	striped) dmsetup create vm1 --table "0 65536 striped 2 128 /dev/vda 64 /dev/vdb 0" ;;
	crypt)
		dmsetup create vm1 --table \
			"0 65536 crypt aes-cbc-plain64 $(printf '%064d' 123456789) 0 /dev/vda 0"
		;;
	thin)
		dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync,notrunc 2>/dev/null
		dmsetup create pool --table "0 131072 thin-pool /dev/vda /dev/vdb 128 0"
		dmsetup message pool 0 "create_thin 1"
		dmsetup create vm1 --table "0 65536 thin /dev/mapper/pool 1"
		;;
	esac
}

source_remove()
{
	dmsetup remove vm1
	[ "$1" != thin ] || dmsetup remove pool
}

# source_kept: same name, same minor, and the descriptor that was open (8) reads.
source_hold()
{
	sh_identity_=$(dmsetup info -c --noheadings -o name,uuid,major,minor vm1)
	exec 8</dev/mapper/vm1
}

source_kept()
{
	[ "$(dmsetup info -c --noheadings -o name,uuid,major,minor vm1)" = "$sh_identity_" ] ||
		die "vm1 was '$sh_identity_' and is '$(dmsetup info -c --noheadings -o name,uuid,major,minor vm1)'"
	dd bs=4096 count=1 <&8 >/dev/null 2>&1 || die "the descriptor that was open cannot be read"
}

source_let_go()
{
	exec 8<&-
}

# all_clear: nothing is left of a migration but the device itself.
all_clear()
{
	[ -z "$(dmsetup ls | grep livemigrate)" ] || die "left behind: $(dmsetup ls)"
	[ -z "$(find $STATES -name '*.json')" ] || die "left behind: $(ls $STATES)"
	[ -z "$(livemigrate list)" ] || die "still listed: $(livemigrate list)"
}

# by_id: /dev/disk/by-id/virtio-diskN, as udev would make them; disk0 is vda.
by_id()
{
	bi_n_=0
	mkdir -p /dev/disk/by-id
	for bi_disk_ in a b c d e f; do
		[ ! -b /dev/vd$bi_disk_ ] ||
			ln -sf ../../vd$bi_disk_ /dev/disk/by-id/virtio-disk$bi_n_
		bi_n_=$((bi_n_ + 1))
	done
}

# token NUMBER DEV: the newest that was written there.
token()
{
	echo "token $1" | dd of="$2" bs=512 seek=100 conv=sync,notrunc oflag=direct 2>/dev/null ||
		die "$2 cannot be written"
}

# has_token NUMBER DEV
has_token()
{
	ht_=$(dd if="$2" bs=512 skip=100 count=1 iflag=direct 2>/dev/null | tr -d '\000')
	[ "$ht_" = "token $1" ] || die "$2 has the $ht_, not $1"
}

# lies_on NAME DISK: a plain mapping, right from its beginning.
lies_on()
{
	lo_dev_=$(cat "/sys/class/block/${2##*/}/dev")
	dmsetup table "$1" | grep -q "^0 [0-9]* linear $lo_dev_ 0\$" ||
		die "$1 does not lie on $2: $(dmsetup table "$1")"
}
