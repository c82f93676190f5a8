/* SPDX-License-Identifier: BSD-2-Clause */
/* See cuda_stand_in.h: modules, streams, and the programs launched in them, which run in threads. */
#include "cuda_stand_in_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/accel/copier_device.h"
#include "../../lib/accel/private.h"

#define INVALID_HANDLE 400

struct CUstream_st {
	unsigned launched, ended; /* programs */
};

struct CUmod_st {
	const char *text;
};

/* What a launched program needs to know. */
struct run {
	struct CUstream_st *stream;
	unsigned ticket; /* number of the launch in its stream */
	struct mailbox *mailbox;
	uint64_t launch;
	unsigned n_workers;
	bool copies;	     /* copy_run(), with these: */
	uint64_t address[3]; /* there, here, pieces */
	uint32_t n, shift, n_items;
	struct run *next; /* that runs */
};

struct worker {
	pthread_t thread;
	const struct run *run;
	unsigned number;
};

static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static struct run *runs; /* that have not ended */
static struct CUfunc_st {
	int one;
} the_function, the_copier;

void stand_in_synchronize(void)
{
	if (runs)
		stand_in()->waits++;
	while (runs)
		pthread_cond_wait(&ended, &stand_in_lock);
}

/* ---- modules ---- */

int cuModuleLoadDataEx(struct CUmod_st **module, const void *image, unsigned n_options,
		       int *options, void **values)
{
	const char *version = strstr(image, "\n.version ");
	int result = stand_in_enter("cuModuleLoadDataEx"), major, minor;

	if (result == CUDA_ERROR_INVALID_PTX)
		for (unsigned i = 0; i + 1 < n_options; i++)
			if (options[i] == CU_JIT_ERROR_LOG_BUFFER &&
			    options[i + 1] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
				snprintf(values[i], (size_t)(uintptr_t)values[i + 1],
					 "ptxas stand-in, line 7; error   : no such instruction\n");
	if (result)
		return result;
	stand_in_synchronize();
	if (!version || sscanf(version, "\n.version %d.%d", &major, &minor) != 2 ||
	    !strstr(image, "\n.target sm_75"))
		return stand_in_leave(CUDA_ERROR_INVALID_PTX);
	if (10 * major + minor > stand_in()->ptx_version)
		return stand_in_leave(CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
	*module = malloc(sizeof(**module));
	(*module)->text = image;
	stand_in_keep(MODULE, *module, 0);
	return stand_in_leave(0);
}

int cuModuleUnload(struct CUmod_st *module)
{
	int result = stand_in_enter("cuModuleUnload");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(stand_in_drop(MODULE, module, INVALID_HANDLE));
}

int cuModuleGetFunction(struct CUfunc_st **function, struct CUmod_st *module, const char *name)
{
	int result = stand_in_enter("cuModuleGetFunction");
	char entry[80];

	if (result)
		return result;
	stand_in_synchronize();
	snprintf(entry, sizeof(entry), ".visible .entry %s(", name);
	if (!strstr(module->text, entry))
		return stand_in_leave(CUDA_ERROR_NOT_FOUND);
	*function = strcmp(name, "copy_run") ? &the_function : &the_copier;
	return stand_in_leave(0);
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, struct CUfunc_st *function,
						int block_size, size_t shared_bytes)
{
	int result = stand_in_enter("cuOccupancyMaxActiveBlocksPerMultiprocessor");

	(void)function, (void)block_size, (void)shared_bytes;
	if (result)
		return result;
	*blocks = stand_in()->blocks_each;
	return stand_in_leave(0);
}

/* ---- streams and programs ---- */

int cuStreamCreate(struct CUstream_st **stream, unsigned flags)
{
	int result = stand_in_enter("cuStreamCreate");

	if (result)
		return result;
	if (flags != CU_STREAM_NON_BLOCKING)
		return stand_in_leave(
			CUDA_ERROR_INVALID_VALUE); /* it would wait for the default stream */
	*stream = calloc(1, sizeof(**stream));
	stand_in_keep(STREAM, *stream, 0);
	return stand_in_leave(0);
}

int cuStreamDestroy_v2(struct CUstream_st *stream)
{
	int result = stand_in_enter("cuStreamDestroy_v2");

	if (result)
		return result;
	if (stream->launched != stream->ended)
		return stand_in_leave(INVALID_HANDLE); /* allowed, but we never mean it */
	return stand_in_leave(stand_in_drop(STREAM, stream, INVALID_HANDLE));
}

int cuStreamQuery(struct CUstream_st *stream)
{
	int result = stand_in_enter("cuStreamQuery");

	if (result)
		return result;
	return stand_in_leave(stream->launched == stream->ended ? 0 : CUDA_ERROR_NOT_READY);
}

int cuStreamSynchronize(struct CUstream_st *stream)
{
	int result = stand_in_enter("cuStreamSynchronize");

	if (result)
		return result;
	if (stream->launched != stream->ended)
		stand_in()->waits++;
	while (stream->launched != stream->ended)
		pthread_cond_wait(&ended, &stand_in_lock);
	return stand_in_leave(stand_in_sticky);
}

static void *work(void *arg)
{
	const struct worker *worker = arg;

	stand_in()->program(worker->run->mailbox, worker->number, worker->run->launch);
	while (atomic_load(&stand_in()->hang))
		usleep(500);
	return NULL;
}

/* Every item of copy_run() once: 4999 has no divisor in common with any number of them. */
static void copy_all(const struct run *run)
{
	for (uint32_t i = 0; i < run->n_items; i++)
		copy_run(run->address[0], run->address[1], run->address[2], run->n, run->shift,
			 (uint32_t)((uint64_t)i * 4999 % run->n_items), run->n_items);
	while (atomic_load(&stand_in()->hang))
		usleep(500);
}

static void work_all(const struct run *run)
{
	struct worker *workers = calloc(run->n_workers, sizeof(*workers));

	for (unsigned w = 0; w < run->n_workers; w++) {
		workers[w].run = run;
		workers[w].number = w;
		if (pthread_create(&workers[w].thread, NULL, work, &workers[w]))
			abort();
	}
	for (unsigned w = 0; w < run->n_workers; w++)
		pthread_join(workers[w].thread, NULL);
	free(workers);
}

/* One launch, from its turn in the stream to the end of all its workers. */
static void *run_all(void *arg)
{
	struct run *run = arg;

	pthread_mutex_lock(&stand_in_lock);
	while (run->stream->ended != run->ticket)
		pthread_cond_wait(&ended, &stand_in_lock);
	pthread_mutex_unlock(&stand_in_lock);

	if (run->copies)
		copy_all(run);
	else
		work_all(run);

	pthread_mutex_lock(&stand_in_lock);
	for (struct run **at = &runs; *at; at = &(*at)->next)
		if (*at == run) {
			*at = run->next;
			break;
		}
	run->stream->ended++;
	stand_in()->running -= !run->copies;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&stand_in_lock);
	free(run);
	return NULL;
}

/* What is launched with parameters of program_run() or copy_run(). Returns a result. */
static int describe(struct run *run, const struct CUfunc_st *function, void **parameters)
{
	uint64_t mailbox;

	run->copies = function == &the_copier;
	if (!run->copies) {
		memcpy(&mailbox, parameters[0], sizeof(mailbox));
		memcpy(&run->launch, parameters[1], sizeof(run->launch));
		run->mailbox = (struct mailbox *)(uintptr_t)mailbox;
		return stand_in_owns(run->mailbox, sizeof(*run->mailbox))
			       ? 0
			       : CUDA_ERROR_INVALID_VALUE;
	}
	for (unsigned i = 0; i < 3; i++)
		memcpy(&run->address[i], parameters[i], sizeof(run->address[i]));
	memcpy(&run->n, parameters[3], sizeof(run->n));
	memcpy(&run->shift, parameters[4], sizeof(run->shift));
	return stand_in_owns((void *)(uintptr_t)run->address[1], 1) &&
			       stand_in_owns((void *)(uintptr_t)run->address[2],
					     run->n * sizeof(struct copier_piece)) &&
			       run->shift <= COPIER_SHIFT_MAX
		       ? 0
		       : CUDA_ERROR_INVALID_VALUE;
}

static void note_launch(const struct run *run, unsigned block)
{
	struct cuda_stand_in *s = stand_in();

	if (run->copies) {
		s->copies++;
		return;
	}
	s->launches++;
	s->running++;
	s->grid = run->n_workers;
	s->block = block;
}

int cuLaunchKernel(struct CUfunc_st *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
		   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
		   struct CUstream_st *stream, void **parameters, void **extra)
{
	int result = stand_in_enter("cuLaunchKernel");
	pthread_t thread;
	struct run *run;

	if (result)
		return result;
	if ((function != &the_function && function != &the_copier) || !stream || extra ||
	    shared_bytes || grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 ||
	    !block_x || block_x > 1024 || block_x % 32 || !grid_x)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	run = calloc(1, sizeof(*run));
	if (describe(run, function, parameters)) {
		free(run);
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	}
	run->stream = stream;
	run->ticket = stream->launched++;
	run->n_workers = grid_x;
	run->n_items = grid_x * block_x;
	run->next = runs;
	runs = run;
	note_launch(run, block_x);
	if (pthread_create(&thread, NULL, run_all, run))
		abort();
	pthread_detach(thread);
	return stand_in_leave(0);
}

void stand_in_fault(int result)
{
	pthread_mutex_lock(&stand_in_lock);
	while (runs) {
		/* Said again and again: whoever runs the program may say otherwise meanwhile. */
		for (const struct run *run = runs; run; run = run->next)
			if (!run->copies)
				accel_tell_rest(run->mailbox, run->mailbox->n_workers, UINT64_MAX);
		pthread_mutex_unlock(&stand_in_lock);
		usleep(100);
		pthread_mutex_lock(&stand_in_lock);
	}
	stand_in_sticky = result;
	pthread_mutex_unlock(&stand_in_lock);
}
