/* SPDX-License-Identifier: BSD-2-Clause */
/* What the traffic generator receives: frames, each behind two bytes that say how long it is. */
#include <stdlib.h>
#include <string.h>

#include "../../bench/gen/flows.h"
#include "../../bench/gen/frame.h"
#include "../../bench/gen/host.h"
#include "fuzz.h"

#define N_FLOWS 16u
#define RUN 0x6750 /* of the corpus's frames */

struct world {
	struct gen_filler filler;
	struct gen_flows flows;
	struct gen_host host;
};

/* Made once: only what inputs change is as at first. */
static struct world *make_world(void)
{
	static struct world world;

	if (world.flows.n)
		gen_flows_reset(&world.flows);
	else if (gen_flows_init(&world.flows, N_FLOWS))
		abort();
	else
		gen_filler_init(&world.filler);
	world.host = (struct gen_host){
		.mac = {2, 0, 0, 0, 0, 2},
		.has = {true, true},
		.address = {{10, 0, 0, 2}, {0x20, 1, 0xd, 0xb8, [15] = 2}},
		.has_gateway = {true, true},
		.gateway = {{10, 0, 0, 1}, {0x20, 1, 0xd, 0xb8, [15] = 1}},
	};
	return &world;
}

/* An answer goes to somebody, from us. */
static void answer(struct world *w, const uint8_t *frame, uint32_t len)
{
	uint8_t reply[GEN_HOST_FRAME_MAX];
	unsigned n = gen_host_take(&w->host, frame, len, reply);

	if (n != 0 && n != 60 && n != GEN_HOST_FRAME_MAX)
		abort();
	if (n && memcmp(reply + 6, w->host.mac, 6) != 0)
		abort();
}

static void take(struct world *w, const uint8_t *frame, uint32_t len)
{
	const struct gen_totals *all = &w->flows.all;
	struct gen_record r, any;
	enum gen_kind kind = gen_frame_parse(frame, len, 9, RUN, &w->filler, &r);
	enum gen_kind kind_any = gen_frame_parse(frame, len, 9, GEN_RUN_ANY, &w->filler, &any);
	uint64_t before = all->received + all->corrupted + all->duplicated;

	if (kind == GEN_FOREIGN)
		answer(w, frame, len);
	/* Who takes any run's frames takes this one's, and tells by the number whose they are. */
	if (kind <= GEN_CORRUPT ? kind_any != kind || any.run != RUN
				: kind_any <= GEN_CORRUPT && any.run == RUN)
		abort();
	if (kind > GEN_CORRUPT || r.flow >= N_FLOWS)
		return;
	if (len < GEN_SIZE_MIN4 - GEN_FCS || r.time_ns >> GEN_TIME_BITS)
		abort();
	(void)gen_flows_take(&w->flows, r.flow, r.seq, kind == GEN_CORRUPT);
	if (all->received + all->corrupted + all->duplicated != before + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct world *w = make_world();

	while (in.at < in.end) {
		uint32_t len = fuzz_u16(&in), left = (uint32_t)(in.end - in.at);
		uint8_t *frame;

		if (len > left)
			len = left;
		/* No longer than it is, so that the sanitizers see a read beyond. */
		frame = malloc(len ? len : 1);
		if (!frame)
			abort();
		memcpy(frame, in.at, len);
		take(w, frame, len);
		free(frame);
		in.at += len;
	}
	return 0;
}
