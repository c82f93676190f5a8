/* SPDX-License-Identifier: BSD-2-Clause */
/* Where each section of the image lies, and how much of it is in use. */
#include "sections.h"

#include <errno.h>

#include "private.h"

#define PORTS_MAX (1u << 16) /* whatever 16 bits can name */

/* So that blocks are aligned to their size whatever is before them. */
#define SECTION_ALIGN ((size_t)4096)

/* In the order in which they lie in memory: what is small and always read comes first, so that it
 * shares a huge page. */
static void describe(struct tables *t, const struct tables_limits *limits)
{
	const uint32_t narrow = TRIE_BLOCK * sizeof(uint16_t), wide = TRIE_BLOCK * sizeof(uint32_t);
	const struct block_kind *kinds4 = t->v4.kinds, *kinds6 = t->v6.kinds;
	const struct section sections[TABLES_SECTIONS] = {
		[TABLES_HEAD] = {"head", sizeof(struct tables_head), 8, 1, NULL},
		[TABLES_ROOT4] = {"root4", 4, 4, TRIE4_ROOT, NULL},
		[TABLES_ROOT6_OTHER] = {"root6_other", 4, 4, TRIE6_OTHER_ROOT, NULL},
		[TABLES_PORTS] = {"ports", sizeof(struct table_port), 8, PORTS_MAX, NULL},
		[TABLES_SLOTS] = {"slots", 4, 4, limits->slots, &t->slots.top},
		[TABLES_NEXTHOPS] = {"nexthops", sizeof(struct nexthop), 8, limits->nexthops,
				     &t->nexthops.top},
		[TABLES_ROOT6_GLOBAL] = {"root6_global", 4, 4, TRIE6_GLOBAL_ROOT, NULL},
		[TABLES_MID4] = {"mid4", narrow, 2, TRIE4_ROOT, &kinds4[BLOCKS_MID].pool.top},
		[TABLES_LAST4] = {"last4", narrow, 2, limits->last4, &kinds4[BLOCKS_LAST].pool.top},
		[TABLES_WIDE4] = {"wide4", wide, 4, limits->blocks4, &kinds4[BLOCKS_WIDE].pool.top},
		[TABLES_BLOCKS6] = {"blocks6", wide, 4, limits->blocks6,
				    &kinds6[BLOCKS_WIDE].pool.top},
		/* Two of the largest, and all smaller ones, lie before 4 times its slots. */
		[TABLES_NEIGHBOURS] = {"neighbours", sizeof(struct neighbour), 4,
				       4 * neighbours_slots(limits->neighbours),
				       &t->neighbours.top},
	};
	unsigned i;

	for (i = 0; i < TABLES_SECTIONS; i++)
		t->sections[i] = sections[i];
}

int sections_init(struct tables *t, const struct tables_limits *limits)
{
	size_t at = 0;
	unsigned i;

	describe(t, limits);
	for (i = 0; i < TABLES_SECTIONS; i++) {
		struct section *s = &t->sections[i];

		s->start = at;
		at += ((size_t)s->limit * s->element + SECTION_ALIGN - 1) & ~(SECTION_ALIGN - 1);
	}
	t->image_bytes = at;
	t->image = space_reserve(at, true);
	return t->image ? 0 : -ENOMEM;
}

void sections_fini(struct tables *t)
{
	if (t->image)
		space_release(t->image, t->image_bytes);
	t->image = NULL;
}

void *section_base(const struct tables *t, enum tables_section section)
{
	return t->image + t->sections[section].start;
}

void tables_section_info(const struct tables *t, enum tables_section section,
			 struct tables_section_info *info)
{
	const struct section *s = &t->sections[section];

	*info = (struct tables_section_info){
		.name = s->name,
		.base = section_base(t, section),
		.element = s->element,
		.word = s->word,
		.used = (size_t)(s->top ? *s->top : s->limit) * s->element,
		.max = (size_t)s->limit * s->element,
	};
}

void tables_view_of(void *const base[TABLES_SECTIONS], struct tables_view *view)
{
	*view = (struct tables_view){
		.head = base[TABLES_HEAD],
		.root4 = base[TABLES_ROOT4],
		.mid4 = base[TABLES_MID4],
		.last4 = base[TABLES_LAST4],
		.wide4 = base[TABLES_WIDE4],
		.root6_global = base[TABLES_ROOT6_GLOBAL],
		.root6_other = base[TABLES_ROOT6_OTHER],
		.blocks6 = base[TABLES_BLOCKS6],
		.nexthops = base[TABLES_NEXTHOPS],
		.slots = base[TABLES_SLOTS],
		.neighbours = base[TABLES_NEIGHBOURS],
		.ports = base[TABLES_PORTS],
	};
}
