# SPDX-License-Identifier: GPL-2.0-only
# A case that switches the machine off before its end.
# vm: module=no
. /vm/lib.sh
poweroff -f
sleep 60
