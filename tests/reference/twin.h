/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program beside the reference: real tables and the reference's lists, changed together,
 * and bursts that go through both. All that the tests of the two know of the program's and the
 * tables' insides is in twin.c.
 *
 * A difference is a bug, and a report on standard error and abort(): fuzzers want it so. */
#ifndef TESTS_REFERENCE_TWIN_H
#define TESTS_REFERENCE_TWIN_H

#include <peerlane/accel.h>

#include "../../router/tables/tables.h"
#include "reference.h"

#define TWIN_BURST_MAX 1024u

struct twin {
	struct ref_router ref;
	struct twin_program *program; /* the other half */
	unsigned long frames, bursts, changes;
	unsigned long sent, fates[REASON_COUNT]; /* of frames */
};

/* Aborts without memory: there is nothing to test then. */
struct twin *twin_new(void);

/* Changes, `hop` being a place in ref.hops. Each returns false, and changes nothing, where the
 * tables' contract (router/tables/tables.h) forbids it: a hop that others refer to must stay, a
 * member may become no group; or where the lists have no more room. */
bool twin_hop_set(struct twin *twin, unsigned hop, const struct ref_hop *spec); /* makes it, too */
bool twin_hop_del(struct twin *twin, unsigned hop);
bool twin_route_set(struct twin *twin, const struct ref_addr *addr, unsigned len, unsigned hop);
bool twin_route_del(struct twin *twin, unsigned route); /* a place in ref.routes */
bool twin_neighbour_set(struct twin *twin, unsigned port, const struct ref_addr *addr,
			unsigned hop);
bool twin_neighbour_del(struct twin *twin, unsigned neighbour); /* a place in ref.neighbours */
void twin_port_set(struct twin *twin, unsigned port, const uint8_t mac[6], bool up);

/* Removes everything and aborts if the tables keep any of it. */
void twin_clear(struct twin *twin);

struct twin_frame {
	uint16_t len;  /* up to REF_FRAME_MAX */
	uint16_t skip; /* units of 16 bytes left free before it */
	const uint8_t *bytes;
};

/* Gives up to TWIN_BURST_MAX frames, as one burst received on `port`, to the one-packet program and
 * to the passes of every instruction set that this processor has. All must say the same, and that
 * what the reference says: fate, port or reason, length, and every byte of the buffers. */
void twin_burst(struct twin *twin, unsigned port, const struct twin_frame *frames, unsigned n);

/* The same without the reference, for tables that are not its lists. */
void twin_burst_alike(struct twin *twin, unsigned port, const struct twin_frame *frames,
		      unsigned n);

/* Has the first device of a kind run every burst from now on, beside the others, with its own copy of the tables.
 * `remote`: with the packets in its memory. One at most. Returns false with `err` filled where there is no such device. */
bool twin_accel(struct twin *twin, enum pl_accel_kind kind, enum pl_accel_launch launch,
		bool remote, struct pl_error *err);

/* For changes that the reference is not to know of: routes to hops, by their indices in the tables. */
struct tables *twin_tables(struct twin *twin);
uint32_t twin_hop_index(const struct twin *twin, unsigned hop);

/* Removes everything and ends the accelerator. */
void twin_free(struct twin *twin);

/* Names of the programs that a burst is given to, NULL behind the last. */
const char *twin_program_name(const struct twin *twin, unsigned i);

/* As counters have it: "no-route". */
const char *twin_reason_name(enum reason reason);

#endif
