/* SPDX-License-Identifier: BSD-2-Clause */
/* The host as an accelerator: threads that run the program, a group of one each. They stand in for a device
 * in tests, and where the mailbox is looked at by ThreadSanitizer. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

struct host;

struct host_worker {
	struct host *host;
	unsigned index;
	pthread_t thread;
	_Atomic uint64_t ended; /* number of the last launch that it is through with */
};

struct host {
	struct pl_accel *accel;
	void (*program)(struct mailbox *mailbox, uint32_t worker, uint64_t launch);
	/* Number of the last launch, modulo 2^32: what workers at rest sleep on. */
	_Atomic uint32_t bell;
	_Atomic bool closed;
	unsigned n_started;
	struct host_worker workers[];
};

static void ring(struct host *host)
{
	syscall(SYS_futex, &host->bell, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Sleeps while `number` is that of the last launch. Returns that, or a later one, or 0: closed.
 *
 * None is missed: the kernel compares the bell with what the worker has seen before it lets it sleep, and
 * whoever launches changes the bell before it wakes all who sleep. */
static uint64_t wait_launch(struct host *host, uint64_t number)
{
	for (;;) {
		/* Acquire: pairs with host_launch(), host_close(). */
		uint32_t bell = atomic_load_explicit(&host->bell, memory_order_acquire);

		if (atomic_load_explicit(&host->closed, memory_order_relaxed))
			return 0;
		if (bell != (uint32_t)number)
			return number + (uint32_t)(bell - (uint32_t)number);
		syscall(SYS_futex, &host->bell, FUTEX_WAIT_PRIVATE, bell, NULL, NULL, 0);
	}
}

/* Launches that come while one is under way are done as one, by the number of the last: it sees all that was
 * posted before it, and ends when it is told to. */
static void *host_main(void *arg)
{
	struct host_worker *worker = arg;
	struct host *host = worker->host;
	uint64_t launch = 0;
	char name[16];

	snprintf(name, sizeof(name), "accel%u", worker->index);
	pthread_setname_np(pthread_self(), name);
	while ((launch = wait_launch(host, launch)) != 0) {
		host->program(host->accel->mailbox, worker->index, launch);
		/* Release: pairs with host_ended(). */
		atomic_store_explicit(&worker->ended, launch, memory_order_release);
	}
	return NULL;
}

static int host_launch(struct pl_accel *accel, uint64_t launch, struct pl_error *err)
{
	struct host *host = accel->state;

	(void)err;
	/* Release: pairs with wait_launch(), behind what was posted before. */
	atomic_store_explicit(&host->bell, (uint32_t)launch, memory_order_release);
	ring(host);
	return 0;
}

static int host_ended(struct pl_accel *accel, struct pl_error *err)
{
	struct host *host = accel->state;
	/* Relaxed: accel->lock is held. */
	uint64_t last = atomic_load_explicit(&accel->launches, memory_order_relaxed);

	(void)err;
	for (unsigned i = 0; i < host->n_started; i++)
		/* Acquire: pairs with host_main(); what the program did is the caller's to see. */
		if (atomic_load_explicit(&host->workers[i].ended, memory_order_acquire) != last)
			return 0;
	return 1;
}

static unsigned host_scan(struct pl_accel_info *infos, unsigned max)
{
	if (max == 0)
		return 0;
	*infos = (struct pl_accel_info){.kind = PL_ACCEL_HOST, .is_cpu = true};
	snprintf(infos->name, sizeof(infos->name), "host (%ld cores)",
		 sysconf(_SC_NPROCESSORS_ONLN));
	snprintf(infos->driver, sizeof(infos->driver), "threads");
	accel_packets_of_host_judge(infos);
	return 1;
}

static void host_close(struct pl_accel *accel)
{
	struct host *host = accel->state;

	atomic_store_explicit(&host->closed, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&host->bell, 1, memory_order_release);
	ring(host);
	for (unsigned i = 0; i < host->n_started; i++)
		pthread_join(host->workers[i].thread, NULL);
	free(host);
}

/* With all signals blocked but SIGBUS, like planes' threads. */
static int start_workers(struct host *host, unsigned n)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (host->n_started < n && rc == 0) {
		struct host_worker *worker = &host->workers[host->n_started];

		worker->host = host;
		worker->index = host->n_started;
		rc = pthread_create(&worker->thread, NULL, host_main, worker);
		if (rc == 0)
			host->n_started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

static int check_index(unsigned index, struct pl_error *err)
{
	if (index != 0)
		return pl_error_set(err, -ENODEV, "use 0", "host %u: there is one", index);
	return 0;
}

static int host_open(struct pl_accel *accel, const struct pl_accel_config *config,
		     struct pl_error *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct host *host;
	int rc = check_index(config->index, err);

	if (rc)
		return rc;
	if (!config->program.host)
		return pl_error_set(err, -ENOTSUP, NULL, "host: the program is not made for it");
	rc = accel_fit_workers(accel, config, cores > 2 ? (unsigned)cores / 2 : 1, err);
	if (rc)
		return rc;
	host = calloc(1, sizeof(*host) + accel->n_workers * sizeof(host->workers[0]));
	if (!host)
		return pl_error_set(err, -ENOMEM, NULL, "host: out of memory");
	host->accel = accel;
	host->program = config->program.host;
	accel->state = host;
	host_scan(&accel->info, 1);
	rc = start_workers(host, accel->n_workers);
	if (rc) {
		host_close(accel);
		return pl_error_set(err, -ENOMEM, NULL, "host: cannot start %u threads: %s",
				    accel->n_workers, strerror(-rc));
	}
	return 0;
}

/* ---- memory ---- */

static int host_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
		      struct pl_accel_memory *memory, struct pl_error *err)
{
	void *at =
		mmap(NULL, len_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory for %zu bytes",
				    accel->info.name, len_bytes);
	if (place == PL_ACCEL_DEVICE)
		madvise(at, len_bytes, MADV_HUGEPAGE); /* a failure is no harm */
	*memory = (struct pl_accel_memory){
		.host = place == PL_ACCEL_SHARED ? at : NULL,
		.device = (uint64_t)(uintptr_t)at,
		.len_bytes = len_bytes,
	};
	return 0;
}

static void host_free(struct pl_accel *accel, struct pl_accel_memory *memory)
{
	(void)accel;
	munmap((void *)(uintptr_t)memory->device, memory->len_bytes);
}

static int host_attach(struct pl_accel *accel, void *base, size_t len_bytes, uint64_t *device,
		       struct pl_error *err)
{
	(void)accel, (void)len_bytes, (void)err;
	*device = (uint64_t)(uintptr_t)base;
	return 0;
}

/* Copies, as a device's engine would beside a program that runs: in words, and without any order. */
static void copy(uint8_t *to, const uint8_t *from, size_t n)
{
	for (; n && ((uintptr_t)to % 8 || (uintptr_t)from % 8 || n < 8); n--)
		__atomic_store_n(to++, __atomic_load_n(from++, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	for (; n >= 8; n -= 8, to += 8, from += 8)
		__atomic_store_n((uint64_t *)to,
				 __atomic_load_n((const uint64_t *)from, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	for (; n; n--)
		__atomic_store_n(to++, __atomic_load_n(from++, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

static int host_write(struct pl_accel *accel, uint64_t to, const void *bytes, size_t len_bytes,
		      struct pl_error *err)
{
	(void)accel, (void)err;
	copy((uint8_t *)(uintptr_t)to, bytes, len_bytes);
	return 0;
}

static int host_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
		     struct pl_error *err)
{
	(void)accel, (void)err;
	copy(bytes, (const uint8_t *)(uintptr_t)from, len_bytes);
	return 0;
}

static int host_zero(struct pl_accel *accel, uint64_t at, size_t len_bytes, struct pl_error *err)
{
	uint8_t *to = (uint8_t *)(uintptr_t)at;

	(void)accel, (void)err;
	for (size_t i = 0; i < len_bytes; i++)
		__atomic_store_n(to + i, (uint8_t)0, __ATOMIC_RELAXED);
	return 0;
}

static int host_packets_new(struct pl_accel_packets *packets, unsigned index, size_t len_bytes,
			    struct pl_error *err)
{
	int rc = check_index(index, err);

	return rc ? rc : accel_packets_of_host(packets, "host", len_bytes, err);
}

const struct accel_ops accel_host = {
	.kind = PL_ACCEL_HOST,
	.scan = host_scan,
	.open = host_open,
	.close = host_close,
	.alloc = host_alloc,
	.free = host_free,
	.attach = host_attach,
	.write = host_write,
	.read = host_read,
	.zero = host_zero,
	.launch = host_launch,
	.ended = host_ended,
	.packets_new = host_packets_new,
	.packets_free = accel_packets_of_host_free,
};
