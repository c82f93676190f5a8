/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror's replica without a kernel, for its tests: messages in, the image out. Two ports, pl0 and
 * pl1, and eth9, which is none of ours. */
#ifndef PEERLANE_TESTS_MIRROR_HELP_H
#define PEERLANE_TESTS_MIRROR_HELP_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <linux/fib_rules.h>

#include "../../router/kernel/show.h"
#include "../../router/program/reasons.h"
#include "netlink_build.h"

#define FACE0 10u
#define FACE1 11u
#define FOREIGN 12u
#define UP (IFF_UP | IFF_LOWER_UP)
#define CREATE (NLM_F_CREATE | NLM_F_EXCL)

static const uint8_t MAC0[6] = {2, 0, 0, 0, 0, 0xa0}, MAC1[6] = {2, 0, 0, 0, 0, 0xa1};
static const uint8_t PEER[6] = {2, 0, 0, 0, 0, 1}, PEER2[6] = {2, 0, 0, 0, 0, 2};

struct fixture {
	struct tables *tables;
	struct replica r;
	struct build b;
	struct nl_message msg;
	unsigned notes, asked, asked_external;
	char last_note[256];
	struct ip_addr last_asked;
};

static inline void no_readers(void)
{
}

static inline void on_note(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	f->notes++;
	snprintf(f->last_note, sizeof(f->last_note), "%s", text);
}

static inline void on_solicit(void *ctx, unsigned ifindex, const struct ip_addr *addr,
			      bool external)
{
	struct fixture *f = ctx;
	(void)ifindex;

	f->asked++;
	f->asked_external += external;
	f->last_asked = *addr;
}

static inline void apply(struct fixture *f, const struct nlmsghdr *nlh)
{
	assert_int_equal(nl_parse(nlh, &f->msg), 1);
	replica_apply(&f->r, &f->msg);
}

static inline void commit(struct fixture *f)
{
	assert_true(replica_commit(&f->r, UINT32_MAX));
}

static inline void links(struct fixture *f)
{
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", UP, 1500, MAC0));
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE1, "pl1", UP, 1500, MAC1));
	apply(f, build_link(&f->b, RTM_NEWLINK, FOREIGN, "eth9", UP, 1500, MAC1));
}

static inline int setup(void **state)
{
	static const struct mirror_port ports[] = {{"pl0", FACE0, 0}, {"pl1", FACE1, 0}};
	struct fixture *f = calloc(1, sizeof(*f));
	struct mirror_events events = {.note = on_note, .ctx = f};

	if (!f)
		return -1;
	f->tables = tables_new(no_readers, REASON_NO_ROUTE);
	if (!f->tables || replica_init(&f->r, f->tables, ports, 2, &events))
		return -1;
	f->r.solicit = on_solicit;
	f->r.solicit_ctx = f;
	links(f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	replica_fini(&f->r);
	tables_free(f->tables);
	free(f);
	return 0;
}

/* The whole sweep after a dump, in small pieces. Returns whether nothing was left to another dump. */
static inline bool sweep(struct fixture *f, bool disturbed)
{
	replica_sweep_begin(&f->r, disturbed);
	while (!replica_sweep(&f->r, 10))
		;
	return f->r.sweep.all;
}

static inline void dump_begin(struct fixture *f)
{
	replica_mark(&f->r);
	f->r.dumping = true;
	links(f);
}

static inline void dump_end(struct fixture *f)
{
	f->r.dumping = false;
	assert_true(sweep(f, false));
	commit(f);
}

/* ---- what the image says ---- */

static inline const struct nexthop *lookup(struct fixture *f, const char *text)
{
	struct ip_addr addr;

	assert_int_equal(ip_addr_parse(text, &addr), 0);
	return &tables_view(f->tables)->nexthops[tables_image_lookup(f->tables, &addr)];
}

static inline void expect(struct fixture *f, const char *text, uint32_t kind, uint32_t reason)
{
	const struct nexthop *nh = lookup(f, text);

	assert_int_equal(NEXTHOP_KIND(nh->info), kind);
	if (kind == NEXTHOP_PUNT || kind == NEXTHOP_DROP)
		assert_int_equal(NEXTHOP_REASON(nh->info), reason);
}

static inline void expect_forward(struct fixture *f, const char *text, unsigned port,
				  const uint8_t *mac, unsigned mtu)
{
	const struct nexthop *nh = lookup(f, text);
	uint64_t dmac = nh->dmac >> 16, smac = nh->smac;

	assert_int_equal(NEXTHOP_KIND(nh->info), NEXTHOP_FORWARD);
	assert_int_equal(NEXTHOP_PORT(nh->info), port);
	assert_int_equal(NEXTHOP_MTU(nh->info), mtu);
	assert_memory_equal(&dmac, mac, 6);
	assert_memory_equal(&smac, f->r.ports[port].mac, 6);
}

static inline void via(struct fixture *f, uint16_t type, uint16_t flags, uint32_t metric,
		       const char *gateway, unsigned ifindex)
{
	apply(f, build_via(&f->b, type, flags, "10.9.0.0", 16, metric, gateway, ifindex));
}

static inline void neighbour(struct fixture *f, const char *addr, unsigned ifindex, uint16_t state,
			     const uint8_t *mac)
{
	apply(f, build_neighbour(&f->b, RTM_NEWNEIGH, ifindex, addr, state, mac));
}

/* ---- more messages ---- */

static inline void expect_doubt(struct fixture *f, bool doubt)
{
	assert_int_equal(f->r.doubt, doubt);
	f->r.doubt = false;
}

static inline void address(struct fixture *f, uint16_t type, unsigned ifindex, const char *addr)
{
	struct nlmsghdr *nlh = build_begin(&f->b, type, 0);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = 24;
	ifa->ifa_index = ifindex;
	build_addr(nlh, IFA_ADDRESS, addr);
	build_addr(nlh, IFA_LOCAL, addr);
	apply(f, nlh);
}

static inline void object(struct fixture *f, uint16_t type, uint32_t id, const char *gateway)
{
	struct nlmsghdr *nlh = build_begin(&f->b, type, 0);
	struct nhmsg *nhm = mnl_nlmsg_put_extra_header(nlh, sizeof(*nhm));

	nhm->nh_family = AF_INET;
	mnl_attr_put_u32(nlh, NHA_ID, id);
	build_addr(nlh, NHA_GATEWAY, gateway);
	mnl_attr_put_u32(nlh, NHA_OIF, FACE0);
	apply(f, nlh);
}

static inline void group_of(struct fixture *f, uint32_t id, uint32_t member)
{
	struct nlmsghdr *nlh = build_begin(&f->b, RTM_NEWNEXTHOP, 0);
	const struct nexthop_grp grp = {.id = member};

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nhmsg));
	mnl_attr_put_u32(nlh, NHA_ID, id);
	mnl_attr_put(nlh, NHA_GROUP, sizeof(grp), &grp);
	apply(f, nlh);
}

static inline void over_object(struct fixture *f, const char *dst, uint32_t id)
{
	struct nlmsghdr *nlh = build_route(&f->b, RTM_NEWROUTE, CREATE, RTN_UNICAST, dst, 24, 0);

	mnl_attr_put_u32(nlh, RTA_NH_ID, id);
	apply(f, nlh);
}

static inline void rule(struct fixture *f, uint16_t type, uint8_t family, uint32_t priority,
			uint32_t table, const char *from)
{
	struct nlmsghdr *nlh = build_begin(&f->b, type, 0);
	struct fib_rule_hdr *hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));

	hdr->family = family;
	hdr->table = (uint8_t)table;
	hdr->action = FR_ACT_TO_TBL;
	hdr->src_len = from ? 32 : 0;
	mnl_attr_put_u32(nlh, FRA_TABLE, table);
	mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, priority);
	if (from)
		build_addr(nlh, FRA_SRC, from);
	apply(f, nlh);
}

static inline void default_rules(struct fixture *f, uint16_t type)
{
	rule(f, type, AF_INET, 0, RT_TABLE_LOCAL, NULL);
	rule(f, type, AF_INET, 32766, RT_TABLE_MAIN, NULL);
	rule(f, type, AF_INET, 32767, RT_TABLE_DEFAULT, NULL);
}

#endif
