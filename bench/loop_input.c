/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes, tables of them, and frames to addresses in them. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"
#include "loop.h"
#include "routes/routes.h"

#define V6_ALLOCATIONS 4096u

static uint64_t random_state = 42;

uint64_t random64(void)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static void random_bytes(uint8_t *p, unsigned n)
{
	while (n--)
		*p++ = (uint8_t)random64();
}

static const uint8_t port_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

/* ---- routes ---- */

/* IPv4 prefix lengths as routing tables have them: most are /24, hardly one is longer. */
static uint8_t random_length4(void)
{
	uint64_t r = random64() % 100;

	return (uint8_t)(r < 60 ? 24 : r < 82 ? 22 + r % 2 : r < 94 ? 19 + r % 3 : 16 + r % 3);
}

static struct prefix random_route4(void)
{
	uint8_t addr[4];

	do
		random_bytes(addr, 4);
	while (addr[0] == 0 || addr[0] == 127 || addr[0] >= 224);
	return prefix_make(AF_INET, addr, random_length4());
}

/* IPv6: /32 to /48 within allocations of /32, as registries give them out. */
static struct prefix random_route6(const uint8_t (*allocations)[4])
{
	static const uint8_t lengths[] = {32, 36, 40, 44, 48, 48, 48, 48};
	uint8_t addr[16] = {0};

	memcpy(addr, allocations[random64() % V6_ALLOCATIONS], 4);
	random_bytes(addr + 4, 4);
	return prefix_make(AF_INET6, addr, lengths[random64() % sizeof(lengths)]);
}

static void set_route(struct tables *t, const struct prefix *p, uint32_t nexthop)
{
	int rc = tables_route_set(t, p, nexthop);

	if (rc)
		die("cannot set a route: %s", strerror(-rc));
}

static struct tables *new_tables(void)
{
	struct tables *t = checked(tables_new(pl_plane_synchronize, REASON_NO_ROUTE));

	for (uint16_t i = 0; i < N_PORTS; i++)
		tables_port_set(t, i, port_mac, true);
	return t;
}

static uint32_t new_nexthop(struct tables *t, unsigned i)
{
	struct nexthop_spec spec = {
		.kind = NEXTHOP_FORWARD,
		.mtu = 1500,
		.port = (uint16_t)(1 + i % (N_PORTS - 1)),
		.dmac = {0x02, 0, 0, 0, 1, (uint8_t)i},
		.smac = {0x02, 0, 0, 0, 0, 0x01},
	};
	uint32_t index;
	int rc = tables_nexthop_new(t, &spec, &index);

	if (rc)
		die("cannot make a next hop: %s", strerror(-rc));
	return index;
}

static void make_one(struct input *in)
{
	uint32_t nexthop;

	in->one = new_tables();
	nexthop = new_nexthop(in->one, 0);
	in->one4 = (struct routed){.n = 1, .routes = checked(calloc(1, sizeof(struct prefix)))};
	in->one6 = (struct routed){.n = 1, .routes = checked(calloc(1, sizeof(struct prefix)))};
	prefix_parse("198.18.0.0/15", in->one4.routes);
	prefix_parse("2001:db8::/32", in->one6.routes);
	set_route(in->one, in->one4.routes, nexthop);
	set_route(in->one, in->one6.routes, nexthop);
}

static void make_random_routes(struct input *in)
{
	uint8_t(*allocations)[4] = checked(calloc(V6_ALLOCATIONS, 4));

	for (unsigned i = 0; i < V6_ALLOCATIONS; i++) {
		random_bytes(allocations[i], 4);
		allocations[i][0] = (uint8_t)(0x20 | (allocations[i][0] & 0x1f));
	}
	for (unsigned i = 0; i < MANY_ROUTES; i++) {
		in->many4.routes[i] = random_route4();
		in->many6.routes[i] = random_route6((const uint8_t(*)[4])allocations);
	}
	free(allocations);
}

/* In no order, as they come from a routing protocol. */
static void make_full_routes(struct input *in)
{
	struct routes r;
	int rc = routes_generate(&r, 1, in->many4.n, in->many6.n);

	if (rc)
		die("cannot generate routes: %s", strerror(-rc));
	routes_shuffle(&r, 1);
	memcpy(in->many4.routes, r.list, r.n4 * sizeof(*r.list));
	memcpy(in->many6.routes, r.list + r.n4, r.n6 * sizeof(*r.list));
	routes_free(&r);
}

static void set_routes(struct tables *t, const struct routed *to, const uint32_t *nexthops)
{
	for (unsigned i = 0; i < to->n; i++)
		set_route(t, &to->routes[i], nexthops[random64() % N_NEXTHOPS]);
}

static void make_many(struct input *in, const struct options *o)
{
	uint32_t nexthops[N_NEXTHOPS];

	in->many = new_tables();
	for (unsigned i = 0; i < N_NEXTHOPS; i++)
		nexthops[i] = new_nexthop(in->many, i);
	in->many4.n = o->planes ? (unsigned)o->v4 : MANY_ROUTES;
	in->many6.n = o->planes ? (unsigned)o->v6 : MANY_ROUTES;
	in->many4.routes = checked(calloc(in->many4.n, sizeof(struct prefix)));
	in->many6.routes = checked(calloc(in->many6.n, sizeof(struct prefix)));
	if (o->planes)
		make_full_routes(in);
	else
		make_random_routes(in);
	set_routes(in->many, &in->many4, nexthops);
	set_routes(in->many, &in->many6, nexthops);
	tables_settle(in->many);
}

/* ---- traffic ---- */

/* An address in `p`, its bits behind the prefix random. */
static void random_in_prefix(const struct prefix *p, uint8_t *addr, unsigned n)
{
	random_bytes(addr, n);
	memcpy(addr, p->bytes, p->len / 8);
	if (p->len % 8) {
		uint8_t host = (uint8_t)(0xff >> p->len % 8);

		addr[p->len / 8] = p->bytes[p->len / 8] | (addr[p->len / 8] & host);
	}
}

static void make_frame4(uint8_t *frame, const struct prefix *to)
{
	uint8_t address[4];

	random_in_prefix(to, address, 4);
	frame_udp4(frame, FRAME_BYTES, 64, address);
}

static void make_frame6(uint8_t *frame, const struct prefix *to)
{
	uint8_t *ip = frame + 14;

	put16(frame + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, FRAME_BYTES - 54);
	ip[6] = 17;
	ip[7] = 64;
	memcpy(ip + 8, (uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1}, 16);
	random_in_prefix(to, ip + 24, 16);
	put16(ip + 42, 9);
	put16(ip + 44, FRAME_BYTES - 54);
}

/* `n` frames to addresses in prefixes drawn from the routes. */
static void make_traffic(struct routed *r, unsigned n)
{
	struct traffic *t = &r->traffic;

	t->n = n;
	t->list = checked(calloc(n, sizeof(*t->list)));
	t->bytes = checked(aligned_alloc(64, (size_t)n * FRAME_BYTES));
	memset(t->bytes, 0, (size_t)n * FRAME_BYTES);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = t->bytes + (size_t)i * FRAME_BYTES;
		const struct prefix *to = &r->routes[random64() % r->n];

		memcpy(frame, port_mac, 6);
		memcpy(frame + 6, (uint8_t[]){0x02, 0, 0, 0, 2, 1}, 6);
		if (to->family == AF_INET)
			make_frame4(frame, to);
		else
			make_frame6(frame, to);
		t->list[i] = (struct pl_mem_frame){frame, FRAME_BYTES};
	}
}

/* ---- all of it ---- */

void input_make(struct input *in, const struct options *options)
{
	unsigned n = (unsigned)options->frames;

	make_one(in);
	make_many(in, options);
	make_traffic(&in->one4, n);
	make_traffic(&in->one6, n);
	make_traffic(&in->many4, n);
	make_traffic(&in->many6, n);
}

static void free_routed(struct routed *r)
{
	free(r->routes);
	free(r->traffic.list);
	free(r->traffic.bytes);
}

void input_free(struct input *in)
{
	free_routed(&in->one4);
	free_routed(&in->one6);
	free_routed(&in->many4);
	free_routed(&in->many6);
	tables_free(in->one);
	tables_free(in->many);
}
