/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's links, neighbours, next hop objects and routes as we know them, and the table
 * entries made of them. Private to the mirror; control thread only.
 *
 *     link.c       interfaces, ports, their addresses
 *     adjacency.c  table next hops, shared and counted; the neighbours behind them
 *     keepalive.c  which neighbours the kernel is asked to look after
 *     path.c       what a route leads to, shared by the routes that say the same; next hop objects
 *     rib.c        routes: the candidates of every prefix, in the kernel's order
 *     install.c    which of them counts, and putting it into the tables
 *     rule.c       policy rules, which are not followed but said
 *     unfollowed.c routes that are not followed, counted; what else is not, told
 *
 * Fed with parsed messages, from dumps and notifications alike. Nothing here speaks to the kernel;
 * `solicit` asks for it. Changes to routes gather in `dirty` and reach the tables in
 * replica_commit(); next hops and neighbours change at once. */
#ifndef PEERLANE_KERNEL_REPLICA_H
#define PEERLANE_KERNEL_REPLICA_H

#include <sys/queue.h>

#include "hash.h"
#include "mirror.h"
#include "netlink.h"
#include "slab.h"

struct link {
	struct hash_node node; /* in replica.links, by ifindex */
	struct nl_link is;
	uint32_t generation;
	int port;	 /* whose face it is, or -1 */
	int device_port; /* whose device it is, or -1 */
};

struct port {
	char name[16];
	unsigned face_ifindex, device_ifindex;
	bool present; /* the face exists */
	uint8_t mac[6];
	unsigned mtu;
	bool admin_up, running; /* of the face */
	bool carrier;		/* of the device */
	bool device_heard;	/* of, since the start */
	struct mirror_device device_is;
	char device[16];
	char device_name[16]; /* by which another device takes its place; "": none does */
	struct prefix *addrs;
	uint32_t *addr_generations;
	unsigned n_addrs;
};

/* A neighbour on one of our ports: known to the kernel, wanted as a gateway, or both. */
struct peer {
	struct hash_node node; /* in replica.peers */
	struct ip_addr addr;
	uint16_t port;
	uint16_t state; /* NUD_* */
	bool known;	/* the kernel has it */
	bool has_mac;
	bool external, managed; /* see struct nl_neighbour */
	uint8_t mac[6];
	uint32_t generation;
	uint64_t asked_ms;	    /* when the kernel was last asked to look after it */
	uint64_t used_ms;	    /* when it was last seen to have been used */
	TAILQ_ENTRY(peer) turn;	    /* in replica.gateways or replica.others */
	unsigned gateway_refs;	    /* adjacencies of routes among `adjacencies` */
	struct adjacency *attached; /* what the glean table leads to, while usable */
	LIST_HEAD(, adjacency) adjacencies;
};

/* Neighbours in the order in which they are looked at. */
struct peer_queue {
	TAILQ_HEAD(, peer) peers;
	unsigned count;
	unsigned left;	  /* of this round */
	uint64_t next_ms; /* when the next one may begin */
};

/* What tells shared next hops apart. No padding: hashed and compared as bytes. */
struct adjacency_key {
	uint8_t kind;	     /* NEXTHOP_*; FORWARD: to a neighbour, whether it is resolved or not */
	uint8_t reason;	     /* PUNT, DROP */
	uint16_t port;	     /* FORWARD, GLEAN */
	uint16_t mtu;	     /* FORWARD, GLEAN: the route's; 0: the interface's */
	uint8_t attached;    /* FORWARD: for the glean table, not for a route */
	struct ip_addr addr; /* FORWARD */
};
_Static_assert(sizeof(struct adjacency_key) == 24, "no padding");

/* A next hop in the tables. */
struct adjacency {
	struct hash_node node; /* in replica.adjacencies, but for groups: those are their path's */
	struct adjacency_key key;
	uint32_t index;
	unsigned refs;
	struct peer *peer; /* FORWARD */
	LIST_ENTRY(adjacency) of_peer;
	struct adjacency **members; /* GROUP: a reference each */
	struct nexthop_member *weights;
	unsigned n_members;
};

/* A next hop object of the kernel (`ip nexthop`). */
struct object {
	struct hash_node node; /* in replica.objects, by id */
	uint32_t generation;
	struct nl_nexthop is;
	struct nl_member members[]; /* is.n_members */
};

/* How much needs a next hop object, which may not be known (yet): paths, and groups as a member. */
struct object_use {
	struct hash_node node; /* in replica.object_uses, by id */
	uint32_t id;
	uint32_t n;
};

/* What routes lead to. Shared by all routes that say the same, as the kernel does. */
struct path {
	struct hash_node node; /* in replica.paths */
	unsigned refs;
	uint8_t type; /* RTN_* */
	bool usable;  /* has a hop that can be used now */
	bool failed; /* the tables had no room for it: the kernel decides; in replica.failed_paths */
	TAILQ_ENTRY(path) of_failed;
	uint32_t mtu, nh_id;
	struct adjacency *adjacency; /* NULL if not usable */
	LIST_HEAD(, route) routes;
	/* From this one on its routes are to be looked at again: it has changed. NULL: none. */
	struct route *stale;
	LIST_ENTRY(path) of_stale; /* in replica.stale_paths, if there are any */
	unsigned n_hops;
	struct nl_hop hops[];
};

/* A candidate for its prefix. */
struct route {
	TAILQ_ENTRY(route) of_entry;
	LIST_ENTRY(route) of_path;
	struct entry *entry;
	struct path *path;
	uint64_t rest; /* see nl_route */
	uint32_t metric;
	uint32_t generation;
	uint8_t table, protocol, scope;
	uint8_t source; /* bucket of its preferred source in replica.sources; 0: none */
	uint8_t missed; /* dumps in a row that left it out */
};

/* A prefix with its candidates, in the kernel's order: table (local first), metric, place. */
struct entry {
	struct hash_node node; /* in replica.entries */
	struct prefix prefix;
	bool is_dirty;	   /* in replica.dirty */
	bool refused;	   /* in replica.refused: the tables had no room, the kernel decides */
	bool squeezes;	   /* not even to say that: so it is said of a network around it */
	bool cover;	   /* in replica.covers */
	bool differs;	   /* the dump's candidates were not ours */
	unsigned odd;	   /* routes to it by TOS or source (unfollowed.c): the kernel decides */
	unsigned squeezed; /* by how many */
	uint32_t told;	   /* generation of the dump after whose begin a notification spoke of it */
	TAILQ_HEAD(, route) routes;
	TAILQ_ENTRY(entry) of_queue; /* dirty or refused */
	struct route *best;	     /* the one that counts; NULL: none */
	struct adjacency *installed; /* what the tables hold; a reference; NULL: nothing */
};

/* What an audit makes out. Only what no notification speaks of meanwhile is drift; when notifications
 * change what many routes depend on (links, addresses, next hop objects), nothing can be said. */
struct audit {
	bool running; /* until the last change of its dump has been committed */
	bool spoilt;
	uint32_t found, mended; /* prefixes and next hop objects */
};

/* Where the sweep after a dump is. */
struct sweep {
	uint64_t routes, unfollowed; /* places in the tables of these names */
	bool disturbed;		     /* see replica_sweep_begin() */
	bool all;		     /* nothing was left for another dump to decide */
};

/* Things that are said once. */
enum note {
	NOTE_NO_RULE4,
	NOTE_NO_RULE6,
	NOTE_OPAQUE,
	NOTE_CUT,
	NOTE_FULL,
	NOTE_NO_NEXTHOP,
	NOTE_MEMORY,
	NOTE_MALFORMED,
	NOTE_KINDS
};

struct replica {
	struct tables *tables;
	struct mirror_events events;
	/* Has the kernel resolve or confirm a neighbour. */
	void (*solicit)(void *ctx, unsigned ifindex, const struct ip_addr *addr, bool external);
	void *solicit_ctx;
	/* Between two pieces of long work, 4096 entries: may apply links and neighbours. */
	void (*breathe)(void *ctx);
	void *breathe_ctx;
	/* See mirror_set_usage(). */
	bool (*take_used)(void *ctx, uint32_t nexthop);
	void *take_used_ctx;

	struct port *ports;
	unsigned n_ports;
	struct hash links, peers, adjacencies, paths, objects, object_uses, entries;
	struct adjacency **by_index; /* table index -> adjacency */
	uint32_t by_index_len;
	struct peer_queue gateways, others; /* of routes, and all the rest */
	unsigned asks_left;		    /* until the next tick */
	uint64_t now_ms;		    /* at the last tick */

	struct slab entry_slab, route_slab;
	TAILQ_HEAD(entry_queue, entry) dirty, refused;
	unsigned retries;	  /* of those refused that the next tick tries again */
	uint64_t retry_ms;	  /* when the last did */
	struct adjacency no_room; /* next hop 0, which leaves packets to the kernel */
	LIST_HEAD(, path) stale_paths;
	TAILQ_HEAD(, path) failed_paths;
	bool objects_changed;  /* paths over objects are to be worked out anew */
	bool split4;	       /* there has been an IPv4 rule: see routes_split4() */
	struct prefix *covers; /* networks of the local table, which hide routes of main */
	unsigned n_covers;
	LIST_HEAD(, rule) rules; /* policy rules, see rule.c */
	unsigned n_rules_said;	 /* in the log, of those that are not followed */
	unsigned n_odd; /* routes of main and local that are not followed, by TOS or source */
	struct hash unfollowed; /* routes, and why; see unfollowed.c */
	LIST_HEAD(, unfollowed_kind) unfollowed_kinds;
	unsigned n_kinds_said; /* in the log */
	/* Routes whose preferred source falls into a bucket, but for the kernel's own; see
	 * routes_prefer(). */
	uint32_t sources[256];

	uint32_t generation[NL_KINDS]; /* of the dump last begun */
	bool dumping;		       /* messages come from a dump */
	bool overlapped;	       /* notifications may be older than the dump */
	bool doubt; /* the kernel may have changed more than it said: dump again. The mirror's
			  * to clear */
	bool noted[NOTE_KINDS];
	struct sweep sweep;
	struct audit audit;
	struct mirror_stats stats;
};

/* ---- replica.c ---- */

/* `solicit` may be NULL. Returns 0 or -ENOMEM. */
int replica_init(struct replica *r, struct tables *tables, const struct mirror_port *ports,
		 unsigned n_ports, const struct mirror_events *events);
/* Frees it, and leaves the tables as they are. */
void replica_fini(struct replica *r);

/* Takes `msg` up; what of it is known better it may correct. */
void replica_apply(struct replica *r, struct nl_message *msg);

/* Brings up to `max` prefixes into the tables and settles them. Returns true if none is left. */
bool replica_commit(struct replica *r, unsigned max);
bool replica_is_committed(const struct replica *r);

/* The same amid a dump, of prefixes that it has not spoken of and whose paths have changed: the others
 * may have their candidates in no order. Returns true if no such path is left. */
bool replica_commit_stale(struct replica *r, unsigned max);

/* Around a dump of everything: what it did not mention is gone after the sweep. `disturbed` says that
 * IPv6 routes changed while they were dumped, and then those left out stay until more dumps have left
 * them out; sweep.all tells in the end whether there are none of those.
 *
 * replica_sweep() goes on with it for some `max` routes, and returns true when it is over. Until then
 * no routes are applied and nothing is committed. */
void replica_mark(struct replica *r);
void replica_sweep_begin(struct replica *r, bool disturbed);
bool replica_sweep(struct replica *r, unsigned max);

/* Whether a route that the dump left out is gone; `missed` counts the dumps in a row that did. */
bool replica_is_gone(uint8_t family, uint8_t *missed, bool disturbed);

/* Has the kernel confirm neighbours that are used and turned stale, and resolve gateways; gives memory
 * back, and has some of what the tables had no room for tried again. Does a limited amount of work;
 * returns when it wants to be called again. */
uint64_t replica_tick(struct replica *r, uint64_t now_ms);

/* Says `fmt` once in a life; counts nothing. */
void replica_note(struct replica *r, enum note once, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Says `fmt` to the log, whenever it is called. */
void replica_say(struct replica *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* So many rules, and kinds of routes, that are not followed are announced in the log; all are shown. */
#define REPLICA_SAID_MAX 32

/* "IPv4" or "IPv6". */
const char *replica_family_name(uint8_t family);

/* An allocation failed: say so, and dump again later. */
void replica_no_memory(struct replica *r);

/* ---- link.c ---- */

void link_apply(struct replica *r, const struct nl_message *msg);
void links_sweep(struct replica *r);
void addr_apply(struct replica *r, const struct nl_message *msg);
void addrs_sweep(struct replica *r);
struct link *link_find(const struct replica *r, uint32_t ifindex);

/* See mirror_set_face(). */
void link_set_face(struct replica *r, unsigned index, uint32_t ifindex);

/* See mirror_set_carrier(). */
void link_set_carrier(struct replica *r, unsigned index, bool carrier);

/* Index of the port whose face this is, or -1. */
int link_port(const struct replica *r, uint32_t ifindex);

/* ---- adjacency.c ---- */

/* A reference to the next hop of `key`, made if need be. NULL if there is no room (noted). */
struct adjacency *adjacency_get(struct replica *r, const struct adjacency_key *key);
struct adjacency *adjacency_ref(struct adjacency *adj);
void adjacency_put(struct replica *r, struct adjacency *adj);

/* The MTU of a FORWARD or GLEAN: the route's, but no more than the interface's. */
uint16_t adjacency_mtu(const struct replica *r, const struct adjacency_key *key);

/* A group of `n` members; takes over the caller's references to them, on failure too. */
struct adjacency *adjacency_group(struct replica *r, struct adjacency **members,
				  const uint32_t *weights, unsigned n);
/* Changes it in place; likewise. Returns 0 or -errno, the group then being as it was. */
int group_set(struct replica *r, struct adjacency *group, struct adjacency **members,
	      const uint32_t *weights, unsigned n);

/* MAC or MTU of the port's face changed. */
void adjacencies_port_changed(struct replica *r, unsigned port);

void peer_apply(struct replica *r, const struct nl_message *msg);
void peers_sweep(struct replica *r);
struct peer *peer_find(const struct replica *r, unsigned port, const struct ip_addr *addr);
bool peer_usable(const struct peer *peer);

/* ---- keepalive.c ---- */

void keepalive_init(struct replica *r);
uint64_t keepalive_tick(struct replica *r, uint64_t now_ms); /* see replica_tick() */

/* A peer comes and goes. Around a change of `gateway_refs`, both. */
void keepalive_add(struct replica *r, struct peer *peer);
void keepalive_del(struct replica *r, struct peer *peer);

/* A route leads to the peer from now on: has it resolved before the first packet needs it, at once
 * unless much else is asked already. */
void keepalive_gateway(struct replica *r, struct peer *peer);

/* ---- path.c ---- */

/* The path of a route, worked out, with a reference for the caller. NULL: no memory. */
struct path *path_get(struct replica *r, const struct nl_route *route, const struct nl_hop *hops);
/* Whether it is that of a route, but for hops being dead or not. */
bool path_says(const struct path *path, const struct nl_route *route, const struct nl_hop *hops);
/* Whether its hops are these, as many as it has, dead or not. */
bool path_has_hops(const struct path *path, const struct nl_hop *hops);
bool hops_equal(const struct nl_hop *a, const struct nl_hop *b, unsigned n);
void path_put(struct replica *r, struct path *path);

/* A route over the path comes, and goes. Leaves references alone. */
void path_join(struct path *path, struct route *route);
void path_leave(struct path *path, struct route *route);

/* The next route whose path has changed since it was last looked at; NULL: none. */
struct route *paths_next_stale(struct replica *r);

void object_apply(struct replica *r, const struct nl_message *msg);
void objects_sweep(struct replica *r);
struct object *object_find(const struct replica *r, uint32_t id);
bool objects_lead_out(const struct replica *r, uint32_t ifindex);

/* Works out anew: all paths that lead out of `ifindex`; those over objects; up to `max` of those
 * that failed, until one fails again. */
void paths_link_changed(struct replica *r, uint32_t ifindex);
void paths_objects_changed(struct replica *r);
void paths_retry(struct replica *r, unsigned max);

/* Whether a route that `counts` (NULL: any) leads out of `ifindex`. */
bool paths_lead_out(const struct replica *r, uint32_t ifindex,
		    bool (*counts)(const struct route *));

/* Whether a path has a hop, or one out of `ifindex`, that the kernel holds for dead. */
bool path_has_dead(const struct path *path);
bool paths_dead_on(const struct replica *r, uint32_t ifindex);

/* One way out of a path: a hop and its share. */
struct leg {
	const struct nl_hop *hop;
	uint32_t weight;
};

/* All ways out, usable or not, of the route itself or its object. Returns how many. Sets
 * *blackhole if the object is one. */
unsigned path_legs(const struct replica *r, const struct path *path, struct leg legs[NL_HOPS_MAX],
		   bool *blackhole);
bool hop_usable(const struct replica *r, const struct nl_hop *hop);

/* ---- rib.c ---- */

void route_apply(struct replica *r, struct nl_message *msg);
bool routes_sweep(struct replica *r, unsigned max); /* see replica_sweep() */
void route_free(struct replica *r, struct route *route);
struct entry *entry_find(const struct replica *r, const struct prefix *prefix);
struct entry *entry_get(struct replica *r, const struct prefix *prefix); /* NULL: no memory */

/* Whether a route may have `addr` as its preferred source. Now and then true of an address that
 * none has: a dump for nothing, against a table of all sources. */
bool routes_prefer(const struct replica *r, const struct ip_addr *addr);

/* ---- install.c ---- */

void entry_dirty(struct replica *r, struct entry *entry);
bool routes_commit(struct replica *r, unsigned max);	   /* see replica_commit() */
bool routes_commit_stale(struct replica *r, unsigned max); /* see replica_commit_stale() */
void routes_retry(struct replica *r, uint64_t now_ms);
/* From now on IPv4 routes of table local count before all of main. */
void routes_split4(struct replica *r);

/* ---- rule.c ---- */

void rule_apply(struct replica *r, const struct nl_message *msg);
void rules_sweep(struct replica *r);
void rules_fini(struct replica *r);

/* ---- unfollowed.c ---- */

enum unfollowed_why {
	UNFOLLOWED_NOT, /* it is followed */
	UNFOLLOWED_TABLE,
	UNFOLLOWED_TOS,
	UNFOLLOWED_SOURCE,
	UNFOLLOWED_TYPE,
};
enum unfollowed_why unfollowed_why(const struct nl_route *is);

void unfollowed_apply(struct replica *r, const struct nl_message *msg);
bool unfollowed_sweep(struct replica *r, unsigned max); /* see replica_sweep() */
void unfollowed_fini(struct replica *r); /* all but the nodes of replica.unfollowed */

/* All that is not followed, one by one, until `fn` returns false. */
typedef bool unfollowed_fn(void *ctx, const struct mirror_unfollowed *what);
void unfollowed_each(const struct replica *r, unfollowed_fn *fn, void *ctx);
bool rules_each_unfollowed(const struct replica *r, unfollowed_fn *fn, void *ctx); /* rule.c */

#endif
