/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator asked for: the configuration file, and the same by options.
 *
 * The file is INI in the manner of systemd-networkd. One table (config_settings) names every key
 * and its option; parser, help and the tests of the manual pages read it. Nothing here looks at
 * the machine: whether devices exist and can do what is asked is for the steps of start-up. */
#ifndef PEERLANE_CONTROL_CONFIG_H
#define PEERLANE_CONTROL_CONFIG_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <peerlane/accel.h>
#include <peerlane/error.h>
#include <peerlane/pci.h>
#include <peerlane/port.h>

#include "../program/limit_classes.h"

#define CONFIG_FILE_DEFAULT "/etc/peerlane/peerlaned.conf"
#define CONTROL_SOCKET_DEFAULT "/run/peerlane/control.sock"
#define CONFIG_PLANES_MAX 64u
#define CONFIG_RING_DEFAULT 2048u
#define CONFIG_ORIGIN_SIZE 288
#define CONFIG_NAME_SIZE 16   /* IFNAMSIZ: an interface's name and its terminator */
#define CONFIG_DEVICE_SIZE 24 /* "pci:ffff:ff:1f.7", "emu:" and an interface's name */

/* What Device= names. */
enum config_kind {
	CONFIG_AFXDP, /* a network interface of the kernel's, by AF_XDP */
	CONFIG_PCI,   /* a NIC that we drive ourselves */
	CONFIG_EMU,   /* an emulated one, whose wire is a network interface or shared memory */
};

/* InterruptModeration= unless given. A plane polls while there are packets, so interrupts only end its
 * sleep, and the first after a pause comes at once in any case. What this bounds is how often it is
 * woken when packets come one by one: 50,000 times a second, a few percent of a core. And at 10 Gb/s
 * 300 of the shortest packets arrive in 20 us, a fraction of a ring of the usual size. */
#define CONFIG_MODERATION_DEFAULT_US 20u
#define CONFIG_MODERATION_MAX_US 1000u

#define CONFIG_MTU_MIN 68u /* RFC 791 */
#define CONFIG_MTU_MAX 9000u

struct config_port {
	char name[CONFIG_NAME_SIZE];	  /* of the port and its TAP */
	char device[CONFIG_DEVICE_SIZE];  /* "eth1", "pci:0000:03:00.0", "emu:eth1"; "" until
					   * Device= was read */
	char interface[CONFIG_NAME_SIZE]; /* the kernel's interface that is taken over; "": none */
	enum config_kind kind;

	/* CONFIG_PCI */
	enum pl_pci_backend backend;

	/* CONFIG_PCI and CONFIG_EMU */
	unsigned mtu; /* 0: not given */
	unsigned moderation_us;
	bool flow_control;
	char capture[256]; /* CONFIG_EMU: a file for what passes the wire; "": none */
	char wire[100];	   /* CONFIG_EMU: the socket of a shared wire; "": it is `interface` */

	/* CONFIG_AFXDP */
	enum pl_attach attach;
	bool zero_copy; /* ZeroCopy=auto: where the driver can */
	uint64_t seen;	/* settings given in the source being read, by their place in the table */
	char origin[CONFIG_ORIGIN_SIZE]; /* "FILE:LINE: [Port pl0]" or "--port pl0", for errors */
	char device_at[CONFIG_ORIGIN_SIZE]; /* the same, of Device= */
};

/* Where packets lie, and who processes them. */
enum config_mode {
	CONFIG_NIC_CPU,	    /* in the host's memory; the planes' cores */
	CONFIG_NIC_CPU_GPU, /* in the host's memory; an accelerator */
	CONFIG_NIC_GPU,	    /* in an accelerator's memory; the accelerator */
};
#define CONFIG_MODES 3u

/* The same as start-up acts by it; nothing else depends on the mode. */
struct config_mode_traits {
	const char *name;    /* as Mode= has it */
	bool accelerated;    /* an accelerator processes packets; else the planes' cores do */
	bool remote;	     /* packets lie in the accelerator's memory; else in the host's */
	const char *without; /* what happens while the accelerator cannot be had */
};
extern const struct config_mode_traits config_modes[CONFIG_MODES];

/* Which accelerator. */
struct config_accelerator {
	bool any; /* Accelerator=auto: what suits best of those that are there */
	enum pl_accel_kind kind;
	unsigned index; /* among those of its kind */
};

/* What becomes of system calls that a running daemon has no need for. */
enum config_seccomp {
	CONFIG_SECCOMP_NO,  /* nothing */
	CONFIG_SECCOMP_LOG, /* the kernel's log notes them */
	CONFIG_SECCOMP_YES, /* refused */
};

struct config {
	enum config_mode mode;
	struct config_accelerator accelerator; /* where one processes packets */
	enum pl_accel_launch launch;
	unsigned planes;
	int cores[CONFIG_PLANES_MAX]; /* core of each plane, once config_finish() has passed */
	unsigned n_cores;
	bool busy_poll;
	char control_socket[108]; /* fits sockaddr_un.sun_path */
	char control_group[32];	  /* "": root only */
	unsigned ring_size;
	enum config_seccomp seccomp;
	struct config_port ports[PL_PORTS_MAX];
	unsigned n_ports;
	uint32_t limits[LIMIT_COUNT]; /* packets a second, or LIMIT_NONE */
	uint64_t seen;		      /* like config_port.seen, of all but the ports */
	char source[256];	      /* the file, or "command line" */
	/* Where these were given: "FILE:LINE: [Router] Planes=2"; "": default. */
	char mode_at[CONFIG_ORIGIN_SIZE];
	char accelerator_at[CONFIG_ORIGIN_SIZE];
	char launch_at[CONFIG_ORIGIN_SIZE];
	char planes_at[CONFIG_ORIGIN_SIZE];
	char cores_at[CONFIG_ORIGIN_SIZE];
};

/* What the command line asks beside the configuration. */
struct config_command {
	const char *file; /* -c, in argv; NULL: not given */
	bool check;
	bool cleanup;
	bool json; /* of cleanup */
	bool help;
	bool version;
};

/* One key of the file and its option. */
struct config_setting {
	const char *section; /* "Router", "PuntLimits", "Port" */
	const char *key;
	const char *option; /* without "--"; NULL: only in the file (or inside --port) */
	const char *value;  /* placeholder for help; NULL: the option is a switch that says yes */
	const char *help;
	/* Takes `value` over. Returns NULL, or why it is bad; then `remedy` says what is right. */
	const char *(*set)(struct config *config, struct config_port *port, const char *value,
			   char *remedy, size_t remedy_size);
};

extern const struct config_setting config_settings[];
extern const unsigned config_n_settings;

static inline const struct config_mode_traits *config_mode(const struct config *config)
{
	return &config_modes[config->mode];
}

/* Everything at its default, no ports. */
void config_init(struct config *config);

/* Reads a file over what is there. Returns 0, or -errno with `err` naming file, line and key; the
 * configuration is then of no use. */
int config_read_file(struct config *config, const char *path, struct pl_error *err);

/* The same of text in memory; `name` stands for the file in messages. */
int config_read_text(struct config *config, const char *name, const char *text, size_t len,
		     struct pl_error *err);

/* Reads the command line: the file it names, or the default one when it names no port either, and
 * then its options over that. With --help, --version or --cleanup no file needs to exist.
 *
 * Returns 0, or -errno with `err` filled. */
int config_read_args(struct config *config, struct config_command *command, int argc, char **argv,
		     struct pl_error *err);

/* Where the origin of a key of [Router] is kept (mode_at and such); NULL: nowhere. */
char *config_origin(struct config *config, const char *key);

/* Adds a port with its defaults; `origin` says where it was asked for. Returns NULL when it cannot
 * be, with the reason in `wrong` and what to do in *remedy (NULL: nothing). */
struct config_port *config_add_port(struct config *config, const char *name, const char *origin,
				    char *wrong, size_t wrong_size, const char **remedy);

/* Checks what no single line can: ports there are, each with a device of its own, as many cores as
 * planes, no accelerator that nobody would use, no port that cannot be served in the mode. Chooses cores where none were named: the highest-numbered of `allowed`, one per plane.
 *
 * Returns 0, or -EINVAL with `err` filled. */
int config_finish(struct config *config, const cpu_set_t *allowed, struct pl_error *err);

void config_print_help(FILE *out);

/* NULL if `name` can name a network interface, else why not. */
const char *config_name_fault(const char *name);

#endif
