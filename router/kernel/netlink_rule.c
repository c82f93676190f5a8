/* SPDX-License-Identifier: BSD-2-Clause */
/* Policy rules: what must be known to tell those that every system has from all others, and, of the
 * others, the text that `ip rule` would print. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "netlink_private.h"

/* Of the flags only those that the rule was given: others tell whether its interfaces are there. */
static uint64_t rule_id(const struct nlmsghdr *nlh)
{
	struct fib_rule_hdr hdr = *(const struct fib_rule_hdr *)nl_header(nlh);
	const char *attrs = (const char *)nl_header(nlh) + NLMSG_ALIGN(sizeof(hdr));
	const char *end = (const char *)nlh + nlh->nlmsg_len;

	hdr.flags &= FIB_RULE_INVERT;
	return hash_bytes(hash_bytes(0, &hdr, sizeof(hdr)), attrs,
			  attrs < end ? (size_t)(end - attrs) : 0);
}

/* ---- as text ---- */

struct text {
	char *at;
	size_t room;
};

/* Appends; what does not fit is cut off. */
static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, t->room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= t->room)
		n = (int)t->room - 1;
	t->at += n;
	t->room -= (size_t)n;
}

static void put_prefix(struct text *t, const char *word, uint8_t family, const struct nl_attr *a,
		       uint8_t len)
{
	struct ip_addr addr = {.family = family};
	char text[PREFIX_STRLEN];
	struct prefix p;

	if (!nl_get_addr(a, family, &addr))
		return;
	p = prefix_make(family, addr.bytes, len);
	put(t, " %s %s", word, len ? prefix_print(&p, text) : "all");
}

/* A name of the kernel's: at most 15 bytes, printable. */
static void put_name(struct text *t, const char *word, const struct nl_attr *a)
{
	if (!a->data)
		return;
	put(t, " %s ", word);
	for (unsigned i = 0; i < a->len && i < 15; i++) {
		char c = ((const char *)a->data)[i];

		if (!c)
			break;
		put(t, "%c", c > ' ' && c <= '~' ? c : '?');
	}
}

static void put_mark(struct text *t, const struct nl_attr *tb)
{
	uint32_t mark = 0, mask = UINT32_MAX;

	if (!tb[FRA_FWMARK].data || !nl_get_u32(&tb[FRA_FWMARK], &mark) ||
	    !nl_get_u32(&tb[FRA_FWMASK], &mask))
		return;
	put(t, " fwmark 0x%x", mark);
	if (mask != UINT32_MAX)
		put(t, "/0x%x", mask);
}

/* Two numbers of `bytes` each. */
static void put_range(struct text *t, const char *word, const struct nl_attr *a, size_t bytes)
{
	uint32_t first = 0, last = 0;
	uint16_t small[2];

	if (!a->data || a->len < 2 * bytes)
		return;
	if (bytes == sizeof(uint16_t)) {
		memcpy(small, a->data, sizeof(small));
		first = small[0];
		last = small[1];
	} else {
		memcpy(&first, a->data, sizeof(first));
		memcpy(&last, (const char *)a->data + bytes, sizeof(last));
	}
	put(t, " %s %u", word, first);
	if (last != first)
		put(t, "-%u", last);
}

static void put_action(struct text *t, const struct fib_rule_hdr *hdr, const struct nl_attr *tb,
		       uint32_t table)
{
	static const char *const names[] = {
		[FR_ACT_NOP] = "nop",
		[FR_ACT_BLACKHOLE] = "blackhole",
		[FR_ACT_UNREACHABLE] = "unreachable",
		[FR_ACT_PROHIBIT] = "prohibit",
	};
	uint32_t target = 0;

	if (hdr->action == FR_ACT_GOTO && nl_get_u32(&tb[FRA_GOTO], &target))
		put(t, " goto %u", target);
	else if (hdr->action < sizeof(names) / sizeof(names[0]) && names[hdr->action])
		put(t, " %s", names[hdr->action]);
	else if (tb[FRA_L3MDEV].data)
		put(t, " lookup [l3mdev-table]");
	else if (hdr->action == FR_ACT_TO_TBL && table == RT_TABLE_MAIN)
		put(t, " lookup main");
	else if (hdr->action == FR_ACT_TO_TBL && table == RT_TABLE_LOCAL)
		put(t, " lookup local");
	else if (hdr->action == FR_ACT_TO_TBL && table == RT_TABLE_DEFAULT)
		put(t, " lookup default");
	else if (hdr->action == FR_ACT_TO_TBL)
		put(t, " lookup %u", table);
	else
		put(t, " action %u", hdr->action);
}

static void put_selectors(struct text *t, const struct fib_rule_hdr *hdr, const struct nl_attr *tb)
{
	uint32_t suppress = UINT32_MAX;

	put_prefix(t, "from", hdr->family, &tb[FRA_SRC], hdr->src_len);
	if (hdr->dst_len)
		put_prefix(t, "to", hdr->family, &tb[FRA_DST], hdr->dst_len);
	if (hdr->tos)
		put(t, " tos 0x%x", hdr->tos);
	put_mark(t, tb);
	put_name(t, "iif", &tb[FRA_IIFNAME]);
	put_name(t, "oif", &tb[FRA_OIFNAME]);
	put_range(t, "uidrange", &tb[FRA_UID_RANGE], sizeof(uint32_t));
	if (tb[FRA_IP_PROTO].data && tb[FRA_IP_PROTO].len)
		put(t, " ipproto %u", *(const uint8_t *)tb[FRA_IP_PROTO].data);
	put_range(t, "sport", &tb[FRA_SPORT_RANGE], sizeof(uint16_t));
	put_range(t, "dport", &tb[FRA_DPORT_RANGE], sizeof(uint16_t));
	if (nl_get_u32(&tb[FRA_SUPPRESS_PREFIXLEN], &suppress) && suppress != UINT32_MAX)
		put(t, " suppress_prefixlength %u", suppress);
}

/* ---- parsing ---- */

/* Whether it says nothing but priority, table and who made it. */
static bool is_plain(const struct fib_rule_hdr *hdr, const struct nl_attr *tb, uint32_t suppress)
{
	if (hdr->src_len || hdr->dst_len || hdr->tos || hdr->flags || suppress != UINT32_MAX)
		return false;
	for (unsigned type = 1; type <= FRA_MAX; type++)
		if (tb[type].data && type != FRA_TABLE && type != FRA_PRIORITY &&
		    type != FRA_PROTOCOL && type != FRA_SUPPRESS_PREFIXLEN)
			return false;
	return true;
}

int nl_parse_rule(const struct nlmsghdr *nlh, struct nl_rule *rule)
{
	const struct fib_rule_hdr *hdr = nl_header(nlh);
	struct text text = {rule->text, sizeof(rule->text)};
	struct nl_attr tb[FRA_MAX + 1];
	uint32_t suppress = UINT32_MAX; /* -1: nothing */
	bool unknown = false;

	if (nl_collect_message(nlh, sizeof(*hdr), tb, FRA_MAX, &unknown))
		return -EBADMSG;
	if (!nl_addr_bytes(hdr->family))
		return 0;
	if (!nl_get_u32(&tb[FRA_SUPPRESS_PREFIXLEN], &suppress) ||
	    hdr->src_len > 8 * nl_addr_bytes(hdr->family) ||
	    hdr->dst_len > 8 * nl_addr_bytes(hdr->family))
		return -EBADMSG;
	rule->table = hdr->table;
	if (!nl_get_u32(&tb[FRA_TABLE], &rule->table) ||
	    !nl_get_u32(&tb[FRA_PRIORITY], &rule->priority))
		return -EBADMSG;
	rule->family = hdr->family;
	rule->action = hdr->action;
	rule->id = rule_id(nlh);
	rule->plain = !unknown && is_plain(hdr, tb, suppress);
	put(&text, "%u:%s", rule->priority, hdr->flags & FIB_RULE_INVERT ? " not" : "");
	put_selectors(&text, hdr, tb);
	put_action(&text, hdr, tb, rule->table);
	if (unknown)
		put(&text, " (and more)");
	return 1;
}
