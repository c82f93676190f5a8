/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's options, and their errors; what is said of all settings, in the manual and in the help; and
 * what is suggested in place of a word that is unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../router/control/config.h"
#include "../../router/control/suggest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_args(struct config *config, struct config_command *command, const char *line,
		     struct pl_error *err)
{
	char text[400], *argv[32], *rest = text;
	int argc = 0;

	snprintf(text, sizeof(text), "peerlaned %s", line);
	while (rest && argc < 31)
		argv[argc++] = strsep(&rest, " ");
	if (argv[argc - 1][0] == '\0')
		argc--;
	argv[argc] = NULL;
	config_init(config);
	return config_read_args(config, command, argc, argv, err);
}

static void test_options(void **state)
{
	struct config c;
	struct config_command command;
	struct pl_error err;
	cpu_set_t allowed;

	(void)state;
	CPU_ZERO(&allowed);
	for (int i = 0; i <= 3; i++)
		CPU_SET(i, &allowed);
	assert_int_equal(0, read_args(&c, &command,
				      "--planes 2 --port pl0=afxdp:eth1 --busy-poll "
				      "--port=pl1=afxdp:eth2,attach=native,ZeroCopy=no "
				      "--control-socket /tmp/s --check --mode nic-cpu-gpu "
				      "--accelerator opencl:1 --launch burst",
				      &err));
	assert_int_equal(0, config_finish(&c, &allowed, &err));
	assert_true(command.check);
	assert_int_equal(CONFIG_NIC_CPU_GPU, c.mode);
	assert_int_equal(PL_ACCEL_OPENCL, c.accelerator.kind);
	assert_int_equal(1, c.accelerator.index);
	assert_string_equal("--accelerator opencl:1", c.accelerator_at);
	assert_int_equal(PL_ACCEL_BURST, c.launch);
	assert_int_equal(2, c.planes);
	assert_true(c.busy_poll);
	assert_string_equal("/tmp/s", c.control_socket);
	assert_int_equal(2, c.n_ports);
	assert_string_equal("eth1", c.ports[0].device);
	assert_int_equal(PL_ATTACH_NATIVE, c.ports[1].attach);
	assert_false(c.ports[1].zero_copy);

	assert_int_equal(0, read_args(&c, &command, "--help --planes x", &err));
	assert_true(command.help);
}

static void test_port_option(void **state)
{
	struct config c;
	struct config_command command;
	struct pl_error err;

	(void)state;
	assert_int_equal(
		0, read_args(&c, &command,
			     "--port pl0=emu:eth1,mtu=9000,interruptmoderation=5,capture=/tmp/y",
			     &err));
	assert_int_equal(CONFIG_EMU, c.ports[0].kind);
	assert_int_equal(9000, c.ports[0].mtu);
	assert_int_equal(5, c.ports[0].moderation_us);
	assert_string_equal("/tmp/y", c.ports[0].capture);
	assert_int_equal(0, read_args(&c, &command, "--port pl0=emu:eth1,wire=/run/w", &err));
	assert_string_equal("/run/w", c.ports[0].wire);
}

static void test_options_override_file(void **state)
{
	char path[] = "/tmp/test_config_XXXXXX", line[200];
	static const char text[] = "[Router]\nPlanes=2\nRingSize=512\n"
				   "[Port pl0]\nDevice=afxdp:eth1\n";
	struct config c;
	struct config_command command;
	struct pl_error err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(sizeof(text) - 1, write(fd, text, sizeof(text) - 1));
	close(fd);
	snprintf(line, sizeof(line), "--planes 1 -c %s --port pl1=afxdp:eth2", path);
	assert_int_equal(0, read_args(&c, &command, line, &err));
	assert_int_equal(1, c.planes);
	assert_int_equal(512, c.ring_size);
	assert_int_equal(2, c.n_ports);

	snprintf(line, sizeof(line), "-c %s --port pl0=afxdp:eth2", path);
	assert_int_equal(-22, read_args(&c, &command, line, &err));
	assert_string_equal("give every port a name of its own", err.remedy);
	unlink(path);

	assert_int_equal(-2, read_args(&c, &command, line, &err));
	snprintf(line, sizeof(line), "%s: cannot open the configuration: No such file or directory",
		 path);
	assert_string_equal(line, err.what);
}

/* A path can be longer than any line of a configuration. */
static void test_long_path(void **state)
{
	char path[] = "/tmp/test_config_XXXXXX", line[500] = "-c /tmp",
	     *argv[] = {"peerlaned", "-c", line + 3};
	struct config_command command;
	struct config c;
	struct pl_error err;
	FILE *file = fdopen(mkstemp(path), "w");

	(void)state;
	assert_non_null(file);
	fputs("[Router]\nPlanes=3\n", file);
	fclose(file);
	for (unsigned i = 0; i < 150; i++)
		strcat(line, "/.");
	strcat(line, path + strlen("/tmp"));
	config_init(&c);
	assert_int_equal(0, config_read_args(&c, &command, 3, argv, &err));
	assert_int_equal(3, c.planes);
	unlink(path);
}

static const struct {
	const char *line, *what, *remedy;
} option_errors[] = {
	{"--plains 2", "--plains: unknown option", "did you mean --planes?"},
	{"--zzzzzzzzz", "--zzzzzzzzz: unknown option", "see peerlaned --help"},
	{"-x", "-x: unknown option", "see peerlaned --help"},
	{"--planes", "--planes: needs a value", "see peerlaned --help"},
	{"--busy-poll=yes", "--busy-poll=yes: takes no value", "see peerlaned --help"},
	{"--port pl0=afxdp:e start", "start: peerlaned takes options only", "see peerlaned --help"},
	{"--port pl0=afxdp:e --planes x", "--planes x: not a number",
	 "use a whole number from 1 to 64, such as Planes=1"},
	{"--port pl0=afxdp:e --planes 1 --planes 2", "--planes: given a second time",
	 "give it once"},
	{"--port pl0", "--port pl0: names no device",
	 "use --port NAME=DEVICE, such as pl0=afxdp:eth1"},
	{"--port pl0=eth1", "--port pl0: Device=eth1: does not say what kind of device it is",
	 "did you mean Device=afxdp:eth1?"},
	{"--port pl0=afxdp:e,atach=native", "--port pl0: atach: unknown key",
	 "did you mean attach=?"},
	{"--port pl0=afxdp:e,attach=x", "--port pl0: Attach=x: no such way to attach",
	 "use Attach=auto, native or generic"},
	{"--port pl0=afxdp:e --port pl0=afxdp:f",
	 "--port pl0: there is a port pl0 already (--port pl0)",
	 "give every port a name of its own"},
};

static void test_option_errors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(option_errors); i++) {
		struct config c;
		struct config_command command;
		struct pl_error err = {"no error", ""};

		assert_int_not_equal(0, read_args(&c, &command, option_errors[i].line, &err));
		assert_string_equal(option_errors[i].what, err.what);
		assert_string_equal(option_errors[i].remedy, err.remedy);
	}
}

/* Every setting and option is in the manual pages, and in the help. */
static void test_manual_has_every_setting(void **state)
{
	static char conf[65536], daemon_page[65536], help[16384];
	FILE *out = fmemopen(help, sizeof(help), "w");
	FILE *a = fopen(SOURCE_ROOT "/docs/man/peerlaned.conf.5.scd", "r");
	FILE *b = fopen(SOURCE_ROOT "/docs/man/peerlaned.8.scd", "r");
	char word[64];

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_true(fread(conf, 1, sizeof(conf) - 1, a) > 0);
	assert_true(fread(daemon_page, 1, sizeof(daemon_page) - 1, b) > 0);
	fclose(a);
	fclose(b);
	config_print_help(out);
	fclose(out);
	for (unsigned i = 0; i < config_n_settings; i++) {
		const struct config_setting *s = &config_settings[i];

		snprintf(word, sizeof(word), "*%s=*", s->key);
		if (!strstr(conf, word))
			fail_msg("peerlaned.conf(5) lacks %s", word);
		if (!s->option)
			continue;
		snprintf(word, sizeof(word), "*--%s*", s->option);
		if (!strstr(daemon_page, word))
			fail_msg("peerlaned(8) lacks %s", word);
		snprintf(word, sizeof(word), "--%s", s->option);
		if (!strstr(help, word))
			fail_msg("--help lacks %s", word);
	}
}

static void test_suggestions(void **state)
{
	static const char *const words[] = {"ports", "routes", "neighbors"};

	(void)state;
	assert_int_equal(0, suggest_distance("Planes", "planes"));
	assert_int_equal(1, suggest_distance("planse", "planes")); /* a swap is one edit */
	assert_int_equal(1, suggest_distance("plane", "planes"));
	assert_int_equal(3, suggest_distance("kitten", "sitting"));
	assert_int_equal(6, suggest_distance("", "planes"));
	assert_string_equal("routes", suggest_nearest("route", words, 3));
	assert_string_equal("neighbors", suggest_nearest("neighbours", words, 3));
	assert_null(suggest_nearest("firewall", words, 3));
	assert_null(suggest_nearest("", words, 3));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_port_option),
		cmocka_unit_test(test_options_override_file),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_option_errors),
		cmocka_unit_test(test_manual_has_every_setting),
		cmocka_unit_test(test_suggestions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
