/* SPDX-License-Identifier: BSD-2-Clause */
/* The NIC's end of a shared wire without a NIC: what comes is sent back at once, or thrown away. With it the generator
 * and the wire are measured, and nothing else: echo PATH [--sink]. Ends by a signal. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <emu/emu.h>

#define BURST 64u
#define LOOK_EVERY 256u /* turns */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

int main(int argc, char **argv)
{
	bool sink = argc == 3 && strcmp(argv[2], "--sink") == 0;
	struct emu_frame frames[BURST];
	struct emu_wire *wire;
	struct pl_error err;
	uint8_t mac[6];

	if (argc < 2 || (argc == 3 && !sink)) {
		fputs("usage: echo PATH [--sink]\n", stderr);
		return EXIT_FAILURE;
	}
	if (emu_wire_shared(argv[1], &wire, mac, &err)) {
		fprintf(stderr, "echo: %s\n", err.what);
		return EXIT_FAILURE;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	for (unsigned turn = 0; !stopped; turn++) {
		unsigned n = wire->ops->arrived(wire, frames, BURST);

		if (n && !sink)
			wire->ops->send(wire, frames, n);
		if (turn % LOOK_EVERY == 0)
			wire->ops->look(wire);
	}
	wire->ops->close(wire);
	return EXIT_SUCCESS;
}
