/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane's processor: bursts go to the plane's lane of the accelerator, or through the CPU. What is
 * shared with the offload's thread, and why it is right, is in private.h. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "private.h"
#include "remote.h"

/* The clock is read when the oldest burst has been looked for in vain this many times. Not many: between two
 * looks others may have had the core (`shares_cores`). */
#define LOOKS_PER_CLOCK 16u

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static uint64_t read_word(const struct offload_plane *plane)
{
	/* Acquire: pairs with the thread's store. ACCEL: `accel` is set. QUIET: the program's last stores
	 * to slots and packets are seen. */
	return atomic_load_explicit(&plane->shared->word, memory_order_acquire);
}

static bool is_usable(const struct offload_plane *plane, uint64_t word)
{
	return OFFLOAD_PHASE(word) == PHASE_ACCEL && OFFLOAD_GENERATION(word) != plane->distrusted;
}

static bool has_failed(const struct offload_plane *plane, uint64_t word)
{
	return OFFLOAD_PHASE(word) == PHASE_FAULT || OFFLOAD_PHASE(word) == PHASE_QUIET ||
	       OFFLOAD_GENERATION(word) == plane->distrusted;
}

/* ---- the accelerator, as a plane may use it ---- */

static bool attach(struct offload_plane *plane, uint64_t word)
{
	/* Sequentially consistent, both: pairs with the thread's store to `word` and its look at this. */
	atomic_store_explicit(&plane->attached, true, memory_order_seq_cst);
	if (atomic_load_explicit(&plane->shared->word, memory_order_seq_cst) == word)
		return true;
	atomic_store_explicit(&plane->attached, false,
			      memory_order_relaxed); /* it touched nothing */
	return false;
}

/* What complete() gave last has been handed on. */
static void detach(struct offload_plane *plane)
{
	/* Relaxed: its own. Release: whoever sees it may take away what the plane has used. */
	if (atomic_load_explicit(&plane->attached, memory_order_relaxed))
		atomic_store_explicit(&plane->attached, false, memory_order_release);
}

static void distrust(struct offload_plane *plane, uint64_t word)
{
	struct offload_shared *shared = plane->shared;

	plane->distrusted = OFFLOAD_GENERATION(word);
	/* Relaxed: it says nothing of anything else. */
	atomic_store_explicit(&shared->distrusted, plane->distrusted, memory_order_relaxed);
	eventfd_write(shared->bell_fd, 1);
}

int offload_wake(struct offload_shared *shared, struct pl_error *err)
{
	int rc = pl_accel_run(shared->accel, err);

	/* Relaxed: pl_accel_run() has acquired it, where that matters. Hardly ever more than the load. */
	if (atomic_load_explicit(&shared->at_rest, memory_order_relaxed) &&
	    atomic_exchange_explicit(&shared->at_rest, false, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&shared->wakes, 1, memory_order_relaxed); /* a counter */
		eventfd_write(shared->bell_fd, 1);
	}
	return rc;
}

void offload_rest(struct offload_shared *shared)
{
	/* Relaxed: released by what the program is told with. */
	atomic_store_explicit(&shared->at_rest, true, memory_order_relaxed);
	pl_accel_rest(shared->accel);
}

/* ---- bursts ---- */

/* Once per burst, and the same for all of a plane. */
static bool has_remote(const struct offload_plane *plane)
{
	return __builtin_expect(plane->remote != NULL, false);
}

static void sent(struct offload_plane *plane, uint64_t word)
{
	struct pl_error ignored; /* the thread finds out for itself what it was */

	if (has_remote(plane))
		offload_remote_lend(plane->remote, plane->shared->accel, plane->lane,
				    OFFLOAD_GENERATION(word)); /* of the accelerator: attached */
	pl_accel_submit(plane->shared->accel, plane->lane);
	plane->under_way++;
	if (offload_wake(plane->shared, &ignored))
		distrust(plane, word);
}

static void send_copy(struct offload_plane *plane, uint64_t word)
{
	const struct pl_burst *own = &plane->own;
	/* None is under way: there is one. */
	struct pl_burst *burst = pl_accel_next(plane->shared->accel, plane->lane);

	plane->wait_looked_ms = 0;
	burst->n = own->n;
	burst->port = own->port;
	memcpy(burst->frame, own->frame, own->n * sizeof(own->frame[0]));
	memcpy(burst->len, own->len, own->n * sizeof(own->len[0]));
	sent(plane, word);
}

/* Whether the accelerator is known to write no more to what it had in generation `generation`. */
static bool is_quiet(uint64_t word, uint64_t generation)
{
	return OFFLOAD_PHASE(word) == PHASE_QUIET || OFFLOAD_GENERATION(word) > generation;
}

static void give_back(struct offload_plane *plane)
{
	pl_pool_put(plane->pool, plane->kept, plane->n_kept, PL_OWNER_PROCESSOR);
	plane->n_kept = 0;
}

/* Whether packets that the plane's core cannot process had better wait: the accelerator is in good health, and its
 * tables are being filled, which is soon over. Then nothing is lost but what the NIC has no more descriptors for. What
 * has waited for long is of no use to anyone: if it takes longer packets are dropped.
 *
 * Time is counted since the plane began to look: one that slept meanwhile had none that waited. */
static bool should_wait(struct offload_plane *plane, uint64_t word)
{
	uint64_t now;

	if (OFFLOAD_PHASE(word) != PHASE_CPU || has_failed(plane, word))
		return false;
	now = now_ms();
	if (now - plane->wait_looked_ms > OFFLOAD_WAIT_MS)
		plane->wait_began_ms = now;
	plane->wait_looked_ms = now;
	return now - plane->wait_began_ms < OFFLOAD_WAIT_MS;
}

/* Whether a burst of the plane's own memory can go to the accelerator. */
static bool suits(const struct offload_plane *plane, uint64_t word)
{
	return !plane->under_way && !plane->n_kept && is_usable(plane, word);
}

/* In the accelerator's own memory while it has bursts, so that nothing need be copied under load. With none
 * under way in the plane's: then it is not attached for looking alone, and what it copies is little. */
static struct pl_burst *processor_next(void *ctx)
{
	struct offload_plane *plane = ctx;
	uint64_t word = read_word(plane);

	if (plane->under_way) {
		if (is_usable(plane, word)) {
			plane->burst_packets = PL_BURST_MAX;
			return pl_accel_next(plane->shared->accel, plane->lane);
		}
		if (!has_failed(plane, word))
			return NULL; /* what is under way comes first */
	} else {
		detach(plane);
		if (plane->n_kept && is_quiet(word, plane->kept_generation))
			give_back(plane);
		if (has_remote(plane) && should_wait(plane, word))
			return NULL; /* packets stay in the ring */
	}
	plane->burst_packets = suits(plane, word) ? PL_BURST_MAX : PL_BURST_CACHED;
	return plane->own_is == OWN_FREE ? &plane->own : NULL;
}

static bool try_send_own(struct offload_plane *plane, uint64_t word)
{
	if (!suits(plane, word) || !attach(plane, word))
		return false;
	send_copy(plane, word);
	plane->own_is = OWN_FREE;
	return true;
}

static void processor_submit(void *ctx, struct pl_burst *burst)
{
	struct offload_plane *plane = ctx;
	uint64_t word = read_word(plane);

	if (burst != &plane->own) {
		sent(plane, word);
	} else if (try_send_own(plane, word)) {
		return;
	} else if (has_remote(plane)) {
		plane->own_is = OWN_WAITS;
	} else {
		cpu_process(&plane->cpu, burst);
		pl_stat_add(&plane->cpu_packets, burst->n);
		plane->own_is = OWN_DONE;
	}
}

/* Whether the oldest burst under way, which is not done, has been so for too long. Time passes only while the
 * plane looks: one that was kept from its core for a second has not waited for a second. */
static bool hangs(struct offload_plane *plane)
{
	unsigned step_max = plane->shared->hang_ms / 8 + 1;
	uint64_t now, step;

	if (++plane->looks < LOOKS_PER_CLOCK)
		return false;
	plane->looks = 0;
	now = now_ms();
	step = plane->looked_ms ? now - plane->looked_ms : 0;
	plane->looked_ms = now;
	plane->waited_ms += step < step_max ? (unsigned)step : step_max;
	return plane->waited_ms >= plane->shared->hang_ms;
}

static void moved(struct offload_plane *plane)
{
	plane->under_way--;
	plane->looks = 0;
	plane->looked_ms = 0;
	plane->waited_ms = 0;
}

/* Whether it is none that the packet program gives: a port that is not there is for the plane to see. */
static bool is_nonsense(uint16_t verdict)
{
	return (verdict >= PL_VERDICT(PL_VERDICT_KEEP, 0)) |
	       ((verdict >= PL_VERDICT(PL_VERDICT_PUNT, 0)) &
		(PL_VERDICT_LOW(verdict) >= REASON_COUNT));
}

_Static_assert(PL_VERDICT_KEEP == PL_VERDICT_KINDS - 1, "what is beyond is no verdict");

/* Drops what a device has given such a verdict: one that keeps a packet, above all, is this file's alone, and the
 * buffer would be nobody's. Looks first, in one pass without branches. Returns how many. */
static uint32_t drop_nonsense(struct pl_burst *burst)
{
	uint16_t any = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < burst->n; i++)
		any |= is_nonsense(burst->verdict[i]);
	for (uint32_t i = 0; any && i < burst->n; i++) {
		if (!is_nonsense(burst->verdict[i]))
			continue;
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_DROP, REASON_ACCELERATOR);
		n++;
	}
	return n;
}

static struct pl_burst *done(struct offload_plane *plane, struct pl_burst *burst)
{
	uint32_t lost = drop_nonsense(burst);

	moved(plane);
	if (has_remote(plane))
		lost += offload_remote_swap(plane->remote, plane->shared->accel, plane->lane,
					    burst);
	pl_stat_add(&plane->bursts, 1);
	pl_stat_add(&plane->packets, burst->n - lost);
	if (lost)
		pl_stat_add(&plane->lost_packets, lost);
	/* The tables may have changed since: a later view of them will do. */
	if (plane->police)
		police_burst(plane->police, tables_view(plane->tables), burst);
	return burst;
}

/* Gives the oldest burst up. It is copied, for the device may be writing its verdicts now. */
static struct pl_burst *lose(struct offload_plane *plane, uint64_t word)
{
	const struct pl_burst *burst = pl_accel_abandon(plane->shared->accel, plane->lane);
	struct pl_burst *lost = &plane->lost;
	bool keep = !is_quiet(word, OFFLOAD_GENERATION(word));

	moved(plane);
	if (has_remote(plane))
		offload_remote_lose(plane->remote);
	lost->n = burst->n;
	lost->port = burst->port;
	memcpy(lost->frame, burst->frame, lost->n * sizeof(lost->frame[0]));
	for (uint32_t i = 0; i < lost->n; i++)
		lost->verdict[i] =
			PL_VERDICT(keep ? PL_VERDICT_KEEP : PL_VERDICT_DROP, REASON_ACCELERATOR);
	if (keep) {
		plane->kept_generation = OFFLOAD_GENERATION(word);
		memcpy(plane->kept + plane->n_kept, lost->frame, lost->n * sizeof(lost->frame[0]));
		plane->n_kept += lost->n;
	}
	pl_stat_add(&plane->lost_packets, lost->n);
	return lost;
}

/* `own` could not be sent, nor processed here: it is when the accelerator can be had again soon, or else dropped. It
 * waits only if the tables began to be filled when it had just been taken: see processor_next(). */
static struct pl_burst *complete_waiting(struct offload_plane *plane)
{
	struct pl_burst *own = &plane->own;
	uint64_t word = read_word(plane);

	if (try_send_own(plane, word) || should_wait(plane, word))
		return NULL;
	for (uint32_t i = 0; i < own->n; i++)
		own->verdict[i] = PL_VERDICT(PL_VERDICT_DROP, REASON_ACCELERATOR);
	pl_stat_add(&plane->lost_packets, own->n);
	plane->own_is = OWN_FREE;
	return own;
}

static struct pl_burst *processor_complete(void *ctx)
{
	struct offload_plane *plane = ctx;
	uint64_t word;

	if (plane->under_way) {
		struct pl_burst *burst;

		word = read_word(plane); /* first: of one that is quiet all is seen that was done */
		burst = pl_accel_complete(plane->shared->accel, plane->lane);
		if (burst)
			return done(plane, burst);
		if (!has_failed(plane, word)) {
			if (!hangs(plane))
				return NULL;
			distrust(plane, word);
		}
		return lose(plane, word);
	}
	if (plane->own_is == OWN_WAITS)
		return complete_waiting(plane);
	if (plane->own_is == OWN_FREE)
		return NULL;
	plane->own_is = OWN_FREE;
	return &plane->own;
}

/* ---- set up and taken down ---- */

static void each_kept(struct pl_holder *holder, void (*fn)(void *ctx, uint32_t frame), void *ctx)
{
	const struct offload_plane *plane =
		(const void *)((const char *)holder - offsetof(struct offload_plane, holder));

	for (uint32_t i = 0; i < plane->n_kept; i++)
		fn(ctx, plane->kept[i]);
	if (plane->remote)
		offload_remote_each(plane->remote, fn, ctx);
}

int offload_plane_init(struct offload_plane *plane, struct offload_shared *shared, unsigned lane,
		       const struct tables *tables, enum cpu_isa isa, struct pl_pool *pool,
		       struct police *police, struct pl_processor *processor, struct pl_error *err)
{
	int rc;

	memset(plane, 0, sizeof(*plane));
	plane->shared = shared;
	plane->lane = lane;
	plane->tables = tables;
	plane->police = police;
	rc = cpu_processor_init(&plane->cpu, tables, isa);
	if (rc)
		return pl_error_set(err, rc, NULL, "plane %u: cannot make its processor: %s", lane,
				    strerror(-rc));
	cpu_processor_limit(&plane->cpu, police);
	if (pool->remote) {
		plane->remote = offload_remote_new(pool);
		if (!plane->remote) {
			cpu_processor_fini(&plane->cpu);
			return pl_error_set(err, -ENOMEM, NULL, "plane %u: no memory", lane);
		}
	}
	plane->pool = pool;
	plane->holder.each_held = each_kept;
	pl_pool_join(pool, &plane->holder);
	*processor = (struct pl_processor){
		.next = processor_next,
		.submit = processor_submit,
		.complete = processor_complete,
		.burst_packets = &plane->burst_packets,
		.ctx = plane,
	};
	return 0;
}

void offload_plane_release(struct offload_plane *plane)
{
	detach(plane);
	give_back(plane);
	if (plane->remote)
		offload_remote_release(plane->remote);
}

void offload_plane_fini(struct offload_plane *plane)
{
	if (!plane->pool)
		return;
	pl_pool_part(plane->pool, &plane->holder);
	cpu_processor_fini(&plane->cpu);
	offload_remote_free(plane->remote);
	plane->pool = NULL;
}
