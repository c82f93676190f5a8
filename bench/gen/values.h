/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of options. Each returns 0, or -EINVAL with `err` filled, in which `option` is quoted. */
#ifndef GEN_VALUES_H
#define GEN_VALUES_H

#include <stdint.h>

#include <peerlane/error.h>

/* A whole number, decimal, within bounds. */
int gen_value_number(const char *option, const char *text, uint64_t min, uint64_t max,
		     uint64_t *value, struct pl_error *err);

/* A time: "10", "10s", "500ms", "20us", in ns; at least `min_ns` and at most a week. */
int gen_value_time(const char *option, const char *text, uint64_t min_ns, uint64_t *ns,
		   struct pl_error *err);

/* A percentage, with or without its sign, from 0 to 100. */
int gen_value_percent(const char *option, const char *text, double *percent, struct pl_error *err);

/* A number and a unit: units[i].name multiplies by units[i].factor. The last has name NULL. Returns the unit's index,
 * or -EINVAL without `err`. */
struct gen_unit {
	const char *name;
	double factor;
};
int gen_value_with_unit(const char *text, const struct gen_unit *units, double *value);

/* A unicast MAC address. */
int gen_value_mac(const char *option, const char *text, uint8_t mac[6], struct pl_error *err);

/* Sizes with commas between, each from `min` to `max`; sets how many there are, at most `n_max`. */
int gen_value_sizes(const char *option, const char *text, unsigned min, unsigned max,
		    uint16_t *sizes, unsigned n_max, unsigned *n, struct pl_error *err);

#endif
