#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Moves all volumes of a volume group to another one, one after the other, while they are in
# use, and deletes what they leave. Those that cannot be moved are named in the end; one that
# nobody has open stays switched, as nothing shows that its user runs well on the new volume:
# livemigrate commit ends it. May be run again.
#
# Usage: evacuate-group.sh FROM TO

set -u
from=$1 to=$2 left=''

volumes=$(lvm lvs --noheadings -o lv_name "$from") || exit
for lv in $volumes; do
	# What was moved already, and is still there, is called so.
	case "$lv" in *.lmsrc[0-9]*) continue ;; esac
	livemigrate run "$from/$lv" --to "$to/$lv" --verify --delete-source </dev/null ||
		left="$left $lv"
done
[ -z "$left" ] || { echo "not moved:$left" >&2; exit 1; }
echo "all volumes of $from have moved to $to."
