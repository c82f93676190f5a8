/* SPDX-License-Identifier: BSD-2-Clause */
/* What a confined daemon must still be able to do: its end, ports and TAPs that come back, emulated NICs, its
 * planes; and what it keeps to do it with. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <emu/emu.h>

#include "../../router/kernel/face.h"
#include "privileges_lab.h"

/* Ends the child with the line number, for there is no way to tell more. */
#define must(condition)                                                                          \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			fprintf(stderr, "%s:%d: %s: errno %s\n", __FILE__, __LINE__, #condition, \
				strerror(errno));                                                \
			_exit(1);                                                                \
		}                                                                                \
	} while (0)

static void must_error(int rc, const struct pl_error *err)
{
	if (rc) {
		fprintf(stderr, "%s (%s)\n", err->what, err->remedy);
		_exit(1);
	}
}

static int end_of_run(void)
{
	char line[64];
	int fd = open("/proc/self/status", O_RDONLY);

	must(fd >= 0 && read(fd, line, sizeof(line)) > 0);
	close(fd);
	must(unlink(config.control_socket) == 0);
	return 0;
}

static void test_removes_its_socket(void **state)
{
	(void)state;
	close(open(config.control_socket, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(0, in_child(end_of_run, CONFINED));
}

/* Once the kernel, short of memory, has dropped what it knows of files. */
static int write_when_memory_is_short(void)
{
	static const char setting[] = "/proc/sys/net/ipv4/ip_forward";
	int drop = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC), fd;

	if (drop < 0)
		return errno;
	confine_or_exit(CONFINED);
	fd = open(setting, O_WRONLY);
	must(fd >= 0);
	close(fd);
	must(write(drop, "2", 1) == 1);
	must(open(setting, O_WRONLY) >= 0);
	return 0;
}

static void test_writes_when_memory_is_short(void **state)
{
	int rc = in_child(write_when_memory_is_short, FREELY);

	(void)state;
	if (rc == EROFS || rc == EACCES) {
		print_message("caches cannot be dropped here: %s\n", strerror(rc));
		skip();
	}
	assert_int_equal(rc, 0);
}

/* What a port is opened with, before the confinement. */
static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x07};
static const struct pl_port_config port_config = {
	.name = "pl0", .device = "device0", .n_queues = 1, .ring_size = 64};

/* A TAP whose MAC ends like this. */
static struct face *open_face(struct faces *faces, const char *name, uint8_t last)
{
	struct face_config face_config = {.name = name, .mtu = 1500, .n_planes = 1};
	struct pl_error err;
	struct face *face;

	memcpy(face_config.mac, mac, 6);
	face_config.mac[5] = last;
	must_error(face_open(faces, &face_config, &face, &err), &err);
	return face;
}

/* What a device that comes back and a TAP that is made anew need: a TAP with its sysctls, the XDP
 * program attached, buffers registered with the kernel, AF_XDP sockets in the program's map, the
 * TAP's MAC among the device's. The port is opened before; its device is a TAP, of another name. */
static int take_a_port_up_again(void)
{
	struct faces *faces = faces_new();
	struct pl_port_caps caps;
	struct pl_queue *queue;
	struct pl_port *port;
	struct pl_error err;
	struct pl_pool pool;
	struct face *face;
	int rc = -EBUSY;

	must(faces);
	must(face_set_carrier(open_face(faces, port_config.device, 0x08), true) == 0);
	must_error(pl_pool_init(&pool, 256, 2048, &err), &err);
	must_error(pl_port_probe(&port_config, &caps, &err), &err);
	must_error(pl_port_open(&port, &port_config, &err), &err);
	must_error(pl_port_queue_open(port, 0, &pool, &queue, &err), &err);
	confine_or_exit(CONFINED);

	face = open_face(faces, port_config.name, mac[5]);
	pl_queue_leave(queue);
	pl_port_leave(port);
	must(pl_queue_collect(queue) > 0);
	for (unsigned i = 0; i < 200 && rc; i++, usleep(5000)) /* its sockets end some time later */
		rc = pl_port_return(port, &err);
	must_error(rc, &err);
	must_error(pl_port_accept_mac(port, mac, &err), &err);
	must_error(pl_queue_resume(queue, &err), &err);
	must_error(pl_port_set_mtu(port, 1400, &err), &err);
	must_error(face_set_mtu(face, 1400, &err), &err);
	pl_queue_close(queue);
	pl_port_close(port);
	pl_pool_fini(&pool);
	faces_free(faces, false);
	return 0;
}

static void test_takes_ports_up_again(void **state)
{
	(void)state;
	assert_int_equal(0, in_child(take_a_port_up_again, FREELY));
}

/* Whether the NIC gets the link that is wanted, in time. */
static bool await_link(struct pl_port *port, bool wanted)
{
	struct pl_port_state state;

	for (unsigned i = 0; i < 2000; i++, usleep(5000)) {
		pl_port_state(port, &state);
		if (state.present && state.carrier == wanted)
			return true;
	}
	return false;
}

/* The thread that plays emulated NICs: its wire is a TAP, which is removed and made again. */
static int play_a_nic(void)
{
	struct emu_nic_config nic = {.name = port_config.device, .model = EMU_82599};
	struct pl_port_config driven = port_config;
	struct emu *emu = emu_new(NULL, NULL);
	struct faces *faces = faces_new();
	struct pl_queue *queue;
	struct pl_port *port;
	struct pl_pool pool;
	struct pl_error err;

	driven.mtu = 1500;
	must(faces && emu);
	must(face_set_carrier(open_face(faces, port_config.device, 0x08), true) == 0);
	must_error(emu_wire_netdev(port_config.device, &nic.wire, nic.mac, &err), &err);
	must_error(emu_add(emu, &nic, &driven.pci, &err), &err);
	must_error(pl_pool_init(&pool, 256, 2048, &err), &err);
	must_error(pl_port_open(&port, &driven, &err), &err);
	must_error(pl_port_queue_open(port, 0, &pool, &queue, &err), &err);
	must_error(pl_port_start(port, &err), &err);
	confine_or_exit(CONFINED);

	must_error(emu_start(emu, -1, &err), &err);
	must(await_link(port, true));
	faces_free(faces, false);
	must(await_link(port, false));
	faces = faces_new();
	must(faces);
	must(face_set_carrier(open_face(faces, port_config.device, 0x08), true) == 0);
	must(await_link(port, true));
	must_error(pl_port_set_mtu(port, 1400, &err), &err);
	must_error(pl_port_accept_mac(port, mac, &err), &err);
	pl_port_close(port);
	emu_stop(emu);
	pl_pci_close(driven.pci);
	emu_free(emu);
	pl_pool_fini(&pool);
	faces_free(faces, false);
	return 0;
}

static void test_plays_nics(void **state)
{
	(void)state;
	assert_int_equal(0, in_child(play_a_nic, FREELY));
}

/* ---- threads ---- */

static uint64_t capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	must(syscall(SYS_capget, &header, data) == 0);
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static int wake_fd, map_fd;

/* A plane's life: confined, asleep, awake, a queue that moves to another socket, its end. */
static void *worker(void *arg)
{
	struct epoll_event event;
	eventfd_t value;
	uint32_t zero = 0;
	union bpf_attr attr = {
		.map_fd = (uint32_t)map_fd, .key = (uintptr_t)&zero, .value = (uintptr_t)&zero};
	int epoll_fd = *(int *)arg;

	must(capabilities() == confinement.capabilities);
	privileges_confine_worker(&confinement);
	must(epoll_wait(epoll_fd, &event, 1, 10000) == 1);
	must(eventfd_read(wake_fd, &value) == 0 && value == 1);
	free(malloc(1 << 20));
	must(bpf(BPF_MAP_UPDATE_ELEM, &attr) == 0);
	must(dup3(wake_fd, epoll_fd, O_CLOEXEC) == epoll_fd && close(epoll_fd) == 0);
	must(bpf(BPF_MAP_CREATE, &attr) < 0 && errno == ENOSYS);
	must(open("/proc/self/status", O_RDONLY) < 0 && errno == ENOSYS);
	must(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == ENOSYS);
	must(socket(AF_XDP, SOCK_RAW, 0) < 0 && errno == ENOSYS);
	must(ioctl(wake_fd, TCGETS, NULL) < 0 && errno == ENOSYS);
	must(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	return NULL;
}

static int run_worker(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pthread_t thread;
	cpu_set_t cpus;
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	wake_fd = eventfd(0, EFD_CLOEXEC);
	map_fd = (int)bpf(BPF_MAP_CREATE, &map);
	must(map_fd >= 0);
	confine_or_exit(CONFINED);
	must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) == 0);
	must(pthread_create(&thread, NULL, worker, &epoll_fd) == 0);
	must(pthread_getaffinity_np(thread, sizeof(cpus), &cpus) == 0);
	must(pthread_setaffinity_np(thread, sizeof(cpus), &cpus) == 0);
	must(eventfd_write(wake_fd, 1) == 0);
	must(pthread_join(thread, NULL) == 0);
	/* It was confined, this thread not further. */
	must(capabilities() == confinement.capabilities);
	must(socket(AF_XDP, SOCK_RAW, 0) >= 0);
	return 0;
}

static void test_worker(void **state)
{
	(void)state;
	assert_int_equal(0, in_child(run_worker, FREELY));
}

static int capabilities_left(void)
{
	static const uint64_t wanted = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW | 1u << CAP_IPC_LOCK;

	must(confinement.capabilities == wanted);
	must(capabilities() == wanted);
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++) /* the libraries' own way is refused by now */
		must(prctl(PR_CAPBSET_READ, i, 0, 0, 0) < 0);
	return 0;
}

static void test_capabilities(void **state)
{
	(void)state;
	assert_int_equal(0, in_child(capabilities_left, CONFINED));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_when_memory_is_short),
		cmocka_unit_test(test_removes_its_socket),
		cmocka_unit_test(test_takes_ports_up_again),
		cmocka_unit_test(test_plays_nics),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_capabilities),
	};
	int failed = privileges_lab_begin();

	if (!failed)
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	privileges_lab_end();
	return failed;
}
