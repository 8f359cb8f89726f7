// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the shims that is no macro.  Compiled twice: for the tests that
 * run schedules of their own in one thread, and with SHIM_THREADS for those
 * that run real threads.
 */
#include "shim.h"

#include <stdio.h>

void (*shim_preempt_hook)(void);
void (*shim_wait_hook)(void);
void (*shim_bug_hook)(const char *what);
unsigned int shim_no_preempt;

void shim_bug(const char *what)
{
	if (shim_bug_hook)
		shim_bug_hook(what);
	printf("# %s\n", what);
	fflush(NULL);
	abort();
}

#ifdef SHIM_THREADS
void shim_preempt(void)
{
}

void shim_spin_lock(spinlock_t *lock)
{
	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

void shim_spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

void shim_assert_held(unsigned int locked)
{
	(void)locked;
}
#else
static unsigned int shim_locks;

void shim_preempt(void)
{
	if (shim_preempt_hook && !shim_locks && !shim_no_preempt)
		shim_preempt_hook();
}

void shim_spin_lock(spinlock_t *lock)
{
	shim_preempt();
	if (lock->locked)
		shim_bug("a spinlock is taken twice");
	lock->locked = 1;
	shim_locks++;
}

void shim_spin_unlock(spinlock_t *lock)
{
	if (!lock->locked)
		shim_bug("a spinlock is let go that is not held");
	lock->locked = 0;
	shim_locks--;
	shim_preempt();
}

void shim_assert_held(unsigned int locked)
{
	if (!locked)
		shim_bug("lockdep_assert_held() failed");
}

unsigned int shim_locks_held(void)
{
	return shim_locks;
}
#endif

void shim_wait(void)
{
	if (!shim_wait_hook)
		shim_bug("a wait that nobody can end");
	shim_wait_hook();
}

/*
 * @count holds one more while the ref is live, and one more while RCU looks
 * after a killed one.
 */
int percpu_ref_init(struct percpu_ref *ref, percpu_ref_func_t *release,
		    unsigned int flags, gfp_t gfp)
{
	(void)gfp;
	ref->dead = flags & PERCPU_REF_INIT_DEAD;
	ref->count = ref->dead ? 0 : 1;
	ref->in_rcu = false;
	ref->release = release;
	return 0;
}

void percpu_ref_exit(struct percpu_ref *ref)
{
	if (ref->in_rcu || ref->count != !ref->dead)
		shim_bug("percpu_ref_exit() of a ref in use");
	ref->release = NULL;
}

void percpu_ref_kill(struct percpu_ref *ref)
{
	if (ref->dead)
		shim_bug("percpu_ref_kill() of a dead ref");
	ref->dead = true;
	ref->in_rcu = true;
}

void shim_percpu_ref_rcu(struct percpu_ref *ref)
{
	ref->in_rcu = false;
	percpu_ref_put(ref);
}

void percpu_ref_reinit(struct percpu_ref *ref)
{
	if (!ref->dead || ref->in_rcu || ref->count)
		shim_bug("percpu_ref_reinit() of a ref in use");
	ref->dead = false;
	ref->count = 1;
}

void percpu_ref_get(struct percpu_ref *ref)
{
	if (ref->count <= 0)
		shim_bug("percpu_ref_get() of a ref that nobody holds");
	ref->count++;
}

bool percpu_ref_tryget_live(struct percpu_ref *ref)
{
	shim_preempt();
	if (ref->dead)
		return false;
	ref->count++;
	return true;
}

void percpu_ref_put(struct percpu_ref *ref)
{
	if (ref->count <= 0 || (!ref->dead && ref->count == 1))
		shim_bug("percpu_ref_put() without a get");
	if (--ref->count)
		return;
	if (ref->in_rcu)
		shim_bug("a count of zero within RCU");
	ref->release(ref);
}
