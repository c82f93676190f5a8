/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol: any line has one line of JSON for an answer. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/control/request.h"
#include "../unit/control_world.h"
#include "fuzz.h"

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
