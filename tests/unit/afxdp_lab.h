/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of AF_XDP ports share: veth devices in a network namespace that ends with the
 * process, a small router between them, and frames to send through it. */
#ifndef PEERLANE_TESTS_AFXDP_LAB_H
#define PEERLANE_TESTS_AFXDP_LAB_H

#include <stddef.h>
#include <stdint.h>

#include <peerlane/plane.h>
#include <peerlane/port.h>

#define RING 512u
#define N_PORTS 2u
#define PATIENCE_MS 10000 /* that long a frame may take on a busy machine */

struct router {
	struct pl_port *port[N_PORTS];
	struct pl_plane plane;
	struct pl_immediate immediate;
};

/* Makes the namespace and its devices. Returns 0, or 77, having said why: to be skipped. */
int afxdp_lab_enter(void);

/* Runs a shell's command, which must succeed. */
void sh(const char *command);

/* Gives all devices `n` queues. */
void set_queues(const char *n);

/* Port "pl0", one queue. */
struct pl_port_config config_of(const char *device);

/* Id of the XDP program on the device; 0: none. */
uint32_t program_on(const char *device);

/* A router of r0 and r1: everything from one port goes out of the other. */
void router_open_ring(struct router *r, enum pl_attach attach, uint32_t buf_bytes, unsigned ring);
void router_open(struct router *r, enum pl_attach attach, uint32_t buf_bytes);
void router_start(struct router *r);
/* Checks, too, that all buffers have come back. */
void router_close(struct router *r);

/* A packet socket on the device. */
int host_open(const char *device);

/* Frame number `seq`: of a length and with a content that depend on it. Returns its length. */
size_t frame_make(uint8_t *frame, uint32_t seq, size_t len_max);
void send_frame(int fd, uint32_t seq, size_t len_max);
/* Receives one of our frames and compares it with number `seq`. */
void expect_frame(int fd, uint32_t seq, size_t len_max);
/* Sends `n` frames and expects all of them at the other side, unchanged and in order. */
void traffic(int from, int to, uint32_t n, size_t len_max);

/* `rc` is `want`, and the error's text and remedy hold these words. */
void expect_error(int rc, int want, const struct pl_error *err, const char *what,
		  const char *remedy);

#endif
