/* SPDX-License-Identifier: BSD-2-Clause */
/* wire_tap PATH TAP: plays the far end of an emulated NIC's shared wire by a TAP interface, made here if
 * it is not there: a host of the labs at the other end of the cable. Ends when the wire's other end does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>

#include "emu/wire_client.h"

#define BURST 64u
#define MIN_LEN 60u

static int open_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		exit(EXIT_FAILURE);
	}
	return fd;
}

/* Padded, as a NIC would send it. Returns whether there was one. */
static bool pass_on(struct wire_client *client, int tap_fd)
{
	static uint8_t data[WIRE_FRAME_MAX];
	struct emu_frame frame = {.data = data};
	ssize_t n = read(tap_fd, data, sizeof(data));

	if (n <= 0)
		return false;
	frame.len = (uint32_t)n;
	if (frame.len < MIN_LEN) {
		memset(data + frame.len, 0, MIN_LEN - frame.len);
		frame.len = MIN_LEN;
	}
	wire_client_send(client, &frame, 1); /* or it is lost, as on a cable */
	return true;
}

static unsigned take_in(struct wire_client *client, int tap_fd)
{
	struct emu_frame frames[BURST];
	unsigned n = wire_client_receive(client, frames, BURST);

	for (unsigned i = 0; i < n; i++)
		if (write(tap_fd, frames[i].data, frames[i].len) < 0 && errno != EIO)
			perror("write"); /* EIO: it is not up yet */
	return n;
}

int main(int argc, char **argv)
{
	struct wire_client *client;
	struct pl_error err;
	int tap_fd;

	if (argc != 3) {
		fprintf(stderr, "usage: wire_tap PATH TAP\n");
		return EXIT_FAILURE;
	}
	tap_fd = open_tap(argv[2]);
	if (wire_client_join(argv[1], &client, &err)) {
		fprintf(stderr, "%s\n  %s\n", err.what, err.remedy);
		return EXIT_FAILURE;
	}
	puts("joined");
	fflush(stdout);
	while (wire_client_link(client)) {
		struct pollfd fds[] = {{.fd = tap_fd, .events = POLLIN},
				       {.fd = wire_client_fd(client), .events = POLLIN}};
		bool moved = false;

		for (unsigned i = 0; i < BURST && pass_on(client, tap_fd); i++)
			moved = true;
		moved |= take_in(client, tap_fd) > 0;
		if (!moved && wire_client_sleep(client))
			poll(fds, 2, -1);
	}
	wire_client_leave(client);
	return EXIT_SUCCESS;
}
