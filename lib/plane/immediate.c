/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor that has its answers at once: complete() follows submit(). */
#include <peerlane/plane.h>

static struct pl_burst *immediate_next(void *ctx)
{
	struct pl_immediate *immediate = ctx;

	return immediate->submitted ? NULL : &immediate->burst;
}

static void immediate_submit(void *ctx, struct pl_burst *burst)
{
	struct pl_immediate *immediate = ctx;

	immediate->process(immediate->ctx, burst);
	immediate->submitted = true;
}

static struct pl_burst *immediate_complete(void *ctx)
{
	struct pl_immediate *immediate = ctx;

	if (!immediate->submitted)
		return NULL;
	immediate->submitted = false;
	return &immediate->burst;
}

struct pl_processor pl_immediate_processor(struct pl_immediate *immediate,
					   void (*process)(void *ctx, struct pl_burst *burst),
					   void *ctx)
{
	immediate->burst_packets = PL_BURST_CACHED;
	immediate->submitted = false;
	immediate->process = process;
	immediate->ctx = ctx;
	return (struct pl_processor){
		.next = immediate_next,
		.submit = immediate_submit,
		.complete = immediate_complete,
		.burst_packets = &immediate->burst_packets,
		.ctx = immediate,
	};
}
