/* SPDX-License-Identifier: BSD-2-Clause */
/* The netlink mirror: keeps the tables equal to what the kernel would do.
 *
 * Subscribes, then dumps links, addresses, neighbours, next hop objects, routes and rules; applies
 * notifications; on any loss (ENOBUFS), and whenever the kernel changes routes without saying so
 * (an IPv4 route flushed because its link went down), dumps again and reconciles by mark and
 * sweep, leaving alone what did not change. All functions: control thread only. */
#ifndef PEERLANE_KERNEL_MIRROR_H
#define PEERLANE_KERNEL_MIRROR_H

#include <peerlane/burst.h>
#include <peerlane/error.h>

#include "../tables/tables.h"

struct mirror;

/* A port as the mirror must know it. `face_ifindex` is the TAP's, `device_ifindex` that of the
 * device underneath (0: none, see mirror_set_carrier()). When that one has gone, the next one
 * of the name `device` (NULL: none) takes its place. */
struct mirror_port {
	const char *name;
	unsigned face_ifindex;
	unsigned device_ifindex;
	const char *device;
};

/* The device underneath a port, as last heard of. */
struct mirror_device {
	bool present; /* false: it has been removed; the rest is as it was */
	bool admin_up;
	bool carrier; /* and up and present */
	unsigned ifindex;
	uint8_t mac[6];
	unsigned mtu;
};

/* Told to the daemon, from mirror_run() or mirror_sync(). What they say was so when the kernel said
 * it, and may be so no more. */
struct mirror_events {
	/* Also when a device is heard of for the first time. */
	void (*device_changed)(void *ctx, unsigned port, const struct mirror_device *now);
	void (*face_mac_changed)(void *ctx, unsigned port, const uint8_t mac[6]);
	void (*face_mtu_changed)(void *ctx, unsigned port, unsigned mtu);
	/* A sentence for the log: a route that cannot be followed, an overrun, a resynchronisation. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

/* Opens and subscribes the sockets. NULL with `err` filled. */
struct mirror *mirror_new(struct tables *tables, const struct mirror_port *ports, unsigned n_ports,
			  const struct mirror_events *events, struct pl_error *err);

/* How the mirror learns which next hops are in use: `take_used` says whether a packet has been sent
 * by one since it was last asked. Without, neighbours are never known to be used, and left to the
 * kernel's garbage collection. Call before the first mirror_run(). */
void mirror_set_usage(struct mirror *m, bool (*take_used)(void *ctx, uint32_t nexthop), void *ctx);

/* First dump of everything. Returns 0 or -errno with `err` filled. */
int mirror_sync(struct mirror *m, struct pl_error *err);

/* One descriptor (an epoll instance) that is readable when mirror_run() has something to do. */
int mirror_fd(const struct mirror *m);

/* The port has another TAP: the former one had been deleted. Whether mirror_run() has heard of the
 * new one already or not. */
void mirror_set_face(struct mirror *m, unsigned port, unsigned ifindex);

/* Whether the port has a link: of one without a network device underneath (mirror_port.device_ifindex
 * is 0), of which the kernel knows nothing. Until this is called it has. */
void mirror_set_carrier(struct mirror *m, unsigned port, bool carrier);

/* Has all be read and compared now, as it is every 5 minutes. The outcome is in mirror_stats() once
 * `audits` has grown. */
void mirror_audit(struct mirror *m);

/* Handles what there is, without blocking beyond a bounded batch. */
void mirror_run(struct mirror *m);

/* Closes all. The tables stay as they are. */
void mirror_free(struct mirror *m);

/* Room for notifications not yet read (64 MiB unless told; beyond net.core.rmem_max only with
 * CAP_NET_ADMIN). */
void mirror_set_buffer(struct mirror *m, unsigned bytes);

/* ---- for show ---- */

struct mirror_hop {
	struct ip_addr gateway; /* family 0: directly connected */
	char device[16];
	int port; /* index, -1: not ours */
	unsigned weight;
	bool usable;	   /* link up and carrier */
	const char *state; /* "resolved", "unresolved", "connected", "link down", ... */
	uint8_t mac[6];	   /* valid if resolved */
};

#define MIRROR_HOPS_MAX 256

struct mirror_route {
	struct prefix prefix;
	const char *type; /* "unicast", "local", "blackhole", ... as `ip route` says */
	unsigned table;	  /* 254 main, 255 local */
	unsigned metric;
	unsigned protocol; /* RTPROT_* */
	unsigned mtu;	   /* of the route; 0: the interface's */
	unsigned nh_id;	   /* next hop object, 0: none */
	bool installed;	   /* it is the one the tables hold for its prefix */
	uint32_t nexthop;  /* index in the tables if installed */
	const struct mirror_hop *hops;
	unsigned n_hops;
};

struct mirror_neighbour {
	struct ip_addr addr;
	char device[16];
	int port;
	uint8_t mac[6];
	bool usable;
	const char *state; /* "REACHABLE", "STALE", ... as `ip neigh` says */
	uint64_t used_ms;  /* CLOCK_MONOTONIC, when packets were last seen to go there; 0: never */
};

struct mirror_nexthop {
	uint32_t index;
	const char *kind;   /* "forward", "glean", "group", "punt", "drop" */
	const char *reason; /* name, for punt and drop; NULL */
	struct ip_addr addr;
	int port;
	unsigned mtu;
	uint8_t dmac[6], smac[6];
	const struct nexthop_member *members;
	unsigned n_members;
	unsigned references;
};

struct mirror_link {
	uint8_t mac[6];
	unsigned mtu;
	bool admin_up;		    /* of the TAP */
	bool carrier;		    /* of the device underneath */
	char device[16];	    /* its name */
	const struct prefix *addrs; /* of the TAP: full address with the network's length */
	unsigned n_addrs;
};

/* Iterators stop early when `fn` returns false. What is pointed to is valid during the call. The
 * order is the same from call to call while nothing changes.
 *
 * Routes begin at *place, 0 being the first, and after `fn` has returned false a few more may follow.
 * Returns false if there are more; then *place is where another call goes on. Routes that are there
 * all the time are met exactly once, whatever changes between two calls. */
bool mirror_each_route(struct mirror *m, uint64_t *place,
		       bool (*fn)(void *, const struct mirror_route *), void *ctx);
void mirror_each_neighbour(struct mirror *m, bool (*fn)(void *, const struct mirror_neighbour *),
			   void *ctx);
void mirror_each_nexthop(struct mirror *m, bool (*fn)(void *, const struct mirror_nexthop *),
			 void *ctx);
void mirror_port_link(const struct mirror *m, unsigned port, struct mirror_link *link);

/* Something of the kernel's that is not followed, though packets may depend on it. */
struct mirror_unfollowed {
	char text[160];	 /* "rule 100: from 10.0.0.7 lookup 10", "routes of table 10", ... */
	uint8_t family;	 /* 0: of both, or none */
	uint64_t routes; /* how many; 0: it is no route */
};
void mirror_each_unfollowed(const struct mirror *m,
			    bool (*fn)(void *, const struct mirror_unfollowed *), void *ctx);

/* Why a packet to `addr` fares as it does. Returns 0, or -ENOENT: no route at all, then only
 * `nexthop` and `via` are filled. Valid until the next call of a function of the mirror. */
struct mirror_explanation {
	struct mirror_route route;	 /* the kernel's route behind the answer */
	uint32_t nexthop;		 /* what the image answers */
	struct mirror_nexthop via;	 /* that next hop */
	struct mirror_nexthop neighbour; /* after glean, if there is one; index 0: none */
};
int mirror_explain(struct mirror *m, const struct ip_addr *addr, struct mirror_explanation *e);

struct mirror_stats {
	uint64_t messages, overruns, resyncs, route_changes, neighbour_changes;
	uint64_t malformed;   /* messages that could not be read */
	uint64_t unsupported; /* routes and rules of the kernel that are not followed */
	/* An audit, every 5 minutes, compares all with the kernel's. `drift`: prefixes and next hop
	 * objects that differed though the kernel had said nothing, `mended`: those put right. */
	uint64_t audits, drift, mended;
	/* Neighbours that the kernel had no room for, anywhere on the machine. */
	uint64_t neighbours_refused;
	uint64_t last_sync_ms, last_change_ms, last_audit_ms; /* CLOCK_MONOTONIC; 0: never */
	uint32_t routes;     /* candidates known, installed or not */
	uint32_t refused;    /* prefixes that the tables have no room for, left to the kernel */
	uint32_t neighbours; /* usable ones */
	uint32_t nexthops;
};
void mirror_stats(const struct mirror *m, struct mirror_stats *stats);

#endif
