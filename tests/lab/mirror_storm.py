# SPDX-License-Identifier: BSD-2-Clause
"""Random `ip` commands over a small world, so that they meet: every verb and attribute of routes,
next hop objects, addresses, neighbours and links. Many of them the kernel refuses; that, too, is
part of it. The same seed makes the same commands."""

import ipaddress
import random

DEVICES = ["f0", "f1", "f2", "x0"]
PREFIXES = {
    4: ["default", "0.0.0.0/1", "10.0.0.0/8", "10.8.0.0/15", "10.9.0.0/16", "10.9.1.0/24",
        "10.9.1.0/25", "10.9.1.128/25", "10.9.1.128/26", "10.9.1.1/32", "10.9.9.0/24",
        "10.0.0.128/25", "10.0.1.64/26", "172.16.0.0/12", "192.0.2.0/24", "198.51.100.7/32"],
    6: ["default", "2000::/3", "2001:db8::/32", "2001:db8:9::/48", "2001:db8:9:1::/64",
        "2001:db8:9:1:8000::/65", "2001:db8:9:1::1/128", "2001:db8:ff::/48", "fd00::/8",
        "fd00:0:0:0:8000::/65", "fd00:9::/48", "64:ff9b::/96", "4000::/4"],
}
GATEWAYS = {
    4: ["10.0.0.2", "10.0.0.3", "10.0.1.2", "10.0.1.3", "10.0.2.2", "10.0.2.77", "10.0.3.2",
        "10.9.1.9"],
    6: ["fd00::2", "fd00::3", "fd00:1::2", "fd00:1::3", "fd00:2::2", "fd00:3::2",
        "2001:db8:9:1::9"],
}
ADDRESSES = {
    4: ["10.9.1.5/24", "10.9.1.6/24", "10.9.9.1/25", "10.8.1.1/16", "192.0.2.9/32",
        "198.51.100.1/31"],
    6: ["2001:db8:9:1::5/64", "2001:db8:9:2::5/48", "fd00:9::1/64", "2001:db8:ff::1/128"],
}
BASE_ADDRESSES = [(f"10.0.{i}.1/24", d) for i, d in enumerate(DEVICES)] + \
                 [(f"fd00:{i}::1/64", d) for i, d in enumerate(DEVICES)]


class Storm:
    def __init__(self, seed, tables=True):
        self.draw = random.Random(seed)
        self.tables = tables

    def chance(self, percent):
        return self.draw.random() * 100 < percent

    def pick(self, *choices):
        return self.draw.choice(choices)

    # ---- routes ----

    def gateway_device(self, gateway):
        third = gateway.split(".")[2] if "." in gateway else gateway.split(":")[1]
        return DEVICES[int(third or 0)] if third in "0123" else self.draw.choice(DEVICES)

    def hop(self, family, joined=False):
        """One way out, as after `nexthop`; `joined`: among others."""
        if family == 6 and self.chance(10):
            return f"via fe80::99 dev {self.draw.choice(DEVICES)}"
        if self.chance(15) and not (joined and family == 6):
            return f"dev {self.draw.choice(DEVICES)}"
        if family == 4 and self.chance(15):
            gateway = self.draw.choice(GATEWAYS[6])
            return f"via inet6 {gateway} dev {self.gateway_device(gateway)}"
        gateway = self.draw.choice(GATEWAYS[family])
        text = f"via {gateway}"
        if self.chance(5):
            text = f"encap seg6 mode encap segs 2001:db8:77::1 {text}"
        if self.chance(50):
            text += f" dev {self.gateway_device(gateway)}"
            if self.chance(20):
                text += " onlink"
        return text

    def ways(self, family):
        if self.chance(20):
            return f"nhid {self.draw.choice([1, 2, 3, 4, 20, 21])}"
        if self.chance(25):
            hops = [f"nexthop {self.hop(family, True)}" +
                    (f" weight {self.draw.choice([1, 2, 3, 5, 10])}" if self.chance(50) else "")
                    for _ in range(self.draw.choice([2, 2, 3, 4]))]
            return " ".join(hops)
        return self.hop(family)

    def attributes(self, family, ways=""):
        """Of IPv6 routes with one metric the kernel joins those with gateways, and its dump leaves
        out what stands between two that are joined: other kinds have metrics of their own."""
        kind = ways.split()[0] if ways else "type"
        text = ""
        if family == 6 and kind in ("type", "dev", "nhid"):
            text += f" metric {dict(type=31, dev=32, nhid=33)[kind]}"
        elif self.chance(30):
            text += f" metric {self.pick(10, 20, 1024)}"
        if self.chance(20):
            text += f" proto {self.pick('static', 'bgp', 'bird', 77)}"
        # Of joined IPv6 routes each has its own, and the kernel tells one for all.
        if self.chance(15) and (family == 4 or kind in ("dev", "nhid")):
            text += self.pick(" mtu 1400", " mtu lock 1300", " mtu 9000", " mtu 1280")
        if self.chance(5):
            text += " advmss 1000"
        if self.chance(5):
            ours = BASE_ADDRESSES[:4] if family == 4 else BASE_ADDRESSES[4:]
            text += f" src {self.draw.choice(ours)[0].split('/')[0]}"
        if family == 4 and self.chance(5):
            text += " scope link"
        if self.tables and self.chance(4):
            text += f" table {self.pick(100, 1000)}"
        if self.tables and family == 4 and self.chance(4):
            text += " tos 0x10"
        if self.tables and family == 6 and self.chance(4):
            text += " from 2001:db8:5::/48"
        return text

    def route(self):
        family = self.pick(4, 6)
        prefix = self.draw.choice(PREFIXES[family])
        if self.chance(3):
            return f"-{family} route flush " + self.pick(
                f"root {self.draw.choice(PREFIXES[family][4:])} table main",
                f"exact {prefix} table main", "proto bgp", "proto 77",
                f"dev {self.draw.choice(DEVICES)} proto static")
        verb = self.pick("add", "add", "append", "replace", "replace", "change", "del", "del",
                         "del", "prepend" if family == 4 else "append")
        if verb == "del" and self.chance(50):
            metric = f" metric {self.pick(10, 20, 1024, 31, 32, 33)}" if self.chance(30) else ""
            return f"-{family} route del {prefix}{metric}"
        if self.chance(12):
            kind = self.pick("blackhole", "unreachable", "prohibit", "throw")
            return f"-{family} route {verb} {kind} {prefix}{self.attributes(family)}"
        if self.chance(5):
            kind = self.pick("local", "local", "broadcast", "multicast") \
                if family == 4 else "local"
            device = "lo" if kind == "local" else self.draw.choice(DEVICES)
            return f"-{family} route {verb} {kind} {prefix} dev {device} table local"
        ways = self.ways(family)
        return f"-{family} route {verb} {prefix}{self.attributes(family, ways)} {ways}"

    # ---- next hop objects ----

    def nexthop(self):
        if self.chance(1):
            return "nexthop flush"
        if self.chance(15):
            return f"nexthop del id {self.pick(1, 2, 3, 4, 20, 21)}"
        verb = self.pick("add", "replace")
        if self.chance(40):
            members = self.draw.sample([1, 2, 3, 4], self.pick(1, 2, 2, 3))
            text = "/".join(f"{m},{self.pick(1, 2, 7, 200)}" if self.chance(50) else f"{m}"
                            for m in members)
            kind = " type resilient buckets 32" if self.chance(15) else ""
            return f"nexthop {verb} id {self.pick(20, 21)} group {text}{kind}"
        ident = self.pick(1, 2, 3, 4)
        if self.chance(10):
            return f"nexthop {verb} id {ident} blackhole"
        if self.chance(5):
            return f"nexthop {verb} id {ident} via 10.0.0.2 fdb"
        family = self.pick(4, 4, 6)
        if self.chance(15):
            return f"-{family} nexthop {verb} id {ident} dev {self.draw.choice(DEVICES)}"
        gateway = self.draw.choice(GATEWAYS[family])
        encap = "encap seg6 mode encap segs 2001:db8:77::1 " if self.chance(5) else ""
        return (f"nexthop {verb} id {ident} {encap}via {gateway} "
                f"dev {self.gateway_device(gateway)}{' onlink' if self.chance(20) else ''}")

    # ---- what is underneath ----

    def addr(self):
        if self.chance(60):  # what was taken away comes back
            address, device = self.draw.choice(BASE_ADDRESSES)
            verb = "del" if self.chance(20) else "replace"
            return f"addr {verb} {address} dev {device}"
        if self.chance(4):
            return f"-{self.pick(4, 6)} addr flush dev {self.draw.choice(DEVICES)} scope global"
        family = self.pick(4, 6)
        address = self.draw.choice(ADDRESSES[family])
        if family == 4 and self.chance(10):
            address = "10.9.7.1 peer 10.9.7.2/32"
        extra = " noprefixroute" if self.chance(10) else ""
        extra += " metric 20" if self.chance(10) else ""
        verb = self.pick("add", "replace", "del")
        return f"addr {verb} {address} dev {self.draw.choice(DEVICES)}" + \
            (extra if verb != "del" else "")

    def neigh(self):
        gateway = self.draw.choice(GATEWAYS[self.pick(4, 6)] + ["fe80::99"])
        device = self.draw.choice(DEVICES) if gateway == "fe80::99" else \
            self.gateway_device(gateway)
        if self.chance(15):
            return f"neigh del {gateway} dev {device}"
        if self.chance(10):
            return f"neigh change {gateway} dev {device} nud failed"
        state = self.pick("permanent", "permanent", "noarp")
        mac = f"02:00:00:{self.draw.randrange(4):02x}:00:{self.draw.randrange(64):02x}"
        return f"neigh replace {gateway} dev {device} lladdr {mac} nud {state}"

    def link(self):
        """Three in four lead back to normal."""
        number = self.draw.randrange(len(DEVICES))
        what = self.draw.randrange(10)
        if what < 4:
            state = "down" if self.chance(25) else "up"
            return f"link set {DEVICES[number]} {state}"
        if what < 8:
            state = "down" if self.chance(25) else "up"
            return f"@link set p{number} {state}"
        if what == 8:
            return f"link set {DEVICES[number]} mtu {self.pick(1500, 1500, 1400, 1280, 9000)}"
        return (f"link set {DEVICES[number]} address "
                f"02:bb:00:00:{number:02x}:{self.draw.randrange(4):02x}")

    def command(self, calm):
        """One command. One that begins with @ is for the peers' namespace. `calm`: of routes and
        neighbours only, which the kernel tells all about: nothing that a dump must put right."""
        if calm:
            return self.route() if self.chance(92) else self.neigh()
        kind = self.draw.choices([self.route, self.nexthop, self.addr, self.neigh, self.link],
                                 [60, 14, 9, 9, 8])[0]
        return kind()


def edges(prefix):
    """First and last address of a prefix, and those just outside."""
    if prefix == "default":
        return []
    net = ipaddress.ip_network(prefix)
    top = (1 << net.max_prefixlen) - 1
    kind = type(net.network_address)
    numbers = {int(net.network_address), int(net.broadcast_address),
               max(int(net.network_address) - 1, 1), min(int(net.broadcast_address) + 1, top)}
    return [str(kind(n)) for n in sorted(numbers) if kind(n) != kind(0)]
