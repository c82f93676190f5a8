/* SPDX-License-Identifier: BSD-2-Clause */
#include "render.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Counters added and subtracted: whatever the other side says they are, without overflow. */
static json_int_t sum(json_int_t a, json_int_t b)
{
	return (json_int_t)((uint64_t)a + (uint64_t)b);
}

/* "-" for what is null. */
static const char *text_or_dash(json_t *object, const char *key)
{
	const char *value = text(object, key);

	return value[0] ? value : "-";
}

static void cell_number(struct table *t, json_t *object, const char *key)
{
	table_cellf(t, "%" JSON_INTEGER_FORMAT, number(object, key));
}

/* Packets as they are, bytes with a prefix. */
static void cell_bytes(struct table *t, json_t *object, const char *key)
{
	char buf[UNIT_SIZE];

	table_cell(t, unit_print((double)number(object, key), "B", buf));
}

static void finish(struct table *t, FILE *out)
{
	table_print(t, 0, out);
	table_end(t);
}

/* ---- ports ---- */

static void port_addresses(struct table *t, json_t *port)
{
	char line[160] = "";
	json_t *addr;
	size_t i;

	json_array_foreach(json_object_get(port, "addresses"), i, addr) {
		size_t len = strlen(line);

		snprintf(line + len, sizeof(line) - len, "%s%s", i ? " " : "",
			 json_is_string(addr) ? json_string_value(addr) : "?");
	}
	table_cell(t, line);
}

static const char *link_state(json_t *port)
{
	if (json_is_true(json_object_get(port, "lost")))
		return "no TAP";
	/* Whatever the TAP's state, that the device is gone is what must be mended. */
	if (strcmp(text(port, "admin"), "up") != 0 && strcmp(text(port, "link"), "gone") != 0)
		return "admin down";
	return text(port, "link");
}

static bool is_nic(json_t *port)
{
	return !strcmp(text(port, "kind"), "nic");
}

/* What has gone wrong in or around an emulated NIC. */
static void render_emulator(json_t *port, FILE *out)
{
	json_t *emulator = json_object_get(port, "emulator");
	json_int_t illegal = number(emulator, "illegal_uses");
	json_int_t lost_in = number(emulator, "cable_lost_to_nic");
	json_int_t lost_out = number(emulator, "cable_lost_from_nic");

	if (illegal) {
		fputc('\n', out);
		text_print(text(port, "name"), out);
		fprintf(out,
			": its driver has done %" JSON_INTEGER_FORMAT
			" things that no real device would stand: see the log\n",
			illegal);
	}
	if (lost_in || lost_out) {
		fputc('\n', out);
		text_print(text(port, "name"), out);
		fprintf(out,
			": the emulated NIC's cable has lost %" JSON_INTEGER_FORMAT
			" frames on their way in, %" JSON_INTEGER_FORMAT " on their way out\n",
			lost_in, lost_out);
	}
}

/* What there is to know of NICs that Peerlane drives itself: which they are, and what they have counted
 * themselves, if anything. */
static void render_nics(json_t *ports, FILE *out)
{
	static const char *const nics[] = {"PORT", "DRIVER", "MODEL", ">SPEED", "MEDIA"};
	static const char *const counters[] = {"PORT", "DEVICE COUNTER", ">COUNT"};
	const char *name;
	json_t *port, *value;
	struct table t;
	size_t i;

	fputc('\n', out);
	table_begin(&t, nics, COUNT(nics));
	json_array_foreach(ports, i, port) {
		if (!is_nic(port))
			continue;
		table_cell(&t, text(port, "name"));
		table_cell(&t, text_or_dash(port, "driver"));
		table_cell(&t, text_or_dash(port, "model"));
		if (number(port, "speed_mbps"))
			table_cellf(&t, "%" JSON_INTEGER_FORMAT " Mb/s",
				    number(port, "speed_mbps"));
		else
			table_cell(&t, "-");
		table_cell(&t, text_or_dash(port, "media"));
	}
	finish(&t, out);
	fputc('\n', out);
	table_begin(&t, counters, COUNT(counters));
	json_array_foreach(ports, i, port) {
		json_object_foreach(json_object_get(port, "device_counters"), name, value) {
			if (!json_integer_value(value))
				continue;
			table_cell(&t, text(port, "name"));
			table_cell(&t, name);
			table_cellf(&t, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		}
	}
	finish(&t, out);
	json_array_foreach(ports, i, port)
		render_emulator(port, out);
}

static void render_ports(json_t *data, FILE *out)
{
	static const char *const who[] = {"PORT", "LINK",    "DEVICE",	"MAC",	    ">MTU",
					  "XDP",  "BUFFERS", ">QUEUES", "ADDRESSES"};
	static const char *const what[] = {"PORT",	   ">RX PACKETS", ">RX BYTES", ">RX LOST",
					   ">TX PACKETS",  ">TX BYTES",	  ">TX LOST",  ">TO KERNEL",
					   ">FROM KERNEL", ">KERNEL LOST"};
	json_t *ports = json_object_get(data, "ports"), *port;
	bool nics = false;
	struct table t;
	size_t i;

	table_begin(&t, who, COUNT(who));
	json_array_foreach(ports, i, port) {
		table_cell(&t, text(port, "name"));
		table_cell(&t, link_state(port));
		/* Of a NIC the device says what kind it is. */
		if (is_nic(port))
			table_cell(&t, text(port, "device"));
		else
			table_cellf(&t, "%s:%s", text(port, "kind"), text(port, "device"));
		table_cell(&t, text(port, "mac"));
		cell_number(&t, port, "mtu");
		table_cell(&t, text_or_dash(port, "attach"));
		table_cell(&t, text_or_dash(port, "copy"));
		cell_number(&t, port, "queues");
		port_addresses(&t, port);
		nics = nics || is_nic(port);
	}
	finish(&t, out);
	fputc('\n', out);
	table_begin(&t, what, COUNT(what));
	json_array_foreach(ports, i, port) {
		json_t *c = json_object_get(port, "counters"), *f = json_object_get(port, "face");

		table_cell(&t, text(port, "name"));
		cell_number(&t, c, "rx_packets");
		cell_bytes(&t, c, "rx_bytes");
		table_cellf(&t, "%" JSON_INTEGER_FORMAT,
			    sum(number(c, "rx_dropped"), number(c, "rx_errors")));
		cell_number(&t, c, "tx_packets");
		cell_bytes(&t, c, "tx_bytes");
		cell_number(&t, c, "tx_dropped");
		cell_number(&t, f, "to_kernel");
		cell_number(&t, f, "from_kernel");
		table_cellf(&t, "%" JSON_INTEGER_FORMAT,
			    sum(sum(number(f, "to_kernel_full"), number(f, "from_kernel_full")),
				sum(number(f, "write_failed"), number(f, "too_long"))));
	}
	finish(&t, out);
	if (nics)
		render_nics(ports, out);
}

/* ---- tables ---- */

static void hop_cells(struct table *t, json_t *hop)
{
	const char *gateway = text(hop, "gateway");
	json_int_t weight = number(hop, "weight");

	if (!gateway[0])
		gateway = "connected";
	if (weight > 1)
		table_cellf(t, "%s x%" JSON_INTEGER_FORMAT, gateway, weight);
	else
		table_cell(t, gateway);
	table_cell(t, text(hop, "device"));
	table_cell(t, text(hop, "state"));
}

/* Of the kernel's well-known routing tables (rtnetlink(7)); main is the usual one. */
static void table_name_cell(struct table *t, json_int_t id)
{
	if (id == RT_TABLE_MAIN)
		table_cell(t, "");
	else if (id == RT_TABLE_LOCAL)
		table_cell(t, "local");
	else
		table_cellf(t, "%" JSON_INTEGER_FORMAT, id);
}

/* A row for each hop; what belongs to the route only in its first. */
static void route_rows(struct table *t, json_t *route)
{
	json_t *hops = json_object_get(route, "hops"), *hop;
	size_t i, n = json_array_size(hops);

	for (i = 0; i == 0 || i < n; i++) {
		hop = json_array_get(hops, i);
		table_cell(t, i							  ? ""
			      : json_is_true(json_object_get(route, "installed")) ? "*"
										  : "");
		table_cell(t, i ? "" : text(route, "prefix"));
		table_cell(t, i ? "" : text(route, "type"));
		table_name_cell(t, i ? RT_TABLE_MAIN : number(route, "table"));
		if (hop)
			hop_cells(t, hop);
		for (unsigned empty = hop ? 3 : 0; empty < 3; empty++)
			table_cell(t, "");
		table_cell(t, i ? "" : text(route, "protocol"));
		if (i)
			table_cell(t, "");
		else
			cell_number(t, route, "metric");
		if (i || !number(route, "mtu"))
			table_cell(t, "");
		else
			cell_number(t, route, "mtu");
	}
}

/* IPv4 first, by address, shorter prefixes first, the route in use first; what is neither prefix nor
 * address comes last. */
static void sort_by(struct table *t, json_t *row, const char *prefix)
{
	unsigned char key[TABLE_KEY_BYTES] = {0};
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(prefix, '/');
	int family = strchr(prefix, ':') ? AF_INET6 : AF_INET;

	snprintf(addr, sizeof(addr), "%.*s", (int)strcspn(prefix, "/"), prefix);
	key[0] = inet_pton(family, addr, key + 1) == 1 ? (unsigned char)family : UINT8_MAX;
	key[17] = slash ? (unsigned char)atoi(slash + 1) : 128;
	key[18] = !json_is_true(json_object_get(row, "installed"));
	table_key(t, key);
}

static void neighbor_row(struct table *t, json_t *n)
{
	char buf[UNIT_SIZE];

	table_cell(t, text(n, "address"));
	table_cell(t, text(n, "device"));
	table_cell(t, text_or_dash(n, "port"));
	table_cell(t, text_or_dash(n, "mac"));
	table_cell(t, text(n, "state"));
	table_cell(t, json_is_true(json_object_get(n, "usable")) ? "yes" : "no");
	table_cell(t, json_is_integer(json_object_get(n, "used_ago_ms"))
			      ? unit_time((uint64_t)number(n, "used_ago_ms"), buf)
			      : "-");
}

/* "12 x1, 13 x2": next hops with weights, as far as they fit. */
static void members_cell(struct table *t, json_t *nexthop)
{
	char line[160] = "";
	json_t *member;
	size_t i;

	json_array_foreach(json_object_get(nexthop, "members"), i, member) {
		size_t len = strlen(line);

		if (len > sizeof(line) - 64) {
			strcat(line, ", ...");
			break;
		}
		snprintf(line + len, sizeof(line) - len,
			 "%s%" JSON_INTEGER_FORMAT " x%" JSON_INTEGER_FORMAT, i ? ", " : "",
			 number(member, "nexthop"), number(member, "weight"));
	}
	table_cell(t, line[0] ? line : text(nexthop, "dmac"));
}

static void nexthop_row(struct table *t, json_t *n)
{
	cell_number(t, n, "nexthop");
	table_cell(t, text(n, "kind"));
	table_cell(t, text_or_dash(n, "address"));
	table_cell(t, text_or_dash(n, "port"));
	if (number(n, "mtu"))
		cell_number(t, n, "mtu");
	else
		table_cell(t, "-");
	table_cell(t, text_or_dash(n, "reason"));
	cell_number(t, n, "references");
	members_cell(t, n);
}

void listing_begin(struct listing *l, enum action action)
{
	static const char *const routes[] = {"",       "PREFIX", "TYPE",     "TABLE",	"VIA",
					     "DEVICE", "STATE",	 "PROTOCOL", ">METRIC", ">MTU"};
	static const char *const neighbors[] = {"ADDRESS", "DEVICE", "PORT",	 "MAC",
						"STATE",   "USABLE", ">USED AGO"};
	static const char *const nexthops[] = {">NEXTHOP", "KIND",   "ADDRESS",	 "PORT",
					       ">MTU",	   "REASON", ">USED BY", "TO"};

	l->action = action;
	if (action == ACTION_ROUTES)
		table_begin(&l->table, routes, COUNT(routes));
	else if (action == ACTION_NEIGHBORS)
		table_begin(&l->table, neighbors, COUNT(neighbors));
	else
		table_begin(&l->table, nexthops, COUNT(nexthops));
}

void listing_add(struct listing *l, json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		if (l->action == ACTION_ROUTES) {
			sort_by(&l->table, row, text(row, "prefix"));
			route_rows(&l->table, row);
		} else if (l->action == ACTION_NEIGHBORS) {
			sort_by(&l->table, row, text(row, "address"));
			neighbor_row(&l->table, row);
		} else {
			nexthop_row(&l->table, row);
		}
	}
}

void listing_end(struct listing *l, FILE *out)
{
	table_sort(&l->table);
	finish(&l->table, out);
	if (l->action == ACTION_ROUTES)
		fputs("* in use\n", out);
}

/* One that has come as a whole. */
static void render_listing(enum action action, json_t *rows, FILE *out)
{
	struct listing l;

	listing_begin(&l, action);
	listing_add(&l, rows);
	listing_end(&l, out);
}

/* ---- counters, planes ---- */

static void render_counters(json_t *data, FILE *out)
{
	static const char *const headers[] = {"FATE", "REASON", ">PACKETS", "MEANING"};
	json_t *c;
	struct table t;
	size_t i;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(json_object_get(data, "counters"), i, c) {
		table_cell(&t, text(c, "kind"));
		table_cell(&t, text(c, "name"));
		cell_number(&t, c, "total");
		table_cell(&t, text(c, "text"));
	}
	finish(&t, out);
}

static void plane_queues(json_t *planes, FILE *out)
{
	static const char *const headers[] = {">PLANE",	  "PORT",	">RX PACKETS",
					      ">RX LOST", ">NO BUFFER", ">TX PACKETS",
					      ">TX LOST", ">TX WAKEUPS"};
	static const char *const keys[] = {"rx_packets", "rx_dropped", "rx_nobuf",
					   "tx_packets", "tx_dropped", "tx_wakeups"};
	json_t *plane, *port;
	struct table t;
	size_t i, j;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(planes, i, plane) {
		json_array_foreach(json_object_get(plane, "ports"), j, port) {
			cell_number(&t, plane, "plane");
			table_cell(&t, text(port, "port"));
			for (unsigned k = 0; k < COUNT(keys); k++)
				cell_number(&t, port, keys[k]);
		}
	}
	finish(&t, out);
}

static void render_planes(json_t *data, FILE *out)
{
	static const char *const headers[] = {">PLANE",	  ">CORE",   "CODE",	  ">TURNS",
					      ">WORKING", ">SLEEPS", ">CPU TIME", ">BUFFERS",
					      ">FREE",	  ">BYTES",  "PAGES"};
	json_t *planes = json_object_get(data, "planes"), *plane;
	struct table t;
	size_t i;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(planes, i, plane) {
		json_t *pool = json_object_get(plane, "pool");
		char time[UNIT_SIZE];

		cell_number(&t, plane, "plane");
		cell_number(&t, plane, "core");
		table_cellf(&t, "%s%s", text(plane, "isa"),
			    json_is_true(json_object_get(plane, "busy_poll")) ? ", busy" : "");
		cell_number(&t, plane, "turns");
		cell_number(&t, plane, "working_turns");
		cell_number(&t, plane, "sleeps");
		table_cell(&t, unit_time((uint64_t)number(plane, "cpu_ns") / 1000000, time));
		cell_number(&t, pool, "buffers");
		cell_number(&t, pool, "free");
		cell_number(&t, pool, "buffer_bytes");
		table_cell(&t,
			   json_is_true(json_object_get(pool, "huge_pages")) ? "2 MB" : "ordinary");
	}
	finish(&t, out);
	if (strncmp(text(data, "mode"), "nic-", 4) == 0 &&
	    strcmp(text(data, "mode"), "nic-cpu") != 0) {
		fputs("\nMode=", out);
		text_print(text(data, "mode"), out);
		fputs(": an accelerator processes the packets, see: peerlane show accelerator\n",
		      out);
	}
	fputc('\n', out);
	plane_queues(planes, out);
}

/* ---- limits ---- */

/* A number, or "no" for what is not limited. */
static void cell_limit(struct table *t, json_t *object, const char *key)
{
	if (json_is_null(json_object_get(object, key)))
		table_cell(t, "no");
	else
		cell_number(t, object, key);
}

/* By port, those classes that dropped something there. */
static void limited_ports(json_t *limits, FILE *out)
{
	static const char *const headers[] = {"CLASS", "PORT", ">PASSED", ">DROPPED", "NOW"};
	json_t *limit, *port;
	struct table t;
	size_t i, j, n = 0;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(limits, i, limit) {
		json_array_foreach(json_object_get(limit, "ports"), j, port) {
			if (!number(port, "dropped"))
				continue;
			n++;
			table_cell(&t, text(limit, "class"));
			table_cell(&t, text(port, "port"));
			cell_number(&t, port, "passed");
			cell_number(&t, port, "dropped");
			table_cell(&t,
				   json_is_true(json_object_get(port, "reached")) ? "limited" : "");
		}
	}
	if (n) {
		fputc('\n', out);
		table_print(&t, 0, out);
	}
	table_end(&t);
}

static void render_limits(json_t *data, FILE *out)
{
	static const char *const headers[] = {"CLASS",	 ">PER SECOND", ">AT ONCE",
					      ">PASSED", ">DROPPED",	"WHAT"};
	json_t *limits = json_object_get(data, "limits"), *limit;
	struct table t;
	size_t i;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(limits, i, limit) {
		table_cell(&t, text(limit, "class"));
		cell_limit(&t, limit, "rate");
		cell_limit(&t, limit, "burst");
		cell_number(&t, limit, "passed");
		cell_number(&t, limit, "dropped");
		table_cell(&t, text(limit, "text"));
	}
	finish(&t, out);
	limited_ports(limits, out);
}

/* ---- the rest ---- */

/* A list of texts in one cell. */
static void list_cell(struct table *t, json_t *list)
{
	char line[256] = "";
	size_t i, len = 0;
	json_t *value;

	json_array_foreach(list, i, value) {
		if (len < sizeof(line))
			len += (size_t)snprintf(
				line + len, sizeof(line) - len, "%s%s", i ? ", " : "",
				json_is_string(value) ? json_string_value(value) : "?");
	}
	table_cell(t, line);
}

/* "key  value" of all of an object, underscores as spaces; times in their unit. */
static void pairs(struct table *t, json_t *object, const char *prefix)
{
	json_t *value;
	const char *key;

	json_object_foreach(object, key, value) {
		size_t len = strlen(key);
		char name[64], buf[UNIT_SIZE];

		if (json_is_object(value)) {
			snprintf(name, sizeof(name), "%s: ", key);
			pairs(t, value, name);
			continue;
		}
		snprintf(name, sizeof(name), "%s%s", prefix, key);
		for (char *c = name; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		if (len > 3 && !strcmp(key + len - 3, "_ms")) {
			name[strlen(name) - 3] = '\0';
			table_cell(t, name);
			table_cell(t,
				   json_is_null(value)
					   ? "never"
					   : unit_time((uint64_t)json_integer_value(value), buf));
		} else if (len > 6 && !strcmp(key + len - 6, "_bytes")) {
			name[strlen(name) - 6] = '\0';
			table_cell(t, name);
			table_cell(t, unit_print((double)json_integer_value(value), "B", buf));
		} else {
			table_cell(t, name);
			if (json_is_string(value))
				table_cell(t, json_string_value(value));
			else if (json_is_array(value))
				list_cell(t, value);
			else
				table_cellf(t, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		}
	}
}

static void render_pairs(json_t *data, FILE *out)
{
	static const char *const headers[] = {"WHAT", ">VALUE"};
	struct table t;

	table_begin(&t, headers, COUNT(headers));
	pairs(&t, data, "");
	finish(&t, out);
}

static void render_sync(json_t *data, FILE *out)
{
	static const char *const headers[] = {"NOT FOLLOWED", "FAMILY", ">ROUTES"};
	json_t *list = json_incref(json_object_get(data, "unfollowed")), *one;
	json_int_t more = number(data, "unfollowed_more");
	struct table t;
	size_t i;

	/* Told apart from the rest. */
	json_object_del(data, "unfollowed");
	json_object_del(data, "unfollowed_more");
	render_pairs(data, out);
	if (!json_array_size(list)) {
		json_decref(list);
		return;
	}
	fputc('\n', out);
	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(list, i, one) {
		table_cell(&t, text(one, "what"));
		table_cell(&t, text(one, "family"));
		if (json_is_integer(json_object_get(one, "routes")))
			table_cellf(&t, "%" JSON_INTEGER_FORMAT, number(one, "routes"));
		else
			table_cell(&t, "");
	}
	finish(&t, out);
	if (more)
		fprintf(out, "and %" JSON_INTEGER_FORMAT " more\n", more);
	json_decref(list);
}

static void render_fate(json_t *data, FILE *out)
{
	json_t *route = json_object_get(data, "route");
	json_t *one;

	text_print(text(data, "text"), out);
	fputc('\n', out);
	if (!json_is_object(route))
		return;
	fputc('\n', out);
	one = json_pack("{s:[O]}", "routes", route);
	render_listing(ACTION_ROUTES, json_object_get(one, "routes"), out);
	json_decref(one);
}

void render(enum action action, json_t *data, FILE *out)
{
	switch (action) {
	case ACTION_PORTS:
		render_ports(data, out);
		break;
	case ACTION_ROUTES:
		render_listing(action, json_object_get(data, "routes"), out);
		break;
	case ACTION_NEIGHBORS:
		render_listing(action, json_object_get(data, "neighbors"), out);
		break;
	case ACTION_NEXTHOPS:
		render_listing(action, json_object_get(data, "nexthops"), out);
		break;
	case ACTION_COUNTERS:
		render_counters(data, out);
		break;
	case ACTION_LIMITS:
		render_limits(data, out);
		break;
	case ACTION_PLANES:
		render_planes(data, out);
		break;
	case ACTION_ACCELERATOR:
		render_accelerator(data, out);
		break;
	case ACTION_ROUTE:
		render_fate(data, out);
		break;
	case ACTION_SYNC:
		render_sync(data, out);
		break;
	case ACTION_AUDIT:
		fputs("all is being compared with the kernel's; see: peerlane show sync\n", out);
		break;
	case ACTION_VERSION:
		render_pairs(data, out);
		break;
	case ACTION_DEVICES:
		render_devices(data, out);
		break;
	case ACTION_BIND:
	case ACTION_UNBIND:
		render_bound(data, out);
		break;
	case ACTION_WATCH:
	case ACTION_CLEANUP:
	case ACTION_HELP:
		break;
	}
}

/* ---- rates ---- */

static double rate(json_t *before, json_t *after, const char *key, double seconds)
{
	json_int_t from = number(before, key), to = number(after, key);

	return (double)(to >= from ? (uint64_t)to - (uint64_t)from : (uint64_t)to) / seconds;
}

struct port_rates rates_between(json_t *before, json_t *after, double seconds)
{
	json_t *c0 = json_object_get(before, "counters"), *c1 = json_object_get(after, "counters");
	json_t *f0 = json_object_get(before, "face"), *f1 = json_object_get(after, "face");

	if (seconds <= 0)
		return (struct port_rates){0};
	return (struct port_rates){
		.rx_packets = rate(c0, c1, "rx_packets", seconds),
		.rx_bits = 8 * rate(c0, c1, "rx_bytes", seconds),
		.tx_packets = rate(c0, c1, "tx_packets", seconds),
		.tx_bits = 8 * rate(c0, c1, "tx_bytes", seconds),
		.lost = rate(c0, c1, "rx_dropped", seconds) + rate(c0, c1, "tx_dropped", seconds),
		.punted = rate(f0, f1, "to_kernel", seconds),
	};
}
