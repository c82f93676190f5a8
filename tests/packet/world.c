/* SPDX-License-Identifier: BSD-2-Clause */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_BUFFERS 4096u

/* ---- captures ---- */

static void capture_frame(void *ctx, const uint8_t *data, uint16_t len)
{
	struct capture *c = ctx;
	struct frame *f = &c->frames[c->n];

	if (c->world->sent) {
		if (c->is_wire)
			c->world->sent(c->world->sent_ctx, c->port, data, len);
		return;
	}
	assert_in_range(c->n, 0, CAPTURE_MAX - 1);
	assert_in_range(len, 0, sizeof(f->bytes));
	memcpy(f->bytes, data, len);
	f->len = len;
	c->n++;
}

static void forget(struct world *w)
{
	for (unsigned i = 0; i < WORLD_PORTS; i++)
		w->wire[i].n = w->face[i].n = 0;
}

/* ---- tables ---- */

uint32_t world_hop(struct world *w, const struct nexthop_spec *spec)
{
	uint32_t index;

	assert_int_equal(tables_nexthop_new(w->tables, spec, &index), 0);
	second_hop(&w->second, index, spec);
	return index;
}

void world_hop_set(struct world *w, uint32_t index, const struct nexthop_spec *spec)
{
	assert_int_equal(tables_nexthop_set(w->tables, index, spec), 0);
	second_hop(&w->second, index, spec);
}

void world_route(struct world *w, const char *prefix, uint32_t nexthop)
{
	struct prefix p;

	assert_int_equal(prefix_parse(prefix, &p), 0);
	assert_int_equal(tables_route_set(w->tables, &p, nexthop), 0);
	second_route(&w->second, &p, nexthop);
}

void world_neighbour(struct world *w, uint16_t port, const char *addr, uint32_t nexthop)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(addr, &a), 0);
	assert_int_equal(tables_neighbour_set(w->tables, port, &a, nexthop), 0);
	second_neighbour(&w->second, port, &a, nexthop);
}

void world_port(struct world *w, uint16_t port, const uint8_t mac[6], bool up)
{
	tables_port_set(w->tables, port, mac, up);
	second_port(&w->second, port, mac, up);
}

static uint32_t forward_hop(struct world *w, uint16_t port, uint16_t to, uint16_t mtu)
{
	return world_hop(w, &(struct nexthop_spec){
				    .kind = NEXTHOP_FORWARD,
				    .mtu = mtu,
				    .port = port,
				    .dmac = {0x02, 0, 0, 0, (uint8_t)(to >> 8), (uint8_t)to},
				    .smac = {0x02, 0, 0, 0, 0, (uint8_t)port},
			    });
}

static uint32_t end_hop(struct world *w, uint8_t kind, enum reason reason)
{
	return world_hop(w, &(struct nexthop_spec){.kind = kind, .reason = (uint8_t)reason});
}

/* A route of both families to 10.N.0.0/16 and 2001:db8:N::/48. */
static void both_routes(struct world *w, unsigned n, uint32_t nexthop)
{
	char text[64];

	snprintf(text, sizeof(text), "10.%u.0.0/16", n);
	world_route(w, text, nexthop);
	snprintf(text, sizeof(text), "2001:db8:%u::/48", n);
	world_route(w, text, nexthop);
}

static void fill_tables(struct world *w)
{
	uint32_t nine, failed;

	for (uint16_t i = 0; i < WORLD_PORTS; i++)
		world_port(w, i, (uint8_t[]){0x02, 0, 0, 0, 0, (uint8_t)i}, true);
	w->via1 = forward_hop(w, 1, 0x1101, 1500);
	w->via2 = forward_hop(w, 2, 0x2201, 1500);
	w->glean2 = world_hop(w, &(struct nexthop_spec){.kind = NEXTHOP_GLEAN,
							.reason = REASON_UNRESOLVED,
							.mtu = 1500,
							.port = 2});
	nine = forward_hop(w, 2, 0x2209, 1400);
	failed = end_hop(w, NEXTHOP_PUNT, REASON_UNREACHABLE);
	world_neighbour(w, 2, "10.3.0.9", nine);
	world_neighbour(w, 2, "2001:db8:3::9", nine);
	world_neighbour(w, 2, "10.3.0.10", failed);
	world_neighbour(w, 2, "2001:db8:3::10", failed);
	both_routes(w, 1, w->via1);
	both_routes(w, 2, w->via2);
	both_routes(w, 3, w->glean2);
	both_routes(w, 4, end_hop(w, NEXTHOP_PUNT, REASON_LOCAL));
	both_routes(w, 5, end_hop(w, NEXTHOP_PUNT, REASON_BROADCAST));
	both_routes(w, 6, end_hop(w, NEXTHOP_DROP, REASON_BLACKHOLE));
	both_routes(w, 7, end_hop(w, NEXTHOP_PUNT, REASON_UNREACHABLE));
	both_routes(w, 8, end_hop(w, NEXTHOP_PUNT, REASON_PROHIBIT));
	both_routes(w, 9, end_hop(w, NEXTHOP_PUNT, REASON_FOREIGN));
}

/* ---- the world ---- */

struct world *world_new(enum cpu_isa isa)
{
	struct world *w = aligned_alloc(_Alignof(struct world), sizeof(*w));
	struct pl_plane *plane;

	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	w->tables = tables_new(pl_plane_synchronize, REASON_NO_ROUTE);
	assert_non_null(w->tables);
	fill_tables(w);

	plane = &w->plane;
	plane->cpu = -1;
	plane->n_ports = WORLD_PORTS;
	assert_int_equal(pl_pool_init(&plane->pool, POOL_BUFFERS, 2048, NULL), 0);
	for (unsigned i = 0; i < WORLD_PORTS; i++) {
		w->wire[i].world = w->face[i].world = w;
		w->wire[i].port = w->face[i].port = i;
		w->wire[i].is_wire = true;
		plane->ports[i].wire =
			pl_mem_queue_new(&plane->pool, false, capture_frame, &w->wire[i]);
		plane->ports[i].face =
			pl_mem_queue_new(&plane->pool, false, capture_frame, &w->face[i]);
		assert_non_null(plane->ports[i].wire);
		assert_non_null(plane->ports[i].face);
	}
	assert_int_equal(cpu_processor_init(&plane->processor, w->tables, isa), 0);
	assert_int_equal(pl_plane_init(plane, NULL), 0);
	return w;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	pl_plane_stop(&w->plane); /* still running only if a test failed */
	pl_plane_fini(&w->plane);
	for (unsigned i = 0; i < WORLD_PORTS; i++) {
		pl_queue_close(w->plane.ports[i].wire);
		pl_queue_close(w->plane.ports[i].face);
	}
	cpu_processor_fini(&w->plane.processor);
	pl_pool_fini(&w->plane.pool);
	tables_free(w->tables);
	free(w);
}

void world_receive(struct world *w, unsigned port, const struct frame *frames, unsigned n)
{
	struct pl_mem_frame *list = calloc(n ? n : 1, sizeof(*list));
	unsigned taken = 0;

	assert_non_null(list);
	for (unsigned i = 0; i < n; i++)
		list[i] = (struct pl_mem_frame){frames[i].bytes, frames[i].len};
	forget(w);
	assert_int_equal(pl_mem_queue_feed(w->plane.ports[port].wire, list, n), 0);
	pl_plane_enter();
	for (unsigned turn = 0; turn < 100 && taken < n; turn++)
		taken += pl_plane_turn(&w->plane);
	pl_plane_leave();
	assert_int_equal(taken, n);
	assert_int_equal(w->plane.pool.n_free, POOL_BUFFERS);
	assert_int_equal(pl_mem_queue_feed(w->plane.ports[port].wire, NULL, 0), 0);
	free(list);
}

void world_receive_always(struct world *w, unsigned port, const struct pl_mem_frame *frames,
			  unsigned n)
{
	struct pl_queue **wire = &w->plane.ports[port].wire;

	pl_plane_unwatch(&w->plane, *wire);
	pl_queue_close(*wire);
	*wire = pl_mem_queue_new(&w->plane.pool, true, capture_frame, &w->wire[port]);
	assert_non_null(*wire);
	assert_int_equal(pl_plane_watch(&w->plane, *wire), 0);
	assert_int_equal(pl_mem_queue_feed(*wire, frames, n), 0);
}

/* ---- expectations ---- */

struct counts {
	uint64_t punt[REASON_COUNT], drop[REASON_COUNT], bad_port;
};

static void count(const struct world *w, struct counts *c)
{
	for (unsigned r = 0; r < REASON_COUNT; r++) {
		c->punt[r] = pl_stat_read(&w->plane.stats.punt[r]);
		c->drop[r] = pl_stat_read(&w->plane.stats.drop[r]);
	}
	c->bad_port = pl_stat_read(&w->plane.stats.bad_port);
}

static void assert_frame(const struct frame *got, const struct frame *want)
{
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->bytes, want->bytes, want->len);
}

static void assert_captured(const struct world *w, unsigned wire, unsigned face)
{
	for (unsigned i = 0; i < WORLD_PORTS; i++) {
		assert_int_equal(w->wire[i].n, i == wire);
		assert_int_equal(w->face[i].n, i == face);
	}
}

/* Counters that did not move as they must: names the first in the message. */
static void assert_counts(const struct world *w, const struct counts *before, int punt, int drop)
{
	struct counts now;

	count(w, &now);
	assert_int_equal(now.bad_port, before->bad_port);
	for (int r = 0; r < REASON_COUNT; r++) {
		uint64_t punts = now.punt[r] - before->punt[r];
		uint64_t drops = now.drop[r] - before->drop[r];

		if (punts != (r == punt) || drops != (r == drop))
			fail_msg("%s: %u punts and %u drops", reason_name((unsigned)r),
				 (unsigned)punts, (unsigned)drops);
	}
}

void expect_sent(struct world *w, const struct frame *in, unsigned port, const struct frame *out)
{
	struct counts before;

	assert_true(second_agrees(&w->second, in->bytes, in->len, REF_SENT, 0, port, out->bytes,
				  out->len));
	count(w, &before);
	world_receive(w, 0, in, 1);
	assert_counts(w, &before, -1, -1);
	assert_captured(w, port, WORLD_PORTS);
	assert_frame(&w->wire[port].frames[0], out);
}

void expect_punt(struct world *w, const struct frame *in, enum reason reason)
{
	struct counts before;

	assert_int_equal(reason_kind(reason), PL_VERDICT_PUNT);
	assert_true(second_agrees(&w->second, in->bytes, in->len, REF_PUNTED, reason, 0, NULL, 0));
	count(w, &before);
	world_receive(w, 0, in, 1);
	assert_counts(w, &before, (int)reason, -1);
	assert_captured(w, WORLD_PORTS, 0);
	assert_frame(&w->face[0].frames[0], in);
}

void expect_drop(struct world *w, const struct frame *in, enum reason reason)
{
	struct counts before;

	assert_int_equal(reason_kind(reason), PL_VERDICT_DROP);
	assert_true(second_agrees(&w->second, in->bytes, in->len, REF_DROPPED, reason, 0, NULL, 0));
	count(w, &before);
	world_receive(w, 0, in, 1);
	assert_counts(w, &before, -1, (int)reason);
	assert_captured(w, WORLD_PORTS, WORLD_PORTS);
}

/* ---- once per instruction set ---- */

static enum cpu_isa isa_under_test;

static int new_world(void **state)
{
	*state = world_new(isa_under_test);
	return 0;
}

static int free_world(void **state)
{
	world_free(*state);
	return 0;
}

int run_for_all_isas(const char *name, const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest *each = calloc(n, sizeof(*each));
	int failed = 0;

	if (!each)
		return 1;
	for (enum cpu_isa isa = CPU_ISA_PLAIN; isa <= cpu_isa_best(); isa++) {
		char title[80];

		snprintf(title, sizeof(title), "%s, %s", name, cpu_isa_name(isa));
		for (size_t i = 0; i < n; i++) {
			each[i] = tests[i];
			each[i].setup_func = new_world;
			each[i].teardown_func = free_world;
		}
		isa_under_test = isa;
		failed += _cmocka_run_group_tests(title, each, n, NULL, NULL);
	}
	free(each);
	return failed;
}
