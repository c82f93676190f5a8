#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what the report of 2015 measured, on emulated NICs and on veth interfaces, with others beside:
round-trip times, packet rates and CPU load, by mode and frame size. Writes every run, the figures and a page
that says what was emulated and what real.

All set-ups take turns within a repetition, so that whatever else the machine does meets all of them; tables
and figures have min, median and max of the repetitions. The programs are those of the build folder that
PEERLANE_BUILD names (build-release).
"""

import argparse
import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import dut_setups
import measure
import report
import setups
from dut_lab import WrongSpeed
from setups import L, net

SIZES = [64, 128, 256, 512, 1024, 1280, 1518]  # bytes with FCS
ROUTES = 901_899
PINGS = 20
FAILURES = (AssertionError, RuntimeError, subprocess.SubprocessError, OSError)  # of a set-up: others go on


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes: less of everything")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="BYTES", help="of frames, with FCS")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--seconds", type=float, help="of the highest rate, in each repetition")
    parser.add_argument("--trial", type=float, help="seconds of each trial for the no-drop rate")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--latency", type=float, help="seconds at each load")
    parser.add_argument("--routes", type=int, help="of the full table")
    parser.add_argument("--setups", nargs="+", metavar="KEY", help="such as wire-nic-cpu (default: all)")
    parser.add_argument("--page", action="store_true",
                        help="measure nothing: page, figures and README.md's block anew, of --out's results.json")
    parser.add_argument("--check", action="store_true", help="whether page and block are what that gives")
    parser.add_argument("--accelerator", default="auto",
                        help="as Accelerator=; auto: a GPU by CUDA, else threads of this machine")
    parser.add_argument("--dut", nargs=2, metavar="DEVICE",
                        help="two devices, as Device= has them, instead of emulated ones")
    parser.add_argument("--interfaces", nargs=2, metavar="IFNAME", help="what the two are cabled to")
    parser.add_argument("--any-speed", action="store_true",
                        help="of --interfaces, though the page takes 10 Gb/s for line rate")
    parser.add_argument("--out", type=Path, help="folder (docs/evaluation; --quick, --dut: in the build folder)")
    args = parser.parse_args(argv)
    if bool(args.dut) != bool(args.interfaces):
        parser.error("--dut and --interfaces belong together")
    usual = dict(sizes=SIZES, repetitions=3, seconds=20, trial=1, trials=6, latency=2, routes=ROUTES)
    if args.quick:
        usual = dict(sizes=[64, 512, 1518], repetitions=2, seconds=0.5, trial=0.2, trials=3, latency=0.2,
                     routes=50_000)
    for name, value in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.dut:
        usual_out = L.BUILD / "evaluation-dut"  # the published page is of NICs that are emulated
    else:
        usual_out = L.BUILD / "evaluation" if args.quick else setups.ROOT / "docs/evaluation"
    args.out = args.out or usual_out
    return args


# ---- one turn ----

class Turn:
    """Everything about one set-up, once."""

    def __init__(self, setup, args, repetition, records):
        self.setup, self.args, self.repetition, self.records = setup, args, repetition, records

    def add(self, size, record, flows=1, routes=1):
        self.records.append({"setup": self.setup.key, "repetition": self.repetition, "frame_bytes": size,
                             "flows": flows, "routes": routes, **record})
        return record

    def highest(self, bench, size, flows=1, routes=1, warmup_s=0.2):
        return self.add(size, measure.highest(bench, size, self.args.seconds, flows, warmup_s), flows, routes)

    def rates(self, bench, size, flows=1, routes=1, warmup_s=0.2):
        """Returns a rate that passes."""
        args = self.args
        most = self.highest(bench, size, flows, routes, warmup_s)
        top = min(1.2 * most["received_pps"], measure.line_pps(size) if self.setup.line_rate else 1e9)
        found = self.add(size, measure.no_drop(bench, size, args.trial, args.trials, top, flows, warmup_s),
                         flows, routes)
        return found["no_drop_pps"] or most["received_pps"] / 2

    def run(self):
        args, sizes = self.args, self.setup.sizes(self.args.sizes, self.repetition)
        with self.setup.cores.unthrottled(), self.setup.running(sizes, PINGS) as (bench, pings):
            if self.setup.planes > 1:
                self.many_flows(bench)
                return
            for size in sizes:
                if size in pings:
                    self.add(size, measure.round_trip(size, pings[size]))
                # What takes long is repeated with the shortest frames, which is enough to know its noise; a quick
                # run has it with these only.
                if size != sizes[0] and (self.repetition or args.quick):
                    self.highest(bench, size)
                    continue
                passes = self.rates(bench, size)
                if size in (sizes[0], sizes[-1]):
                    for record in measure.latency(bench, size, args.latency, passes):
                        self.add(size, record)
            if not self.repetition:
                self.many_flows(bench)

    def many_flows(self, bench):
        rate = self.highest if self.args.quick else self.rates
        rate(bench, self.args.sizes[0], flows=measure.FLOWS)
        if bench.load:
            path, count = bench.load(self.args.routes)
            bench.destinations = ("--destinations", path)  # all over a table like the Internet's
            self.highest(bench, self.args.sizes[0], flows=100_000, routes=count,
                         warmup_s=1.5 + self.setup.refill_s(count))


def damaged(records):
    """What no router of ours may do to frames: {set-up: words}."""
    found = {}
    for how in measure.DAMAGE:
        for record in records:
            if record.get(how):
                found.setdefault(record["setup"], {}).setdefault(how, []).append(record[how])
    return {key: ", ".join(f"{sum(n)} {how}" for how, n in hows.items()) for key, hows in found.items()}


def turn(setup, args, repetition, records):
    """Adds what it measures to `records` as it is known. Fails it, once more from the start: links, and the kernel with
    the generator's last AF_XDP socket, take their own time, on busy machines more than is waited for. Failed twice, it
    leaves what the try that got farther has measured."""
    begin, first = len(records), []
    for last in (False, True):
        try:
            Turn(setup, args, repetition, records).run()
            return
        except FAILURES as error:
            if last or isinstance(error, WrongSpeed):
                records[begin:] = max(first, records[begin:], key=len)
                raise
            first = records[begin:]
            del records[begin:]
            print(f"{setup.key}: once more: {error}", file=sys.stderr)


def reckon_s(chosen, args):
    """About how long it takes."""
    def turn_s(setup, repetition):
        if setup.planes > 1 and repetition:
            return 0
        sizes = 0 if setup.planes > 1 else len(setup.sizes(args.sizes, repetition))
        many = not repetition
        searched = min(sizes, 1) if repetition or args.quick else sizes
        searches = searched + (0 if args.quick else many)
        settled_s = args.routes / 30_000 + setup.refill_s(args.routes)
        loads = min(searched, 2) * len(measure.LOADS)
        full = not repetition and setup.has_table
        start_s = setup.start_s
        return (3 + (sizes + many + full) * (args.seconds + 0.4 + start_s) +
                searches * measure.no_drop_s(args.trial, args.trials, start_s) + loads * (args.latency + start_s) +
                full * settled_s)

    return sum(turn_s(setup, repetition) for setup in chosen for repetition in range(args.repetitions))


def measure_all(chosen, args, records, failed):
    """All turns; `records` and `failed` ({key: why}) have what there is at any time."""
    for repetition in range(args.repetitions):
        for setup in chosen:
            if setup.key in failed or (setup.planes > 1 and repetition):
                continue
            began = time.monotonic()
            try:
                turn(setup, args, repetition, records)
            except FAILURES as error:
                failed[setup.key] = (f"given up in repetition {repetition + 1} of {args.repetitions}: "
                                     + " ".join(str(error).split())[-400:])
                print(f"{setup.key}: given up: {error}", file=sys.stderr)
                continue
            print(f"{repetition + 1}/{args.repetitions} {setup.key}: {time.monotonic() - began:.0f} s",
                  file=sys.stderr)


def planes_beside(args):
    """What one plane and two forward between ports in memory, as bench/loop says; {} with one core."""
    routes = [] if args.routes == ROUTES else ["--v4", args.routes, "--v6", args.routes // 6]
    command = [L.BUILD / "bench/loop", "--planes", 2, "-r", 5, "-t", 50, "-j", *routes]
    done = subprocess.run([str(a) for a in command], text=True, capture_output=True, check=False)
    if done.returncode:
        print(f"loop: {done.stderr}", file=sys.stderr)
    return json.loads(done.stdout) if done.returncode == 0 else {}


# ---- what there is, and what comes out ----

def choose(args, accelerator):
    """(set-ups, {key: why it is left out})"""
    if args.dut:
        everything = dut_setups.dut_setups(args.dut, args.interfaces, accelerator, args.any_speed)
    else:
        everything = setups.all_setups(accelerator)
    keys = [setup.key for setup in everything]
    if args.setups:
        unknown = set(args.setups) - set(keys)
        if unknown:
            sys.exit(f"eval.py: no such set-up: {', '.join(sorted(unknown))}; there are {', '.join(keys)}")
        everything = [setup for setup in everything if setup.key in args.setups]
    left_out = {setup.key: why for setup in everything if (why := setup.why_not())}
    for key, why in left_out.items():
        print(f"{key}: left out: {why}", file=sys.stderr)
    return [setup for setup in everything if setup.key not in left_out], left_out


def about(args, accelerator):
    told = net.machine()
    if args.dut:
        told.update(dut_setups.about(args.dut, args.interfaces))
    told.update(accelerator=f"{accelerator.name}: {accelerator.words}",
                command=" ".join(["bench/eval/eval.py", *map(shlex.quote, sys.argv[1:])]),
                seconds=args.seconds, trial_s=args.trial, trials=args.trials, repetitions=args.repetitions)
    return told


def write_csv(path, records):
    """One row for each record; what a kind of record does not have is empty."""
    flat = [{**{k: v for k, v in r.items() if not isinstance(v, dict)},
             **{f"cpu {re.sub(r'[^a-z0-9]+', ' ', k.lower()).strip()}": v
                for k, v in r.get("cpu_threads", {}).items()}} for r in records]
    names = list(dict.fromkeys(name for row in flat for name in row))
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        for row in flat:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def interrupt(*_):
    raise KeyboardInterrupt


def measured(args, accelerator, chosen, left_out):
    """All that comes out of it. What was measured before an interrupt is not lost."""
    records, began = [], time.monotonic()
    data = {"about": about(args, accelerator), "left_out": left_out, "quick": args.quick,
            "setups": {s.key: {"title": s.title, "mode": s.mode, "planes": s.planes, "emulated": s.emulated,
                               "cores": s.where()} for s in chosen}}
    try:
        data["planes"] = {} if args.setups or args.dut else planes_beside(args)
        measure_all(chosen, args, records, left_out)
    except KeyboardInterrupt:
        data["about"]["interrupted"] = "some repetitions are missing"
        print("interrupted", file=sys.stderr)
    for setup in chosen:
        data["about"].update(setup.seen)
    data["about"]["took_s"] = round(time.monotonic() - began)
    return {**data, "damaged": damaged(records), "records": records}


def readme(folder):
    """The README.md with a block of what is in `folder`: of what is published only."""
    return setups.ROOT / "README.md" if folder.resolve() == setups.ROOT / "docs/evaluation" else None


def of_results(args):
    """--page and --check."""
    path = args.out / "results.json"
    try:
        data = json.loads(path.read_text())
        if args.page:
            report.write(args.out, data, readme(args.out))
        wrong = report.differing(args.out, data, readme(args.out))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"eval.py: {path}: no page comes of it: {error!r}")
    for path in wrong:
        print(f"{path} is not what {args.out}/results.json gives: bench/eval/eval.py --page", file=sys.stderr)
    return 1 if wrong else 0


def main():
    args = parse_arguments()
    if args.page or args.check:
        return of_results(args)
    if os.geteuid() != 0:
        sys.exit("eval.py: network namespaces need root")
    if os.cpu_count() < 2:
        sys.exit("eval.py: generator and router need a core each; there is one")
    L.sweep()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    accelerator = setups.find_accelerator(args.accelerator)
    chosen, left_out = choose(args, accelerator)
    if not chosen:
        sys.exit("eval.py: nothing is left to measure")
    print(f"this takes about {max(1, round(reckon_s(chosen, args) / 60))} minutes", file=sys.stderr)
    with net.huge_pages():
        data = measured(args, accelerator, chosen, left_out)
    if not data["records"]:
        print("eval.py: nothing was measured", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(data, indent=1) + "\n")
    write_csv(args.out / "results.csv", data["records"])
    report.write(args.out, data, readme(args.out))
    print(f"{args.out}/README.md")
    for key, words in data["damaged"].items():
        print(f"{key}: frames came out wrong: {words}", file=sys.stderr)
    ours = {setup.key for setup in chosen if setup.mode}
    bad = any(setup.key in left_out for setup in chosen) or ours & set(data["damaged"])
    return 1 if bad or "interrupted" in data["about"] else 0


if __name__ == "__main__":
    sys.exit(main())
