/* SPDX-License-Identifier: BSD-2-Clause */
/* What is tried to reach a device, in a tree like /sys and /dev: that each thing which can be missing is
 * named, with what helps, and nothing is left open. What really is there is for tests in a virtual machine.
 * Then the two parts that need no device: addresses that are handed out, and registers that go away. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/pci/bar.h"
#include "../../lib/pci/iova.h"
#include "../../lib/pci/open.h"
#include "pci_tree.h"

#define NIC "0000:03:00.0"

/* ---- opening ---- */

static char *root;
static char dev[PATH_MAX];

static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void bound_to(const char *driver)
{
	char target[64];

	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	pci_tree_link(root, pci_tree_path(NIC, "driver"), target);
}

static void refused(enum pl_pci_backend backend, const char *address, int code, const char *what,
		    const char *remedy)
{
	const struct pci_paths paths = {.sysfs = root, .dev = dev};
	unsigned before = count_open();
	struct pl_error err = {"", ""};
	struct pl_pci *pci = (void *)&err;

	assert_int_equal(code, pci_open_at(&pci, &paths, address, backend, &err));
	assert_null(pci);
	if (!strstr(err.what, what) || !strstr(err.remedy, remedy))
		fail_msg("\"%s\" and \"%s\", not \"%s\" and \"%s\"", err.what, err.remedy, what,
			 remedy);
	assert_non_null(strstr(err.what, address));
	assert_int_equal(before, count_open());
}

static int begin(void **state)
{
	(void)state;
	root = pci_tree_new();
	snprintf(dev, sizeof(dev), "%s/dev", root);
	pci_tree_nic(root, NIC, 0x8086, 0x10c9);
	return chmod(root, 0755);
}

static int end(void **state)
{
	(void)state;
	pci_tree_free(root);
	return 0;
}

static void test_not_there(void **state)
{
	(void)state;
	refused(PL_PCI_AUTO, "0000:04:00.0", -ENODEV, "no such device", "peerlane devices");
	refused(PL_PCI_AUTO, "../0000:03:00.0", -ENODEV, "no such device", "peerlane devices");
	refused(PL_PCI_AUTO, "", -ENODEV, "no such device", "peerlane devices");
}

static void test_not_bound(void **state)
{
	char path[PATH_MAX];

	(void)state;
	refused(PL_PCI_AUTO, NIC, -ENXIO, "no driver is bound to it: neither vfio-pci nor peerlane",
		"peerlane bind " NIC);
	refused(PL_PCI_VFIO, NIC, -ENXIO, "no driver is bound to it", "peerlane bind " NIC " vfio");
	bound_to("igb");
	refused(PL_PCI_AUTO, NIC, -ENXIO, "bound to igb, not to vfio-pci or peerlane",
		"peerlane bind " NIC);
	refused(PL_PCI_KMOD, NIC, -ENXIO, "bound to igb, not to peerlane",
		"peerlane bind " NIC " kmod");
	snprintf(path, sizeof(path), "%s/%s", root, pci_tree_path(NIC, "driver"));
	assert_int_equal(0, unlink(path));
	bound_to("vfio-pci");
	refused(PL_PCI_KMOD, NIC, -ENXIO, "bound to vfio-pci, not to peerlane",
		"peerlane bind " NIC " kmod");
	assert_int_equal(0, unlink(path));
	bound_to("peerlane");
	refused(PL_PCI_VFIO, NIC, -ENXIO, "bound to peerlane, not to vfio-pci",
		"peerlane bind " NIC " vfio");
}

/* As a user who may not open a file that is there; only root can become one. */
static void refused_to_others(const char *path, const char *what, const char *remedy)
{
	char full[PATH_MAX];

	if (geteuid() != 0)
		return;
	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(0, chmod(full, 0600));
	assert_int_equal(0, seteuid(65534));
	refused(PL_PCI_AUTO, NIC, -EACCES, what, remedy);
	assert_int_equal(0, seteuid(0));
}

static void test_vfio(void **state)
{
	char path[PATH_MAX];

	(void)state;
	bound_to("vfio-pci");
	refused(PL_PCI_AUTO, NIC, -ENOENT, "/vfio/vfio", "modprobe vfio-pci");
	/* Files that are no devices: they open, and know no ioctl. */
	pci_tree_text(root, "dev/vfio/vfio", "");
	refused_to_others("dev/vfio/vfio", "may not open", "chown");
	refused(PL_PCI_AUTO, NIC, -ENOENT, "/vfio/7", "modprobe vfio-pci");
	pci_tree_text(root, "dev/vfio/7", "");
	refused(PL_PCI_VFIO, NIC, -ENOTTY, "IOMMU group 7", "");
	/* A group that the kernel has made up in place of an IOMMU's, and none. */
	pci_tree_text(root, "dev/vfio/noiommu-7", "");
	refused(PL_PCI_AUTO, NIC, -EOPNOTSUPP, "it has no IOMMU", "peerlane bind " NIC " kmod");
	snprintf(path, sizeof(path), "%s/%s", root, pci_tree_path(NIC, "iommu_group"));
	assert_int_equal(0, unlink(path));
	refused(PL_PCI_AUTO, NIC, -EOPNOTSUPP, "it has no IOMMU", "peerlane bind " NIC " kmod");
}

/* A kernel without groups. */
static void test_iommufd(void **state)
{
	(void)state;
	bound_to("vfio-pci");
	pci_tree_folder(root, pci_tree_path(NIC, "vfio-dev/vfio3"));
	refused(PL_PCI_AUTO, NIC, -ENOENT, "/iommu", "modprobe");
	pci_tree_text(root, "dev/iommu", "");
	refused(PL_PCI_AUTO, NIC, -ENOENT, "/vfio/devices/vfio3", "modprobe vfio-pci");
	pci_tree_text(root, "dev/vfio/devices/vfio3", "");
	refused(PL_PCI_AUTO, NIC, -ENOTTY, "cannot be bound to /dev/iommu", "");
	/* With both there, groups are taken. */
	pci_tree_text(root, "dev/vfio/vfio", "");
	refused(PL_PCI_AUTO, NIC, -ENOENT, "/vfio/7", "modprobe vfio-pci");
}

static void test_kmod(void **state)
{
	(void)state;
	bound_to("peerlane");
	refused(PL_PCI_AUTO, NIC, -ENOENT, "bound to peerlane, but there is no",
		"modprobe peerlane");
	pci_tree_text(root, "dev/peerlane/" NIC, "");
	refused_to_others("dev/peerlane/" NIC, "may not open", "member of the group");
	refused(PL_PCI_KMOD, NIC, -EOPNOTSUPP, "the module peerlane is too old",
		"modprobe peerlane");
}

/* ---- addresses ---- */

static void test_iova(void **state)
{
	static const struct iova_range allowed[] = {
		{0x100000000, 0x1ffffffff}, /* in no order */
		{0, 0x27fffff},		    /* 40 MiB, of which 16 are left alone */
	};
	struct iova iova;
	uint64_t a, b, c, d;

	(void)state;
	assert_int_equal(0, iova_init(&iova, allowed, 2));
	assert_int_equal(0, iova_take(&iova, 0x1000, 0x1000, &a));
	assert_int_equal(0x1000000, a);
	assert_int_equal(0, iova_take(&iova, 0x400000, 0x200000, &b));
	assert_int_equal(0x1200000, b);
	/* What lies between is still there. */
	assert_int_equal(0, iova_take(&iova, 0x1ff000, 0x1000, &c));
	assert_int_equal(0x1001000, c);
	/* To the last byte of the range, and then in the next. */
	assert_int_equal(0, iova_take(&iova, 0x1200000, 0x200000, &d));
	assert_int_equal(0x1600000, d);
	iova_give(&iova, d);
	assert_int_equal(0, iova_take(&iova, 0x1200001, 0x200000, &d));
	assert_int_equal(0x100000000, d);
	/* What is given back is taken again; what is not taken is not given. */
	iova_give(&iova, b);
	iova_give(&iova, b + 1);
	assert_int_equal(0, iova_take(&iova, 0x400000, 0x200000, &a));
	assert_int_equal(b, a);
	assert_int_equal(-ENOSPC, iova_take(&iova, 0x100000000, 0x1000, &a));
	assert_int_equal(-ENOSPC, iova_take(&iova, UINT64_MAX, 0x1000, &a));
	assert_int_equal(-ENOSPC, iova_take(&iova, 0, 0x1000, &a));
	iova_fini(&iova);
}

/* To the very end of all addresses; none at all. */
static void test_iova_ends(void **state)
{
	static const struct iova_range top = {UINT64_MAX - 0xffff, UINT64_MAX};
	static const struct iova_range low = {0, 0xfffff};
	struct iova iova;
	uint64_t a;

	(void)state;
	assert_int_equal(0, iova_init(&iova, &top, 1));
	assert_int_equal(0, iova_take(&iova, 0x8000, 0x1000, &a));
	assert_int_equal(0, iova_take(&iova, 0x8000, 0x1000, &a));
	assert_true(a == UINT64_MAX - 0x7fff);
	assert_int_equal(-ENOSPC, iova_take(&iova, 1, 1, &a));
	iova_fini(&iova);
	assert_int_equal(0, iova_init(&iova, &top, 1));
	assert_int_equal(-ENOSPC, iova_take(&iova, 0x1000, 0x200000, &a)); /* would wrap */
	iova_fini(&iova);
	assert_int_equal(0, iova_init(&iova, &low, 1));
	assert_int_equal(-ENOSPC, iova_take(&iova, 1, 1, &a));
	iova_fini(&iova);
	assert_int_equal(0, iova_init(&iova, NULL, 0));
	assert_int_equal(-ENOSPC, iova_take(&iova, 1, 1, &a));
	iova_fini(&iova);
}

/* ---- registers that go away ---- */

#define BAR_BYTES 8192u
#define REGISTER 0x1004u
#define BELL 0x100u

/* A file in place of a device's: cut short it raises SIGBUS where it was, as a device does that is gone. */
static int make_device(volatile uint8_t **bar)
{
	int fd = memfd_create("device", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(0, ftruncate(fd, BAR_BYTES));
	assert_int_equal(0, pci_bar_map(fd, 0, BAR_BYTES, bar));
	return fd;
}

static _Atomic uint32_t *word(volatile uint8_t *bar, uint32_t offset)
{
	return (_Atomic uint32_t *)(uintptr_t)(bar + offset);
}

struct user {
	volatile uint8_t *bar;
	bool wrong;
};

/* A plane: rings and reads, and sees either the device or ones. */
static void *use(void *arg)
{
	struct user *user = arg;
	unsigned seen = 0; /* times that it was gone */

	while (seen < 1000) {
		uint32_t value;

		atomic_store(word(user->bar, BELL), 7);
		value = atomic_load(word(user->bar, REGISTER));
		if (value == UINT32_MAX)
			seen++;
		else if (value || seen)
			user->wrong = true;
	}
	return NULL;
}

static void test_pulled_out_under_threads(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct user user[2] = {{0}};
		pthread_t thread[2];
		volatile uint8_t *bar;
		int fd = make_device(&bar);

		for (unsigned i = 0; i < 2; i++) {
			user[i].bar = bar;
			assert_int_equal(0, pthread_create(&thread[i], NULL, use, &user[i]));
		}
		assert_int_equal(0, ftruncate(fd, 0));
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(0, pthread_join(thread[i], NULL));
		assert_false(user[0].wrong || user[1].wrong);
		pci_bar_unmap(bar);
		close(fd);
	}
}

static void test_taken_away(void **state)
{
	unsigned before = count_open();
	volatile uint8_t *bar, *other;
	int fd = make_device(&bar), other_fd = make_device(&other);
	uint32_t stored;

	(void)state;
	atomic_store(word(bar, REGISTER), 0x1234);
	assert_int_equal(0, pci_bar_pull_out(bar));
	assert_int_equal(UINT32_MAX, atomic_load(word(bar, REGISTER)));
	assert_int_equal(UINT32_MAX, atomic_load(word(bar, BAR_BYTES - 4)));
	atomic_store(word(bar, REGISTER), 0x5678); /* goes nowhere */
	assert_int_equal(4, pread(fd, &stored, 4, REGISTER));
	assert_int_equal(0x1234, stored);
	assert_int_equal(0, atomic_load(word(other, REGISTER))); /* another one's stay */
	pci_bar_unmap(bar);
	pci_bar_unmap(other);
	pci_bar_unmap(NULL);
	close(fd);
	close(other_fd);
	assert_int_equal(before, count_open());
}

static void test_too_many(void **state)
{
	volatile uint8_t *bar[PCI_BARS_MAX], *more;
	int fd[PCI_BARS_MAX];

	(void)state;
	for (unsigned i = 0; i < PCI_BARS_MAX; i++)
		fd[i] = make_device(&bar[i]);
	assert_int_equal(-ENOSPC, pci_bar_map(fd[0], 0, BAR_BYTES, &more));
	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		pci_bar_unmap(bar[i]);
		close(fd[i]);
	}
	assert_int_equal(-EBADF, pci_bar_map(-1, 0, BAR_BYTES, &more));
}

/* Memory that raises SIGBUS wherever it is touched. */
static volatile uint8_t *make_hole(void)
{
	int fd = memfd_create("hole", MFD_CLOEXEC);
	void *hole = mmap(NULL, BAR_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || hole == MAP_FAILED)
		_exit(100);
	close(fd);
	return hole;
}

static void touch_hole(void)
{
	(void)make_hole()[0];
}

static void send_one(void)
{
	kill(getpid(), SIGBUS);
}

static unsigned n_others;

/* As a handler may, it mends what it was called for. */
static void mend(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	n_others++;
	if (info->si_code > 0)
		mmap((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void count_other(int number)
{
	(void)number;
	n_others++;
}

/* In a process of its own, with ours above `action` and not above that of the test's library: what becomes of it
 * when a SIGBUS comes that is not ours, and then one that is. */
static int fate(const struct sigaction *action, void (*cause)(void))
{
	int status, fd;
	volatile uint8_t *bar;
	pid_t child = fork();

	if (!child) {
		sigaction(SIGBUS, action, NULL);
		fd = make_device(&bar);
		cause();
		if (ftruncate(fd, 0))
			_exit(100);
		_exit(atomic_load(word(bar, REGISTER)) == UINT32_MAX ? (int)n_others : 100);
	}
	assert_int_equal(child, waitpid(child, &status, 0));
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* A SIGBUS elsewhere does what it did before, and ours is there after it. */
static void test_other_sigbus(void **state)
{
	const struct sigaction def = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
	const struct sigaction plain = {.sa_handler = count_other};
	const struct sigaction full = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};

	(void)state;
	assert_int_equal(-SIGBUS, fate(&def, touch_hole));
	assert_int_equal(-SIGBUS, fate(&def, send_one));
	assert_int_equal(-SIGBUS, fate(&ignore, touch_hole));
	assert_int_equal(0, fate(&ignore, send_one));
	assert_int_equal(1, fate(&plain, send_one));
	assert_int_equal(1, fate(&full, touch_hole));
	assert_int_equal(1, fate(&full, send_one));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_there, begin, end),
		cmocka_unit_test_setup_teardown(test_not_bound, begin, end),
		cmocka_unit_test_setup_teardown(test_vfio, begin, end),
		cmocka_unit_test_setup_teardown(test_iommufd, begin, end),
		cmocka_unit_test_setup_teardown(test_kmod, begin, end),
		cmocka_unit_test(test_iova),
		cmocka_unit_test(test_iova_ends),
		cmocka_unit_test(test_pulled_out_under_threads),
		cmocka_unit_test(test_taken_away),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_other_sigbus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
