# SPDX-License-Identifier: BSD-2-Clause
"""The experiments' own sums, on a generator and on clocks that are known; and who runs where."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/eval"))

import measure  # noqa: E402: found by the path above
import setups  # noqa: E402: likewise

TOP, TRIALS = 10e6, 8


class Router:
    """Passes up to `limit_pps` without loss, but for the trials that are named."""

    def __init__(self, limit_pps, disturbed=()):
        self.limit_pps, self.disturbed, self.trials = limit_pps, disturbed, 0

    def run(self, bench, size, duration_s, rate, flows=1, warmup_s=0.2):
        self.trials += 1
        lost = rate > self.limit_pps or self.trials in self.disturbed
        return {"latency_ns": {"p50": 1000}, "sent_pps": rate, "received_pps": rate, "sizes": [size],
                "loss_percent": 1.0 if lost else 0, "limited_by": "none", "ends": [], "reordered": 1, "duplicated": 0,
                "corrupted": 0}


def search(monkeypatch, router):
    monkeypatch.setattr(measure, "run", router.run)
    return measure.no_drop(None, 64, 1, TRIALS, TOP)


@pytest.mark.parametrize("limit_pps", [9.99e6, 5e6, 1.234e6])
def test_the_rate_without_loss_is_found_to_its_resolution(monkeypatch, limit_pps):
    found = search(monkeypatch, Router(limit_pps))
    assert found["no_drop_pps"] <= limit_pps < found["no_drop_pps"] + found["resolution_pps"]
    assert found["resolution_pps"] == TOP / 2 ** TRIALS


def test_the_highest_rate_is_tried_first(monkeypatch):
    router = Router(TOP)
    found = search(monkeypatch, router)
    assert (found["no_drop_pps"], found["resolution_pps"], router.trials) == (TOP, 0, 1)


def test_one_disturbed_trial_changes_nothing_and_damage_is_summed(monkeypatch):
    router = Router(5e6, disturbed=(3, 7))
    found = search(monkeypatch, router)
    assert found["no_drop_pps"] <= 5e6 < found["no_drop_pps"] + found["resolution_pps"]
    assert found["reordered"] == router.trials


def test_without_a_rate_that_passes_there_is_none(monkeypatch):
    found = search(monkeypatch, Router(0))
    assert found["no_drop_pps"] == 0 and "at_latency_p50_us" not in found


def test_cpu_time_is_that_of_the_middle_third():
    """Busy in it, and idle before and after; one thread that starts within it."""
    def times(at):
        return {"plane0/11": min(max(at - 13, 0), 3) * 0.5, **({"napi/eth1-9/12": at - 14} if at >= 14 else {})}

    seen = [(at / 10, times(at / 10)) for at in range(95, 200)]
    assert measure.middle_third(seen, 10, 19) == pytest.approx({"plane0": 50, "napi/eth1": 200 / 3})


@pytest.mark.parametrize("cores,planes,stand_ins,shared,places,emulator", [
    ([0, 1], 1, 1, True, [1], {1}),
    ([0, 1], 2, 1, True, [0, 1], {1}),
    ([0, 1, 2], 1, 2, True, [2], {2}),
    ([2, 4, 5], 1, 1, False, [4], {5}),
    ([0, 1, 2, 3, 4, 5, 6, 7], 2, 2, False, [1, 2], {3, 4, 5, 6, 7}),
])
def test_cores(monkeypatch, cores, planes, stand_ins, shared, places, emulator):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(cores))
    found = setups.Cores(planes, stand_ins)
    assert (found.generator, found.shared, found.planes, found.stand_ins) == (cores[0], shared, places, emulator)


def test_what_is_measured_at_three_sizes():
    sizes = [64, 128, 256, 512, 1024, 1280, 1518]
    assert setups.Veth("a", "a", None, "nic-cpu").sizes(sizes) == sizes
    assert setups.Veth("a", "a", None).sizes(sizes) == [64, 512, 1518]
    assert setups.Veth("a", "a", None).sizes([64]) == [64]
    assert setups.Veth("a", "a", None, "nic-cpu").sizes(sizes, 1) == [64, 512, 1518]
    assert setups.Wire("nic-cpu").sizes(sizes) == sizes
    assert setups.Wire("nic-cpu").sizes(sizes, 2) == [64, 512, 1518]
    assert setups.Wire("nic-cpu", planes=2).sizes(sizes) == [64]
