# SPDX-License-Identifier: BSD-2-Clause
"""The experiments' own sums, on a generator and on clocks that are known; and who runs where."""

import argparse
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/eval"))

import measure  # noqa: E402: found by the path above
import setups  # noqa: E402: likewise

TOP, TRIALS, TRIAL_S = 10e6, 8, 1


class Router:
    """Passes up to `limit_pps` without loss, in longer trials up to `long_pps`, but for the trials that are named."""

    def __init__(self, limit_pps, disturbed=(), long_pps=TOP):
        self.limit_pps, self.disturbed, self.long_pps = limit_pps, disturbed, long_pps
        self.rates = []
        self.direct = True

    def run(self, bench, size, duration_s, rate, flows=1, warmup_s=0.2):
        self.rates.append(rate)
        limit_pps = min(self.limit_pps, self.long_pps if duration_s > TRIAL_S else TOP)
        lost = 1000 if rate > limit_pps or len(self.rates) in self.disturbed else 0
        return {"latency_ns": {"p50": 1000}, "sent_pps": rate, "received_pps": rate, "sizes": [size], "lost": lost,
                "loss_percent": lost / 1e4, "limited_by": "none", "ends": [{"refused": 0, "missed": 0}],
                "reordered": 1, "duplicated": 0, "corrupted": 0, **self.generator(rate, lost)}

    def generator(self, rate, lost):
        """What it says of itself."""
        return {}


class SlowGenerator(Router):
    """One that has no more than `most_pps`, and all of them arrive; `limits`: what it gives for the reason."""

    def __init__(self, most_pps, limits, direct):
        super().__init__(TOP)
        self.most_pps, self.limits, self.direct = most_pps, limits, direct

    def generator(self, rate, lost):
        return {"limited_by": self.limits, "sent_pps": self.most_pps} if rate > self.most_pps else {}


class Forgetful(Router):
    """A generator that loses `own` of the frames itself, in the trials that are named by `at`."""

    def __init__(self, limit_pps, own, at, where="missed", direct=True):
        super().__init__(limit_pps)
        self.own, self.at, self.where, self.direct = own, at, where, direct

    def generator(self, rate, lost):
        if len(self.rates) not in self.at:
            return {}
        return {"lost": lost + self.own, "loss_percent": 0.1,
                "ends": [{"refused": 0, "missed": 0}, {"refused": 0, "missed": 0, self.where: self.own}]}


def search(monkeypatch, router):
    monkeypatch.setattr(measure, "run", router.run)
    bench = argparse.Namespace(setup=argparse.Namespace(direct=router.direct, line_rate=True))
    return measure.no_drop(bench, 64, TRIAL_S, TRIALS, TOP)


@pytest.mark.parametrize("limit_pps", [9.99e6, 5e6, 1.234e6])
def test_the_rate_without_loss_is_found_to_its_resolution(monkeypatch, limit_pps):
    found = search(monkeypatch, Router(limit_pps))
    assert found["no_drop_pps"] <= limit_pps < found["no_drop_pps"] + found["resolution_pps"]
    assert found["resolution_pps"] == TOP / 2 ** TRIALS
    assert found["searched_pps"] == found["no_drop_pps"] and not found["generator_limited"]


def test_the_highest_rate_is_tried_first(monkeypatch):
    router = Router(TOP)
    found = search(monkeypatch, router)
    assert (found["no_drop_pps"], found["resolution_pps"], router.rates) == (TOP, 0, [TOP, TOP])


def test_one_disturbed_trial_changes_nothing_and_damage_is_summed(monkeypatch):
    router = Router(5e6, disturbed=(3, 7))
    found = search(monkeypatch, router)
    assert found["no_drop_pps"] <= 5e6 < found["no_drop_pps"] + found["resolution_pps"]
    assert found["reordered"] == len(router.rates)


def test_a_rate_that_fails_a_longer_trial_is_lowered_until_one_passes(monkeypatch):
    found = search(monkeypatch, Router(TOP, long_pps=0.9 * TOP))
    assert (found["searched_pps"], found["no_drop_pps"]) == (TOP, pytest.approx(0.9025 * TOP * 0.95))
    assert found["resolution_pps"] == pytest.approx(0.9025 * TOP * 0.05)
    assert found["confirm_s"] == 3 * TRIAL_S


def test_a_rate_that_no_longer_trial_confirms_is_none(monkeypatch):
    router = Router(TOP, long_pps=0.6 * TOP)
    found = search(monkeypatch, router)
    assert (found["searched_pps"], found["no_drop_pps"]) == (TOP, 0)
    assert router.rates == pytest.approx([TOP] + [TOP * 0.95 ** step for step in range(7)])
    assert "at_latency_p50_us" not in found and not found["generator_limited"]


@pytest.mark.parametrize("own,where,direct,router_fails", [
    (1, "missed", True, False), (1, "missed", False, False), (1, "refused", False, False),
    (1, "refused", True, True),  # into the router's queue, which was full
])
def test_what_the_generator_loses_is_not_the_routers(monkeypatch, own, where, direct, router_fails):
    """It says nothing in three trials out of four."""
    router = Forgetful(TOP, own, (1, 2, 3), where, direct)
    found = search(monkeypatch, router)
    if router_fails:
        assert router.rates[:3] == [TOP, TOP, TOP / 2] and found["void_trials"] == 0
    else:
        assert router.rates == [TOP] * 5 and found["void_trials"] == 3
        assert found["no_drop_pps"] == TOP and not found["generator_limited"]


def test_a_loss_that_is_the_generators_in_part_is_the_routers(monkeypatch):
    router = Forgetful(5e6, 999, range(1, 99))
    search(monkeypatch, router)
    assert router.rates[:3] == [TOP, TOP, TOP / 2]  # the router lost 1000 more of each of the first two
    assert router.rates[2:6] == [TOP / 2] * 4  # none of these


@pytest.mark.parametrize("limits,direct,limited", [
    ("core", True, True), ("core", False, True), ("end", False, True),
    ("end", True, False),  # it is the router that takes no more
])
def test_a_generator_that_is_too_slow_is_told_from_a_router_that_is(monkeypatch, limits, direct, limited):
    router = SlowGenerator(6e6, limits, direct)
    found = search(monkeypatch, router)
    assert found["no_drop_pps"] <= 6e6 < found["no_drop_pps"] + found["resolution_pps"]
    assert found["generator_limited"] == limited
    assert router.rates.count(TOP) == (4 if limited else 2)
    assert (found["void_trials"] > 0) == limited


def test_the_limit_is_the_generators_only_if_the_next_rate_above_was(monkeypatch):
    """It is too slow for 6 Mpps, the router for 5."""
    router = SlowGenerator(6e6, "core", True)
    router.limit_pps = 5e6
    found = search(monkeypatch, router)
    assert found["no_drop_pps"] <= 5e6 < found["no_drop_pps"] + found["resolution_pps"]
    assert found["void_trials"] > 0 and not found["generator_limited"]


@pytest.mark.parametrize("limits", ["core", "end"])
@pytest.mark.parametrize("share", [0.995, 0.98])
def test_a_rate_that_is_nearly_sent_without_loss_is_the_one_that_was_sent(monkeypatch, limits, share):
    """As at line rate, when the generator was held up. Farther below it that says nothing of the router, or that it
    takes no more."""
    router = SlowGenerator(share * TOP, limits, True)
    found = search(monkeypatch, router)
    if share > 0.99:
        assert found["no_drop_pps"] == found["searched_pps"] == share * TOP
        assert (router.rates, found["resolution_pps"]) == ([TOP, share * TOP], 0)
        assert not found["generator_limited"]
    else:
        assert found["no_drop_pps"] <= share * TOP < found["no_drop_pps"] + found["resolution_pps"]
        assert router.rates.count(TOP) == (4 if limits == "core" else 2)


@pytest.mark.parametrize("line_rate", [False, True])
def test_no_burst_is_faster_than_a_cable_that_has_a_rate(line_rate):
    """In trials and at loads; what the generator is told."""
    asked = []
    bench = argparse.Namespace(
        setup=argparse.Namespace(direct=True, line_rate=line_rate), start=lambda *options: asked.append(options),
        result=lambda *_: Router(TOP).run(None, 64, TRIAL_S, 1e6))
    measure.no_drop(bench, 64, TRIAL_S, 1, TOP)
    list(measure.latency(bench, 64, TRIAL_S, TOP))
    assert len(asked) == 2 + len(measure.LOADS)
    for options in asked:
        assert ("--line-rate" in options) == line_rate
        assert not line_rate or options[options.index("--line-rate") + 1] == "10G"


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


@pytest.mark.parametrize("allowed,turns,places,fifo,where", [
    ({0, 1}, True, {1: {1}, 2: {1}, 3: {1}}, {1, 2, 3},
     "generator on core 0; planes and stand-ins take turns on core 1 (SCHED_FIFO)"),
    ({0, 1}, False, {1: {1}, 2: {1}, 3: {1}, 4: {1}}, set(), "generator on core 0; planes and stand-ins share core 1"),
    ({0, 1, 2, 3}, False, {2: {2}, 3: {3}, 4: {1}}, set(),
     "generator on core 0, planes from 1, stand-ins on 2, 3"),
    ({0, 1, 2}, False, {2: {2}, 3: {2}, 4: {1}}, set(), "generator on core 0, planes from 1, stand-ins on 2"),
])
def test_threads_are_where_it_is_said(monkeypatch, allowed, turns, places, fifo, where):
    """Those with a number; planes have a core of their own already, and the daemon and its faces little to do."""
    placed, first = {}, set()
    threads = {"plane0/1": 0, "emulator/2": 0, "accel0/3": 0, "offload/4": 0, "faces/5": 0, "peerlaned/6": 0}
    monkeypatch.setattr(setups, "thread_times", lambda pid: threads)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    monkeypatch.setattr(os, "sched_setaffinity", placed.__setitem__)
    monkeypatch.setattr(os, "sched_setscheduler", lambda number, *_: first.add(number))
    cores = setups.Cores(1, 1, turns)
    cores.place(7)
    assert ({n: set(cores) for n, cores in placed.items()}, first) == (places, fifo)
    assert cores.text(stands_in="stand-ins") == where


def test_where_the_threads_of_veth_set_ups_are(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    where = {s.key: s.where() for s in setups.all_setups(setups.Accelerator("host", "host", "threads"))}
    receives = "; what the kernel does to receive by AF_XDP, on the generator's"
    assert where["veth-nic-cpu"] == "generator on core 0, planes from 1" + receives
    assert where["veth-nic-cpu-gpu"] == \
        "generator on core 0; planes and what stands in for a GPU share core 1" + receives
    assert where["veth-kernel"] == where["veth-xdp"] == "generator on core 0, NAPI threads from 1"
    with_gpu = {s.key: s.where() for s in setups.all_setups(setups.Accelerator("cuda", "cuda:0", "card"))}
    assert with_gpu["veth-nic-cpu-gpu"] == where["veth-nic-cpu"]


def test_what_is_measured_at_three_sizes():
    sizes = [64, 128, 256, 512, 1024, 1280, 1518]
    assert setups.Veth("a", "a", None, "nic-cpu").sizes(sizes) == sizes
    assert setups.Veth("a", "a", None).sizes(sizes) == [64, 512, 1518]
    assert setups.Veth("a", "a", None).sizes([64]) == [64]
    assert setups.Veth("a", "a", None, "nic-cpu").sizes(sizes, 1) == [64, 512, 1518]
    assert setups.Wire("nic-cpu").sizes(sizes) == sizes
    assert setups.Wire("nic-cpu").sizes(sizes, 2) == [64, 512, 1518]
    assert setups.Wire("nic-cpu", planes=2).sizes(sizes) == [64]


LISTED = {"accelerators": [
    {"accelerator": "cuda", "kind": "cuda", "there": False, "name": None},
    {"accelerator": "opencl:0", "kind": "opencl", "there": True, "name": "one"},
    {"accelerator": "opencl:1", "kind": "opencl", "there": True, "name": "other"},
    {"accelerator": "host:0", "kind": "host", "there": True, "name": "host (2 cores)"}]}
GPU = {"accelerators": [{"accelerator": "cuda:0", "kind": "cuda", "there": True, "name": "card"}]}


def lists(monkeypatch, tmp_path, told, status=0):
    """A peerlane that shows these devices."""
    program = tmp_path / "peerlane"
    program.write_text(f"#!/bin/sh\necho 'no devices' >&2\ncat <<'E'\n{json.dumps(told)}\nE\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setattr(setups.L, "PEERLANE", program)


@pytest.mark.parametrize("told,wanted,kind,name,model", [
    (LISTED, "opencl:1", "opencl", "opencl:1", "other"), (LISTED, "opencl", "opencl", "opencl", "one"),
    (LISTED, "host", "host", "host", "host (2 cores)"), (GPU, "auto", "cuda", "cuda:0", "card"),
    (GPU, "cuda", "cuda", "cuda", "card"),
])
def test_the_accelerator_named_is_taken(monkeypatch, tmp_path, told, wanted, kind, name, model):
    lists(monkeypatch, tmp_path, told)
    found = setups.find_accelerator(wanted)
    assert (found.kind, found.name, found.model) == (kind, name, model)


@pytest.mark.parametrize("told,status,wanted,words", [
    (LISTED, 0, "cuda", "there is none; there are opencl:0, opencl:1, host:0"), (LISTED, 0, "opencl:2", "opencl:1, "),
    (LISTED, 1, "host", "peerlane -j devices: no devices"), ({}, 0, "opencl", "peerlane -j devices: "),
])
def test_an_accelerator_that_is_not_there_is_not_replaced(monkeypatch, tmp_path, told, status, wanted, words):
    lists(monkeypatch, tmp_path, told, status)
    with pytest.raises(SystemExit, match=f"--accelerator {wanted}: .*{words}"):
        setups.find_accelerator(wanted)


@pytest.mark.parametrize("status,words", [(0, "there is no GPU by CUDA"), (1, "peerlane -j devices: no devices")])
def test_without_a_gpu_threads_stand_in_and_it_is_said(monkeypatch, tmp_path, capsys, status, words):
    lists(monkeypatch, tmp_path, LISTED, status)
    assert setups.find_accelerator("auto").kind == "host"
    assert words in capsys.readouterr().err


def test_who_has_a_full_table():
    everything = setups.all_setups(setups.Accelerator("host", "host", "threads"))
    assert [setup.key for setup in everything if not setup.has_table] == ["wire-bare", "veth-l3fwd"]


@pytest.mark.parametrize("daemon,counts", [(None, []), ("peerlaned", [0, 1, 2])])
def test_a_table_is_waited_for_where_it_is_a_copy(monkeypatch, tmp_path, daemon, counts):
    """The kernel has a route once it has taken it, Peerlane a while later."""
    seen, added = iter([0, 1, 2]), []

    class Table:
        def __init__(self, router, found, hops):
            self.hops = hops[4]

        def add(self):
            added.extend(self.hops)

    told = []
    router = argparse.Namespace(daemon=daemon, folder=tmp_path,
                                route_count=lambda family: told.append(next(seen)) or told[-1])
    monkeypatch.setattr(setups, "prefixes", lambda *_: {4: ["192.0.2.0/25", "192.0.2.128/25"], 6: []})
    monkeypatch.setattr(setups, "Table", Table)
    path, count = setups.load_routes(router, "10.0.2.2", "eth2", 2)
    assert (added, count, told) == ([("10.0.2.2", "eth2")], 2, counts)
    assert path.read_text() == "192.0.2.0/25\n192.0.2.128/25\n"
