#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Moves a device-mapper device, which is in use, from one disk to another one, by dmsetup
# alone. The device must be a plain mapping of the first disk, from its beginning on.
#
# Usage: move-by-dmsetup.sh NAME FROM TO

set -eu
name=$1 from=$2 to=$3
size=$(blockdev --getsz "/dev/mapper/$name")

# The table's target takes the place of the plain mapping: the disks are mirrored now.
dmsetup load "$name" --table "0 $size livemigrate $from 0 $to 0"
dmsetup resume "$name"

# Each change of phase is an event. Its number is read before the status is.
while :; do
	event=$(dmsetup info -c --noheadings -o events "$name")
	case "$(dmsetup status "$name")" in
	*" livemigrate synced "*) break ;;
	*" livemigrate degraded "*) echo "a disk has failed: see dmsetup status $name" >&2; exit 1 ;;
	esac
	dmsetup wait "$name" "$event" >/dev/null
done

# It runs on the new disk, and until the next message there is a way back: failback.
dmsetup message "$name" 0 cutover
dmsetup message "$name" 0 commit
until dmsetup status "$name" | grep -q ' livemigrate committed dest [0-9]* [0-9/]* D A '; do
	sleep 1
done
dmsetup load "$name" --table "0 $size linear $to 0"
dmsetup resume "$name"
echo "$name is on $to: change what makes it at boot."
