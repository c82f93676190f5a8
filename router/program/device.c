/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet program as a device runs it: one work item (thread) per packet. Compiled as OpenCL C
 * and as CUDA, by the tests that keep the program within what those take.
 *
 * Frames, lengths and verdicts are a burst's arrays (peerlane/burst.h) in memory that the device
 * can reach, and so are the tables. */
#include "packet.h"

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#define PL_KERNEL __kernel
#define WORK_ITEM() ((uint32_t)get_global_id(0))
#elif defined(__CUDA__)
#define PL_KERNEL extern "C" __attribute__((global))
#define WORK_ITEM()                                                       \
	(__nvvm_read_ptx_sreg_ctaid_x() * __nvvm_read_ptx_sreg_ntid_x() + \
	 __nvvm_read_ptx_sreg_tid_x())
#else
#error "for a device's compiler"
#endif

/* Pointers one by one: OpenCL takes none inside a structure. */
PL_KERNEL void program_burst(PL_G uint8_t *base, PL_G const uint32_t *frame, PL_G uint16_t *len,
			     PL_G uint16_t *verdict, uint32_t n, uint32_t port,
			     PL_G const uint32_t *root4, PL_G const uint16_t *mid4,
			     PL_G const uint16_t *last4, PL_G const uint32_t *wide4,
			     PL_G const uint32_t *root6_global, PL_G const uint32_t *root6_other,
			     PL_G const uint32_t *blocks6, PL_G const struct nexthop *nexthops,
			     PL_G const uint32_t *slots, PL_G const struct neighbour *neighbours,
			     PL_G const struct table_port *ports, PL_G uint8_t *used,
			     PL_G const struct tables_head *head)
{
	uint32_t i = WORK_ITEM();
	struct tables_view view;

	if (i >= n)
		return;
	view.head = head;
	view.root4 = root4;
	view.mid4 = mid4;
	view.last4 = last4;
	view.wide4 = wide4;
	view.root6_global = root6_global;
	view.root6_other = root6_other;
	view.blocks6 = blocks6;
	view.nexthops = nexthops;
	view.slots = slots;
	view.neighbours = neighbours;
	view.ports = ports;
	view.used = used;
	verdict[i] = (uint16_t)program_packet(&view, base + frame[i], len + i, port);
}
