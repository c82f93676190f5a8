/* SPDX-License-Identifier: BSD-2-Clause */
/* What confinement refuses: each attempt is made in a child of its own that has confined itself as the daemon
 * does, by what an intruder would do. The same attempts succeed before: they can fail. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileges_lab.h"

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

/* As NVIDIA's driver names a thread that it has made. */
static int try_name_thread(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", getpid());
	return result(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666));
}

/* Files that root owns, and the kernel obeys. */
static int try_tunable(void)
{
	return result(open("/proc/sys/kernel/core_pattern", O_WRONLY));
}

static int try_network_tunable(void)
{
	return result(open("/proc/sys/net/ipv4/ip_forward", O_WRONLY));
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
	{"tunables of the kernel", try_tunable, EACCES, true},
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
		{"tunables of the kernel", try_tunable, EACCES, true},
		{"tunables of its network", try_network_tunable, EACCES, true},
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

/* Where there are NVIDIA's devices, or what looks like it, and not elsewhere. */
static void test_driver_names_threads(void **state)
{
	static const char device[] = "/dev/nvidia-test-of-peerlane";
	int there, named, tuned, tuned_network;

	(void)state;
	if (!have_landlock())
		skip();
	unlink(device); /* which a test that was killed may have left */
	if (access("/dev/nvidiactl", F_OK))
		assert_int_equal(in_child(try_name_thread, DRIVER), EACCES);
	there = open(device, O_RDONLY | O_CREAT, 0600);
	if (there < 0)
		skip();
	close(there);
	named = in_child(try_name_thread, DRIVER);
	tuned = in_child(try_tunable, DRIVER);
	tuned_network = in_child(try_network_tunable, DRIVER);
	unlink(device);
	assert_int_equal(named, 0);
	assert_int_equal(tuned, EACCES);
	assert_int_equal(tuned_network, EACCES);
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_driver),
		cmocka_unit_test(test_driver_names_threads),
		cmocka_unit_test(test_without_landlock),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_accelerator),
	};
	int failed = privileges_lab_begin();

	if (!failed)
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	privileges_lab_end();
	return failed;
}
