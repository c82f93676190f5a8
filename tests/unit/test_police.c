/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on punts: how tokens come and go, and that a flood leaves others their share. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "police_help.h"

#define MS 1000000ull
#define S (1000 * MS)

static uint64_t now; /* of the clock that tests turn */

static uint64_t test_clock(void)
{
	return now;
}

/* ---- tokens ---- */

struct fixture {
	struct police *police;
	struct pl_burst *burst;
	uint8_t *base;
};

static const uint32_t *rates_with(enum limit_class class, uint32_t rate)
{
	static uint32_t rates[LIMIT_COUNT];

	for (unsigned c = 0; c < LIMIT_COUNT; c++)
		rates[c] = LIMIT_NONE;
	rates[class] = rate;
	return rates;
}

static struct fixture make(enum limit_class class, uint32_t rate)
{
	struct fixture f = {
		.police = police_new(PORTS, rates_with(class, rate), 7, test_clock),
		.burst = calloc(1, sizeof(*f.burst)),
		.base = calloc(PL_BURST_MAX, 256),
	};

	assert_non_null(f.police);
	assert_non_null(f.burst);
	assert_non_null(f.base);
	f.burst->base = f.base;
	return f;
}

static void drop(struct fixture *f)
{
	police_free(f->police);
	free(f->burst);
	free(f->base);
}

static void add(struct fixture *f, struct packet p, uint16_t verdict)
{
	uint32_t i = f->burst->n++;

	assert_in_range(i, 0, PL_BURST_MAX - 1);
	f->burst->frame[i] = i * 256;
	f->burst->len[i] = (uint16_t)p.len;
	f->burst->verdict[i] = verdict;
	memcpy(f->base + i * 256, p.bytes, p.len);
}

/* How many of the burst still are punts; empties it. */
static unsigned run(struct fixture *f, uint32_t port)
{
	unsigned punts = 0;

	f->burst->port = port;
	police_burst(f->police, tables_view(tables), f->burst);
	for (uint32_t i = 0; i < f->burst->n; i++)
		punts += PL_VERDICT_KIND(f->burst->verdict[i]) == PL_VERDICT_PUNT;
	f->burst->n = 0;
	return punts;
}

static struct packet from(unsigned host)
{
	char src[32];

	snprintf(src, sizeof(src), "10.%u.%u.%u", host >> 16 & 255, host >> 8 & 255, host & 255);
	return udp(src, "192.0.2.1", 9);
}

/* `n` packets to us from as many hosts, from `first` on (or from one alone); how many pass. */
static unsigned send_local(struct fixture *f, unsigned n, unsigned first, bool one_host)
{
	for (unsigned i = 0; i < n; i++)
		add(f, from(one_host ? first : first + i),
		    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	return run(f, 0);
}

/* A bucket is full at the start, and then lets through exactly its rate. Each packet is from a host
 * of its own, so that all tokens can be taken. */
static void test_rate(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 20000);
	unsigned depth = limit_depth(LIMIT_LOCAL, 20000), host = 0, passed = 0;

	(void)state;
	now = 12345;
	assert_int_equal(send_local(&f, 1000, 0, false), depth);
	for (unsigned ms = 0; ms < 2000; ms++) {
		now += MS;
		passed += send_local(&f, 100, host += 100, false);
	}
	assert_int_equal(passed, 40000);
	drop(&f);
}

/* Nothing is lost to rounding: 3 a second, asked for every 7 ms. */
static void test_slow_rate(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 3);
	unsigned host = 0, passed = 0;

	(void)state;
	now = 99;
	assert_int_equal(send_local(&f, 100, 0, false), 3); /* a second's worth, not 64 */
	for (unsigned i = 0; i < 100000; i++) {
		now += 7 * MS;
		passed += send_local(&f, 2, host += 2, false);
	}
	assert_int_equal(passed, 2100);
	drop(&f);
}

static void test_pauses_and_clock_steps(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 1000000);
	unsigned depth = limit_depth(LIMIT_LOCAL, 1000000);

	(void)state;
	now = 10 * S;
	assert_int_equal(send_local(&f, 500, 0, false), depth);
	now += 365ull * 86400 * S; /* a year: full, no more */
	assert_int_equal(send_local(&f, 500, 1000, false), depth);
	now -= 100 * S; /* back: nothing gained, nothing stuck */
	assert_int_equal(send_local(&f, 500, 2000, false), 0);
	now += 10000; /* 10 us bring 10 tokens */
	assert_int_equal(send_local(&f, 500, 3000, false), 10);
	now = UINT64_MAX;
	assert_int_equal(send_local(&f, 500, 4000, false), depth);
	now = 0;
	assert_int_equal(send_local(&f, 500, 5000, false), 0);
	now = 10000;
	assert_int_equal(send_local(&f, 500, 6000, false), 10);
	drop(&f);
}

/* Every rate from the least to the most that may be configured keeps its word for a second. */
static void test_all_rates(void **state)
{
	static const uint32_t rates[] = {1, 2, 15, 16, 1000, 999999, LIMIT_RATE_MAX};

	(void)state;
	for (unsigned c = 0; c < LIMIT_COUNT; c++) {
		for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
			uint32_t depth = limit_depth(c, rates[i]);

			assert_in_range(depth, 1, rates[i]);
			assert_in_range(depth, 1, limit_depth(c, LIMIT_RATE_MAX));
		}
	}
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct fixture f = make(LIMIT_LOCAL, rates[i]);
		uint64_t passed = 0;
		unsigned host = 0;

		now = 0;
		send_local(&f, 100, 0, false);
		for (unsigned step = 0; step < 1000; step++) {
			now += 1000; /* a microsecond */
			passed += send_local(&f, 20, host += 20, false);
		}
		/* Hosts that share a counter may leave the reserve alone. */
		assert_in_range(passed, rates[i] > 1000 ? rates[i] / 1000 - 32 : rates[i] / 1000,
				rates[i] / 1000);
		drop(&f);
	}
}

static void test_refused_rates(void **state)
{
	(void)state;
	assert_null(police_new(1, rates_with(LIMIT_TTL, 0), 0, test_clock));
	assert_int_equal(errno, EINVAL);
	assert_null(police_new(1, rates_with(LIMIT_TTL, LIMIT_RATE_MAX + 1), 0, test_clock));
	assert_int_equal(errno, EINVAL);
}

static void test_unlimited_and_counters(void **state)
{
	struct fixture f = make(LIMIT_TTL, 16);
	const struct police_stats *local = police_stats(f.police, 0, LIMIT_LOCAL);
	const struct police_stats *ttl = police_stats(f.police, 0, LIMIT_TTL);

	(void)state;
	now = 0;
	assert_int_equal(send_local(&f, 1000, 1, true), 1000);
	assert_int_equal(pl_stat_read(&local->passed), 1000);
	for (unsigned i = 0; i < 20; i++)
		add(&f, from(i), PL_VERDICT(PL_VERDICT_PUNT, REASON_TTL));
	assert_int_equal(run(&f, 0), 16);
	assert_int_equal(pl_stat_read(&ttl->passed), 16);
	assert_int_equal(pl_stat_read(&ttl->dropped), 4);
	assert_int_equal(pl_stat_read(&local->dropped), 0);
	/* The other port has a bucket of its own. */
	for (unsigned i = 0; i < 20; i++)
		add(&f, from(i), PL_VERDICT(PL_VERDICT_PUNT, REASON_TTL));
	assert_int_equal(run(&f, 1), 16);
	assert_int_equal(pl_stat_read(&ttl->passed), 16);
	drop(&f);
}

/* Only punts are touched, and what is beyond the limit says so. */
static void test_verdicts(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 1);

	(void)state;
	now = 0;
	add(&f, from(1), PL_VERDICT(PL_VERDICT_TX, 1));
	add(&f, from(2), PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	add(&f, from(3), PL_VERDICT(PL_VERDICT_DROP, REASON_CHECKSUM));
	add(&f, from(4), PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	add(&f, from(5), PL_VERDICT(PL_VERDICT_PUNT, REASON_NO_ROUTE));
	f.burst->port = 0;
	police_burst(f.police, tables_view(tables), f.burst);
	assert_int_equal(f.burst->verdict[0], PL_VERDICT(PL_VERDICT_TX, 1));
	assert_int_equal(f.burst->verdict[1], PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
	assert_int_equal(f.burst->verdict[2], PL_VERDICT(PL_VERDICT_DROP, REASON_CHECKSUM));
	assert_int_equal(f.burst->verdict[3], PL_VERDICT(PL_VERDICT_DROP, REASON_LIMIT_LOCAL));
	assert_int_equal(f.burst->verdict[4], PL_VERDICT(PL_VERDICT_PUNT, REASON_NO_ROUTE));
	drop(&f);
}

static uint64_t clock_reads;

static uint64_t counting_clock(void)
{
	clock_reads++;
	return now;
}

static void test_clock_is_read_once(void **state)
{
	struct fixture f = make(LIMIT_LOCAL, 100);

	(void)state;
	police_free(f.police);
	f.police = police_new(PORTS, rates_with(LIMIT_LOCAL, 100), 0, counting_clock);
	clock_reads = 0;
	for (unsigned i = 0; i < 256; i++)
		add(&f, from(i), PL_VERDICT(PL_VERDICT_TX, 1));
	run(&f, 0);
	assert_int_equal(clock_reads, 0);
	send_local(&f, 256, 0, false);
	assert_int_equal(clock_reads, 1);
	drop(&f);
}

/* ---- fairness ---- */

/* One host, or a few, send as fast as they can for a second; one that asks ten times meanwhile gets
 * all its answers, and the flood its share. */
static void flood_beside_one(enum limit_class class, uint32_t rate, unsigned hosts)
{
	struct fixture f = make(class, rate);
	enum reason reason = class == LIMIT_LOCAL ? REASON_LOCAL : REASON_TTL;
	unsigned light = 0, heavy = 0;

	now = 5 * S;
	for (unsigned ms = 0; ms < 1000; ms++) {
		now += MS;
		for (unsigned i = 0; i < 500; i++)
			add(&f, from(1 + i % hosts), PL_VERDICT(PL_VERDICT_PUNT, reason));
		heavy += run(&f, 0);
		if (ms % 100 == 50) {
			add(&f, from(77777), PL_VERDICT(PL_VERDICT_PUNT, reason));
			light += run(&f, 0);
		}
	}
	if (light != 10)
		fail_msg("%s, %u hosts: %u of 10 passed", limit_name(class), hosts, light);
	/* A bucket of tokens, then the rate. */
	assert_in_range(heavy, rate * 95 / 100, rate + limit_depth(class, rate));
	drop(&f);
}

static void test_flood_leaves_room(void **state)
{
	static const unsigned hosts[] = {1, 2, 4, 8};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		flood_beside_one(LIMIT_LOCAL, 20000, hosts[i]);
		flood_beside_one(LIMIT_LOCAL, 1000, hosts[i]);
		flood_beside_one(LIMIT_TTL, 1000, hosts[i]);
	}
}

/* Forged BGP, from everywhere and in the neighbour's name, takes nothing from the neighbour. */
static void test_forged_routing(void **state)
{
	uint32_t rates[LIMIT_COUNT];
	struct fixture f = make(LIMIT_ROUTING, 20000);
	unsigned passed = 0;

	(void)state;
	for (unsigned c = 0; c < LIMIT_COUNT; c++)
		rates[c] = limit_default(c);
	police_free(f.police);
	now = S;
	f.police = police_new(PORTS, rates, 1, test_clock);
	for (unsigned ms = 0; ms < 1000; ms++) {
		now += MS;
		for (unsigned i = 0; i < 400; i++) {
			char src[32];

			snprintf(src, sizeof(src), "10.0.%u.%u", ms % 256, i % 256);
			add(&f,
			    from_mac(tcp(i % 2 ? src : "192.0.2.9", "192.0.2.1", 40000, 179),
				     stranger_mac),
			    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
		}
		run(&f, 0);
		add(&f, tcp("192.0.2.9", "192.0.2.1", 40000, 179),
		    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
		passed += run(&f, 0);
	}
	assert_int_equal(passed, 1000);
	assert_int_equal(pl_stat_read(&police_stats(f.police, 0, LIMIT_ROUTING)->dropped), 0);
	assert_true(pl_stat_read(&police_stats(f.police, 0, LIMIT_ROUTING_NEW)->dropped) > 390000);
	drop(&f);
}

static uint32_t test_room(void *ctx)
{
	return *(uint32_t *)ctx;
}

/* TCP leaves to the others what they may need; they do not ask for room. */
static void test_tcp_yields(void **state)
{
	struct fixture f = make(LIMIT_TCP, LIMIT_NONE);
	uint32_t others = POLICE_DEPTH_SUM - limit_depth(LIMIT_TCP, LIMIT_RATE_MAX);
	uint32_t rooms[] = {0, others - 1, others, others + 1, others + 7, UINT32_MAX};
	unsigned want[] = {0, 0, 0, 1, 7, 20};

	(void)state;
	now = 0;
	for (unsigned i = 0; i < 6; i++) {
		police_set_room(f.police, 0, test_room, &rooms[i]);
		for (unsigned k = 0; k < 20; k++) {
			add(&f, tcp("10.0.0.1", "192.0.2.1", 40000, 22),
			    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
			add(&f, udp("10.0.0.1", "192.0.2.1", 161),
			    PL_VERDICT(PL_VERDICT_PUNT, REASON_LOCAL));
		}
		assert_int_equal(run(&f, 0), 20 + want[i]);
	}
	drop(&f);
}

/* ---- the list ---- */

static void test_names(void **state)
{
	char name[64];

	(void)state;
	for (unsigned c = 0; c < LIMIT_COUNT; c++) {
		snprintf(name, sizeof(name), "limit-%s", limit_name(c));
		assert_string_equal(name, reason_name(limit_reason(c)));
		assert_int_equal(reason_kind(limit_reason(c)), PL_VERDICT_DROP);
		snprintf(name, sizeof(name), "%s=", limit_key(c));
		assert_non_null(strstr(reason_text(limit_reason(c)), name));
		assert_true(limit_text(c)[0] && limit_default(c) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_slow_rate),
		cmocka_unit_test(test_pauses_and_clock_steps),
		cmocka_unit_test(test_all_rates),
		cmocka_unit_test(test_refused_rates),
		cmocka_unit_test(test_unlimited_and_counters),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_clock_is_read_once),
		cmocka_unit_test(test_flood_leaves_room),
		cmocka_unit_test(test_forged_routing),
		cmocka_unit_test(test_tcp_yields),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, make_tables, free_tables);
}
