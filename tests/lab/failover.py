# SPDX-License-Identifier: BSD-2-Clause
"""Two paths to one destination, of which one fails: how long no packet comes through, with Peerlane
or the kernel as the router, and the same routing daemon in either case.

    host 1 ---- router ---- host 2    both announce by BGP, and have,
                     \\----- host 3    10.9.0.1 and 2a09::1
"""

import contextlib
import time

from daemons import Config, Peering, Speakers, subnets
from lab import Lab, wait_until
from flows import Flows

TARGETS = {4: "10.9.0.1", 6: "2a09::1"}
PREFIXES = ["10.9.0.1/32", "2a09::1/128"]
FLOWS = 16


class Router:
    """What the two have in common. `device(n)`: the interface to host n."""

    def __init__(self, lab):
        self.lab = lab
        self.namespace = lab.router

    def dies(self, number):
        """The operator takes the interface to a host down."""
        self.namespace.ip(f"link set {self.device(number)} down")

    def revives(self, number):
        self.namespace.ip(f"link set {self.device(number)} up")

    def kernel_devices(self, family):
        """Interfaces by which the kernel would reach the target, as far as their links are up."""
        devices = set()
        for route in self.namespace.ip_json(f"-{family} route show {TARGETS[family]}"):
            for hop in route.get("nexthops", [route]):
                if not set(hop.get("flags", [])) & {"dead", "linkdown"}:
                    devices.add(hop["dev"])
        return devices

    def wait_paths(self, numbers, timeout_s=40):
        """Until the target is reached by the links to these hosts, and no others."""
        devices = {self.device(number) for number in numbers}
        for family in TARGETS:
            wait_until(lambda f=family: self.devices(f) == devices,
                       lambda f=family: f"{self.name}: IPv{f} over {devices}, not "
                       f"{self.devices(f)}\n{self.namespace.ip('route')}", timeout_s, 0.01)


class Peerlane(Router):
    name = "Peerlane"

    def start(self):
        self.lab.start()

    def device(self, number):
        return f"pl{number - 1}"

    def devices(self, family):
        told = self.namespace.show("route", TARGETS[family])["route"]
        usable = {hop["device"] for hop in told["hops"] if hop["usable"]} if told else set()
        return usable if usable == self.kernel_devices(family) else set()


class Kernel(Router):
    name = "kernel"

    def start(self):
        router = self.namespace
        router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                      # Flows of a pair of hosts go different ways, as with Peerlane.
                      "net.ipv4.fib_multipath_hash_policy=1",
                      "net.ipv6.fib_multipath_hash_policy=1")
        for host in self.lab.hosts:
            device = self.device(host.number)
            # As the TAPs have it.
            router.sysctl(f"net.ipv6.conf.{device}.disable_ipv6=0",
                          f"net.ipv6.conf.{device}.addr_gen_mode=0",
                          f"net.ipv4.conf.{device}.ignore_routes_with_linkdown=1",
                          f"net.ipv6.conf.{device}.ignore_routes_with_linkdown=1")
            # The link-local address comes with the interface.
            router.ip(f"link set {device} down")
            router.ip(f"link set {device} up")
            router.ip(f"addr add {host.gateway4}/24 dev {device}")
            router.ip(f"addr add {host.gateway6}/64 dev {device} nodad")

    def device(self, number):
        return f"eth{number}"

    def devices(self, family):
        return self.kernel_devices(family)


ROUTERS = {"peerlane": Peerlane, "kernel": Kernel}


# ---- what fails, and its repair ----

def cable(setup, failed):
    """The far end's interface goes down: the link underneath loses its carrier."""
    setup.lab.hosts[1].ip(f"link set eth0 {'down' if failed else 'up'}")
    if not failed:
        # BIRD 2.0 on the far side does not always take up BFD over IPv6 again by itself.
        setup.speakers.all[1].birdc("restart all")


def interface(setup, failed):
    """The operator takes the router's interface down."""
    (setup.router.dies if failed else setup.router.revives)(2)


def neighbour(setup, failed):
    """The neighbour hangs and forwards no more; its link stays. BFD finds out, or the hold time."""
    verb = "del" if failed else "add"
    batch = "".join(f"addr {verb} {prefix} dev lo\n" for prefix in PREFIXES)
    setup.speakers.all[1].freeze(failed)
    setup.lab.hosts[1].run(["ip", "-b", "-"], input=batch)


FAILURES = {"cable": cable, "interface": interface, "neighbour": neighbour}


class Setup(contextlib.ExitStack):
    """`ecmp`: both paths are used; else host 2's, and host 3's when that is gone. `routes`: how
    many more of either family both hosts announce."""

    def __init__(self, router, daemon, ecmp=False, routes=0):
        super().__init__()
        try:
            self.lab = self.enter_context(Lab(hosts=3))
            self.router = ROUTERS[router](self.lab)
            # Addresses stay while an interface is down, as an operator would have it.
            self.lab.router.sysctl("net.ipv6.conf.all.keep_addr_on_down=1",
                                   "net.ipv6.conf.default.keep_addr_on_down=1")
            self.router.start()
            self.speakers = self.enter_context(Speakers())
            self.speak(daemon, ecmp, routes)
            self.used = [2, 3] if ecmp else [2]
            self.wait_ready()
        except BaseException:
            self.close()
            raise

    def speak(self, daemon, ecmp, routes):
        _, h2, h3 = self.lab.hosts
        for host in (h2, h3):
            host.sysctl("net.ipv6.conf.eth0.keep_addr_on_down=1")
            for prefix in PREFIXES:
                host.ip(f"addr add {prefix} dev lo")
        # FRR 8.4's bfdd now and then does not find a session again that its link had ended, on any
        # router: there the hold time finds out.
        self.bfd = daemon == "bird"
        hold_s = 30 if self.bfd else 3
        # Of a group of next hop objects that lost a member with its carrier FRR 8.4 goes on to
        # think that it is whole, on any router: docs/routing-daemons.md.
        self.speakers.add(daemon, self.lab.router, Config(
            asn=65000, router_id="10.0.1.1", multipath=ecmp, objects=False, hold_s=hold_s,
            peerings=[Peering(address, 65002, bfd=self.bfd, preference=preference)
                      for host, preference in ((h2, 100 if ecmp else 200), (h3, 100))
                      for address in (host.v4, host.v6)]))
        announced = PREFIXES + (subnets("20.0.0.0/24", routes) +
                                subnets("2a00::/64", routes) if routes else [])
        for host in (h2, h3):
            self.speakers.add("bird", host, Config(
                asn=65002, router_id=host.v4, announced=announced, hold_s=hold_s,
                peerings=[Peering(address, 65000, bfd=self.bfd)
                          for address in (host.gateway4, host.gateway6)]))

    def fail_once(self, failure, rate=1000):
        """Returns what became of a stream to each target, {4: Result, 6: Result}, while host 2's
        path failed. All is as before afterwards."""
        h1, h2, h3 = self.lab.hosts
        with contextlib.ExitStack() as stack:
            streams = {family: stack.enter_context(Flows(self.lab, h1, [h2, h3], target,
                                                          rate=rate, flows=FLOWS))
                       for family, target in TARGETS.items()}
            for stream in streams.values():
                stream.wait_running()
            failed_ns = time.monotonic_ns()
            failure(self, True)
            self.router.wait_paths([3])
            moved_ns = time.monotonic_ns()
            time.sleep(0.5)  # packets that would get lost afterwards are part of it
            results = {family: stream.end() for family, stream in streams.items()}
        for family, result in results.items():
            result.begin(failed_ns)
            # An outage is over only for who sees packets again, of every flow.
            dead = set(range(FLOWS)) - result.flows_since(moved_ns)
            assert not dead, f"{self.router.name}: IPv{family}: flows {dead} have not recovered"
        failure(self, False)
        self.wait_ready()
        return results

    def wait_ready(self):
        """Until all sessions are up and the paths used that are to be."""
        self.speakers.all[0].established(4)
        if self.bfd:
            self.speakers.all[0].bfd_established(4)
        self.router.wait_paths(self.used)
