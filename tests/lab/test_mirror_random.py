# SPDX-License-Identifier: BSD-2-Clause
"""Random `ip` commands, and after each batch the kernel and the image must agree: on what becomes
of packets to the edges of all prefixes, on all ways out and their weights, and on all routes.

    MIRROR_STORM=N   commands per run (default 1500; the daemon gets an eighth)
    MIRROR_SEED=N    first seed (default 1); a failure names the one to repeat
    MIRROR_RUNS=N    runs of each kind, with seeds one after the other (default 1)
"""

import ipaddress
import itertools
import json
import os
import re
import socket
import subprocess
from collections import Counter

import pytest

from lab import PEERLANED, device, die_with_parent, wait_until
from mirror_lab import (ERRORS, FACES, MACS, NS, PEERS, Mirror, answers_of_kernel, device_of, ip,
                        ip_json, net)
from mirror_storm import ADDRESSES, BASE_ADDRESSES, GATEWAYS, PREFIXES, Storm, edges

COMMANDS = int(os.environ.get("MIRROR_STORM", 1500))
SEED = int(os.environ.get("MIRROR_SEED", 1))
RUNS = int(os.environ.get("MIRROR_RUNS", 1))


def sampled():
    """Addresses to ask about: edges of prefixes, gateways, own addresses."""
    found = {a for f in (4, 6) for p in PREFIXES[f] for a in edges(p)}
    found |= {g for f in (4, 6) for g in GATEWAYS[f]}
    found |= {a.split("/")[0] for a, _ in BASE_ADDRESSES}
    found |= {a.split("/")[0] for f in (4, 6) for a in ADDRESSES[f]}
    found |= {"10.9.7.2", "10.0.0.255", "10.9.1.255"}
    ours = []
    for text in found:
        a = ipaddress.ip_address(text)
        if not (a.is_loopback or a.is_link_local or a.is_multicast and a.version == 4 or
                a.version == 4 and int(a) >> 28 == 15):
            ours.append(str(a))
    return sorted(ours)


def run_commands(commands):
    """Runs them in order, whatever the kernel says to each. Returns how many it took."""
    def how(command):
        options = ["-n", PEERS if command.startswith("@") else NS]
        return options + [w for w in command.split()[:1] if w.startswith("-")]

    refused = 0
    for options, run in itertools.groupby(commands, how):
        lines = "".join(c.removeprefix("@").removeprefix("-4 ").removeprefix("-6 ") + "\n"
                        for c in run)
        done = subprocess.run(["ip", *options, "-force", "-batch", "-"], input=lines, text=True,
                              capture_output=True, timeout=60)
        refused += done.stderr.count("Command failed")
    return len(commands) - refused


class Oracle:
    """What the kernel does with packets to some addresses, in the words of mirror-dump."""

    def __init__(self, addresses):
        self.links = {link["ifname"]: link for link in ip_json("link show")}
        self.neighbours = {(n["dev"], n["dst"]): n for n in ip_json("-4 neigh show nud all") +
                           ip_json("-6 neigh show nud all")}
        chosen = dict(answers_of_kernel(addresses))
        matched = dict(answers_of_kernel(addresses, "fibmatch "))
        self.wanted = {a: self.expect(a, chosen[a], matched[a]) for a in addresses}

    def hop(self, address, route, hop):
        """What a packet gets that takes this way out."""
        device = hop["dev"]
        if device not in FACES:
            return "punt foreign-interface"
        if "encap" in hop:
            return "punt encapsulation"
        link = self.links[device]
        mtu = min([link["mtu"]] + [m["mtu"] for m in route.get("metrics", []) if "mtu" in m])
        gateway = hop.get("gateway") or hop.get("via", {}).get("host") or address
        n = self.neighbours.get((device, gateway), {"state": ["NONE"]})
        # The kernel's own entries for multicast outlive the route that made the address one.
        group = int(n.get("lladdr", "00")[:2], 16) & 1
        if "lladdr" in n and not group and not set(n["state"]) & {"FAILED", "INCOMPLETE"}:
            return f"forward {device} {n['lladdr']} from {link['address']} mtu {mtu}"
        return "punt unresolved"

    def expect(self, address, chosen, matched):
        """(the kernel's choice or None, {answer: weight})."""
        if isinstance(matched, str) or isinstance(chosen, str):
            # Not the same: a link changed between the two questions.
            return None, {ERRORS[chosen] if chosen == matched else "ask again": 1}
        if "LOWER_UP" not in self.links.get(chosen["dev"], {"flags": ["LOWER_UP"]})["flags"] and \
                chosen["dev"] in FACES:
            # An IPv4 route over an IPv6 gateway made without carrier: the kernel overlooks that it
            # is to be ignored, and sends where nobody hears it.
            return None, {}
        kind = matched.get("type", "unicast")
        if kind != "unicast":
            return None, {f"punt {'local' if kind == 'anycast' else kind}": 1}
        hops = matched.get("nexthops") or [matched]
        # An IPv6 gateway of an IPv4 route made without carrier has no flag to say so.
        alive = [h for h in hops if "dead" not in h.get("flags", []) and
                 (h["dev"] not in FACES or "LOWER_UP" in self.links[h["dev"]]["flags"])]
        wanted = {}
        for hop in alive:
            answer = self.hop(address, matched, hop)
            wanted[answer] = wanted.get(answer, 0) + hop.get("weight", 1)
        return self.hop(address, matched, chosen), wanted


def image_of(mirror, address):
    """{answer: share}"""
    text = mirror.ask(f"get {address}")
    slots = text[len("group "):].strip("[]").split("] [") if text.startswith("group") else [text]
    slots = [glean(s) if s.startswith("glean") else s for s in slots]
    return {s: slots.count(s) / len(slots) for s in set(slots)}


def glean(text):
    """What "glean DEVICE mtu MTU ANSWER" comes to: the network's MTU counts, too."""
    _, _, _, mtu, answer = text.split(" ", 4)
    return re.sub(r"mtu (\d+)", lambda m: f"mtu {min(int(m[1]), int(mtu))}", answer)


def difference(wanted, image):
    """A sentence, or None: they agree."""
    choice, ways = wanted
    if not ways:
        return None
    if choice and choice not in image:
        return f"the kernel's choice is {choice}"
    if image.keys() != ways.keys():
        return "other ways"
    total = sum(ways.values())
    if any(abs(image[k] - v / total) > 0.03 for k, v in ways.items()):
        return "other weights"
    return None


def prefix_of(route, family):
    prefix = {"4": "0.0.0.0/0", "6": "::/0"}[family] if route["dst"] == "default" else route["dst"]
    return prefix if "/" in prefix else prefix + {"4": "/32", "6": "/128"}[family]


TABLES = {"main": 254, "local": 255}


def kernel_routes():
    """The kernel's routes, in the words of mirror-dump, and prefixes where more than the
    destination counts, which are left to the kernel."""
    found, odd = [], set()
    for family, table in itertools.product("46", TABLES):
        for r in ip_json(f"-{family} -N -d route show table {table}"):
            if "tos" in r or r.get("from", "all") != "all":
                odd.add(prefix_of(r, family))
                continue
            found.append(f"{prefix_of(r, family)} {TABLES[table]} metric {r.get('metric', 0)}")
    return Counter(found), odd


def image_routes(mirror):
    return [re.sub(r" (\d+) \S+ (metric \d+) .*", r" \1 \2", r) for r in mirror.lines("list")]


def is_inside(address, prefixes):
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(p) for p in prefixes)


def is_accepted(address, image, why, odd, kernel):
    """Where the image may differ: what is left to the kernel is right, and of several IPv4 default
    routes of one metric the kernel takes the first whose gateway is reachable, or each in turn."""
    if image == {"punt encapsulation": 1} and is_inside(address, odd):
        return True
    return why.startswith("0.0.0.0/0 unicast") and \
        max(n for route, n in kernel.items() if route.startswith("0.0.0.0/0 254")) > 1


def check(mirror, addresses):
    """Until they agree: notifications and what they entail take a moment."""
    differ = {}

    def agree():
        differ.clear()
        (kernel, odd), ours = kernel_routes(), Counter(image_routes(mirror))
        if kernel != ours:
            differ["routes"] = ("only the kernel's", kernel - ours, "only ours", ours - kernel)
        for address, wanted in Oracle(addresses).wanted.items():
            image = image_of(mirror, address)
            what = difference(wanted, image)
            why = what and mirror.ask(f"why {address}")
            if what and not is_accepted(address, image, why, odd, kernel):
                differ[address] = (what, wanted, image, why)
        return not differ

    def told():
        some = [f"{k}: {v}" for k, v in differ.items()][:5]
        return "\n".join(["kernel and image differ:"] + some)

    wait_until(agree, told, timeout_s=30)


# Calm storms leave nothing to a dump; wild ones take links down.
@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("calm, size", [(True, 8), (False, 6)], ids=["calm", "wild"])
def test_random_commands(net, calm, size, run):
    seed = SEED + run
    storm, addresses = Storm(seed), sampled()
    mirror, history, taken = Mirror(*FACES), [], 0
    try:
        check(mirror, addresses)
        while len(history) < COMMANDS:
            batch = [storm.command(calm) for _ in range(size)]
            taken += run_commands(batch)
            history += batch
            try:
                check(mirror, addresses)
            except AssertionError as e:
                raise AssertionError(f"seed {seed}, after {len(history)} commands, the last:\n" +
                                     "\n".join(batch) + f"\n{e}\n{mirror.stats()}") from None
        print(f"{len(history)} commands, {taken} taken: {mirror.stats()}")
        assert taken > len(history) / 4, "the kernel refused most"
        assert mirror.stats()["malformed"] == 0
    finally:
        status = mirror.close()
    assert status == 0


# ---- the daemon ----

class Daemon:
    """peerlaned in the mirror's namespace: its TAPs are the faces, and their veths e0, e1, e2."""

    def __init__(self, folder):
        self.control = str(folder / "control")
        for i, face in enumerate(FACES):
            ip(f"link set {face} down")
            ip(f"link set {face} name e{i}")
            ip(f"link set e{i} up")
            ip(f"addr flush dev e{i}")
        args = [PEERLANED, "--control-socket", self.control, "--planes", "1"]
        for i, face in enumerate(FACES):
            args += ["--port", f"{face}={device(f'e{i}')}"]
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(["ip", "netns", "exec", NS, *map(str, args)],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        preexec_fn=die_with_parent)
        wait_until(self.connect, self.told, 20)
        for i, face in enumerate(FACES):
            ip(f"link set {face} up")
            ip(f"addr add 10.0.{i}.1/24 dev {face}")
            ip(f"addr add fd00:{i}::1/64 dev {face}")
        for gateway, mac in MACS.items():
            ip(f"neigh replace {gateway} lladdr {mac} dev {device_of(gateway)} nud permanent")

    def told(self):
        self.log.seek(0)
        return self.log.read()

    def connect(self):
        assert self.process.poll() is None, self.told()
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.connect(self.control)
        except OSError:
            return False
        self.answers = self.socket.makefile()
        return self.ask("show version")

    def ask(self, command, **args):
        request = {"id": 1, "command": command, "args": args}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self.answers.readline())
        assert answer["ok"], answer
        return answer["data"]

    def close(self):
        self.socket.close()
        self.process.terminate()
        status = self.process.wait(10)
        self.log.close()
        return status


def check_daemon(daemon, addresses):
    """The fate of a packet to each is one that the kernel might choose."""
    differ = {}

    def agree():
        differ.clear()
        kernel, odd = kernel_routes()
        for address, (_, ways) in Oracle(addresses).wanted.items():
            fate = daemon.ask("show route", address=address)
            if fate["verdict"] == "forward":
                ours = f"forward {fate['port']} {fate['dmac']}"
            else:
                ours = f"{fate['verdict']} {fate['reason']}"
            # Without a way for lack of carrier the kernel is not asked; see Oracle.expect().
            right = not ways or ours in {" ".join(w.split()[:3]) for w in ways} or \
                fate["reason"] == "port-down" or \
                fate["reason"] == "encapsulation" and is_inside(address, odd)
            # Several default routes: see is_accepted().
            if not right and not (fate["route"] and fate["route"]["prefix"] == "0.0.0.0/0"):
                differ[address] = (fate["text"], ways)
        return not differ

    wait_until(agree, lambda: f"kernel and daemon differ: {list(differ.items())[:5]}", timeout_s=30)


def test_random_commands_to_the_daemon(net, tmp_path):
    storm, addresses, size = Storm(SEED), sampled(), 15
    daemon = Daemon(tmp_path)
    try:
        check_daemon(daemon, addresses)
        for turn in range(max(COMMANDS // 8 // size, 1)):
            batch = [storm.command(turn % 2) for _ in range(size)]
            run_commands(batch)
            try:
                check_daemon(daemon, addresses)
            except AssertionError as e:
                raise AssertionError(f"seed {SEED}, turn {turn}, the last:\n" + "\n".join(batch) +
                                     f"\n{e}\n{daemon.told()}") from None
        assert daemon.ask("show sync")["malformed"] == 0
    finally:
        status = daemon.close()
    assert status == 0
