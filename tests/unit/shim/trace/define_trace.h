/* SPDX-License-Identifier: GPL-2.0-only */
/* tracepoints.h asks for it; nothing is made here. */
