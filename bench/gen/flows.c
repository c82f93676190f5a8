/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flows.h"

int gen_flows_init(struct gen_flows *flows, uint32_t n)
{
	uint32_t bits = GEN_WINDOW_MAX;

	while (bits > GEN_WINDOW_MIN && (uint64_t)bits * n > GEN_WINDOWS_BITS)
		bits /= 2;
	*flows = (struct gen_flows){.n = n, .window_bits = bits};
	/* A whole number of cache lines. */
	flows->stride = (uint32_t)((sizeof(struct gen_flow) + bits / 8 + 63) / 64 * 64);
	flows->flows = aligned_alloc(64, (size_t)n * flows->stride);
	if (!flows->flows)
		return -ENOMEM;
	gen_flows_reset(flows);
	return 0;
}

void gen_flows_fini(struct gen_flows *flows)
{
	free(flows->flows);
	*flows = (struct gen_flows){0};
}

void gen_flows_reset(struct gen_flows *flows)
{
	memset(flows->flows, 0, (size_t)flows->n * flows->stride);
	memset(&flows->all, 0, sizeof(flows->all));
}

/* Makes the window end behind `seq`, which is not below flow->next; what it now reaches over has not come. */
static void advance(const struct gen_flows *flows, struct gen_flow *flow, uint64_t seq)
{
	uint32_t mask = flows->window_bits - 1;

	if (seq - flow->next >= flows->window_bits) {
		memset(flow->window, 0, flows->window_bits / 8);
	} else {
		for (uint64_t i = flow->next; i <= seq; i++)
			flow->window[(i & mask) / 64] &= ~(1ull << i % 64);
	}
	flow->next = seq + 1;
}

/* Whether the number has come before; notes that it has. */
static bool seen(const struct gen_flows *flows, struct gen_flow *flow, uint64_t seq)
{
	uint64_t *word = &flow->window[(seq & (flows->window_bits - 1)) / 64];
	uint64_t bit = 1ull << seq % 64;
	bool was = *word & bit;

	*word |= bit;
	return was;
}

bool gen_flows_take(struct gen_flows *flows, uint32_t at, uint32_t seq, bool corrupt)
{
	struct gen_flow *flow = gen_flows_get(flows, at);
	struct gen_totals *all = &flows->all;
	/* Numbers have 32 bits on the wire: the one meant is the nearest to what is expected. */
	int32_t ahead = (int32_t)(seq - (uint32_t)flow->next);
	uint64_t number = flow->next + (uint64_t)(int64_t)ahead;

	/* None has come before: numbering is far, for who began to listen late. */
	if (ahead < 0 && !flow->received && !flow->corrupted) {
		flow->next = number = seq;
		ahead = 0;
	}
	if (ahead >= 0) {
		advance(flows, flow, number);
		(void)seen(flows, flow, number);
	} else {
		if ((uint64_t) - (int64_t)ahead > flows->window_bits) {
			flow->before_window++;
			all->before_window++;
		} else if (seen(flows, flow, number)) {
			flow->duplicated++;
			all->duplicated++;
			return false;
		}
		flow->reordered++;
		all->reordered++;
	}
	if (corrupt) {
		flow->corrupted++;
		all->corrupted++;
	} else {
		flow->received++;
		all->received++;
	}
	return !corrupt;
}
