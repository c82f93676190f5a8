# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks that builds are compared by: their commands, and the figures in their JSON.

Each measures many short turns, of which the best one counts: whatever else the machine does only ever
takes time, and a turn of few milliseconds may go by without it. Where a run has no turns (how soon
something wakes, what the generator sent) it is the median, or the whole.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

UNITS = {"mpps": ("Mpps", True), "ns": ("ns", False), "us": ("us", False)}


@dataclass(frozen=True)
class Value:
    """One figure of one run."""

    name: str
    value: float
    unit: str
    more_is_better: bool


@dataclass(frozen=True)
class Benchmark:
    name: str
    target: str  # the program, below the build folder
    arguments: Callable  # (first core, last core, file for the JSON) -> a list
    read: Callable  # JSON as Python has it -> values
    prints: bool = False  # its JSON, instead of writing it to the file

    def command(self, build, output):
        cores = sorted(os.sched_getaffinity(0))
        return [str(a) for a in [Path(build) / self.target,
                                 *self.arguments(cores[0], cores[-1], output)]]

    def values(self, text):
        """What one run measured. ValueError: that is not what this benchmark prints."""
        try:
            values = list(self.read(json.loads(text)))
        except json.JSONDecodeError as error:
            around = text[max(0, error.pos - 40):error.pos + 20]
            raise ValueError(f"not JSON: {error}, in {around!r}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its JSON is not as expected: {error!r}") from error
        # Nothing can be said of a ratio to nothing: for compare.py a figure that falls to 0 is gone.
        return [v for v in values if v.value > 0]


def best(name, figure, key):
    unit, more_is_better = UNITS[key]
    turn = {"mpps": "max", "ns": "min", "us": "median"}[key]
    return Value(name, figure[turn], unit, more_is_better)


def read_loop(result):
    for case in result["cases"]:
        name = ", ".join(part for part in (case["name"], case["isa"]) if part)
        yield Value(name, case["ns_min"], "ns", False)


def read_fib(result):
    for family in result["families"]:
        ip = f"IPv{family['family']}"
        for contestant in family["contestants"]:
            code = contestant["name"].removeprefix("Peerlane ")
            for pattern, rate in contestant["mlookups_per_s"].items():
                yield Value(f"{ip} lookups, {pattern}, {code}", rate["max"], "M/s", True)
        for table in family["tables"]:
            for update, rate in table["updates_per_s"].items():
                yield Value(f"{ip} updates, {update}", rate["max"] / 1e6, "M/s", True)


def read_nic(result):
    for name, figure in result.items():
        what, _, unit = name.rpartition("_")
        if isinstance(figure, dict) and unit in UNITS:
            yield best(what.replace("_", " "), figure, unit)


def read_accel(result):
    """Rates and costs; how soon a change is seen, and at what pace changes were made, hang on threads'
    turns on few cores, and a cache line's way on the machine alone."""
    for device in result["devices"]:
        kind = device["device"].split(":")[0]
        for r in device["results"]:
            if r.get("how") in ("ratio", "changes made") or r["what"].startswith("a cache line") \
               or r["unit"].lower() not in ("mpps", "ns"):
                continue
            parts = [kind, r["what"], f"IPv{r['family']}" if "family" in r else "",
                     r.get("how", ""), r.get("point", "")]
            yield best(", ".join(p for p in parts if p), r, r["unit"].lower())


def read_gen(result):
    yield Value("received over the loop end", result["received_pps"] / 1e6, "Mpps", True)


BENCHMARKS = [
    Benchmark("loop", "bench/loop", lambda first, last, out: [
        "-j", "-c", last, "-r", 50, "-t", 3, "-n", 1 << 18], read_loop, prints=True),
    Benchmark("fib", "bench/fib/fib", lambda first, last, out: [
        "--quick", "--only", "Peerlane", "--repetitions", 21, "--ms", 1, "--builds", 5,
        "--core", last, "--json", out], read_fib),
    Benchmark("nic", "bench/nic/nic", lambda first, last, out: [
        "-j", "-c", last, "-e", first, "-r", 8, "-t", 20, "-w", 200], read_nic, prints=True),
    Benchmark("accel", "bench/accel/accel", lambda first, last, out: [
        "--devices", "cpu,host", "--only", "program,plane", "--v4", 20000, "--v6", 5000,
        "--changes", 20000, "--repetitions", 9, "--ms", 4, "--core", last, "--json", out], read_accel),
    Benchmark("gen", "bench/gen/peerlane-gen", lambda first, last, out: [
        "--tx", "loop", "--rx", "loop", "--duration", "500ms", "--drain", "50ms", "--strict",
        "--loss-max", 0, "--core", last, "--quiet", "--json", out], read_gen),
]
