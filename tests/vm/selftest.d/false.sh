# SPDX-License-Identifier: GPL-2.0-only
# A case that fails.
# vm: module=no
. /vm/lib.sh
false
