/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "differ.h"

static bool any4(const uint8_t addr[4], const uint8_t (*list)[4], unsigned n)
{
	while (n--)
		if (memcmp(addr, list[n], 4) == 0)
			return true;
	return false;
}

bool world_is_router4(const uint8_t addr[4])
{
	static const uint8_t ours[][4] = {
		{10, 0, 1, 1},	 {10, 0, 2, 1},	   {10, 0, 3, 1},
		{10, 255, 0, 1}, {192, 168, 5, 1}, {10, 27, 0, 1},
	};

	return any4(addr, ours, sizeof(ours) / 4);
}

/* fd00:i::1, fd00:i:: (the routers' anycast address of the network), fd00:ff::1; by link, fe80::
 * and one for each port. */
bool world_is_router6(const uint8_t addr[16])
{
	static const uint8_t zero[8], link[] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe};

	if (memcmp(addr, link, 8) == 0 && memcmp(addr + 8, zero, 8) == 0)
		return true;
	if (memcmp(addr, link, sizeof(link)) == 0)
		return addr[13] == 0 && addr[14] >= 1 && addr[14] <= PORTS && addr[15] == 1;
	return addr[0] == 0xfd && addr[1] == 0 && addr[2] == 0 &&
	       ((addr[3] >= 1 && addr[3] <= PORTS) || addr[3] == 0xff || addr[3] == 0x27) &&
	       memcmp(addr + 4, zero, 8) == 0 && get32(addr + 12) <= 1;
}

/* Broadcast addresses; what is unreachable, prohibited, a blackhole; multicast comes nowhere. */
bool world_is_not_unicast4(const uint8_t addr[4])
{
	static const uint8_t broadcasts[][4] = {
		{10, 0, 1, 255},  {10, 0, 2, 255}, {10, 0, 3, 255}, {192, 168, 5, 255},
		{10, 27, 0, 255}, {10, 0, 1, 0},   {10, 0, 2, 0},   {10, 0, 3, 0},
		{192, 168, 5, 0}, {10, 27, 0, 0},
	};

	return any4(addr, broadcasts, sizeof(broadcasts) / 4) ||
	       (addr[0] == 10 && addr[1] == 20 && addr[2] <= 3) ||
	       (addr[0] == 10 && addr[1] == 26 && addr[2] == 2);
}

bool world_is_ecmp4(const uint8_t addr[4])
{
	return addr[0] == 10 && (addr[1] == 22 || (addr[1] == 26 && addr[2] == 1));
}

bool world_is_ecmp6(const uint8_t addr[16])
{
	return addr[0] == 0xfd && addr[1] == 0x04;
}

bool world_is_failed6(const uint8_t addr[16])
{
	static const uint8_t gateway[16] = {0xfd, 0, 0, 3, [15] = 0x99};

	return get32(addr) == 0xfd050000 || memcmp(addr, gateway, 16) == 0;
}

bool world_is_victim4(const uint8_t addr[4])
{
	return addr[0] == 10 && addr[1] == 28;
}

bool world_is_victim6(const uint8_t addr[16])
{
	return addr[0] == 0xfd && addr[1] == 0x08;
}
