# SPDX-License-Identifier: BSD-2-Clause
"""Neighbours: resolved through the kernel, followed when they change, confirmed while in use."""

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from lab import wait_until

families = pytest.mark.parametrize("family", [4, 6])


@families
def test_first_packet_resolves(lab, family):
    """No packet is lost to resolution: the kernel keeps the first and forwards it itself."""
    h1, h2 = lab.hosts
    lab.router.ip("neigh flush dev pl1")
    lab.router.wait_neighbour(h2.addr(family), None)
    before = lab.router.counter("unresolved")
    answered, output = h1.ping(h2.addr(family), count=1, wait_s=3)
    assert answered == 1, output
    assert lab.router.counter("unresolved") > before
    lab.router.wait_neighbour(h2.addr(family), h2.mac())


@families
def test_neighbour_changes_its_mac(lab, family):
    h1, h2 = lab.hosts
    h1.ping(h2.addr(family), count=1)
    new = "02:00:00:00:00:77"
    h2.sysctl("net.ipv4.conf.eth0.arp_notify=1", "net.ipv6.conf.eth0.ndisc_notify=1")
    h2.ip(f"link set eth0 address {new}")
    wait_until(lambda: h1.reaches(h2.addr(family)), "traffic to the new MAC", 20)
    lab.router.wait_neighbour(h2.addr(family), new)


@families
def test_operator_sets_a_mac(lab, family):
    """`ip neigh replace` takes effect at once, both to break and to mend."""
    h1, h2 = lab.hosts
    h1.ping(h2.addr(family), count=1)
    lab.router.ip(f"neigh replace {h2.addr(family)} lladdr 02:00:00:00:00:66 dev pl1")
    lab.router.wait_neighbour(h2.addr(family), "02:00:00:00:00:66", timeout_s=5)
    assert not h1.reaches(h2.addr(family))
    lab.router.ip(f"neigh replace {h2.addr(family)} lladdr {h2.mac()} dev pl1")
    lab.router.wait_neighbour(h2.addr(family), h2.mac(), timeout_s=5)
    wait_until(lambda: h1.reaches(h2.addr(family)), "traffic")


@families
def test_static_neighbour_of_a_new_gateway_stays(lab, family):
    """The route over it may be heard of before the neighbour is: asked to resolve (NTF_USE) what it has
    as permanent, the kernel would forget both state and MAC."""
    far = {4: "10.9.{}.0/24", 6: "fd00:9:{}::/64"}[family]
    gateways = {4: [f"10.0.2.{i}" for i in range(10, 40)],
                6: [f"fd00:2::{i}" for i in range(10, 40)]}[family]
    lines = [line for i, gateway in enumerate(gateways) for line in (
        f"neigh add {gateway} lladdr 02:00:00:00:00:66 dev pl1 nud permanent",
        f"route add {far.format(i)} via {gateway}")]
    lab.router.run(["ip", f"-{family}", "-batch", "-"], input="\n".join(lines) + "\n")
    lab.router.wait_route(far.format(len(gateways) - 1))
    for gateway in gateways:
        lab.router.wait_neighbour(gateway, "02:00:00:00:00:66", timeout_s=5)
        assert lab.router.ip_json(f"neigh show {gateway} dev pl1")[0]["state"] == ["PERMANENT"]


MANY = 4000


def addresses(family, count):
    """Of a network behind the router's second port; host 2 answers for all of them. The IPv6 ones
    share a solicited-node group."""
    if family == 4:
        return [f"10.9.{i // 250}.{2 + i % 250}" for i in range(count)]
    return [f"fd09::{i + 1:x}:0:1" for i in range(count)]


class Sender:
    """Sends packets to lists of addresses, one to each four times a second, for as long as told."""

    def __init__(self, host):
        self.sockets = {4: host.socket(socket.AF_INET, socket.SOCK_DGRAM),
                        6: host.socket(socket.AF_INET6, socket.SOCK_DGRAM)}
        self.to = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.send, daemon=True)
        self.thread.start()

    def send(self):
        while not self.done.wait(0.25):
            for address in self.to:
                with contextlib.suppress(OSError):
                    self.sockets[6 if ":" in address else 4].sendto(b"x", (address, 9))

    def close(self):
        self.done.set()
        self.thread.join()
        for one in self.sockets.values():
            one.close()


@pytest.fixture
def crowd(lab):
    """Host 2 is thousands: it answers for 10.9.0.0/20, and for as many addresses of fd09::/64, and
    takes what is sent to their port 9. Yields the lab and a sender on host 1."""
    h1, h2 = lab.hosts
    h2.ip("route add local 10.9.0.0/20 dev lo")
    h2.ip("route add 10.9.15.254 dev eth0")
    h2.run(["ip", "-batch", "-"], input="".join(
        f"addr add {address}/128 dev eth0 nodad\n" for address in addresses(6, MANY)))
    lab.router.ip("addr add 10.9.15.254/20 dev pl1")
    lab.router.ip("addr add fd09::ffff:ffff/64 dev pl1 nodad")
    with contextlib.ExitStack() as stack:
        for family, anything in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
            taker = stack.enter_context(h2.socket(family, socket.SOCK_DGRAM))
            if family == socket.AF_INET6:
                taker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taker.bind((anything, 9))
        sender = Sender(h1)
        stack.callback(sender.close)
        yield lab, sender


def kernels(lab, state=None):
    """{address: MAC} of the kernel's neighbours on pl1."""
    return {n["dst"]: n.get("lladdr") for family in ("-4", "-6")
            for n in lab.router.ip_json(f"{family} neigh show dev pl1")
            if n["dst"].startswith(("10.9.", "fd09:")) and (not state or state in n["state"])}


def ours(lab):
    """The router's usable neighbours there."""
    return {n["address"]: n for n in lab.router.show("neighbors")["neighbors"]
            if n["usable"] and n["address"].startswith(("10.9.", "fd09:"))}


def test_kept_alive_while_in_use(crowd):
    """The kernel sees none of the traffic. It collects those that nobody sends to; those in use it
    confirms, because Peerlane asks it to, and no packet to them falls back to the kernel."""
    lab, sender = crowd
    everyone = [*addresses(4, 160), *addresses(6, 160)]
    # It collects while there are more than 128 (gc_thresh1) of a family: these are, and stay.
    lab.router.run(["ip", "-batch", "-"], input="".join(
        f"neigh add {address} lladdr 02:00:00:00:00:66 dev pl0 nud permanent\n"
        for i in range(10, 150) for address in (f"10.0.1.{i}", f"fd00:1::{i}")))
    used = [*addresses(4, 20), *addresses(6, 20)]
    for which in ("ipv4", "ipv6"):
        # Stale 1 to 3 s after it was confirmed, collected 8 s after it was used or confirmed.
        lab.router.sysctl(f"net.{which}.neigh.pl1.base_reachable_time_ms=2000",
                          f"net.{which}.neigh.pl1.delay_first_probe_time=1",
                          f"net.{which}.neigh.pl1.gc_stale_time=8")
    sender.to = everyone
    wait_until(lambda: len(ours(lab)) == len(everyone), lambda: len(ours(lab)), 30)
    sender.to = used
    before = lab.router.counter("unresolved")
    # The kernel looks for what it can collect about every 15 s.
    wait_until(lambda: set(kernels(lab)) <= set(used), lambda: len(kernels(lab)), 60, 0.2)
    wait_until(lambda: set(ours(lab)) == set(used), lambda: ours(lab))
    assert lab.router.counter("unresolved") == before
    assert all(n["used_ago_ms"] < 5000 for n in ours(lab).values()), ours(lab)
    # One that was collected is found again by the first packet.
    assert everyone[159] not in ours(lab)
    answered, output = lab.hosts[0].ping(everyone[159], count=1, wait_s=3)
    assert answered == 1, output


def test_thousands(crowd):
    """8000 neighbours on one port: resolved by traffic as far as the kernel's tables take them, the
    others put there by a daemon, stale. All are forwarded to by the router itself and confirmed by
    their host, change their MACs, and go."""
    lab, sender = crowd
    mac = lab.hosts[1].mac()
    room = min(int(Path(f"/proc/sys/net/{which}/neigh/default/gc_thresh2").read_text())
               for which in ("ipv4", "ipv6"))
    resolved = min(MANY, room * 3 // 4)
    for which in ("ipv4", "ipv6"):
        lab.router.sysctl(f"net.{which}.neigh.pl1.delay_first_probe_time=1")
    sender.to = [a for family in (4, 6) for a in addresses(family, resolved)]
    wait_until(lambda: len(ours(lab)) == 2 * resolved, lambda: len(ours(lab)), 60)
    everyone = [a for family in (4, 6) for a in addresses(family, MANY)]

    def batch(line, which):
        lab.router.run(["ip", "-batch", "-"], input="".join(line.format(a) for a in which))

    batch(f"neigh add {{}} lladdr {mac} dev pl1 nud stale extern_learn\n",
          sorted(set(everyone) - set(sender.to)))
    wait_until(lambda: len(ours(lab)) == len(everyone), lambda: len(ours(lab)), 20)
    before = lab.router.counter("unresolved"), lab.router.ports()[1]["counters"]["tx_packets"]
    sender.to = everyone
    wait_until(lambda: not kernels(lab, "STALE"), lambda: len(kernels(lab, "STALE")), 60, 0.2)
    wait_until(lambda: all(n["used_ago_ms"] is not None for n in ours(lab).values()), "all used", 20)
    after = lab.router.counter("unresolved"), lab.router.ports()[1]["counters"]["tx_packets"]
    assert after[0] == before[0] and after[1] - before[1] >= len(everyone)
    # On a machine so slow that answers come too late the kernel may have to ask anew.
    wait_until(lambda: kernels(lab) == {a: n["mac"] for a, n in ours(lab).items()},
               lambda: {a for a, mac in kernels(lab).items() if mac is None}, 20, 0.2)

    for last in (77, 78):
        batch(f"neigh replace {{}} lladdr 02:00:00:00:00:{last} dev pl1 nud reachable extern_learn\n",
              everyone)
    wait_until(lambda: {n["mac"] for n in ours(lab).values()} == {"02:00:00:00:00:78"}, "MACs", 20)
    assert kernels(lab) == {a: n["mac"] for a, n in ours(lab).items()}
    sender.to = []
    batch("neigh del {} dev pl1\n", everyone)
    wait_until(lambda: not ours(lab), lambda: len(ours(lab)), 20)
    assert lab.router.show("sync")["tables"]["neighbors"] < 20
