/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk of livemigrate.tab after a reboot: on which leg of a migration that was
 * under way is the data? Where that is not known, no mapping is made. Under the
 * lock. Exit codes, after a sentence.
 */
#ifndef RESTORE_H
#define RESTORE_H

#include "state.h"

/* The mapping of a line, and its migration, if it has metadata. Harmless if repeated. */
int restore_disk(const char *name);
/* Can it be tried, or is a device not there yet? */
bool restore_is_ready(const char *name);
/* The same of what a record names: dest and metadata device. */
bool restore_legs_are_there(const struct state *state);
/* The record says commit, and the dest is to be taken. */
int restore_on_dest(const struct state *state);

#endif
