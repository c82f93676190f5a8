/* SPDX-License-Identifier: BSD-2-Clause */
#include "police.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

/* Credit of a bucket is counted in billionths of a packet: then a nanosecond at a rate of so many
 * packets a second is worth just that many, and nothing is lost to rounding. */
#define PACKET_CREDIT 1000000000ull

/* Longer pauses do not matter: at one packet a second, the least rate, it fills any bucket. And
 * times LIMIT_RATE_MAX it is still less than 2^64. */
#define PAUSE_MAX_NS 1000000000000ull

/* Tokens left to light sources: half of a bucket, but no more than this. */
#define RESERVE_MAX 64u

/* A source is a light one until it has taken, in an epoch, a 16th of the tokens that an epoch brings,
 * or an 8th of those left to light sources: so one needs to be several to use them up. */
#define LIGHT_OF_EPOCH 16u
#define LIGHT_OF_RESERVE 8u

static const struct {
	const char *name, *key, *text;
	uint32_t rate, depth;
	enum reason reason;
} classes[LIMIT_COUNT] = {
#define X(symbol, name, key, rate, depth, text) \
	[LIMIT_##symbol] = {name, key, text, rate, depth, REASON_LIMIT_##symbol},
	LIMITS(X)
#undef X
};

/* What a class's rate comes to. */
struct limit {
	uint32_t rate; /* LIMIT_NONE: all pass */
	uint32_t light;
	uint64_t full;	  /* credit */
	uint64_t reserve; /* credit that is left to light sources */
};

struct bucket {
	struct police_stats stats;
	uint64_t credit;
	uint64_t filled_ns;
	/* Tokens by source: the epoch in the upper 24 bits, how many in the lower 8. */
	uint32_t taken[POLICE_SOURCES];
};

/* Where to ask how much room a port's way to the kernel has. */
struct way {
	uint32_t (*room)(void *ctx); /* NULL: always enough */
	void *ctx;
};

struct police {
	struct limit limits[LIMIT_COUNT];
	struct way ways[PL_PORTS_MAX];
	uint64_t (*clock)(void);
	uint64_t seed;
	unsigned n_ports;
	struct bucket buckets[]; /* LIMIT_COUNT of each port */
};

const char *limit_name(enum limit_class class)
{
	return classes[class].name;
}

const char *limit_key(enum limit_class class)
{
	return classes[class].key;
}

const char *limit_text(enum limit_class class)
{
	return classes[class].text;
}

uint32_t limit_default(enum limit_class class)
{
	return classes[class].rate;
}

enum reason limit_reason(enum limit_class class)
{
	return classes[class].reason;
}

/* No more at once than a second brings: who asks for few packets means few. */
uint32_t limit_depth(enum limit_class class, uint32_t rate)
{
	return rate < classes[class].depth ? rate : classes[class].depth;
}

static uint64_t clock_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* in the vDSO, no system call */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct limit make_limit(enum limit_class class, uint32_t rate)
{
	uint32_t depth = limit_depth(class, rate);
	uint32_t reserve = depth / 2 < RESERVE_MAX ? depth / 2 : RESERVE_MAX;
	uint64_t light = (uint64_t)rate * POLICE_EPOCH_NS / PACKET_CREDIT / LIGHT_OF_EPOCH;

	if (light > reserve / LIGHT_OF_RESERVE)
		light = reserve / LIGHT_OF_RESERVE;
	return (struct limit){
		.rate = rate,
		.light = light < 1 ? 1 : (uint32_t)light,
		.full = depth * PACKET_CREDIT,
		.reserve = reserve * PACKET_CREDIT,
	};
}

struct police *police_new(unsigned n_ports, const uint32_t rates[LIMIT_COUNT], uint64_t seed,
			  uint64_t (*clock)(void))
{
	struct police *police;
	uint64_t now;

	if (n_ports > PL_PORTS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	for (unsigned c = 0; c < LIMIT_COUNT; c++) {
		if (rates[c] == 0 || (rates[c] > LIMIT_RATE_MAX && rates[c] != LIMIT_NONE)) {
			errno = EINVAL;
			return NULL;
		}
	}
	police = calloc(1, sizeof(*police) +
				   (size_t)n_ports * LIMIT_COUNT * sizeof(police->buckets[0]));
	if (!police)
		return NULL;
	police->clock = clock ? clock : clock_monotonic;
	police->seed = seed;
	police->n_ports = n_ports;
	now = police->clock();
	for (unsigned c = 0; c < LIMIT_COUNT; c++)
		police->limits[c] = make_limit(c, rates[c]);
	for (unsigned i = 0; i < n_ports * LIMIT_COUNT; i++) {
		police->buckets[i].credit = police->limits[i % LIMIT_COUNT].full;
		police->buckets[i].filled_ns = now;
	}
	return police;
}

void police_set_room(struct police *police, unsigned port, uint32_t (*room)(void *ctx), void *ctx)
{
	police->ways[port] = (struct way){room, ctx};
}

void police_free(struct police *police)
{
	free(police);
}

const struct police_stats *police_stats(const struct police *police, unsigned port,
					enum limit_class class)
{
	return &police->buckets[port * LIMIT_COUNT + class].stats;
}

/* A clock that went back brings nothing, and counts from where it is. */
static void refill(struct bucket *bucket, const struct limit *limit, uint64_t now)
{
	uint64_t pause = now > bucket->filled_ns ? now - bucket->filled_ns : 0;
	uint64_t gain = (pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS) * limit->rate;

	bucket->filled_ns = now;
	if (gain < limit->full - bucket->credit)
		bucket->credit += gain;
	else
		bucket->credit = limit->full;
}

/* The source's counter, of this epoch. */
static uint32_t *tokens_taken(struct police *police, struct bucket *bucket, uint64_t source,
			      uint64_t now)
{
	uint64_t hash = (source ^ police->seed) * 0x9e3779b97f4a7c15ul;
	uint32_t *taken = &bucket->taken[(hash ^ hash >> 32) * 0xd6e8feb86659fd93ul >> 56];
	uint32_t epoch = (uint32_t)(now / POLICE_EPOCH_NS) << 8;

	if ((*taken ^ epoch) >> 8)
		*taken = epoch;
	return taken;
}

_Static_assert(POLICE_SOURCES == 1u << 8, "eight bits of the hash choose a counter");

/* Whether a packet of `source` passes; takes its token. */
static bool take_token(struct police *police, struct bucket *bucket, const struct limit *limit,
		       uint64_t source, uint64_t now)
{
	uint32_t *taken;

	if (limit->rate == LIMIT_NONE)
		return true;
	refill(bucket, limit, now);
	if (bucket->credit < PACKET_CREDIT)
		return false;
	taken = tokens_taken(police, bucket, source, now);
	if ((*taken & 0xff) >= limit->light && bucket->credit - PACKET_CREDIT < limit->reserve)
		return false;
	bucket->credit -= PACKET_CREDIT;
	if ((*taken & 0xff) < 0xff)
		++*taken;
	return true;
}

/* What all classes but TCP may need at once. */
#define OTHERS_DEPTH (POLICE_DEPTH_SUM - classes[LIMIT_TCP].depth)

/* What is the same for all packets of a burst. */
struct turn {
	const struct tables_view *view;
	uint64_t now;
	uint32_t room; /* left to TCP */
};

static struct turn begin_turn(const struct police *police, const struct tables_view *view,
			      uint32_t port)
{
	const struct way *way = &police->ways[port];
	uint32_t room = way->room ? way->room(way->ctx) : UINT32_MAX;

	return (struct turn){
		.view = view,
		.now = police->clock(),
		.room = room > OTHERS_DEPTH ? room - OTHERS_DEPTH : 0,
	};
}

static void police_packet(struct police *police, struct turn *turn, struct pl_burst *burst,
			  uint32_t i)
{
	enum reason reason = PL_VERDICT_LOW(burst->verdict[i]);
	uint64_t source;
	enum limit_class class = police_classify(turn->view, burst->base + burst->frame[i],
						 burst->len[i], burst->port, reason, &source);
	struct bucket *bucket = &police->buckets[burst->port * LIMIT_COUNT + class];

	if ((class != LIMIT_TCP || turn->room) &&
	    take_token(police, bucket, &police->limits[class], source, turn->now)) {
		if (class == LIMIT_TCP)
			turn->room--;
		pl_stat_add(&bucket->stats.passed, 1);
		return;
	}
	pl_stat_add(&bucket->stats.dropped, 1);
	burst->verdict[i] = PL_VERDICT(PL_VERDICT_DROP, classes[class].reason);
}

/* One pass without branches, which the compiler makes vectors of. */
static bool has_punts(const struct pl_burst *burst)
{
	uint16_t punts = 0;

	for (uint32_t i = 0; i < burst->n; i++)
		punts |= (uint16_t)(burst->verdict[i] & PL_VERDICT(PL_VERDICT_PUNT, 0));
	return punts != 0;
}

_Static_assert(!((PL_VERDICT_TX | PL_VERDICT_DROP) & PL_VERDICT_PUNT),
	       "one bit tells punts from the others");

void police_burst(struct police *police, const struct tables_view *view, struct pl_burst *burst)
{
	struct turn turn;

	if (!has_punts(burst))
		return;
	turn = begin_turn(police, view, burst->port);
	for (uint32_t i = 0; i < burst->n; i++)
		if (PL_VERDICT_KIND(burst->verdict[i]) == PL_VERDICT_PUNT)
			police_packet(police, &turn, burst, i);
}
