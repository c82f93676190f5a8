/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

/* PCI Local Bus Specification 3.0, 6.1 (header), 6.7 (capabilities), 6.8.2 (MSI-X). */
#define VENDOR 0x00
#define STATUS 0x06
#define STATUS_CAPABILITIES 0x10
#define CAPABILITIES 0x34
#define HEADER_BYTES 0x40
#define CAPABILITY_MSIX 0x11
#define MSIX_CONTROL 2
#define MSIX_TABLE_SIZE 0x07ff

/* Each takes 4 bytes at least, behind the header: a longer list runs in circles. */
#define CAPABILITIES_MAX ((256 - HEADER_BYTES) / 4)

/* linux/ioport.h, which is not for user space: what sysfs shows as a resource's flags. */
#define IORESOURCE_MEM 0x200

static uint16_t word(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

int pci_config_capability(const uint8_t *config, size_t len, uint8_t id)
{
	size_t at;

	/* All ones: nobody answers there. */
	if (len < HEADER_BYTES || word(config + VENDOR) == 0xffff)
		return -1;
	if (!(word(config + STATUS) & STATUS_CAPABILITIES))
		return 0;
	at = config[CAPABILITIES] & ~3u;
	for (unsigned i = 0; i < CAPABILITIES_MAX && at; i++) {
		if (at < HEADER_BYTES || at + 4 > len)
			return -1;
		if (config[at] == id)
			return (int)at;
		at = config[at + 1] & ~3u;
	}
	return at ? -1 : 0;
}

int pci_config_vectors(const uint8_t *config, size_t len)
{
	int at = pci_config_capability(config, len, CAPABILITY_MSIX);

	return at <= 0 ? at : (word(config + at + MSIX_CONTROL) & MSIX_TABLE_SIZE) + 1;
}

/* A line is of three numbers: first address, last address, flags. */
uint64_t pci_resource_bytes(const char *text)
{
	unsigned long long value[3];
	char *end;

	for (unsigned i = 0; i < 3; i++) {
		errno = 0;
		value[i] = strtoull(text, &end, 16);
		if (end == text || errno)
			return 0;
		text = end;
	}
	if (!(value[2] & IORESOURCE_MEM) || value[1] <= value[0])
		return 0;
	/* All of 64 bits would be 0, too: it is not a size that there is. */
	return value[1] - value[0] + 1;
}
