/* SPDX-License-Identifier: BSD-2-Clause */
/* The accelerator, and what of the forwarding it does. */
#include "../offload/offload.h"
#include "accelerator.h"
#include "show.h"

const char *show_mode(const struct router *router)
{
	return config_mode(router->config)->name;
}

static json_t *counter(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *fault(const struct offload_stats *stats)
{
	if (!stats->fault.what[0])
		return json_null();
	return json_pack("{s:o, s:o}", "message", show_text(stats->fault.what), "remedy",
			 show_text(stats->fault.remedy));
}

static json_t *device(const struct pl_accel_info *info)
{
	return json_pack("{s:o, s:s, s:i, s:o, s:o, s:o}", "accelerator",
			 json_sprintf("%s:%u", pl_accel_kind_name(info->kind), info->index), "kind",
			 pl_accel_kind_name(info->kind), "index", (int)info->index, "name",
			 show_text(info->name), "driver", show_text(info->driver), "memory_bytes",
			 counter(info->memory_bytes));
}

/* Of all planes; null: packets lie in main memory. Whose it is: that the device has none of its own is seen by
 * memory_bytes. */
static json_t *packet_memory(const struct router *router, const struct pl_accel_info *info)
{
	uint64_t bytes = 0;

	if (!router->n_packets)
		return json_null();
	for (unsigned i = 0; i < router->n_packets; i++)
		bytes += router->packets[i].remote.len_bytes;
	return json_pack("{s:o, s:s, s:o, s:b}", "bytes", counter(bytes), "place",
			 info->memory_bytes ? "device" : "host", "page_bytes",
			 counter(router->packets[0].remote.page_bytes), "exported",
			 router->packets[0].remote.dmabuf_fd >= 0);
}

static json_t *one_accelerator(const struct router *router, const struct offload_stats *s)
{
	static const char *const states[] = {
		[OFFLOAD_FILLING] = "filling",
		[OFFLOAD_READY] = "ready",
		[OFFLOAD_FAILED] = "failed",
	};
	json_t *about = json_pack(
		"{s:s, s:b, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:o}",
		"state", states[s->state], "at_rest", s->at_rest, "launch",
		accelerator_launch_name(s->launch), "workers", (int)s->workers, "bursts",
		counter(s->bursts), "packets", counter(s->packets), "cpu_packets",
		counter(s->cpu_packets), "lost_packets", counter(s->lost_packets), "table_bytes",
		counter(s->memory_bytes), "fills", counter(s->fills), "updates",
		counter(s->updates), "update_bytes", counter(s->update_bytes), "opens",
		counter(s->opens), "wakes", counter(s->wakes), "faults", counter(s->faults),
		"fault", fault(s), "retry_in_ms",
		s->state == OFFLOAD_FAILED ? counter(s->retry_in_ms) : json_null(), "packet_memory",
		packet_memory(router, &s->device));
	json_t *all = device(&s->device);

	json_object_update(all, about);
	json_decref(about);
	return all;
}

json_t *show_accelerator(struct router *router, json_t *args, int *code, struct pl_error *err)
{
	json_t *one = json_null();
	struct offload_stats stats;

	(void)args;
	if (router->offload) {
		offload_stats(router->offload, &stats);
		one = one_accelerator(router, &stats);
	}
	return show_or_fail(json_pack("{s:s, s:o, s:o}", "mode", show_mode(router), "accelerator",
				      one, "time_ms", counter(router_now_ms())),
			    code, err);
}
