/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parsers of netlink messages share. Pure functions; they read no byte beyond a message. */
#ifndef PEERLANE_KERNEL_NETLINK_PRIVATE_H
#define PEERLANE_KERNEL_NETLINK_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "netlink.h"

/* An attribute's payload; `data` NULL: absent. */
struct nl_attr {
	const void *data;
	unsigned len;
};

/* Indexes attributes by type. Those above `max` are reported by *unknown. The last of a type
 * wins, as in the kernel. Returns 0 or -EBADMSG. */
int nl_collect(const void *data, size_t len, struct nl_attr *tb, unsigned max, bool *unknown);

/* The attributes behind a message's family header of `header` bytes, or -EBADMSG. */
int nl_collect_message(const struct nlmsghdr *nlh, size_t header, struct nl_attr *tb, unsigned max,
		       bool *unknown);

static inline const void *nl_header(const struct nlmsghdr *nlh)
{
	return (const char *)nlh + NLMSG_HDRLEN;
}

/* Bytes of an address; 0: no family of ours. */
static inline unsigned nl_addr_bytes(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* Read an attribute if it is there. Return false if it is there and too short, or of another family's
 * length. */
bool nl_get_u32(const struct nl_attr *a, uint32_t *value);
bool nl_get_addr(const struct nl_attr *a, uint8_t family, struct ip_addr *addr);

/* See nl_parse(). */
int nl_parse_rule(const struct nlmsghdr *nlh, struct nl_rule *rule);

#endif
