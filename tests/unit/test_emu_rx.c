/* SPDX-License-Identifier: BSD-2-Clause */
/* What an emulated NIC receives, where it stores it, and what it does with what it cannot store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/engine.h"
#include "emu_lab.h"

#define N_FRAMES 300u

/* Frames for the lab's NIC, of lengths 60 to 1514. */
struct frames {
	struct emu_frame list[N_FRAMES];
	uint8_t data[N_FRAMES][1520];
};

static struct frames *frames_new(void)
{
	struct frames *frames = calloc(1, sizeof(*frames));

	assert_non_null(frames);
	for (unsigned i = 0; i < N_FRAMES; i++) {
		uint32_t len = 60 + i * 37 % (1514 - 60 + 1);

		lab_frame(frames->data[i], len, i);
		frames->list[i] = (struct emu_frame){frames->data[i], len};
	}
	return frames;
}

/* One frame arrives. */
static void arrive(struct lab *lab, const struct emu_frame *frame)
{
	emu_wire_memory_feed(lab->wire, frame, 1, false);
	lab_settle(lab);
}

/* A frame arrives; descriptor `i` of queue 0 is the next. */
static void expect_received(struct lab *lab, unsigned i, const struct emu_frame *frame)
{
	arrive(lab, frame);
	lab_expect_rx(lab, 0, i, frame, 0);
}

static void expect_refused(struct lab *lab, unsigned i, const struct emu_frame *frame)
{
	arrive(lab, frame);
	lab_expect_not_rx(lab, 0, i);
}

/* Queue 0, with this written meanwhile. */
static void enable_anew(struct lab *lab, uint32_t offset, uint32_t value)
{
	lab_write(lab, RXDCTL(0), 0);
	while (lab_read(lab, RXDCTL(0)) & DCTL_ENABLE)
		lab_settle(lab);
	lab_write(lab, offset, value);
	lab_write(lab, RXDCTL(0), DCTL_ENABLE);
	while (!(lab_read(lab, RXDCTL(0)) & DCTL_ENABLE))
		lab_settle(lab);
}

/* ---- rings ---- */

/* Every length arrives whole, at any alignment, with nothing written around it. */
static void test_lengths(void **state)
{
	uint8_t data[1514];
	struct emu_frame frame = {.data = data};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	for (unsigned i = 0; i < 1514 - 60 + 1; i++) {
		frame.len = 60 + i;
		lab_frame(data, frame.len, i);
		lab_give(&lab, 0, 1);
		expect_received(&lab, i % LAB_RING, &frame);
		assert_int_equal(lab_read(&lab, RDH(0)), (i + 1) % LAB_RING);
	}
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* A ring whose head is its tail has nothing for the NIC; a wire in memory waits for it. */
static void test_empty_ring(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_wire_memory_feed(lab.wire, frames->list, 3, false);
	lab_settle(&lab);
	for (unsigned i = 0; i < LAB_RING; i++)
		lab_expect_not_rx(&lab, 0, i);
	lab_give(&lab, 0, 2);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 0, &frames->list[0], 0);
	lab_expect_rx(&lab, 0, 1, &frames->list[1], 0);
	lab_expect_not_rx(&lab, 0, 2);
	assert_int_equal(lab_read(&lab, RDH(0)), 2);
	lab_give(&lab, 0, LAB_RING - 1);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 2, &frames->list[2], 0);
	lab_expect_no_report(&lab);
	lab_close(&lab);
	free(frames);
}

/* A list that takes the place of another one is all that is received from then on, though the NIC has had
 * frames of the former lent to it; and so is none. */
static void test_other_list(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	emu_wire_memory_feed(lab.wire, frames->list, 10, true);
	lab_give(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 0, &frames->list[0], 0);
	emu_wire_memory_feed(lab.wire, frames->list + 20, 2, false);
	lab_give(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 1, &frames->list[20], 0);
	emu_wire_memory_feed(lab.wire, NULL, 0, false);
	lab_give(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_not_rx(&lab, 0, 2);
	/* Without a link, too. */
	emu_wire_memory_link(lab.wire, false);
	emu_wire_memory_feed(lab.wire, frames->list, 10, true);
	lab_settle(&lab);
	emu_wire_memory_feed(lab.wire, NULL, 0, false);
	emu_wire_memory_link(lab.wire, true);
	while (!(lab_read(&lab, LINKS) & LINKS_UP))
		lab_settle(&lab);
	lab_settle(&lab);
	lab_expect_not_rx(&lab, 0, 2);
	lab_close(&lab);
	free(frames);
}

/* Round and round, a few descriptors at a time: all frames in order. */
static void test_wraps(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;
	unsigned next = 0;

	(void)state;
	lab_open(&lab, 1);
	emu_wire_memory_feed(lab.wire, frames->list, N_FRAMES, false);
	for (unsigned give = 1; next < N_FRAMES; give = give % (LAB_RING - 1) + 7) {
		if (give > LAB_RING - 1)
			give = LAB_RING - 1;
		lab_give(&lab, 0, give);
		lab_settle(&lab);
		for (unsigned i = 0; i < give && next < N_FRAMES; i++, next++)
			lab_expect_rx(&lab, 0, next % LAB_RING, &frames->list[next], 0);
	}
	lab_expect_no_report(&lab);
	lab_close(&lab);
	free(frames);
}

/* A frame longer than a buffer takes as many as it needs, and the last one says so. */
static void test_long_frame(void **state)
{
	static uint8_t data[5000];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_write(&lab, HLREG0, lab_read(&lab, HLREG0) | 1u << 2); /* JUMBOEN */
	lab_write(&lab, MAXFRS, 9022u << 16);
	lab_frame(data, sizeof(data), 1);
	/* Not one of the buffers is used while they are too few. */
	lab_give(&lab, 0, 2);
	arrive(&lab, &frame);
	lab_expect_not_rx(&lab, 0, 0);
	lab_give(&lab, 0, 2);
	lab_settle(&lab);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t len = i < 2 ? 2048 : 5000 - 2 * 2048;

		assert_int_equal(lab.rx[0][i].word[2], i < 2 ? RX_DD : RX_DD | RX_EOP);
		assert_int_equal(lab.rx[0][i].word[3], len);
		/* Buffers lie one behind the other, so the next one's fill is seen behind this. */
		assert_memory_equal(lab_rx_buffer(&lab, 0, i) + LAB_OFFSET, data + i * 2048, len);
	}
	lab_expect_not_rx(&lab, 0, 3);
	lab_close(&lab);
}

/* The FCS is left on if that is wanted: over frame and FCS its remainder is a constant. */
static void test_fcs_left_on(void **state)
{
	struct frames *frames = frames_new();
	const uint8_t *at;
	uint32_t crc = ~0u;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_write(&lab, HLREG0, lab_read(&lab, HLREG0) & ~HLREG0_RXCRCSTRP);
	lab_give(&lab, 0, 1);
	arrive(&lab, &frames->list[5]);
	assert_int_equal(lab.rx[0][0].word[3], frames->list[5].len + 4);
	at = lab_rx_buffer(&lab, 0, 0) + LAB_OFFSET;
	assert_memory_equal(at, frames->list[5].data, frames->list[5].len);
	for (uint32_t i = 0; i < frames->list[5].len + 4; i++)
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc ^ at[i] >> bit) & 1 ? 0xedb88320u : 0);
	assert_int_equal(crc, 0xdebb20e3);
	lab_close(&lab);
	free(frames);
}

/* ---- what a frame is ---- */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* UDP over IPv4 with a checksum computed word by word, as RFC 1071 has it. */
static void make_ip4(uint8_t *data, uint32_t len)
{
	uint32_t sum = 0;

	memset(data, 0, len);
	memcpy(data, lab_mac, 6);
	put16(data + 12, 0x0800);
	memcpy(data + 14, "\x45\0\0\x2e\0\1\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)data[14 + i] << 8 | data[15 + i];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(data + 24, ~sum & 0xffff);
}

/* Type of packet, and what the NIC thinks of an IPv4 header's checksum. */
static void test_what_it_is(void **state)
{
	uint8_t data[64];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 4);
	make_ip4(data, sizeof(data));
	arrive(&lab, &frame);
	lab_expect_rx(&lab, 0, 0, &frame, RX_IPCS);
	assert_int_equal(lab.rx[0][0].word[0], (1u << 0 | 1u << 5) << 4); /* IPv4, UDP; no hash */
	assert_int_equal(lab.rx[0][0].word[1], 0);
	data[25] ^= 1;
	arrive(&lab, &frame);
	lab_expect_rx(&lab, 0, 1, &frame, RX_IPCS | RX_IPE);
	memset(data + 12, 0, sizeof(data) - 12);
	put16(data + 12, 0x86dd);
	memcpy(data + 14, "\x60\0\0\0\0\x08\x11\x40", 8);
	arrive(&lab, &frame);
	lab_expect_rx(&lab, 0, 2, &frame, 0);
	assert_int_equal(lab.rx[0][2].word[0], (1u << 2 | 1u << 5) << 4);
	put16(data + 12, 0x0806);
	arrive(&lab, &frame);
	lab_expect_rx(&lab, 0, 3, &frame, 0);
	assert_int_equal(lab.rx[0][3].word[0], 0);
	lab_close(&lab);
}

/* ---- filters ---- */

static void test_addresses(void **state)
{
	uint8_t data[60];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 8);
	lab_frame(data, sizeof(data), 0);
	expect_received(&lab, 0, &frame);
	data[5] ^= 1;
	expect_refused(&lab, 1, &frame);
	memset(data, 0xff, 6);
	expect_received(&lab, 1, &frame);
	lab_write(&lab, FCTRL, 0);
	expect_refused(&lab, 2, &frame);
	lab_write(&lab, FCTRL, FCTRL_UPE); /* which is of unicast alone */
	expect_refused(&lab, 2, &frame);
	memcpy(data, "\2\1\2\3\4\5", 6);
	expect_received(&lab, 2, &frame);
	data[0] |= 1;
	expect_refused(&lab, 3, &frame);
	lab_write(&lab, FCTRL, FCTRL_MPE);
	expect_received(&lab, 3, &frame);
	lab_close(&lab);
}

/* Which 12 bits of 01:00:5e:01:20:ff, hexadecimal digits from the last one on, choose the bit of the
 * table: 82599 datasheet 7.1.1.2. */
static void test_multicast_hash(void **state)
{
	static const unsigned hashes[] = {0xff2, 0xfe4, 0xfc8, 0xf20};
	uint8_t data[60];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 8);
	lab_frame(data, sizeof(data), 0);
	memcpy(data, "\1\0\x5e\1\x20\xff", 6);
	for (unsigned mo = 0; mo < 4; mo++) {
		unsigned word = hashes[mo] / 32;

		lab_write(&lab, MCSTCTRL, 1u << 2 | mo);
		lab_write(&lab, MTA(word), ~(1u << hashes[mo] % 32));
		expect_refused(&lab, mo, &frame);
		lab_write(&lab, MTA(word), 1u << hashes[mo] % 32);
		expect_received(&lab, mo, &frame);
		lab_write(&lab, MTA(word), 0);
	}
	lab_write(&lab, MTA(hashes[3] / 32), 1u << hashes[3] % 32);
	lab_write(&lab, MCSTCTRL, 3); /* not without MFE */
	expect_refused(&lab, 4, &frame);
	lab_close(&lab);
}

/* ---- bad frames ---- */

static void test_sizes(void **state)
{
	static uint8_t data[1600];
	struct emu_frame frame = {data, 59};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 4);
	lab_frame(data, sizeof(data), 0);
	expect_refused(&lab, 0, &frame);
	assert_int_equal(lab_read(&lab, RUC), 1);
	frame.len = 1514;
	expect_received(&lab, 0, &frame);
	frame.len = 1515;
	expect_refused(&lab, 1, &frame);
	assert_int_equal(lab_read(&lab, ROC), 1);
	/* A VLAN tag does not count, and stays where it is. */
	frame.len = 1518;
	put16(data + 12, 0x8100);
	expect_received(&lab, 1, &frame);
	frame.len = 1519;
	expect_refused(&lab, 2, &frame);
	assert_int_equal(lab_read(&lab, ROC), 1); /* cleared by the last read */
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* Damaged frames are dropped, or stored with a mark. */
static void test_damaged(void **state)
{
	uint8_t data[60];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 3);
	lab_frame(data, sizeof(data), 0);
	emu_inject(lab.pci, EMU_FAULT_CRC, true);
	expect_refused(&lab, 0, &frame);
	assert_int_equal(lab_read(&lab, CRCERRS), 1);
	lab_write(&lab, FCTRL, FCTRL_BAM | FCTRL_SBP);
	arrive(&lab, &frame);
	lab_expect_rx(&lab, 0, 0, &frame, RX_RXE);
	emu_inject(lab.pci, EMU_FAULT_CRC, false);
	expect_received(&lab, 1, &frame);
	lab_close(&lab);
}

/* ---- no descriptor ---- */

/* A wire that cannot wait: without DROP_EN frames stay on the chip, in order, until it is full. */
static void test_waits_on_chip(void **state)
{
	struct frames *frames = frames_new();
	uint64_t bytes = 0;
	unsigned fit = 0, missed, next = 0;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab.wire->patient = false;
	/* 512 KB: all of them twice are less, and four times are more. */
	for (unsigned i = 0; i < N_FRAMES; i++)
		bytes += frames->list[i].len;
	assert_in_range(bytes, (512u << 10) / 4 + 1, (512u << 10) / 2);
	for (unsigned round = 0; round < 4; round++) {
		emu_wire_memory_feed(lab.wire, frames->list, N_FRAMES, false);
		lab_settle(&lab);
	}
	missed = lab_read(&lab, RXMPC0);
	assert_in_range(missed, 1, 2 * N_FRAMES);
	assert_int_equal(lab_read(&lab, QPRDC(0)), 0);
	/* What is there is whole and in order; what is missing was refused for want of room. */
	while (fit + missed < 4 * N_FRAMES) {
		lab_give(&lab, 0, 1);
		lab_settle(&lab);
		for (;; next++) {
			uint32_t seq;

			memcpy(&seq, lab_rx_buffer(&lab, 0, fit % LAB_RING) + LAB_OFFSET + 14, 4);
			assert_true(next < 4 * N_FRAMES);
			if (seq == next % N_FRAMES)
				break;
		}
		lab_expect_rx(&lab, 0, fit % LAB_RING, &frames->list[next++ % N_FRAMES], 0);
		fit++;
	}
	lab_give(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_not_rx(&lab, 0, fit % LAB_RING);
	lab_expect_no_report(&lab);
	lab_close(&lab);
	free(frames);
}

/* With DROP_EN they are dropped at once, which is counted for the queue. */
static void test_drop_enabled(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab.wire->patient = false;
	enable_anew(&lab, SRRCTL(0), SRRCTL_ADVANCED | SRRCTL_DROP_EN | LAB_BUF / 1024);
	lab_give(&lab, 0, 10);
	emu_wire_memory_feed(lab.wire, frames->list, N_FRAMES, false);
	lab_settle(&lab);
	for (unsigned i = 0; i < 10; i++)
		lab_expect_rx(&lab, 0, i, &frames->list[i], 0);
	assert_int_equal(lab_read(&lab, QPRDC(0)), N_FRAMES - 10);
	assert_int_equal(lab_read(&lab, RXMPC0), 0);
	lab_give(&lab, 0, 1);
	expect_received(&lab, 10, &frames->list[20]);
	lab_close(&lab);
	free(frames);
}

/* Before a ring is full the core is to be given to whoever fills it up: not for as long as there is room. */
static void test_scarce(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, LAB_RING - 1);
	for (unsigned left = LAB_RING - 1; left-- > 0;) {
		emu_wire_memory_feed(lab.wire, &frames->list[left], 1, false);
		assert_int_equal(emu_turn(lab.emu), 1);
		assert_int_equal(lab.emu->nics[0]->engine->starved, left < LAB_RING / 4);
	}
	lab_close(&lab);
	free(frames);
}

/* ---- several queues ---- */

static void set_up_rss(struct lab *lab)
{
	for (unsigned i = 0; i < 10; i++)
		lab_write(lab, RSSRK(i), 0x6d5a6d5a);
	for (unsigned i = 0; i < 32; i++)
		lab_write(lab, RETA(i), 0x03020100);
	lab_write(lab, MRQC, 1 | 3u << 16 | 3u << 20 | 3u << 22);
}

/* How many frames queue `q` has; checks that their flows are in order, and that they belong there. */
static unsigned check_queue(struct lab *lab, unsigned q, unsigned *flow_next)
{
	unsigned n = 0;

	for (; n < LAB_RING && lab->rx[q][n].word[2] & RX_DD; n++) {
		const uint8_t *at = lab_rx_buffer(lab, q, n) + LAB_OFFSET;

		assert_int_equal(at[50], flow_next[at[51]]++);
		assert_int_equal(lab->rx[q][n].word[0] & 15, 7); /* UDP over IPv4 */
		assert_int_equal(lab->rx[q][n].word[1] % 4, q);
	}
	return n;
}

/* Flows spread over the queues as the table says, each in order; a queue without descriptors does not keep
 * those of others from theirs. */
static void test_rss(void **state)
{
	enum { FLOWS = 32, EACH = 2 };
	static uint8_t data[FLOWS * EACH][64];
	struct emu_frame list[FLOWS * EACH];
	unsigned n[LAB_QUEUES], total = 0, flow_next[FLOWS];
	struct lab lab;

	(void)state;
	lab_open(&lab, LAB_QUEUES);
	set_up_rss(&lab);
	for (unsigned i = 0; i < FLOWS * EACH; i++) {
		make_ip4(data[i], 64);
		put16(data[i] + 34, 1000 + i % FLOWS * 77); /* source port */
		data[i][50] = (uint8_t)(i / FLOWS);
		data[i][51] = (uint8_t)(i % FLOWS);
		list[i] = (struct emu_frame){data[i], 64};
	}
	for (unsigned q = 0; q < LAB_QUEUES; q++)
		lab_give(&lab, q, q ? LAB_RING - 1 : 1);
	emu_wire_memory_feed(lab.wire, list, FLOWS * EACH, false);
	for (unsigned round = 0; round < 2; round++) {
		lab_settle(&lab);
		memset(flow_next, 0, sizeof(flow_next));
		total = 0;
		for (unsigned q = 0; q < LAB_QUEUES; q++)
			total += n[q] = check_queue(&lab, q, flow_next);
		if (!round) {
			assert_int_equal(n[0], 1);
			lab_give(&lab, 0, LAB_RING - 2);
		}
	}
	assert_int_equal(total, FLOWS * EACH);
	/* All of the first round's but queue 0's had been there then. */
	for (unsigned q = 0; q < LAB_QUEUES; q++)
		assert_in_range(n[q], FLOWS * EACH / 16, FLOWS * EACH / 2);
	lab_expect_no_report(&lab);
	lab_close(&lab);
}

/* On the chip frames form one row: what is for a queue with descriptors waits behind what is for one
 * without. */
static void test_blocked_by_another(void **state)
{
	uint8_t hashed[64], plain[60];
	struct emu_frame list[] = {{plain, sizeof(plain)}, {hashed, sizeof(hashed)}};
	struct lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab.wire->patient = false;
	set_up_rss(&lab);
	for (unsigned i = 0; i < 32; i++)
		lab_write(&lab, RETA(i), 0x01010101);
	make_ip4(hashed, sizeof(hashed));
	lab_frame(plain, sizeof(plain), 0);
	lab_give(&lab, 1, 2);
	arrive(&lab, &list[1]);
	lab_expect_rx(&lab, 1, 0, &list[1], RX_IPCS);
	arrive(&lab, &list[0]); /* to queue 0, which has none */
	arrive(&lab, &list[1]);
	lab_expect_not_rx(&lab, 1, 1);
	lab_give(&lab, 0, 1);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 0, &list[0], 0);
	lab_expect_rx(&lab, 1, 1, &list[1], RX_IPCS);
	lab_close(&lab);
}

/* What the table sends to a queue that is not enabled is dropped. */
static void test_queue_off(void **state)
{
	uint8_t data[64];
	struct emu_frame frame = {data, sizeof(data)};
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	set_up_rss(&lab);
	for (unsigned i = 0; i < 32; i++)
		lab_write(&lab, RETA(i), 0x02020202);
	lab_give(&lab, 0, 2);
	make_ip4(data, sizeof(data));
	expect_refused(&lab, 0, &frame);
	assert_int_equal(lab_read(&lab, QPRDC(0)), 1); /* of all queues, as RQSMR is after reset */
	lab_frame(data, sizeof(data), 0);	       /* not hashed: queue 0 */
	expect_received(&lab, 0, &frame);
	lab_close(&lab);
}

/* ---- illegal uses ---- */

/* After which the ring stands still: nothing more is written. */
static void expect_stuck(struct lab *lab, unsigned i, const char *words)
{
	struct frames *frames = frames_new();

	arrive(lab, &frames->list[0]);
	lab_expect_report(lab, words);
	arrive(lab, &frames->list[1]);
	lab_expect_not_rx(lab, 0, i);
	assert_int_equal(lab_read(lab, RDH(0)), i);
	free(frames);
}

static void test_not_written_anew(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 1);
	expect_received(&lab, 0, &frames->list[0]);
	/* The tail covers the whole ring, and the first descriptor again, as it was written back. */
	lab_give(&lab, 0, LAB_RING - 1);
	emu_wire_memory_feed(lab.wire, frames->list, LAB_RING - 1, false);
	lab_settle(&lab);
	lab_expect_no_report(&lab);
	pl_pci_ring(lab.pci, RDT(0), 1);
	arrive(&lab, &frames->list[0]);
	lab_expect_report(&lab, "RX ring 0: descriptor 0 has DD set");
	lab_close(&lab);
	free(frames);
}

static void test_tail_beyond(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	pl_pci_ring(lab.pci, RDT(0), LAB_RING);
	expect_stuck(&lab, 0, "RX ring 0: tail 64 is beyond");
	lab_close(&lab);
}

static void test_tail_back(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 10);
	expect_received(&lab, 0, &frames->list[0]);
	pl_pci_ring(lab.pci, RDT(0), 9);
	expect_stuck(&lab, 1, "RX ring 0: tail goes from 10 to 9");
	lab_close(&lab);
	free(frames);
}

static void test_not_mapped(void **state)
{
	struct frames *frames = frames_new();
	struct emu_stats stats;
	struct lab lab;

	(void)state;
	lab_open(&lab, 2);
	lab_give(&lab, 0, 2);
	lab.rx[0][1].read.buffer = (uint64_t)(uintptr_t)lab_rx_buffer(&lab, 0, 1);
	expect_received(&lab, 0, &frames->list[0]);
	expect_stuck(&lab, 1, "DMA fault");
	emu_stats(lab.pci, &stats);
	assert_int_equal(stats.dma_faults, 1);
	lab_close(&lab);
	free(frames);
}

/* Not without being bus master. */
static void test_not_bus_master(void **state)
{
	struct pl_error err;
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 2);
	assert_int_equal(pl_pci_bus_master(lab.pci, false, &err), 0);
	expect_stuck(&lab, 0, "DMA fault");
	lab_close(&lab);
}

static void test_written_while_owned(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	assert_int_equal(emu_watch_descriptors(lab.pci), 0);
	lab_give(&lab, 0, 5);
	expect_received(&lab, 0, &frames->list[0]);
	lab.rx[0][3].read.buffer += 64;
	lab_settle(&lab);
	expect_stuck(&lab, 1, "RX ring 0: descriptor 3 was written while it was the NIC's");
	lab_close(&lab);
	free(frames);
}

/* A ring that stands still goes on once it is enabled anew. */
static void test_enabled_anew(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	pl_pci_ring(lab.pci, RDT(0), LAB_RING);
	expect_stuck(&lab, 0, "is beyond");
	enable_anew(&lab, RDT(0), 0);
	lab_give(&lab, 0, 1);
	expect_received(&lab, 0, &frames->list[7]);
	lab_close(&lab);
	free(frames);
}

/* ---- off ---- */

/* While the link is down, or reception off, nothing is received; a wire in memory waits. */
static void test_off(void **state)
{
	struct frames *frames = frames_new();
	struct lab lab;

	(void)state;
	lab_open(&lab, 1);
	lab_give(&lab, 0, 5);
	lab_write(&lab, RXCTRL, 0);
	expect_refused(&lab, 0, &frames->list[0]);
	lab_write(&lab, RXCTRL, 1);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 0, &frames->list[0], 0);
	emu_wire_memory_link(lab.wire, false);
	expect_refused(&lab, 1, &frames->list[1]);
	assert_int_equal(lab_read(&lab, LINKS) & LINKS_UP, 0);
	emu_wire_memory_link(lab.wire, true);
	while (!(lab_read(&lab, LINKS) & LINKS_UP))
		lab_settle(&lab);
	lab_settle(&lab);
	lab_expect_rx(&lab, 0, 1, &frames->list[1], 0);
	lab_close(&lab);
	free(frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_empty_ring),
		cmocka_unit_test(test_other_list),
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_long_frame),
		cmocka_unit_test(test_fcs_left_on),
		cmocka_unit_test(test_what_it_is),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_multicast_hash),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_waits_on_chip),
		cmocka_unit_test(test_drop_enabled),
		cmocka_unit_test(test_scarce),
		cmocka_unit_test(test_rss),
		cmocka_unit_test(test_blocked_by_another),
		cmocka_unit_test(test_queue_off),
		cmocka_unit_test(test_not_written_anew),
		cmocka_unit_test(test_tail_beyond),
		cmocka_unit_test(test_tail_back),
		cmocka_unit_test(test_not_mapped),
		cmocka_unit_test(test_not_bus_master),
		cmocka_unit_test(test_written_while_owned),
		cmocka_unit_test(test_enabled_anew),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
