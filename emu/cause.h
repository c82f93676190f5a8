/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt causes: which are there, which are let through, when their MSI-X messages go out. What the
 * 82599 (7.3.1) and the 82576 (7.3) have in common; where their bits lie is the model's.
 *
 * A vector is pending while one of its causes is there and enabled. It sends one message when it becomes
 * pending, or is enabled anew, and no other until then; a message is put off until the vector's interval
 * since the last has passed. With it go what is to be cleared and masked automatically. So nothing is
 * lost: a cause that comes while it is masked, or while a message is put off, makes the vector pending
 * until it is cleared. */
#ifndef EMU_CAUSE_H
#define EMU_CAUSE_H

#include "private.h"

struct emu_causes {
	uint64_t queue;	     /* causes of queues, by vector */
	uint64_t queue_mask; /* 1: let through */
	uint64_t auto_clear, auto_mask;
	uint32_t other; /* all other causes, as the model numbers them */
	uint32_t other_mask, other_auto_mask;
	int other_vector;  /* that all of those share; -1: none */
	bool auto_mask_on; /* masks go with messages */
	bool single;	   /* one vector, 0, for everything */
	uint64_t told;	   /* pending, and the message has gone */
	uint64_t interval_ns[EMU_VECTORS_MAX];
	uint64_t quiet_until_ns[EMU_VECTORS_MAX];
};

void emu_causes_reset(struct emu_causes *causes);

/* Events. */
void emu_causes_set(struct emu_nic *nic, struct emu_causes *causes, uint64_t queue, uint32_t other);

/* The driver's: forgets causes; lets them through, at once where they are there; masks them. */
void emu_causes_clear(struct emu_causes *causes, uint64_t queue, uint32_t other);
void emu_causes_enable(struct emu_nic *nic, struct emu_causes *causes, uint64_t queue,
		       uint32_t other);
void emu_causes_disable(struct emu_causes *causes, uint64_t queue, uint32_t other);

/* Sends what is due; returns when the next will be, or UINT64_MAX. Also after anything that decides on
 * vectors has been changed. */
uint64_t emu_causes_tick(struct emu_nic *nic, struct emu_causes *causes, uint64_t now_ns);

#endif
