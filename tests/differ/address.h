/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses for frames that go into `port` (from 0). */
#ifndef TESTS_DIFFER_ADDRESS_H
#define TESTS_DIFFER_ADDRESS_H

#include "random.h"

/* One of the router's. */
void address_router4(struct rng *rng, unsigned port, uint8_t addr[4]);
void address_router6(struct rng *rng, unsigned port, uint8_t addr[16]);
/* The router's by link. */
void address_link6(unsigned port, uint8_t addr[16]);

/* One of 65536 (IPv6: 2^32) hosts far behind the port. */
void address_far4(struct rng *rng, unsigned port, uint8_t addr[4]);
void address_far6(struct rng *rng, unsigned port, uint8_t addr[16]);

/* Anything as a destination or source, most of it ordinary. */
void address_dst4(struct rng *rng, unsigned port, uint8_t addr[4]);
void address_dst6(struct rng *rng, unsigned port, uint8_t addr[16]);
void address_src4(struct rng *rng, unsigned port, uint8_t addr[4]);
void address_src6(struct rng *rng, unsigned port, uint8_t addr[16]);

/* False where the router answers with Unreachable, of which the kernel sends few to one host: such
 * packets should come from many. */
bool address_is_routable4(const uint8_t addr[4]);

#endif
