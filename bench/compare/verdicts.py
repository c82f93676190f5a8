# SPDX-License-Identifier: BSD-2-Clause
"""From pairs of measurements of two builds, taken in turns, to a verdict.

What two builds differ by is held against what runs of one and the same build differ by, measured in
the same minutes: the value of a build against its value in the next pair, for either build. A ratio
here is always how many times as fast the second build is, whether the figure is a rate or a time.
"""

import math
import statistics
from dataclasses import dataclass, field

SAME, FASTER, SLOWER, UNKNOWN = "same within noise", "faster", "slower", "too few pairs"

PAIRS_MIN = 4  # of a round: fewer can agree by chance
# What is no regression even where runs hardly differ: builds of the same code differ by that much, by
# where their instructions come to lie.
BOUND_MIN = math.log(1.02)
# The bound is so many times the median difference between runs of one build. If differences are normal,
# that is twice their standard deviation, and the median of 9 pairs has less than half of that.
BOUND_MEDIANS = 3
AGREE = 0.8  # of the pairs must be on the side of the verdict


@dataclass
class Figure:
    """One figure's pairs, in the order in which they were measured, a list for each round."""

    name: str
    unit: str
    more_is_better: bool
    rounds: list = field(default_factory=list)  # of lists of (base, this)

    def pairs(self):
        return [pair for one in self.rounds for pair in one]

    def ratios(self):
        return [math.exp(gain) for gain in self._gains(self.pairs())]

    def median_ratio(self):
        return statistics.median(self.ratios())

    def medians(self):
        """(base's, this one's)"""
        return tuple(statistics.median(side) for side in zip(*self.pairs()))

    def _gains(self, pairs):
        sign = 1 if self.more_is_better else -1
        return [sign * math.log(this / base) for base, this in pairs]

    def bound(self):
        """By how much, as a factor, the medians may differ and still be the same."""
        return math.exp(max(_bound(one) for one in self.rounds))

    def verdict(self):
        """Something else than the same only if each round says so alone."""
        verdicts = {self._verdict(one) for one in self.rounds}
        return verdicts.pop() if len(verdicts) == 1 else SAME

    def _verdict(self, pairs):
        if len(pairs) < PAIRS_MIN:
            return UNKNOWN
        gains = self._gains(pairs)
        middle = statistics.median(gains)
        agree = sum(g * middle > 0 for g in gains)
        if abs(middle) <= _bound(pairs) or agree < AGREE * len(gains):
            return SAME
        return FASTER if middle > 0 else SLOWER


def _bound(pairs):
    apart = [abs(math.log(after / before))
             for side in zip(*pairs) for before, after in zip(side, side[1:])]
    return max(BOUND_MIN, BOUND_MEDIANS * statistics.median(apart)) if apart else BOUND_MIN
