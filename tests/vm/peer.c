/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers datagrams out of another PCI device's memory, into which the NIC has written them and from which it
 * reads them again:
 *
 *   vm-peer ADDRESS SECONDS      until SIGTERM, or for so long
 *   vm-peer maps                 how many times that memory is mapped for a device
 *
 * The packets' buffers are all there (barmem.c); descriptors are in main memory, and so is nothing else. Each
 * IPv4 UDP datagram goes back to its sender with addresses and ports exchanged, its payload untouched. Answers
 * no ARP. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <peerlane/memory.h>
#include <peerlane/nic.h>
#include <peerlane/pci.h>

#include "barmem.h"

#define LENGTH (4u << 20)
#define BUF_BYTES 2048u
#define HOST_BUFS 64u /* there must be some; none is used */
#define NODE "/dev/peerlane-barmem"

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static int fail(const char *what, const struct pl_error *err)
{
	printf("%s: %s\n%s\n", what, err->what, err->remedy);
	return 1;
}

static int maps(void)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	printf("%d\n", fd < 0 ? -1 : ioctl(fd, BARMEM_MAPS));
	return fd < 0;
}

static struct pl_remote remote;
static struct pl_pool pool;
/* Where the pool's first part is: in place of an accelerator this program looks there. */
static uint8_t *bar;

static int make_pool(struct pl_error *err)
{
	struct barmem_export export = {.length = LENGTH};
	int node = open(NODE, O_RDWR | O_CLOEXEC);

	if (node < 0 || ioctl(node, BARMEM_EXPORT, &export))
		return pl_error_set(err, -1, NULL, "no memory of another device");
	bar = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, export.fd, 0);
	if (bar == MAP_FAILED)
		return pl_error_set(err, -1, NULL, "it cannot be mapped");
	memset(bar, 0, LENGTH);
	remote = (struct pl_remote){
		.len_bytes = LENGTH,
		.page_bytes = 4096,
		.dmabuf_fd = export.fd,
	};
	return pl_pool_init_remote(&pool, &remote, HOST_BUFS, BUF_BYTES, err);
}

static void exchange(volatile uint8_t *a, volatile uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

/* Both checksums stay right: the same words are in other places. */
static bool turn_round(volatile uint8_t *frame, uint16_t len)
{
	if (len < 42 || frame[12] != 8 || frame[13] != 0 || frame[14] != 0x45 || frame[23] != 17)
		return false;
	exchange(frame, frame + 6, 6);
	exchange(frame + 26, frame + 30, 4);
	exchange(frame + 34, frame + 36, 2);
	return true;
}

static unsigned long serve(struct pl_queue *queue, unsigned seconds)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	unsigned long answered = 0;
	uint32_t frames[32], back[32];
	uint16_t len[32], back_len[32];
	time_t last = time(NULL) + seconds;

	while (!ended && time(NULL) < last) {
		unsigned n = pl_queue_rx(queue, frames, len, 32), n_back = 0;

		for (unsigned i = 0; i < n; i++) {
			if (turn_round(bar + frames[i], len[i])) {
				back[n_back] = frames[i];
				back_len[n_back++] = len[i];
			} else {
				pl_pool_put(&pool, &frames[i], 1, PL_OWNER_BURST);
			}
		}
		pl_queue_tx(queue, back, back_len, n_back);
		pl_queue_flush(queue);
		answered += n_back;
		if (!n)
			nanosleep(&pause, NULL);
	}
	return answered;
}

int main(int argc, char **argv)
{
	struct pl_nic_config config = {
		.name = "peer", .n_queues = 1, .ring_size = 256, .mtu = 1500};
	struct pl_error err = {0};
	struct pl_queue *queue;
	struct pl_pci *pci;
	struct pl_nic *nic;

	if (argc == 2 && !strcmp(argv[1], "maps"))
		return maps();
	if (argc != 3)
		return 2;
	signal(SIGTERM, end);
	if (make_pool(&err))
		return fail("memory", &err);
	if (pl_pci_open(&pci, argv[1], PL_PCI_KMOD, &err))
		return fail("open", &err);
	if (pl_nic_open(&nic, pci, &config, &err) ||
	    pl_nic_queue_open(nic, 0, &pool, &queue, &err) || pl_nic_start(nic, &err))
		return fail("start", &err);
	printf("ready\n");
	fflush(stdout);
	printf("%lu answered\n", serve(queue, (unsigned)atoi(argv[2])));
	pl_nic_close(nic);
	pl_pci_close(pci);
	return 0;
}
