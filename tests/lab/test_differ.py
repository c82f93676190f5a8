# SPDX-License-Identifier: BSD-2-Clause
"""Peerlane beside the kernel's router, frame by frame (tests/differ), and that a difference between
the two would be seen. `make differ` does it for longer."""

import re

import pytest

from lab import EMULATED
from twins import Twins

FRAMES = 200_000

# Fates that no frame meets in this world: no port is down, no route has an encapsulation, punts are
# not limited, no accelerator fails; bad-port is an error of ours.
NEVER_MET = {"port-down", "encapsulation", "accelerator", "bad-port"}
if EMULATED:
    # Frames of a wire have 60 bytes at least, and those for other MACs a NIC does not take.
    NEVER_MET |= {"runt", "not-our-mac"}
NEVER_MET |= {"punt-buffer"}  # there are buffers for all that is under way


@pytest.fixture(scope="module")
def twins():
    with Twins() as both:
        yield both
        print(f"peerlaned's log:\n{both.peerlane.log()}")


def test_outputs_are_the_kernels(twins):
    """Also that the frames meet every fate that there is, and every accepted difference."""
    status, output = twins.differ("--seed", 1, "--count", FRAMES)
    print(output)
    assert status == 0, output
    result = re.search(r"^result: .* (\d+) differences, (\d+) passing, (.*)$", output, re.MULTILINE)
    assert result.group(1) == "0"
    # Rounds that differed at first and were equal when repeated.
    assert int(result.group(2)) <= 2, output
    accepted = dict(item.split() for item in result.group(3).split(", "))
    if twins.peerlane.run("sysctl -n net.ipv6.conf.all.forwarding").stdout.strip() == "1":
        del accepted["failed-gateway"]  # as before Linux 6.17
    del accepted["overtaken"]  # rare
    assert all(int(count) > 0 for count in accepted.values()), accepted
    unmet = {counter["name"] for counter in twins.peerlane.show("counters")["counters"]
             if not counter["total"] and not counter["name"].startswith("limit-")}
    assert unmet <= NEVER_MET


@pytest.mark.parametrize("change, back", [
    ("route change 10.12.0.0/16 via 10.0.2.3", "route change 10.12.0.0/16 via 10.0.2.2"),
    ("route del blackhole 10.20.2.0/24", "route add blackhole 10.20.2.0/24"),
    ("route change 10.21.0.0/24 via 10.0.2.2 mtu 1301",
     "route change 10.21.0.0/24 via 10.0.2.2 mtu 1300"),
    ("-6 route change fd01:2::/32 via fd00:2::3", "-6 route change fd01:2::/32 via fd00:2::2"),
    ("neigh replace fd00:3::4 lladdr 02:00:00:00:03:05 dev pl2 nud permanent",
     "neigh replace fd00:3::4 lladdr 02:00:00:00:03:04 dev pl2 nud permanent"),
])
def test_other_configuration_is_seen(twins, change, back):
    """One thing in which the kernel's twin is configured otherwise comes out."""
    twins.kernel.ip(change)
    try:
        status, output = twins.differ("--seed", 2, "--count", 60_000, "--reports", 1)
    finally:
        twins.kernel.ip(back)
    assert status == 1 and "1 differences" in output, output


def test_other_answers_are_seen(twins):
    """Likewise in what the routers themselves send."""
    twins.kernel.sysctl("net.ipv4.ip_default_ttl=63")
    try:
        status, output = twins.differ("--seed", 3, "--count", 1000, "--reports", 1)
    finally:
        twins.kernel.sysctl("net.ipv4.ip_default_ttl=64")
    assert status == 1 and "kernel, port" in output and "peerlane, port" in output, output


def test_frame_named_shows_it_again(twins):
    """The report says how to send the one frame again."""
    twins.kernel.ip("route change 10.13.0.0/16 via 10.0.3.4")
    try:
        _, output = twins.differ("--seed", 4, "--count", 1000, "--reports", 1)
        again = re.search(r"again: (.*)", output).group(1).split()
        assert again[-3:] == ["--count", "1", "--print"], output
        status, output = twins.differ(*again)
    finally:
        twins.kernel.ip("route change 10.13.0.0/16 via 10.0.3.2")
    assert status == 1 and "1 differences" in output, output
