/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's log: standard error, in the journal's manner when that is what reads it. */
#ifndef PEERLANE_CONTROL_LOG_H
#define PEERLANE_CONTROL_LOG_H

#include <stdbool.h>
#include <stdio.h>

#include <peerlane/error.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

struct log {
	FILE *out;
	bool journal; /* lines begin with sd-daemon(3)'s "<4>", not with words */
};

/* Writes to standard error. */
void log_init(struct log *log);

/* One line. Any thread: a line is written in one piece. */
void log_write(const struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* An error in two lines, the remedy as the second. */
void log_error(const struct log *log, enum log_level level, const struct pl_error *err);

#define log_info(log, ...) log_write(log, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(log, ...) log_write(log, LOG_LEVEL_WARNING, __VA_ARGS__)

#endif
