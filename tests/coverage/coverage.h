/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What gcc makes of each object that is built with -fprofile-arcs, as gcc-12's libgcov
 * has it (gcov.h there), and the kernel's own kernel/gcov/gcc_4_7.c.
 */
#ifndef COVERAGE_H
#define COVERAGE_H

#include <linux/types.h>

#if __GNUC__ >= 14
#define COVERAGE_COUNTERS	9
#else
#define COVERAGE_COUNTERS	8
#endif

struct gcov_ctr_info {
	unsigned int num;
	s64 *values;
};

struct gcov_fn_info {
	const struct gcov_info *key;
	unsigned int ident;
	unsigned int lineno_checksum;
	unsigned int cfg_checksum;
	/* One for each kind that the object has a merge function for. */
	struct gcov_ctr_info ctrs[];
};

struct gcov_info {
	unsigned int version;
	struct gcov_info *next;
	unsigned int stamp;
	unsigned int checksum;
	const char *filename;
	void (*merge[COVERAGE_COUNTERS])(s64 *counters, unsigned int n);
	unsigned int n_functions;
	struct gcov_fn_info **functions;
};

/*
 * With -fprofile-info-section gcc puts a pointer to each object's in a section of this
 * name, and the linker joins those in the order of the objects: coverage-begin.c's first,
 * coverage-end.c's last.
 */
#define COVERAGE_SECTION	__section(".gcov_info")

extern struct gcov_info *coverage_begin[];
extern struct gcov_info *coverage_end[];

#endif
