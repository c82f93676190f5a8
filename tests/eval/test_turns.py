# SPDX-License-Identifier: BSD-2-Clause
"""What is done about a set-up that fails, and about frames that come out wrong."""

import argparse
import contextlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="not installed: python3-matplotlib")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/eval"))

import eval as E  # noqa: E402: found by the path above
import setups  # noqa: E402: likewise

ARGS = argparse.Namespace(repetitions=2, sizes=[64])
HELD = "peerlane-gen: eth0: another program has an AF_XDP socket on queue 0 of eth0"


class Failing(setups.Setup):
    """A set-up that fails with one error after another as it starts, and then for good with the last."""

    def __init__(self, key, *errors):
        self.key, self.errors, self.started = key, list(errors), 0

    @contextlib.contextmanager
    def running(self, *_):
        self.started += 1
        raise RuntimeError(self.errors.pop(0) if len(self.errors) > 1 else self.errors[0])
        yield


@pytest.mark.parametrize("errors,started", [(["no"], 1), ([HELD], 2), ([HELD, "no"], 2)])
def test_a_set_up_that_fails_is_given_up_and_only_a_held_socket_tried_again(errors, started):
    setup, records = Failing("a", *errors), []
    failed = {}
    E.measure_all([setup], ARGS, records, failed)
    assert setup.started == started
    assert failed == {"a": errors[-1]}
    assert not records


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
