/* SPDX-License-Identifier: BSD-2-Clause */
#include "render.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *text_or(json_t *object, const char *key, const char *other)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : other;
}

/* Names of interfaces, as far as they fit. */
static void interfaces_cell(struct table *t, json_t *device)
{
	char line[80] = "";
	json_t *name;
	size_t i;

	json_array_foreach(json_object_get(device, "interfaces"), i, name) {
		size_t len = strlen(line);

		snprintf(line + len, sizeof(line) - len, "%s%s", i ? " " : "",
			 json_is_string(name) ? json_string_value(name) : "?");
	}
	table_cell(t, line[0] ? line : "-");
}

static void state_cell(struct table *t, json_t *device)
{
	const char *user = text_or(device, "used_by", NULL);
	bool more = json_array_size(json_object_get(device, "obstacles")) > 0;

	if (user)
		table_cellf(t, "in use: %s", user);
	else if (!json_is_true(json_object_get(device, "usable")))
		table_cell(t, "not usable, see below");
	else
		table_cell(t, more ? "usable, see below" : "usable");
}

/* What stands in the way of one, and below each line what removes it. */
static void obstacles_of(const char *of, json_t *obstacles, FILE *out)
{
	json_t *one;
	size_t i;

	if (!json_array_size(obstacles))
		return;
	fputc('\n', out);
	text_print(of, out);
	fputs(":\n", out);
	json_array_foreach(obstacles, i, one) {
		const char *remedy = text_or(one, "remedy", "");

		fprintf(out, "  %s ", json_is_true(json_object_get(one, "blocks")) ? "!" : "-");
		text_print(text_or(one, "what", ""), out);
		fputs(remedy[0] ? "\n      " : "", out);
		text_print(remedy, out);
		fputc('\n', out);
	}
}

/* What is not in the table. */
static void notes(json_t *data, bool interfaces, FILE *out)
{
	json_int_t others = json_integer_value(json_object_get(data, "other_interfaces"));
	const char *daemon = text_or(data, "daemon", "");

	fputc('\n', out);
	if (interfaces)
		fputs("Device=emu:IFNAME in place of afxdp:IFNAME puts an emulated 82599 in front "
		      "of the interface.\n",
		      out);
	if (others)
		fprintf(out,
			"Not listed: %" JSON_INTEGER_FORMAT " made of other interfaces, or of none "
			"(bridges, VLANs, TAPs, ...).\n",
			others);
	if (strcmp(daemon, "running") != 0 && strcmp(daemon, "not running") != 0) {
		fputs("What peerlaned uses is not known: ", out);
		text_print(daemon, out);
		fputc('\n', out);
	}
}

/* "persistent, burst": by which Launch= it can be used. */
static void launch_cell(struct table *t, json_t *accelerator)
{
	json_t *mode = json_array_get(json_object_get(accelerator, "modes"), 0), *launch;
	char line[64] = "";
	size_t i;

	json_array_foreach(json_object_get(mode, "launch"), i, launch) {
		size_t len = strlen(line);

		snprintf(line + len, sizeof(line) - len, "%s%s", i ? ", " : "",
			 json_is_string(launch) ? json_string_value(launch) : "?");
	}
	table_cell(t, line[0] ? line : "-");
}

/* "nic-cpu-gpu, nic-gpu": what Mode= it serves. */
static void modes_cell(struct table *t, json_t *accelerator)
{
	char line[64] = "";
	json_t *mode;
	size_t i;

	json_array_foreach(json_object_get(accelerator, "modes"), i, mode) {
		size_t len = strlen(line);

		if (json_is_true(json_object_get(mode, "usable")))
			snprintf(line + len, sizeof(line) - len, "%s%s", len ? ", " : "",
				 text_or(mode, "mode", "?"));
	}
	table_cell(t, line[0] ? line : "-");
}

static void accelerator_state_cell(struct table *t, json_t *accelerator)
{
	bool more = json_array_size(json_object_get(accelerator, "obstacles")) > 0;

	if (json_is_true(json_object_get(accelerator, "used")))
		table_cell(t, "in use");
	else if (!json_is_true(json_object_get(accelerator, "there")))
		table_cell(t, "none, see below");
	else if (!json_is_true(json_object_get(accelerator, "usable")))
		table_cell(t, "not usable, see below");
	else
		table_cell(t, more ? "usable, see below" : "usable");
}

static void render_accelerators(json_t *accelerators, FILE *out)
{
	static const char *const headers[] = {"ACCELERATOR", "NAME", "DRIVER", ">MEMORY",
					      "LAUNCH",	     "MODE", "STATE"};
	json_t *a;
	struct table t;
	size_t i;

	if (!json_array_size(accelerators))
		return;
	fputc('\n', out);
	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(accelerators, i, a) {
		bool there = json_is_true(json_object_get(a, "there"));

		table_cell(&t, text_or(a, "accelerator", "?"));
		table_cell(&t, text_or(a, "name", "-"));
		table_cell(&t, text_or(a, "driver", "-"));
		if (there)
			memory_cell(&t, a, "memory_bytes");
		else
			table_cell(&t, "-");
		launch_cell(&t, a);
		modes_cell(&t, a);
		accelerator_state_cell(&t, a);
	}
	table_print(&t, 0, out);
	table_end(&t);
	json_array_foreach(accelerators, i, a)
		obstacles_of(text_or(a, "accelerator", "?"), json_object_get(a, "obstacles"), out);
}

void render_devices(json_t *data, FILE *out)
{
	static const char *const headers[] = {"DEVICE", "MODEL",   "DRIVER", "INTERFACE",
					      "LINK",	"BACKEND", "STATE"};
	json_t *devices = json_object_get(data, "devices"), *device;
	json_t *machine = json_object_get(data, "machine");
	bool interfaces = false;
	struct table t;
	size_t i;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(devices, i, device) {
		interfaces |= !strcmp(text_or(device, "kind", ""), "afxdp");
		table_cell(&t, text_or(device, "device", "?"));
		table_cell(&t, text_or(device, "model", "-"));
		table_cell(&t, text_or(device, "driver", "-"));
		interfaces_cell(&t, device);
		table_cell(&t, text_or(device, "link", "-"));
		table_cell(&t, text_or(device, "backend", "none"));
		state_cell(&t, device);
	}
	table_print(&t, 0, out);
	table_end(&t);
	json_array_foreach(devices, i, device) {
		obstacles_of(text_or(device, "device", "?"), json_object_get(device, "obstacles"),
			     out);
	}
	render_accelerators(json_object_get(data, "accelerators"), out);
	obstacles_of("this machine", json_object_get(machine, "obstacles"), out);
	notes(data, interfaces, out);
}

/* "pci:0000:03:00.0 (82576): vfio-pci has it now, igb had it before". */
void render_bound(json_t *data, FILE *out)
{
	const char *driver = text_or(data, "driver", NULL);
	const char *former = text_or(data, "former_driver", NULL);
	const char *note = text_or(data, "note", NULL);

	text_print(text_or(data, "device", "?"), out);
	fprintf(out, " (%s): ", text_or(data, "model", "?"));
	text_print(driver ? driver : "no driver", out);
	if (json_is_true(json_object_get(data, "changed"))) {
		fputs(" has it now, ", out);
		text_print(former ? former : "none", out);
		fputs(" had it before\n", out);
	} else {
		fputs(" has it, as before\n", out);
	}
	if (!note)
		return;
	fputs("  - ", out);
	text_print(note, out);
	fputc('\n', out);
}
