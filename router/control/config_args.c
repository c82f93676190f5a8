/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of peerlaned: the settings of the file as options. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "suggest.h"

#define OPTIONS_MAX 32
#define SETTING_BASE 256 /* getopt values of settings: this plus their place in the table */

enum { OPT_PORT = 1, OPT_CHECK, OPT_CLEANUP, OPT_JSON, OPT_VERSION };

/* Options that are no settings of [Router]. */
static const struct other_option {
	const char *name;
	char letter; /* 0: none */
	int value;   /* what getopt returns */
	const char *arg;
	const char *help;
} other_options[] = {
	{"config", 'c', 'c', "FILE",
	 "read this configuration (default " CONFIG_FILE_DEFAULT ", unless --port is given)"},
	{"port", 0, OPT_PORT, "NAME=DEVICE",
	 "add a port; more with commas: pl0=afxdp:eth1,attach=generic,zerocopy=no"},
	{"check", 0, OPT_CHECK, NULL,
	 "read the configuration, ask the devices, say what would be used"},
	{"cleanup", 0, OPT_CLEANUP, NULL,
	 "remove the TAP interfaces and sockets that a former run has left"},
	{"json", 0, OPT_JSON, NULL, "with --cleanup: print JSON, as peerlane -j cleanup does"},
	{"help", 'h', 'h', NULL, "print this"},
	{"version", 0, OPT_VERSION, NULL, "print the version"},
};
#define N_OTHERS (sizeof(other_options) / sizeof(other_options[0]))

/* Fills in getopt's table from ours. Returns how many. */
static unsigned list_options(struct option *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < config_n_settings; i++) {
		const struct config_setting *setting = &config_settings[i];

		if (setting->option)
			out[n++] = (struct option){setting->option,
						   setting->value ? required_argument : no_argument,
						   NULL, SETTING_BASE + (int)i};
	}
	for (unsigned i = 0; i < N_OTHERS; i++)
		out[n++] = (struct option){other_options[i].name,
					   other_options[i].arg ? required_argument : no_argument,
					   NULL, other_options[i].value};
	out[n] = (struct option){0};
	return n;
}

/* ---- one option ---- */

static int set_option(struct config *config, const struct config_setting *setting,
		      const char *value, struct pl_error *err)
{
	uint64_t bit = 1ull << (setting - config_settings);
	char remedy[200] = "", *origin;
	const char *why;

	if (config->seen & bit)
		return pl_error_set(err, -EINVAL, "give it once", "--%s: given a second time",
				    setting->option);
	config->seen |= bit;
	why = setting->set(config, NULL, value, remedy, sizeof(remedy));
	if (why)
		return pl_error_set(err, -EINVAL, remedy, "--%s %.80s: %s", setting->option, value,
				    why);
	origin = config_origin(config, setting->key);
	if (origin)
		snprintf(origin, CONFIG_ORIGIN_SIZE, "--%s %.80s", setting->option, value);
	return 0;
}

/* The setting of [Port] that `key` means, in any case; for Device= there is no key. */
static const struct config_setting *port_setting(const char *key)
{
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strcmp(config_settings[i].section, "Port") &&
		    !strcasecmp(config_settings[i].key, key))
			return &config_settings[i];
	return NULL;
}

/* One "key=value" (or the device) of --port. */
static int set_port_part(struct config *config, struct config_port *port, char *part, bool first,
			 struct pl_error *err)
{
	static const char *const keys[] = {"attach",	  "zerocopy", "mtu", "interruptmoderation",
					   "flowcontrol", "capture",  "wire"};
	const struct config_setting *setting;
	char remedy[200] = "";
	char *value = part;
	const char *why, *meant;

	if (first) {
		setting = port_setting("Device");
	} else {
		value = strchr(part, '=');
		if (value)
			*value++ = '\0';
		setting = port_setting(part);
		if (!setting || !value) {
			meant = suggest_nearest(part, keys, sizeof(keys) / sizeof(keys[0]));
			if (meant)
				snprintf(remedy, sizeof(remedy), "did you mean %s=?", meant);
			else
				snprintf(remedy, sizeof(remedy),
					 "after the device there may be attach=, zerocopy=, mtu=, "
					 "interruptmoderation=, flowcontrol=, capture= and wire=");
			return pl_error_set(err, -EINVAL, remedy, "--port %s: %.60s: %s",
					    port->name, part,
					    setting ? "has no value" : "unknown key");
		}
	}
	if (port->seen & 1ull << (setting - config_settings))
		return pl_error_set(err, -EINVAL, "give it once",
				    "--port %s: %s given a second time", port->name, part);
	port->seen |= 1ull << (setting - config_settings);
	why = setting->set(config, port, value, remedy, sizeof(remedy));
	if (why)
		return pl_error_set(err, -EINVAL, remedy, "--port %s: %s=%.60s: %s", port->name,
				    setting->key, value, why);
	if (first)
		snprintf(port->device_at, CONFIG_ORIGIN_SIZE, "--port %s=%.80s", port->name, value);
	return 0;
}

/* --port NAME=DEVICE[,KEY=VALUE...] */
static int set_port(struct config *config, const char *arg, struct pl_error *err)
{
	char text[256], origin[64], wrong[CONFIG_ORIGIN_SIZE + 64];
	struct config_port *port;
	const char *remedy;
	char *rest, *part;
	int rc = 0;

	if (snprintf(text, sizeof(text), "%s", arg) >= (int)sizeof(text))
		return pl_error_set(err, -EINVAL, NULL, "--port %.40s...: too long", arg);
	rest = strchr(text, '=');
	if (!rest)
		return pl_error_set(err, -EINVAL, "use --port NAME=DEVICE, such as pl0=afxdp:eth1",
				    "--port %.80s: names no device", arg);
	*rest++ = '\0';
	snprintf(origin, sizeof(origin), "--port %.40s", text);
	port = config_add_port(config, text, origin, wrong, sizeof(wrong), &remedy);
	if (!port)
		return pl_error_set(err, -EINVAL, remedy, "%s: %s", origin, wrong);
	for (bool first = true; !rc && (part = strsep(&rest, ",")); first = false)
		rc = set_port_part(config, port, part, first, err);
	return rc;
}

/* ---- the whole command line ---- */

/* Describes what getopt refused: it has no words of its own for us (opterr is 0). */
static int bad_option(const struct option *options, unsigned n_options, const char *given, bool arg,
		      struct pl_error *err)
{
	const char *names[OPTIONS_MAX];
	char word[64], remedy[96] = "see peerlaned --help";
	const char *meant;

	if (arg)
		return pl_error_set(err, -EINVAL, remedy, "%s: needs a value", given);
	for (unsigned i = 0; i < n_options; i++)
		names[i] = options[i].name;
	snprintf(word, sizeof(word), "%.60s", given + strspn(given, "-"));
	word[strcspn(word, "=")] = '\0';
	meant = strlen(word) > 1 ? suggest_nearest(word, names, n_options) : NULL;
	if (meant && !strcmp(meant, word))
		return pl_error_set(err, -EINVAL, remedy, "%.80s: takes no value", given);
	if (meant)
		snprintf(remedy, sizeof(remedy), "did you mean --%s?", meant);
	return pl_error_set(err, -EINVAL, remedy, "%.80s: unknown option", given);
}

/* Walks the options once. `apply` false: only what must be known before the file is read. */
static int walk(struct config *config, struct config_command *command, bool *ports, int argc,
		char **argv, bool apply, struct pl_error *err)
{
	struct option options[OPTIONS_MAX];
	unsigned n = list_options(options);
	int opt, rc = 0;

	optind = 0; /* glibc: start over */
	opterr = 0;
	while (!rc && (opt = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			command->file = optarg;
			break;
		case 'h':
			command->help = true;
			break;
		case OPT_CHECK:
			command->check = true;
			break;
		case OPT_CLEANUP:
			command->cleanup = true;
			break;
		case OPT_JSON:
			command->json = true;
			break;
		case OPT_VERSION:
			command->version = true;
			break;
		case OPT_PORT:
			*ports = true;
			rc = apply ? set_port(config, optarg, err) : 0;
			break;
		case '?':
		case ':':
			return bad_option(options, n, argv[optind - 1], opt == ':', err);
		default:
			if (apply)
				rc = set_option(config, &config_settings[opt - SETTING_BASE],
						optarg ? optarg : "yes", err);
		}
	}
	if (!rc && optind < argc)
		return pl_error_set(err, -EINVAL, "see peerlaned --help",
				    "%.80s: peerlaned takes options only", argv[optind]);
	return rc;
}

int config_read_args(struct config *config, struct config_command *command, int argc, char **argv,
		     struct pl_error *err)
{
	bool ports = false;
	int rc;

	*command = (struct config_command){0};
	rc = walk(config, command, &ports, argc, argv, false, err);
	if (rc || command->help || command->version)
		return rc;
	if (command->json && !command->cleanup)
		return pl_error_set(err, -EINVAL, "leave it out", "--json: is for --cleanup");
	if (command->file)
		rc = config_read_file(config, command->file, err);
	else if (!ports && (!command->cleanup || access(CONFIG_FILE_DEFAULT, F_OK) == 0))
		rc = config_read_file(config, CONFIG_FILE_DEFAULT, err);
	if (rc)
		return rc;
	config->seen = 0;
	return walk(config, command, &ports, argc, argv, true, err);
}

/* ---- help ---- */

static void print_option(FILE *out, char letter, const char *name, const char *arg,
			 const char *help)
{
	char left[64];

	if (letter)
		snprintf(left, sizeof(left), "-%c, --%s%s%s", letter, name, arg ? " " : "",
			 arg ? arg : "");
	else
		snprintf(left, sizeof(left), "    --%s%s%s", name, arg ? " " : "", arg ? arg : "");
	if (strlen(left) <= 26)
		fprintf(out, "  %-26s %s\n", left, help);
	else
		fprintf(out, "  %s\n  %-26s %s\n", left, "", help);
}

/* The settings of a section that are no options. */
static void print_section(FILE *out, const char *title, const char *section)
{
	fprintf(out, "\n%s:\n", title);
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!config_settings[i].option && !strcmp(config_settings[i].section, section))
			fprintf(out, "  %s=%s\n  %-26s %s\n", config_settings[i].key,
				config_settings[i].value, "", config_settings[i].help);
}

void config_print_help(FILE *out)
{
	fputs("usage: peerlaned [OPTION]...\n"
	      "Routes IPv4 and IPv6 between ports it takes over from the kernel.\n\n",
	      out);
	for (unsigned i = 0; i < N_OTHERS; i++)
		print_option(out, other_options[i].letter, other_options[i].name,
			     other_options[i].arg, other_options[i].help);
	fputs("\nSettings, over those of the file (there under [Router]):\n", out);
	for (unsigned i = 0; i < config_n_settings; i++)
		if (config_settings[i].option)
			print_option(out, 0, config_settings[i].option, config_settings[i].value,
				     config_settings[i].help);
	print_section(out, "Settings of each [Port NAME]", "Port");
	print_section(out, "Limits of what is handed to the kernel, in [PuntLimits]", "PuntLimits");
	fputs("\nSee peerlaned(8), peerlaned.conf(5).\n", out);
}
