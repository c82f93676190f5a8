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

/* Makes room for `n` more of what an array of *room has `used`. */
static bool make_room(void **array, size_t *room, size_t used, size_t n, size_t size)
{
	size_t want = *room ? *room : 64;
	void *grown;

	if (used + n <= *room)
		return true;
	while (want < used + n)
		want *= 2;
	grown = reallocarray(*array, want, size);
	if (!grown)
		return false;
	*array = grown;
	*room = want;
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

static void row_begin(struct table *table)
{
	struct table_row *row = &table->rows[table->n_rows++];

	row->at = table->text_len;
	memcpy(row->key, table->key, sizeof(row->key));
}

void table_cell(struct table *table, const char *text)
{
	size_t len = text ? strlen(text) : 0;
	void *to = table->text, *rows = table->rows;

	if (table->failed)
		return;
	table->failed = !make_room(&to, &table->text_room, table->text_len, len + 1, 1);
	table->text = to;
	table->failed = table->failed || !make_room(&rows, &table->rows_room, table->n_rows, 1,
						    sizeof(*table->rows));
	table->rows = rows;
	if (table->failed)
		return;
	if (table->column == 0)
		row_begin(table);
	if (len > table->width[table->column])
		table->width[table->column] = len;
	for (size_t i = 0; i < len; i++)
		table->text[table->text_len++] = clean(text[i]);
	table->text[table->text_len++] = '\0';
	table->column = (table->column + 1) % table->n_columns;
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

void table_key(struct table *table, const unsigned char key[TABLE_KEY_BYTES])
{
	memcpy(table->key, key, sizeof(table->key));
}

/* Rows alike in the order in which they came. For qsort(). */
static int compare_rows(const void *a, const void *b)
{
	const struct table_row *row_a = a, *row_b = b;
	int order = memcmp(row_a->key, row_b->key, sizeof(row_a->key));

	return order ? order : (row_a->at > row_b->at) - (row_a->at < row_b->at);
}

void table_sort(struct table *table)
{
	if (table->n_rows > 1)
		qsort(table->rows + 1, table->n_rows - 1, sizeof(*table->rows), compare_rows);
}

/* Finds a row's cells. Returns where the last one with text is, plus one. */
static unsigned find_cells(const struct table *table, const struct table_row *row,
			   const char *cells[TABLE_COLUMNS_MAX])
{
	const char *text = table->text + row->at;
	unsigned n = 0;

	for (unsigned i = 0; i < table->n_columns; i++) {
		cells[i] = text;
		n = text[0] ? i + 1 : n;
		text += strlen(text) + 1;
	}
	return n;
}

unsigned table_print(const struct table *table, unsigned indent, FILE *out)
{
	/* One that is not complete is left out. */
	size_t n_rows = table->n_rows - (table->column != 0);

	if (table->failed)
		return (unsigned)(fputs("(out of memory)\n", out) >= 0);
	for (size_t row = 0; row < n_rows; row++) {
		const char *cells[TABLE_COLUMNS_MAX];
		unsigned n = find_cells(table, &table->rows[row], cells);

		fprintf(out, "%*s", n ? (int)indent : 0, "");
		for (unsigned i = 0; i < n; i++) {
			bool last = i == n - 1;
			int w = last && !table->right[i] ? 0 : (int)table->width[i];

			fprintf(out, table->right[i] ? "%*s%s" : "%-*s%s", w, cells[i],
				last ? "" : "  ");
		}
		fputc('\n', out);
	}
	return (unsigned)n_rows;
}

void table_end(struct table *table)
{
	free(table->text);
	free(table->rows);
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
