# SPDX-License-Identifier: GPL-2.0-only
# A case that wants one boot more than it has declared; the disk is kept until then.
# vm: module=no disks=1M boots=2
. /vm/lib.sh
if [ "$BOOT" -eq 1 ]; then
	echo first | dd of=/dev/vda bs=512 conv=sync,notrunc,fsync 2>/dev/null
else
	grep -q first /dev/vda || die "the disk is empty after the reboot"
fi
boot_again
