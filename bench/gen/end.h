/* SPDX-License-Identifier: BSD-2-Clause */
/* An end of the generator: a place from which frames leave and at which they arrive, and the addresses it has
 * there. All is for one thread. */
#ifndef GEN_END_H
#define GEN_END_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/error.h>

#include "host.h"

#define GEN_BURST 64u

struct gen_frame {
	uint8_t *data;
	uint32_t len;
};

/* What an end itself has lost. */
struct gen_end_counters {
	uint64_t refused; /* given to it to be sent, and dropped */
	uint64_t missed;  /* arrived, and lost before we saw them: we were too slow */
};

enum gen_link {
	GEN_LINK_UP,
	GEN_LINK_DOWN, /* may come up again */
	GEN_LINK_GONE, /* for good: the interface, or who was at the wire's other side */
};

struct gen_end;

struct gen_end_ops {
	/* Finds room for the first of `n` frames (at most GEN_BURST) whose `len` is set, and sets their `data`. They
	 * are ours until commit(). Returns for how many. */
	unsigned (*reserve)(struct gen_end *end, struct gen_frame *frames, unsigned n);
	/* Sends all that was reserved, in order. */
	void (*commit)(struct gen_end *end, const struct gen_frame *frames, unsigned n);
	/* Lends up to `max` frames (at most GEN_BURST) that have arrived, oldest first, until release(). */
	unsigned (*receive)(struct gen_end *end, struct gen_frame *frames, unsigned max);
	void (*release)(struct gen_end *end);
	/* Makes frames to that MAC arrive, besides those to its own. NULL: all do. Returns 0 or -errno with `err`
	 * filled. */
	int (*accept_mac)(struct gen_end *end, const uint8_t mac[6], struct pl_error *err);
	/* Once per turn of the loop: gets what is under way going. May be NULL. */
	void (*flush)(struct gen_end *end);
	/* May be slow; about once a second. NULL: it loses nothing. */
	void (*counters)(struct gen_end *end, struct gen_end_counters *counters);
	/* About once a second. NULL: GEN_LINK_UP, always. */
	enum gen_link (*link)(struct gen_end *end);
	void (*close)(struct gen_end *end);
};

struct gen_end {
	const struct gen_end_ops *ops;
	const char *name;  /* as given on the command line */
	unsigned size_max; /* of frames, with FCS */
	unsigned
		queues; /* of an interface of which no queue is named, and this is but the first; else 1 */
	struct gen_host host;
};

/* Opens what `name` says for frames of up to `size_max` bytes (with FCS), and sets host.mac to what the end has of
 * its own. Returns 0 or -errno with `err` filled. */
int gen_end_open(const char *name, unsigned size_max, struct gen_end **end, struct pl_error *err);

/* Frees the end. Accepts NULL. */
static inline void gen_end_close(struct gen_end *end)
{
	if (end)
		end->ops->close(end);
}

/* The kinds. */
int gen_end_loop(unsigned size_max, struct gen_end **end, struct pl_error *err);
int gen_end_afxdp(const char *device, unsigned size_max, struct gen_end **end,
		  struct pl_error *err);
int gen_end_wire(const char *path, unsigned size_max, struct gen_end **end, struct pl_error *err);

#endif
