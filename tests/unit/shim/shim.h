/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests ask of the shims; the module does not see this. */
#ifndef SHIM_H
#define SHIM_H

#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <sched.h>

extern void (*shim_preempt_hook)(void);
extern void (*shim_wait_hook)(void);
extern void (*shim_bug_hook)(const char *what);
/* Above zero: what is called now is one step, nobody comes in between. */
extern unsigned int shim_no_preempt;

unsigned int shim_locks_held(void);

#endif
