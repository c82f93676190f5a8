/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared wire between an emulated NIC and a program: frames both ways, sleep, one that comes and goes or
 * is killed, and ones on either side that mean no good. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/wire_ring.h"
#include "emu_lab.h"

static char folder[] = "/tmp/emu-shared-XXXXXX";
static char path[64];

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct emu_wire *new_wire(void)
{
	struct emu_wire *wire;
	struct pl_error err;
	uint8_t mac[6], again[6];

	if (emu_wire_shared(path, &wire, mac, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
	emu_wire_shared_mac(path, again);
	assert_memory_equal(mac, again, 6);
	assert_int_equal(mac[0], 2);
	return wire;
}

/* ---- joining, while somebody plays the NIC's side ---- */

struct joining {
	struct wire_client *client;
	struct pl_error err;
	int rc;
	atomic_bool done;
};

static void *join_thread(void *arg)
{
	struct joining *joining = arg;

	joining->rc = wire_client_join(path, &joining->client, &joining->err);
	atomic_store(&joining->done, true);
	return NULL;
}

static int try_join(struct emu_wire *wire, struct wire_client **client, struct pl_error *err)
{
	struct joining joining = {0};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, join_thread, &joining), 0);
	while (!atomic_load(&joining.done)) {
		if (wire)
			wire->ops->look(wire);
		sched_yield();
	}
	pthread_join(thread, NULL);
	*client = joining.client;
	*err = joining.err;
	return joining.rc;
}

static struct wire_client *join(struct emu_wire *wire)
{
	struct wire_client *client;
	struct pl_error err;

	if (try_join(wire, &client, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
	return client;
}

/* A NIC with a peer. */
static struct wire_client *open_lab(struct lab *lab)
{
	struct emu_wire *wire = new_wire();
	struct wire_client *client = join(wire);

	lab_open_wire(lab, 1, wire);
	return client;
}

static bool link_of(struct lab *lab)
{
	lab_settle(lab);
	return lab->wire->ops->link(lab->wire);
}

/* As the driver sees it. The NIC is turned here if it has no thread. */
static void await_link(struct lab *lab, bool up, bool turn)
{
	uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;

	while (!!(lab_read(lab, LINKS) & LINKS_UP) != up) {
		if (now_ms() > end_ms)
			fail_msg("the link is not %s", up ? "up" : "down");
		if (turn)
			lab_settle(lab);
		else
			usleep(100);
	}
}

/* ---- frames ---- */

static void nic_sends(struct lab *lab, unsigned slot, const uint8_t *data, uint32_t len)
{
	memcpy(lab_tx_buffer(lab, 0, slot) + LAB_OFFSET, data, len);
	lab_tx_desc(lab, 0, slot, TX_PLAIN, len, len);
	lab_tx_ring(lab, 0, slot + 1);
}

static void test_frames(void **state)
{
	static uint8_t data[8][1514];
	struct emu_frame frames[8], got[8];
	struct lab lab;
	struct wire_client *client = open_lab(&lab);
	uint8_t mac[6], own[6], *to;

	(void)state;
	wire_client_mac(client, mac);
	emu_wire_shared_mac(path, own);
	assert_memory_equal(mac, own, 6);
	assert_true(wire_client_link(client) && link_of(&lab));
	for (unsigned i = 0; i < 8; i++) {
		frames[i] = (struct emu_frame){data[i], i == 7 ? 1514 : 60 + i * 13};
		lab_frame(data[i], frames[i].len, i);
	}
	lab_give(&lab, 0, 20);
	assert_int_equal(wire_client_send(client, frames, 7), 7);
	to = wire_client_reserve(client, frames[7].len);
	assert_non_null(to);
	memcpy(to, data[7], frames[7].len);
	lab_settle(&lab);
	lab_expect_not_rx(&lab, 0, 7); /* not before it is published */
	wire_client_publish(client);
	lab_settle(&lab);
	for (unsigned i = 0; i < 8; i++)
		lab_expect_rx(&lab, 0, i, &frames[i], 0);
	for (unsigned i = 0; i < 8; i++)
		nic_sends(&lab, i, data[i], frames[i].len);
	lab_settle(&lab);
	assert_int_equal(wire_client_receive(client, got, 5), 5);
	assert_int_equal(wire_client_receive(client, got + 5, 3), 3);
	for (unsigned i = 5; i < 8; i++) {
		assert_int_equal(got[i].len, frames[i].len);
		assert_memory_equal(got[i].data, data[i], got[i].len);
	}
	assert_int_equal(wire_client_receive(client, got, 8), 0);
	lab_expect_no_report(&lab);
	wire_client_leave(client);
	lab_close(&lab);
}

/* Runts are the NIC's to count; what the peer does not take is counted as lost. */
static void test_lost(void **state)
{
	struct emu_frame runt = {(const uint8_t *)"12345678901234567890", 20};
	uint8_t data[1514];
	struct emu_stats stats;
	struct lab lab;
	struct wire_client *client = open_lab(&lab);
	unsigned received = 0, n;
	struct emu_frame got[64];

	(void)state;
	lab_give(&lab, 0, 4);
	assert_int_equal(wire_client_send(client, &runt, 1), 1);
	lab_settle(&lab);
	assert_int_equal(lab_read(&lab, RUC), 1);
	lab_frame(data, sizeof(data), 1);
	for (unsigned i = 0; i < 2000; i++) {
		nic_sends(&lab, i % LAB_RING, data, sizeof(data));
		if (i % LAB_RING == LAB_RING - 1)
			lab_tx_ring(&lab, 0, 0);
		lab_settle(&lab);
	}
	emu_stats(lab.pci, &stats);
	while ((n = wire_client_receive(client, got, 64)))
		received += n;
	assert_true(stats.wire_lost_from_nic > 0 && received > 600);
	assert_int_equal(received + stats.wire_lost_from_nic, 2000);
	/* Who plays the far end knows that this was its own fault; whoever comes next starts anew. */
	assert_int_equal(wire_client_missed(client), stats.wire_lost_from_nic);
	assert_true(link_of(&lab));
	wire_client_leave(client);
	assert_false(link_of(&lab));
	client = join(lab.wire);
	assert_int_equal(wire_client_missed(client), 0);
	wire_client_leave(client);
	lab_close(&lab);
}

/* ---- who is at the other end ---- */

static void test_comes_and_goes(void **state)
{
	struct wire_client *client, *second;
	struct pl_error err;
	struct stat st;
	struct lab lab;

	(void)state;
	assert_int_equal(try_join(NULL, &client, &err), -ENOENT);
	client = open_lab(&lab);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(try_join(lab.wire, &second, &err), -EBUSY);
	assert_null(second);
	assert_true(wire_client_link(client) && link_of(&lab));
	for (unsigned i = 0; i < 20; i++) {
		wire_client_leave(client);
		assert_false(link_of(&lab));
		await_link(&lab, false, true);
		client = join(lab.wire);
		assert_true(link_of(&lab) && wire_client_link(client));
		await_link(&lab, true, true);
	}
	lab_close(&lab);
	assert_false(wire_client_link(client));
	assert_false(wire_client_sleep(client));
	wire_client_leave(client);
	assert_int_equal(access(path, F_OK), -1);
	wire_client_leave(NULL);
}

/* What opening would say, and nothing is there afterwards that was not before. */
static void expect_same(const char *at, int rc)
{
	struct emu_wire *wire;
	struct pl_error checked, opened;
	uint8_t mac[6];

	assert_int_equal(emu_wire_shared_check(at, &checked), rc);
	assert_int_equal(emu_wire_shared(at, &wire, mac, &opened), rc);
	assert_string_equal(checked.what, opened.what);
	assert_string_equal(checked.remedy, opened.remedy);
}

/* A socket that has knocked, and has not looked for an answer. */
static int knock(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The emulator's thread hears of several that knock at once only once. */
static void test_many_knock(void **state)
{
	struct emu_wire *wire = new_wire();
	struct wire_hello hello;
	int fds[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		fds[i] = knock();
	close(fds[0]);
	wire->ops->look(wire);
	assert_true(wire->ops->link(wire));
	assert_int_equal(recv(fds[1], &hello, sizeof(hello), MSG_DONTWAIT), sizeof(hello));
	for (unsigned i = 2; i < 5; i++) {
		assert_int_equal(recv(fds[i], &hello, sizeof(hello), MSG_DONTWAIT), 0);
		close(fds[i]);
	}
	close(fds[1]);
	wire->ops->close(wire);
}

/* Bells that nobody has listened to do not hide that the one who rang has gone, or will send no more. */
static void test_rings_and_leaves(void **state)
{
	struct emu_wire *wire = new_wire();

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct wire_client *client = join(wire);

		assert_true(wire->ops->link(wire));
		for (unsigned bell = 0; bell < 60; bell++)
			wire_ring_bell(wire_client_fd(client));
		if (i == 0)
			wire_client_leave(client);
		else
			assert_int_equal(shutdown(wire_client_fd(client), SHUT_WR), 0);
		wire->ops->look(wire);
		assert_false(wire->ops->link(wire));
		if (i == 1)
			wire_client_leave(client);
	}
	wire->ops->close(wire);
}

static void test_path(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct emu_wire *wire = new_wire(), *other;
	struct wire_client *client;
	struct pl_error err;
	uint8_t mac[6];
	char far[200];
	int fd;

	(void)state;
	/* By one that may be about to end. */
	assert_int_equal(emu_wire_shared_check(path, &err), 0);
	assert_int_equal(emu_wire_shared(path, &other, mac, &err), -EBUSY);
	assert_null(other);
	wire->ops->close(wire);
	assert_int_equal(emu_wire_shared_check(path, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(far, sizeof(far), "%s.lock", path);
	assert_int_equal(access(far, F_OK), -1);
	/* Of a process that was killed. */
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(try_join(NULL, &client, &err), -ECONNREFUSED);
	wire = new_wire();
	wire_client_leave(join(wire));
	wire->ops->close(wire);
	/* Not ours to remove. */
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	expect_same(path, -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(far, 0700), 0); /* where its lock would be */
	expect_same(path, -EISDIR);
	assert_int_equal(rmdir(far), 0);
	memset(far, 'x', sizeof(far) - 1);
	far[sizeof(far) - 1] = 0;
	expect_same(far, -ENAMETOOLONG);
	assert_int_equal(wire_client_join(far, &client, &err), -ENAMETOOLONG);
	expect_same("/nowhere/at/all", -ENOENT);
	expect_same("/dev/null/wire", -ENOTDIR);
}

/* ---- on a thread of its own ---- */

static void start(struct lab *lab)
{
	struct pl_error err;

	if (emu_start(lab->emu, -1, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
}

/* The NIC's thread sleeps, a frame comes; the peer sleeps, the NIC sends. */
static void test_sleep(void **state)
{
	uint8_t data[100];
	struct emu_frame frame = {data, sizeof(data)}, got;
	struct lab lab;
	struct wire_client *client = open_lab(&lab);

	(void)state;
	start(&lab);
	lab_give(&lab, 0, 40);
	lab_frame(data, sizeof(data), 5);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;
		struct pollfd pollfd = {.fd = wire_client_fd(client), .events = POLLIN};

		usleep(i % 4 * 1000);
		assert_int_equal(wire_client_send(client, &frame, 1), 1);
		while (!(__atomic_load_n(&lab.rx[0][i].word[2], __ATOMIC_ACQUIRE) & RX_DD)) {
			sched_yield();
			if (now_ms() > end_ms)
				fail_msg("the NIC has not woken up for frame %u", i);
		}
		assert_true(wire_client_sleep(client));
		nic_sends(&lab, i, data, sizeof(data));
		if (poll(&pollfd, 1, LAB_PATIENCE_MS) != 1)
			fail_msg("the peer has not been woken by frame %u", i);
		wire_client_woken(client);
		assert_int_equal(wire_client_receive(client, &got, 1), 1);
		assert_int_equal(got.len, sizeof(data));
	}
	wire_client_leave(client);
	await_link(&lab, false, false);
	emu_stop(lab.emu);
	lab_close(&lab);
}

/* Ends as it likes: by a signal, in the middle of a burst. */
static void test_killed(void **state)
{
	struct lab lab;
	struct wire_client *client = open_lab(&lab);

	(void)state;
	wire_client_leave(client);
	start(&lab);
	await_link(&lab, false, false);
	for (unsigned i = 0; i < 5; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			uint8_t data[300] = {0};
			struct emu_frame frame = {data, sizeof(data)};
			struct pl_error err;

			if (wire_client_join(path, &client, &err))
				_exit(1);
			for (;;)
				wire_client_send(client, &frame, 1);
		}
		await_link(&lab, true, false);
		usleep(3000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		await_link(&lab, false, false);
	}
	emu_stop(lab.emu);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* ---- those that mean no good ---- */

/* Joins, and returns the memory and the socket. */
static struct wire_memory *join_raw(int *fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct wire_hello hello;
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&hello, sizeof(hello)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct wire_memory *memory;
	int memory_fd;

	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	assert_int_equal(connect(*fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(recvmsg(*fd, &msg, 0), sizeof(hello));
	memcpy(&memory_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(memory_fd));
	memory = mmap(NULL, WIRE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	assert_true(memory != MAP_FAILED);
	/* It cannot be taken away under the NIC's feet. */
	assert_int_equal(ftruncate(memory_fd, 0), -1);
	assert_int_equal(ftruncate(memory_fd, 2 * WIRE_BYTES), -1);
	assert_int_equal(fcntl(memory_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(memory_fd);
	return memory;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void scribble(struct wire_memory *memory, uint32_t *seed)
{
	_Atomic uint32_t *const positions[] = {&memory->to_nic.head,   &memory->to_nic.tail,
					       &memory->to_nic.asleep, &memory->from_nic.head,
					       &memory->from_nic.tail, &memory->from_nic.asleep};
	uint32_t at = next_random(seed) % WIRE_UNITS, *word;

	atomic_store(positions[next_random(seed) % 6],
		     next_random(seed) % 2 ? next_random(seed) : at);
	for (unsigned i = 0; i < 100; i++) {
		word = (uint32_t *)memory->to_nic.unit[(at + i) % WIRE_UNITS];
		__atomic_store_n(word,
				 next_random(seed) % 4 ? 1 + next_random(seed) % 300
						       : next_random(seed),
				 __ATOMIC_RELAXED);
	}
}

/* The NIC goes on, its driver too; whoever comes next has a wire as ever. */
static void test_hostile_peer(void **state)
{
	struct lab lab;
	struct wire_client *client = open_lab(&lab);
	uint8_t data[200];
	struct emu_frame frame = {data, sizeof(data)};
	struct emu_stats stats;
	uint32_t seed = 4711;

	(void)state;
	wire_client_leave(client);
	start(&lab);
	lab_frame(data, sizeof(data), 1);
	for (unsigned i = 0; i < 60; i++) {
		uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;
		struct wire_memory *memory;
		char byte;
		int fd;

		await_link(&lab, false, false);
		memory = join_raw(&fd);
		/* Until it is thrown out: the socket closes. */
		for (unsigned k = 0; recv(fd, &byte, 1, MSG_DONTWAIT) != 0; k++) {
			scribble(memory, &seed);
			wire_ring_bell(fd);
			if (k % 16 == 0)
				nic_sends(&lab, k / 16 % LAB_RING, data, sizeof(data));
			if (now_ms() > end_ms)
				fail_msg("it is still there");
		}
		munmap(memory, WIRE_BYTES);
		close(fd);
	}
	emu_stats(lab.pci, &stats);
	assert_int_equal(stats.wire_lost_to_nic, 60);
	assert_non_null(client = join(NULL));
	await_link(&lab, true, false);
	emu_stop(lab.emu);
	lab_expect_report(&lab, "unplugged");
	lab_give(&lab, 0, 2);
	lab_settle(&lab);
	assert_int_equal(wire_client_send(client, &frame, 1), 1);
	lab_settle(&lab);
	assert_true(link_of(&lab));
	wire_client_leave(client);
	lab_close(&lab);
}

/* One that was thrown out keeps what it has mapped: nobody else hears of what it writes there. */
static void test_memory_is_kept(void **state)
{
	struct lab lab;
	struct wire_client *client = open_lab(&lab);
	uint8_t data[60];
	struct emu_frame frame = {data, sizeof(data)};
	struct wire_memory *memory;
	struct emu_stats stats;
	uint32_t seed = 42;
	char byte;
	int fd;

	(void)state;
	wire_client_leave(client);
	start(&lab);
	await_link(&lab, false, false);
	memory = join_raw(&fd);
	atomic_store(&memory->to_nic.head, WIRE_UNITS + 1);
	wire_ring_bell(fd);
	/* Thrown out: a reset, if the bell has not been heard, and then the end. */
	while (recv(fd, &byte, 1, 0) != 0)
		assert_int_equal(errno, ECONNRESET);
	await_link(&lab, false, false);
	assert_non_null(client = join(NULL));
	await_link(&lab, true, false);
	emu_stop(lab.emu);
	lab_expect_report(&lab, "unplugged");
	lab_frame(data, sizeof(data), 1);
	lab_give(&lab, 0, 2);
	for (unsigned i = 0; i < 1000; i++) {
		scribble(memory, &seed);
		lab_settle(&lab);
	}
	assert_int_equal(wire_client_send(client, &frame, 1), 1);
	lab_settle(&lab);
	assert_true(link_of(&lab) && wire_client_link(client));
	emu_stats(lab.pci, &stats);
	assert_int_equal(stats.wire_lost_to_nic, 1);
	assert_int_equal(stats.wire_lost_from_nic, 0);
	wire_client_leave(client);
	munmap(memory, WIRE_BYTES);
	close(fd);
	lab_close(&lab);
}

/* What plays the NIC's side, and how it is wrong. */
struct impostor {
	const char *magic;
	uint32_t bytes;
	size_t size;
	bool sealed;
	unsigned n_fds; /* of the memory that it sends along */
	bool on_disk;	/* of a kind that cannot be sealed */
	int listen_fd;
	struct wire_memory *memory;
	int fd;
};

static int disk_file(void)
{
	char name[] = "impostor-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd < 0 || unlink(name))
		abort();
	return fd;
}

static void *play(void *arg)
{
	struct impostor *impostor = arg;
	struct wire_hello hello = {.bytes = impostor->bytes};
	char control[CMSG_SPACE(2 * sizeof(int))] = {0};
	struct iovec iov = {&hello, sizeof(hello)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int memory_fd = impostor->on_disk
				? disk_file()
				: memfd_create("impostor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct cmsghdr *cmsg;

	impostor->fd = accept(impostor->listen_fd, NULL, NULL);
	memcpy(hello.magic, impostor->magic, sizeof(hello.magic));
	if (ftruncate(memory_fd, (off_t)impostor->size))
		abort();
	if (impostor->sealed)
		fcntl(memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (impostor->n_fds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(impostor->n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_len = CMSG_LEN(impostor->n_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(cmsg), (int[]){memory_fd, memory_fd},
		       impostor->n_fds * sizeof(int));
	}
	if (sendmsg(impostor->fd, &msg, MSG_NOSIGNAL) < 0)
		abort();
	impostor->memory =
		mmap(NULL, impostor->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	close(memory_fd);
	return NULL;
}

static int join_impostor(struct impostor *impostor, struct wire_client **client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct pl_error err;
	pthread_t thread;
	int rc;

	strcpy(address.sun_path, path);
	impostor->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(impostor->listen_fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(impostor->listen_fd, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, play, impostor), 0);
	rc = wire_client_join(path, client, &err);
	pthread_join(thread, NULL);
	assert_int_equal(unlink(path), 0);
	close(impostor->listen_fd);
	return rc;
}

static void impostor_end(struct impostor *impostor)
{
	munmap(impostor->memory, impostor->size);
	close(impostor->fd);
}

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_hostile_nic(void **state)
{
	struct impostor wrong[] = {
		{"peerlane-w0", WIRE_BYTES, WIRE_BYTES, true, 1},
		{"peerlane-w0", WIRE_BYTES, WIRE_BYTES, true, 2},
		{WIRE_MAGIC, 4096, WIRE_BYTES, true, 1},
		{WIRE_MAGIC, WIRE_BYTES, 4096, true, 1},
		{WIRE_MAGIC, WIRE_BYTES, WIRE_BYTES, false, 1},
		{WIRE_MAGIC, WIRE_BYTES, WIRE_BYTES, true, 1, .on_disk = true},
		{WIRE_MAGIC, WIRE_BYTES, WIRE_BYTES, true, 0},
	};
	unsigned n_open = open_files();
	uint32_t seed = 17;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct wire_client *client;

		assert_int_equal(join_impostor(&wrong[i], &client), -EPROTO);
		assert_null(client);
		impostor_end(&wrong[i]);
		assert_int_equal(open_files(), n_open);
	}
	/* One that is right, and then writes what comes to its mind. */
	for (unsigned i = 0; i < 30; i++) {
		struct impostor right = {WIRE_MAGIC, WIRE_BYTES, WIRE_BYTES, true, 1};
		struct emu_frame got[64];
		struct wire_client *client;
		uint8_t *to;

		assert_int_equal(join_impostor(&right, &client), 0);
		for (unsigned k = 0; wire_client_link(client); k++) {
			assert_true(k < 100000);
			scribble(right.memory, &seed);
			memcpy(&right.memory->from_nic.unit, &right.memory->to_nic.unit,
			       100 * WIRE_UNIT);
			wire_client_receive(client, got, 64);
			to = wire_client_reserve(client, 1 + k % WIRE_FRAME_MAX);
			if (to)
				memset(to, 1, 1 + k % WIRE_FRAME_MAX);
			wire_client_publish(client);
		}
		assert_int_equal(wire_client_receive(client, got, 64), 0);
		wire_client_leave(client);
		impostor_end(&right);
	}
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/wire", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* nothing has been left in it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_comes_and_goes),
		cmocka_unit_test(test_many_knock),
		cmocka_unit_test(test_rings_and_leaves),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_hostile_peer),
		cmocka_unit_test(test_memory_is_kept),
		cmocka_unit_test(test_hostile_nic),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
