# SPDX-License-Identifier: BSD-2-Clause
"""Hosts around a router, each in a network namespace of its own.

    host 1            router                        host 2
    eth0 ---- veth ---- eth1 = pl0 | pl1 = eth2 ---- veth ---- eth0
    10.0.1.2            10.0.1.1     10.0.2.1            10.0.2.2
    fd00:1::2           fd00:1::1    fd00:2::1           fd00:2::2

The router runs peerlaned on eth1, eth2, ...; addresses and routes are on its TAPs pl0, pl1, ...
PEERLANE_PORTS says as what: afxdp, the default, or emu: each of them is the cable of an emulated NIC.
PEERLANE_MODE says where packets lie and who processes them: nic-cpu, the default, nic-cpu-gpu, or nic-gpu, for emu alone:
PEERLANE_ACCELERATOR (auto), whose program runs as PEERLANE_LAUNCH says (persistent).
Nothing here sleeps for a state: wait_until() looks until it is there or the time is up.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

BUILD = Path(os.environ.get("PEERLANE_BUILD", Path(__file__).parents[2] / "build")).absolute()
PEERLANED = Path(os.environ.get("PEERLANED", BUILD / "router/control/peerlaned"))
PEERLANE = Path(os.environ.get("PEERLANE", BUILD / "cli/peerlane"))
FLOOD = BUILD / "bench/net/flood"
SINK = BUILD / "bench/net/sink"
PORT_KINDS = ("afxdp", "emu")
PORTS = os.environ.get("PEERLANE_PORTS", "afxdp")
if PORTS not in PORT_KINDS:
    raise SystemExit(f"PEERLANE_PORTS={PORTS}: none of {', '.join(PORT_KINDS)}")
EMULATED = PORTS == "emu"
MODE = os.environ.get("PEERLANE_MODE", "nic-cpu")
ACCELERATED = MODE in ("nic-cpu-gpu", "nic-gpu")
REMOTE = MODE == "nic-gpu"  # packets lie in the accelerator's memory
# The daemon's options for that, and where drivers keep what they compile: once for all labs.
MODE_OPTIONS = ["--mode", MODE]
if ACCELERATED:
    MODE_OPTIONS += ["--accelerator", os.environ.get("PEERLANE_ACCELERATOR", "auto"),
                     "--launch", os.environ.get("PEERLANE_LAUNCH", "persistent")]
CACHE = BUILD / "accelerator-cache"
PUNT_LIMITS = ["ArpNd", "ArpNdNew", "Routing", "RoutingNew", "Tcp", "Local", "Ttl", "Mtu", "NoRoute",
               "Unresolved", "Other"]

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """In a child before exec: a killed test run leaves no process behind."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def device(interface, kind=PORTS):
    """What Device= says of a port that has this interface of the router."""
    return f"{kind}:{interface}"


def wait_until(condition, what, timeout_s=30, every_s=0.02):
    """Returns the first true value of condition(); AssertionError with `what`, a text or a function
    that makes one, if none comes."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(every_s)


def namespace_name(what):
    """A name by which sweep() knows whose it is."""
    return f"pl{os.getpid()}-{what}"


class Namespace:
    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        # Statistics and neighbour timers are the test's business; addresses appear at once.
        self.sysctl("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv6.conf.default.accept_ra=0", "net.ipv4.icmp_ratelimit=0",
                    "net.ipv6.icmp.ratelimit=0", "net.ipv4.ping_group_range=0 0")
        self.ip("link set lo up")

    def delete(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def command(self, args):
        args = args.split() if isinstance(args, str) else [str(a) for a in args]
        return ["ip", "netns", "exec", self.name, *args]

    def run(self, args, check=True, timeout=60, **kwargs):
        """Runs a command (a string is split at blanks), returns the CompletedProcess."""
        done = subprocess.run(self.command(args), text=True, capture_output=True, timeout=timeout,
                              stdin=kwargs.pop("stdin", subprocess.DEVNULL)
                              if "input" not in kwargs else None,
                              preexec_fn=die_with_parent, **kwargs)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {args}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def popen(self, args, **kwargs):
        return subprocess.Popen(self.command(args), preexec_fn=die_with_parent, **kwargs)

    def ip(self, args, check=True):
        done = subprocess.run(["ip", "-n", self.name, *args.split()], text=True,
                              capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: ip {args}: {done.stderr}")
        return done.stdout

    def ip_json(self, args):
        return json.loads(self.ip(f"-j -d {args}") or "[]")

    def sysctl(self, *settings):
        self.run(["sysctl", "-qw", *settings])

    @contextlib.contextmanager
    def entered(self):
        """This thread's new sockets belong to the namespace."""
        with open("/proc/thread-self/ns/net") as back, \
             open(f"/run/netns/{self.name}") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
            try:
                yield
            finally:
                libc.setns(back.fileno(), CLONE_NEWNET)

    def socket(self, *args):
        with self.entered():
            return socket.socket(*args)

    def mac(self, device="eth0"):
        return self.ip_json(f"link show {device}")[0]["address"]

    def carrier(self, device):
        return "LOWER_UP" in self.ip_json(f"link show {device}")[0]["flags"]


class Host(Namespace):
    """A machine at router port `number` (from 1)."""

    def __init__(self, name, number, router, queues, mtu):
        super().__init__(name)
        self.number = number
        self.v4, self.v6 = f"10.0.{number}.2", f"fd00:{number}::2"
        self.gateway4, self.gateway6 = f"10.0.{number}.1", f"fd00:{number}::1"
        q = f"numrxqueues {queues} numtxqueues {queues}"
        self.ip(f"link add eth0 mtu {mtu} {q} type veth "
                f"peer name eth{number} mtu {mtu} netns {router.name} {q}")
        # TCP over AF_XDP needs checksums that are really in the packet.
        self.run("ethtool -K eth0 tx off")
        self.ip("link set eth0 up")
        self.ip(f"addr add {self.v4}/24 dev eth0")
        self.ip(f"addr add {self.v6}/64 dev eth0")
        self.ip(f"route add default via {self.gateway4}")
        self.ip(f"route add default via {self.gateway6}")

    def addr(self, family):
        return self.v4 if family == 4 else self.v6

    def gateway(self, family):
        return self.gateway4 if family == 4 else self.gateway6

    def ping(self, to, count=3, interval_s=0.02, wait_s=2, options=()):
        """Returns how many of `count` echo requests were answered, and the output.

        Once it has had an answer, ping waits for the last one no longer than an interval, which on a
        loaded machine is not enough; with a deadline it waits, and goes on asking. Answers to what it
        asks then do not count."""
        deadline = ["-w", 10] if count > 1 and wait_s >= 2 else []
        done = self.run(["ping", "-n", "-c", count, "-i", interval_s, "-W", wait_s, *deadline,
                         *options, to], check=False, timeout=60)
        answered = {int(seq) for seq in re.findall(r"bytes from.* icmp_seq=(\d+) ttl", done.stdout)}
        return sum(seq <= count for seq in answered), done.stdout + done.stderr

    def reaches(self, to, **kwargs):
        return self.ping(to, count=1, wait_s=0.3, **kwargs)[0] == 1


class Router(Namespace):
    def __init__(self, name, folder, kind=PORTS):
        super().__init__(name)
        self.folder = folder
        self.control = folder / "control"
        self.log_path = folder / "log"
        self.daemon = None
        self.started = 0
        self.kind = kind
        self.environment = {"CACHE_DIRECTORY": str(CACHE)}  # of the daemon, beside this process's own

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def arguments(self, ports, planes=1, options=(), port_options="", mode=MODE_OPTIONS):
        """Of the daemon; `port_options` are every port's: ",mtu=3000"."""
        args = [PEERLANED, "--control-socket", self.control, "--planes", planes, *mode, *options]
        for i in range(ports):
            args += ["--port", f"pl{i}={device(f'eth{i + 1}', self.kind)}{port_options}"]
        return args

    def start(self, args, timeout_s=60):
        """Starts the daemon and waits until it tells (as it would tell systemd) that it is ready."""
        path = self.folder / f"notify{self.started}"
        self.started += 1
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(path))
        notify.settimeout(0.1)
        env = dict(os.environ, NOTIFY_SOCKET=str(path), **self.environment)
        with open(self.log_path, "a") as log:
            self.daemon = self.popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                     env=env)
        end = time.monotonic() + timeout_s
        told = b""
        while b"READY=1" not in told:
            if self.daemon.poll() is not None:
                raise AssertionError(f"peerlaned ended with {self.daemon.returncode}:\n"
                                     f"{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"peerlaned not ready in {timeout_s} s:\n{self.log()}")
            with contextlib.suppress(TimeoutError):
                told += notify.recv(4096)
        notify.close()

    def stop(self, how=signal.SIGTERM, timeout_s=30):
        """Returns exit status and how long it took."""
        begin = time.monotonic()
        self.daemon.send_signal(how)
        status = self.daemon.wait(timeout_s)
        self.daemon = None
        return status, time.monotonic() - begin

    def peerlane(self, *args, check=True):
        done = subprocess.run([str(a) for a in (PEERLANE, "-s", self.control, *args)], text=True,
                              capture_output=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"peerlane {args}: exit {done.returncode}\n{done.stdout}"
                                 f"{done.stderr}")
        return done

    def show(self, *what):
        return json.loads(self.peerlane("-j", "show", *what).stdout)

    def counter(self, name):
        """Packets punted or dropped for a reason, over all planes."""
        return next(c["total"] for c in self.show("counters")["counters"] if c["name"] == name)

    def ports(self):
        return self.show("ports")["ports"]

    def plane_packets(self):
        """Packets that each plane has received on all its ports."""
        return [sum(port["rx_packets"] for port in plane["ports"])
                for plane in self.show("planes")["planes"]]

    def route_count(self, family):
        return self.show("sync")["tables"][f"routes{family}"]

    def answer(self, address):
        """(gateway, device) of the router's route to an address, None if it has none."""
        told = self.show("route", str(address))
        if not told["route"] or told["route"]["type"] != "unicast":
            return None
        hop = told["route"]["hops"][0]
        return hop["gateway"], hop["device"]

    def wait_counter(self, name, at_least, timeout_s=30):
        wait_until(lambda: self.counter(name) >= at_least, f"counter {name} >= {at_least}",
                   timeout_s)

    def wait_route(self, prefix, timeout_s=30):
        """Until the tables hold a route to this prefix."""
        wait_until(lambda: any(route["prefix"] == prefix and route["installed"]
                               for route in self.show("routes")["routes"]),
                   f"route {prefix}", timeout_s)

    def wait_next_hop(self, address, device, timeout_s=30):
        """Until the usable paths to an address lead out of this device alone."""
        def devices():
            route = self.show("route", address)["route"]
            return route and [hop["device"] for hop in route["hops"] if hop["usable"]] == [device]

        wait_until(devices, f"{address} goes out of {device}", timeout_s)

    def wait_neighbour(self, address, mac, timeout_s=30):
        """Until the router uses this MAC for the address; None: until it knows none."""
        def known():
            macs = [n["mac"] for n in self.show("neighbors")["neighbors"]
                    if n["address"] == address and n["usable"]]
            return macs == ([mac] if mac else [])

        wait_until(known, f"neighbour {address} at {mac}", timeout_s)


class Lab:
    """`hosts` machines around a router, each of whose ports has `queues` queues and is of a kind.
    Use as a context manager."""

    count = 0

    def __init__(self, hosts=2, queues=1, mtu=1500, kind=PORTS):
        Lab.count += 1
        self.name = namespace_name(Lab.count)
        self.cleanup = contextlib.ExitStack()
        self.tools = []
        try:
            self.folder = Path(self.cleanup.enter_context(
                tempfile.TemporaryDirectory(prefix="peerlane-lab-")))
            self.router = Router(f"{self.name}-r", self.folder, kind)
            if kind == "emu":
                queues = 1  # of the cable; the NIC has its own
            self.cleanup.callback(self.router.delete)
            # Of the devices underneath nothing but frames is wanted: no addresses.
            self.router.sysctl("net.ipv6.conf.default.addr_gen_mode=1")
            self.hosts = []
            for number in range(1, hosts + 1):
                host = Host(f"{self.name}-h{number}", number, self.router, queues, mtu)
                self.cleanup.callback(host.delete)
                self.hosts.append(host)
                self.router.sysctl(f"net.ipv6.conf.eth{number}.disable_ipv6=1")
                self.router.ip(f"link set eth{number} up")
            self.router.sysctl("net.ipv6.conf.default.addr_gen_mode=0")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in [*self.tools, getattr(self, "router", None) and self.router.daemon]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.cleanup.close()

    def without_limits(self):
        """Options for start(): the router hands to its kernel whatever comes, as fast as it comes.
        For tests that send more of a kind at once than the limits on punts let through."""
        path = self.folder / "unlimited.conf"
        path.write_text("[PuntLimits]\n" + "".join(f"{key}=no\n" for key in PUNT_LIMITS))
        return ["-c", path]

    def start(self, planes=1, options=(), port_options="", mode=MODE_OPTIONS):
        """Starts the router, gives its TAPs their addresses, waits until hosts are reached."""
        self.router.start(self.router.arguments(len(self.hosts), planes, options, port_options, mode))
        self.configure()

    def configure(self):
        for i, host in enumerate(self.hosts):
            self.router.ip(f"addr replace {host.gateway4}/24 dev pl{i}")
            self.router.ip(f"addr replace {host.gateway6}/64 dev pl{i} nodad")
            self.router.ip(f"link set pl{i} up")
        for host in self.hosts:
            for family in (4, 6):
                wait_until(lambda h=host, f=family: h.reaches(h.gateway(f)),
                           f"host {host.number} reaches the router by IPv{family}")

    def popen(self, namespace, args, **kwargs):
        process = namespace.popen(args, **kwargs)
        self.tools.append(process)
        return process

    def iperf(self, client, server, to, seconds=2, options=()):
        """One TCP stream; returns iperf3's result."""
        serving = self.popen(server, ["iperf3", "-s", "-1", "--forceflush"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in serving.stdout:
            if "listening" in line:
                break
        done = client.run(["iperf3", "-J", "-c", to, "-t", seconds, *options], check=False,
                          timeout=seconds + 30)
        serving.communicate(timeout=10)
        result = json.loads(done.stdout)
        assert "error" not in result, result.get("error")
        return result

    def sink(self, host):
        return Sink(self, host)

    def flood_command(self, source, target, family=4, length=None, **options):
        """The generator's command line; options are its own (see flood.c). Frames are the shortest
        that hold the number. It stays on core 0; planes take the highest-numbered ones. `to`: an
        address other than the target's own."""
        length = length or {4: 64, 6: 70}[family]
        destination = options.pop("to", None) or target.addr(family)
        gateway = options.pop("gateway_mac", None) or self.router.mac(f"pl{source.number - 1}")
        args = ["taskset", "-c", 0, FLOOD, "--device", "eth0", "--gateway-mac", gateway, "--source",
                source.addr(family), "--destination", destination, "--length", length]
        for name, value in options.items():
            args += [f"--{name}", value]
        return [str(arg) for arg in args]

    def flood(self, source, target, **options):
        """Floods, returns what was sent."""
        done = source.run(self.flood_command(source, target, **options), timeout=600)
        return json.loads(done.stdout)["sent"]


class Sink:
    """Counts what a host receives of a flood, in the driver; the host's other traffic passes."""

    def __init__(self, lab, host):
        self.process = lab.popen(host, [SINK, "eth0"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True, bufsize=1)
        self.last = self.read_line()

    def read_line(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the sink ended")
        return json.loads(line)

    def counters(self):
        self.process.stdin.write("\n")
        self.last = self.read_line()
        return self.last

    def settled(self):
        """Counters once nothing more comes in."""
        before = self.counters()
        while True:
            time.sleep(0.1)
            after = self.counters()
            if after["packets"] == before["packets"]:
                return after
            before = after

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def icmp_error(host, to, size=64, ttl=None, dont_fragment=None, timeout_s=10):
    """Sends one UDP packet; returns the ICMP error it earns: (type, code, sender, info).

    `info` is the MTU of Fragmentation Needed and Packet Too Big. None if no error comes. The
    host's kernel has matched the error with the socket by the packet it quotes.
    """
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    udp = host.socket(family, socket.SOCK_DGRAM)
    with udp:
        if family == socket.AF_INET:
            level, receive_errors = socket.IPPROTO_IP, 11  # IP_RECVERR
            if dont_fragment is not None:  # IP_MTU_DISCOVER: IP_PMTUDISC_PROBE or _DONT
                udp.setsockopt(level, 10, 3 if dont_fragment else 0)
            if ttl is not None:
                udp.setsockopt(level, socket.IP_TTL, ttl)
        else:
            level, receive_errors = socket.IPPROTO_IPV6, 25  # IPV6_RECVERR
            udp.setsockopt(level, 23, 3)  # IPV6_MTU_DISCOVER: the device's MTU, whatever is known
            if ttl is not None:
                udp.setsockopt(level, socket.IPV6_UNICAST_HOPS, ttl)
        udp.setsockopt(level, receive_errors, 1)
        udp.settimeout(0)
        udp.sendto(bytes(size), (to, 33434))
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                _, ancillary, _, _ = udp.recvmsg(0, 512, 0x2000)  # MSG_ERRQUEUE
                return parse_icmp_error(family, ancillary[0][2])
            time.sleep(0.005)
    return None


def parse_icmp_error(family, data):
    """struct sock_extended_err and the offender's address behind it (ip(7))."""
    _, _, kind, code, _, info, _ = struct.unpack("=IBBBBII", data[:16])
    if family == socket.AF_INET:
        sender = socket.inet_ntop(family, data[20:24])
    else:
        sender = socket.inet_ntop(family, data[24:40])
    return kind, code, sender, info


def sweep():
    """Deletes namespaces of lab runs that were killed before they could clean up."""
    listed = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True)
    for line in listed.stdout.splitlines():
        name = line.split()[0]
        owner = re.fullmatch(r"pl(\d+)-(\w+-[rh]\d*|mirror|peers|(kmod|vfio)\d)", name)
        if owner and not Path(f"/proc/{owner.group(1)}").exists():
            # Daemons that changed their user are out of reach of die_with_parent().
            inside = subprocess.run(["ip", "netns", "pids", name], text=True, capture_output=True,
                                    check=False)
            for pid in inside.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False)
