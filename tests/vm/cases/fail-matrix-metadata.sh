# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The metadata device fails in each phase, in each way: see tests/vm/matrix.sh. The
# guest and the phase see nothing of it. What the device holds is then marked as out
# of date, as soon as it can be, and refused.
#
# Caught: metadata that has failed and is never marked; an abort that waits for a
# metadata device that hangs.
#
# vm: disks=16M,16M,2M,16M,16M,2M modules=dm-flakey,dm-delay timeout=300
# vm: files=tests/vm/legs.sh,tests/vm/matrix.sh

. /vm/lib.sh
. legs.sh
. matrix.sh

m_run meta <<TABLE
# phase   kind   guest then                       crash   end
copying   all    none  copying/source/A/A         stale   aborted
copying   writes none  copying/source/A/A         stale   synced
copying   part   none  copying/source/A/A         stale   synced
copying   reads  none  copying/source/A/A         source  synced
copying   slow   none  copying/source/A/A         source  synced
copying   hang   none  copying/source/A/A         stale   synced
synced    all    none  synced/source/A/A          stale   synced
synced    writes none  synced/source/A/A          stale   synced
synced    part   none  synced/source/A/A          stale   synced
synced    reads  none  synced/source/A/A          source  synced
synced    slow   none  synced/source/A/A          source  synced
synced    hang   none  synced/source/A/A          stale   aborted
switched  all    none  switched/dest/A/A          stale   switched
switched  writes none  switched/dest/A/A          stale   committed
switched  part   none  switched/dest/A/A          stale   switched
switched  reads  none  switched/dest/A/A          source  switched
switched  slow   none  switched/dest/A/A          source  switched
switched  hang   none  switched/dest/A/A          stale   committed
cdest     all    none  copying/dest/A/A           stale   committed
cdest     writes none  copying/dest/A/A           stale   switched
cdest     part   none  copying/dest/A/A           stale   switched
cdest     reads  none  copying/dest/A/A           dest    switched
cdest     slow   none  copying/dest/A/A           dest    switched
cdest     hang   none  copying/dest/A/A           stale   switched
degsource all    none  degraded/source/A/F        stale   synced
degsource writes none  degraded/source/A/F        stale   synced
degsource part   none  degraded/source/A/F        stale   aborted
degsource reads  none  degraded/source/A/F        source  synced
degsource slow   none  degraded/source/A/F        source  synced
degsource hang   none  degraded/source/A/F        stale   synced
degdest   all    none  degraded/dest/F/A          stale   switched
degdest   writes none  degraded/dest/F/A          stale   switched
degdest   part   none  degraded/dest/F/A          stale   switched
degdest   reads  none  degraded/dest/F/A          dest    switched
degdest   slow   none  degraded/dest/F/A          dest    switched
degdest   hang   none  degraded/dest/F/A          stale   committed
aborted   all    none  aborted/source/A/D         refused aborted
aborted   hang   none  aborted/source/A/D         refused aborted
committed all    none  committed/dest/D/A         refused committed
committed hang   none  committed/dest/D/A         refused committed
TABLE
