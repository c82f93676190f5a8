/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on what is punted, and what became of packets by them. */
#include "punt_limits.h"
#include "show.h"

/* One class on one port; adds to the class's sum. */
static json_t *one_port(const struct router *router, unsigned port, enum limit_class class,
			struct limit_counts *sum)
{
	struct limit_counts counts = limits_count(router, port, class);

	sum->passed += counts.passed;
	sum->dropped += counts.dropped;
	return json_pack("{s:s, s:I, s:I, s:b}", "port", router->ports[port].name, "passed",
			 (json_int_t)counts.passed, "dropped", (json_int_t)counts.dropped,
			 "reached", limits_reached(router, port, class));
}

static json_t *one_class(const struct router *router, enum limit_class class)
{
	uint32_t rate = router->config->limits[class];
	bool limited = rate != LIMIT_NONE;
	json_t *ports = json_array();
	struct limit_counts sum = {0};

	for (unsigned i = 0; i < router->n_ports; i++)
		json_array_append_new(ports, one_port(router, i, class, &sum));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:s, s:o}", "class",
			 limit_name(class), "key", limit_key(class), "text", limit_text(class),
			 "rate", limited ? json_integer(rate) : json_null(), "burst",
			 limited ? json_integer(limit_depth(class, rate)) : json_null(), "passed",
			 (json_int_t)sum.passed, "dropped", (json_int_t)sum.dropped, "reason",
			 reason_name(limit_reason(class)), "ports", ports);
}

json_t *show_limits(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	json_t *list = json_array();

	(void)args;
	for (unsigned class = 0; class < LIMIT_COUNT; class ++)
		json_array_append_new(list, one_class(router, class));
	return show_or_fail(json_pack("{s:o, s:i, s:I}", "limits", list, "planes",
				      (int)router->n_planes, "time_ms",
				      (json_int_t)router_now_ms()),
			    code, err);
}
