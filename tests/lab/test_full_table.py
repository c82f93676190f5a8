# SPDX-License-Identifier: BSD-2-Clause
"""The whole Internet's routes come and go while numbered packets pass by a route that stays: none of
them is lost, and the router has all of the table in the end, and nothing when it is gone.

    TABLE=N4,N6       how many prefixes (120000,24000 unless told; the whole is 901899,160147)
    TABLE_FILE=FILE   a table, a prefix a line, instead of one that is made
"""

import contextlib
import os
import socket
import time

import pytest

import daemons
import full_table
from daemons import Config, Peering, Speakers
from full_table import Asker, cpu_s
from lab import wait_until
from stream import Stream
from test_churn import audit, daemon_pid, memory_kib, netlink_sockets
from test_freshness import waits_s
from test_routes import kernel_answer

N4, N6 = (int(n) for n in os.environ.get("TABLE", "120000,24000").split(","))
FILE = os.environ.get("TABLE_FILE")
LIMIT_S = 120 + (N4 + N6) / 2000  # for what takes seconds; the machine may be busy with others
STILL = "203.0.113.9"  # beyond host 2


@contextlib.contextmanager
def overrunning(router):
    """The daemon's notification sockets hold next to nothing."""
    sockets = list(netlink_sockets(daemon_pid(router)))
    before = [s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for s in sockets]
    for s in sockets:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        yield
    finally:
        for s, size in zip(sockets, before):
            s.setsockopt(socket.SOL_SOCKET, 33, size // 2)  # SO_RCVBUFFORCE, which doubles it
            s.close()


class Phases:
    """What is done to the table, each timed, and what it took of the control thread."""

    def __init__(self, lab, table):
        self.router, self.table, self.asker = lab.router, table, Asker(lab.router)
        self.base = {family: self.router.route_count(family) for family in (4, 6)}

    def holds(self, share):
        """Until the tables hold what there was before and all (1) or nothing (0) of the table."""
        want = [self.base[family] + share * self.table.count[family] for family in (4, 6)]
        wait_until(lambda: [self.router.route_count(family) for family in (4, 6)] == want,
                   lambda: f"{want} routes; {self.router.show('sync')}", LIMIT_S, 0.05)

    def run(self, what, act, share):
        before, cpu, began = self.router.show("sync"), cpu_s(self.router.daemon), time.monotonic()
        waited = waits_s(self.router.daemon)[self.router.daemon.pid]
        act()
        done = time.monotonic()
        self.holds(share)
        now, after = time.monotonic(), self.router.show("sync")
        waited = waits_s(self.router.daemon)[self.router.daemon.pid] - waited
        print(f"{what}: {done - began:.2f} s, the router has it {now - done:.2f} s later; control "
              f"thread {cpu_s(self.router.daemon) - cpu:.2f} s, waited for a processor {waited:.2f} s, "
              f"longest answer {self.asker.longest_ms(began):.0f} ms; "
              f"{after['overruns'] - before['overruns']} overruns, "
              f"{after['resyncs'] - before['resyncs']} resynchronisations; resident "
              f"{memory_kib(self.router) // 1024} MiB")
        return after["overruns"] - before["overruns"]


def compare(lab, table):
    """Every route by listing; edges of some prefixes by what the tables answer."""
    assert full_table.routes_in_use(lab.router).items() >= table.of.items()
    for address in table.edges(20):
        assert lab.router.answer(address) == kernel_answer(lab, address), address


@pytest.fixture
def still(make_lab):
    """Three hosts, a route that stays, and a stream over it."""
    lab = make_lab(hosts=3)
    lab.start()
    lab.hosts[1].ip(f"addr add {STILL}/32 dev lo")
    lab.router.ip(f"route add {STILL}/32 via {lab.hosts[1].v4} dev pl1")
    lab.router.wait_route(f"{STILL}/32")
    lab.hosts[0].ping(STILL, count=1)
    stream = Stream(lab, lab.hosts[0], lab.hosts[1], STILL)
    stream.flows()
    yield lab, stream
    if stream.sender.poll() is None:
        stream.close()


def judge(stream):
    stream.flows()
    stream.close()
    print(f"stream: {len(stream.received)} packets received, {stream.lost()} lost; the longest pause "
          f"{stream.pause_ms(0):.0f} ms")
    assert stream.lost() == 0


def test_comes_and_goes(still):
    """By `ip -batch`; then faster than notifications can be read."""
    lab, stream = still
    h2, h3 = lab.hosts[1:]
    found = full_table.prefixes(N4, N6, FILE)
    table = full_table.Table(lab.router, found, {
        4: [(h2.v4, "pl1"), (h3.v4, "pl2")], 6: [(h2.v6, "pl1"), (h3.v6, "pl2")]})
    phases = Phases(lab, table)
    batch = table.batch()

    phases.run("ip -batch", lambda: lab.router.run(["ip", "-batch", "-"], input=batch,
                                                   timeout=LIMIT_S), 1)
    compare(lab, table)
    began, cpu = time.monotonic(), cpu_s(lab.router.daemon)
    assert audit(lab.router) == (0, 0)
    print(f"an audit: {time.monotonic() - began:.2f} s, control thread "
          f"{cpu_s(lab.router.daemon) - cpu:.2f} s, longest answer "
          f"{phases.asker.longest_ms(began):.0f} ms")
    full_kib = memory_kib(lab.router)
    phases.run("deleted", table.delete, 0)
    # A route takes more than 150 bytes; what lies in half-empty pages may stay, and the kernel may make
    # huge pages of what stays meanwhile.
    assert full_kib - memory_kib(lab.router) > 0.6 * len(table.of) * 150 / 1024

    with overrunning(lab.router):
        assert phases.run("added beyond the socket's room", table.add, 1) > 0
        compare(lab, table)
        assert phases.run("deleted beyond the socket's room", table.delete, 0) > 0
    assert "came faster than they were read" in lab.router.log()
    assert audit(lab.router) == (0, 0)
    phases.asker.close()
    judge(stream)


def test_restart(still):
    """The daemon starts anew while the kernel has it all, and soon has all of it too: it has read it
    when it is ready, and uses it when the kernel says that the faces have carrier."""
    lab, stream = still
    h2, h3 = lab.hosts[1:]
    table = full_table.Table(lab.router, full_table.prefixes(N4, N6, FILE), {
        4: [(h2.v4, "pl1"), (h3.v4, "pl2")], 6: [(h2.v6, "pl1"), (h3.v6, "pl2")]})
    phases = Phases(lab, table)
    phases.run("added", table.add, 1)
    phases.asker.close()
    began_ns = stream.flows()
    _, stop_s = lab.router.stop(timeout_s=30)
    began = time.monotonic()
    lab.router.start(lab.router.arguments(3), timeout_s=LIMIT_S)
    ready_s = time.monotonic() - began
    assert lab.router.show("sync")["routes"] >= len(table.of)
    phases.holds(1)
    used_s = time.monotonic() - began
    stream.flows()
    print(f"stopped in {stop_s:.2f} s, ready {ready_s:.2f} s after its start, all in use after "
          f"{used_s:.2f} s; no packet passed for {stream.pause_ms(began_ns):.0f} ms")
    compare(lab, table)


@pytest.mark.skipif(not os.path.exists(daemons.BIRD), reason="not installed: bird2")
def test_by_bird(still):
    """BIRD learns it from another one by BGP, loses it and learns it again."""
    lab, stream = still
    h3 = lab.hosts[2]
    found = full_table.prefixes(N4, N6, FILE)
    table = full_table.Table(lab.router, found, {4: [(h3.v4, "pl2")], 6: [(h3.v6, "pl2")]})
    with Speakers() as speakers:
        speakers.add("bird", lab.router, Config(asn=65000, router_id="10.0.1.1", peerings=[
            Peering(h3.v4, 65003), Peering(h3.v6, 65003)]))
        phases = Phases(lab, table)
        other = daemons.Bird(h3, Config(
            asn=65003, router_id=h3.v4, announced=list(table.of), peerings=[
                Peering(h3.gateway4, 65000), Peering(h3.gateway6, 65000)]))
        speakers.all.append(other)
        phases.run("BIRD, by BGP", other.start, 1)
        compare(lab, table)
        phases.run("BIRD, withdrawn", lambda: other.announce([]), 0)
        phases.run("BIRD, announced again", lambda: other.announce(list(table.of)), 1)
        phases.asker.close()
    judge(stream)
