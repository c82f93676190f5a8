/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for registers, for so long and no longer; and saying what did not happen. */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <peerlane/error.h>

/* Device status, the same in all families: some of its bits always read as zero. */
#define NIC_STATUS 0x00008u
/* Likewise: software says there that a driver is at work. A reset clears it. */
#define NIC_CTRL_EXT 0x00018u
#define NIC_CTRL_EXT_DRV_LOAD (1u << 28)

/* Below this a sleep takes longer than what is waited for. */
#define SPIN_US 20u

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void nic_sleep_us(unsigned us)
{
	struct timespec left = {us / 1000000, (long)(us % 1000000) * 1000};
	uint64_t end;

	if (us > SPIN_US) {
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
			continue;
		return;
	}
	/* One more than asked for: the first microsecond may be nearly over. */
	end = now_us() + us + 1;
	while (now_us() < end)
		continue;
}

bool pl_nic_answers(struct pl_nic *nic)
{
	return nic_read(nic, NIC_STATUS) != UINT32_MAX;
}

bool nic_is_gone(struct pl_nic *nic)
{
	if (!pl_nic_answers(nic))
		nic->gone = true;
	return nic->gone;
}

bool nic_is_reset(struct pl_nic *nic)
{
	if (nic_is_gone(nic))
		return true;
	if (!(nic_read(nic, NIC_CTRL_EXT) & NIC_CTRL_EXT_DRV_LOAD))
		nic->gone = true;
	return nic->gone;
}

int nic_wait(struct pl_nic *nic, uint32_t offset, uint32_t bits, uint32_t value,
	     unsigned timeout_us)
{
	uint64_t end = now_us() + timeout_us;
	unsigned pause_us = 1;

	for (;;) {
		/* The time first: a register that is late to be looked at is not late itself. */
		bool over = now_us() >= end;
		uint32_t got = nic_read(nic, offset);

		if (got == UINT32_MAX && nic_is_gone(nic))
			return -ENODEV;
		if ((got & bits) == value)
			return 0;
		if (over)
			return -ETIMEDOUT;
		nic_sleep_us(pause_us);
		if (pause_us < 1000)
			pause_us *= 2;
	}
}

static const char *remedy(int code)
{
	switch (code) {
	case -ENODEV:
		return "see that it sits firmly in its slot, and is not asleep or being reset";
	case -ETIMEDOUT:
		return "try again; if that does not help, switch the machine off and on";
	case -EBUSY:
		return "its firmware, or another driver, keeps what both share; try again";
	case -EIO:
		return "program its EEPROM anew with the maker's tool, or replace it";
	default:
		return NULL;
	}
}

int nic_fail(struct pl_nic *nic, int code, struct pl_error *err, const char *what)
{
	const char *kind = strcmp(nic->pci->ops->backend, "emulated") ? "" : "emulated ";

	if (code == -ENODEV)
		return pl_error_set(err, code, remedy(code),
				    "%s: %s%s (%s) is gone, its registers read as all ones: it %s",
				    nic->name, kind, nic->caps.model, nic->pci->name, what);
	return pl_error_set(err, code, remedy(code), "%s: %s%s (%s) %s", nic->name, kind,
			    nic->caps.model, nic->pci->name, what);
}
