/* SPDX-License-Identifier: BSD-2-Clause */
/* peerlaned: reads what is asked, starts the router, and watches over it until told to stop. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "accelerator.h"
#include "cleanup.h"
#include "config.h"
#include "follow.h"
#include "log.h"
#include "privileges.h"
#include "punt_limits.h"
#include "reopen.h"
#include "request.h"
#include "router.h"
#include "server.h"
#include "show.h"
#include "startup.h"

#define EXIT_START 1
#define EXIT_USAGE 2

/* How often the loop looks around when nothing happens. */
#define IDLE_MS 1000

/* The one piece of global state: all of the daemon. */
static struct daemon {
	struct config config;
	struct config_command command;
	struct log log;
	struct router router;
	struct server *server;
	unsigned ports_up; /* as systemd was told last */
	int signal_fd;
	int epoll_fd;
} self = {.ports_up = UINT_MAX, .signal_fd = -1, .epoll_fd = -1};

static char *answer_line(void *ctx, const char *line, size_t len)
{
	return request_answer(ctx, line, len);
}

static char *refuse(void *ctx, int code, const char *message, const char *remedy)
{
	(void)ctx;
	return request_refusal(code, message, remedy);
}

/* ---- the loop ---- */

/* Blocks the signals that the loop reads, before any thread is made: all inherit the mask. */
static int open_signals(struct pl_error *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN); /* a log that nobody reads any more must not end the router */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return pl_error_set(err, -errno, NULL, "signals: %s", strerror(errno));
	self.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (self.signal_fd < 0)
		return pl_error_set(err, -errno, NULL, "signals: %s", strerror(errno));
	return 0;
}

static int watch_fd(int fd, struct pl_error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return pl_error_set(err, -errno, NULL, "event loop: %s", strerror(errno));
	return 0;
}

static int open_loop(struct pl_error *err)
{
	int rc;

	self.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (self.epoll_fd < 0)
		return pl_error_set(err, -errno, NULL, "event loop: %s", strerror(errno));
	rc = watch_fd(self.signal_fd, err);
	if (!rc)
		rc = watch_fd(mirror_fd(self.router.mirror), err);
	if (!rc)
		rc = watch_fd(server_fd(self.server), err);
	for (unsigned i = 0; i < self.router.n_ports && !rc; i++)
		if (self.router.ports[i].pci)
			rc = watch_fd(pl_port_event_fd(self.router.ports[i].port), err);
	if (!rc && accelerator_fd(&self.router) >= 0)
		rc = watch_fd(accelerator_fd(&self.router), err);
	return rc;
}

/* Returns false when told to stop. */
static bool read_signals(void)
{
	struct signalfd_siginfo info;

	while (read(self.signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			return false;
		log_warning(&self.log, "SIGHUP: the configuration is read at the start only; "
				       "restart peerlaned to change it");
	}
	return true;
}

static void tell_systemd(void)
{
	unsigned up = 0;

	for (unsigned i = 0; i < self.router.n_ports; i++)
		up += self.router.ports[i].carrier;
	if (up == self.ports_up)
		return;
	self.ports_up = up;
	sd_notifyf(0, "STATUS=Forwarding: %u of %u ports up, %u plane%s", up, self.router.n_ports,
		   self.router.n_planes, self.router.n_planes == 1 ? "" : "s");
}

static void loop(void)
{
	struct epoll_event events[8];
	int wait_ms = IDLE_MS;
	bool stop = false;

	while (!stop) {
		int n = epoll_wait(self.epoll_fd, events, 8, wait_ms);
		bool asked = false, states = false;

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == self.signal_fd)
				stop = !read_signals();
			else if (events[i].data.fd == server_fd(self.server))
				asked = true;
			else if (events[i].data.fd == mirror_fd(self.router.mirror))
				mirror_run(self.router.mirror);
			else if (events[i].data.fd != accelerator_fd(&self.router))
				states = true;
		}
		accelerator_follow(&self.router, router_now_ms());
		if (states)
			follow_states(&self.router);
		/* Last: the kernel's news are not to wait for more than one answer. */
		if (asked)
			server_run(self.server);
		follow_run(&self.router, router_now_ms());
		wait_ms = reopen_run(&self.router, IDLE_MS);
		limits_follow(&self.router, router_now_ms());
		tell_systemd();
	}
}

/* ---- start ---- */

static int check_privileges(struct pl_error *err)
{
	char missing[128];

	if (!privileges_missing(self.command.cleanup, missing, sizeof(missing))[0])
		return 0;
	return pl_error_set(err, -EPERM, "run it as root, or give it these capabilities",
			    "missing privileges: %s", missing);
}

static int start(struct pl_error *err)
{
	const struct server_config server = {
		.path = self.config.control_socket,
		.group = self.config.control_group,
		.answer = answer_line,
		.refuse = refuse,
		.ctx = &self.router,
	};
	int rc = open_signals(err);

	/* While /dev/urandom can be opened: else JSON objects get a seed that can be guessed. */
	json_object_seed(0);
	/* The socket first: a second daemon must notice before it touches anything. */
	if (!rc)
		rc = server_open(&self.server, &server, err);
	if (!rc)
		rc = router_probe(&self.router, err);
	if (!rc)
		rc = router_start(&self.router, err);
	if (!rc)
		rc = open_loop(err);
	if (rc)
		self.router.started_ms = 0; /* it has not: router_stop() undoes all of it */
	return rc;
}

static void stop(void)
{
	server_close(self.server);
	router_stop(&self.router);
	if (self.epoll_fd >= 0)
		close(self.epoll_fd);
	if (self.signal_fd >= 0)
		close(self.signal_fd);
}

static int fail(int status, const struct pl_error *err)
{
	log_error(&self.log, LOG_LEVEL_ERROR, err);
	return status;
}

/* --check: says what would be used. */
static int check(struct pl_error *err)
{
	if (router_probe(&self.router, err))
		return fail(EXIT_START, err);
	router_print(&self.router, stdout);
	return EXIT_SUCCESS;
}

/* ---- --cleanup ---- */

static void log_removed(void *ctx, const char *what)
{
	(void)ctx;
	log_info(&self.log, "%s: removed", what);
}

static void list_removed(void *ctx, const char *what)
{
	json_array_append_new(ctx, show_text(what));
}

/* As peerlane(1) says things in JSON. */
static int cleanup_json(struct pl_error *err)
{
	json_t *removed = json_array(), *answer;
	int rc = check_privileges(err);

	if (!rc)
		rc = cleanup_run(&self.config, list_removed, removed, err);
	if (rc)
		answer = json_pack("{s:o}", "error", request_error(-rc, err));
	else
		answer = json_pack("{s:O}", "removed", removed);
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(answer);
	json_decref(removed);
	return rc ? EXIT_START : EXIT_SUCCESS;
}

static int cleanup(struct pl_error *err)
{
	if (self.command.json)
		return cleanup_json(err);
	if (check_privileges(err) || cleanup_run(&self.config, log_removed, NULL, err))
		return fail(EXIT_START, err);
	return EXIT_SUCCESS;
}

static int run(struct pl_error *err)
{
	if (check_privileges(err))
		return fail(EXIT_START, err);
	if (self.command.check)
		return check(err);
	if (start(err)) {
		stop();
		return fail(EXIT_START, err);
	}
	log_info(&self.log, "forwarding, control socket %s", self.config.control_socket);
	sd_notify(0, "READY=1");
	tell_systemd();
	loop();
	sd_notify(0, "STOPPING=1");
	stop();
	log_info(&self.log, "stopped; the TAP interfaces stay (peerlaned --cleanup removes them)");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct pl_error err = {.remedy = ""};
	cpu_set_t allowed;

	log_init(&self.log);
	config_init(&self.config);
	if (config_read_args(&self.config, &self.command, argc, argv, &err))
		return fail(EXIT_USAGE, &err);
	if (self.command.help) {
		config_print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (self.command.version) {
		printf("peerlaned %s\n", PL_VERSION);
		return EXIT_SUCCESS;
	}
	if (self.command.cleanup)
		return cleanup(&err);
	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		/* A machine with more cores than a cpu_set_t holds. */
		pl_error_set(&err, -errno, "name them: Cores=", "cores: %s", strerror(errno));
		return fail(EXIT_START, &err);
	}
	if (config_finish(&self.config, &allowed, &err))
		return fail(EXIT_USAGE, &err);
	self.router.config = &self.config;
	self.router.log = &self.log;
	return run(&err);
}
