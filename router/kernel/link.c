/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces: the faces of our ports, the devices underneath, and all others. */
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "replica.h"

static uint64_t link_hash(uint32_t ifindex)
{
	return hash_bytes(0, &ifindex, sizeof(ifindex));
}

struct link *link_find(const struct replica *r, uint32_t ifindex)
{
	struct hash_node *node = hash_find(&r->links, link_hash(ifindex));

	for (; node; node = hash_find_next(node)) {
		struct link *link = CONTAINER(node, struct link, node);

		if (link->is.ifindex == ifindex)
			return link;
	}
	return NULL;
}

/* Asked for ports by ifindex before a link is known too: routes may come first. */
int link_port(const struct replica *r, uint32_t ifindex)
{
	const struct link *link = link_find(r, ifindex);

	if (link)
		return link->port;
	for (unsigned i = 0; i < r->n_ports; i++)
		if (r->ports[i].face_ifindex == ifindex)
			return (int)i;
	return -1;
}

static struct link *link_new(struct replica *r, uint32_t ifindex)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->is.ifindex = ifindex;
	link->port = -1;
	link->device_port = -1;
	for (unsigned i = 0; i < r->n_ports; i++) {
		if (r->ports[i].face_ifindex == ifindex)
			link->port = (int)i;
		if (r->ports[i].device_ifindex == ifindex)
			link->device_port = (int)i;
	}
	hash_add(&r->links, &link->node, link_hash(ifindex));
	return link;
}

/* Takes over what is known of a port's face. `is` NULL: it is gone. */
static void face_changed(struct replica *r, unsigned index, const struct nl_link *is)
{
	struct port *p = &r->ports[index];
	bool first = !p->present;
	bool mac_changed = is && memcmp(p->mac, is->mac, sizeof(p->mac)) != 0;
	bool mtu_changed = is && p->mtu != is->mtu;

	p->present = is != NULL;
	p->admin_up = is && is->flags & IFF_UP;
	p->running = is && is->flags & IFF_LOWER_UP;
	if (is) {
		memcpy(p->mac, is->mac, sizeof(p->mac));
		p->mtu = is->mtu;
	}
	tables_port_set(r->tables, (uint16_t)index, p->mac, p->admin_up);
	if (mac_changed || mtu_changed)
		adjacencies_port_changed(r, index);
	if (first)
		return;
	if (mac_changed && r->events.face_mac_changed)
		r->events.face_mac_changed(r->events.ctx, index, p->mac);
	if (mtu_changed && r->events.face_mtu_changed)
		r->events.face_mtu_changed(r->events.ctx, index, p->mtu);
}

void link_set_face(struct replica *r, unsigned index, uint32_t ifindex)
{
	struct link *former = link_find(r, r->ports[index].face_ifindex);
	struct link *link = link_find(r, ifindex);

	if (r->ports[index].face_ifindex == ifindex)
		return;
	r->ports[index].face_ifindex = ifindex;
	/* What is still to be heard of the former one, such as its end, is not the port's. */
	if (former)
		former->port = -1;
	if (!link)
		return; /* it will be heard of: link_new() */
	link->port = (int)index;
	face_changed(r, index, &link->is);
	paths_link_changed(r, ifindex);
	/* Of interfaces that are not ours not everything is kept. */
	r->doubt = true;
}

static bool device_same(const struct mirror_device *a, const struct mirror_device *b)
{
	return a->present == b->present && a->admin_up == b->admin_up && a->carrier == b->carrier &&
	       a->ifindex == b->ifindex && a->mtu == b->mtu &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

void link_set_carrier(struct replica *r, unsigned index, bool carrier)
{
	struct port *p = &r->ports[index];

	if (p->carrier == carrier)
		return;
	p->carrier = carrier;
	paths_link_changed(r, p->face_ifindex);
}

/* Takes over what is known of a port's device. `is` NULL: it is gone. */
static void device_changed(struct replica *r, unsigned index, const struct nl_link *is)
{
	struct port *p = &r->ports[index];
	struct mirror_device now = p->device_is;

	now.present = is != NULL;
	now.admin_up = is && is->flags & IFF_UP;
	now.carrier = now.admin_up && is->flags & IFF_LOWER_UP;
	if (is) {
		now.ifindex = is->ifindex;
		now.mtu = is->mtu;
		memcpy(now.mac, is->mac, sizeof(now.mac));
		memcpy(p->device, is->name, sizeof(p->device));
	}
	if (p->device_heard && device_same(&p->device_is, &now))
		return;
	p->device_heard = true;
	p->device_is = now;
	link_set_carrier(r, index, now.carrier);
	if (r->events.device_changed)
		r->events.device_changed(r->events.ctx, index, &now);
}

/* Makes the link a port's device if it has the name of one that is gone. */
static void take_place(struct replica *r, struct link *link)
{
	for (unsigned i = 0; i < r->n_ports; i++) {
		struct port *p = &r->ports[i];

		if (!p->device_heard || p->device_is.present ||
		    strncmp(p->device_name, link->is.name, sizeof(p->device_name)) != 0)
			continue;
		p->device_ifindex = link->is.ifindex;
		link->device_port = (int)i;
	}
}

/* A port's device is gone: perhaps another of its name has been heard of before. */
static void find_successor(struct replica *r, unsigned index)
{
	struct hash_node *node, *next;

	HASH_EACH_SAFE(&r->links, node, next)
	{
		struct link *link = CONTAINER(node, struct link, node);

		if (link->device_port >= 0)
			continue;
		take_place(r, link);
		if (link->device_port == (int)index)
			device_changed(r, index, &link->is);
	}
}

/* A face that belongs to a bridge or a VRF: the kernel treats what it receives otherwise than we. */
static void check_master(struct replica *r, const struct link *link, uint32_t former)
{
	const struct link *master = link_find(r, link->is.master);

	if (link->port < 0 || link->is.master == former)
		return;
	if (link->is.master)
		replica_say(
			r,
			"%s now belongs to %s, which is not followed: its packets are forwarded "
			"by the tables local and main all the same",
			link->is.name, master ? master->is.name : "another interface");
	else
		replica_say(r, "%s belongs to no other interface any more", link->is.name);
}

static void link_gone(struct replica *r, struct link *link)
{
	int device_port = link->device_port;
	uint32_t ifindex = link->is.ifindex;

	/* The link stays known as a downed one while its paths are looked at. */
	link->is.flags = 0;
	if (link->port >= 0)
		face_changed(r, (unsigned)link->port, NULL);
	if (device_port >= 0)
		device_changed(r, (unsigned)device_port, NULL);
	paths_link_changed(r, ifindex);
	hash_del(&r->links, &link->node);
	free(link);
	if (device_port >= 0)
		find_successor(r, (unsigned)device_port);
}

/* IPv4 routes and next hop objects go with their link, the latter out of their groups too, and IPv6
 * hops die; not all of that is said. What the kernel makes
 * itself for IPv6 it also tells of. */
static bool dies_unsaid(const struct route *route)
{
	return route->entry->prefix.family == AF_INET || route->protocol != RTPROT_KERNEL;
}

void link_apply(struct replica *r, const struct nl_message *msg)
{
	const uint32_t matters = IFF_UP | IFF_LOWER_UP;
	struct link *link = link_find(r, msg->link.ifindex);
	uint32_t changed, former_master;
	bool first = !link;

	r->audit.spoilt = r->audit.spoilt || !r->dumping;
	if (msg->del) {
		if (!link)
			return;
		link_gone(r, link);
		/* The kernel has told of all routes that went with it but these, if any. */
		if (!r->doubt)
			r->doubt = paths_lead_out(r, msg->link.ifindex, NULL) ||
				   objects_lead_out(r, msg->link.ifindex);
		return;
	}
	if (!link)
		link = link_new(r, msg->link.ifindex);
	if (!link) {
		replica_no_memory(r);
		return;
	}
	changed = (link->is.flags ^ msg->link.flags) & matters;
	former_master = link->is.master;
	link->is = msg->link;
	check_master(r, link, former_master);
	link->generation = r->generation[NL_LINK];
	if (link->port >= 0)
		face_changed(r, (unsigned)link->port, &link->is);
	if (link->device_port < 0)
		take_place(r, link);
	if (link->device_port >= 0)
		device_changed(r, (unsigned)link->device_port, &link->is);
	if (first || changed)
		paths_link_changed(r, link->is.ifindex);
	if (!first && changed && !r->dumping && !r->doubt)
		r->doubt = paths_lead_out(r, link->is.ifindex, dies_unsaid) ||
			   objects_lead_out(r, link->is.ifindex) || r->n_odd;
}

void links_sweep(struct replica *r)
{
	struct hash_node *node, *next;

	HASH_EACH_SAFE(&r->links, node, next)
	{
		struct link *link = CONTAINER(node, struct link, node);

		if (link->generation != r->generation[NL_LINK])
			link_gone(r, link);
	}
}

static void addr_del(struct port *p, unsigned i)
{
	p->n_addrs--;
	p->addrs[i] = p->addrs[p->n_addrs];
	p->addr_generations[i] = p->addr_generations[p->n_addrs];
}

static int addr_add(struct port *p, const struct prefix *addr, uint32_t generation)
{
	struct prefix *addrs = realloc(p->addrs, (p->n_addrs + 1) * sizeof(*addrs));
	uint32_t *generations;

	if (!addrs)
		return -1;
	p->addrs = addrs;
	generations = realloc(p->addr_generations, (p->n_addrs + 1) * sizeof(*generations));
	if (!generations)
		return -1;
	p->addr_generations = generations;
	p->addrs[p->n_addrs] = *addr;
	p->addr_generations[p->n_addrs++] = generation;
	return 0;
}

static bool is_of_operator(const struct route *route)
{
	return route->protocol != RTPROT_KERNEL;
}

static bool port_has_ipv4(const struct port *p)
{
	for (unsigned i = 0; i < p->n_addrs; i++)
		if (p->addrs[i].family == AF_INET)
			return true;
	return false;
}

/* Whether routes may have gone with an address, now removed, without a word. IPv4: those that
 * prefer it as their source, and with an interface's last address all that lead out of it
 * (net/ipv4/fib_frontend.c fib_inetaddr_event()). IPv6: none, but when it is turned off on an
 * interface, which then loses its link-local address too. The routes that the kernel had made for
 * the address it also announces the end of. */
static bool takes_routes_along(const struct replica *r, const struct nl_addr *is, int port)
{
	struct ip_addr addr = {.family = is->prefix.family};

	memcpy(addr.bytes, is->prefix.bytes, sizeof(addr.bytes));
	if (addr.family == AF_INET6)
		return addr.bytes[0] == 0xfe && (addr.bytes[1] & 0xc0) == 0x80 &&
		       paths_lead_out(r, is->ifindex, is_of_operator);
	if (r->n_odd || routes_prefer(r, &addr))
		return true;
	/* Of interfaces that are not ours nobody keeps the addresses. */
	return (port < 0 || !port_has_ipv4(&r->ports[port])) &&
	       paths_lead_out(r, is->ifindex, is_of_operator);
}

/* Keeps a port's addresses, to be shown: what they mean for packets comes as routes of table
 * local. */
static void addr_record(struct replica *r, struct port *p, const struct nl_message *msg)
{
	for (unsigned i = 0; i < p->n_addrs; i++) {
		if (!prefix_equal(&p->addrs[i], &msg->addr.prefix))
			continue;
		p->addr_generations[i] = r->generation[NL_ADDR];
		if (msg->del)
			addr_del(p, i);
		return;
	}
	if (!msg->del && addr_add(p, &msg->addr.prefix, r->generation[NL_ADDR]))
		replica_no_memory(r);
}

void addr_apply(struct replica *r, const struct nl_message *msg)
{
	int port = link_port(r, msg->addr.ifindex);

	r->audit.spoilt = r->audit.spoilt || !r->dumping;
	if (port >= 0)
		addr_record(r, &r->ports[port], msg);
	/* Hops that died with an interface's last address revive with the first. */
	if (!r->doubt)
		r->doubt = msg->del ? takes_routes_along(r, &msg->addr, port)
				    : !r->dumping && paths_dead_on(r, msg->addr.ifindex);
}

void addrs_sweep(struct replica *r)
{
	for (unsigned index = 0; index < r->n_ports; index++) {
		struct port *p = &r->ports[index];

		for (unsigned i = p->n_addrs; i-- > 0;)
			if (p->addr_generations[i] != r->generation[NL_ADDR])
				addr_del(p, i);
	}
}
