/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables so small that they fill up, and neighbours in them: what the tests of copies share. */
#ifndef PEERLANE_TESTS_TABLES_CHURN_HELP_H
#define PEERLANE_TESTS_TABLES_CHURN_HELP_H

#include "tables_copy_help.h"

#define NO_ROUTE_REASON 7

static const struct tables_limits small = {.blocks4 = 60,
					   .last4 = 20,
					   .blocks6 = 120,
					   .nexthops = 60,
					   .slots = 4096,
					   .neighbours = 1500};

static inline struct ip_addr neighbour_addr(unsigned i)
{
	if (i % 2)
		return to_addr(AF_INET, (addr128)(0x0a000000 + i) << 96);
	return to_addr(AF_INET6, (addr128)0xfe80 << 112 | i);
}

#endif
