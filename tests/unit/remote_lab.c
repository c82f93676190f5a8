/* SPDX-License-Identifier: BSD-2-Clause */
#include "remote_lab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "../../router/program/packet.h"
#include "../../router/tables/private.h"
#include "inet_help.h"

#define RING 256u
#define REMOTE_BYTES ((size_t)16 << 20)
#define N_HOST (OFFLOAD_LENT_BUFS + 2 * PL_BURST_MAX)
#define PATIENCE_MS 20000u /* the link takes some */
#define CONTENT_AT 42u	   /* behind the UDP header */
#define LINE 64u
#define SHORTEST_IP (CONTENT_AT + sizeof(struct content) - 14)

struct content {
	uint8_t port, kind;
	uint16_t len;
	uint32_t number;
};

/* ---- frames ---- */

static void make_mac(uint8_t mac[6], unsigned port, unsigned who)
{
	memcpy(mac, (uint8_t[6]){2, 0, 0, 0, (uint8_t)who, (uint8_t)(port + 1)}, 6);
}

/* The first 14 bytes: from a neighbour to the port. */
static void make_ethernet(uint8_t *frame, unsigned port, unsigned type)
{
	make_mac(frame, port, 0);
	make_mac(frame + 6, port, 9);
	put16(frame + 12, type);
}

static void make_arp(uint8_t *frame, unsigned port)
{
	make_ethernet(frame, port, 0x0806);
	memcpy(frame + 14, (uint8_t[8]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
	make_mac(frame + 22, port, 9);
	memcpy(frame + 28, (uint8_t[4]){192, 0, (uint8_t)(2 + port), 9}, 4);
	memset(frame + 32, 0, 10);
}

static void make_ip(uint8_t *frame, const struct content *content)
{
	uint8_t *ip = frame + 14;
	uint32_t number = content->number;

	make_ethernet(frame, content->port, 0x0800);
	memset(ip, 0, 28);
	ip[0] = 0x45;
	/* Some of the shortest are padded: they leave shorter. */
	put16(ip + 2, content->len == LAB_LEN_MIN && number % 4 == 0 ? (unsigned)SHORTEST_IP
								     : content->len - 14u);
	ip[8] = content->kind == LAB_TTL ? 1 : 64;
	ip[9] = 17;
	memcpy(ip + 12, (uint8_t[4]){10, content->port, (uint8_t)(number >> 8), (uint8_t)number},
	       4);
	memcpy(ip + 16,
	       (uint8_t[4]){198, (uint8_t)(18 + content->port), (uint8_t)(number >> 16),
			    (uint8_t)number},
	       4);
	put16(ip + 10, ~sum16(ip, 20) & 0xffff);
	if (content->kind == LAB_BAD)
		ip[10] ^= 0x40;
}

/* All of a frame follows from its content. */
static void make_frame(uint8_t *frame, const struct content *content)
{
	uint32_t at = CONTENT_AT + sizeof(*content);

	if (content->kind == LAB_ARP)
		make_arp(frame, content->port);
	else
		make_ip(frame, content);
	memcpy(frame + CONTENT_AT, content, sizeof(*content));
	while (at < content->len) {
		uint32_t line = at / LINE, end = (line + 1) * LINE;
		uint32_t fill = (content->number * 64 + line) * 2654435761u + content->port;

		for (end = end < content->len ? end : content->len; at < end; at++)
			frame[at] = (uint8_t)(fill >> at % 4 * 8);
	}
}

static struct content next_content(const struct lab_mix *mix, unsigned port, uint32_t number)
{
	struct content content = {.port = (uint8_t)port, .kind = LAB_FORWARD, .number = number};

	if (mix->arp && number % mix->arp == 0)
		content.kind = LAB_ARP;
	else if (mix->ttl && number % mix->ttl == 0)
		content.kind = LAB_TTL;
	else if (mix->bad && number % mix->bad == 1)
		content.kind = LAB_BAD;
	/* All lengths, among few or many: the factors are prime to each other. */
	content.len = LAB_LEN_MIN;
	if (!mix->small && content.kind != LAB_ARP)
		content.len =
			(uint16_t)(LAB_LEN_MIN + number * 797u % (LAB_LEN_MAX - LAB_LEN_MIN + 1));
	return content;
}

static struct content content_of(const uint8_t *frame, uint32_t len)
{
	struct content content;

	assert_true(len >= CONTENT_AT + sizeof(content));
	memcpy(&content, frame + CONTENT_AT, sizeof(content));
	assert_in_range(content.port, 0, LAB_PORTS - 1);
	assert_in_range(content.kind, 0, LAB_KINDS - 1);
	assert_in_range(content.len, LAB_LEN_MIN, LAB_LEN_MAX);
	return content;
}

static void expect_same(const uint8_t *frame, const uint8_t *wanted, uint32_t len,
			const struct content *content, const char *where)
{
	for (uint32_t i = 0; i < len; i++)
		if (frame[i] != wanted[i])
			fail_msg("%s: frame %u of port %u, kind %u, %u bytes: byte %u is %02x, not "
				 "%02x",
				 where, content->number, content->port, content->kind, len, i,
				 frame[i], wanted[i]);
}

/* What the packet program makes of it. */
static uint16_t run_program(struct lab *lab, uint8_t *frame, uint16_t *len, unsigned port)
{
	static uint8_t used[TABLES_NEXTHOPS_MAX];
	struct tables_view view = *tables_view(lab->tables);

	view.used = used;
	return (uint16_t)program_packet(&view, frame, len, port);
}

/* ---- wires: the emulator's thread ---- */

static unsigned wire_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct lab_port *port = (struct lab_port *)wire;
	/* Acquire: pairs with lab_offer(). */
	uint64_t waiting =
		atomic_load_explicit(&port->offered, memory_order_acquire) - port->arrived;
	unsigned n = max < 64 ? max : 64;

	if (n > waiting)
		n = (unsigned)waiting;
	for (unsigned i = 0; i < n; i++) {
		struct content content =
			next_content(&port->lab->mix, port->index, (uint32_t)port->arrived++);

		make_frame(port->buffers[i] + 2, &content);
		frames[i] = (struct emu_frame){port->buffers[i] + 2, content.len};
		pl_stat_add(&port->by_kind[content.kind], 1);
	}
	return n;
}

/* Of what came in by one port, and of what the kernel sent, each leaves in order. */
static void check_left(struct lab_port *out, const uint8_t *frame, uint32_t len)
{
	_Alignas(16) uint8_t room[LAB_LEN_MAX + 64] = {0};
	struct content content = content_of(frame, len);
	unsigned from = content.kind == LAB_FACE ? LAB_PORTS : content.port;
	uint8_t *wanted = room + 2;
	uint16_t wanted_len = content.len;

	make_frame(wanted, &content);
	if (content.kind == LAB_FACE) {
		assert_int_equal(content.port, out->index);
	} else {
		uint16_t verdict = run_program(out->lab, wanted, &wanted_len, content.port);

		assert_int_equal(verdict, PL_VERDICT(PL_VERDICT_TX, out->index));
	}
	/* The NIC pads. */
	assert_int_equal(len, wanted_len > LAB_LEN_MIN ? wanted_len : LAB_LEN_MIN);
	memset(wanted + wanted_len, 0, len - wanted_len);
	expect_same(frame, wanted, len, &content, "wire");
	if (content.number < out->next[from])
		fail_msg("frame %u of %u left after %u", content.number, from, out->next[from] - 1);
	out->next[from] = content.number + 1;
	pl_stat_add(&out->left[from], 1);
}

static void wire_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		check_left((struct lab_port *)wire, frames[i].data, frames[i].len);
}

static bool wire_link(struct emu_wire *wire)
{
	(void)wire;
	return true;
}

static void wire_close(struct emu_wire *wire)
{
	close(wire->event_fd);
}

static const struct emu_wire_ops wire_ops = {
	.arrived = wire_arrived,
	.send = wire_send,
	.link = wire_link,
	.close = wire_close,
};

/* ---- faces: the plane ---- */

static struct lab_port *port_of(struct pl_queue *face)
{
	return (struct lab_port *)((char *)face - offsetof(struct lab_port, face));
}

static unsigned face_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	struct lab_port *port = port_of(q);
	unsigned n = atomic_load_explicit(&port->from_tap, memory_order_relaxed);
	eventfd_t ignored;

	if (!n) {
		eventfd_read(q->event_fd, &ignored);
		return 0;
	}
	n = pl_pool_get(q->pool, frame, n < max ? n : max, PL_OWNER_BURST);
	for (unsigned i = 0; i < n; i++) {
		struct content content =
			next_content(&port->lab->mix, port->index, port->tap_number++);

		content.kind = LAB_FACE;
		assert_false(pl_pool_is_remote(q->pool, frame[i]));
		make_frame(pl_pool_data(q->pool, frame[i]), &content);
		len[i] = content.len;
	}
	pl_stat_add(&port->tap_sent, n);
	return n;
}

/* What is punted is the packet as it came. */
static void check_punted(struct lab_port *port, const uint8_t *frame, uint16_t len)
{
	uint8_t wanted[LAB_LEN_MAX];
	struct content content = content_of(frame, len);

	assert_int_equal(content.port, port->index);
	assert_true(content.kind == LAB_TTL || content.kind == LAB_ARP);
	assert_int_equal(len, content.len);
	make_frame(wanted, &content);
	expect_same(frame, wanted, len, &content, "face");
	if (content.number < port->next_punt)
		fail_msg("frame %u was punted after %u", content.number, port->next_punt - 1);
	port->next_punt = content.number + 1;
	pl_stat_add(&port->punted[content.kind], 1);
}

static void face_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_false(pl_pool_is_remote(q->pool, frame[i]));
		check_punted(port_of(q), pl_pool_data(q->pool, frame[i]), len[i]);
	}
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
}

static bool face_flush(struct pl_queue *q)
{
	(void)q;
	return false;
}

static const struct pl_queue_ops face_ops = {.rx = face_rx, .tx = face_tx, .flush = face_flush};

/* ---- tables ---- */

static void set_route(struct tables *t, const char *text, const struct nexthop_spec *spec)
{
	struct prefix to;
	uint32_t index;

	assert_int_equal(tables_nexthop_new(t, spec, &index), 0);
	assert_int_equal(prefix_parse(text, &to), 0);
	assert_int_equal(tables_route_set(t, &to, index), 0);
}

static struct tables *make_tables(void)
{
	static const struct tables_limits limits = {.blocks4 = 400,
						    .last4 = 300,
						    .blocks6 = 2000,
						    .nexthops = 8192,
						    .slots = 4096,
						    .neighbours = 1500};
	struct tables *t = tables_new_limited(pl_plane_synchronize, REASON_NO_ROUTE, &limits);

	assert_non_null(t);
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		struct nexthop_spec spec = {
			.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = (uint16_t)(1 - i)};
		struct ip_addr neighbour;
		uint8_t mac[6];
		uint32_t index;

		make_mac(mac, i, 0);
		tables_port_set(t, (uint16_t)i, mac, true);
		make_mac(spec.dmac, 1 - i, 8);
		make_mac(spec.smac, 1 - i, 0);
		set_route(t, i ? "198.19.0.0/16" : "198.18.0.0/16", &spec);
		spec.port = (uint16_t)i;
		make_mac(spec.dmac, i, 9);
		make_mac(spec.smac, i, 0);
		assert_int_equal(tables_nexthop_new(t, &spec, &index), 0);
		assert_int_equal(ip_addr_parse(i ? "192.0.3.9" : "192.0.2.9", &neighbour), 0);
		assert_int_equal(tables_neighbour_set(t, (uint16_t)i, &neighbour, index), 0);
	}
	tables_settle(t);
	return t;
}

static struct police *make_police(void)
{
	uint32_t rates[LIMIT_COUNT];
	struct police *police;

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		rates[i] = limit_default(i);
	police = police_new(LAB_PORTS, rates, 1, NULL);
	assert_non_null(police);
	return police;
}

/* ---- opening ---- */

static void must(int rc, const struct pl_error *err)
{
	if (rc)
		fail_msg("%s (%d)", err->what, rc);
}

static void illegal_use(void *ctx, const char *nic, const char *what)
{
	(void)ctx;
	fail_msg("%s: %s", nic, what);
}

static void await_link(struct lab *lab, struct lab_port *port)
{
	struct pl_nic_link link = {0};

	for (unsigned i = 0; !link.up; i++) {
		assert_true(i < PATIENCE_MS);
		emu_turn(lab->emu);
		assert_int_equal(pl_nic_link(port->nic, &link), 0);
		if (!link.up)
			usleep(1000);
	}
}

static void port_open(struct lab *lab, unsigned i, unsigned ring, bool patient)
{
	struct lab_port *port = &lab->ports[i];
	struct emu_nic_config config = {.name = "eth", .model = EMU_82599, .wire = &port->wire};
	struct pl_nic_config nic = {.name = "pl", .n_queues = 1, .ring_size = ring, .mtu = 1500};
	struct pl_error err;

	port->lab = lab;
	port->index = i;
	make_mac(config.mac, i, 0);
	port->wire = (struct emu_wire){
		.ops = &wire_ops,
		.kind = "test",
		.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.patient = patient,
	};
	port->face = (struct pl_queue){
		.ops = &face_ops,
		.pool = &lab->plane.pool,
		.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};
	assert_true(port->wire.event_fd >= 0 && port->face.event_fd >= 0);
	must(emu_add(lab->emu, &config, &port->pci, &err), &err);
	must(pl_nic_open(&port->nic, port->pci, &nic, &err), &err);
	must(pl_nic_queue_open(port->nic, 0, &lab->plane.pool, &port->queue, &err), &err);
	must(pl_nic_start(port->nic, &err), &err);
	await_link(lab, port);
	lab->plane.ports[i].wire = port->queue;
	lab->plane.ports[i].face = &port->face;
}

static void pool_open(struct lab *lab, size_t remote_bytes)
{
	struct pl_error err;

	must(pl_accel_packets_new(&lab->packets, PL_ACCEL_HOST, 0, remote_bytes, &err), &err);
	must(pl_pool_init_remote(&lab->plane.pool, &lab->packets.remote, lab->n_host, LAB_BUF_BYTES,
				 &err),
	     &err);
}

/* Before the NICs: it takes what it lends from a pool that is full. */
static void offload_open_start(struct lab *lab, struct offload_config config)
{
	struct pl_error err;

	config.kind = PL_ACCEL_HOST;
	config.n_planes = 1;
	must(offload_new(&lab->offload, &config, lab->tables, &err), &err);
	must(offload_processor(lab->offload, 0, &lab->plane.pool, lab->police,
			       &lab->plane.processor, &err),
	     &err);
	must(offload_start(lab->offload, &err), &err);
}

struct lab *lab_new(const struct lab_config *config)
{
	struct lab *lab = aligned_alloc(_Alignof(struct lab), sizeof(*lab));
	struct pl_error err;

	assert_non_null(lab);
	memset(lab, 0, sizeof(*lab));
	lab->mix = config->mix;
	lab->n_host = config->n_host ? config->n_host : N_HOST;
	lab->tables = make_tables();
	lab->police = config->limited ? make_police() : NULL;
	pool_open(lab, config->remote_bytes ? config->remote_bytes : REMOTE_BYTES);
	lab->plane.cpu = -1;
	lab->plane.n_ports = LAB_PORTS;
	offload_open_start(lab, config->offload);
	lab->emu = emu_new(illegal_use, NULL);
	assert_non_null(lab->emu);
	for (unsigned i = 0; i < LAB_PORTS; i++)
		port_open(lab, i, config->ring ? config->ring : RING, !config->impatient);
	must(pl_plane_init(&lab->plane, &err), &err);
	must(emu_start(lab->emu, -1, &err), &err);
	must(pl_plane_start(&lab->plane, &err), &err);
	return lab;
}

/* ---- closing ---- */

static uint64_t sum(const pl_stat *stats, unsigned n)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < n; i++)
		all += pl_stat_read(&stats[i]);
	return all;
}

static void check_accounts(struct lab *lab)
{
	const struct pl_plane_stats *stats = &lab->plane.stats;
	uint64_t received = 0, left = 0, punted = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++) {
		struct lab_port *port = &lab->ports[i];
		struct emu_stats emu;

		received += pl_stat_read(&port->queue->stats.rx_packets);
		received += pl_stat_read(&port->tap_sent);
		left += sum(port->left, LAB_PORTS + 1);
		punted += sum(port->punted, LAB_KINDS);
		assert_int_equal(pl_stat_read(&port->queue->stats.rx_errors), 0);
		emu_stats(port->pci, &emu);
		assert_int_equal(emu.illegal, 0);
		/* The processor has had no packet that came in. */
		assert_int_equal(emu.dma_bytes_written[EMU_DMA_HOST], 0);
	}
	assert_int_equal(pl_stat_read(&stats->bad_port), 0);
	assert_int_equal(punted, sum(stats->punt, PL_REASONS_MAX));
	assert_int_equal(received,
			 left + punted + sum(stats->drop, PL_REASONS_MAX) + lab_tx_dropped(lab));
	assert_int_equal(lab_dropped(lab, REASON_ACCELERATOR), lab_stats(lab).lost_packets);
	assert_int_equal(lab_stats(lab).cpu_packets, 0);
}

void lab_free(struct lab *lab)
{
	struct pl_pool *pool = &lab->plane.pool;

	lab_tap(lab, 0);
	lab_settle(lab);
	pl_plane_stop(&lab->plane);
	lab_settle(lab); /* in its last turn the plane may have sent some */
	emu_stop(lab->emu);
	check_accounts(lab);
	offload_stop(lab->offload);
	assert_int_equal(offload_free(lab->offload), 0);
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		struct lab_port *port = &lab->ports[i];

		pl_nic_stop(port->nic);
		pl_queue_close(port->queue);
		pl_nic_close(port->nic);
		pl_pci_close(port->pci);
		close(port->face.event_fd);
	}
	emu_free(lab->emu);
	pl_plane_fini(&lab->plane);
	assert_null(pool->holders);
	assert_int_equal(pool->n_remote_free, pool->n_remote);
	assert_int_equal(pool->n_free, lab->n_host);
	pl_pool_fini(pool);
	pl_accel_packets_free(&lab->packets);
	police_free(lab->police);
	tables_free(lab->tables);
	free(lab);
}

/* ---- traffic ---- */

void lab_offer(struct lab *lab, uint64_t n)
{
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		struct lab_port *port = &lab->ports[i];

		/* Release: pairs with wire_arrived(). */
		atomic_fetch_add_explicit(&port->offered, n, memory_order_release);
		assert_int_equal(eventfd_write(port->wire.event_fd, 1), 0);
	}
}

void lab_tap(struct lab *lab, unsigned n)
{
	for (unsigned i = 0; i < LAB_PORTS; i++) {
		atomic_store_explicit(&lab->ports[i].from_tap, n, memory_order_relaxed);
		assert_int_equal(eventfd_write(lab->ports[i].face.event_fd, 1), 0);
	}
}

void lab_attend(struct lab *lab)
{
	offload_attend(lab->offload);
}

uint64_t lab_arrived(struct lab *lab, enum lab_kind kind)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += pl_stat_read(&lab->ports[i].by_kind[kind]);
	return n;
}

static uint64_t rx_packets(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += pl_stat_read(&lab->ports[i].queue->stats.rx_packets);
	return n;
}

static uint64_t offered(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += atomic_load_explicit(&lab->ports[i].offered, memory_order_relaxed);
	return n;
}

bool lab_all_arrived(struct lab *lab)
{
	return rx_packets(lab) + lab_nic_lost(lab) == offered(lab);
}

/* Received, and from the kernel, that have met no fate yet. */
static uint64_t under_way(struct lab *lab)
{
	const struct pl_plane_stats *stats = &lab->plane.stats;
	uint64_t fates = sum(stats->drop, PL_REASONS_MAX) + lab_tx_dropped(lab) +
			 lab_forwarded(lab) + lab_tap_left(lab);
	uint64_t from_tap = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		fates += sum(lab->ports[i].punted, LAB_KINDS);
	for (unsigned i = 0; i < LAB_PORTS; i++)
		from_tap += pl_stat_read(&lab->ports[i].tap_sent);
	return rx_packets(lab) + from_tap - fates;
}

void lab_settle(struct lab *lab)
{
	lab_await(lab, lab_all_arrived(lab));
	lab_await(lab, under_way(lab) == 0);
}

uint64_t lab_forwarded(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += sum(lab->ports[i].left, LAB_PORTS);
	return n;
}

uint64_t lab_tap_left(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += pl_stat_read(&lab->ports[i].left[LAB_PORTS]);
	return n;
}

uint64_t lab_punted(struct lab *lab, enum lab_kind kind)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += pl_stat_read(&lab->ports[i].punted[kind]);
	return n;
}

uint64_t lab_dropped(struct lab *lab, enum reason reason)
{
	return pl_stat_read(&lab->plane.stats.drop[reason]);
}

uint64_t lab_nobuf(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += pl_stat_read(&lab->ports[i].queue->stats.rx_nobuf);
	return n;
}

static uint64_t nic_lost(struct pl_nic *nic)
{
	struct pl_nic_counter counters[PL_NIC_COUNTERS_MAX];
	unsigned n = pl_nic_counters(nic, counters);
	uint64_t lost = 0;

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(counters[i].name, "rx_missed_packets") ||
		    !strcmp(counters[i].name, "rx_no_descriptor"))
			lost += counters[i].value;
	return lost;
}

uint64_t lab_nic_lost(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += nic_lost(lab->ports[i].nic);
	return n;
}

uint64_t lab_tx_dropped(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PORTS; i++)
		n += pl_stat_read(&lab->ports[i].queue->stats.tx_dropped);
	return n;
}

struct offload_stats lab_stats(struct lab *lab)
{
	struct offload_stats stats;

	offload_stats(lab->offload, &stats);
	return stats;
}
