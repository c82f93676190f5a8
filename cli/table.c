/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_begin(struct table *table, const char *const *headers, unsigned n_columns)
{
	*table = (struct table){.n_columns = n_columns};
	for (unsigned i = 0; i < n_columns; i++) {
		table->right[i] = headers[i][0] == '>';
		table_cell(table, headers[i] + table->right[i]);
	}
}

static bool make_room(struct table *table)
{
	size_t room = table->room ? table->room * 2 : 64;
	char **cells;

	if (table->n_cells < table->room)
		return true;
	cells = reallocarray(table->cells, room, sizeof(*cells));
	if (!cells)
		return false;
	table->cells = cells;
	table->room = room;
	return true;
}

static char clean(char c)
{
	return c < ' ' || c > '~' ? '?' : c;
}

void text_print(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc(clean(*text), out);
}

void table_cell(struct table *table, const char *text)
{
	char *copy;

	if (table->failed)
		return;
	copy = strdup(text ? text : "");
	if (!copy || !make_room(table)) {
		free(copy);
		table->failed = true;
		return;
	}
	for (char *c = copy; *c; c++)
		*c = clean(*c);
	table->cells[table->n_cells++] = copy;
}

void table_cellf(struct table *table, const char *fmt, ...)
{
	char text[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	table_cell(table, text);
}

/* Where the last cell with text in the row that starts at `row` is, plus one. */
static unsigned row_length(const struct table *table, size_t row)
{
	unsigned n = table->n_columns;

	while (n > 0 && table->cells[row + n - 1][0] == '\0')
		n--;
	return n;
}

unsigned table_print(const struct table *table, unsigned indent, FILE *out)
{
	size_t width[TABLE_COLUMNS_MAX] = {0};
	unsigned lines = 0;

	if (table->failed)
		return (unsigned)(fputs("(out of memory)\n", out) >= 0);
	for (size_t i = 0; i < table->n_cells; i++)
		if (strlen(table->cells[i]) > width[i % table->n_columns])
			width[i % table->n_columns] = strlen(table->cells[i]);
	for (size_t row = 0; row + table->n_columns <= table->n_cells; row += table->n_columns) {
		unsigned n = row_length(table, row);

		fprintf(out, "%*s", n ? (int)indent : 0, "");
		for (unsigned i = 0; i < n; i++) {
			bool last = i == n - 1;
			int w = last && !table->right[i] ? 0 : (int)width[i];

			fprintf(out, table->right[i] ? "%*s%s" : "%-*s%s", w, table->cells[row + i],
				last ? "" : "  ");
		}
		fputc('\n', out);
		lines++;
	}
	return lines;
}

void table_end(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){0};
}

const char *unit_print(double number, const char *unit, char out[UNIT_SIZE])
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
	unsigned i = 0;

	/* 999.5 would be printed as 1000. */
	while (number >= (i ? 999.5 : 1000) && i < 6) {
		number /= 1000;
		i++;
	}
	snprintf(out, UNIT_SIZE, "%.*f%s%s%s",
		 i == 0 || number >= 99.95 ? 0
		 : number >= 9.995	   ? 1
					   : 2,
		 number, prefixes[i][0] || unit[0] ? " " : "", prefixes[i], unit);
	return out;
}

const char *unit_time(uint64_t ms, char out[UNIT_SIZE])
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, UNIT_SIZE, "%u ms", (unsigned)ms);
	else if (s < 60)
		snprintf(out, UNIT_SIZE, "%u.%u s", (unsigned)s, (unsigned)(ms / 100 % 10));
	else if (s < 3600)
		snprintf(out, UNIT_SIZE, "%u min %u s", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(out, UNIT_SIZE, "%u h %u min", (unsigned)(s / 3600),
			 (unsigned)(s / 60 % 60));
	else
		snprintf(out, UNIT_SIZE, "%u d %u h", (unsigned)(s / 86400),
			 (unsigned)(s / 3600 % 24));
	return out;
}
