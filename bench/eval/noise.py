# SPDX-License-Identifier: BSD-2-Clause
"""How well an evaluation's figures are known, from its repetitions alone.

A figure is the median of its repetitions, and there are too few of those to say how much one figure varies. But
one set-up's figures of one quantity vary alike, in proportion to their size: so the deviations of their logarithms,
each from its own figure's mean, are taken together; where those are too few, of all set-ups of a kind (wire, veth,
dut). In logarithms, since times and rates are as likely to be twice as much as half. The noise of a figure is the
factor, up or down, that 95 of 100 runs of the same are within, if repetitions of one run differ as those of two
runs do; here it is that factor's logarithm.

What may be off by so much that a run with half as much again would have to count as the same says nothing when two
runs are compared: it is vague, and no verdict comes of it.
"""

import math
import statistics
from dataclasses import dataclass

# Of the distribution of Student, both sides together 5 %, by degrees of freedom from 1; farther on as normal.
T_95 = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13]
T_MANY = 2.1
ENOUGH = 3  # degrees of freedom: with fewer, the deviations of all set-ups of the kind are taken
MEDIAN = math.sqrt(math.pi / 2)  # a median of three or more is known less well than their mean, by this
FLOOR = math.log(1.02)  # machines' clocks and memory differ by that much from run to run
VAGUE_FROM = math.log(1.5)  # of the noise of two figures that are compared
CHANCE = 0.01  # as many disagreements as come about by chance less often than this are too many

AGREE, APART, VAGUE, UNKNOWN = "agree", "DISAGREE", "known too badly to tell", "noise unknown"

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
    noise: float = None  # a logarithm; None: nothing of its kind was repeated

    def value(self):
        return statistics.median(self.values)

    def vague(self):
        """Whether no verdict can come of it and another run's figure that is known as well."""
        return self.noise is not None and math.hypot(self.noise, self.noise) > VAGUE_FROM


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
        once = relative(found.values(), figure.quantity, figure.setup)
        if once is not None:
            figure.noise = _of_median(figure, once)
    return found


def _of_median(figure, once):
    """The noise of the figure, `once` that of one repetition."""
    if min(figure.values) <= 0 < max(figure.values):
        return math.inf  # nothing at times: by no factor from what it is at others
    n = len(figure.values)
    error = once / math.sqrt(n) * (MEDIAN if n > 2 else 1)
    return max(error, math.log1p(figure.resolution / figure.value())) if figure.value() else error


def percent(noise):
    """For people: by how much more it may be."""
    more = math.expm1(noise)
    return f"{more:.0%}" if more < 1 else f"factor {1 + more:.1f}"


def relative(those, quantity, setup):
    """The noise of a figure that was measured once; None where nothing was repeated. What a set-up repeated too little
    of is taken from all of its kind."""
    kind = setup.partition("-")[0]
    for alike in ([f for f in those if f.quantity == quantity and f.setup == setup],
                  [f for f in those if f.quantity == quantity and f.setup.partition("-")[0] == kind]):
        squares, freedom = _deviations(alike)
        if freedom >= ENOUGH:
            break
    if not freedom:
        return None
    t = T_95[freedom - 1] if freedom <= len(T_95) else T_MANY
    return max(FLOOR, t * math.sqrt(squares / freedom))


def _deviations(those):
    """Sum of squares and degrees of freedom, of what is never 0."""
    squares, freedom = 0.0, 0
    for figure in those:
        if min(figure.values) > 0:
            logarithms = [math.log(v) for v in figure.values]
            mean = statistics.fmean(logarithms)
            squares += sum((v - mean) ** 2 for v in logarithms)
            freedom += len(logarithms) - 1
    return squares, freedom


def agree(one, other):
    """Whether two runs' figures of the same are the same within the noise of both."""
    if one.noise is None or other.noise is None:
        return UNKNOWN
    bound = math.hypot(one.noise, other.noise)
    if bound > VAGUE_FROM:
        return VAGUE
    less, more = sorted((one.value(), other.value()))
    if less <= 0:  # which has no ratio to anything: the same if the search could not have found the other
        return AGREE if more <= max(one.resolution, other.resolution) else APART
    return AGREE if math.log(more / less) <= bound else APART


def most_by_chance(n):
    """So many of `n` figures may disagree: more do by chance less often than CHANCE."""
    likely, sure = 0.95 ** n, 0.0
    for k in range(n + 1):
        sure += likely
        if sure >= 1 - CHANCE:
            return k
        likely *= (n - k) / (k + 1) * 0.05 / 0.95
    return n
