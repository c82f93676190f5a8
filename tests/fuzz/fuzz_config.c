/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration, from a file or from options: any bytes are a configuration or an error that
 * says so. */
#include <stdlib.h>
#include <string.h>

#include "../../router/control/config.h"
#include "fuzz.h"

#define ARGS_MAX 32

/* A port has an interface, or else a PCI address, and a name to be shown for either. */
static void check_port(const struct config_port *port)
{
	if (config_name_fault(port->name))
		abort();
	if (port->kind == CONFIG_PCI ? port->interface[0] || strncmp(port->device, "pci:", 4) != 0
				     : config_name_fault(port->interface) != NULL)
		abort();
	if (port->kind == CONFIG_EMU
		    ? strncmp(port->device, "emu:", 4) != 0 ||
			      strcmp(port->device + 4, port->interface) != 0
		    : port->kind == CONFIG_AFXDP && strcmp(port->device, port->interface) != 0)
		abort();
}

/* An error says what is wrong; a configuration is within its bounds. */
static void check(const struct config *config, int rc, const struct pl_error *err)
{
	if (rc) {
		if (err->what[0] == '\0' || rc >= 0)
			abort();
		return;
	}
	if (config->planes < 1 || config->planes > CONFIG_PLANES_MAX ||
	    config->n_cores != config->planes || config->n_ports < 1 ||
	    config->n_ports > PL_PORTS_MAX)
		abort();
	for (unsigned i = 0; i < config->n_ports; i++)
		check_port(&config->ports[i]);
}

/* On a machine of three cores that are not the first ones, or of all there can be. */
static int finish(struct config *config, struct pl_error *err)
{
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	if (config->ring_size == CONFIG_RING_DEFAULT)
		memset(&allowed, 0xff, sizeof(allowed));
	for (int i = 4; i < 7; i++)
		CPU_SET(i, &allowed);
	return config_finish(config, &allowed, err);
}

static void read_text(const char *text, size_t len)
{
	struct pl_error err = {"", ""};
	struct config config;
	int rc;

	config_init(&config);
	rc = config_read_text(&config, "f", text, len, &err);
	if (rc && rc != -22)
		abort();
	if (!rc)
		rc = finish(&config, &err);
	check(&config, rc, &err);
}

/* The words of a command line, one in each line of the input. Files are not to be read: a word that
 * could be a path of one is none. */
static void read_args(char *text)
{
	struct config_command command = {""};
	struct pl_error err = {"", ""};
	struct config config;
	char *argv[ARGS_MAX + 2] = {"peerlaned"};
	int argc = 1, rc;
	char *word;

	while (argc <= ARGS_MAX && (word = strsep(&text, "\n"))) {
		for (char *c = word; *c && !strstr(word, "socket"); c++)
			if (*c == '/')
				*c = '%';
		argv[argc++] = word;
	}
	config_init(&config);
	rc = config_read_args(&config, &command, argc, argv, &err);
	if (command.help || command.version || command.cleanup)
		return;
	if (!rc)
		rc = finish(&config, &err);
	check(&config, rc, &err);
}

/* A line "--" comes before the words of a command line; all else is a file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 3 || memcmp(data, "--\n", 3) != 0) {
		read_text((const char *)data, size);
		return 0;
	}
	text = malloc(size - 2);
	if (!text)
		abort();
	memcpy(text, data + 3, size - 3);
	text[size - 3] = '\0';
	read_args(text);
	free(text);
	return 0;
}
