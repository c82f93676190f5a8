# SPDX-License-Identifier: BSD-2-Clause
"""What is recorded, by name: shell commands, from the root of the sources.

The usual ones are those that docs/measurements/README.md shows, and take some ten minutes on two cores.
Of tests in namespaces the lines with figures are kept, without the daemon's log.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recording:
    name: str
    command: str
    lengthy: bool = False  # with --all only
    gpu: bool = False  # with --only, where there is one


ON_RELEASE = "PEERLANE_BUILD=build-release "
BENCH = "build-release/bench"
UNIT = "build-release/tests/unit"
GEN = f"{BENCH}/gen/peerlane-gen --quiet --core 1 --duration 2s"
HOST = "--address 10.0.0.1/8 --gateway-mac 02:00:00:00:00:01"
WIRE = "/tmp/peerlane-wire-$$"


def lab(test, wanted, choice=None, settings=""):
    """The lines of a test's output that match `wanted`, and how it ended."""
    choice = f" -k '{choice}'" if choice else ""
    settings = settings + " " if settings else ""
    return (f"{ON_RELEASE}{settings}tests/lab/run-pytest -s{choice} tests/lab/test_{test}.py | "
            f"grep -E '{wanted}|[0-9] (passed|failed)'")


def wire(sink, receive):
    """The generator, and on the other core what plays the NIC's end of the wire."""
    return (f"taskset -c 0 {BENCH}/gen/echo {WIRE}{sink} & sleep 0.5; "
            f"{GEN} --tx wire:{WIRE} {HOST} --destinations 10.9.9.9{receive}; status=$?; kill $!; exit $status")


def loop(options):
    return f"{GEN} --tx loop {HOST} {options} --rx loop"


RECORDINGS = [
    Recording("loop", f"taskset -c 1 {BENCH}/loop -a -t 20"),
    Recording("planes", f"{BENCH}/loop --planes 2 -t 20"),
    Recording("nic", f"{BENCH}/nic/nic"),
    Recording("fib", f"taskset -c 1 {BENCH}/fib/fib --only rte_fib --bars --json build-release/fib.json && "
                     "bench/fib/plot.py build-release/fib.json docs/measurements/fib.svg"),
    Recording("accel", f"{BENCH}/accel/accel --devices cpu,opencl,host --repetitions 3 --ms 20 --samples 500"),
    Recording("accel-cuda", f"{BENCH}/accel/accel --devices cpu,cuda --repetitions 3 --ms 60", gpu=True),
    Recording("gen-loop", loop("--destinations 10.9.9.9")),
    Recording("gen-flows", loop("--destinations 10.0.0.0/8 --flows 1000000")),
    Recording("gen-long", loop("--destinations 10.9.9.9 --size 1518")),
    Recording("gen-wire", wire("", f" --rx wire:{WIRE}")),
    Recording("gen-sink", wire(" --sink", "")),
    Recording("senders", "bench/net/senders.py --window 0.5 --repetitions 3"),
    Recording("net", "bench/net/bench.py --lengths 64 1514 --repetitions 3 --window 0.5 --pings 50", lengthy=True),
    Recording("convergence", "bench/net/convergence.py --repetitions 1 --daemons bird"),
    Recording("rings", f"{UNIT}/test_nic_ring_soak && {UNIT}/test_nic_soak"),
    Recording("restart", lab("restart", "^pauses", "under_traffic or notice_nothing")),
    Recording("kill", lab("kill", "^killed", settings="PEERLANE_KILLS=15")),
    Recording("return", f"{UNIT}/test_port_return && " + lab("return", "^longest", "made_anew")),
    Recording("churn", lab("churn", "changes,", "disturb", "CHURN=200000")),
    Recording("table", lab("full_table", "s later|an audit|^stream|^stopped", "goes or restart",
                           "TABLE=240000,48000")),
    Recording("differ", ON_RELEASE + "tests/lab/twins.py --seed 20261125 --count 500000 | grep ^result"),
    Recording("fuzz", "PEERLANE_FUZZ_REPORT=yes build-release/tests/fuzz/fuzz_program -seed=7 -runs=50000 "
                      "-max_len=2000 tests/fuzz/corpus/program"),
    Recording("table-full", lab("full_table", "s later|an audit|^stream|^stopped", settings="TABLE=901899,160147"),
              lengthy=True),
    Recording("limits", lab("punt_limits", "kept"), lengthy=True),
    Recording("limits-none", lab("punt_limits", "kept", settings="PEERLANE_LIMITS=no"),
              lengthy=True),
    Recording("convergence-frr", "bench/net/convergence.py --repetitions 3 --daemons frr", lengthy=True),
    Recording("convergence-routes", "bench/net/convergence.py --repetitions 3 --daemons bird --paths backup "
                                    "--routes 20000", lengthy=True),
    Recording("freshness", lab("freshness", "late by", "busy", "ROUTES=900000"), lengthy=True),
    Recording("mirror", lab("mirror_random", "commands", settings="MIRROR_RUNS=4 MIRROR_STORM=2500"), lengthy=True),
]
