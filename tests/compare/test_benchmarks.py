# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks of this build run by the comparison's commands, and their JSON is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/compare"))

from benchmarks import BENCHMARKS, Benchmark, read_loop  # noqa: E402: found by the path above

BUILD = Path(os.environ["PEERLANE_BUILD"])
# Some of what must be there: name, unit, whether more is better.
EXPECTED = {
    "loop": [("rx+tx alone", "ns", False)],
    "fib": [("IPv4 lookups, uniform, plain C", "M/s", True), ("IPv6 updates, churn", "M/s", True)],
    "nic": [("forward program", "Mpps", True), ("driver apart", "ns", False),
            ("wakeup from nic", "us", False)],
    "accel": [("cpu, packets, IPv4", "Mpps", True), ("host, lookups, IPv6", "Mpps", True)],
    "gen": [("received over the loop end", "Mpps", True)],
}


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda b: b.name)
def test_figures_of_a_run(benchmark, tmp_path):
    if benchmark.name == "nic" and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("the emulator and the plane need a core each")
    output = tmp_path / "output.json"
    done = subprocess.run(benchmark.command(BUILD, output), text=True, capture_output=True,
                          check=True, timeout=120)
    values = benchmark.values(done.stdout if benchmark.prints else output.read_text())
    names = [v.name for v in values]
    assert len(names) == len(set(names))
    assert all(v.value > 0 for v in values)
    found = [(v.name, v.unit, v.more_is_better) for v in values]
    for expected in EXPECTED[benchmark.name]:
        assert expected in found


@pytest.mark.parametrize("text", ["", "no JSON", "{}", "[]", '{"cases": 1}', '{"cases": [{}]}'])
def test_what_is_not_a_result_is_an_error(text):
    benchmark = Benchmark("loop", "bench/loop", lambda *_: [], read_loop, prints=True)
    with pytest.raises(ValueError):
        benchmark.values(text)
