/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's side of the mailbox (mailbox.h), for the program that serves it:
 *
 *	mailbox_enter(&at, &group, mailbox, worker, launch);
 *	while (mailbox_wait(&at, &group)) {
 *		... of mailbox_burst(&group), this item's share of the packets ...
 *		mailbox_finish(&at, &group);
 *	}
 *
 * Of a packet that the host is to read, in a lane where mailbox_copies(), an item also calls mailbox_take(); all
 * of them then call mailbox_copy() before mailbox_finish().
 *
 * All items of a group make all other calls. The first item, the leader, looks for work and says to the others
 * what it found; updates are applied on the way. */
#ifndef PEERLANE_MAILBOX_DEVICE_H
#define PEERLANE_MAILBOX_DEVICE_H

#include <peerlane/mailbox.h>

/* A look for what is posted is a read over the bus, and so is one whether to rest, which hurries less: it goes with
 * the first of so many rounds in vain. */
#define MAILBOX_REST_ROUNDS 16u

#define MAILBOX_END 0u
#define MAILBOX_BURST_FOUND 1u
#define MAILBOX_UPDATES_FOUND 2u

/* Where an item is: the same for all of a group. */
struct mailbox_at {
	PL_G struct mailbox *mailbox;
	PL_G struct mailbox_worker *me;
	uint64_t launch;
	uint32_t worker, n_lanes, n_workers;
};

/* What the items of a group share. */
struct mailbox_group {
	/* The leader's own. A round is a look for updates, then at all lanes of the worker; behind each
	 * burst it looks for updates again, so that those keep up however many lanes it serves. */
	uint32_t lane_next; /* to look at next; beyond the last: the round is over */
	uint32_t found;	    /* something, in this round */
	uint32_t last;	    /* rounds left to a launch that is to end; 0: it is not */
	uint32_t turns;	    /* rounds in vain */
	uint32_t updates;   /* of worker 0: they are to be looked for before the next lane */

	/* From the leader to all, over a barrier. */
	uint32_t work; /* MAILBOX_END, ... */
	uint32_t lane;
	uint32_t n, port; /* of the burst */
	uint32_t words;	  /* of updates, of 8 bytes */
	uint64_t applied; /* where they begin */
	uint64_t slot, base, spares, number;
	uint32_t n_taken; /* of all: packets of the burst that are to be copied */

	/* What does not change, from the mailbox: to look there is a round trip to the host's memory. */
	uint64_t ring, ring_bytes;
	struct {
		uint64_t base, slots, spares;
		uint64_t next; /* number of the burst that is waited for; the leader changes it */
	} lanes[MAILBOX_LANES_MAX];

	/* Updates to be applied; or, between mailbox_wait() and mailbox_finish(), packets to be copied: of
	 * number k the length and the place in the burst, in 32 bits. Both begin and end behind barriers. */
	uint64_t chunk[MAILBOX_CHUNK / 8];
};
PL_ASSERT(MAILBOX_BURST * 4 <= MAILBOX_CHUNK,
	  "a burst's packets to be copied fit where updates do");

PL_FN void mailbox_enter(struct mailbox_at *at, PL_L struct mailbox_group *group,
			 PL_G struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	uint32_t i;

	at->mailbox = mailbox;
	at->me = (PL_G struct mailbox_worker *)mailbox->workers + worker;
	at->launch = launch;
	at->worker = worker;
	at->n_lanes = mailbox->n_lanes;
	at->n_workers = mailbox->n_workers;
	for (i = PL_ITEM(); i < at->n_lanes; i += PL_ITEMS()) {
		group->lanes[i].base = mailbox->lanes[i].base;
		group->lanes[i].slots = mailbox->lanes[i].slots;
		group->lanes[i].spares = mailbox->lanes[i].spares;
		group->lanes[i].next = at->me->next[i];
	}
	if (PL_ITEM() == 0) {
		group->ring = mailbox->updates.ring;
		group->ring_bytes = mailbox->updates.ring_bytes;
		group->lane_next = at->n_lanes;
		group->found = 1;
		group->last = 0;
		group->turns = 0;
		group->updates = 0;
	}
	PL_BARRIER();
}

PL_FN PL_G struct mailbox_slot *mailbox_burst(PL_L const struct mailbox_group *group)
{
	return (PL_G struct mailbox_slot *)group->slot;
}

/* Packets of the burst that mailbox_wait() found, and the port they came in on. */
PL_FN uint32_t mailbox_n(PL_L const struct mailbox_group *group)
{
	return group->n;
}

PL_FN uint32_t mailbox_port(PL_L const struct mailbox_group *group)
{
	return group->port;
}

/* The leader: whether there are updates, and which to apply now: no more than to the end of a chunk. */
PL_FN uint32_t mailbox_look_updates(const struct mailbox_at *at, PL_L struct mailbox_group *group)
{
	uint64_t applied = at->me->applied;
	uint64_t posted = PL_POLL64(&at->mailbox->updates.head) - applied;
	uint64_t room = MAILBOX_CHUNK - applied % MAILBOX_CHUNK;

	if (posted == 0)
		return 0;
	PL_FENCE_SYSTEM();
	group->applied = applied;
	group->words = (uint32_t)((posted < room ? posted : room) / 8);
	return 1;
}

/* The leader: between two rounds. Returns whether the launch ends. */
PL_FN uint32_t mailbox_round_over(PL_L struct mailbox_group *group)
{
	if (group->last != 0 && (group->found == 0 || --group->last == 0))
		return 1;
	if (group->found != 0) {
		group->turns = 0;
	} else {
		PL_BACK_OFF(group->turns);
		group->turns++;
	}
	group->found = 0;
	return 0;
}

/* The leader: where the burst of a lane that is waited for will be. */
PL_FN uint64_t mailbox_slot_of(PL_L const struct mailbox_group *group, uint32_t lane)
{
	uint64_t at = (group->lanes[lane].next - 1) % MAILBOX_SLOTS;

	return group->lanes[lane].slots + at * sizeof(struct mailbox_slot);
}

/* The leader: whether that burst is there, as its slot's `posted` says; it is told to all then. */
PL_FN uint32_t mailbox_found(PL_L struct mailbox_group *group, uint32_t lane, uint64_t posted)
{
	uint64_t number = group->lanes[lane].next;

	if (!MAILBOX_POSTED_IS(posted, number))
		return 0;
	/* The burst, and any table, is read after this. Whoever changes a table, makes a fence and then finds the
	 * burst not submitted, knows that it sees the change. */
	PL_AWAITED();
	group->lane = lane;
	group->number = number;
	group->n = MAILBOX_POSTED_N(posted);
	group->port = MAILBOX_POSTED_PORT(posted);
	group->n_taken = 0;
	group->base = group->lanes[lane].base;
	group->spares = group->lanes[lane].spares;
	return 1;
}

/* The leader: looks until there is something. Returns what.
 *
 * A launch that is to end makes its last rounds behind a fence. Whoever submits a burst stores `posted`
 * and then looks at `rest`, with such a fence between (lib/accel): so either these rounds find the burst, or
 * whoever submitted it finds that the launch is to end, and launches the program again. There are as many
 * rounds as it takes to do all that can be posted at a time, and none after one that finds nothing. */
PL_FN uint32_t mailbox_look(const struct mailbox_at *at, PL_L struct mailbox_group *group)
{
	PL_G struct mailbox *mailbox = at->mailbox;
	uint32_t n_lanes = at->n_lanes, n_workers = at->n_workers;

	for (;;) {
		uint64_t rest = 0, posted;
		uint32_t lane;

		if (group->lane_next >= n_lanes) {
			if (mailbox_round_over(group))
				return MAILBOX_END;
			group->lane_next = at->worker % n_lanes;
			group->updates = at->worker == 0;
		}
		if (group->updates) {
			group->updates = 0;
			if (mailbox_look_updates(at, group)) {
				group->found = 1;
				return MAILBOX_UPDATES_FOUND;
			}
		}
		lane = group->lane_next;
		/* Both looks are on their way at once. */
		if (group->last == 0 && group->turns % MAILBOX_REST_ROUNDS == 0)
			rest = PL_POLL64(&mailbox->rests[at->worker].launch);
		group->slot = mailbox_slot_of(group, lane);
		posted = PL_AWAIT64(&mailbox_burst(group)->posted);
		if (rest >= at->launch) {
			PL_FENCE_SYSTEM();
			group->last = MAILBOX_SLOTS + 1 +
				      (uint32_t)(group->ring_bytes / MAILBOX_CHUNK + 1);
			group->found = 1;
			group->lane_next = n_lanes;
			continue;
		}
		group->lane_next += n_workers;
		if (!mailbox_found(group, lane, posted))
			continue;
		group->found = 1;
		group->updates = at->worker == 0;
		return MAILBOX_BURST_FOUND;
	}
}

/* This item's share of the words of a record whose bytes are in the chunk, from word `i` on. */
PL_FN void mailbox_store(PL_L const uint64_t *bytes, uint64_t to, uint32_t length, uint32_t word)
{
	uint32_t i;

	for (i = PL_ITEM(); i < length / word; i += PL_ITEMS()) {
		if (word == 8)
			PL_STORE64((PL_G uint64_t *)to + i, bytes[i]);
		else if (word == 4)
			PL_STORE32((PL_G uint32_t *)to + i, ((PL_L const uint32_t *)bytes)[i]);
		else
			PL_STORE16((PL_G uint16_t *)to + i, ((PL_L const uint16_t *)bytes)[i]);
	}
}

/* Applies the updates that the leader has found, in order. */
PL_FN void mailbox_apply(const struct mailbox_at *at, PL_L struct mailbox_group *group)
{
	PL_G struct mailbox_updates *updates = &at->mailbox->updates;
	PL_G const uint64_t *ring = (PL_G const uint64_t *)group->ring;
	uint64_t first = (group->applied & (group->ring_bytes - 1)) / 8;
	uint32_t words = group->words, i;

	for (i = PL_ITEM(); i < words; i += PL_ITEMS())
		group->chunk[i] = ring[first + i];
	PL_BARRIER();
	for (i = 0; i < words && group->chunk[i] != 0;) {
		uint64_t how = group->chunk[i + 1];
		uint32_t length = (uint32_t)how;

		mailbox_store(group->chunk + i + 2, group->chunk[i], length, (uint32_t)(how >> 32));
		/* All that the group's items have stored, before what each stores next. */
		PL_BARRIER();
		PL_FENCE_DEVICE();
		i += 2 + (length + 7) / 8;
	}
	PL_BARRIER(); /* nobody needs the chunk any more */
	if (PL_ITEM() == 0) {
		at->me->applied = group->applied + (uint64_t)words * 8;
		PL_RELEASE64(&updates->applied, at->me->applied);
	}
}

/* Applies updates until there is a burst, and returns 1; or 0: the program is to end. */
PL_FN uint32_t mailbox_wait(const struct mailbox_at *at, PL_L struct mailbox_group *group)
{
	for (;;) {
		if (PL_ITEM() == 0)
			group->work = mailbox_look(at, group);
		PL_BARRIER();
		if (group->work != MAILBOX_UPDATES_FOUND)
			return group->work;
		mailbox_apply(at, group);
	}
}

/* Where the frames of the burst are offsets from. */
PL_FN PL_G uint8_t *mailbox_base(PL_L const struct mailbox_group *group)
{
	return (PL_G uint8_t *)group->base;
}

/* Packet `i` of the burst has got shorter. */
PL_FN void mailbox_shorten(PL_L const struct mailbox_group *group, uint32_t i, uint16_t len)
{
	PL_G struct mailbox_slot *burst = mailbox_burst(group);

	burst->len[i] = len;
	burst->shortened = group->number;
}

/* Whether packets that the host is to read must be copied. */
PL_FN uint32_t mailbox_copies(PL_L const struct mailbox_group *group)
{
	return group->spares != 0;
}

/* Has packet `i` of the burst copied, of `len` bytes. Returns 0 if the host has lent no buffer for it. */
PL_FN uint32_t mailbox_take(PL_L struct mailbox_group *group, uint32_t i, uint32_t len)
{
	PL_G struct mailbox_slot *burst = mailbox_burst(group);
	PL_L uint32_t *taken = (PL_L uint32_t *)group->chunk;
	uint32_t k = PL_TAKE32(&group->n_taken);

	if (k >= burst->n_spare)
		return 0;
	taken[k] = len << 16 | i;
	burst->copied[i] = (uint16_t)k;
	return 1;
}

/* Copies what has been taken, and says how many that were. A frame begins 2 bytes behind an address of 16 bytes, and
 * its buffer ends at one: so it is copied by 16 bytes, from 2 before it on. That stays within the host's
 * buffer, wherever in its own the frame begins, since it is no longer than pl_pool_frame_max().
 *
 * What is stored here lies before mailbox_finish()'s barrier, as verdicts do; its release of `done` is behind all
 * that the group stored before that barrier. So whoever sees `done` sees the copies. */
PL_FN void mailbox_copy(PL_L struct mailbox_group *group)
{
	PL_G struct mailbox_slot *burst = mailbox_burst(group);
	PL_L const uint32_t *taken = (PL_L const uint32_t *)group->chunk;
	/* As many items to a packet as go over the bus together without a gap. */
	uint32_t together = PL_ITEMS() % 32 == 0 ? 32 : 1;
	uint32_t n, k, at;

	PL_BARRIER();
	n = group->n_taken;
	if (n != 0 && n > burst->n_spare)
		n = burst->n_spare;
	if (PL_ITEM() == 0)
		burst->n_copied = n;
	for (k = PL_ITEM() / together; k < n; k += PL_ITEMS() / together) {
		uint32_t bytes = (taken[k] >> 16) + 2;
		PL_G const uint8_t *from =
			mailbox_base(group) + burst->frame[taken[k] & 0xffff] - 2;
		PL_G uint8_t *to = (PL_G uint8_t *)group->spares + burst->spare[k] - 2;

		for (at = PL_ITEM() % together * 16; at < bytes; at += together * 16)
			PL_PAIR_COPY(to + at, from + at);
	}
}

/* The burst that mailbox_wait() found is done. */
PL_FN void mailbox_finish(const struct mailbox_at *at, PL_L struct mailbox_group *group)
{
	uint32_t n_lanes = at->n_lanes, n_workers = at->n_workers;

	PL_BARRIER();
	if (PL_ITEM() == 0) {
		PL_RELEASE64(&mailbox_burst(group)->done, group->number);
		group->lanes[group->lane].next =
			group->number + (n_workers > n_lanes ? n_workers / n_lanes : 1);
		at->me->next[group->lane] = group->lanes[group->lane].next;
	}
}

#endif
