# SPDX-License-Identifier: BSD-2-Clause
"""From pairs to verdicts, with noise of every kind."""

import math
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/compare"))

import verdicts as V  # noqa: E402: found by the path above

PAIRS = 9


def figure(*rounds, more_is_better=True):
    return V.Figure("figure", "Mpps", more_is_better, [list(one) for one in rounds])


def noisy(rng, factor, spread, n=PAIRS):
    """Pairs of builds of which one is `factor` times the other, each run `spread` off at random."""
    return [(100 * rng.gauss(1, spread), 100 * factor * rng.gauss(1, spread)) for _ in range(n)]


def test_equal_values_are_the_same():
    f = figure([(5.0, 5.0)] * PAIRS)
    assert f.verdict() == V.SAME
    assert f.median_ratio() == 1
    assert f.bound() == pytest.approx(1.02)


@pytest.mark.parametrize("more_is_better", [True, False])
def test_ratios_say_how_many_times_as_fast(more_is_better):
    f = figure([(10.0, 20.0)] * PAIRS, more_is_better=more_is_better)
    assert f.median_ratio() == pytest.approx(2 if more_is_better else 0.5)
    assert f.verdict() == (V.FASTER if more_is_better else V.SLOWER)
    assert f.medians() == (10, 20)


def test_a_small_difference_counts_where_runs_hardly_differ():
    assert figure([(100.0, 97.0 + i % 2 / 10) for i in range(PAIRS)]).verdict() == V.SLOWER
    assert figure([(100.0, 99.0 + i % 2 / 10) for i in range(PAIRS)]).verdict() == V.SAME


def test_the_same_difference_does_not_where_pairs_differ_as_much():
    gains = [-3, 12, -9, 4, -12, 8, -4, -8, 10]
    f = figure((100.0, 97.0 + gain / 3) for gain in gains)
    assert f.verdict() == V.SAME
    assert 1.03 < f.bound() < 1.1
    f = figure((100.0, 97.0 + gain) for gain in gains)
    assert f.verdict() == V.UNCLEAR
    assert f.bound() > 1.1


def test_one_disturbed_run_neither_makes_nor_hides_a_regression():
    same = [(100.0 + i % 3 / 5, 100.0 + i % 2 / 5) for i in range(PAIRS)]
    same[4] = (100.0, 20.0)
    assert figure(same).verdict() == V.SAME
    slower = [(100.0 + i % 3 / 5, 90.0 + i % 2 / 5) for i in range(PAIRS)]
    slower[4] = (20.0, 90.0)
    assert figure(slower).verdict() == V.SLOWER


@pytest.mark.parametrize("factor, verdict", [(1, V.SAME), (0.95, V.SLOWER), (1.06, V.FASTER)])
def test_drift_that_both_builds_meet_neither_makes_nor_hides_a_difference(factor, verdict):
    """The machine's speed halves and doubles between pairs."""
    speeds = [100, 50, 130, 70, 100, 65, 140, 80, 55]
    assert figure((s, s * factor * (1 + i % 3 / 500))
                  for i, s in enumerate(speeds)).verdict() == verdict


def test_pairs_that_disagree_give_no_verdict():
    """Five of nine are much slower, and values repeat so that noise looks small."""
    assert figure([(100.0, 60.0)] * 5 + [(100.0, 140.0)] * 4).verdict() == V.UNCLEAR


def test_each_round_must_say_so():
    slower, same = [(100.0, 80.0)] * PAIRS, [(100.0, 100.0)] * PAIRS
    assert figure(slower, same).verdict() == V.SAME
    assert figure(slower, slower).verdict() == V.SLOWER
    assert figure(slower, [(100.0, 130.0)] * PAIRS).verdict() == V.UNCLEAR
    assert figure(slower, slower[:V.PAIRS_MIN - 1]).verdict() == V.UNCLEAR
    assert figure(slower, []).verdict() == V.UNCLEAR
    assert len(figure(slower, same).ratios()) == 2 * PAIRS


def around(middle, deviation):
    """Pairs whose ratios' logarithms have that median, and that median distance from it."""
    return [(100.0, 100.0 * math.exp(middle + k * deviation / 2)) for k in range(-4, 5)]


def bound_of(deviation):
    """Four standard errors of a median of nine, which for normal ones are the root of pi / 2 times a third of the
    standard deviation."""
    return math.exp(4 * math.sqrt(math.pi / 2) / 3 * 1.4826 * deviation)


def test_the_noise_told_is_that_of_the_worse_round():
    """A difference must be beyond each round's own; that of both together is less."""
    f = figure(around(0, 0.01), around(0, 0.03))
    assert f.bound() == pytest.approx(bound_of(0.03))
    assert figure(around(0, 0.03), around(0, 0.01)).bound() == pytest.approx(bound_of(0.03))


def test_noise_that_would_hide_a_tenth_is_not_the_same():
    """The bound of 0.0384 is just below a tenth, that of 0.0386 above."""
    assert bound_of(0.0384) < 1.1 < bound_of(0.0386)
    assert figure(around(0, 0.0384)).verdict() == V.SAME
    assert figure(around(0, 0.0386)).verdict() == V.UNCLEAR
    assert figure(around(0, 0.0384), around(0, 0.0386)).verdict() == V.UNCLEAR


def test_a_quarter_less_is_not_passed_over_where_noise_is_wide():
    """Noise may hide 35 %, of which a quarter less is more than two thirds; a tenth less is not, nor a quarter more."""
    deviation = math.log(1.35) / math.log(bound_of(1))
    for less, looks in ((0.75, True), (0.9, False), (1.25, False)):
        f = figure(around(math.log(less), deviation), around(math.log(less), deviation))
        assert (f.verdict(), f.looks_slower()) == (V.UNCLEAR, looks)
    assert not figure(around(math.log(0.75), deviation), around(0, deviation)).looks_slower()
    assert not figure(around(math.log(0.5), 0.01)).looks_slower()  # it is


def test_few_pairs_give_no_verdict():
    assert figure([(100.0, 10.0)] * (V.PAIRS_MIN - 1)).verdict() == V.UNKNOWN
    assert figure([(100.0, 10.0)] * V.PAIRS_MIN).verdict() == V.SLOWER
    assert figure([(100.0, 10.0)]).bound() == pytest.approx(1.02)


@pytest.mark.parametrize("spread", [0.002, 0.02, 0.1])
def test_chance_finds_hardly_anything(spread):
    """Of two rounds of the same build, at most one of a thousand figures differs by chance."""
    rng = random.Random(1)
    figures = [figure(noisy(rng, 1, spread), noisy(rng, 1, spread)) for _ in range(3000)]
    assert sum(f.verdict() in (V.FASTER, V.SLOWER) or f.looks_slower() for f in figures) <= 3


@pytest.mark.parametrize("spread, factor", [(0.005, 0.96), (0.02, 0.85), (0.05, 0.7)])
def test_regressions_beyond_noise_are_found(spread, factor):
    rng = random.Random(2)
    found = sum(figure(noisy(rng, factor, spread), noisy(rng, factor, spread)).verdict() == V.SLOWER
                for _ in range(500))
    assert found >= 490
