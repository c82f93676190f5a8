/* SPDX-License-Identifier: BSD-2-Clause */
#include "emu_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define RINGS_BYTES (64u << 10) /* of all queues: a piece of DMA memory */
#define REGION_BYTES (4u << 20)

const uint8_t lab_mac[6] = {2, 0, 0, 0, 0x15, 0xe0};

uint32_t lab_read(struct lab *lab, uint32_t offset)
{
	return pl_pci_read(lab->pci, offset);
}

void lab_write(struct lab *lab, uint32_t offset, uint32_t value)
{
	pl_pci_write(lab->pci, offset, value);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits until bits of a register read as wanted. */
static void await(struct lab *lab, uint32_t offset, uint32_t bits, uint32_t value)
{
	uint64_t end_ms = now_ms() + LAB_PATIENCE_MS;

	for (;;) {
		emu_turn(lab->emu);
		if ((lab_read(lab, offset) & bits) == value)
			return;
		if (now_ms() > end_ms)
			fail_msg("register 0x%05x did not become 0x%08x under 0x%08x", offset,
				 value, bits);
	}
}

void lab_settle(struct lab *lab)
{
	while (emu_turn(lab->emu))
		;
}

/* ---- what the NIC says and sends ---- */

static void note_report(void *ctx, const char *nic, const char *what)
{
	struct lab *lab = ctx;
	size_t used = strlen(lab->reports);

	assert_string_equal(nic, "lab");
	snprintf(lab->reports + used, sizeof(lab->reports) - used, "%s\n", what);
}

void lab_expect_report(struct lab *lab, const char *words)
{
	if (!strstr(lab->reports, words))
		fail_msg("no report of \"%s\" in \"%s\"", words, lab->reports);
	lab->reports[0] = 0;
}

void lab_expect_no_report(struct lab *lab)
{
	assert_string_equal(lab->reports, "");
}

void lab_note_sent(void *ctx, const struct emu_frame *frames, unsigned n)
{
	struct lab *lab = ctx;

	for (unsigned i = 0; i < n && lab->n_sent < LAB_SENT_MAX; i++) {
		struct lab_sent *sent = &lab->sent[lab->n_sent++];

		sent->len = frames[i].len;
		memcpy(sent->data, frames[i].data, frames[i].len);
	}
}

/* ---- memory ---- */

static uint8_t *buffer(struct lab *lab, unsigned number)
{
	return lab->region.base + RINGS_BYTES + number * LAB_BUF;
}

uint8_t *lab_rx_buffer(struct lab *lab, unsigned q, unsigned i)
{
	return buffer(lab, q * LAB_RING + i);
}

uint8_t *lab_tx_buffer(struct lab *lab, unsigned q, unsigned i)
{
	return buffer(lab, (LAB_QUEUES + q) * LAB_RING + i);
}

uint64_t lab_address(struct lab *lab, const void *at)
{
	return pl_dma_address(&lab->dma, (uint64_t)((const uint8_t *)at - lab->region.base));
}

/* ---- rings ---- */

static void start_rx(struct lab *lab, unsigned q)
{
	uint64_t address = lab_address(lab, lab->rx[q]);

	lab_write(lab, RDBAL(q), (uint32_t)address);
	lab_write(lab, RDBAH(q), (uint32_t)(address >> 32));
	lab_write(lab, RDLEN(q), LAB_RING * 16);
	lab_write(lab, SRRCTL(q), SRRCTL_ADVANCED | LAB_BUF / 1024);
	lab_write(lab, RXDCTL(q), DCTL_ENABLE);
	await(lab, RXDCTL(q), DCTL_ENABLE, DCTL_ENABLE);
}

static void start_tx(struct lab *lab, unsigned q)
{
	uint64_t address = lab_address(lab, lab->tx[q]);

	lab_write(lab, TDBAL(q), (uint32_t)address);
	lab_write(lab, TDBAH(q), (uint32_t)(address >> 32));
	lab_write(lab, TDLEN(q), LAB_RING * 16);
	lab_write(lab, TXDCTL(q), DCTL_ENABLE);
	await(lab, TXDCTL(q), DCTL_ENABLE, DCTL_ENABLE);
}

void lab_give(struct lab *lab, unsigned q, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		union lab_desc *desc = &lab->rx[q][lab->rx_tail[q]];
		uint8_t *at = lab_rx_buffer(lab, q, lab->rx_tail[q]);

		memset(at, 0xa5, LAB_BUF);
		desc->read.buffer = lab_address(lab, at + LAB_OFFSET);
		desc->read.other = 0;
		lab->rx_tail[q] = (lab->rx_tail[q] + 1) % LAB_RING;
	}
	pl_pci_ring(lab->pci, RDT(q), lab->rx_tail[q]);
}

static bool is_done(struct lab *lab, unsigned q, unsigned i)
{
	return __atomic_load_n(&lab->rx[q][i].word[2], __ATOMIC_ACQUIRE) & RX_DD;
}

void lab_expect_rx(struct lab *lab, unsigned q, unsigned i, const struct emu_frame *frame,
		   uint32_t status)
{
	const union lab_desc *desc = &lab->rx[q][i];
	const uint8_t *at = lab_rx_buffer(lab, q, i);

	assert_true(is_done(lab, q, i));
	assert_int_equal(desc->word[2], RX_DD | RX_EOP | status);
	assert_int_equal(desc->word[3], frame->len);
	assert_memory_equal(at + LAB_OFFSET, frame->data, frame->len);
	/* And nothing around it. */
	for (unsigned k = 0; k < LAB_OFFSET; k++)
		assert_int_equal(at[k], 0xa5);
	for (unsigned k = LAB_OFFSET + frame->len; k < LAB_BUF; k++)
		assert_int_equal(at[k], 0xa5);
}

void lab_expect_not_rx(struct lab *lab, unsigned q, unsigned i)
{
	assert_false(is_done(lab, q, i));
}

void lab_tx_desc(struct lab *lab, unsigned q, unsigned i, uint32_t command, uint32_t len,
		 uint32_t paylen)
{
	union lab_desc *desc = &lab->tx[q][i];

	desc->read.buffer = lab_address(lab, lab_tx_buffer(lab, q, i) + LAB_OFFSET);
	desc->read.other = (uint64_t)paylen << 46 | command | len;
}

void lab_tx_ring(struct lab *lab, unsigned q, uint32_t tail)
{
	lab->tx_tail[q] = tail;
	pl_pci_ring(lab->pci, TDT(q), tail);
}

void lab_frame(uint8_t *data, uint32_t len, uint32_t seq)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(seq * 31 + i * 7);
	memcpy(data, lab_mac, 6);
	memcpy(data + 6, "\2\0\0\0\0\1\x88\xb5", 8); /* local experimental Ethernet type */
	memcpy(data + 14, &seq, sizeof(seq));
}

/* ---- life ---- */

static void lay_out(struct lab *lab)
{
	struct pl_error err;

	assert_int_equal(pl_region_alloc(&lab->region, REGION_BYTES, &err), 0);
	assert_int_equal(pl_pci_dma_map(lab->pci, lab->region.base, lab->region.len_bytes,
					lab->region.page_bytes, &lab->dma, &err),
			 0);
	for (unsigned q = 0; q < LAB_QUEUES; q++) {
		lab->rx[q] = (union lab_desc *)(lab->region.base + q * 2 * LAB_RING * 16);
		lab->tx[q] = lab->rx[q] + LAB_RING;
	}
}

static void start_queues(struct lab *lab, unsigned queues)
{
	lab_write(lab, FCTRL, FCTRL_BAM);
	lab_write(lab, HLREG0, lab_read(lab, HLREG0) | HLREG0_RXCRCSTRP);
	lab_write(lab, RDRXCTL, lab_read(lab, RDRXCTL) | RDRXCTL_CRCSTRIP);
	lab_write(lab, MAXFRS, 1518u << 16);
	for (unsigned q = 0; q < queues; q++)
		start_rx(lab, q);
	lab_write(lab, RXCTRL, 1);
	lab_write(lab, DMATXCTL, 1);
	for (unsigned q = 0; q < queues; q++)
		start_tx(lab, q);
	lab_settle(lab);
	lab->reports[0] = 0; /* what the set-up lacks is not the tests' concern */
}

void lab_open_wire(struct lab *lab, unsigned queues, struct emu_wire *wire)
{
	struct emu_nic_config config = {.name = "lab", .model = EMU_82599, .wire = wire};
	struct pl_error err = {0};

	memset(lab, 0, sizeof(*lab));
	lab->sent = malloc(LAB_SENT_MAX * sizeof(*lab->sent));
	assert_non_null(lab->sent);
	lab->emu = emu_new(note_report, lab);
	assert_non_null(lab->emu);
	lab->wire = wire;
	memcpy(config.mac, lab_mac, 6);
	if (emu_add(lab->emu, &config, &lab->pci, &err))
		fail_msg("%s (%s)", err.what, err.remedy);
	lay_out(lab);
	assert_int_equal(pl_pci_bus_master(lab->pci, true, &err), 0);
	await(lab, LINKS, LINKS_UP, LINKS_UP);
	start_queues(lab, queues);
}

void lab_open_to(struct lab *lab, unsigned queues,
		 void (*sent)(void *ctx, const struct emu_frame *frames, unsigned n), void *ctx)
{
	struct emu_wire *wire = emu_wire_memory(sent, ctx);

	assert_non_null(wire);
	lab_open_wire(lab, queues, wire);
}

void lab_open(struct lab *lab, unsigned queues)
{
	lab_open_to(lab, queues, lab_note_sent, lab);
}

void lab_close(struct lab *lab)
{
	struct pl_error err;

	emu_stop(lab->emu);
	pl_pci_bus_master(lab->pci, false, &err);
	pl_pci_dma_unmap(lab->pci, &lab->dma);
	pl_pci_close(lab->pci);
	emu_free(lab->emu);
	pl_region_free(&lab->region);
	free(lab->sent);
}
