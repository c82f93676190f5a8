#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts and a router in network namespaces; Peerlane forwards between them. Shows what passes
and how fast, then takes everything down again."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import lab as L

FLOOD_S = 3
PICTURE = """\
 host 1               router: peerlaned                host 2
 10.0.1.2  --- veth --- eth1=pl0   pl1=eth2 --- veth ---  10.0.2.2
 fd00:1::2                                               fd00:2::2
"""


def step(what):
    print(f"- {what}", flush=True)


def ping(lab, family):
    h1, h2 = lab.hosts
    answered, output = h1.ping(h2.addr(family), count=200, interval_s=0.005)
    times = sorted(float(t) * 1000 for t in re.findall(r"time=([\d.]+)", output))
    return f"ping IPv{family}", f"{answered} of 200 answered", \
           f"median round trip {times[len(times) // 2]:.0f} us" if times else ""


def tcp(lab, family):
    h1, h2 = lab.hosts
    end = lab.iperf(h1, h2, h2.addr(family), seconds=3)["end"]
    return f"TCP IPv{family} (iperf3, 3 s)", \
           f"{end['sum_received']['bytes'] / 1e6:.0f} MB, " \
           f"{end['sum_sent']['retransmits']} retransmissions", \
           f"{end['sum_received']['bits_per_second'] / 1e9:.2f} Gbit/s"


def traceroute(lab, family):
    h1, h2 = lab.hosts
    output = h1.run(["traceroute", f"-{family}", "-n", "-q", "1", h2.addr(family)]).stdout
    hops = re.findall(r"^\s*\d+\s+(\S+)", output, re.MULTILINE)
    if hops != [h1.gateway(family), h2.addr(family)]:
        raise AssertionError(f"traceroute does not show the router's hop:\n{output}")
    return f"traceroute IPv{family}", " -> ".join(hops), ""


def flood(lab):
    h1, h2 = lab.hosts
    sink = L.Sink(lab, h2)
    flood = lab.popen(h1, lab.flood_command(h1, h2, seconds=600), stdout=subprocess.DEVNULL)
    L.wait_until(lambda: sink.counters()["packets"] > 0, "the flood arrives")
    first = sink.last
    time.sleep(FLOOD_S)
    last = sink.counters()
    flood.terminate()
    flood.wait(10)
    sink.close()
    if last["late"] or last["repeated"]:
        raise AssertionError(f"packets out of order or twice: {last}")
    return "64-byte packets, as many as go", \
           f"{last['packets']:,} received, all in order", \
           f"{(last['packets'] - first['packets']) / (last['time_s'] - first['time_s']) / 1e6:.2f} Mpps"


def show(lab, what, wanted=lambda line: True):
    print(f"$ peerlane show {what}")
    for line in lab.router.peerlane("show", what).stdout.splitlines():
        if wanted(line):
            print("  " + line)
    print()


def demo():
    print(PICTURE)
    step("making namespaces, starting peerlaned")
    with L.Lab() as lab:
        lab.start()
        results = []
        for name, run in (("ping", ping), ("traceroute", traceroute), ("TCP", tcp)):
            for family in (4, 6):
                step(f"{name}, IPv{family}")
                results.append(run(lab, family))
        step("a flood of small packets")
        results.append(flood(lab))
        print()
        widths = [max(len(row[i]) for row in results) for i in range(3)]
        for row in results:
            print("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
        print()
        show(lab, "ports")
        show(lab, "counters", lambda line: not re.match(r"\S+\s+\S+\s+0\b", line))
        status, took_s = lab.router.stop()
        step(f"peerlaned stopped with status {status} after {took_s * 1000:.0f} ms")
    return status


def main():
    if os.geteuid() != 0:
        sys.exit("demo: network namespaces need root: sudo make demo")
    missing = [t for t in ("ip", "ethtool", "ping", "traceroute", "iperf3") if not shutil.which(t)]
    if missing:
        sys.exit(f"demo: not installed: {', '.join(missing)}: see dist/packages")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    L.sweep()
    begin = time.monotonic()
    status = demo()
    print(f"all cleaned up, {time.monotonic() - begin:.0f} s in all")
    sys.exit(status)


if __name__ == "__main__":
    main()
