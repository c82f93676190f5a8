/* SPDX-License-Identifier: BSD-2-Clause */
/* What is sent comes back at once: a ring in memory. For measuring the generator alone, and for tests. */
#include <errno.h>
#include <stdlib.h>

#include "end.h"
#include "frame.h"

#define SLOTS 512u

struct loop {
	struct gen_end end;
	uint32_t head, tail, lent; /* of the ring: frames [tail, head) are in it */
	uint32_t stride;
	uint32_t len[SLOTS];
	uint8_t *slots;
};

static struct loop *loop_of(struct gen_end *end)
{
	return (struct loop *)end;
}

static uint8_t *slot(const struct loop *loop, uint32_t at)
{
	return loop->slots + (size_t)(at % SLOTS) * loop->stride;
}

static unsigned loop_reserve(struct gen_end *end, struct gen_frame *frames, unsigned n)
{
	struct loop *loop = loop_of(end);
	uint32_t room = SLOTS - (loop->head - loop->tail);

	if (n > room)
		n = room;
	for (unsigned i = 0; i < n; i++)
		frames[i].data = slot(loop, loop->head + i);
	return n;
}

static void loop_commit(struct gen_end *end, const struct gen_frame *frames, unsigned n)
{
	struct loop *loop = loop_of(end);

	for (unsigned i = 0; i < n; i++)
		loop->len[(loop->head + i) % SLOTS] = frames[i].len;
	loop->head += n;
}

static unsigned loop_receive(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	struct loop *loop = loop_of(end);
	uint32_t n = loop->head - loop->tail;

	if (n > max)
		n = max;
	for (unsigned i = 0; i < n; i++)
		frames[i] = (struct gen_frame){slot(loop, loop->tail + i),
					       loop->len[(loop->tail + i) % SLOTS]};
	loop->lent = n;
	return n;
}

static void loop_release(struct gen_end *end)
{
	struct loop *loop = loop_of(end);

	loop->tail += loop->lent;
	loop->lent = 0;
}

static void loop_close(struct gen_end *end)
{
	free(loop_of(end)->slots);
	free(end);
}

static const struct gen_end_ops loop_ops = {
	.reserve = loop_reserve,
	.commit = loop_commit,
	.receive = loop_receive,
	.release = loop_release,
	.close = loop_close,
};

int gen_end_loop(unsigned size_max, struct gen_end **end, struct pl_error *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return pl_error_set(err, -ENOMEM, NULL, "no memory");
	/* An odd number of cache lines, so that slots do not crowd in the same sets of the cache. Headers are
	 * at 16-byte boundaries but 2, as in buffers for devices. */
	loop->stride = ((size_max + 127) / 64 | 1) * 64;
	loop->slots = aligned_alloc(64, (size_t)SLOTS * loop->stride);
	if (!loop->slots) {
		free(loop);
		return pl_error_set(err, -ENOMEM, NULL, "no memory");
	}
	for (size_t i = 0; i < (size_t)SLOTS * loop->stride; i++)
		loop->slots[i] = 0;
	loop->end.ops = &loop_ops;
	loop->end.size_max = size_max;
	loop->end.queues = 1;
	*end = &loop->end;
	return 0;
}
