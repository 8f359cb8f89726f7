# SPDX-License-Identifier: GPL-2.0-only
# A case that cannot run: neither a pass nor a failure.
# vm: module=no
. /vm/lib.sh
need no-such-program
