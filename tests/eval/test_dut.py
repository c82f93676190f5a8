# SPDX-License-Identifier: BSD-2-Clause
"""What an evaluation on NICs that are there borrows of the machine, and gives back. tests/vm/run eval has the NICs."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("bench/eval", "tests/lab")]

import dut_lab  # noqa: E402: found by the path above
import lab as L  # noqa: E402: likewise

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
def machine():
    """A namespace that this process is in, with a0, which is up, cabled to b0, and a1 to b1."""
    with contextlib.ExitStack() as stack:
        machine = L.Namespace(L.namespace_name("eval-r9"))
        stack.callback(machine.delete)
        for i in range(2):
            machine.ip(f"link add a{i} type veth peer name b{i}")
        machine.ip("link set a0 up")
        with machine.entered():
            yield machine


def links():
    told = subprocess.run(["ip", "-j", "link"], text=True, capture_output=True, check=True).stdout
    return {link["ifname"]: "UP" in link["flags"] for link in json.loads(told)}


def test_interfaces_come_back(machine):
    before = links()
    with contextlib.ExitStack() as stack:
        lab = dut_lab.DutLab(L.namespace_name("eval"), stack, ["pci:0000:ff:1f.7", "emu:none"], ["a0", "a1"])
        one, two = lab.hosts
        assert not links().keys() & {"a0", "a1"}
        two.ip(f"link set a1 netns {one.name}")
        assert "a1" in one.ip("-br link")
    assert links() == before
    assert not [name for name in os.listdir("/run/netns") if name in (one.name, two.name, lab.router.name)]


def test_they_come_back_when_it_fails(machine):
    before = links()
    with pytest.raises(AssertionError), contextlib.ExitStack() as stack:
        dut_lab.DutLab(L.namespace_name("eval"), stack, [], ["a0", "none"])
    assert links() == before


def test_what_is_in_use_is_not_taken(machine):
    assert dut_lab.in_use("a0") is None
    machine.ip("addr add 192.0.2.1/24 dev a0")
    assert "ip addr flush dev a0" in dut_lab.in_use("a0")
    assert "none" in dut_lab.in_use("none")
