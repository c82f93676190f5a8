/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration parser: any bytes are a configuration or an error that says so. */
#include <stdlib.h>
#include <string.h>

#include "../../router/control/config.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {
	"# remark\n[Router]\nMode=nic-cpu\nPlanes=2\nCores=1-2\nBusyPoll=no\n"
	"ControlSocket=/run/peerlane/control.sock\nControlGroup=adm\nRingSize=2048\n"
	"[Port pl0]\nDevice=afxdp:eth1\nAttach=auto\nZeroCopy=no\n"
	"[Port pl1]\nDevice=afxdp:eth2 ; remark\n",
	"\xef\xbb\xbf[Router]\r\nPlanes = 64\r\nCores=0-63\r\n[Port p]\r\nDevice=afxdp:e\r\n",
	"[Port pl0]\n  Device=afxdp:eth1\n[Port pl0]\nDevice=afxdp:eth1\n",
	NULL,
};

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
