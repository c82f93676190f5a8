/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "../../router/control/suggest.h"
#include "../../router/tables/prefix.h"
#include "frame.h"
#include "settings.h"
#include "values.h"

#define DISCARD 9 /* RFC 863's port */

/* Of twelve frames seven, four and one, well mixed. */
static const uint16_t imix[] = {64, 570, 64, 64, 570, 64, 1518, 64, 570, 64, 64, 570};

struct option {
	const char *name;
	const char *value; /* what it takes, for help; NULL: nothing */
	const char *help;
	int (*set)(struct gen_settings *s, const char *name, const char *value,
		   struct pl_error *err);
};

/* ---- ends ---- */

static int name_end(struct gen_settings *s, const char *name, const char *value, bool tx,
		    struct pl_error *err)
{
	struct gen_end_settings *end;
	unsigned at = 0;

	while (at < s->n_ends && strcmp(s->ends[at].name, value) != 0)
		at++;
	if (at == GEN_ENDS_MAX)
		return pl_error_set(err, -EINVAL, NULL, "%s: more than %u ends", name,
				    GEN_ENDS_MAX);
	/* What follows is about the end named last, which is the last of the list. */
	if (at == s->n_ends) {
		s->ends[s->n_ends++] = (struct gen_end_settings){.name = value};
	} else {
		struct gen_end_settings again = s->ends[at];

		memmove(s->ends + at, s->ends + at + 1, (s->n_ends - at - 1) * sizeof(s->ends[0]));
		s->ends[s->n_ends - 1] = again;
	}
	end = &s->ends[s->n_ends - 1];
	end->tx |= tx;
	end->rx |= !tx;
	return 0;
}

static int set_tx(struct gen_settings *s, const char *name, const char *value, struct pl_error *err)
{
	return name_end(s, name, value, true, err);
}

static int set_rx(struct gen_settings *s, const char *name, const char *value, struct pl_error *err)
{
	return name_end(s, name, value, false, err);
}

/* The end that an option is about; NULL, with `err` filled: there is none. */
static struct gen_end_settings *last_end(struct gen_settings *s, const char *name,
					 struct pl_error *err)
{
	if (s->n_ends)
		return &s->ends[s->n_ends - 1];
	pl_error_set(err, -EINVAL, "put --tx END or --rx END before it", "%s: of which end?", name);
	return NULL;
}

static int parse_address(const char *name, const char *text, bool (*has)[GEN_FAMILIES],
			 uint8_t (*to)[16], struct pl_error *err)
{
	struct prefix p;
	enum gen_family family;
	char *end, address[64];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : 0;

	memcpy(address, text, len < sizeof(address) ? len : sizeof(address) - 1);
	address[len < sizeof(address) ? len : sizeof(address) - 1] = '\0';
	if (prefix_parse(address, &p) ||
	    (slash && (!slash[1] || *end || bits > (p.family == AF_INET ? 32 : 128))))
		return pl_error_set(err, -EINVAL, "give it as in 192.0.2.2/24 or 2001:db8::2/64",
				    "%s: \"%s\" is no IP address", name, text);
	family = p.family == AF_INET ? GEN_V4 : GEN_V6;
	if ((*has)[family])
		return pl_error_set(err, -EINVAL, "give one for each family",
				    "%s: a second one of the same end and family, \"%s\"", name,
				    text);
	(*has)[family] = true;
	memcpy(to[family], p.bytes, 16);
	return 0;
}

static int set_address(struct gen_settings *s, const char *name, const char *value,
		       struct pl_error *err)
{
	struct gen_end_settings *end = last_end(s, name, err);

	return end ? parse_address(name, value, &end->has_address, end->address, err) : -EINVAL;
}

static int set_gateway(struct gen_settings *s, const char *name, const char *value,
		       struct pl_error *err)
{
	struct gen_end_settings *end = last_end(s, name, err);

	return end ? parse_address(name, value, &end->has_gateway, end->gateway, err) : -EINVAL;
}

static int set_mac(struct gen_settings *s, const char *name, const char *value,
		   struct pl_error *err)
{
	struct gen_end_settings *end = last_end(s, name, err);

	if (!end)
		return -EINVAL;
	end->has_mac = true;
	return gen_value_mac(name, value, end->mac, err);
}

static int set_gateway_mac(struct gen_settings *s, const char *name, const char *value,
			   struct pl_error *err)
{
	struct gen_end_settings *end = last_end(s, name, err);

	if (!end)
		return -EINVAL;
	end->has_gateway_mac = true;
	return gen_value_mac(name, value, end->gateway_mac, err);
}

static int set_destinations(struct gen_settings *s, const char *name, const char *value,
			    struct pl_error *err)
{
	struct gen_end_settings *end = last_end(s, name, err);

	return end ? gen_targets_add(&end->destinations, value, err) : -EINVAL;
}

static int set_sources(struct gen_settings *s, const char *name, const char *value,
		       struct pl_error *err)
{
	struct gen_end_settings *end = last_end(s, name, err);

	int rc = end ? gen_targets_add(&end->sources[GEN_V4], value, err) : -EINVAL;

	if (rc)
		return rc;
	return gen_targets_move(&end->sources[GEN_V6], &end->sources[GEN_V4], AF_INET6, err);
}

/* ---- traffic ---- */

static int set_size(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	if (s->imix)
		return pl_error_set(err, -EINVAL, "give one of them",
				    "%s: --imix sets the sizes already", name);
	return gen_value_sizes(name, value, GEN_SIZE_MIN4, GEN_SIZE_MAX, s->sizes, GEN_SIZES_MAX,
			       &s->n_sizes, err);
}

static int set_imix(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	(void)value;
	if (s->n_sizes)
		return pl_error_set(err, -EINVAL, "give one of them",
				    "%s: --size sets the sizes already", name);
	memcpy(s->sizes, imix, sizeof(imix));
	s->n_sizes = sizeof(imix) / sizeof(imix[0]);
	s->imix = true;
	return 0;
}

static int set_flows(struct gen_settings *s, const char *name, const char *value,
		     struct pl_error *err)
{
	uint64_t n = 0;
	int rc = gen_value_number(name, value, 1, GEN_FLOWS_MAX, &n, err);

	s->flows = (uint32_t)n;
	return rc;
}

int gen_rate_parse(const char *text, struct gen_rate *rate, struct pl_error *err)
{
	static const struct gen_unit units[] = {
		{"", 1},       {"pps", 1},    {"kpps", 1e3}, {"Mpps", 1e6}, {"bps", 1},
		{"kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9}, {"%", 1},	    {0}};
	static const enum gen_rate_kind kinds[] = {GEN_RATE_PPS, GEN_RATE_PPS, GEN_RATE_PPS,
						   GEN_RATE_PPS, GEN_RATE_BPS, GEN_RATE_BPS,
						   GEN_RATE_BPS, GEN_RATE_BPS, GEN_RATE_PERCENT};
	double value = 0;
	int unit;

	if (strcasecmp(text, "max") == 0) {
		rate->kind = GEN_RATE_MAX;
		return 0;
	}
	unit = gen_value_with_unit(text, units, &value);
	if (unit < 0 || value < 1e-3 || value > 1e13)
		return pl_error_set(
			err, -EINVAL,
			"give it as in 1000, 2.5Mpps, 500Mbps, 10% (of --line-rate) or max",
			"--rate: \"%s\" is no rate", text);
	rate->kind = kinds[unit];
	rate->value = value;
	return 0;
}

static int set_rate(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	(void)name;
	return gen_rate_parse(value, &s->rate, err);
}

static int set_line_rate(struct gen_settings *s, const char *name, const char *value,
			 struct pl_error *err)
{
	static const struct gen_unit units[] = {
		{"M", 1e6}, {"Mbps", 1e6}, {"G", 1e9}, {"Gbps", 1e9}, {0}};

	if (gen_value_with_unit(value, units, &s->rate.line_bps) < 0 || s->rate.line_bps < 1e6 ||
	    s->rate.line_bps > 1e12)
		return pl_error_set(err, -EINVAL, "give it as in 10G or 100M",
				    "%s: \"%s\" is no line rate", name, value);
	s->rate.bounded = true;
	return 0;
}

static int set_count(struct gen_settings *s, const char *name, const char *value,
		     struct pl_error *err)
{
	return gen_value_number(name, value, 1, 1ull << 48, &s->count, err);
}

static int set_duration(struct gen_settings *s, const char *name, const char *value,
			struct pl_error *err)
{
	return gen_value_time(name, value, 1, &s->duration_ns, err);
}

static int set_warmup(struct gen_settings *s, const char *name, const char *value,
		      struct pl_error *err)
{
	return gen_value_time(name, value, 0, &s->warmup_ns, err);
}

static int set_drain(struct gen_settings *s, const char *name, const char *value,
		     struct pl_error *err)
{
	return gen_value_time(name, value, 0, &s->drain_ns, err);
}

static int set_link_wait(struct gen_settings *s, const char *name, const char *value,
			 struct pl_error *err)
{
	return gen_value_time(name, value, 0, &s->link_wait_ns, err);
}

static int set_port(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	uint64_t port = 0;
	int rc = gen_value_number(name, value, 1, 65535, &port, err);

	s->port = (uint16_t)port;
	return rc;
}

static int set_ttl(struct gen_settings *s, const char *name, const char *value,
		   struct pl_error *err)
{
	uint64_t ttl = 0;
	int rc = gen_value_number(name, value, 1, 255, &ttl, err);

	s->ttl = (uint8_t)ttl;
	return rc;
}

static int set_seed(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	return gen_value_number(name, value, 0, UINT64_MAX, &s->seed, err);
}

/* ---- judgement, running, output ---- */

static int set_loss_max(struct gen_settings *s, const char *name, const char *value,
			struct pl_error *err)
{
	s->judges_loss = true;
	return gen_value_percent(name, value, &s->loss_max, err);
}

static int set_core(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	uint64_t core = 0;
	int rc = gen_value_number(name, value, 0, CPU_SETSIZE - 1, &core, err);

	s->core = (int)core;
	return rc;
}

static int set_json(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	(void)name, (void)err;
	s->json = value;
	return 0;
}

static int set_strict(struct gen_settings *s, const char *name, const char *value,
		      struct pl_error *err)
{
	(void)name, (void)value, (void)err;
	s->strict = true;
	return 0;
}

static int set_per_flow(struct gen_settings *s, const char *name, const char *value,
			struct pl_error *err)
{
	(void)name, (void)value, (void)err;
	s->per_flow = true;
	return 0;
}

static int set_quiet(struct gen_settings *s, const char *name, const char *value,
		     struct pl_error *err)
{
	(void)name, (void)value, (void)err;
	s->quiet = true;
	return 0;
}

static int set_help(struct gen_settings *s, const char *name, const char *value,
		    struct pl_error *err)
{
	(void)name, (void)value, (void)err;
	s->help = true;
	return 0;
}

static int set_version(struct gen_settings *s, const char *name, const char *value,
		       struct pl_error *err)
{
	(void)name, (void)value, (void)err;
	s->version = true;
	return 0;
}

static const struct option options[] = {
	{"--tx", "END", "sends there: afxdp:INTERFACE[:QUEUE], wire:PATH, or loop", set_tx},
	{"--rx", "END", "receives there; may be one that sends, too", set_rx},
	{"--address", "ADDR[/LEN]", "of the end named last: its own, one of each family",
	 set_address},
	{"--gateway", "ADDR", "of that end: whose MAC is asked for, one of each family",
	 set_gateway},
	{"--gateway-mac", "MAC", "of that end: not asked for, but this", set_gateway_mac},
	{"--mac", "MAC", "of that end, instead of the interface's", set_mac},
	{"--destinations", "WHAT",
	 "of that end: address, prefix, range or file of these; repeatable", set_destinations},
	{"--sources", "WHAT", "of that end: likewise (its own address)", set_sources},
	{"--size", "BYTES[,BYTES...]", "of frames, with FCS; these take turns (64; IPv6: 84)",
	 set_size},
	{"--imix", NULL, "7:4:1 of 64 (IPv6: 84), 570 and 1518 bytes", set_imix},
	{"--flows", "N", "of each sending end, up to 1000000 (1)", set_flows},
	{"--rate", "RATE", "of each sending end: 1000, 2.5Mpps, 500Mbps, 10% or max (max)",
	 set_rate},
	{"--line-rate", "RATE",
	 "10G, 1000M: no faster than such a line, and what percents are of (not bounded; 10G)",
	 set_line_rate},
	{"--count", "N", "frames from each sending end", set_count},
	{"--duration", "TIME", "10, 10s, 500ms, 2min (10s, without --count)", set_duration},
	{"--warmup", "TIME", "sends for that long before anything counts", set_warmup},
	{"--drain", "TIME", "waits so long for frames that are under way (500ms)", set_drain},
	{"--link-wait", "TIME", "waits so long for links at the start (30s)", set_link_wait},
	{"--port", "N", "UDP destination port (9)", set_port},
	{"--ttl", "N", "TTL or hop limit (64)", set_ttl},
	{"--seed", "N", "of what is random (1)", set_seed},
	{"--loss-max", "PERCENT", "exit status 2 if more is lost", set_loss_max},
	{"--strict", NULL,
	 "exit status 2 also for reordered or duplicated frames, or a generator too slow",
	 set_strict},
	{"--core", "N", "runs there alone", set_core},
	{"--json", "FILE", "result as JSON; -: to standard output, instead of text", set_json},
	{"--per-flow", NULL, "every flow in the JSON, not only those with trouble", set_per_flow},
	{"--quiet", NULL, "no progress on standard error", set_quiet},
	{"--help", NULL, "this", set_help},
	{"--version", NULL, "the version", set_version},
};
static const unsigned n_options = sizeof(options) / sizeof(options[0]);

void gen_settings_help(FILE *to)
{
	fputs("usage: peerlane-gen --tx END [OPTION...] --rx END [OPTION...]\n"
	      "Sends UDP frames and says what became of them. See peerlane-gen(1).\n",
	      to);
	for (unsigned i = 0; i < n_options; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", options[i].name, options[i].value ? " " : "",
			 options[i].value ? options[i].value : "");
		fprintf(to, "  %-27s %s\n", left, options[i].help);
	}
}

/* ---- all together ---- */

static const struct option *find(const char *name, size_t len)
{
	for (unsigned i = 0; i < n_options; i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static int unknown(const char *arg, size_t len, struct pl_error *err)
{
	const char *names[sizeof(options) / sizeof(options[0])], *nearest;
	char word[64], remedy[96];

	for (unsigned i = 0; i < n_options; i++)
		names[i] = options[i].name;
	snprintf(word, sizeof(word), "%.*s", (int)len, arg);
	nearest = suggest_nearest(word, names, n_options);
	snprintf(remedy, sizeof(remedy), "did you mean %s?", nearest ? nearest : "");
	return pl_error_set(err, -EINVAL,
			    nearest ? remedy : "peerlane-gen --help lists the options",
			    "\"%s\" is no option", word);
}

static int parse_options(struct gen_settings *s, int argc, char *const *argv, struct pl_error *err)
{
	for (int i = 0; i < argc; i++) {
		size_t len = strcspn(argv[i], "=");
		const struct option *option = find(argv[i], len);
		const char *value = argv[i][len] ? argv[i] + len + 1 : NULL;
		int rc;

		if (!option)
			return unknown(argv[i], len, err);
		if (value && !option->value)
			return pl_error_set(err, -EINVAL, NULL, "%s takes no value", option->name);
		/* A value that looks like an option is one behind "=". */
		if (!value && option->value &&
		    (++i == argc || (strncmp(argv[i], "--", 2) == 0 && argv[i][2])))
			return pl_error_set(err, -EINVAL, NULL, "%s: its value (%s) is missing",
					    option->name, option->value);
		if (!value && option->value)
			value = argv[i];
		rc = option->set(s, option->name, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Where an end sends if nothing is said: to the addresses of the one end that receives, of families that it has
 * itself. */
static int default_destinations(struct gen_settings *s, struct gen_end_settings *end,
				struct pl_error *err)
{
	struct gen_end_settings *to = NULL;

	for (unsigned i = 0; i < s->n_ends; i++) {
		if (!s->ends[i].rx || (&s->ends[i] == end && s->n_ends > 1))
			continue;
		if (to)
			return pl_error_set(err, -EINVAL, "give --destinations after it",
					    "%s: several ends receive, and to which it is to send "
					    "is not said",
					    end->name);
		to = &s->ends[i];
	}
	for (int family = 0; to && family < GEN_FAMILIES; family++) {
		struct gen_target t = {.family = family == GEN_V4 ? AF_INET : AF_INET6};

		if (!to->has_address[family] || !end->has_address[family])
			continue;
		end->destinations.list = calloc(1, sizeof(t));
		if (!end->destinations.list)
			return pl_error_set(err, -ENOMEM, NULL, "no memory");
		memcpy(t.first, to->address[family], 16);
		end->destinations.list[0] = t;
		end->destinations.n = end->destinations.room = 1;
		return 0;
	}
	return pl_error_set(err, -EINVAL,
			    "give --destinations after it, or --address after both ends",
			    "%s: where it is to send to is not said", end->name);
}

/* The loop has nobody to ask: addresses and MACs of its own, for documentation (RFC 5737, RFC 7042). */
static void loop_defaults(struct gen_end_settings *end)
{
	static const uint8_t address[4] = {192, 0, 2, 1}, mac[6] = {0x02, 0, 0, 0, 0, 1};

	if (!end->has_address[GEN_V4] && !end->has_address[GEN_V6]) {
		end->has_address[GEN_V4] = true;
		memcpy(end->address[GEN_V4], address, 4);
	}
	if (!end->has_mac) {
		end->has_mac = true;
		memcpy(end->mac, mac, 6);
	}
	if (!end->has_gateway_mac) {
		end->has_gateway_mac = true;
		memcpy(end->gateway_mac, mac, 6);
	}
}

static int check_sender(struct gen_settings *s, struct gen_end_settings *end, struct pl_error *err)
{
	int rc = end->destinations.n ? 0 : default_destinations(s, end, err);

	if (rc)
		return rc;
	for (int family = 0; family < GEN_FAMILIES; family++) {
		uint8_t af = family == GEN_V4 ? AF_INET : AF_INET6;

		if (end->has_address[family] && (end->has_gateway[family] || end->has_gateway_mac))
			continue;
		if (!gen_targets_has(&end->destinations, af))
			continue;
		if (!end->has_address[!family])
			return pl_error_set(err, -EINVAL,
					    "give --address, and --gateway or --gateway-mac, after "
					    "it",
					    "%s: sends, but has no %s address and gateway",
					    end->name, family == GEN_V4 ? "IPv4" : "IPv6");
		/* Of a file for both families the other half. */
		gen_targets_drop(&end->destinations, af);
	}
	if (!end->destinations.n)
		return pl_error_set(err, -EINVAL,
				    "give --address and --gateway of the destinations' family",
				    "%s: no destination is of a family that it has an address and "
				    "a gateway of",
				    end->name);
	return 0;
}

/* IPv6 frames are 20 bytes longer at least. */
static int check_sizes(struct gen_settings *s, bool ipv6, struct pl_error *err)
{
	bool given = s->n_sizes && !s->imix;

	if (!s->n_sizes)
		s->sizes[s->n_sizes++] = GEN_SIZE_MIN4;
	for (unsigned i = 0; ipv6 && i < s->n_sizes; i++) {
		if (s->sizes[i] >= GEN_SIZE_MIN6)
			continue;
		if (given)
			return pl_error_set(err, -EINVAL, "use --size 84 or more",
					    "--size: IPv6 frames of %u bytes have no room for the "
					    "%u bytes that each carries",
					    s->sizes[i], GEN_RECORD_BYTES);
		s->sizes[i] = GEN_SIZE_MIN6;
	}
	return 0;
}

/* What is said of an end and would be of no effect there. */
static int check_of_effect(const struct gen_end_settings *end, struct pl_error *err)
{
	bool sources = end->sources[GEN_V4].n || end->sources[GEN_V6].n;

	if (!end->tx && (end->destinations.n || sources))
		return pl_error_set(err, -EINVAL, "put it behind the --tx END that it is about",
				    "%s: %s is of an end that sends, and this one does not",
				    end->name,
				    end->destinations.n ? "--destinations" : "--sources");
	for (int family = 0; family < GEN_FAMILIES; family++)
		if (end->has_gateway[family] && !end->has_address[family])
			return pl_error_set(err, -EINVAL,
					    "give --address of its family after that end, too",
					    "%s: has an %s gateway, and no address to ask for its "
					    "MAC from",
					    end->name, family == GEN_V4 ? "IPv4" : "IPv6");
	return 0;
}

/* What is said of frames sent or received, where there are none or nobody would be told. */
static int check_demands(const struct gen_settings *s, bool sends, bool receives,
			 struct pl_error *err)
{
	if (s->judges_loss && !(sends && receives))
		return pl_error_set(err, -EINVAL, "give --tx and --rx",
				    "--loss-max: only who sends and receives knows what is lost");
	if (s->count && !sends)
		return pl_error_set(err, -EINVAL, "give --duration, or an end that sends (--tx)",
				    "--count: is of frames sent, and no end sends");
	if (s->warmup_ns && !sends)
		return pl_error_set(err, -EINVAL,
				    "give it to the sender, whose warm-up counts nowhere",
				    "--warmup: is of frames sent, and no end sends");
	if (s->per_flow && !s->json)
		return pl_error_set(err, -EINVAL, "give --json FILE, or --json -, too",
				    "--per-flow: is of the JSON, and none is wanted");
	return 0;
}

static int check(struct gen_settings *s, struct pl_error *err)
{
	bool sends = false, receives = false, ipv6 = false;
	unsigned n_tx = 0;
	int rc;

	for (unsigned i = 0; i < s->n_ends; i++) {
		struct gen_end_settings *end = &s->ends[i];

		if (strcmp(end->name, "loop") == 0)
			loop_defaults(end);
		rc = check_of_effect(end, err);
		if (rc)
			return rc;
		sends |= end->tx;
		receives |= end->rx;
		n_tx += end->tx;
	}
	if (!sends && !receives)
		return pl_error_set(err, -EINVAL, "peerlane-gen --help lists the options",
				    "neither --tx nor --rx is given");
	for (unsigned i = 0; i < s->n_ends; i++) {
		rc = s->ends[i].tx ? check_sender(s, &s->ends[i], err) : 0;
		if (rc)
			return rc;
		ipv6 |= gen_targets_has(&s->ends[i].destinations, AF_INET6);
	}
	if ((uint64_t)s->flows * (n_tx ? n_tx : 1) > GEN_FLOWS_MAX)
		return pl_error_set(err, -EINVAL, NULL,
				    "--flows: %u of each of %u ends are more than %u in all",
				    s->flows, n_tx, GEN_FLOWS_MAX);
	rc = check_demands(s, sends, receives, err);
	if (rc)
		return rc;
	if (!s->count && !s->duration_ns)
		s->duration_ns = 10ull * 1000000000;
	return check_sizes(s, ipv6, err);
}

int gen_settings_parse(struct gen_settings *s, int argc, char *const *argv, struct pl_error *err)
{
	int rc;

	*s = (struct gen_settings){
		.flows = 1,
		.rate = {.kind = GEN_RATE_MAX, .line_bps = 10e9},
		.drain_ns = 500000000,
		.link_wait_ns = 30000000000,
		.seed = 1,
		.port = DISCARD,
		.ttl = 64,
		.core = -1,
	};
	rc = parse_options(s, argc, argv, err);
	if (rc || s->help || s->version)
		return rc;
	return check(s, err);
}

void gen_settings_free(struct gen_settings *s)
{
	for (unsigned i = 0; i < s->n_ends; i++) {
		gen_targets_fini(&s->ends[i].destinations);
		gen_targets_fini(&s->ends[i].sources[GEN_V4]);
		gen_targets_fini(&s->ends[i].sources[GEN_V6]);
	}
}
