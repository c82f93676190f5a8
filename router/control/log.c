/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* systemd says in JOURNAL_STREAM which device and inode the journal's stream has; a process that
 * has had its standard error redirected since must not go by the variable alone. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(struct log *log)
{
	log->out = stderr;
	log->journal = stderr_is_journal();
}

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARNING:
		return "warning: ";
	case LOG_LEVEL_INFO:
		break;
	}
	return "";
}

void log_write(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (log->journal)
		fprintf(log->out, "<%d>%s\n", level, line);
	else
		fprintf(log->out, "peerlaned: %s%s\n", level_word(level), line);
	fflush(log->out);
}

void log_error(const struct log *log, enum log_level level, const struct pl_error *err)
{
	log_write(log, level, "%s", err->what);
	if (!err->remedy[0])
		return;
	if (log->journal)
		fprintf(log->out, "<%d>     %s\n", level, err->remedy);
	else
		fprintf(log->out, "     %s\n", err->remedy);
	fflush(log->out);
}
