# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the lab tests. See lab.py for what a lab is."""

import contextlib
import os
import re
import shutil
import signal
import sys

import pytest

import lab as lab_module

TOOLS = ["ip", "ethtool", "ping", "traceroute", "iperf3", "sysctl", "setpriv", "bash", "ss", "prlimit"]
SKIP = 77  # what meson takes for skipped


def reason_to_skip():
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return "not installed: " + ", ".join(missing)
    for program in (lab_module.PEERLANED, lab_module.PEERLANE, lab_module.FLOOD, lab_module.SINK):
        if not program.exists():
            return f"not built: {program}"
    return None


def pytest_sessionstart():
    reason = reason_to_skip()
    if reason:
        print("SKIP:", reason)
        pytest.exit(reason, returncode=SKIP)
    # A time limit ends us by SIGTERM: fixtures still clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab_module.sweep()


@contextlib.contextmanager
def making_labs():
    """None of their drivers has done to an emulated NIC what is illegal."""
    labs = []

    def make(**kwargs):
        labs.append(lab_module.Lab(**kwargs))
        return labs[-1]

    yield make
    illegal = []
    for one in labs:
        log = one.router.log()
        print(f"---- {one.name}: peerlaned's log\n{log}")
        illegal += re.findall(r"warning: emulated 82599 .*", log)
        one.close()
    assert not illegal, "what no real NIC would stand"


@pytest.fixture
def make_lab():
    """Makes labs that end with the test: make_lab(hosts=2, queues=1, mtu=1500, kind="emu")."""
    with making_labs() as make:
        yield make


@pytest.fixture
def lab(make_lab):
    """Two hosts and a router that runs."""
    one = make_lab()
    one.start()
    return one


@pytest.fixture(scope="module")
def lab_of_all():
    """The same for all tests of a file, which leave it as they found it."""
    with making_labs() as make:
        one = make()
        one.start()
        yield one


@pytest.fixture
def lab3(make_lab):
    """Three hosts and a router that runs."""
    one = make_lab(hosts=3)
    one.start()
    return one
