/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon may do: the capabilities it must start with, and what it gives up once it has
 * started, so that whoever takes it over by a bug gains as little as can be.
 *
 * Three layers, of which each holds without the others: capabilities (what may be done to the
 * machine), Landlock (which files may be touched), a seccomp filter (which parts of the kernel can
 * be reached at all). The threads share their memory: the narrower confinement of planes and faces
 * is a further hurdle for who has taken over one of them, not a wall between them. */
#ifndef PEERLANE_CONTROL_PRIVILEGES_H
#define PEERLANE_CONTROL_PRIVILEGES_H

#include <linux/filter.h>

#include "config.h"
#include "log.h"

/* What is in force. Zeroed: nothing. */
struct confinement {
	uint64_t capabilities; /* that the control thread has left: bit N is capability N */
	enum config_seccomp seccomp;
	unsigned landlock;	  /* the kernel's Landlock version; 0: it has none */
	struct sock_fprog worker; /* seccomp filter of the other threads; .len 0: none */
	const struct log *log;
};

/* Names of capabilities that a router needs, or `cleanup` alone, and this process lacks, separated
 * by commas; "" if it has all. Returns `out`. */
const char *privileges_missing(bool cleanup, char *out, size_t size);

/* Gives up what a router that has started does not need: all capabilities but those that follow
 * links and take a device up again, files outside /proc, /sys and the control socket's folder, and
 * most system calls (syscalls.h). Says in the log what is in force. Cannot be undone.
 *
 * To be called after all is open and before the first thread is made: threads inherit it. Returns
 * 0, or -errno with `err` filled; then some of it may be in force. */
int privileges_confine(struct confinement *c, const struct config *config, const struct log *log,
		       struct pl_error *err);

/* Gives up, for the calling thread alone, what planes and faces do not need: all capabilities, and
 * any system call but those of their loops. Says so in the log if that fails; the thread then has
 * what the control thread has. `confinement` is what privileges_confine() filled. */
void privileges_confine_worker(void *confinement);

/* The same for a thread that is to run an accelerator's driver, and for those that the driver makes then:
 * all capabilities, all files but libraries, the accelerators' devices and what is beneath the folder `cache` (and with
 * NVIDIA's beneath /proc/self/task), and system calls that no driver needs. Independent of the rest, before or after
 * it. Returns 0, or -errno with `err` filled. */
int privileges_confine_driver(const struct config *config, const char *cache, struct pl_error *err);

/* Frees the memory, lifts nothing. After the last thread has been made. */
void privileges_free(struct confinement *c);

#endif
