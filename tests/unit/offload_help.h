/* SPDX-License-Identifier: BSD-2-Clause */
/* Planes by hand over an accelerator: bursts of packets that say which next hop they got. */
#ifndef PEERLANE_TESTS_OFFLOAD_HELP_H
#define PEERLANE_TESTS_OFFLOAD_HELP_H

#include <errno.h>
#include <poll.h>
#include <time.h>

#include <urcu-qsbr.h>

#include "../../router/offload/offload.h"
#include "../../router/offload/private.h"
#include "../../router/tables/log.h"
#include "../../router/tables/private.h"
#include "tables_help.h"

#define LAB_PLANES 2u
#define LAB_BUFS 4096u
#define LAB_FRAME 64u
#define LAB_PORT 1u
#define LAB_LIMIT_MS 20000u /* for anything that is waited for */

struct lab {
	struct tables *t;
	struct offload *offload;
	struct pl_pool pools[LAB_PLANES];
	struct pl_processor processors[LAB_PLANES];
	unsigned n_planes;
};

static const uint8_t lab_mac[6] = {2, 0, 0, 0, 0, 1};

static inline uint64_t lab_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline void lab_pause_us(unsigned us)
{
	struct timespec time = {.tv_nsec = us * 1000L};

	nanosleep(&time, NULL);
}

/* Next hop `i` says so by its port and by its MAC. */
static inline struct nexthop_spec lab_nexthop(uint32_t i)
{
	struct nexthop_spec spec = {
		.kind = NEXTHOP_FORWARD,
		.mtu = 1500,
		.port = (uint16_t)i,
		.dmac = {2, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i},
		.smac = {2, 0, 0, 2, 0, (uint8_t)i},
	};

	return spec;
}

static inline struct tables *lab_tables(tables_grace_fn *grace, const struct tables_limits *limits,
					unsigned n_nexthops)
{
	struct tables *t = tables_new_limited(grace, REASON_NO_ROUTE, limits);

	assert_non_null(t);
	for (uint32_t i = 1; i <= n_nexthops; i++) {
		struct nexthop_spec spec = lab_nexthop(i);
		uint32_t index;

		assert_int_equal(tables_nexthop_new(t, &spec, &index), 0);
		assert_int_equal(index, i);
	}
	tables_port_set(t, LAB_PORT, lab_mac, true);
	return t;
}

static inline void lab_must(int ret, const struct pl_error *err)
{
	if (ret)
		fail_msg("%s (%d; %s)", err->what, ret, err->remedy);
}

/* Fills in what `config` leaves open, and starts it. */
static inline void lab_start(struct lab *lab, struct tables *t, unsigned n_planes,
			     struct offload_config config)
{
	struct pl_error err = {{0}, {0}};

	*lab = (struct lab){.t = t, .n_planes = n_planes};
	config.kind = PL_ACCEL_HOST;
	config.n_planes = n_planes;
	lab_must(offload_new(&lab->offload, &config, t, &err), &err);
	for (unsigned i = 0; i < n_planes; i++) {
		lab_must(pl_pool_init(&lab->pools[i], LAB_BUFS, 2048, &err), &err);
		lab_must(offload_processor(lab->offload, i, &lab->pools[i], NULL,
					   &lab->processors[i], &err),
			 &err);
	}
	lab_must(offload_start(lab->offload, &err), &err);
}

/* Every buffer is back. */
static inline void lab_stop(struct lab *lab)
{
	offload_stop(lab->offload);
	assert_int_equal(offload_free(lab->offload), 0);
	for (unsigned i = 0; i < lab->n_planes; i++) {
		assert_int_equal(lab->pools[i].n_free, LAB_BUFS);
		pl_pool_fini(&lab->pools[i]);
	}
	tables_free(lab->t);
}

/* ---- packets ---- */

static inline void lab_frame(uint8_t *frame, const struct ip_addr *to)
{
	static const uint8_t smac[6] = {2, 0, 0, 0, 0, 9};
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	memset(frame, 0, LAB_FRAME);
	memcpy(frame, lab_mac, 6);
	memcpy(frame + 6, smac, 6);
	if (to->family == AF_INET6) {
		memcpy(frame + 12, "\x86\xdd", 2);
		ip[0] = 0x60;
		ip[5] = LAB_FRAME - 14 - 40;
		ip[6] = 59; /* no next header */
		ip[7] = 64;
		memcpy(ip + 8, "\x20\x01\x0d\xb8\xff\xff", 6);
		memcpy(ip + 24, to->bytes, 16);
		return;
	}
	memcpy(frame + 12, "\x08\x00", 2);
	ip[0] = 0x45;
	ip[3] = LAB_FRAME - 14;
	ip[8] = 64;
	ip[9] = 253; /* for experiments */
	memcpy(ip + 12, "\xc6\x33\x64\x01", 4);
	memcpy(ip + 16, to->bytes, 4);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

#define LAB_LOST UINT32_MAX
#define LAB_KEPT (UINT32_MAX - 1) /* lost, and the buffer is not the caller's */

#define LAB_WRONG (UINT32_MAX - 2)

/* The next hop that the packet got; 0: no route; LAB_LOST, LAB_KEPT; LAB_WRONG: its MACs and its port tell of
 * different ones, or it met another fate. Any thread. */
static inline uint32_t lab_answer(const struct pl_burst *burst, uint32_t i)
{
	uint16_t verdict = burst->verdict[i];
	uint32_t index = PL_VERDICT_LOW(verdict);
	struct nexthop_spec spec = lab_nexthop(index);
	const uint8_t *frame = burst->base + burst->frame[i];

	if (PL_VERDICT_KIND(verdict) == PL_VERDICT_KEEP)
		return LAB_KEPT;
	if (verdict == PL_VERDICT(PL_VERDICT_DROP, REASON_ACCELERATOR))
		return LAB_LOST;
	if (verdict == PL_VERDICT(PL_VERDICT_PUNT, REASON_NO_ROUTE))
		return 0;
	if (PL_VERDICT_KIND(verdict) != PL_VERDICT_TX || memcmp(frame, spec.dmac, 6) ||
	    memcmp(frame + 6, spec.smac, 6))
		return LAB_WRONG;
	return index;
}

/* Submits packets to these addresses; fails if there is no burst to be had. Returns how many. */
static inline uint32_t lab_submit(struct lab *lab, unsigned plane, const struct ip_addr *to,
				  uint32_t n)
{
	struct pl_processor *p = &lab->processors[plane];
	struct pl_pool *pool = &lab->pools[plane];
	struct pl_burst *burst = p->next(p->ctx);

	assert_non_null(burst);
	burst->base = pool->base;
	burst->n = pl_pool_get(pool, burst->frame, n, PL_OWNER_BURST);
	assert_int_equal(burst->n, n);
	burst->port = LAB_PORT;
	for (uint32_t i = 0; i < n; i++) {
		lab_frame(pl_pool_data(pool, burst->frame[i]), &to[i]);
		burst->len[i] = LAB_FRAME;
	}
	p->submit(p->ctx, burst);
	return n;
}

/* Takes the burst's buffers back. */
static inline void lab_put(struct lab *lab, unsigned plane, const struct pl_burst *burst)
{
	for (uint32_t i = 0; i < burst->n; i++)
		if (PL_VERDICT_KIND(burst->verdict[i]) == PL_VERDICT_KEEP)
			pl_pool_move(&lab->pools[plane], &burst->frame[i], 1, PL_OWNER_BURST,
				     PL_OWNER_PROCESSOR);
		else
			pl_pool_put(&lab->pools[plane], &burst->frame[i], 1, PL_OWNER_BURST);
}

/* Waits for a burst, attending as the control thread would. */
static inline const struct pl_burst *lab_complete(struct lab *lab, unsigned plane)
{
	struct pl_processor *p = &lab->processors[plane];
	uint64_t end = lab_now_us() + 1000ull * LAB_LIMIT_MS;
	const struct pl_burst *burst;

	while (!(burst = p->complete(p->ctx))) {
		offload_attend(lab->offload);
		if (lab_now_us() > end)
			fail_msg("no burst came back in %u ms", LAB_LIMIT_MS);
	}
	return burst;
}

/* What one packet to the address gets. */
static inline uint32_t lab_ask(struct lab *lab, unsigned plane, const struct ip_addr *to)
{
	const struct pl_burst *burst;
	uint32_t answer;

	lab_submit(lab, plane, to, 1);
	burst = lab_complete(lab, plane);
	assert_int_equal(burst->n, 1);
	answer = lab_answer(burst, 0);
	lab_put(lab, plane, burst);
	lab->processors[plane].next(lab->processors[plane].ctx);
	return answer;
}

static inline void lab_expect_no_fault(const struct lab *lab)
{
	struct offload_stats stats;

	offload_stats(lab->offload, &stats);
	if (stats.faults)
		fail_msg("%lu faults: %s", stats.faults, stats.fault.what);
}

static inline struct offload_stats lab_stats(const struct lab *lab)
{
	struct offload_stats stats;

	offload_stats(lab->offload, &stats);
	return stats;
}

/* Waits, attending and looking as idle planes do, until the state is this. */
static inline struct offload_stats lab_await(struct lab *lab, enum offload_state state,
					     bool at_rest)
{
	uint64_t end = lab_now_us() + 1000ull * LAB_LIMIT_MS;

	for (;;) {
		struct offload_stats stats = lab_stats(lab);

		if (stats.state == state && stats.at_rest == at_rest)
			return stats;
		if (lab_now_us() > end)
			fail_msg("is in state %u%s, not %u; fault: %s", stats.state,
				 stats.at_rest ? " at rest" : "", state, stats.fault.what);
		offload_attend(lab->offload);
		for (unsigned i = 0; i < lab->n_planes; i++)
			lab->processors[i].next(lab->processors[i].ctx);
		lab_pause_us(200);
	}
}

#endif
