/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables change while an accelerator forwards by its copy of them: every packet gets an answer that was
 * right at some time while it was under way.
 *
 * Versions number the changes. Before one is made, a model (a list of prefixes) says which addresses get
 * another answer from it on, and the version is said to have *begun*; once tables_wait() returns, no copy, and
 * no burst, knows less than the version that was begun before: it has *settled*. So a packet that is
 * submitted when version f has settled, and taken back when version c has begun, has one of the answers that
 * its address had from f to c. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../router/offload/thread.h"
#include "offload_help.h"
#include "offload_program.h"
#include "sanitized.h"

#define ADDRESSES 48u
#define ROUTES 96u
#define NEXTHOPS 40u
#define COVERS 24u /* routes that one address may lie in */

#ifdef TSAN
#define CHANGES 20000u
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char grace_tag;
#define READER_SAYS() __tsan_release(&grace_tag)
#define WRITER_HEARS() __tsan_acquire(&grace_tag)
#else
#ifdef SANITIZED
#define CHANGES 50000u
#else
#define CHANGES 200000u
#endif
#define READER_SAYS() ((void)0)
#define WRITER_HEARS() ((void)0)
#endif

/* What the tables must be able to hold: so little that blocks are used again at once. */
static const struct tables_limits tiny = {.blocks4 = 40,
					  .last4 = 14,
					  .mid4 = 8,
					  .blocks6 = 200,
					  .nexthops = 64,
					  .slots = 1024,
					  .neighbours = 64};

/* An address, and what it got from which version on. */
struct answer {
	uint32_t version, nexthop;
};
struct address {
	struct ip_addr ip;
	unsigned covers[COVERS], n_covers; /* routes that it lies in, longest first */
	struct answer *answers;
	_Atomic uint32_t n_answers;
};
struct route {
	struct prefix prefix;
	uint32_t nexthop; /* 0: it is not there */
};

struct plane {
	struct churn *churn;
	unsigned index;
	pthread_t thread;
	uint64_t seed;
	struct {
		uint32_t address, floor;
	} sent[LAB_BUFS];		 /* by buffer */
	uint64_t checked, choices, lost; /* choices: more than one answer would have been right */
};

struct churn {
	struct lab lab;
	struct address addresses[ADDRESSES];
	struct route routes[ROUTES + 1]; /* the last, all of IPv4, comes and goes by itself */
	uint64_t seed;
	unsigned burst;	 /* packets at most */
	unsigned sparse; /* one in so many routes is there: the more, the more blocks come and go */
	uint32_t version;
	_Atomic uint32_t begun, settled;
	atomic_bool stop;
	_Atomic uint32_t wrong;
	struct plane planes[LAB_PLANES];
};

/* The host has as many workers as it has cores to spare, which may be one; here several, so that bursts are
 * under way while another worker applies updates. */
int __real_pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
			 struct pl_error *err);
int __wrap_pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
			 struct pl_error *err);
int __wrap_pl_accel_open(struct pl_accel **accel, const struct pl_accel_config *config,
			 struct pl_error *err)
{
	struct pl_accel_config several = *config;

	several.n_workers = 2 * LAB_PLANES;
	return __real_pl_accel_open(accel, &several, err);
}

static void grace(void)
{
	urcu_qsbr_synchronize_rcu();
	WRITER_HEARS();
}

/* ---- the model ---- */

/* Close together, so that most lie in several prefixes. */
static struct prefix random_prefix(uint64_t *seed, bool whole)
{
	uint8_t family = random_below(seed, 2) ? AF_INET : AF_INET6;
	addr128 any = (addr128)random64(seed) << 64 | random64(seed), base;

	if (family == AF_INET) {
		base = (addr128)10 << 120 | (any & (addr128)0x010303 << 96);
		return to_prefix(family, base, whole ? 32 : 8 + random_below(seed, 25));
	}
	base = (random_below(seed, 2) ? (addr128)0x2001 : (addr128)0xfd00) << 112;
	base |= any & ((addr128)0x03010101 << 64 | 0x1);
	return to_prefix(family, base, whole ? 128 : 16 + random_below(seed, 113));
}

static bool lies_in(const struct ip_addr *ip, const struct prefix *p)
{
	addr128 difference = to_number(ip->bytes) ^ to_number(p->bytes);

	return ip->family == p->family && !(p->len && difference >> (128 - p->len));
}

static void make_model(struct churn *c)
{
	for (unsigned i = 0; i < ROUTES; i++) {
		unsigned twin = 0;

		c->routes[i].prefix = random_prefix(&c->seed, false);
		while (memcmp(&c->routes[twin].prefix, &c->routes[i].prefix, sizeof(struct prefix)))
			twin++;
		i -= twin < i;
	}
	c->routes[ROUTES].prefix = prefix_of("0.0.0.0/0");
	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct address *a = &c->addresses[i];
		struct prefix p = random_prefix(&c->seed, true);

		a->ip.family = p.family;
		memcpy(a->ip.bytes, p.bytes, sizeof(a->ip.bytes));
		a->answers = calloc(2 * CHANGES + 1, sizeof(struct answer));
		assert_non_null(a->answers);
		atomic_init(&a->n_answers, 1); /* no route, from version 0 on */
		for (int len = 128; len >= 0; len--)
			for (unsigned r = 0; r <= ROUTES; r++)
				if (c->routes[r].prefix.len == len &&
				    lies_in(&a->ip, &c->routes[r].prefix)) {
					assert_in_range(a->n_covers, 0, COVERS - 1);
					a->covers[a->n_covers++] = r;
				}
	}
}

static uint32_t model_answer(const struct churn *c, const struct address *a)
{
	for (unsigned i = 0; i < a->n_covers; i++)
		if (c->routes[a->covers[i]].nexthop)
			return c->routes[a->covers[i]].nexthop;
	return 0;
}

/* From now on this may be seen. */
static void begin(struct churn *c, struct route *route, uint32_t nexthop)
{
	c->version++;
	route->nexthop = nexthop;
	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct address *a = &c->addresses[i];
		uint32_t n = atomic_load_explicit(&a->n_answers, memory_order_relaxed);
		uint32_t answer = model_answer(c, a);

		if (answer == a->answers[n - 1].nexthop)
			continue;
		a->answers[n] = (struct answer){c->version, answer};
		atomic_store_explicit(&a->n_answers, n + 1, memory_order_release);
	}
	atomic_store_explicit(&c->begun, c->version, memory_order_release);
}

static void change(struct churn *c, struct route *route)
{
	uint32_t before = route->nexthop, after = 1 + random_below(&c->seed, NEXTHOPS);
	int ret;

	if (before ? random_below(&c->seed, 2) : random_below(&c->seed, c->sparse))
		after = 0;
	if (before == after)
		return;
	begin(c, route, after);
	if (after)
		ret = tables_route_set(c->lab.t, &route->prefix, after);
	else
		ret = tables_route_del(c->lab.t, &route->prefix);
	if (ret == -ENOSPC) /* seen for a moment, perhaps, and undone */
		begin(c, route, before);
	else
		assert_int_equal(ret, 0);
}

static void settle(struct churn *c)
{
	tables_wait(c->lab.t);
	/* A copy that is lost is not waited for: it knows what it knew, until it is filled anew. */
	if (tables_copy_state(c->lab.offload->copy.log) == TABLES_COPY_LOST)
		return;
	atomic_store_explicit(&c->settled, c->version, memory_order_release);
}

/* ---- planes ---- */

/* Counts how many different answers would have been right; 0 if this one is not. */
static unsigned is_right(const struct address *a, uint32_t floor, uint32_t ceiling, uint32_t answer)
{
	uint32_t i = atomic_load_explicit(&a->n_answers, memory_order_acquire);
	unsigned right = 0;
	bool found = false;

	while (i--) {
		if (a->answers[i].version > ceiling)
			continue;
		right++;
		found |= a->answers[i].nexthop == answer;
		if (a->answers[i].version <= floor)
			break;
	}
	return found ? right : 0;
}

static void check(struct plane *p, const struct pl_burst *burst)
{
	struct churn *c = p->churn;
	uint32_t ceiling = atomic_load_explicit(&c->begun, memory_order_acquire);

	for (uint32_t i = 0; i < burst->n; i++) {
		uint32_t buf = burst->frame[i] / c->lab.pools[p->index].buf_bytes;
		uint32_t floor = p->sent[buf].floor, answer = lab_answer(burst, i);
		unsigned right;

		if (answer == LAB_LOST || answer == LAB_KEPT) {
			p->lost++;
			continue;
		}
		right = is_right(&c->addresses[p->sent[buf].address], floor, ceiling, answer);
		p->checked++;
		p->choices += right > 1;
		if (!right && atomic_fetch_add_explicit(&c->wrong, 1, memory_order_relaxed) < 5)
			print_message("address %u from version %u to %u: %x\n",
				      p->sent[buf].address, floor, ceiling, answer);
	}
	lab_put(&c->lab, p->index, burst);
}

static void fill(struct plane *p, struct pl_burst *burst)
{
	struct churn *c = p->churn;
	struct pl_pool *pool = &c->lab.pools[p->index];
	uint32_t floor = atomic_load_explicit(&c->settled, memory_order_acquire);

	burst->base = pool->base;
	burst->port = LAB_PORT;
	burst->n = pl_pool_get(pool, burst->frame, 1 + random_below(&p->seed, c->burst),
			       PL_OWNER_BURST);
	for (uint32_t i = 0; i < burst->n; i++) {
		uint32_t address = random_below(&p->seed, ADDRESSES);
		uint32_t buf = burst->frame[i] / pool->buf_bytes;

		lab_frame(pl_pool_data(pool, burst->frame[i]), &c->addresses[address].ip);
		burst->len[i] = LAB_FRAME;
		p->sent[buf].address = address;
		p->sent[buf].floor = floor;
	}
}

static void *run_plane(void *arg)
{
	struct plane *p = arg;
	struct churn *c = p->churn;
	struct pl_processor *processor = &c->lab.processors[p->index];
	unsigned under_way = 0;

	urcu_qsbr_register_thread();
	while (under_way || !atomic_load_explicit(&c->stop, memory_order_acquire)) {
		struct pl_burst *burst = processor->next(processor->ctx);
		bool idle = true;

		if (burst && !atomic_load_explicit(&c->stop, memory_order_acquire)) {
			fill(p, burst);
			processor->submit(processor->ctx, burst);
			under_way++;
			idle = false;
		}
		while ((burst = processor->complete(processor->ctx))) {
			check(p, burst);
			under_way--;
			idle = false;
		}
		READER_SAYS();
		urcu_qsbr_quiescent_state();
		if (idle)
			sched_yield();
	}
	processor->next(processor->ctx);
	READER_SAYS();
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* ---- together ---- */

static void churn_start(struct churn *c, uint64_t seed, unsigned burst, unsigned sparse,
			struct offload_config config)
{
	memset(c, 0, sizeof(*c));
	c->seed = seed;
	c->burst = burst;
	c->sparse = sparse;
	print_message("seed %u\n", (unsigned)seed);
	make_model(c);
	lab_start(&c->lab, lab_tables(grace, &tiny, NEXTHOPS), LAB_PLANES, config);
	for (unsigned i = 0; i < LAB_PLANES; i++) {
		struct plane *p = &c->planes[i];

		p->churn = c;
		p->index = i;
		p->seed = seed + i;
		assert_int_equal(pthread_create(&p->thread, NULL, run_plane, p), 0);
	}
}

static void churn_stop(struct churn *c)
{
	struct offload_stats stats = lab_stats(&c->lab);
	uint64_t checked = 0, choices = 0, lost = 0;

	atomic_store_explicit(&c->stop, true, memory_order_release);
	for (unsigned i = 0; i < LAB_PLANES; i++) {
		pthread_join(c->planes[i].thread, NULL);
		checked += c->planes[i].checked;
		choices += c->planes[i].choices;
		lost += c->planes[i].lost;
	}
	print_message(
		"%u versions; %lu packets checked, of which %lu might have had several answers, "
		"%lu lost; %lu by the accelerator, %lu by the CPU; %lu fills, %lu faults: %s\n",
		c->version, checked, choices, lost, stats.packets, stats.cpu_packets, stats.fills,
		stats.faults, stats.fault.what);
	lab_stop(&c->lab);
	for (unsigned i = 0; i < ADDRESSES; i++)
		free(c->addresses[i].answers);
	assert_int_equal(atomic_load(&c->wrong), 0);
	assert_true(checked > 0 && choices > 0);
}

/* At 100,000 a second, if the machine can. */
static void churn_run(struct churn *c, unsigned changes, unsigned per_settle)
{
	uint64_t begin_us = lab_now_us();

	for (unsigned i = 0; i < changes; i++) {
		change(c, &c->routes[random_below(&c->seed, ROUTES)]);
		if (i % per_settle == 0)
			settle(c);
		if (i % 64 == 0) {
			offload_attend(c->lab.offload);
			while (lab_now_us() < begin_us + 10 * (uint64_t)i)
				sched_yield();
		}
	}
	print_message("%u changes in %lu ms\n", changes, (lab_now_us() - begin_us) / 1000);
}

static struct churn churn;

static void answers_are_old_or_new(void **state)
{
	const struct offload_config config = {.hang_ms = LAB_LIMIT_MS};

	(void)state;
	churn_start(&churn, 91, 64, 1, config);
	churn_run(&churn, CHANGES, 500);
	assert_int_equal(lab_stats(&churn.lab).fills, 1);
	lab_expect_no_fault(&churn.lab);
	churn_stop(&churn);
}

static void answers_are_old_or_new_launched_by_burst(void **state)
{
	const struct offload_config config = {.hang_ms = LAB_LIMIT_MS, .launch = PL_ACCEL_BURST};

	(void)state;
	churn_start(&churn, 92, 64, 1, config);
	churn_run(&churn, CHANGES / 8, 200);
	lab_expect_no_fault(&churn.lab);
	churn_stop(&churn);
}

/* Lookups that take long find none of their blocks used for anything else. */
static void blocks_stay_while_in_flight(void **state)
{
	const struct offload_config config = {.hang_ms = LAB_LIMIT_MS, .program = &slow_program};

	(void)state;
	atomic_store(&slow_program_dawdles, 100);
	churn_start(&churn, 93, 4, 8, config);
	churn_run(&churn, CHANGES / 5, 20);
	lab_expect_no_fault(&churn.lab);
	churn_stop(&churn);
}

/* A log that is too small, sections that have no room to grow: filled anew, again and again. */
static void filled_anew_under_way(void **state)
{
	const struct offload_config config = {
		.hang_ms = LAB_LIMIT_MS, .log_bytes = TABLES_LOG_MIN, .slack_bytes = 1};
	unsigned i;

	(void)state;
	churn_start(&churn, 94, 64, 1, config);
	for (i = 0; i < 20; i++) {
		churn_run(&churn, CHANGES / 200, 50);
		change(&churn, &churn.routes[ROUTES]); /* four times the log */
	}
	assert_in_range(lab_stats(&churn.lab).fills, 2, UINT32_MAX);
	lab_expect_no_fault(&churn.lab);
	churn_stop(&churn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_old_or_new),
		cmocka_unit_test(answers_are_old_or_new_launched_by_burst),
		cmocka_unit_test(blocks_stay_while_in_flight),
		cmocka_unit_test(filled_anew_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
