/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of packets in network order, and the sum that their checksums are the complement of (RFC 1071). */
#ifndef PEERLANE_TESTS_INET_HELP_H
#define PEERLANE_TESTS_INET_HELP_H

#include <stdint.h>

static inline void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline unsigned sum16(const uint8_t *at, unsigned len)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < len; i += 2)
		sum += (unsigned)at[i] << 8 | at[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

#endif
