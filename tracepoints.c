// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints of tracepoints.h, made here once. */
#define CREATE_TRACE_POINTS
#include "tracepoints.h"
