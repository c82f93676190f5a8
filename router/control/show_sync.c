/* SPDX-License-Identifier: BSD-2-Clause */
/* How the tables follow the kernel's, and what of the kernel's they do not follow. */
#include <sys/socket.h>

#include "show.h"

/* More things not followed than this are counted only: an answer has its limits. */
#define UNFOLLOWED_MAX 200

struct unfollowed_list {
	json_t *items;
	unsigned more;
};

static bool add_unfollowed(void *ctx, const struct mirror_unfollowed *u)
{
	struct unfollowed_list *list = ctx;
	const char *family = u->family == AF_INET ? "ipv4" : u->family == AF_INET6 ? "ipv6" : NULL;

	if (json_array_size(list->items) == UNFOLLOWED_MAX) {
		list->more++;
		return true;
	}
	json_array_append_new(
		list->items,
		json_pack("{s:o, s:s?, s:o}", "what", show_text(u->text), "family", family,
			  "routes", u->routes ? json_integer((json_int_t)u->routes) : json_null()));
	return true;
}

/* Milliseconds since then; null: it has never been. */
static json_t *ago(uint64_t now_ms, uint64_t then_ms)
{
	return then_ms ? json_integer((json_int_t)(now_ms - then_ms)) : json_null();
}

static json_t *show_sizes(struct router *router)
{
	struct tables_stats t;

	tables_stats(router->tables, &t);
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I}", "routes4", (int)t.routes4,
			 "routes6", (int)t.routes6, "blocks4", (int)t.blocks4, "blocks6",
			 (int)t.blocks6, "nexthops", (int)t.nexthops, "slots", (int)t.slots,
			 "neighbors", (int)t.neighbours, "image_bytes", (json_int_t)t.image_bytes);
}

json_t *show_sync(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	struct unfollowed_list list = {.items = json_array()};
	uint64_t now = router_now_ms();
	struct mirror_stats m;
	json_t *data;

	(void)args;
	mirror_stats(router->mirror, &m);
	mirror_each_unfollowed(router->mirror, add_unfollowed, &list);
	data = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
		"s:i, s:i, s:i, s:i, s:I, s:o, s:o, s:i}",
		"messages", (json_int_t)m.messages, "overruns", (json_int_t)m.overruns, "resyncs",
		(json_int_t)m.resyncs, "audits", (json_int_t)m.audits, "drift", (json_int_t)m.drift,
		"mended", (json_int_t)m.mended, "route_changes", (json_int_t)m.route_changes,
		"neighbor_changes", (json_int_t)m.neighbour_changes, "unsupported",
		(json_int_t)m.unsupported, "malformed", (json_int_t)m.malformed, "last_sync_ago_ms",
		ago(now, m.last_sync_ms), "last_change_ago_ms", ago(now, m.last_change_ms),
		"last_audit_ago_ms", ago(now, m.last_audit_ms), "routes", (int)m.routes,
		"neighbors", (int)m.neighbours, "nexthops", (int)m.nexthops, "routes_refused",
		(int)m.refused, "neighbors_refused", (json_int_t)m.neighbours_refused, "tables",
		show_sizes(router), "unfollowed", list.items, "unfollowed_more", (int)list.more);
	return show_or_fail(data, code, err);
}

json_t *audit(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	(void)args;
	mirror_audit(router->mirror);
	return show_or_fail(json_pack("{s:b}", "begun", 1), code, err);
}
