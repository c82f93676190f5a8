/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables, and frames to addresses that are in them. */
#include <string.h>
#include <sys/socket.h>

#include "../frame.h"
#include "bench.h"

const uint8_t bench_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

static struct tables *new_tables(void)
{
	struct tables *t = checked(tables_new(pl_plane_synchronize, REASON_NO_ROUTE));

	for (uint16_t port = 0; port < 2; port++)
		tables_port_set(t, port, bench_mac, true);
	return t;
}

static void set_route(struct tables *t, const struct prefix *p, uint32_t nexthop)
{
	int rc = tables_route_set(t, p, nexthop);

	if (rc)
		die("cannot set a route: %s", strerror(-rc));
}

static void set_route_of(struct tables *t, const char *text, uint32_t nexthop)
{
	struct prefix p;

	prefix_parse(text, &p);
	set_route(t, &p, nexthop);
}

/* ---- next hops ---- */

static struct nexthop_spec forward_spec(unsigned i)
{
	struct nexthop_spec spec = {.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = 1};

	memcpy(spec.dmac, bench_mac, 6);
	memcpy(spec.smac, (uint8_t[]){0x02, 0, 0, 0, 1, (uint8_t)i}, 6);
	return spec;
}

static uint32_t new_nexthop(struct tables *t, const struct nexthop_spec *spec)
{
	uint32_t index;
	int rc = tables_nexthop_new(t, spec, &index);

	if (rc)
		die("cannot make a next hop: %s", strerror(-rc));
	return index;
}

void bench_forward(struct bench *b, bool forwards)
{
	for (unsigned i = 0; i < N_NEXTHOPS && forwards != b->forwards; i++) {
		struct nexthop_spec spec = {.kind = NEXTHOP_DROP, .reason = REASON_BLACKHOLE};
		int rc;

		if (forwards)
			spec = forward_spec(i);
		rc = tables_nexthop_set(b->tables, b->nexthops[i], &spec);
		if (rc)
			die("cannot change a next hop: %s", strerror(-rc));
	}
	b->forwards = forwards;
	tables_settle(b->tables);
}

/* ---- frames ---- */

static void make_ipv6(uint8_t *ip, const struct ip_addr *to)
{
	ip[0] = 0x60;
	put16(ip + 4, FRAME_BYTES - 54);
	ip[6] = 59; /* no next header */
	ip[7] = 255;
	memcpy(ip + 8, (uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1}, 16);
	memcpy(ip + 24, to->bytes, 16);
}

void frame_make(uint8_t *frame, const struct ip_addr *to)
{
	memset(frame, 0, FRAME_BYTES);
	memcpy(frame, bench_mac, 6);
	memcpy(frame + 6, (uint8_t[]){0x02, 0, 0, 0, 2, 1}, 6);
	if (to->family == AF_INET) {
		frame_udp4(frame, FRAME_BYTES, 255, to->bytes);
	} else {
		put16(frame + 12, 0x86dd);
		make_ipv6(frame + 14, to);
	}
}

/* Random bits behind a random route's. */
static struct ip_addr in_prefix(const struct prefix *list, uint32_t n, uint64_t *state)
{
	const struct prefix *p = &list[(random64(state) >> 32) * n >> 32];
	struct ip_addr a = {.family = p->family};
	unsigned bytes = p->family == AF_INET ? 4 : 16;

	for (unsigned i = 0; i < bytes; i++) {
		uint8_t fixed = i < p->len / 8	 ? 0xff
				: i > p->len / 8 ? 0
						 : (uint8_t)(0xff00 >> p->len % 8);

		a.bytes[i] = (uint8_t)(p->bytes[i] | ((uint8_t)random64(state) & ~fixed));
	}
	return a;
}

static void make_frames(struct bench *b, unsigned six, const struct prefix *list, uint32_t n)
{
	uint64_t state = b->settings.seed + six;

	b->frames[six] = checked(aligned_alloc(64, (size_t)b->n_frames * FRAME_ROOM));
	for (unsigned i = 0; i < b->n_frames; i++) {
		struct ip_addr to = in_prefix(list, n, &state);

		memset(b->frames[six][i], 0, FRAME_ROOM);
		frame_make(b->frames[six][i], &to);
	}
}

/* ---- all of it ---- */

/* The probe is in a network of its own, which no generated route is in. */
static void make_probe(struct bench *b)
{
	static const uint8_t reasons[] = {REASON_BLACKHOLE, REASON_SOURCE};
	struct ip_addr to;

	for (unsigned i = 0; i < 2; i++) {
		struct nexthop_spec spec = {.kind = NEXTHOP_DROP, .reason = reasons[i]};

		b->probe_nexthops[i] = new_nexthop(b->tables, &spec);
	}
	prefix_parse("198.18.0.1", &b->probe);
	ip_addr_parse("198.18.0.1", &to);
	frame_make(b->probe_frame, &to);
	set_route(b->tables, &b->probe, b->probe_nexthops[0]);
}

/* A default route catches what churn takes away. */
static void make_full(struct bench *b)
{
	const struct routes *r = &b->routes;

	b->tables = new_tables();
	b->forwards = true;
	for (unsigned i = 0; i < N_NEXTHOPS; i++) {
		struct nexthop_spec spec = forward_spec(i);

		b->nexthops[i] = new_nexthop(b->tables, &spec);
	}
	set_route_of(b->tables, "0.0.0.0/0", b->nexthops[0]);
	set_route_of(b->tables, "::/0", b->nexthops[0]);
	for (uint32_t i = 0; i < r->n4 + r->n6; i++)
		set_route(b->tables, &r->list[i],
			  b->nexthops[routes_nexthop(&r->list[i], 1, N_NEXTHOPS)]);
	make_probe(b);
	tables_settle(b->tables);
}

static void make_one(struct bench *b)
{
	struct nexthop_spec spec = forward_spec(0);

	b->one = new_tables();
	set_route_of(b->one, "198.18.0.0/15", new_nexthop(b->one, &spec));
	tables_settle(b->one);
}

void bench_make(struct bench *b, unsigned n_frames)
{
	const struct settings *o = &b->settings;
	int rc = routes_generate(&b->routes, o->seed, (uint32_t)o->n4, (uint32_t)o->n6);

	if (rc)
		die("cannot generate routes: %s", strerror(-rc));
	make_full(b);
	routes_shuffle(&b->routes, o->seed);
	make_one(b);
	b->n_frames = n_frames;
	make_frames(b, 0, b->routes.list, b->routes.n4);
	make_frames(b, 1, b->routes.list + b->routes.n4, b->routes.n6);
}

void bench_free(struct bench *b)
{
	tables_free(b->tables);
	tables_free(b->one);
	routes_free(&b->routes);
	free(b->frames[0]);
	free(b->frames[1]);
}
