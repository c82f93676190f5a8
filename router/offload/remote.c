/* SPDX-License-Identifier: BSD-2-Clause */
#include "remote.h"

#include <stdlib.h>

#include "offload.h"

#define NO_FRAME 0u /* no frame begins there */

/* Of a slot. Places [0, n) have buffers but for the first `holes`; the slot itself has other ones in the first
 * `stale`. */
struct lent {
	uint64_t generation; /* of the accelerator whose slot has the rest */
	uint32_t n, holes, stale;
	uint32_t frame[MAILBOX_BURST];
};

struct offload_remote {
	struct pl_pool *pool;
	uint64_t generation;	       /* of the accelerator, since which: */
	uint64_t submitted, completed; /* bursts */
	uint32_t places;	       /* that each slot should have */
	struct lent lent[MAILBOX_SLOTS];
};

/* ---- from the pool, and back ---- */

static uint32_t take(struct offload_remote *remote, uint32_t *frame, uint32_t n)
{
	return pl_pool_get(remote->pool, frame, n, PL_OWNER_PROCESSOR);
}

/* Fills what can be filled. What cannot moves to the end, and is no place any more until the pool has more. */
static void top_up(struct offload_remote *remote, struct lent *lent)
{
	uint32_t got = take(remote, lent->frame, lent->holes);
	uint32_t missing = lent->holes - got, kept = lent->n - lent->holes;
	uint32_t moved = missing < kept ? missing : kept;

	if (missing) {
		memcpy(lent->frame + got, lent->frame + lent->n - moved,
		       moved * sizeof(lent->frame[0]));
		lent->n -= missing;
	}
	lent->holes = 0;
	if (lent->n < remote->places) {
		got = take(remote, lent->frame + lent->n, remote->places - lent->n);
		lent->n += got;
		if (got)
			lent->stale = lent->n;
	}
}

struct offload_remote *offload_remote_new(struct pl_pool *pool)
{
	struct offload_remote *remote = calloc(1, sizeof(*remote));
	uint32_t n = OFFLOAD_LENT_BUFS;

	if (!remote)
		return NULL;
	if (pool->n_free < n + PL_BURST_MAX)
		n = pool->n_free / 2;
	remote->pool = pool;
	remote->places = n / MAILBOX_SLOTS;
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		top_up(remote, &remote->lent[i]);
	return remote;
}

void offload_remote_release(struct offload_remote *remote)
{
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++) {
		struct lent *lent = &remote->lent[i];

		pl_pool_put(remote->pool, lent->frame + lent->holes, lent->n - lent->holes,
			    PL_OWNER_PROCESSOR);
		lent->n = lent->holes = 0;
	}
}

void offload_remote_free(struct offload_remote *remote)
{
	free(remote);
}

void offload_remote_each(const struct offload_remote *remote, void (*fn)(void *ctx, uint32_t frame),
			 void *ctx)
{
	for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
		for (uint32_t k = remote->lent[i].holes; k < remote->lent[i].n; k++)
			fn(ctx, remote->lent[i].frame[k]);
}

/* ---- with the accelerator ---- */

static struct lent *lent_to(struct offload_remote *remote, uint64_t number)
{
	return &remote->lent[number % MAILBOX_SLOTS];
}

void offload_remote_lend(struct offload_remote *remote, struct pl_accel *accel, unsigned lane,
			 uint64_t generation)
{
	struct lent *lent;

	if (remote->generation != generation) { /* nothing of the former one is under way */
		remote->generation = generation;
		remote->submitted = remote->completed = 0;
	}
	lent = lent_to(remote, remote->submitted++);
	top_up(remote, lent);
	if (lent->generation != generation) {
		lent->generation = generation;
		lent->stale = lent->n;
	}
	pl_accel_lend(accel, lane, lent->frame, lent->stale < lent->n ? lent->stale : lent->n,
		      lent->n);
	lent->stale = 0;
}

/* The buffer at a place among the first `n`, which becomes a hole; NO_FRAME: there is none. */
static uint32_t take_place(struct lent *lent, uint32_t place, uint32_t n)
{
	uint32_t frame = NO_FRAME;

	if (place < n) {
		frame = lent->frame[place];
		lent->frame[place] = NO_FRAME;
	}
	return frame;
}

/* Among the first `n` places are `taken` holes. All of them are, unless the device erred: then what is left comes
 * behind the holes. */
static void settle(struct lent *lent, uint32_t n, uint32_t taken)
{
	uint32_t to = n;

	lent->holes = taken;
	lent->stale = n;
	if (taken == n)
		return;
	for (uint32_t k = n; k-- > 0;)
		if (lent->frame[k] != NO_FRAME)
			lent->frame[--to] = lent->frame[k];
}

/* One pass without branches. */
static bool has_punts(const struct pl_burst *burst)
{
	uint16_t punts = 0;

	for (uint32_t i = 0; i < burst->n; i++)
		punts |= (uint16_t)(burst->verdict[i] & PL_VERDICT(PL_VERDICT_PUNT, 0));
	return punts != 0;
}

_Static_assert(!((PL_VERDICT_TX | PL_VERDICT_DROP) & PL_VERDICT_PUNT),
	       "one bit tells punts from the others");

uint32_t offload_remote_swap(struct offload_remote *remote, const struct pl_accel *accel,
			     unsigned lane, struct pl_burst *burst)
{
	struct lent *lent = lent_to(remote, remote->completed++);
	uint32_t own[PL_BURST_MAX], n, taken = 0, denied = 0;
	const uint16_t *copied;

	if (!has_punts(burst))
		return 0;
	copied = pl_accel_copied(accel, lane, &n);
	n = n < lent->n ? n : lent->n; /* whatever the device says */
	for (uint32_t i = 0; i < burst->n; i++) {
		uint32_t host;

		if (PL_VERDICT_KIND(burst->verdict[i]) != PL_VERDICT_PUNT)
			continue;
		host = take_place(lent, copied[i], n);
		if (host == NO_FRAME) {
			burst->verdict[i] = PL_VERDICT(PL_VERDICT_DROP, REASON_ACCELERATOR);
			denied++;
			continue;
		}
		own[taken++] = burst->frame[i];
		burst->frame[i] = host;
		pl_pool_move(remote->pool, &host, 1, PL_OWNER_PROCESSOR, PL_OWNER_BURST);
	}
	settle(lent, n, taken);
	pl_pool_put(remote->pool, own, taken, PL_OWNER_BURST);
	return denied;
}

void offload_remote_lose(struct offload_remote *remote)
{
	remote->completed++;
}
