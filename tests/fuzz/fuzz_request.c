/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol: any line has one line of JSON for an answer. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/control/request.h"
#include "../unit/control_world.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {
	"{\"id\":1,\"command\":\"show ports\"}",
	"{\"id\":\"x\",\"command\":\"show routes\",\"args\":{\"family\":\"ipv4\",\"prefix\":"
	"\"10.0.0.0/8\",\"after\":3}}",
	"{\"id\":1,\"command\":\"show route\",\"args\":{\"address\":\"192.0.2.1\"}}",
	"{\"id\":1,\"command\":\"show route\",\"args\":{\"address\":\"2001:db8:2::2\"}}",
	"{\"command\":\"show neighbors\",\"args\":{\"after\":0}}",
	"{\"command\":\"show nexthops\"}",
	"{\"command\":\"show counters\"}",
	"{\"command\":\"show planes\"}",
	"{\"command\":\"show sync\",\"args\":{}}",
	NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct control_world *world;
	json_t *answer;
	char *text;

	if (!world)
		world = control_world_new();
	if (!world)
		exit(77); /* meson: skipped */
	text = request_answer(&world->router, (const char *)data, size);
	if (!text || strchr(text, '\n'))
		abort();
	answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_boolean(json_object_get(answer, "ok")) || !json_object_get(answer, "id"))
		abort();
	json_decref(answer);
	free(text);
	return 0;
}
