#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The disks of one machine move, and change over at one instant: the new ones are one
# consistent image of it, and so are the old ones. If one cannot be moved, none is.
#
# Usage: machine.sh NAME DEST [NAME DEST]...

set -eu
started=''

undo()
{
	for name in $started; do
		livemigrate abort "$name"
	done
	exit 1
}

names=''
while [ $# -gt 1 ]; do
	livemigrate start "$1" --to "$2" || undo
	started="$started $1" names="$names $1"
	shift 2
done
for name in $names; do
	livemigrate wait "$name" || undo
	livemigrate verify "$name" || undo
done
# shellcheck disable=SC2086 # one word for each
livemigrate cutover --group $names || undo
# Here is the time to look whether all is well. "livemigrate failback --group" takes it back.
for name in $names; do
	livemigrate commit "$name"
done
