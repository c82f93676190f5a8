/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror and the devices underneath ports: which one is a port's. Without a kernel. */
#include "mirror_help.h"

#define DEVICE 20u

struct heard {
	struct mirror_device last;
	unsigned n;
};

static void on_device(void *ctx, unsigned port, const struct mirror_device *now)
{
	struct heard *heard = ctx;

	assert_int_equal(port, 0);
	heard->last = *now;
	heard->n++;
}

/* A replica of one port, whose device is there. */
static void begin(struct fixture *f, struct heard *heard)
{
	static const struct mirror_port port = {"pl0", FACE0, DEVICE, "eth0"};
	struct mirror_events events = {.device_changed = on_device, .ctx = heard};

	*heard = (struct heard){0};
	f->tables = tables_new(no_readers, REASON_NO_ROUTE);
	assert_non_null(f->tables);
	assert_int_equal(replica_init(&f->r, f->tables, &port, 1, &events), 0);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", UP, 1500, MAC0));
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE, "eth0", UP, 1500, MAC1));
	assert_true(heard->last.present && heard->last.carrier);
	assert_int_equal(heard->last.ifindex, DEVICE);
}

static void end(struct fixture *f)
{
	replica_fini(&f->r);
	tables_free(f->tables);
}

static void expect_device(const struct heard *heard, bool present, unsigned ifindex)
{
	assert_int_equal(heard->last.present, present);
	if (present)
		assert_int_equal(heard->last.ifindex, ifindex);
}

/* The next device of the name takes the place of one that is gone: made anew, or renamed; never one
 * of another name, nor as long as the first is there. */
static void test_device_has_successor(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;
	struct heard heard;

	(void)state;
	begin(f, &heard);
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 1, "eth1", UP, 1500, MAC1));
	apply(f, build_link(&f->b, RTM_DELLINK, DEVICE, "eth0", 0, 1500, MAC1));
	expect_device(&heard, false, 0);
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 2, "eth0", 0, 1400, MAC0));
	expect_device(&heard, true, DEVICE + 2);
	assert_false(heard.last.carrier);
	assert_int_equal(heard.last.mtu, 1400);
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 2, "eth0", UP, 1400, MAC0));
	assert_true(heard.last.carrier);
	/* By renaming. */
	apply(f, build_link(&f->b, RTM_DELLINK, DEVICE + 2, "eth0", 0, 1400, MAC0));
	expect_device(&heard, false, 0);
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 1, "eth0", UP, 1500, MAC1));
	expect_device(&heard, true, DEVICE + 1);
	/* A device that is renamed is still the port's. */
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 1, "other", UP, 1300, MAC1));
	expect_device(&heard, true, DEVICE + 1);
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 3, "eth0", UP, 1500, MAC1));
	expect_device(&heard, true, DEVICE + 1);
	/* Until it goes: then the one that has the name by then is. */
	apply(f, build_link(&f->b, RTM_DELLINK, DEVICE + 1, "other", 0, 1300, MAC1));
	expect_device(&heard, true, DEVICE + 3);
	end(f);
}

/* Notifications of all of it were lost: a dump shows another device in the place of the first. */
static void test_device_has_successor_in_a_dump(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;
	struct heard heard;

	(void)state;
	begin(f, &heard);
	replica_mark(&f->r);
	f->r.dumping = true;
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", UP, 1500, MAC0));
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE + 1, "eth0", UP, 1500, MAC1));
	expect_device(&heard, true, DEVICE);
	f->r.dumping = false;
	sweep(f, false);
	expect_device(&heard, true, DEVICE + 1);
	assert_int_equal(heard.n, 3); /* there, gone, there */
	end(f);
}

static void expect_port(const struct replica *r, uint32_t ifindex, const uint8_t mac[6])
{
	assert_int_equal(link_port(r, ifindex), 0);
	assert_true(r->ports[0].present && r->ports[0].admin_up);
	assert_memory_equal(r->ports[0].mac, mac, 6);
}

/* Another TAP becomes the port's, heard of only then, or before. */
static void test_port_has_another_face(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;
	struct heard heard;

	(void)state;
	begin(f, &heard);
	expect_port(&f->r, FACE0, MAC0);
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0, "pl0", 0, 1500, MAC0));
	assert_false(f->r.ports[0].present);
	link_set_face(&f->r, 0, FACE0 + 1);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0 + 1, "pl0", UP, 1500, MAC1));
	expect_port(&f->r, FACE0 + 1, MAC1);
	/* Somebody else makes one of that name, which is then taken over. */
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0 + 1, "pl0", 0, 1500, MAC1));
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0 + 2, "pl0", UP, 1400, MAC0));
	assert_int_equal(link_port(&f->r, FACE0 + 2), -1);
	f->r.doubt = false;
	link_set_face(&f->r, 0, FACE0 + 2);
	expect_port(&f->r, FACE0 + 2, MAC0);
	assert_int_equal(f->r.ports[0].mtu, 1400);
	assert_true(f->r.doubt); /* its addresses and neighbours are to be read */
	f->r.doubt = false;
	link_set_face(&f->r, 0, FACE0 + 2); /* once more */
	assert_false(f->r.doubt);
	/* The former one's end is heard of late. */
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0 + 3, "other", UP, 1500, MAC1));
	link_set_face(&f->r, 0, FACE0 + 3);
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0 + 2, "pl0", 0, 1400, MAC0));
	expect_port(&f->r, FACE0 + 3, MAC1);
	end(f);
}

/* The port has another TAP, of which a dump speaks: that the former is gone by the sweep takes nothing
 * from the port. */
static void test_face_has_successor_in_a_dump(void **state)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;
	struct heard heard;

	(void)state;
	begin(f, &heard);
	link_set_face(&f->r, 0, FACE0 + 1);
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0, "pl0", 0, 1400, MAC1)); /* late */
	assert_memory_equal(f->r.ports[0].mac, MAC0, 6);
	replica_mark(&f->r);
	f->r.dumping = true;
	apply(f, build_link(&f->b, RTM_NEWLINK, DEVICE, "eth0", UP, 1500, MAC1));
	apply(f, build_link(&f->b, RTM_NEWLINK, FACE0 + 1, "pl0", UP, 1500, MAC0));
	f->r.dumping = false;
	sweep(f, false);
	assert_true(f->r.ports[0].present && f->r.ports[0].admin_up && f->r.ports[0].running);
	apply(f, build_link(&f->b, RTM_DELLINK, FACE0 + 1, "pl0", 0, 1500, MAC0));
	assert_false(f->r.ports[0].present);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_has_successor),
		cmocka_unit_test(test_device_has_successor_in_a_dump),
		cmocka_unit_test(test_port_has_another_face),
		cmocka_unit_test(test_face_has_successor_in_a_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
