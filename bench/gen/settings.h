/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line says. */
#ifndef GEN_SETTINGS_H
#define GEN_SETTINGS_H

#include <stdio.h>

#include "host.h"
#include "pace.h"
#include "targets.h"

#define GEN_ENDS_MAX 16u
#define GEN_SIZES_MAX 64u

struct gen_end_settings {
	const char *name;
	bool tx, rx;
	bool has_mac, has_gateway_mac;
	uint8_t mac[6], gateway_mac[6];
	bool has_address[GEN_FAMILIES], has_gateway[GEN_FAMILIES];
	uint8_t address[GEN_FAMILIES][16], gateway[GEN_FAMILIES][16];
	struct gen_targets destinations, sources[GEN_FAMILIES];
};

struct gen_settings {
	struct gen_end_settings ends[GEN_ENDS_MAX];
	unsigned n_ends;
	uint16_t sizes[GEN_SIZES_MAX]; /* with FCS */
	unsigned n_sizes;
	bool imix;
	uint32_t flows; /* of each end that sends */
	struct gen_rate rate;
	uint64_t count;	      /* 0: not given */
	uint64_t duration_ns; /* 0: not given, and then there is a count */
	uint64_t warmup_ns, drain_ns, link_wait_ns;
	uint64_t seed;
	uint16_t port;
	uint8_t ttl;
	int core; /* -1: any */
	bool judges_loss;
	double loss_max; /* percent */
	bool strict;
	const char *json; /* a path, or "-"; NULL: none */
	bool per_flow, quiet;
	bool help, version; /* nothing else is wanted */
};

/* Reads the arguments behind the program's name. Returns 0, or -EINVAL with `err` filled: then, too,
 * gen_settings_free() is to be called. Strings of `argv` are kept. */
int gen_settings_parse(struct gen_settings *settings, int argc, char *const *argv,
		       struct pl_error *err);
void gen_settings_free(struct gen_settings *settings);

/* Writes the list of options. */
void gen_settings_help(FILE *to);

/* "1000", "2.5Mpps", "100kpps", "500Mbps", "10%", "max". Returns 0 or -EINVAL with `err` filled;
 * line_bps stays as it is. */
int gen_rate_parse(const char *text, struct gen_rate *rate, struct pl_error *err);

#endif
