/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes what passes another wire to a capture file. The frames' time is when they pass here: of an
 * emulated NIC, not of one on a cable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pcap/pcap.h>

#include "private.h"

#define SNAP_LEN 65535

struct capture {
	struct emu_wire wire;
	struct emu_wire *inner;
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	bool unwritten; /* in stdio's buffer */
};

static struct capture *capture_of(struct emu_wire *wire)
{
	return (struct capture *)wire;
}

static void dump(struct capture *capture, const struct emu_frame *frames, unsigned n)
{
	struct pcap_pkthdr header = {0};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	/* The file says nanoseconds, so this is what libpcap takes them for. */
	header.ts.tv_sec = now.tv_sec;
	header.ts.tv_usec = now.tv_nsec;
	for (unsigned i = 0; i < n; i++) {
		header.caplen = header.len = frames[i].len;
		pcap_dump((uint8_t *)capture->dumper, &header, frames[i].data);
	}
	capture->unwritten |= n > 0;
}

static unsigned capture_arrived(struct emu_wire *wire, struct emu_frame *frames, unsigned max)
{
	struct capture *capture = capture_of(wire);
	unsigned n = capture->inner->ops->arrived(capture->inner, frames, max);

	dump(capture, frames, n);
	return n;
}

static bool capture_recalled(struct emu_wire *wire)
{
	struct emu_wire *inner = capture_of(wire)->inner;

	return inner->ops->recalled && inner->ops->recalled(inner);
}

static void capture_send(struct emu_wire *wire, const struct emu_frame *frames, unsigned n)
{
	struct capture *capture = capture_of(wire);

	dump(capture, frames, n);
	capture->inner->ops->send(capture->inner, frames, n);
}

static bool capture_flush(struct emu_wire *wire)
{
	struct emu_wire *inner = capture_of(wire)->inner;

	return inner->ops->flush && inner->ops->flush(inner);
}

/* A time to write, too: whoever looks at the file sees what has passed. */
static void capture_look(struct emu_wire *wire)
{
	struct capture *capture = capture_of(wire);

	if (capture->unwritten)
		pcap_dump_flush(capture->dumper);
	capture->unwritten = false;
	if (!capture->inner->ops->look)
		return;
	capture->inner->say = wire->say;
	capture->inner->say_ctx = wire->say_ctx;
	capture->inner->ops->look(capture->inner);
}

static void capture_lost(struct emu_wire *wire, uint64_t *to_nic, uint64_t *from_nic)
{
	struct emu_wire *inner = capture_of(wire)->inner;

	*to_nic = *from_nic = 0;
	if (inner->ops->lost)
		inner->ops->lost(inner, to_nic, from_nic);
}

static bool capture_link(struct emu_wire *wire)
{
	struct emu_wire *inner = capture_of(wire)->inner;

	return inner->ops->link(inner);
}

static void capture_close(struct emu_wire *wire)
{
	struct capture *capture = capture_of(wire);

	capture->inner->ops->close(capture->inner);
	if (capture->dumper)
		pcap_dump_close(capture->dumper);
	if (capture->pcap)
		pcap_close(capture->pcap);
	free(capture);
}

static const struct emu_wire_ops capture_ops = {
	.arrived = capture_arrived,
	.recalled = capture_recalled,
	.send = capture_send,
	.flush = capture_flush,
	.look = capture_look,
	.link = capture_link,
	.lost = capture_lost,
	.close = capture_close,
};

int emu_wire_capture(struct emu_wire *inner, const char *path, struct emu_wire **wire,
		     struct pl_error *err)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int rc;

	*wire = NULL;
	if (!capture) {
		inner->ops->close(inner);
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", path);
	}
	capture->inner = inner;
	capture->wire = (struct emu_wire){
		.ops = &capture_ops,
		.kind = inner->kind,
		.event_fd = inner->event_fd,
		.patient = inner->patient,
	};
	capture->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAP_LEN,
							     PCAP_TSTAMP_PRECISION_NANO);
	errno = 0;
	if (capture->pcap)
		capture->dumper = pcap_dump_open(capture->pcap, path);
	if (!capture->dumper) {
		rc = errno ? -errno : -ENOMEM;
		pl_error_set(err, rc, "use a path in a folder that is there and may be written to",
			     "cannot write a capture file: %s",
			     capture->pcap ? pcap_geterr(capture->pcap) : strerror(-rc));
		capture_close(&capture->wire);
		return rc;
	}
	*wire = &capture->wire;
	return 0;
}
