/* SPDX-License-Identifier: BSD-2-Clause */
/* The image as a fixed list of flat arrays, for whoever keeps a copy of it.
 *
 * Nothing in the image is a pointer: the arrays of a copy may lie anywhere, each with as many bytes
 * as are in use and room to grow, up to the maximum. */
#ifndef PEERLANE_TABLES_SECTIONS_H
#define PEERLANE_TABLES_SECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "image.h"

struct tables_section_info {
	const char *name;
	const void *base; /* in the image */
	uint32_t element; /* bytes of one element */
	uint32_t word;	  /* bytes that must be stored together: an address is made of several */
	/* Bytes. `used` never falls; what lies beyond was never written and is zero, and a copy must
	 * be zero there too. `max` does not change. */
	size_t used, max;
};

struct tables;

/* Control thread. The limits do not change, so `max` may be asked for once. */
void tables_section_info(const struct tables *t, enum tables_section section,
			 struct tables_section_info *info);

/* A view of the sections that begin at base[0] to base[TABLES_SECTIONS - 1]. `used` is NULL. */
void tables_view_of(void *const base[TABLES_SECTIONS], struct tables_view *view);

#endif
