/* SPDX-License-Identifier: BSD-2-Clause */
/* The far end of an emulated NIC's shared wire: frames go through memory, without system calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <emu/wire_client.h>

#include "end.h"
#include "frame.h"

struct wire {
	struct gen_end end;
	struct wire_client *client;
};

static struct wire *wire_of(struct gen_end *end)
{
	return (struct wire *)end;
}

static unsigned wire_reserve(struct gen_end *end, struct gen_frame *frames, unsigned n)
{
	struct wire *w = wire_of(end);
	unsigned i;

	for (i = 0; i < n; i++) {
		frames[i].data = wire_client_reserve(w->client, frames[i].len);
		if (!frames[i].data)
			break;
	}
	return i;
}

static void wire_commit(struct gen_end *end, const struct gen_frame *frames, unsigned n)
{
	(void)frames, (void)n;
	wire_client_publish(wire_of(end)->client);
}

static unsigned wire_receive(struct gen_end *end, struct gen_frame *frames, unsigned max)
{
	struct emu_frame lent[GEN_BURST];
	unsigned n = wire_client_receive(wire_of(end)->client, lent, max);

	for (unsigned i = 0; i < n; i++)
		/* Only read. */
		frames[i] = (struct gen_frame){(uint8_t *)(uintptr_t)lent[i].data, lent[i].len};
	return n;
}

static void wire_release(struct gen_end *end)
{
	(void)end; /* the next wire_client_receive() does it */
}

static void wire_counters(struct gen_end *end, struct gen_end_counters *counters)
{
	counters->missed = wire_client_missed(wire_of(end)->client);
}

static enum gen_link wire_link(struct gen_end *end)
{
	return wire_client_link(wire_of(end)->client) ? GEN_LINK_UP : GEN_LINK_GONE;
}

static void wire_close(struct gen_end *end)
{
	wire_client_leave(wire_of(end)->client);
	free(end);
}

static const struct gen_end_ops wire_ops = {
	.reserve = wire_reserve,
	.commit = wire_commit,
	.receive = wire_receive,
	.release = wire_release,
	.counters = wire_counters,
	.link = wire_link,
	.close = wire_close,
};

int gen_end_wire(const char *path, unsigned size_max, struct gen_end **end, struct pl_error *err)
{
	struct wire *w;
	int rc;

	if (size_max - GEN_FCS > WIRE_FRAME_MAX)
		return pl_error_set(err, -EMSGSIZE, "use shorter frames",
				    "%s: wires take frames of at most %u bytes (with FCS)", path,
				    WIRE_FRAME_MAX + GEN_FCS);
	w = calloc(1, sizeof(*w));
	if (!w)
		return pl_error_set(err, -ENOMEM, NULL, "no memory");
	rc = wire_client_join(path, &w->client, err);
	if (rc) {
		free(w);
		return rc;
	}
	/* One like the NIC's, but another. */
	wire_client_mac(w->client, w->end.host.mac);
	w->end.host.mac[0] ^= 4;
	w->end.ops = &wire_ops;
	w->end.size_max = WIRE_FRAME_MAX + GEN_FCS;
	w->end.queues = 1;
	*end = &w->end;
	return 0;
}
