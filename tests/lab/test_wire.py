# SPDX-License-Identifier: BSD-2-Clause
"""Emulated NICs whose wires are memory shared with another program (Wire=): it comes, goes, is killed, and so
is the daemon. The program is wire_tap, which puts a host of the labs at the far end by a TAP interface."""

import contextlib
import os
import signal
import stat

import pytest

from lab import PEERLANED, namespace_name
from wire_lab import WIRE_TAP, WireLab

LONG_MTU = 9000


@pytest.fixture(name="make_lab")
def fixture_make_lab():
    with contextlib.ExitStack() as stack:
        def make(mtu=1500):
            lab = WireLab(namespace_name("w"), stack, mtu)
            stack.callback(lab.close)
            return lab

        yield make


def forwarded(lab):
    return sum(port["tx_packets"] for port in lab.router.show("planes")["planes"][0]["ports"])


@pytest.mark.parametrize("mtu", [1500, LONG_MTU])
def test_hosts_reach_each_other(make_lab, mtu):
    """By the planes, with the shortest frames and the longest."""
    lab = make_lab(mtu)
    lab.start()
    for host in lab.hosts:
        host.plug_in()
    lab.wait_through()
    before = forwarded(lab)
    for _ in range(20):
        assert lab.hosts[0].reaches(lab.hosts[1].v4, mtu - 28)
        assert lab.hosts[1].reaches(lab.hosts[0].v6, mtu - 48)
    assert forwarded(lab) - before >= 80
    for port in lab.router.ports():
        assert port["emulator"]["illegal_uses"] == port["emulator"]["cable_lost_to_nic"] == 0
        assert port["mtu"] == mtu
    log = lab.router.log()
    assert "82599" in log and "emulated" in log


def test_link_follows_the_program(make_lab):
    """However it ends; and one at a time."""
    lab = make_lab()
    lab.start()
    one, two = lab.hosts
    for path in (one.wire, two.wire):
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    assert not lab.router.carrier("pl0") and not lab.router.carrier("pl1")
    one.plug_in()
    lab.wait_link(0, True)
    two.plug_in()
    lab.wait_through()
    second = two.run([WIRE_TAP, two.wire, "eth1"], check=False)
    assert second.returncode == 1 and "another program" in second.stderr
    lab.wait_through()
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        two.pull(how)
        lab.wait_link(1, False)
        assert lab.router.carrier("pl0")
        two.plug_in()
        lab.wait_link(1, True)
        lab.wait_through()


def test_path_is_checked(make_lab):
    """--check says of a path that cannot be had what the start says, and makes nothing."""
    lab = make_lab()
    folder, control = lab.folder, lab.folder / "run/socket"
    (folder / "file").touch()
    for path, reason, remedy in (
            (folder / "file", f"{folder}/file: exists and is not a socket", "remove it, or use another path"),
            (folder / "none/wire", f"{folder}/none/wire.lock: cannot open the wire's lock: No such file",
             "make the folder, or use another path")):
        args = [PEERLANED, "--control-socket", control, "--port", f"pl0=emu:w,wire={path}"]
        said = [lab.router.run([*args, *extra], check=False) for extra in (["--check"], [])]
        assert [done.returncode for done in said] == [1, 1], said
        for done in said:
            assert f"--port pl0=emu:w: {reason}" in done.stderr and remedy in done.stderr, done
        assert not lab.router.ip_json("link show type tun")
    # The control socket's folder is made at the start, and so is there for a wire.
    args = [PEERLANED, "--control-socket", folder / "made/socket", "--port", f"pl0=emu:w,wire={folder}/made/wire",
            "--check"]
    lab.router.run(args)
    assert not (folder / "made").exists()


def test_daemon_is_killed(make_lab):
    """The programs see it, and the next daemon takes the paths over."""
    lab = make_lab()
    for _ in range(3):
        lab.start()
        for host in lab.hosts:
            host.plug_in()
        lab.wait_through()
        lab.router.stop(signal.SIGKILL)
        for host in lab.hosts:
            assert host.process.wait(10) == 0
            assert host.wire.exists()
    lab.start()
    assert lab.router.stop()[0] == 0
    assert not list(lab.folder.glob("*.wire*")), "left behind by a daemon that ended well"


def test_path_is_another_daemons(make_lab):
    """A second daemon is told, and the first goes on."""
    lab = make_lab()
    lab.start()
    for host in lab.hosts:
        host.plug_in()
    lab.wait_through()
    control = lab.folder / "control2"
    second = lab.router.run([PEERLANED, "--control-socket", control, "--port",
                             f"other=emu:x,wire={lab.hosts[0].wire}"], check=False)
    assert second.returncode == 1 and "another NIC has this wire" in second.stderr, second.stderr
    lab.wait_through()
    assert os.path.exists(lab.hosts[0].wire)
