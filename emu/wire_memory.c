/* SPDX-License-Identifier: BSD-2-Clause */
/* A wire in memory: a list of frames to be received, and a sink. Nothing is copied. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "private.h"

struct frame_list {
	const struct emu_frame *frames;
	unsigned n;
	bool loop;
};

struct memory {
	struct emu_wire wire;
	void (*sent)(void *ctx, const struct emu_frame *frames, unsigned n);
	void *ctx;
	struct frame_list list; /* the emulator's thread's own */
	unsigned at;
	bool link_seen;		 /* by the thread */
	pthread_mutex_t lock;	 /* of what follows, but for the thread's glances at it */
	struct frame_list next;	 /* to replace `list` */
	atomic_bool has_next;	 /* release when set: pairs with the thread's acquire */
	atomic_bool is_readable; /* the event descriptor */
	atomic_bool link;
	_Atomic uint64_t n_sent; /* written by the thread alone */
};

static struct memory *memory_of(struct emu_wire *wire)
{
	return (struct memory *)wire;
}

/* The lock is held. */
static void make_readable(struct memory *memory)
{
	uint64_t one = 1;
	ssize_t written = write(memory->wire.event_fd, &one, sizeof(one));

	(void)written; /* fails only when it is readable */
	atomic_store_explicit(&memory->is_readable, true, memory_order_relaxed);
}

/* There is nothing left: unless there is a next list, or the cable came or went since the thread looked. */
static void make_quiet(struct memory *memory)
{
	uint64_t count;
	ssize_t n;

	pthread_mutex_lock(&memory->lock);
	if (!atomic_load_explicit(&memory->has_next, memory_order_relaxed) &&
	    memory->link_seen == atomic_load_explicit(&memory->link, memory_order_relaxed)) {
		n = read(memory->wire.event_fd, &count, sizeof(count));
		(void)n;
		atomic_store_explicit(&memory->is_readable, false, memory_order_relaxed);
	}
	pthread_mutex_unlock(&memory->lock);
}

static void take_next(struct memory *memory)
{
	pthread_mutex_lock(&memory->lock);
	memory->list = memory->next;
	memory->at = 0;
	atomic_store_explicit(&memory->has_next, false, memory_order_relaxed);
	pthread_mutex_unlock(&memory->lock);
}

static unsigned memory_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct memory *memory = memory_of(wire);
	const struct frame_list *list = &memory->list;
	unsigned n = 0;

	if (atomic_load_explicit(&memory->has_next, memory_order_acquire))
		take_next(memory);
	while (n < max && memory->at < list->n) {
		frames[n++] = list->frames[memory->at++];
		if (memory->at == list->n && list->loop)
			memory->at = 0;
	}
	if (!n && atomic_load_explicit(&memory->is_readable, memory_order_relaxed))
		make_quiet(memory);
	return n;
}

/* Those lent are of the former list. */
static bool memory_recalled(struct emu_wire *wire)
{
	return atomic_load_explicit(&memory_of(wire)->has_next, memory_order_acquire);
}

static void memory_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	struct memory *memory = memory_of(wire);
	uint64_t before = atomic_load_explicit(&memory->n_sent, memory_order_relaxed);

	if (memory->sent)
		memory->sent(memory->ctx, frames, n);
	/* Release: whoever sees the number sees what `sent` did. */
	atomic_store_explicit(&memory->n_sent, before + n, memory_order_release);
}

static bool memory_link(struct emu_wire *wire)
{
	struct memory *memory = memory_of(wire);

	memory->link_seen = atomic_load_explicit(&memory->link, memory_order_relaxed);
	return memory->link_seen;
}

static void memory_close(struct emu_wire *wire)
{
	struct memory *memory = memory_of(wire);

	close(wire->event_fd);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static const struct emu_wire_ops memory_ops = {
	.arrived = memory_arrived,
	.recalled = memory_recalled,
	.send = memory_send,
	.link = memory_link,
	.close = memory_close,
};

struct emu_wire *emu_wire_memory(void (*sent)(void *ctx, const struct emu_frame *frames,
					      unsigned n),
				 void *ctx)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return NULL;
	memory->wire = (struct emu_wire){
		.ops = &memory_ops,
		.kind = "memory",
		.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.patient = true,
	};
	if (memory->wire.event_fd < 0) {
		int code = errno;

		free(memory);
		errno = code;
		return NULL;
	}
	memory->sent = sent;
	memory->ctx = ctx;
	pthread_mutex_init(&memory->lock, NULL);
	atomic_init(&memory->link, true);
	return &memory->wire;
}

void emu_wire_memory_feed(struct emu_wire *wire, const struct emu_frame *frames, unsigned n,
			  bool loop)
{
	struct memory *memory = memory_of(wire);

	pthread_mutex_lock(&memory->lock);
	memory->next = (struct frame_list){frames, n, loop};
	atomic_store_explicit(&memory->has_next, true, memory_order_release);
	make_readable(memory);
	pthread_mutex_unlock(&memory->lock);
}

void emu_wire_memory_link(struct emu_wire *wire, bool up)
{
	struct memory *memory = memory_of(wire);

	pthread_mutex_lock(&memory->lock);
	atomic_store_explicit(&memory->link, up, memory_order_relaxed);
	make_readable(memory);
	pthread_mutex_unlock(&memory->lock);
}

uint64_t emu_wire_memory_sent(const struct emu_wire *wire)
{
	const struct memory *memory = (const struct memory *)wire;

	return atomic_load_explicit(&memory->n_sent, memory_order_acquire);
}
