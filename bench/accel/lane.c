/* SPDX-License-Identifier: BSD-2-Clause */
/* One lane: the same frames again and again. Their next hops send them to the MAC that they came to, so all that
 * a round changes is the TTL and the checksum; before the TTL is used up they are brought back to what
 * they were. That TTL also tells, in the end, whether each frame was processed each time, and once. */
#include <string.h>

#include "../../router/program/reasons.h"
#include "bench.h"

#define PASSES_MAX 250u /* of a TTL of 255, the last of which is punted */

#define STAGED_ROOM \
	(FRAME_ROOM + 16u) /* of a frame on its way to the device's memory, or from it */

/* Where this program finds a frame; not where the device has to move it. */
static uint8_t *frame_of(const struct lane *l, unsigned i)
{
	uint8_t *base = l->packets.remote.emulated;

	return (base ? base : l->pool.base) + l->frame[i];
}

static uint8_t *staged(const struct lane *l, unsigned i)
{
	return l->staging + i * STAGED_ROOM + l->frame[i] % 16;
}

/* Has the device move a chunk's frames. */
static void move(const struct lane *l, unsigned chunk, bool write)
{
	struct pl_remote_copy pieces[CHUNK];

	for (unsigned i = 0; i < CHUNK; i++)
		pieces[i] = (struct pl_remote_copy){.staging = staged(l, i),
						    .offset = l->frame[chunk * CHUNK + i],
						    .len_bytes = FRAME_BYTES,
						    .write = write};
	if (l->packets.remote.copy(&l->packets.remote, pieces, CHUNK))
		die("the device does not move frames");
}

void lane_put(struct lane *l, unsigned chunk, uint8_t (*frames)[FRAME_ROOM])
{
	for (unsigned i = 0; i < CHUNK; i++)
		memcpy(l->staging ? staged(l, i) : frame_of(l, chunk * CHUNK + i), frames[i],
		       FRAME_BYTES);
	if (l->staging)
		move(l, chunk, true);
}

void lane_get(const struct lane *l, unsigned chunk, uint8_t (*frames)[FRAME_ROOM])
{
	if (l->staging)
		move(l, chunk, false);
	for (unsigned i = 0; i < CHUNK; i++)
		memcpy(frames[i], l->staging ? staged(l, i) : frame_of(l, chunk * CHUNK + i),
		       FRAME_BYTES);
}

static const uint8_t *template_of(const struct lane *l, unsigned i)
{
	return l->bench->frames[l->family == 6][(l->first + i) % l->bench->n_frames];
}

static uint8_t ttl_of(const uint8_t *frame, unsigned family)
{
	return frame[14 + (family == 6 ? 7 : 8)];
}

static void load_chunk(struct lane *l, unsigned chunk)
{
	uint8_t frames[CHUNK][FRAME_ROOM];

	for (unsigned i = 0; i < CHUNK; i++)
		memcpy(frames[i], template_of(l, chunk * CHUNK + i), FRAME_BYTES);
	lane_put(l, chunk, frames);
	l->passes[chunk] = 0;
}

void lane_load(struct lane *l, unsigned family)
{
	l->family = family;
	l->forwards = l->bench->forwards;
	l->chunk = l->at = 0;
	memset(l->filled, 0, sizeof(l->filled));
	for (unsigned i = 0; i < l->n_chunks; i++)
		load_chunk(l, i);
}

/* ---- there ---- */

/* Whether the burst still names the frames that it did when it was filled last: a slot of the mailbox does, and
 * so needs nothing but to be posted again. Others may have been written over since. */
static bool still_filled(const struct lane *l, const struct lane_filled *f,
			 const struct pl_burst *burst, unsigned first, unsigned n)
{
	return f->burst == burst && f->first == first && f->n == n && f->probe == l->probe &&
	       burst->frame[0] == l->frame[first] && burst->frame[n - 1] == l->frame[first + n - 1];
}

static void fill(struct lane *l, struct pl_burst *burst, unsigned first, unsigned n)
{
	struct lane_filled *f = l->filled;

	while (f->burst && f->burst != burst && f < l->filled + MAILBOX_SLOTS)
		f++;
	if (still_filled(l, f, burst, first, n))
		return;
	*f = (struct lane_filled){burst, first, n, l->probe};
	memcpy(burst->frame, l->frame + first, n * sizeof(*burst->frame));
	for (unsigned i = 0; i < n + 1 && i < PL_BURST_MAX; i++)
		burst->len[i] = FRAME_BYTES;
	if (l->probe)
		burst->frame[n] = l->probe;
}

static void next_chunk(struct lane *l)
{
	l->chunk = (l->chunk + 1) % l->n_chunks;
	l->at = 0;
	if (l->passes[l->chunk] == PASSES_MAX)
		load_chunk(l, l->chunk);
}

bool lane_submit(struct lane *l, unsigned n, uint64_t now)
{
	struct pl_burst *burst;

	if (lane_under_way(l) == MAILBOX_SLOTS || !(burst = l->processor.next(l->processor.ctx)))
		return false;
	if (l->at == CHUNK)
		next_chunk(l);
	fill(l, burst, l->chunk * CHUNK + l->at, n);
	burst->base = l->pool.base;
	burst->port = 0;
	burst->n = n + (l->probe != 0);
	l->at += n;
	if (l->at == CHUNK && l->forwards)
		l->passes[l->chunk]++;
	l->submitted_ns[l->submitted++ % MAILBOX_SLOTS] = now;
	l->processor.submit(l->processor.ctx, burst);
	return true;
}

/* ---- and back ---- */

static void unexpected(uint16_t verdict)
{
	unsigned low = PL_VERDICT_LOW(verdict);

	if (PL_VERDICT_KIND(verdict) == PL_VERDICT_TX)
		die("a packet was to leave by port %u: not as expected", low);
	die("a packet was to be %s for %s: not as expected",
	    PL_VERDICT_KIND(verdict) == PL_VERDICT_PUNT ? "punted" : "dropped",
	    reason_name(low) ? reason_name(low) : "no reason that is known");
}

unsigned lane_complete(struct lane *l, uint64_t *submitted_ns)
{
	uint16_t expected = l->forwards ? PL_VERDICT(PL_VERDICT_TX, 1)
					: PL_VERDICT(PL_VERDICT_DROP, REASON_BLACKHOLE);
	unsigned n;

	if (!lane_under_way(l) || !(l->last = l->processor.complete(l->processor.ctx)))
		return 0;
	n = l->last->n - (l->probe != 0);
	if (l->probe)
		l->probe_verdict = l->last->verdict[n];
	for (unsigned i = 0; i < 2 && !l->lenient; i++)
		if (l->last->verdict[i * (n - 1)] != expected)
			unexpected(l->last->verdict[i * (n - 1)]);
	*submitted_ns = l->submitted_ns[l->completed++ % MAILBOX_SLOTS];
	return n;
}

uint64_t lane_await(struct lane *l)
{
	uint64_t until = now_ns() + PATIENCE_NS, submitted_ns;
	unsigned looks = 0;

	while (!lane_complete(l, &submitted_ns))
		if (++looks % 1024 == 0 && now_ns() > until)
			die("a burst did not come back");
	return submitted_ns;
}

void lane_drain(struct lane *l)
{
	uint64_t until = now_ns() + PATIENCE_NS, ignored;

	while (lane_under_way(l))
		if (!lane_complete(l, &ignored) && now_ns() > until)
			die("%u bursts did not come back", lane_under_way(l));
}

void lane_check(struct lane *l)
{
	uint8_t frames[CHUNK][FRAME_ROOM];

	if (!l->forwards)
		return;
	for (unsigned i = 0; i < l->n_chunks * CHUNK; i++) {
		unsigned chunk = i / CHUNK, passes = l->passes[chunk];

		if (i % CHUNK == 0)
			lane_get(l, chunk, frames);
		if (chunk == l->chunk && l->at < CHUNK)
			passes += i % CHUNK < l->at;
		if (ttl_of(frames[i % CHUNK], l->family) != 255 - passes)
			die("frame %u was submitted %u times, and its TTL is %u", i, passes,
			    ttl_of(frames[i % CHUNK], l->family));
	}
}

/* ---- memory ---- */

/* Buffers are a power of two apart: so that their frames do not all fall into the same set of a cache, they
 * begin elsewhere in each, as those of memory ports. */
#define COLOUR_STEP 64u
#define COLOURS 16u

#define BUFFER_BYTES 2048u
#define SPARES 64u /* nothing is punted */

/* A pool whose first part is the device's memory. */
static void init_in_device(struct lane *l, const struct device *d, uint32_t n)
{
	const struct pl_remote *remote = &l->packets.remote;
	struct pl_error err;

	if (pl_accel_packets_new(&l->packets, d->info.kind, d->info.index, (size_t)n * BUFFER_BYTES,
				 &err) ||
	    (!remote->emulated && !(l->staging = remote->staging(remote, &err))) ||
	    pl_pool_init_remote(&l->pool, remote, SPARES, BUFFER_BYTES, &err))
		die("%s: %s", d->label, err.what);
}

void lane_init(struct lane *l, const struct bench *b, const struct device *d, unsigned first,
	       unsigned n_chunks)
{
	uint32_t n = n_chunks * CHUNK;
	struct pl_error err;

	*l = (struct lane){.bench = b, .first = first, .n_chunks = n_chunks};
	l->frame = checked(calloc(n + 1, sizeof(*l->frame)));
	l->passes = checked(calloc(n_chunks, sizeof(*l->passes)));
	if (d)
		init_in_device(l, d, n + 1);
	else if (pl_pool_init(&l->pool, n + 1, BUFFER_BYTES, &err))
		die("%s", err.what);
	pl_pool_get_rx(&l->pool, l->frame, n + 1, PL_OWNER_BURST);
	if (!d)
		memcpy(frame_of(l, n), b->probe_frame, FRAME_BYTES);
	for (unsigned i = 0; i < n; i++)
		l->frame[i] += i % COLOURS * COLOUR_STEP;
}

void lane_set_probe(struct lane *l, bool probe)
{
	l->probe = probe ? l->frame[l->n_chunks * CHUNK] : 0;
}

void lane_fini(struct lane *l)
{
	pl_pool_fini(&l->pool);
	pl_accel_packets_free(&l->packets);
	free(l->frame);
	free(l->passes);
}
