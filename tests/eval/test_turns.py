# SPDX-License-Identifier: BSD-2-Clause
"""What is done about a set-up that fails, and about frames that come out wrong; where the page goes."""

import argparse
import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/eval"))

import eval as E  # noqa: E402: found by the path above
import setups  # noqa: E402: likewise

ARGS = argparse.Namespace(repetitions=2, sizes=[64])
HELD = "peerlane-gen: eth0: another program has an AF_XDP socket on queue 0 of eth0"


class Failing(setups.Setup):
    """A set-up whose starts fail one after another with these errors; None: it does not. One that starts measures a
    record for each of `sizes`, of which a size that is an exception is raised."""

    def __init__(self, key, *errors, sizes=((64,),)):
        self.key, self.errors, self.measured, self.started = key, list(errors), list(sizes), 0

    @contextlib.contextmanager
    def running(self, *_):
        self.started += 1
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise RuntimeError(error)
        yield None, {}


@pytest.fixture
def instead_of_traffic(monkeypatch):
    def run(self):
        with self.setup.running():
            for size in self.setup.measured.pop(0):
                if isinstance(size, BaseException):
                    raise size
                self.add(size, {"experiment": "highest"})

    monkeypatch.setattr(E.Turn, "run", run)


def measured(*setups_):
    """(records as (set-up, repetition, size), what failed)."""
    records, failed = [], {}
    E.measure_all(setups_, ARGS, records, failed)
    return [(r["setup"], r["repetition"], r["frame_bytes"]) for r in records], failed


@pytest.mark.parametrize("error", ["no", HELD])
def test_a_failure_is_tried_once_more(instead_of_traffic, error):
    setup = Failing("a", error, sizes=([64], [64]))
    assert measured(setup) == ([("a", 0, 64), ("a", 1, 64)], {})
    assert setup.started == 3


def test_a_set_up_that_fails_twice_is_given_up_and_others_go_on():
    setup = Failing("a", HELD, "no", "not reached")
    assert measured(setup) == ([], {"a": "given up in repetition 1 of 2: no"})
    assert setup.started == 2


def test_a_link_of_another_speed_is_no_reason_to_try_again(instead_of_traffic):
    setup = Failing("a", sizes=([E.WrongSpeed("25000 Mb/s")], [64]))
    assert measured(setup) == ([], {"a": "given up in repetition 1 of 2: 25000 Mb/s"})


def test_what_shows_only_as_it_runs_is_on_the_page(instead_of_traffic, monkeypatch):
    monkeypatch.setattr(E, "about", lambda *_: {"cpu": "it"})
    setup = Failing("a", sizes=([64], [64]))
    setup.title, setup.seen = "A", {"link_speed": "eno1: 10000 Mb/s"}
    args = argparse.Namespace(**vars(ARGS), quick=True, setups=["a"], dut=None)
    assert E.measured(args, None, [setup], {})["about"]["link_speed"] == "eno1: 10000 Mb/s"


def starts_reckoned(start_s):
    setup = Failing("a")
    setup.mode, setup.start_s = "nic-cpu", start_s
    return E.reckon_s([setup], argparse.Namespace(repetitions=1, sizes=[64], quick=True, seconds=1, trial=1, trials=4,
                                                  latency=1, routes=0))


def test_the_time_that_starts_take_is_reckoned_with():
    assert starts_reckoned(6) - starts_reckoned(1) >= 5 * (3 + 4 + 3)  # highest rates, at least the trials, loads


def test_a_turn_that_is_tried_again_leaves_no_doubles(instead_of_traffic):
    setup = Failing("a", sizes=([64, 512, RuntimeError("no")], [64, 512], [64]))
    assert measured(setup) == ([("a", 0, 64), ("a", 0, 512), ("a", 1, 64)], {})


@pytest.mark.parametrize("tries", [([64, 512, OSError("no")], [64, OSError("no")]),
                                   ([64, OSError("no")], [64, 512, OSError("no")])])
def test_what_a_set_up_had_measured_when_it_is_given_up_stays(instead_of_traffic, tries):
    told, failed = measured(Failing("a", sizes=([64], *tries)), Failing("b", sizes=([64], [64])))
    assert told == [("a", 0, 64), ("b", 0, 64), ("a", 1, 64), ("a", 1, 512), ("b", 1, 64)]
    assert failed == {"a": "given up in repetition 2 of 2: no"}


def test_an_interrupt_leaves_what_the_turn_had_measured(instead_of_traffic):
    records = []
    with pytest.raises(KeyboardInterrupt):
        E.measure_all([Failing("a", sizes=([64, 512, KeyboardInterrupt()],))], ARGS, records, {})
    assert [r["frame_bytes"] for r in records] == [64, 512]


@pytest.mark.parametrize("options,folder", [
    ([], setups.ROOT / "docs/evaluation"), (["--quick"], setups.L.BUILD / "evaluation"),
    (["--dut", "pci:a", "pci:b", "--interfaces", "c", "d"], setups.L.BUILD / "evaluation-dut"),
    (["--dut", "pci:a", "pci:b", "--interfaces", "c", "d", "--quick"], setups.L.BUILD / "evaluation-dut"),
    (["--dut", "pci:a", "pci:b", "--interfaces", "c", "d", "--out", "x"], Path("x"))])
def test_only_an_evaluation_of_all_is_for_the_published_page(options, folder):
    assert E.parse_arguments(options).out == folder


def test_damage_is_summed_by_set_up():
    records = [{"setup": "a", "reordered": 2, "duplicated": 0, "corrupted": 1}, {"setup": "a", "reordered": 3},
               {"setup": "b", "reordered": 0}, {"setup": "b"}]
    assert E.damaged(records) == {"a": "5 reordered, 1 corrupted"}


@pytest.mark.parametrize("allowed,during", [({0, 1}, "-1"), (set(range(8)), "950000")])
def test_only_threads_that_share_a_core_have_all_of_it(monkeypatch, tmp_path, allowed, during):
    limit = tmp_path / "sched_rt_runtime_us"
    limit.write_text("950000")
    monkeypatch.setattr(setups, "RT_RUNTIME", limit)
    monkeypatch.setattr(setups.os, "sched_getaffinity", lambda pid: allowed)
    cores = setups.Cores()
    with pytest.raises(KeyError), cores.unthrottled():
        assert limit.read_text() == during
        raise KeyError
    assert limit.read_text() == "950000"
