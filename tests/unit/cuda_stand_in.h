/* SPDX-License-Identifier: BSD-2-Clause */
/* A stand-in for NVIDIA's driver: a libcuda.so.1 that has the functions we use and runs on the host.
 *
 * It is no GPU and tells nothing about one. It does what NVIDIA's documentation says the driver does, and
 * where that leaves room, what would hurt us more: fresh memory is full of rubbish, and every call that may
 * wait for a running program does wait for it, and is counted. The program that PTX stands for is one of the
 * host's, a worker of it for each block, a thread each. The one that moves packets is compiled for the host from the
 * same source, and its items run one after the other, in an order of their own. A device's address is the host's.
 *
 * Its physical memory is a file of the kernel's without a name each, whose descriptor stands for a dma-buf.
 *
 * Found by LD_LIBRARY_PATH; tests get at what follows by dlsym() of "cuda_stand_in". */
#ifndef TESTS_CUDA_STAND_IN_H
#define TESTS_CUDA_STAND_IN_H

#include <stdatomic.h>
#include <stdbool.h>

#include <peerlane/accel.h>

/* What it is, and is to do. Changed only while no other thread makes a call. */
struct cuda_stand_in {
	int version, n_devices;
	int capability; /* 10 * major + minor */
	int display, no_mapping, no_unified, no_register, compute_mode;
	int no_virtual;	   /* no virtual memory management */
	int dma_buf, rdma; /* exports memory, for NICs */
	int ordering,
		flush_options; /* CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_..., as cuda.h has them */
	int multiprocessors, blocks_each; /* that run at once on a multiprocessor */
	size_t device_bytes, lockable_bytes;
	int ptx_version; /* 10 * major + minor: the newest that it reads */
	/* Some call fails, `after` calls of it that do not; NULL: none. */
	const char *fail;
	int fail_result;
	unsigned after;
	/* A fault outlives a reset of the context, as the documentation has it. */
	bool faults_stay;
	void (*program)(struct mailbox *mailbox, uint32_t worker, uint64_t launch);

	/* Programs do not end while this is true. */
	atomic_bool hang;

	/* What it saw. Reset at will. */
	atomic_uint launches, grid, block; /* launches so far; of the last one */
	atomic_uint copies;		   /* launches of the program that moves packets */
	atomic_uint waits;		   /* calls that had to wait for a program that ran */
	atomic_uint pageable;		   /* copies from or to memory that is not locked */
	atomic_uint running;		   /* programs that run */
	atomic_uint flushes;		   /* cuFlushGPUDirectRDMAWrites() */
	unsigned contexts, allocations; /* that there are: references; memory, streams, modules */
	unsigned ranges; /* addresses reserved, and physical memory, which are of no context */

	/* Ends what runs, after the bursts in hand, with a fault: every call that follows returns it. */
	void (*fault)(int result);
};

typedef struct cuda_stand_in *cuda_stand_in_fn(void);

#endif
