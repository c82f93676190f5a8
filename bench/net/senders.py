#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a veth takes from one core: peerlane-gen beside DPDK's testpmd.

Both send the shortest frames, one flow, as fast as they can, from one core into a veth whose other end
counts them in XDP and drops them: the count is what is compared, not what a sender says of itself.
They take turns on the same veth. Over AF_XDP the kernel transmits inside the sender's system call, on
its core, and so most of what is measured is the kernel: no sender gets much beyond another.

testpmd is used where it is installed (Debian's dpdk-dev), or where DPDK_TESTPMD says. The programs are
those of the build folder that PEERLANE_BUILD names (build-release).
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests/lab"))
os.environ.setdefault("PEERLANE_BUILD", str(HERE.parents[1] / "build-release"))

import lab as L  # noqa: E402: found by the path above

DEVICE = "eth1"
LENGTH = 60  # without FCS
TESTPMD = os.environ.get("DPDK_TESTPMD") or shutil.which("dpdk-testpmd")


def generator(core, _folder):
    return [L.BUILD / "bench/gen/peerlane-gen", "--quiet", "--core", core, "--size", LENGTH + 4,
            "--tx", f"afxdp:{DEVICE}", "--address", "198.18.0.1", "--gateway-mac",
            "02:00:00:00:00:02", "--destinations", "198.18.0.2", "--duration", "60s"]


def testpmd(driver):
    def command(core, folder):
        other = (core + 1) % os.cpu_count()  # of the prompt, which sleeps
        return [TESTPMD, f"--lcores=0@{other},1@{core}", "--main-lcore=0", "--no-pci", "--no-huge",
                "-m", "512", "--no-shconf", f"--file-prefix={folder.name}", "--no-telemetry",
                "--vdev", f"net_{driver}0,iface={DEVICE}", "--", "--forward-mode=txonly",
                "--auto-start", "--nb-cores=1", "--txd=2048", "--rxd=2048", "--burst=64",
                f"--txpkts={LENGTH}", "--tx-udp=1024,9", "--total-num-mbufs=16384",
                "--stats-period=60"]
    return command


SENDERS = {"peerlane-gen, AF_XDP": generator,
           "testpmd, net_af_xdp": testpmd("af_xdp"),
           "testpmd, net_af_packet": testpmd("af_packet")}


def measure(lab, make, core, window_s):
    """Frames a second that arrive, over the window."""
    log = lab.folder / "sender.log"
    sink = L.Sink(lab, lab.hosts[0])
    with open(log, "w") as out:
        sender = lab.popen(lab.router, make(core, lab.folder), stdout=out, stderr=out,
                           stdin=subprocess.DEVNULL)
        try:
            L.wait_until(lambda: sink.counters()["packets"] > 10_000 or sender.poll() is not None,
                         "frames arrive", 20)
            if sender.poll() is not None:
                raise AssertionError(f"{sender.args}: ended:\n{log.read_text()[-2000:]}")
            first = sink.counters()
            time.sleep(window_s)  # the time measured
            last = sink.counters()
        finally:
            sender.send_signal(signal.SIGINT)
            sender.wait(20)
    sink.settled()
    sink.close()
    return (last["packets"] - first["packets"]) / (last["time_s"] - first["time_s"])


def spread(values, digits):
    return " / ".join(f"{f(values):.{digits}f}" for f in (min, statistics.median, max))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--window", type=float, default=2, help="seconds of each sample")
    parser.add_argument("--core", type=int, default=os.cpu_count() - 1, help="the sender's")
    parser.add_argument("--json", type=Path, help="write every sample there")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("senders.py: network namespaces need root")
    L.sweep()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = [name for name in SENDERS if TESTPMD or "testpmd" not in name]
    if not TESTPMD:
        print("testpmd: left out: not installed (dpdk-dev), and DPDK_TESTPMD does not name one")
    rates = {name: [] for name in names}
    with L.Lab(hosts=1) as lab:
        for _ in range(args.repetitions):
            for name in names:
                rates[name].append(measure(lab, SENDERS[name], args.core, args.window))
    print(f"{LENGTH}-byte frames (without FCS), one flow, one core; min / median / max of "
          f"{args.repetitions}")
    for name in names:
        ratio = [a / b for a, b in zip(rates[names[0]], rates[name])]
        print(f"{name:24} {spread([r / 1e6 for r in rates[name]], 3)} Mpps; "
              f"{names[0]} is {spread(ratio, 2)} x")
    if args.json:
        args.json.write_text(json.dumps({"command": sys.argv, "pps": rates}, indent=1) + "\n")


if __name__ == "__main__":
    main()
