/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What phase.c and phase-request.c share, and nobody else sees.  lm_phase.lock is
 * held, by all but __lm_phase()'s callers that can do with a glimpse.
 */
#ifndef DM_LIVEMIGRATE_PHASE_H
#define DM_LIVEMIGRATE_PHASE_H

#include "dm-livemigrate.h"

enum lm_phase_name __lm_phase(const struct lm_phase *p);
void __lm_set(struct lm_migration *m, enum lm_leg active, enum lm_standby standby,
	      bool synced);
void __lm_fail_standby(struct lm_migration *m);
void __lm_drop_if_idle(struct lm_migration *m);

#endif
