/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_COMPLETION_H
#define SHIM_COMPLETION_H

struct completion {
	unsigned int done;
};

#endif
