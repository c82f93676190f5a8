/* SPDX-License-Identifier: BSD-2-Clause */
/* Floods a device with UDP packets, numbered, or with others that a router has to hand to its kernel, from one core: 14 million a second on a veth pair.
 *
 * The kernel runs our XDP program (flood.bpf.c) on live frames and sends what it makes of them,
 * which costs no system call and no sk_buff per packet. The other end of a veth must have NAPI: an
 * XDP program on it, or "ethtool -K DEVICE gro on". */
#include <arpa/inet.h>
#include <getopt.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
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

static const struct protocol {
	const char *name;
	unsigned number;     /* of IP, or WIRE_ARP */
	unsigned char flags; /* of TCP */
} protocols[] = {
	{"udp", IPPROTO_UDP, 0}, {"tcp", IPPROTO_TCP, TH_ACK}, {"tcp-syn", IPPROTO_TCP, TH_SYN},
	{"ospf", 89, 0},	 {"arp", WIRE_ARP, 0},	       {"nd", IPPROTO_ICMPV6, 0},
};

struct options {
	const char *device;
	const char *source, *destination;
	struct ether_addr gateway;
	bool has_gateway;
	unsigned len_bytes;
	double seconds;
	unsigned long long count; /* 0: as many as the time allows */
	double rate_pps;	  /* 0: unpaced */
	unsigned flows, destinations, sources;
	const struct protocol *protocol;
	unsigned port, ttl;
	const char *ask, *ask_from;
	unsigned ask_every;
};

static const char usage[] =
	"usage: flood --device DEV --gateway-mac MAC --source ADDR --destination ADDR\n"
	"             [--length BYTES] [--seconds S] [--count N] [--rate PPS]\n"
	"             [--flows N] [--destinations N] [--sources N] [--ttl N]\n"
	"             [--protocol udp|tcp|tcp-syn|ospf|arp|nd] [--port N]\n"
	"             [--ask ADDR --ask-from ADDR --ask-every N]\n"
	"Lengths count the Ethernet header and not the FCS. N destinations and sources are drawn "
	"at\n"
	"random from the address up (IPv6: in its second 32 bits; ARP: with a MAC for each "
	"source). ND: solicitations of the first source, of 78 bytes. With --ask-every, each N-th "
	"frame is an ARP request of the device's own.\n"
	"Prints what was sent as one line of JSON, also when SIGTERM ends it early.";

static const struct option option_table[] = {
	{"device", required_argument, NULL, 'i'},    {"gateway-mac", required_argument, NULL, 'm'},
	{"source", required_argument, NULL, 's'},    {"destination", required_argument, NULL, 'd'},
	{"length", required_argument, NULL, 'l'},    {"seconds", required_argument, NULL, 't'},
	{"count", required_argument, NULL, 'c'},     {"rate", required_argument, NULL, 'r'},
	{"flows", required_argument, NULL, 'f'},     {"destinations", required_argument, NULL, 'n'},
	{"sources", required_argument, NULL, 'o'},   {"protocol", required_argument, NULL, 'p'},
	{"port", required_argument, NULL, 'q'},	     {"ttl", required_argument, NULL, 'T'},
	{"ask", required_argument, NULL, 'a'},	     {"ask-from", required_argument, NULL, 'A'},
	{"ask-every", required_argument, NULL, 'e'}, {0},
};

static struct ether_addr mac_address(const char *name, const char *text)
{
	const struct ether_addr *mac = ether_aton(text);

	if (!mac)
		die("%s: \"%s\" is no MAC address", name, text);
	return *mac;
}

static const struct protocol *find_protocol(const char *name)
{
	for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!strcmp(protocols[i].name, name))
			return &protocols[i];
	die("--protocol: \"%s\" is none of udp, tcp, tcp-syn, ospf, arp, nd", name);
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
	case 'o':
		o->sources = power_of_two("--sources", value, 1u << 31);
		break;
	case 'p':
		o->protocol = find_protocol(value);
		break;
	case 'q':
		o->port = number("--port", value, 1, 65535);
		break;
	case 'a':
		o->ask = value;
		break;
	case 'A':
		o->ask_from = value;
		break;
	case 'e':
		o->ask_every = number("--ask-every", value, 1, 1u << 31);
		break;
	case 'T':
		o->ttl = number("--ttl", value, 1, 255);
		break;
	default:
		die("%s", usage);
	}
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = {.len_bytes = 64,
			    .seconds = 1,
			    .flows = 1,
			    .destinations = 1,
			    .sources = 1,
			    .protocol = protocols,
			    .port = WIRE_DISCARD_PORT,
			    .ttl = 64};
	int letter;

	while ((letter = getopt_long(argc, argv, "", option_table, NULL)) != -1)
		set_option(&o, letter, optarg);
	if (o.ask_every && (!o.ask || !o.ask_from))
		die("--ask-every: needs --ask and --ask-from");
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

/* Sum of the 16-bit words of `len` bytes. */
static unsigned sum_words(const unsigned char *at, unsigned len)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < len; i += 2)
		sum += (unsigned)at[i] << 8 | at[i + 1];
	return sum;
}

/* What is behind the IP header at `at`, in a packet whose rest is `len_bytes` long. */
static void fill_payload(struct flood_config *config, const struct options *o, unsigned at,
			 unsigned len_bytes)
{
	const struct udphdr udp = {
		.uh_dport = htons(o->port),
		.uh_ulen = htons(len_bytes),
	};
	const struct tcphdr tcp = {
		.th_dport = htons(o->port),
		.th_off = sizeof(tcp) / 4,
		.th_flags = o->protocol->flags,
		.th_win = htons(1024),
	};

	struct nd_neighbor_solicit nd = {.nd_ns_type = ND_NEIGHBOR_SOLICIT};
	unsigned size = sizeof(tcp);

	if (o->protocol->number == IPPROTO_UDP) {
		memcpy(config->header + at, &udp, sizeof(udp));
	} else if (o->protocol->number == IPPROTO_TCP) {
		memcpy(config->header + at, &tcp, sizeof(tcp));
	} else if (o->protocol->number == IPPROTO_ICMPV6 && config->ipv6) {
		inet_pton(AF_INET6, o->source, &nd.nd_ns_target); /* nobody is to learn them */
		size = sizeof(nd);
		memcpy(config->header + at, &nd, sizeof(nd));
	}
	if (o->protocol->number != IPPROTO_TCP && o->protocol->number != IPPROTO_ICMPV6)
		return;
	config->payload_sum =
		sum_words(config->header + at, size) + o->protocol->number + len_bytes;
	if (config->ipv6) /* what of the addresses does not vary */
		config->payload_sum += sum_words(config->header + 22, 4) +
				       sum_words(config->header + 30, 12) +
				       sum_words(config->header + 46, 8);
}

static void fill_header4(struct flood_config *config, const struct options *o)
{
	struct ip ip = {
		.ip_v = 4,
		.ip_hl = 5,
		.ip_len = htons(o->len_bytes - ETH_HLEN),
		.ip_ttl = o->ttl,
		.ip_p = o->protocol->number,
	};

	if (inet_pton(AF_INET, o->source, &ip.ip_src) != 1 ||
	    inet_pton(AF_INET, o->destination, &ip.ip_dst) != 1)
		die("%s, %s: not two IPv4 addresses", o->source, o->destination);
	memcpy(config->header + ETH_HLEN, &ip, sizeof(ip));
	config->header_sum = sum_words(config->header + ETH_HLEN, 12);
	fill_payload(config, o, 34, o->len_bytes - 34);
}

static void fill_header6(struct flood_config *config, const struct options *o)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons(o->len_bytes - 54),
		.ip6_nxt = o->protocol->number,
		.ip6_hlim = o->ttl,
	};

	if (inet_pton(AF_INET6, o->source, &ip.ip6_src) != 1 ||
	    inet_pton(AF_INET6, o->destination, &ip.ip6_dst) != 1)
		die("%s, %s: not two IPv6 addresses", o->source, o->destination);
	memcpy(config->header + ETH_HLEN, &ip, sizeof(ip));
	fill_payload(config, o, 54, o->len_bytes - 54);
}

/* An ARP request for `target` behind the Ethernet header at `frame`, from that header's MAC. */
static void fill_arp(unsigned char *frame, const char *source, const char *target)
{
	struct ether_arp arp = {
		.arp_hrd = htons(ARPHRD_ETHER),
		.arp_pro = htons(ETHERTYPE_IP),
		.arp_hln = ETH_ALEN,
		.arp_pln = 4,
		.arp_op = htons(ARPOP_REQUEST),
	};

	if (inet_pton(AF_INET, source, arp.arp_spa) != 1 ||
	    inet_pton(AF_INET, target, arp.arp_tpa) != 1)
		die("%s, %s: not two IPv4 addresses", source, target);
	memcpy(arp.arp_sha, frame + ETH_ALEN, ETH_ALEN);
	memcpy(frame + ETH_HLEN, &arp, sizeof(arp));
}

/* The ARP requests among the flood: a host's own, by broadcast. */
static void fill_ask(struct flood_config *config, const struct options *o)
{
	struct ether_header eth = {.ether_type = htons(ETHERTYPE_ARP)};

	config->ask_every = o->ask_every;
	if (!o->ask_every)
		return;
	memset(eth.ether_dhost, 0xff, ETH_ALEN);
	device_mac(o->device, eth.ether_shost);
	memcpy(config->ask, &eth, sizeof(eth));
	fill_arp(config->ask, o->ask_from, o->ask);
}

static void fill_config(struct flood_config *config, const struct options *o)
{
	bool arp = o->protocol->number == WIRE_ARP;
	struct ether_header eth = {0};

	config->ipv6 = strchr(o->destination, ':') != NULL;
	config->flows = o->flows;
	config->destinations = o->destinations;
	config->sources = o->sources;
	config->protocol = o->protocol->number;
	memcpy(eth.ether_dhost, &o->gateway, ETH_ALEN);
	device_mac(o->device, eth.ether_shost);
	eth.ether_type = htons(arp ? ETHERTYPE_ARP : config->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	memcpy(config->header, &eth, sizeof(eth));
	if (arp)
		fill_arp(config->header, o->source, o->destination);
	else if (config->ipv6)
		fill_header6(config, o);
	else
		fill_header4(config, o);
	if (o->len_bytes < (config->ipv6 ? WIRE_HEADER6 : WIRE_HEADER4) + sizeof(__u64) ||
	    (config->ipv6 && o->protocol->number == IPPROTO_TCP && o->len_bytes < WIRE_TCP6))
		die("--length: %u bytes are too few for headers and number", o->len_bytes);
	if (o->protocol->number == IPPROTO_ICMPV6 && (!config->ipv6 || o->len_bytes != WIRE_ND))
		die("--protocol: nd needs IPv6 addresses, and --length %u", WIRE_ND);
}

/* SIGTERM is never delivered: it would interrupt a run, and how much that had sent nobody knows. */
static void hold_sigterm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool stopped(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && sigismember(&set, SIGTERM) == 1;
}

/* Sends until the time is over, the count is reached or we are told to stop. Returns how many. A pace that was missed is
 * not caught up with: that would be a flood. */
static unsigned long long send_all(int program, const struct options *o, double *took_s)
{
	static unsigned char frame[4096];
	struct xdp_md ctx = {
		.data_end = o->len_bytes,
		.ingress_ifindex = if_nametoindex(o->device),
	};
	unsigned repeat = o->rate_pps > 0 ? REPEAT_PACED : REPEAT_FULL;
	double start = now_s(), elapsed = 0, due = 0;
	unsigned long long sent = 0;

	while (!stopped() && elapsed < o->seconds && (!o->count || sent < o->count)) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = o->len_bytes,
			    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = repeat,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
		if (o->count && o->count - sent < repeat)
			run.repeat = o->count - sent;
		if (due > elapsed)
			usleep((useconds_t)((due - elapsed) * 1e6));
		if (o->rate_pps > 0)
			due = now_s() - start + run.repeat / o->rate_pps;
		if (bpf_prog_test_run_opts(program, &run))
			die("%s: cannot send: %s", o->device, strerror(errno));
		sent += run.repeat;
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
	fill_ask((struct flood_config *)&bpf->rodata->config, &o);
	if (flood_bpf__load(bpf))
		die("cannot load the BPF program: %s", strerror(errno));
	hold_sigterm();
	sent = send_all(bpf_program__fd(bpf->progs.flood), &o, &took_s);
	printf("{\"sent\": %llu, \"seconds\": %.6f}\n", sent, took_s);
	flood_bpf__destroy(bpf);
	return EXIT_SUCCESS;
}
