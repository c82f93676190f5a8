/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon says, for people. */
#ifndef PEERLANE_CLI_RENDER_H
#define PEERLANE_CLI_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "grammar.h"
#include "table.h"

/* Prints the data of a show command's answer. */
void render(enum action action, json_t *data, FILE *out);

/* That of "show accelerator" (render_accelerator.c). */
void render_accelerator(json_t *data, FILE *out);

/* Bytes of an accelerator's own memory, if it has some. */
void memory_cell(struct table *table, json_t *object, const char *key);

/* That of "devices" (render_devices.c). */
void render_devices(json_t *data, FILE *out);

/* That of "bind" and "unbind" (render_devices.c). */
void render_bound(json_t *data, FILE *out);

/* A listing (show routes, neighbors, nexthops), which comes in pages. Of each row only its line is kept
 * until all are printed in order. */
struct listing {
	enum action action;
	struct table table;
};
void listing_begin(struct listing *l, enum action action);
void listing_add(struct listing *l, json_t *rows);
void listing_end(struct listing *l, FILE *out); /* prints and frees it */

/* ---- for watch ---- */

/* Rates of one port between two looks, a second each. */
struct port_rates {
	double rx_packets, rx_bits, tx_packets, tx_bits, lost, punted;
};

/* What became of a port between two answers of "show ports", `seconds` apart. Counters that went
 * back (another daemon) count from zero. */
struct port_rates rates_between(json_t *before, json_t *after, double seconds);

#endif
