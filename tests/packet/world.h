/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole data plane in one process: real tables, a real plane and its loop, in-memory ports for
 * the wires and for the kernel's side. Routes go in through tables.h, frames in and out as bytes.
 *
 * Port 0 is where test frames come in, ports 1 and 2 where they leave; MACs are 02:00:00:00:00:pp.
 * See world_new() for the routes. */
#ifndef TESTS_PACKET_WORLD_H
#define TESTS_PACKET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <peerlane/plane.h>

#include "../../router/program/cpu.h"
#include "../../router/tables/tables.h"
#include "second.h"

#define WORLD_PORTS 3u
#define CAPTURE_MAX 2048u

struct world;

struct frame {
	uint16_t len;
	uint8_t bytes[1792];
};

/* Frames that a queue was given to transmit, in order. */
struct capture {
	struct world *world;
	unsigned port;
	bool is_wire;
	unsigned n;
	struct frame frames[CAPTURE_MAX];
};

struct world {
	struct tables *tables;
	struct second second;
	struct pl_plane plane;
	/* If set, nothing is captured: this is told of every frame sent out of a port, by the
	 * plane's thread. */
	void (*sent)(void *ctx, unsigned port, const uint8_t *data, uint16_t len);
	void *sent_ctx;
	struct capture wire[WORLD_PORTS]; /* sent by ports */
	struct capture face[WORLD_PORTS]; /* punted to the kernel */
	/* next hops that routes lead to */
	uint32_t via1;	 /* forwards out of port 1, MTU 1500 */
	uint32_t via2;	 /* forwards out of port 2, MTU 1500 */
	uint32_t glean2; /* network on port 2, MTU 1500 */
};

/* Builds a world whose plane runs `isa`. All its routes, of IPv4 (10.N.0.0/16) and IPv6
 * (2001:db8:N::/48):
 *
 *  N    next hop
 *  1    forward to 02:..:11:01 on port 1, MTU 1500
 *  2    forward to 02:..:22:01 on port 2, MTU 1500
 *  3    network on port 2, MTU 1500: .9 is 02:..:22:09 with an MTU of 1400, .10 failed to resolve
 *  4-9  local, broadcast, blackhole, unreachable, prohibit, an interface that is not ours */
struct world *world_new(enum cpu_isa isa);
void world_free(struct world *w);

/* Changes to the tables. Who expects something of a frame makes them by these, so that the second
 * opinion (second.h) knows them too. */
uint32_t world_hop(struct world *w, const struct nexthop_spec *spec);
void world_hop_set(struct world *w, uint32_t index, const struct nexthop_spec *spec);
void world_route(struct world *w, const char *prefix, uint32_t nexthop);
void world_neighbour(struct world *w, uint16_t port, const char *addr, uint32_t nexthop);
void world_port(struct world *w, uint16_t port, const uint8_t mac[6], bool up);

/* Receives `n` frames on a port's wire and runs the plane until all are done. Forgets what was
 * captured before. */
void world_receive(struct world *w, unsigned port, const struct frame *frames, unsigned n);

/* Replaces a port's wire by one that receives these frames over and over, for as long as the plane
 * runs: for tests that end when something has happened, however long it takes. The frames must
 * outlive that. Only while the plane does not run. */
void world_receive_always(struct world *w, unsigned port, const struct pl_mem_frame *frames,
			  unsigned n);

/* Each receives one frame on port 0 and checks all there is to see: who got it, its bytes and
 * length, which counters moved, and that no buffer was lost; and that the reference router would
 * expect the same. */
void expect_sent(struct world *w, const struct frame *in, unsigned port, const struct frame *out);
void expect_punt(struct world *w, const struct frame *in, enum reason reason);
void expect_drop(struct world *w, const struct frame *in, enum reason reason);

/* ---- frames, and what a router must make of them, written without the code under test ---- */

/* A UDP packet from 198.51.100.1 port 1000 to `dst` port 2000, `ip_len` bytes, TTL 64, to port 0's
 * MAC, padded to 60 bytes. */
struct frame frame4(const char *dst, unsigned ip_len);

/* The same for IPv6, from 2001:db8:ff::1. */
struct frame frame6(const char *dst, unsigned ip_len);

/* frame4() or frame6() by `dst`'s family. */
struct frame frame_to(const char *dst, unsigned ip_len);

/* Makes the IPv4 header checksum right, from the whole header. */
void frame4_checksum(struct frame *f);

/* Sets source or destination, and the checksum for IPv4. */
void frame_set_src(struct frame *f, const char *addr);
void frame_set_dst(struct frame *f, const char *addr);

void frame_set_ttl(struct frame *f, uint8_t ttl);
void frame_set_ports(struct frame *f, uint16_t src, uint16_t dst);

/* What must leave: MACs 02:..:`to` and port `port`'s, one hop less, no padding. */
struct frame frame_forwarded(const struct frame *in, unsigned port, uint16_t to);

void put16(uint8_t *p, unsigned v);
unsigned get16(const uint8_t *p);

/* Runs the tests once for each instruction set that this processor has; the world is *state. */
int run_for_all_isas(const char *name, const struct CMUnitTest *tests, size_t n);

#endif
