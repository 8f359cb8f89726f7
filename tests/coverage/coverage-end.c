// SPDX-License-Identifier: GPL-2.0-only
/* The last object of the module that counts. */
#include "coverage.h"

#include <linux/compiler.h>

struct gcov_info *coverage_end[0] COVERAGE_SECTION;
