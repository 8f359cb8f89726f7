/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What devices are made of, down to the disks: for the question whether two of
 * them share anything.
 */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <sys/types.h>

enum kinship {
	STRANGERS,		/* may be the legs of a migration */
	SAME_DEVICE,		/* one and the same */
	A_IS_BUILT_ON_B,	/* somewhere below A is B */
	B_IS_BUILT_ON_A,
	SAME_SECTORS,		/* they share sectors of some disk */
};

enum kinship stack_compare(dev_t a, dev_t b);

#endif
