/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_SCHED_H
#define SHIM_SCHED_H

#include <linux/types.h>

#define cond_resched()	shim_preempt()
#define cpu_relax()	shim_preempt()

#endif
