/* SPDX-License-Identifier: BSD-2-Clause */
/* The control protocol: any line has one line of JSON for an answer. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../router/control/request.h"
#include "../unit/control_world.h"
#include "fuzz.h"

static struct control_world *world;

/* The leak checker does not see what routes hold, which hangs on address space that is no heap. */
static void end_world(void)
{
	control_world_free(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *answer;
	char *text;

	if (!world) {
		world = control_world_new();
		if (!world)
			exit(77); /* meson: skipped */
		atexit(end_world);
	}
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
