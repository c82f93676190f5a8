/* SPDX-License-Identifier: BSD-2-Clause */
/* Throughput over buffers of the host, which the device sees: by packets in a burst, and bursts under way. One
 * thread submits and completes, and does nothing else. */
#include "bench.h"

const unsigned throughput_sizes[] = {16, 32, 64, 256, 1024, 0};
const unsigned throughput_depths[] = {1, 2, 4, 8, 0};

static void measure_launch(struct bench *b, struct device *d, enum pl_accel_launch launch)
{
	struct session s;

	session_open(&s, b, d, launch, 1, false, true);
	session_load(&s, 4);
	for (const unsigned *size = throughput_sizes; *size; size++)
		for (const unsigned *depth = throughput_depths; *depth; depth++) {
			struct key key = {.part = PART_THROUGHPUT,
					  .what = "throughput",
					  .unit = "Mpps",
					  .how = launch_name(launch),
					  .burst = *size,
					  .depth = *depth};

			device_note(d, key,
				    session_run(&s, *size, *depth, (unsigned)b->settings.ms));
		}
	session_close(&s);
}

void throughput_measure(struct bench *b, struct device *d)
{
	if (!d->info.no_persistent)
		measure_launch(b, d, PL_ACCEL_PERSISTENT);
	measure_launch(b, d, PL_ACCEL_BURST);
}
