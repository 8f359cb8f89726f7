/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_SPINLOCK_H
#define SHIM_SPINLOCK_H

#include <linux/types.h>

typedef struct { unsigned int locked; } spinlock_t;

void shim_spin_lock(spinlock_t *lock);
void shim_spin_unlock(spinlock_t *lock);
void shim_assert_held(unsigned int locked);

#define spin_lock_init(lock)		((void)((lock)->locked = 0))
#define spin_lock_irq(lock)		shim_spin_lock(lock)
#define spin_unlock_irq(lock)		shim_spin_unlock(lock)
#define spin_lock_irqsave(lock, flags)	((flags) = 0, shim_spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags) \
	((void)(flags), shim_spin_unlock(lock))
#define lockdep_assert_held(lock)	shim_assert_held(READ_ONCE((lock)->locked))

#endif
