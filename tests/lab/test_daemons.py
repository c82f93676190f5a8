# SPDX-License-Identifier: BSD-2-Clause
"""BIRD 2 and FRR on the router's TAPs, with the other of the two, or the same, as neighbours."""

import contextlib
import re
import signal
import time
from pathlib import Path

import pytest

import daemons
import failover
from daemons import OTHER, Config, Peering, Speakers, subnets
from lab import wait_until
from flows import Flows

pytestmark = pytest.mark.skipif(bool(daemons.missing()),
                                reason="not installed: " + ", ".join(daemons.missing()))
kinds = pytest.mark.parametrize("kind", ["bird", "frr"])

# Punts by which a routing daemon and its neighbours are spoken to; all others are detours.
CONVERSATION = {"arp", "group-mac", "local", "link-local", "multicast"}


@pytest.fixture
def speakers():
    with Speakers() as all_of_them:
        yield all_of_them
        for speaker in all_of_them.all:
            print(f"---- {speaker.namespace.name} {speaker.name}\n{speaker.log_tail()}")


def pass_time(seconds):
    """For a test that wants packets, or none, in the meantime; no wait for a state."""
    time.sleep(max(0, seconds))


def detours(router):
    return sum(c["total"] for c in router.show("counters")["counters"]
               if c["name"] not in CONVERSATION)


def to_kernel(router):
    return sum(port["face"]["to_kernel"] for port in router.ports())


def assert_forwarded(lab, source, target, first, destinations, count=10000):
    """The planes themselves forward packets to addresses from `first` up, to this host."""
    family = daemons.family_of(first)
    router = lab.router
    before, punted = detours(router), to_kernel(router)
    # A busy machine loses some at a full ring. Were a prefix not there, all tries would miss some.
    for attempt in range(5):
        sink = lab.sink(target)
        lab.flood(source, target, family=family, to=first, count=count, rate=20000 >> attempt, seconds=20,
                  destinations=destinations)
        received = sink.settled()["packets"]
        sink.close()
        if received == count:
            break
    assert received > 0.98 * count, f"{received} of {count}; {router.show('counters')}"
    assert detours(router) == before
    assert to_kernel(router) - punted < 200


def kernel_routes(router, family, protocol):
    return len(router.ip(f"-{family} -o route show proto {protocol}").splitlines())


def wait_routes(router, counts, what, timeout_s=20):
    """Until the tables hold so many routes of IPv4 and IPv6 more than `base`."""
    wait_until(lambda: (router.route_count(4), router.route_count(6)) == counts,
               lambda: f"{what}: {counts} routes; {router.show('sync')}", timeout_s, 0.05)


def counts(router):
    return router.route_count(4), router.route_count(6)


PROTOCOL = {"bird": "bird", "frr": "bgp"}  # what `ip route` calls a daemon's BGP routes


@kinds
def test_bgp(make_lab, speakers, kind):
    """A neighbour with MD5 and TTL security, one that announces IPv4 over IPv6 (RFC 8950), and an
    internal one whose next hops are found by recursion: all is forwarded by the planes, and what is
    withdrawn no more."""
    lab = make_lab(hosts=3)
    lab.start()
    router, (h1, h2, h3) = lab.router, lab.hosts
    router.ip("route add 10.99.0.0/24 via 10.0.3.2 proto static")
    router.ip("route add fd99::/64 via fd00:3::2 proto static")
    wait_until(lambda: router.answer("10.99.0.1") and router.answer("fd99::1"), "static routes")
    base4, base6 = counts(router)
    many4, many6 = subnets("20.0.0.0/24", 2048), subnets("2a00::/64", 2048)
    over6 = subnets("21.0.0.0/24", 512)
    inner4, inner6 = subnets("22.0.0.0/24", 512), subnets("2a01::/64", 512)

    def secured(address, asn):
        return Peering(address, asn, password="secret", gtsm=True)

    speakers.add(kind, router, Config(
        asn=65000, router_id="10.0.1.1", learn=True, peerings=[
            secured(h1.v4, 65001), secured(h1.v6, 65001), Peering(h2.v6, 65002, families=(4, 6)),
            Peering(h3.v4, 65000, next_hop_self=True), Peering(h3.v6, 65000, next_hop_self=True)]))
    one = speakers.add(OTHER[kind], h1, Config(
        asn=65001, router_id=h1.v4, announced=many4 + many6,
        peerings=[secured(h1.gateway4, 65000), secured(h1.gateway6, 65000)]))
    speakers.add(OTHER[kind], h2, Config(
        asn=65002, router_id=h2.v4, announced=over6,
        peerings=[Peering(h2.gateway6, 65000, families=(4, 6))]))
    inner = speakers.add(kind, h3, Config(
        asn=65000, router_id=h3.v4, announced=inner4 + inner6,
        peerings=[Peering(h3.gateway4, 65000, next_hop="10.99.0.1"),
                  Peering(h3.gateway6, 65000, next_hop="fd99::1")]))
    speakers.all[0].established(5)
    wait_routes(router, (base4 + 2048 + 512 + 512, base6 + 2048 + 512), "all announced")

    assert router.answer("21.0.1.1")[0].startswith(("fe80::", h2.v6)), "IPv4 by an IPv6 next hop"
    assert router.answer("22.0.1.1") == (h3.v4, "pl2"), "the next hop of the next hop"
    gateway, device = router.answer("2a01:0:0:7::1")
    assert gateway.startswith(("fe80::", h3.v6)) and device == "pl2"
    assert_forwarded(lab, h3, h1, "20.0.0.0", 1 << 19)
    assert_forwarded(lab, h3, h1, "2a00::", 2048)
    assert_forwarded(lab, h1, h2, "21.0.0.0", 1 << 17)
    assert_forwarded(lab, h1, h3, "22.0.0.0", 1 << 17)
    assert_forwarded(lab, h1, h3, "2a01::", 512)
    wait_until(lambda: f"via {h3.gateway4} " in h3.ip("route show 20.0.7.0/24"),
               "the router itself as the next hop of what it passes on")

    one.announce(many4[:1024] + many6[:1024])
    wait_routes(router, (base4 + 1024 + 512 + 512, base6 + 1024 + 512), "half withdrawn")
    assert router.answer("20.7.0.1") is None and router.answer("20.0.7.1") == (h1.v4, "pl0")
    before = router.counter("no-route")
    h3.ping("20.7.0.1", count=1, wait_s=0.2)
    router.wait_counter("no-route", before + 1)
    assert_forwarded(lab, h3, h1, "20.0.0.0", 1 << 18)
    inner.stop(signal.SIGKILL)
    wait_routes(router, (base4 + 1024 + 512, base6 + 1024), "a neighbour that died", 40)


def loopbacks(host):
    return [f"10.50.{host.number}.1/32", f"fd50:{host.number}::1/128"]


@kinds
def test_ospf(lab, speakers, kind):
    """Hellos to group addresses pass by the TAPs in both directions: adjacencies of both versions
    come up, with elections, and last; loopbacks are reached, over link-local next hops for IPv6."""
    router, hosts = lab.router, lab.hosts
    for host in hosts:
        host.ip("route del default")
        host.ip("-6 route del default")
        for prefix in loopbacks(host):
            host.ip(f"addr add {prefix} dev lo")
    groups = router.counter("group-mac") + router.counter("multicast")
    mine = speakers.add(kind, router, Config(router_id="10.0.1.1", ospf={"pl0": 10, "pl1": 10}))
    for host, its in zip(hosts, (OTHER[kind], kind)):
        speakers.add(its, host, Config(router_id=host.v4, ospf={"eth0": 10},
                                       ospf_local=loopbacks(host)))
    mine.adjacent(2)
    begin = time.monotonic()
    h1, h2 = hosts
    for host in hosts:
        port = f"pl{host.number - 1}"
        wait_until(lambda h=host: router.answer(f"10.50.{h.number}.1"), "IPv4 loopback", 15)
        wait_until(lambda h=host: router.answer(f"fd50:{h.number}::1"), "IPv6 loopback", 15)
        assert router.answer(f"10.50.{host.number}.1") == (host.v4, port)
        gateway, device = router.answer(f"fd50:{host.number}::1")
        assert gateway.startswith("fe80::") and device == port
    # The hosts have no other routes to each other than those.
    wait_until(lambda: h1.reaches("10.50.2.1", options=["-I", "10.50.1.1"]), "IPv4 to and fro", 15)
    wait_until(lambda: h1.reaches("fd50:2::1", options=["-I", "fd50:1::1"]), "IPv6 to and fro", 15)
    assert_forwarded(lab, h1, h2, "10.50.2.1", 1)
    assert_forwarded(lab, h1, h2, "fd50:2::1", 1)
    # More than the dead interval, 4 s: no neighbour was missed.
    pass_time(begin + 5 - time.monotonic())
    assert mine.ospf_full() == [2, 2], mine.ospf_summary()
    assert router.counter("group-mac") + router.counter("multicast") > groups + 2 * 2 * 5
    speakers.all[1].stop(signal.SIGKILL)
    wait_until(lambda: router.answer("10.50.1.1") is None and router.answer("fd50:1::1") is None,
               "a dead neighbour's loopbacks are forgotten", 15)


DOCUMENT = Path(__file__).parents[2] / "docs/routing-daemons.md"


@kinds
def test_documented_configuration(lab, speakers, kind):
    """What docs/routing-daemons.md has operators write works as it stands there."""
    text = re.search(rf"```{kind}\.conf\n(.*?)```", DOCUMENT.read_text(), re.S).group(1)
    router, (h1, h2) = lab.router, lab.hosts
    mine = speakers.add(kind, router, text)
    speakers.add(OTHER[kind], h1, Config(
        asn=65001, router_id=h1.v4, announced=["20.0.0.0/24", "2a00::/64"],
        peerings=[Peering(h1.gateway4, 65000), Peering(h1.gateway6, 65000, families=(4, 6))]))
    for prefix in loopbacks(h2):
        h2.ip(f"addr add {prefix} dev lo")
    speakers.add(OTHER[kind], h2, Config(
        router_id=h2.v4, ospf={"eth0": 10}, ospf_local=loopbacks(h2), ospf_type="point-to-point",
        ospf_hello_s=2))
    mine.established(2)
    mine.adjacent(1)
    for address, port in (("20.0.0.1", "pl0"), ("2a00::1", "pl0"), ("10.50.2.1", "pl1"),
                          ("fd50:2::1", "pl1")):
        wait_until(lambda a=address, p=port: (router.answer(a) or (None, None))[1] == p,
                   f"{address} by {port}", 20)


ANYCAST = ["10.9.0.1", "2a09::1"]
ANYCAST_PREFIXES = ["10.9.0.1/32", "2a09::1/128"]


def speak_two_paths(lab, speakers, kind, protocol):
    """Hosts 2 and 3 both announce the anycast prefixes, and receive what is sent there."""
    router, (_, h2, h3) = lab.router, lab.hosts
    for host in (h2, h3):
        for prefix in ANYCAST_PREFIXES:
            host.ip(f"addr add {prefix} dev lo")
        host.sysctl("net.ipv6.conf.eth0.keep_addr_on_down=1")
    if protocol == "bgp":
        mine = speakers.add(kind, router, Config(
            asn=65000, router_id="10.0.1.1", multipath=True,
            peerings=[Peering(address, 65002) for h in (h2, h3) for address in (h.v4, h.v6)]))
    else:
        mine = speakers.add(kind, router, Config(router_id="10.0.1.1", multipath=True,
                                                 ospf={"pl1": 10, "pl2": 10},
                                                 ospf_type="point-to-point"))
    for host, its in ((h2, OTHER[kind]), (h3, kind)):
        if protocol == "bgp":
            config = Config(asn=65002, router_id=host.v4, announced=ANYCAST_PREFIXES,
                            peerings=[Peering(host.gateway4, 65000), Peering(host.gateway6, 65000)])
        else:
            config = Config(router_id=host.v4, ospf={"eth0": 10}, ospf_local=ANYCAST_PREFIXES,
                            ospf_type="point-to-point")
        speakers.add(its, host, config)
    if protocol == "bgp":
        mine.established(4)
    else:
        mine.adjacent(2)


def usable_devices(router, address):
    route = router.show("route", address)["route"]
    return sorted(hop["device"] for hop in route["hops"] if hop["usable"]) if route else []


def wait_devices(router, devices, timeout_s=20):
    for address in ANYCAST:
        wait_until(lambda a=address: usable_devices(router, a) == devices,
                   lambda a=address: f"{a} over {devices}; {router.show('route', a)}", timeout_s)


FLOWS = 64
UNDER_WAY = 200  # packets, one each millisecond: as long as a busy machine may have them in its queues


@kinds
@pytest.mark.parametrize("protocol", ["bgp", "ospf"])
def test_ecmp(make_lab, speakers, kind, protocol):
    """Two equal paths share the flows; a flow stays where it is; when one path's link dies its
    flows move to the other, whose own notice nothing."""
    lab = make_lab(hosts=3)
    lab.start()
    router, (h1, h2, h3) = lab.router, lab.hosts
    speak_two_paths(lab, speakers, kind, protocol)
    wait_devices(router, ["pl1", "pl2"])
    before = detours(router)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Flows(lab, h1, [h2, h3], address, rate=1000, flows=FLOWS))
                   for address in ANYCAST]
        for stream in streams:
            stream.wait_running()
        pass_time(1)
        assert detours(router) == before
        failed_ns = time.monotonic_ns()
        h2.ip("link set eth0 down")
        wait_devices(router, ["pl2"])
        moved_ns = time.monotonic_ns()
        pass_time(0.5)
        for stream in streams:
            check_ecmp(stream.end(), failed_ns, moved_ns)


def check_ecmp(result, failed_ns, moved_ns):
    failed, moved = result.sent_before(failed_ns), result.sent_before(moved_ns)
    # The last ones before may have been under way when the path was gone.
    first, second = (result.flows_at(target, end=failed - UNDER_WAY) for target in (0, 1))
    print(f"{len(first)} and {len(second)} of {FLOWS} flows; outage {result.outage_ms():.1f} ms")
    assert not first & second, "each flow has its path"
    assert len(first) + len(second) == FLOWS
    assert min(len(first), len(second)) >= FLOWS / 5
    assert result.flows_at(1, begin=moved) == set(range(FLOWS)), "all have moved to the second"
    lost = result.lost()
    assert {n % FLOWS for n in lost} <= first, "none of the second path's flows lost anything"
    assert all(failed - UNDER_WAY <= n <= moved for n in lost), \
        "nothing was lost before or afterwards"
    assert result.twice() == 0


@kinds
def test_restart_under_a_daemon(lab, speakers, kind):
    """peerlaned stops, and is killed, under a routing daemon that goes on: all routes come back,
    with what FRR keeps in next hop objects, which the kernel deletes with the carrier."""
    router, (h1, h2) = lab.router, lab.hosts
    base4, base6 = counts(router)
    many = subnets("20.0.0.0/24", 256) + subnets("2a00::/64", 256)
    mine = speakers.add(kind, router, Config(asn=65000, router_id="10.0.1.1",
                                             peerings=[Peering(h2.v4, 65002),
                                                       Peering(h2.v6, 65002)]))
    speakers.add(OTHER[kind], h2, Config(asn=65002, router_id=h2.v4, announced=many,
                                         peerings=[Peering(h2.gateway4, 65000),
                                                   Peering(h2.gateway6, 65000)]))
    wait_routes(router, (base4 + 256, base6 + 256), "all announced")
    for how in (signal.SIGTERM, signal.SIGKILL):
        router.stop(how)
        router.start(router.arguments(2))
        wait_until(lambda: router.carrier("pl1"), "carrier")
        begin = time.monotonic()
        mine.established(2)
        wait_routes(router, (base4 + 256, base6 + 256), f"all routes back after {how.name}", 30)
        print(f"{kind}: {how.name}: routes back {time.monotonic() - begin:.2f} s after the start")
        for family in (4, 6):
            wait_until(lambda f=family: h1.reaches(h2.addr(f)), f"IPv{family}")
        assert_forwarded(lab, h1, h2, "20.0.0.0", 1 << 16, 5000)
        assert_forwarded(lab, h1, h2, "2a00::", 256, 5000)


@pytest.mark.parametrize("kind, ecmp", [("bird", False), ("frr", True)],
                         ids=["bird-backup", "frr-ecmp"])
def test_failover(kind, ecmp):
    """A dead link, an interface taken down and a neighbour that hangs: the other path takes over,
    with Peerlane not much later than with the kernel's own router. (bench/net/convergence.py
    measures; here are too few samples for more than sanity.)"""
    outages = {}
    for router in failover.ROUTERS:
        with failover.Setup(router, kind, ecmp) as setup:
            for name, failure in failover.FAILURES.items():
                results = setup.fail_once(failure)
                outages[router, name] = max(r.outage_ms() for r in results.values())
                assert all(r.twice() == 0 for r in results.values())
    print(kind, "ecmp" if ecmp else "backup", {key: f"{ms:.1f}" for key, ms in outages.items()})
    for name in failover.FAILURES:
        # A neighbour's silence is noticed at some moment between two of its signs of life.
        slack_ms = 2500 if name == "neighbour" else 1000
        assert outages["peerlane", name] <= 3 * outages["kernel", name] + slack_ms, name


MANY = 100_000


@kinds
def test_many_routes_under_traffic(lab, speakers, kind):
    """100,000 routes announced at once: all arrive, and a stream to another destination loses
    nothing meanwhile."""
    router, (h1, h2) = lab.router, lab.hosts
    base4 = router.route_count(4)
    speakers.add(kind, router, Config(asn=65000, router_id="10.0.1.1", hold_s=90,
                                      peerings=[Peering(h2.v4, 65002)]))
    neighbour = speakers.add("bird", h2, Config(asn=65002, router_id=h2.v4, hold_s=90,
                                                peerings=[Peering(h2.gateway4, 65000)]))
    neighbour.established(1)
    with Flows(lab, h1, [h2], h2.v4, rate=1000) as stream:
        stream.wait_running()
        begin = time.monotonic()
        neighbour.announce(subnets("20.0.0.0/24", MANY))
        wait_until(lambda: router.route_count(4) == base4 + MANY,
                   lambda: f"all routes; {router.show('sync')}", 60, 0.1)
        print(f"{kind}: {MANY} routes in {time.monotonic() - begin:.2f} s")
        result = stream.end()
    assert kernel_routes(router, 4, PROTOCOL[kind]) == MANY
    assert result.count > 500 and result.lost() == [] and result.twice() == 0
    sync = router.show("sync")
    assert sync["drift"] == 0 and sync["malformed"] == 0 and sync["unsupported"] == 0
    assert_forwarded(lab, h1, h2, "20.0.0.0", 1 << 24)
