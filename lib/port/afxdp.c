/* SPDX-License-Identifier: BSD-2-Clause */
/* AF_XDP ports: what the device can do, and our XDP program on it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <peerlane/holder.h>

#include "afxdp.h"
#include "netdev.h"
#include "redirect.skel.h"

/* What devices are told the length of buffers in, at worst. */
#define ZERO_COPY_GRAIN 1024u
#define FCS_BYTES 4u

static const char *const remedy_privilege =
	"start as root, or grant CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF";

void afxdp_sleep_before_retry(void)
{
	nanosleep(&(struct timespec){.tv_nsec = BIND_RETRY_MS * 1000000l}, NULL);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

/* Refuses queues that no plane would serve: the flows that the device puts there would not be
 * routed, and nobody would know. */
static int check_spare_queues(const struct pl_port_config *config, const struct netdev *dev,
			      struct pl_error *err)
{
	char remedy[sizeof(err->remedy)], planes[32] = "";

	if (dev->n_rx_queues <= config->n_queues || config->n_queues == 0)
		return 0;
	if (dev->n_queues == dev->n_rx_queues)
		snprintf(planes, sizeof(planes), "Planes=%u, or: ", dev->n_queues);
	snprintf(remedy, sizeof(remedy),
		 "use %sethtool -L %s combined %u (veth: rx %u tx %u, its peer too)", planes,
		 config->device, config->n_queues, config->n_queues, config->n_queues);
	return pl_error_set(
		err, -EINVAL, remedy,
		"%s: %s has %u queues, but %u plane%s: packets of the others would not be routed",
		config->name, config->device, dev->n_rx_queues, config->n_queues,
		config->n_queues == 1 ? "" : "s");
}

/* Asks the device, and says what is wrong with it. */
static int query_device(const struct pl_port_config *config, struct netdev *dev,
			struct pl_error *err)
{
	int rc = netdev_query(config->device, dev);

	if (rc == -ENODEV)
		return pl_error_set(err, rc, "see: ip link show", "%s: no such device: %s",
				    config->name, config->device);
	if (rc == -EPROTOTYPE)
		return pl_error_set(err, rc, "use an Ethernet device",
				    "%s: %s is not an Ethernet device", config->name,
				    config->device);
	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot ask %s for its properties: %s",
				    config->name, config->device, strerror(-rc));
	if (config->n_queues > dev->n_queues) {
		char remedy[sizeof(err->remedy)];

		snprintf(remedy, sizeof(remedy),
			 "use Planes=%u, or give it more: ethtool -L %s combined %u (veth: rx %u "
			 "tx %u)",
			 dev->n_queues, config->device, config->n_queues, config->n_queues,
			 config->n_queues);
		return pl_error_set(err, -EINVAL, remedy, "%s: %s has %u queues, but %u planes",
				    config->name, config->device, dev->n_queues, config->n_queues);
	}
	return check_spare_queues(config, dev, err);
}

/* Whether this process may do what ports need: an AF_XDP socket and BPF. */
static int check_privileges(const struct pl_port_config *config, struct pl_error *err)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		return pl_error_set(err, -EAFNOSUPPORT, "use a kernel with CONFIG_XDP_SOCKETS=y",
				    "%s: the kernel has no AF_XDP sockets", config->name);
	if (fd < 0 && errno == EPERM)
		return pl_error_set(err, -EPERM, remedy_privilege,
				    "%s: not permitted to open an AF_XDP socket on %s",
				    config->name, config->device);
	if (fd < 0)
		return pl_error_set(err, -errno, NULL, "%s: cannot open an AF_XDP socket: %s",
				    config->name, strerror(errno));
	close(fd);
	fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "probe", 4, 4, 1, NULL);
	if (fd == -EPERM)
		return pl_error_set(err, -EPERM, remedy_privilege,
				    "%s: not permitted to load a BPF program for %s", config->name,
				    config->device);
	if (fd < 0)
		return pl_error_set(err, fd, "use a kernel with CONFIG_BPF_SYSCALL=y",
				    "%s: cannot create a BPF map of sockets: %s", config->name,
				    strerror(-fd));
	close(fd);
	return 0;
}

/* The device has an XDP program of somebody else's. `search`: whose, which takes a while. Returns
 * -EBUSY with `err` filled. */
static int program_taken(const char *name, const char *device, unsigned ifindex, bool search,
			 struct pl_error *err)
{
	char line[32], remedy[sizeof(err->remedy)], stop[48] = "", whose[32] = "";
	const char *const lines[] = {"link_type:\txdp", line, NULL};
	__u32 id = 0;
	int pid;

	bpf_xdp_query_id((int)ifindex, 0, &id);
	snprintf(line, sizeof(line), "ifindex:\t%u", ifindex);
	pid = search ? pl_find_holder(lines) : 0;
	if (pid) {
		snprintf(whose, sizeof(whose), " of process %d", pid);
		snprintf(stop, sizeof(stop), "stop that process (kill %d), or ", pid);
	}
	snprintf(remedy, sizeof(remedy),
		 "%sdetach it: ip link set %s xdp off (bpftool net and bpftool link show who has "
		 "it)",
		 stop, device);
	return pl_error_set(err, -EBUSY, remedy, "%s: %s has another XDP program already (id %u%s)",
			    name, device, id, whose);
}

/* Before anything waits for it. */
static int check_program(const struct pl_port_config *config, const struct netdev *dev,
			 struct pl_error *err)
{
	__u32 id = 0;

	if (bpf_xdp_query_id((int)dev->ifindex, 0, &id) || !id)
		return 0; /* attaching will tell */
	return program_taken(config->name, config->device, dev->ifindex, true, err);
}

/* One try to bind queue 0 in zero-copy mode, on a small UMEM of its own. */
static int try_zero_copy(const char *device)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = 64, .comp_size = 64, .frame_size = 4096};
	const struct xsk_socket_config socket_config = {
		.rx_size = 64,
		.tx_size = 64,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP,
	};
	struct xsk_ring_prod umem_fill, fill, tx;
	struct xsk_ring_cons umem_comp, comp, rx;
	struct xsk_socket *xsk = NULL;
	struct xsk_umem *umem = NULL;
	struct pl_region region;
	int rc = pl_region_alloc(&region, 64 * 4096, NULL);

	if (rc)
		return rc;
	rc = xsk_umem__create(&umem, region.base, 64 * 4096, &umem_fill, &umem_comp, &umem_config);
	if (!rc)
		rc = xsk_socket__create_shared(&xsk, device, 0, umem, &rx, &tx, &fill, &comp,
					       &socket_config);
	xsk_socket__delete(xsk);
	xsk_umem__delete(umem);
	pl_region_free(&region);
	return rc;
}

static int probe_zero_copy(const struct pl_port_config *config, bool *zero_copy,
			   struct pl_error *err)
{
	int rc = try_zero_copy(config->device);

	for (unsigned i = 1; rc == -EBUSY && i < BIND_TRIES; i++) {
		afxdp_sleep_before_retry();
		rc = try_zero_copy(config->device);
	}
	/* Generic XDP gets its packets after the driver has copied them into the kernel's own. */
	*zero_copy = rc == 0 && config->attach != PL_ATTACH_GENERIC;
	if (rc == -EBUSY)
		return pl_error_set(err, rc, "stop the other program (ss --xdp -ap shows it)",
				    "%s: another program has an AF_XDP socket on queue 0 of %s",
				    config->name, config->device);
	return 0; /* any other failure: then not zero-copy */
}

static int afxdp_probe(const struct pl_port_config *config, struct pl_port_caps *caps,
		       struct pl_error *err)
{
	struct netdev dev;
	int rc = query_device(config, &dev, err);

	if (!rc)
		rc = check_privileges(config, err);
	if (!rc)
		rc = check_program(config, &dev, err);
	if (rc)
		return rc;
	memcpy(caps->mac, dev.mac, sizeof(caps->mac));
	caps->mtu = dev.mtu;
	caps->ifindex = dev.ifindex;
	caps->max_queues = dev.n_queues;
	caps->mtu_max = pl_port_afxdp_mtu_max(AFXDP_BUF_BYTES_MAX, false);
	caps->buf_sizes = 2048 | AFXDP_BUF_BYTES_MAX;
	return probe_zero_copy(config, &caps->zero_copy, err);
}

/* Bytes of a frame, without FCS, that buffers of `buf_bytes` hold. */
static unsigned frame_room(uint32_t buf_bytes, bool zero_copy)
{
	unsigned room = buf_bytes - PL_FRAME_OFFSET;

	return zero_copy ? room / ZERO_COPY_GRAIN * ZERO_COPY_GRAIN - FCS_BYTES : room;
}

unsigned pl_port_afxdp_mtu_max(uint32_t buf_bytes, bool zero_copy)
{
	return frame_room(buf_bytes, zero_copy) - FRAME_OVERHEAD;
}

/* Refuses an MTU of the port's device whose frames would not fit buffers of `buf_bytes`. */
static int check_mtu(const struct afxdp_port *port, unsigned mtu, uint32_t buf_bytes,
		     struct pl_error *err)
{
	unsigned room = frame_room(buf_bytes, port->zero_copy);
	char remedy[sizeof(err->remedy)];

	if (mtu + FRAME_OVERHEAD <= room)
		return 0;
	snprintf(remedy, sizeof(remedy),
		 "ip link set %s mtu %u%s; frames over several buffers are not supported",
		 port->device, room - FRAME_OVERHEAD,
		 buf_bytes < AFXDP_BUF_BYTES_MAX ? ", or buffers of 4096 bytes"
		 : port->zero_copy		 ? ", or no zero-copy mode"
						 : "");
	return pl_error_set(err, -EMSGSIZE, remedy,
			    "%s: MTU %u of %s needs frames of %u bytes, but a buffer holds %u%s",
			    port->name, mtu, port->device, mtu + FRAME_OVERHEAD, room,
			    port->zero_copy ? " in zero-copy mode" : "");
}

/* Keeps VLAN tags in the frames: a tag taken off by the device is nowhere for an XDP program to see
 * in general, and frames of any VLAN would be routed as if they had none. */
static int keep_tags(struct afxdp_port *port, struct pl_error *err)
{
	unsigned before, after;
	int rc = netdev_get_strip(port->device, &before);

	if (!rc && before) {
		rc = netdev_set_strip(port->device, 0);
		port->strip = before;
		if (!rc)
			rc = netdev_get_strip(port->device, &after);
		if (!rc && after)
			rc = -EOPNOTSUPP;
	}
	if (rc)
		return pl_error_set(err, rc,
				    rc == -EPERM ? remedy_privilege
						 : "use a device on which ethtool -K can switch "
						   "rx-vlan-offload off",
				    "%s: cannot keep %s from taking VLAN tags off: frames of every "
				    "VLAN would be routed: %s",
				    port->name, port->device, strerror(-rc));
	return 0;
}

static int load_program(struct afxdp_port *port, unsigned max_queues, struct pl_error *err)
{
	int rc;

	port->program = redirect__open();
	if (!port->program)
		return pl_error_set(err, -errno, NULL, "%s: cannot open the XDP program: %s",
				    port->name, strerror(errno));
	bpf_map__set_max_entries(port->program->maps.sockets, max_queues);
	rc = redirect__load(port->program);
	if (rc)
		return pl_error_set(err, rc,
				    rc == -EPERM    ? remedy_privilege
				    : rc == -EMFILE ? "raise LimitNOFILE= of the unit, or ulimit -n"
						    : NULL,
				    "%s: the kernel refuses our XDP program: %s", port->name,
				    strerror(-rc));
	port->map_fd = bpf_map__fd(port->program->maps.sockets);
	return 0;
}

static int link_program(struct afxdp_port *port, bool native)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = bpf_link_create(bpf_program__fd(port->program->progs.pl_redirect),
				 (int)port->ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return fd;
	port->link_fd = fd;
	port->native = native;
	return 0;
}

/* Says why the program could not be attached, as far as the code tells. */
static int attach_error(const struct afxdp_port *port, int rc, struct pl_error *err)
{
	char remedy[sizeof(err->remedy)];

	switch (rc) {
	case -EBUSY:
	case -EEXIST:
		return program_taken(port->name, port->device, port->ifindex, !port->returning,
				     err);
	case -EPERM:
		return pl_error_set(err, rc, remedy_privilege,
				    "%s: not permitted to attach an XDP program to %s", port->name,
				    port->device);
	case -ERANGE: /* veth: the frames of the peer's MTU do not fit a page with headroom */
		snprintf(remedy, sizeof(remedy),
			 "use an MTU of at most 3506 on %s and, for veth, on its peer",
			 port->device);
		return pl_error_set(err, rc, remedy,
				    "%s: the MTU of %s or of its peer is too large for XDP",
				    port->name, port->device);
	case -EINVAL:
	case -EOPNOTSUPP: /* which it is, drivers tell nobody, or the kernel's log */
		snprintf(remedy, sizeof(remedy),
			 "some drivers take none with LRO (ethtool -K %s lro off), SR-IOV VFs, "
			 "DCB or a long MTU, some none at all (dmesg may tell; peerlaned goes "
			 "without the driver by Attach=generic)",
			 port->device);
		return pl_error_set(err, rc, remedy,
				    "%s: the driver of %s refuses an XDP program: %s", port->name,
				    port->device, strerror(-rc));
	default:
		return pl_error_set(err, rc, "see the kernel's log (dmesg)",
				    "%s: cannot attach the XDP program to %s: %s", port->name,
				    port->device, strerror(-rc));
	}
}

static int attach_program(struct afxdp_port *port, struct pl_error *err)
{
	int rc = -EOPNOTSUPP;

	if (port->attach != PL_ATTACH_GENERIC)
		rc = link_program(port, true);
	/* These would be no different in generic mode; zero-copy queues need native XDP. */
	if (rc == -EBUSY || rc == -EEXIST || rc == -EPERM || rc == -ENODEV)
		return attach_error(port, rc, err);
	if (rc && port->attach != PL_ATTACH_NATIVE && !port->zero_copy)
		rc = link_program(port, false);
	return rc ? attach_error(port, rc, err) : 0;
}

/* Frames that the device has lost for want of a buffer since it is there. What drivers call an overrun is in
 * one of two counters, or in both. That of packets for which a ring of several had no buffer, ixgbe has among its
 * own alone (QPRDC). Those that XDP dropped, which a socket counts as well, are in none of them. */
static int device_lost(const struct afxdp_port *port, uint64_t *lost)
{
	struct rtnl_link_stats64 stats;
	char name[IF_NAMESIZE]; /* it may have been renamed */
	uint64_t no_buffer = 0;
	int rc = netdev_stats(port->ifindex, &stats);

	if (rc)
		return rc;
	rc = if_indextoname(port->ifindex, name)
		     ? netdev_counter(name, "rx_no_dma_resources", &no_buffer)
		     : -errno;
	if (rc && rc != -ENOENT && rc != -EOPNOTSUPP)
		return rc;
	*lost = no_buffer + stats.rx_missed_errors +
		(stats.rx_fifo_errors > stats.rx_over_errors ? stats.rx_fifo_errors
							     : stats.rx_over_errors);
	return 0;
}

/* Counts from here on for a device that is new. */
static void forget_lost(struct afxdp_port *port)
{
	if (device_lost(port, &port->device_lost))
		port->device_lost = 0;
}

static uint64_t afxdp_rx_lost(struct pl_port *base)
{
	struct afxdp_port *port = afxdp_port_of(base);
	uint64_t lost;

	if (!port->ifindex || device_lost(port, &lost))
		return port->rx_lost;
	if (lost > port->device_lost)
		port->rx_lost += lost - port->device_lost;
	port->device_lost = lost;
	return port->rx_lost;
}

static void let_go(struct pl_port *base, struct closing *closing);
static void free_port(struct pl_port *base);

static int afxdp_open(struct pl_port **result, const struct pl_port_config *config,
		      struct pl_error *err)
{
	struct closing closing = {0};
	struct afxdp_port *port;
	struct netdev dev;
	int rc;

	rc = query_device(config, &dev, err);
	if (rc)
		return rc;
	port = calloc(1, sizeof(*port));
	if (!port)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", config->name);
	port->port.ops = &afxdp_port_ops;
	snprintf(port->name, sizeof(port->name), "%s", config->name);
	snprintf(port->device, sizeof(port->device), "%s", config->device);
	port->ifindex = dev.ifindex;
	forget_lost(port);
	port->n_queues = config->n_queues;
	port->ring_size = config->ring_size;
	port->buf_bytes = AFXDP_BUF_BYTES_MAX;
	port->zero_copy = config->zero_copy;
	port->attach = config->attach;
	port->link_fd = -1;
	port->filter_fd = -1;
	port->queues = calloc(port->n_queues, sizeof(*port->queues));
	if (!port->queues) {
		rc = pl_error_set(err, -ENOMEM, NULL, "%s: no memory", config->name);
		goto fail;
	}
	rc = check_mtu(port, dev.mtu, port->buf_bytes, err);
	if (!rc)
		rc = keep_tags(port, err);
	if (rc)
		goto fail;
	libbpf_set_print(quiet); /* what went wrong is in `err` */
	rc = load_program(port, dev.n_queues, err);
	if (!rc)
		rc = attach_program(port, err);
	if (rc)
		goto fail;
	*result = &port->port;
	return 0;
fail:
	let_go(&port->port, &closing);
	closing_run(&closing);
	free_port(&port->port);
	return rc;
}

/* Lets go of the device: sockets, program, filter. */
static void let_go(struct pl_port *base, struct closing *closing)
{
	struct afxdp_port *port = afxdp_port_of(base);

	closing_add(closing, port->link_fd);
	closing_add(closing, port->filter_fd);
	port->link_fd = -1;
	port->filter_fd = -1;
	for (unsigned i = 0; port->queues && i < port->n_queues; i++)
		if (port->queues[i])
			afxdp_queue_unbind(port->queues[i], closing);
}

static void free_port(struct pl_port *base)
{
	struct afxdp_port *port = afxdp_port_of(base);

	for (unsigned i = 0; port->queues && i < port->n_queues; i++)
		pl_queue_close(port->queues[i]);
	if (port->program)
		redirect__destroy(port->program);
	if (port->strip) /* the device may be gone: nothing to be done about it then */
		(void)netdev_set_strip(port->device, port->strip);
	free(port->queues);
	free(port);
}

static void afxdp_leave(struct pl_port *base)
{
	struct afxdp_port *port = afxdp_port_of(base);
	struct closing closing = {0};

	let_go(base, &closing);
	closing_run(&closing);
	port->strip = 0; /* nothing to be undone: the next device of this name is another */
	port->ifindex = 0;
}

static int afxdp_retake(struct pl_port *base, struct pl_error *err)
{
	struct afxdp_port *port = afxdp_port_of(base);
	const struct pl_port_config config = {
		.name = port->name, .device = port->device, .n_queues = port->n_queues};
	struct netdev dev;
	int rc = query_device(&config, &dev, err);

	/* Another one already than in the last try. */
	if (port->ifindex && (rc || dev.ifindex != port->ifindex))
		afxdp_leave(base);
	if (!rc)
		rc = check_mtu(port, dev.mtu, port->buf_bytes, err);
	if (rc)
		return rc;
	if (port->ifindex != dev.ifindex) {
		port->ifindex = dev.ifindex;
		forget_lost(port);
	}
	port->returning = true;
	rc = keep_tags(port, err);
	if (!rc && port->link_fd < 0)
		rc = attach_program(port, err);
	for (unsigned i = 0; i < port->n_queues && !rc; i++)
		if (port->queues[i])
			rc = afxdp_queue_bind(port->queues[i], err);
	return rc;
}

static int afxdp_accept_mac(struct pl_port *base, const uint8_t mac[6], struct pl_error *err)
{
	struct afxdp_port *port = afxdp_port_of(base);
	int fd = netdev_open_filter(port->ifindex, mac);

	if (fd < 0)
		return pl_error_set(err, fd, fd == -EPERM ? remedy_privilege : NULL,
				    "%s: cannot make %s receive frames for "
				    "%02x:%02x:%02x:%02x:%02x:%02x: %s",
				    port->name, port->device, mac[0], mac[1], mac[2], mac[3],
				    mac[4], mac[5], strerror(-fd));
	if (port->filter_fd >= 0)
		close(port->filter_fd);
	port->filter_fd = fd;
	return 0;
}

static int afxdp_set_mtu(struct pl_port *base, unsigned mtu, struct pl_error *err)
{
	struct afxdp_port *port = afxdp_port_of(base);
	int rc = check_mtu(port, mtu, port->buf_bytes, err);

	if (rc)
		return rc;
	rc = netdev_set_mtu(port->device, mtu);
	if (rc)
		return pl_error_set(err, rc, rc == -EPERM ? remedy_privilege : NULL,
				    "%s: cannot set the MTU of %s to %u: %s", port->name,
				    port->device, mtu, strerror(-rc));
	return 0;
}

int afxdp_check_room(struct afxdp_port *port, uint32_t buf_bytes, struct pl_error *err)
{
	struct netdev dev;
	int rc = netdev_query(port->device, &dev);

	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot ask %s for its MTU: %s", port->name,
				    port->device, strerror(-rc));
	rc = check_mtu(port, dev.mtu, buf_bytes, err);
	if (!rc && buf_bytes < port->buf_bytes)
		port->buf_bytes = buf_bytes;
	return rc;
}

static void afxdp_info(const struct pl_port *base, struct pl_port_info *info)
{
	const struct afxdp_port *port = (const struct afxdp_port *)base;

	*info = (struct pl_port_info){
		.kind = "afxdp",
		.attach = port->native ? "native" : "generic",
		.copy = port->zero_copy ? "zero-copy" : "copy",
		.ifindex = port->ifindex,
		.n_queues = port->n_queues,
		.ring_size = port->ring_size,
	};
}

const struct pl_port_ops afxdp_port_ops = {
	.probe = afxdp_probe,
	.open = afxdp_open,
	.queue_open = afxdp_queue_open,
	.accept_mac = afxdp_accept_mac,
	.set_mtu = afxdp_set_mtu,
	.info = afxdp_info,
	.rx_lost = afxdp_rx_lost,
	.leave = afxdp_leave,
	.retake = afxdp_retake,
	.let_go = let_go,
	.free = free_port,
};
