# SPDX-License-Identifier: GPL-2.0-only
# A case that is well but for a warning in the kernel's log.
# vm: module=no
. /vm/lib.sh
echo "WARNING: this is only a test" >/dev/kmsg
