#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Records what the benchmarks and measuring tests print, for docs/measurements.

Runs each command of the table in recordings.py and writes docs/measurements/NAME.txt: where and by what it
was measured, and the output unchanged. Then puts these files into docs/measurements/README.md, each between
its markers; with --check it only says whether page and files are the same. The programs are those of
build-release.
"""

import argparse
import contextlib
import ctypes
import datetime
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from recordings import RECORDINGS

ROOT = Path(__file__).resolve().parents[2]
BUILD = "build-release"
OUT = ROOT / "docs/measurements"
PAGE = OUT / "README.md"
LIMIT_S = 1800
HZ = os.sysconf("SC_CLK_TCK")
PF_KTHREAD = 0x00200000
PR_SET_CHILD_SUBREAPER = 36

# One block of the page: <!-- NAME.txt --> ``` ... ``` <!-- end -->
BLOCK = re.compile(r"(<!-- ([a-z0-9-]+)\.txt -->\n```\n)(.*?)(```\n<!-- end -->\n)", re.DOTALL)


def die(text):
    print(f"record.py: {text}", file=sys.stderr)
    sys.exit(2)


# ---- where and by what ----

def said(*command):
    """The first line of what a command says, or None."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(command, text=True, capture_output=True, check=True, cwd=ROOT)
        return done.stdout.strip().partition("\n")[0]
    return None


def commit():
    """The commit, and whether sources differ from it; what we write here ourselves is none."""
    name = said("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = said("git", "status", "--porcelain", "--untracked-files=no", "--", ".",
                   ":!docs/measurements", ":!docs/evaluation")
    return name + (", with changes" if changed else "")


def compiler():
    """As it has signed the daemon."""
    notes = subprocess.run(["readelf", "-p", ".comment", str(ROOT / BUILD / "router/control/peerlaned")],
                           text=True, capture_output=True, check=False).stdout
    names = dict.fromkeys(re.findall(r"\]\s+(\S.*)", notes))
    return "; ".join(names) or "unknown"


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return ", ".join([cpu.group(1) if cpu else platform.machine(), f"{len(os.sched_getaffinity(0))} cores",
                      f"Linux {platform.release()}", compiler()])


# ---- one command ----

def machine_s():
    """Seconds of all cores that some thread had, ours and others', and that the machine's host took."""
    user, nice, system, _, _, _, _, steal = [
        int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (user + nice + system + steal) / HZ


def kernel_threads_s():
    """Seconds that the kernel's own threads had: softirqs run in them, whoever caused those."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            text = stat.read_text()
            fields = text[text.rindex(")") + 2:].split()
            if int(fields[6]) & PF_KTHREAD:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / HZ


def own_s():
    """Seconds of us and of all that have descended from us and ended."""
    times = os.times()
    return sum(times[:4])


def reap():
    """Waits for orphans, which become ours (adopt_orphans())."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def adopt_orphans():
    """What a command leaves to itself is our child then, so that its time counts as the command's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        die(f"prctl: {os.strerror(ctypes.get_errno())}")


def run(command):
    """(output, exit status or what happened, seconds, cores that others had meanwhile)"""
    environment = dict(os.environ, COLUMNS="200", LC_ALL="C.UTF-8")
    began, all_s, kernel_s, ours = time.monotonic(), machine_s(), kernel_threads_s(), own_s()
    with subprocess.Popen(["bash", "-o", "pipefail", "-c", command], text=True, stdin=subprocess.DEVNULL, cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                          start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
            status = str(process.returncode)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            status = f"stopped after {LIMIT_S} s"
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)  # at which tests remove their namespaces
            raise
    reap()
    took_s = time.monotonic() - began
    others_s = (machine_s() - all_s) - (kernel_threads_s() - kernel_s) - (own_s() - ours)
    return output, status, took_s, max(0, others_s / took_s)


def record(recording):
    """Runs it and writes its file. Returns whether it ended well."""
    about, tree = machine(), commit()
    date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    output, status, took_s, others = run(recording.command)
    header = [("command", recording.command), ("when", f"{date}, commit {tree}"), ("where", about),
              ("took", f"{took_s:.0f} s, in which others had {others:.2f} of a core"),
              ("exit status", status)]
    # Colours and trailing blanks are a terminal's; all else stays as it was printed.
    output = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [f"{name}: {value}" for name, value in header] + [""] + output.splitlines()
    text = "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
    (OUT / f"{recording.name}.txt").write_text(text)
    print(f"{recording.name}: {took_s:.0f} s, exit status {status}, others {others:.2f} of a core",
          flush=True)
    return status == "0"


# ---- the page ----

def filled(page):
    """The page with its blocks as the files are. A name that has no file is said and left as it is."""
    missing = []

    def block(match):
        path = OUT / f"{match.group(2)}.txt"
        if not path.exists():
            missing.append(path.name)
            return match.group(0)
        return match.group(1) + path.read_text() + match.group(4)

    return BLOCK.sub(block, page), missing


def check():
    """What is wrong with page and files, a line each."""
    page = PAGE.read_text()
    shown = [match.group(2) for match in BLOCK.finditer(page)]
    names = {recording.name: recording for recording in RECORDINGS}
    new, missing = filled(page)
    wrong = [f"{name} is shown and not there" for name in missing]
    wrong += [f"{name}.txt is shown, and no command of recordings.py writes it" for name in shown
              if name not in names]
    wrong += [f"{path.name} is neither shown nor linked to" for path in sorted(OUT.glob("*.txt"))
              if path.name not in page]
    wrong += [f"{path.name} is written by no command of recordings.py" for path in sorted(OUT.glob("*.txt"))
              if path.stem not in names]
    wrong += [f"{path.name} is of another command than recordings.py has" for path in sorted(OUT.glob("*.txt"))
              if path.stem in names
              and not path.read_text().startswith(f"command: {names[path.stem].command}\n")]
    for match, wanted in zip(BLOCK.finditer(page), BLOCK.finditer(new)):
        if match.group(3) != wanted.group(3):
            wrong.append(f"{match.group(2)}.txt is not what README.md shows: bench/record/record.py --page")
    return wrong


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these recordings")
    parser.add_argument("--all", action="store_true", help="the lengthy ones, too: much longer")
    parser.add_argument("--list", action="store_true", help="names and commands")
    parser.add_argument("--page", action="store_true", help="measure nothing, put the files into the page")
    parser.add_argument("--check", action="store_true", help="whether page and files are the same")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if args.check:
        wrong = check()
        for line in wrong:
            print(f"docs/measurements: {line}", file=sys.stderr)
        return 1 if wrong else 0
    unknown = set(args.only or ()) - {r.name for r in RECORDINGS}
    if unknown:
        die(f"no recording is called {', '.join(sorted(unknown))}; --list has their names")
    usual = [r for r in RECORDINGS if not r.gpu and (args.all or not r.lengthy)]
    chosen = [r for r in RECORDINGS if r.name in args.only] if args.only else usual
    if args.list:
        for r in chosen:
            print(f"{r.name:<12} {r.command}")
        return 0
    failed = []
    if not args.page:
        adopt_orphans()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        failed = [r.name for r in chosen if not record(r)]
    page, missing = filled(PAGE.read_text())
    PAGE.write_text(page)
    if missing:
        print(f"record.py: shown in {PAGE.name} and not there: {' '.join(missing)}", file=sys.stderr)
    if failed:
        print(f"record.py: failed: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
