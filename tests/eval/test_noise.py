# SPDX-License-Identifier: BSD-2-Clause
"""Noise out of repetitions, and the verdict on two runs."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

EVAL = Path(__file__).resolve().parents[2] / "bench/eval"
sys.path.insert(0, str(EVAL))

import noise as N  # noqa: E402: found by the path above

SIZES = (64, 512, 1518)
SETUPS = ("wire-nic-cpu", "veth-kernel", "veth-xdp")


def rate(setup, size, value, **more):
    return {"setup": setup, "experiment": "highest", "frame_bytes": size, "flows": 1, "routes": 1,
            "received_pps": value, **more}


def run(rng, spread, factor=1.0, repetitions=2, setups=SETUPS):
    """Records of a run whose figures differ by `spread` from repetition to repetition."""
    return {"records": [rate(setup, size, factor * 1e9 / size * rng.gauss(1, spread))
                        for _ in range(repetitions) for setup in setups for size in SIZES]}


def disagreements(a, b):
    one, other = N.figures(a), N.figures(b)
    return sum(N.agree(one[key], other[key]) is False for key in one)


def test_noise_is_known_from_repetitions():
    figures = N.figures({"records": [rate("a", size, value) for size in SIZES for value in (90.0, 110.0)]})
    share = 3.18 * math.sqrt(3 * 2 * 0.1 ** 2 / 3)
    for figure in figures.values():
        assert figure.value() == 100
        assert figure.noise == pytest.approx(100 * share / math.sqrt(2))


def test_what_was_measured_once_takes_the_noise_of_its_like():
    records = [rate("a", 64, v) for v in (90.0, 100.0, 110.0, 100.0)] + [rate("a", 512, 200.0)]
    figures = N.figures({"records": records})
    once = figures["a", "received at most, pps", "512 bytes, 1 flows, 1 routes"]
    assert once.noise == pytest.approx(200 * N.relative(figures.values(), once.quantity, "a"))


def test_too_few_repetitions_of_one_set_up_take_those_of_all():
    quiet = [rate("a", 64, v) for v in (100.0, 100.0)]
    others = [rate(key, 64, v) for key in "bcd" for v in (80.0, 120.0)]
    figures = N.figures({"records": quiet + others}).values()
    quantity = "received at most, pps"
    assert N.relative(figures, quantity, "a") == N.relative(figures, quantity, "b") > 0.2


def test_nothing_repeated_has_no_noise_and_no_verdict():
    figures = N.figures({"records": [rate("a", 64, 100.0)]})
    (figure,) = figures.values()
    assert figure.noise is None
    assert N.agree(figure, figure) is None


def test_the_same_each_time_is_not_known_better_than_machines_are_alike():
    figures = N.figures(run(random.Random(1), 0))
    assert all(f.noise == pytest.approx(N.FLOOR * f.value() / math.sqrt(2)) for f in figures.values())


def test_a_search_is_not_known_better_than_it_resolves():
    records = [rate("a", 64, None, experiment="no_drop", no_drop_pps=0.0, resolution_pps=50.0)] * 4
    records.append(rate("a", 512, None, experiment="no_drop", no_drop_pps=100.0, resolution_pps=50.0))
    records.append(records[-1])
    assert {f.noise for f in N.figures({"records": records}).values()} == {50.0}


@pytest.mark.parametrize("spread", [0.005, 0.05, 0.3])
def test_runs_of_the_same_disagree_no_more_than_by_chance(spread):
    rng = random.Random(7)
    n = len(SETUPS) * len(SIZES)
    apart = [disagreements(run(rng, spread), run(rng, spread)) for _ in range(200)]
    assert sum(apart) <= 0.07 * 200 * n
    assert sum(k > N.most_by_chance(n) for k in apart) <= 0.1 * 200


def test_runs_of_what_differs_disagree():
    rng = random.Random(7)
    n = len(SETUPS) * len(SIZES)
    for _ in range(50):
        assert disagreements(run(rng, 0.02), run(rng, 0.02, factor=1.4)) > N.most_by_chance(n)


@pytest.mark.parametrize("n,most", [(1, 1), (9, 2), (100, 11), (1000, 67)])
def test_how_many_may_disagree(n, most):
    tail = sum(math.comb(n, k) * 0.05 ** k * 0.95 ** (n - k) for k in range(most + 1, n + 1))
    assert N.most_by_chance(n) == most
    assert tail <= N.CHANCE


# ---- the command ----

def agree(*folders):
    return subprocess.run(["/usr/bin/python3", EVAL / "agree.py", *folders], text=True, capture_output=True,
                          check=False)


@pytest.fixture
def save(tmp_path):
    def save(name, data):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(data))
        return tmp_path / name
    return save


def test_command_of_runs_that_agree(save):
    rng = random.Random(3)
    a, b = save("a", run(rng, 0.05)), save("b", run(rng, 0.05))
    for told in (agree(a, b), agree(a / "results.json", b)):
        assert told.returncode == 0, told.stdout
        assert len([line for line in told.stdout.splitlines() if " ± " in line]) == len(SETUPS) * len(SIZES)


def test_command_of_runs_that_do_not(save):
    rng = random.Random(3)
    told = agree(save("a", run(rng, 0.02)), save("b", run(rng, 0.02, factor=2)))
    assert told.returncode == 1
    assert "DISAGREE" in told.stdout


def test_command_with_nothing_to_compare(save, tmp_path):
    rng = random.Random(3)
    once, other = save("a", run(rng, 0.02, repetitions=1)), save("b", run(rng, 0.02))
    assert agree(once, other).returncode == 2
    assert agree(other, save("c", run(rng, 0.02, setups=("veth-l3fwd",)))).returncode == 2
    assert agree(other, tmp_path / "none").returncode == 2
    (tmp_path / "text").write_text("[]")
    assert agree(other, tmp_path / "text").returncode == 2
