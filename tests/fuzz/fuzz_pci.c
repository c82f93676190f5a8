/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read of a PCI device: its configuration space, and sysfs's text for its resources.
 *
 * The first byte says what the rest is: even, a configuration space; odd, text. */
#include <stdlib.h>
#include <string.h>

#include "../../lib/pci/config.h"
#include "fuzz.h"

static void read_config(const uint8_t *config, size_t len)
{
	for (unsigned id = 0; id < 256; id++) {
		int at = pci_config_capability(config, len, (uint8_t)id);

		/* Behind the header, whole, aligned, and the one that was asked for. */
		if (at < -1 || (at > 0 && (at < 0x40 || (size_t)at + 4 > len || at % 4 != 0 ||
					   config[at] != id)))
			abort();
	}
	if (pci_config_vectors(config, len) < -1 || pci_config_vectors(config, len) > 2048)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	/* No longer than it is, so that the sanitizers see a read beyond. */
	copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	if (data[0] % 2)
		(void)pci_resource_bytes(copy);
	else
		read_config((const uint8_t *)copy, size - 1);
	free(copy);
	return 0;
}
