# SPDX-License-Identifier: BSD-2-Clause
"""Hosts around a router whose ports are emulated NICs with shared wires (Wire=): wire_tap puts each host at
the far end of one by a TAP interface, or another program takes its place.
"""

import signal
import subprocess
import tempfile
from pathlib import Path

from lab import BUILD, MODE_OPTIONS, PEERLANED, Namespace, Router, wait_until

WIRE_TAP = BUILD / "tests/lab/wire_tap"


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
        return self.run(["ping", "-n", "-c", 1, "-W", 1, "-s", size, "-M", "do", to],
                        check=False).returncode == 0


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

    def start(self, options=MODE_OPTIONS):
        args = [PEERLANED, "--control-socket", self.router.control, *options]
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
