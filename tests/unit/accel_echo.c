/* SPDX-License-Identifier: BSD-2-Clause */
/* The program of accel_help.h, for devices. */
#include <peerlane/mailbox_device.h>

PL_ENTRY void program_run(PL_G struct mailbox *mailbox, uint64_t launch)
{
	PL_SHARED struct mailbox_group group;
	struct mailbox_at at;

	mailbox_enter(&at, &group, mailbox, PL_GROUP(), launch);
	while (mailbox_wait(&at, &group)) {
		PL_G struct mailbox_slot *burst = mailbox_burst(&group);
		PL_G uint8_t *base = mailbox_base(&group);
		uint32_t i;

		for (i = PL_ITEM(); i < mailbox_n(&group); i += PL_ITEMS()) {
			PL_G uint8_t *frame = base + burst->frame[i];

			uint16_t verdict = *(PL_G uint16_t *)frame;

			if (mailbox_copies(&group) && verdict >> 8 == 1 &&
			    !mailbox_take(&group, i, burst->len[i]))
				verdict = 2 << 8 | 77;
			burst->verdict[i] = verdict;
			frame[3] = (uint8_t)at.worker;
			mailbox_shorten(&group, i, (uint16_t)(burst->len[i] - 1));
		}
		if (mailbox_copies(&group))
			mailbox_copy(&group);
		mailbox_finish(&at, &group);
	}
}
