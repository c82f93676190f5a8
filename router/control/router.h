/* SPDX-License-Identifier: BSD-2-Clause */
/* The running router: all its parts in one place, as start-up puts them together and the control
 * socket shows them. Control thread. */
#ifndef PEERLANE_CONTROL_ROUTER_H
#define PEERLANE_CONTROL_ROUTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <peerlane/accel.h>
#include <peerlane/pci.h>
#include <peerlane/plane.h>
#include <peerlane/port.h>

#include "../kernel/face.h"
#include "../kernel/mirror.h"
#include "../program/cpu.h"
#include "../tables/tables.h"
#include "config.h"
#include "log.h"
#include "privileges.h"

/* What is tried again and again, at ever longer intervals. */
struct retry {
	uint64_t at_ms;	   /* when next; 0: not */
	unsigned delay_ms; /* since the last time */
	bool told;	   /* that it does not work */
};

struct router_port {
	const char *name;
	const char *device;
	const char *interface; /* the kernel's that is taken over; NULL: none */
	unsigned wire_ifindex; /* an emulated NIC's cable, when last seen; 0: never */
	struct pl_pci *pci;    /* of a NIC that we drive ourselves (devices.h); NULL: it is none */
	bool emulated;	       /* it is one of `emu` */
	struct pl_port_caps caps;
	struct pl_port *port;	  /* NULL: none (tests) */
	struct pl_port_info info; /* once the port is open */
	struct face *face;
	uint8_t mac[6]; /* as the TAP has it and the port accepts it */
	unsigned mtu;	/* of the TAP, and of the device unless that was refused */
	bool mtu_waits; /* it was set while the device was gone: the device is to have it */
	uint8_t device_mac[6];
	unsigned device_mtu;
	bool heard;	     /* of the device, since the start */
	bool carrier;	     /* of the device, if it is ours */
	bool lost;	     /* for good: the kernel has its device, or wants it (pl_pci_lost()) */
	bool gone;	     /* the device has been removed, and none of its name taken over yet */
	bool device_there;   /* one is, as the kernel last said; */
	bool device_up;	     /* administratively, */
	bool device_carrier; /* with a carrier */
	bool lost_told;	     /* that the TAP is gone has been logged */
	struct retry device_retry, face_retry;
	/* Of a NIC, which the kernel does not tell of: as it was when last looked at. */
	struct pl_port_state state;
	uint64_t no_link_ms; /* when it is said that it has had no link since the start; 0: never */
	bool kept;	     /* its TAP was kept with its carrier while no daemon ran */
};

/* What the log was told of a limit last. */
struct limit_seen {
	bool reached;
	uint64_t dropped;	 /* as it was at the last look */
	uint64_t dropped_before; /* as it was before the limit was reached */
	uint64_t since_ms, last_ms;
};

struct offload;

/* What the log was told of the accelerator last. */
struct accelerator_seen {
	bool failed;
	char fault[sizeof(((struct pl_error *)NULL)->what)];
	uint64_t faults, since_ms;
};

struct router {
	const struct config *config;
	const struct log *log;
	struct router_port ports[PL_PORTS_MAX];
	unsigned n_ports;
	uint32_t buf_bytes;
	bool zero_copy; /* the AF_XDP ports are, if there are any */
	enum cpu_isa isa;
	struct tables *tables;
	struct faces *faces;
	struct mirror *mirror;
	struct pl_plane *planes; /* n_planes of them */
	unsigned n_planes;
	struct pl_accel_info accelerator; /* the one chosen, if the mode has one */
	enum pl_accel_launch launch;
	/* Memory of it that the planes' packets lie in, one for each, which their pools are on; none: they lie in
	 * main memory. */
	struct pl_accel_packets *packets;
	unsigned n_packets;
	size_t packets_bytes;	 /* of each */
	struct offload *offload; /* the packet program on it; NULL: the planes process */
	struct accelerator_seen accelerator_seen;
	struct police **police; /* of each plane: limits on what it punts (punt_limits.h) */
	struct {
		uint64_t looked_ms;
		struct limit_seen of[PL_PORTS_MAX][LIMIT_COUNT];
	} limits_seen;
	struct pl_processor probe; /* the packet program once more, for `show route ADDR` */
	uint64_t started_ms;	   /* CLOCK_MONOTONIC */
	struct confinement confinement;
	struct emu *emu;     /* plays the emulated devices; NULL: there are none */
	atomic_uint reports; /* of theirs, illegal uses and others */
	uint64_t states_ms;  /* when NICs were last looked at */
};

uint64_t router_now_ms(void);

#endif
