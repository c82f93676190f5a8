/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of text with aligned columns, and numbers as people read them. */
#ifndef PEERLANE_CLI_TABLE_H
#define PEERLANE_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16u

#define TABLE_KEY_BYTES 20u

/* A row is its cells' text, one after the other: a million of them must fit into memory. */
struct table_row {
	size_t at;			    /* in `text` */
	unsigned char key[TABLE_KEY_BYTES]; /* by which it is sorted */
};

struct table {
	unsigned n_columns;
	bool right[TABLE_COLUMNS_MAX]; /* aligned to the right: numbers */
	size_t width[TABLE_COLUMNS_MAX];
	char *text;
	size_t text_len, text_room;
	struct table_row *rows; /* the first is the header */
	size_t n_rows, rows_room;
	unsigned column;		    /* of the next cell */
	unsigned char key[TABLE_KEY_BYTES]; /* of the next row */
	bool failed; /* out of memory: nothing more is added, table_print() says so */
};

/* Begins a table. Each header that starts with '>' is of a column aligned to the right. */
void table_begin(struct table *table, const char *const *headers, unsigned n_columns);

/* Adds the next cell, row by row. NULL is an empty cell. Characters that would disturb a terminal
 * become question marks: names come from outside. */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* By what the rows that begin from now on are sorted; zeroes to begin with. */
void table_key(struct table *table, const unsigned char key[TABLE_KEY_BYTES]);

/* Puts the rows below the header in the order of their keys, those alike staying as they are. */
void table_sort(struct table *table);

/* Prints text, cleaned likewise. */
void text_print(const char *text, FILE *out);

/* Prints the table, two spaces between columns and none at the end of lines; `indent` spaces in
 * front. Returns the lines printed. */
unsigned table_print(const struct table *table, unsigned indent, FILE *out);

void table_end(struct table *table);

#define UNIT_SIZE 24

/* "1.23 M" of 1234567 and such, three digits or four, decimal prefixes; returns `out`. */
const char *unit_print(double number, const char *unit, char out[UNIT_SIZE]);

/* "3 d 4 h", "12.3 s", "45 ms" of a time; returns `out`. */
const char *unit_time(uint64_t ms, char out[UNIT_SIZE]);

#endif
