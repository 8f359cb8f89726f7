# SPDX-License-Identifier: GPL-2.0-only
# The same, but declared: this one passes.
# vm: module=no
# vm: dmesg-ok=only a test$
. /vm/lib.sh
echo "WARNING: this is only a test" >/dev/kmsg
