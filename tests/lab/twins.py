#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Peerlane and a kernel router of the same configuration, and the program that compares them.

    tester                     peerlane's namespace            kernel's namespace
    p1, p2, p3  --- veth ---  eth1 = pl0, eth2 = pl1, ...
    k1, k2, k3  ------------------- veth ------------------->  pl0, pl1, pl2

Both routers have the same MACs and addresses, so that what comes out can be compared byte by byte;
tests/differ/ has the program, and in world.c and address.c what it knows of this world.

As a program: sets up the twins and runs differ with the arguments given, e.g.
    tests/lab/twins.py --seed 7 --count 10000000
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import lab as L

DIFFER = L.BUILD / "tests/differ/differ"
PORTS = 3
PORT_MTU = {1: 1400, 2: 1500, 3: 1500}  # those of an ECMP route's next hops are equal
TESTER_MTU = 2000  # longer frames than the routers' ports take can be sent

# The daemon's configuration, besides its ports: what depends on how fast frames come is off here.
DAEMON_CONFIGURATION = """
[Router]
Planes=1

[PuntLimits]
""" + "".join(f"{key}=no\n" for key in (
    "ArpNd", "ArpNdNew", "Routing", "RoutingNew", "Tcp", "Local", "Ttl", "Mtu", "NoRoute",
    "Unresolved", "Other"))

# Nothing that depends on the time of day or on how fast frames come: no limit on ICMP errors, no
# neighbour resolved by asking (that fails at once), entries that stay as they are, no answer that
# waits a random while.
NAMESPACE_SYSCTLS = [
    "net.ipv4.icmp_ratemask=0", "net.ipv6.icmp.ratemask=", "net.ipv4.ipfrag_time=1",
    "net.ipv6.ip6frag_time=1", "net.ipv6.auto_flowlabels=0"]
PORT_SYSCTLS = [
    "net.{family}.neigh.{port}.mcast_solicit=0", "net.{family}.neigh.{port}.ucast_solicit=0",
    "net.{family}.neigh.{port}.delay_first_probe_time=86400",
    "net.{family}.neigh.{port}.gc_stale_time=86400", "net.{family}.neigh.{port}.locktime=0",
    "net.{family}.neigh.{port}.proxy_delay=0"]  # of answers for anycast addresses

# One or more of each kind of route.
ROUTES = """
route add unreachable 10.20.0.0/24
route add prohibit 10.20.1.0/24
route add blackhole 10.20.2.0/24
route add throw 10.20.3.0/24
route add 10.21.0.0/24 via 10.0.2.2 mtu 1300
route add 10.21.1.0/24 via 10.0.3.2 mtu lock 1000
route add 10.21.2.0/24 via 10.0.1.2 mtu 576
route add 10.21.3.0/24 via 10.0.2.2 mtu 9000
route add 10.22.0.0/16 nexthop via 10.0.2.2 nexthop via 10.0.3.2 weight 3
route add 10.23.0.0/24 via 10.0.3.100
route add 10.24.0.0/24 via 192.0.2.99 dev pl2 onlink
route add 10.25.0.0/24 via inet6 fd00:3::2
route add 10.26.0.0/24 nhid 1
route add 10.26.1.0/24 nhid 3
route add 10.26.2.0/24 nhid 4
route add 10.0.2.128/25 via 10.0.1.2
route add default via 10.0.2.2
route add default via 10.0.3.2 metric 100
route add unreachable fd02::/32
route add prohibit fd02:1::/32
route add blackhole fd02:2::/32
route add throw fd02:3::/32
route add fd03::/32 via fd00:2::2 mtu 1300
route add fd03:1::/32 via fd00:3::2 mtu 1280
route add fd03:2::/32 via fd00:1::2 mtu 1000
route add fd03:3::/32 via fd00:2::2 mtu 9000
route add fd04::/16 nexthop via fd00:2::2 nexthop via fd00:3::2 weight 3
route add fd05::/32 via fd00:3::99
route add fd06::/32 via fe80::2 dev pl2
route add fd07::/32 nhid 5
route add fd07:1::/32 via fe80::2 dev pl1
route add fd07:2::/32 nhid 6
route add ::/0 via fd00:2::2
"""
NEXTHOPS = """
nexthop add id 1 via 10.0.2.3 dev pl1
nexthop add id 2 via 10.0.3.3 dev pl2
nexthop add id 3 group 1/2,2
nexthop add id 4 blackhole
nexthop add id 5 via fd00:3::3 dev pl2
"""


def router_mac(port):
    return f"02:00:00:00:{port:02x}:01"


def host_mac(port, host=2):
    return f"02:00:00:00:{port:02x}:{host:02x}"


def configuration():
    """Options and lines of `ip -batch` that make a router of its interfaces pl0, pl1, pl2."""
    lines = []
    for port in range(1, PORTS + 1):
        dev = f"dev pl{port - 1}"
        lines += [f"addr add 10.0.{port}.1/24 broadcast + {dev}",
                  f"addr add fd00:{port}::1/64 {dev} nodad"]
        lines += [f"neigh replace {address} lladdr {host_mac(port, host)} {dev} nud permanent"
                  for host in range(2, 10)
                  for address in (f"10.0.{port}.{host}", f"fd00:{port}::{host:x}")]
        lines += [f"neigh replace fe80::2 lladdr {host_mac(port)} {dev} nud permanent",
                  f"route add 10.{10 + port}.0.0/16 via 10.0.{port}.2",
                  f"route add fd01:{port}::/32 via fd00:{port}::2"]
    # A loopback address, a second network on a port, and an interface that is no port.
    lines += ["addr add 10.255.0.1/32 dev lo", "addr add fd00:ff::1/128 dev lo nodad",
              "addr add 192.168.5.1/24 broadcast + dev pl0",
              "neigh replace 192.0.2.99 lladdr 02:00:00:00:03:04 dev pl2 nud permanent",
              "addr add 10.27.0.1/24 broadcast + dev other",
              "addr add fd00:27::1/64 dev other nodad",
              "neigh replace 10.27.0.2 lladdr 02:00:00:00:27:02 dev other nud permanent",
              "neigh replace fd00:27::2 lladdr 02:00:00:00:27:02 dev other nud permanent"]
    lines += NEXTHOPS.strip().splitlines() + ROUTES.strip().splitlines()
    # IPv6 first: a next hop of IPv4 is one of its addresses.
    return [(["-6"], ["nexthop add id 6 blackhole"] +
             [line for line in lines if "::" in line and "inet6" not in line]),
            ([], [line for line in lines if "::" not in line or "inet6" in line])]


class Twins:
    """Use as a context manager."""

    def __init__(self):
        self.cleanup = contextlib.ExitStack()
        try:
            self.folder = Path(self.cleanup.enter_context(
                tempfile.TemporaryDirectory(prefix="peerlane-twins-")))
            L.Lab.count += 1
            name = L.namespace_name(L.Lab.count)
            self.tester = self.namespace(L.Namespace(f"{name}-h1"))
            self.kernel = self.namespace(L.Namespace(f"{name}-h2"))
            self.peerlane = self.namespace(L.Router(f"{name}-r", self.folder))
            self.tester.sysctl("net.ipv6.conf.default.disable_ipv6=1")
            for port in range(1, PORTS + 1):
                self.cable(f"p{port}", self.peerlane, f"eth{port}", port)
                self.cable(f"k{port}", self.kernel, f"pl{port - 1}", port)
            self.start_kernel()
            self.start_peerlane()
        except BaseException:
            self.close()
            raise

    def namespace(self, one):
        self.cleanup.callback(one.delete)
        return one

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        peerlane = getattr(self, "peerlane", None)
        if peerlane and peerlane.daemon:
            peerlane.daemon.kill()
            peerlane.daemon.wait()
        self.cleanup.close()

    def cable(self, end, router, device, port):
        """The tester's device answers nobody. What it sends has its checksums."""
        self.tester.ip(f"link add {end} mtu {TESTER_MTU} address {host_mac(port)} type veth peer "
                       f"name {device} mtu {PORT_MTU[port]} address {router_mac(port)} "
                       f"netns {router.name}")
        self.tester.run(f"ethtool -K {end} tx off")
        router.run(f"ethtool -K {device} tx off")
        self.tester.ip(f"link set {end} arp off up")

    def other_interface(self, router):
        """Both ends in the router's namespace; what arrives at the other end is for nobody."""
        router.ip("link add other address 02:00:00:00:27:01 type veth peer name far")
        router.sysctl("net.ipv6.conf.far.disable_ipv6=1")
        router.sysctl("net.ipv6.conf.other.forwarding=1")
        router.ip("link set other up")
        router.ip("link set far arp off up")

    def configure(self, router):
        self.other_interface(router)
        router.sysctl(*NAMESPACE_SYSCTLS)
        ports = [f"pl{i}" for i in range(PORTS)]
        router.sysctl(*(setting.format(family=family, port=port) for setting in PORT_SYSCTLS
                        for family in ("ipv4", "ipv6") for port in [*ports, "other"]
                        if not (family == "ipv6" and "locktime" in setting)))
        for options, lines in configuration():
            router.run(["ip", *options, "-batch", "-"], input="\n".join(lines) + "\n")

    def start_kernel(self):
        """An ordinary router, but for what Peerlane's faces have too."""
        self.kernel.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for i in range(PORTS):
            self.kernel.sysctl(*(f"net.{family}.conf.pl{i}.ignore_routes_with_linkdown=1"
                                 for family in ("ipv4", "ipv6")))
            self.kernel.ip(f"link set pl{i} up")
        self.configure(self.kernel)

    def start_peerlane(self):
        for port in range(1, PORTS + 1):
            self.peerlane.sysctl(f"net.ipv6.conf.eth{port}.disable_ipv6=1")
            self.peerlane.ip(f"link set eth{port} up")
        configuration = self.folder / "peerlaned.conf"
        configuration.write_text(DAEMON_CONFIGURATION)
        self.peerlane.start(self.peerlane.arguments(PORTS, options=["--config", configuration]))
        for i in range(PORTS):
            L.wait_until(lambda dev=f"pl{i}": self.peerlane.carrier(dev), f"pl{i} has its carrier")
        self.configure(self.peerlane)
        self.peerlane.wait_route("10.0.2.128/25")

    def command(self, *args):
        return [str(a) for a in (DIFFER, "--kernel", "k1,k2,k3", "--peerlane", "p1,p2,p3",
                                 *(["--padded"] if L.EMULATED else []), *args)]

    def differ(self, *args, timeout=600):
        """Runs the program; returns its exit status and what it printed."""
        done = self.tester.run(self.command(*args), check=False, timeout=timeout)
        return done.returncode, done.stdout + done.stderr


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Twins() as twins:
        process = twins.tester.popen(twins.command(*sys.argv[1:]))
        try:
            status = process.wait()
        except KeyboardInterrupt:
            status = process.wait()
        for counter in twins.peerlane.show("counters")["counters"]:
            print(f"{counter['name']}: {counter['total']}")
    sys.exit(status)


if __name__ == "__main__":
    main()
