# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: a router between two ends, by which the generator sends and receives.

    wire   Peerlane on emulated 82599s, whose wires are memory shared with the generator; or no router at all
    veth   Peerlane, or a peer of bench/net, between veth interfaces; the generator's ends by AF_XDP
    dut    Peerlane on the devices that DUT= names (dut_setups.py); the generator's ends on two interfaces beside them

A set-up is started anew for each repetition. `with setup.running() as bench:` gives what measure.py asks.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
os.environ.setdefault("PEERLANE_BUILD", str(ROOT / "build-release"))
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "bench/net")]

import lab as L  # noqa: E402: found by the path above
import bench as net  # noqa: E402: likewise
from full_table import Table, prefixes  # noqa: E402
from wire_lab import WireLab  # noqa: E402

GEN = L.BUILD / "bench/gen/peerlane-gen"
MODES = ("nic-cpu", "nic-cpu-gpu", "nic-gpu")
HEADERS = 14 + 20 + 8 + 4  # of a ping in an Ethernet frame: MACs and type, IPv4, ICMP, FCS
RT_RUNTIME = Path("/proc/sys/kernel/sched_rt_runtime_us")
ECHO = L.BUILD / "bench/gen/echo"
STAND_INS = re.compile(r"emulator|accel\d|echo")  # threads that do what a NIC, or a GPU, would do beside the processor
FAR_MACS = ("02:00:00:00:ee:01", "02:00:00:00:ee:02")  # of the generator's ends on wires


class Cores:
    """Who runs where: each its own core if there are so many. Else the emulator and an accelerator's stand-in are
    with the planes, whose generator then is undisturbed, as one on another machine would be.

    Threads that share a core have it in turn, first in, first out: each goes on until it has nothing to do, for then
    it gives way. Left to itself the kernel has them wait for some milliseconds at a time, which is longer than
    queues hold, and it is that what would be measured. Not so (`turns`) where the kernel has to forward with them: what
    it leaves to ksoftirqd would wait for ever.
    """

    def __init__(self, planes=1, stand_ins=1, turns=True):
        allowed = sorted(os.sched_getaffinity(0))
        self.generator = allowed[0]
        self.shared = len(allowed) < 1 + planes + stand_ins
        self.turns = self.shared and turns
        self.planes = allowed[-planes:] if self.shared else allowed[1:1 + planes]  # where they are started
        self.stand_ins = {allowed[-1]} if self.shared else set(allowed[1 + planes:] if stand_ins else ())
        self.spare = sorted({*allowed} - {self.generator, *self.planes, *self.stand_ins})

    @contextlib.contextmanager
    def unthrottled(self):
        """Threads that take turns want their core all the time, of which the kernel takes 50 ms of every second from
        those of SCHED_FIFO, in one piece: it would be what the slowest frames wait for. Afterwards it is as it was."""
        if not self.turns:
            yield
            return
        before = RT_RUNTIME.read_text()
        RT_RUNTIME.write_text("-1")
        try:
            yield
        finally:
            RT_RUNTIME.write_text(before)

    def stand_in(self, name):
        """Where a thread that is one goes: the emulator, which otherwise is moved about, has the first of the cores."""
        cores = self.stand_ins or set(self.planes)
        first = {min(cores)}
        return first if name.startswith("emulator") else cores - first or first

    def place(self, pid):
        """The threads of a router."""
        for thread in thread_times(pid):
            name, number = thread.split("/")
            stands_in, shares = STAND_INS.match(name), self.shared and name.startswith("plane")
            if stands_in or shares:
                os.sched_setaffinity(int(number), self.stand_in(name))
            elif name == "offload" and not self.turns:  # which would not get a turn
                os.sched_setaffinity(int(number), set(self.planes))
            if self.turns and (stands_in or shares):
                os.sched_setscheduler(int(number), os.SCHED_FIFO, os.sched_param(1))

    def text(self, router="planes", stands_in="what stands in for NICs and a GPU"):
        """`router`: what there is of it."""
        emulated = ", ".join(str(core) for core in sorted(self.stand_ins))
        if not self.stand_ins:
            return f"generator on core {self.generator}, {router} from {self.planes[0]}"
        if self.turns:
            return (f"generator on core {self.generator}; {router} and {stands_in} take turns on core {emulated} "
                    "(SCHED_FIFO)")
        if self.shared:
            return f"generator on core {self.generator}; {router} and {stands_in} share core {emulated}"
        return (f"generator on core {self.generator}, {router} from {self.planes[0]}, {stands_in} on {emulated}")


def thread_times(pid):
    """CPU time in seconds of each thread of a process, by its name and number."""
    times = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            name = (task / "comm").read_text().strip()
            times[f"{name}/{task.name}"] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return times


class Bench:
    """A router that runs, and what its ends are. `pids`: whose CPU time is the router's."""

    def __init__(self, setup, source, target, pids):
        self.setup, self.source, self.target, self.pids = setup, source, target, pids
        self.destinations = ()
        self.load = None  # takes a number of routes; returns (file of prefixes, how many there are)

    def command(self, *options):
        return [str(a) for a in (GEN, "--quiet", "--json", "-", "--core", self.setup.cores.generator,
                                 "--tx", *self.source, *self.destinations, "--rx", *self.target, *options)]

    def start(self, *options):
        return subprocess.Popen(self.namespace(self.command(*options)), text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=L.die_with_parent)

    def namespace(self, command):
        """The command, as it is run where the ends are."""
        return command

    @staticmethod
    def result(process, timeout_s):
        out, err = process.communicate(timeout=timeout_s)
        if process.returncode not in (0, 2):  # 2: more was lost than asked for
            raise RuntimeError(f"peerlane-gen: exit {process.returncode}\n{err}")
        told = json.loads(out)
        told.pop("flows", None)
        return told

    def times(self):
        """CPU time of the router's threads in seconds, by name."""
        return {name: spent for pid in self.pids for name, spent in thread_times(pid).items()}


class Setup:
    """`key` names it in results; `title` in tables and figures; `emulated` says what is not real."""

    key = title = emulated = ""
    mode = None
    has_table = True  # of routes, which can be full
    direct = False  # whether the generator's ends put frames into the router's queues, with nothing between them
    planes = 1
    line_rate = True  # whether as much as 10 Gb/s carries is offered, or all that the generator has
    start_s = 0.6  # that a run of the generator takes beside its warm-up and duration
    seen = {}  # what showed only when it ran, as dut_setups.about() has it: {name: words}
    cores = Cores()

    def sizes(self, asked, repetition=0):
        """Of the frame sizes asked for, those to measure: all once; again, and of peers, the shortest, middle and
        longest; of several planes the shortest."""
        if self.planes > 1:
            return asked[:1]
        return asked if self.mode and not repetition else sorted({asked[0], asked[len(asked) // 2], asked[-1]})

    def name_planes(self):
        """Of several, after `cores` is known."""
        if self.planes > 1:
            self.key += f"-{self.planes}-planes"
            self.title += f", {self.planes} planes" + (" on one core" if self.cores.shared else "")

    def refill_s(self, n_routes):
        """A generator that joins brings the carrier, and with it the routes over that cable: for so long packets may
        still go the way through the kernel, where others overtake them."""
        return n_routes / 60_000

    def where(self):
        """Who runs on which core."""
        return self.cores.text()

    def why_not(self):
        """A reason not to measure it here, or None."""
        return None

    @contextlib.contextmanager
    def running(self, ping_sizes=(), ping_count=0):
        """Yields (Bench, {size: round-trip times in ms})."""
        raise NotImplementedError


def ping(lab, sizes, count):
    """The report's way: `count` echo requests of each size, from host 1 to host 2."""
    one, two = lab.hosts
    times = {}
    for size in sizes:
        done = one.run(["ping", "-n", "-i", 0.01, "-c", count, "-s", size - HEADERS, two.v4], check=False,
                       timeout=120)
        times[size] = [float(t) for t in re.findall(r"time=([\d.]+)", done.stdout)]
    return times


def check(options, ports):
    return subprocess.run([str(L.PEERLANED), *options, "--check", *(x for p in ports for x in ("--port", p))],
                          text=True, capture_output=True, check=False)


def refusal(options, ports):
    """Why peerlaned would not start like this, or None."""
    done = check(options, ports)
    return " ".join(done.stderr.split()) if done.returncode else None


def load_routes(router, gateway, device, count):
    """A table like the Internet's, of IPv4. Returns the file that names its prefixes, for the generator."""
    found = prefixes(count, 0)
    table = Table(router, {4: found[4], 6: []}, {4: [(gateway, device)], 6: []})
    table.add()
    if router.daemon:  # else the kernel's is the table
        L.wait_until(lambda: router.route_count(4) >= len(found[4]), f"{count} routes in the tables", 120, 0.2)
    path = router.folder / "prefixes"
    path.write_text("\n".join(found[4]) + "\n")
    return path, len(found[4])


# ---- Peerlane on emulated NICs ----

class Wire(Setup):
    direct = True

    def __init__(self, mode, accelerator=None, planes=1):
        self.mode, self.accelerator, self.planes = mode, accelerator, planes
        self.key = f"wire-{mode}"
        self.title = {"nic-cpu": "NIC-CPU", "nic-cpu-gpu": "NIC-CPU-GPU", "nic-gpu": "NIC-GPU"}[mode]
        self.emulated = "the NICs (82599, emulated) and the cable (shared memory)"
        if accelerator and accelerator.kind != "cuda":
            self.title += f" ({accelerator.kind}: no GPU)"
            self.emulated += f"; the GPU ({accelerator.words})"
        self.options = ["--mode", mode, *(["--accelerator", accelerator.name] if accelerator else [])]
        self.cores = Cores(planes, 2 if accelerator and accelerator.kind != "cuda" else 1)
        self.name_planes()

    def why_not(self):
        ports = [f"pl{i}=emu:wire{i},wire=/run/eval-{i}" for i in range(2)]
        return refusal(self.options, ports)

    @contextlib.contextmanager
    def running(self, ping_sizes=(), ping_count=0):
        with contextlib.ExitStack() as stack:
            lab = WireLab(L.namespace_name("eval"), stack, 1500)
            stack.callback(lab.close)
            lab.start([*self.options, "--cores", ",".join(str(c) for c in self.cores.planes),
                       "--planes", len(self.cores.planes)])
            times = self.ping(lab, ping_sizes, ping_count) if ping_count else {}
            self.cores.place(lab.router.daemon.pid)
            # The carrier's going makes the kernel forget neighbours, but for these.
            for host, mac in zip(lab.hosts, FAR_MACS):
                lab.router.ip(f"neigh replace {host.v4} lladdr {mac} dev pl{host.number - 1} nud permanent")
            ends = [[f"wire:{host.wire}", "--mac", mac, "--address", f"{host.v4}/24", "--gateway", host.gateway4]
                    for host, mac in zip(lab.hosts, FAR_MACS)]
            bench = Bench(self, *ends, [lab.router.daemon.pid])
            bench.destinations = ("--destinations", lab.hosts[1].v4)
            bench.load = lambda count: self.load(lab, count)
            yield bench, times
            assert lab.router.daemon.poll() is None, lab.router.log()
            lab.router.stop()

    @staticmethod
    def load(lab, count):
        """While the cable is plugged in: the router uses no routes over one that is not."""
        far = lab.hosts[1]
        far.plug_in()
        lab.wait_link(1, True)
        loaded = load_routes(lab.router, far.v4, "pl1", count)
        far.pull()
        lab.wait_link(1, False)
        return loaded

    @staticmethod
    def ping(lab, sizes, count):
        for host in lab.hosts:
            host.plug_in()
        lab.wait_through()
        times = ping(lab, sizes, count)
        for host in lab.hosts:
            host.pull()
        for port in (0, 1):
            lab.wait_link(port, False)
        return times


# ---- no router ----

class Bare(Setup):
    """A thread on the planes' core that sends back what comes over the wire: what the others' figures have in them of
    the generator, the wire and this machine."""

    key, title = "wire-bare", "no router"
    emulated = "the cable (shared memory); what sends back is neither NIC nor router"
    planes = 0
    has_table = False
    direct = True

    def sizes(self, asked, repetition=0):
        return sorted({asked[0], asked[-1]})

    def why_not(self):
        return None if ECHO.exists() else f"{ECHO} is not built"

    @contextlib.contextmanager
    def running(self, ping_sizes=(), ping_count=0):
        with tempfile.TemporaryDirectory(prefix="peerlane-bare-") as folder:
            wire = Path(folder) / "wire"
            echo = subprocess.Popen([ECHO, wire], preexec_fn=L.die_with_parent)
            try:
                L.wait_until(wire.exists, "the wire", 10)
                self.cores.place(echo.pid)
                end = [f"wire:{wire}", "--address", "10.0.1.2/24", "--gateway-mac", FAR_MACS[1]]
                bench = Bench(self, end, end[:1], [echo.pid])
                bench.destinations = ("--destinations", "10.0.2.2")
                yield bench, {}
                assert echo.poll() is None, "echo has ended"
            finally:
                echo.terminate()
                echo.wait()


# ---- Peerlane and others between veth interfaces ----

class Accelerated(net.Peerlane):
    def __init__(self, name, mode):
        super().__init__(name)
        self.mode = mode

    def start(self, lab):
        lab.start(options=["--cores", net.FORWARDER_CORE], mode=self.mode)
        self.process = lab.router.daemon


class VethBench(Bench):
    def namespace(self, command):
        return self.lab.hosts[0].command(command)


class Veth(Setup):
    """`peer` is one of bench/net's; `stands_in`: whether threads of its do a GPU's work."""

    line_rate = False
    direct = True

    def __init__(self, key, title, peer, mode=None, stands_in=False):
        self.key, self.title, self.peer, self.mode = f"veth-{key}", title, peer, mode
        self.cores = Cores(stand_ins=int(stands_in), turns=False)
        self.has_table = not isinstance(peer, net.L3fwd)  # the kernel's, or one that follows it
        self.emulated = "the cables (veth interfaces of the kernel)"

    def refill_s(self, n_routes):
        return 0  # the carrier stays

    def where(self):
        """AF_XDP's receiving is work of the kernel's for the router, wherever the sender is; a NAPI thread has its own
        place."""
        if isinstance(self.peer, net.Kernel):
            return self.cores.text("NAPI threads")
        return (self.cores.text("l3fwd" if isinstance(self.peer, net.L3fwd) else "planes", "what stands in for a GPU") +
                "; what the kernel does to receive by AF_XDP, on the generator's")

    def why_not(self):
        return self.peer.why_not(L.BUILD)

    @contextlib.contextmanager
    def running(self, ping_sizes=(), ping_count=0):
        with L.Lab() as lab:
            net.FORWARDER_CORE = self.cores.planes[0]
            self.peer.start(lab)
            net.prepare_hosts(lab, self.peer)
            times = ping(lab, ping_sizes, ping_count) if ping_count else {}
            if self.peer.process:
                self.cores.place(self.peer.process.pid)
            macs = [host.mac() for host in lab.hosts]
            one, two = lab.hosts
            two.ip(f"link set eth0 netns {one.name} name far0")
            for device in ("eth0", "far0"):
                one.ip(f"addr flush dev {device}")
                one.run(["ethtool", "-K", device, "gro", "on"])
                one.ip(f"link set {device} up")
            self.keep_neighbours(lab, macs)
            ends = [[f"afxdp:{device}", "--address", f"{host.v4}/24", "--gateway-mac",
                     self.peer.gateway_mac(lab, host.number)]
                    for host, device in zip(lab.hosts, ("eth0", "far0"))]
            bench = VethBench(self, *ends, self.pids(lab))
            bench.destinations = ("--destinations", two.v4)
            bench.lab = lab
            if self.has_table:
                bench.load = lambda count: load_routes(lab.router, two.v4, self.device(two), count)
            yield bench, times
            self.peer.stop(lab)
            self.peer.process = None

    def device(self, host):
        """The router's, as its tables have it."""
        return f"pl{host.number - 1}" if isinstance(self.peer, net.Peerlane) else f"eth{host.number}"

    def keep_neighbours(self, lab, macs):
        """Those that moved with their interface are the generator's now, which answers; but not all peers ask."""
        for host, mac in zip(lab.hosts, macs):
            if self.has_table:
                lab.router.ip(f"neigh replace {host.v4} lladdr {mac} dev {self.device(host)} nud permanent")

    def pids(self, lab):
        if self.peer.process:
            return [self.peer.process.pid]
        return [thread for device in ("eth1", "eth2") for thread in net.napi_threads(device)]


# ---- which there are ----

class Accelerator:
    """One that peerlane devices shows."""

    def __init__(self, kind, name, model):
        self.kind, self.name, self.model = kind, name, model
        self.words = f"threads of this machine's processor stand in: {name}" if kind != "cuda" else model


def accelerators():
    """(those that peerlane devices shows and that are there, or None; why they are not known)"""
    try:
        done = subprocess.run([str(L.PEERLANE), "-j", "devices"], text=True, capture_output=True, check=True)
        return [one for one in json.loads(done.stdout)["accelerators"] if one["there"]], None
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError) as error:
        return None, f"peerlane -j devices: {' '.join((getattr(error, 'stderr', None) or str(error)).split())}"


def find_accelerator(wanted):
    """The one named, as Accelerator= has them: a kind is the first of its. auto: a GPU by CUDA, or threads of the host,
    which are none. Exits, with what there is, if it is not there."""
    there, why = accelerators()
    kind = "cuda" if wanted == "auto" else wanted
    for one in there or ():
        if kind in (one["accelerator"], one["kind"]):
            return Accelerator(one["kind"], one["accelerator"] if wanted == "auto" else wanted, one["name"])
    if wanted != "auto":
        names = ", ".join(one["accelerator"] for one in there or ())
        sys.exit(f"eval.py: --accelerator {wanted}: {why or f'there is none; there are {names}'}")
    print(f"accelerator: threads of the host, for {why or 'there is no GPU by CUDA'}", file=sys.stderr)
    return Accelerator("host", "host", "this machine's processor")


def all_setups(accelerator):
    gpu = ["--mode", "nic-cpu-gpu", "--accelerator", accelerator.name]
    stand_in = "" if accelerator.kind == "cuda" else f" ({accelerator.kind}: no GPU)"
    return [
        Bare(),
        Wire("nic-cpu"),
        Wire("nic-cpu-gpu", accelerator),
        Wire("nic-gpu", accelerator),
        *(Wire(mode, accelerator if mode != "nic-cpu" else None, planes=2) for mode in MODES),
        Veth("nic-cpu", "NIC-CPU", net.Peerlane("Peerlane"), "nic-cpu"),
        Veth("nic-cpu-gpu", f"NIC-CPU-GPU{stand_in}", Accelerated("Peerlane, accelerator", gpu),
             "nic-cpu-gpu", stands_in=accelerator.kind != "cuda"),
        Veth("kernel", "Linux", net.Kernel("kernel, NAPI thread", threaded=True)),
        Veth("xdp", "XDP fib_lookup", net.XdpFib("XDP fib_lookup, NAPI thread", threaded=True)),
        Veth("l3fwd", "DPDK l3fwd", net.L3fwd()),
    ]
