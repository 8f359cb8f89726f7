#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What a migration does inside while a command runs: by the module's tracepoints, and
# trace-cmd. Prints each change of phase and each error, and at the end which of the guest's
# writes waited for others, and what was copied. As root, for all migrations of the host.
#
# Usage: watch.sh COMMAND...        (watch.sh sleep 10)

set -eu
[ $# -gt 0 ] || { sed -n 's/^# Usage: //p' "$0" >&2; exit 2; }
# Its events are known once it is loaded.
modprobe -q dm-livemigrate || :
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In a buffer of its own, that nobody else's tracing is disturbed. The command's status is
# not handed on by trace-cmd.
export WATCH_STATUS="$data/status"
trace-cmd record -q -o "$data/trace" -B livemigrate -e livemigrate \
	sh -c '"$@"; echo $? >"$WATCH_STATUS"' sh "$@" >&2 || {
	echo "watch.sh: trace-cmd has failed: see above" >&2
	exit 1
}

trace-cmd report -i "$data/trace" | awk '
	{
		for (i = 1; i <= NF; i++)
			if (split($i, word, "=") == 2)
				v[word[1]] = word[2]
	}
	$0 ~ / lm_(phase|error): / { sub(/^.* lm_/, ""); $1 = $1; print; next }
	$0 ~ / lm_held: / {
		held++
		us = v["us"] + 0
		if (us > longest) { longest = us; where = v["dev"] ", sector " v["sector"] }
	}
	$0 ~ / lm_copy: / {
		copies++
		regions += v["regions"]
		zeroes += v["zero_regions"]
		took += v["us"]
	}
	END {
		printf "held: %d writes%s\n", held, held ? ", at most " longest " us (" where ")" : ""
		printf "copied: %d regions and %d of zeroes in %d pieces%s\n", regions, zeroes, copies,
			copies ? sprintf(", %d us each", took / copies) : ""
	}'
exit "$(cat "$WATCH_STATUS")"
