/* SPDX-License-Identifier: BSD-2-Clause */
/* The differential test: frames made from a seed go to Peerlane and to a kernel router of the same
 * configuration, and what comes out of both must be the same.
 *
 *     generate.c   frame number n of a seed, always the same
 *     packet.c     headers in and out of bytes; checksums
 *     link.c       packet sockets on both routers' ports: inject, capture, wait until all is out
 *     compare.c    what of an output is not compared; which outputs of the two belong together
 *     accepted.h   differences that stay, with the reasons: docs/differences.md is made of it
 *     describe.c   a frame in one line
 *     differ.c     options, windows of frames, replay of what differed, the report
 *
 * One thread. tests/lab/twins.py sets up the routers. */
#ifndef TESTS_DIFFER_H
#define TESTS_DIFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PORTS 3u
#define PORT_MTU 1500u /* the largest */
#define PADDED_LEN 60u /* the shortest frame on a wire, without its FCS */
#define FRAME_MAX 2048u
#define WINDOW_MAX 256u
#define OUTPUTS_MAX 4096u /* of one router and window: a frame becomes fragments, or an error */

enum twin { KERNEL, PEERLANE, TWINS };

/* ---- the world: as tests/lab/twins.py makes it ----
 *
 * Port i, from 1: router 10.0.i.1/24, fd00:i::1/64, MAC 02:00:00:00:0i:01; hosts .2 to .9 with
 * MACs 02:00:00:00:0i:02 and so on are permanent neighbours. */

/* Whether an address (4 or 16 bytes) is one of the router's own. */
bool world_is_router4(const uint8_t addr[4]);
bool world_is_router6(const uint8_t addr[16]);
/* Whether IPv4 packets of this source, were they forwarded out of the port they came in on, are
 * looked at more closely by the kernel: it has no unicast route to them. */
bool world_is_not_unicast4(const uint8_t addr[4]);
/* Whether a destination lies behind more than one way. */
bool world_is_ecmp4(const uint8_t addr[4]);
bool world_is_ecmp6(const uint8_t addr[16]);
/* Whether it lies behind a gateway that has failed, or is the gateway. */
bool world_is_failed6(const uint8_t addr[16]);
/* Whether frames may have told the router of a smaller MTU on the way to it. */
bool world_is_victim4(const uint8_t addr[4]);
bool world_is_victim6(const uint8_t addr[16]);

/* ---- frames ---- */

struct frame {
	uint64_t number;
	unsigned port; /* it goes into, from 0 */
	unsigned len;
	uint8_t bytes[FRAME_MAX];
};

/* Frame `number` of `seed`. */
void generate(struct frame *frame, uint64_t seed, uint64_t number);

/* ---- packet.c ---- */

unsigned get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
void put16(uint8_t *p, unsigned v);
void put32(uint8_t *p, uint32_t v);

/* The one's complement sum of bytes, to be added to `sum` and folded: checksum_fold(). */
uint32_t checksum_add(uint32_t sum, const uint8_t *p, unsigned len);
uint16_t checksum_fold(uint32_t sum); /* complemented, as it goes into a packet */
/* The sum of an IPv4 or IPv6 pseudo header; `ip` is the packet's header. */
uint32_t checksum_pseudo(const uint8_t *ip, unsigned protocol, unsigned len);

/* Where the IP payload is, behind IPv6 extension headers. */
struct payload {
	unsigned protocol;    /* or the extension header at which the walk ended */
	unsigned at;	      /* from the IP header; 0: the packet is too short or no IP */
	unsigned len;	      /* as far as it is there */
	bool fragment;	      /* it is a part of a packet ... */
	bool later;	      /* ... and not the first */
	unsigned fragment_at; /* IPv6: the fragment header, from the IP header; or 0 */
};
/* Looks into `len` bytes of an IP packet, of which the end may be missing. */
struct payload packet_payload(const uint8_t *ip, unsigned len);

/* ---- link.c ---- */

struct output {
	unsigned port;
	unsigned len;
	uint64_t hash;		    /* of what is compared; see compare.c */
	uint64_t flow;		    /* 0: order does not matter */
	bool left_over;		    /* the other router has none like it */
	uint8_t bytes[FRAME_MAX];   /* as captured */
	uint8_t compare[FRAME_MAX]; /* without what is not compared */
};

struct outputs {
	unsigned n;
	bool overflow;
	struct output *at; /* OUTPUTS_MAX */
};

struct links;

struct device_names {
	const char *of[TWINS][PORTS];
};

/* Opens the devices. Ends the program if it cannot. */
struct links *links_open(const struct device_names *names);
void links_close(struct links *links);

/* Sends the frames to both routers and collects what comes out, until both are done: until probes
 * (echo requests to the router) that follow on all ports have been answered, twice. A router that
 * does not answer for ten seconds ends the program. */
void links_exchange(struct links *links, const struct frame *frames, unsigned n,
		    struct outputs out[TWINS]);

/* How many frames a router's devices have refused so far. */
unsigned links_refused(const struct links *links, enum twin twin);

/* ---- compare.c ---- */

enum accepted {
	ACCEPTED_NONE,
#define X(symbol, name, what, why) ACCEPTED_##symbol,
#include "accepted.h"
#undef X
	ACCEPTED_COUNT
};
const char *accepted_name(enum accepted which);

/* Takes the padding off what has the shortest length that a frame has on a wire: zeros behind an IP packet
 * or ARP message. */
void strip_padding(struct outputs *out);

/* Works out what is compared of each output, and whether it is at all; drops what is not. */
void normalise(struct outputs *out);

struct verdict {
	unsigned unexplained; /* outputs left over, for which no difference is accepted */
	unsigned accepted[ACCEPTED_COUNT]; /* left over, by the difference that explains it */
	bool order;			   /* all is there, but a flow's order differs */
};
/* Compares what two routers made of the same `n` frames; marks what is left over. */
struct verdict compare(struct outputs out[TWINS], const struct frame *frames, unsigned n);

/* ---- describe.c ---- */

void describe(FILE *to, const uint8_t *bytes, unsigned len);
void hex(FILE *to, const uint8_t *bytes, unsigned len);

#endif
