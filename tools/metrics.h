/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migrations as Prometheus reads them (its text format, as node_exporter's textfile
 * collector takes it). What each metric means is in docs/tool.rst.
 */
#ifndef METRICS_H
#define METRICS_H

#include "migration.h"

#include <stdio.h>

/* @all: ended by NULL. @damaged: records that cannot be read. */
void metrics_print(FILE *out, struct migration **all, int damaged);

#endif
