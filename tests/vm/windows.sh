# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What a load "bg stamp stamp --latency ..." says of each window of its time. A case names
# this file in "files=", and says ". windows.sh".

windows=0

# window_end: one ends and the next begins; it is told of.
window_end()
{
	windows=$((windows + 1))
	bg_kill stamp USR1
	wait_until 5 said_windows_ || die "stamp says no more: $(cat /run/stamp.log)"
}

said_windows_()
{
	[ "$(grep -c '^window' /run/stamp.log)" -ge $windows ]
}

# window_longest: the longest write of the last window, microseconds.
window_longest()
{
	grep '^window' /run/stamp.log | tail -n 1 | sed 's/.*max_us=\([0-9]*\).*/\1/'
}
