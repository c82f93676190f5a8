/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "suggest.h"

/* A file being read. */
struct source {
	struct config *config;
	const char *name;		     /* for messages */
	const char *text, *end;		     /* what is left to read */
	unsigned line;			     /* of the line last handed to inih, from 1 */
	struct config_port *port;	     /* whose section this is */
	char section[CONFIG_NAME_SIZE + 16]; /* the section this is, as written */
	struct pl_error *err;
	int rc; /* of the first error: later ones would only confuse */
	unsigned rc_line;
};

void config_init(struct config *config)
{
	*config = (struct config){
		.accelerator.any = true,
		.planes = 1,
		.control_socket = CONTROL_SOCKET_DEFAULT,
		.ring_size = CONFIG_RING_DEFAULT,
		.seccomp = CONFIG_SECCOMP_YES,
		.source = "command line",
		.limits =
			{
#define X(symbol, name, key, rate, depth, text) [LIMIT_##symbol] = rate,
				LIMITS(X)
#undef X
			},
	};
}

/* Records the first error of a source: where it is, then the message. Returns -EINVAL. */
static int fault(struct source *s, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int fault(struct source *s, const char *remedy, const char *fmt, ...)
{
	char message[CONFIG_ORIGIN_SIZE + 160];
	va_list args;

	if (s->rc)
		return s->rc;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	s->rc = -EINVAL;
	s->rc_line = s->line;
	return pl_error_set(s->err, -EINVAL, remedy, "%s:%u: %s", s->name, s->line, message);
}

/* ---- settings ---- */

char *config_origin(struct config *config, const char *key)
{
	const struct {
		const char *key;
		char *at;
	} origins[] = {
		{"Mode", config->mode_at},     {"Accelerator", config->accelerator_at},
		{"Launch", config->launch_at}, {"Planes", config->planes_at},
		{"Cores", config->cores_at},
	};

	for (unsigned i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
		if (!strcmp(origins[i].key, key))
			return origins[i].at;
	return NULL;
}

static const struct config_setting *find_setting(const char *section, const char *key)
{
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strcmp(config_settings[i].section, section) &&
		    !strcmp(config_settings[i].key, key))
			return &config_settings[i];
	return NULL;
}

/* "did you mean Planes?", else the keys there are. */
static void key_remedy(const char *section, const char *key, char *remedy, size_t size)
{
	const char *keys[32] = {NULL};
	unsigned n = 0;
	const char *meant;
	size_t len;

	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strcmp(config_settings[i].section, section))
			keys[n++] = config_settings[i].key;
	meant = suggest_nearest(key, keys, n);
	if (meant) {
		snprintf(remedy, size, "did you mean %s=?", meant);
		return;
	}
	len = (size_t)snprintf(remedy, size, "[%s] has:", section);
	for (unsigned i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(remedy + len, size - len, "%s %s", i ? "," : "", keys[i]);
}

/* Whether the key of [Port] was given for this port. */
static bool port_given(const struct config_port *port, const char *key)
{
	return port->seen & 1ull << (find_setting("Port", key) - config_settings);
}

/* Sets one setting of the file. Returns 0 or -EINVAL. */
static int set_key(struct source *s, const char *section, const char *key, const char *value)
{
	const struct config_setting *setting = find_setting(section, key);
	struct config *config = s->config;
	uint64_t *seen = s->port ? &s->port->seen : &config->seen;
	char remedy[200] = "", *origin;
	const char *why;
	uint64_t bit;

	if (!setting) {
		key_remedy(section, key, remedy, sizeof(remedy));
		return fault(s, remedy, "[%s] %.40s=: unknown key", s->section, key);
	}
	bit = 1ull << (setting - config_settings);
	if (*seen & bit)
		return fault(s, "keep one of the lines", "[%s] %s=%.60s: given a second time",
			     s->section, key, value);
	*seen |= bit;
	if (value[0] == '\0') {
		snprintf(remedy, sizeof(remedy), "give a value, or leave the line out");
		return fault(s, remedy, "[%s] %s=: has no value", s->section, key);
	}
	why = setting->set(config, s->port, value, remedy, sizeof(remedy));
	if (why)
		return fault(s, remedy, "[%s] %s=%.60s: %s", s->section, key, value, why);
	origin = s->port ? NULL : config_origin(config, key);
	if (origin)
		snprintf(origin, CONFIG_ORIGIN_SIZE, "%.200s:%u: [Router] %s=%.40s", s->name,
			 s->line, key, value);
	if (!strcmp(key, "Device"))
		snprintf(s->port->device_at, CONFIG_ORIGIN_SIZE, "%.200s:%u: [%s] Device=%.24s",
			 s->name, s->line, s->section, value);
	return 0;
}

/* ---- ports ---- */

static struct config_port *find_port(struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (!strcmp(config->ports[i].name, name))
			return &config->ports[i];
	return NULL;
}

struct config_port *config_add_port(struct config *config, const char *name, const char *origin,
				    char *wrong, size_t wrong_size, const char **remedy)
{
	const char *name_fault = config_name_fault(name);
	struct config_port *port;

	if (name_fault) {
		*remedy = "name the port as its TAP interface shall be called, such as pl0";
		snprintf(wrong, wrong_size, "%s", name_fault);
		return NULL;
	}
	port = find_port(config, name);
	if (port) {
		*remedy = "give every port a name of its own";
		snprintf(wrong, wrong_size, "there is a port %s already (%s)", name, port->origin);
		return NULL;
	}
	if (config->n_ports == PL_PORTS_MAX) {
		*remedy = NULL;
		snprintf(wrong, wrong_size, "more than %u ports", PL_PORTS_MAX);
		return NULL;
	}
	port = &config->ports[config->n_ports++];
	*port = (struct config_port){.zero_copy = true,
				     .moderation_us = CONFIG_MODERATION_DEFAULT_US};
	strcpy(port->name, name);
	snprintf(port->origin, sizeof(port->origin), "%s", origin);
	return port;
}

/* Starts the section [Port NAME]; `what` is its header. */
static void begin_port(struct source *s, const char *name, const char *what)
{
	char origin[CONFIG_ORIGIN_SIZE], wrong[CONFIG_ORIGIN_SIZE + 64];
	const char *remedy;

	snprintf(origin, sizeof(origin), "%.200s:%u: %s", s->name, s->line, what);
	s->port = config_add_port(s->config, name, origin, wrong, sizeof(wrong), &remedy);
	if (!s->port)
		fault(s, remedy, "%s: %s", what, wrong);
}

/* ---- files ---- */

/* Starts the section whose header is `line`. */
static void begin_section(struct source *s, const char *line)
{
	static const char *const sections[] = {"Router", "Port", "PuntLimits"};
	const char *close = strchr(line, ']');
	char name[64], what[80];
	const char *meant;

	s->port = NULL;
	if (!close || close - line - 1 >= (long)sizeof(name)) {
		fault(s, "write [Router], [PuntLimits] or [Port NAME]",
		      "%.60s: not a section header", line);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(close - line - 1), line + 1);
	snprintf(what, sizeof(what), "[%s]", name);
	snprintf(s->section, sizeof(s->section), "%.30s", name);
	for (close++; *close == ' ' || *close == '\t' || *close == '\r'; close++)
		;
	if (*close && *close != ';' && *close != '#') {
		fault(s, "put what follows on a line of its own",
		      "%s: something follows the section header", what);
		return;
	}
	if (!strcmp(name, "Router") || !strcmp(name, "PuntLimits"))
		return;
	if (!strncmp(name, "Port ", 5)) {
		begin_port(s, name + 5 + strspn(name + 5, " "), what);
		return;
	}
	if (!strcmp(name, "Port")) {
		fault(s, "name the port as its TAP interface shall be called: [Port pl0]",
		      "[Port]: has no name");
		return;
	}
	name[strcspn(name, " ")] = '\0';
	meant = suggest_nearest(name, sections, 3);
	fault(s,
	      !meant		     ? "there are [Router], [PuntLimits] and [Port NAME]"
	      : meant == sections[0] ? "did you mean [Router]?"
	      : meant == sections[1] ? "did you mean [Port NAME]?"
				     : "did you mean [PuntLimits]?",
	      "%s: unknown section", what);
}

/* Hands inih the next line: it has no line numbers and no empty sections of its own, so both are
 * kept here. The signature is inih's. */
static char *next_line(char *out, int size, void *stream)
{
	struct source *s = stream;
	size_t len, max = (size_t)size - 1;
	size_t len_taken;
	const char *newline;

	if (s->text == s->end || s->rc)
		return NULL;
	newline = memchr(s->text, '\n', (size_t)(s->end - s->text));
	len = (size_t)((newline ? newline : s->end) - s->text);
	len_taken = len;
	s->line++;
	if (memchr(s->text, '\0', len)) {
		fault(s, "the file must be text", "has a NUL byte");
		return NULL;
	}
	if (len > max && (s->text[0] == '#' || s->text[0] == ';'))
		len_taken = max; /* a remark may be as long as it likes */
	else if (len > max) {
		fault(s, "shorten the line", "longer than %zu characters", max);
		return NULL;
	}
	memcpy(out, s->text, len_taken);
	out[len_taken] = '\0';
	s->text = newline ? newline + 1 : s->end;
	/* inih takes an indented line for the continuation of the one above; systemd does not. */
	if (out[0] == ' ' || out[0] == '\t')
		memmove(out, out + strspn(out, " \t"), strlen(out + strspn(out, " \t")) + 1);
	if (out[0] == '[')
		begin_section(s, out);
	return out;
}

/* The signature is inih's: returns 1 to go on. */
static int got_key(void *user, const char *section, const char *key, const char *value)
{
	struct source *s = user;

	(void)section; /* shortened by inih; begin_section() has the whole of it */
	if (s->rc)
		return 1;
	if (s->section[0] == '\0')
		fault(s, "write [Router] above it", "%.40s=%.60s: in no section", key, value);
	else
		set_key(s, s->port ? "Port" : s->section, key, value);
	return 1;
}

int config_read_text(struct config *config, const char *name, const char *text, size_t len,
		     struct pl_error *err)
{
	struct source s = {
		.config = config,
		.name = name,
		.text = text,
		.end = text + len,
		.err = err,
	};
	int bad_line;

	config->seen = 0;
	snprintf(config->source, sizeof(config->source), "%s", name);
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark */
		s.text += 3;
	bad_line = ini_parse_stream(next_line, &s, got_key, &s);
	if (bad_line < 0)
		return pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", name);
	if (bad_line > 0 && (!s.rc || (unsigned)bad_line < s.rc_line)) {
		s.rc = 0;
		s.line = (unsigned)bad_line;
		fault(&s, "write Key=Value, or # in front of a remark",
		      "neither a [Section] nor Key=Value");
	}
	return s.rc;
}

int config_read_file(struct config *config, const char *path, struct pl_error *err)
{
	/* A configuration is a page or two; what is longer is not one. */
	static const size_t size_max = 1 << 20;
	static const char ports_remedy[] =
		"write it (see peerlaned.conf(5)), or name ports: peerlaned --port pl0=afxdp:eth1";
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t len;
	int rc;

	if (!file)
		return pl_error_set(err, -errno, errno == ENOENT ? ports_remedy : NULL,
				    "%s: cannot open the configuration: %s", path, strerror(errno));
	text = malloc(size_max + 1);
	if (!text) {
		rc = pl_error_set(err, -ENOMEM, NULL, "%s: out of memory", path);
		goto out;
	}
	len = fread(text, 1, size_max + 1, file);
	if (ferror(file))
		rc = pl_error_set(err, -EIO, "is it a file?",
				  "%s: cannot read the configuration: %s", path, strerror(errno));
	else if (len > size_max)
		rc = pl_error_set(err, -EFBIG, "is it the right file?",
				  "%s: longer than 1 MiB: not a configuration", path);
	else
		rc = config_read_text(config, path, text, len, err);
out:
	free(text);
	fclose(file);
	return rc;
}

/* ---- checks of the whole ---- */

/* A key that is for another kind of device would have no effect. */
static int check_keys(const struct config_port *port, struct pl_error *err)
{
	static const struct {
		const char *key;
		bool afxdp, pci, emu; /* for which kinds it is */
		const char *remedy;
	} keys[] = {
		{"Attach", true, false, false, "leave it out: there is no XDP program"},
		{"ZeroCopy", true, false, false, "leave it out: nothing is ever copied"},
		{"Backend", false, true, false, "leave it out: only pci: devices have any"},
		{"MTU", false, true, true, "leave it out: the port takes the MTU of its device"},
		{"InterruptModeration", false, true, true,
		 "leave it out, and see ethtool -C for that of the device"},
		{"FlowControl", false, true, true,
		 "leave it out, and see ethtool -A for that of the device"},
		{"Capture", false, false, true, "leave it out, and see tcpdump"},
		{"Wire", false, false, true, "leave it out: the port's wire is that of its device"},
	};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		bool is_for = port->kind == CONFIG_AFXDP ? keys[i].afxdp
			      : port->kind == CONFIG_PCI ? keys[i].pci
							 : keys[i].emu;

		if (!is_for && port_given(port, keys[i].key))
			return pl_error_set(err, -EINVAL, keys[i].remedy,
					    "%s %s=: is not for %s devices", port->origin,
					    keys[i].key,
					    port->kind == CONFIG_AFXDP ? "afxdp:"
					    : port->kind == CONFIG_PCI ? "pci:"
								       : "emu:");
	}
	return 0;
}

/* Two ports on one device, also if one of them would reach it otherwise. */
static bool same_device(const struct config_port *a, const struct config_port *b)
{
	return !strcmp(a->device, b->device) ||
	       (a->interface[0] && !strcmp(a->interface, b->interface));
}

/* An emulated NIC with a shared wire has none to the kernel: what follows "emu:" is a name only. */
static void shared_wires(struct config *config)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (config->ports[i].wire[0])
			config->ports[i].interface[0] = '\0';
}

static int check_ports(const struct config *config, struct pl_error *err)
{
	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct config_port *port = &config->ports[i];
		int rc;

		if (!port->device[0])
			return pl_error_set(err, -EINVAL, "add a line such as Device=afxdp:eth1",
					    "%s Device=: missing", port->origin);
		rc = check_keys(port, err);
		if (rc)
			return rc;
		for (unsigned j = 0; j < config->n_ports; j++) {
			const struct config_port *other = &config->ports[j];

			if (!strcmp(port->name, other->interface))
				return pl_error_set(
					err, -EINVAL,
					"name the port for its TAP interface, such as pl0",
					"%s: %s is the name of a device that is taken over",
					port->origin, port->name);
			if (j < i && same_device(port, other))
				return pl_error_set(
					err, -EINVAL, "give every port a device of its own",
					"%s Device=%s%s: is port %s's already", port->origin,
					port->kind == CONFIG_AFXDP ? "afxdp:" : "", port->device,
					other->name);
			if (j < i && port->wire[0] && !strcmp(port->wire, other->wire))
				return pl_error_set(err, -EINVAL,
						    "give every port a wire of its own",
						    "%s Wire=%s: is port %s's already",
						    port->origin, port->wire, other->name);
		}
	}
	return 0;
}

/* Chooses the highest-numbered allowed cores, in ascending order. */
static int choose_cores(struct config *config, const cpu_set_t *allowed, struct pl_error *err)
{
	unsigned left = config->planes;
	char remedy[96];

	if ((unsigned)CPU_COUNT(allowed) < config->planes) {
		snprintf(remedy, sizeof(remedy), "use Planes=%d, or let it run on more cores",
			 CPU_COUNT(allowed));
		return pl_error_set(err, -EINVAL, remedy, "%s: this process may run on %d cores",
				    config->planes_at, CPU_COUNT(allowed));
	}
	for (int core = CPU_SETSIZE - 1; core >= 0 && left; core--)
		if (CPU_ISSET(core, allowed))
			config->cores[--left] = core;
	config->n_cores = config->planes;
	return 0;
}

/* "0-2,4" of a set of cores. */
static void print_cores(const cpu_set_t *set, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (int core = 0, last; core < CPU_SETSIZE && len < size; core = last + 1) {
		last = core;
		if (!CPU_ISSET(core, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		len += (size_t)snprintf(out + len, size - len, last > core ? "%s%d-%d" : "%s%d",
					len ? "," : "", core, last);
	}
}

/* Whoever names an accelerator and no mode has forgotten it. With Mode=nic-cpu it has been switched
 * off. */
static int check_accelerator(const struct config *config, struct pl_error *err)
{
	const char *at = config->accelerator_at[0] ? config->accelerator_at : config->launch_at;

	if (config->mode_at[0] || !at[0])
		return 0;
	return pl_error_set(err, -EINVAL, "add Mode=nic-cpu-gpu or Mode=nic-gpu, or leave it out",
			    "%s: is for Mode=nic-cpu-gpu and Mode=nic-gpu", at);
}

/* Into an accelerator's memory only NICs receive that we drive, by a way on which they can be told where that is.
 * Whether they reach it, the machine tells. Ports that do not are not served beside them: what would pass from
 * one kind to the other would have to be copied. */
static int check_remote(const struct config *config, struct pl_error *err)
{
	char remedy[160];

	for (unsigned i = 0; i < config->n_ports && config_mode(config)->remote; i++) {
		const struct config_port *port = &config->ports[i];

		if (port->kind == CONFIG_AFXDP) {
			snprintf(remedy, sizeof(remedy),
				 "Device=pci: and the NIC's address (see: peerlane devices), "
				 "Device=emu:%s, or Mode=nic-cpu-gpu",
				 port->interface);
			return pl_error_set(
				err, -EINVAL, remedy,
				"%.160s: Mode=nic-gpu is for NICs that Peerlane drives: "
				"AF_XDP receives into main memory alone",
				port->device_at);
		}
		if (port->kind == CONFIG_PCI && port->backend == PL_PCI_VFIO) {
			snprintf(remedy, sizeof(remedy),
				 "peerlane bind %s kmod, and Backend=kmod; or Mode=nic-cpu-gpu",
				 port->device);
			return pl_error_set(err, -EINVAL, remedy,
					    "%.160s: Mode=nic-gpu is for NICs by the module "
					    "peerlane: by vfio they cannot be given addresses "
					    "of an accelerator's memory",
					    port->device_at);
		}
	}
	return 0;
}

int config_finish(struct config *config, const cpu_set_t *allowed, struct pl_error *err)
{
	char cores[64], remedy[160];
	int rc;

	if (config->n_ports == 0)
		return pl_error_set(
			err, -EINVAL,
			"add [Port pl0] with Device=afxdp:eth1, or --port pl0=afxdp:eth1",
			"%s: no ports", config->source);
	shared_wires(config);
	rc = check_ports(config, err);
	if (!rc)
		rc = check_accelerator(config, err);
	if (!rc)
		rc = check_remote(config, err);
	if (rc)
		return rc;
	if (!config->cores_at[0])
		return choose_cores(config, allowed, err);
	if (config->n_cores != config->planes) {
		snprintf(remedy, sizeof(remedy), "use Planes=%u, or name %u", config->n_cores,
			 config->planes);
		return pl_error_set(err, -EINVAL, remedy, "%s: %u cores for Planes=%u",
				    config->cores_at, config->n_cores, config->planes);
	}
	print_cores(allowed, cores, sizeof(cores));
	for (unsigned i = 0; i < config->n_cores; i++) {
		if (CPU_ISSET(config->cores[i], allowed))
			continue;
		snprintf(remedy, sizeof(remedy), "use cores out of %s", cores);
		return pl_error_set(err, -EINVAL, remedy, "%s: this process may not run on core %d",
				    config->cores_at, config->cores[i]);
	}
	return 0;
}
