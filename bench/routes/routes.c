/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of any origin: read, shuffled, given next hops, counted. */
#include "routes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* ---- reading ---- */

struct reader {
	struct prefix *list;
	uint32_t n, capacity;
	uint32_t n4;
};

static int append(struct reader *r, const struct prefix *p)
{
	struct prefix *list;

	if (r->n == r->capacity) {
		r->capacity = r->capacity ? 2 * r->capacity : 1024;
		list = realloc(r->list, r->capacity * sizeof(*list));
		if (!list)
			return -ENOMEM;
		r->list = list;
	}
	r->list[r->n++] = *p;
	r->n4 += p->family == AF_INET;
	return 0;
}

/* Cuts off comment and white space on both sides. */
static char *trim(char *line)
{
	char *end;

	line[strcspn(line, "#")] = 0;
	line += strspn(line, " \t\r\n");
	for (end = line + strlen(line); end > line && strchr(" \t\r\n", end[-1]); end--)
		;
	*end = 0;
	return line;
}

static int read_lines(struct reader *r, FILE *file, const char *path, char *error)
{
	size_t room = 0;
	char *line = NULL, *text;
	unsigned long number = 0;
	struct prefix p;
	int err = 0;

	while (!err && getline(&line, &room, file) >= 0) {
		number++;
		text = trim(line);
		if (!*text)
			continue;
		err = prefix_parse(text, &p);
		if (err)
			snprintf(error, ROUTES_ERROR_MAX,
				 "%s:%lu: \"%.64s\" is no prefix (want 192.0.2.0/24 or "
				 "2001:db8::/32, no bits set behind the length)",
				 path, number, text);
		else if (r->n - r->n4 == ROUTES_READ_MAX || r->n4 == ROUTES_READ_MAX)
			err = -EFBIG;
		else
			err = append(r, &p);
	}
	if (!err && ferror(file))
		err = -errno;
	free(line);
	return err;
}

/* IPv4 to the front, else as they were. */
static int order_families(struct reader *r)
{
	struct prefix *sorted = malloc((r->n + 1) * sizeof(*sorted));
	uint32_t at4 = 0, at6 = r->n4, i;

	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < r->n; i++)
		sorted[r->list[i].family == AF_INET ? at4++ : at6++] = r->list[i];
	free(r->list);
	r->list = sorted;
	return 0;
}

int routes_read(struct routes *out, const char *path, char error[ROUTES_ERROR_MAX])
{
	struct reader r = {0};
	bool is_stdin = !strcmp(path, "-");
	const char *name = is_stdin ? "standard input" : path;
	FILE *file = is_stdin ? stdin : fopen(path, "r");
	int err;

	*error = 0;
	err = file ? read_lines(&r, file, name, error) : -errno;
	if (!err)
		err = order_families(&r);
	if (file && !is_stdin)
		fclose(file);
	if (err) {
		if (!*error)
			snprintf(error, ROUTES_ERROR_MAX, "%s: %s", name, strerror(-err));
		free(r.list);
		return err;
	}
	*out = (struct routes){.list = r.list, .n4 = r.n4, .n6 = r.n - r.n4};
	return 0;
}

void routes_free(struct routes *r)
{
	free(r->list);
	*r = (struct routes){0};
}

/* ---- order and next hops ---- */

static void shuffle(struct prefix *list, uint32_t n, uint64_t *seed)
{
	for (; n > 1; n--) {
		uint32_t i = random_below(seed, n);
		struct prefix swap = list[i];

		list[i] = list[n - 1];
		list[n - 1] = swap;
	}
}

void routes_shuffle(struct routes *r, uint64_t seed)
{
	shuffle(r->list, r->n4, &seed);
	shuffle(r->list + r->n4, r->n6, &seed);
}

uint32_t routes_nexthop(const struct prefix *p, uint64_t seed, uint32_t n)
{
	uint64_t state = seed ^ prefix_hash(p);

	return random_below(&state, n);
}

/* ---- statistics ---- */

int prefix_compare(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = memcmp(x->bytes, y->bytes, sizeof(x->bytes));

	return order ? order : (int)x->len - (int)y->len;
}

static bool same_bits(addr128 a, addr128 b, unsigned len)
{
	return len == 0 || (a ^ b) >> (128 - len) == 0;
}

/* What a pass over the sorted prefixes must remember. */
struct pass {
	struct routes_stats *s;
	addr128 cover[129]; /* the routes that cover the last one, and itself, outermost first */
	uint8_t cover_len[129];
	unsigned n_covers;
	addr128 longer[128]; /* by length: the last one that is longer */
	bool any_longer[128];
	addr128 of_length[129]; /* by length: the last one that has it */
	uint32_t run[129];	/* and the run that it ends */
};

static void end_run(struct pass *p, unsigned len)
{
	unsigned i = p->run[len] ? 31 - (unsigned)__builtin_clz(p->run[len]) : 0;

	if (p->run[len])
		p->s->run[i < ROUTES_RUNS ? i : ROUTES_RUNS - 1]++;
	p->run[len] = 0;
}

static void count_neighbours(struct pass *p, addr128 addr, unsigned len)
{
	addr128 step = len ? (addr128)1 << (128 - len) : 0;
	bool follows = p->run[len] && addr == p->of_length[len] + step;

	/* Both of the pair. */
	if (follows && addr & step)
		p->s->siblings += 2;
	if (!follows)
		end_run(p, len);
	p->run[len]++;
	p->of_length[len] = addr;
}

static void count(struct pass *p, addr128 addr, unsigned len)
{
	unsigned depth, l;

	while (p->n_covers &&
	       !same_bits(p->cover[p->n_covers - 1], addr, p->cover_len[p->n_covers - 1]))
		p->n_covers--;
	depth = p->n_covers;
	p->s->depth[depth < ROUTES_DEPTHS ? depth : ROUTES_DEPTHS - 1]++;
	p->cover[p->n_covers] = addr;
	p->cover_len[p->n_covers++] = (uint8_t)len;
	for (l = 0; l < len; l++) {
		if (!p->any_longer[l] || !same_bits(p->longer[l], addr, l))
			p->s->occupied[l]++;
		p->longer[l] = addr;
		p->any_longer[l] = true;
	}
	p->s->length[len]++;
	p->s->n++;
	count_neighbours(p, addr, len);
}

int routes_stats(const struct routes *r, uint8_t family, struct routes_stats *s)
{
	uint32_t n = family == AF_INET ? r->n4 : r->n6, i;
	const struct prefix *list = family == AF_INET ? r->list : r->list + r->n4;
	struct prefix *sorted = malloc(((size_t)n + 1) * sizeof(*sorted));
	struct pass p = {.s = s};

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, list, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), prefix_compare);
	*s = (struct routes_stats){0};
	for (i = 0; i < n; i++) {
		if (i && prefix_equal(&sorted[i], &sorted[i - 1]))
			s->duplicates++;
		else
			count(&p, prefix_number(&sorted[i]), sorted[i].len);
	}
	for (i = 0; i <= 128; i++)
		end_run(&p, i);
	free(sorted);
	return 0;
}
