/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on punts in the whole data plane: what is beyond is dropped and counted under its name, in
 * the midst of what is forwarded, and order is kept. */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

static uint64_t stopped_clock(void)
{
	return 1000;
}

static struct police *limit_world(struct world *w)
{
	uint32_t rates[LIMIT_COUNT];
	struct police *police;

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		rates[i] = limit_default(i);
	police = police_new(WORLD_PORTS, rates, 1, stopped_clock);
	assert_non_null(police);
	cpu_processor_limit(&w->plane.processor, police);
	return police;
}

static struct frame arp_request(void)
{
	struct frame f = {.len = 60};

	memset(f.bytes, 0xff, 6);
	memcpy(f.bytes + 6, (uint8_t[]){0x02, 0, 0, 0, 0x99, 0x01}, 6);
	put16(f.bytes + 12, 0x0806);
	memcpy(f.bytes + 14, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
	return f;
}

/* Of every four: one without a route, from a host of its own; one to be forwarded; one with TTL 1,
 * all from one host; and rarely ARP, as numbers in the ports and the last byte tell. */
static void make_mix(struct frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char src[32];

		frames[i] = frame4(i % 4 == 0 ? "203.0.113.1" : "10.1.0.1", 46);
		snprintf(src, sizeof(src), "198.51.%u.%u", 100 + i / 256, i % 256);
		if (i % 4 == 0)
			frame_set_src(&frames[i], src);
		if (i % 4 == 2)
			frame_set_ttl(&frames[i], 1);
		if (i % 100 == 3)
			frames[i] = arp_request();
		else
			frame_set_ports(&frames[i], (uint16_t)i, 9);
	}
}

static unsigned number_of(const struct frame *f)
{
	return get16(f->bytes + 34);
}

static bool is_arp(const struct frame *f)
{
	return get16(f->bytes + 12) == 0x0806;
}

static void test_flood_among_others(void **state)
{
	enum { N = 1000 };
	struct world *w = *state;
	struct police *police = limit_world(w);
	struct frame *frames = calloc(N, sizeof(*frames));
	unsigned arps = 0, lost = 0, expired = 0;

	assert_non_null(frames);
	make_mix(frames, N);
	world_receive(w, 0, frames, N);
	/* Two in four are forwarded, but for the ARP requests, and in order. */
	assert_int_equal(w->wire[1].n, N / 2 - N / 100);
	for (unsigned i = 1; i < w->wire[1].n; i++)
		assert_true(number_of(&w->wire[1].frames[i - 1]) <
			    number_of(&w->wire[1].frames[i]));
	for (unsigned i = 0; i < w->face[0].n; i++) {
		const struct frame *f = &w->face[0].frames[i];

		if (is_arp(f))
			arps++;
		else if (number_of(f) % 4 == 0)
			lost++;
		else
			expired++;
	}
	assert_int_equal(arps, N / 100);
	/* From many hosts all tokens can be taken; from one half of them. */
	assert_int_equal(lost, limit_depth(LIMIT_NO_ROUTE, limit_default(LIMIT_NO_ROUTE)));
	assert_in_range(expired, 8, 9);
	assert_int_equal(pl_stat_read(&w->plane.stats.punt[REASON_NO_ROUTE]), lost);
	assert_int_equal(pl_stat_read(&w->plane.stats.drop[REASON_LIMIT_NO_ROUTE]), N / 4 - lost);
	assert_int_equal(pl_stat_read(&w->plane.stats.drop[REASON_LIMIT_TTL]), N / 4 - expired);
	assert_int_equal(pl_stat_read(&police_stats(police, 0, LIMIT_NO_ROUTE)->passed), lost);
	/* Another port's share is untouched. */
	for (unsigned i = 0; i < N; i++)
		frames[i].bytes[5] = 1; /* that port's MAC */
	world_receive(w, 1, frames, N);
	assert_int_equal(pl_stat_read(&w->plane.stats.punt[REASON_NO_ROUTE]), 2 * lost);
	police_free(police);
	free(frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood_among_others),
	};

	return run_for_all_isas("limits", tests, sizeof(tests) / sizeof(tests[0]));
}
