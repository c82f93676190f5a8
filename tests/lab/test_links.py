# SPDX-License-Identifier: BSD-2-Clause
"""Links and TAPs: carrier, admin state, MTU and MAC go where they belong."""

import errno

import pytest

from lab import EMULATED, icmp_error, wait_until

families = pytest.mark.parametrize("family", [4, 6])

TOO_BIG = {4: (3, 4), 6: (2, 0)}  # RFC 792, RFC 4443


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


def test_device_renamed(lab):
    """It stays the port's, whatever is called so by then."""
    reaches_both(lab)
    lab.router.ip("link set eth2 down")
    lab.router.ip("link set eth2 name wan0")
    wait_until(lambda: not lab.router.carrier("pl1"), "carrier off")
    for _ in range(2):
        lab.router.ip("link set wan0 up")
        wait_until(lambda: lab.router.carrier("pl1"), "carrier on")
        reaches_both(lab)
        lab.router.ip("link set wan0 down")
        wait_until(lambda: not lab.router.carrier("pl1"), "carrier off")
        lab.router.ip("link add eth2 mtu 1300 type veth peer name other", check=False)
    assert lab.router.ip_json("link show pl1")[0]["mtu"] == 1500


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
        wait_until(lambda: h1.reaches("10.9.0.1"), "neighbours are resolved")
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
    """And to the cable of an emulated one."""
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
    # Frames to the former address are no longer ours: the program drops them, or the NIC does.
    before = lab.router.counter("not-our-mac")
    h1.ip(f"neigh replace {h1.gateway4} lladdr 02:00:00:00:00:98 dev eth0")
    assert not h1.reaches(h2.v4)
    if EMULATED:
        assert lab.router.counter("not-our-mac") == before
    else:
        lab.router.wait_counter("not-our-mac", before + 1)


def router_mac(lab, device):
    return lab.router.ip_json(f"link show {device}")[0]["address"]


def port_link(lab, index):
    return lab.router.ports()[index]["link"]


def test_device_is_removed(lab):
    """A device that goes away is said once, the other port goes on, and the TAP has no carrier. With an
    emulated NIC it is the cable that goes."""
    h1, h2 = lab.hosts
    reaches_both(lab)
    lab.router.ip("link del eth2")
    gone = "down" if EMULATED else "gone"
    wait_until(lambda: port_link(lab, 1) == gone, f"pl1 is shown as {gone}")
    wait_until(lambda: not lab.router.carrier("pl1"), "no carrier")
    log = lab.router.log()
    assert log.count("pl1: eth2 is gone") == (0 if EMULATED else 1), log
    assert port_link(lab, 0) == "up"
    for family in (4, 6):
        wait_until(lambda f=family: h1.reaches(h1.gateway(f)), f"the router by IPv{family}")
    assert not h1.reaches(h2.v4)
    status, _ = lab.router.stop()
    assert status == 0, lab.router.log()


def test_device_mtu_applies_to_the_tap(lab):
    """The device's MTU lowered while running: the TAP has it, and what is longer earns its error. With an
    emulated NIC it is that of its cable."""
    h1, h2 = lab.hosts
    reaches_both(lab)
    lab.router.ip("link set eth2 mtu 1400")
    wait_until(lambda: lab.router.ip_json("link show pl1")[0]["mtu"] == 1400, "MTU of pl1")
    wait_until(lambda: lab.router.ports()[1]["mtu"] == 1400, "MTU of the port")
    for family, header in ((4, 28), (6, 48)):
        wait_until(lambda f=family: lab.router.show("route", h2.addr(f))["nexthop"]["mtu"] == 1400,
                   "MTU of the next hop")
        error = icmp_error(h1, h2.addr(family), size=1401 - header, dont_fragment=True)
        assert error == (*TOO_BIG[family], h1.gateway(family), 1400)
    lab.router.ip("link set eth2 mtu 1500")
    wait_until(lambda: lab.router.ip_json("link show pl1")[0]["mtu"] == 1500, "MTU of pl1 again")


def test_tap_mac_is_kept_across_a_restart(lab):
    """The operator's MAC is the TAP's and the port's after a restart, too."""
    h1, h2 = lab.hosts
    new = "02:00:00:00:00:99"
    lab.router.ip(f"link set pl0 address {new}")
    wait_until(lambda: lab.router.ports()[0]["mac"] == new, "the port's MAC")
    lab.router.stop()
    assert router_mac(lab, "pl0") == new
    lab.router.start(lab.router.arguments(2))
    assert router_mac(lab, "pl0") == new
    assert [port["mac"] for port in lab.router.ports()] == [new, router_mac(lab, "eth2")]
    for family in (4, 6):
        h1.ip(f"neigh replace {h1.gateway(family)} lladdr {new} dev eth0")
        wait_until(lambda f=family: h1.reaches(h2.addr(f)), f"IPv{family} by that MAC")


ATTACH = """
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
uid = int(sys.argv[1])
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
try:
    fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"pl0", 0x1002))  # TUNSETIFF: TAP, NO_PI
except OSError as error:
    sys.exit(error.errno)
"""


def test_waiting_tap_is_roots_alone(lab):
    """Nobody else may attach to a TAP that waits for the next start: he would be a port's face."""
    lab.router.stop()

    def attach(uid):
        return lab.router.run(["/usr/bin/python3", "-c", ATTACH, uid], check=False).returncode

    assert attach(65534) == errno.EPERM
    assert attach(0) == 0
