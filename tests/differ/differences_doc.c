/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes docs/differences.md from the list of accepted differences, to its output. */
#include <stdio.h>

static const struct {
	const char *name, *what, *why;
} differences[] = {
#define X(symbol, name, what, why) {name, what, why},
#include "accepted.h"
#undef X
};

static const char head[] =
	"<!-- SPDX-License-Identifier: BSD-2-Clause -->\n"
	"<!-- Written by tests/differ/differences_doc.c from tests/differ/accepted.h: change that. "
	"-->\n"
	"# Differences from the kernel's router\n\n"
	"What comes out of Peerlane, on which port, with which bytes, is what the Linux kernel "
	"would have "
	"sent, had the same\n"
	"frames come to the same interfaces with the same configuration. `make differ` compares "
	"the two, "
	"frame by frame; it knows\n"
	"the differences of this table by their names, and reports any other.\n\n"
	"| name | what differs | why it stays |\n"
	"| --- | --- | --- |\n";

static const char tail[] =
	"\n"
	"Besides, packets that Peerlane forwards itself are not seen by netfilter, traffic control "
	"or packet "
	"sockets on the TAP\n"
	"interfaces. Limits on punts are off in the comparison; by default what exceeds them is "
	"dropped,\n"
	"see peerlaned.conf(5).\n"
	"Where routes are chosen otherwise than by the kernel, in corners that frames do not "
	"reach, "
	"is listed in\n"
	"[architecture.md](architecture.md), \"Where answers differ from `ip route get`\".\n\n"
	"Not compared is what two kernels do not agree upon either: the identification of packets "
	"that the "
	"router itself makes,\n"
	"IPv4 timestamp options and ICMP timestamps, reports of group membership and errors about "
	"reassembly that timers send.\n"
	"The kernel of the test has `icmp_ratemask=0`, so that it limits no errors, and resolves "
	"no "
	"neighbours by asking (`mcast_solicit=0`),\n"
	"so that nothing depends on the moment: resolution has tests of its own.\n\n"
	"What the test has found so far, and is no more: IPv4 packets with a source in 240.0.0.0/4 "
	"were "
	"dropped, so were packets\n"
	"without a source or with an IPv4-mapped one, and those to the unspecified IPv6 address, "
	"whatever the "
	"kernel made of\n"
	"them; the TAP interfaces believed IPv4 redirects; a static neighbour could be lost when a "
	"route over it "
	"was added.\n";

int main(void)
{
	fputs(head, stdout);
	for (unsigned i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
		printf("| `%s` | %s | %s |\n", differences[i].name, differences[i].what,
		       differences[i].why);
	fputs(tail, stdout);
	return 0;
}
