/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors that say what failed, on what, why, and the way out. */
#ifndef PEERLANE_ERROR_H
#define PEERLANE_ERROR_H

/* Filled by functions that take one, only when they fail. Owned by the caller. */
struct pl_error {
	char what[256];	  /* "pl0: cannot bind AF_XDP socket to eth1 queue 3: no such queue" */
	char remedy[256]; /* "use Planes=2, or: ethtool -L eth1 combined 4"; "" if there is none */
};

/* Writes the message and the remedy (a plain string, may be NULL) into `err` unless it is NULL.
 *
 * Returns `code`, a negative errno, so that a caller can `return pl_error_set(...)`. Any thread. */
int pl_error_set(struct pl_error *err, int code, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
