/* SPDX-License-Identifier: BSD-2-Clause */
#include "punt_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#define LOOK_MS 1000u

_Static_assert(POLICE_DEPTH_SUM <= FACE_PUNT_SLOTS,
	       "what all limits let through at once fits the way to the kernel");

int limits_init(struct router *router)
{
	uint64_t seed = 0;

	router->police = calloc(router->n_planes, sizeof(*router->police));
	if (!router->police)
		return -ENOMEM;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = router_now_ms(); /* early in a boot */
	for (unsigned i = 0; i < router->n_planes; i++) {
		router->police[i] =
			police_new(router->n_ports, router->config->limits, seed + i, NULL);
		if (!router->police[i])
			return -errno;
	}
	return 0;
}

void limits_fini(struct router *router)
{
	if (router->police)
		for (unsigned i = 0; i < router->n_planes; i++)
			police_free(router->police[i]);
	free(router->police);
	router->police = NULL;
}

struct limit_counts limits_count(const struct router *router, unsigned port, enum limit_class class)
{
	struct limit_counts sum = {0};

	for (unsigned i = 0; i < router->n_planes; i++) {
		const struct police_stats *stats = police_stats(router->police[i], port, class);

		sum.passed += pl_stat_read(&stats->passed);
		sum.dropped += pl_stat_read(&stats->dropped);
	}
	return sum;
}

bool limits_reached(const struct router *router, unsigned port, enum limit_class class)
{
	return router->limits_seen.of[port][class].reached;
}

static void log_reached(const struct router *router, unsigned port, enum limit_class class)
{
	struct pl_error err;
	char remedy[160];

	snprintf(remedy, sizeof(remedy),
		 "see: peerlane show limits; %s= in [PuntLimits] sets how many pass",
		 limit_key(class));
	pl_error_set(&err, 0, remedy,
		     "%s: packets for the kernel reach the limit %s of %" PRIu32
		     " a second (%s): what is beyond is dropped",
		     router->ports[port].name, limit_name(class), router->config->limits[class],
		     limit_text(class));
	log_error(router->log, LOG_LEVEL_WARNING, &err);
}

static void follow(struct router *router, unsigned port, enum limit_class class, uint64_t now_ms)
{
	struct limit_seen *seen = &router->limits_seen.of[port][class];
	uint64_t dropped = limits_count(router, port, class).dropped;

	if (dropped != seen->dropped) {
		if (!seen->reached) {
			seen->reached = true;
			seen->since_ms = now_ms;
			seen->dropped_before = seen->dropped;
			log_reached(router, port, class);
		}
		seen->dropped = dropped;
		seen->last_ms = now_ms;
	} else if (seen->reached && now_ms - seen->last_ms >= LIMITS_QUIET_MS) {
		seen->reached = false;
		log_info(router->log,
			 "%s: limit %s no longer reached: %" PRIu64 " packets dropped in %" PRIu64
			 " s",
			 router->ports[port].name, limit_name(class),
			 dropped - seen->dropped_before,
			 (seen->last_ms - seen->since_ms) / 1000 + 1);
	}
}

void limits_follow(struct router *router, uint64_t now_ms)
{
	if (!router->police || now_ms - router->limits_seen.looked_ms < LOOK_MS)
		return;
	router->limits_seen.looked_ms = now_ms;
	for (unsigned port = 0; port < router->n_ports; port++)
		for (unsigned class = 0; class < LIMIT_COUNT; class ++)
			follow(router, port, class, now_ms);
}
