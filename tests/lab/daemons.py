# SPDX-License-Identifier: BSD-2-Clause
"""BIRD 2 and FRR in the lab's namespaces, configured alike, without an init system.

    with Speakers() as speakers:
        bird = speakers.add("bird", namespace, Config(...))
        bird.established(2)

A Config says what a router shall do; Bird and Frr write it down in their languages. Every instance
has a folder of its own, with its sockets, which its daemons' user may read; they drop to the users
of Debian's packages, and end, by their process ids, with the Speakers.
"""

import contextlib
import dataclasses
import ipaddress
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from lab import wait_until

FRR = Path("/usr/lib/frr")
BIRD = shutil.which("bird") or "/usr/sbin/bird"
BIRDC = shutil.which("birdc") or "/usr/sbin/birdc"
VTYSH = shutil.which("vtysh") or "/usr/bin/vtysh"
BFD_MS = 100  # and three of them missing


def missing():
    """What is not installed, as a list."""
    return [str(path) for path in (BIRD, VTYSH, FRR / "zebra", FRR / "bgpd")
            if not Path(path).exists()]


def subnets(first, count):
    """`count` prefixes of the length of `first`, one after the other."""
    net = ipaddress.ip_network(first)
    step = 1 << (net.max_prefixlen - net.prefixlen)
    base = int(net.network_address)
    kind = type(net.network_address)
    return [f"{kind(base + i * step)}/{net.prefixlen}" for i in range(count)]


def family_of(prefix):
    return 6 if ":" in prefix else 4


@dataclasses.dataclass
class Peering:
    """A BGP session, as one end sees it."""
    address: str
    asn: int
    families: tuple = ()        # () : that of the address; (4, 6) over IPv6 is RFC 8950
    password: str = ""          # TCP MD5 (RFC 2385)
    gtsm: bool = False          # TTL security (RFC 5082)
    bfd: bool = False
    preference: int = 0         # of what it announces: the highest is used
    next_hop: str = ""          # announced instead of our own address
    next_hop_self: bool = False

    def carried(self):
        return self.families or (family_of(self.address),)


@dataclasses.dataclass
class Config:
    asn: int = 0
    router_id: str = ""
    peerings: list = dataclasses.field(default_factory=list)
    announced: list = dataclasses.field(default_factory=list)  # prefixes, both families
    ospf: dict = dataclasses.field(default_factory=dict)  # interface: cost
    ospf_type: str = "broadcast"  # or "point-to-point"
    ospf_hello_s: int = 1       # dead is four times that
    ospf_local: list = dataclasses.field(default_factory=list)  # prefixes on lo, announced
    multipath: bool = False
    learn: bool = False         # routes that others put into the kernel count for next hops
    hold_s: int = 30
    objects: bool = True        # FRR: routes over next hop objects, its default


class Speaker:
    """What both have: a folder, processes, an end."""

    def __init__(self, namespace, config, user):
        self.namespace, self.config = namespace, config
        self.folder = Path(tempfile.mkdtemp(prefix="peerlane-speaker-"))
        self.folder.chmod(0o755)
        owner = pwd.getpwnam(user)
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.processes = {}
        self.log = self.folder / "log"

    def run(self, name, args):
        with open(self.log, "a") as log:
            self.processes[name] = self.namespace.popen([str(a) for a in args], stdout=log,
                                                        stderr=log, stdin=subprocess.DEVNULL)

    def alive(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise AssertionError(f"{self.namespace.name}: {name} ended with "
                                     f"{process.returncode}:\n{self.log_tail()}")
        return True

    def log_tail(self):
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    def stop(self, how=signal.SIGTERM):
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(how)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = {}

    def freeze(self, frozen):
        """As if the machine hung: the daemons' sockets stay open, nobody answers."""
        for process in self.processes.values():
            process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def established(self, sessions, timeout_s=30):
        """Until so many BGP sessions are up."""
        wait_until(lambda: self.alive() and self.sessions_up() == sessions,
                   lambda: f"{self.namespace.name}: {sessions} BGP sessions up\n{self.summary()}",
                   timeout_s, 0.05)

    def bfd_established(self, sessions, timeout_s=20):
        """Until so many BFD sessions are up."""
        wait_until(lambda: self.alive() and self.bfd_up() == sessions,
                   lambda: f"{self.namespace.name}: {sessions} BFD sessions up\n"
                   f"{self.bfd_summary()}", timeout_s, 0.05)

    def adjacent(self, neighbours, timeout_s=30):
        """Until so many OSPF neighbours are full, of each version."""
        wait_until(lambda: self.alive() and self.ospf_full() == [neighbours] * 2,
                   lambda: f"{self.namespace.name}: {neighbours} OSPF neighbours full of each "
                   f"version\n{self.ospf_summary()}", timeout_s, 0.05)


# ---- BIRD ----

class Bird(Speaker):
    name = "bird"

    def __init__(self, namespace, config):
        super().__init__(namespace, config, "bird")
        self.conf = self.folder / "bird.conf"
        self.socket = self.folder / "bird.ctl"
        self.conf.write_text(config if isinstance(config, str) else bird_conf(config))

    def start(self):
        self.run("bird", [BIRD, "-f", "-c", self.conf, "-s", self.socket, "-P",
                          self.folder / "bird.pid", "-u", "bird", "-g", "bird"])
        wait_until(lambda: self.alive() and self.socket.exists() and
                   "BIRD" in self.birdc("show status"), "BIRD answers")

    def birdc(self, command):
        done = subprocess.run([BIRDC, "-s", str(self.socket), *command.split()], text=True,
                              capture_output=True, timeout=30, check=False)
        return done.stdout + done.stderr

    def configure(self, config):
        self.config = config
        self.conf.write_text(bird_conf(config))
        said = self.birdc("configure")
        assert "Reconfigur" in said, said

    def announce(self, prefixes):
        """Announces these prefixes and no others."""
        self.configure(dataclasses.replace(self.config, announced=prefixes))

    def sessions_up(self):
        return len(re.findall(r"BGP\s.*\bEstablished", self.birdc("show protocols")))

    def summary(self):
        return self.birdc("show protocols all") + self.log_tail()

    def bfd_summary(self):
        return self.birdc("show bfd sessions")

    def bfd_up(self):
        return len(re.findall(r"\bUp\b", self.birdc("show bfd sessions")))

    def ospf_full(self):
        return [self.birdc(f"show ospf neighbors ospf{version}").count("Full/")
                for version in (2, 3)]

    def ospf_summary(self):
        return self.birdc("show ospf neighbors ospf2") + self.birdc("show ospf neighbors ospf3")


def bird_conf(c):
    lines = [f"router id {c.router_id};",
             "protocol device { scan time 10; }",
             "protocol direct { ipv4; ipv6; interface \"-lo\", \"*\"; }"]
    for family in (4, 6):
        lines += [f"protocol kernel kernel{family} {{",
                  "  merge paths;" if c.multipath else "",
                  "  learn;" if c.learn else "",
                  "  scan time 10;",
                  f"  ipv{family} {{ import all; export where source != RTS_STATIC "
                  "&& source != RTS_DEVICE; };", "}"]
        prefixes = [p for p in c.announced if family_of(p) == family]
        if prefixes:
            lines += [f"protocol static static{family} {{ ipv{family};",
                      *(f"  route {p} blackhole;" for p in prefixes), "}"]
    if any(p.bfd for p in c.peerings):
        lines.append(f"protocol bfd {{ interface \"*\" {{ interval {BFD_MS} ms; "
                     "multiplier 3; }; }")
    for number, peering in enumerate(c.peerings):
        lines += bird_bgp(c, peering, f"bgp{number}")
    for version in (2, 3) if c.ospf else ():
        lines += bird_ospf(c, version)
    return "\n".join(line for line in lines if line) + "\n"


def bird_bgp(c, p, name):
    lines = [f"protocol bgp {name} {{",
             f"  local as {c.asn}; neighbor {p.address} as {p.asn};",
             f"  hold time {c.hold_s}; connect delay time 1; connect retry time 2;"
             " error wait time 1, 2; error forget time 1;",
             "  direct;" if p.gtsm else "",
             "  ttl security yes;" if p.gtsm else "",
             f"  password \"{p.password}\";" if p.password else "",
             "  bfd;" if p.bfd else ""]
    for family in p.carried():
        change = f"bgp_next_hop = {p.next_hop}; " if p.next_hop else ""
        prefer = f"bgp_local_pref = {p.preference}; " if p.preference else ""
        lines += [f"  ipv{family} {{", f"    import filter {{ {prefer}accept; }};",
                  f"    export filter {{ if source ~ [RTS_STATIC, RTS_BGP] then "
                  f"{{ {change}accept; }} reject; }};",
                  "    extended next hop;" if family == 4 and family_of(p.address) == 6 else "",
                  "    next hop self;" if p.next_hop_self else "",
                  "  };"]
    return [*lines, "}"]


def bird_ospf(c, version):
    family = {2: 4, 3: 6}[version]
    kind = {"broadcast": "bcast", "point-to-point": "ptp"}[c.ospf_type]
    hello, dead = c.ospf_hello_s, 4 * c.ospf_hello_s
    lines = [f"protocol ospf v{version} ospf{version} {{",
             f"  ecmp {'yes' if c.multipath else 'no'};",
             f"  ipv{family} {{ import all; export none; }};", "  area 0 {"]
    for interface, cost in c.ospf.items():
        lines.append(f"    interface \"{interface}\" {{ type {kind}; cost {cost}; hello {hello}; "
                     f"dead {dead}; wait {dead}; }};")
    # Not `interface "lo" { stub; }`: OSPFv3 wants a link-local address, which lo has not.
    # The costs are those that FRR's loopbacks have.
    lines += [f"    stubnet {p} {{ cost {0 if version == 2 else 10}; }};"
              for p in c.ospf_local if family_of(p) == family]
    return [*lines, "  };", "}"]


# ---- FRR ----

class Frr(Speaker):
    name = "frr"

    def __init__(self, namespace, config):
        super().__init__(namespace, config, "frr")
        text = config if isinstance(config, str) else frr_conf(config)
        self.daemons = ["zebra", "staticd"]
        self.daemons += [daemon for daemon, word in (("bgpd", "router bgp"),
                                                     ("ospfd", "router ospf\n"),
                                                     ("ospf6d", "router ospf6"),
                                                     ("bfdd", "bfd\n")) if word in text]
        (self.folder / "frr.conf").write_text(text)
        (self.folder / "vtysh.conf").write_text("")

    def start(self):
        for daemon in self.daemons:
            options = ["-f", "/dev/null", "-i", self.folder / f"{daemon}.pid", "-z",
                       self.folder / "zserv.api", "--vty_socket", self.folder, "-P", 0,
                       "--log", "stdout"]
            if daemon == "bfdd":
                options += ["--bfdctl", self.folder / "bfdd.sock"]
            self.run(daemon, [FRR / daemon, *options])
            wait_until(lambda d=daemon: self.alive() and (self.folder / f"{d}.vty").exists(),
                       f"FRR's {daemon} listens")
        done = self.shell("-b")
        assert done.returncode == 0, done.stdout + done.stderr

    def shell(self, *args):
        return subprocess.run([VTYSH, "--vty_socket", str(self.folder), "--config_dir",
                               str(self.folder), *args], text=True, capture_output=True,
                              timeout=60, check=False)

    def vtysh(self, *commands):
        done = self.shell(*(word for command in commands for word in ("-c", command)))
        return done.stdout + done.stderr

    def vtysh_json(self, command):
        try:
            return json.loads(self.shell("-c", command).stdout)
        except json.JSONDecodeError:
            return {}

    def announce(self, prefixes):
        """Announces these prefixes and no others."""
        file = self.folder / "change"
        file.write_text("\n".join(frr_networks(self.config.announced, self.config.asn, "no ") +
                                  frr_networks(prefixes, self.config.asn)) + "\n")
        done = self.shell("-f", str(file))
        assert done.returncode == 0, done.stdout + done.stderr
        self.config = dataclasses.replace(self.config, announced=prefixes)

    def sessions_up(self):
        peers = self.vtysh_json("show bgp neighbors json")
        return sum(peer.get("bgpState") == "Established" for peer in peers.values()
                   if isinstance(peer, dict))

    def summary(self):
        return self.vtysh("show bgp summary", "show bgp neighbors")[-6000:] + self.log_tail()

    def bfd_summary(self):
        return self.vtysh("show bfd peers brief")

    def bfd_up(self):
        peers = self.vtysh_json("show bfd peers json")
        return sum(peer.get("status") == "up" for peer in peers)

    def ospf_full(self):
        return [len(re.findall(r"\bFull/", self.vtysh(f"show {ip} neighbor")))
                for ip in ("ip ospf", "ipv6 ospf6")]

    def ospf_summary(self):
        return self.vtysh("show ip ospf neighbor", "show ipv6 ospf6 neighbor") + self.log_tail()


def frr_networks(prefixes, asn, no=""):
    lines = [f"router bgp {asn}"]
    for family in (4, 6):
        lines += [f" address-family ipv{family} unicast",
                  *(f"  {no}network {p}" for p in prefixes if family_of(p) == family),
                  " exit-address-family"]
    return lines + ["exit"]


def frr_conf(c):
    lines = ["frr defaults traditional", f"hostname r{c.asn or c.router_id}"]
    if not c.objects:
        lines.append("no zebra nexthop kernel enable")
    if any(p.bfd for p in c.peerings):
        lines += ["bfd", " profile lab", f"  receive-interval {BFD_MS}",
                  f"  transmit-interval {BFD_MS}", "  detect-multiplier 3", " exit", "exit"]
    if c.asn:
        lines += frr_bgp(c)
    if c.ospf:
        lines += frr_ospf(c)
    return "\n".join(lines) + "\n"


def frr_bgp(c):
    lines = [f"router bgp {c.asn}", f" bgp router-id {c.router_id}",
             " no bgp ebgp-requires-policy", " no bgp default ipv4-unicast",
             " no bgp network import-check", f" timers bgp {max(1, c.hold_s // 3)} {c.hold_s}"]
    for p in c.peerings:
        n = f" neighbor {p.address}"
        lines += [f"{n} remote-as {p.asn}", f"{n} timers connect 1",
                  f"{n} advertisement-interval 0"]
        lines += [f"{n} ttl-security hops 1"] if p.gtsm else []
        lines += [f"{n} password {p.password}"] if p.password else []
        lines += [f"{n} bfd profile lab"] if p.bfd else []
        if 4 in p.carried() and family_of(p.address) == 6:
            lines.append(f"{n} capability extended-nexthop")
    for family in (4, 6):
        lines += [f" address-family ipv{family} unicast"]
        if c.multipath:
            lines += ["  maximum-paths 8"]
        for i, p in enumerate(c.peerings):
            if family not in p.carried():
                continue
            n = f"  neighbor {p.address}"
            lines += [f"{n} activate"]
            lines += [f"{n} weight {p.preference}"] if p.preference else []
            lines += [f"{n} next-hop-self"] if p.next_hop_self else []
            lines += [f"{n} route-map to{i} out"] if p.next_hop else []
        lines += [" exit-address-family"]
    lines += ["exit"]
    for i, p in enumerate(c.peerings):
        if p.next_hop:
            what = "ip next-hop" if family_of(p.next_hop) == 4 else "ipv6 next-hop global"
            lines += [f"route-map to{i} permit 10", f" set {what} {p.next_hop}", "exit"]
    return lines + frr_networks(c.announced, c.asn)


def frr_ospf(c):
    lines = []
    for interface, cost in c.ospf.items():
        lines += [f"interface {interface}", " ip ospf area 0", " ipv6 ospf6 area 0"]
        for ip in ("ip ospf", "ipv6 ospf6"):
            lines += [f" {ip} cost {cost}", f" {ip} hello-interval {c.ospf_hello_s}",
                      f" {ip} dead-interval {4 * c.ospf_hello_s}", f" {ip} network {c.ospf_type}"]
        lines += ["exit"]
    if c.ospf_local:
        lines += ["interface lo", " ip ospf area 0", " ip ospf passive", " ipv6 ospf6 area 0",
                  " ipv6 ospf6 passive", "exit"]
    return lines + ["router ospf", f" ospf router-id {c.router_id}",
                    " timers throttle spf 0 50 200", "exit", "router ospf6",
                    f" ospf6 router-id {c.router_id}", " timers throttle spf 0 50 200", "exit"]


KINDS = {"bird": Bird, "frr": Frr}
OTHER = {"bird": "frr", "frr": "bird"}


class Speakers(contextlib.ExitStack):
    """All instances of a test."""

    def __init__(self):
        super().__init__()
        self.all = []

    def add(self, kind, namespace, config):
        """Starts one; `config` is a Config or the text of the daemon's own configuration."""
        speaker = KINDS[kind](namespace, config)
        self.callback(speaker.close)
        self.all.append(speaker)
        speaker.start()
        return speaker
