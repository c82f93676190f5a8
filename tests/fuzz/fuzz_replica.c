/* SPDX-License-Identifier: BSD-2-Clause */
/* The netlink mirror's replica, fed with messages in any order, true, forged or torn.
 *
 * The input is a list of commands: messages built field by field as the kernel would, of few
 * interfaces, addresses and ids, so that they meet; the same with some bytes changed; raw bytes; and
 * commits, ticks and dumps at any moment. However confused the replica is then, a dump of a whole
 * kernel must make it and its tables equal to ones that have seen nothing but that dump, and a dump
 * of an empty kernel must leave nothing behind. */
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/kernel/show.h"
#include "../../router/program/reasons.h"
#include "../../router/tables/private.h"
#include "fuzz.h"

#define FACE0 10u
#define FACE1 11u
#define DEVICE1 12u  /* under FACE1 */
#define IFINDEXES 5u /* from FACE0 on; what is behind DEVICE1 is not ours */
#define UP (IFF_UP | IFF_LOWER_UP)

#define MESSAGE_MAX 1024u
#define KERNEL_MAX 64u

struct message {
	_Alignas(8) char bytes[MESSAGE_MAX + 512];
};

/* A replica with tables of its own. The tables stay from input to input: they are empty in
 * between. */
struct side {
	struct tables *tables;
	struct replica r;
};

static struct side torn, fresh;
/* The tables of `torn`, and others that are soon full. */
static struct tables *roomy, *cramped;
static struct message kernel[KERNEL_MAX]; /* what it would dump */
static unsigned n_kernel;
static struct nl_message parsed;

static void must(int ok)
{
	if (!ok)
		abort();
}

static void no_readers(void)
{
}

static void on_note(void *ctx, const char *text)
{
	(void)ctx;
	must(text[0] != '\0');
}

static void on_device(void *ctx, unsigned port, const struct mirror_device *now)
{
	(void)ctx;
	must(port == 1 && (!now->carrier || (now->present && now->admin_up)));
}

static void on_solicit(void *ctx, unsigned ifindex, const struct ip_addr *addr, bool external)
{
	(void)ctx, (void)external;
	must((ifindex == FACE0 || ifindex == FACE1) && addr->family);
}

static struct tables *new_tables(bool small)
{
	static const struct tables_limits limits = {
		.blocks4 = 3, .last4 = 1, .blocks6 = 8, .nexthops = 10, .slots = 256};

	return small ? tables_new_limited(no_readers, REASON_NO_ROUTE, &limits)
		     : tables_new(no_readers, REASON_NO_ROUTE);
}

static void side_begin(struct side *s)
{
	static const struct mirror_port ports[] = {
		{.name = "pl0", .face_ifindex = FACE0},
		{.name = "pl1", .device = "if12", .face_ifindex = FACE1, .device_ifindex = DEVICE1},
	};
	const struct mirror_events events = {.device_changed = on_device, .note = on_note};

	must(s->tables && !replica_init(&s->r, s->tables, ports, 2, &events));
	s->r.solicit = on_solicit;
}

static void sweep(struct replica *r)
{
	replica_sweep_begin(r, false);
	while (!replica_sweep(r, 10))
		;
}

/* An empty kernel: everything goes. Taking a route away may need a block that full tables lack; then
 * the next ticks try again (rib.c), when the others have left room. */
static void side_end(struct side *s)
{
	struct tables_stats stats;
	uint64_t now_ms = UINT32_MAX;
	unsigned tries = 0;

	s->r.dumping = false;
	do {
		replica_mark(&s->r);
		sweep(&s->r);
		must(replica_commit(&s->r, UINT32_MAX));
		replica_tick(&s->r, now_ms += 1000);
		must(replica_commit(&s->r, UINT32_MAX));
		tables_stats(s->tables, &stats);
	} while (s->tables == cramped && stats.routes4 + stats.routes6 > 0 && ++tries < 64);
	must(!stats.routes4 && !stats.routes6 && !stats.blocks4 && !stats.blocks6 &&
	     stats.nexthops == 1 && !stats.slots && !stats.neighbours);
	must(!s->r.stats.routes && !s->r.stats.neighbours && !s->r.stats.nexthops);
	replica_fini(&s->r);
}

/* ---- messages ---- */

static uint32_t read_ifindex(struct fuzz_input *in)
{
	return FACE0 + fuzz_u8(in) % IFINDEXES;
}

/* One of few addresses of a family into `bytes`; returns how long it is. */
static unsigned read_address(struct fuzz_input *in, uint8_t family, uint8_t bytes[16])
{
	uint8_t which = fuzz_u8(in);

	memset(bytes, 0, 16);
	if (family == AF_INET) {
		memcpy(bytes, (uint8_t[]){10, which >> 6, which >> 4 & 3, which & 15}, 4);
		return 4;
	}
	memcpy(bytes, which & 0x80 ? (uint8_t[]){0xfe, 0x80} : (uint8_t[]){0x20, 0x01}, 2);
	bytes[5] = which >> 4 & 7;
	bytes[15] = which & 15;
	return 16;
}

static void put_address(struct nlmsghdr *nlh, uint16_t type, uint8_t family, struct fuzz_input *in)
{
	uint8_t bytes[16];
	unsigned len = read_address(in, family, bytes);

	mnl_attr_put(nlh, type, len, bytes);
}

static uint8_t read_family(struct fuzz_input *in)
{
	return fuzz_u8(in) & 1 ? AF_INET6 : AF_INET;
}

static struct nlmsghdr *begin(struct message *m, uint16_t new_type, bool del)
{
	struct nlmsghdr *nlh;

	memset(m, 0, sizeof(*m));
	nlh = mnl_nlmsg_put_header(m->bytes);
	nlh->nlmsg_type = (uint16_t)(new_type + del); /* RTM_DEL* follows RTM_NEW* */
	return nlh;
}

static void put_link(struct message *m, bool del, uint32_t ifindex, unsigned flags, unsigned mtu,
		     uint8_t mac)
{
	struct nlmsghdr *nlh = begin(m, RTM_NEWLINK, del);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	const uint8_t address[6] = {2, 0, 0, 0, 1, mac};
	char name[16];

	snprintf(name, sizeof(name), "if%u", ifindex);
	ifi->ifi_index = (int)ifindex;
	ifi->ifi_flags = flags;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, address);
}

static void read_link(struct fuzz_input *in, bool del, struct message *m)
{
	static const unsigned mtus[] = {1500, 1400, 68, 9000, 0, 65535, 65536, UINT32_MAX};
	static const unsigned flags[] = {UP, IFF_UP, IFF_LOWER_UP, 0};
	uint32_t ifindex = read_ifindex(in);
	uint8_t how = fuzz_u8(in);

	put_link(m, del, ifindex, flags[how & 3], mtus[how >> 2 & 7], how >> 5);
}

static void read_addr(struct fuzz_input *in, bool del, struct message *m)
{
	struct nlmsghdr *nlh = begin(m, RTM_NEWADDR, del);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = read_family(in);
	ifa->ifa_index = read_ifindex(in);
	ifa->ifa_prefixlen = fuzz_u8(in) % (ifa->ifa_family == AF_INET ? 33 : 129);
	put_address(nlh, IFA_ADDRESS, ifa->ifa_family, in);
	if (fuzz_u8(in) & 1)
		put_address(nlh, IFA_LOCAL, ifa->ifa_family, in);
}

static void read_neighbour(struct fuzz_input *in, bool del, struct message *m)
{
	static const uint16_t states[] = {NUD_NONE,   NUD_INCOMPLETE, NUD_REACHABLE,
					  NUD_STALE,  NUD_DELAY,      NUD_PROBE,
					  NUD_FAILED, NUD_NOARP,      NUD_PERMANENT};
	struct nlmsghdr *nlh = begin(m, RTM_NEWNEIGH, del);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	uint8_t mac[6] = {2, 0, 0, 0, 2};
	uint8_t how;

	ndm->ndm_family = read_family(in);
	ndm->ndm_ifindex = (int)read_ifindex(in);
	ndm->ndm_state = states[fuzz_u8(in) % (sizeof(states) / sizeof(states[0]))];
	put_address(nlh, NDA_DST, ndm->ndm_family, in);
	how = fuzz_u8(in);
	mac[5] = how & 3;
	mac[0] |= how >> 6 == 3; /* a group's: of NOARP entries */
	if (how & 4)
		mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
}

static void read_nexthop(struct fuzz_input *in, bool del, struct message *m)
{
	struct nlmsghdr *nlh = begin(m, RTM_NEWNEXTHOP, del);
	struct nhmsg *nhm = mnl_nlmsg_put_extra_header(nlh, sizeof(*nhm));
	struct nexthop_grp group[8];
	unsigned how, n;

	nhm->nh_family = read_family(in);
	mnl_attr_put_u32(nlh, NHA_ID, 1 + fuzz_u8(in) % 8);
	how = fuzz_u8(in);
	if (how & 1) {
		n = 1 + (how >> 1) % 8;
		memset(group, 0, sizeof(group));
		for (unsigned i = 0; i < n; i++) {
			group[i].id = 1 + fuzz_u8(in) % 8;
			group[i].weight = fuzz_u8(in);
		}
		mnl_attr_put(nlh, NHA_GROUP, n * sizeof(group[0]), group);
		return;
	}
	if (how & 2)
		mnl_attr_put(nlh, NHA_BLACKHOLE, 0, NULL);
	if (how & 4)
		mnl_attr_put_u32(nlh, NHA_OIF, read_ifindex(in));
	if (how & 8)
		put_address(nlh, NHA_GATEWAY, nhm->nh_family, in);
	if (how & 16)
		mnl_attr_put_u16(nlh, NHA_ENCAP_TYPE, 1);
}

/* Gateway, or one of the other family, or none. */
static void put_gateway(struct nlmsghdr *nlh, uint8_t family, struct fuzz_input *in)
{
	uint8_t how = fuzz_u8(in), via[18] = {AF_INET6};

	if (how & 1) {
		put_address(nlh, RTA_GATEWAY, family, in);
	} else if (how & 2) {
		read_address(in, AF_INET6, via + 2);
		mnl_attr_put(nlh, RTA_VIA, sizeof(via), via);
	}
	if (how >> 4 == 15)
		mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
}

static void put_multipath(struct nlmsghdr *nlh, uint8_t family, struct fuzz_input *in)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	unsigned n = 1 + fuzz_u8(in) % 6;

	for (unsigned i = 0; i < n; i++) {
		struct rtnexthop *rtnh = mnl_nlmsg_get_payload_tail(nlh);

		rtnh->rtnh_hops = fuzz_u8(in) & 3;
		rtnh->rtnh_ifindex = (int)read_ifindex(in);
		nlh->nlmsg_len += sizeof(*rtnh);
		put_gateway(nlh, family, in);
		rtnh->rtnh_len =
			(unsigned short)((char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)rtnh);
	}
	mnl_attr_nest_end(nlh, nest);
}

static void put_hops(struct nlmsghdr *nlh, uint8_t family, struct fuzz_input *in)
{
	struct nlattr *nest;
	uint8_t how = fuzz_u8(in);

	switch (how & 3) {
	case 0:
		put_gateway(nlh, family, in);
		/* fall through */
	case 1:
		mnl_attr_put_u32(nlh, RTA_OIF, read_ifindex(in));
		break;
	case 2:
		put_multipath(nlh, family, in);
		break;
	default:
		mnl_attr_put_u32(nlh, RTA_NH_ID, 1 + fuzz_u8(in) % 8);
	}
	if (how & 4) {
		nest = mnl_attr_nest_start(nlh, RTA_METRICS);
		mnl_attr_put_u32(nlh, RTAX_MTU, fuzz_u8(in) * 400u);
		mnl_attr_nest_end(nlh, nest);
	}
	if (how & 8)
		put_address(nlh, RTA_PREFSRC, family, in);
}

static void read_route(struct fuzz_input *in, bool del, struct message *m)
{
	static const uint16_t flags[] = {0,
					 NLM_F_CREATE,
					 NLM_F_CREATE | NLM_F_EXCL,
					 NLM_F_REPLACE,
					 NLM_F_CREATE | NLM_F_REPLACE,
					 NLM_F_CREATE | NLM_F_APPEND,
					 NLM_F_APPEND,
					 NLM_F_APPEND | NLM_F_REPLACE};
	static const uint8_t lens[] = {0, 8,  16, 24, 30, 32,  32,  32,
				       0, 10, 16, 48, 64, 126, 128, 128};
	static const uint8_t tables[] = {RT_TABLE_MAIN, RT_TABLE_MAIN, RT_TABLE_LOCAL, 100};
	struct nlmsghdr *nlh = begin(m, RTM_NEWROUTE, del);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	uint8_t how = fuzz_u8(in), more = fuzz_u8(in);

	nlh->nlmsg_flags = flags[how >> 5];
	rtm->rtm_family = how & 1 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = lens[(how & 1) * 8 + (how >> 1 & 7)];
	rtm->rtm_table = tables[more & 3];
	rtm->rtm_protocol =
		(uint8_t[]){RTPROT_STATIC, RTPROT_KERNEL, RTPROT_RA, RTPROT_BOOT}[more >> 2 & 3];
	rtm->rtm_type = more & 0x80 ? (uint8_t)(fuzz_u8(in) % (RTN_MAX + 2)) : RTN_UNICAST;
	rtm->rtm_tos = more >> 4 == 7;
	mnl_attr_put_u32(nlh, RTA_TABLE, rtm->rtm_table);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, (how >> 4 & 1) + 1);
	if (rtm->rtm_dst_len)
		put_address(nlh, RTA_DST, rtm->rtm_family, in);
	if (rtm->rtm_type == RTN_UNICAST || more & 0x40)
		put_hops(nlh, rtm->rtm_family, in);
}

static void read_rule(struct fuzz_input *in, bool del, struct message *m)
{
	static const uint32_t priorities[] = {0, 32766, 32767, 100};
	static const uint8_t tables[] = {RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT, 100};
	struct nlmsghdr *nlh = begin(m, RTM_NEWRULE, del);
	struct fib_rule_hdr *hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));
	uint8_t how = fuzz_u8(in);

	hdr->family = how & 1 ? AF_INET6 : AF_INET;
	hdr->action = how & 0x80 ? FR_ACT_UNREACHABLE : FR_ACT_TO_TBL;
	hdr->table = tables[how >> 1 & 3];
	mnl_attr_put_u32(nlh, FRA_TABLE, hdr->table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, priorities[how >> 3 & 3]);
	if (how & 0x20)
		mnl_attr_put_u32(nlh, FRA_FWMARK, 1);
}

static void (*const readers[])(struct fuzz_input *, bool, struct message *) = {
	read_link, read_addr, read_nexthop, read_neighbour, read_route, read_route, read_rule,
};
#define READERS (sizeof(readers) / sizeof(readers[0]))

/* ---- applying ---- */

/* Returns nl_parse()'s. */
static int apply(struct side *s, const struct message *m)
{
	const struct nlmsghdr *nlh = (const void *)m->bytes;
	void *exact = malloc(nlh->nlmsg_len); /* so that a sanitizer sees a step too far */
	int rc;

	must(exact != NULL);
	memcpy(exact, nlh, nlh->nlmsg_len);
	rc = nl_parse(exact, &parsed);
	free(exact);
	if (rc == 1)
		replica_apply(&s->r, &parsed);
	return rc;
}

/* Whether two messages speak of the same thing, of which a kernel has one: a link by its index, a
 * neighbour by interface and address, a next hop by its id. (Of routes there may be several alike.) */
static bool same_thing(const struct message *a, const struct message *b)
{
	const char *x = a->bytes, *y = b->bytes;
	/* The first attribute is the address or the id; the same length for the same family. */
	size_t attr = NLMSG_HDRLEN + sizeof(struct ndmsg), ifindex = NLMSG_HDRLEN + 4;

	if (((const struct nlmsghdr *)x)->nlmsg_type != ((const struct nlmsghdr *)y)->nlmsg_type)
		return false;
	switch (((const struct nlmsghdr *)x)->nlmsg_type) {
	case RTM_NEWLINK:
		return !memcmp(x + ifindex, y + ifindex, 4);
	case RTM_NEWNEIGH:
		return x[NLMSG_HDRLEN] == y[NLMSG_HDRLEN] && !memcmp(x + ifindex, y + ifindex, 4) &&
		       !memcmp(x + attr, y + attr, x[NLMSG_HDRLEN] == AF_INET ? 8 : 20);
	case RTM_NEWNEXTHOP:
		attr = NLMSG_HDRLEN + sizeof(struct nhmsg);
		return !memcmp(x + attr, y + attr, 8);
	default:
		return false;
	}
}

/* The kernel has this now. */
static void remember(const struct message *m)
{
	for (unsigned i = 0; i < n_kernel; i++) {
		if (same_thing(&kernel[i], m)) {
			kernel[i] = *m;
			return;
		}
	}
	if (n_kernel < KERNEL_MAX)
		kernel[n_kernel++] = *m;
}

static void one_message(struct fuzz_input *in, uint8_t command)
{
	struct message m;
	struct nlmsghdr *nlh = (void *)m.bytes;
	bool del = command & 0x10;

	readers[command % READERS](in, del, &m);
	if (command & 0x20) { /* torn */
		unsigned n = 1 + fuzz_u8(in) % 4;

		for (; n > 0; n--)
			m.bytes[NLMSG_HDRLEN + fuzz_u16(in) % (nlh->nlmsg_len - NLMSG_HDRLEN)] =
				(char)fuzz_u8(in);
	} else if (!del) {
		remember(&m);
	}
	apply(&torn, &m);
}

static void raw_message(struct fuzz_input *in)
{
	struct message m = {0};
	struct nlmsghdr *nlh = (void *)m.bytes;
	size_t left = (size_t)(in->end - in->at), len = fuzz_u16(in) % (MESSAGE_MAX - NLMSG_HDRLEN);

	if (len > left)
		len = left;
	nlh->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len);
	nlh->nlmsg_type = (uint16_t)(RTM_BASE + fuzz_u8(in) % 96);
	for (size_t i = 0; i < len; i++)
		m.bytes[NLMSG_HDRLEN + i] = (char)fuzz_u8(in);
	apply(&torn, &m);
}

/* One of the kernel's messages again, or that what it says is no more. */
static void known_message(uint8_t which, bool del)
{
	struct message *m = &kernel[which % KERNEL_MAX];
	struct message gone;

	if (which % KERNEL_MAX >= n_kernel)
		return;
	if (!del) {
		apply(&torn, m);
		return;
	}
	gone = *m;
	((struct nlmsghdr *)gone.bytes)->nlmsg_type++; /* RTM_DEL* follows RTM_NEW* */
	*m = kernel[--n_kernel];
	apply(&torn, &gone);
}

static void other_command(struct fuzz_input *in, uint8_t command, uint64_t *now_ms)
{
	switch (command % 8) {
	case 0:
		replica_commit(&torn.r, fuzz_u8(in));
		break;
	case 1:
		replica_commit_stale(&torn.r, fuzz_u8(in));
		break;
	case 2:
		*now_ms += fuzz_u16(in);
		replica_tick(&torn.r, *now_ms);
		break;
	case 3: /* a dump, whenever */
		replica_mark(&torn.r);
		torn.r.dumping = true;
		break;
	case 4:
		torn.r.dumping = false;
		sweep(&torn.r);
		break;
	case 5:
		torn.r.overlapped = !torn.r.overlapped;
		break;
	case 6:
		known_message(fuzz_u8(in), command & 8);
		break;
	default:
		raw_message(in);
	}
}

/* What every kernel has: the ports' faces and what is under them, up. */
static void dump_links(struct side *s)
{
	struct message m;

	for (unsigned i = 0; i < IFINDEXES; i++) {
		put_link(&m, false, FACE0 + i, UP, 1500, (uint8_t)i);
		must(apply(s, &m) == 1);
	}
}

/* A dump of the kernel, kind by kind in the order of the mirror. */
static void dump(struct side *s)
{
	static const uint16_t order[] = {RTM_NEWLINK,	 RTM_NEWADDR,  RTM_NEWNEIGH,
					 RTM_NEWNEXTHOP, RTM_NEWROUTE, RTM_NEWRULE};

	replica_mark(&s->r);
	s->r.dumping = true;
	s->r.overlapped = false;
	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (unsigned i = 0; i < n_kernel; i++)
			if (((struct nlmsghdr *)kernel[i].bytes)->nlmsg_type == order[k])
				apply(s, &kernel[i]);
		if (order[k] == RTM_NEWLINK)
			dump_links(s);
	}
	s->r.dumping = false;
	sweep(&s->r);
	must(replica_commit(&s->r, UINT32_MAX));
}

/* ---- comparing ---- */

static const struct nexthop *nexthop_of(const struct side *s, uint32_t index)
{
	return &tables_view(s->tables)->nexthops[index];
}

/* Next hops by what they do, wherever they lie. */
static void check_nexthops(uint32_t index_a, uint32_t index_b)
{
	const struct nexthop *a = nexthop_of(&torn, index_a), *b = nexthop_of(&fresh, index_b);

	must(NEXTHOP_KIND(a->info) == NEXTHOP_KIND(b->info));
	if (NEXTHOP_KIND(a->info) == NEXTHOP_GROUP)
		return; /* by its members */
	must(a->info == b->info);
	if (NEXTHOP_KIND(a->info) == NEXTHOP_FORWARD)
		must(a->dmac == b->dmac && a->smac == b->smac);
}

static void check_members(const struct mirror_nexthop *a, const struct mirror_nexthop *b)
{
	must(a->n_members == b->n_members);
	for (unsigned i = 0; i < a->n_members; i++) {
		must(a->members[i].weight == b->members[i].weight);
		check_nexthops(a->members[i].nexthop, b->members[i].nexthop);
	}
}

static void check_address(const struct ip_addr *addr)
{
	static struct mirror_hop hops_a[MIRROR_HOPS_MAX], hops_b[MIRROR_HOPS_MAX];
	struct mirror_explanation a, b;
	uint32_t matched = 0;
	struct prefix p;
	int rc = replica_explain(&torn.r, addr, hops_a, &a);

	must(rc == replica_explain(&fresh.r, addr, hops_b, &b));
	/* The image says what the record of routes says. */
	if (tables_route_match(torn.tables, addr, &p, &matched))
		matched = 0;
	must(a.nexthop == matched);
	check_nexthops(a.nexthop, b.nexthop);
	check_members(&a.via, &b.via);
	must((a.neighbour.index != 0) == (b.neighbour.index != 0));
	if (a.neighbour.index)
		check_nexthops(a.neighbour.index, b.neighbour.index);
	if (rc)
		return;
	must(prefix_equal(&a.route.prefix, &b.route.prefix) && a.route.type == b.route.type &&
	     a.route.table == b.route.table && a.route.metric == b.route.metric &&
	     a.route.protocol == b.route.protocol && a.route.mtu == b.route.mtu &&
	     a.route.nh_id == b.route.nh_id && a.route.n_hops == b.route.n_hops &&
	     a.route.installed == b.route.installed &&
	     (!a.route.installed || a.route.nexthop == a.nexthop));
}

/* Of the 256 addresses of each family that messages name, every 19th from `from` on. */
static void check_all(unsigned from)
{
	struct replica *a = &torn.r, *b = &fresh.r;

	must(a->stats.routes == b->stats.routes && a->stats.neighbours == b->stats.neighbours &&
	     a->stats.nexthops == b->stats.nexthops &&
	     a->stats.unsupported == b->stats.unsupported);
	for (unsigned which = from % 19; which < 512; which += 19) {
		uint8_t number = (uint8_t)which;
		struct fuzz_input in = {&number, &number + 1};
		struct ip_addr addr = {.family = which < 256 ? AF_INET : AF_INET6};

		read_address(&in, addr.family, addr.bytes);
		check_address(&addr);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	uint64_t now_ms = 1000;
	bool full;

	if (!roomy) {
		roomy = new_tables(false);
		cramped = new_tables(true);
		fresh.tables = new_tables(false);
	}
	n_kernel = 0;
	/* What does not fit is not followed, and then equal to nothing. */
	full = fuzz_u8(&in) & 1;
	torn.tables = full ? cramped : roomy;
	side_begin(&torn);
	side_begin(&fresh);
	dump_links(&torn);
	while (in.at < in.end) {
		uint8_t command = fuzz_u8(&in);

		if (command < 0xc0)
			one_message(&in, command);
		else
			other_command(&in, command, &now_ms);
	}
	dump(&torn);
	/* That there has once been an IPv4 rule no dump tells (rib.c local_first()). */
	if (torn.r.split4)
		routes_split4(&fresh.r);
	dump(&fresh);
	if (!full)
		check_all((unsigned)size);
	side_end(&torn);
	side_end(&fresh);
	return 0;
}
