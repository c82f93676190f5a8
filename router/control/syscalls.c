/* SPDX-License-Identifier: BSD-2-Clause */
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/vfio.h>

#include "../../kmod/peerlane.h"

/* linux/iommufd.h, which is newer than the headers of Debian 12. */
#define IOMMUFD_IOAS_UNMAP _IO(';', 0x86)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What any thread does: its loop, the allocator, its own end, a failed assertion. Names that an
 * architecture or libseccomp does not know are passed over. */
static const char *const every_thread[] = {
	/* time and sleep */
	"clock_getres",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_wait",
	"gettimeofday",
	"nanosleep",
	"time",
	/* what is open: packets, eventfds, the log; a TAP or socket that takes another's place */
	"close",
	"dup3",
	"getsockopt",
	"read",
	"readv",
	"recvfrom",
	"sendto",
	"write",
	"writev",
	/* memory; mmap() and mprotect() see below */
	"brk",
	"madvise",
	"mremap",
	"munmap",
	/* threads and signals */
	"exit",
	"exit_group",
	"futex",
	"futex_time64",
	"getcpu",
	"getpid",
	"gettid",
	"membarrier",
	"restart_syscall",
	"rseq",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sched_yield",
	"set_robust_list",
	"sigaltstack",
	/* what the C library asks for here and there */
	"getrandom",
};

/* What the control thread does beyond that; openat(), socket(), ioctl(), bpf(), clone() and prctl()
 * see below. */
static const char *const control_thread[] = {
	/* files; seeking and sizes are stdio's */
	"access",
	"dup",
	"dup2",
	"faccessat",
	"faccessat2",
	"fcntl",
	"fcntl64",
	"fstat",
	"fstat64",
	"fstatfs",
	"getdents64",
	"lseek",
	"lstat",
	"newfstatat",
	"pread64",
	"readlink",
	"readlinkat",
	"stat",
	"statfs",
	"statx",
	"unlink",
	"unlinkat",
	/* events */
	"epoll_create1",
	"eventfd2",
	"poll",
	"ppoll",
	"signalfd4",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* sockets: netlink, AF_XDP, clients, systemd */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"listen",
	"recvmmsg",
	"recvmsg",
	"sendmmsg",
	"sendmsg",
	"setsockopt",
	"shutdown",
	/* threads, which confine themselves further */
	"capget",
	"capset",
	"sched_getaffinity",
	"sched_setaffinity",
	"seccomp",
	/* who and where am I; libbpf and the C library */
	"getegid",
	"geteuid",
	"getgid",
	"getrlimit",
	"getrusage",
	"getuid",
	"prlimit64",
	"sysinfo",
	"uname",
};

/* What an accelerator's driver does beyond both: libraries loaded, a program compiled (PoCL has ld link
 * it) and kept in the cache, device memory mapped, threads placed, processes of its own told of each other. */
static const char *const driver_thread[] = {
	/* files of the cache */
	"chmod",
	"fallocate",
	"fchmod",
	"fchmodat",
	"fdatasync",
	"flock",
	"fsync",
	"ftruncate",
	"getcwd",
	"link",
	"linkat",
	"memfd_create",
	"mkdir",
	"mkdirat",
	"open",
	"openat",
	"pipe",
	"pipe2",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"umask",
	"utimensat",
	/* memory */
	"get_mempolicy",
	"mbind",
	"mincore",
	"mlock",
	"mmap",
	"mmap2",
	"mprotect",
	"msync",
	"munlock",
	"set_mempolicy",
	/* programs */
	"arch_prctl",
	"execve",
	"getpgrp",
	"getppid",
	"pwrite64",
	"select",
	"set_tid_address",
	"times",
	"vfork",
	"wait4",
	"waitid",
	/* threads */
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getparam",
	"sched_getscheduler",
	"socketpair",
};

static int allow_names(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
	}
	return rc;
}

/* Allows a call when argument `arg`, under `mask`, is `value`. */
static int allow_when(scmp_filter_ctx ctx, const char *name, unsigned arg, uint64_t mask,
		      uint64_t value)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1,
				SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

/* Allows a call when its 32-bit argument `arg` is one of these. */
static int allow_values(scmp_filter_ctx ctx, const char *name, unsigned arg, const uint32_t *values,
			size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = allow_when(ctx, name, arg, UINT32_MAX, values[i]);
	return rc;
}

/* Memory that is never executed; signals to this process alone: abort(); and what a map holds that
 * is open: a plane directs a queue to its socket, or away from it. */
static int allow_every_thread(scmp_filter_ctx ctx)
{
	static const uint32_t commands[] = {BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM};
	int rc = allow_names(ctx, every_thread, COUNT(every_thread));

	if (!rc)
		rc = allow_when(ctx, "mmap", 2, PROT_EXEC, 0);
	if (!rc)
		rc = allow_when(ctx, "mmap2", 2, PROT_EXEC, 0);
	if (!rc)
		rc = allow_when(ctx, "mprotect", 2, PROT_EXEC, 0);
	if (!rc)
		rc = allow_when(ctx, "tgkill", 0, UINT32_MAX, (uint32_t)getpid());
	if (!rc)
		rc = allow_values(ctx, "bpf", 0, commands, COUNT(commands));
	return rc;
}

/* Opens files that are there; only for reading unless `may_write`. */
static int allow_open(scmp_filter_ctx ctx, bool may_write)
{
	uint64_t refused = O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	int rc;

	if (!may_write)
		refused |= O_ACCMODE;
	rc = allow_when(ctx, "openat", 2, refused, 0);
	return rc ? rc : allow_when(ctx, "open", 1, refused, 0);
}

/* AF_INET and AF_INET6 are for ioctl() on interfaces: datagrams suffice. */
static int allow_socket(scmp_filter_ctx ctx)
{
	static const struct {
		int family, type; /* type 0: any */
	} sockets[] = {
		{AF_UNIX, 0},		{AF_NETLINK, 0},       {AF_INET, SOCK_DGRAM},
		{AF_INET6, SOCK_DGRAM}, {AF_PACKET, SOCK_RAW}, {AF_XDP, SOCK_RAW},
	};
	const uint32_t type_mask = ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK);
	int rc = 0;

	for (unsigned i = 0; i < COUNT(sockets) && !rc; i++)
		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)sockets[i].family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, sockets[i].type ? type_mask : 0,
				(uint64_t)sockets[i].type));
	return rc;
}

/* Those on sockets and interfaces, on TAPs, and stdio's question whether it writes to a terminal;
 * none that puts words into a terminal's input. */
static int allow_ioctl(scmp_filter_ctx ctx)
{
	const uint32_t number = 0xff;
	int rc = allow_when(ctx, "ioctl", 1, UINT32_MAX & ~number, SIOCGIFNAME & ~number);

	if (!rc)
		rc = allow_when(ctx, "ioctl", 1, UINT32_MAX & ~number, TUNSETIFF & ~number);
	if (!rc)
		rc = allow_when(ctx, "ioctl", 1, UINT32_MAX & ~number, TUNGETIFF & ~number);
	if (!rc)
		rc = allow_when(ctx, "ioctl", 1, UINT32_MAX, TCGETS);
	return rc;
}

/* What a device that is open needs from a running router: that it gets, or loses, bus mastering and
 * interrupts, and its memory back at the end. None that opens another, or maps memory for one: a NIC that
 * returns has kept what it had. */
static int allow_devices(scmp_filter_ctx ctx)
{
	static const uint32_t calls[] = {
		VFIO_DEVICE_SET_IRQS, VFIO_IOMMU_UNMAP_DMA, IOMMUFD_IOAS_UNMAP, PEERLANE_INFO,
		PEERLANE_BUS_MASTER,  PEERLANE_IRQ,	    PEERLANE_DMA_UNMAP,
	};
	static const char *const config_space[] = {"pwrite64"}; /* and pread64() */
	int rc = allow_values(ctx, "ioctl", 1, calls, COUNT(calls));

	return rc ? rc : allow_names(ctx, config_space, COUNT(config_space));
}

/* Memory that is shared with another process; mmap() may be had anyway. */
static int allow_wires(scmp_filter_ctx ctx)
{
	static const char *const calls[] = {"memfd_create", "ftruncate", "ftruncate64"};

	return allow_names(ctx, calls, COUNT(calls));
}

/* nvidia-uvm's first and last; its others are plain numbers (uvm_linux_ioctl.h). */
#define UVM_INITIALIZE 0x30000001u
#define UVM_DEINITIALIZE 0x30000002u

/* What an accelerator's driver in the kernel is asked by whoever starts the program, copies to the device, or opens
 * it again: NVIDIA's (its numbers of type 'F', and those of its unified memory), AMD's compute driver, DRM. Nothing
 * can be opened by these. */
static int allow_accelerator(scmp_filter_ctx ctx)
{
	static const uint32_t types[] = {'F' << 8, 0, 'K' << 8, 'd' << 8};
	static const uint32_t calls[] = {UVM_INITIALIZE, UVM_DEINITIALIZE};
	int rc = allow_values(ctx, "ioctl", 1, calls, COUNT(calls));

	for (unsigned i = 0; i < COUNT(types) && !rc; i++)
		rc = allow_when(ctx, "ioctl", 1, types[i] ? 0xff00 : UINT32_MAX & ~0xffu, types[i]);
	return rc;
}

/* Attaches the program of the start to a device that comes back; libxdp may ask what a descriptor
 * is. Loads none, and reaches none of others, which the kernel finds by their number or path. */
static int allow_bpf(scmp_filter_ctx ctx)
{
	static const uint32_t commands[] = {BPF_LINK_CREATE, BPF_OBJ_GET_INFO_BY_FD};

	return allow_values(ctx, "bpf", 0, commands, COUNT(commands));
}

/* Threads, no processes and no namespaces. clone3(), whose flags are behind a pointer, is refused,
 * and the C library takes clone(). */
static int allow_threads(scmp_filter_ctx ctx)
{
	static const uint32_t names[] = {PR_SET_NAME, PR_GET_NAME};
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int rc = allow_when(ctx, "clone", 0, CLONE_THREAD | namespaces, CLONE_THREAD);

	return rc ? rc : allow_values(ctx, "prctl", 0, names, COUNT(names));
}

static int allow_control_thread(scmp_filter_ctx ctx, const struct syscalls_needs *needs)
{
	int rc = allow_names(ctx, control_thread, COUNT(control_thread));

	if (!rc)
		rc = allow_open(ctx, needs->may_write);
	if (!rc)
		rc = allow_socket(ctx);
	if (!rc)
		rc = allow_ioctl(ctx);
	if (!rc)
		rc = allow_bpf(ctx);
	if (!rc && needs->has_devices)
		rc = allow_devices(ctx);
	if (!rc && needs->has_wires)
		rc = allow_wires(ctx);
	if (!rc && needs->has_accelerator)
		rc = allow_accelerator(ctx);
	return rc ? rc : allow_threads(ctx);
}

/* A filter with what every thread may do. NULL: *rc says why not. */
static scmp_filter_ctx new_filter(enum config_seccomp mode, int *rc)
{
	scmp_filter_ctx ctx =
		seccomp_init(mode == CONFIG_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(ENOSYS));

	*rc = ctx ? 0 : -ENOMEM;
	/* Calls of another architecture have other numbers: nobody here makes them. */
	if (!*rc)
		*rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!*rc)
		*rc = allow_every_thread(ctx);
	if (*rc && ctx) {
		seccomp_release(ctx);
		ctx = NULL;
	}
	return ctx;
}

int syscalls_confine(enum config_seccomp mode, const struct syscalls_needs *needs)
{
	int rc;
	scmp_filter_ctx ctx = new_filter(mode, &rc);

	if (!ctx)
		return rc;
	rc = allow_control_thread(ctx, needs);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* Reads what libseccomp wrote. Returns 0 or -errno. */
static int read_program(int fd, struct sock_fprog *program)
{
	off_t size = lseek(fd, 0, SEEK_END);
	struct sock_filter *filter;

	if (size < 0)
		return -errno;
	filter = malloc((size_t)size);
	if (!filter)
		return -ENOMEM;
	if (pread(fd, filter, (size_t)size, 0) != size) {
		free(filter);
		return -EIO;
	}
	*program = (struct sock_fprog){
		.len = (unsigned short)((size_t)size / sizeof(*filter)),
		.filter = filter,
	};
	return 0;
}

int syscalls_export_worker(enum config_seccomp mode, const struct syscalls_needs *needs,
			   struct sock_fprog *program)
{
	int rc, fd;
	scmp_filter_ctx ctx = new_filter(mode, &rc);

	if (!ctx)
		return rc;
	if (needs->has_accelerator)
		rc = allow_accelerator(ctx);
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (!rc)
		rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	if (!rc)
		rc = read_program(fd, program);
	if (fd >= 0)
		close(fd);
	seccomp_release(ctx);
	return rc;
}

/* Any ioctl() whose number is another than this: differs in one bit or more. The kernel looks at 32 of them, and
 * so must the filter. */
static int allow_ioctl_but(scmp_filter_ctx ctx, uint32_t refused)
{
	int rc = 0;

	for (uint32_t bit = 1; bit && !rc; bit <<= 1)
		rc = allow_when(ctx, "ioctl", 1, bit, ~refused & bit);
	return rc;
}

/* Any ioctl() but the one that puts words into a terminal's input, local sockets, threads, and the
 * processes of a linker. */
static int allow_driver(scmp_filter_ctx ctx)
{
	static const uint32_t names[] = {PR_SET_NAME, PR_GET_NAME};
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int rc = allow_names(ctx, control_thread, COUNT(control_thread));

	if (!rc)
		rc = allow_names(ctx, driver_thread, COUNT(driver_thread));
	if (!rc)
		rc = allow_ioctl_but(ctx, TIOCSTI);
	if (!rc)
		rc = allow_when(ctx, "socket", 0, UINT32_MAX, AF_UNIX);
	if (!rc)
		rc = allow_when(ctx, "clone", 0, namespaces, 0);
	return rc ? rc : allow_values(ctx, "prctl", 0, names, COUNT(names));
}

int syscalls_confine_driver(enum config_seccomp mode)
{
	int rc;
	scmp_filter_ctx ctx = new_filter(mode, &rc);

	if (!ctx)
		return rc;
	rc = allow_driver(ctx);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}
