/* SPDX-License-Identifier: BSD-2-Clause */
/* A copy of the tables in this process's memory, as an accelerator would keep it in its own. */
#ifndef PEERLANE_TESTS_TABLES_COPY_HELP_H
#define PEERLANE_TESTS_TABLES_COPY_HELP_H

#include "../../router/tables/log.h"
#include "../../router/tables/private.h"
#include "tables_help.h"

struct replica {
	struct tables_copy *copy;
	void *base[TABLES_SECTIONS];
	struct tables_section_info info[TABLES_SECTIONS]; /* of the image */
	struct tables_view view;
	uint64_t seed;
};

static inline void replica_init(struct replica *r, struct tables *t, size_t log_bytes)
{
	*r = (struct replica){.copy = tables_copy_new(t, log_bytes, NULL, NULL), .seed = 54};
	assert_non_null(r->copy);
	for (unsigned i = 0; i < TABLES_SECTIONS; i++) {
		tables_section_info(t, i, &r->info[i]);
		r->base[i] = space_reserve(r->info[i].max, false);
		assert_non_null(r->base[i]);
	}
	tables_view_of(r->base, &r->view);
}

static inline void replica_fini(struct replica *r)
{
	tables_copy_free(r->copy);
	for (unsigned i = 0; i < TABLES_SECTIONS; i++)
		space_release(r->base[i], r->info[i].max);
}

/* A tables_copy_put_fn. */
static inline int replica_put(void *ctx, enum tables_section section, const void *bytes,
			      size_t length)
{
	struct replica *r = ctx;

	assert_true(length <= r->info[section].max);
	memcpy(r->base[section], bytes, length);
	return 0;
}

static inline void replica_fill(struct replica *r)
{
	assert_int_equal(tables_copy_fill(r->copy, replica_put, r), 0);
	assert_int_equal(tables_copy_state(r->copy), TABLES_COPY_LIVE);
}

static inline void store_word(void *to, const void *from, uint32_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	switch (bytes) {
	case 2:
		__atomic_store_n((uint16_t *)to, (uint16_t)value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)to, (uint32_t)value, __ATOMIC_RELEASE);
		break;
	default:
		assert_int_equal(bytes, 8);
		__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);
	}
}

/* Whole words, forwards or backwards: a record leaves their order open. */
static inline void replica_apply(struct replica *r, const struct tables_change *c)
{
	const struct tables_section_info *info = &r->info[c->section];
	uint32_t word = info->word, i;
	bool backwards = random_below(&r->seed, 2);

	assert_true(c->section < TABLES_SECTIONS && c->length > 0);
	assert_true(c->length % word == 0 && c->offset % word == 0);
	assert_true(c->offset + c->length <= info->max);
	for (i = 0; i < c->length; i += word) {
		uint32_t at = backwards ? c->length - word - i : i;

		store_word((uint8_t *)r->base[c->section] + c->offset + at,
			   (const uint8_t *)c->bytes + at, word);
	}
}

/* Replays all that there is. Returns what tables_copy_next() returned last. */
static inline int replica_replay(struct replica *r)
{
	struct tables_change change;
	int more;

	while ((more = tables_copy_next(r->copy, &change)) == 1)
		replica_apply(r, &change);
	return more;
}

/* The same as the image, in every byte that is in use. */
static inline void replica_check(const struct replica *r, const struct tables *t)
{
	for (unsigned i = 0; i < TABLES_SECTIONS; i++) {
		struct tables_section_info now;

		tables_section_info(t, i, &now);
		assert_ptr_equal(now.base, r->info[i].base);
		assert_int_equal(now.max, r->info[i].max);
		assert_true(now.used <= now.max);
		if (memcmp(now.base, r->base[i], now.used))
			fail_msg("section %s differs", now.name);
	}
}

#endif
