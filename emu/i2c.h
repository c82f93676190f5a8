/* SPDX-License-Identifier: BSD-2-Clause */
/* A memory on an I2C bus whose two wires a driver moves: the EEPROM of an SFP+ module (SFF-8472). Both
 * wires are pulled up, and whoever wants a 0 pulls down. */
#ifndef EMU_I2C_H
#define EMU_I2C_H

#include "private.h"

#define EMU_SFP_BYTES 128u

struct emu_i2c {
	uint8_t memory[EMU_SFP_BYTES]; /* repeats */
	bool clock, data;	       /* as the driver has them */
	bool pulls;		       /* the module, at the data wire */
	enum { EMU_I2C_IDLE, EMU_I2C_ADDRESS, EMU_I2C_OFFSET, EMU_I2C_WRITE, EMU_I2C_READ } phase;
	unsigned bits; /* of this byte so far; the 9th is the acknowledgement */
	uint8_t byte;
	uint8_t at; /* in the memory */
};

/* A 10GBASE-SR module with nothing going on. */
void emu_sfp_init(struct emu_i2c *i2c);

/* The driver lets go of the wires, or pulls. */
void emu_i2c_drive(struct emu_i2c *i2c, bool clock, bool data);

/* What is on the data wire. */
bool emu_i2c_data(const struct emu_i2c *i2c);

#endif
