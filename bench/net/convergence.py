#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long a failed path interrupts a stream: Peerlane beside the kernel's own router.

A router with two neighbours that announce the same destination by BGP; the same daemon, with the
same configuration but for interface names, on Peerlane's TAPs and on plain veth interfaces
(tests/lab/failover.py). Routers take turns, each time in namespaces of their own, so that whatever
else the machine does meets both. An outage is the time from the first packet lost to the first
after the last one lost, by the sender's clock; with two used paths, of the flows on the failed one.

Prints tables, and with --json writes every sample. The programs are those of the build folder that
PEERLANE_BUILD names (build-release).
"""

import argparse
import json
import os
import signal
import statistics
import sys
from pathlib import Path

from bench import L, machine, print_table, spread

import daemons
import failover

AIM_FACTOR, AIM_MS = 1.5, 20  # times the kernel's outage, and this


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rate", type=int, default=2000, help="packets per second and family")
    parser.add_argument("--daemons", nargs="+", choices=daemons.KINDS, default=list(daemons.KINDS))
    parser.add_argument("--paths", nargs="+", choices=["backup", "ecmp"],
                        default=["backup", "ecmp"])
    parser.add_argument("--routes", type=int, default=0,
                        help="prefixes of either family announced besides")
    parser.add_argument("--quick", action="store_true",
                        help="one repetition: shows that all works, measures nothing")
    parser.add_argument("--json", type=Path, help="write every sample there")
    args = parser.parse_args()
    if args.quick:
        args.repetitions = 1
    return args


def sample(router, daemon, paths, args):
    """Every failure once; a list of samples."""
    samples = []
    with failover.Setup(router, daemon, paths == "ecmp", args.routes) as setup:
        for failure, act in failover.FAILURES.items():
            for family, result in setup.fail_once(act, args.rate).items():
                samples.append({"router": router, "daemon": daemon, "paths": paths,
                                "failure": failure, "family": family,
                                "outage_ms": result.outage_ms(), "lost": len(result.lost()),
                                "twice": result.twice()})
    return samples


def report(samples, daemon, paths):
    print(f"{daemon}, {paths}: outage in ms, min / median / max")
    rows = [["failure", "", "kernel", "Peerlane", "medians differ by", "aim"]]
    for failure in failover.FAILURES:
        for family in failover.TARGETS:
            mine = {router: [s["outage_ms"] for s in samples
                             if (s["router"], s["daemon"], s["paths"], s["failure"], s["family"]) ==
                             (router, daemon, paths, failure, family)]
                    for router in failover.ROUTERS}
            kernel, peerlane = (statistics.median(mine[r]) for r in ("kernel", "peerlane"))
            aim = AIM_FACTOR * kernel + AIM_MS
            ratio = f" ({peerlane / kernel:.2f} x)" if kernel else ""
            rows.append([failure, f"IPv{family}", spread(mine["kernel"], 1),
                         spread(mine["peerlane"], 1), f"{peerlane - kernel:+.1f}{ratio}",
                         f"at most {aim:.1f}: {'reached' if peerlane <= aim else 'MISSED'}"])
    print_table(rows)


def main():
    args = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("convergence.py: network namespaces need root")
    if daemons.missing():
        sys.exit("convergence.py: not installed: " + ", ".join(daemons.missing()))
    L.sweep()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    about, samples = machine(), []
    for repetition in range(args.repetitions):
        for daemon in args.daemons:
            for paths in args.paths:
                for router in failover.ROUTERS:
                    samples += sample(router, daemon, paths, args)
                    print(f"{repetition + 1}/{args.repetitions} {daemon} {paths} {router}",
                          file=sys.stderr)
    print("\n".join(f"{key}: {value}" for key, value in about.items()))
    print("command:", " ".join(sys.argv), "\n")
    for daemon in args.daemons:
        for paths in args.paths:
            report(samples, daemon, paths)
    if args.json:
        args.json.write_text(json.dumps({"machine": about, "command": sys.argv,
                                         "samples": samples}, indent=1) + "\n")


if __name__ == "__main__":
    main()
