/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program over a burst, in passes: check headers and gather keys, look up all, rewrite.
 *
 * Compiled once per instruction set (lanes.h), PASSES_ISA being the end of its names. The
 * vectors only ever accept: a packet whose headers are ordinary in every respect becomes a key; all
 * others go through program_packet() one by one. Likewise what leads to an ordinary next hop is
 * rewritten at once and the rest goes through ipv4_route() or ipv6_route(). So there is one
 * definition of every fate, and vectors decide only what is plainly forwarded. */
#include "passes.h"

#include "../tables/lanes.h"
#include "packet.h"

#define NAME(function) LANES_NAME(function, PASSES_ISA)

/* Packets ahead of the one being worked on. The checks stall on nothing but the frame itself, so
 * they ask for it early; the rewrite finds frames warm and needs next hops. */
#define PREFETCH_FRAME 32u
#define PREFETCH_NEXTHOP 8u

/* Up to LANES packets that are checked together. */
struct group {
	const uint8_t *base;
	const uint32_t *frame; /* LANES offsets, all valid */
	uint32_t first;	       /* place in the burst */
	lanemask mask;	       /* those that count */
	lanes len;
};

static lanemask group_ether(const struct group *g, uint64_t port_mac, lanes *type)
{
	lanes word[4];

	lanes_words4(g->base, g->frame, AT_DMAC, word);
	*type = word[3] >> 16;
	return lanes_eq(word[0] >> 16, lanes_set((uint32_t)port_mac >> 16)) &
	       lanes_eq(word[1], lanes_set((uint32_t)(port_mac >> 32)));
}

static void keys_add(uint32_t *list, uint32_t n, lanes v, lanemask mask)
{
	if (mask == LANES_ALL)
		lanes_store(list + n, v);
	else
		lanes_pack(list + n, v, mask);
}

/* Appends those packets of `mask` that are ordinary IPv4 to the keys; returns their mask. */
static lanemask group_ipv4(const struct group *g, lanemask mask, struct keys *keys)
{
	const lanes halves = lanes_set(0xffff);
	lanes word[4], dst, dst_host, src_first, dst_first, total_len, sum, ttl_less, size;

	lanes_words4(g->base, g->frame, AT_IP, word);
	dst = lanes_word(g->base, g->frame, AT_IPV4_DST);
	dst_host = lanes_swap32(dst);
	src_first = word[3] & 0xff;
	dst_first = dst & 0xff;
	total_len = lanes_swap16(word[0] >> 16);

	/* see ipv4_sum() */
	sum = (word[0] & halves) + (word[0] >> 16) + (word[1] & halves) + (word[1] >> 16) +
	      (word[2] & halves) + (word[2] >> 16) + (word[3] & halves) + (word[3] >> 16) +
	      (dst & halves) + (dst >> 16);
	sum = (sum & halves) + (sum >> 16);

	mask &= lanes_eq(word[0] & 0xff, lanes_set(0x45)) & lanes_eq(sum, halves);
	mask &= lanes_below(lanes_set(IPV4_LEN - 1), total_len) &
		lanes_below(total_len + (ETHER_LEN - 1), g->len);
	mask &= lanes_below(src_first, lanes_set(0xe0)) & lanes_below(dst_first, lanes_set(0xe0));
	mask &= ~(lanes_eq(src_first, lanes_set(127)) | lanes_eq(dst_first, lanes_set(127)) |
		  lanes_eq(word[3], lanes_set(0)) | lanes_eq(dst, lanes_set(0)));
	if (!mask)
		return 0;

	/* ipv4_ttl_less() without a branch: one more where the checksum wraps. */
	ttl_less = word[2] + 0xffff + ((((word[2] >> 16) + 2) >> 16) << 16);
	size = total_len | (((word[2] & 0xfe) - 1) >> 31) * KEY_LAST_HOP;
	keys_add(keys->at, keys->n, lanes_count(g->first), mask);
	keys_add(keys->dst, keys->n, dst_host, mask);
	keys_add(keys->size, keys->n, size, mask);
	keys_add(keys->word, keys->n, ttl_less, mask);
	keys->n += (uint32_t)__builtin_popcount(mask);
	return mask;
}

/* The same for IPv6. Addresses whose first 64 bits are zero are not ordinary: the unspecified, the
 * loopback and the v4-mapped ones are among them. */
static lanemask group_ipv6(const struct group *g, lanemask mask, struct keys *keys)
{
	lanes head[4], mid[4], ip_len, hop_limit, size;

	lanes_words4(g->base, g->frame, AT_IP, head);
	lanes_words4(g->base, g->frame, AT_IP + 16, mid);
	ip_len = lanes_swap16(head[1] & 0xffff) + IPV6_LEN;
	hop_limit = head[1] >> 24;

	mask &= lanes_eq(head[0] & 0xf0, lanes_set(0x60));
	mask &= lanes_below(ip_len + (ETHER_LEN - 1), g->len);
	mask &= ~(lanes_eq(head[1] & 0xff0000, lanes_set(IP_HOP_BY_HOP)) |
		  lanes_eq(head[2] & 0xff, lanes_set(0xff)) |
		  lanes_eq(mid[2] & 0xff, lanes_set(0xff)) |
		  lanes_eq(head[2] & 0xc0ff, lanes_set(0x80fe)) |
		  lanes_eq(mid[2] & 0xc0ff, lanes_set(0x80fe)) |
		  lanes_eq(head[2] | head[3], lanes_set(0)) |
		  lanes_eq(mid[2] | mid[3], lanes_set(0)));
	if (!mask)
		return 0;

	size = ip_len | (((hop_limit & 0xfe) - 1) >> 31) * KEY_LAST_HOP;
	keys_add(keys->at, keys->n, lanes_count(g->first), mask);
	keys_add(keys->dst, keys->n, lanes_swap32(mid[2]), mask);
	keys_add(keys->dst2, keys->n, lanes_swap32(mid[3]), mask);
	keys_add(keys->size, keys->n, size, mask);
	keys_add(keys->word, keys->n, head[1] - 0x01000000u, mask);
	keys->n += (uint32_t)__builtin_popcount(mask);
	return mask;
}

/* Checks one group: keys for the ordinary packets, verdicts for the others. */
static void check_group(struct passes_scratch *scratch, const struct tables_view *view,
			struct pl_burst *burst, const struct group *g)
{
	uint64_t port_mac = PL_LOAD64(&view->ports[burst->port].mac);
	lanemask ours, odd = g->mask;
	lanes type;

	ours = group_ether(g, port_mac, &type) & g->mask;
	if (port_mac & 0xffff) {
		lanemask v4 = ours & lanes_eq(type, lanes_set(ETHER_IPV4));
		lanemask v6 = ours & lanes_eq(type, lanes_set(ETHER_IPV6));

		if (v4)
			odd &= ~group_ipv4(g, v4, &scratch->v4);
		if (v6)
			odd &= ~group_ipv6(g, v6, &scratch->v6);
	}
	for (; odd; odd &= odd - 1) {
		uint32_t i = g->first + (uint32_t)__builtin_ctz(odd);

		burst->verdict[i] = (uint16_t)program_packet(view, burst->base + burst->frame[i],
							     burst->len + i, burst->port);
	}
}

/* Checks packets `first` to `end` of the burst. */
static void check(struct passes_scratch *scratch, const struct tables_view *view,
		  struct pl_burst *burst, uint32_t first, uint32_t end)
{
	struct group g = {.base = burst->base, .mask = LANES_ALL};
	uint32_t frame[LANES];
	uint16_t len[LANES];
	uint32_t i;

	scratch->v4.n = 0;
	scratch->v6.n = 0;
	for (i = first; i + LANES <= end; i += LANES) {
		for (uint32_t k = i + PREFETCH_FRAME; k < i + PREFETCH_FRAME + LANES; k++)
			if (k < burst->n)
				__builtin_prefetch(burst->base + burst->frame[k], 1);
		g.frame = burst->frame + i;
		g.first = i;
		g.len = lanes_load16(burst->len + i);
		check_group(scratch, view, burst, &g);
	}
	if (i == end)
		return;

	/* What does not fill a group is filled up with its first packet. */
	for (uint32_t k = 0; k < LANES; k++) {
		frame[k] = burst->frame[i + k < end ? i + k : i];
		len[k] = burst->len[i + k < end ? i + k : i];
	}
	g.frame = frame;
	g.first = i;
	g.mask = ((lanemask)1 << (end - i)) - 1;
	g.len = lanes_load16(len);
	check_group(scratch, view, burst, &g);
}

/* The rest of route6_lookup() for the packets whose keys do not decide it. */
static void lookup_ipv6_slow(const struct tables_view *view, const struct pl_burst *burst,
			     struct keys *keys)
{
	for (uint32_t k = 0; k < keys->n; k++) {
		const uint8_t *frame = burst->base + burst->frame[keys->at[k]];

		if (keys->nexthop[k] & TRIE_CHILD)
			keys->nexthop[k] = route6_lookup(view, swap64(frame64(frame, AT_IPV6_DST)),
							 swap64(frame64(frame, AT_IPV6_DST + 8)));
	}
}

static void lookup(const struct tables_view *view, const struct pl_burst *burst,
		   struct passes_scratch *scratch)
{
	struct keys *v4 = &scratch->v4, *v6 = &scratch->v6;

	NAME(lookup4_cold_)(view, v4->dst, v4->nexthop, v4->n);
	if (NAME(lookup6_cold_)(view, v6->dst, v6->dst2, v6->nexthop, v6->n))
		lookup_ipv6_slow(view, burst, v6);
}

/* True if the hop forwards packets of `size` without further question. */
static inline bool hop_is_plain(struct hop hop, uint32_t size)
{
	return NEXTHOP_KIND(hop.info) == NEXTHOP_FORWARD && size <= hop.mtu;
}

/* Rewrites what is plainly forwarded; the rest takes ipv4_route(). Works with a view of its own, of
 * which the compiler sees that no store to a frame changes it. */
static void rewrite_ipv4(const struct tables_view *view, struct pl_burst *burst,
			 const struct keys *keys)
{
	const struct tables_view own = *view;

	for (uint32_t k = 0; k < keys->n; k++) {
		uint32_t i = keys->at[k];
		uint8_t *frame = burst->base + burst->frame[i];
		struct hop hop = hop_at(&own, keys->nexthop[k]);

		__builtin_prefetch(own.nexthops + keys->nexthop[k + PREFETCH_NEXTHOP]);
		if (__builtin_expect(hop_is_plain(hop, keys->size[k]), 1)) {
			frame32_set(frame, AT_IPV4_TTL, keys->word[k]);
			burst->len[i] = (uint16_t)(ETHER_LEN + keys->size[k]);
			burst->verdict[i] = (uint16_t)hop_rewrite(&own, hop, frame, ETHER_IPV4);
		} else {
			struct header header = header_of(frame);

			burst->verdict[i] = (uint16_t)ipv4_route(view, &header, frame,
								 burst->len + i, keys->nexthop[k]);
		}
	}
}

static void rewrite_ipv6(const struct tables_view *view, struct pl_burst *burst,
			 const struct keys *keys)
{
	const struct tables_view own = *view;

	for (uint32_t k = 0; k < keys->n; k++) {
		uint32_t i = keys->at[k];
		uint8_t *frame = burst->base + burst->frame[i];
		struct hop hop = hop_at(&own, keys->nexthop[k]);

		__builtin_prefetch(own.nexthops + keys->nexthop[k + PREFETCH_NEXTHOP]);
		if (__builtin_expect(hop_is_plain(hop, keys->size[k]), 1)) {
			frame32_set(frame, AT_IPV6_LEN, keys->word[k]);
			burst->len[i] = (uint16_t)(ETHER_LEN + keys->size[k]);
			burst->verdict[i] = (uint16_t)hop_rewrite(&own, hop, frame, ETHER_IPV6);
		} else {
			struct header header = header_of(frame);

			burst->verdict[i] = (uint16_t)ipv6_route(view, &header, frame,
								 burst->len + i, keys->nexthop[k]);
		}
	}
}

void NAME(passes_)(struct passes_scratch *scratch, const struct tables_view *view,
		   struct pl_burst *burst)
{
	for (uint32_t first = 0; first < burst->n; first += PASS_PACKETS) {
		uint32_t end = first + PASS_PACKETS < burst->n ? first + PASS_PACKETS : burst->n;

		check(scratch, view, burst, first, end);
		lookup(view, burst, scratch);
		rewrite_ipv4(view, burst, &scratch->v4);
		rewrite_ipv6(view, burst, &scratch->v6);
	}
}
