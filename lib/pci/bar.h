/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of devices as memory of this process, and what becomes of them when a device goes: threads
 * that are in the middle of using them must see a device that has been pulled out, which reads as all
 * ones, and not a signal. */
#ifndef PEERLANE_PCI_BAR_H
#define PEERLANE_PCI_BAR_H

#include <stddef.h>
#include <stdint.h>

/* At a time, in one process. */
#define PCI_BARS_MAX 64u

/* Maps `len_bytes` of `fd` from `offset` on. From now on a SIGBUS there does what pci_bar_pull_out()
 * does, and any other one what it did before. Returns 0 and the place, or -errno (-ENOSPC: too many). Control thread. */
int pci_bar_map(int fd, uint64_t offset, size_t len_bytes, volatile uint8_t **bar);

/* Puts ordinary memory, all ones, in the place of the registers: stores go nowhere, and the device is
 * not held by the mapping any more. Returns 0 or -errno. Any thread, or a signal handler. */
int pci_bar_pull_out(volatile uint8_t *bar);

/* Ends the mapping. Nobody uses it any more. Accepts NULL. Control thread. */
void pci_bar_unmap(volatile uint8_t *bar);

#endif
