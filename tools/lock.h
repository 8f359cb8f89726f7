/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One livemigrate at a time changes something. Who only looks needs no lock.
 */
#ifndef LOCK_H
#define LOCK_H

/*
 * Waits some seconds for another one, and tells who that is. @what is shown to
 * others: "commit vm1". Makes the state folder. An exit code, after a sentence.
 * Nested calls count.
 */
int lock_take(const char *what);
void lock_release(void);
/* What another livemigrate is doing now, "commit vm1 (process 17)"; NULL: nothing. */
char *lock_holder(void);

#endif
