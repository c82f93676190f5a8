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


def line_pps(size):
    """Frames a second that 10 Gb/s Ethernet carries, of `size` bytes with FCS."""
    return LINE_BPS / (8 * (size + PER_FRAME))


def seconds(value):
    return f"{max(1, round(1000 * value))}ms"


def traffic(result):
    """What a run of the generator says, in short."""
    latency = result["latency_ns"]
    return {
        "sent_pps": result["sent_pps"], "received_pps": result["received_pps"],
        "received_gbps": result["received_pps"] * 8 * statistics.mean(result["sizes"]) / 1e9,
        "loss_percent": result["loss_percent"], "generator_limit": result["limited_by"],
        "lost_by_generator": sum(e["refused"] + e["missed"] for e in result["ends"]),
        **{how: result[how] for how in DAMAGE},
        **{f"latency_{name}_us": latency[name] / 1e3 for name in
           ("min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max") if name in latency},
    }


def run(bench, size, duration_s, rate, flows=1, warmup_s=0.2):
    """Frames of `size` bytes with FCS at `rate` pps (None: as many as there can be)."""
    process = start(bench, size, duration_s, rate, flows, warmup_s)
    return bench.result(process, duration_s + warmup_s + 60)


def start(bench, size, duration_s, rate, flows, warmup_s):
    asked = ["--rate", f"{rate:.0f}pps"] if rate else []
    return bench.start("--size", size, "--flows", flows, "--duration", seconds(duration_s),
                       "--warmup", seconds(warmup_s), "--drain", seconds(DRAIN_S), *asked)


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
    return {"experiment": "highest", **traffic(result), "offered_pps": rate or result["sent_pps"],
            "cpu_percent": sum(threads.values()) - stand_ins, "cpu_stand_ins_percent": stand_ins,
            "cpu_threads": threads, "foreign_cpu": foreign}


def passes(bench, size, trial_s, rate, flows, warmup_s):
    """Whether no frame of a trial is lost; None or the trial's figures, and what was damaged. A loss by the generator
    itself, or its being too slow, counts as one. A trial that fails is repeated once: what else a machine does
    now and then would be taken for a limit."""
    damage = dict.fromkeys(DAMAGE, 0)
    for _ in range(2):
        told = traffic(run(bench, size, trial_s, rate, flows, warmup_s))
        damage = {how: n + told[how] for how, n in damage.items()}
        if told["loss_percent"] == 0 and told["generator_limit"] == "none":
            return told, damage
    return None, damage


def no_drop(bench, size, trial_s, trials, top_pps, flows=1, warmup_s=0.2):
    """RFC 2544's throughput: the highest rate of which no frame is lost: `top_pps`, or by bisection below it."""
    good, bad = 0.0, 2 * top_pps
    best, damage = None, dict.fromkeys(DAMAGE, 0)
    for _ in range(trials + 1):
        rate = (good + bad) / 2
        told, more = passes(bench, size, trial_s, rate, flows, warmup_s)
        damage = {how: n + more[how] for how, n in damage.items()}
        if told:
            good, best = rate, told
            if rate == top_pps:
                bad = top_pps
                break
        else:
            bad = rate
    return {"experiment": "no_drop", "no_drop_pps": good, "trial_s": trial_s, "trials": trials,
            "resolution_pps": bad - good, "no_drop_gbps": good * 8 * size / 1e9,
            **damage,
            **({f"at_{name}": value for name, value in best.items()
                if name.startswith("latency_p")} if best else {})}


def latency(bench, size, duration_s, reference_pps, flows=1):
    """One way, from the moment each frame was to be sent, at shares of a rate that passes."""
    for load in LOADS:
        told = traffic(run(bench, size, duration_s, reference_pps * load / 100, flows))
        yield {"experiment": "latency", "load_percent": load, "reference_pps": reference_pps, **told}


def round_trip(size, times_ms):
    """`ping` as the report used it: the mean."""
    if not times_ms:
        return {"experiment": "rtt", "n": 0}
    return {"experiment": "rtt", "n": len(times_ms), "rtt_min_ms": min(times_ms),
            "rtt_mean_ms": statistics.mean(times_ms), "rtt_median_ms": statistics.median(times_ms),
            "rtt_max_ms": max(times_ms)}
