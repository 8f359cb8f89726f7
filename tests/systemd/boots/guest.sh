# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the guests find on their disks as they start, each by its name: a sum, or that
# there was none. Volumes are activated by events, so they may come later; all else is
# there before any guest is started, or its unit came too late.

[ -f /var/lib/guest-disks ] || exit 0
for disk in $(cat /var/lib/guest-disks); do
	n=0
	while [ ! -b "$disk" ] && [ "${disk#/dev/vg0/}" != "$disk" ] && [ $n -lt 60 ]; do
		sleep 1
		n=$((n + 1))
	done
	if [ -b "$disk" ]; then
		echo "$disk $(dd if="$disk" bs=1M count=16 iflag=direct 2>/dev/null | md5sum)"
	else
		echo "$disk none"
	fi
done >/run/guest
