/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of a device: that they reach it, and their trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <peerlane/pci.h>

#define BAR_BYTES 4096u
#define READ_ONLY 0x8u /* of a device that answers calls: always 0x82599 */

/* A device whose registers are memory, or that is asked by calls: then `calls` counts. */
struct device {
	struct pl_pci pci;
	_Alignas(64) uint8_t bar[BAR_BYTES];
	unsigned calls, rung, closed, unmapped;
	int master; /* -1: never told */
	int rc;	    /* what the backend answers */
};

static struct device *device_of(struct pl_pci *pci)
{
	return (struct device *)((char *)pci - offsetof(struct device, pci));
}

static uint32_t called_read(struct pl_pci *pci, uint32_t offset)
{
	device_of(pci)->calls++;
	return offset == READ_ONLY ? 0x82599 : *(volatile uint32_t *)(pci->bar + offset);
}

static void called_write(struct pl_pci *pci, uint32_t offset, uint32_t value)
{
	device_of(pci)->calls++;
	if (offset != READ_ONLY)
		*(volatile uint32_t *)(pci->bar + offset) = value;
}

static void rung(struct pl_pci *pci)
{
	device_of(pci)->rung++;
}

static int bus_master(struct pl_pci *pci, bool on)
{
	device_of(pci)->master = on;
	return device_of(pci)->rc;
}

static int irq(struct pl_pci *pci, unsigned vector, int event_fd)
{
	(void)vector;
	(void)event_fd;
	return device_of(pci)->rc;
}

static int dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		   struct pl_dma *dma)
{
	static const uint64_t addresses[] = {0x700000, 0x100000, 0x300000};

	(void)page_bytes;
	*dma = (struct pl_dma){addresses, 20, 3, base, len_bytes};
	return device_of(pci)->rc;
}

static void dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	(void)dma;
	device_of(pci)->unmapped++;
}

static void close_device(struct pl_pci *pci)
{
	assert_int_equal(0, device_of(pci)->master); /* DMA has ended first */
	device_of(pci)->closed++;
}

static const struct pl_pci_ops memory_ops = {
	.backend = "test",
	.bus_master = bus_master,
	.irq = irq,
	.dma_map = dma_map,
	.dma_unmap = dma_unmap,
	.close = close_device,
};

static const struct pl_pci_ops called_ops = {
	.backend = "test",
	.read = called_read,
	.write = called_write,
	.rung = rung,
	.bus_master = bus_master,
	.close = close_device,
};

/* `trace`: of the environment while it is made; NULL: none. */
static struct device *make(const struct pl_pci_ops *ops, const char *trace)
{
	struct device *d = aligned_alloc(64, sizeof(*d));

	assert_non_null(d);
	memset(d, 0, sizeof(*d));
	d->pci = (struct pl_pci){.ops = ops, .name = "0000:03:00.0", .bar_bytes = BAR_BYTES};
	d->pci.bar = d->bar;
	d->master = -1;
	if (trace)
		setenv("PEERLANE_TRACE", trace, 1);
	else
		unsetenv("PEERLANE_TRACE");
	pl_pci_init(&d->pci);
	unsetenv("PEERLANE_TRACE");
	return d;
}

/* ---- standard error, caught ---- */

static int real_stderr = -1;
static char caught_path[] = "/tmp/test_pci_XXXXXX";

static void catch (void)
{
	int fd;

	strcpy(caught_path + strlen(caught_path) - 6, "XXXXXX");
	fd = mkstemp(caught_path);
	assert_true(fd >= 0);
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* Ends it. The caller frees what was caught. */
static char *caught(void)
{
	FILE *file = fopen(caught_path, "re");
	char *text = NULL;
	size_t room = 0;

	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	unlink(caught_path);
	assert_non_null(file);
	/* All of it: there is no such byte. */
	if (getdelim(&text, &room, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(file);
	assert_non_null(text);
	return text;
}

static void expect_caught(const char *wanted)
{
	char *text = caught();

	if (strcmp(wanted, text) != 0)
		fail_msg("traced:\n%s", text);
	free(text);
}

/* ---- tests ---- */

static void test_memory(void **state)
{
	struct device *d = make(&memory_ops, NULL);
	uint32_t word;

	(void)state;
	pl_pci_write(&d->pci, 0x100, 0x12345678);
	memcpy(&word, d->bar + 0x100, sizeof(word));
	assert_int_equal(0x12345678, word);
	assert_int_equal(0, d->bar[0xff]);
	assert_int_equal(0, d->bar[0x104]);
	word = 0xcafe;
	memcpy(d->bar + 0xffc, &word, sizeof(word));
	assert_int_equal(0xcafe, pl_pci_read(&d->pci, 0xffc));
	pl_pci_ring(&d->pci, 0x200, 77);
	assert_int_equal(77, pl_pci_read(&d->pci, 0x200));
	free(d);
}

static void test_calls(void **state)
{
	struct device *d = make(&called_ops, NULL);

	(void)state;
	pl_pci_write(&d->pci, READ_ONLY, 5);
	assert_int_equal(0x82599, pl_pci_read(&d->pci, READ_ONLY));
	assert_int_equal(2, d->calls);
	/* A doorbell is stored, and told by a call of its own. */
	pl_pci_ring(&d->pci, 0x200, 78);
	assert_int_equal(2, d->calls);
	assert_int_equal(1, d->rung);
	assert_int_equal(78, *(volatile uint32_t *)(d->bar + 0x200));
	free(d);
}

/* A line for each access, in the order in which they were made, with what was really read. */
static void trace_of(const struct pl_pci_ops *ops)
{
	struct device *d = make(ops, "regs");

	catch ();
	pl_pci_write(&d->pci, 0x0, 0x04000000);
	pl_pci_write(&d->pci, 0xffc, 0xffffffff);
	pl_pci_read(&d->pci, 0x0);
	pl_pci_read(&d->pci, READ_ONLY);
	pl_pci_ring(&d->pci, 0x200, 1); /* a doorbell is not traced */
	pl_pci_read(&d->pci, 0x200);
	expect_caught(ops == &memory_ops ? "w 0x00000 0x04000000\n"
					   "w 0x00ffc 0xffffffff\n"
					   "r 0x00000 0x04000000\n"
					   "r 0x00008 0x00000000\n"
					   "r 0x00200 0x00000001\n"
					 : "w 0x00000 0x04000000\n"
					   "w 0x00ffc 0xffffffff\n"
					   "r 0x00000 0x04000000\n"
					   "r 0x00008 0x00082599\n"
					   "r 0x00200 0x00000001\n");
	free(d);
}

static void test_trace(void **state)
{
	(void)state;
	trace_of(&memory_ops);
	trace_of(&called_ops);
}

/* Without the variable, and with other values of it; set later it changes nothing, as the environment is
 * looked at once for a device and not at each access. */
static void test_no_trace(void **state)
{
	static const char *const others[] = {NULL, "", "REGS", "regs ", "reg", "1"};

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct device *d = make(&memory_ops, others[i]);

		catch ();
		setenv("PEERLANE_TRACE", "regs", 1);
		pl_pci_write(&d->pci, 0x10, 1);
		pl_pci_read(&d->pci, 0x10);
		unsetenv("PEERLANE_TRACE");
		expect_caught("");
		free(d);
	}
}

#define THREADS 4u
#define ACCESSES 5000u

struct worker {
	struct pl_pci *pci;
	unsigned id;
};

static void *access_registers(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < ACCESSES; i++)
		pl_pci_write(w->pci, w->id * 4, w->id << 24 | i);
	return NULL;
}

/* Lines of several threads are whole, and those of one are in its order. */
static void test_trace_of_threads(void **state)
{
	struct device *d = make(&memory_ops, "regs");
	struct worker workers[THREADS];
	uint32_t next[THREADS] = {0};
	pthread_t threads[THREADS];
	char *text, *rest, *line;

	(void)state;
	catch ();
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){&d->pci, i};
		assert_int_equal(0,
				 pthread_create(&threads[i], NULL, access_registers, &workers[i]));
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(0, pthread_join(threads[i], NULL));
	text = rest = caught();
	while ((line = strsep(&rest, "\n")) && rest) {
		char wanted[32];
		unsigned long id = strlen(line) == 20 ? strtoul(line + 2, NULL, 16) / 4 : THREADS;

		if (id >= THREADS)
			fail_msg("a line in pieces: %s", line);
		snprintf(wanted, sizeof(wanted), "w 0x%05lx 0x%08lx", id * 4,
			 id << 24 | next[id]++);
		assert_string_equal(wanted, line);
	}
	assert_string_equal("", line); /* behind the last one */
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(ACCESSES, next[i]);
	free(text);
	free(d);
}

/* ---- the rest of the interface ---- */

static void test_dma_address(void **state)
{
	struct device *d = make(&memory_ops, NULL);
	struct pl_error err = {"", ""};
	static uint8_t memory[16];
	struct pl_dma dma;

	(void)state;
	assert_int_equal(0, pl_pci_dma_map(&d->pci, memory, 3 << 20, 1 << 20, &dma, &err));
	assert_int_equal(0x700000, pl_dma_address(&dma, 0));
	assert_int_equal(0x7fffff, pl_dma_address(&dma, 0xfffff));
	assert_int_equal(0x100000, pl_dma_address(&dma, 0x100000));
	assert_int_equal(0x30abcd, pl_dma_address(&dma, 0x20abcd));
	pl_pci_dma_unmap(&d->pci, &dma);
	assert_int_equal(0, dma.n);
	pl_pci_dma_unmap(&d->pci, &dma); /* nothing is left to undo */
	assert_int_equal(1, d->unmapped);
	free(d);
}

static void test_errors(void **state)
{
	struct device *d = make(&memory_ops, NULL);
	struct pl_error err = {"", ""};
	struct pl_dma dma;

	(void)state;
	d->rc = -ENOMEM;
	assert_int_equal(-ENOMEM, pl_pci_dma_map(&d->pci, d, 4096, 4096, &dma, &err));
	assert_string_equal("0000:03:00.0: cannot map 4096 bytes for DMA: Cannot allocate memory",
			    err.what);
	assert_string_equal("raise LimitMEMLOCK= (ulimit -l)", err.remedy);
	d->rc = -EIO;
	assert_int_equal(-EIO, pl_pci_bus_master(&d->pci, true, &err));
	assert_string_equal("0000:03:00.0: cannot switch bus mastering on: Input/output error",
			    err.what);
	assert_int_equal(-EIO, pl_pci_irq(&d->pci, 3, -1, &err));
	assert_string_equal("0000:03:00.0: cannot use MSI-X vector 3: Input/output error",
			    err.what);
	assert_string_equal("", err.remedy);
	free(d);
}

/* A backend that has no way to do it says which has. */
static void test_import_refused(void **state)
{
	const struct pl_remote remote = {
		.len_bytes = PL_REMOTE_GRAIN, .page_bytes = 4096, .dmabuf_fd = 5};
	struct device *d = make(&memory_ops, NULL);
	struct pl_error err = {"", ""};
	struct pl_dma dma;

	(void)state;
	assert_int_equal(-EOPNOTSUPP, pl_pci_dma_import(&d->pci, &remote, &dma, &err));
	assert_non_null(strstr(err.what, "0000:03:00.0: "));
	assert_non_null(strstr(err.what, "the module peerlane can"));
	assert_string_equal("peerlane bind 0000:03:00.0 kmod", err.remedy);
	free(d);
}

/* Bus mastering goes off before the device is let go, though that fails. */
static void test_close(void **state)
{
	struct device *d = make(&memory_ops, NULL);

	(void)state;
	d->rc = -EIO;
	pl_pci_close(&d->pci);
	assert_int_equal(1, d->closed);
	assert_int_equal(0, d->master);
	pl_pci_close(NULL);
	free(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_no_trace),
		cmocka_unit_test(test_trace_of_threads),
		cmocka_unit_test(test_dma_address),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_import_refused),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
