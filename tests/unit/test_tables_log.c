/* SPDX-License-Identifier: BSD-2-Clause */
/* The logs by which copies follow the tables: what is recorded, what is lost and had again, and what is not
 * used again before all copies have passed. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include "tables_churn_help.h"

static void grace(void)
{
}

/* ---- the log ---- */

/* What is stored one after the other is one record. */
static void stores_side_by_side_merge(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct prefix eight = prefix_of("10.0.0.0/8"), other = prefix_of("12.0.0.0/8");
	struct tables_change change;
	struct tables_copy_stats stats;
	struct replica r;
	uint32_t i;

	(void)state;
	make_nexthops(t, 1);
	replica_init(&r, t, TABLES_LOG_MIN);
	replica_fill(&r);
	assert_int_equal(tables_copy_next(r.copy, &change), 0);
	assert_int_equal(tables_route_set(t, &eight, 1), 0);
	assert_int_equal(tables_route_set(t, &other, 1), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(tables_copy_next(r.copy, &change), 1);
		assert_int_equal(change.section, TABLES_ROOT4);
		assert_int_equal(change.offset, (10 + 2 * i) * 256 * 4);
		assert_int_equal(change.length, 256 * 4);
		for (uint32_t k = 0; k < 256; k++)
			assert_int_equal(((const uint32_t *)change.bytes)[k], 1);
	}
	assert_int_equal(tables_copy_next(r.copy, &change), 0);
	tables_copy_stats(r.copy, &stats);
	assert_int_equal(stats.records, 2);
	assert_int_equal(stats.bytes, 2 * 256 * 4);
	replica_fini(&r);
	tables_free(t);
}

static void expect_record(struct replica *r, enum tables_section section, size_t offset,
			  uint32_t length)
{
	struct tables_change change;

	assert_int_equal(tables_copy_next(r->copy, &change), 1);
	assert_int_equal(change.section, section);
	assert_int_equal(change.offset, offset);
	assert_int_equal(change.length, length);
}

/* What publishes is a record of its own, after that of what it publishes, also where the two lie side
 * by side: the order within a record is open. */
static void what_publishes_comes_last(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct nexthop_member members[] = {{1, 1}, {2, 1}};
	struct nexthop_spec group = {.kind = NEXTHOP_GROUP, .members = members, .n_members = 2};
	struct ip_addr addr = addr_of("fe80::1");
	const struct tables_view *v = tables_view(t);
	struct tables_change change;
	struct replica r;
	uint64_t word[2], slot = 0;
	uint32_t index;

	(void)state;
	make_nexthops(t, 2);
	replica_init(&r, t, TABLES_LOG_MIN);
	replica_fill(&r);
	assert_int_equal(tables_neighbour_set(t, 1, &addr, 2), 0);
	memcpy(word, addr.bytes, 16);
	slot = NEIGHBOURS_FIRST(v->head->neighbours) +
	       (neighbour_hash(word[0], word[1], 1) & NEIGHBOURS_MASK(v->head->neighbours));
	expect_record(&r, TABLES_NEIGHBOURS, slot * sizeof(struct neighbour), 20);
	expect_record(&r, TABLES_NEIGHBOURS, slot * sizeof(struct neighbour) + 20, 4);
	assert_int_equal(tables_nexthop_new(t, &group, &index), 0);
	expect_record(&r, TABLES_SLOTS, 0, 2 * 4);
	expect_record(&r, TABLES_NEXTHOPS, index * sizeof(struct nexthop), 8); /* no kind yet */
	expect_record(&r, TABLES_NEXTHOPS, index * sizeof(struct nexthop) + 24, 8);
	expect_record(&r, TABLES_NEXTHOPS, index * sizeof(struct nexthop), 8);
	assert_int_equal(tables_copy_next(r.copy, &change), 0);
	replica_fini(&r);
	tables_free(t);
}

/* Neighbours move to another table, larger or of the same size: whoever stays is found in the copy
 * after every single record, as after every store in the image. */
static void neighbours_stay_while_they_move(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	unsigned i, k, moves = 0;
	uint64_t at, word[2];
	struct replica r;

	(void)state;
	make_nexthops(t, 3);
	replica_init(&r, t, 1 << 20);
	replica_fill(&r);
	at = tables_view(t)->head->neighbours;
	/* The first 12 stay; of the others more and more come to be, and go between two of them. */
	for (i = 0; i < 600; i++) {
		struct ip_addr addr = neighbour_addr(2 * i);
		struct tables_change change;

		assert_int_equal(tables_neighbour_set(t, 1, &addr, 1 + i % 3), 0);
		if (i >= 12 && i % 4)
			assert_int_equal(tables_neighbour_del(t, 1, &addr), 0);
		moves += tables_view(t)->head->neighbours != at;
		at = tables_view(t)->head->neighbours;
		while (tables_copy_next(r.copy, &change) == 1) {
			replica_apply(&r, &change);
			for (k = 0; k < 12 && k < i; k++) {
				addr = neighbour_addr(2 * k);
				memcpy(word, addr.bytes, 16);
				assert_int_equal(neighbour_lookup(&r.view, word[0], word[1], 1),
						 1 + k % 3);
			}
		}
		tables_copy_done(r.copy, tables_copy_position(r.copy));
	}
	assert_true(moves > 3);
	replica_check(&r, t);
	replica_fini(&r);
	tables_free(t);
}

/* What a function that fails has stored, if anything, a copy sees when it returns. */
static void failures_leave_copies_alike(void **state)
{
	struct tables *t = tables_new(grace, NO_ROUTE_REASON);
	struct nexthop_member nobody = {1000, 1};
	struct nexthop_spec drop = {.kind = NEXTHOP_DROP};
	struct nexthop_spec group = {.kind = NEXTHOP_GROUP, .members = &nobody, .n_members = 1};
	struct replica r;
	uint32_t index;

	(void)state;
	/* The next one has an index whose words another has left. */
	assert_int_equal(tables_nexthop_new(t, &drop, &index), 0);
	tables_nexthop_del(t, index);
	tables_settle(t);
	replica_init(&r, t, TABLES_LOG_MIN);
	replica_fill(&r);
	assert_int_equal(tables_nexthop_new(t, &group, &index), -EINVAL);
	assert_int_equal(replica_replay(&r), 0);
	replica_check(&r, t);
	replica_fini(&r);
	tables_free(t);
}

/* What of IPv4's default route the copy has, which leads to `nexthop`: all entries before one, 10.0.0.0/8
 * apart, and none from there on. Returns that. */
static uint32_t entries_led_to(const struct replica *r, uint32_t nexthop)
{
	uint32_t n, i;

	for (n = 0; n < TRIE4_ROOT && (n >> 8 == 10 || r->view.root4[n] == nexthop); n++)
		;
	for (i = n; i < TRIE4_ROOT; i++)
		if (i >> 8 != 10)
			assert_int_equal(r->view.root4[i], 0);
	return n;
}

/* A copy whose thread has gone to sleep in a driver is waited for, but not for ever; and what it has not
 * passed is used again only once nothing more is recorded for it. */
static void late_copy_is_lost(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	struct prefix ten = prefix_of("10.1.0.0/24");
	struct tables_copy_stats stats;
	struct timespec begin, end;
	struct replica r;

	(void)state;
	make_nexthops(t, 3);
	replica_init(&r, t, TABLES_LOG_MIN);
	replica_fill(&r);
	assert_int_equal(tables_route_set(t, &ten, 1), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	tables_wait(t);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 1, 100);
	assert_int_equal(tables_copy_state(r.copy), TABLES_COPY_LOST);
	tables_wait(t); /* at once */
	tables_copy_stats(r.copy, &stats);
	assert_int_equal(stats.losses, 1);
	assert_int_equal(tables_route_set(t, &ten, 2), 0);
	assert_int_equal(replica_replay(&r), -EOVERFLOW);
	assert_int_equal(route4_lookup(&r.view, 10u << 24 | 1u << 16 | 1), 1);
	tables_copy_want(r.copy);
	replica_fill(&r);
	assert_int_equal(route4_lookup(&r.view, 10u << 24 | 1u << 16 | 1), 2);
	tables_copy_done(r.copy, tables_copy_position(r.copy));
	tables_wait(t);
	assert_int_equal(tables_copy_state(r.copy), TABLES_COPY_LIVE);
	replica_fini(&r);
	tables_free(t);
}

/* A full log: what was recorded is there and is what readers of the image have seen, then nothing more
 * comes. */
static void lost_copy_keeps_what_it_has(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	struct prefix eight = prefix_of("10.0.0.0/8"), all = prefix_of("0.0.0.0/0"), found;
	struct ip_addr inside = addr_of("10.1.2.3"), outside = addr_of("11.1.2.3");
	struct tables_copy_stats before, after;
	struct replica r;
	uint32_t nexthop;

	(void)state;
	make_nexthops(t, 3);
	replica_init(&r, t, TABLES_LOG_MIN);
	assert_int_equal(tables_copy_fill(r.copy, replica_put, &r), 0);
	assert_int_equal(tables_copy_fill(r.copy, replica_put, &r), -EAGAIN);
	assert_int_equal(tables_route_set(t, &eight, 1), 0);
	assert_int_equal(tables_route_set(t, &all, 2), 0); /* four times the log */
	assert_int_equal(tables_copy_state(r.copy), TABLES_COPY_LOST);
	tables_copy_stats(r.copy, &before);
	assert_int_equal(before.losses, 1);
	assert_int_equal(tables_route_set(t, &eight, 3), 0);
	tables_copy_stats(r.copy, &after);
	assert_int_equal(after.bytes, before.bytes);
	assert_int_equal(replica_replay(&r), -EOVERFLOW);
	assert_int_equal(route4_lookup(&r.view, 10u << 24 | 1), 1);
	assert_in_range(entries_led_to(&r, 2), 1, TABLES_LOG_MIN / 4);
	/* The tables themselves have lost nothing. */
	assert_int_equal(tables_image_lookup(t, &inside), 3);
	assert_int_equal(tables_image_lookup(t, &outside), 2);
	assert_int_equal(tables_route_match(t, &outside, &found, &nexthop), 0);
	tables_copy_want(r.copy);
	replica_fill(&r);
	replica_check(&r, t);
	assert_int_equal(tables_route_set(t, &eight, 1), 0);
	assert_int_equal(replica_replay(&r), 0);
	replica_check(&r, t);
	replica_fini(&r);
	tables_free(t);
}

/* Leaves out the largest, in which nothing is. */
static int put_ipv4(void *ctx, enum tables_section section, const void *bytes, size_t length)
{
	return section == TABLES_ROOT6_GLOBAL ? 0 : replica_put(ctx, section, bytes, length);
}

#ifndef TSAN /* which puts signals off until a call ends */
#define PATIENCE_S 20
#define LOOK_US 30 /* the change takes a millisecond */

static struct replica *kept_up;

/* Replays what there is, in the midst of whatever the control thread is doing: as the copy's thread would,
 * had it always a processor to run on. */
static void keep_up(int signal)
{
	struct replica *r = kept_up;
	struct tables_change change;
	int more;

	(void)signal;
	while ((more = tables_copy_next(r->copy, &change)) == 1) {
		memcpy((uint8_t *)r->base[change.section] + change.offset, change.bytes,
		       change.length);
		tables_copy_done(r->copy, tables_copy_position(r->copy));
	}
	if (more)
		tables_copy_want(r->copy);
}

static void keep_up_every(int us)
{
	const struct itimerval timer = {{.tv_usec = us}, {.tv_usec = us}};
	const struct sigaction action = {.sa_handler = keep_up};

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* One call stores four times what the log holds, and a copy that keeps up is not lost. Where a timer
 * comes late the copy has not kept up: then once more. */
static void long_call_needs_no_long_log(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	struct prefix all = prefix_of("0.0.0.0/0");
	struct tables_copy_stats before, after;
	time_t end = time(NULL) + PATIENCE_S;
	static struct replica r;
	bool survived = false;
	uint32_t i;

	(void)state;
	make_nexthops(t, 2);
	replica_init(&r, t, TABLES_LOG_MIN);
	replica_fill(&r);
	kept_up = &r;
	for (i = 0; !survived && time(NULL) < end; i++) {
		tables_copy_fill(r.copy, put_ipv4, &r); /* if it was lost */
		tables_copy_stats(r.copy, &before);
		keep_up_every(LOOK_US);
		assert_int_equal(tables_route_set(t, &all, 1 + i % 2), 0);
		keep_up_every(0);
		keep_up(0);
		tables_copy_stats(r.copy, &after);
		survived = after.bytes - before.bytes == TRIE4_ROOT * sizeof(uint32_t) &&
			   after.losses == before.losses;
	}
	print_message("survived change %u\n", i);
	assert_true(survived);
	replica_check(&r, t);
	replica_fini(&r);
	tables_free(t);
}
#endif

/* ---- filling again ---- */

/* A record that was open when the copy was lost is not gone on with in the new filling, though the first
 * store is to where it ended. */
static void filling_ends_the_open_record(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	struct prefix all = prefix_of("0.0.0.0/0"), done = prefix_of("10.0.0.0/8");
	struct prefix not_done = prefix_of("12.0.0.0/8"), next;
	struct tables_copy_stats stats;
	struct replica r;

	(void)state;
	make_nexthops(t, 2);
	replica_init(&r, t, TABLES_LOG_MIN);
	replica_fill(&r);
	/* So that the log ends neither at its ring's end nor where the new filling begins. */
	assert_int_equal(tables_route_set(t, &done, 1), 0);
	assert_int_equal(replica_replay(&r), 0);
	tables_copy_done(r.copy, tables_copy_position(r.copy));
	assert_int_equal(tables_route_set(t, &not_done, 1), 0);
	/* One entry of the root after the other, but for those. */
	assert_int_equal(tables_route_set(t, &all, 2), 0);
	assert_int_equal(tables_copy_state(r.copy), TABLES_COPY_LOST);
	tables_copy_stats(r.copy, &stats);
	assert_int_equal(replica_replay(&r), -EOVERFLOW);
	/* So that what is left in the ring would be wrong. */
	assert_int_equal(tables_route_set(t, &all, 1), 0);
	tables_copy_want(r.copy);
	replica_fill(&r);
	/* The entry for which there was no room any more, the last to be counted. */
	next = to_prefix(AF_INET, (addr128)(stats.bytes / 4 - 1) << 112, 16);
	assert_int_equal(tables_route_set(t, &next, 2), 0);
	assert_int_equal(replica_replay(&r), 0);
	replica_check(&r, t);
	replica_fini(&r);
	tables_free(t);
}

#define FILLINGS 20u

struct asking {
	struct replica r;
	_Atomic unsigned fillings; /* asked for */
};

/* Takes some of what has come, then gives up the rest, asks to be filled and looks for records. */
static void *ask_again(void *arg)
{
	struct asking *a = arg;
	struct tables_change change;
	unsigned taken = 0;

	while (atomic_load_explicit(&a->fillings, memory_order_relaxed) < FILLINGS) {
		if (tables_copy_next(a->r.copy, &change) != 1)
			continue;
		replica_apply(&a->r, &change);
		if (++taken % 3)
			continue;
		tables_copy_want(a->r.copy);
		atomic_fetch_add_explicit(&a->fillings, 1, memory_order_relaxed);
	}
	return NULL;
}

/* A copy is filled while its thread looks for records: neither touches what the other has of it. */
static void filled_while_asked(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	struct prefix some = prefix_of("10.0.0.0/16"), other = prefix_of("12.0.0.0/16");
	static struct asking a;
	pthread_t thread;
	unsigned i;

	(void)state;
	make_nexthops(t, 3);
	replica_init(&a.r, t, 1 << 20);
	assert_int_equal(pthread_create(&thread, NULL, ask_again, &a), 0);
	for (i = 0; atomic_load_explicit(&a.fillings, memory_order_relaxed) < FILLINGS; i++) {
		int err = tables_copy_fill(a.r.copy, put_ipv4, &a.r);

		assert_true(!err || err == -EAGAIN);
		assert_int_equal(tables_route_set(t, &some, 1 + i % 3), 0);
		assert_int_equal(tables_route_set(t, &other, 1 + i % 3), 0);
	}
	pthread_join(thread, NULL);
	if (tables_copy_state(a.r.copy) == TABLES_COPY_WANTED)
		replica_fill(&a.r);
	assert_int_equal(tables_route_set(t, &some, 0), 0);
	assert_int_equal(replica_replay(&a.r), 0);
	replica_check(&a.r, t);
	replica_fini(&a.r);
	tables_free(t);
}

static int refuse(void *ctx, enum tables_section section, const void *bytes, size_t length)
{
	(void)ctx;
	(void)bytes;
	(void)length;
	return section == TABLES_SLOTS ? -EIO : 0;
}

static void filling_may_fail_and_be_had_again(void **state)
{
	struct tables *t = tables_new_limited(grace, NO_ROUTE_REASON, &small);
	const struct nexthop_spec drop = {.kind = NEXTHOP_DROP};
	struct tables_change change;
	struct replica r;
	uint32_t index;

	(void)state;
	assert_null(tables_copy_new(t, TABLES_LOG_MIN / 2, NULL, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(tables_copy_new(t, TABLES_LOG_MIN * 3, NULL, NULL));
	replica_init(&r, t, TABLES_LOG_MIN);
	assert_int_equal(tables_copy_fill(r.copy, refuse, NULL), -EIO);
	assert_int_equal(tables_copy_state(r.copy), TABLES_COPY_WANTED);
	make_nexthops(t, 3);
	assert_int_equal(tables_copy_next(r.copy, &change), 0);
	replica_fill(&r);
	replica_check(&r, t);
	for (index = 1; index <= 3; index++)
		assert_int_equal(tables_nexthop_set(t, index, &drop), 0);
	assert_int_equal(tables_copy_next(r.copy, &change), 1);
	tables_copy_want(r.copy); /* there are more, which it shall not get any more */
	assert_int_equal(tables_copy_next(r.copy, &change), 0);
	replica_fill(&r);
	replica_check(&r, t);
	/* It has passed all that was before, and is not waited for. */
	tables_nexthop_del(t, 3);
	tables_settle(t);
	tables_copy_gone(r.copy);
	tables_copy_want(r.copy);
	assert_int_equal(tables_copy_fill(r.copy, replica_put, &r), -EAGAIN);
	replica_fini(&r);
	tables_free(t);
}

/* ---- epochs ---- */

struct slow {
	struct replica r;
	_Atomic bool waiting; /* the control thread begins to wait */
	_Atomic bool said;
	bool hangs;
};

static struct slow *slow;

static void tell_slow(void)
{
	atomic_store_explicit(&slow->waiting, true, memory_order_relaxed);
}

/* Lets the control thread wait for a while, then says that it has passed, or that it is no more. */
static void *be_slow(void *arg)
{
	const struct timespec some = {.tv_nsec = 1000000}, long_time = {.tv_nsec = 30000000};
	struct slow *s = arg;

	while (!atomic_load_explicit(&s->waiting, memory_order_relaxed))
		nanosleep(&some, NULL);
	nanosleep(&long_time, NULL);
	atomic_store_explicit(&s->said, true, memory_order_relaxed);
	if (s->hangs) {
		tables_copy_gone(s->r.copy);
		return NULL;
	}
	replica_replay(&s->r);
	tables_copy_done(s->r.copy, tables_copy_position(s->r.copy));
	return NULL;
}

/* Of two copies one has passed, the other makes the control thread wait before what is out of use is
 * used again. */
static void wait_for_slow(bool hangs)
{
	struct tables *t = tables_new_limited(tell_slow, NO_ROUTE_REASON, &small);
	struct nexthop_spec drop = {.kind = NEXTHOP_DROP};
	struct tables_copy_stats before, after;
	struct slow s = {.hangs = hangs};
	struct replica quick;
	pthread_t thread;
	uint32_t index;

	slow = &s;
	while (!tables_nexthop_new(t, &drop, &index))
		;
	replica_init(&quick, t, TABLES_LOG_MIN);
	replica_init(&s.r, t, TABLES_LOG_MIN);
	replica_fill(&quick);
	replica_fill(&s.r);
	assert_int_equal(pthread_create(&thread, NULL, be_slow, &s), 0);
	/* A change, and an index out of use that only the quick one has seen to go. */
	assert_int_equal(tables_nexthop_set(t, 2, &(struct nexthop_spec){.kind = NEXTHOP_PUNT}), 0);
	tables_nexthop_del(t, 1);
	assert_int_equal(replica_replay(&quick), 0);
	tables_copy_done(quick.copy, tables_copy_position(quick.copy));
	assert_int_equal(tables_nexthop_new(t, &drop, &index), 0);
	assert_int_equal(index, 1);
	assert_true(atomic_load_explicit(&s.said, memory_order_relaxed));
	pthread_join(thread, NULL);
	tables_copy_stats(s.r.copy, &before);
	assert_int_equal(tables_nexthop_set(t, 2, &drop), 0);
	tables_copy_stats(s.r.copy, &after);
	if (hangs)
		assert_int_equal(after.records, before.records);
	else
		assert_int_equal(after.records, before.records + 1);
	replica_fini(&quick);
	replica_fini(&s.r);
	tables_free(t);
}

static void slow_copy_is_waited_for(void **state)
{
	(void)state;
	wait_for_slow(false);
}

static void gone_copy_is_waited_for_no_more(void **state)
{
	(void)state;
	wait_for_slow(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_side_by_side_merge),
		cmocka_unit_test(what_publishes_comes_last),
		cmocka_unit_test(neighbours_stay_while_they_move),
		cmocka_unit_test(failures_leave_copies_alike),
		cmocka_unit_test(lost_copy_keeps_what_it_has),
		cmocka_unit_test(late_copy_is_lost),
#ifndef TSAN
		cmocka_unit_test(long_call_needs_no_long_log),
#endif
		cmocka_unit_test(filling_may_fail_and_be_had_again),
		cmocka_unit_test(filling_ends_the_open_record),
		cmocka_unit_test(filled_while_asked),
		cmocka_unit_test(slow_copy_is_waited_for),
		cmocka_unit_test(gone_copy_is_waited_for_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
