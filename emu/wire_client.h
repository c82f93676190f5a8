/* SPDX-License-Identifier: BSD-2-Clause */
/* The far end of an emulated NIC's shared wire (emu_wire_shared() in emu.h): for programs that play what
 * is at the other end of a cable, such as a traffic generator. Link with wire_dep.
 *
 * Frames go through memory that both processes have mapped, a ring each way, and neither makes system
 * calls for them while the other is awake. Who sleeps is woken by a message on the socket through which
 * the memory came. A frame is without FCS, of 1 to WIRE_FRAME_MAX bytes; the NIC counts and drops those of
 * less than 60 bytes, as it would on a cable.
 *
 * All functions are for one thread, but that one may send (wire_client_send(), _reserve(), _publish())
 * while another receives (the rest); _join() and _leave() are for either while the other does nothing.
 *
 * The other side is not trusted: what it may still change is read once and checked. When it wrote
 * what makes no sense, the link is down (wire_client_link()) and nothing passes any more. The bytes of a
 * received frame lie in shared memory, and are copied by who must rely on them. */
#ifndef EMU_WIRE_CLIENT_H
#define EMU_WIRE_CLIENT_H

#include "emu.h"

#define WIRE_FRAME_MAX 15872u /* bytes of the longest frame */

struct wire_client;

/* Plugs the cable in: joins the wire whose socket is at `path`. The NIC has a link within some
 * milliseconds, or sooner when it was asleep. Returns 0, or -errno with `err` filled: -ENOENT or
 * -ECONNREFUSED when nobody listens there, -EBUSY when the wire has another at its end, -EPROTO when what listens is no such wire. */
int wire_client_join(const char *path, struct wire_client **client, struct pl_error *err);

/* Pulls it, and frees the client. Accepts NULL. A process that ends, however, does the same. */
void wire_client_leave(struct wire_client *client);

/* The address in the NIC's EEPROM. */
void wire_client_mac(const struct wire_client *client, uint8_t mac[6]);

/* Sends copies of the first frames for which there is room, in order, and returns how many, 0 to n. It
 * never waits for room: the NIC takes frames off at its own pace. */
unsigned wire_client_send(struct wire_client *client, const struct emu_frame *frames, unsigned n);

/* The same without a copy: room for a frame of `len` bytes, to be written by the caller, at an address
 * of 4 bytes past a multiple of 64; NULL when there is none. All that have been reserved leave together,
 * in order, with the next wire_client_publish(), and are the caller's until then. */
uint8_t *wire_client_reserve(struct wire_client *client, uint32_t len);
void wire_client_publish(struct wire_client *client);

/* Lends up to `max` frames that the NIC has sent, oldest first, until the next call. Returns how many. */
unsigned wire_client_receive(struct wire_client *client, struct emu_frame *frames, unsigned max);

/* How many frames the NIC has sent since the wire was joined and could not pass on, because those before them had not
 * been received in time. As its side says. */
uint64_t wire_client_missed(const struct wire_client *client);

/* To sleep until the NIC sends something or the link goes: returns true if there is nothing now, and
 * whoever polls wire_client_fd() for reading from then on is woken; then wire_client_woken() is to be called
 * first. Returns false if there is something to receive, or the link is down. */
bool wire_client_sleep(struct wire_client *client);
void wire_client_woken(struct wire_client *client); /* a system call */
int wire_client_fd(const struct wire_client *client);

/* Whether the NIC's process is still there and in its senses. A system call, unless it is known to be
 * gone: to be asked now and then. A link that is down stays it: leave, and join anew. */
bool wire_client_link(struct wire_client *client);

#endif
