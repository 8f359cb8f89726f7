# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# TAP for the scripts here. Sourced; $suite and $tmp are theirs.
# shellcheck disable=SC2154

number=0 failed=0 status=0

# attempt DESCRIPTION COMMAND...: one test; its output is shown if it fails, and $status
# is then not 0. The command runs in a shell of its own under set -e, which it would not
# behind an "if", or before "&&" and "||": do not call this there.
attempt()
{
	local description="$suite: $1" start=$EPOCHREALTIME
	shift
	number=$((number + 1))
	(set -eu; "$@") >"$tmp/log" 2>&1 </dev/null
	status=$?
	description+=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf " (%.1f s)", b - a }')
	if [ $status -eq 0 ]; then
		echo "ok $number - $description"
		return
	fi
	failed=1
	echo "not ok $number - $description"
	tail -n 60 "$tmp/log" | sed 's/^/# /'
}
