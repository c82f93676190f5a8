# SPDX-License-Identifier: BSD-2-Clause
"""The streams that tests measure with: that one which dies is noticed."""

import math
import time

from flows import Flows
from lab import wait_until

FLOWS = 4
CUT_S = 1  # what is demanded below is a fifth or less of what a sender at its pace makes of that


def send_over_a_failure(lab, recovers):
    """Returns the result of a stream, when its way was cut, and when it was whole again."""
    h1, h2 = lab.hosts
    with Flows(lab, h1, [h2], h2.v4, rate=500, flows=FLOWS) as stream:
        stream.wait_running()
        cut_ns = time.monotonic_ns()
        lab.router.ip(f"route add blackhole {h2.v4}")
        time.sleep(CUT_S)
        if recovers:
            lab.router.ip(f"route del blackhole {h2.v4}")
            wait_until(lambda: lab.router.answer(h2.v4), "the way is whole again")
        whole_ns = time.monotonic_ns()
        time.sleep(CUT_S)
        return stream.end(), cut_ns, whole_ns


def test_outage_that_ends(lab):
    result, cut_ns, whole_ns = send_over_a_failure(lab, True)
    result.begin(cut_ns)
    assert 200 < result.outage_ms() <= (whole_ns - cut_ns) / 1e6 + 100
    assert len(result.lost()) > 50 and result.lost()[-1] < result.count - 50
    assert result.flows_since(whole_ns) == set(range(FLOWS))


def test_outage_that_does_not(lab):
    result, cut_ns, whole_ns = send_over_a_failure(lab, False)
    result.begin(cut_ns)
    assert result.outage_ms() == math.inf
    assert result.lost()[-1] == result.count - 1 and len(result.lost()) > 100
    assert result.flows_since(whole_ns) == set()
