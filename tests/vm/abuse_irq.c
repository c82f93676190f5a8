/* SPDX-License-Identifier: BSD-2-Clause */
/* Abuse of interrupts. */
#include "abuse.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define N 4

static void bad_events(int fd, unsigned n_vectors)
{
	int event = eventfd(0, EFD_NONBLOCK), pipe_fd[2], null = open("/dev/null", O_RDWR);

	if (pipe(pipe_fd))
		return;
	check_is(set_irq(fd, n_vectors, event), -EINVAL, "irq: vector %u", n_vectors);
	check_is(set_irq(fd, UINT32_MAX, event), -EINVAL, "irq: vector 2^32 - 1");
	check_is(set_irq(fd, 1u << 31, -1), -EINVAL, "irq: vector 2^31, none");
	check_is(set_irq(fd, 0, -2), -EINVAL, "irq: eventfd -2");
	check_is(set_irq(fd, 0, INT32_MIN), -EINVAL, "irq: eventfd -2^31");
	check_is(set_irq(fd, 0, INT32_MAX), -EBADF, "irq: eventfd 2^31 - 1");
	check_is(set_irq(fd, 0, 999), -EBADF, "irq: an eventfd that is not open");
	check_is(set_irq(fd, 0, pipe_fd[0]), -EINVAL, "irq: a pipe");
	check_is(set_irq(fd, 0, null), -EINVAL, "irq: /dev/null");
	check_is(set_irq(fd, 0, fd), -EINVAL, "irq: the device");
	check(!irq_lines(), "and no interrupt is requested (%ld)", irq_lines());
	check_is(set_irq(fd, 0, -1), 0, "irq: none where there was none");
	check_is(set_irq(fd, n_vectors - 1, event), 0, "irq: the last vector");
	check(irq_lines() == 1, "one is requested (%ld)", irq_lines());
	check_is(set_irq(fd, n_vectors - 1, pipe_fd[1]), -EINVAL, "irq: a pipe in its place");
	check(irq_lines() == 1, "the last one stays (%ld)", irq_lines());
	check_is(set_irq(fd, n_vectors - 1, -1), 0, "irq: none");
	check(!irq_lines(), "it is released (%ld)", irq_lines());
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(null);
	close(event);
}

/* Returns once the kernel has taken it. Whatever handles it may still be about to signal. */
static void fire_taken(volatile uint32_t *bar, unsigned vector)
{
	unsigned long before = irq_count(vector);
	double end = now() + 5;

	irq_fire(bar, vector);
	while (irq_count(vector) == before && now() < end)
		usleep(1000);
}

/* An interrupt that comes late is not to be mistaken for one that comes although it must not: which
 * ones were taken is known here, and the vector's removal waits for whatever handles the last. */
static void without_bus_master(int fd, volatile uint32_t *bar, int event)
{
	set_irq(fd, 1, -1);
	(void)event_wait(event, 0);
	set_irq(fd, 1, event);
	check_is(bus_master(fd, 0), 0, "bus master off");
	irq_fire(bar, 1);
	check(!event_wait(event, 200), "no interrupt without bus mastering");
	bus_master(fd, 1);
}

static void signals(int fd, volatile uint32_t *bar)
{
	int event = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);
	unsigned n = 0;

	check_is(set_irq(fd, 1, event), 0, "irq: an eventfd");
	for (unsigned i = 0; i < 100; i++) {
		irq_fire(bar, 1);
		n += event_wait(event, 5000) == 1;
	}
	check(n == 100, "each interrupt signals it once (%u of 100)", n);
	check_is(set_irq(fd, 1, other), 0, "irq: another in its place");
	irq_fire(bar, 1);
	check(event_wait(other, 5000) == 1 && !event_wait(event, 0), "and only that is signalled");
	check_is(set_irq(fd, 2, other), 0, "irq: the same for another vector");
	irq_fire(bar, 1);
	n = event_wait(other, 5000);
	irq_fire(bar, 2);
	n += event_wait(other, 5000);
	check(n == 2, "both signal it (%u)", n);
	close(other);
	fire_taken(bar, 1);
	check_is(set_irq(fd, 1, event), 0, "its last descriptor was closed");
	fire_taken(bar, 1);
	check(event_wait(event, 5000) >= 1, "the next one is signalled");
	without_bus_master(fd, bar, event);
	set_irq(fd, 2, -1);
	set_irq(fd, 1, -1);
	irq_fire(bar, 1);
	check(!event_wait(event, 200), "nothing is signalled once it is removed");
	close(event);
}

/* A counter that is full has whoever writes to it wait; an interrupt does not. */
static void full(int fd, volatile uint32_t *bar)
{
	int event = eventfd(0, EFD_NONBLOCK);
	uint64_t n = UINT64_MAX - 1, got;

	(void)!write(event, &n, sizeof(n));
	set_irq(fd, 1, event);
	for (unsigned i = 0; i < 10; i++)
		irq_fire(bar, 1);
	usleep(100000);
	got = event_wait(event, 0);
	check(got >= n, "an eventfd that is full (%llx)", (unsigned long long)got);
	set_irq(fd, 1, -1);
	close(event);
}

struct shooter {
	volatile uint32_t *bar;
	atomic_bool stop;
	unsigned long shots;
};

static void *shoot(void *arg)
{
	struct shooter *s = arg;

	/* Relaxed: only to end; the join orders the rest. */
	while (!atomic_load_explicit(&s->stop, memory_order_relaxed))
		for (unsigned v = 0; v < N; v++, s->shots++)
			irq_fire(s->bar, v);
	return NULL;
}

/* Eventfds come, are replaced, closed and removed while interrupts fire. */
static void swaps(int fd, volatile uint32_t *bar)
{
	struct shooter s = {.bar = bar};
	uint64_t heard = 0, late = 0;
	unsigned rounds, bad = 0;
	pthread_t thread;
	double end = now() + 2;

	pthread_create(&thread, NULL, shoot, &s);
	for (rounds = 0; now() < end; rounds++) {
		int event = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);

		for (unsigned v = 0; v < N; v++)
			bad += set_irq(fd, v, event) != 0;
		heard += event_wait(event, 1000);
		for (unsigned v = 0; v < N; v++)
			bad += set_irq(fd, v, other) != 0;
		/* What is still counted comes before the call returned. */
		(void)event_wait(event, 0);
		heard += event_wait(other, 1000);
		late += event_wait(event, 0);
		if (rounds % 2)
			close(other);
		for (unsigned v = 0; rounds % 4 < 2 && v < N; v++)
			bad += set_irq(fd, v, -1) != 0;
		if (rounds % 2 == 0)
			close(other);
		close(event);
	}
	atomic_store_explicit(&s.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	check(!bad && heard && !late,
	      "%u rounds of swaps under fire: %llu heard of %lu shots, %llu late, %u failed",
	      rounds, (unsigned long long)heard, s.shots, (unsigned long long)late, bad);
	for (unsigned v = 0; v < N; v++)
		set_irq(fd, v, -1);
}

/* The mapping keeps the file open: the process that has both goes away under fire. */
static int dies_shooting(void *arg)
{
	int fd = must_open(), event = eventfd(0, EFD_NONBLOCK);
	struct shooter s = {.bar = bar_map(fd)};
	pthread_t thread;

	(void)arg;
	for (unsigned v = 0; v < N; v++)
		if (set_irq(fd, v, event))
			return 1;
	bus_master(fd, 1);
	irq_arm(s.bar, N);
	pthread_create(&thread, NULL, shoot, &s);
	for (unsigned i = 0; i < 20; i++)
		(void)event_wait(event, 1000);
	return 0;
}

void test_irq(void)
{
	int fd = must_open();
	uint64_t len = info(fd).bar_len;
	volatile uint32_t *bar = bar_map(fd);
	unsigned bad = 0;

	bad_events(fd, info(fd).n_vectors);
	bus_master(fd, 1);
	irq_arm(bar, N);
	signals(fd, bar);
	full(fd, bar);
	swaps(fd, bar);
	check_is(reset(fd), 0, "reset with interrupts enabled");
	munmap((void *)bar, len);
	close(fd);
	for (unsigned i = 0; i < 5; i++)
		bad += in_child(dies_shooting, NULL) != 0;
	check(!bad, "closes with interrupts in flight (%u failed)", bad);
}
