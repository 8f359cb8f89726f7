/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A killed percpu_ref is looked after by RCU before its count can reach zero.
 * Here that is shim_percpu_ref_rcu(), which the test calls when it likes.
 */
#ifndef SHIM_PERCPU_REFCOUNT_H
#define SHIM_PERCPU_REFCOUNT_H

#include <linux/types.h>

struct percpu_ref;
typedef void (percpu_ref_func_t)(struct percpu_ref *ref);

struct percpu_ref {
	long count;
	bool dead;
	bool in_rcu;
	percpu_ref_func_t *release;
};

#define PERCPU_REF_INIT_DEAD	1U
#define PERCPU_REF_ALLOW_REINIT	2U

int percpu_ref_init(struct percpu_ref *ref, percpu_ref_func_t *release,
		    unsigned int flags, gfp_t gfp);
void percpu_ref_exit(struct percpu_ref *ref);
void percpu_ref_kill(struct percpu_ref *ref);
void percpu_ref_reinit(struct percpu_ref *ref);
void percpu_ref_get(struct percpu_ref *ref);
bool percpu_ref_tryget_live(struct percpu_ref *ref);
void percpu_ref_put(struct percpu_ref *ref);
void shim_percpu_ref_rcu(struct percpu_ref *ref);

static inline bool percpu_ref_is_dying(const struct percpu_ref *ref)
{
	return ref->dead;
}

#endif
