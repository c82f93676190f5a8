# SPDX-License-Identifier: BSD-2-Clause
"""Marks of tests that are not for ports of every kind (lab.PORTS)."""

import pytest

from lab import EMULATED


def afxdp_only(reason):
    """Of AF_XDP ports alone; the reason is shown where it is skipped."""
    return pytest.mark.skipif(EMULATED, reason=reason)


def emulated_only(reason):
    return pytest.mark.skipif(not EMULATED, reason=reason)
