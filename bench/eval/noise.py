# SPDX-License-Identifier: BSD-2-Clause
"""How well an evaluation's figures are known, from its repetitions alone.

A figure is the median of its repetitions, and there are too few of those to say how much one figure varies. But
one set-up's figures of one quantity vary alike, in proportion to their size: so their deviations, each from its own
figure's mean, are taken together. The noise of a figure is what 95 of 100 runs of the same are within, if
repetitions of one run differ as those of two runs do.
"""

import math
import statistics
from dataclasses import dataclass

# Of the distribution of Student, both sides together 5 %, by degrees of freedom from 1; farther on as normal.
T_95 = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13]
T_MANY = 2.1
ENOUGH = 3  # degrees of freedom: with fewer, the deviations of all set-ups are taken
MEDIAN = math.sqrt(math.pi / 2)  # a median of three or more is known less well than their mean, by this
FLOOR = 0.02  # machines' clocks and memory differ by that much from run to run
CHANCE = 0.01  # as many disagreements as come about by chance less often than this are too many

# (experiment, figure in its records, what the page calls it)
QUANTITIES = [
    ("rtt", "rtt_mean_ms", "round-trip time, ms"),
    ("highest", "received_pps", "received at most, pps"),
    ("highest", "cpu_percent", "CPU load, %"),
    ("no_drop", "no_drop_pps", "without loss, pps"),
    ("latency", "latency_p50_us", "latency p50, us"),
    ("latency", "latency_p99_us", "latency p99, us"),
    ("latency", "latency_p99.9_us", "latency p99.9, us"),
]


@dataclass
class Figure:
    setup: str
    quantity: str
    where: str  # frame size, flows, routes, load
    values: list
    resolution: float  # of the search that found it
    noise: float = None  # plus and minus, in the figure's unit; None: nothing of its kind was repeated

    def value(self):
        return statistics.median(self.values)


def _where(record):
    parts = [f"{record['frame_bytes']} bytes", f"{record['flows']} flows", f"{record['routes']} routes"]
    if "load_percent" in record:
        parts.append(f"{record['load_percent']} % load")
    return ", ".join(parts)


def figures(data):
    """{(set-up, quantity, where): Figure} of a results.json, with their noise."""
    found = {}
    for record in data["records"]:
        for experiment, name, quantity in QUANTITIES:
            if record["experiment"] == experiment and record.get(name) is not None:
                key = record["setup"], quantity, _where(record)
                figure = found.setdefault(key, Figure(*key, [], 0))
                figure.values.append(record[name])
                figure.resolution = max(figure.resolution, record.get("resolution_pps", 0))
    for figure in found.values():
        share = relative(found.values(), figure.quantity, figure.setup)
        if share is not None:
            n = len(figure.values)
            error = share * figure.value() / math.sqrt(n) * (MEDIAN if n > 2 else 1)
            figure.noise = max(error, figure.resolution)
    return found


def relative(those, quantity, setup=None):
    """The noise of a figure that was measured once, as a share of it; None where nothing was repeated. What a set-up
    repeated too little of is taken from all of them."""
    for alike in ([f for f in those if f.quantity == quantity and f.setup == setup],
                  [f for f in those if f.quantity == quantity]):
        squares, freedom = _deviations(alike)
        if freedom >= ENOUGH:
            break
    if not freedom:
        return None
    t = T_95[freedom - 1] if freedom <= len(T_95) else T_MANY
    return max(FLOOR, t * math.sqrt(squares / freedom))


def _deviations(those):
    squares, freedom = 0.0, 0
    for figure in those:
        mean = statistics.mean(figure.values)
        if mean > 0:
            squares += sum((v / mean - 1) ** 2 for v in figure.values)
            freedom += len(figure.values) - 1
    return squares, freedom


def agree(one, other):
    """Whether two runs' figures of the same are the same within the noise of both; None where none is known."""
    if one.noise is None or other.noise is None:
        return None
    return abs(one.value() - other.value()) <= math.hypot(one.noise, other.noise)


def most_by_chance(n):
    """So many of `n` figures may disagree: more do by chance less often than CHANCE."""
    likely, sure = 0.95 ** n, 0.0
    for k in range(n + 1):
        sure += likely
        if sure >= 1 - CHANCE:
            return k
        likely *= (n - k) / (k + 1) * 0.05 / 0.95
    return n
