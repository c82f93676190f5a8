/* SPDX-License-Identifier: BSD-2-Clause */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "render.h"
#include "table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct screen {
	bool in_place;		/* standard output is a terminal */
	bool keys;		/* standard input is one, and ours to read single keys from */
	struct termios restore; /* if `keys` */
	int signal_fd;
	sigset_t restore_signals;
	unsigned lines; /* of the last table, to draw over */
};

/* ---- the terminal ---- */

static void screen_begin(struct screen *screen)
{
	struct termios raw;
	sigset_t stop;

	*screen = (struct screen){.in_place = isatty(STDOUT_FILENO), .signal_fd = -1};
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGQUIT);
	sigprocmask(SIG_BLOCK, &stop, &screen->restore_signals);
	screen->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
	/* A background job must not touch the terminal: it would be stopped. */
	if (!screen->in_place || !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
	    tcgetattr(STDIN_FILENO, &screen->restore))
		return;
	raw = screen->restore;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	screen->keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void screen_end(struct screen *screen)
{
	if (screen->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->restore);
	if (screen->signal_fd >= 0)
		close(screen->signal_fd);
	/* One more pending would end the program here, as it would have without us. */
	sigprocmask(SIG_SETMASK, &screen->restore_signals, NULL);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until `until_ms`. Returns false when the user wants to stop. */
static bool screen_wait(struct screen *screen, int64_t until_ms)
{
	struct pollfd fds[2] = {
		{.fd = screen->signal_fd, .events = POLLIN},
		{.fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN},
	};

	for (;;) {
		int64_t left = until_ms - now_ms();
		char key;

		if (poll(fds, COUNT(fds), left > 0 ? (int)left : 0) <= 0)
			return true;
		if (fds[0].revents) {
			struct signalfd_siginfo info;

			/* Taken, so that it does not strike once the mask is restored. */
			return read(screen->signal_fd, &info, sizeof(info)) < 0;
		}
		if (read(STDIN_FILENO, &key, 1) != 1)
			fds[1].fd = -1;
		else if (key == 'q' || key == 'Q')
			return false;
	}
}

/* ---- what is drawn ---- */

static json_t *find_port(json_t *data, const char *name)
{
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(data, "ports"), i, port) {
		const char *other = json_string_value(json_object_get(port, "name"));

		if (other && !strcmp(other, name))
			return port;
	}
	return NULL;
}

static double seconds_between(json_t *before, json_t *after)
{
	return (double)(json_integer_value(json_object_get(after, "time_ms")) -
			json_integer_value(json_object_get(before, "time_ms"))) /
	       1000;
}

static void draw_table(json_t *before, json_t *after, double seconds, FILE *out)
{
	static const char *const headers[] = {"PORT", "LINK", ">RX",   ">",
					      ">TX",  ">",    ">LOST", ">TO KERNEL"};
	struct table t;
	json_t *port;
	size_t i;

	table_begin(&t, headers, COUNT(headers));
	json_array_foreach(json_object_get(after, "ports"), i, port) {
		const char *name = json_string_value(json_object_get(port, "name"));
		struct port_rates r =
			rates_between(find_port(before, name ? name : ""), port, seconds);
		char buf[UNIT_SIZE];

		table_cell(&t, name);
		table_cell(&t, json_string_value(json_object_get(port, "link")));
		table_cell(&t, unit_print(r.rx_packets, "pps", buf));
		table_cell(&t, unit_print(r.rx_bits, "b/s", buf));
		table_cell(&t, unit_print(r.tx_packets, "pps", buf));
		table_cell(&t, unit_print(r.tx_bits, "b/s", buf));
		table_cell(&t, unit_print(r.lost, "pps", buf));
		table_cell(&t, unit_print(r.punted, "pps", buf));
	}
	table_print(&t, 0, out);
	table_end(&t);
}

/* Draws over the last table. Lines that the terminal would wrap or scroll away are cut: it could not
 * be found again. */
static void draw_in_place(struct screen *screen, const char *table)
{
	struct winsize size = {0};
	unsigned lines = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	if (screen->lines)
		printf("\033[%uA", screen->lines);
	fputs("\r\033[J", stdout);
	while (*table && lines + 1 < size.ws_row) {
		size_t len = strcspn(table, "\n");

		printf("%.*s\n", (int)(len < size.ws_col ? len : size.ws_col), table);
		table += len + (table[len] == '\n');
		lines++;
	}
	screen->lines = lines;
}

static void draw_json(json_t *before, json_t *after, double seconds)
{
	json_t *list = json_array(), *port, *line;
	size_t i;

	json_array_foreach(json_object_get(after, "ports"), i, port) {
		const char *name = json_string_value(json_object_get(port, "name"));
		struct port_rates r =
			rates_between(find_port(before, name ? name : ""), port, seconds);

		json_array_append_new(list, json_pack("{s:O?, s:O?, s:f, s:f, s:f, s:f, s:f, s:f}",
						      "name", json_object_get(port, "name"), "link",
						      json_object_get(port, "link"), "rx_pps",
						      r.rx_packets, "rx_bps", r.rx_bits, "tx_pps",
						      r.tx_packets, "tx_bps", r.tx_bits, "lost_pps",
						      r.lost, "to_kernel_pps", r.punted));
	}
	line = json_pack("{s:f, s:o}", "seconds", seconds, "ports", list);
	json_dumpf(line, stdout, JSON_COMPACT);
	fputc('\n', stdout);
	json_decref(line);
}

static void draw(struct screen *screen, bool json, json_t *before, json_t *after)
{
	double seconds = seconds_between(before, after);

	if (json) {
		draw_json(before, after, seconds);
	} else if (!screen->in_place) {
		draw_table(before, after, seconds, stdout);
	} else {
		size_t len;
		char *table = NULL;
		FILE *memory = open_memstream(&table, &len);

		if (memory) {
			draw_table(before, after, seconds, memory);
			if (fclose(memory) == 0)
				draw_in_place(screen, table);
			free(table);
		}
	}
	fflush(stdout);
}

int watch(struct client *client, const struct invocation *inv, struct pl_error *err)
{
	json_t *before = NULL, *after = NULL;
	struct screen screen;
	int64_t next_ms = now_ms();
	unsigned long n = 0;
	int rc;

	rc = client_ask(client, "show ports", NULL, &before, err);
	if (rc)
		return rc;
	screen_begin(&screen);
	while (!rc && !ferror(stdout) && (!inv->count || n < inv->count)) {
		next_ms += (int64_t)(inv->interval_s * 1000);
		if (!screen_wait(&screen, next_ms))
			break;
		rc = client_ask(client, "show ports", NULL, &after, err);
		if (rc)
			break;
		draw(&screen, inv->json, before, after);
		json_decref(before);
		before = after;
		n++;
	}
	screen_end(&screen);
	json_decref(before);
	return rc;
}
