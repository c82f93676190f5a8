/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on what is punted, so that no flood of packets for the kernel starves the others.
 *
 * Runs over a burst that has its verdicts, and looks only at the punts among them. Each belongs to
 * a class (limit_classes.h), and each class of each port has a token bucket: a packet that finds no token
 * becomes a drop, with the class's own reason. Buckets are one plane's alone.
 *
 * Two rules keep a flood from starving its own class:
 *
 * - Half of a bucket, but at most 64 tokens, is for sources that have taken few lately. Whoever
 *   sends much, or few who send much, can only use the rest. What a source is: police_classify().
 * - ARP, neighbour discovery and routing protocols of known neighbours have a class of their own: a
 *   neighbour is known if the tables have its address on that port, resolved to the MAC the
 *   frame comes from. So forged packets do not touch established sessions, unless they come
 *   through that neighbour, or bear its MAC too. */
#ifndef PEERLANE_PROGRAM_POLICE_H
#define PEERLANE_PROGRAM_POLICE_H

#include <stdint.h>

#include <peerlane/burst.h>
#include <peerlane/stat.h>

#include "../tables/image.h"
#include "limit_classes.h"
#include "reasons.h"

/* How much the classes of one port let through at once, at most. */
#define POLICE_DEPTH(symbol, name, key, rate, depth, text) +(depth)
#define POLICE_DEPTH_SUM (0 LIMITS(POLICE_DEPTH))

/* Sources are told apart by a hash, in as many counters for each class of each port. */
#define POLICE_SOURCES 256u

/* For so long a source's tokens count against it. */
#define POLICE_EPOCH_NS 20000000u

/* What became of a class's packets on one port. */
struct police_stats {
	pl_stat passed, dropped;
};

struct police;

/* Makes the limits of one plane for `n_ports` ports; `rates` are packets a second, 1 to
 * LIMIT_RATE_MAX, or LIMIT_NONE. All buckets are full. `clock` tells nanoseconds since whenever;
 * NULL: CLOCK_MONOTONIC. `seed` should be random: who knows it can find sources that share a
 * counter. Returns NULL with errno ENOMEM or EINVAL. Any thread. */
struct police *police_new(unsigned n_ports, const uint32_t rates[LIMIT_COUNT], uint64_t seed,
			  uint64_t (*clock)(void));
void police_free(struct police *police); /* accepts NULL */

/* Has TCP within connections yield on `port`: it passes only while room(ctx), read once per burst,
 * is more than what all other classes may need at once. Its own limit may then be more than the
 * way to the kernel carries: TCP finds the rate that is there, and what fills the way up is never
 * in front of the others. Before the plane starts. */
void police_set_room(struct police *police, unsigned port, uint32_t (*room)(void *ctx), void *ctx);

/* Takes a token for each punt of the burst, or turns its verdict into a drop. Reads the clock once,
 * and not at all if nothing is punted. `view` is that by which the verdicts were found, or a later
 * one. The plane's thread. */
void police_burst(struct police *police, const struct tables_view *view, struct pl_burst *burst);

/* The class of a frame that came in on `port` and is punted for `reason`; reads `len` bytes of it
 * at most. *source: the same for frames of one source, which is the sender's address for IP (an
 * IPv6 network of 64 bits counts as one), else the source MAC. */
enum limit_class police_classify(const struct tables_view *view, const uint8_t *frame, uint32_t len,
				 uint32_t port, enum reason reason, uint64_t *source);

/* Counters of a class on a port. Any thread. */
const struct police_stats *police_stats(const struct police *police, unsigned port,
					enum limit_class class);

/* Name ("arp-nd"), key in the configuration ("ArpNd"), meaning, and the most that comes at once with
 * a limit of `rate`. Any thread. */
const char *limit_name(enum limit_class class);
const char *limit_key(enum limit_class class);
const char *limit_text(enum limit_class class);
uint32_t limit_depth(enum limit_class class, uint32_t rate);
uint32_t limit_default(enum limit_class class);

/* The reason of what is dropped. */
enum reason limit_reason(enum limit_class class);

#endif
