/* SPDX-License-Identifier: BSD-2-Clause */
/* Children that confine themselves as the daemon does, and the files they try their hands on. */
#ifndef TESTS_PRIVILEGES_LAB_H
#define TESTS_PRIVILEGES_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/bpf.h>

#include "../../router/control/privileges.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The runtime folder and a file beside it, which are there, and files in the one and beside the other, which
 * are not. */
extern char folder[48], elsewhere[64], file_elsewhere[80], file_in_folder[64];

/* By which children confine themselves; `confinement` is filled in the child. */
extern struct config config;
extern struct confinement confinement;

enum confined { FREELY, CONFINED, CONFINED_WITHOUT_LANDLOCK, DRIVER };

/* For an attempt that has something to do before. Ends the child if it fails. */
void confine_or_exit(enum confined how);

/* Runs `attempt` in a child. Returns what it returned, 0 or an errno; 255 if it was killed. */
int in_child(int (*attempt)(void), enum confined how);

/* The system call. */
long bpf(enum bpf_cmd command, union bpf_attr *attr);

/* Makes the files and goes into a network namespace. Returns 0, or what main() is to return: 77, having said
 * why, where the tests cannot be run. */
int privileges_lab_begin(void);

/* Removes the files, whatever privileges_lab_begin() has returned. */
void privileges_lab_end(void);

#endif
