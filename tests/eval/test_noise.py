# SPDX-License-Identifier: BSD-2-Clause
"""Noise out of repetitions, and the verdict on two runs."""

import json
import math
import random
import statistics
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
    return sum(N.agree(one[key], other[key]) == N.APART for key in one)


def test_noise_is_known_from_repetitions():
    """Each figure's two values are a factor of e^0.2 apart: e^0.1 from their geometric mean, one degree of freedom."""
    figures = N.figures({"records": [rate("wire-a", size, 100 * math.exp(d)) for size in SIZES for d in (-0.1, 0.1)]})
    once = 3.18 * math.sqrt(3 * 2 * 0.1 ** 2 / 3)
    for figure in figures.values():
        assert figure.noise == pytest.approx(once / math.sqrt(2))


@pytest.mark.parametrize("factor", [1e-3, 1, 1e6])
def test_noise_does_not_hang_on_units_nor_on_up_or_down(factor):
    def noise_of(values):
        return {f.noise for f in N.figures({"records": [rate("wire-a", 64, factor * v) for v in values]}).values()}

    (plain,), (inverse,) = noise_of((1.0, 1.1, 1.3, 2.0)), noise_of((1, 1 / 1.1, 1 / 1.3, 1 / 2))
    assert plain == pytest.approx(inverse)


def test_what_was_measured_once_takes_the_noise_of_its_like():
    records = [rate("a", 64, v) for v in (90.0, 100.0, 110.0, 100.0)] + [rate("a", 512, 200.0)]
    figures = N.figures({"records": records})
    once = figures["a", "received at most, pps", "512 bytes, 1 flows, 1 routes"]
    logs = [math.log(v) for v in (90, 100, 110, 100)]
    assert once.noise == pytest.approx(3.18 * statistics.stdev(logs))


def test_too_few_repetitions_of_one_set_up_take_those_of_its_kind_and_of_no_other():
    """Of one that is always the same, too: two values of it may be alike by chance. What veth does says nothing of
    wires."""
    quiet = [rate("wire-a", 64, v) for v in (100.0, 100.0)]
    wires = [rate(f"wire-{key}", 64, v) for key in "bcd" for v in (100 * math.exp(-0.01), 100 * math.exp(0.01))]
    veths = [rate(f"veth-{key}", 64, v) for key in "bcd" for v in (50.0, 200.0)]
    figures = N.figures({"records": quiet + wires + veths}).values()
    quantity = "received at most, pps"
    wire = 2.78 * math.sqrt(6 * 0.01 ** 2 / 4)
    assert N.relative(figures, quantity, "wire-a") == pytest.approx(wire)
    assert N.relative(figures, quantity, "wire-b") == pytest.approx(wire)
    assert N.relative(figures, quantity, "veth-b") == pytest.approx(3.18 * math.sqrt(6 * math.log(2) ** 2 / 3))


def test_nothing_repeated_has_no_noise_and_no_verdict():
    figures = N.figures({"records": [rate("a", 64, 100.0)]})
    (figure,) = figures.values()
    assert figure.noise is None
    assert N.agree(figure, figure) == N.UNKNOWN


def test_the_same_each_time_is_not_known_better_than_machines_are_alike():
    figures = N.figures(run(random.Random(1), 0))
    assert all(f.noise == pytest.approx(math.log(1.02) / math.sqrt(2)) for f in figures.values())


def searched(size, pps, resolution=50.0):
    return rate("wire-a", size, None, experiment="no_drop", no_drop_pps=pps, resolution_pps=resolution)


def test_a_search_is_not_known_better_than_it_resolves():
    figures = N.figures({"records": [searched(64, 200.0)] * 4 + [searched(512, 1000.0)] * 2}).values()
    assert [math.exp(f.noise) for f in figures] == pytest.approx([250 / 200, 1050 / 1000])


def known(value, noise, resolution=0.0):
    return N.Figure("wire-a", "received at most, pps", "64 bytes", [value], resolution, noise)


@pytest.mark.parametrize("other, verdict", [(104.0, "agree"), (96.2, "agree"), (106.0, "DISAGREE"), (94.0, "DISAGREE")])
def test_figures_agree_within_the_noise_of_both(other, verdict):
    """3 % and 4 % of noise are 5 % together."""
    assert N.agree(known(100.0, math.log(1.03)), known(other, math.log(1.04))) == verdict


@pytest.mark.parametrize("noise, verdict", [(0.28, "DISAGREE"), (0.29, "known too badly to tell")])
def test_noise_that_would_hide_half_as_much_again_gives_no_verdict(noise, verdict):
    """The logarithm of 1.5 is 0.4055; both figures' noise is the root of two times one's: 0.396 and 0.410."""
    assert N.agree(known(100.0, noise), known(1000.0, noise)) == verdict
    assert known(100.0, noise).vague() == (verdict != "DISAGREE")


def test_a_third_less_is_found_where_others_are_noisy():
    """The noise of one set-up is no cover for another's loss."""
    def wires_and_veth(rate_of_wires):
        return {"records": [rate("wire-a", size, rate_of_wires * v) for size in SIZES for v in (0.99, 1.01)] +
                           [rate("veth-a", size, v) for size in SIZES for v in (50.0, 200.0)]}
    one, other = N.figures(wires_and_veth(100.0)), N.figures(wires_and_veth(65.0))
    assert [N.agree(one[key], other[key]) for key in one] == [N.APART] * 3 + [N.VAGUE] * 3


def test_nothing_at_all_is_no_ratio():
    """No rate without loss is the same as one that the search could not have found, and as no other."""
    nothing = known(0.0, 0.1, resolution=50.0)
    assert N.agree(nothing, nothing) == N.agree(nothing, known(40.0, 0.1)) == N.AGREE
    assert N.agree(nothing, known(1000.0, 0.1)) == N.agree(known(1000.0, 0.1), nothing) == N.APART
    records = [searched(64, v) for v in (0.0, 900.0, 1000.0)] + [searched(512, v) for v in (990.0, 1000.0)]
    at_times, always = N.figures({"records": records}).values()
    assert at_times.noise == math.inf and N.agree(at_times, known(950.0, 0.1)) == N.VAGUE
    assert always.noise < 1  # not spoilt by the other


@pytest.mark.parametrize("noise, words", [(math.log(1.02), "2%"), (math.log(1.5), "50%"), (math.log(3), "factor 3.0"),
                                          (math.inf, "factor inf")])
def test_noise_for_people(noise, words):
    assert N.percent(noise) == words


@pytest.mark.parametrize("spread", [0.005, 0.05])
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
