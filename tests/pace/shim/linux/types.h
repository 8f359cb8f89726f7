/* SPDX-License-Identifier: GPL-2.0-only */
#include "../../../unit/shim/linux/types.h"
