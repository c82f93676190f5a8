# SPDX-License-Identifier: BSD-2-Clause
"""Links and TAPs: carrier, admin state, MTU and MAC go where they belong."""

import pytest

from lab import wait_until

families = pytest.mark.parametrize("family", [4, 6])


def reaches_both(lab):
    h1, h2 = lab.hosts
    for family in (4, 6):
        wait_until(lambda f=family: h1.reaches(h2.addr(f)), f"IPv{family} traffic", 15)


def test_carrier_follows_the_wire(lab):
    """The far end goes down: no carrier on the TAP, the kernel withdraws; and back."""
    _, h2 = lab.hosts
    reaches_both(lab)
    for _ in range(2):
        h2.ip("link set eth0 down")
        wait_until(lambda: not lab.router.carrier("pl1"), "carrier off")
        wait_until(lambda: "linkdown" in lab.router.ip("route show 10.0.2.0/24"), "linkdown route")
        assert lab.router.carrier("pl0")
        h2.ip("link set eth0 up")
        wait_until(lambda: lab.router.carrier("pl1"), "carrier on")
        h2.ip(f"addr replace {h2.v6}/64 dev eth0")
        h2.ip(f"route replace default via {h2.gateway4}")
        h2.ip(f"route replace default via {h2.gateway6}")
        reaches_both(lab)


def test_device_underneath_goes_down_and_up(lab):
    reaches_both(lab)
    lab.router.ip("link set eth2 down")
    wait_until(lambda: not lab.router.carrier("pl1"), "carrier off")
    lab.router.ip("link set eth2 up")
    wait_until(lambda: lab.router.carrier("pl1"), "carrier on")
    reaches_both(lab)


def test_link_down_under_traffic(lab):
    """A flood meets a dead link; when it is back the port still works."""
    h1, h2 = lab.hosts
    reaches_both(lab)
    flood = lab.popen(h1, lab.flood_command(h1, h2, seconds=600))
    for _ in range(3):
        lab.router.ip("link set eth2 down")
        wait_until(lambda: not lab.router.carrier("pl1"), "carrier off")
        lab.router.ip("link set eth2 up")
        wait_until(lambda: lab.router.carrier("pl1"), "carrier on")
    flood.terminate()
    flood.wait(10)
    reaches_both(lab)


def test_route_over_dead_link_is_left(lab3):
    """Of two ECMP paths the one whose link is down is not used."""
    h1, h2, h3 = lab3.hosts
    for host in (h2, h3):
        host.ip("addr add 10.9.0.1 dev lo")
    lab3.router.ip(f"route add 10.9.0.0/24 nexthop via {h2.v4} dev pl1 "
                   f"nexthop via {h3.v4} dev pl2")
    for dead, alive in (("eth2", "pl2"), ("eth3", "pl1")):
        lab3.router.ip(f"link set {dead} down")
        lab3.router.wait_next_hop("10.9.0.1", alive)
        answered, output = h1.ping("10.9.0.1", count=5)
        assert answered == 5, output
        lab3.router.ip(f"link set {dead} up")
        wait_until(lambda d=dead: lab3.router.carrier(f"pl{int(d[3:]) - 1}"), "carrier")


def test_tap_admin_down(lab):
    h1, h2 = lab.hosts
    reaches_both(lab)
    lab.router.ip("link set pl1 down")
    wait_until(lambda: not h1.reaches(h2.v4), "no traffic to a port that is down")
    before = lab.router.counter("port-down")
    h2.ping(h1.v4, count=2, wait_s=0.2)
    lab.router.wait_counter("port-down", before + 1)
    lab.router.ip("link set pl1 up")
    lab.configure()
    reaches_both(lab)


def test_tap_mtu_applies_to_the_device(lab):
    h1, _ = lab.hosts
    lab.router.ip("link set pl0 mtu 1400")
    wait_until(lambda: lab.router.ip_json("link show eth1")[0]["mtu"] == 1400, "MTU of eth1")
    h1.ip("link set eth0 mtu 1400")
    # What comes back from host 2 is too long for host 1's link: the router fragments.
    answered, output = h1.ping(lab.hosts[1].v4, count=3, options=["-s", 1450, "-M", "dont"])
    assert answered == 3, output
    lab.router.ip("link set pl0 mtu 1500")
    wait_until(lambda: lab.router.ip_json("link show eth1")[0]["mtu"] == 1500, "MTU of eth1")


def test_tap_mac_applies_to_the_port(lab):
    h1, h2 = lab.hosts
    reaches_both(lab)
    new = "02:00:00:00:00:99"
    lab.router.ip(f"link set pl0 address {new}")
    h1.ip("neigh flush dev eth0")
    reaches_both(lab)
    assert h1.ip_json(f"neigh show {h1.gateway4}")[0]["lladdr"] == new
    # Frames to the former address are no longer ours.
    before = lab.router.counter("not-our-mac")
    h1.ip(f"neigh replace {h1.gateway4} lladdr 02:00:00:00:00:98 dev eth0")
    assert not h1.reaches(h2.v4)
    lab.router.wait_counter("not-our-mac", before + 1)
