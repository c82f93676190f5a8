/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses that frames come from and go to: of every route and host of the world, of every odd
 * kind, and of none. */
#include "address.h"

#include <arpa/inet.h>
#include <string.h>

#include "differ.h"

static void text4(uint8_t addr[4], const char *text)
{
	inet_pton(AF_INET, text, addr);
}

static void text6(uint8_t addr[16], const char *text)
{
	inet_pton(AF_INET6, text, addr);
}

static void set4(uint8_t addr[4], unsigned a, unsigned b, unsigned c, unsigned d)
{
	addr[0] = (uint8_t)a;
	addr[1] = (uint8_t)b;
	addr[2] = (uint8_t)c;
	addr[3] = (uint8_t)d;
}

/* Edges of what is special, and what is in it. */
static void odd4(struct rng *rng, uint8_t addr[4])
{
	static const char *const list[] = {
		"0.0.0.0",	   "0.0.0.1",	      "0.255.255.255",	 "1.0.0.0",
		"126.255.255.255", "127.0.0.0",	      "127.0.0.1",	 "127.0.0.2",
		"127.255.255.255", "128.0.0.0",	      "169.254.1.1",	 "100.64.0.1",
		"192.0.2.1",	   "223.255.255.255", "224.0.0.0",	 "224.0.0.1",
		"224.0.0.2",	   "224.0.0.5",	      "224.0.0.22",	 "224.0.1.1",
		"232.1.1.1",	   "239.255.255.250", "239.255.255.255", "240.0.0.0",
		"240.0.0.1",	   "247.1.2.3",	      "255.255.255.0",	 "255.255.255.254",
		"255.255.255.255", "255.255.255.255",
	};

	text4(addr, list[rnd(rng, sizeof(list) / sizeof(list[0]))]);
}

void address_router4(struct rng *rng, unsigned port, uint8_t addr[4])
{
	switch (rnd(rng, 8)) {
	case 0:
		set4(addr, 10, 255, 0, 1);
		break;
	case 1:
		set4(addr, 192, 168, 5, 1);
		break;
	case 2:
		set4(addr, 10, 0, 1 + rnd(rng, PORTS), 1);
		break;
	default:
		set4(addr, 10, 0, port + 1, 1);
	}
}

/* Behind a route of its own kind each. */
static void routed4(struct rng *rng, uint8_t addr[4])
{
	switch (rnd(rng, 8)) {
	case 0:
		set4(addr, 10, 21, rnd(rng, 4), rnd(rng, 256)); /* MTUs */
		break;
	case 1:
	case 2:
		set4(addr, 10, 22, rnd(rng, 256), rnd(rng, 256)); /* ECMP */
		break;
	case 3:
		set4(addr, 10, 23 + rnd(rng, 3), 0, rnd(rng, 256)); /* unresolved, onlink, via v6 */
		break;
	case 4:
		set4(addr, 10, 26, rnd(rng, 3), rnd(rng, 256)); /* next hop objects */
		break;
	case 5:
		if (one_in(rng, 2)) { /* perhaps with a learned MTU, or redirected */
			set4(addr, 10, 28 + rnd(rng, 2), 0, rnd(rng, 16));
			break;
		}
		set4(addr, 10, 27, 0, PICK(rng, 0, 1, 2, 2, 2, 2, 255)); /* no port of ours */
		break;
	default:
		set4(addr, 10, 20, rnd(rng, 4), rnd(rng, 256)); /* no way */
	}
}

void address_dst4(struct rng *rng, unsigned port, uint8_t addr[4])
{
	unsigned other = 1 + (port + 1 + rnd(rng, PORTS - 1)) % PORTS;

	if (one_in(rng, 12))
		other = port + 1;
	switch (rnd(rng, 20)) {
	case 0 ... 6:
		set4(addr, 10, 10 + other, rnd(rng, 256), rnd(rng, 256));
		break;
	case 7 ... 9:
		set4(addr, 10, 0, other, 2 + rnd(rng, 8));
		break;
	case 10:
		set4(addr, 10, 0, other, PICK(rng, 77, 78, 100, 101, 0, 255, 128, 129));
		break;
	case 11 ... 15:
		routed4(rng, addr);
		break;
	case 16:
		odd4(rng, addr);
		break;
	case 17:
		put32(addr, (uint32_t)rng_next(rng));
		break;
	default:
		address_router4(rng, port, addr);
	}
}

void address_far4(struct rng *rng, unsigned port, uint8_t addr[4])
{
	set4(addr, 10, 11 + port, rnd(rng, 256), rnd(rng, 256));
}

void address_src4(struct rng *rng, unsigned port, uint8_t addr[4])
{
	switch (rnd(rng, 32)) {
	case 0 ... 3:
		set4(addr, 10, 0, port + 1, 2 + rnd(rng, 8));
		break;
	case 4:
		odd4(rng, addr);
		break;
	case 5:
		address_router4(rng, port, addr);
		break;
	case 6:
		set4(addr, 10, 0, 1 + rnd(rng, PORTS), PICK(rng, 0, 77, 100, 255));
		break;
	case 7:
		routed4(rng, addr);
		break;
	case 8:
		put32(addr, (uint32_t)rng_next(rng));
		break;
	default:
		address_far4(rng, port, addr);
	}
}

bool address_is_routable4(const uint8_t addr[4])
{
	return !(addr[0] == 10 && addr[1] == 20);
}

/* ---- IPv6 ---- */

static void set6(uint8_t addr[16], unsigned first, unsigned second, uint32_t last)
{
	memset(addr, 0, 16);
	put16(addr, first);
	put16(addr + 2, second);
	put32(addr + 12, last);
}

static void odd6(struct rng *rng, uint8_t addr[16])
{
	static const char *const list[] = {
		"::",
		"::1",
		"::2",
		"::10.0.1.2",
		"::ffff:10.0.2.2",
		"::ffff:0:0",
		"::fffe:1:1",
		"64:ff9b::a00:202",
		"100::1",
		"2001:db8::1",
		"2002:a00:202::1",
		"1fff:ffff::1",
		"3fff::1",
		"4000::1",
		"fc00::1",
		"fe7f::1",
		"fe80::",
		"fe80::1",
		"fe80::2",
		"febf::1",
		"fec0::1",
		"feff::1",
		"ff00::1",
		"ff01::1",
		"ff02::1",
		"ff02::2",
		"ff02::5",
		"ff02::16",
		"ff02::1:ff00:1",
		"ff05::2",
		"ff0e::1",
		"ff1e::1",
		"ffff::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fd00:1::",
		"fe80::ff:fe00:101",
		"fe80::ff:fe00:201",
	};

	text6(addr, list[rnd(rng, sizeof(list) / sizeof(list[0]))]);
}

void address_link6(unsigned port, uint8_t addr[16])
{
	text6(addr, "fe80::ff:fe00:1");
	addr[14] = (uint8_t)(port + 1);
}

void address_router6(struct rng *rng, unsigned port, uint8_t addr[16])
{
	switch (rnd(rng, 8)) {
	case 0:
		set6(addr, 0xfd00, 0xff, 1);
		break;
	case 1:
		set6(addr, 0xfd00, port + 1, 0);
		break;
	case 2:
		set6(addr, 0xfd00, 1 + rnd(rng, PORTS), 1);
		break;
	case 3:
		address_link6(port, addr);
		break;
	default:
		set6(addr, 0xfd00, port + 1, 1);
	}
}

static void routed6(struct rng *rng, uint8_t addr[16])
{
	uint32_t last = (uint32_t)rng_next(rng);

	switch (rnd(rng, 8)) {
	case 0:
		set6(addr, 0xfd03, rnd(rng, 4), last);
		break;
	case 1:
	case 2:
		set6(addr, 0xfd04, rnd(rng, 256), last);
		break;
	case 3:
		set6(addr, 0xfd05 + rnd(rng, 2), 0, last);
		break;
	case 4:
		set6(addr, 0xfd07, rnd(rng, 3), last);
		break;
	case 5:
		if (one_in(rng, 2)) {
			set6(addr, 0xfd08, 0, rnd(rng, 64));
			break;
		}
		set6(addr, 0xfd00, 0x27, PICK(rng, 0, 1, 2, 2, 2));
		break;
	default:
		set6(addr, 0xfd02, rnd(rng, 4), last);
	}
}

void address_far6(struct rng *rng, unsigned port, uint8_t addr[16])
{
	set6(addr, 0xfd01, port + 1, (uint32_t)rng_next(rng));
}

void address_dst6(struct rng *rng, unsigned port, uint8_t addr[16])
{
	unsigned other = (port + 1 + rnd(rng, PORTS - 1)) % PORTS;

	if (one_in(rng, 12))
		other = port;
	switch (rnd(rng, 20)) {
	case 0 ... 6:
		address_far6(rng, other, addr);
		break;
	case 7 ... 9:
		set6(addr, 0xfd00, other + 1, 2 + rnd(rng, 8));
		break;
	case 10:
		set6(addr, 0xfd00, other + 1, PICK(rng, 0, 0x77, 0x78, 0x99));
		break;
	case 11 ... 15:
		routed6(rng, addr);
		break;
	case 16:
		odd6(rng, addr);
		break;
	case 17:
		set6(addr, rnd(rng, 0x10000), rnd(rng, 0x10000), (uint32_t)rng_next(rng));
		break;
	default:
		address_router6(rng, port, addr);
	}
}

void address_src6(struct rng *rng, unsigned port, uint8_t addr[16])
{
	switch (rnd(rng, 32)) {
	case 0 ... 3:
		set6(addr, 0xfd00, port + 1, 2 + rnd(rng, 8));
		break;
	case 4:
	case 5:
		odd6(rng, addr);
		break;
	case 6:
		address_router6(rng, port, addr);
		break;
	case 7:
		set6(addr, 0xfd00, 1 + rnd(rng, PORTS), PICK(rng, 0, 0x77, 0x99));
		break;
	case 8:
		routed6(rng, addr);
		break;
	case 9:
		set6(addr, 0xfe80, 0, 2); /* the host by link */
		break;
	case 10:
		set6(addr, rnd(rng, 0x10000), rnd(rng, 0x10000), (uint32_t)rng_next(rng));
		break;
	default:
		address_far6(rng, port, addr);
	}
}
