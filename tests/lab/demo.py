#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts and a router in network namespaces; Peerlane forwards between them, first over AF_XDP, then
through emulated NICs, then by an accelerator. Shows what passes and how fast, then takes everything down
again."""

import json
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
EMULATED = """\
Once more, through NICs of our own driver. There are none here: they are emulated, with the registers,
descriptor rings, interrupts and DMA of an Intel 82599. Their cables are eth1 and eth2. What they
forward says nothing of the speed of real ones.

 host 1                    router: peerlaned                         host 2
 10.0.1.2  --- veth --- eth1 [82599] pl0   pl1 [82599] eth2 --- veth ---  10.0.2.2
 fd00:1::2                  emulated           emulated              fd00:2::2
"""
ACCELERATED = """\
Once more over AF_XDP, with Mode=nic-cpu-gpu: an accelerator looks up, checks and rewrites the packets. There is
no GPU in this demo: OpenCL (PoCL) makes an accelerator of this machine's own cores, which says nothing of
the speed of one.

 host 1               router: peerlaned                host 2
 10.0.1.2  --- veth --- eth1=pl0   pl1=eth2 --- veth ---  10.0.2.2
                           |  ^
                           v  |  bursts
                          OpenCL
"""
# Steps of the bring-up, by the access to a register that stands for each.
STEPS = (("w 0x00888 0x7fffffff", "EIMC: no interrupts"), ("w 0x00000 0x04......", "CTRL: reset"),
         ("r 0x10010 ..........", "EEC: the EEPROM has been read"),
         ("r 0x02f00 ..........", "RDRXCTL: DMA is ready"),
         ("r 0x0a200 ..........", "RAL: the MAC address, its lower part"),
         ("w 0x042a0 ..........", "AUTOC: the link"),
         ("w 0x01028 0x02......", "RXDCTL: queue 0 shall receive"),
         ("w 0x06028 0x02......", "TXDCTL: queue 0 shall transmit"),
         ("w 0x03000 0x.......1", "RXCTRL: reception is on"),
         ("r 0x042a4 0x[4-7c-f].......", "LINKS: there is a link"))


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


def traffic(lab, kinds):
    """Lets it pass, and prints a table of what did."""
    results = []
    for name, run in kinds:
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


def stop(lab):
    status, took_s = lab.router.stop()
    step(f"peerlaned stopped with status {status} after {took_s * 1000:.0f} ms")
    return status


def over_afxdp():
    print(PICTURE)
    step("making namespaces, starting peerlaned")
    with L.Lab(kind="afxdp") as lab:
        lab.start()
        traffic(lab, (("ping", ping), ("traceroute", traceroute), ("TCP", tcp)))
        show(lab, "ports")
        show(lab, "counters", lambda line: not re.match(r"\S+\s+\S+\s+0\b", line))
        return stop(lab)


def show_trace(lab):
    """Some of what the driver did with the NICs' registers."""
    trace = re.findall(r"^[rw] 0x[0-9a-f]{5} 0x[0-9a-f]{8}$", lab.router.log(), re.MULTILINE)
    print(f"$ PEERLANE_TRACE=regs peerlaned ...    some of {len(trace):,} accesses to registers")
    for step_pattern, meaning in STEPS:
        line = next(filter(re.compile(step_pattern).fullmatch, trace), None)
        if not line:
            raise AssertionError(f"no {step_pattern} in the trace")
        print(f"  {line}    {meaning}")
    print()


def over_emulated_nics():
    print(EMULATED)
    step("making namespaces, starting peerlaned")
    with L.Lab(kind="emu") as lab:
        lab.router.environment["PEERLANE_TRACE"] = "regs"
        lab.start()
        traffic(lab, (("ping", ping), ("TCP", tcp)))
        show(lab, "ports", lambda line: "_size_" not in line)
        show_trace(lab)
        return stop(lab)


def by_accelerator():
    print(ACCELERATED)
    step("making namespaces, starting peerlaned")
    with L.Lab(kind="afxdp") as lab:
        devices = json.loads(lab.router.peerlane("-j", "devices").stdout)
        if not any(a["kind"] == "opencl" and a["usable"] for a in devices["accelerators"]):
            step("left out: there is no OpenCL accelerator (apt install pocl-opencl-icd)")
            return 0
        lab.start(mode=["--mode", "nic-cpu-gpu", "--accelerator", "opencl"])
        traffic(lab, (("ping", ping),))
        show(lab, "accelerator")
        return stop(lab)


def demo():
    status = over_afxdp()
    print()
    status = over_emulated_nics() or status
    print()
    return by_accelerator() or status


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
