#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A disk of livemigrate.tab is to be on DEST: says "changed" or "ok", as configuration
# management wants it. It may be run at any time: what it finds begun it finishes, but what
# somebody has paused it leaves alone. DEST is a name that lasts, /dev/disk/by-id/... or a
# volume's, as "livemigrate disk list" shows it.
#
# Usage: ensure.sh NAME DEST

set -eu
name=$1 dest=$2

here()
{
	livemigrate disk list --json |
		jq -e --arg name "$name" --arg dest "$dest" \
			'.disks[] | select(.name == $name and .path == $dest and .state != "migrates")' >/dev/null
}

# "running copying", "paused copying", "starting", ...; nothing if it does not migrate
state()
{
	livemigrate list --json |
		jq -r --arg name "$name" '.migrations[] | select(.name == $name) | "\(if .paused then "paused" else .stage end) \(.phase // "")"'
}

if here; then
	echo ok
	exit
fi
case "$(state)" in
'') livemigrate start "$name" --to "$dest" >&2 ;;
"running "*) ;;
"paused "*)
	echo "$name is paused: livemigrate resume $name lets it go on" >&2
	exit 1
	;;
# Cut off in the middle.
*) livemigrate resume "$name" >&2 ;;
esac
case "$(state)" in
"running switched") ;;
*)
	livemigrate wait "$name" >&2
	livemigrate verify "$name" >&2
	livemigrate cutover "$name" >&2
	;;
esac
livemigrate commit "$name" >&2
here || { echo "$name is not on $dest: see livemigrate list" >&2; exit 1; }
echo changed
