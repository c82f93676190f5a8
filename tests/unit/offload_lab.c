/* SPDX-License-Identifier: BSD-2-Clause */
#include "offload_lab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The packet program, and what can go wrong with it. */
#define program_run packet_program_run
#include "../../router/program/device.c"
#include "inet_help.h"
#undef program_run

#define FRAME_BYTES 60u
#define TTL 64u

bool lab_remote;
_Atomic int lab_fault;
_Atomic unsigned lab_slow_us;
_Atomic unsigned lab_hanging;

/* ---- the program ---- */

static void hang(void)
{
	lab_hanging++;
	while (lab_fault == LAB_HANGS)
		usleep(100);
	lab_hanging--;
}

/* What no program gives, in place of some packets' transmission. */
static uint32_t verdict_or_lie(uint32_t verdict, uint32_t i)
{
	static const uint16_t lies[] = {
		PL_VERDICT(PL_VERDICT_KEEP, REASON_TTL),
		PL_VERDICT(PL_VERDICT_KEEP, 255),
		PL_VERDICT(PL_VERDICT_KINDS, 0),
		UINT16_MAX,
		PL_VERDICT(PL_VERDICT_DROP, REASON_COUNT),
		PL_VERDICT(PL_VERDICT_PUNT, REASON_COUNT),
		PL_VERDICT(PL_VERDICT_PUNT, 255),
	};

	return lab_fault == LAB_LIES && i % 3 == 0 ? lies[i / 3 % (sizeof(lies) / sizeof(lies[0]))]
						   : verdict;
}

/* Half of the burst, then the fault, then the other half: as late as it comes it is written all the same. */
static void run_with_faults(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	struct tables_view view = view_of((const struct program_context *)mailbox->context);
	struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, worker, launch);
	while (mailbox_wait(&at, &group)) {
		struct mailbox_slot *burst = mailbox_burst(&group);
		uint8_t *base = mailbox_base(&group);
		uint32_t n = mailbox_n(&group);

		for (uint32_t i = 0; i < n; i++) {
			if (i == n / 2) {
				if (lab_fault == LAB_HANGS)
					hang();
				if (lab_fault == LAB_ENDS)
					return;
				if (lab_fault == LAB_SLOW)
					usleep(lab_slow_us);
			}
			uint16_t before = burst->len[i], len = before;
			uint32_t verdict = program_packet(&view, base + burst->frame[i], &len,
							  mailbox_port(&group));

			if (mailbox_copies(&group) && PL_VERDICT_KIND(verdict) == PL_VERDICT_PUNT &&
			    !mailbox_take(&group, i, before))
				verdict = VERDICT_DROP(REASON_PUNT_BUFFER);
			burst->verdict[i] = (uint16_t)verdict_or_lie(verdict, i);
			mailbox_shorten(&group, i, len);
		}
		if (mailbox_copies(&group))
			mailbox_copy(&group);
		mailbox_finish(&at, &group);
	}
}

/* ---- packets ---- */

/* Where a device finds it: a NIC's DMA engine, say. The plane has no way to a packet in the first part. */
static uint8_t *packet_at(const struct pl_pool *pool, uint32_t frame)
{
	if (pl_pool_is_remote(pool, frame))
		return (uint8_t *)pool->remote->emulated + frame;
	return pl_pool_data(pool, frame);
}

uint32_t lab_receive(struct lab_plane *p, uint32_t *frame, uint32_t n)
{
	struct pl_pool *pool = &p->plane.pool;

	n = pl_pool_get_rx(pool, frame, n, PL_OWNER_BURST);
	for (uint32_t i = 0; i < n; i++)
		memset(packet_at(pool, frame[i]), 0, FRAME_BYTES);
	return n;
}

static const uint8_t port_mac[6] = {2, 0, 0, 0, 0, 1}, next_mac[6] = {2, 0, 0, 0, 1, 1};

/* The flow's number is the last byte of the destination, the packet's and the port's follow the UDP
 * header. */
static void make_frame(uint8_t *frame, const struct lab_wire *wire, unsigned flow)
{
	uint8_t *ip = frame + 14;

	memcpy(frame, port_mac, 6);
	frame[6] = 2;
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, FRAME_BYTES - 14);
	ip[8] = wire->ttl;
	ip[9] = 17;
	memcpy(ip + 12, (uint8_t[]){192, 0, 2, 1}, 4);
	memcpy(ip + 16, (uint8_t[]){198, 18, 0, (uint8_t)flow}, 4);
	put16(ip + 10, ~sum16(ip, 20) & 0xffff);
	memcpy(ip + 28, &wire->next[flow], 4);
	ip[32] = (uint8_t)wire->port;
}

static struct lab_wire *wire_of(struct pl_queue *q)
{
	return (struct lab_wire *)q;
}

static uint64_t taken(struct lab_wire *wire, unsigned max)
{
	uint64_t left = wire->left;
	eventfd_t ignored;

	if (!left) { /* what is fed behind this look sets the event again */
		eventfd_read(wire->q.event_fd, &ignored);
		left = wire->left;
	}
	return left < max ? left : max;
}

static unsigned wire_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	struct lab_wire *wire = wire_of(q);
	struct lab_plane *plane = wire->plane;
	unsigned n = lab_receive(plane, frame, (uint32_t)taken(wire, max));

	if (plane->offload.under_way > plane->most_under_way)
		plane->most_under_way = plane->offload.under_way;
	for (unsigned i = 0; i < n; i++) {
		/* Some flows have a packet or two of a burst, others many. */
		unsigned flow = i % 7 ? i % 3 : i / 7 % LAB_FLOWS;

		make_frame(packet_at(q->pool, frame[i]), wire, flow);
		wire->next[flow]++;
		len[i] = FRAME_BYTES;
	}
	wire->left -= n;
	plane->received += n;
	return n;
}

/* Each once through the program, and after all of its flow that were sent before. */
static void wire_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	struct lab_wire *wire = wire_of(q);

	assert_int_equal(wire->port, 2);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *at = packet_at(q->pool, frame[i]), *ip = at + 14;
		unsigned from = ip[32], flow = ip[19];
		uint32_t number;

		memcpy(&number, ip + 28, 4);
		assert_int_equal(len[i], FRAME_BYTES);
		assert_memory_equal(at, next_mac, 6);
		assert_int_equal(ip[8], TTL - 1);
		assert_int_equal(sum16(ip, 20), 0xffff);
		assert_true(from < 2 && flow < LAB_FLOWS);
		if (number < wire->seen[from][flow])
			fail_msg("flow %u of port %u: packet %u after %u", flow, from, number,
				 wire->seen[from][flow] - 1);
		wire->seen[from][flow] = number + 1;
	}
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
	wire->plane->sent += n;
}

static bool wire_flush(struct pl_queue *q)
{
	(void)q;
	return false;
}

static const struct pl_queue_ops wire_ops = {.rx = wire_rx, .tx = wire_tx, .flush = wire_flush};

/* ---- planes ---- */

static struct tables *make_tables(void)
{
	struct tables *t = tables_new(pl_plane_synchronize, REASON_NO_ROUTE);
	struct nexthop_spec spec = {.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = 2};
	struct prefix to;
	uint32_t nexthop;

	assert_non_null(t);
	for (uint16_t i = 0; i < LAB_PORTS; i++)
		tables_port_set(t, i, port_mac, true);
	memcpy(spec.dmac, next_mac, 6);
	memcpy(spec.smac, port_mac, 6);
	assert_int_equal(tables_nexthop_new(t, &spec, &nexthop), 0);
	assert_int_equal(prefix_parse("198.18.0.0/15", &to), 0);
	assert_int_equal(tables_route_set(t, &to, nexthop), 0);
	tables_settle(t);
	return t;
}

static struct police *make_police(void)
{
	uint32_t rates[LIMIT_COUNT];
	struct police *police;

	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		rates[i] = 1;
	police = police_new(LAB_PORTS, rates, 1, NULL);
	assert_non_null(police);
	return police;
}

static void pool_open(struct lab_plane *p)
{
	struct pl_error err;

	if (!lab_remote) {
		assert_int_equal(pl_pool_init(&p->plane.pool, LAB_POOL_BUFS, 2048, &err), 0);
		return;
	}
	assert_int_equal(pl_region_alloc(&p->elsewhere, (size_t)LAB_POOL_BUFS * 2048, &err), 0);
	p->remote = (struct pl_remote){
		.len_bytes = p->elsewhere.len_bytes,
		.page_bytes = 4096,
		.dmabuf_fd = -1,
		.no_dmabuf = "it is ordinary memory",
		.emulated = p->elsewhere.base,
		.device = (uintptr_t)p->elsewhere.base,
	};
	assert_int_equal(pl_pool_init_remote(&p->plane.pool, &p->remote, LAB_HOST_BUFS, 2048, &err),
			 0);
}

static void pool_close(struct lab_plane *p)
{
	const struct pl_pool *pool = &p->plane.pool;

	assert_int_equal(pool->n_remote_free, pool->n_remote);
	assert_int_equal(pool->n_free, lab_remote ? LAB_HOST_BUFS : LAB_POOL_BUFS);
	pl_pool_fini(&p->plane.pool);
	pl_region_free(&p->elsewhere);
}

static void plane_open(struct lab *lab, unsigned i, bool limited)
{
	struct lab_plane *p = &lab->planes[i];
	struct pl_error err;

	lab->police[i] = limited ? make_police() : NULL;
	p->plane.index = i;
	p->plane.cpu = -1;
	p->plane.n_ports = LAB_PORTS;
	pool_open(p);
	assert_int_equal(offload_plane_init(&p->offload, &lab->shared, i, lab->tables,
					    CPU_ISA_PLAIN, &p->plane.pool, lab->police[i],
					    &p->plane.processor, &err),
			 0);
	for (unsigned port = 0; port < LAB_PORTS; port++) {
		struct lab_wire *wire = &p->wires[port];

		wire->q.ops = &wire_ops;
		wire->q.pool = &p->plane.pool;
		wire->q.event_fd = eventfd(0, EFD_NONBLOCK);
		assert_true(wire->q.event_fd >= 0);
		wire->plane = p;
		wire->port = port;
		wire->ttl = TTL;
		p->plane.ports[port].wire = &wire->q;
		p->plane.ports[port].face = pl_mem_queue_new(&p->plane.pool, false, NULL, NULL);
		assert_non_null(p->plane.ports[port].face);
	}
	assert_int_equal(pl_plane_init(&p->plane, &err), 0);
}

struct lab *lab_new(enum pl_accel_launch launch, unsigned hang_ms, bool limited)
{
	struct lab *lab = aligned_alloc(_Alignof(struct lab), sizeof(*lab));

	assert_non_null(lab);
	memset(lab, 0, sizeof(*lab));
	lab_fault = LAB_NONE;
	lab->launch = launch;
	lab->tables = make_tables();
	lab->shared.launch = launch;
	lab->shared.hang_ms = hang_ms;
	lab->shared.bell_fd = eventfd(0, EFD_NONBLOCK);
	assert_true(lab->shared.bell_fd >= 0);
	for (unsigned i = 0; i < LAB_PLANES; i++)
		plane_open(lab, i, limited);
	return lab;
}

/* What became of packets, by the plane's counters. */
static uint64_t counted(const pl_stat *stats)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PL_REASONS_MAX; i++)
		n += pl_stat_read(&stats[i]);
	return n;
}

static void plane_close(struct lab_plane *p)
{
	const struct pl_plane_stats *stats = &p->plane.stats;

	assert_int_equal(pl_stat_read(&stats->bad_port), 0);
	assert_int_equal(p->received, p->sent + counted(stats->drop) + counted(stats->punt));
	assert_int_equal(pl_stat_read(&stats->drop[REASON_ACCELERATOR]),
			 pl_stat_read(&p->offload.lost_packets));
	if (lab_remote)
		assert_int_equal(pl_stat_read(&p->offload.cpu_packets), 0);
	assert_int_equal(p->received, pl_stat_read(&p->offload.packets) +
					      pl_stat_read(&p->offload.cpu_packets) +
					      pl_stat_read(&p->offload.lost_packets));
	offload_plane_release(&p->offload);
	offload_plane_fini(&p->offload);
	assert_null(p->plane.pool.holders);
	pl_plane_fini(&p->plane);
	for (unsigned port = 0; port < LAB_PORTS; port++) {
		close(p->wires[port].q.event_fd);
		pl_queue_close(p->plane.ports[port].face);
	}
	pool_close(p);
}

void lab_free(struct lab *lab)
{
	lab_stop(lab);
	assert_null(lab->shared.accel);
	for (unsigned i = 0; i < LAB_PLANES; i++) {
		plane_close(&lab->planes[i]);
		police_free(lab->police[i]);
	}
	tables_free(lab->tables);
	close(lab->shared.bell_fd);
	free(lab);
}

void lab_start(struct lab *lab)
{
	struct pl_error err;

	for (unsigned i = 0; i < LAB_PLANES; i++)
		assert_int_equal(pl_plane_start(&lab->planes[i].plane, &err), 0);
}

void lab_stop(struct lab *lab)
{
	for (unsigned i = 0; i < LAB_PLANES; i++)
		pl_plane_stop(&lab->planes[i].plane);
}

void lab_feed(struct lab *lab, uint64_t n)
{
	for (unsigned i = 0; i < LAB_PLANES; i++)
		for (unsigned port = 0; port < 2; port++) {
			lab->planes[i].wires[port].left += n;
			eventfd_write(lab->planes[i].wires[port].q.event_fd, 1);
		}
}

bool lab_all_arrived(struct lab *lab)
{
	for (unsigned i = 0; i < LAB_PLANES; i++)
		for (unsigned port = 0; port < 2; port++)
			if (lab->planes[i].wires[port].left)
				return false;
	return true;
}

uint64_t lab_sent(struct lab *lab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PLANES; i++)
		n += lab->planes[i].sent;
	return n;
}

uint64_t lab_sum(struct lab *lab, size_t offset)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PLANES; i++)
		n += pl_stat_read(
			(const pl_stat *)((const char *)&lab->planes[i].offload + offset));
	return n;
}

uint64_t lab_dropped(struct lab *lab, enum reason reason)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_PLANES; i++)
		n += pl_stat_read(&lab->planes[i].plane.stats.drop[reason]);
	return n;
}

/* ---- the offload's thread ---- */

void lab_set(struct lab *lab, enum offload_phase phase)
{
	atomic_store(&lab->shared.word, OFFLOAD_WORD(lab->generation, phase));
}

/* The host accelerator sees the host's tables: no copy is needed. */
static void set_context(struct lab *lab)
{
	const struct tables_view *view = tables_view(lab->tables);
	const void *const sections[TABLES_SECTIONS] = {
		[TABLES_HEAD] = view->head,
		[TABLES_ROOT4] = view->root4,
		[TABLES_MID4] = view->mid4,
		[TABLES_LAST4] = view->last4,
		[TABLES_WIDE4] = view->wide4,
		[TABLES_ROOT6_GLOBAL] = view->root6_global,
		[TABLES_ROOT6_OTHER] = view->root6_other,
		[TABLES_BLOCKS6] = view->blocks6,
		[TABLES_NEXTHOPS] = view->nexthops,
		[TABLES_SLOTS] = view->slots,
		[TABLES_NEIGHBOURS] = view->neighbours,
		[TABLES_PORTS] = view->ports,
	};
	struct pl_accel_memory memory, used;
	struct program_context *context;
	struct pl_error err;

	assert_int_equal(
		pl_accel_alloc(lab->shared.accel, PL_ACCEL_SHARED, sizeof(*context), &memory, &err),
		0);
	assert_int_equal(pl_accel_alloc(lab->shared.accel, PL_ACCEL_DEVICE, TABLES_NEXTHOPS_MAX,
					&used, &err),
			 0);
	context = memory.host;
	for (unsigned i = 0; i < TABLES_SECTIONS; i++)
		context->section[i] = (uintptr_t)sections[i];
	context->used = used.device;
	pl_accel_set_context(lab->shared.accel, memory.device);
}

void lab_open(struct lab *lab)
{
	const struct pl_accel_config config = {
		.kind = PL_ACCEL_HOST,
		.launch = lab->launch,
		.n_lanes = LAB_PLANES,
		.n_workers = 2 * LAB_PLANES, /* bursts of a lane are not done in order */
		.program = {.host = run_with_faults},
	};
	struct pl_error err;

	assert_null(lab->shared.accel);
	assert_int_equal(pl_accel_open(&lab->shared.accel, &config, &err), 0);
	for (unsigned i = 0; i < LAB_PLANES; i++)
		assert_int_equal(
			pl_accel_attach(lab->shared.accel, i, &lab->planes[i].plane.pool, &err), 0);
	set_context(lab);
	lab->generation++;
	lab_set(lab, PHASE_CPU);
}

int lab_close(struct lab *lab, unsigned timeout_ms)
{
	int rc = pl_accel_close(lab->shared.accel, timeout_ms);

	if (!rc) {
		lab->shared.accel = NULL;
		lab_set(lab, PHASE_QUIET);
	}
	return rc;
}

void lab_await_detached(struct lab *lab)
{
	for (unsigned i = 0; i < LAB_PLANES; i++)
		lab_await(!offload_plane_attached(&lab->planes[i].offload));
}
