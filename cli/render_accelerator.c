/* SPDX-License-Identifier: BSD-2-Clause */
#include "render.h"

#include <string.h>

#include "answer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void memory_cell(struct table *t, json_t *object, const char *key)
{
	char buf[UNIT_SIZE];

	if (number(object, key))
		table_cell(t, unit_print((double)number(object, key), "B", buf));
	else
		table_cell(t, "the host's");
}

static void render_device(json_t *a, FILE *out)
{
	static const char *const headers[] = {"ACCELERATOR", "NAME",	 "DRIVER", ">MEMORY",
					      "LAUNCH",	     ">WORKERS", "STATE"};
	struct table t;

	table_begin(&t, headers, COUNT(headers));
	table_cell(&t, text(a, "accelerator"));
	table_cell(&t, text(a, "name"));
	table_cell(&t, text(a, "driver"));
	memory_cell(&t, a, "memory_bytes");
	table_cell(&t, text(a, "launch"));
	table_cellf(&t, "%" JSON_INTEGER_FORMAT, number(a, "workers"));
	table_cellf(&t, "%s%s", text(a, "state"),
		    json_is_true(json_object_get(a, "at_rest")) ? ", at rest" : "");
	table_print(&t, 0, out);
	table_end(&t);
}

static void render_work(json_t *a, FILE *out)
{
	static const char *const headers[] = {">BURSTS", ">PACKETS", ">BY THE CPU", ">LOST",
					      ">STARTS", ">OPENED",  ">FAULTS"};
	static const char *const keys[] = {"bursts", "packets", "cpu_packets", "lost_packets",
					   "wakes",  "opens",	"faults"};
	struct table t;

	table_begin(&t, headers, COUNT(headers));
	for (unsigned i = 0; i < COUNT(keys); i++)
		table_cellf(&t, "%" JSON_INTEGER_FORMAT, number(a, keys[i]));
	table_print(&t, 0, out);
	table_end(&t);
}

static void render_tables(json_t *a, FILE *out)
{
	static const char *const headers[] = {">TABLES", ">FILLED", ">UPDATES", ">OF BYTES"};
	char buf[UNIT_SIZE];
	struct table t;

	table_begin(&t, headers, COUNT(headers));
	table_cell(&t, unit_print((double)number(a, "table_bytes"), "B", buf));
	table_cellf(&t, "%" JSON_INTEGER_FORMAT, number(a, "fills"));
	table_cellf(&t, "%" JSON_INTEGER_FORMAT, number(a, "updates"));
	table_cell(&t, unit_print((double)number(a, "update_bytes"), "B", buf));
	table_print(&t, 0, out);
	table_end(&t);
}

static void render_packets(json_t *a, FILE *out)
{
	json_t *memory = json_object_get(a, "packet_memory");
	char buf[UNIT_SIZE];

	if (!json_is_object(memory))
		fputs("\npackets lie in main memory\n", out);
	else
		fprintf(out, "\npackets lie in %s of %s\n",
			unit_print((double)number(memory, "bytes"), "B", buf),
			strcmp(text(memory, "place"), "device")
				? "main memory, which is also the accelerator's"
				: "the accelerator's own memory");
}

/* What went wrong last, and what becomes of it. */
static void render_fault(json_t *a, FILE *out)
{
	json_t *fault = json_object_get(a, "fault");
	const char *remedy = text(fault, "remedy");
	char buf[UNIT_SIZE];

	if (!json_is_object(fault))
		return;
	fputs("\nlast fault: ", out);
	text_print(text(fault, "message"), out);
	fputs(remedy[0] ? "\n      " : "", out);
	text_print(remedy, out);
	fputc('\n', out);
	if (strcmp(text(a, "state"), "failed") != 0)
		return;
	/* The CPU touches no packet that lies in the accelerator's memory. */
	fputs(json_is_object(json_object_get(a, "packet_memory")) ? "packets are dropped"
								  : "the CPU forwards",
	      out);
	if (number(a, "retry_in_ms"))
		fprintf(out, "; it is tried again in %s\n",
			unit_time((uint64_t)number(a, "retry_in_ms"), buf));
	else
		fputs("; it is tried again once it is known to touch packets no more\n", out);
}

void render_accelerator(json_t *data, FILE *out)
{
	json_t *a = json_object_get(data, "accelerator");

	if (!json_is_object(a)) {
		fputs("none: Mode=", out);
		text_print(text(data, "mode"), out);
		fputs(", the planes' cores process packets\n", out);
		return;
	}
	render_device(a, out);
	fputc('\n', out);
	render_work(a, out);
	fputc('\n', out);
	render_tables(a, out);
	render_packets(a, out);
	render_fault(a, out);
}
