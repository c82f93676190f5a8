# SPDX-License-Identifier: BSD-2-Clause
"""Routes change by the hundred thousand while numbered packets pass to destinations whose routes do
not change: none of them is lost or led astray, and afterwards every answer is the kernel's.

    CHURN=N   changes (default 100000, IPv6 half of that)
"""

import contextlib
import ctypes
import ipaddress
import json
import os
import random
import signal
import socket
import struct

import pytest

from lab import Sink, libc, wait_until
from route_churn import Churn
from test_routes import kernel_answer

families = pytest.mark.parametrize("family", [4, 6])
CHANGES = int(os.environ.get("CHURN", 100_000))
RATE = 5_000  # of bursts of 512: what two shared cores pass while one is busy with netlink

# The stream goes to all of this network, by routes for each quarter of it. Those that change lie
# around it, in it but shorter, and elsewhere.
STILL = {4: "11.1.0.0/24", 6: "2001:db8:0:0::/64"}
QUARTERS = {4: 26, 6: 66}


def changing(family, draw):
    still = ipaddress.ip_network(STILL[family])
    found = {still.supernet(new_prefix=length) for length in
             ({4: range(8, 24), 6: range(29, 64)}[family])} | {still}
    found |= set(still.subnets(1))
    while len(found) < 20_000:
        if family == 4:
            address = draw.randrange(11 << 24, 13 << 24)
            length = draw.choice([16, 20, 24, 24, 28, 32])
        else:
            address = 0x20010db8 << 96 | draw.getrandbits(48) << 48 | draw.getrandbits(16) << 32
            length = draw.choice([40, 44, 48, 48, 56, 64, 128])
        net = ipaddress.ip_network((address, length), strict=False)
        if not net.subnet_of(still):
            found.add(net)
    return sorted(found)


def samples(prefixes, draw, count):
    for prefix in draw.sample(prefixes, count):
        yield prefix.network_address
        yield prefix.broadcast_address
        yield prefix.broadcast_address + 1
        yield prefix.network_address + draw.randrange(prefix.num_addresses)


class NumberedFlood:
    """Numbered packets from host 1 to the still destinations, all behind host 2."""

    def __init__(self, lab, family):
        self.sinks = [Sink(lab, host) for host in lab.hosts[1:]]
        args = lab.flood_command(lab.hosts[0], lab.hosts[1], family, seconds=3000, rate=RATE,
                                 destinations=256 if family == 4 else 1)
        first = ipaddress.ip_network(STILL[family]).network_address
        args[args.index("--destination") + 1] = str(first)
        self.flood = lab.popen(lab.hosts[0], args, stdout=-1, text=True)
        wait_until(lambda: self.sinks[0].counters()["packets"] > 0, "the stream arrives")

    def end(self):
        """(sent, arrived, astray)"""
        self.flood.send_signal(signal.SIGTERM)
        sent = json.loads(self.flood.communicate(timeout=10)[0])["sent"]
        got, astray = [sink.settled() for sink in self.sinks]
        for sink in self.sinks:
            sink.close()
        assert got["late"] == got["repeated"] == 0, got
        return sent, got["packets"], astray["packets"]


def prepare(lab, family):
    """Routes that stay, by way of host 2; neighbours known for good."""
    router = lab.router
    for i, host in enumerate(lab.hosts):
        router.ip(f"neigh replace {host.addr(family)} lladdr {host.mac()} dev pl{i} nud permanent")
        router.wait_neighbour(host.addr(family), host.mac())
    for quarter in ipaddress.ip_network(STILL[family]).subnets(new_prefix=QUARTERS[family]):
        router.ip(f"route add {quarter} via {lab.hosts[1].addr(family)} dev pl1")
        router.wait_route(str(quarter))


def sizes(router):
    """Of the tables, but for neighbours, which come and go by themselves."""
    sync = router.show("sync")
    found = {k: v for k, v in {**sync["tables"], "routes": sync["routes"]}.items()
             if k != "image_bytes"}
    found["nexthops"] -= found.pop("neighbors")
    return found


def memory_kib(router):
    status = router.run(["cat", f"/proc/{daemon_pid(router)}/status"]).stdout
    return int(status.split("VmRSS:")[1].split()[0])


def overflowed(router):
    return {p["port"]: {k: v for k, v in p["counters"].items()
                        if v and k in ("rx_dropped", "rx_nobuf", "tx_dropped")}
            for p in router.ports()}


def lost_by_reason(router):
    return {c["name"]: c["total"] for c in router.show("counters")["counters"] if c["total"]}


def daemon_pid(router):
    return router.show("version")["pid"]


@pytest.fixture
def busy_lab(make_lab):
    """Three hosts, long rings, and planes that the machine's other business does not starve: what
    is to be seen here are losses by changes of routes."""
    lab = make_lab(hosts=3)
    lab.start(options=["--ring-size", 4096])
    for tid in os.listdir(f"/proc/{daemon_pid(lab.router)}/task"):
        with open(f"/proc/{daemon_pid(lab.router)}/task/{tid}/comm") as comm:
            plane = comm.read().startswith("plane")
        with contextlib.suppress(PermissionError):
            if plane:
                os.sched_setscheduler(int(tid), os.SCHED_RR, os.sched_param(1))
    return lab


@families
def test_changes_disturb_nothing_else(busy_lab, family):
    lab = busy_lab
    count = CHANGES // {4: 1, 6: 2}[family]
    router, draw = lab.router, random.Random(family)
    prepare(lab, family)
    # Without changes nothing is lost either: else the stream is too much for this machine.
    stream = NumberedFlood(lab, family)
    wait_until(lambda: stream.sinks[0].counters()["packets"] > RATE, "a second of stream")
    sent, arrived, astray = stream.end()
    assert (arrived, astray) == (sent, 0), "lost without any change"

    before, kib = sizes(router), 0
    prefixes = changing(family, draw)
    indices = [router.ip_json(f"link show pl{i}")[0]["ifindex"] for i in (1, 2)]
    hops = [(host.addr(family), index) for host, index in zip(lab.hosts[1:], indices)]
    with router.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        churn = Churn(netlink, family, prefixes, hops, seed=family)
        stream = NumberedFlood(lab, family)
        churn.run(count // 2)
        kib = memory_kib(router)
        churn.run(count - count // 2)
        base = before[f"routes{family}"]
        wait_until(lambda: router.route_count(family) == base + len(churn.there),
                   lambda: f"{base + len(churn.there)} routes: {router.show('sync')}", 60)
        sent, arrived, astray = stream.end()
        sync = router.show("sync")
        print(f"IPv{family}: {count} changes, {len(churn.there)} routes left; {sent} packets sent, "
              f"{arrived} arrived, {astray} astray; {sync['overruns']} overruns, "
              f"{sync['resyncs']} resynchronisations; resident {kib} KiB half way, "
              f"{memory_kib(router)} KiB at the end")
        # Rings that nobody emptied in time are the machine's fault, and are none of the changes'.
        assert (arrived, astray) == (sent, 0), \
            f"rings overflowed: {overflowed(router)}; punted, dropped: {lost_by_reason(router)}"
        for address in samples(prefixes, draw, 100):
            assert router.answer(address) == kernel_answer(lab, address), address
        churn.clear()
    wait_until(lambda: sizes(router) == before, lambda: f"{before} again: {sizes(router)}", 30)


# ---- audits ----

def netlink_sockets(pid):
    """Copies of a process's netlink sockets."""
    pidfd = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
            fd = libc.syscall(438, pidfd, int(name), 0)  # pidfd_getfd
            if fd < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            sock = socket.socket(fileno=fd)
            if sock.family == socket.AF_NETLINK:
                yield sock
            else:
                sock.close()
    os.close(pidfd)


@contextlib.contextmanager
def deaf(router):
    """The daemon's netlink sockets take nothing in, and it does not learn that it misses anything."""
    drop_all = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF: ret 0
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(drop_all))
    sockets = list(netlink_sockets(daemon_pid(router)))
    assert sockets
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER
    try:
        yield
    finally:
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
            sock.close()


def audit(router):
    """Has one made; returns how much (drift, mended) it has found."""
    before = router.show("sync")
    router.peerlane("audit")
    wait_until(lambda: router.show("sync")["audits"] > before["audits"], "an audit", 30)
    after = router.show("sync")
    return after["drift"] - before["drift"], after["mended"] - before["mended"]


def test_audit_finds_and_mends(lab3):
    """What was never told is found by an audit, put right and reported; and only that."""
    router, (_, h2, h3) = lab3.router, lab3.hosts
    for i in range(20):
        router.ip(f"route add 11.0.{i}.0/24 via {h2.v4} dev pl1")
    router.ip(f"nexthop add id 5 via {h2.v4} dev pl1")
    router.ip("route add 11.2.0.0/16 nhid 5")
    router.wait_route("11.2.0.0/16")
    assert audit(router) == (0, 0)
    with deaf(router):
        router.ip(f"route add 11.1.0.0/24 via {h2.v4} dev pl1")
        router.ip(f"route replace 11.0.3.0/24 via {h3.v4} dev pl2")
        router.ip("route del 11.0.4.0/24")
        router.ip(f"nexthop replace id 5 via {h3.v4} dev pl2")
    assert router.answer("11.0.3.1") == (h2.v4, "pl1"), "it heard of it"
    # The object, the prefix over it, and three others.
    assert audit(router) == (5, 5)
    assert "audit: 5 prefixes and next hop objects differed from the kernel's; 5 were put right" \
        in router.log()
    for address in ("11.1.0.1", "11.0.3.1", "11.0.4.1", "11.0.5.1", "11.2.0.1"):
        assert router.answer(address) == kernel_answer(lab3, address), address
    assert audit(router) == (0, 0)


def test_audit_under_churn_finds_nothing(lab3):
    """Changes that are told while an audit is under way are no drift."""
    router, (_, h2, h3) = lab3.router, lab3.hosts
    indices = [router.ip_json(f"link show pl{i}")[0]["ifindex"] for i in (1, 2)]
    prefixes = changing(4, random.Random(4))
    with router.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        churn = Churn(netlink, 4, prefixes, list(zip((h2.v4, h3.v4), indices)), seed=1)
        churn.run(10_000)
        for _ in range(20):
            router.peerlane("audit")
            churn.run(512)
        assert audit(router) == (0, 0)
        assert router.show("sync")["drift"] == 0


def test_unfollowed_is_told(lab):
    """In the log and in show sync, when it comes and when it goes."""
    router = lab.router

    def told():
        return {(u["what"], u["family"], u["routes"]) for u in router.show("sync")["unfollowed"]}

    assert told() == set()
    router.ip("rule add from 10.0.1.0/24 lookup 100 pref 100")
    router.ip(f"route add 10.9.0.0/16 via {lab.hosts[1].v4} table 100")
    router.ip(f"route add 10.9.0.0/16 via {lab.hosts[1].v4} table 100 metric 5")
    router.ip(f"route add 10.9.0.0/16 tos 0x10 via {lab.hosts[1].v4}")
    wanted = {("rule 100: from 10.0.1.0/24 lookup 100", "ipv4", None),
              ("routes of table 100", "ipv4", 2), ("routes with a TOS", "ipv4", 1)}
    wait_until(lambda: told() == wanted, told)
    shown = router.peerlane("show", "sync").stdout
    assert "NOT FOLLOWED" in shown and "rule 100: from 10.0.1.0/24 lookup 100" in shown
    assert "IPv4 rule 100: from 10.0.1.0/24 lookup 100 is not followed" in router.log()
    assert "IPv4 routes of table 100 are not followed" in router.log()
    # What a TOS decides is the kernel's.
    assert router.show("route", "10.9.0.1")["text"].count("kernel")
    router.ip("rule del pref 100")
    router.ip("route flush table 100")
    router.ip("route del 10.9.0.0/16 tos 0x10")
    wait_until(lambda: told() == set(), told)
    assert "NOT FOLLOWED" not in router.peerlane("show", "sync").stdout
    assert "which was not followed, is gone" in router.log()
    assert "IPv4 routes of table 100, which are not followed, are gone" in router.log()
