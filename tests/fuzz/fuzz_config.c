/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration parser: any bytes are a configuration or an error that says so. */
#include <stdlib.h>
#include <string.h>

#include "../../router/control/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	struct pl_error err = {"", ""};
	cpu_set_t allowed;
	int rc;

	memset(&allowed, 0xff, sizeof(allowed));
	config_init(&config);
	rc = config_read_text(&config, "f", (const char *)data, size, &err);
	if (!rc)
		rc = config_finish(&config, &allowed, &err);
	/* An error says what is wrong; a configuration is within its bounds. */
	if (rc ? err.what[0] == '\0' || rc != -22
	       : config.planes < 1 || config.planes > CONFIG_PLANES_MAX ||
			    config.n_cores != config.planes || config.n_ports < 1 ||
			    config.n_ports > PL_PORTS_MAX ||
			    config_name_fault(config.ports[0].name))
		abort();
	return 0;
}
