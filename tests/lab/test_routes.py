# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's routes, followed: many of them, several paths, changes under traffic."""

import ipaddress
import json
import random

import pytest

from lab import Sink, wait_until

families = pytest.mark.parametrize("family", [4, 6])

FAR = {4: "10.9.0.1", 6: "fd00:9::1"}
FAR_NET = {4: "10.9.0.0/24", 6: "fd00:9::/64"}


def add_far_address(lab, family):
    """The same far address behind hosts 2 and 3."""
    for host in lab.hosts[1:]:
        host.ip(f"addr add {FAR[family]} dev lo")


def resolve_all(lab, family):
    h1 = lab.hosts[0]
    for host in lab.hosts[1:]:
        wait_until(lambda h=host: h1.reaches(h.addr(family)), f"host {host.number} is reached")
        lab.router.wait_neighbour(host.addr(family), host.mac())


def flood_far(lab, family, **options):
    """Floods the far address; returns the packets sent and those that hosts 2 and 3 got. A plane that
    others keep from a processor loses some at a full ring: up to five times, each slower, until none is lost."""
    for attempt in range(5):
        args = lab.flood_command(lab.hosts[0], lab.hosts[1], family, rate=50000 >> attempt, seconds=30,
                                 to=FAR[family], **options)
        sinks = [Sink(lab, host) for host in lab.hosts[1:]]
        sent = json.loads(lab.hosts[0].run(args).stdout)["sent"]
        got = [sink.settled() for sink in sinks]
        for sink in sinks:
            sink.close()
        if sum(g["packets"] for g in got) == sent:
            break
    return sent, got


@families
@pytest.mark.parametrize("weights", [(1, 1), (3, 1)])
def test_ecmp_shares_flows_by_weight(lab3, family, weights):
    _, h2, h3 = lab3.hosts
    add_far_address(lab3, family)
    resolve_all(lab3, family)
    lab3.router.ip(f"route add {FAR_NET[family]} "
                   f"nexthop via {h2.addr(family)} dev pl1 weight {weights[0]} "
                   f"nexthop via {h3.addr(family)} dev pl2 weight {weights[1]}")
    lab3.router.wait_route(FAR_NET[family])
    sent, got = flood_far(lab3, family, count=51200, flows=512)
    assert sum(g["packets"] for g in got) == sent
    # 512 flows: three standard deviations are 7 % of them.
    share = got[0]["packets"] / sent
    assert abs(share - weights[0] / sum(weights)) < 0.07, got
    assert all(g["late"] == g["repeated"] == 0 for g in got)


@families
def test_one_flow_takes_one_path(lab3, family):
    _, h2, h3 = lab3.hosts
    add_far_address(lab3, family)
    resolve_all(lab3, family)
    lab3.router.ip(f"route add {FAR_NET[family]} nexthop via {h2.addr(family)} dev pl1 "
                   f"nexthop via {h3.addr(family)} dev pl2")
    lab3.router.wait_route(FAR_NET[family])
    sent, got = flood_far(lab3, family, count=5120)
    assert sorted(g["packets"] for g in got) == [0, sent]


def test_nexthop_objects(lab3):
    """The same by `ip nexthop`, and the group follows when a member is replaced."""
    _, h2, h3 = lab3.hosts
    add_far_address(lab3, 4)
    resolve_all(lab3, 4)
    lab3.router.ip(f"nexthop add id 12 via {h2.v4} dev pl1")
    lab3.router.ip(f"nexthop add id 13 via {h3.v4} dev pl2")
    lab3.router.ip("nexthop add id 20 group 12/13")
    lab3.router.ip(f"route add {FAR_NET[4]} nhid 20")
    lab3.router.wait_route(FAR_NET[4])
    sent, got = flood_far(lab3, 4, count=5120, flows=256)
    assert sum(g["packets"] for g in got) == sent and min(g["packets"] for g in got) > 0
    lab3.router.ip("nexthop replace id 20 group 13")
    lab3.router.wait_next_hop(FAR[4], "pl2")
    sent, got = flood_far(lab3, 4, count=5120, flows=256)
    assert [g["packets"] for g in got] == [0, sent]


@families
def test_route_comes_and_goes(lab, family):
    h1, h2 = lab.hosts
    h2.ip(f"addr add {FAR[family]} dev lo")
    assert not h1.reaches(FAR[family])
    for _ in range(3):
        lab.router.ip(f"route add {FAR_NET[family]} via {h2.addr(family)} dev pl1")
        wait_until(lambda: h1.reaches(FAR[family]), "the route that was added")
        lab.router.ip(f"route del {FAR_NET[family]}")
        wait_until(lambda: not h1.reaches(FAR[family]), "the route is gone")


@families
def test_longest_prefix_wins(lab3, family):
    _, h2, h3 = lab3.hosts
    longer = {4: "10.9.0.1/32", 6: "fd00:9::1/128"}[family]
    lab3.router.ip(f"route add {FAR_NET[family]} via {h2.addr(family)} dev pl1")
    lab3.router.wait_next_hop(FAR[family], "pl1")
    lab3.router.ip(f"route add {longer} via {h3.addr(family)} dev pl2")
    lab3.router.wait_next_hop(FAR[family], "pl2")
    lab3.router.ip(f"route del {longer}")
    lab3.router.wait_next_hop(FAR[family], "pl1")


@families
def test_lowest_metric_wins(lab3, family):
    _, h2, h3 = lab3.hosts
    net = FAR_NET[family]
    lab3.router.ip(f"route add {net} via {h2.addr(family)} dev pl1 metric 200")
    lab3.router.wait_next_hop(FAR[family], "pl1")
    lab3.router.ip(f"route add {net} via {h3.addr(family)} dev pl2 metric 100")
    lab3.router.wait_next_hop(FAR[family], "pl2")
    lab3.router.ip(f"route del {net} metric 100")
    lab3.router.wait_next_hop(FAR[family], "pl1")


@families
def test_replacing_a_route_loses_nothing(lab3, family):
    """While a flood runs the route is replaced 200 times: there is never a moment without one."""
    _, h2, h3 = lab3.hosts
    add_far_address(lab3, family)
    resolve_all(lab3, family)
    ways = [f"via {h2.addr(family)} dev pl1", f"via {h3.addr(family)} dev pl2"]
    lab3.router.ip(f"route add {FAR_NET[family]} {ways[0]}")
    lab3.router.wait_route(FAR_NET[family])
    reasons = ("no-route", "limit-no-route", "unresolved", "limit-unresolved", "unreachable",
               "blackhole")
    before = {reason: lab3.router.counter(reason) for reason in reasons}
    sinks = [Sink(lab3, host) for host in lab3.hosts[1:]]
    args = lab3.flood_command(lab3.hosts[0], h2, family, seconds=600, rate=100000)
    args[args.index("--destination") + 1] = FAR[family]
    flood = lab3.popen(lab3.hosts[0], args)
    wait_until(lambda: sinks[0].counters()["packets"] > 0, "the flood arrives")
    for turn in range(200):
        lab3.router.ip(f"route replace {FAR_NET[family]} {ways[(turn + 1) % 2]}")
    wait_until(lambda: sinks[1].counters()["packets"] > 0, "the flood moved")
    flood.terminate()
    flood.wait(10)
    assert all(sink.settled()["packets"] > 0 for sink in sinks)
    assert {reason: lab3.router.counter(reason) for reason in reasons} == before


def random_prefixes(family, count):
    """Distinct prefixes that stay clear of the lab's own addresses."""
    draw = random.Random(count + family)
    seen = set()
    while len(seen) < count:
        if family == 4:
            length = draw.choice([16, 20, 22, 24, 24, 24, 28, 32])
            address = draw.randrange(11 << 24, 126 << 24)
            seen.add(ipaddress.ip_network((address, length), strict=False))
        else:
            length = draw.choice([32, 36, 40, 44, 48, 48, 64, 128])
            address = 0x20010000 << 96 | draw.getrandbits(112)
            seen.add(ipaddress.ip_network((address, length), strict=False))
    return sorted(seen)


def samples(prefixes, count):
    """Addresses inside prefixes, and as many just behind their ends."""
    draw = random.Random(count)
    for prefix in draw.sample(prefixes, count):
        yield prefix.network_address + draw.randrange(prefix.num_addresses)
        yield prefix.broadcast_address + 1


def kernel_answer(lab, address):
    """(gateway, device) by `ip route get`, or None where the kernel finds no route."""
    text = lab.router.ip(f"-j route get {address}", check=False)
    route = json.loads(text)[0] if text.strip() else {"type": "unreachable"}
    if route.get("type", "unicast") != "unicast":
        return None
    return route["gateway"], route["dev"]


@families
def test_many_routes_by_batch(lab3, family):
    """12,000 routes arrive complete, sampled answers are the kernel's; half are deleted, likewise."""
    _, h2, h3 = lab3.hosts
    prefixes = random_prefixes(family, 12_000)
    hops = [f"via {h2.addr(family)} dev pl1", f"via {h3.addr(family)} dev pl2"]
    base = lab3.router.route_count(family)
    batch = lab3.folder / "batch"

    def run_batch(lines):
        batch.write_text("\n".join(lines) + "\n")
        lab3.router.ip(f"-batch {batch}")

    def check(kept, seed):
        wait_until(lambda: lab3.router.route_count(family) == base + len(kept),
                   f"{base + len(kept)} routes", 60)
        for address in samples(kept, seed):
            assert lab3.router.answer(address) == kernel_answer(lab3, address), address

    run_batch(f"route add {p} {hops[i % 2]}" for i, p in enumerate(prefixes))
    check(prefixes, 60)
    run_batch(f"route del {p}" for p in prefixes[::2])
    check(prefixes[1::2], 61)
    lab3.router.ip(f"-{family} route flush root {'11.0.0.0/8' if family == 4 else '2001::/16'}")
