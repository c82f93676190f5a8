/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the abuse test share (abuse.c says what it is). */
#ifndef ABUSE_H
#define ABUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../kmod/peerlane.h"

#define PAGE 4096ull
#define HUGE_PAGE (2ull << 20)

extern const char *address; /* "0000:00:02.0" */
extern const char *module;  /* path of peerlane.ko; NULL: it is not unloaded */
extern char node[80];	    /* "/dev/peerlane/0000:00:02.0" */
extern unsigned fuzz_seconds;
extern uint64_t fuzz_seed;

/* One line each: PASS, FAIL or SKIP, and what. */
bool check(bool good, const char *what, ...) __attribute__((format(printf, 2, 3)));
/* That `got`, 0 or -errno, is `want`. */
bool check_is(int got, int want, const char *what, ...) __attribute__((format(printf, 3, 4)));
void skip(const char *what, const char *why);

/* The device, open; the test ends where it cannot be had. -errno for try_open(). */
int must_open(void);
int try_open(int flags);
/* Until it can be opened, for as long as something else lets go of it. */
int open_wait(void);
/* ioctl(): 0 or -errno. */
int call(int fd, unsigned long cmd, void *arg);

int map(int fd, const void *memory, uint64_t length, uint32_t *id);
int map_full(int fd, uint64_t vaddr, uint64_t length, struct peerlane_segment *segments,
	     uint32_t room, struct peerlane_dma_map *out);
int unmap(int fd, uint32_t id);
int set_irq(int fd, uint32_t vector, int event);
int bus_master(int fd, uint32_t on);
int reset(int fd);
struct peerlane_info info(int fd);

/* Memory that is there, zeroed; the test ends where it cannot be had. */
void *memory(size_t length);
volatile uint32_t *bar_map(int fd);

/* Of the 82576: makes vectors 0 to n - 1 raise an interrupt each time they are fired. */
void irq_arm(volatile uint32_t *bar, unsigned n);
void irq_fire(volatile uint32_t *bar, unsigned vector);
/* What the eventfd counted, 0 where nothing came within the time. */
uint64_t event_wait(int event, int timeout_ms);

double now(void);
/* The number after `key` in a file of /proc or /sys; -1: not there. */
long proc_number(const char *path, const char *key);
int write_file(const char *path, const char *text);
/* /sys/bus/pci/devices/<address>/<name> */
const char *sysfs(const char *name);
uint16_t command_register(void);
/* Pages that are pinned by get_user_pages(), in the whole system; vectors of the device. */
long pinned_pages(void);
long irq_lines(void);
/* How many interrupts of a vector the kernel has taken. */
unsigned long irq_count(unsigned vector);
/* In a child: what it returns is 0 where all was well there. */
int in_child(int (*body)(void *), void *arg);
void drop_capability(int capability);
/* Whether reading this memory raises SIGBUS. */
bool raises_sigbus(volatile uint32_t *p);

void test_file(void);
void test_arguments(void);
void test_bar(void);
void test_sharing(void);
void test_memory(void);
void test_limits(void);
void test_dma(void);
void test_dmabuf(void);
void test_irq(void);
void test_threads(void);
void test_cycles(void);
void test_fuzz(void);
void test_errors(void);
void test_unbind(void);
void test_rmmod(void);

#endif
