/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program against the reference: tables and bursts as the input says.
 *
 * The input is a list of commands, a byte each with what it needs behind it: changes to next hops,
 * routes, neighbours and ports; frames; and bursts, which are the frames since the last change of
 * them and random relatives of these, whose seed is in the input too. So mutating an input changes
 * one thing of a whole, and every input has some hundred frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "program_frames.h"

#define PORTS 4u
#define FRAMES_MAX 32u
/* Frames of one input: what is beyond takes time and shows nothing new. */
#define FRAMES_PER_RUN 2048u

static struct twin *twin;

struct scene {
	struct fuzz_input in;
	struct made_frame frames[FRAMES_MAX]; /* that the input makes */
	unsigned n_frames;
	unsigned ran; /* frames so far */
	struct made_frame burst[TWIN_BURST_MAX];
};

/* With PEERLANE_FUZZ_ACCEL set to a kind of accelerator, or that and ",burst" or ",remote" (packets in its
 * memory), one of it runs all bursts too. */
static void want_accel(void)
{
	const char *wanted = getenv("PEERLANE_FUZZ_ACCEL");
	struct pl_error err;

	if (!wanted)
		return;
	for (unsigned kind = 0; kind < PL_ACCEL_KINDS; kind++) {
		const char *name = pl_accel_kind_name(kind);
		size_t len = strlen(name);
		const char *how = wanted + strnlen(wanted, len);
		bool burst = strcmp(how, ",burst") == 0, remote = strcmp(how, ",remote") == 0;

		if (strncmp(wanted, name, len) != 0 || (*how && !burst && !remote))
			continue;
		if (twin_accel(twin, kind, burst ? PL_ACCEL_BURST : PL_ACCEL_PERSISTENT, remote,
			       &err))
			return;
		printf("skipped: %s\n", err.what);
		exit(77);
	}
	fprintf(stderr, "no such accelerator: %s\n", wanted);
	exit(2);
}

/* With PEERLANE_FUZZ_REPORT set: how many frames there were, and what became of them. */
static void report(void)
{
	if (!getenv("PEERLANE_FUZZ_REPORT"))
		return;
	fprintf(stderr, "%lu frames in %lu bursts, %lu changes of tables and ports; by",
		twin->frames, twin->bursts, twin->changes);
	for (unsigned i = 0; twin_program_name(twin, i); i++)
		fprintf(stderr, "%s %s", i ? "," : "", twin_program_name(twin, i));
	fprintf(stderr, "\n%14lu sent\n", twin->sent);
	for (unsigned i = 0; i < REASON_COUNT; i++)
		fprintf(stderr, "%14lu %s\n", twin->fates[i], twin_reason_name(i));
}

static void finish(void)
{
	report();
	twin_free(twin);
}

/* ---- tables ---- */

static struct ref_hop read_hop(struct fuzz_input *in)
{
	static const uint16_t mtus[] = {1500, 1400, 1280, 576, 100, 68, 9000, 65535};
	struct ref_hop hop = {.kind = (enum ref_kind)(1 + fuzz_u8(in) % 5)};
	uint8_t mtu;

	if (hop.kind == REF_GROUP) {
		hop.n_members = 1 + fuzz_u8(in) % REF_MEMBERS_MAX;
		for (unsigned i = 0; i < hop.n_members; i++) {
			hop.members[i] = fuzz_u8(in) % REF_HOPS_MAX;
			hop.weights[i] = 1 + fuzz_u8(in);
		}
		return hop;
	}
	hop.port = fuzz_u8(in) % PORTS;
	hop.reason = (enum reason)(fuzz_u8(in) % REASON_COUNT);
	mtu = fuzz_u8(in);
	hop.mtu = mtu < 0xf0 ? mtus[mtu % 8] : fuzz_u16(in);
	if (hop.kind == REF_FORWARD) {
		/* Enough bytes that every one of a MAC is seen to arrive. */
		for (unsigned i = 0; i < 6; i++) {
			hop.dmac[i] = fuzz_u8(in);
			hop.smac[i] = (uint8_t)(hop.dmac[i] * 3 + i);
		}
	}
	return hop;
}

/* A hop in use, looked for from a place that the input names: mutations keep finding one. */
static unsigned read_used_hop(struct fuzz_input *in)
{
	unsigned from = fuzz_u8(in);

	for (unsigned i = 0; i < REF_HOPS_MAX; i++)
		if (twin->ref.hops[(from + i) % REF_HOPS_MAX].kind != REF_UNUSED)
			return (from + i) % REF_HOPS_MAX;
	return 0;
}

/* Members that are not there, or groups, are replaced by ones that may be: else few groups would be
 * made. */
static void mend_members(struct ref_hop *hop)
{
	unsigned n = 0;

	for (unsigned i = 0; i < hop->n_members; i++) {
		unsigned m = hop->members[i];

		for (unsigned k = 0; k < REF_HOPS_MAX; k++, m = (m + 1) % REF_HOPS_MAX)
			if (twin->ref.hops[m].kind != REF_UNUSED &&
			    twin->ref.hops[m].kind != REF_GROUP)
				break;
		hop->members[n] = m;
		hop->weights[n++] = hop->weights[i];
	}
	hop->n_members = n;
}

static void change_hop(struct fuzz_input *in, bool fresh)
{
	unsigned place = fuzz_u8(in) % REF_HOPS_MAX;
	struct ref_hop hop = read_hop(in);

	for (unsigned i = 0; fresh && i < REF_HOPS_MAX; i++)
		if (twin->ref.hops[i].kind == REF_UNUSED) {
			place = i;
			break;
		}
	mend_members(&hop);
	twin_hop_set(twin, place, &hop);
}

static void add_route(struct fuzz_input *in)
{
	unsigned how = fuzz_u8(in), n_bytes = how & 1 ? 16 : 4, len = fuzz_u8(in);
	struct ref_addr addr = frames_address(twin, n_bytes, in);

	len %= 8 * n_bytes + 1;
	/* Much of 2000::/3 is millions of stores to change: seldom. */
	if (n_bytes == 16 && len < 12 && (len < 3 || addr.bytes[0] >> 5 == 1) && how < 0xf0)
		len += 12;
	twin_route_set(twin, &addr, len, read_used_hop(in));
}

static void add_neighbour(struct fuzz_input *in)
{
	unsigned how = fuzz_u8(in);
	struct ref_addr addr = frames_address(twin, how & 1 ? 16 : 4, in);
	unsigned hop = read_used_hop(in), n = how < 0xe0 ? 1 : how % 64; /* past a table's size */

	for (; n > 0; n--) {
		twin_neighbour_set(twin, how / 2 % PORTS, &addr, hop);
		addr.bytes[addr.n_bytes - 1]++;
	}
}

static void set_port(unsigned port, uint8_t last, bool up)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, last};

	twin_port_set(twin, port, mac, up);
}

/* ---- bursts ---- */

static struct made_frame *next_frame(struct scene *s)
{
	/* The oldest makes room. */
	return &s->frames[s->n_frames++ % FRAMES_MAX];
}

static void run_burst(struct scene *s, unsigned n, unsigned port, uint64_t seed)
{
	static struct twin_frame frames[TWIN_BURST_MAX];
	unsigned have = s->n_frames < FRAMES_MAX ? s->n_frames : FRAMES_MAX;

	if (s->ran >= FRAMES_PER_RUN)
		return;
	if (!have)
		n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct made_frame *f = &s->burst[i];
		unsigned from = i < have ? i : frames_random(&seed) % have;

		f->len = s->frames[from].len;
		f->skip = s->frames[from].skip;
		memcpy(f->bytes, s->frames[from].bytes, MADE_FRAME_MAX);
		/* Once as they are. */
		if (i >= have)
			frames_vary(twin, &seed, f);
		/* Frames are made for port 0. */
		if (f->len >= 6 && port)
			f->bytes[5] ^= (uint8_t)port;
		frames[i] = (struct twin_frame){f->len, f->skip, f->bytes};
	}
	twin_burst(twin, port, frames, n);
	s->ran += n;
}

static void read_burst(struct scene *s)
{
	unsigned how = fuzz_u8(&s->in), n = fuzz_u8(&s->in);
	uint32_t seed = fuzz_u32(&s->in);

	/* Up to 256 by one byte; more, and the largest, now and then. */
	if (how >= 0xf0)
		n = (n * 4 + how % 4) + 1;
	run_burst(s, n, how % PORTS, seed);
}

static void command(struct scene *s)
{
	switch (fuzz_u8(&s->in) % 16) {
	case 0:
	case 1:
		change_hop(&s->in, true);
		break;
	case 2:
		change_hop(&s->in, false);
		break;
	case 3:
		twin_hop_del(twin, fuzz_u8(&s->in) % REF_HOPS_MAX);
		break;
	case 4:
	case 5:
	case 6:
		add_route(&s->in);
		break;
	case 7:
		twin_route_del(twin, fuzz_u8(&s->in) % REF_ROUTES_MAX);
		break;
	case 8:
		add_neighbour(&s->in);
		break;
	case 9:
		twin_neighbour_del(twin, fuzz_u8(&s->in) % REF_NEIGHBOURS_MAX);
		break;
	case 10:
		set_port(fuzz_u8(&s->in) % PORTS, fuzz_u8(&s->in) % 8, fuzz_u8(&s->in) % 4 != 0);
		break;
	case 11:
	case 12:
		frames_ipv4(twin, &s->in, next_frame(s));
		break;
	case 13:
		frames_ipv6(twin, &s->in, next_frame(s));
		break;
	case 14:
		frames_raw(&s->in, next_frame(s));
		break;
	default:
		read_burst(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scene s;

	if (!twin) {
		twin = twin_new();
		want_accel();
		atexit(finish);
	}
	s.in = (struct fuzz_input){data, data + size};
	s.n_frames = s.ran = 0;
	for (unsigned i = 0; i < PORTS; i++)
		set_port(i, (uint8_t)i, true);
	while (s.in.at < s.in.end)
		command(&s);
	run_burst(&s, s.n_frames < FRAMES_MAX ? s.n_frames : FRAMES_MAX, 0, 0);
	twin_clear(twin);
	return 0;
}
