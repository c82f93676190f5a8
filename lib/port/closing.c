/* SPDX-License-Identifier: BSD-2-Clause */
#include "closing.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 16u

/* Every THREADSth descriptor from `first` on. */
struct share {
	const struct closing *closing;
	unsigned first;
	bool started;
	pthread_t thread;
};

void closing_add(struct closing *closing, int fd)
{
	if (fd < 0)
		return;
	if (closing->n == closing->room) {
		unsigned room = closing->room + 64;
		int *fds = realloc(closing->fds, room * sizeof(*fds));

		if (!fds) {
			close(fd);
			return;
		}
		closing->fds = fds;
		closing->room = room;
	}
	closing->fds[closing->n++] = fd;
}

void closing_add_copy(struct closing *closing, int fd)
{
	closing_add(closing, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static void *close_share(void *arg)
{
	const struct share *share = arg;

	for (unsigned i = share->first; i < share->closing->n; i += THREADS)
		close(share->closing->fds[i]);
	return NULL;
}

void closing_run(struct closing *closing)
{
	struct share shares[THREADS] = {{0}};
	sigset_t all, before;

	sigfillset(&all); /* they are for the thread that runs the program */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < THREADS && i < closing->n; i++) {
		shares[i].closing = closing;
		shares[i].first = i;
		shares[i].started = i > 0 && pthread_create(&shares[i].thread, NULL, close_share,
							    &shares[i]) == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* The first share, and those for which there was no thread. */
	for (unsigned i = 0; i < THREADS && i < closing->n; i++)
		if (!shares[i].started)
			close_share(&shares[i]);
	for (unsigned i = 0; i < THREADS; i++)
		if (shares[i].started)
			pthread_join(shares[i].thread, NULL);
	free(closing->fds);
	*closing = (struct closing){0};
}
