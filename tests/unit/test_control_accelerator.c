/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's accelerator: which one is chosen and what is said where none can be, and, with threads of the
 * host in its place, what it shows and logs of its life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <emu/emu.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../router/control/accelerator.h"
#include "../../router/control/buffers.h"
#include "../../router/control/devices.h"
#include "../../router/control/request.h"
#include "control_world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- what is found, and what fails ---- */

static const struct pl_accel_info *found; /* NULL: what is really there */
static unsigned n_found;
static atomic_bool fails;

unsigned __real_pl_accel_scan(struct pl_accel_info *infos, unsigned max);
unsigned __wrap_pl_accel_scan(struct pl_accel_info *infos, unsigned max);
unsigned __wrap_pl_accel_scan(struct pl_accel_info *infos, unsigned max)
{
	if (!found)
		return __real_pl_accel_scan(infos, max);
	assert_true(n_found <= max);
	memcpy(infos, found, n_found * sizeof(*infos));
	return n_found;
}

int __real_pl_accel_ended(struct pl_accel *accel, struct pl_error *err);
int __wrap_pl_accel_ended(struct pl_accel *accel, struct pl_error *err);
int __wrap_pl_accel_ended(struct pl_accel *accel, struct pl_error *err)
{
	if (atomic_load(&fails))
		return pl_error_set(err, -EIO, "look at its cable", "the card has fallen out");
	return __real_pl_accel_ended(accel, err);
}

#define NO_CUDA                                                                \
	{                                                                      \
		.kind = PL_ACCEL_CUDA, .index = UINT_MAX, .unusable = -ENODEV, \
		.why = {"CUDA: no driver", "install it"},                      \
	}
#define OLD_GPU                                                             \
	{                                                                   \
		.kind = PL_ACCEL_CUDA, .name = "old", .unusable = -ENOTSUP, \
		.why = {"CUDA: old: too old", "buy another"},               \
	}
#define NEW_GPU                                                                           \
	{                                                                                 \
		.kind = PL_ACCEL_CUDA, .index = 1, .name = "new", .memory_bytes = 1 << 30 \
	}
#define NO_PACKETS_GPU                                                                     \
	{                                                                                  \
		.kind = PL_ACCEL_CUDA, .index = 1, .name = "poor", .no_packets = -ENOTSUP, \
		.why_no_packets = {"poor: exports no memory", "use the open modules"},     \
	}
#define NO_OPENCL                                                                \
	{                                                                        \
		.kind = PL_ACCEL_OPENCL, .index = UINT_MAX, .unusable = -ENODEV, \
		.why = {"OpenCL: no loader", "apt install it"},                  \
	}
#define OPENCL                                        \
	{                                             \
		.kind = PL_ACCEL_OPENCL, .name = "cl" \
	}
#define OPENCL_BY_BURST                                                           \
	{                                                                         \
		.kind = PL_ACCEL_OPENCL, .name = "cl", .no_persistent = -ENOTSUP, \
		.why = {"cl: does not see", "use Launch=burst"},                  \
	}
#define HOST                                                          \
	{                                                             \
		.kind = PL_ACCEL_HOST, .name = "host", .is_cpu = true \
	}

/* ---- which one ---- */

static char folder[64];

/* Nobody makes it before: --check does not, either. */
static void set_folder(struct config *config)
{
	snprintf(folder, sizeof(folder), "/tmp/test_accelerator_%d", getpid());
	snprintf(config->control_socket, sizeof(config->control_socket), "%s/sock", folder);
}

/* Chooses on a machine with these. */
static int choose_for(const char *mode, struct router *router, const char *text,
		      const struct pl_accel_info *infos, unsigned n, struct pl_error *err)
{
	static struct config config;
	char whole[300];

	config_init(&config);
	snprintf(whole, sizeof(whole), "[Router]\nMode=%s\n%s", mode, text);
	assert_int_equal(0, config_read_text(&config, "f", whole, strlen(whole), err));
	config.seccomp = CONFIG_SECCOMP_NO;
	set_folder(&config);
	*router = (struct router){.config = &config};
	found = infos;
	n_found = n;
	return accelerator_probe(router, err);
}

static int choose(struct router *router, const char *text, const struct pl_accel_info *infos,
		  unsigned n, struct pl_error *err)
{
	return choose_for("nic-cpu-gpu", router, text, infos, n, err);
}

static void test_chooses(void **state)
{
	static const struct pl_accel_info all[] = {OLD_GPU, NEW_GPU, OPENCL, HOST};
	static const struct pl_accel_info plain[] = {NO_CUDA, OPENCL_BY_BURST, HOST};
	static const struct {
		const char *text;
		const struct pl_accel_info *infos;
		unsigned n;
		const char *name;
		enum pl_accel_launch launch;
	} cases[] = {
		{"", all, COUNT(all), "new", PL_ACCEL_PERSISTENT},
		{"Launch=burst\n", all, COUNT(all), "new", PL_ACCEL_BURST},
		{"Accelerator=opencl\n", all, COUNT(all), "cl", PL_ACCEL_PERSISTENT},
		{"Accelerator=cuda:1\n", all, COUNT(all), "new", PL_ACCEL_PERSISTENT},
		{"Accelerator=host\n", all, COUNT(all), "host", PL_ACCEL_PERSISTENT},
		/* What cannot be persistent is launched for each burst, unless that was asked for. */
		{"", plain, COUNT(plain), "cl", PL_ACCEL_BURST},
	};
	struct router router;
	struct pl_error err;

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		if (choose(&router, cases[i].text, cases[i].infos, cases[i].n, &err))
			fail_msg("%s: %s", cases[i].text, err.what);
		assert_string_equal(cases[i].name, router.accelerator.name);
		assert_int_equal(cases[i].launch, router.launch);
	}
}

static void test_none(void **state)
{
	static const struct pl_accel_info none[] = {NO_CUDA, NO_OPENCL, HOST};
	static const struct pl_accel_info poor[] = {OLD_GPU, OPENCL_BY_BURST, HOST};
	static const struct {
		const char *text;
		const struct pl_accel_info *infos;
		int rc;
		const char *what, *remedy;
	} cases[] = {
		{"", none, -ENODEV,
		 "f:2: [Router] Mode=nic-cpu-gpu: no accelerator: CUDA: no driver; OpenCL: no "
		 "loader",
		 "cuda: install it; opencl: apt install it, or Mode=nic-cpu"},
		{"Accelerator=cuda\n", none, -ENODEV,
		 "f:3: [Router] Accelerator=cuda: CUDA: no driver", "install it, or Mode=nic-cpu"},
		{"Accelerator=cuda\n", poor, -ENOTSUP,
		 "f:3: [Router] Accelerator=cuda: CUDA: old: too old",
		 "buy another, or Mode=nic-cpu"},
		{"Accelerator=opencl:3\n", poor, -ENODEV,
		 "f:3: [Router] Accelerator=opencl:3: no opencl:3 (there is 1)",
		 "see: peerlane devices, or Mode=nic-cpu"},
		{"Launch=persistent\n", poor, -ENODEV,
		 "f:2: [Router] Mode=nic-cpu-gpu: no accelerator: cuda:0: CUDA: old: too old; "
		 "opencl:0: cl: does not see",
		 "cuda:0: buy another; opencl:0: use Launch=burst, or Mode=nic-cpu"},
	};
	struct router router;
	struct pl_error err;

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		assert_int_equal(cases[i].rc,
				 choose(&router, cases[i].text, cases[i].infos, 3, &err));
		assert_string_equal(cases[i].what, err.what);
		assert_string_equal(cases[i].remedy, err.remedy);
	}
}

/* With packets in its memory one is chosen that can have them there, and its absence has its own reason. */
static void test_packets(void **state)
{
	static const struct pl_accel_info some[] = {OLD_GPU, NO_PACKETS_GPU, OPENCL};
	static const struct pl_accel_info none[] = {OLD_GPU, NO_PACKETS_GPU, HOST};
	struct router router;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, choose_for("nic-gpu", &router, "", some, 3, &err));
	assert_string_equal("cl", router.accelerator.name);
	assert_int_equal(0, choose_for("nic-cpu-gpu", &router, "", some, 3, &err));
	assert_string_equal("poor", router.accelerator.name);
	assert_int_equal(-ENOTSUP,
			 choose_for("nic-gpu", &router, "Accelerator=cuda:1\n", some, 3, &err));
	assert_string_equal("f:3: [Router] Accelerator=cuda:1: poor: exports no memory", err.what);
	assert_string_equal("use the open modules, or Mode=nic-cpu", err.remedy);
	assert_int_equal(-ENODEV, choose_for("nic-gpu", &router, "", none, 3, &err));
	assert_string_equal(
		"f:2: [Router] Mode=nic-gpu: no accelerator: cuda:0: CUDA: old: too old; cuda:1: "
		"poor: exports no memory",
		err.what);
}

/* A piece of its memory is made, and each port's NIC told where it is: so an accelerator that gives its memory
 * to nobody, or a NIC that does not reach it, is known before anything starts. */
static void test_reach(void **state)
{
	static const struct pl_accel_info all[] = {HOST};
	static const struct config_port port = {.name = "pl0",
						.device = "emu:eth1",
						.interface = "eth1",
						.kind = CONFIG_EMU,
						.device_at = "f:9: [Port pl0] Device=emu:eth1"};
	const struct pl_remote nowhere = {.len_bytes = PL_REMOTE_GRAIN,
					  .page_bytes = 4096,
					  .dmabuf_fd = -1,
					  .no_dmabuf = "no"};
	struct router router;
	struct pl_error err;

	(void)state;
	assert_int_equal(0, choose_for("nic-gpu", &router, "Accelerator=host\n", all, 1, &err));
	router.n_ports = 1;
	router.buf_bytes = 2048;
	((struct config *)router.config)->ports[0] = port;
	if (buffers_probe(&router, &err))
		fail_msg("%s", err.what);
	assert_null(router.packets);
	assert_int_equal(-EOPNOTSUPP, devices_try_memory(&port, &nowhere, &err));
	assert_string_equal(
		"f:9: [Port pl0] Device=emu:eth1: Mode=nic-gpu: emu:eth1: an emulated NIC "
		"does not reach this accelerator's memory",
		err.what);
	assert_string_equal("use a NIC on the bus, or another accelerator, or Mode=nic-cpu-gpu",
			    err.remedy);
}

/* A plane has less than 4 GiB of buffers, in all modes: what is more is known before anything starts, by --check, too. */
static void test_too_many_buffers(void **state)
{
	static const struct pl_accel_info all[] = {HOST};
	static const char *const modes[] = {"nic-cpu", "nic-gpu"};
	struct router router;
	struct pl_error err;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct config *config;

		assert_int_equal(0, choose_for(modes[i], &router,
					       "RingSize=4096\nAccelerator=host\n", all, 1, &err));
		config = (struct config *)router.config;
		router.buf_bytes = 16384;
		config->n_ports = PL_PORTS_MAX;
		assert_int_equal(-EINVAL, buffers_probe(&router, &err));
		assert_non_null(
			strstr(err.what, "for 32 ports with rings of 4096 descriptors each plane"));
		assert_non_null(strstr(err.what, "less than 4 GiB"));
		assert_non_null(strstr(err.remedy, "RingSize="));
		router.buf_bytes = 2048;
		assert_int_equal(0, buffers_probe(&router, &err));
	}
}

/* Of two ways to name the folder for what drivers compile, the error says the one that was taken. */
static void test_cache(void **state)
{
	static const struct pl_accel_info all[] = {HOST};
	struct router router;
	struct pl_error err;

	(void)state;
	setenv("CACHE_DIRECTORY", "/proc/nowhere", 1);
	assert_int_equal(-ENOENT, choose(&router, "Accelerator=host\n", all, 1, &err));
	unsetenv("CACHE_DIRECTORY");
	assert_non_null(strstr(err.what, "/proc/nowhere: cannot keep there what drivers compile"));
	assert_non_null(strstr(err.remedy, "CACHE_DIRECTORY"));
	assert_int_equal(0, choose(&router, "Accelerator=host\n", all, 1, &err));
}

/* ---- its life ---- */

static struct control_world *world;

static json_t *shown(void)
{
	static const char line[] = "{\"command\":\"show accelerator\"}";
	char *answer = request_answer(&world->router, line, sizeof(line) - 1);
	json_t *whole = json_loads(answer, 0, NULL);
	json_t *data = json_incref(json_object_get(whole, "data"));

	assert_non_null(data);
	json_decref(whole);
	free(answer);
	return data;
}

static json_int_t number(const char *key)
{
	json_t *data = shown();
	json_int_t n =
		json_integer_value(json_object_get(json_object_get(data, "accelerator"), key));

	json_decref(data);
	return n;
}

static bool is_state(const char *wanted)
{
	json_t *data = shown();
	json_t *state = json_object_get(json_object_get(data, "accelerator"), "state");
	bool is = !strcmp(wanted, json_string_value(state));

	json_decref(data);
	return is;
}

static bool has_said(const char *what)
{
	fflush(world->log.out);
	return strstr(world->said, what);
}

/* What the daemon's loop and a plane do. */
static void run_once(void)
{
	accelerator_follow(&world->router, router_now_ms());
	pl_plane_enter();
	pl_plane_turn(&world->router.planes[0]);
	pl_plane_leave();
	usleep(1000);
}

static void run_until_packets(const char *whose, json_int_t n)
{
	for (unsigned i = 0; i < 10000 && number(whose) < n; i++)
		run_once();
	assert_int_equal(n, number(whose));
}

/* Until it is in the state, and has said so. */
static void run_until(const char *state, const char *said)
{
	for (unsigned i = 0; i < 10000 && !(is_state(state) && has_said(said)); i++)
		run_once();
	if (!is_state(state) || !has_said(said))
		fail_msg("not %s, or \"%s\" not said:\n%s", state, said, world->said);
}

static void use_host(void)
{
	struct router *r = &world->router;
	struct pl_error err = {"", ""};

	found = NULL;
	world->config.mode = CONFIG_NIC_CPU_GPU;
	world->config.accelerator = (struct config_accelerator){.kind = PL_ACCEL_HOST};
	world->config.seccomp = CONFIG_SECCOMP_NO;
	world->config.busy_poll = true; /* while it rests nothing can fail */
	set_folder(&world->config);
	if (accelerator_probe(r, &err))
		fail_msg("%s", err.what);
	cpu_processor_fini(&r->planes[0].processor);
	if (accelerator_open(r, &err) || accelerator_start(r, &err))
		fail_msg("%s", err.what);
}

static void test_life(void **state)
{
	static const uint8_t frame[60] = {
		/* to pl0's MAC, IPv4, to 203.0.113.1, which is routed */
		0x02, 0, 0, 0, 0, 0,  0x02, 0,	  0,	0,  9, 9, 0x08, 0x00, 0x45, 0,	 0,
		46,   0, 0, 0, 0, 64, 17,   0xbe, 0x78, 10, 0, 1, 9,	203,  0,    113, 1,
	};
	struct router *r = &world->router;
	json_t *data, *one;

	(void)state;
	use_host();
	assert_true(has_said("accelerator: host:0 "));
	assert_true(has_said("launch persistent, 1 worker, tables of "));
	assert_true(has_said("host:0 is made of this machine's own cores"));
	assert_true(accelerator_fd(r) >= 0);
	run_until("ready", "");
	control_world_receive(world, 0, frame, sizeof(frame), 5);
	run_until_packets("packets", 5);
	assert_int_equal(0, number("faults"));

	/* It fails: the CPU's part goes on, and both log and show say why and what next. */
	atomic_store(&fails, true);
	run_until("failed", "accelerator: the card has fallen out: the CPU forwards");
	assert_true(has_said("look at its cable"));
	control_world_receive(world, 0, frame, sizeof(frame), 3);
	run_until_packets("cpu_packets", 3);
	data = shown();
	one = json_object_get(data, "accelerator");
	assert_string_equal("nic-cpu-gpu", json_string_value(json_object_get(data, "mode")));
	assert_string_equal(
		"the card has fallen out",
		json_string_value(json_object_get(json_object_get(one, "fault"), "message")));
	assert_true(json_is_integer(json_object_get(one, "retry_in_ms")));
	json_decref(data);

	/* And is there again. */
	atomic_store(&fails, false);
	run_until("ready", "host:0 ");
	run_until("ready", " forwards again after ");
	assert_int_equal(1, number("faults"));
	assert_int_equal(2, number("opens"));
	accelerator_stop(r);
	assert_true(accelerator_free(r));
	r->planes[0].processor = (struct pl_processor){0};
}

/* ---- the description ---- */

static void test_is_described(void **state)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/protocol.md", "re");
	static char description[131072];
	const char *key, *section;
	json_t *data, *value;

	(void)state;
	assert_non_null(file);
	assert_true(fread(description, 1, sizeof(description) - 1, file) > 0);
	fclose(file);
	section = strstr(description, "\n## show accelerator\n");
	assert_non_null(section);
	use_host();
	data = shown();
	json_object_foreach(json_object_get(data, "accelerator"), key, value) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", key);
		if (!strstr(section, quoted))
			fail_msg("docs/protocol.md lacks %s", quoted);
	}
	json_decref(data);
	accelerator_stop(&world->router);
	assert_true(accelerator_free(&world->router));
	world->router.planes[0].processor = (struct pl_processor){0};
}

static int make_world(void **state)
{
	(void)state;
	world = control_world_new();
	if (!world)
		exit(77); /* meson: skipped */
	return 0;
}

static int free_world(void **state)
{
	char command[80];

	(void)state;
	control_world_free(world);
	/* Drivers may have kept something there. */
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	static const struct CMUnitTest alone[] = {
		cmocka_unit_test(test_chooses), cmocka_unit_test(test_none),
		cmocka_unit_test(test_packets), cmocka_unit_test(test_reach),
		cmocka_unit_test(test_cache),	cmocka_unit_test(test_too_many_buffers),
	};
	static const struct CMUnitTest running[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_is_described),
	};
	int failed = cmocka_run_group_tests(alone, NULL, NULL);

	return failed ? failed : cmocka_run_group_tests(running, make_world, free_world);
}
