# SPDX-License-Identifier: GPL-2.0-only
# A case in which the kernel panics.
# vm: module=no
. /vm/lib.sh
echo c >/proc/sysrq-trigger
sleep 60
