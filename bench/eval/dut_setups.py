# SPDX-License-Identifier: BSD-2-Clause
"""Set-ups on devices that are there, which two interfaces are cabled to: Peerlane, and where the kernel drives the
devices, its own forwarding beside."""

import contextlib
import os
import re
from pathlib import Path

from setups import L, MODES, Cores, Setup, VethBench, check, load_routes, net, ping, refusal
from dut_lab import DutLab, check_speeds, detach, driver_of, here, in_use, interface_of  # setups has found the lab

LINK_UP_S = 6  # each run of the generator takes the links down: 4 to 8 s until NICs have agreed on a speed again


def has_device(interface):
    return Path(f"/sys/class/net/{interface}/device").exists()


def about(devices, interfaces):
    """What they are: {name: words}."""
    told = check([], [f"pl{i}={device}" for i, device in enumerate(devices)]).stdout
    words = dict(re.findall(r"^port pl(\d): (.*)$", told, re.M))
    return {f"cable_{i + 1}": f"{words.get(str(i), device)}, to {interface} ({driver_of(interface)})"
            for i, (device, interface) in enumerate(zip(devices, interfaces))}


class OnDevices(Setup):
    """`devices`: two, as Device= has them; `interfaces`: two that are cabled to them."""

    def __init__(self, devices, interfaces, any_speed, key, title):
        self.devices, self.interfaces, self.any_speed = devices, interfaces, any_speed
        self.key, self.title = f"dut-{key}", title
        self.cores = Cores(stand_ins=0)
        self.emulated = self.not_real()
        if any(map(has_device, interfaces)):
            self.start_s = LINK_UP_S

    def borrowed(self):
        """All interfaces that go to other namespaces for the time."""
        return [*filter(None, map(interface_of, self.devices)), *self.interfaces]

    def not_real(self, stand_in=None):
        virtual = [name for name in self.borrowed() if not has_device(name)]
        told = {
            "the NICs (82599, emulated)": any(device.startswith("emu:") for device in self.devices),
            f"the cables ({', '.join(virtual)}: interfaces without a device)": virtual,
            "this is a virtual machine: whatever of its NICs and cables its host emulates":
                re.search(r"^flags\s*:.*\bhypervisor\b", Path("/proc/cpuinfo").read_text(), re.M),
            f"the GPU ({stand_in and stand_in.words})": stand_in,
        }
        return "; ".join(words for words, so in told.items() if so) or "nothing"

    def why_not(self):
        return next(filter(None, map(in_use, self.borrowed())), None)

    def forwarding(self, lab):
        """A context in which the router forwards; yields whose CPU time is its."""
        raise NotImplementedError

    def place(self, pids):
        """Has them where they are to be, once the pings have been."""
        raise NotImplementedError

    def tell(self, lab):
        speeds = lab.speeds()
        self.seen = {"link_speed": ", ".join(f"{name}: {f'{mbps} Mb/s' if mbps else 'not known'}"
                                             for name, mbps in speeds.items()),
                     f"interrupts_{self.key.removeprefix('dut-')}": ", ".join(
                         f"{name}: " + (f"on {cores}" if cores else "not known")
                         for name, cores in lab.interrupts().items())}
        if lab.by_addresses:
            self.seen[f"hash_{self.key.removeprefix('dut-')}"] = \
                f"{', '.join(lab.by_addresses)}: by addresses alone, if at all: one plane has all flows of two hosts"
        if not self.any_speed:
            check_speeds(speeds)

    @contextlib.contextmanager
    def running(self, ping_sizes=(), ping_count=0):
        with contextlib.ExitStack() as stack:
            lab = DutLab(L.namespace_name("eval"), stack, self.devices, self.interfaces, self.cores.spare, self.planes)
            pids = stack.enter_context(self.forwarding(lab))
            self.tell(lab)
            times = ping(lab, ping_sizes, ping_count) if ping_count else {}
            self.place(pids)
            lab.join()
            ends = [[f"afxdp:{host.interface}", "--address", f"{host.v4}/24", "--gateway", host.gateway4]
                    for host in lab.hosts]
            bench = VethBench(self, *ends, pids)
            bench.destinations = ("--destinations", lab.hosts[1].v4)
            bench.lab = lab
            bench.load = lambda count: load_routes(lab.router, lab.hosts[1].v4, lab.ports[1], count)
            yield bench, times


class Dut(OnDevices):
    """Peerlane."""

    def __init__(self, devices, interfaces, mode, accelerator=None, any_speed=False, planes=1):
        super().__init__(devices, interfaces, any_speed, mode, mode.upper())
        self.mode, self.planes = mode, planes
        stand_in = accelerator if accelerator and accelerator.kind != "cuda" else None
        if stand_in:
            self.title += f" ({stand_in.kind}: no GPU)"
            self.emulated = self.not_real(stand_in)
        self.cores = Cores(planes, 1 if stand_in else 0)
        self.name_planes()
        self.options = ["--mode", mode, *(["--accelerator", accelerator.name] if accelerator else []),
                        "--planes", str(planes)]

    def why_not(self):
        used = super().why_not()
        if not used and self.planes > 1 and self.cores.shared:
            return "there are not as many cores that generator, planes and what stands in for a GPU have one each"
        return used or refusal(self.options, [f"pl{i}={device}" for i, device in enumerate(self.devices)])

    @contextlib.contextmanager
    def forwarding(self, lab):
        lab.start([*self.options, "--cores", ",".join(str(c) for c in self.cores.planes)])
        yield [lab.router.daemon.pid]
        assert lab.router.daemon.poll() is None, lab.router.log()
        lab.router.stop()

    def place(self, pids):
        self.cores.place(*pids)


class DutKernel(OnDevices):
    """Linux, or `program`, which forwards by its tables in XDP."""

    def __init__(self, devices, interfaces, key, title, any_speed=False, program=None):
        super().__init__(devices, interfaces, any_speed, key, title)
        self.cores = Cores(stand_ins=0, turns=False)
        self.program = program

    def refill_s(self, n_routes):
        return 0  # the kernel keeps routes over links that are down

    def where(self):
        return self.cores.text("NAPI threads")

    def why_not(self):
        if not all(device.startswith("afxdp:") for device in self.devices):
            return "the kernel forwards between devices that it drives: DUT=\"afxdp:IFNAME afxdp:IFNAME\""
        unknown = [device for device in self.devices if not interface_of(device)]
        if unknown:
            return f"there is no interface {', '.join(device.removeprefix('afxdp:') for device in unknown)}"
        return super().why_not() or (self.refused_by() if self.program else None)

    def refused_by(self):
        """The driver that does not take the program, and why."""
        for interface in map(interface_of, self.devices):
            try:
                net.attach(here, interface, self.program)
            except AssertionError as error:
                return f"{interface} ({driver_of(interface)}): {' '.join(str(error).split())}"
            finally:
                detach(here, interface)
        return None

    def forwarding(self, lab):
        return lab.kernel(self.program)

    def tell(self, lab):
        super().tell(lab)
        threads = {port: len(net.napi_threads(port)) for port in lab.ports}
        self.seen[f"threads_{self.key.removeprefix('dut-')}"] = ", ".join(
            f"{port}: {n} of NAPI" if n else f"{port}: none of NAPI, whose CPU time is not known"
            for port, n in threads.items())

    def place(self, pids):
        for pid in pids:
            os.sched_setaffinity(pid, set(self.cores.planes))


def dut_setups(devices, interfaces, accelerator, any_speed):
    modes = [Dut(devices, interfaces, mode, None if mode == "nic-cpu" else accelerator, any_speed, planes)
             for planes in (1, 2) for mode in MODES]
    return [*modes,
            DutKernel(devices, interfaces, "kernel", "Linux", any_speed),
            DutKernel(devices, interfaces, "xdp", "XDP fib_lookup", any_speed, L.BUILD / "bench/net/fib.bpf.o")]
