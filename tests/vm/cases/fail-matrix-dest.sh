# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The dest fails in each phase, in each way: see tests/vm/matrix.sh.
#
# Caught: a dest that fails and does not hand over to the source.
#
# vm: disks=16M,16M,2M,16M,16M,2M modules=dm-flakey,dm-delay timeout=300
# vm: files=tests/vm/legs.sh,tests/vm/matrix.sh

. /vm/lib.sh
. legs.sh
. matrix.sh

m_run dst <<TABLE
# phase   kind   guest then                       crash   end
copying   all    none  degraded/source/A/F        source  synced
copying   writes none  degraded/source/A/F        source  synced
copying   reads  none  copying/source/A/A         source  synced
copying   part   none  degraded/source/A/F        source  synced
copying   slow   none  copying/source/A/A         source  synced
copying   hang   none  degraded/source/A/F        source  synced
synced    all    none  degraded/source/A/F        source  synced
synced    writes none  degraded/source/A/F        source  synced
synced    reads  none  synced/source/A/A          source  synced
synced    part   none  degraded/source/A/F        source  synced
synced    slow   none  synced/source/A/A          source  synced
synced    hang   none  degraded/source/A/F        source  synced
switched  all    none  degraded/source/A/F        source  synced
switched  writes none  degraded/source/A/F        source  synced
switched  reads  none  switched/dest/A/A          source  switched
switched  part   none  degraded/source/A/F        source  synced
switched  slow   none  switched/dest/A/A          source  switched
switched  hang   waits switched/dest/A/A          source  switched
cdest     all    error copying/dest/A/A           dest    switched
cdest     writes error copying/dest/A/A           dest    switched
cdest     reads  error copying/dest/A/A           dest    switched
cdest     part   error copying/dest/A/A           dest    switched
cdest     slow   none  copying/dest/A/A           dest    switched
cdest     hang   waits copying/dest/A/A           dest    switched
degsource all    none  degraded/source/A/F        source  synced
degsource writes none  degraded/source/A/F        source  synced
degsource reads  none  degraded/source/A/F        source  synced
degsource part   none  degraded/source/A/F        source  synced
degsource slow   none  degraded/source/A/F        source  synced
degsource hang   none  degraded/source/A/F        source  synced
degdest   all    error degraded/dest/F/A          dest    switched
degdest   writes error degraded/dest/F/A          dest    switched
degdest   reads  error degraded/dest/F/A          dest    switched
degdest   part   error degraded/dest/F/A          dest    switched
degdest   slow   none  degraded/dest/F/A          dest    switched
degdest   hang   waits degraded/dest/F/A          dest    switched
aborted   all    none  aborted/source/A/D         refused aborted
aborted   part   none  aborted/source/A/D         refused aborted
aborted   hang   none  aborted/source/A/D         refused aborted
committed all    error committed/dest/D/A         refused committed
committed writes error committed/dest/D/A         refused committed
committed reads  error committed/dest/D/A         refused committed
committed part   error committed/dest/D/A         refused committed
committed slow   none  committed/dest/D/A         refused committed
committed hang   waits committed/dest/D/A         refused committed
TABLE
