# SPDX-License-Identifier: BSD-2-Clause
"""How long forwarding is interrupted when the daemon is restarted."""

import statistics

from lab import wait_until
from stream import Stream

ROUTES = 10_000
RESTARTS = 7
FAR = "10.9.0.1"

# What a restart may take, as `systemctl restart` makes it: SIGTERM, wait for the end, start anew.
BAR_MS = 300


def add_routes(lab):
    """ROUTES of /24 over host 2, the one to FAR among them."""
    gateway = lab.hosts[1].v4
    lines = [f"route add 10.9.0.0/24 via {gateway} dev pl1"]
    lines += [f"route add {20 + i // 65536}.{i // 256 % 256}.{i % 256}.0/24 via {gateway} dev pl1"
              for i in range(ROUTES - 1)]
    lab.router.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
    wait_until(lambda: lab.router.route_count(4) >= ROUTES, "the routes", 30)


def test_restart_under_traffic(lab):
    """A paced stream over one of 10,000 routes while the daemon is stopped and started again. The
    median counts: the machine has other things to do, too."""
    h1, h2 = lab.hosts
    h2.ip(f"addr add {FAR} dev lo")
    add_routes(lab)
    wait_until(lambda: h1.reaches(FAR), "host 1 reaches the far address")
    stream = Stream(lab, h1, h2, FAR)
    pauses = []
    for _ in range(RESTARTS):
        since = stream.count()
        wait_until(lambda n=since: stream.count() > n + 300, "the stream")
        lab.router.stop()
        lab.router.start(lab.router.arguments(2))
        after = stream.count()
        wait_until(lambda n=after: stream.count() > n + 300, "the stream goes on")
        pauses.append(stream.pause_ms(since))
        wait_until(lambda: lab.router.route_count(4) >= ROUTES, "the routes are back")
    stream.close()
    print("pauses of restarts with", ROUTES, "routes, ms:",
          ", ".join(f"{pause:.0f}" for pause in pauses),
          f"; median {statistics.median(pauses):.0f}")
    assert statistics.median(pauses) < BAR_MS
