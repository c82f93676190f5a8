/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the kernel faces share: a network namespace of their own, interface requests,
 * a face with its queues, and a packet socket on the kernel's side of the TAP. */
#ifndef PEERLANE_TESTS_FACE_LAB_H
#define PEERLANE_TESTS_FACE_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include <net/if.h>
#include <peerlane/memory.h>
#include <peerlane/port.h>

#include "face.h"

#define LAB_PATIENCE_MS 10000
#define LAB_ETHERTYPE 0x88b5 /* IEEE 802: for local experiments */
#define LAB_PLANES 2u
#define LAB_BUFS 1024u

extern const uint8_t lab_mac[6];

/* Moves the process into a fresh network namespace, which goes away with it, without IPv6 so that
 * the kernel sends nothing of its own accord. Returns false, with the reason printed, where that is
 * not allowed: then the tests cannot run. */
bool lab_enter(void);

/* A switch under /proc/sys/net, "ipv4/conf/t0/forwarding"; lab_sysctl() returns -1 if there is no
 * such switch. */
int lab_sysctl(const char *key);
void lab_sysctl_set(const char *key, int value);

/* Does `request` (SIOC...) on interface `name`, which must succeed; returns the answer. */
struct ifreq lab_ioctl(const char *name, unsigned long request, struct ifreq ifr);

bool lab_carrier(const char *name);
bool lab_up(const char *name);
void lab_set_up(const char *name, bool up);
void lab_set_mtu(const char *name, int mtu);
void lab_set_address(const char *name, const char *addr);
void lab_delete(const char *name);

/* Waits until the kernel would send through the interface: it notices a carrier in its own time. */
void lab_wait_running(const char *name);

/* Waits until *stat is `value`; fails the test if it does not come to be, or goes beyond. */
void lab_wait_stat(const pl_stat *stat, uint64_t value);

/* A packet socket for LAB_ETHERTYPE that sees what an interface receives. */
int lab_packet_socket(unsigned ifindex);

/* A set of one face, "t0", with LAB_PLANES planes. */
struct lab_face {
	struct faces *set;
	struct face *face;
	struct pl_pool pool[LAB_PLANES];
	struct pl_queue *queue[LAB_PLANES];
	int packet_fd; /* bound to the TAP, LAB_ETHERTYPE */
};

/* Opens it, with carrier, and waits until it runs; starts the thread if `start`. */
void lab_face_open(struct lab_face *lab, bool start);

/* Frees it; all buffers must be back. */
void lab_face_close(struct lab_face *lab);

/* Numbered frames of LAB_ETHERTYPE: 18 bytes of header and number, the rest made of the number. */
void lab_frame_make(uint8_t *data, uint16_t len, uint32_t number);
bool lab_frame_is(const uint8_t *data, uint16_t len, uint32_t number);

/* The kernel sends such a frame out of the TAP. */
void lab_kernel_sends(struct lab_face *lab, uint16_t len, uint32_t number);

/* A plane punts such frames, `n` from `number` on. The thread is told at once. */
void lab_plane_punts(struct lab_face *lab, unsigned plane, uint16_t len, uint32_t number,
		     unsigned n);

/* Takes what a plane gets, up to `max`, waiting on the queue's descriptor if there is nothing.
 * Fails the test after LAB_PATIENCE_MS. */
unsigned lab_plane_takes(struct lab_face *lab, unsigned plane, uint32_t *frame, uint16_t *len,
			 unsigned max);

/* Whether the queue's descriptor reads as readable. */
bool lab_readable(const struct pl_queue *q);

/* Waits until it is, which the faces' thread may be about to make it. */
void lab_wait_readable(const struct pl_queue *q);

#endif
