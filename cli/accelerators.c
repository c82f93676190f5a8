/* SPDX-License-Identifier: BSD-2-Clause */
#include "accelerators.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "words.h"

/* What the errors of lib/accel say is why one cannot be used at all, or not in one way. */
static json_t *obstacles_of(const struct pl_accel_info *info)
{
	json_t *list = json_array();

	if (info->unusable || info->index == UINT_MAX)
		obstacle(list, true, info->why.remedy, "%s", info->why.what);
	else if (info->no_persistent)
		obstacle(list, false, info->why.remedy, "only with Launch=burst: %s",
			 info->why.what);
	if (info->no_packets && !info->unusable && info->index != UINT_MAX)
		obstacle(list, false, info->why_no_packets.remedy, "not for Mode=nic-gpu: %s",
			 info->why_no_packets.what);
	else if (info->no_dmabuf && !info->unusable && info->index != UINT_MAX)
		obstacle(list, false, info->dmabuf_remedy ? info->dmabuf_remedy : "",
			 "Mode=nic-gpu is not for NICs on the bus (pci:): %s", info->no_dmabuf);
	if (info->is_cpu && !info->unusable && info->index != UINT_MAX)
		obstacle(list, false, "Mode=nic-cpu forwards more with the same cores",
			 "it is made of this machine's own cores, which planes then lack");
	return list;
}

/* Whether it serves a mode, and how; else `why` not. */
static json_t *mode_of(const struct pl_accel_info *info, const char *mode, bool usable,
		       const struct pl_error *why)
{
	json_t *launch = json_array();

	if (usable && !info->no_persistent)
		json_array_append_new(launch, json_string("persistent"));
	if (usable)
		json_array_append_new(launch, json_string("burst"));
	return json_pack("{s:s, s:b, s:o, s:o}", "mode", mode, "usable", usable, "launch", launch,
			 "why", usable ? json_null() : json_text(why->what));
}

/* The modes that have an accelerator. */
static json_t *modes_of(const struct pl_accel_info *info, bool usable)
{
	return json_pack("[o, o]", mode_of(info, "nic-cpu-gpu", usable, &info->why),
			 mode_of(info, "nic-gpu", usable && !info->no_packets,
				 usable ? &info->why_no_packets : &info->why));
}

static bool is_used(json_t *daemon, const char *name)
{
	json_t *used = json_object_get(daemon, "accelerator");
	const char *its = json_string_value(json_object_get(used, "accelerator"));

	return its && !strcmp(its, name);
}

static json_t *one_accelerator(const struct pl_accel_info *info, json_t *daemon)
{
	bool there = info->index != UINT_MAX, usable = there && !info->unusable;
	const char *kind = pl_accel_kind_name(info->kind);
	char name[24];

	if (there)
		snprintf(name, sizeof(name), "%s:%u", kind, info->index);
	else
		snprintf(name, sizeof(name), "%s", kind);
	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:b, s:b, s:b, s:o, s:o}", "accelerator",
			 name, "kind", kind, "there", there, "name", text_or_null(info->name),
			 "driver", text_or_null(info->driver), "memory_bytes",
			 json_integer((json_int_t)info->memory_bytes), "is_cpu", info->is_cpu,
			 "used", is_used(daemon, name), "usable", usable, "modes",
			 modes_of(info, usable), "obstacles", obstacles_of(info));
}

json_t *accelerators_list(const struct pl_accel_info *infos, unsigned n, json_t *daemon)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, one_accelerator(&infos[i], daemon));
	return list;
}
