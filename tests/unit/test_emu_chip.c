/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory on the chip where frames wait for descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/engine.h"

/* Frames that wait on the chip stay whole, however their lengths fall to its end. */
static void test_chip_wraps(void **state)
{
	static uint8_t data[EMU_FRAME_MAX];
	struct emu_chip chip = {0};
	unsigned in = 0, out = 0;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct emu_frame frame;

		for (;; in++) {
			frame = (struct emu_frame){data, 60 + in * 7919 % (EMU_FRAME_MAX - 59)};
			memset(data, (int)in, frame.len);
			if (!emu_chip_put(&chip, &frame))
				break;
			assert_true(chip.used <= EMU_CHIP_BYTES);
		}
		assert_int_equal(chip.n, in - out);
		/* Few leave, or many. */
		for (unsigned leave = 1 + round % 30; leave && chip.n; leave--, out++) {
			emu_chip_peek(&chip, &frame);
			assert_int_equal(frame.len, 60 + out * 7919 % (EMU_FRAME_MAX - 59));
			assert_int_equal(frame.data[0], out & 0xff);
			assert_int_equal(frame.data[frame.len - 1], out & 0xff);
			emu_chip_drop(&chip);
		}
	}
	free(chip.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chip_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
