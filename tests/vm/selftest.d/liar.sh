# SPDX-License-Identifier: GPL-2.0-only
# A case that claims success itself, without knowing the run's number.
# vm: module=no
. /vm/lib.sh
for p in /sys/class/virtio-ports/*; do
	echo "PASS 0123456789abcdef " >"/dev/${p##*/}" || :
done
poweroff -f
sleep 60
