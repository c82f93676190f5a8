/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program on an accelerator, on the CPU packet by packet and in passes: the same bytes, lengths,
 * verdicts and marks, whatever the frame, with tables like the Internet's that change between bursts.
 *
 *	test_packet_accel KIND [burst]
 *
 * PEERLANE_ACCEL_BURSTS says how many bursts, PEERLANE_ACCEL_SEED which. Where what the answers should be is
 * known, tests/fuzz and tests/reference look; here it is whether all say the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/routes/routes.h"
#include "../fuzz/program_frames.h"

#define PORTS 4u
#define ROUTES4 60000u
#define ROUTES6 10000u
#define HOPS 40u
#define NEIGHBOURS 24u
/* Changes of routes between two bursts, at most. */
#define CHANGES 64u

static struct twin *twin;
static struct routes routes;
static uint64_t seed;

static uint32_t below(uint32_t n)
{
	return frames_random(&seed) % n;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test_packet_accel: %s\n", what);
	abort();
}

/* ---- tables ---- */

static struct ref_hop random_hop(unsigned place)
{
	static const uint16_t mtus[] = {1500, 1500, 1400, 1280, 576, 68, 9000, 65535};
	static const enum ref_kind kinds[] = {REF_FORWARD, REF_FORWARD, REF_FORWARD, REF_FORWARD,
					      REF_NETWORK, REF_NETWORK, REF_PUNT,    REF_DROP};
	struct ref_hop hop = {.kind = kinds[below(8)], .port = below(PORTS)};

	hop.reason = (enum reason)below(REASON_COUNT);
	hop.mtu = mtus[below(8)];
	for (unsigned i = 0; i < 6; i++) {
		hop.dmac[i] = (uint8_t)(below(256) & (i ? 0xff : 0xfe));
		hop.smac[i] = (uint8_t)below(256);
	}
	/* Groups of those before them. */
	if (place >= HOPS - 8) {
		hop.kind = REF_GROUP;
		hop.n_members = 1 + below(REF_MEMBERS_MAX);
		for (unsigned i = 0; i < hop.n_members; i++) {
			hop.members[i] = below(HOPS - 8);
			hop.weights[i] = 1 + below(20);
		}
	}
	return hop;
}

static void change_hop(unsigned place)
{
	struct ref_hop hop = random_hop(place);

	must(twin_hop_set(twin, place, &hop), "a next hop is refused");
}

static uint32_t random_index(void)
{
	return twin_hop_index(twin, below(HOPS));
}

static const struct prefix *random_route(void)
{
	return &routes.list[below(routes.n4 + routes.n6)];
}

/* A route comes, goes, or leads elsewhere. */
static void change_route(void)
{
	const struct prefix *p = random_route();

	if (below(3) || tables_route_del(twin_tables(twin), p))
		must(!tables_route_set(twin_tables(twin), p, random_index()), "a route is refused");
}

static struct ref_addr random_destination(unsigned n_bytes)
{
	const struct prefix *p =
		&routes.list[n_bytes == 4 ? below(routes.n4) : routes.n4 + below(routes.n6)];
	struct ref_addr addr = {.n_bytes = n_bytes};

	memcpy(addr.bytes, p->bytes, n_bytes);
	for (unsigned bit = p->len; bit < 8 * n_bytes; bit++)
		addr.bytes[bit / 8] |= (uint8_t)(below(2) << (7 - bit % 8));
	return addr;
}

static void change_neighbour(void)
{
	unsigned hop = below(HOPS - 8);
	struct ref_addr addr = random_destination(below(2) ? 4 : 16);

	if (twin->ref.n_neighbours >= NEIGHBOURS)
		twin_neighbour_del(twin, below(NEIGHBOURS));
	twin_neighbour_set(twin, below(PORTS), &addr, hop);
}

static void set_port(unsigned port, bool up)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)port};

	twin_port_set(twin, port, mac, up);
}

static void fill_tables(void)
{
	must(!routes_generate(&routes, seed, ROUTES4, ROUTES6), "no routes");
	for (unsigned i = 0; i < HOPS; i++)
		change_hop(i);
	for (uint32_t i = 0; i < routes.n4 + routes.n6; i++)
		must(!tables_route_set(twin_tables(twin), &routes.list[i], random_index()),
		     "a route is refused");
	for (unsigned i = 0; i < PORTS; i++)
		set_port(i, true);
}

static void change_tables(void)
{
	for (unsigned n = below(CHANGES); n; n--)
		change_route();
	change_hop(below(HOPS));
	change_neighbour();
	if (below(16) == 0)
		set_port(below(PORTS), below(4) != 0);
	tables_settle(twin_tables(twin));
}

static void empty_tables(void)
{
	for (uint32_t i = 0; i < routes.n4 + routes.n6; i++)
		tables_route_del(twin_tables(twin), &routes.list[i]);
	routes_free(&routes);
}

/* ---- frames ---- */

static void put_checksum(struct made_frame *f)
{
	uint8_t *ip = f->bytes + 14;
	unsigned sum = reference_checksum(ip, ip[0] % 16 * 4u);

	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static void random_frame(struct made_frame *f, unsigned port)
{
	uint8_t bytes[64];
	struct fuzz_input in = {bytes, bytes + sizeof(bytes)};
	unsigned kind = below(32);
	struct ref_addr addr;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)below(256);
	if (kind == 0) {
		frames_raw(&in, f);
		return;
	}
	/* Which fields are odd: none of most. */
	if (below(4))
		bytes[0] = bytes[1] = 0;
	if (kind & 1)
		frames_ipv4(twin, &in, f);
	else
		frames_ipv6(twin, &in, f);
	addr = random_destination(kind & 1 ? 4 : 16);
	if (kind < 28) {
		memcpy(f->bytes + (kind & 1 ? 30 : 38), addr.bytes, addr.n_bytes);
		f->bytes[22] = kind & 1 ? 64 : f->bytes[22];
	}
	f->bytes[5] ^= (uint8_t)port;
	if (kind & 1)
		put_checksum(f);
	if (below(2))
		frames_vary(twin, &seed, f);
}

static void run_burst(void)
{
	static struct made_frame made[TWIN_BURST_MAX];
	static struct twin_frame frames[TWIN_BURST_MAX];
	unsigned n = below(4) ? 1 + below(256) : below(TWIN_BURST_MAX + 1), port = below(PORTS);

	for (unsigned i = 0; i < n; i++) {
		random_frame(&made[i], port);
		frames[i] = (struct twin_frame){made[i].len, made[i].skip, made[i].bytes};
	}
	twin_burst_alike(twin, port, frames, n);
}

static unsigned long number(const char *variable, unsigned long otherwise)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	bool remote = argc > 2 && strcmp(argv[argc - 1], "remote") == 0;
	enum pl_accel_launch launch = argc - remote > 2 ? PL_ACCEL_BURST : PL_ACCEL_PERSISTENT;
	unsigned long bursts = number("PEERLANE_ACCEL_BURSTS", 100);
	struct pl_error err;
	unsigned kind;

	seed = number("PEERLANE_ACCEL_SEED", 1);
	for (kind = 0; kind < PL_ACCEL_KINDS; kind++)
		if (argc > 1 && strcmp(argv[1], pl_accel_kind_name(kind)) == 0)
			break;
	if (kind == PL_ACCEL_KINDS) {
		fprintf(stderr, "usage: %s cuda|opencl|host [burst] [remote]\n", argv[0]);
		return 2;
	}
	twin = twin_new();
	fill_tables();
	if (!twin_accel(twin, kind, launch, remote, &err)) {
		printf("skipped: %s\n", err.what);
		empty_tables();
		twin_free(twin);
		return 77;
	}
	for (unsigned long i = 0; i < bursts; i++) {
		change_tables();
		run_burst();
	}
	printf("%lu frames in %lu bursts, %lu sent, %lu changes of next hops, neighbours and "
	       "ports\n",
	       twin->frames, twin->bursts, twin->sent, twin->changes);
	must(bursts < 10 || twin->sent > twin->frames / 8, "too few are sent to show much");
	empty_tables();
	twin_free(twin);
	return 0;
}
