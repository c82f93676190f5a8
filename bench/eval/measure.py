# SPDX-License-Identifier: BSD-2-Clause
"""The experiments on one set-up. Each returns a record: a flat dict of figures, in the units their names
have, to which eval.py adds what was measured.
"""

import os
import re
import statistics
import time

from setups import STAND_INS, net

foreign_ticks, foreign_since, HZ = net.foreign_ticks, net.foreign_since, net.HZ

LINE_BPS = 10e9
PER_FRAME = 20  # preamble, start delimiter and the gap between frames, in bytes
LOADS = (10, 50, 90)  # percent
FLOWS = 1000  # where there are many
DAMAGE = ("reordered", "duplicated", "corrupted")
DRAIN_S = 0.1  # the generator waits so long for what is under way
TRIES = 4  # at one rate, those included that say nothing about the router
SENT = 0.99  # of what a trial is to send, at least; with no loss it tells of the rate at which it did
CONFIRM = 3  # a rate that was found is confirmed by a trial so many times longer
STEP = 0.95  # to the next lower rate if it is not
STEPS = 6


def line_pps(size):
    """Frames a second that 10 Gb/s Ethernet carries, of `size` bytes with FCS."""
    return LINE_BPS / (8 * (size + PER_FRAME))


def seconds(value):
    return f"{max(1, round(1000 * value))}ms"


def lost_by_generator(result, setup):
    """Frames that the router is not to blame for. What a sending end drops is not among them where there is nothing
    between it and the router's queue, which then was full."""
    return sum(end["missed"] + (0 if setup.direct else end["refused"]) for end in result["ends"])


def traffic(result, setup):
    """What a run of the generator says, in short."""
    latency = result["latency_ns"]
    return {
        "sent_pps": result["sent_pps"], "received_pps": result["received_pps"],
        "received_gbps": result["received_pps"] * 8 * statistics.mean(result["sizes"]) / 1e9,
        "lost": result["lost"], "loss_percent": result["loss_percent"], "generator_limit": result["limited_by"],
        "lost_by_generator": lost_by_generator(result, setup),
        **{how: result[how] for how in DAMAGE},
        **{f"latency_{name}_us": latency[name] / 1e3 for name in
           ("min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max") if name in latency},
    }


def run(bench, size, duration_s, rate, flows=1, warmup_s=0.2):
    """Frames of `size` bytes with FCS at `rate` pps, which no delay of the generator's makes come faster than the cable
    would carry them."""
    line = ["--line-rate", f"{LINE_BPS / 1e9:.0f}G"] if bench.setup.line_rate else []
    process = start(bench, size, duration_s, rate, flows, warmup_s, line)
    return bench.result(process, duration_s + warmup_s + 60)


def start(bench, size, duration_s, rate, flows, warmup_s, options=()):
    """At `rate` pps; None: as many as there can be."""
    asked = ["--rate", f"{rate:.0f}pps"] if rate else []
    return bench.start("--size", size, "--flows", flows, "--duration", seconds(duration_s),
                       "--warmup", seconds(warmup_s), "--drain", seconds(DRAIN_S), *asked, *options)


def watch(bench, process, duration_s):
    """Until the generator ends: [(moment, CPU times of the router's threads)]. Seldom, for watching takes time,
    too."""
    seen = []
    while process.poll() is None:
        seen.append((time.monotonic(), bench.times()))
        time.sleep(max(0.04, duration_s / 24))
    return seen


def middle_third(seen, began_s, ended_s):
    """Percent of a core that each of the router's threads had in the middle third of the sending."""
    third = (ended_s - began_s) / 3
    (start, before), (done, after) = (
        min(seen, key=lambda s: abs(s[0] - moment)) for moment in (began_s + third, ended_s - third))
    threads = {}
    for name, spent in after.items():
        share = 100 * (spent - before.get(name, 0)) / max(done - start, 1e-3)
        if share >= 0.5:
            name = re.sub(r"(-\d+)?/\d+$", "", name)  # the thread's number; and the kernel's of NAPI
            threads[name] = threads.get(name, 0) + share
    return threads


def highest(bench, size, duration_s, flows=1, warmup_s=0.2):
    """What is received while the most is offered, and the CPU time of the router's threads over the middle third
    of that time, as the report did it: one core is 100 %. What stands in for a NIC or a GPU is counted apart."""
    rate = line_pps(size) if bench.setup.line_rate else None
    process = start(bench, size, duration_s, rate, flows, warmup_s)
    ours = {os.getpid(), process.pid, *bench.pids}
    foreign, began = foreign_ticks(ours), time.monotonic()
    seen = watch(bench, process, duration_s)
    foreign = foreign_since(foreign, ours) / HZ / (time.monotonic() - began)
    result = bench.result(process, 10)
    threads = middle_third(seen, result["began_ns"] / 1e9, result["ended_ns"] / 1e9)
    stand_ins = sum(share for name, share in threads.items() if STAND_INS.match(name))
    return {"experiment": "highest", **traffic(result, bench.setup), "offered_pps": rate or result["sent_pps"],
            "cpu_percent": sum(threads.values()) - stand_ins, "cpu_stand_ins_percent": stand_ins,
            "cpu_threads": threads, "foreign_cpu": foreign}


def verdict(told, setup, rate):
    """What a trial says of the router: that it "passed", "failed", or nothing: what was lost the generator's own ends
    lost, or it did not send what it was to. An end that takes no more is the router's doing where there is nothing
    between them."""
    limited = told["generator_limit"]
    if told["lost"] == 0 and (limited == "none" or told["sent_pps"] >= SENT * rate):
        return "passed"
    if limited == "core" or (limited == "end" and not setup.direct):
        return "void"
    return "void" if told["lost_by_generator"] >= told["lost"] > 0 else "failed"


class Search:
    """For the highest rate of which no frame is lost. `good`: the highest that passed, 0 if none did; `bad`: the lowest
    that did not; `limited`: for the generator's sake alone; `best`: the figures at `good`."""

    def __init__(self, bench, size, top_pps, flows, warmup_s):
        self.bench, self.size, self.flows, self.warmup_s = bench, size, flows, warmup_s
        self.good, self.bad, self.limited, self.best = 0.0, 2 * top_pps, False, None
        self.damage, self.void = dict.fromkeys(DAMAGE, 0), 0

    def at(self, rate, trial_s, failures):
        """Whether no frame of a trial is lost. One that fails is repeated until there are `failures`, one that is void
        until there are TRIES in all."""
        failed = 0
        for _ in range(TRIES):
            told = traffic(run(self.bench, self.size, trial_s, rate, self.flows, self.warmup_s), self.bench.setup)
            self.damage = {how: n + told[how] for how, n in self.damage.items()}
            said = verdict(told, self.bench.setup, rate)
            if said == "passed":
                # At line rate a generator that was held up cannot catch up.
                self.good = rate if told["generator_limit"] == "none" else min(rate, told["sent_pps"])
                self.best = told
                return True
            self.void += said == "void"
            failed += said == "failed"
            if failed == failures:
                break
        self.bad, self.limited = rate, failed == 0
        return False

    def bisect(self, trial_s, trials):
        """From the top. A trial that fails is repeated once: what else a machine does now and then would be taken for a
        limit."""
        top_pps = self.bad / 2
        for _ in range(trials + 1):
            rate = (self.good + self.bad) / 2
            if self.at(rate, trial_s, failures=2) and rate == top_pps:
                self.bad = self.good
                break

    def confirm(self, trial_s):
        """By longer trials, at lower and lower rates until one passes; if none does there is no rate."""
        rate, self.good, self.best = self.good, 0.0, None
        for _ in range(STEPS + 1):
            if self.at(rate, trial_s, failures=1):
                break
            rate *= STEP


def no_drop(bench, size, trial_s, trials, top_pps, flows=1, warmup_s=0.2):
    """RFC 2544's throughput: the highest rate of which no frame is lost: `top_pps`, or by bisection below it; then
    confirmed by a longer trial."""
    search = Search(bench, size, top_pps, flows, warmup_s)
    search.bisect(trial_s, trials)
    searched = search.good
    if searched:
        search.confirm(CONFIRM * trial_s)
    return {"experiment": "no_drop", "no_drop_pps": search.good, "searched_pps": searched, "trial_s": trial_s,
            "trials": trials, "confirm_s": CONFIRM * trial_s, "void_trials": search.void,
            "generator_limited": search.limited, "resolution_pps": search.bad - search.good,
            "no_drop_gbps": search.good * 8 * size / 1e9, **search.damage,
            **({f"at_{name}": value for name, value in search.best.items()
                if name.startswith("latency_p")} if search.best else {})}


def no_drop_s(trial_s, trials, start_s=0.6):
    """About how long that takes, each trial `start_s` more than its own time: with some repeated, and a step down."""
    return trials * (trial_s + start_s) + 2 * (CONFIRM * trial_s + start_s)


def latency(bench, size, duration_s, reference_pps, flows=1):
    """One way, from the moment each frame was to be sent, at shares of a rate that passes."""
    for load in LOADS:
        told = traffic(run(bench, size, duration_s, reference_pps * load / 100, flows), bench.setup)
        yield {"experiment": "latency", "load_percent": load, "reference_pps": reference_pps, **told}


def round_trip(size, times_ms):
    """`ping` as the report used it: the mean."""
    if not times_ms:
        return {"experiment": "rtt", "n": 0}
    return {"experiment": "rtt", "n": len(times_ms), "rtt_min_ms": min(times_ms),
            "rtt_mean_ms": statistics.mean(times_ms), "rtt_median_ms": statistics.median(times_ms),
            "rtt_max_ms": max(times_ms)}
