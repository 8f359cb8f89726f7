# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the guests find on their disks as they start, each by its name: a sum, or that
# there was none within so many seconds.

wait=60
[ "$(cat /var/lib/guest-boots 2>/dev/null)" ] || exit 0
for disk in /dev/vg0/vm1 /dev/mapper/vm2; do
	n=0
	while [ ! -b "$disk" ] && [ $n -lt $wait ]; do
		sleep 1
		n=$((n + 1))
	done
	if [ -b "$disk" ]; then
		echo "$disk $(dd if="$disk" bs=1M count=16 iflag=direct 2>/dev/null | md5sum)"
	else
		echo "$disk none"
	fi
done >/run/guest
