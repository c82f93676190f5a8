/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "i2c.h"

/* SFF-8472: the address of a module's description, and what is where in it. */
#define MODULE 0x50u
#define IDENTIFIER 0
#define CONNECTOR 2
#define COMPLIANCE_10G 3
#define RATE 12
#define VENDOR 20
#define OUI 37
#define PART 40
#define CHECKSUM_BASE 63
#define CHECKSUM_MORE 95

static uint8_t sum(const uint8_t *from, unsigned n)
{
	uint8_t all = 0;

	while (n--)
		all = (uint8_t)(all + *from++);
	return all;
}

void emu_sfp_init(struct emu_i2c *i2c)
{
	uint8_t *m = i2c->memory;

	*i2c = (struct emu_i2c){.clock = true, .data = true};
	m[IDENTIFIER] = 0x03; /* SFP, SFP+ */
	m[IDENTIFIER + 1] = 0x04;
	m[CONNECTOR] = 0x07;	  /* LC */
	m[COMPLIANCE_10G] = 0x10; /* 10GBASE-SR */
	m[RATE] = 103;		  /* in 100 Mbaud */
	memcpy(m + VENDOR, "Peerlane        ", 16);
	memcpy(m + OUI, "\x00\x1b\x21", 3); /* Intel's: what drivers expect beside their own NICs */
	memcpy(m + PART, "Emulated SFP+   ", 16);
	m[CHECKSUM_BASE] = sum(m, CHECKSUM_BASE);
	m[CHECKSUM_MORE] = sum(m + CHECKSUM_BASE + 1, CHECKSUM_MORE - CHECKSUM_BASE - 1);
}

bool emu_i2c_data(const struct emu_i2c *i2c)
{
	return i2c->data && !i2c->pulls;
}

/* A byte is complete: whether it is for us, and acknowledged. */
static bool is_taken(struct emu_i2c *i2c)
{
	switch (i2c->phase) {
	case EMU_I2C_ADDRESS:
		return i2c->byte >> 1 == MODULE;
	case EMU_I2C_OFFSET:
		i2c->at = i2c->byte;
		return true;
	default: /* it is write-protected: data are taken, and lost */
		return true;
	}
}

static void next_byte(struct emu_i2c *i2c)
{
	bool read = i2c->phase == EMU_I2C_READ || (i2c->phase == EMU_I2C_ADDRESS && i2c->byte & 1);

	i2c->bits = 0;
	i2c->pulls = false;
	i2c->byte = 0;
	if (read) {
		i2c->phase = EMU_I2C_READ;
		i2c->byte = i2c->memory[i2c->at++ % EMU_SFP_BYTES];
		i2c->pulls = !(i2c->byte & 0x80);
	} else {
		i2c->phase = i2c->phase == EMU_I2C_ADDRESS ? EMU_I2C_OFFSET : EMU_I2C_WRITE;
	}
}

/* Bits are read while the clock is up. */
static void rise(struct emu_i2c *i2c)
{
	if (i2c->bits < 8) {
		if (i2c->phase != EMU_I2C_READ)
			i2c->byte = (uint8_t)(i2c->byte << 1 | i2c->data);
	} else if (i2c->phase == EMU_I2C_READ && i2c->data) {
		i2c->phase = EMU_I2C_IDLE; /* not acknowledged: the last one */
	}
	i2c->bits++;
}

/* And changed while it is down. */
static void fall(struct emu_i2c *i2c)
{
	if (i2c->bits == 9) {
		next_byte(i2c);
	} else if (i2c->phase == EMU_I2C_READ) {
		i2c->pulls = i2c->bits && i2c->bits < 8 && !(i2c->byte << i2c->bits & 0x80);
	} else if (i2c->bits == 8) {
		i2c->pulls = is_taken(i2c);
		if (!i2c->pulls)
			i2c->phase = EMU_I2C_IDLE;
	}
}

void emu_i2c_drive(struct emu_i2c *i2c, bool clock, bool data)
{
	bool was_clock = i2c->clock, was_data = i2c->data;

	i2c->clock = clock;
	i2c->data = data;
	if (clock && was_clock && data != was_data) {
		/* Data that change while the clock is up: down is the start, up the end. */
		i2c->phase = data ? EMU_I2C_IDLE : EMU_I2C_ADDRESS;
		i2c->pulls = false;
		i2c->bits = 0;
		i2c->byte = 0;
	} else if (i2c->phase == EMU_I2C_IDLE) {
		i2c->pulls = false;
	} else if (clock && !was_clock) {
		rise(i2c);
	} else if (!clock && was_clock) {
		fall(i2c);
	}
}
