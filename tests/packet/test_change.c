/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables that change while packets flow: a plane's thread forwards, the test's thread is the
 * control thread. Every packet must leave as some state of the tables said that was right while it
 * was on its way: never by one next hop's port with another's MACs, never as it was before the last
 * change that had a grace period behind it.
 *
 * States are numbered. State k sends out of port 1 + k % 2 with MACs made of k, so that a frame
 * tells which state it comes from and whether it is all of one. */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "world.h"

/* Traffic flows until the plane has taken so many packets and seen so many changes among them:
 * either thread may get much less of the machine than the other. */
#ifdef __SANITIZE_THREAD__
#define PACKETS 300000u
#else
#define PACKETS 3000000u
#endif
#define CHANGES 20u
#define DEADLINE_S 60

struct change {
	struct world *w;
	struct frame frames[2];
	struct pl_mem_frame list[2];
	time_t deadline; /* of CLOCK_MONOTONIC: what has not happened by then fails the test */
	/* Of the states, the first that may still be seen and the last that may be seen already. */
	_Atomic uint32_t oldest, newest;
	_Atomic uint32_t sent, wrong;
	uint32_t wrong_state, wrong_port; /* of the first wrong one; read after the plane stopped */
	_Atomic uint32_t changes_seen;	  /* written by the plane's thread */
	uint32_t last_state;		  /* plane's thread */
};

static void state_macs(uint32_t k, struct nexthop_spec *spec)
{
	uint8_t a = (uint8_t)(k >> 16), b = (uint8_t)(k >> 8), c = (uint8_t)k;

	memcpy(spec->dmac, (uint8_t[]){0x02, 0xdd, 0x00, a, b, c}, 6);
	memcpy(spec->smac, (uint8_t[]){0x06, 0x55, 0x00, a, b, c}, 6);
}

static struct nexthop_spec state_spec(uint32_t k)
{
	struct nexthop_spec spec = {
		.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = (uint16_t)(1 + k % 2)};

	state_macs(k, &spec);
	return spec;
}

/* Plane's thread, within the turn that looked the packet up. */
static void check_sent(void *ctx, unsigned port, const uint8_t *data, uint16_t len)
{
	struct change *c = ctx;
	uint32_t k = (uint32_t)data[3] << 16 | (uint32_t)data[4] << 8 | data[5];
	/* Acquire: pairs with the stores in begin() and end(). */
	uint32_t oldest = atomic_load_explicit(&c->oldest, memory_order_acquire);
	uint32_t newest = atomic_load_explicit(&c->newest, memory_order_acquire);
	struct nexthop_spec spec = state_spec(k);

	(void)len;
	atomic_fetch_add_explicit(&c->sent, 1, memory_order_relaxed);
	if (memcmp(data, spec.dmac, 6) || memcmp(data + 6, spec.smac, 6) || port != spec.port ||
	    k < oldest || k > newest) {
		if (!atomic_fetch_add_explicit(&c->wrong, 1, memory_order_relaxed)) {
			c->wrong_state = k;
			c->wrong_port = port;
		}
	}
	if (k != c->last_state)
		atomic_fetch_add_explicit(&c->changes_seen, 1, memory_order_relaxed);
	c->last_state = k;
}

/* State `k` may be seen from now on. */
static void begin(struct change *c, uint32_t k)
{
	atomic_store_explicit(&c->newest, k, memory_order_release);
}

/* States before `k` may no longer be seen: a grace period has passed. */
static void end(struct change *c, uint32_t k)
{
	pl_plane_synchronize();
	atomic_store_explicit(&c->oldest, k, memory_order_release);
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Sets the traffic to flow: to both families' `dst`, in turns. `c` must outlive the plane,
 * also when an assertion ends the test. */
static void start(struct change *c, struct world *w, const char *dst4, const char *dst6)
{
	*c = (struct change){.w = w, .deadline = now_s() + DEADLINE_S};
	c->frames[0] = frame4(dst4, 46);
	c->frames[1] = frame6(dst6, 60);
	for (unsigned i = 0; i < 2; i++)
		c->list[i] = (struct pl_mem_frame){c->frames[i].bytes, c->frames[i].len};
	world_receive_always(w, 0, c->list, 2);
	w->sent = check_sent;
	w->sent_ctx = c;
	w->plane.busy_poll = true;
}

static uint64_t received(const struct change *c)
{
	return pl_stat_read(&c->w->plane.ports[0].wire->stats.rx_packets);
}

/* Whether the test is to go on: until enough has been seen or the time is up. */
static bool flowing(const struct change *c)
{
	bool enough = received(c) >= PACKETS &&
		      atomic_load_explicit(&c->changes_seen, memory_order_relaxed) >= CHANGES;

	return !enough && now_s() < c->deadline;
}

/* Stops and judges. `punts_allowed`: some packets may have met a next hop being changed. */
static void finish(struct change *c, bool punts_allowed)
{
	struct pl_plane_stats *stats = &c->w->plane.stats;
	uint64_t punts = 0;

	pl_plane_stop(&c->w->plane);
	for (unsigned r = 0; r < REASON_COUNT; r++) {
		assert_int_equal(pl_stat_read(&stats->drop[r]), 0);
		punts += pl_stat_read(&stats->punt[r]);
	}
	if (c->wrong)
		fail_msg("%u packets of %u wrong, the first of state %u, sent out of port %u",
			 c->wrong, c->sent, c->wrong_state, c->wrong_port);
	if (!punts_allowed)
		assert_int_equal(punts, 0);
	assert_int_equal(c->sent + punts, received(c));
	assert_in_range(received(c), PACKETS, UINT32_MAX);
	/* The plane did see changes happen. */
	assert_in_range(c->changes_seen, CHANGES, UINT32_MAX);
	assert_int_equal(c->w->plane.pool.n_free, c->w->plane.pool.n_bufs);
}

static uint32_t new_state(struct world *w, uint32_t k)
{
	struct nexthop_spec spec = state_spec(k);

	return world_hop(w, &spec);
}

static void move_routes(struct world *w, uint32_t hop)
{
	world_route(w, "10.40.1.0/24", hop);
	world_route(w, "2001:db8:40:1::/64", hop);
}

/* Routes move from next hop to next hop; the old ones are deleted and their places reused. */
static void routes_move(void **state)
{
	struct world *w = *state;
	static struct change c;
	uint32_t hop = new_state(w, 0), k = 0;

	move_routes(w, hop);
	start(&c, w, "10.40.1.1", "2001:db8:40:1::1");
	assert_int_equal(pl_plane_start(&w->plane, NULL), 0);
	while (flowing(&c)) {
		uint32_t old = hop;

		hop = new_state(w, ++k);
		begin(&c, k);
		move_routes(w, hop);
		tables_nexthop_del(w->tables, old);
		tables_settle(w->tables);
		end(&c, k);
	}
	finish(&c, false);
}

static void set_route(struct world *w, const char *prefix, bool present, uint32_t hop)
{
	struct prefix p;

	assert_int_equal(prefix_parse(prefix, &p), 0);
	assert_int_equal(present ? tables_route_set(w->tables, &p, hop)
				 : tables_route_del(w->tables, &p),
			 0);
}

/* More specific routes come and go, at every depth of the tries: blocks are made, collapse and are
 * reused. All states stay valid, since each lookup may see either. */
static void specifics_come_and_go(void **state)
{
	static const char *const prefixes[][2] = {
		{"10.40.1.1/32", "2001:db8:40:1::1/128"}, {"10.40.1.0/25", "2001:db8:40:1::/65"},
		{"10.40.0.0/17", "2001:db8:40::/49"},	  {"10.40.1.0/30", "2001:db8:40:1::/126"},
		{"10.40.1.0/24", "2001:db8::/40"},
	};
	enum { N = sizeof(prefixes) / sizeof(prefixes[0]) };
	struct world *w = *state;
	static struct change c;
	uint32_t hops[N + 1];
	bool present[N] = {false};

	for (uint32_t k = 0; k <= N; k++)
		hops[k] = new_state(w, k);
	world_route(w, "0.0.0.0/0", hops[N]);
	world_route(w, "::/0", hops[N]);
	start(&c, w, "10.40.1.1", "2001:db8:40:1::1");
	begin(&c, N);
	assert_int_equal(pl_plane_start(&w->plane, NULL), 0);
	for (uint32_t x = 1; flowing(&c); x = x * 1103515245 + 12345) {
		unsigned i = (x >> 16) % N;

		present[i] = !present[i];
		set_route(w, prefixes[i][0], present[i], hops[i]);
		set_route(w, prefixes[i][1], present[i], hops[i]);
	}
	finish(&c, false);
}

/* One next hop changes all it says. MACs and port are three words: lest a packet gets them mixed,
 * the tables put a punt between, which is allowed here. */
static void a_hop_changes_in_place(void **state)
{
	struct world *w = *state;
	static struct change c;
	uint32_t k = 0, hop = new_state(w, 0);

	move_routes(w, hop);
	start(&c, w, "10.40.1.1", "2001:db8:40:1::1");
	assert_int_equal(pl_plane_start(&w->plane, NULL), 0);
	while (flowing(&c)) {
		struct nexthop_spec spec = state_spec(k += 1);

		begin(&c, k);
		assert_int_equal(tables_nexthop_set(w->tables, hop, &spec), 0);
		end(&c, k);
	}
	finish(&c, true);
}

/* A neighbour behind a connected network is replaced. */
static void neighbours_change(void **state)
{
	struct world *w = *state;
	static struct change c;
	uint32_t k = 0, hop = new_state(w, 0);

	world_neighbour(w, 2, "10.3.0.50", hop);
	world_neighbour(w, 2, "2001:db8:3::50", hop);
	start(&c, w, "10.3.0.50", "2001:db8:3::50");
	assert_int_equal(pl_plane_start(&w->plane, NULL), 0);
	while (flowing(&c)) {
		uint32_t old = hop;

		hop = new_state(w, ++k);
		begin(&c, k);
		world_neighbour(w, 2, "10.3.0.50", hop);
		world_neighbour(w, 2, "2001:db8:3::50", hop);
		tables_nexthop_del(w->tables, old);
		tables_settle(w->tables);
		end(&c, k);
	}
	finish(&c, false);
}

/* A group's members are replaced one and all, its slots moving to and fro. */
static void groups_change(void **state)
{
	struct world *w = *state;
	static struct change c;
	uint32_t k = 1, hops[2] = {new_state(w, 0), new_state(w, 1)};
	struct nexthop_member m[2] = {{hops[0], 1}, {hops[1], 1}};
	struct nexthop_spec group = {.kind = NEXTHOP_GROUP, .members = m, .n_members = 2};
	uint32_t index = world_hop(w, &group);

	move_routes(w, index);
	start(&c, w, "10.40.1.1", "2001:db8:40:1::1");
	begin(&c, k);
	assert_int_equal(pl_plane_start(&w->plane, NULL), 0);
	while (flowing(&c)) {
		uint32_t old = hops[0];

		hops[0] = hops[1];
		hops[1] = new_state(w, ++k);
		begin(&c, k);
		m[0] = (struct nexthop_member){hops[0], 1 + k % 3};
		m[1] = (struct nexthop_member){hops[1], 1 + k % 40};
		assert_int_equal(tables_nexthop_set(w->tables, index, &group), 0);
		tables_nexthop_del(w->tables, old);
		tables_settle(w->tables);
		end(&c, k - 1);
	}
	finish(&c, false);
}

/* Until more packets than a turn takes have been sent. False if the test is not to go on. */
static bool wait_for_a_turn(const struct change *c)
{
	uint32_t from = atomic_load_explicit(&c->sent, memory_order_relaxed);

	while (flowing(c)) {
		if (atomic_load_explicit(&c->sent, memory_order_relaxed) - from > 2 * PL_BURST_MAX)
			return true;
		sched_yield();
	}
	return false;
}

/* The control thread takes the marks while the plane sets them: the next hop in use is known to be,
 * and one that routes have left is not marked again once a grace period has passed. */
static void marks_are_taken(void **state)
{
	struct world *w = *state;
	const struct pl_processor *p = &w->plane.processor;
	static struct change c;
	uint32_t hop = new_state(w, 0), k = 0;

	move_routes(w, hop);
	start(&c, w, "10.40.1.1", "2001:db8:40:1::1");
	assert_int_equal(pl_plane_start(&w->plane, NULL), 0);
	while (wait_for_a_turn(&c)) {
		uint32_t old = hop;

		assert_true(cpu_processor_take_used(p, hop));
		hop = new_state(w, ++k);
		assert_false(cpu_processor_take_used(p, hop));
		begin(&c, k);
		move_routes(w, hop);
		end(&c, k);
		cpu_processor_take_used(p, old);
		assert_false(cpu_processor_take_used(p, old));
		tables_nexthop_del(w->tables, old);
		tables_settle(w->tables);
	}
	finish(&c, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_move),
		cmocka_unit_test(specifics_come_and_go),
		cmocka_unit_test(a_hop_changes_in_place),
		cmocka_unit_test(neighbours_change),
		cmocka_unit_test(groups_change),
		cmocka_unit_test(marks_are_taken),
	};

	return run_for_all_isas("change", tests, sizeof(tests) / sizeof(tests[0]));
}
