# SPDX-License-Identifier: GPL-2.0-only
# A case that leaves a device behind.
# vm: module=no disks=16M
. /vm/lib.sh
dmsetup create left --table "0 $(sectors /dev/vda) linear /dev/vda 0"
