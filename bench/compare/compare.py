#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The working tree's benchmarks beside those of an earlier commit, in turns.

Both are built for release in a temporary folder, the commit from a git worktree of its own there, which
is gone afterwards. Each pair runs a benchmark of either build; every other pair begins with the other
build. What looks faster or slower is measured in as many pairs again, and is so only if both rounds say
so (verdicts.py). Ratios are how many times as fast the working tree is: below 1 it is slower. Noise is
that of the worse round; where it is above 10 %, nothing that it covers is called the same, but what cannot
be told.

Exit status: 0; 1 with --fail where something is slower, or looks so though noise may be as large, where a
figure is gone, or a benchmark works no more; 2 where nothing could be compared; 130 or 143 when
interrupted.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import verdicts as V
from benchmarks import BENCHMARKS

ROOT = Path(__file__).resolve().parents[2]
SIDES = BASE, THIS = "base", "this"
RUN_LIMIT_S, BUILD_LIMIT_S = 120, 1800


class Failed(Exception):
    """Of one command: the last it said."""


def die(text):
    print(f"compare.py: {text}", file=sys.stderr)
    sys.exit(2)


def run(command, limit_s, **options):
    """The command's standard output. In a process group of its own, which ends with us: an interrupted
    build must not go on writing into a folder that is being removed."""
    with subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True, **options) as process:
        try:
            output, errors = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Failed(f"did not end within {limit_s} s") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        said = (errors.strip() or output.strip()).splitlines()
        raise Failed(f"exit status {process.returncode}: " + "\n".join(said[-12:]))
    return output


def git(*arguments):
    return run(["git", "-C", str(ROOT), *arguments], 120).strip()


# ---- the two builds ----

@contextlib.contextmanager
def worktree(commit, folder):
    """The commit's files; git knows of them only meanwhile."""
    try:
        git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        git("worktree", "prune")


def build(source, folder, wanted):
    """Builds those of the wanted benchmarks that the source has. Returns their names."""
    run(["meson", "setup", "--buildtype=release", str(folder), str(source)], BUILD_LIMIT_S)
    known = json.loads(run(["meson", "introspect", "--targets", str(folder)], 60))
    paths = {path for target in known for path in target["filename"]}
    there = [b for b in wanted if str(folder / b.target) in paths]
    if there:
        run(["meson", "compile", "-C", str(folder), *(b.target + ":executable" for b in there)],
            BUILD_LIMIT_S)
    return {b.name for b in there}


# ---- measuring ----

class Comparison:
    """What has been measured of one benchmark."""

    def __init__(self, benchmark, there):
        self.benchmark, self.there = benchmark, there
        self.figures, self.alone, self.failures = {}, {side: {} for side in SIDES}, {}
        self.rounds = 0

    def runs(self):
        return not self.failures and all(self.there[side] for side in SIDES)

    def begin_round(self):
        self.rounds += 1
        for figure in self.figures.values():
            figure.rounds.append([])

    def pair(self, builds, order):
        """Runs both, and notes what both measured."""
        values = {}
        for side in order:
            try:
                values[side] = {v.name: v for v in self._run(builds, side)}
            except (Failed, ValueError) as error:
                self.failures[side] = str(error)
                return
        for name, this in values[THIS].items():
            base = values[BASE].get(name)
            if base is None:
                self.alone[THIS].setdefault(name)
                continue
            figure = self.figures.setdefault(
                name, V.Figure(name, this.unit, this.more_is_better,
                               [[] for _ in range(self.rounds)]))
            figure.rounds[-1].append((base.value, this.value))
        for name in values[BASE].keys() - values[THIS].keys():
            self.alone[BASE].setdefault(name)

    def _run(self, builds, side):
        output = builds[side].parent / "output.json"
        output.unlink(missing_ok=True)
        printed = run(self.benchmark.command(builds[side], output), RUN_LIMIT_S)
        if not self.benchmark.prints and not output.exists():
            raise Failed("wrote no JSON")
        return self.benchmark.values(printed if self.benchmark.prints else output.read_text())

    def only_in(self, side):
        """Figures that the other build never had, or not in each pair in which this one had them."""
        other = SIDES[side == BASE]
        return sorted(self.alone[side].keys() - self.alone[other].keys())

    def differs(self):
        return any(f.verdict() in (V.FASTER, V.SLOWER) or f.looks_slower() for f in self.figures.values())

    def worse(self):
        """For --fail."""
        return THIS in self.failures or (self.there[BASE] and not self.there[THIS]) or bool(self.only_in(BASE)) or \
            any(f.verdict() == V.SLOWER or f.looks_slower() for f in self.figures.values())


def measure_round(comparisons, builds, pairs, what):
    for comparison in comparisons:
        comparison.begin_round()
    for i in range(pairs):
        for comparison in comparisons:
            if comparison.runs():
                comparison.pair(builds, SIDES if i % 2 == 0 else SIDES[::-1])
        print(f"{what} {i + 1}/{pairs}", file=sys.stderr)


# ---- the report ----

def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "cpu": cpu.group(1) if cpu else platform.processor(), "cores": os.cpu_count(),
            "kernel": platform.release(), "load": "%.2f %.2f %.2f" % os.getloadavg()}


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
    print()


def report_figures(comparison):
    rows = [["", "base", "this", "", "min / median / max", "noise", "pairs", "verdict"]]
    for f in comparison.figures.values():
        base, this = f.medians()
        all_of_it = sorted(f.ratios())
        rows.append([f.name, f"{base:.4g}", f"{this:.4g}", f.unit,
                     f"{all_of_it[0]:.3f} / {f.median_ratio():.3f} / {all_of_it[-1]:.3f}",
                     f"{100 * (f.bound() - 1):.1f} %", f"{len(all_of_it)}", f.verdict()])
    if len(rows) > 1:
        print_table(rows)


def report(comparison):
    print(f"{comparison.benchmark.name}: {comparison.benchmark.target}")
    if not comparison.there[BASE]:
        print("  new: base does not have it\n" if comparison.there[THIS] else "  in neither\n")
        return
    if not comparison.there[THIS]:
        print("  gone: base has it, the working tree has not\n")
        return
    for side, said in comparison.failures.items():
        print(f"  FAILED ({side}): {said}\n")
    report_figures(comparison)
    for side, word in ((THIS, "new"), (BASE, "gone")):
        for name in comparison.only_in(side):
            print(f"  {word}: {name}" + (", in some pairs" if name in comparison.figures else ""))


def summary(comparisons):
    found = [f.verdict() for c in comparisons for f in c.figures.values()]
    counts = [f"{found.count(v)} {v}" for v in (V.SAME, V.FASTER, V.SLOWER, V.UNCLEAR, V.UNKNOWN)
              if v in found]
    gone = [f"{c.benchmark.name}: {name}" for c in comparisons for name in c.only_in(BASE)]
    counts += [f"{len(gone)} gone"] * bool(gone)
    print("result: " + (", ".join(counts) or "nothing could be compared"))
    for c in comparisons:
        for f in c.figures.values():
            if f.verdict() in (V.FASTER, V.SLOWER) or f.looks_slower():
                print(f"  {f.verdict()}{', looks slower' * f.looks_slower()}: {c.benchmark.name}: {f.name}: "
                      f"{f.median_ratio():.3f} times as fast, noise {100 * (f.bound() - 1):.1f} %")
    for name in gone:
        print(f"  gone: {name}")


def write_json(path, about, comparisons):
    result = [{"benchmark": c.benchmark.name, "failures": c.failures,
               "figures": [{"name": f.name, "unit": f.unit, "more_is_better": f.more_is_better,
                            "rounds": f.rounds, "ratio": f.median_ratio(), "bound": f.bound(),
                            "verdict": f.verdict(), "looks_slower": f.looks_slower()} for f in c.figures.values()],
               "new": c.only_in(THIS), "gone": c.only_in(BASE)} for c in comparisons]
    path.write_text(json.dumps({"about": about, "benchmarks": result}, indent=1) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="the commit to compare the working tree with")
    parser.add_argument("--pairs", type=int, default=9,
                        help=f"runs of either build (9); fewer than {V.PAIRS_MIN} give no verdict")
    parser.add_argument("--only", nargs="+", choices=[b.name for b in BENCHMARKS],
                        metavar="BENCHMARK", help="of " + ", ".join(b.name for b in BENCHMARKS))
    parser.add_argument("--fail", action="store_true", help="exit status 1 if something is slower or gone")
    parser.add_argument("--json", type=Path, help="write every value there")
    args = parser.parse_args()
    if args.pairs < 1:
        parser.error("--pairs: at least 1")
    return args


def describe(args):
    """What is compared, and where."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", args.base + "^{commit}")
    except Failed:
        die(f"{args.base}: no such commit; try a hash, a tag, or HEAD~1")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return commit, {
        "base": git("log", "-1", "--format=%h %s", commit),
        "this": git("log", "-1", "--format=%h %s") + (", with changes" if changed else ""),
        "command": shlex.join(sys.argv), **machine()}


def compare(args, commit, folder):
    wanted = [b for b in BENCHMARKS if not args.only or b.name in args.only]
    builds = {side: folder / side / "build" for side in SIDES}
    for path in builds.values():
        path.parent.mkdir()
    with worktree(commit, folder / "source") as source:
        there = {}
        for side, files in ((BASE, source), (THIS, ROOT)):
            print(f"building {side}", file=sys.stderr)
            try:
                there[side] = build(files, builds[side], wanted)
            except Failed as error:
                die(f"{side} does not build: {error}")
        comparisons = [Comparison(b, {side: b.name in there[side] for side in SIDES})
                       for b in wanted]
        measure_round(comparisons, builds, args.pairs, "pair")
        doubtful = [c for c in comparisons if c.runs() and c.differs()]
        if doubtful:
            measure_round(doubtful, builds, args.pairs, "again, pair")
    return comparisons


def main():
    args = parse_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    commit, about = describe(args)
    # Ends the folder, too, however we end.
    with tempfile.TemporaryDirectory(prefix="peerlane-compare-") as folder:
        comparisons = compare(args, commit, Path(folder).resolve())
    print("\n".join(f"{key}: {value}" for key, value in about.items()), "\n")
    for comparison in comparisons:
        report(comparison)
    summary(comparisons)
    if args.json:
        write_json(args.json, about, comparisons)
    if not any(c.figures for c in comparisons):
        sys.exit(2)
    if args.fail and any(c.worse() for c in comparisons):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
