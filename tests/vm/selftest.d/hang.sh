# SPDX-License-Identifier: GPL-2.0-only
# A case that never ends.
# vm: module=no timeout=15
. /vm/lib.sh
note hanging
while :; do sleep 1; done
