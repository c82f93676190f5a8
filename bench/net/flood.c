/* SPDX-License-Identifier: BSD-2-Clause */
/* Floods a device with UDP packets, numbered, from one core: 14 million a second on a veth pair.
 *
 * The kernel runs our XDP program (flood.bpf.c) on live frames and sends what it makes of them,
 * which costs no system call and no sk_buff per packet. The other end of a veth must have NAPI: an
 * XDP program on it, or "ethtool -K DEVICE gro on". */
#include <arpa/inet.h>
#include <getopt.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "options.h"
#include "wire.h"

/* Generated from the BPF program; needs the types above. */
#include "flood.skel.h"

#define BATCH 64u	   /* frames per run of the receiver's NAPI */
#define REPEAT_FULL 16384u /* frames per system call when nothing paces us: a millisecond */
/* Paced, frames go out in bursts of this many. A system call takes about a millisecond however few
 * it sends (it makes and frees a page pool), hence at most some 600,000 frames a second. */
#define REPEAT_PACED 512u

struct options {
	const char *device;
	const char *source, *destination;
	struct ether_addr gateway;
	bool has_gateway;
	unsigned len_bytes;
	double seconds;
	unsigned long long count; /* 0: as many as the time allows */
	double rate_pps;	  /* 0: unpaced */
	unsigned flows, destinations;
};

static const char usage[] =
	"usage: flood --device DEV --gateway-mac MAC --source ADDR --destination ADDR\n"
	"             [--length BYTES] [--seconds S] [--count N] [--rate PPS]\n"
	"             [--flows N] [--destinations N]\n"
	"Lengths count the Ethernet header and not the FCS. N destinations are drawn at random "
	"from\n"
	"the address up (IPv6: in its second 32 bits). Prints what was sent as one line of JSON.";

static const struct option option_table[] = {
	{"device", required_argument, NULL, 'i'},
	{"gateway-mac", required_argument, NULL, 'm'},
	{"source", required_argument, NULL, 's'},
	{"destination", required_argument, NULL, 'd'},
	{"length", required_argument, NULL, 'l'},
	{"seconds", required_argument, NULL, 't'},
	{"count", required_argument, NULL, 'c'},
	{"rate", required_argument, NULL, 'r'},
	{"flows", required_argument, NULL, 'f'},
	{"destinations", required_argument, NULL, 'n'},
	{0},
};

static struct ether_addr mac_address(const char *name, const char *text)
{
	const struct ether_addr *mac = ether_aton(text);

	if (!mac)
		die("%s: \"%s\" is no MAC address", name, text);
	return *mac;
}

static void set_option(struct options *o, int letter, const char *value)
{
	switch (letter) {
	case 'i':
		o->device = value;
		break;
	case 'm':
		o->gateway = mac_address("--gateway-mac", value);
		o->has_gateway = true;
		break;
	case 's':
		o->source = value;
		break;
	case 'd':
		o->destination = value;
		break;
	case 'l':
		o->len_bytes = number("--length", value, 64, 3498);
		break;
	case 't':
		o->seconds = number("--seconds", value, 1, 3600);
		break;
	case 'c':
		o->count = number("--count", value, 1, 1ull << 40);
		break;
	case 'r':
		o->rate_pps = number("--rate", value, 1, 100000000);
		break;
	case 'f':
		o->flows = power_of_two("--flows", value, WIRE_FLOWS_MAX);
		break;
	case 'n':
		o->destinations = power_of_two("--destinations", value, 1u << 31);
		break;
	default:
		die("%s", usage);
	}
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = {.len_bytes = 64, .seconds = 1, .flows = 1, .destinations = 1};
	int letter;

	while ((letter = getopt_long(argc, argv, "", option_table, NULL)) != -1)
		set_option(&o, letter, optarg);
	if (!o.device || !o.has_gateway || !o.source || !o.destination || optind != argc)
		die("%s", usage);
	return o;
}

static void device_mac(const char *device, unsigned char *mac)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		die("%s: cannot read its MAC address: %s", device, strerror(errno));
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	close(fd);
}

static void fill_udp(void *at, unsigned len_bytes)
{
	const struct udphdr udp = {
		.uh_sport = htons(WIRE_SOURCE_PORT),
		.uh_dport = htons(WIRE_DISCARD_PORT),
		.uh_ulen = htons(len_bytes),
	};

	memcpy(at, &udp, sizeof(udp));
}

static void fill_header4(struct flood_config *config, const struct options *o)
{
	struct ip ip = {
		.ip_v = 4,
		.ip_hl = 5,
		.ip_len = htons(o->len_bytes - ETH_HLEN),
		.ip_ttl = 64,
		.ip_p = IPPROTO_UDP,
	};

	if (inet_pton(AF_INET, o->source, &ip.ip_src) != 1 ||
	    inet_pton(AF_INET, o->destination, &ip.ip_dst) != 1)
		die("%s, %s: not two IPv4 addresses", o->source, o->destination);
	memcpy(config->header + ETH_HLEN, &ip, sizeof(ip));
	for (unsigned i = 0; i < 16; i += 2)
		config->header_sum += (unsigned)config->header[ETH_HLEN + i] << 8 |
				      config->header[ETH_HLEN + i + 1];
	fill_udp(config->header + 34, o->len_bytes - 34);
}

static void fill_header6(struct flood_config *config, const struct options *o)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons(o->len_bytes - 54),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hlim = 64,
	};

	if (inet_pton(AF_INET6, o->source, &ip.ip6_src) != 1 ||
	    inet_pton(AF_INET6, o->destination, &ip.ip6_dst) != 1)
		die("%s, %s: not two IPv6 addresses", o->source, o->destination);
	memcpy(config->header + ETH_HLEN, &ip, sizeof(ip));
	fill_udp(config->header + 54, o->len_bytes - 54);
}

static void fill_config(struct flood_config *config, const struct options *o)
{
	struct ether_header eth = {0};

	config->ipv6 = strchr(o->destination, ':') != NULL;
	config->flows = o->flows;
	config->destinations = o->destinations;
	memcpy(eth.ether_dhost, &o->gateway, ETH_ALEN);
	device_mac(o->device, eth.ether_shost);
	eth.ether_type = htons(config->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	memcpy(config->header, &eth, sizeof(eth));
	if (config->ipv6)
		fill_header6(config, o);
	else
		fill_header4(config, o);
	if (o->len_bytes < (config->ipv6 ? WIRE_HEADER6 : WIRE_HEADER4) + sizeof(__u64))
		die("--length: %u bytes are too few for headers and number", o->len_bytes);
}

/* Sends until the time is over or the count is reached. Returns how many. */
static unsigned long long send_all(int program, const struct options *o, double *took_s)
{
	static unsigned char frame[4096];
	struct xdp_md ctx = {
		.data_end = o->len_bytes,
		.ingress_ifindex = if_nametoindex(o->device),
	};
	unsigned repeat = o->rate_pps > 0 ? REPEAT_PACED : REPEAT_FULL;
	double start = now_s(), elapsed = 0;
	unsigned long long sent = 0;

	while (elapsed < o->seconds && (!o->count || sent < o->count)) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = o->len_bytes,
			    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = repeat,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
		if (o->count && o->count - sent < repeat)
			run.repeat = o->count - sent;
		if (o->rate_pps <= 0 || (double)sent <= elapsed * o->rate_pps) {
			if (bpf_prog_test_run_opts(program, &run))
				die("%s: cannot send: %s", o->device, strerror(errno));
			sent += run.repeat;
		}
		elapsed = now_s() - start;
	}
	*took_s = elapsed;
	return sent;
}

int main(int argc, char **argv)
{
	struct options o = parse_options(argc, argv);
	struct flood_bpf *bpf = flood_bpf__open();
	unsigned long long sent;
	double took_s;

	if (!bpf)
		die("cannot open the BPF program: %s", strerror(errno));
	fill_config((struct flood_config *)&bpf->rodata->config, &o);
	if (flood_bpf__load(bpf))
		die("cannot load the BPF program: %s", strerror(errno));
	sent = send_all(bpf_program__fd(bpf->progs.flood), &o, &took_s);
	printf("{\"sent\": %llu, \"seconds\": %.6f}\n", sent, took_s);
	flood_bpf__destroy(bpf);
	return EXIT_SUCCESS;
}
