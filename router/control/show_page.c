/* SPDX-License-Identifier: BSD-2-Clause */
/* What the listings share: pages, and how addresses and counters are written. */
#include "show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Some 200 bytes a unit: a page takes less than 0.5 MB, and the control thread about 10 ms. */
#define PAGE_WEIGHT 2048
#define PASSED_PER_WEIGHT 16

int show_page_begin(struct show_page *page, json_t *args, struct pl_error *err)
{
	json_t *after = json_object_get(args, "after");

	*page = (struct show_page){0};
	if (after && (!json_is_integer(after) || json_integer_value(after) < 0))
		return pl_error_set(err, -EINVAL, "give the \"next\" of the page before",
				    "\"after\" is not a place in the listing");
	page->skip = (uint64_t)json_integer_value(after);
	page->items = json_array();
	return page->items ? 0 : pl_error_set(err, -ENOMEM, NULL, "out of memory");
}

bool show_page_has_room(const struct show_page *page)
{
	return page->weight < PAGE_WEIGHT && !page->failed;
}

bool show_page_wants(struct show_page *page)
{
	if (page->weight >= PAGE_WEIGHT) {
		page->full = true;
		page->next = page->seen;
		return false;
	}
	return page->seen++ >= page->skip;
}

void show_page_pass(struct show_page *page)
{
	page->weight += !(++page->passed % PASSED_PER_WEIGHT);
}

bool show_page_add(struct show_page *page, json_t *row, unsigned weight)
{
	page->weight += weight;
	if (json_array_append_new(page->items, row))
		page->failed = true;
	return !page->failed;
}

json_t *show_page_end(struct show_page *page, const char *name)
{
	json_t *next = page->full ? json_integer((json_int_t)page->next) : json_null();

	if (page->failed) {
		json_decref(page->items);
		json_decref(next);
		return NULL;
	}
	return json_pack("{s:o, s:o}", name, page->items, "next", next);
}

json_t *show_or_fail(json_t *data, int *code, struct pl_error *err)
{
	if (!data) {
		*code = ENOMEM;
		pl_error_set(err, -ENOMEM, NULL, "out of memory");
	}
	return data;
}

json_t *show_text(const char *text)
{
	json_t *string = json_string(text);
	bool utf8 = string;
	char *clean = strdup(text);

	json_decref(string);
	if (!clean)
		return NULL;
	for (char *c = clean; *c; c++)
		if ((*c & 0x80 && !utf8) || (unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	string = json_string(clean);
	free(clean);
	return string;
}

json_t *show_mac(const uint8_t mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			    mac[5]);
}

json_t *show_addr(const struct ip_addr *addr)
{
	char text[PREFIX_STRLEN];

	return addr->family ? json_string(ip_addr_print(addr, text)) : json_null();
}

json_t *show_port_name(const struct router *router, int port)
{
	if (port < 0 || (unsigned)port >= router->n_ports)
		return json_null();
	return json_string(router->ports[port].name);
}

static json_t *counter(const pl_stat *stat)
{
	return json_integer((json_int_t)pl_stat_read(stat));
}

json_t *show_queue_stats(const struct pl_queue_stats *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rx_packets",
			 counter(&s->rx_packets), "rx_bytes", counter(&s->rx_bytes), "rx_dropped",
			 counter(&s->rx_dropped), "rx_errors", counter(&s->rx_errors), "rx_nobuf",
			 counter(&s->rx_nobuf), "tx_packets", counter(&s->tx_packets), "tx_bytes",
			 counter(&s->tx_bytes), "tx_dropped", counter(&s->tx_dropped), "tx_wakeups",
			 counter(&s->tx_wakeups));
}

void show_sum_stats(struct pl_queue_stats *to, const struct pl_queue_stats *from)
{
	pl_stat_add(&to->rx_packets, pl_stat_read(&from->rx_packets));
	pl_stat_add(&to->rx_bytes, pl_stat_read(&from->rx_bytes));
	pl_stat_add(&to->rx_nobuf, pl_stat_read(&from->rx_nobuf));
	pl_stat_add(&to->rx_dropped, pl_stat_read(&from->rx_dropped));
	pl_stat_add(&to->rx_errors, pl_stat_read(&from->rx_errors));
	pl_stat_add(&to->tx_packets, pl_stat_read(&from->tx_packets));
	pl_stat_add(&to->tx_bytes, pl_stat_read(&from->tx_bytes));
	pl_stat_add(&to->tx_dropped, pl_stat_read(&from->tx_dropped));
	pl_stat_add(&to->tx_wakeups, pl_stat_read(&from->tx_wakeups));
}
