/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program as an accelerator runs it: one item per packet. One source for OpenCL C, CUDA, and
 * the host's threads. */
#include "device.h"

#include "packet.h"
#include <peerlane/mailbox_device.h>

PL_FN struct tables_view view_of(PL_G const struct program_context *context)
{
	struct tables_view view;

	view.head = (PL_G const struct tables_head *)context->section[TABLES_HEAD];
	view.root4 = (PL_G const uint32_t *)context->section[TABLES_ROOT4];
	view.mid4 = (PL_G const uint16_t *)context->section[TABLES_MID4];
	view.last4 = (PL_G const uint16_t *)context->section[TABLES_LAST4];
	view.wide4 = (PL_G const uint32_t *)context->section[TABLES_WIDE4];
	view.root6_global = (PL_G const uint32_t *)context->section[TABLES_ROOT6_GLOBAL];
	view.root6_other = (PL_G const uint32_t *)context->section[TABLES_ROOT6_OTHER];
	view.blocks6 = (PL_G const uint32_t *)context->section[TABLES_BLOCKS6];
	view.nexthops = (PL_G const struct nexthop *)context->section[TABLES_NEXTHOPS];
	view.slots = (PL_G const uint32_t *)context->section[TABLES_SLOTS];
	view.neighbours = (PL_G const struct neighbour *)context->section[TABLES_NEIGHBOURS];
	view.ports = (PL_G const struct table_port *)context->section[TABLES_PORTS];
	view.used = (PL_G uint8_t *)context->used;
	return view;
}

/* The host reads what is punted: of packets that lie in the device's memory it gets copies. */
PL_FN void process(const struct tables_view *view, PL_L struct mailbox_group *group)
{
	PL_G struct mailbox_slot *burst = mailbox_burst(group);
	PL_G uint8_t *base = mailbox_base(group);
	uint32_t n = mailbox_n(group), port = mailbox_port(group);
	uint32_t copies = mailbox_copies(group), i;

	for (i = PL_ITEM(); i < n; i += PL_ITEMS()) {
		uint16_t before = burst->len[i], len = before;
		uint32_t verdict = program_packet(view, base + burst->frame[i], &len, port);

		if (copies && verdict >> 8 == VERDICT_PUNT(0) >> 8 &&
		    !mailbox_take(group, i, before))
			verdict = VERDICT_DROP(REASON_PUNT_BUFFER);
		burst->verdict[i] = (uint16_t)verdict;
		if (len != before)
			mailbox_shorten(group, i, len);
	}
	if (copies)
		mailbox_copy(group);
}

PL_FN void run(PL_G struct mailbox *mailbox, uint32_t worker, uint64_t launch,
	       PL_L struct mailbox_group *group)
{
	struct tables_view view = view_of((PL_G const struct program_context *)mailbox->context);
	struct mailbox_at at;

	mailbox_enter(&at, group, mailbox, worker, launch);
	while (mailbox_wait(&at, group)) {
		process(&view, group);
		mailbox_finish(&at, group);
	}
}

#ifdef PL_HOST
void program_run(struct mailbox *mailbox, uint32_t worker, uint64_t launch)
{
	struct mailbox_group group;

	run(mailbox, worker, launch, &group);
}
#else
PL_ENTRY void program_run(PL_G struct mailbox *mailbox, uint64_t launch)
{
	PL_SHARED struct mailbox_group group;

	run(mailbox, PL_GROUP(), launch, &group);
}
#endif
