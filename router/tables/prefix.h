/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and prefixes of both families. */
#ifndef PEERLANE_TABLES_PREFIX_H
#define PEERLANE_TABLES_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h> /* AF_INET, AF_INET6 */

/* An address in wire order. IPv4 uses the first 4 bytes, the rest is zero. */
struct ip_addr {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16];
};

/* A prefix: address bits behind `len` are zero (see prefix_make()). */
struct prefix {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t len;	/* bits */
	uint8_t bytes[16];
};

#define PREFIX_STRLEN 64

/* Makes a prefix of wire-order bytes, clearing the bits behind `len`. */
struct prefix prefix_make(uint8_t family, const void *bytes, uint8_t len);

bool prefix_equal(const struct prefix *a, const struct prefix *b);

/* True if every address of `inner` is in `outer` (same family, outer no longer). */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);

/* Hash of all fields, for hash tables of the control thread. */
uint64_t prefix_hash(const struct prefix *p);

/* "192.0.2.0/24", "2001:db8::/32" into `out` (PREFIX_STRLEN bytes); returns `out`. */
const char *prefix_print(const struct prefix *p, char out[PREFIX_STRLEN]);

/* "192.0.2.1" into `out` (PREFIX_STRLEN bytes); returns `out`. */
const char *ip_addr_print(const struct ip_addr *a, char out[PREFIX_STRLEN]);

/* Parse what the above print; a bare address is a host prefix, bits set behind the length are an
 * error. Return 0, or -EINVAL and leave what they were to fill. */
int prefix_parse(const char *text, struct prefix *p);
int ip_addr_parse(const char *text, struct ip_addr *a);

#endif
