/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of bench/accel share: the tables and frames that are measured with, sessions on a
 * device, and what was measured. */
#ifndef BENCH_ACCEL_BENCH_H
#define BENCH_ACCEL_BENCH_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../router/offload/offload.h"
#include "../net/options.h"
#include "../routes/routes.h"

#define FRAME_BYTES 60u /* without FCS: 64 on the wire */
#define FRAME_ROOM 64u	/* bytes kept of each */
#define CHUNK 1024u	/* frames that are brought back to what they were together */
#define LANE_CHUNKS \
	64u /* of a lane alone; where there are more, each has as many as can be under way */
#define SERIES_MAX 101u
#define IN_DEVICE "the device's memory" /* key.where */
#define RESULTS_MAX 512u
#define DEVICES_MAX 16u
#define N_NEXTHOPS 255u
#define CORE_ANY (~0ull)
#define PATIENCE_NS 30000000000ull /* after which something has gone wrong for good */
#define HANG_MS 15000u	    /* not a daemon's: a loaded machine is no fault of the accelerator's */
#define LINE_RATE_10G 14.88 /* Mpps of 64-byte frames */

enum part { PART_PROGRAM, PART_LATENCY, PART_THROUGHPUT, PART_PLANE, PART_NIC, PART_REST, PARTS };
extern const char *const part_names[PARTS];

struct settings {
	unsigned long long repetitions, ms, samples, lanes, n4, n6, changes, seed, core;
	double mpps;
	const char *devices, *only, *json;
	bool quick;
	bool parts[PARTS];
};

/* ---- what was measured ---- */

/* Numbers of one kind, one for each repetition. */
struct series {
	unsigned n;
	double at[SERIES_MAX];
};

struct spread {
	double min, median, max;
};

struct spread series_spread(const struct series *s);

/* Whose figure: 0 or NULL where it does not apply. */
struct key {
	enum part part;
	const char *what, *unit;
	const char *how;       /* a variant of it */
	const char *where;     /* frames lie if not in the host's memory */
	const char *point;     /* "p50", "p99", ... of many */
	unsigned family;       /* 4, 6 */
	unsigned burst, depth; /* packets; bursts under way */
	unsigned frame;	       /* bytes on the wire, FCS included */
};

struct result {
	struct key key;
	struct series series;
};

/* An accelerator, or the CPU's own program beside which it is measured. */
struct device {
	struct pl_accel_info info;
	bool cpu;	  /* no accelerator: nic-cpu's processor */
	char label[700];  /* which, and what it is */
	unsigned workers; /* groups of the program that ran */
	struct result results[RESULTS_MAX];
	unsigned n_results;
};

/* Points of a figure that hangs on how far the cores are from each other. */
extern const char cores_near[], cores_far[];

/* Adds one repetition's value. */
void device_note(struct device *d, struct key key, double value);

/* NULL: not measured. */
const struct series *device_series(const struct device *d, struct key key);

/* Sorts `n` values, and notes what 50, 99 and 99.9 % of them are at most, and the most, as the key's points
 * "p50", "p99", "p99.9" and "max". */
void device_note_percentiles(struct device *d, struct key key, double *values, size_t n);

const char *launch_name(enum pl_accel_launch launch);

/* PL_ACCEL_PERSISTENT, where the device can do that. */
enum pl_accel_launch device_launch(const struct device *d);

/* ---- what is measured with ---- */

struct bench {
	struct settings settings;
	struct routes routes; /* shuffled within each family */
	struct tables *tables;
	uint32_t nexthops[N_NEXTHOPS];
	uint32_t probe_nexthops[2]; /* that drop for one reason or another */
	struct prefix probe;	    /* a host that leads to either */
	bool forwards;		    /* what the next hops do now; else drop */
	/* As many as any session has, of each family, to random addresses in random prefixes. */
	uint8_t (*frames[2])[FRAME_ROOM];
	unsigned n_frames;
	uint8_t probe_frame[FRAME_ROOM];
	struct tables *one; /* with one route, to 198.18.0.0/15, out of port 1 */
	struct device devices[DEVICES_MAX];
	unsigned n_devices;
	int core; /* of whoever submits; -1: any */
	cpu_set_t here, elsewhere;
};

/* Where the calling thread runs from now on, and the threads that it makes: on the cores that are not the
 * submitter's, or on that one. */
void threads_elsewhere(const struct bench *b);
void thread_here(const struct bench *b);

void bench_make(struct bench *b, unsigned n_frames);
void bench_free(struct bench *b);

/* Has all routes forward (out of port 1, with the MAC that came in: so the frame can come in again), or
 * drop after the lookup. Control thread. */
void bench_forward(struct bench *b, bool forwards);

/* A UDP packet to `to`, in a frame of FRAME_BYTES. */
void frame_make(uint8_t *frame, const struct ip_addr *to);

/* Of both ports. */
extern const uint8_t bench_mac[6];

/* ---- sessions: a device, open, with lanes on which bursts go back and forth ---- */

struct churn;

/* One lane: a processor as a plane has it, and the frames that it is given. The thread that drives it is the
 * plane's, for all of a session. */
struct lane {
	struct pl_processor processor;
	struct pl_pool pool;
	struct pl_accel_packets packets; /* where the frames lie; zeroed: in the host's memory */
	uint8_t *staging;		 /* by which they get there; NULL: at once */
	const struct bench *bench;
	unsigned first;	 /* of the bench's frames */
	uint32_t *frame; /* offsets, n_chunks * CHUNK */
	unsigned n_chunks;
	unsigned family; /* 4, 6 */
	bool forwards;	 /* what is expected */
	bool lenient;	 /* not yet: the device may not have heard */

	unsigned chunk, at;	/* the next burst begins with frame `at` of `chunk` */
	unsigned *passes;	/* times that all frames of a chunk have gone through the program */
	uint32_t probe;		/* offset of a frame that is put behind each burst; 0: none */
	uint16_t probe_verdict; /* of the burst that was completed last */
	uint64_t submitted, completed; /* bursts */
	uint64_t submitted_ns[MAILBOX_SLOTS];
	struct lane_filled { /* what a burst's arrays name: a slot keeps it from time to time */
		struct pl_burst *burst;
		unsigned first, n;
		uint32_t probe;
	} filled[MAILBOX_SLOTS + 1]; /* and one that is copied into a slot */
	struct pl_burst
		*last; /* that was completed; valid until something else is done with the lane */
};

static inline unsigned lane_under_way(const struct lane *l)
{
	return (unsigned)(l->submitted - l->completed);
}

/* With `n_chunks` of the bench's frames, from `first` on, in memory of the host's, or of device `d` (NULL: not); the
 * caller sees to the processor. */
void lane_init(struct lane *l, const struct bench *b, const struct device *d, unsigned first,
	       unsigned n_chunks);
void lane_fini(struct lane *l);

void lane_set_probe(struct lane *l, bool probe);

/* Puts a chunk's frames, CHUNK of FRAME_ROOM bytes each, where they belong, or fetches them. The program touches none
 * of them. */
void lane_put(struct lane *l, unsigned chunk, uint8_t (*frames)[FRAME_ROOM]);
void lane_get(const struct lane *l, unsigned chunk, uint8_t (*frames)[FRAME_ROOM]);

/* Puts fresh frames in. Nothing is under way. */
void lane_load(struct lane *l, unsigned family);

/* Submits a burst of `n`, a power of two up to CHUNK (and the probe). Returns false if it cannot now. */
bool lane_submit(struct lane *l, unsigned n, uint64_t now_ns);

/* Takes the oldest burst back if it is done: returns how many packets it had, without the probe, or 0, and when
 * it was submitted. Ends the program if one has a verdict that is not expected. */
unsigned lane_complete(struct lane *l, uint64_t *submitted_ns);

/* Waits for the burst that is the only one under way; returns when it was submitted. */
uint64_t lane_await(struct lane *l);

/* Waits for all that is under way. */
void lane_drain(struct lane *l);

/* Ends the program unless each frame has been rewritten as often as it was submitted. */
void lane_check(struct lane *l);

struct session {
	struct bench *bench;
	struct device *device;
	enum pl_accel_launch launch;
	struct offload *offload; /* NULL: the CPU */
	struct lane *lanes;
	unsigned n_lanes;
	struct churn *churn; /* told what the probe got, where there is one */
};

/* Opens the device, which does not rest if `stays`, and has frames in its own memory if `in_device`. The calling thread is the control thread. Ends the
 * program where something fails. */
void session_open(struct session *s, struct bench *b, struct device *d, enum pl_accel_launch launch,
		  unsigned n_lanes, bool in_device, bool stays);

/* Ends the program if the CPU had to help, or a burst was lost: nothing then was measured. */
void session_close(struct session *s);

/* Loads all lanes with frames of a family, and compares what becomes of a burst with what the CPU makes of the
 * same frames, one by one, byte by byte. Ends the program if they differ. */
void session_load(struct session *s, unsigned family);

/* Keeps `depth` bursts of `burst` packets under way on each lane for `ms`. Returns millions of packets a
 * second. */
double session_run(struct session *s, unsigned burst, unsigned depth, unsigned ms);

/* ---- changes: a thread that is the control thread in the meantime ---- */

/* Has routes of a family go and come back, `rate` changes a second, and the probe's lead elsewhere now
 * and then. The caller does nothing of the control thread's until churn_stop(). */
struct churn *churn_start(struct session *s, unsigned family, unsigned rate);

/* A burst has come back with this verdict for the probe. */
void churn_seen(struct churn *c, uint16_t verdict, uint64_t now_ns);

size_t churn_n_seen(const struct churn *c);

/* All routes are there again. Returns changes a second that were made; in *seen_us, which is the caller's to
 * free, how long each change of the probe's route took to be seen, from before the call that made it. */
double churn_stop(struct churn *c, double **seen_us, size_t *n_seen);

/* ---- the measurements; each adds one repetition of one device ---- */

/* Frames that the measurements need at most, for the devices that there are. */
unsigned program_frames(const struct bench *b);

void program_measure(struct bench *b, struct device *d);
void latency_measure(struct bench *b, struct device *d);
void throughput_measure(struct bench *b, struct device *d);
void plane_measure(struct bench *b, struct device *d);
void nic_measure(struct bench *b, struct device *d);
void rest_measure(struct bench *b, struct device *d);

/* Sizes of frames that NICs are measured with, FCS included; and the modes. End with 0 and NULL. */
extern const unsigned nic_sizes[];
extern const char *const nic_modes[];

/* Sizes of bursts, and numbers under way, that throughput is measured for; each ends with 0. */
extern const unsigned throughput_sizes[], throughput_depths[];

/* ---- report.c, json.c ---- */

void report_print(const struct bench *b, const struct device *d);
void report_json(const struct bench *b, int argc, char **argv);

/* ---- small things ---- */

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void *checked(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

/* SplitMix64. */
static inline uint64_t random64(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

#endif
