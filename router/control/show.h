/* SPDX-License-Identifier: BSD-2-Clause */
/* What the control socket shows: each function makes the "data" of one command's answer.
 *
 * `args` is the request's object, never NULL. Returns a new reference, or NULL with `err` filled
 * and *code set to a positive errno. */
#ifndef PEERLANE_CONTROL_SHOW_H
#define PEERLANE_CONTROL_SHOW_H

#include <jansson.h>

#include "router.h"

typedef json_t *show_fn(struct router *router, json_t *args, int *code, struct pl_error *err);

show_fn show_ports;
show_fn show_planes;
show_fn show_accelerator;
show_fn show_counters;
show_fn show_limits;
show_fn show_routes;
show_fn show_neighbours;
show_fn show_nexthops;
show_fn show_fate; /* what becomes of a packet to one address */
show_fn show_sync;
show_fn show_version;
show_fn audit; /* has the mirror compare all with the kernel; show_sync tells how it went */

/* ---- shared by them ---- */

/* A listing is given out in pages, so that no answer grows without bound. */
struct show_page {
	json_t *items;
	uint64_t skip;	 /* rows of earlier pages */
	uint64_t seen;	 /* rows so far, skipped ones included */
	uint64_t passed; /* of those, left out for not being asked for */
	uint64_t weight; /* of the rows taken */
	uint64_t next;	 /* once full: "next", unless the listing knows better */
	bool full;
	bool failed; /* out of memory */
};

/* Reads args' "after". Returns 0 or -errno with `err` filled. */
int show_page_begin(struct show_page *page, json_t *args, struct pl_error *err);

/* Whether the next row belongs on this page; counts it. Once the page is full, stop. */
bool show_page_wants(struct show_page *page);

/* For a listing that knows by itself where it is: whether more rows belong on this page. It sets `full`
 * and `next`. */
bool show_page_has_room(const struct show_page *page);

/* Leaves a row out that is not asked for. Enough of them make a page full too. */
void show_page_pass(struct show_page *page);

/* Takes a row (a reference stolen; NULL: out of memory). `weight` grows with its size, 1 or more.
 * Returns false when out of memory. */
bool show_page_add(struct show_page *page, json_t *row, unsigned weight);

/* {NAME: rows, "next": where to go on or null}. NULL: out of memory. */
json_t *show_page_end(struct show_page *page, const char *name);

/* `data` as it is; for NULL *code and `err` are set: out of memory. */
json_t *show_or_fail(json_t *data, int *code, struct pl_error *err);

const char *show_mode(const struct router *router); /* "nic-cpu" */

/* Text that quotes names, paths or what a client has sent, which can be of any bytes: control characters become
 * question marks, and so does what is not ASCII if it is not UTF-8. NULL: out of memory. */
json_t *show_text(const char *text);
json_t *show_mac(const uint8_t mac[6]);
json_t *show_addr(const struct ip_addr *addr); /* null for family 0 */
json_t *show_port_name(const struct router *router, int port);
json_t *show_hop(const struct router *router, const struct mirror_hop *hop);
json_t *show_kernel_route(const struct router *router, const struct mirror_route *route);
json_t *show_nexthop_row(const struct router *router, const struct mirror_nexthop *nexthop);
json_t *show_queue_stats(const struct pl_queue_stats *stats);

/* Adds what `from` counts to `to`, which nobody else uses. */
void show_sum_stats(struct pl_queue_stats *to, const struct pl_queue_stats *from);

#endif
