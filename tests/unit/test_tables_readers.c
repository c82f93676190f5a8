/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers on other threads while the tables change under them: each answer is the old or the new one,
 * never another. Readers of the image, with real grace periods; and readers of a copy that another
 * thread keeps up by its log, with real epochs.
 *
 * Everything is cut into regions. A region's addresses lead only to the region's own next hops, its
 * next hops only to the region's own port, so that a block, a slot or an index that is used again too
 * early, or two words that do not belong together, show as an answer from elsewhere. */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* First: it makes the loads of the headers after it slow. */
#include "readers_help.h"

#include "tables_copy_help.h"

#define REGIONS 64u
#define READERS 2u

/* What makes a run long enough, however busy the machine: changes, turns of each reader and grace periods.
 * It has failed if it has not come to that by then. */
#ifdef TSAN
#define SCALE 8u
#else
#define SCALE 1u
#endif
#define ENOUGH_CHANGES (32768u / SCALE)
#define ENOUGH_TURNS (4096u / SCALE)
#define ENOUGH_GRACES (2048u / SCALE)
#define PATIENCE_MS 50000u

#define NO_ROUTE_REASON 7
#define MTU 1500

/* A region is read by what it is, never by what the writer is doing. */
enum { FAMILY4, FAMILY6_GLOBAL, FAMILY6_OTHER, FAMILIES };

static uint8_t family_number(unsigned family)
{
	return family == FAMILY4 ? AF_INET : AF_INET6;
}

/* 10.r.0.0/16, 2001:db8:r::/48, fd00:r::/32. */
static addr128 region_base(unsigned family, unsigned region)
{
	switch (family) {
	case FAMILY4:
		return (addr128)(10u << 24 | region << 16) << 96;
	case FAMILY6_GLOBAL:
		return (addr128)(0x20010db80000 | region) << 80;
	default:
		return (addr128)(0xfd000000u | region) << 96;
	}
}

static unsigned region_len(unsigned family)
{
	static const unsigned len[FAMILIES] = {16, 48, 32};

	return len[family];
}

/* One reader. */
struct reader {
	struct world *w;
	_Atomic(unsigned long) turns; /* completed */
	bool registered;	      /* for the grace period: reads the image */
	uint64_t seed;
	pthread_t thread;
};

struct world {
	struct tables *t;
	const struct tables_view *view; /* what readers read: the image or a copy */
	struct reader readers[READERS];
	struct replica *replica; /* of which the view is; NULL: of the image */
	_Atomic bool stop;
	_Atomic bool follower_stop;
	_Atomic unsigned hot; /* the region, of all families, that the writer is at */
	_Atomic(unsigned long) wrong;
	char first_wrong[128]; /* written by who made `wrong` 1, read after the readers ended */
	/* Per region: the next hop that is a group. */
	uint32_t group[REGIONS];
};

static void wrong(struct world *w, const char *what, unsigned family, unsigned region, uint64_t got)
{
	if (atomic_fetch_add_explicit(&w->wrong, 1, memory_order_relaxed) == 0)
		snprintf(w->first_wrong, sizeof(w->first_wrong), "%s: family %u region %u got %llx",
			 what, family, region, (unsigned long long)got);
}

/* ---- reading ---- */

/* Mostly where the writer is, or just was. */
static unsigned read_region(struct world *w, uint64_t *seed)
{
	if (random_below(seed, 4))
		return atomic_load_explicit(&w->hot, memory_order_relaxed);
	return random_below(seed, REGIONS);
}

/* The port a next hop's words must belong to: all that is in them is made from it. */
static bool forward_consistent(uint64_t info, uint64_t dmac, uint64_t smac)
{
	uint32_t port = NEXTHOP_PORT(info);
	unsigned version = NEXTHOP_MTU(info) - MTU;
	uint8_t want_dmac[6] = {2, 1, (uint8_t)port, (uint8_t)(port >> 8), (uint8_t)version, 0xd};
	uint8_t want_smac[6] = {2, 2, (uint8_t)port, (uint8_t)(port >> 8), (uint8_t)version, 0x5};

	return !memcmp((uint8_t *)&dmac + 2, want_dmac, 6) && !memcmp(&smac, want_smac, 6);
}

/* The port of next hops of this region and family. */
static uint32_t region_port(unsigned family, unsigned region)
{
	return 1 + family * REGIONS + region;
}

static void check_nexthop(struct world *w, const struct tables_view *v, unsigned family,
			  unsigned region, uint32_t index)
{
	const struct nexthop *n = &v->nexthops[index];
	uint64_t info = PL_LOAD64(&n->info);

	if (NEXTHOP_KIND(info) == NEXTHOP_PUNT) {
		/* While two words are exchanged, see tables_nexthop_set(). */
		if (NEXTHOP_REASON(info) != NO_ROUTE_REASON)
			wrong(w, "punt", family, region, info);
		return;
	}
	if (NEXTHOP_KIND(info) != NEXTHOP_FORWARD)
		wrong(w, "kind", family, region, info);
	else if (NEXTHOP_PORT(info) != region_port(family, region))
		wrong(w, "port", family, region, info);
	else if (!forward_consistent(info, PL_LOAD64(&n->dmac), PL_LOAD64(&n->smac)))
		wrong(w, "mixed words", family, region, info);
}

static uint32_t route_of(const struct tables_view *v, unsigned family, addr128 addr)
{
	if (family == FAMILY4)
		return route4_lookup(v, (uint32_t)(addr >> 96));
	return route6_lookup(v, (uint64_t)(addr >> 64), (uint64_t)addr);
}

static void read_route(struct world *w, const struct tables_view *v, uint64_t *seed)
{
	unsigned family = random_below(seed, FAMILIES), region = read_region(w, seed);
	addr128 any = (addr128)random64(seed) << 64 | random64(seed);
	addr128 addr = region_base(family, region);
	uint32_t index;

	/* Mostly where the writer is at it, in the region's first addresses (see flip_routes()). */
	if (random_below(seed, 8))
		any &= family == FAMILY4 ? (addr128)0xffff << 96 : (addr128)0x0303 << 64 | 0xff;
	addr |= any & host_bits(region_len(family));
	index = route_of(v, family, addr);
	if (index == 0)
		wrong(w, "no route", family, region, 0);
	else
		check_nexthop(w, v, family, region, index);
}

static void read_group(struct world *w, const struct tables_view *v, uint64_t *seed)
{
	unsigned region = read_region(w, seed);
	const struct nexthop *n = &v->nexthops[w->group[region]];
	uint64_t info = PL_LOAD64(&n->info), group;

	if (NEXTHOP_KIND(info) != NEXTHOP_GROUP) {
		wrong(w, "group", 0, region, info);
		return;
	}
	group = PL_LOAD64(&n->group);
	check_nexthop(w, v, FAMILY4, region,
		      PL_LOAD32(v->slots + (uint32_t)group + (random64(seed) & group >> 32)));
}

/* Neighbour 0 of a region stays, with one of two next hops; the others come and go. */
static void read_neighbour(struct world *w, const struct tables_view *v, uint64_t *seed)
{
	unsigned region = read_region(w, seed), host = random_below(seed, 64);
	uint64_t a0 = 0x80feull, a1 = (uint64_t)host << 56 | 1;
	uint32_t index = neighbour_lookup(v, a0, a1, region_port(FAMILY4, region));

	if (index)
		check_nexthop(w, v, FAMILY4, region, index);
	else if (host == 0)
		wrong(w, "neighbour lost", 0, region, 0);
}

static void *reader(void *arg)
{
	struct reader *self = arg;
	struct world *w = self->w;
	uint64_t seed = self->seed;
	unsigned i;

	dawdle_seed = seed;
	if (self->registered)
		urcu_qsbr_register_thread();
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		for (i = 0; i < 16; i++) {
			read_route(w, w->view, &seed);
			read_group(w, w->view, &seed);
			read_neighbour(w, w->view, &seed);
		}
		/* Release: pairs with all_have_turned(). */
		atomic_fetch_add_explicit(&self->turns, 1, memory_order_release);
		if (self->registered) {
			READER_SAYS();
			urcu_qsbr_quiescent_state();
		}
	}
	if (self->registered) {
		READER_SAYS();
		urcu_qsbr_unregister_thread();
	}
	return NULL;
}

/* ---- keeping a copy ---- */

/* True if every reader has completed the turn that it was in when `turns` was noted. */
static bool all_have_turned(struct world *w, const unsigned long turns[READERS])
{
	for (unsigned i = 0; i < READERS; i++)
		if (atomic_load_explicit(&w->readers[i].turns, memory_order_acquire) == turns[i])
			return false;
	return true;
}

/* The copy's thread: replays what comes, all the time; says that it is done with what it had replayed
 * once all turns of readers that began before are over, as if they were bursts. */
static void *follower(void *arg)
{
	struct world *w = arg;
	struct replica *r = w->replica;
	unsigned long turns[READERS];
	struct timespec some = {.tv_nsec = 20000};
	uint64_t position = 0;
	bool pending = false;

	while (!atomic_load_explicit(&w->follower_stop, memory_order_relaxed)) {
		if (replica_replay(r))
			wrong(w, "lost", 0, 0, 0);
		if (!pending) {
			position = tables_copy_position(r->copy);
			for (unsigned i = 0; i < READERS; i++)
				turns[i] = atomic_load_explicit(&w->readers[i].turns,
								memory_order_relaxed);
			pending = true;
		} else if (all_have_turned(w, turns)) {
			tables_copy_done(r->copy, position);
			pending = false;
		}
		nanosleep(&some, NULL);
	}
	replica_replay(r);
	return NULL;
}

/* ---- writing ---- */

static struct nexthop_spec region_spec(unsigned family, unsigned region, unsigned version)
{
	uint32_t port = region_port(family, region);

	return (struct nexthop_spec){
		.kind = NEXTHOP_FORWARD,
		.mtu = (uint16_t)(MTU + version),
		.port = (uint16_t)port,
		.dmac = {2, 1, (uint8_t)port, (uint8_t)(port >> 8), (uint8_t)version, 0xd},
		.smac = {2, 2, (uint8_t)port, (uint8_t)(port >> 8), (uint8_t)version, 0x5},
	};
}

#define PER_REGION 3u /* next hops */

struct writer {
	struct world *w;
	uint64_t seed;
	uint32_t nexthop[FAMILIES][REGIONS][PER_REGION];
};

/* The region to change next, told to the readers: mostly one of two, so that they meet. */
static unsigned write_region(struct writer *x)
{
	unsigned region = random_below(&x->seed, 64) ? random_below(&x->seed, 2)
						     : random_below(&x->seed, REGIONS);

	atomic_store_explicit(&x->w->hot, region, memory_order_relaxed);
	return region;
}

static void must(int err)
{
	assert_int_equal(err, 0);
}

static uint32_t pick(struct writer *x, unsigned family, unsigned region)
{
	return x->nexthop[family][region][random_below(&x->seed, PER_REGION)];
}

/* A more specific route comes, changes or goes; the cover changes now and then: blocks appear and
 * collapse all the time. */
static void flip_routes(struct writer *x)
{
	unsigned family = random_below(&x->seed, FAMILIES), region = write_region(x);
	unsigned bits = family_bits(family_number(family)), start = region_len(family);
	addr128 base = region_base(family, region);
	unsigned len = start + random_below(&x->seed, bits - start + 1);
	addr128 any = (addr128)random64(&x->seed) << 64 | random64(&x->seed);
	struct prefix p;
	int err;

	any &= family == FAMILY4 ? (addr128)0x0303 << 96 : (addr128)0x0303 << 64 | 0x3;
	p = to_prefix(family_number(family), base | any, len);
	if (len == start || random_below(&x->seed, 2)) {
		must(tables_route_set(x->w->t, &p, pick(x, family, region)));
		return;
	}
	err = tables_route_del(x->w->t, &p);
	assert_true(err == 0 || err == -ENOENT);
}

/* The default routes, below which everything lies. */
static void flip_defaults(struct writer *x)
{
	struct prefix p4 = prefix_of("0.0.0.0/0"), p6 = prefix_of("::/0");
	struct prefix *p = random_below(&x->seed, 2) ? &p4 : &p6;

	if (random_below(&x->seed, 2))
		must(tables_route_set(x->w->t, p, x->nexthop[0][0][0]));
	else
		tables_route_del(x->w->t, p);
}

/* Another MAC, or both and the MTU: words that must not mix. */
static void flip_nexthop(struct writer *x)
{
	unsigned family = random_below(&x->seed, FAMILIES), region = write_region(x);
	struct nexthop_spec spec = region_spec(family, region, random_below(&x->seed, 16));
	struct nexthop_spec punt = {.kind = NEXTHOP_PUNT, .reason = NO_ROUTE_REASON};
	uint32_t index = pick(x, family, region);

	if (random_below(&x->seed, 2))
		must(tables_nexthop_set(x->w->t, index, &punt));
	must(tables_nexthop_set(x->w->t, index, &spec));
}

/* All that referred to a next hop is led to a new one, the old freed: its index comes back, likely
 * in another region. */
static void exchange_nexthop(struct writer *x)
{
	unsigned family = 1 + random_below(&x->seed, FAMILIES - 1);
	unsigned region = write_region(x);
	struct nexthop_spec spec = region_spec(family, region, random_below(&x->seed, 16));
	struct prefix cover = to_prefix(AF_INET6, region_base(family, region) | 1, 128);
	uint32_t index;

	must(tables_nexthop_new(x->w->t, &spec, &index));
	must(tables_route_set(x->w->t, &cover, index));
	must(tables_route_set(x->w->t, &cover, pick(x, family, region)));
	tables_nexthop_del(x->w->t, index);
}

static void flip_group(struct writer *x)
{
	unsigned region = write_region(x), i, n = 0;
	struct nexthop_member members[PER_REGION];
	struct nexthop_spec spec = {.kind = NEXTHOP_GROUP, .members = members};

	for (i = 0; i < PER_REGION; i++)
		if (random_below(&x->seed, 2))
			members[n++] = (struct nexthop_member){x->nexthop[FAMILY4][region][i],
							       1 + random_below(&x->seed, 3)};
	spec.n_members = n;
	if (n)
		must(tables_nexthop_set(x->w->t, x->w->group[region], &spec));
}

static void flip_neighbour(struct writer *x)
{
	unsigned region = write_region(x), host = random_below(&x->seed, 64);
	uint16_t port = (uint16_t)region_port(FAMILY4, region);
	struct ip_addr addr = {AF_INET6, {0xfe, 0x80, [8] = 1, [15] = (uint8_t)host}};
	int err;

	if (host == 0 || random_below(&x->seed, 2)) {
		must(tables_neighbour_set(x->w->t, port, &addr, pick(x, FAMILY4, region)));
		return;
	}
	err = tables_neighbour_del(x->w->t, port, &addr);
	assert_true(err == 0 || err == -ENOENT);
}

/* The last next hop of each region has an index too large for a narrow block. */
static void set_up_large(struct writer *x)
{
	const struct nexthop_spec other = {.kind = NEXTHOP_DROP, .reason = NO_ROUTE_REASON};
	unsigned family, region;
	uint32_t index = 0;

	while (index < NARROW_CHILD)
		must(tables_nexthop_new(x->w->t, &other, &index));
	for (family = 0; family < FAMILIES; family++)
		for (region = 0; region < REGIONS; region++) {
			struct nexthop_spec spec = region_spec(family, region, 0);

			must(tables_nexthop_new(x->w->t, &spec,
						&x->nexthop[family][region][PER_REGION - 1]));
		}
}

static void set_up(struct writer *x)
{
	unsigned family, region, i;
	struct world *w = x->w;

	for (family = 0; family < FAMILIES; family++)
		for (region = 0; region < REGIONS; region++) {
			struct nexthop_spec spec = region_spec(family, region, 0);
			struct prefix p = to_prefix(family_number(family),
						    region_base(family, region),
						    region_len(family));

			for (i = 0; i < PER_REGION - 1; i++)
				must(tables_nexthop_new(w->t, &spec,
							&x->nexthop[family][region][i]));
			must(tables_route_set(w->t, &p, x->nexthop[family][region][0]));
		}
	set_up_large(x);
	for (region = 0; region < REGIONS; region++) {
		struct nexthop_member m = {x->nexthop[FAMILY4][region][0], 1};
		struct nexthop_spec spec = {.kind = NEXTHOP_GROUP, .members = &m, .n_members = 1};
		struct ip_addr addr = {AF_INET6, {0xfe, 0x80, [8] = 1}};

		must(tables_nexthop_new(w->t, &spec, &w->group[region]));
		must(tables_neighbour_set(w->t, (uint16_t)region_port(FAMILY4, region), &addr,
					  m.nexthop));
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The turns of the reader that has made the fewest. */
static unsigned long fewest_turns(struct world *w)
{
	unsigned long fewest = ~0ul;

	for (unsigned i = 0; i < READERS; i++) {
		unsigned long turns =
			atomic_load_explicit(&w->readers[i].turns, memory_order_relaxed);

		fewest = turns < fewest ? turns : fewest;
	}
	return fewest;
}

/* Until both sides have done enough. */
static void change_all(struct writer *x)
{
	static void (*const changes[])(struct writer *) = {
		flip_routes,	flip_routes,	  flip_routes, flip_routes,
		flip_neighbour, exchange_nexthop, flip_group,  flip_neighbour,
	};
	uint64_t end = now_ms() + PATIENCE_MS;
	unsigned long n;

	for (n = 0;
	     n < ENOUGH_CHANGES || fewest_turns(x->w) < ENOUGH_TURNS || graces < ENOUGH_GRACES;
	     n++) {
		if (n % 64 == 0 && now_ms() > end)
			break;
		changes[random_below(&x->seed, 8)](x);
		/* Rarer: they wait for grace periods, or walk all routes. */
		if (n % 16 == 0)
			flip_nexthop(x);
		if (n % 512 == 100)
			flip_defaults(x);
		if (n % 8 == 0)
			tables_settle(x->w->t);
	}
	print_message("%lu changes, %lu turns, %lu grace periods\n", n, fewest_turns(x->w), graces);
}

/* Barely enough, so that all is used again as soon as it may be. */
static const struct tables_limits limits = {.blocks4 = 1000,
					    .last4 = 64,
					    .blocks6 = 20000,
					    .nexthops = NARROW_CHILD + 1000,
					    .slots = 64 * 1024};

static void run_readers(struct world *w, struct writer *x)
{
	unsigned i;

	graces = 0;
	for (i = 0; i < READERS; i++) {
		w->readers[i].w = w;
		w->readers[i].registered = !w->replica;
		w->readers[i].seed = x->seed + 100 + i;
		assert_int_equal(
			pthread_create(&w->readers[i].thread, NULL, reader, &w->readers[i]), 0);
	}
	change_all(x);
	atomic_store_explicit(&w->stop, true, memory_order_relaxed);
	for (i = 0; i < READERS; i++)
		pthread_join(w->readers[i].thread, NULL);
	if (w->wrong)
		fail_msg("%lu wrong answers; the first: %s", w->wrong, w->first_wrong);
	assert_true(fewest_turns(w) >= ENOUGH_TURNS && graces >= ENOUGH_GRACES);
}

static void readers_see_old_or_new(void **state)
{
	static struct world w;
	struct writer x = {.w = &w, .seed = 53};

	(void)state;
	print_message("seed %llu\n", (unsigned long long)x.seed);
	w.t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	w.view = tables_view(w.t);
	set_up(&x);
	run_readers(&w, &x);
	tables_free(w.t);
}

static void readers_of_a_copy_see_old_or_new(void **state)
{
	static struct world w;
	static struct replica r;
	struct writer x = {.w = &w, .seed = 56};
	struct tables_copy_stats stats;
	pthread_t thread;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)x.seed);
	w.t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	set_up(&x);
	replica_init(&r, w.t, 64 << 20);
	replica_fill(&r);
	w.view = &r.view;
	w.replica = &r;
	assert_int_equal(pthread_create(&thread, NULL, follower, &w), 0);
	run_readers(&w, &x);
	atomic_store_explicit(&w.follower_stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	tables_copy_stats(r.copy, &stats);
	assert_int_equal(stats.losses, 0);
	replica_check(&r, w.t);
	replica_fini(&r);
	tables_free(w.t);
}

/* ---- neighbours that move ---- */

#define ENOUGH_MOVES (1000u / SCALE)
#define ENOUGH_LOOKUPS (16384u / SCALE)

struct moving {
	struct tables *t;
	_Atomic bool stop;
	_Atomic(unsigned long) lookups, lost;
};

/* Some address, of those that `nth` tells apart, whose probes begin at this slot of the table. */
static struct ip_addr addr_at(const struct tables *t, uint32_t slot, unsigned nth)
{
	uint32_t mask = NEIGHBOURS_MASK(tables_view(t)->head->neighbours);
	struct ip_addr addr = {AF_INET6, {0xfe, 0x80}};
	uint64_t word[2];
	unsigned i;

	for (i = nth << 16;; i++) {
		uint32_t wire = htobe32(i);

		memcpy(addr.bytes + 12, &wire, sizeof(wire));
		memcpy(word, addr.bytes, sizeof(word));
		if ((neighbour_hash(word[0], word[1], 1) & mask) == slot)
			return addr;
	}
}

#define STAYS_AT 40u

static void *look_for_it(void *arg)
{
	struct moving *m = arg;
	struct ip_addr addr = addr_at(m->t, STAYS_AT, 0);
	uint64_t word[2];

	memcpy(word, addr.bytes, sizeof(word));
	dawdle_seed = 62;
	urcu_qsbr_register_thread();
	while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
		for (unsigned i = 0; i < 16; i++)
			if (neighbour_lookup(tables_view(m->t), word[0], word[1], 1) != 1)
				atomic_fetch_add_explicit(&m->lost, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&m->lookups, 16, memory_order_relaxed);
		READER_SAYS();
		urcu_qsbr_quiescent_state();
	}
	READER_SAYS();
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* Neighbours come and go in slots right before that of one that stays, so that these cannot be had back by
 * waiting: once more than a quarter is lost so, the one moves to the other table of the same size. */
static void neighbour_stays_while_tables_alternate(void **state)
{
	static struct moving m;
	struct ip_addr addr;
	pthread_t thread;
	uint64_t end = now_ms() + PATIENCE_MS, at;
	unsigned moves = 0, n = 0;

	(void)state;
	m.t = tables_new_limited(grace, NO_ROUTE_REASON, &limits);
	make_nexthops(m.t, 2);
	addr = addr_at(m.t, STAYS_AT, 0);
	must(tables_neighbour_set(m.t, 1, &addr, 1));
	assert_int_equal(pthread_create(&thread, NULL, look_for_it, &m), 0);
	while ((moves < ENOUGH_MOVES || m.lookups < ENOUGH_LOOKUPS) && now_ms() < end) {
		at = tables_view(m.t)->head->neighbours;
		n = (n + 1) % 32;
		addr = addr_at(m.t, STAYS_AT - 1 - n, 1);
		must(tables_neighbour_set(m.t, 1, &addr, 2));
		must(tables_neighbour_del(m.t, 1, &addr));
		moves += tables_view(m.t)->head->neighbours != at;
		assert_int_equal(NEIGHBOURS_MASK(tables_view(m.t)->head->neighbours),
				 NEIGHBOURS_MIN - 1);
	}
	atomic_store_explicit(&m.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	print_message("%u moves, %lu lookups, %lu lost\n", moves, m.lookups, m.lost);
	assert_int_equal(m.lost, 0);
	assert_true(moves >= ENOUGH_MOVES && m.lookups >= ENOUGH_LOOKUPS);
	tables_free(m.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_old_or_new),
		cmocka_unit_test(readers_of_a_copy_see_old_or_new),
		cmocka_unit_test(neighbour_stays_while_tables_alternate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
