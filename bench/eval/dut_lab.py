# SPDX-License-Identifier: BSD-2-Clause
"""Peerlane, or the kernel, on devices that are there, between two hosts that have the interfaces cabled to them.

Router and hosts have a namespace each, and in it what interfaces they use, so that frames cross the cables though
both ends are one machine's. At the end all comes back; of a run that is killed L.sweep() deletes the namespaces, and
the kernel gives back what was in them, virtual interfaces apart. What was changed of an interface stays then: the
number of its queues and their interrupts, UDP's hash (ethtool -L, -N), a program of XDP (ip link set IFNAME xdp off),
NAPI's threads (/sys/class/net/IFNAME/threaded).
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
from pathlib import Path

import lab as L
from bench import attach, napi_threads

LINK_S = 30  # NICs take seconds to agree with each other on a speed
INTERFACES = Path("/sys/class/net")
IRQS = Path("/proc/irq")
LINE_MBPS = 10_000  # what figures and page call line rate, measure.LINE_BPS


class WrongSpeed(AssertionError):
    """Of a link: another try would find it again."""


def ip_json(*args):
    """What `ip` says here, or AssertionError with why not."""
    done = subprocess.run(["ip", "-j", *args], text=True, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(" ".join(done.stderr.split()))
    return json.loads(done.stdout)


def interface_of(device):
    """Of this namespace, that Device= names; None if it names none."""
    kind, _, rest = device.partition(":")
    name = rest.split(",")[0]
    try:
        socket.if_nametoindex(name)
    except OSError:
        return None
    return name if kind in L.PORT_KINDS else None


def driver_of(interface):
    told = subprocess.run(["ethtool", "-i", interface], text=True, capture_output=True, check=False)
    found = re.search(r"^driver: (.+)$", told.stdout, re.M)
    return found.group(1) if found else "no driver"


def default_route(interface):
    """Whether a default route of this namespace leads out of it, of whatever table and family."""
    routes = [route for family in "46" for route in ip_json(f"-{family}", "route", "show", "table", "all", "default")]
    return any(interface == hop.get("dev") for route in routes for hop in (route, *route.get("nexthops", ())))


def made_of(interface):
    """What there is on top of it but for a master: VLANs and the like. (Two ends of a veth name each other, too.)"""
    return [link["ifname"] for link in ip_json("-d", "link") if interface == link.get("link")
            and link.get("linkinfo", {}).get("info_kind") != "veth"]


def has_connections(interface):
    """Whether somebody is connected by a link-local address, as ssh may be. (What has others is not taken anyway.)"""
    told = subprocess.run(["ss", "-Htn", "state", "established"], text=True, capture_output=True, check=True).stdout
    return f"]%{interface}:" in told


def in_use(interface):
    """Why it is not to be taken away from this namespace, and the way out; or None."""
    try:
        told, = ip_json("addr", "show", "dev", interface)
        name = told["ifname"]
        if default_route(name):
            return f"{name} carries the default route: reach the machine another way first, or use another interface"
        if "master" in told:
            return f"{name} belongs to {told['master']}: ip link set {name} nomaster"
        if "xdp" in told:
            return f"{name} has a program of XDP, which is somebody's; if nobody's: ip link set {name} xdp off"
        if above := made_of(name):
            return f"{', '.join(above)} is on top of {name}: ip link delete {above[0]}, or use another interface"
        if has_connections(name):
            return f"{name} carries TCP connections: end them (ss -tn), or use another interface"
    except AssertionError as error:
        return str(error)
    # Link-local ones of IPv6 the kernel makes itself, and makes again.
    if any(one["family"] == "inet" or one["scope"] != "link" for one in told["addr_info"]):
        return f"{name} has addresses and may be in use; if nothing needs them: ip addr flush dev {name}"
    return None


def speed_mbps(namespace, interface):
    """Of the link that an interface of the namespace has, or None: not every driver tells."""
    told = namespace.run(["cat", f"/sys/class/net/{interface}/speed"], check=False).stdout.strip()
    return int(told) if told.isdecimal() and 0 < int(told) < 2**32 - 1 else None


def check_speeds(speeds):
    """WrongSpeed if a link's, {interface: Mb/s or None}, is known and not that for which line rate is drawn."""
    for interface, mbps in speeds.items():
        if mbps not in (None, LINE_MBPS):
            raise WrongSpeed(f"{interface} has a link of {mbps} Mb/s, but {LINE_MBPS} Mb/s are offered and drawn as "
                             f"line rate: ethtool -s {interface} speed {LINE_MBPS}, or eval.py --any-speed (EVAL_ARGS)")


@contextlib.contextmanager
def one_queue(interface):
    """The generator has one, and RSS must not give frames to others."""
    told = subprocess.run(["ethtool", "-l", interface], text=True, capture_output=True, check=False)
    now = re.search(r"^Current hardware settings:.*^Combined:\s+(\d+)", told.stdout, re.S | re.M)
    if not now or now.group(1) == "1":
        yield
        return
    subprocess.run(["ethtool", "-L", interface, "combined", "1"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ethtool", "-L", interface, "combined", now.group(1)], check=False)


def udp_hash(interface, *fields):
    """What of UDP over IPv4 the queue depends on, as `ethtool -n` has it, after it has been set if it was to be."""
    if fields:
        subprocess.run(["ethtool", "-N", interface, "rx-flow-hash", "udp4", *fields], capture_output=True, check=False)
    told = subprocess.run(["ethtool", "-n", interface, "rx-flow-hash", "udp4"], text=True, capture_output=True,
                          check=False)
    return set(filter(None, told.stdout.splitlines()[1:])) if told.returncode == 0 else set()


@contextlib.contextmanager
def hashed_by_ports(interface):
    """Its driver in the kernel spreads UDP over the queues by ports, too. By addresses alone, as most do, all flows of
    two hosts come to one plane. Yields whether it does; one that hashes otherwise, or cannot, is left as it is."""
    usual = udp_hash(interface)
    if usual != {"IP SA", "IP DA"}:
        yield any("L4" in field for field in usual)
        return
    try:
        yield len(udp_hash(interface, "sdfn")) == 4
    finally:
        udp_hash(interface, "sd")


def here(args, check=True):
    """As Namespace.run(), in the namespace of this process."""
    done = subprocess.run([str(a) for a in args], text=True, capture_output=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def detach(run, interface):
    run(["ip", "link", "set", "dev", interface, "xdpdrv", "off"], check=False)


@contextlib.contextmanager
def placed_back(threads):
    """Afterwards they are allowed on those cores again on which they are now."""
    before = {thread: os.sched_getaffinity(thread) for thread in threads}
    try:
        yield
    finally:
        for thread, cores in before.items():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)


def vectors(interface):
    """Numbers of the interrupts of the NIC that it is of."""
    return sorted(int(path.name) for path in (INTERFACES / interface / "device/msi_irqs").glob("*"))


def core_mask(cores):
    """As the kernel reads them: words of 32 bits, the highest first."""
    mask = sum(1 << core for core in cores)
    words = [mask >> at & 0xffffffff for at in range(0, max(cores) + 1, 32)]
    return ",".join(f"{word:08x}" for word in reversed(words))


@contextlib.contextmanager
def interrupts_on(cores, interfaces):
    """Interrupts of these interfaces come to these cores, and so do those that drivers ask for meanwhile: of a NIC that
    was down all, and some do each time that a program of XDP comes or goes. Without cores all stays as it is."""
    default = IRQS / "default_smp_affinity"
    if not cores or not any(map(vectors, interfaces)):
        yield
        return
    usual, before = default.read_text(), {}
    try:
        default.write_text(core_mask(cores))
        for irq in (irq for interface in interfaces for irq in vectors(interface)):
            with contextlib.suppress(OSError):  # never asked for yet; or its driver leaves it to nobody
                before[irq] = (IRQS / str(irq) / "smp_affinity").read_text()
                (IRQS / str(irq) / "smp_affinity").write_text(core_mask(cores))
        yield
    finally:
        default.write_text(usual)
        for irq in (irq for interface in interfaces for irq in vectors(interface)):
            with contextlib.suppress(OSError):
                (IRQS / str(irq) / "smp_affinity").write_text(before.get(irq, usual))


@contextlib.contextmanager
def lent(interface, *namespaces):
    """It goes to the first of these, up, and comes back as it was from whichever has it then."""
    was_up = "UP" in ip_json("link", "show", "dev", interface)[0]["flags"]
    subprocess.run(["ip", "link", "set", interface, "netns", namespaces[0].name], check=True)
    try:
        namespaces[0].sysctl(f"net.ipv6.conf.{interface}.disable_ipv6=1")
        namespaces[0].ip(f"link set {interface} up")
        yield
    finally:
        for namespace in namespaces:
            namespace.ip(f"link set {interface} netns {os.getpid()}", check=False)
        if was_up:
            subprocess.run(["ip", "link", "set", interface, "up"], check=False)


class DutHost(L.Namespace):
    """At the router's port `number` (from 1)."""

    def __init__(self, name, number, interface):
        super().__init__(name)
        self.number, self.interface = number, interface
        self.v4, self.gateway4 = f"10.0.{number}.2", f"10.0.{number}.1"

    def configure(self):
        self.ip(f"addr add {self.v4}/24 dev {self.interface}")
        self.ip(f"route add default via {self.gateway4}")


class DutLab:
    def __init__(self, name, stack, devices, interfaces, interrupt_cores=(), planes=1):
        self.devices, self.ports = devices, ()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peerlane-eval-")))
        self.router = L.Router(f"{name}-r", folder)
        stack.callback(self.router.delete)
        self.hosts = []
        for number, interface in enumerate(interfaces, 1):
            host = DutHost(f"{name}-h{number}", number, interface)
            stack.callback(host.delete)
            self.hosts.append(host)
        self.lent_to_router = list(filter(None, map(interface_of, devices)))
        self.by_addresses = []  # who has all flows of two hosts come to one plane of several
        for interface in self.lent_to_router:
            if planes > 1 and not stack.enter_context(hashed_by_ports(interface)):
                self.by_addresses.append(interface)
            stack.enter_context(lent(interface, self.router))
        for host in self.hosts:
            stack.enter_context(one_queue(host.interface))  # which changes what interrupts there are
        stack.enter_context(interrupts_on(interrupt_cores, interfaces))
        for host in self.hosts:
            stack.enter_context(lent(host.interface, host, self.hosts[0]))
            host.configure()
        stack.callback(self.close)

    def start(self, options):
        """Peerlane forwards when this returns."""
        self.ports = ["pl0", "pl1"]
        args = [L.PEERLANED, "--control-socket", self.router.control, *options]
        for port, device in zip(self.ports, self.devices):
            args += ["--port", f"{port}={device}"]
        self.router.start(args)
        self.connect()

    @contextlib.contextmanager
    def kernel(self, program=None):
        """The kernel forwards, between interfaces, or a program of XDP on each. Yields the threads that do: those of
        NAPI, where drivers have it, else none."""
        self.ports = self.lent_to_router
        self.router.sysctl("net.ipv4.ip_forward=1")
        with contextlib.ExitStack() as stack:
            for port in self.ports:
                if program:
                    attach(self.router.run, port, program)
                    stack.callback(detach, self.router.run, port)
                stack.enter_context(self.threaded(port))
            self.connect()
            threads = [thread for port in self.ports for thread in napi_threads(port)]
            stack.enter_context(placed_back(threads))
            yield threads

    @contextlib.contextmanager
    def threaded(self, port):
        """Its NAPI, if it has it, runs in threads of its own."""
        switch = f"/sys/class/net/{port}/threaded"
        before = self.router.run(["cat", switch]).stdout.strip()
        self.router.run(["sh", "-c", f"echo 1 >{switch}"], check=False)
        try:
            yield
        finally:
            self.router.run(["sh", "-c", f"echo {before} >{switch}"], check=False)

    def connect(self):
        """Each port has its host, and both reach each other."""
        for host, port in zip(self.hosts, self.ports):
            self.router.ip(f"addr replace {host.gateway4}/24 dev {port}")
            self.router.ip(f"link set {port} up")
        one, two = self.hosts
        for host, port in zip(self.hosts, self.ports):
            L.wait_until(lambda h=host, p=port: h.carrier(h.interface) and self.router.carrier(p),
                         f"{host.interface} and {self.devices[host.number - 1]} have a link", LINK_S)
        L.wait_until(lambda: one.run(["ping", "-n", "-c", 1, "-W", 1, two.v4], check=False).returncode == 0,
                     lambda: f"{one.interface} reaches {two.interface} through the router; are they cabled to "
                     f"{' and '.join(self.devices)}, in this order?\n{self.router.log()}", LINK_S)

    def speeds(self):
        """{interface: Mb/s or None} of those there are at both ends; of a pci: device the other end tells."""
        ours = {name: speed_mbps(self.router, name) for name in self.lent_to_router}
        return ours | {host.interface: speed_mbps(host, host.interface) for host in self.hosts}

    def interrupts(self):
        """{interface: cores that its interrupts may come to, as the kernel writes them, or ""}."""
        places = [(self.router, name) for name in self.lent_to_router]
        found = {}
        for namespace, interface in [*places, *((host, host.interface) for host in self.hosts)]:
            folder = INTERFACES / interface / "device/msi_irqs"
            told = namespace.run(["ls", folder], check=False).stdout
            files = [IRQS / irq / "smp_affinity_list" for irq in told.split()]
            found[interface] = " ".join(sorted({file.read_text().strip() for file in files if file.exists()}))
        return found

    def join(self):
        """Both interfaces are in the namespace of host 1, which has no addresses any more: a generator's, which
        answers for them. The router keeps them as neighbours though the links' going makes it forget others."""
        one, two = self.hosts
        for host, port in zip(self.hosts, self.ports):
            mac = host.mac(host.interface)
            self.router.ip(f"neigh replace {host.v4} lladdr {mac} dev {port} nud permanent")
        two.ip(f"link set {two.interface} netns {one.name}")
        one.sysctl(f"net.ipv6.conf.{two.interface}.disable_ipv6=1")
        for host in self.hosts:
            one.ip(f"addr flush dev {host.interface}")
            one.ip(f"link set {host.interface} up")

    def close(self):
        if self.router.daemon and self.router.daemon.poll() is None:
            self.router.daemon.kill()
            self.router.daemon.wait()
