/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <netinet/ether.h>

#include "values.h"

int gen_value_number(const char *option, const char *text, uint64_t min, uint64_t max,
		     uint64_t *value, struct pl_error *err)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || n < min || n > max)
		return pl_error_set(err, -EINVAL, NULL, "%s: \"%s\" is no number from %llu to %llu",
				    option, text, (unsigned long long)min, (unsigned long long)max);
	*value = n;
	return 0;
}

int gen_value_with_unit(const char *text, const struct gen_unit *units, double *value)
{
	char *end;
	double v;

	/* strtod() also takes blanks, signs, "inf" and hexadecimal. */
	if (strspn(text, "0123456789.") == 0)
		return -EINVAL;
	v = strtod(text, &end);
	if (end != text + strspn(text, "0123456789.") || !isfinite(v))
		return -EINVAL;
	for (int i = 0; units[i].name; i++) {
		if (strcasecmp(end, units[i].name) == 0) {
			*value = v * units[i].factor;
			return i;
		}
	}
	return -EINVAL;
}

int gen_value_time(const char *option, const char *text, uint64_t min_ns, uint64_t *ns,
		   struct pl_error *err)
{
	static const struct gen_unit units[] = {
		{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"min", 60e9}, {"h", 3600e9}, {0}};
	double v;

	if (gen_value_with_unit(text, units, &v) < 0 || v < (double)min_ns || v > 7 * 86400e9)
		return pl_error_set(err, -EINVAL, "give it as in 10, 10s, 500ms or 2min",
				    "%s: \"%s\" is no time%s of up to a week", option, text,
				    min_ns ? " above 0" : "");
	*ns = (uint64_t)v;
	return 0;
}

int gen_value_percent(const char *option, const char *text, double *percent, struct pl_error *err)
{
	static const struct gen_unit units[] = {{"", 1}, {"%", 1}, {0}};

	if (gen_value_with_unit(text, units, percent) < 0 || *percent > 100)
		return pl_error_set(err, -EINVAL, "give it as in 0.1%",
				    "%s: \"%s\" is no percentage from 0 to 100", option, text);
	return 0;
}

int gen_value_mac(const char *option, const char *text, uint8_t mac[6], struct pl_error *err)
{
	static const uint8_t none[6];
	struct ether_addr parsed;

	if (!ether_aton_r(text, &parsed) || parsed.ether_addr_octet[0] & 1 ||
	    memcmp(&parsed, none, 6) == 0)
		return pl_error_set(err, -EINVAL, "give it as in 02:00:00:00:00:01",
				    "%s: \"%s\" is no unicast MAC address", option, text);
	memcpy(mac, &parsed, 6);
	return 0;
}

int gen_value_sizes(const char *option, const char *text, unsigned min, unsigned max,
		    uint16_t *sizes, unsigned n_max, unsigned *n, struct pl_error *err)
{
	char one[16];
	uint64_t size = 0;
	size_t len;
	int rc;

	for (*n = 0;; text += len + 1) {
		len = strcspn(text, ",");
		if (*n == n_max)
			return pl_error_set(err, -EINVAL, NULL, "%s: more than %u sizes", option,
					    n_max);
		memcpy(one, text, len < sizeof(one) ? len : sizeof(one) - 1);
		one[len < sizeof(one) ? len : sizeof(one) - 1] = '\0';
		rc = gen_value_number(option, one, min, max, &size, err);
		if (rc)
			return rc;
		sizes[(*n)++] = (uint16_t)size;
		if (!text[len])
			return 0;
	}
}
