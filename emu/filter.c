/* SPDX-License-Identifier: BSD-2-Clause */
/* Which frames are for the NIC (82599 datasheet 7.1.1, 82576 7.1.2). */
#include <string.h>

#include "engine.h"

static uint64_t address_of(const uint8_t mac[6])
{
	uint64_t address = 0;

	memcpy(&address, mac, 6);
	return address;
}

void emu_addresses_make(struct emu_addresses *addresses, const struct emu_filter *filter)
{
	addresses->n = 0;
	for (unsigned i = 0; i < EMU_FILTERS_MAX; i += 8) {
		uint64_t any;

		memcpy(&any, filter->valid + i, sizeof(any));
		for (unsigned j = i; any && j < i + 8; j++)
			if (filter->valid[j])
				addresses->mac[addresses->n++] = address_of(filter->mac[j]);
	}
}

/* Bit of the multicast table: 12 of the address' last 16 bits, which ones MO says (82599 datasheet
 * 7.1.1.2). */
static bool hash_matches(const struct emu_filter *filter, const uint8_t mac[6])
{
	static const unsigned shifts[] = {4, 3, 2, 0};
	unsigned hash = (unsigned)(mac[4] | mac[5] << 8) >> shifts[filter->multicast_shift % 4] &
			0xfff;

	return filter->multicast[hash / 32] >> hash % 32 & 1;
}

bool emu_addresses_accept(const struct emu_addresses *addresses, const struct emu_filter *filter,
			  const uint8_t *frame)
{
	uint64_t to = address_of(frame);

	for (unsigned i = 0; i < addresses->n; i++)
		if (addresses->mac[i] == to)
			return true;
	if (to == 0xffffffffffff)
		return filter->broadcast;
	if (frame[0] & 1)
		return filter->multicast_all ||
		       (filter->multicast_on && hash_matches(filter, frame));
	return filter->unicast_all;
}
