/* SPDX-License-Identifier: BSD-2-Clause */
/* Confinement: each attempt is made in a child of its own that has confined itself as the daemon
 * does, by what an intruder would do. The same attempts succeed before: they can fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <emu/emu.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../router/control/privileges.h"
#include "../../router/kernel/face.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char folder[48]; /* the runtime folder; beside it `elsewhere` */
static char elsewhere[64], file_elsewhere[80], file_in_folder[64];

/* ---- running in a confined child ---- */

enum confined { FREELY, CONFINED, CONFINED_WITHOUT_LANDLOCK, DRIVER };

static struct config config;
static struct log quiet;
static struct confinement confinement;

/* Has landlock_create_ruleset() fail as on a kernel without Landlock. */
static void hide_landlock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* seccomp_data.nr */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0x00050000u | EOPNOTSUPP), /* SECCOMP_RET_ERRNO */
		BPF_STMT(BPF_RET | BPF_K, 0x7fff0000u),		     /* SECCOMP_RET_ALLOW */
	};
	struct sock_fprog program = {COUNT(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, 2 /* SECCOMP_MODE_FILTER */, &program))
		_exit(254);
}

static void confine_or_exit(enum confined how)
{
	struct pl_error err = {"", ""};

	if (how == CONFINED_WITHOUT_LANDLOCK)
		hide_landlock();
	if (how == FREELY)
		return;
	if (how == DRIVER ? privileges_confine_driver(&config, folder, &err)
			  : privileges_confine(&confinement, &config, &quiet, &err)) {
		fprintf(stderr, "%s\n", err.what);
		_exit(254);
	}
}

/* Runs `attempt` in a child. Returns what it returned, 0 or an errno; 255 if it was killed. */
static int in_child(int (*attempt)(void), enum confined how)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		confine_or_exit(how);
		_exit(attempt());
	}
	assert_int_equal(child, waitpid(child, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int result(long rc)
{
	return rc < 0 ? errno : 0;
}

/* ---- what is refused ---- */

static int try_execve(void)
{
	char *argv[] = {"/bin/true", NULL}, *env[] = {NULL};

	return result(execve(argv[0], argv, env));
}

static int try_fork(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return result(child);
}

static int try_create_elsewhere(void)
{
	return result(open(file_elsewhere, O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int try_write_elsewhere(void)
{
	return result(open(elsewhere, O_WRONLY));
}

static int try_read_elsewhere(void)
{
	return result(open(elsewhere, O_RDONLY));
}

/* The folder by which all devices are reached, PCI's registers among them. */
static int try_devices(void)
{
	return result(open("/sys/class/net", O_RDONLY | O_DIRECTORY));
}

static int try_create_in_folder(void)
{
	return result(open(file_in_folder, O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int try_unlink_elsewhere(void)
{
	int rc = result(unlink(elsewhere));

	if (!rc)
		close(open(elsewhere, O_WRONLY | O_CREAT, 0600));
	return rc;
}

static int try_mkdir(void)
{
	int rc = result(mkdir(file_in_folder, 0700));

	if (!rc)
		rmdir(file_in_folder);
	return rc;
}

static int try_chmod(void)
{
	return result(chmod(elsewhere, 0600));
}

static int try_tcp(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_tcp6(void)
{
	return result(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static int try_ptrace(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_kill(void)
{
	return result(kill(getppid(), 0));
}

static int try_unshare(void)
{
	return result(unshare(CLONE_NEWNS));
}

static int end_at_once(void *arg)
{
	(void)arg;
	return 0;
}

static int try_child_in_namespace(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	return result(clone(end_at_once, stack + sizeof(stack), CLONE_NEWNET | SIGCHLD, NULL));
}

static int try_executable_memory(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : 0;
}

static int try_make_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int try_setuid(void)
{
	return result(setresuid(getuid(), getuid(), getuid()));
}

static int try_chroot(void)
{
	return result(chroot("/"));
}

static int try_keyring(void)
{
	return result(syscall(SYS_keyctl, 0, -3, 0)); /* KEYCTL_GET_KEYRING_ID of this process */
}

static int try_personality(void)
{
	return result(syscall(SYS_personality, 0xffffffff));
}

static int try_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static long bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int try_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return result(bpf(BPF_MAP_CREATE, &attr));
}

/* One that lets all packets pass. */
static int try_program(void)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K,
		 .dst_reg = BPF_REG_0,
		 .imm = 2 /* XDP_PASS */},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)code,
		.insn_cnt = COUNT(code),
		.license = (uintptr_t) "",
	};

	return result(bpf(BPF_PROG_LOAD, &attr));
}

static int try_memory_file(void)
{
	return result(memfd_create("file", MFD_CLOEXEC));
}

static int try_other_program(void)
{
	union bpf_attr attr = {.start_id = 0};
	long rc = bpf(BPF_PROG_GET_NEXT_ID, &attr);

	return rc < 0 && errno != ENOENT ? errno : 0;
}

/* On a terminal it would be there; elsewhere the kernel says ENOTTY, which is not a refusal. */
static int try_terminal_input(void)
{
	long rc = ioctl(STDIN_FILENO, TIOCSTI, "x");

	return rc < 0 && errno != ENOTTY && errno != EIO && errno != EPERM ? errno : 0;
}

/* The same for the kernel, which looks at 32 bits of the number. */
static int try_wide_terminal_input(void)
{
	long rc = syscall(SYS_ioctl, STDIN_FILENO, 1ul << 32 | TIOCSTI, "x");

	return rc < 0 && errno != ENOTTY && errno != EIO && errno != EPERM ? errno : 0;
}

/* What NVIDIA's drivers in the kernel are asked: nvidiactl and nvidia0 (nv-ioctl-numbers.h, nv_escape.h), nvidia-uvm
 * (uvm_linux_ioctl.h). Here a descriptor is asked that knows none of it, and says something
 * else than the filter. */
static int try_nvidia(void)
{
	static const struct {
		unsigned long first, last, size; /* size 0: the number is all */
	} calls[] = {
		{0x30000001, 0x30000002, 0}, /* UVM_INITIALIZE, UVM_DEINITIALIZE */
		{1, 80, 0},		     /* UVM's others */
		{0x20, 0x5f, 32},	     /* NV_ESC_RM_* */
		{200, 218, 16},		     /* NV_ESC_CARD_INFO, ... */
	};
	int fd = eventfd(0, EFD_CLOEXEC);

	for (unsigned i = 0; i < COUNT(calls); i++)
		for (unsigned long n = calls[i].first; n <= calls[i].last; n++) {
			unsigned long call =
				calls[i].size ? _IOC(_IOC_READ | _IOC_WRITE, 'F', n, calls[i].size)
					      : n;

			if (ioctl(fd, call, NULL) && errno == ENOSYS)
				return errno;
		}
	return 0;
}

static const struct attempt {
	const char *what;
	int (*run)(void);
	int refusal;
	bool by_landlock;
} refused[] = {
	{"execve", try_execve, ENOSYS},
	{"fork", try_fork, ENOSYS},
	{"create a file elsewhere", try_create_elsewhere, ENOSYS},
	{"create a file in the folder", try_create_in_folder, ENOSYS},
	{"write a file elsewhere", try_write_elsewhere, EACCES, true},
	{"read a file elsewhere", try_read_elsewhere, EACCES, true},
	{"devices in sysfs", try_devices, EACCES, true},
	{"unlink elsewhere", try_unlink_elsewhere, EACCES, true},
	{"mkdir", try_mkdir, ENOSYS},
	{"chmod", try_chmod, ENOSYS},
	{"TCP socket", try_tcp, ENOSYS},
	{"TCP socket over IPv6", try_tcp6, ENOSYS},
	{"ptrace", try_ptrace, ENOSYS},
	{"kill", try_kill, ENOSYS},
	{"unshare", try_unshare, ENOSYS},
	{"clone into a namespace", try_child_in_namespace, ENOSYS},
	{"mmap for execution", try_executable_memory, ENOSYS},
	{"mprotect for execution", try_make_executable, ENOSYS},
	{"setresuid", try_setuid, ENOSYS},
	{"chroot", try_chroot, ENOSYS},
	{"keyctl", try_keyring, ENOSYS},
	{"personality", try_personality, ENOSYS},
	{"prctl", try_dumpable, ENOSYS},
	{"BPF map", try_map, ENOSYS},
	{"BPF program", try_program, ENOSYS},
	{"memory file", try_memory_file, ENOSYS},
	{"bpf on others' programs", try_other_program, ENOSYS},
	{"ioctl that types into the terminal", try_terminal_input, ENOSYS},
	{"the same with more bits", try_wide_terminal_input, ENOSYS},
};

/* ---- the tests ---- */

static bool have_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0UL, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

/* Both folders as they were. */
static void tidy(void)
{
	unlink(file_elsewhere);
	unlink(file_in_folder);
}

static void test_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(refused); i++) {
		const struct attempt *a = &refused[i];
		int freely = in_child(a->run, FREELY), confined;

		tidy();
		if (a->by_landlock && !have_landlock())
			continue;
		if (freely) {
			print_message("%s: not tried, not possible here anyway: %s\n", a->what,
				      strerror(freely));
			continue;
		}
		confined = in_child(a->run, CONFINED);
		tidy();
		if (confined != a->refusal)
			fail_msg("%s: confined: %s", a->what, strerror(confined));
	}
}

/* What runs an accelerator's driver, whose cache is the folder here: it compiles, executes and makes files
 * there, and does not reach the machine's. */
static void test_driver(void **state)
{
	static const struct {
		const char *what;
		int (*run)(void);
		int refusal; /* 0: it may */
		bool by_landlock;
	} attempts[] = {
		{"execve", try_execve, 0},
		{"fork", try_fork, 0},
		{"create a file in the cache", try_create_in_folder, 0},
		{"mkdir in the cache", try_mkdir, 0},
		{"mmap for execution", try_executable_memory, 0},
		{"mprotect for execution", try_make_executable, 0},
		{"memory file", try_memory_file, 0},
		{"create a file elsewhere", try_create_elsewhere, EACCES, true},
		{"write a file elsewhere", try_write_elsewhere, EACCES, true},
		{"read a file elsewhere", try_read_elsewhere, EACCES, true},
		{"unlink elsewhere", try_unlink_elsewhere, EACCES, true},
		{"TCP socket", try_tcp, ENOSYS},
		{"TCP socket over IPv6", try_tcp6, ENOSYS},
		{"ptrace", try_ptrace, ENOSYS},
		{"kill", try_kill, ENOSYS},
		{"unshare", try_unshare, ENOSYS},
		{"clone into a namespace", try_child_in_namespace, ENOSYS},
		{"setresuid", try_setuid, ENOSYS},
		{"chroot", try_chroot, ENOSYS},
		{"keyctl", try_keyring, ENOSYS},
		{"personality", try_personality, ENOSYS},
		{"prctl", try_dumpable, ENOSYS},
		{"BPF map", try_map, ENOSYS},
		{"BPF program", try_program, ENOSYS},
		{"bpf on others' programs", try_other_program, ENOSYS},
		{"ioctl that types into the terminal", try_terminal_input, ENOSYS},
		{"the same with more bits", try_wide_terminal_input, ENOSYS},
		{"NVIDIA's ioctls", try_nvidia, 0},
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(attempts); i++) {
		int freely = in_child(attempts[i].run, FREELY), confined;

		tidy();
		if (freely || (attempts[i].by_landlock && !have_landlock()))
			continue;
		confined = in_child(attempts[i].run, DRIVER);
		tidy();
		if (confined != attempts[i].refusal)
			fail_msg("%s: a driver: %s", attempts[i].what, strerror(confined));
	}
}

/* Where the kernel has no Landlock, no file at all is written to; reading is not hindered. */
static void test_without_landlock(void **state)
{
	(void)state;
	assert_int_equal(0, in_child(try_write_elsewhere, FREELY));
	assert_int_equal(ENOSYS, in_child(try_write_elsewhere, CONFINED_WITHOUT_LANDLOCK));
	assert_int_equal(ENOSYS, in_child(try_create_elsewhere, CONFINED_WITHOUT_LANDLOCK));
	assert_int_equal(0, in_child(try_read_elsewhere, CONFINED_WITHOUT_LANDLOCK));
}

/* Seccomp=no leaves the other two in force; Seccomp=log refuses nothing. */
static void test_modes(void **state)
{
	(void)state;
	config.seccomp = CONFIG_SECCOMP_NO;
	assert_int_equal(0, in_child(try_fork, CONFINED));
	if (have_landlock())
		assert_int_equal(EACCES, in_child(try_create_elsewhere, CONFINED));
	config.seccomp = CONFIG_SECCOMP_LOG;
	assert_int_equal(0, in_child(try_fork, CONFINED));
	config.seccomp = CONFIG_SECCOMP_YES;
}

/* ---- what stays possible ---- */

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

static int try_nvidia_on_worker(void)
{
	privileges_confine_worker(&confinement);
	return try_nvidia();
}

/* Who starts an accelerator's program, or opens it again, may ask its driver in the kernel; no one else. */
static void test_accelerator(void **state)
{
	(void)state;
	assert_int_equal(0, in_child(try_nvidia, FREELY));
	assert_int_equal(ENOSYS, in_child(try_nvidia, CONFINED));
	config.mode = CONFIG_NIC_CPU_GPU;
	config.accelerator.kind = PL_ACCEL_CUDA;
	assert_int_equal(0, in_child(try_nvidia, CONFINED));
	assert_int_equal(0, in_child(try_nvidia_on_worker, CONFINED));
	config.mode = CONFIG_NIC_CPU;
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

/* ---- start ---- */

static int mode_in_force(void)
{
	return (int)confinement.seccomp;
}

static bool to_be_skipped(void)
{
	char missing[128];

	if (privileges_missing(false, missing, sizeof(missing))[0])
		printf("SKIP: what a router starts with is needed: %s\n", missing);
	else if (unshare(CLONE_NEWNET))
		printf("SKIP: needs a network namespace of its own: %s\n", strerror(errno));
	else if (in_child(mode_in_force, CONFINED) != CONFIG_SECCOMP_YES)
		printf("SKIP: built with a sanitizer, which needs calls that would be refused\n");
	else
		return false;
	return true;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_driver),
		cmocka_unit_test(test_without_landlock),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_removes_its_socket),
		cmocka_unit_test(test_takes_ports_up_again),
		cmocka_unit_test(test_plays_nics),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_accelerator),
		cmocka_unit_test(test_capabilities),
	};
	int failed = 77;

	snprintf(folder, sizeof(folder), "/tmp/test_privileges_%d", getpid());
	snprintf(elsewhere, sizeof(elsewhere), "%s_elsewhere", folder);
	snprintf(file_elsewhere, sizeof(file_elsewhere), "%s_new", elsewhere);
	snprintf(file_in_folder, sizeof(file_in_folder), "%s/new", folder);
	config_init(&config);
	snprintf(config.control_socket, sizeof(config.control_socket), "%s/socket", folder);
	log_init(&quiet);
	quiet.out = fopen("/dev/null", "w");
	if (mkdir(folder, 0700) || !quiet.out)
		return 1;
	close(open(elsewhere, O_WRONLY | O_CREAT, 0600));
	if (!to_be_skipped())
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(config.control_socket);
	unlink(elsewhere);
	rmdir(folder);
	return failed;
}
