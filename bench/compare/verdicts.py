# SPDX-License-Identifier: BSD-2-Clause
"""From pairs of measurements of two builds, taken in turns, to a verdict.

The speed of a shared machine drifts: from minute to minute runs of one build differ more than the two runs
of a pair, which meet nearly the same. So the noise is that of the pairs' ratios: how far they are from
their median, and how well a median of so many is known then. A ratio here is always how many times as
fast the second build is, whether the figure is a rate or a time.
"""

import math
import statistics
from dataclasses import dataclass, field

SAME, FASTER, SLOWER = "same within noise", "faster", "slower"
UNKNOWN, UNCLEAR = "too few pairs", "cannot tell"

PAIRS_MIN = 4  # of a round: fewer can agree by chance
# What is no regression even where runs hardly differ: builds of the same code differ by that much, by
# where their instructions come to lie.
BOUND_MIN = math.log(1.02)
# The bound in standard errors of the median. Those are estimated from few pairs, hence so many.
BOUND_ERRORS = 4
AGREE = 0.8  # of the pairs must be on the side of the verdict
# Noise that is wider would hide a difference that matters: nothing that it covers is called the same.
BOUND_MAX = math.log(1.1)
LOOKS = 2 / 3  # of the bound, in each round: what is slower by that looks so; by chance hardly one of a thousand does


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
        """By how much, as a factor, the medians may differ and still be the same: of the round that is known worst, for
        each must find a difference alone."""
        return math.exp(max(_bound(self._gains(one)) for one in self.rounds if one))

    def verdict(self):
        """Something else than the same only if each round says so alone; the same only if each could have said
        otherwise."""
        verdicts = {self._verdict(one) for one in self.rounds}
        if len(verdicts) == 1:
            return verdicts.pop()
        return UNCLEAR if verdicts & {UNKNOWN, UNCLEAR} or {FASTER, SLOWER} <= verdicts else SAME

    def looks_slower(self):
        """Of what cannot be told: whether each round is slower by more than may be hidden, and hardly by chance."""
        if self.verdict() != UNCLEAR or not all(self.rounds):
            return False
        gains = [self._gains(one) for one in self.rounds]
        return all(statistics.median(one) < -max(BOUND_MAX, LOOKS * _bound(one)) for one in gains)

    def _verdict(self, pairs):
        if len(pairs) < PAIRS_MIN:
            return UNKNOWN
        gains = self._gains(pairs)
        middle, bound = statistics.median(gains), _bound(gains)
        if abs(middle) <= bound:
            return SAME if bound <= BOUND_MAX else UNCLEAR
        if sum(g * middle > 0 for g in gains) < AGREE * len(gains):
            return UNCLEAR
        return FASTER if middle > 0 else SLOWER


def _bound(gains):
    """Of the logarithm of the median ratio. Of values that are normal, the standard deviation is 1.4826 times
    the median distance from their median, and that median's standard error the root of pi / 2 times
    the mean's."""
    middle = statistics.median(gains)
    deviation = 1.4826 * statistics.median(abs(gain - middle) for gain in gains)
    error = math.sqrt(math.pi / 2 / len(gains)) * deviation
    return max(BOUND_MIN, BOUND_ERRORS * error)
