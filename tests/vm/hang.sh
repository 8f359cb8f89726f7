# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# For cases about a leg that hangs, and who may not be kept waiting by it. Such a case
# sets $answer, the seconds after which the leg answers, names this file in "files=",
# and says ". hang.sh".

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
