/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane between two emulated NICs with the smallest rings, for a long time: random bursts, cables pulled,
 * NICs started anew, a pool that runs dry. Whatever leaves has come in, in order, and in the end every buffer is
 * in the pool. First turn by turn; then with threads, which fall asleep and are woken. SOAK_FRAMES=n in
 * the environment makes the first part longer or shorter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <emu/emu.h>
#include <peerlane/nic.h>
#include <peerlane/plane.h>

#include "sanitized.h"

#define N_NICS 2u
#define RING PL_NIC_RING_MIN
#define POOL_BUFFERS (N_NICS * 2 * RING + PL_BURST_MAX)
#define LEN_MIN 60u
#define LEN_MAX 1514u
#define LENT_MAX 64u

#ifdef SANITIZED
#define FRAMES 1000000ull
#define WAKEUPS 1000u
#else
#define FRAMES 30000000ull
#define WAKEUPS 10000u
#endif

/* Behind the Ethernet header. */
struct content {
	uint64_t seq, seq_inverted;
	uint32_t port;
};

/* One NIC and what is at the other end of its cable. */
struct port {
	struct emu_wire wire; /* first; of the emulator's thread: */
	uint8_t buffers[LENT_MAX][LEN_MAX];
	uint64_t random;
	uint64_t arrived;
	uint64_t next[N_NICS]; /* least number that may leave next, by where it came in */
	pl_stat left;
	/* of both sides */
	_Atomic uint64_t offered; /* how many frames arrive in all */
	atomic_bool plugged;
	/* the driver's side */
	struct pl_pci *pci;
	struct pl_nic *nic;
	struct pl_queue *queue;
};

struct world {
	struct emu *emu;
	struct port ports[N_NICS];
	struct pl_plane plane;
	struct pl_immediate immediate;
	uint64_t plane_random, random;
	pl_stat dropped; /* by verdict */
	uint32_t kept[POOL_BUFFERS];
	unsigned n_kept;
	unsigned restarts, unplugged;
};

/* SplitMix64. */
static uint64_t random64(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static unsigned below(uint64_t *state, unsigned n)
{
	return (unsigned)((random64(state) >> 32) * n >> 32);
}

/* ---- the wire ---- */

static unsigned index_of(const struct port *port)
{
	return port->buffers[0][5];
}

static uint8_t fill_of(uint64_t seq)
{
	return (uint8_t)(seq * 151 >> 3);
}

/* Frame `seq` of a port: its length and last bytes follow from the number. */
static uint32_t make_frame(uint8_t *frame, uint32_t port, uint64_t seq)
{
	struct content content = {seq, ~seq, port};
	uint32_t len = seq % 8 ? LEN_MIN : LEN_MIN + (uint32_t)(seq * 2654435761u % 1455);

	frame[12] = 0x88; /* local experimental */
	frame[13] = 0xb5;
	memcpy(frame + 14, &content, sizeof(content));
	memset(frame + len - 16, fill_of(seq), 16);
	return len;
}

static void check_frame(struct port *out, const uint8_t *frame, uint32_t len)
{
	struct content content;
	uint8_t expected[LEN_MAX];

	memcpy(&content, frame + 14, sizeof(content));
	if (content.port >= N_NICS || content.seq_inverted != ~content.seq)
		fail_msg("a frame left that never came in");
	if (len != make_frame(expected, content.port, content.seq) ||
	    memcmp(frame + len - 16, expected + len - 16, 16) != 0)
		fail_msg("frame %lu was damaged", content.seq);
	/* Those between were dropped, or left by the other NIC; none is late, or leaves twice. */
	if (content.seq < out->next[content.port])
		fail_msg("frame %lu left after %lu", content.seq, out->next[content.port] - 1);
	out->next[content.port] = content.seq + 1;
}

static unsigned wire_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct port *port = (struct port *)wire;
	/* Acquire: pairs with offer(). */
	uint64_t waiting =
		atomic_load_explicit(&port->offered, memory_order_acquire) - port->arrived;
	unsigned n = 1 + below(&port->random, max < LENT_MAX ? max : LENT_MAX);

	if (n > waiting)
		n = (unsigned)waiting;
	for (unsigned i = 0; i < n; i++) {
		frames[i].data = port->buffers[i];
		frames[i].len = make_frame(port->buffers[i], index_of(port), port->arrived++);
	}
	return n;
}

static void wire_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	struct port *port = (struct port *)wire;

	for (unsigned i = 0; i < n; i++)
		check_frame(port, frames[i].data, frames[i].len);
	pl_stat_add(&port->left, n);
}

static bool wire_link(struct emu_wire *wire)
{
	return atomic_load_explicit(&((struct port *)wire)->plugged, memory_order_relaxed);
}

static void wire_close(struct emu_wire *wire)
{
	close(wire->event_fd);
	wire->event_fd = -1;
}

static const struct emu_wire_ops wire_ops = {
	.arrived = wire_arrived,
	.send = wire_send,
	.link = wire_link,
	.close = wire_close,
};

/* Nobody reads it: it is watched for edges. */
static void tell_wire(struct port *port)
{
	assert_int_equal(eventfd_write(port->wire.event_fd, 1), 0);
}

static void offer(struct port *port, unsigned n)
{
	/* Release: pairs with wire_arrived(). */
	atomic_fetch_add_explicit(&port->offered, n, memory_order_release);
	tell_wire(port);
}

static void plug(struct port *port, bool in)
{
	atomic_store_explicit(&port->plugged, in, memory_order_relaxed);
	tell_wire(port);
}

/* ---- the plane ---- */

/* Some for each port, some for none. */
static void decide(void *ctx, struct pl_burst *burst)
{
	struct world *w = ctx;
	unsigned dropped = 0;

	for (uint32_t i = 0; i < burst->n; i++) {
		unsigned way = below(&w->plane_random, 2 * N_NICS + 1) / 2;

		if (way == N_NICS)
			dropped++;
		burst->verdict[i] = way < N_NICS ? PL_VERDICT(PL_VERDICT_TX, way)
						 : PL_VERDICT(PL_VERDICT_DROP, 0);
	}
	pl_stat_add(&w->dropped, dropped);
}

static void give_back(struct pl_plane *plane, void *ctx)
{
	struct world *w = ctx;

	pl_pool_put(&plane->pool, w->kept, w->n_kept, PL_OWNER_BURST);
	w->n_kept = 0;
}

/* Takes what is in the pool, or most of it: the rings run dry. */
static void keep_some(struct pl_plane *plane, void *ctx)
{
	struct world *w = ctx;

	give_back(plane, ctx);
	w->n_kept = pl_pool_get(&plane->pool, w->kept, plane->pool.n_free - below(&w->random, 64),
				PL_OWNER_BURST);
}

static __thread bool never_times_out;

static void on_plane(void *ctx)
{
	(void)ctx;
	never_times_out = true;
}

/* In the place of libc's: no time-out ends a plane's sleep, so that one whose end was missed has none;
 * but for a pool that is dry, which no event ends. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	return epoll_pwait(fd, events, max, never_times_out && timeout_ms > 1 ? -1 : timeout_ms,
			   NULL);
}

/* ---- the world ---- */

static void illegal_use(void *ctx, const char *nic, const char *what)
{
	(void)ctx;
	fail_msg("%s: %s", nic, what);
}

static void port_open(struct world *w, unsigned i)
{
	struct port *port = &w->ports[i];
	struct emu_nic_config config = {.name = "eth", .model = EMU_82599, .wire = &port->wire};
	struct pl_nic_config nic = {.name = "pl", .n_queues = 1, .ring_size = RING, .mtu = 1500};
	struct pl_error err;

	config.mac[0] = 2;
	config.mac[5] = (uint8_t)i;
	for (unsigned j = 0; j < LENT_MAX; j++)
		memcpy(port->buffers[j], config.mac, 6);
	port->random = 7 + i;
	port->wire = (struct emu_wire){
		.ops = &wire_ops,
		.kind = "test",
		.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.patient = true,
	};
	atomic_store_explicit(&port->plugged, true, memory_order_relaxed);
	if (emu_add(w->emu, &config, &port->pci, &err) ||
	    pl_nic_open(&port->nic, port->pci, &nic, &err) ||
	    pl_nic_queue_open(port->nic, 0, &w->plane.pool, &port->queue, &err) ||
	    pl_nic_start(port->nic, &err))
		fail_msg("%s", err.what);
	w->plane.ports[i].wire = port->queue;
}

static void world_open(struct world *w)
{
	struct pl_error err;

	memset(w, 0, sizeof(*w));
	w->random = 1;
	w->plane_random = 2;
	assert_int_equal(pl_pool_init(&w->plane.pool, POOL_BUFFERS, 2048, &err), 0);
	w->emu = emu_new(illegal_use, NULL);
	assert_non_null(w->emu);
	for (unsigned i = 0; i < N_NICS; i++)
		port_open(w, i);
	w->plane.cpu = -1;
	w->plane.n_ports = N_NICS;
	w->plane.processor = pl_immediate_processor(&w->immediate, decide, w);
	w->plane.on_thread = on_plane;
	assert_int_equal(pl_plane_init(&w->plane, &err), 0);
}

/* `dry`: the pool has run dry and TX rings have been full. */
static void check_accounts(struct world *w, bool dry)
{
	uint64_t offered = 0, arrived = 0, left = 0, rx = 0, tx = 0, dropped = 0, nobuf = 0;

	for (unsigned i = 0; i < N_NICS; i++) {
		const struct pl_queue_stats *stats = &w->ports[i].queue->stats;

		offered += w->ports[i].offered;
		arrived += w->ports[i].arrived;
		left += pl_stat_read(&w->ports[i].left);
		rx += pl_stat_read(&stats->rx_packets);
		tx += pl_stat_read(&stats->tx_packets);
		dropped += pl_stat_read(&stats->tx_dropped);
		nobuf += pl_stat_read(&stats->rx_nobuf);
		assert_int_equal(pl_stat_read(&stats->rx_errors), 0);
	}
	assert_int_equal(arrived, offered);
	/* What is lost beside the plane's decisions lay in rings when a NIC was started anew. */
	assert_in_range(rx, arrived - w->restarts * (RING + LENT_MAX), arrived);
	assert_int_equal(rx, tx + dropped + pl_stat_read(&w->dropped));
	assert_in_range(left, tx, tx + w->restarts * RING);
	assert_true(!dry || (nobuf > 0 && dropped > 0));
	printf("%lu frames received, %lu sent: %lu times round the RX rings, %lu round the TX "
	       "rings; "
	       "%u starts anew, %u cables pulled\n",
	       rx, left, rx / RING, left / RING, w->restarts, w->unplugged);
}

static void world_close(struct world *w)
{
	for (unsigned i = 0; i < N_NICS; i++) {
		struct emu_stats stats;

		emu_stats(w->ports[i].pci, &stats);
		assert_int_equal(stats.illegal, 0);
		pl_nic_stop(w->ports[i].nic);
		pl_queue_close(w->ports[i].queue);
		pl_nic_close(w->ports[i].nic);
		pl_pci_close(w->ports[i].pci);
	}
	emu_free(w->emu);
	pl_plane_fini(&w->plane);
	assert_int_equal(w->plane.pool.n_free, w->plane.pool.n_bufs);
	pl_pool_fini(&w->plane.pool);
}

/* ---- turn by turn ---- */

static void start_anew(struct world *w, struct port *port)
{
	struct pl_error err;

	pl_queue_leave(port->queue);
	pl_nic_stop(port->nic);
	pl_queue_collect(port->queue);
	if (pl_nic_start(port->nic, &err) || pl_queue_resume(port->queue, &err))
		fail_msg("%s", err.what);
	w->restarts++;
}

static void disturb(struct world *w, uint64_t frames)
{
	struct port *port = &w->ports[below(&w->random, N_NICS)];
	unsigned rare = (unsigned)(frames / 500); /* turns, as each takes a while by itself */

	if (below(&w->random, 64) == 0)
		keep_some(&w->plane, w);
	else if (below(&w->random, 16) == 0)
		give_back(&w->plane, w);
	if (!wire_link(&port->wire)) {
		if (below(&w->random, 4096) == 0)
			plug(port, true);
	} else if (below(&w->random, rare) == 0) {
		plug(port, false);
		w->unplugged++;
	}
	if (below(&w->random, rare) == 0)
		start_anew(w, port);
}

static void drain(struct world *w)
{
	unsigned quiet = 0;

	give_back(&w->plane, w);
	for (unsigned i = 0; i < N_NICS; i++)
		plug(&w->ports[i], true);
	while (quiet < 1000) {
		bool more = emu_turn(w->emu) + pl_plane_turn(&w->plane) > 0;

		for (unsigned i = 0; i < N_NICS; i++)
			more |= w->ports[i].arrived < w->ports[i].offered;
		quiet = more ? 0 : quiet + 1;
	}
}

static void test_turn_by_turn(void **state)
{
	static struct world w;
	const char *wanted = getenv("SOAK_FRAMES");
	uint64_t frames = wanted ? strtoull(wanted, NULL, 0) : FRAMES;

	(void)state;
	world_open(&w);
	for (unsigned i = 0; i < N_NICS; i++)
		assert_int_equal(emu_watch_descriptors(w.ports[i].pci), 0);
	pl_plane_enter();
	while (w.ports[0].arrived + w.ports[1].arrived < frames) {
		for (unsigned i = 0; i < N_NICS; i++)
			if (w.ports[i].offered - w.ports[i].arrived < RING && below(&w.random, 2))
				offer(&w.ports[i], 1 + below(&w.random, 2 * RING));
		for (unsigned n = below(&w.random, 4); n > 0; n--)
			emu_turn(w.emu);
		for (unsigned n = below(&w.random, 4); n > 0; n--)
			pl_plane_turn(&w.plane);
		disturb(&w, frames);
	}
	drain(&w);
	pl_plane_leave();
	check_accounts(&w, true);
	world_close(&w);
}

/* ---- with threads ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t received(const struct world *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_NICS; i++)
		n += pl_stat_read(&w->ports[i].queue->stats.rx_packets);
	return n;
}

/* Waits up to 30 s until all that was offered has been received. */
static void await_all(const struct world *w)
{
	uint64_t until = now_ns() + 30000000000u;
	uint64_t offered = 0;

	for (unsigned i = 0; i < N_NICS; i++)
		offered += atomic_load_explicit(&w->ports[i].offered, memory_order_relaxed);
	while (received(w) < offered) {
		if (now_ns() > until)
			fail_msg("%lu of %lu frames received, then nothing", received(w), offered);
		usleep(20);
	}
}

static void disturb_threads(struct world *w)
{
	struct port *port = &w->ports[below(&w->random, N_NICS)];

	if (below(&w->random, 4) == 0)
		pl_plane_run(&w->plane, below(&w->random, 2) ? keep_some : give_back, w);
	if (below(&w->random, 100) == 0) {
		plug(port, false);
		w->unplugged++;
		usleep(below(&w->random, 200));
		plug(port, true);
	}
}

static void test_with_threads(void **state)
{
	static struct world w;
	struct pl_error err;

	(void)state;
	world_open(&w);
	if (emu_start(w.emu, -1, &err) || pl_plane_start(&w.plane, &err))
		fail_msg("%s", err.what);
	for (unsigned i = 0; i < WAKEUPS; i++) {
		offer(&w.ports[below(&w.random, N_NICS)], 1 + below(&w.random, i % 8 ? 3 : 1000));
		disturb_threads(&w);
		/* With and without time to fall asleep. */
		if (below(&w.random, 2))
			usleep(below(&w.random, 300));
		if (below(&w.random, 2)) {
			pl_plane_run(&w.plane, give_back, &w);
			await_all(&w);
		}
	}
	pl_plane_run(&w.plane, give_back, &w);
	await_all(&w);
	printf("%lu sleeps\n", pl_stat_read(&w.plane.stats.sleeps));
	assert_true(pl_stat_read(&w.plane.stats.sleeps) > 0);
	pl_plane_stop(&w.plane);
	emu_stop(w.emu);
	pl_plane_enter();
	drain(&w);
	pl_plane_leave();
	check_accounts(&w, false); /* that depends on who has the cores when */
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turn_by_turn),
		cmocka_unit_test(test_with_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
