/* SPDX-License-Identifier: BSD-2-Clause */
/* The host that a generator plays at an end: its addresses, so far as a router must resolve them, and its gateway.
 * Speaks ARP (RFC 826) and neighbour discovery (RFC 4861), nothing else. No I/O. */
#ifndef GEN_HOST_H
#define GEN_HOST_H

#include <stdbool.h>
#include <stdint.h>

enum gen_family { GEN_V4, GEN_V6, GEN_FAMILIES };

#define GEN_HOST_FRAME_MAX 86u /* bytes of the frames written here: 60 or 86 */

struct gen_host {
	uint8_t mac[6];
	bool has[GEN_FAMILIES]; /* an address */
	uint8_t address[GEN_FAMILIES][16];
	bool has_gateway[GEN_FAMILIES];
	uint8_t gateway[GEN_FAMILIES][16];
	bool resolved[GEN_FAMILIES]; /* gateway_mac is known */
	uint8_t gateway_mac[GEN_FAMILIES][6];
};

/* Looks at a frame that came from outside: learns the gateway's MAC from it, and answers who asks for an address of
 * ours. Writes the answer to `reply` (GEN_HOST_FRAME_MAX) and returns its length, or 0: there is none. */
unsigned gen_host_take(struct gen_host *host, const uint8_t *frame, uint32_t len, uint8_t *reply);

/* Writes a question for the gateway's MAC to `frame`, from which the gateway also learns ours. Returns its
 * length. The host has an address and a gateway of that family. */
unsigned gen_host_ask(const struct gen_host *host, enum gen_family family, uint8_t *frame);

#endif
