# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# For cases about a leg that hangs, and who may not be kept waiting by it. Such a case
# sets $answer, the seconds after which the leg answers, names this file in "files=",
# and says ". hang.sh".

# slow NAME MIB NANOSECONDS [ATTRIBUTE=VALUE...]: $slow, a null_blk disk which has room
# for four at a time, each of which takes so long; what sysfs has of it: $slow_queue.
slow()
{
	sl_name_=$1 sl_size_=$2 sl_time_=$3
	shift 3
	nullb "$sl_name_" "$sl_size_" irqmode=2 completion_nsec="$sl_time_" hw_queue_depth=4 \
		submit_queues=1 queue_mode=2 "$@"
	# shellcheck disable=SC2154 # nullb sets it
	slow=$nullb_dev_
	slow_queue=/sys/block/${slow#/dev/}/queue
	# The block layer has a patience of its own.
	echo 600000 >"$slow_queue/io_timeout"
	[ "$(cat "$slow_queue/nr_requests")" -le 4 ] ||
		die "null_blk has more room than asked for"
}

# hang_make MIB [ATTRIBUTE=VALUE...]: the same, $hang, which answers after $answer seconds.
hang_make()
{
	hm_size_=$1
	shift
	# shellcheck disable=SC2154 # the case sets it
	slow hang "$hm_size_" $((answer * 1000000000)) "$@"
	# shellcheck disable=SC2034 # the case uses it
	hang=$slow
}

# over NAME DISK: what lay on another disk lies on this one, without waiting.
over()
{
	dmsetup load "$1" --table "0 $(sectors "/dev/mapper/$1") linear $2 0"
	dmsetup resume --noflush --nolockfs "$1"
}

# clock_starts: for within
clock_starts()
{
	cs_began_=$(now_ms)
}

# within WHAT SECONDS: since clock_starts no more have passed.
within()
{
	took=$((($(now_ms) - cs_began_) / 1000))
	note "$1 after $took s"
	# shellcheck disable=SC2154 # the case sets it
	[ "$took" -le "$2" ] || die "$1 took $took s, and the leg answers after $answer s: it was waited for"
}

# suspend_ends: it waits for nobody who sleeps in a leg; the case sets $soon.
suspend_ends()
{
	clock_starts
	timeout 60 dmsetup suspend m || die "suspend hangs"
	# shellcheck disable=SC2154 # the case sets it
	within "suspend" "$soon"
	dmsetup resume m
}

# all_end WHAT NUMBER...: the processes in $WHAT_NUMBER have ended well.
all_end()
{
	ae_what_=$1
	shift
	for ae_; do
		eval "wait \$${ae_what_}_$ae_" || die "a $ae_what_ has failed"
	done
}

# all_is_back ROUNDS: what hangs comes back in the end, as many at a time as there is
# room for.
all_is_back()
{
	lm_msg m pause
	wait_until $((answer * $1)) sh -c 'dmsetup message m 0 reattach 2>/dev/null' ||
		die "what was sent never came back: $(dmsetup status m)"
}
