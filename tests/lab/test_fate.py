# SPDX-License-Identifier: BSD-2-Clause
"""What becomes of packets that are not simply forwarded, as the sending host sees it."""

import re
import socket

import pytest

from lab import icmp_error, wait_until

families = pytest.mark.parametrize("family", [4, 6])

# Type and code of the ICMP error, by family: RFC 792, RFC 1812 5.2.7.1, RFC 4443.
NET_UNREACHABLE = {4: (3, 0), 6: (1, 0)}
HOST_UNREACHABLE = {4: (3, 1), 6: (1, 3)}
# The kernel answers an unreachable route with Host Unreachable, or No Route to Destination.
ROUTE_UNREACHABLE = {4: (3, 1), 6: (1, 0)}
PROHIBITED = {4: (3, 13), 6: (1, 1)}
TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}
PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}

FAR = {4: "10.9.0.1", 6: "fd00:9::1"}
FAR_NET = {4: "10.9.0.0/24", 6: "fd00:9::/64"}


def add_far_host(lab, family, route=""):
    """An address of host 2 behind a route of its own."""
    h2 = lab.hosts[1]
    h2.ip(f"addr add {FAR[family]} dev lo")
    lab.router.ip(f"route add {FAR_NET[family]} via {h2.addr(family)} dev pl1 {route}")
    lab.router.wait_route(FAR_NET[family])


@families
@pytest.mark.parametrize("kind, expected", [
    ("unreachable", ROUTE_UNREACHABLE), ("prohibit", PROHIBITED)])
def test_route_type_earns_its_error(lab, family, kind, expected):
    h1, _ = lab.hosts
    lab.router.ip(f"route add {kind} {FAR_NET[family]}")
    lab.router.wait_route(FAR_NET[family])
    error = icmp_error(h1, FAR[family])
    assert error and error[:3] == (*expected[family], h1.gateway(family))
    # The kernel answers alike whatever the reason: until the route has taken effect it was another.
    wait_until(lambda: icmp_error(h1, FAR[family]) and lab.router.counter(kind), f"counter {kind}")


@families
def test_blackhole_is_silent(lab, family):
    h1, _ = lab.hosts
    lab.router.ip(f"route add blackhole {FAR_NET[family]}")
    lab.router.wait_route(FAR_NET[family])
    assert icmp_error(h1, FAR[family], timeout_s=0.5) is None
    lab.router.wait_counter("blackhole", 1)
    assert lab.router.counter("blackhole") == 1


@families
def test_no_route(lab, family):
    h1, _ = lab.hosts
    error = icmp_error(h1, FAR[family])
    assert error and error[:3] == (*NET_UNREACHABLE[family], h1.gateway(family))
    assert lab.router.counter("no-route") == 1


@families
def test_hop_limit_used_up(lab, family):
    h1, h2 = lab.hosts
    error = icmp_error(h1, h2.addr(family), ttl=1)
    assert error and error[:3] == (*TIME_EXCEEDED[family], h1.gateway(family))
    assert lab.router.counter("ttl-exceeded") == 1
    # One more hop and it arrives: now it is the host that answers.
    error = icmp_error(h1, h2.addr(family), ttl=2)
    assert error and error[:3] == (*PORT_UNREACHABLE[family], h2.addr(family))


@families
@pytest.mark.parametrize("mtu", [1300, 1400])
def test_too_big_for_the_route(lab, family, mtu):
    h1, _ = lab.hosts
    add_far_host(lab, family, f"mtu {mtu}")
    header = {4: 28, 6: 48}[family]  # IP and UDP
    error = icmp_error(h1, FAR[family], size=mtu - header + 1, dont_fragment=True)
    assert error == (*TOO_BIG[family], h1.gateway(family), mtu)
    assert lab.router.counter("mtu-exceeded") == 1
    # A byte less fits: the host behind answers that nobody listens.
    error = icmp_error(h1, FAR[family], size=mtu - header, dont_fragment=True)
    assert error and error[:2] == PORT_UNREACHABLE[family]


def test_router_fragments_ipv4(lab):
    h1, h2 = lab.hosts
    add_far_host(lab, 4, "mtu 1300")
    answered, output = h1.ping(FAR[4], count=3, options=["-s", 1400, "-M", "dont"])
    assert answered == 3, output
    text = h2.run("nstat -asz IpReasmOKs").stdout
    # More if an answer was late: ping then asks again.
    assert int(re.search(r"IpReasmOKs\s+(\d+)", text).group(1)) >= 3


def test_path_mtu_discovery_by_tcp(lab):
    """A TCP stream over a smaller MTU gets through because Fragmentation Needed arrives."""
    h1, h2 = lab.hosts
    add_far_host(lab, 4, "mtu 1300")
    assert lab.iperf(h1, h2, FAR[4], seconds=1)["end"]["sum_received"]["bytes"] > 1_000_000


@families
def test_neighbour_that_does_not_exist(lab, family):
    """The kernel gives up resolving after three seconds and says so."""
    h1, _ = lab.hosts
    nobody = {4: "10.0.2.77", 6: "fd00:2::77"}[family]
    error = icmp_error(h1, nobody, timeout_s=30)
    assert error and error[:3] == (*HOST_UNREACHABLE[family], h1.gateway(family))
    assert lab.router.counter("unresolved") >= 1


@families
def test_router_itself_answers(lab, family):
    h1, _ = lab.hosts
    error = icmp_error(h1, h1.gateway(family))
    assert error and error[:3] == (*PORT_UNREACHABLE[family], h1.gateway(family))
    far_side = lab.hosts[1].gateway(family)
    answered, output = h1.ping(far_side, count=3)
    assert answered == 3, output
    assert "ttl=64" in output


def test_router_terminates_tcp(lab):
    """TCP to the router itself, through the TAP."""
    h1, _ = lab.hosts
    end = lab.iperf(h1, lab.router, h1.gateway4, seconds=1)["end"]
    assert end["sum_received"]["bytes"] > 1_000_000


def test_broadcasts_are_not_forwarded(lab):
    """RFC 2644 and RFC 1812 5.3.5.1: neither a subnet's broadcast address nor the limited one leads
    to the other side. What arrives there is counted by the very datagrams, at a packet socket."""
    h1, h2 = lab.hosts
    word = b"a broadcast that stays on its link"
    everything = h2.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    everything.bind(("eth0", 0))
    before = lab.router.counter("broadcast")
    with everything, h1.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(5):
            udp.sendto(word, ("255.255.255.255", 9))  # to all on this link: a broadcast MAC, too
            udp.sendto(word, ("10.0.2.255", 9))  # to the other link's: the router's MAC
        # The limited ones have a reason of their own, for their MAC: wait for all to be dealt with.
        lab.router.wait_counter("broadcast", before + 5)
        # What is sent after them arrives after them.
        udp.sendto(b"end", (h2.v4, 9))
        everything.settimeout(5)
        arrived = 0
        while not (frame := everything.recv(2048)).endswith(b"end"):
            arrived += word in frame
    assert arrived == 0
    assert lab.router.counter("broadcast") == before + 5
