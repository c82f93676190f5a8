/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets and what is in them, made at random. What is written is bounded by the lengths given; the
 * lengths returned are those of the bytes, whatever a header says of itself. */
#ifndef TESTS_DIFFER_MAKE_H
#define TESTS_DIFFER_MAKE_H

#include "random.h"

#define IP_MAX 1620u /* bytes of IP: a little more than MTU + 100 */

/* An IP packet for the port. Returns its length, up to IP_MAX. */
unsigned make_ipv4(struct rng *rng, unsigned port, uint8_t *ip);
unsigned make_ipv6(struct rng *rng, unsigned port, uint8_t *ip);

/* Frame `i` of a group of eight, of which all are made of the same `group` numbers: frames of one
 * flow, in order; or the fragments of a packet. */
unsigned make_flow(struct rng group, unsigned i, unsigned port, uint8_t *ip, uint64_t number);
unsigned make_fragments4(struct rng group, unsigned i, unsigned port, uint8_t *ip);
unsigned make_fragments6(struct rng group, unsigned i, unsigned port, uint8_t *ip);

/* A neighbour discovery or similar message between neighbours, with all its headers. */
unsigned make_nd(struct rng *rng, unsigned port, uint8_t *ip);
/* An ICMP redirect from the gateway of 10.29.0.0/28, on port 1 (from 0), which a router ignores. */
unsigned make_redirect4(struct rng *rng, uint8_t *ip);
/* An ARP packet of 28 bytes. */
unsigned make_arp(struct rng *rng, unsigned port, uint8_t *arp);

/* ---- make_payload.c ---- */

/* Fills `len` bytes with a message of the protocol, and its checksum over the pseudo header of the
 * packet, whose addresses must be in `ip`. One in sixteen has a wrong checksum. */
void make_payload(struct rng *rng, unsigned port, const uint8_t *ip, unsigned protocol, uint8_t *p,
		  unsigned len);
/* The checksum of a message, put where its protocol has it. */
void seal_payload(const uint8_t *ip, unsigned protocol, uint8_t *p, unsigned len);

void make_random(struct rng *rng, uint8_t *p, unsigned len);
unsigned make_length(struct rng *rng);
unsigned make_ttl(struct rng *rng);

/* The version, length, protocol and checksum fields of an IP header for `len` bytes in all. */
void seal_ipv4(uint8_t *ip, unsigned header_len, unsigned len);
void seal_ipv6(uint8_t *ip, unsigned len);

/* ---- make_options.c ---- */

/* IPv4 options, a multiple of 4 bytes up to 40, right or wrong. */
unsigned make_options4(struct rng *rng, uint8_t *p);
/* A chain of extension headers of up to `room` bytes; `*next` is the first one's type, and `*last`
 * the address of the field for what follows (the caller sets it). */
unsigned make_extensions6(struct rng *rng, uint8_t *p, unsigned room, uint8_t *next,
			  uint8_t **last);

#endif
