# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The source fails in each phase, in each way: see tests/vm/matrix.sh.
#
# Caught: a source that has failed and after a crash is active; bits kept where the
# source failed a write.
#
# vm: disks=16M,16M,2M,16M,16M,2M modules=dm-flakey,dm-delay timeout=300
# vm: files=tests/vm/legs.sh,tests/vm/matrix.sh

. /vm/lib.sh
. legs.sh
. matrix.sh

m_run src <<TABLE
# phase   kind   guest then                       crash   end
copying   all    error copying/source/A/A         source  synced
copying   writes error copying/source/A/A         source  synced
copying   reads  error copying/source/A/A         source  synced
copying   part   error copying/source/A/A         source  synced
copying   slow   none  copying/source/A/A         source  synced
copying   hang   waits copying/source/A/A         source  synced
synced    all    error copying/source/A/A         source  synced
synced    writes error (copying|synced)/source/A/A source synced
synced    reads  none  synced/source/A/A          source  synced
synced    part   error copying/source/A/A         source  synced
synced    slow   none  synced/source/A/A          source  synced
synced    hang   waits synced/source/A/A          source  synced
switched  all    none  degraded/dest/F/A          dest    switched
switched  writes none  degraded/dest/F/A          dest    switched
switched  reads  none  switched/dest/A/A          source  switched
switched  part   none  degraded/dest/F/A          dest    switched
switched  slow   none  switched/dest/A/A          source  switched
switched  hang   none  degraded/dest/F/A          dest    switched
cdest     all    none  degraded/dest/F/A          dest    switched
cdest     writes none  degraded/dest/F/A          dest    switched
cdest     reads  none  copying/dest/A/A           dest    switched
cdest     part   none  degraded/dest/F/A          dest    switched
cdest     slow   none  copying/dest/A/A           dest    switched
cdest     hang   none  degraded/dest/F/A          dest    switched
degsource all    error degraded/source/A/F        source  synced
degsource writes error degraded/source/A/F        source  synced
degsource reads  error degraded/source/A/F        source  synced
degsource part   error degraded/source/A/F        source  synced
degsource slow   none  degraded/source/A/F        source  synced
degsource hang   waits degraded/source/A/F        source  synced
degdest   all    none  degraded/dest/F/A          dest    switched
degdest   writes none  degraded/dest/F/A          dest    switched
degdest   reads  none  degraded/dest/F/A          dest    switched
degdest   part   none  degraded/dest/F/A          dest    switched
degdest   slow   none  degraded/dest/F/A          dest    switched
degdest   hang   none  degraded/dest/F/A          dest    switched
aborted   all    error aborted/source/A/D         refused aborted
aborted   writes error aborted/source/A/D         refused aborted
aborted   reads  error aborted/source/A/D         refused aborted
aborted   part   error aborted/source/A/D         refused aborted
aborted   slow   none  aborted/source/A/D         refused aborted
aborted   hang   waits aborted/source/A/D         refused aborted
committed all    none  committed/dest/D/A         refused committed
committed part   none  committed/dest/D/A         refused committed
committed hang   none  committed/dest/D/A         refused committed
TABLE
