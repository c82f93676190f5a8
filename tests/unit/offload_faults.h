/* SPDX-License-Identifier: BSD-2-Clause */
/* Accelerators that are made to fail, where the offload's thread or a plane calls them. For one file of a program that
 * is linked with --wrap of each of these functions. */
#ifndef PEERLANE_TESTS_OFFLOAD_FAULTS_H
#define PEERLANE_TESTS_OFFLOAD_FAULTS_H

#include <stdatomic.h>
#include <unistd.h>

#include <peerlane/accel.h>

struct faults {
	_Atomic int stuck;    /* the next opening does not return while this is set */
	_Atomic int is_stuck; /* there is one that does not */
	_Atomic int ended, open, alloc, run, read; /* what the next calls return; 0: what is true */
};
static struct faults faults;
static unsigned n_workers; /* 0: as many as suit */
static const struct pl_error injected = {"injected", "none"};

#define INJECT(fault, err)                                \
	do {                                              \
		int inject_ = atomic_load(&faults.fault); \
                                                          \
		if (inject_) {                            \
			*(err) = injected;                \
			return inject_;                   \
		}                                         \
	} while (0)

int __real_pl_accel_ended(struct pl_accel *accel, struct pl_error *err);
int __wrap_pl_accel_ended(struct pl_accel *accel, struct pl_error *err);
int __wrap_pl_accel_ended(struct pl_accel *accel, struct pl_error *err)
{
	INJECT(ended, err);
	return __real_pl_accel_ended(accel, err);
}

int __real_pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
			 struct pl_error *err);
int __wrap_pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
			 struct pl_error *err);
int __wrap_pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
			 struct pl_error *err)
{
	struct pl_accel_config wanted = *config;

	INJECT(open, err);
	while (atomic_load(&faults.stuck)) {
		atomic_store(&faults.is_stuck, 1);
		usleep(1000);
	}
	wanted.n_workers = n_workers;
	return __real_pl_accel_open(accel, &wanted, err);
}

int __real_pl_accel_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
			  struct pl_accel_memory *memory, struct pl_error *err);
int __wrap_pl_accel_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
			  struct pl_accel_memory *memory, struct pl_error *err);
int __wrap_pl_accel_alloc(struct pl_accel *accel, enum pl_accel_place place, size_t len_bytes,
			  struct pl_accel_memory *memory, struct pl_error *err)
{
	INJECT(alloc, err);
	return __real_pl_accel_alloc(accel, place, len_bytes, memory, err);
}

int __real_pl_accel_run(struct pl_accel *accel, struct pl_error *err);
int __wrap_pl_accel_run(struct pl_accel *accel, struct pl_error *err);
int __wrap_pl_accel_run(struct pl_accel *accel, struct pl_error *err)
{
	INJECT(run, err);
	return __real_pl_accel_run(accel, err);
}

int __real_pl_accel_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
			 struct pl_error *err);
int __wrap_pl_accel_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
			 struct pl_error *err);
int __wrap_pl_accel_read(struct pl_accel *accel, void *bytes, uint64_t from, size_t len_bytes,
			 struct pl_error *err)
{
	INJECT(read, err);
	return __real_pl_accel_read(accel, bytes, from, len_bytes, err);
}

#endif
