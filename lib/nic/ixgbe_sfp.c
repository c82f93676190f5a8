/* SPDX-License-Identifier: BSD-2-Clause */
/* SFP+ modules: their EEPROM over I2C, whose two wires software moves (8.2.3.1.5). */
#include "ixgbe.h"

#include <stdio.h>
#include <string.h>

/* Half a period of the 100 kHz that every module understands. */
#define HALF_US 5u
#define TRIES 3u

/* SFF-8472: the module's description. */
#define MODULE_ADDRESS 0xa0u
#define BYTE_IDENTIFIER 0u
#define IDENTIFIER_SFP 0x03u
#define BYTE_10G 3u
#define BYTE_1G 6u
#define BYTE_CABLE 8u
#define CABLE_PASSIVE 0x04u
#define CABLE_ACTIVE 0x08u
#define DESCRIPTION_BYTES 9u

/* ---- the bus: both wires are pulled up, and 1 lets go ---- */

/* Software clarification 3 of the specification update: time runs from when the write has arrived, which
 * only a read tells. */
static void set_wires(struct pl_nic *nic, bool clock, bool data)
{
	nic_write(nic, IXGBE_I2CCTL,
		  (clock ? IXGBE_I2CCTL_CLK_OUT : 0) | (data ? IXGBE_I2CCTL_DATA_OUT : 0));
	(void)nic_read(nic, IXGBE_I2CCTL);
	nic_sleep_us(HALF_US);
}

static void i2c_start(struct pl_nic *nic)
{
	set_wires(nic, true, true);
	set_wires(nic, true, false);
	set_wires(nic, false, false);
}

static void i2c_stop(struct pl_nic *nic)
{
	set_wires(nic, false, false);
	set_wires(nic, true, false);
	set_wires(nic, true, true);
}

/* Moves one bit; returns what is on the wire. */
static bool i2c_bit(struct pl_nic *nic, bool bit)
{
	bool seen;

	set_wires(nic, false, bit);
	set_wires(nic, true, bit);
	seen = nic_read(nic, IXGBE_I2CCTL) & IXGBE_I2CCTL_DATA_IN;
	set_wires(nic, false, bit);
	return seen;
}

/* Returns whether the other end has acknowledged it. */
static bool i2c_send(struct pl_nic *nic, uint8_t byte)
{
	for (int i = 7; i >= 0; i--)
		(void)i2c_bit(nic, byte >> i & 1);
	return !i2c_bit(nic, true);
}

static uint8_t i2c_receive(struct pl_nic *nic, bool more)
{
	unsigned byte = 0;

	for (unsigned i = 0; i < 8; i++)
		byte = byte << 1 | i2c_bit(nic, true);
	(void)i2c_bit(nic, !more);
	return (uint8_t)byte;
}

/* Nine clocks free a module that was left in the midst of a byte. */
static void i2c_clear(struct pl_nic *nic)
{
	for (unsigned i = 0; i < 9; i++)
		(void)i2c_bit(nic, true);
	i2c_stop(nic);
}

static bool i2c_read(struct pl_nic *nic, uint8_t *bytes, unsigned n)
{
	bool ok;

	i2c_start(nic);
	ok = i2c_send(nic, MODULE_ADDRESS) && i2c_send(nic, 0);
	if (ok) {
		i2c_start(nic);
		ok = i2c_send(nic, MODULE_ADDRESS | 1);
	}
	for (unsigned i = 0; ok && i < n; i++)
		bytes[i] = i2c_receive(nic, i + 1 < n);
	i2c_stop(nic);
	return ok;
}

/* ---- what a module says ---- */

struct kind {
	uint8_t byte, bit;
	enum ixgbe_module module;
	const char *media;
};

/* The first that applies. */
static const struct kind kinds[] = {
	{BYTE_CABLE, CABLE_PASSIVE, IXGBE_MODULE_COPPER, "10GBASE direct attach, passive"},
	{BYTE_CABLE, CABLE_ACTIVE, IXGBE_MODULE_OPTICAL, "10GBASE direct attach, active"},
	{BYTE_10G, 0x10, IXGBE_MODULE_OPTICAL, "10GBASE-SR"},
	{BYTE_10G, 0x20, IXGBE_MODULE_OPTICAL, "10GBASE-LR"},
	{BYTE_10G, 0x40, IXGBE_MODULE_OPTICAL, "10GBASE-LRM"},
	{BYTE_10G, 0x80, IXGBE_MODULE_OPTICAL, "10GBASE-ER"},
	{BYTE_1G, 0x01, IXGBE_MODULE_UNKNOWN, "1000BASE-SX, which is not supported"},
	{BYTE_1G, 0x02, IXGBE_MODULE_UNKNOWN, "1000BASE-LX, which is not supported"},
	{BYTE_1G, 0x08, IXGBE_MODULE_UNKNOWN, "1000BASE-T, which is not supported"},
};

static bool read_description(struct pl_nic *nic, uint8_t bytes[DESCRIPTION_BYTES])
{
	uint32_t bus = IXGBE_SYNC_PHY(ixgbe_of(nic)->lan & 1);
	bool ok = false;

	if (ixgbe_take(nic, bus))
		return false;
	for (unsigned i = 0; i < TRIES && !ok; i++) {
		if (i)
			i2c_clear(nic);
		ok = i2c_read(nic, bytes, DESCRIPTION_BYTES);
	}
	ixgbe_release(nic, bus);
	return ok;
}

enum ixgbe_module ixgbe_sfp_identify(struct pl_nic *nic)
{
	struct ixgbe *ixgbe = ixgbe_of(nic);
	uint8_t bytes[DESCRIPTION_BYTES];

	ixgbe->no_module = !read_description(nic, bytes);
	if (ixgbe->no_module) {
		ixgbe->media = "no SFP+ module";
		return IXGBE_MODULE_NONE;
	}
	for (unsigned i = 0;
	     bytes[BYTE_IDENTIFIER] == IDENTIFIER_SFP && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (bytes[kinds[i].byte] & kinds[i].bit) {
			ixgbe->media = kinds[i].media;
			return kinds[i].module;
		}
	snprintf(ixgbe->media_text, sizeof(ixgbe->media_text),
		 "SFP+ module of unknown kind (%02x %02x %02x %02x)", bytes[BYTE_IDENTIFIER],
		 bytes[BYTE_10G], bytes[BYTE_1G], bytes[BYTE_CABLE]);
	ixgbe->media = ixgbe->media_text;
	return IXGBE_MODULE_UNKNOWN;
}
