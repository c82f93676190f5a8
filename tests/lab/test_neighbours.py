# SPDX-License-Identifier: BSD-2-Clause
"""Neighbours: resolved through the kernel, followed when they change."""

import pytest

from lab import Sink, wait_until

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
    lab.router.wait_neighbour(h2.addr(family), "02:00:00:00:00:66", timeout_s=1)
    assert not h1.reaches(h2.addr(family))
    lab.router.ip(f"neigh replace {h2.addr(family)} lladdr {h2.mac()} dev pl1")
    lab.router.wait_neighbour(h2.addr(family), h2.mac(), timeout_s=1)
    assert h1.reaches(h2.addr(family))


@families
def test_neighbour_in_use_is_kept_alive(lab, family):
    """The kernel sees none of the traffic: a neighbour that has grown stale would stay so until it is
    collected. Peerlane has the kernel confirm it, each time, and the flow never falls back."""
    h1, h2 = lab.hosts
    which = {4: "ipv4", 6: "ipv6"}[family]
    lab.router.sysctl(f"net.{which}.neigh.pl1.delay_first_probe_time=1")
    h1.ping(h2.addr(family), count=1)
    lab.router.wait_neighbour(h2.addr(family), h2.mac())
    before = lab.router.counter("unresolved")
    # The sink takes what arrives, so host 2 sends nothing by which the router could know of it.
    sink = Sink(lab, h2)
    flood = lab.popen(h1, lab.flood_command(h1, h2, family, seconds=600, rate=2000))

    def state():
        return lab.router.ip_json(f"neigh show {h2.addr(family)} dev pl1")[0]["state"]

    for _ in range(2):
        lab.router.ip(f"neigh change {h2.addr(family)} lladdr {h2.mac()} dev pl1 nud stale")
        wait_until(lambda: state() == ["REACHABLE"], state, 20)
    flood.terminate()
    flood.wait(10)
    assert sink.settled()["packets"] > 0
    sink.close()
    assert lab.router.counter("unresolved") == before
