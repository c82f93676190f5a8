/* SPDX-License-Identifier: BSD-2-Clause */
/* A plane and queues whose interrupts it must ask for before it sleeps: no packet waits while the plane
 * sleeps, at whatever moment it comes. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <peerlane/plane.h>

#define N_PORTS 3u
#define FRAME_LEN 60u

/* Where in arm() a packet comes. */
enum moment { NEVER, BEFORE_CLEAR, BEFORE_LOOK, BEFORE_ARM, AFTER_ARM, MOMENTS };

/* A device's end of a queue, with a cause and a mask, as NICs have them. */
struct device {
	struct pl_queue q;
	pthread_mutex_t lock; /* of the next three */
	unsigned waiting;     /* packets in the ring */
	bool cause, armed;
	_Atomic unsigned moment; /* at which arm() will have a packet come, once */
	pl_stat refused;	 /* arm() said that packets are there */
};

struct bench {
	struct pl_plane plane;
	struct pl_immediate immediate;
	struct device devices[N_PORTS];
};

static void signal_if_armed(struct device *device)
{
	if (!device->cause || !device->armed)
		return;
	device->cause = device->armed = false;
	assert_int_equal(eventfd_write(device->q.event_fd, 1), 0);
}

static void deliver(struct device *device)
{
	pthread_mutex_lock(&device->lock);
	device->waiting++;
	device->cause = true;
	signal_if_armed(device);
	pthread_mutex_unlock(&device->lock);
}

static unsigned device_rx(struct pl_queue *q, uint32_t *frame, uint16_t *len, unsigned max)
{
	struct device *device = (struct device *)q;
	unsigned n;

	pthread_mutex_lock(&device->lock);
	n = device->waiting < max ? device->waiting : max;
	device->waiting -= n;
	pthread_mutex_unlock(&device->lock);
	assert_int_equal(pl_pool_get(q->pool, frame, n, PL_OWNER_BURST), n);
	for (unsigned i = 0; i < n; i++)
		len[i] = FRAME_LEN;
	pl_stat_add(&q->stats.rx_packets, n);
	return n;
}

static void device_tx(struct pl_queue *q, const uint32_t *frame, const uint16_t *len, unsigned n)
{
	(void)len;
	pl_pool_put(q->pool, frame, n, PL_OWNER_BURST);
}

static bool device_flush(struct pl_queue *q)
{
	(void)q;
	return false;
}

static void come_at(struct device *device, enum moment moment)
{
	if (atomic_load_explicit(&device->moment, memory_order_relaxed) != moment)
		return;
	atomic_store_explicit(&device->moment, NEVER, memory_order_relaxed);
	deliver(device);
}

static bool device_arm(struct pl_queue *q)
{
	struct device *device = (struct device *)q;
	bool empty;

	come_at(device, BEFORE_CLEAR);
	pthread_mutex_lock(&device->lock);
	device->cause = false;
	pthread_mutex_unlock(&device->lock);
	come_at(device, BEFORE_LOOK);
	pthread_mutex_lock(&device->lock);
	empty = !device->waiting;
	pthread_mutex_unlock(&device->lock);
	if (!empty) {
		pl_stat_add(&device->refused, 1);
		return false;
	}
	come_at(device, BEFORE_ARM);
	pthread_mutex_lock(&device->lock);
	device->armed = true;
	signal_if_armed(device);
	pthread_mutex_unlock(&device->lock);
	come_at(device, AFTER_ARM);
	return true;
}

static const struct pl_queue_ops device_ops = {
	.rx = device_rx,
	.tx = device_tx,
	.flush = device_flush,
	.arm = device_arm,
};

static void drop_all(void *ctx, struct pl_burst *burst)
{
	(void)ctx;
	for (uint32_t i = 0; i < burst->n; i++)
		burst->verdict[i] = PL_VERDICT(PL_VERDICT_DROP, 0);
}

static void bench_open(struct bench *b)
{
	struct pl_error err;

	memset(b, 0, sizeof(*b));
	assert_int_equal(pl_pool_init(&b->plane.pool, 2048, 2048, &err), 0);
	b->plane.cpu = -1;
	b->plane.n_ports = N_PORTS;
	b->plane.processor = pl_immediate_processor(&b->immediate, drop_all, NULL);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct device *device = &b->devices[i];

		pthread_mutex_init(&device->lock, NULL);
		device->q.ops = &device_ops;
		device->q.pool = &b->plane.pool;
		device->q.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		device->q.event_edge = true;
		b->plane.ports[i].wire = &device->q;
	}
	assert_int_equal(pl_plane_init(&b->plane, &err), 0);
	assert_int_equal(pl_plane_start(&b->plane, &err), 0);
}

static void bench_close(struct bench *b)
{
	pl_plane_stop(&b->plane);
	pl_plane_fini(&b->plane);
	assert_int_equal(b->plane.pool.n_free, b->plane.pool.n_bufs);
	for (unsigned i = 0; i < N_PORTS; i++) {
		close(b->devices[i].q.event_fd);
		pthread_mutex_destroy(&b->devices[i].lock);
	}
	pl_pool_fini(&b->plane.pool);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Waits up to 30 s for a counter to reach `least`. */
static void await(const pl_stat *stat, uint64_t least)
{
	uint64_t until = now_ns() + 30000000000u;

	while (pl_stat_read(stat) < least) {
		if (now_ns() > until)
			fail_msg("waited in vain for a counter to reach %lu", least);
		sched_yield();
	}
}

/* In the place of libc's: no time-out ends a sleep, so that one whose end was missed has none. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	(void)timeout_ms;
	return epoll_pwait(fd, events, max, -1, NULL);
}

static void only_wake(struct pl_plane *plane, void *ctx)
{
	(void)plane, (void)ctx;
}

/* A packet at each moment of arm(), on each queue, of a plane that nothing else would wake. */
static void test_a_packet_while_arming(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b);
	for (enum moment moment = BEFORE_CLEAR; moment < MOMENTS; moment++)
		for (unsigned i = 0; i < N_PORTS; i++) {
			struct device *device = &b.devices[i];

			atomic_store_explicit(&device->moment, moment, memory_order_relaxed);
			pl_plane_run(&b.plane, only_wake, NULL); /* it will fall asleep again */
			await(&device->q.stats.rx_packets, moment);
		}
	/* Of the four moments two are before the look. */
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(pl_stat_read(&b.devices[i].refused), 2);
	bench_close(&b);
}

/* Packets one by one at times that drift across the plane's way to sleep and back. */
static void test_packets_at_any_time(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b);
	for (unsigned n = 0; n < 20000; n++) {
		struct device *device = &b.devices[n % N_PORTS];
		uint64_t until = now_ns() + n * 7919 % 20000;

		while (now_ns() < until)
			;
		deliver(device);
		await(&device->q.stats.rx_packets, n / N_PORTS + 1);
	}
	assert_true(pl_stat_read(&b.plane.stats.sleeps) > 0);
	bench_close(&b);
}

static void signal_all(struct pl_plane *plane, void *ctx)
{
	uint64_t *sleeps = ctx;

	*sleeps = pl_stat_read(&plane->stats.sleeps);
	for (unsigned i = 0; i < N_PORTS; i++)
		eventfd_write(plane->ports[i].wire->event_fd, 1);
}

/* What is signalled while the plane is awake ends one sleep, and no more than that; that nobody reads the
 * descriptors does not keep it awake. */
static void test_signals_at_once_end_one_sleep(void **state)
{
	static struct bench b;
	uint64_t before;

	(void)state;
	bench_open(&b);
	for (unsigned round = 0; round < 10; round++) {
		pl_plane_run(&b.plane, signal_all, &before);
		await(&b.plane.stats.sleeps, before + 2);
		usleep(5000);
		assert_int_equal(pl_stat_read(&b.plane.stats.sleeps), before + 2);
	}
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_packet_while_arming),
		cmocka_unit_test(test_packets_at_any_time),
		cmocka_unit_test(test_signals_at_once_end_one_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
