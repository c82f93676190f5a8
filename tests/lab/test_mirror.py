# SPDX-License-Identifier: BSD-2-Clause
"""The netlink mirror against its oracle: after each `ip` command the kernel is asked, by `ip route
get`, what it would do with a packet, and the image must say the same.

The mirror runs by itself (mirror_dump.c) in a namespace where veth interfaces stand in for the
faces of ports f0, f1 and f2; x0 is an interface that is none of ours. Needs root.
"""

import json
import os
import random
import signal
import subprocess
import threading

import pytest

from lab import wait_until
from mirror_lab import (FACES, MACS, NS, PEERS, Mirror, agree, ip, ip_json,
                        mirror, net, oracle)

BASE = ["10.0.0.1", "10.0.0.2", "10.0.0.77", "10.0.0.255", "10.0.3.9", "127.0.0.1", "192.0.2.1",
        "fd00:0::1", "fd00:1::2", "fd00:1::77", "fd00:3::9", "2001:db8::1", "ff02::1"]

# Name: commands. After each, the kernel and the image must agree on BASE and TARGETS.
TARGETS = ["10.9.0.1", "10.9.1.1", "10.9.1.2", "10.9.9.9", "2001:db8:9::1", "2001:db8:9:1::1",
           "2001:db8:9:1::2", "2001:db8:ff::1"]
SCENARIOS = {
    "addresses": """
        addr add 10.9.0.5/16 dev f0
        addr add 10.9.1.1/24 dev f1
        addr add 2001:db8:9::5/48 dev f2
        addr add 2001:db8:9:1::1/64 dev x0
        addr del 10.9.1.1/24 dev f1
        addr del 10.9.0.5/16 dev f0
        addr del 2001:db8:9:1::1/64 dev x0
        addr del 2001:db8:9::5/48 dev f2""",
    "types4": """
        route add 10.9.0.0/16 via 10.0.0.2
        route add blackhole 10.9.1.0/24
        route add unreachable 10.9.1.1
        route add prohibit 10.9.1.2
        route add throw 10.9.9.0/24
        route add local 10.9.9.9 dev lo
        route del local 10.9.9.9 dev lo
        route add anycast 10.9.9.9 dev f0 table local
        route add broadcast 10.9.0.1 dev f0 table local
        route add multicast 10.9.1.1 dev f0 table local
        route del multicast 10.9.1.1 dev f0 table local
        route del prohibit 10.9.1.2
        route del unreachable 10.9.1.1
        route del blackhole 10.9.1.0/24
        route del throw 10.9.9.0/24
        route del 10.9.0.0/16""",
    "types6": """
        route add 2001:db8:9::/48 via fd00:0::2
        route add blackhole 2001:db8:9:1::/64
        route add unreachable 2001:db8:9:1::1/128
        route add prohibit 2001:db8:9:1::2/128
        route add local 2001:db8:ff::/64 dev lo
        route add 2001:db8:ff::1/128 via fd00:1::2
        route del local 2001:db8:ff::/64 dev lo
        route del prohibit 2001:db8:9:1::2/128
        route del unreachable 2001:db8:9:1::1/128
        route del blackhole 2001:db8:9:1::/64
        route del 2001:db8:9::/48
        route add throw 2001:db8:ff::/64""",
    "anyip4": """
        route add local 10.9.0.0/16 dev lo
        route add 10.9.1.0/24 via 10.0.0.2
        route add 10.9.9.9 via 10.0.1.2
        route del local 10.9.0.0/16 dev lo""",
    "metrics4": """
        route add 10.9.0.0/16 via 10.0.0.2 metric 20
        route add 10.9.0.0/16 via 10.0.1.2 metric 10
        route add 10.9.0.0/16 via 10.0.2.2 metric 30
        route add unreachable 10.9.0.0/16 metric 5
        route del unreachable 10.9.0.0/16 metric 5
        route del 10.9.0.0/16 metric 10
        route del 10.9.0.0/16 metric 20
        route del 10.9.0.0/16""",
    "order4": """
        route add 10.9.0.0/16 via 10.0.0.2
        route append 10.9.0.0/16 via 10.0.1.2
        route append 10.9.0.0/16 via 10.0.2.2
        route prepend 10.9.0.0/16 via 10.0.0.3
        route replace 10.9.0.0/16 via 10.0.1.3
        route del 10.9.0.0/16 via 10.0.1.3
        route change 10.9.0.0/16 via 10.0.0.3
        route del 10.9.0.0/16
        route del 10.9.0.0/16
        route append 10.9.0.0/16 via 10.0.0.2 mtu 1400
        route append 10.9.0.0/16 via 10.0.0.2 mtu 1300
        route del 10.9.0.0/16 mtu 1400
        route del 10.9.0.0/16""",
    "metrics6": """
        route add 2001:db8:9::/48 via fd00:0::2 metric 20
        route add 2001:db8:9::/48 via fd00:1::2 metric 10
        route add 2001:db8:9::/48 dev f2 metric 5
        route del 2001:db8:9::/48 metric 5
        route replace 2001:db8:9::/48 via fd00:1::3 metric 10
        route del 2001:db8:9::/48 metric 10
        route del 2001:db8:9::/48""",
    "mtu": """
        route add 10.9.0.0/16 via 10.0.0.2 mtu 1400
        route add 10.9.1.0/24 via 10.0.0.2 mtu lock 1300
        route add 10.9.9.0/24 dev f0 mtu 1280
        route add 2001:db8:9::/48 via fd00:0::2 mtu 1300
        route change 2001:db8:9::/48 via fd00:0::2 mtu 1350
        link set f0 mtu 1380
        link set f0 mtu 1500""",
    "onlink": """
        route add 10.9.0.0/16 via 192.168.77.1 dev f0 onlink
        neigh replace 192.168.77.1 lladdr 02:00:00:00:77:01 dev f0 nud permanent
        route add 2001:db8:9::/48 via fe80::99 dev f1
        route add 2001:db8:9:1::/64 via fd77::1 dev f1 onlink
        neigh replace fd77::1 lladdr 02:00:00:00:77:02 dev f1 nud permanent""",
    "via6": """
        route add 10.9.0.0/16 via inet6 fd00:1::2
        route add 10.9.1.0/24 via inet6 fe80::99 dev f1
        route replace 10.9.0.0/16 via inet6 fd00:0::2
        route del 10.9.1.0/24""",
    "neighbours": """
        route add 10.9.0.0/16 via 10.0.0.2
        neigh change 10.0.0.2 lladdr 02:aa:00:00:00:01 dev f0
        neigh del 10.0.0.2 dev f0
        neigh replace 10.0.0.2 lladdr 02:aa:00:00:00:02 dev f0 nud stale
        neigh change 10.0.0.2 dev f0 nud failed
        neigh replace 10.0.0.2 lladdr 02:aa:00:00:00:03 dev f0 nud reachable
        neigh add 10.0.0.77 lladdr 02:aa:00:00:00:04 dev f0 nud noarp
        neigh change 10.0.0.77 lladdr 02:aa:00:00:00:05 dev f0 nud permanent
        neigh del 10.0.0.77 dev f0
        neigh add fd00:1::77 lladdr 02:aa:00:00:00:06 dev f1 nud permanent
        neigh replace fd00:1::77 lladdr 02:aa:00:00:00:07 dev f1 nud permanent
        neigh del fd00:1::77 dev f1""",
    "links": """
        route add 10.9.0.0/16 via 10.0.0.2 metric 10
        route add 10.9.0.0/16 via 10.0.1.2 metric 20
        route add 10.9.1.0/24 via 10.0.0.2
        route add 2001:db8:9::/48 via fd00:0::2 metric 10
        route add 2001:db8:9::/48 via fd00:1::2 metric 20
        link set f0 address 02:bb:00:00:00:01
        link set f0 mtu 1400
        link set f0 down
        link set f0 up
        link set f1 down
        link set f1 up
        link set x0 down
        link set x0 up
        link set f0 mtu 9000
        link del f0""",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(mirror, name):
    agree(mirror, BASE + TARGETS)
    for command in SCENARIOS[name].strip().splitlines():
        words = command.split()
        six = words[0] == "route" and "2001:" in command
        ip(("-6 " if six else "") + command.strip())
        try:
            agree(mirror, BASE + TARGETS)
        except AssertionError as e:
            raise AssertionError(f"after: ip {command.strip()}: {e}") from None


def shares(mirror, address):
    """Slots of the group per next hop's MAC, as fractions."""
    text = mirror.ask(f"get {address}")
    assert text.startswith("group"), text
    slots = text[len("group "):].strip("[]").split("] [")
    key = [s.split()[2] if s.startswith("forward") else s for s in slots]
    return {k: key.count(k) / len(key) for k in set(key)}


def expect_shares(mirror, address, wanted):
    """`wanted`: gateway or answer -> weight."""
    total = sum(wanted.values())
    last = []

    def right():
        text = mirror.ask(f"get {address}")
        last[:] = [text]
        if not text.startswith("group"):
            return False
        got = shares(mirror, address)
        last[:] = [got]
        keys = {MACS.get(k, k): v / total for k, v in wanted.items()}
        return got.keys() == keys.keys() and all(abs(got[k] - v) < 0.03 for k, v in keys.items())

    wait_until(right, lambda: f"{address}: {last}, not {wanted}")


def test_multipath4(mirror):
    ip("route add 10.9.0.0/16 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.1.2 weight 3")
    expect_shares(mirror, "10.9.0.1", {"10.0.0.2": 1, "10.0.1.2": 3})
    ip("route replace 10.9.0.0/16 nexthop via 10.0.0.3 weight 2 nexthop via 10.0.1.2 weight 1 "
       "nexthop via 10.0.2.2 weight 1")
    expect_shares(mirror, "10.9.0.1", {"10.0.0.3": 2, "10.0.1.2": 1, "10.0.2.2": 1})
    ip("link set p2 down", ns=PEERS)  # f2 loses its carrier
    expect_shares(mirror, "10.9.0.1", {"10.0.0.3": 2, "10.0.1.2": 1})
    ip("link set f1 down")
    agree(mirror, ["10.9.0.1"])
    assert len(mirror.get("10.9.0.1")) == 1
    ip("link set p2 up", ns=PEERS)
    expect_shares(mirror, "10.9.0.1", {"10.0.0.3": 2, "10.0.2.2": 1})
    ip("link set f0 down")
    ip("link set f2 down")
    agree(mirror, ["10.9.0.1"] + BASE)


def test_multipath_foreign_and_unresolved(mirror):
    ip("route add 10.9.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.3.2 dev x0 "
       "nexthop via 10.0.1.99")
    expect_shares(mirror, "10.9.0.1",
                  {"10.0.0.2": 1, "punt foreign-interface": 1, "punt unresolved": 1})


def test_siblings6(mirror):
    """IPv6 hops come and go one by one, and as a set."""
    to = "2001:db8:9::/48"
    ip(f"-6 route add {to} via fd00:0::2")
    agree(mirror, TARGETS)
    ip(f"-6 route append {to} via fd00:1::2")
    expect_shares(mirror, "2001:db8:9::1", {"fd00:0::2": 1, "fd00:1::2": 1})
    ip(f"-6 route append {to} via fd00:2::2")
    expect_shares(mirror, "2001:db8:9::1", {"fd00:0::2": 1, "fd00:1::2": 1, "fd00:2::2": 1})
    ip(f"-6 route del {to} via fd00:1::2")
    expect_shares(mirror, "2001:db8:9::1", {"fd00:0::2": 1, "fd00:2::2": 1})
    ip(f"-6 route append {to} nexthop via fd00:0::3 weight 2 nexthop via fd00:1::3 weight 4")
    expect_shares(mirror, "2001:db8:9::1",
                  {"fd00:0::2": 1, "fd00:2::2": 1, "fd00:0::3": 2, "fd00:1::3": 4})
    ip("link set f2 down")
    expect_shares(mirror, "2001:db8:9::1", {"fd00:0::2": 1, "fd00:0::3": 2, "fd00:1::3": 4})
    ip(f"-6 route replace {to} nexthop via fd00:0::2 nexthop via fd00:1::2")
    expect_shares(mirror, "2001:db8:9::1", {"fd00:0::2": 1, "fd00:1::2": 1})
    ip(f"-6 route del {to} via fd00:0::2")
    agree(mirror, TARGETS)
    ip(f"-6 route del {to} via fd00:1::2")
    agree(mirror, TARGETS)
    ip(f"-6 route add {to} nexthop via fd00:0::2 nexthop via fd00:1::2")
    ip(f"-6 route del {to}")
    agree(mirror, TARGETS)


@pytest.mark.parametrize("compat", [0, 1])
def test_nexthop_objects(mirror, compat):
    subprocess.run(["ip", "netns", "exec", NS, "sysctl", "-qw",
                    f"net.ipv4.nexthop_compat_mode={compat}"], check=True)
    steps = """
        nexthop add id 1 via 10.0.0.2 dev f0
        nexthop add id 2 via 10.0.1.2 dev f1
        nexthop add id 3 blackhole
        nexthop add id 4 via fd00:1::2 dev f1
        nexthop add id 5 dev f2
        route add 10.9.0.0/16 nhid 1
        route add 10.9.1.0/24 nhid 3
        route add 10.9.9.0/24 nhid 5
        -6 route add 2001:db8:9::/48 nhid 4
        nexthop replace id 1 via 10.0.0.3 dev f0
        nexthop replace id 4 via fd00:0::2 dev f0
        nexthop replace id 3 via 10.0.2.2 dev f2
        route append 10.9.0.0/16 nhid 2
        nexthop del id 3
        nexthop del id 4
        link set f2 down"""
    for command in steps.strip().splitlines():
        ip(command.strip())
        agree(mirror, TARGETS)


def test_nexthop_groups(mirror):
    ip("nexthop add id 1 via 10.0.0.2 dev f0")
    ip("nexthop add id 2 via 10.0.1.2 dev f1")
    ip("nexthop add id 3 via 10.0.2.2 dev f2")
    ip("nexthop add id 10 group 1/2")
    ip("route add 10.9.0.0/16 nhid 10")
    expect_shares(mirror, "10.9.0.1", {"10.0.0.2": 1, "10.0.1.2": 1})
    changes = mirror.stats()["changes"]
    ip("nexthop replace id 10 group 1,3/3,1")
    expect_shares(mirror, "10.9.0.1", {"10.0.0.2": 3, "10.0.2.2": 1})
    ip("nexthop replace id 3 via 10.0.1.3 dev f1")
    expect_shares(mirror, "10.9.0.1", {"10.0.0.2": 3, "10.0.1.3": 1})
    assert mirror.stats()["changes"] == changes, "a group changes in place, without its routes"
    ip("nexthop del id 3")
    wait_until(lambda: mirror.get("10.9.0.1") == {dict(oracle(["10.9.0.1"]))["10.9.0.1"]}, lambda: "one member left")
    ip("nexthop del id 1")
    agree(mirror, TARGETS)


def many(n, command, gateway):
    return "".join(f"route {command} 10.{100 + i // 65536}.{i // 256 % 256}.{i % 256}/32 "
                   f"via {gateway}\n" for i in range(n))


def spread(n):
    return [f"10.{100 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(0, n, n // 16)]


def batch(lines):
    done = subprocess.run(["ip", "-n", NS, "-batch", "-"], input=lines, text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[:500]


def test_overrun(net):
    """Notifications that do not fit the socket are lost: the mirror must find out what they said."""
    n = 20000
    mirror = Mirror("-b", "65536", *FACES)
    try:
        assert mirror.ask("hold") == "hold"
        batch(many(n, "add", "10.0.0.2"))
        assert mirror.ask("go") == "go"
        agree(mirror, spread(n))
        assert mirror.stats()["overruns"] > 0, "the test did not overrun"
        wait_until(lambda: mirror.stats()["installed"] >= n, mirror.stats)
        installed = mirror.stats()["installed"]
        assert mirror.ask("hold") == "hold"
        batch(many(n, "replace", "10.0.1.2"))
        batch(many(n // 2, "del", "10.0.1.2"))
        assert mirror.ask("go") == "go"
        agree(mirror, spread(n))
        wait_until(lambda: mirror.stats()["installed"] == installed - n // 2, mirror.stats)
    finally:
        assert mirror.close() == 0


def test_resync_leaves_unchanged_routes_alone(net):
    """A resynchronisation that finds nothing new writes nothing to the tables."""
    n = 20000
    batch(many(n, "add", "10.0.0.2"))
    mirror = Mirror(*FACES)
    try:
        before = mirror.stats()
        assert before["installed"] >= n
        # A next hop object taken away under a route is a doubt, and that route the only change.
        ip("nexthop add id 77 via 10.0.1.2 dev f1")
        ip("route add 10.77.0.0/24 nhid 77")
        ip("nexthop del id 77")
        wait_until(lambda: mirror.stats()["resyncs"] > before["resyncs"], mirror.stats)
        agree(mirror, spread(n) + ["10.77.0.1"])
        assert mirror.stats()["changes"] - before["changes"] < 10, "routes were written again"
        assert mirror.stats()["overruns"] == 0
    finally:
        assert mirror.close() == 0


def notifications_lost():
    """By all of the namespace's netlink sockets."""
    text = subprocess.run(["ip", "netns", "exec", NS, "cat", "/proc/net/netlink"], check=True,
                          capture_output=True, text=True).stdout
    return sum(int(line.split()[8]) for line in text.splitlines()[1:])


def lose_notifications(mirror):
    """Halts the mirror, while routes change, until more has come than it has room for."""
    before = notifications_lost()
    os.kill(mirror.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: notifications_lost() > before, "an overrun")
    finally:
        os.kill(mirror.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("family", [4, 6])
def test_overruns_under_churn_leave_unchanged_routes_alone(net, family):
    """While routes change faster than their notifications are read, and all is dumped again and
    again (IPv6 dumps then leave out routes that are there), what does not change keeps its answer."""
    gateway, other = {4: ("10.0.0.2", "10.0.1.2"), 6: ("fd00::2", "fd00:1::2")}[family]
    still = [{4: f"11.{i // 256}.{i % 256}.1", 6: f"2001:db8:{i:x}::1"}[family] for i in range(2000)]

    def net_of(address):
        return {4: address + "/32", 6: address.removesuffix("1") + "/48"}[family]

    batch("".join(f"route add {net_of(a)} via {gateway}\n" for a in still))
    mirror = Mirror("-b", "65536", *FACES)
    draw, there, changes = random.Random(family), [], []
    for i in range(60000):
        if there and draw.random() < 0.5:
            changes.append(f"route del {there.pop(draw.randrange(len(there)))}")
        else:
            there.append({4: f"12.{i // 256 % 256}.{i % 256}.{i // 65536}/32",
                          6: f"{draw.choice(['2001', '2000', '3000'])}:{i:x}::/40"}[family])
            changes.append(f"route add {there[-1]} via {other}")
    churn = subprocess.Popen(["ip", "-n", NS, "-force", "-batch", "-"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    try:
        feeder = threading.Thread(target=lambda: (churn.stdin.write("\n".join(changes) + "\n"),
                                                  churn.stdin.close()))
        feeder.start()
        lose_notifications(mirror)
        while churn.poll() is None:
            for address in draw.sample(still, 100):
                assert mirror.ask(f"get {address}").startswith("forward f0"), address
        feeder.join()
        # The last one waits for the changes to pause.
        wait_until(lambda: mirror.stats()["resyncs"] > 1, mirror.stats)
        stats = mirror.stats()
        print(stats)
        assert stats["overruns"] > 0, stats
        for address in still:
            assert mirror.ask(f"get {address}").startswith("forward f0"), address
        # And what changed is right in the end.
        agree(mirror, [p.split("/")[0] for p in draw.sample(there, 50)])
    finally:
        assert mirror.close() == 0


def test_neighbour_kept_alive(mirror):
    """A neighbour that turns stale is asked for again: its host answers, it is reachable again."""
    ip("addr add 10.0.0.50/24 dev p0", ns=PEERS)
    subprocess.run(["ip", "netns", "exec", NS, "sysctl", "-qw",
                    "net.ipv4.neigh.f0.base_reachable_time_ms=1000",
                    "net.ipv4.neigh.f0.delay_first_probe_time=1"], check=True)
    mac = json.loads(ip("-j link show dev p0", ns=PEERS).stdout)[0]["address"]
    ip(f"neigh add 10.0.0.50 lladdr {mac} dev f0 nud stale")

    def state():
        return [n["state"][0] for n in ip_json("neigh show 10.0.0.50 dev f0")]

    wait_until(lambda: state() == ["REACHABLE"], state, timeout_s=10)
    agree(mirror, ["10.0.0.50"])


def test_gateway_resolved_unasked(mirror):
    """The first packet over a new gateway need not wait for it to be resolved."""
    ip("addr add 10.0.0.51/24 dev p0", ns=PEERS)
    ip("route add 10.9.0.0/16 via 10.0.0.51")
    wait_until(lambda: mirror.ask("get 10.9.0.1").startswith("forward f0"),
               lambda: mirror.ask("get 10.9.0.1"))
    agree(mirror, ["10.9.0.1"])


def test_device_underneath(net):
    """Without carrier on a port's device its hops are not used, whatever its face says."""
    mirror = Mirror("f0:x0", "f1", "f2")
    try:
        ip("route add 10.9.0.0/16 via 10.0.0.2 metric 10")
        ip("route add 10.9.0.0/16 via 10.0.1.2 metric 20")
        wait_until(lambda: "forward f0" in mirror.ask("get 10.9.0.1"), lambda: "f0")
        ip("link set p3 down", ns=PEERS)
        wait_until(lambda: "forward f1" in mirror.ask("get 10.9.0.1"), lambda: "f1")
        ip("link set p3 up", ns=PEERS)
        wait_until(lambda: "forward f0" in mirror.ask("get 10.9.0.1"), lambda: "f0 again")
        agree(mirror, BASE)
    finally:
        assert mirror.close() == 0


def test_unsupported_is_counted(mirror):
    before = mirror.stats()["unsupported"]
    ip("route add 10.9.0.0/16 via 10.0.0.2 table 100")
    ip("rule add from 10.9.0.0/16 table 100")
    wait_until(lambda: mirror.stats()["unsupported"] == before + 2, mirror.stats)
    agree(mirror, ["10.9.0.1"])


def test_rule_splits_tables(mirror):
    """From the first rule on the kernel looks in table local before main, also when that is gone."""
    ip("route add local 10.9.0.0/16 dev lo")
    ip("route add 10.9.1.0/24 via 10.0.0.2")
    agree(mirror, TARGETS)
    assert mirror.ask("get 10.9.1.1").startswith("forward")
    ip("rule add from 192.0.2.0/24 table 100")
    agree(mirror, TARGETS)
    ip("rule del from 192.0.2.0/24 table 100")
    agree(mirror, TARGETS)
    assert mirror.ask("get 10.9.1.1") == "punt local"


def test_rule_while_neighbours_change(net, capfd):
    """A rule has all routes looked at, and neighbours are read meanwhile: nothing of it is lost."""
    n = 5000
    batch(many(n, "add", "10.0.0.2"))
    mirror = Mirror(*FACES)
    try:
        agree(mirror, spread(n))
        before = mirror.stats()
        os.kill(mirror.process.pid, signal.SIGSTOP)
        try:
            ip("rule add from 192.0.2.0/24 table 100 pref 100")
            ip("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:99 dev f0")
            ip("rule add from 198.51.100.0/24 table 100 pref 101")
        finally:
            os.kill(mirror.process.pid, signal.SIGCONT)
        wait_until(lambda: mirror.stats()["unsupported"] == before["unsupported"] + 2, mirror.stats)
        agree(mirror, spread(n))
        assert mirror.stats()["malformed"] == 0
    finally:
        assert mirror.close() == 0
    said = capfd.readouterr().err
    assert "IPv4 rule 100: from 192.0.2.0/24 lookup 100 is not followed" in said
    assert "IPv4 rule 101: from 198.51.100.0/24 lookup 100 is not followed" in said


def test_explanation(mirror):
    ip("route add 10.9.0.0/16 via 10.0.0.2 metric 10")
    ip("route add unreachable 10.9.0.0/16 metric 20")
    agree(mirror, ["10.9.0.1"])
    assert mirror.ask("why 10.9.0.1") == "10.9.0.0/16 unicast metric 10 table 254 hops 1 via forward"
    assert mirror.ask("why 10.0.0.1") == "10.0.0.1/32 local metric 0 table 255 hops 1 via punt"
    assert mirror.ask("why 192.0.2.1") == "none"
    ip("link set f0 down")
    agree(mirror, ["10.9.0.1"])
    assert mirror.ask("why 10.9.0.1").startswith("10.9.0.0/16 unreachable metric 20")


def test_first_synchronisation(net):
    """100,000 routes are there well under 2 s (SLOWDOWN: how much slower this build may be)."""
    n = 100000
    # The first one's gateway has to be asked for while the others are read.
    batch("route add 10.9.0.0/16 via 10.0.0.88\n" + many(n, "add", "10.0.0.2"))
    mirror = Mirror(*FACES)
    try:
        print(f"{n} routes in {mirror.sync_ms} ms")
        assert mirror.stats()["installed"] >= n
        agree(mirror, spread(n) + ["10.9.0.1"])
        assert float(mirror.sync_ms) < 2000 * float(os.environ.get("SLOWDOWN", 1))
    finally:
        assert mirror.close() == 0
