/* SPDX-License-Identifier: BSD-2-Clause */
/* A router to ask questions of: real tables, a real mirror of a network namespace of its own, real
 * TAPs, one plane that is turned by hand, and in-memory ports for the wires. */
#ifndef TESTS_UNIT_CONTROL_WORLD_H
#define TESTS_UNIT_CONTROL_WORLD_H

#include "../../router/control/router.h"

#include <emu/emu.h>

#define CONTROL_WORLD_PORTS 2u

struct control_world {
	struct config config;
	struct log log;
	char *said; /* what the log has been told, so far as it has been flushed */
	size_t said_bytes;
	struct router router;
	/* Of emulated NICs: their wires, and the last frame that each has sent. */
	struct emu_wire *wires[CONTROL_WORLD_PORTS];
	struct control_world_sent {
		uint8_t frame[16384];
		uint32_t len;
		unsigned n;
	} sent[CONTROL_WORLD_PORTS];
};

/* Moves the process into a new network namespace and builds the world there: ports pl0 (address
 * 10.0.1.1/24, 2001:db8:1::1/64, MAC 02:00:00:00:00:00) and pl1 (10.0.2.1/24, 2001:db8:2::1/64,
 * MAC ...:01), a neighbour 10.0.2.2 at 02:00:00:00:02:02, a route 203.0.113.0/24 via 10.0.2.2, a
 * blackhole 198.51.100.0/24. Returns NULL when this machine does not allow it; then says why. */
struct control_world *control_world_new(void);

/* The same with ports that are emulated NICs on wires in memory: devices emu:mem0 and emu:mem1, buffers of
 * 16384 bytes. The emulator is turned by control_world_run(). */
struct control_world *control_world_new_nics(void);

/* What the daemon's loop does when something has happened, and the emulator's and the plane's threads
 * meanwhile. */
void control_world_run(struct control_world *world);

/* Sends a frame to the NIC `port`, by its wire, and runs all until it has been received, or long enough
 * that it will not be. Returns how many the planes received. */
unsigned control_world_arrive(struct control_world *world, unsigned port, const uint8_t *frame,
			      uint32_t len);

/* Receives `n` frames of `len` bytes on port `port` and runs the plane until they are gone. */
void control_world_receive(struct control_world *world, unsigned port, const uint8_t *frame,
			   uint16_t len, unsigned n);

/* Runs a shell command and then the mirror until it has nothing more to do. Aborts if the command
 * fails. */
void control_world_command(struct control_world *world, const char *command);

void control_world_free(struct control_world *world);

#endif
