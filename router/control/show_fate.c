/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of a packet to an address, and why. The verdict is that of the packet program itself
 * on a packet made for the purpose; the why is the mirror's. */
#include "show.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PROBE_BYTES 64u /* a frame: Ethernet, IP, a few bytes more */

struct fate {
	bool known; /* false: no port is up, nothing can come in */
	uint16_t verdict;
	uint8_t dmac[6];
};

/* ---- the packet ---- */

static uint16_t ipv4_checksum(const uint8_t *header)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* UDP without a port of note, from an address for documentation (RFC 5737, RFC 3849), as it would
 * come in for `mac`. */
static void make_probe(uint8_t *frame, const uint8_t mac[6], const struct ip_addr *addr)
{
	static const uint8_t source4[4] = {192, 0, 2, 254};
	static const uint8_t source6[4] = {0x20, 0x01, 0x0d, 0xb8};
	uint8_t *ip = frame + 14;
	uint16_t sum;

	memset(frame, 0, PROBE_BYTES);
	memcpy(frame, mac, 6);
	frame[6] = 0x02; /* a locally administered sender */
	if (addr->family == AF_INET) {
		frame[12] = 0x08;
		ip[0] = 0x45;
		ip[3] = PROBE_BYTES - 14; /* total length */
		ip[8] = 64;		  /* TTL */
		ip[9] = 17;
		memcpy(ip + 12, source4, 4);
		memcpy(ip + 16, addr->bytes, 4);
		sum = ipv4_checksum(ip);
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
	} else {
		frame[12] = 0x86;
		frame[13] = 0xdd;
		ip[0] = 0x60;
		ip[5] = PROBE_BYTES - 14 - 40; /* payload length */
		ip[6] = 17;
		ip[7] = 64; /* hop limit */
		memcpy(ip + 8, source6, 4);
		memcpy(ip + 24, addr->bytes, 16);
	}
}

/* Runs the packet program on a packet that comes in on the first port that is up. The control
 * thread changes the tables itself, so it reads them without being registered as a reader. */
static struct fate find_fate(const struct router *router, const struct ip_addr *addr)
{
	const struct tables_view *view = tables_view(router->tables);
	_Alignas(64) uint8_t buffer[PL_FRAME_OFFSET + PROBE_BYTES];
	struct pl_burst *burst;
	struct fate fate = {0};
	unsigned port;

	for (port = 0; port < router->n_ports; port++)
		if (view->ports[port].mac & 0xffff)
			break;
	if (port == router->n_ports)
		return fate;
	burst = calloc(1, sizeof(*burst));
	if (!burst)
		return fate;
	/* Bits 16 to 63 of the word are the MAC in wire order, on a little-endian machine. */
	make_probe(buffer + PL_FRAME_OFFSET, (const uint8_t *)&view->ports[port].mac + 2, addr);
	burst->base = buffer;
	burst->n = 1;
	burst->port = port;
	burst->frame[0] = PL_FRAME_OFFSET;
	burst->len[0] = PROBE_BYTES;
	cpu_process(&router->probe, burst);
	fate.known = true;
	fate.verdict = burst->verdict[0];
	memcpy(fate.dmac, buffer + PL_FRAME_OFFSET, 6);
	free(burst);
	return fate;
}

/* ---- the sentence ---- */

struct text {
	char buf[640];
	size_t len;
};

static void say(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text->buf + text->len, sizeof(text->buf) - text->len, fmt, args);
	va_end(args);
	if (n > 0)
		text->len += (size_t)n;
	if (text->len >= sizeof(text->buf))
		text->len = sizeof(text->buf) - 1;
}

/* "matches 10.2.0.0/24 (unicast, connected on pl1)" */
static void say_route(struct text *text, const struct mirror_route *route)
{
	char prefix[PREFIX_STRLEN], gateway[PREFIX_STRLEN];
	const struct mirror_hop *hop = route->n_hops ? &route->hops[0] : NULL;

	say(text, "it matches %s (%s", prefix_print(&route->prefix, prefix), route->type);
	if (route->n_hops > 1)
		say(text, ", %u next hops", route->n_hops);
	else if (hop && hop->gateway.family)
		say(text, " via %s on %s", ip_addr_print(&hop->gateway, gateway), hop->device);
	else if (hop && hop->device[0])
		say(text, " on %s", hop->device);
	say(text, ")");
}

static void say_fate(struct text *text, const struct router *router, const struct fate *fate,
		     bool group)
{
	unsigned low = PL_VERDICT_LOW(fate->verdict);
	const uint8_t *m = fate->dmac;

	switch (PL_VERDICT_KIND(fate->verdict)) {
	case PL_VERDICT_TX:
		say(text, "forwarded out of %s to %02x:%02x:%02x:%02x:%02x:%02x%s",
		    low < router->n_ports ? router->ports[low].name : "no port", m[0], m[1], m[2],
		    m[3], m[4], m[5], group ? ", or to another of the group, by its flow" : "");
		break;
	case PL_VERDICT_PUNT:
		say(text, "passed to the kernel: %s", reason_text(low) ? reason_text(low) : "?");
		break;
	default:
		say(text, "dropped: %s", reason_text(low) ? reason_text(low) : "?");
	}
}

/* ---- the answer ---- */

/* The verdict of the tables alone, for when no packet can come in. */
static const char *verdict_of(const struct mirror_nexthop *via)
{
	return !strcmp(via->kind, "drop")   ? "drop"
	       : !strcmp(via->kind, "punt") ? "punt"
					    : "forward";
}

static json_t *describe(const struct router *router, const struct ip_addr *addr,
			const struct fate *fate, const struct mirror_explanation *e, bool routed)
{
	static const char *const words[] = {"forward", "punt", "drop"};
	unsigned kind = PL_VERDICT_KIND(fate->verdict), low = PL_VERDICT_LOW(fate->verdict);
	bool forwarded = fate->known && kind == PL_VERDICT_TX;
	bool stopped = fate->known && kind != PL_VERDICT_TX;
	char address[PREFIX_STRLEN];
	struct text text = {.len = 0};

	say(&text, "A packet to %s ", ip_addr_print(addr, address));
	if (fate->known) {
		say(&text, "is ");
		say_fate(&text, router, fate, routed && !strcmp(e->via.kind, "group"));
		say(&text, "; ");
	} else {
		say(&text, "cannot come in, for no port is up; ");
	}
	if (routed)
		say_route(&text, &e->route);
	else
		say(&text, "no route matches");
	say(&text, ".");
	return json_pack(
		"{s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "address", address, "verdict",
		fate->known && kind < 3 ? words[kind]
		: routed		? verdict_of(&e->via)
					: "punt",
		"reason", stopped ? reason_name(low) : NULL, "port",
		forwarded ? show_port_name(router, (int)low) : json_null(), "dmac",
		forwarded ? show_mac(fate->dmac) : json_null(), "text", show_text(text.buf),
		"route", routed ? show_kernel_route(router, &e->route) : json_null(), "nexthop",
		routed ? show_nexthop_row(router, &e->via) : json_null(), "neighbor",
		routed && e->neighbour.index ? show_nexthop_row(router, &e->neighbour)
					     : json_null());
}

json_t *show_fate(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	const char *word = json_string_value(json_object_get(args, "address"));
	struct mirror_explanation e = {0};
	struct ip_addr addr;
	struct fate fate;
	bool routed;

	if (!word || ip_addr_parse(word, &addr)) {
		*code = EINVAL;
		pl_error_set(err, -EINVAL, "such as 192.0.2.1 or 2001:db8::1",
			     "\"%.60s\": not an address", word ? word : "");
		return NULL;
	}
	fate = find_fate(router, &addr);
	routed = mirror_explain(router->mirror, &addr, &e) == 0;
	return show_or_fail(describe(router, &addr, &fate, &e, routed), code, err);
}
