/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../router/tables/prefix.h"
#include "targets.h"

static const char remedy[] = "give an address, a prefix (192.0.2.0/24), a range "
			     "(192.0.2.1-192.0.2.9) or a file of such lines";

static int add(struct gen_targets *targets, const struct gen_target *target, struct pl_error *err)
{
	if (targets->n == targets->room) {
		uint32_t room = targets->room ? 2 * targets->room : 16;
		struct gen_target *list = realloc(targets->list, room * sizeof(*list));

		if (!list)
			return pl_error_set(err, -ENOMEM, NULL, "no memory for destinations");
		targets->list = list;
		targets->room = room;
	}
	targets->list[targets->n++] = *target;
	return 0;
}

static bool is_unicast(uint8_t family, const uint8_t *a)
{
	if (family == AF_INET)
		return a[0] != 0 && a[0] != 127 && a[0] < 224;
	/* Of IPv6: not multicast, not link-local, nor below ::/8 (unspecified, loopback). */
	return a[0] != 0xff && a[0] != 0 && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

/* The last 8 bytes of an address (IPv4: all 4) as a number, and back. */
static uint64_t low_part(const uint8_t *bytes, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = n > 8 ? n - 8 : 0; i < n; i++)
		v = v << 8 | bytes[i];
	return v;
}

static void set_low_part(uint8_t *bytes, unsigned n, uint64_t v)
{
	for (unsigned i = n; i > (n > 8 ? n - 8 : 0); v >>= 8)
		bytes[--i] = (uint8_t)v;
}

static unsigned bytes_of(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static bool parse_range(const char *text, const char *dash, struct gen_target *t)
{
	struct prefix first, last;
	char low[PREFIX_STRLEN];
	unsigned n;

	if ((size_t)(dash - text) >= sizeof(low))
		return false;
	memcpy(low, text, (size_t)(dash - text));
	low[dash - text] = '\0';
	if (strchr(text, '/') || prefix_parse(low, &first) || prefix_parse(dash + 1, &last) ||
	    first.family != last.family)
		return false;
	n = bytes_of(first.family);
	if (n == 16 && memcmp(first.bytes, last.bytes, 8) != 0)
		return false;
	if (low_part(last.bytes, n) < low_part(first.bytes, n) ||
	    low_part(last.bytes, n) - low_part(first.bytes, n) == UINT64_MAX)
		return false;
	*t = (struct gen_target){.family = first.family,
				 .range = low_part(last.bytes, n) - low_part(first.bytes, n) + 1};
	memcpy(t->first, first.bytes, sizeof(t->first));
	return true;
}

static bool parse(const char *text, struct gen_target *t)
{
	const char *dash = strchr(text, '-');
	struct prefix p;

	if (dash)
		return parse_range(text, dash, t);
	if (prefix_parse(text, &p))
		return false;
	*t = (struct gen_target){.family = p.family};
	t->host_bits = (uint8_t)(8 * bytes_of(p.family) - p.len);
	memcpy(t->first, p.bytes, sizeof(t->first));
	return true;
}

static int add_line(struct gen_targets *targets, const char *path, unsigned line, char *text,
		    struct pl_error *err)
{
	struct gen_target t;

	text[strcspn(text, "#\r\n")] = '\0';
	text += strspn(text, " \t");
	text[strcspn(text, " \t")] = '\0';
	if (!*text)
		return 0;
	if (!parse(text, &t))
		return pl_error_set(err, -EINVAL, remedy,
				    "%s, line %u: \"%.60s\" is no destination", path, line, text);
	return is_unicast(t.family, t.first) ? add(targets, &t, err) : 0;
}

static int add_file(struct gen_targets *targets, const char *path, FILE *file, struct pl_error *err)
{
	char *text = NULL;
	size_t room = 0;
	unsigned line = 0;
	uint32_t before = targets->n;
	int rc = 0;

	errno = 0;
	while (!rc && getline(&text, &room, file) >= 0)
		rc = add_line(targets, path, ++line, text, err);
	if (!rc && !feof(file))
		rc = pl_error_set(err, errno ? -errno : -EIO, remedy, "%s: cannot read it: %s",
				  path, strerror(errno ? errno : EIO));
	free(text);
	if (!rc && targets->n == before)
		rc = pl_error_set(err, -EINVAL, remedy, "%s: has no destination in it", path);
	return rc;
}

int gen_targets_add(struct gen_targets *targets, const char *text, struct pl_error *err)
{
	struct gen_target t;
	FILE *file;
	int rc;

	if (parse(text, &t)) {
		if (!is_unicast(t.family, t.first))
			return pl_error_set(err, -EINVAL, "give unicast addresses",
					    "\"%s\" is nothing a router forwards to", text);
		return add(targets, &t, err);
	}
	file = fopen(text, "re");
	if (!file)
		return pl_error_set(err, -EINVAL, remedy,
				    "\"%s\" is no destination, and no file that can be read: %s",
				    text, strerror(errno));
	rc = add_file(targets, text, file, err);
	fclose(file);
	return rc;
}

int gen_targets_move(struct gen_targets *to, struct gen_targets *from, uint8_t family,
		     struct pl_error *err)
{
	for (uint32_t i = 0; i < from->n; i++)
		if (from->list[i].family == family && add(to, &from->list[i], err))
			return -ENOMEM;
	gen_targets_drop(from, family);
	return 0;
}

void gen_targets_drop(struct gen_targets *targets, uint8_t family)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < targets->n; i++)
		if (targets->list[i].family != family)
			targets->list[n++] = targets->list[i];
	targets->n = n;
}

bool gen_targets_has(const struct gen_targets *targets, uint8_t family)
{
	for (uint32_t i = 0; i < targets->n; i++)
		if (targets->list[i].family == family)
			return true;
	return false;
}

/* Random host bits: the bytes from the last on, and of one more the rest. */
static void draw_host(const struct gen_target *t, uint64_t *random, uint8_t *address)
{
	unsigned at = bytes_of(t->family), bits = t->host_bits;

	for (; bits; bits -= bits < 8 ? bits : 8) {
		unsigned mask = bits < 8 ? (1u << bits) - 1 : 0xff;

		at--;
		address[at] = (uint8_t)((t->first[at] & ~mask) | (gen_random(random) & mask));
	}
}

/* Whether all host bits of an IPv4 address are alike. */
static bool is_edge(const struct gen_target *t, const uint8_t *address)
{
	uint64_t mask = (1ull << t->host_bits) - 1, host = low_part(address, 4) & mask;

	return t->host_bits >= 2 && (host == 0 || host == mask);
}

void gen_targets_draw(const struct gen_targets *targets, uint32_t i, uint32_t n, uint64_t *random,
		      uint8_t *family, uint8_t address[16])
{
	uint32_t which = targets->n <= n ? i % targets->n
					 : (uint32_t)(gen_random(random) % targets->n);
	const struct gen_target *t = &targets->list[which];
	unsigned bytes = bytes_of(t->family);

	*family = t->family;
	memcpy(address, t->first, 16);
	/* The first is one that routers forward to: sooner or later one is drawn. */
	do {
		if (t->range)
			set_low_part(address, bytes,
				     low_part(t->first, bytes) + gen_random(random) % t->range);
		else
			draw_host(t, random, address);
	} while (!is_unicast(t->family, address) || (t->family == AF_INET && is_edge(t, address)));
}

void gen_targets_fini(struct gen_targets *targets)
{
	free(targets->list);
	*targets = (struct gen_targets){0};
}
