/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for device mapper's events, of all devices at once, and for changes of
 * the records: arm, look at whatever is of interest, and wait. What happens after
 * arming ends the wait, so nothing is missed. It also ends for signals and after a
 * time.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <stdint.h>

enum woken { BY_EVENT, BY_TIME, BY_SIGNAL };

/* An exit code, after a sentence. */
int events_open(void);
void events_arm(void);
/* @ms below 0: without end. */
enum woken events_wait(int ms);
void events_close(void);

/* From now on SIGINT and SIGTERM end the wait and nothing else. */
void signals_catch(void);
void signals_release(void);
/* The signal that came, once; 0: none. */
int signals_take(void);

/* Milliseconds of a clock that only goes forward. */
int64_t now_ms(void);

#endif
