/* SPDX-License-Identifier: BSD-2-Clause */
/* See cuda_stand_in.h. One lock over everything; one device's context; programs in threads. */
#include "cuda_stand_in_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/accel/copier_device.h"

cuda_stand_in_fn cuda_stand_in;

#define INVALID_CONTEXT 201
#define INVALID_HANDLE 400
#define NOT_REGISTERED 713

/* What belongs to the context: memory, streams, modules. */
struct piece {
	enum { OF_DEVICE, OF_HOST, REGISTERED, STREAM, MODULE } kind;
	char *at;
	size_t bytes;
	struct piece *next;
};

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

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static bool started;
static int sticky;	    /* result of the fault */
static unsigned generation; /* of the context; it changes with each reset */
static struct piece *pieces;
static struct run *runs;
static _Thread_local unsigned current; /* the generation that the thread has set */
static struct CUfunc_st {
	int one;
} the_function, the_copier;

static void keep(int kind, void *at, size_t bytes);
static int drop(int kind, const void *at, int otherwise);

/* ---- what all calls begin with ---- */

/* Whether this call is one that is to fail; with the lock. */
static int injected(const char *call)
{
	struct cuda_stand_in *s = stand_in();

	if (!s->fail || strcmp(s->fail, call) != 0)
		return 0;
	if (s->after) {
		s->after--;
		return 0;
	}
	return s->fail_result;
}

int stand_in_enter_any(const char *call)
{
	int result;

	pthread_mutex_lock(&lock);
	result = injected(call);
	if (!result && !started && strcmp(call, "cuInit") != 0 &&
	    strcmp(call, "cuDriverGetVersion") != 0)
		result = 3; /* CUDA_ERROR_NOT_INITIALIZED */
	if (result)
		pthread_mutex_unlock(&lock);
	return result;
}

int stand_in_enter(const char *call)
{
	int result = stand_in_enter_any(call);

	if (result)
		return result;
	result = sticky;
	if (!stand_in()->contexts || current != generation)
		result = INVALID_CONTEXT;
	if (result)
		pthread_mutex_unlock(&lock);
	return result;
}

int stand_in_leave(int result)
{
	pthread_mutex_unlock(&lock);
	return result;
}

void stand_in_synchronize(void)
{
	if (runs)
		stand_in()->waits++;
	while (runs)
		pthread_cond_wait(&ended, &lock);
}

/* ---- the driver and its devices ---- */

int cuDriverGetVersion(int *version)
{
	int result = stand_in_enter_any("cuDriverGetVersion");

	if (result)
		return result;
	*version = stand_in()->version;
	return stand_in_leave(0);
}

int cuInit(unsigned flags)
{
	int result = stand_in_enter_any("cuInit");

	if (result)
		return result;
	if (flags)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (!stand_in()->n_devices)
		return stand_in_leave(CUDA_ERROR_NO_DEVICE);
	started = true;
	return stand_in_leave(0);
}

/* Newer than the driver's list. */
#define UNHEARD_OF 4242

int cuGetErrorName(int result, const char **name)
{
	if (result == UNHEARD_OF)
		return CUDA_ERROR_INVALID_VALUE;
	*name = result == CUDA_ERROR_OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
		: result == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
		: result == CUDA_ERROR_NO_DEVICE       ? "CUDA_ERROR_NO_DEVICE"
		: result == CUDA_ERROR_INVALID_PTX     ? "CUDA_ERROR_INVALID_PTX"
						       : "CUDA_ERROR_OTHER";
	return 0;
}

int cuGetErrorString(int result, const char **text)
{
	if (result == UNHEARD_OF)
		return CUDA_ERROR_INVALID_VALUE;
	*text = "said by a stand-in";
	return 0;
}

int cuDeviceGetCount(int *count)
{
	int result = stand_in_enter_any("cuDeviceGetCount");

	if (result)
		return result;
	*count = stand_in()->n_devices;
	return stand_in_leave(0);
}

int cuDeviceGet(int *device, int ordinal)
{
	int result = stand_in_enter_any("cuDeviceGet");

	if (result)
		return result;
	if (ordinal < 0 || ordinal >= stand_in()->n_devices)
		return stand_in_leave(CUDA_ERROR_INVALID_DEVICE);
	*device = ordinal;
	return stand_in_leave(0);
}

int cuDeviceGetName(char *name, int len, int device)
{
	int result = stand_in_enter_any("cuDeviceGetName");

	if (result)
		return result;
	snprintf(name, (size_t)len, "stand-in %d", device);
	return stand_in_leave(0);
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
	int result = stand_in_enter_any("cuDeviceTotalMem_v2");

	(void)device;
	if (result)
		return result;
	*bytes = stand_in()->device_bytes;
	return stand_in_leave(0);
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
	const struct cuda_stand_in *s = stand_in();
	int result = stand_in_enter_any("cuDeviceGetAttribute");

	(void)device;
	if (result)
		return result;
	switch (attribute) {
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		*value = s->multiprocessors;
		break;
	case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT:
		*value = s->display;
		break;
	case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
		*value = !s->no_mapping;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
		*value = s->compute_mode;
		break;
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
		*value = !s->no_unified;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		*value = s->capability / 10;
		break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		*value = s->capability % 10;
		break;
	case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
		*value = !s->no_register;
		break;
	case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED:
		*value = !s->no_virtual;
		break;
	case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED:
		*value = s->rdma;
		break;
	case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS:
		*value = s->flush_options;
		break;
	case CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING:
		*value = s->ordering;
		break;
	case CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED:
		*value = s->dma_buf;
		break;
	default:
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	}
	return stand_in_leave(0);
}

/* ---- the primary context ---- */

static void forget(struct piece **at)
{
	struct piece *piece = *at;

	*at = piece->next;
	if (piece->kind != REGISTERED)
		free(piece->at);
	free(piece);
	stand_in()->allocations--;
}

/* All that belongs to the context is gone. With the lock. */
static void reset(void)
{
	stand_in_synchronize();
	while (pieces)
		forget(&pieces);
	generation++;
	if (!stand_in()->faults_stay)
		sticky = 0;
}

int cuDevicePrimaryCtxRetain(struct CUctx_st **context, int device)
{
	int result = stand_in_enter_any("cuDevicePrimaryCtxRetain");

	(void)device;
	if (result)
		return result;
	if (sticky)
		return stand_in_leave(sticky);
	if (stand_in()->compute_mode == CU_COMPUTEMODE_PROHIBITED)
		return stand_in_leave(CUDA_ERROR_UNKNOWN);
	if (!stand_in()->contexts++)
		generation++;
	*context = (struct CUctx_st *)(uintptr_t)generation;
	return stand_in_leave(0);
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
	int result = stand_in_enter_any("cuDevicePrimaryCtxRelease_v2");

	(void)device;
	if (result)
		return result;
	if (!stand_in()->contexts)
		return stand_in_leave(INVALID_CONTEXT);
	if (!--stand_in()->contexts)
		reset();
	return stand_in_leave(0);
}

int cuDevicePrimaryCtxReset_v2(int device)
{
	int result = stand_in_enter_any("cuDevicePrimaryCtxReset_v2");

	(void)device;
	if (result)
		return result;
	reset();
	return stand_in_leave(0);
}

int cuCtxSetCurrent(struct CUctx_st *context)
{
	int result = stand_in_enter_any("cuCtxSetCurrent");

	if (result)
		return result;
	if (context && (uintptr_t)context != generation)
		return stand_in_leave(INVALID_CONTEXT);
	current = (unsigned)(uintptr_t)context;
	return stand_in_leave(0);
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
	keep(MODULE, *module, 0);
	return stand_in_leave(0);
}

int cuModuleUnload(struct CUmod_st *module)
{
	int result = stand_in_enter("cuModuleUnload");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(drop(MODULE, module, INVALID_HANDLE));
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

/* ---- memory ---- */

static size_t used_bytes(int kind)
{
	size_t sum = 0;

	for (const struct piece *piece = pieces; piece; piece = piece->next)
		if ((piece->kind == OF_DEVICE) == (kind == OF_DEVICE))
			sum += piece->bytes;
	return sum;
}

/* The piece that has all of these bytes. */
static const struct piece *piece_of(const void *at, size_t bytes)
{
	for (const struct piece *piece = pieces; piece; piece = piece->next)
		if ((const char *)at >= piece->at &&
		    (const char *)at + bytes <= piece->at + piece->bytes)
			return piece;
	return NULL;
}

static void keep(int kind, void *at, size_t bytes)
{
	struct piece *piece = calloc(1, sizeof(*piece));

	piece->kind = kind;
	piece->at = at;
	piece->bytes = bytes;
	piece->next = pieces;
	pieces = piece;
	stand_in()->allocations++;
}

static int add(int kind, void *at, size_t bytes)
{
	size_t room = kind == OF_DEVICE ? stand_in()->device_bytes : stand_in()->lockable_bytes;

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (bytes > room || used_bytes(kind) > room - bytes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!at) {
		at = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
		memset(at, 0xa5, bytes);
	}
	keep(kind, at, bytes);
	return 0;
}

static int drop(int kind, const void *at, int otherwise)
{
	for (struct piece **piece = &pieces; *piece; piece = &(*piece)->next)
		if ((*piece)->at == at && (int)(*piece)->kind == kind) {
			forget(piece);
			return 0;
		}
	return otherwise;
}

int cuMemAlloc_v2(uint64_t *device, size_t bytes)
{
	int result = stand_in_enter("cuMemAlloc_v2");

	if (result)
		return result;
	stand_in_synchronize();
	result = add(OF_DEVICE, NULL, bytes);
	if (!result)
		*device = (uint64_t)(uintptr_t)pieces->at;
	return stand_in_leave(result);
}

int cuMemFree_v2(uint64_t device)
{
	int result = stand_in_enter("cuMemFree_v2");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(drop(OF_DEVICE, (void *)(uintptr_t)device, CUDA_ERROR_INVALID_VALUE));
}

int cuMemHostAlloc(void **host, size_t bytes, unsigned flags)
{
	int result = stand_in_enter("cuMemHostAlloc");

	if (result)
		return result;
	stand_in_synchronize();
	if (flags != (CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	result = add(OF_HOST, NULL, bytes);
	if (!result)
		*host = pieces->at;
	return stand_in_leave(result);
}

int cuMemFreeHost(void *host)
{
	int result = stand_in_enter("cuMemFreeHost");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(drop(OF_HOST, host, CUDA_ERROR_INVALID_VALUE));
}

int cuMemHostRegister_v2(void *host, size_t bytes, unsigned flags)
{
	int result = stand_in_enter("cuMemHostRegister_v2");

	if (result)
		return result;
	stand_in_synchronize();
	if (((uintptr_t)host | bytes) & 4095 ||
	    flags != (CU_MEMHOST_PORTABLE | CU_MEMHOST_DEVICEMAP))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	if (piece_of(host, 1))
		return stand_in_leave(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	return stand_in_leave(add(REGISTERED, host, bytes));
}

int cuMemHostUnregister(void *host)
{
	int result = stand_in_enter("cuMemHostUnregister");

	if (result)
		return result;
	stand_in_synchronize();
	return stand_in_leave(drop(REGISTERED, host, NOT_REGISTERED));
}

int cuMemHostGetDevicePointer_v2(uint64_t *device, void *host, unsigned flags)
{
	int result = stand_in_enter("cuMemHostGetDevicePointer_v2");
	const struct piece *piece;

	if (result)
		return result;
	piece = piece_of(host, 1);
	if (flags || !piece || piece->kind == OF_DEVICE)
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	*device = (uint64_t)(uintptr_t)host;
	return stand_in_leave(0);
}

/* ---- copies ---- */

/* Copies are done at once, as by an engine of the device's own. */
static int copy(const char *call, void *to, const void *from, size_t bytes, const void *device,
		const void *host, const struct CUstream_st *stream)
{
	int result = stand_in_enter(call);
	const struct piece *piece;

	if (result)
		return result;
	if (!stream)
		stand_in_synchronize(); /* the default stream's ways */
	piece = piece_of(device, bytes);
	if ((!piece || piece->kind != OF_DEVICE) && !stand_in_accessible(device, bytes))
		return stand_in_leave(CUDA_ERROR_INVALID_VALUE);
	piece = piece_of(host, bytes);
	if (!piece || piece->kind == OF_DEVICE)
		stand_in()->pageable++;
	memcpy(to, from, bytes);
	return stand_in_leave(0);
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, struct CUstream_st *stream)
{
	void *device = (void *)(uintptr_t)to;

	return copy("cuMemcpyHtoDAsync_v2", device, from, bytes, device, from, stream);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, struct CUstream_st *stream)
{
	const void *device = (const void *)(uintptr_t)from;

	return copy("cuMemcpyDtoHAsync_v2", to, device, bytes, device, to, stream);
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
	keep(STREAM, *stream, 0);
	return stand_in_leave(0);
}

int cuStreamDestroy_v2(struct CUstream_st *stream)
{
	int result = stand_in_enter("cuStreamDestroy_v2");

	if (result)
		return result;
	if (stream->launched != stream->ended)
		return stand_in_leave(INVALID_HANDLE); /* allowed, but we never mean it */
	return stand_in_leave(drop(STREAM, stream, INVALID_HANDLE));
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
		pthread_cond_wait(&ended, &lock);
	return stand_in_leave(sticky);
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

	pthread_mutex_lock(&lock);
	while (run->stream->ended != run->ticket)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);

	if (run->copies)
		copy_all(run);
	else
		work_all(run);

	pthread_mutex_lock(&lock);
	for (struct run **at = &runs; *at; at = &(*at)->next)
		if (*at == run) {
			*at = run->next;
			break;
		}
	run->stream->ended++;
	stand_in()->running -= !run->copies;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
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
		return piece_of(run->mailbox, sizeof(*run->mailbox)) ? 0 : CUDA_ERROR_INVALID_VALUE;
	}
	for (unsigned i = 0; i < 3; i++)
		memcpy(&run->address[i], parameters[i], sizeof(run->address[i]));
	memcpy(&run->n, parameters[3], sizeof(run->n));
	memcpy(&run->shift, parameters[4], sizeof(run->shift));
	return piece_of((void *)(uintptr_t)run->address[1], 1) &&
			       piece_of((void *)(uintptr_t)run->address[2],
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

static void fault(int result)
{
	pthread_mutex_lock(&lock);
	while (runs) {
		/* Said again and again: whoever runs the program may say otherwise meanwhile. */
		for (const struct run *run = runs; run; run = run->next)
			if (!run->copies)
				__atomic_store_n(&run->mailbox->rest, UINT64_MAX, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&lock);
		usleep(100);
		pthread_mutex_lock(&lock);
	}
	sticky = result;
	pthread_mutex_unlock(&lock);
}

struct cuda_stand_in *stand_in(void)
{
	static struct cuda_stand_in self = {
		.version = 12020,
		.n_devices = 1,
		.capability = 75,
		.rdma = 1,
		.dma_buf = 1,
		.ordering = CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER,
		.flush_options = CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST,
		.multiprocessors = 4,
		.blocks_each = 4,
		.device_bytes = (size_t)1 << 30,
		.lockable_bytes = (size_t)1 << 30,
		.ptx_version = 82,
		.fault = fault,
	};

	return &self;
}

EXPORT struct cuda_stand_in *cuda_stand_in(void)
{
	return stand_in();
}
