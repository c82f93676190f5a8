# SPDX-License-Identifier: BSD-2-Clause
"""Emulated NICs whose wires are memory shared with another program (Wire=): it comes, goes, is killed, and so
is the daemon. The program is wire_tap, which puts a host of the labs at the far end by a TAP interface."""

import contextlib
import os
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab import BUILD, MODE_OPTIONS, PEERLANED, Namespace, Router, namespace_name, wait_until

WIRE_TAP = BUILD / "tests/lab/wire_tap"
LONG_MTU = 9000


class WireHost(Namespace):
    """A machine at the far end of the wire of port `number` (from 1)."""

    def __init__(self, name, number, wire, mtu):
        super().__init__(name)
        self.number, self.wire, self.mtu = number, wire, mtu
        self.v4, self.gateway4 = f"10.0.{number}.2", f"10.0.{number}.1"
        self.v6, self.gateway6 = f"fd00:{number}::2", f"fd00:{number}::1"
        self.process = None
        self.ip("tuntap add eth0 mode tap")
        self.ip(f"link set eth0 mtu {mtu} up")
        for address in (f"{self.v4}/24", f"{self.v6}/64"):
            self.ip(f"addr add {address} dev eth0")
        for gateway in (self.gateway4, self.gateway6):
            self.ip(f"route add default via {gateway}")

    def plug_in(self):
        """Joins the wire. Returns once it has."""
        self.process = self.popen([WIRE_TAP, self.wire, "eth0"], text=True, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "joined\n"

    def pull(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(10)

    def reaches(self, to, size=56):
        return self.run(["ping", "-n", "-c", 1, "-W", 1, "-s", size, "-M", "do", to], check=False).returncode == 0


class WireLab:
    """Two hosts, and a router whose ports' wires are shared with them."""

    def __init__(self, name, stack, mtu):
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peerlane-wire-")))
        self.router = Router(f"{name}-r", self.folder)
        stack.callback(self.router.delete)
        self.mtu = mtu
        self.hosts = []
        for number in (1, 2):
            host = WireHost(f"{name}-h{number}", number, self.folder / f"pl{number - 1}.wire", mtu)
            stack.callback(host.delete)
            self.hosts.append(host)

    def start(self):
        args = [PEERLANED, "--control-socket", self.router.control, *MODE_OPTIONS]
        for i, host in enumerate(self.hosts):
            args += ["--port", f"pl{i}=emu:wire{i},wire={host.wire},mtu={self.mtu}"]
        self.router.start(args)
        for i, host in enumerate(self.hosts):
            self.router.ip(f"addr replace {host.gateway4}/24 dev pl{i}")
            self.router.ip(f"addr replace {host.gateway6}/64 dev pl{i} nodad")
            self.router.ip(f"link set pl{i} up")

    def wait_link(self, port, up):
        wait_until(lambda: self.router.carrier(f"pl{port}") == up,
                   f"carrier of pl{port} is {'on' if up else 'off'}")

    def wait_through(self, size=56):
        one, two = self.hosts
        for target in (two.v4, two.v6):
            wait_until(lambda to=target: one.reaches(to, size), f"host 1 reaches {target}")

    def close(self):
        for process in [*(host.process for host in self.hosts), self.router.daemon]:
            if process and process.poll() is None:
                process.kill()
                process.wait()


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
