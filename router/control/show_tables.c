/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes, neighbours and next hops, as the mirror has them. */
#include "show.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* As iproute2's rt_protos says. */
static const char *protocol_name(unsigned protocol, char number[12])
{
	switch (protocol) {
	case RTPROT_REDIRECT:
		return "redirect";
	case RTPROT_KERNEL:
		return "kernel";
	case RTPROT_BOOT:
		return "boot";
	case RTPROT_STATIC:
		return "static";
	case RTPROT_RA:
		return "ra";
	case RTPROT_ZEBRA:
		return "zebra";
	case RTPROT_BIRD:
		return "bird";
	case RTPROT_DHCP:
		return "dhcp";
	case RTPROT_BGP:
		return "bgp";
	case RTPROT_ISIS:
		return "isis";
	case RTPROT_OSPF:
		return "ospf";
	case RTPROT_RIP:
		return "rip";
	case RTPROT_EIGRP:
		return "eigrp";
	}
	snprintf(number, 12, "%u", protocol);
	return number;
}

/* ---- rows ---- */

json_t *show_hop(const struct router *router, const struct mirror_hop *hop)
{
	bool resolved = hop->state && !strcmp(hop->state, "resolved");

	return json_pack("{s:o, s:o, s:o, s:i, s:b, s:s, s:o}", "gateway", show_addr(&hop->gateway),
			 "device", show_text(hop->device), "port",
			 show_port_name(router, hop->port), "weight", (int)hop->weight, "usable",
			 hop->usable, "state", hop->state ? hop->state : "", "mac",
			 resolved ? show_mac(hop->mac) : json_null());
}

json_t *show_kernel_route(const struct router *router, const struct mirror_route *route)
{
	char prefix[PREFIX_STRLEN], number[12];
	json_t *hops = json_array();

	for (unsigned i = 0; i < route->n_hops; i++)
		json_array_append_new(hops, show_hop(router, &route->hops[i]));
	return json_pack("{s:s, s:s, s:i, s:I, s:s, s:i, s:I, s:b, s:o, s:o}", "prefix",
			 prefix_print(&route->prefix, prefix), "type", route->type, "table",
			 (int)route->table, "metric", (json_int_t)route->metric, "protocol",
			 protocol_name(route->protocol, number), "mtu", (int)route->mtu,
			 "nexthop_id", (json_int_t)route->nh_id, "installed", route->installed,
			 "nexthop", route->installed ? json_integer(route->nexthop) : json_null(),
			 "hops", hops);
}

json_t *show_nexthop_row(const struct router *router, const struct mirror_nexthop *nexthop)
{
	bool forward = !strcmp(nexthop->kind, "forward");
	json_t *members = json_array();

	for (unsigned i = 0; i < nexthop->n_members; i++)
		json_array_append_new(members,
				      json_pack("{s:I, s:I}", "nexthop",
						(json_int_t)nexthop->members[i].nexthop, "weight",
						(json_int_t)nexthop->members[i].weight));
	return json_pack("{s:I, s:s, s:s?, s:o, s:o, s:i, s:o, s:o, s:o, s:I}", "nexthop",
			 (json_int_t)nexthop->index, "kind", nexthop->kind, "reason",
			 nexthop->reason, "address", show_addr(&nexthop->addr), "port",
			 show_port_name(router, nexthop->port), "mtu", (int)nexthop->mtu, "dmac",
			 forward ? show_mac(nexthop->dmac) : json_null(), "smac",
			 forward ? show_mac(nexthop->smac) : json_null(), "members", members,
			 "references", (json_int_t)nexthop->references);
}

/* ---- listings ---- */

struct listing {
	struct show_page page;
	const struct router *router;
	uint8_t family; /* 0: both */
	bool filtered;
	struct prefix within;
};

static bool add_route(void *ctx, const struct mirror_route *route)
{
	struct listing *l = ctx;

	if ((l->family && route->prefix.family != l->family) ||
	    (l->filtered && (route->prefix.family != l->within.family ||
			     !prefix_covers(&l->within, &route->prefix))))
		show_page_pass(&l->page);
	else
		show_page_add(&l->page, show_kernel_route(l->router, route), 1 + route->n_hops);
	return show_page_has_room(&l->page);
}

/* Says what is wrong with a word that is no prefix. */
static int bad_prefix(const char *word, struct pl_error *err)
{
	char addr_word[PREFIX_STRLEN], text[PREFIX_STRLEN], remedy[PREFIX_STRLEN + 24];
	struct ip_addr addr;
	struct prefix meant;
	unsigned len;
	int end = 0;

	if (sscanf(word, "%63[^/]/%3u%n", addr_word, &len, &end) == 2 && !word[end] &&
	    !ip_addr_parse(addr_word, &addr) && len <= (addr.family == AF_INET ? 32 : 128)) {
		meant = prefix_make(addr.family, addr.bytes, (uint8_t)len);
		snprintf(remedy, sizeof(remedy), "did you mean %s?", prefix_print(&meant, text));
		return pl_error_set(err, -EINVAL, remedy,
				    "\"%.60s\": host bits are set behind the first %u", word, len);
	}
	return pl_error_set(err, -EINVAL, "such as 192.0.2.0/24 or 2001:db8::/32",
			    "\"%.60s\": not a prefix", word);
}

static int read_route_filters(struct listing *l, json_t *args, struct pl_error *err)
{
	json_t *family = json_object_get(args, "family");
	json_t *prefix = json_object_get(args, "prefix");
	const char *word = json_string_value(family);

	if (family) {
		if (word && !strcmp(word, "ipv4"))
			l->family = AF_INET;
		else if (word && !strcmp(word, "ipv6"))
			l->family = AF_INET6;
		else
			return pl_error_set(err, -EINVAL, "use \"ipv4\" or \"ipv6\"",
					    "\"family\" is neither ipv4 nor ipv6");
	}
	if (prefix) {
		word = json_is_string(prefix) ? json_string_value(prefix) : "prefix";
		l->filtered = true;
		if (!json_is_string(prefix) || prefix_parse(word, &l->within))
			return bad_prefix(word, err);
		if (l->family && l->family != l->within.family)
			return pl_error_set(err, -EINVAL, "leave one of the two out",
					    "\"%.60s\": not an IPv%c prefix", word,
					    l->family == AF_INET ? '4' : '6');
	}
	return 0;
}

json_t *show_routes(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	struct listing l = {.router = router};
	int rc = read_route_filters(&l, args, err);

	if (!rc)
		rc = show_page_begin(&l.page, args, err);
	if (rc) {
		*code = -rc;
		return NULL;
	}
	l.page.next = l.page.skip;
	l.page.full = !mirror_each_route(router->mirror, &l.page.next, add_route, &l);
	return show_or_fail(show_page_end(&l.page, "routes"), code, err);
}

static bool add_neighbour(void *ctx, const struct mirror_neighbour *n)
{
	struct listing *l = ctx;
	char addr[PREFIX_STRLEN];
	json_t *used_ago_ms;

	if (!show_page_wants(&l->page))
		return !l->page.full;
	used_ago_ms = n->used_ms ? json_integer((json_int_t)(router_now_ms() - n->used_ms))
				 : json_null();
	return show_page_add(&l->page,
			     json_pack("{s:s, s:s, s:o, s:o, s:b, s:s, s:o}", "address",
				       ip_addr_print(&n->addr, addr), "device", n->device, "port",
				       show_port_name(l->router, n->port), "mac",
				       n->usable ? show_mac(n->mac) : json_null(), "usable",
				       n->usable, "state", n->state, "used_ago_ms", used_ago_ms),
			     1);
}

json_t *show_neighbours(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	struct listing l = {.router = router};
	int rc = show_page_begin(&l.page, args, err);

	if (rc) {
		*code = -rc;
		return NULL;
	}
	mirror_each_neighbour(router->mirror, add_neighbour, &l);
	return show_or_fail(show_page_end(&l.page, "neighbors"), code, err);
}

static bool add_nexthop(void *ctx, const struct mirror_nexthop *nexthop)
{
	struct listing *l = ctx;

	if (!show_page_wants(&l->page))
		return !l->page.full;
	return show_page_add(&l->page, show_nexthop_row(l->router, nexthop),
			     1 + nexthop->n_members / 4);
}

json_t *show_nexthops(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	struct listing l = {.router = router};
	int rc = show_page_begin(&l.page, args, err);

	if (rc) {
		*code = -rc;
		return NULL;
	}
	mirror_each_nexthop(router->mirror, add_nexthop, &l);
	return show_or_fail(show_page_end(&l.page, "nexthops"), code, err);
}
