/* SPDX-License-Identifier: BSD-2-Clause */
#include "twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/program/cpu.h"
#include "../../router/program/packet.h"
#include "../../router/tables/tables.h"
#include "twin_accel.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

/* ---- what the program can be run by ---- */

/* First the one-packet program, then the processor of each instruction set, then an accelerator. */
#define ONE_BY_ONE 0u
#define RUNNERS_MAX 5u

const char *twin_reason_name(enum reason reason)
{
	return reason_name(reason);
}

/* Room for the frames of a burst: the first byte 2 modulo 16, readable from 2 bytes before to 62
 * after it, however short it is (program/packet.h), and a gap. */
#define HEADROOM 2u
#define READABLE 62u
#define GAP 16u
#define SKIP_MAX 8u
#define SLOT (HEADROOM + REF_FRAME_MAX + READABLE + GAP + 16 * SKIP_MAX)

struct arena {
	uint8_t *base;
	struct pl_burst burst;
};

struct runner {
	const char *name;
	struct pl_processor processor; /* of an instruction set */
	struct twin_accel *accel;      /* or NULL */
	struct arena out;
};

/* Members of groups that a flow may be on, by what was seen of it since the last change. */
#define FLOWS 1024u
struct flow {
	uint8_t key[sizeof(((struct ref_result *)0)->flow)];
	uint32_t ways;	      /* a bit each */
	unsigned long change; /* twin.changes when it was seen; 0: not */
};

struct twin_program {
	struct tables *tables;
	uint32_t index[REF_HOPS_MAX]; /* of hops in the tables */
	struct runner runners[RUNNERS_MAX];
	unsigned n_runners;
	struct arena in;
	uint8_t *marks; /* of next hops used, by the one-packet program */
	size_t used;	/* bytes of the arenas, by the burst that is run */
	struct flow flows[FLOWS];
	struct ref_result want;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "twin: %s\n", what);
	abort();
}

static void no_readers(void)
{
}

#define ARENA_BYTES (TWIN_BURST_MAX * (size_t)SLOT / 4096 * 4096 + 4096)

static uint8_t *arena_new(void)
{
	uint8_t *base = aligned_alloc(4096, ARENA_BYTES);

	must(base != NULL, "out of memory");
	return base;
}

const char *twin_program_name(const struct twin *t, unsigned i)
{
	return i < t->program->n_runners ? t->program->runners[i].name : NULL;
}

struct twin *twin_new(void)
{
	struct twin *t = calloc(1, sizeof(*t));
	struct twin_program *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);

	must(t && p, "out of memory");
	memset(p, 0, sizeof(*p));
	t->program = p;
	p->tables = tables_new(no_readers, REASON_NO_ROUTE);
	p->marks = calloc(1, TABLES_NEXTHOPS_MAX);
	must(p->tables && p->marks, "out of memory");
	p->in.base = arena_new();
	p->runners[p->n_runners++] = (struct runner){"one by one", .out.base = arena_new()};
	for (enum cpu_isa isa = CPU_ISA_PLAIN; isa <= cpu_isa_best(); isa++) {
		struct runner *r = &p->runners[p->n_runners++];

		r->name = cpu_isa_name(isa);
		r->out.base = arena_new();
		must(!cpu_processor_init(&r->processor, p->tables, isa), "no processor");
	}
	return t;
}

bool twin_accel(struct twin *t, enum pl_accel_kind kind, enum pl_accel_launch launch, bool remote,
		struct pl_error *err)
{
	struct twin_program *p = t->program;
	struct twin_accel *accel =
		twin_accel_new(p->tables, kind, launch, remote, ARENA_BYTES, err);

	if (!accel)
		return false;
	must(p->n_runners < RUNNERS_MAX, "an accelerator too many");
	p->runners[p->n_runners++] = (struct runner){
		.name = twin_accel_name(accel),
		.accel = accel,
		.out.base = twin_accel_base(accel),
	};
	return true;
}

struct tables *twin_tables(struct twin *t)
{
	return t->program->tables;
}

uint32_t twin_hop_index(const struct twin *t, unsigned hop)
{
	return t->program->index[hop];
}

void twin_free(struct twin *t)
{
	struct twin_program *p = t->program;

	twin_clear(t);
	for (unsigned i = 0; i < p->n_runners; i++) {
		struct runner *r = &p->runners[i];

		if (r->accel) {
			twin_accel_free(r->accel);
			continue;
		}
		if (i != ONE_BY_ONE)
			cpu_processor_fini(&r->processor);
		free(r->out.base);
	}
	free(p->in.base);
	free(p->marks);
	tables_free(p->tables);
	free(p);
	free(t);
}

/* ---- changes ---- */

static void changed(struct twin *t)
{
	t->changes++; /* flows begin anew */
}

static bool is_group(const struct twin *t, unsigned hop)
{
	return t->ref.hops[hop].kind == REF_GROUP;
}

static bool is_member(const struct twin *t, unsigned hop)
{
	for (unsigned i = 0; i < REF_HOPS_MAX; i++)
		for (unsigned k = 0; is_group(t, i) && k < t->ref.hops[i].n_members; k++)
			if (t->ref.hops[i].members[k] == hop)
				return true;
	return false;
}

static bool is_used(const struct twin *t, unsigned hop)
{
	for (unsigned i = 0; i < REF_ROUTES_MAX; i++)
		if (t->ref.routes[i].addr.n_bytes && t->ref.routes[i].hop == hop)
			return true;
	for (unsigned i = 0; i < REF_NEIGHBOURS_MAX; i++)
		if (t->ref.neighbours[i].addr.n_bytes && t->ref.neighbours[i].hop == hop)
			return true;
	return is_member(t, hop);
}

static bool hop_allowed(const struct twin *t, unsigned hop, const struct ref_hop *spec)
{
	if (spec->kind == REF_UNUSED || hop >= REF_HOPS_MAX)
		return false;
	if (spec->kind != REF_GROUP)
		return spec->port < REF_PORTS_MAX;
	for (unsigned i = 0; i < spec->n_members; i++) {
		unsigned m = spec->members[i];

		if (m == hop || t->ref.hops[m].kind == REF_UNUSED || is_group(t, m) ||
		    !spec->weights[i])
			return false;
	}
	return spec->n_members && !is_member(t, hop);
}

static struct nexthop_spec spec_of(const struct twin *t, const struct ref_hop *hop,
				   struct nexthop_member members[REF_MEMBERS_MAX])
{
	static const uint8_t kinds[] = {
		[REF_PUNT] = NEXTHOP_PUNT,	 [REF_DROP] = NEXTHOP_DROP,
		[REF_FORWARD] = NEXTHOP_FORWARD, [REF_NETWORK] = NEXTHOP_GLEAN,
		[REF_GROUP] = NEXTHOP_GROUP,
	};
	struct nexthop_spec spec = {
		.kind = kinds[hop->kind],
		.reason = (uint8_t)hop->reason,
		.mtu = (uint16_t)hop->mtu,
		.port = (uint16_t)hop->port,
		.members = members,
		.n_members = hop->kind == REF_GROUP ? hop->n_members : 0,
	};

	memcpy(spec.dmac, hop->dmac, 6);
	memcpy(spec.smac, hop->smac, 6);
	for (unsigned i = 0; i < spec.n_members; i++)
		members[i] = (struct nexthop_member){t->program->index[hop->members[i]],
						     hop->weights[i]};
	return spec;
}

bool twin_hop_set(struct twin *t, unsigned hop, const struct ref_hop *is)
{
	struct nexthop_member members[REF_MEMBERS_MAX];
	struct twin_program *p = t->program;
	struct nexthop_spec spec;

	if (!hop_allowed(t, hop, is))
		return false;
	spec = spec_of(t, is, members);
	if (t->ref.hops[hop].kind == REF_UNUSED)
		must(!tables_nexthop_new(p->tables, &spec, &p->index[hop]), "next hop refused");
	else
		must(!tables_nexthop_set(p->tables, p->index[hop], &spec),
		     "next hop's change refused");
	t->ref.hops[hop] = *is;
	changed(t);
	return true;
}

bool twin_hop_del(struct twin *t, unsigned hop)
{
	if (t->ref.hops[hop].kind == REF_UNUSED || is_used(t, hop))
		return false;
	tables_nexthop_del(t->program->tables, t->program->index[hop]);
	t->ref.hops[hop] = (struct ref_hop){0};
	changed(t);
	return true;
}

static struct ip_addr ip_addr_of(const struct ref_addr *addr)
{
	struct ip_addr ip = {.family = addr->n_bytes == 4 ? AF_INET : AF_INET6};

	memcpy(ip.bytes, addr->bytes, addr->n_bytes);
	return ip;
}

static struct prefix prefix_of(const struct ref_route *route)
{
	struct prefix p = {.family = route->addr.n_bytes == 4 ? AF_INET : AF_INET6,
			   .len = (uint8_t)route->len};

	memcpy(p.bytes, route->addr.bytes, route->addr.n_bytes);
	return p;
}

static bool same_addr(const struct ref_addr *a, const struct ref_addr *b)
{
	return a->n_bytes == b->n_bytes && memcmp(a->bytes, b->bytes, a->n_bytes) == 0;
}

bool twin_route_set(struct twin *t, const struct ref_addr *addr, unsigned len, unsigned hop)
{
	struct ref_route route = {.addr = *addr, .len = len, .hop = hop}, *place = NULL;
	struct prefix prefix;

	if (len > 8 * addr->n_bytes || t->ref.hops[hop].kind == REF_UNUSED)
		return false;
	for (unsigned i = 0; i < addr->n_bytes; i++) {
		unsigned keep = len > 8 * i ? len - 8 * i : 0;

		route.addr.bytes[i] &= (uint8_t)(keep < 8 ? 0xff00 >> keep : 0xff);
	}
	for (unsigned i = REF_ROUTES_MAX; i-- > 0;) {
		struct ref_route *other = &t->ref.routes[i];

		if (!other->addr.n_bytes && (!place || !place->addr.n_bytes))
			place = other;
		else if (same_addr(&other->addr, &route.addr) && other->len == len)
			place = other;
	}
	if (!place)
		return false;
	prefix = prefix_of(&route);
	must(!tables_route_set(t->program->tables, &prefix, t->program->index[hop]),
	     "route refused");
	*place = route;
	if (t->ref.n_routes <= (unsigned)(place - t->ref.routes))
		t->ref.n_routes = (unsigned)(place - t->ref.routes) + 1;
	changed(t);
	return true;
}

bool twin_route_del(struct twin *t, unsigned i)
{
	struct ref_route *route = &t->ref.routes[i];
	struct prefix prefix = prefix_of(route);

	if (!route->addr.n_bytes)
		return false;
	must(!tables_route_del(t->program->tables, &prefix), "route's removal refused");
	route->addr.n_bytes = 0;
	changed(t);
	return true;
}

bool twin_neighbour_set(struct twin *t, unsigned port, const struct ref_addr *addr, unsigned hop)
{
	struct ip_addr ip = ip_addr_of(addr);
	struct ref_neighbour *place = NULL;

	if (t->ref.hops[hop].kind == REF_UNUSED)
		return false;
	for (unsigned i = REF_NEIGHBOURS_MAX; i-- > 0;) {
		struct ref_neighbour *other = &t->ref.neighbours[i];

		if (!other->addr.n_bytes && (!place || !place->addr.n_bytes))
			place = other;
		else if (same_addr(&other->addr, addr) && other->port == port)
			place = other;
	}
	if (!place)
		return false;
	must(!tables_neighbour_set(t->program->tables, (uint16_t)port, &ip, t->program->index[hop]),
	     "neighbour refused");
	*place = (struct ref_neighbour){*addr, port, hop};
	if (t->ref.n_neighbours <= (unsigned)(place - t->ref.neighbours))
		t->ref.n_neighbours = (unsigned)(place - t->ref.neighbours) + 1;
	changed(t);
	return true;
}

bool twin_neighbour_del(struct twin *t, unsigned i)
{
	struct ref_neighbour *n = &t->ref.neighbours[i];
	struct ip_addr ip = ip_addr_of(&n->addr);

	if (!n->addr.n_bytes)
		return false;
	must(!tables_neighbour_del(t->program->tables, (uint16_t)n->port, &ip),
	     "neighbour's removal refused");
	n->addr.n_bytes = 0;
	changed(t);
	return true;
}

void twin_port_set(struct twin *t, unsigned port, const uint8_t mac[6], bool up)
{
	memcpy(t->ref.ports[port].mac, mac, 6);
	t->ref.ports[port].up = up;
	tables_port_set(t->program->tables, (uint16_t)port, mac, up);
	changed(t);
}

void twin_clear(struct twin *t)
{
	struct tables_stats stats;

	for (unsigned i = 0; i < REF_ROUTES_MAX; i++)
		twin_route_del(t, i);
	for (unsigned i = 0; i < REF_NEIGHBOURS_MAX; i++)
		twin_neighbour_del(t, i);
	for (unsigned i = 0; i < REF_HOPS_MAX; i++)
		if (is_group(t, i))
			twin_hop_del(t, i);
	for (unsigned i = 0; i < REF_HOPS_MAX; i++)
		twin_hop_del(t, i);
	for (unsigned i = 0; i < REF_PORTS_MAX; i++)
		twin_port_set(t, i, (uint8_t[6]){0}, false);
	t->ref.n_routes = t->ref.n_neighbours = 0;
	tables_settle(t->program->tables);
	tables_stats(t->program->tables, &stats);
	must(!stats.routes4 && !stats.routes6 && !stats.blocks4 && !stats.blocks6 &&
		     stats.nexthops == 1 && !stats.slots && !stats.neighbours,
	     "the tables keep what was removed");
}

/* ---- bursts ---- */

/* Lays the frames out; what is between them has a pattern that must stay. */
static void fill(struct twin_program *p, unsigned port, const struct twin_frame *frames, unsigned n)
{
	struct pl_burst *burst = &p->in.burst;
	size_t at = 0;

	burst->base = p->in.base;
	burst->n = n;
	burst->port = port;
	for (unsigned i = 0; i < n; i++) {
		const struct twin_frame *f = &frames[i];
		size_t first = at + 16u * (f->skip % SKIP_MAX) + HEADROOM;
		size_t end = first + (f->len > READABLE ? f->len : READABLE) + GAP;

		end = (end + 15) & ~(size_t)15;
		memset(p->in.base + at, 0xa5, first - at);
		memset(p->in.base + first + f->len, 0x5a, end - first - f->len);
		memcpy(p->in.base + first, f->bytes, f->len);
		burst->frame[i] = (uint32_t)first;
		burst->len[i] = f->len;
		burst->verdict[i] = 0xffff;
		at = end;
	}
	p->used = at;
}

static void copy_burst(struct pl_burst *to, const struct pl_burst *from)
{
	to->n = from->n;
	to->port = from->port;
	memcpy(to->frame, from->frame, from->n * sizeof(from->frame[0]));
	memcpy(to->len, from->len, from->n * sizeof(from->len[0]));
	memcpy(to->verdict, from->verdict, from->n * sizeof(from->verdict[0]));
}

/* Only what the contract says may be read is readable while the program runs. */
static void fence(const struct twin_program *p, const struct arena *a)
{
	ASAN_POISON_MEMORY_REGION(a->base, p->used);
	for (unsigned i = 0; i < a->burst.n; i++)
		ASAN_UNPOISON_MEMORY_REGION(
			a->base + a->burst.frame[i] - HEADROOM,
			HEADROOM + (a->burst.len[i] > READABLE ? a->burst.len[i] : READABLE));
}

static void run_one_by_one(const struct twin_program *p, struct pl_burst *burst)
{
	struct tables_view view = *tables_view(p->tables);

	view.used = p->marks;
	for (unsigned i = 0; i < burst->n; i++)
		burst->verdict[i] = (uint16_t)program_packet(&view, burst->base + burst->frame[i],
							     burst->len + i, burst->port);
}

static void run(struct twin_program *p, unsigned r)
{
	struct runner *runner = &p->runners[r];
	struct arena *a = &runner->out;

	a->burst.base = a->base;
	copy_burst(&a->burst, &p->in.burst);
	memcpy(a->base, p->in.base, p->used);
	if (!runner->accel || twin_accel_in_place(runner->accel))
		fence(p, a);
	if (r == ONE_BY_ONE)
		run_one_by_one(p, &a->burst);
	else if (runner->accel)
		twin_accel_run(runner->accel, &a->burst);
	else
		cpu_process(&runner->processor, &a->burst);
	ASAN_UNPOISON_MEMORY_REGION(a->base, p->used);
}

/* ---- differences ---- */

static void print_bytes(const char *title, const uint8_t *bytes, unsigned len)
{
	fprintf(stderr, "%s (%u bytes):", title, len);
	for (unsigned i = 0; i < len; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n  ", bytes[i]);
	fputc('\n', stderr);
}

static void print_verdict(const char *who, unsigned verdict, unsigned len)
{
	unsigned kind = PL_VERDICT_KIND(verdict), low = PL_VERDICT_LOW(verdict);

	if (kind == PL_VERDICT_TX)
		fprintf(stderr, "%s: out of port %u, %u bytes\n", who, low, len);
	else
		fprintf(stderr, "%s: %s, %s\n", who, kind == PL_VERDICT_PUNT ? "punted" : "dropped",
			reason_name(low) ? reason_name(low) : "for no reason that there is");
}

static uint16_t verdict_of(const struct ref_result *want)
{
	return want->fate == REF_SENT	  ? PL_VERDICT(PL_VERDICT_TX, want->port)
	       : want->fate == REF_PUNTED ? PL_VERDICT(PL_VERDICT_PUNT, want->reason)
					  : PL_VERDICT(PL_VERDICT_DROP, want->reason);
}

__attribute__((noreturn)) static void differs(const struct twin_program *p, unsigned r, unsigned i,
					      const struct ref_result *want)
{
	const struct pl_burst *in = &p->in.burst, *out = &p->runners[r].out.burst;
	const struct pl_burst *first = &p->runners[0].out.burst;

	fprintf(stderr, "frame %u of %u, received on port %u, differs\n", i, in->n, in->port);
	print_bytes("received", p->in.base + in->frame[i], in->len[i]);
	if (want) {
		print_verdict("the reference", verdict_of(want), want->len);
		if (want->fate == REF_SENT)
			print_bytes("the reference's", want->frame, want->len);
	} else {
		print_verdict(p->runners[ONE_BY_ONE].name, first->verdict[i], first->len[i]);
		print_bytes("its", p->runners[0].out.base + first->frame[i], in->len[i]);
	}
	print_verdict(p->runners[r].name, out->verdict[i], out->len[i]);
	print_bytes("its", p->runners[r].out.base + out->frame[i], in->len[i]);
	abort();
}

/* ---- the comparison ---- */

/* Whether the one-packet program made of frame `i` what is wanted. */
static bool as_wanted(const struct twin_program *p, unsigned i, const struct ref_result *want)
{
	const struct pl_burst *in = &p->in.burst, *out = &p->runners[0].out.burst;
	const uint8_t *got = p->runners[0].out.base + out->frame[i],
		      *was = p->in.base + in->frame[i];

	if (out->verdict[i] != verdict_of(want))
		return false;
	if (want->fate != REF_SENT)
		return out->len[i] == in->len[i] && memcmp(got, was, in->len[i]) == 0;
	return out->len[i] == want->len && memcmp(got, want->frame, want->len) == 0 &&
	       memcmp(got + want->len, was + want->len, in->len[i] - want->len) == 0;
}

static struct flow *flow_find(struct twin *t, const uint8_t *key)
{
	unsigned hash = 0;
	struct flow *flow;

	for (unsigned i = 0; i < sizeof(flow->key); i++)
		hash = hash * 31 + key[i];
	flow = &t->program->flows[hash % FLOWS];
	if (flow->change == t->changes && memcmp(flow->key, key, sizeof(flow->key)) == 0)
		return flow;
	/* New, or in the place of another that is forgotten. */
	memcpy(flow->key, key, sizeof(flow->key));
	flow->ways = UINT32_MAX;
	flow->change = t->changes;
	return flow;
}

/* RFC 2991 2: a flow stays on the way that it is on. Its packets may meet different fates there. */
static bool stays(struct twin *t, const struct ref_result *want, uint32_t ways)
{
	struct flow *flow = flow_find(t, want->flow);

	flow->ways &= ways;
	return flow->ways != 0;
}

static void check_frame(struct twin *t, unsigned i)
{
	struct twin_program *p = t->program;
	const struct pl_burst *in = &p->in.burst;
	unsigned n = 1;
	uint32_t ways = 0;

	for (unsigned way = 0; way < n; way++) {
		n = reference(&t->ref, in->port, p->in.base + in->frame[i], in->len[i], way,
			      &p->want);
		if (as_wanted(p, i, &p->want))
			ways |= 1u << way;
	}
	if (!ways)
		differs(p, 0, i, &p->want);
	if (p->want.by_group && !stays(t, &p->want, ways)) {
		fputs("a flow that was on another way before the next packet:\n", stderr);
		differs(p, 0, i, &p->want);
	}
}

static void count(struct twin *t, const struct pl_burst *burst)
{
	for (unsigned i = 0; i < burst->n; i++)
		if (PL_VERDICT_KIND(burst->verdict[i]) == PL_VERDICT_TX)
			t->sent++;
		else
			t->fates[PL_VERDICT_LOW(burst->verdict[i])]++;
	t->frames += burst->n;
	t->bursts++;
}

/* The headroom of a frame that is sent is lost (program/hop.h). */
static void forget_headroom(const struct arena *a)
{
	for (unsigned i = 0; i < a->burst.n; i++)
		if (PL_VERDICT_KIND(a->burst.verdict[i]) == PL_VERDICT_TX)
			memset(a->base + a->burst.frame[i] - HEADROOM, 0xa5, HEADROOM);
}

/* Nothing but the frames themselves was written to. */
static void check_gaps(const struct twin_program *p, unsigned r)
{
	const struct arena *in = &p->in, *out = &p->runners[r].out;
	size_t at = 0;

	for (unsigned i = 0; i <= in->burst.n; i++) {
		size_t end = i < in->burst.n ? in->burst.frame[i] : p->used;

		if (memcmp(in->base + at, out->base + at, end - at) != 0) {
			fprintf(stderr, "%s wrote beside frame %u:\n", p->runners[r].name, i);
			differs(p, r, i < in->burst.n ? i : i - 1, NULL);
		}
		if (i < in->burst.n)
			at = end + in->burst.len[i];
	}
}

static void check_same(const struct twin_program *p, unsigned r)
{
	const struct arena *a = &p->runners[0].out, *b = &p->runners[r].out;
	unsigned n = p->in.burst.n;

	if (b->burst.n == n && b->burst.port == p->in.burst.port &&
	    memcmp(a->burst.verdict, b->burst.verdict, n * sizeof(a->burst.verdict[0])) == 0 &&
	    memcmp(a->burst.len, b->burst.len, n * sizeof(a->burst.len[0])) == 0 &&
	    memcmp(a->base, b->base, p->used) == 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		const uint32_t at = p->in.burst.frame[i];

		if (a->burst.verdict[i] != b->burst.verdict[i] ||
		    a->burst.len[i] != b->burst.len[i] ||
		    memcmp(a->base + at, b->base + at, p->in.burst.len[i]) != 0)
			differs(p, r, i, NULL);
	}
	check_gaps(p, r);
	must(false, "a burst is not what it was");
}

static bool take_used(const struct runner *r, uint32_t index)
{
	return r->accel ? twin_accel_take_used(r->accel, index)
			: cpu_processor_take_used(&r->processor, index);
}

/* All have marked the same next hops as used. */
static void check_marks(struct twin *t)
{
	struct twin_program *p = t->program;

	for (unsigned hop = 0; hop < REF_HOPS_MAX; hop++) {
		uint32_t index = p->index[hop];

		if (t->ref.hops[hop].kind == REF_UNUSED)
			continue;
		for (unsigned r = 1; r < p->n_runners; r++)
			must(take_used(&p->runners[r], index) == p->marks[index],
			     "the programs marked different next hops as used");
		p->marks[index] = 0;
	}
}

void twin_burst_alike(struct twin *t, unsigned port, const struct twin_frame *frames, unsigned n)
{
	struct twin_program *p = t->program;

	fill(p, port, frames, n);
	for (unsigned r = 0; r < p->n_runners; r++) {
		run(p, r);
		forget_headroom(&p->runners[r].out);
	}
	check_gaps(p, 0);
	for (unsigned r = 1; r < p->n_runners; r++)
		check_same(p, r);
	check_marks(t);
	count(t, &p->runners[0].out.burst);
}

void twin_burst(struct twin *t, unsigned port, const struct twin_frame *frames, unsigned n)
{
	twin_burst_alike(t, port, frames, n);
	for (unsigned i = 0; i < n; i++)
		check_frame(t, i);
}
