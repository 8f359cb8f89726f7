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
data=$(mktemp)
trap 'rm -f "$data"' EXIT

status=0
trace-cmd record -q -o "$data" -e livemigrate "$@" >&2 || status=$?

trace-cmd report -i "$data" 2>/dev/null | awk '
	function value(key,    i) {
		for (i = 1; i <= NF; i++)
			if (index($i, key "=") == 1)
				return substr($i, length(key) + 2)
	}
	$0 ~ / lm_(phase|error): / { sub(/^.* lm_/, ""); $1 = $1; print; next }
	$0 ~ / lm_held: / {
		held++
		us = value("us")
		if (us > longest) { longest = us; where = value("dev") ", sector " value("sector") }
	}
	$0 ~ / lm_copy: / {
		copies++
		regions += value("regions")
		zeroes += value("zero_regions")
		took += value("us")
	}
	END {
		printf "held: %d writes%s\n", held, held ? ", at most " longest " us (" where ")" : ""
		printf "copied: %d regions and %d of zeroes in %d pieces%s\n", regions, zeroes, copies,
			copies ? sprintf(", %d us each", took / copies) : ""
	}'
exit $status
