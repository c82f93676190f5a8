# SPDX-License-Identifier: BSD-2-Clause
"""The mirror (mirror_dump.c) by itself in a namespace where veth interfaces stand in for the faces
of ports f0, f1 and f2, x0 being an interface that is none of ours; and its oracle, `ip route get`."""

import json
import os
import re
import subprocess

import pytest

from lab import BUILD, die_with_parent, namespace_name, wait_until

DUMP = BUILD / "tests/lab/mirror-dump"
NS, PEERS = namespace_name("mirror"), namespace_name("peers")
FACES = ["f0", "f1", "f2"]


def ip(args, ns=NS, check=True, stdin=None):
    done = subprocess.run(["ip", "-n", ns, *args.split()], text=True, capture_output=True,
                          input=stdin, timeout=60)
    if check and done.returncode:
        raise AssertionError(f"ip {args}: {done.stderr}")
    return done


def ip_json(args):
    return json.loads(ip("-j " + args).stdout or "[]")


class Mirror:
    def __init__(self, *args):
        self.process = subprocess.Popen(["ip", "netns", "exec", NS, DUMP, *args], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        bufsize=1, preexec_fn=die_with_parent)
        word, self.sync_ms = self.process.stdout.readline().split()
        assert word == "ready"

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read_line()

    def read_line(self):
        line = self.process.stdout.readline()
        assert line, "mirror-dump ended"
        return line.strip()

    def lines(self, line):
        """An answer of many lines, sorted."""
        answer, last = [], self.ask(line)
        while last != ".":
            answer.append(last)
            last = self.read_line()
        return sorted(answer)

    def stats(self):
        words = self.ask("stats").split()
        return {k: int(v) for k, v in zip(words[::2], words[1::2])}

    def get(self, address):
        """The answers that a packet may get: one, or those of the group's slots."""
        text = self.ask(f"get {address}")
        words = text[len("group "):].strip("[]").split("] [") if text.startswith("group") else [text]
        return {w.split(" ", 4)[4] if w.startswith("glean") else w for w in words}

    def close(self):
        self.process.stdin.close()
        return self.process.wait(timeout=10)


ERRORS = {
    "Network is unreachable": "punt no-route",
    "Invalid argument": "drop blackhole",
    "No route to host": "punt unreachable",
    "Permission denied": "punt prohibit",
}


def answers_of_kernel(addresses, option=""):
    """What the kernel says of each address: a route as JSON, or an error's text. With the option
    "fibmatch ": the route itself, with all its hops."""
    batch = "".join(f"route get {option}{a}\n" for a in addresses)
    done = subprocess.run(["ip", "-n", NS, "-force", "-d", "-j", "-batch", "-"], input=batch,
                          text=True, capture_output=True, timeout=60)
    failed = {}
    for error, line in re.findall(r"answers: (.*)\nCommand failed -:(\d+)", done.stderr):
        failed[int(line) - 1] = error
    decoder, text = json.JSONDecoder(), done.stdout.lstrip()
    for i, address in enumerate(addresses):
        if i in failed:
            yield address, failed[i]
            continue
        route, end = decoder.raw_decode(text)
        text = text[end:].lstrip()
        yield address, route[0]
    assert not text


def oracle(addresses):
    """What the kernel would do with packets to them, in the words of mirror-dump."""
    links = {link["ifname"]: link for link in ip_json("link show")}
    neighbours = {(n["dev"], n["dst"]): n for n in ip_json("-4 neigh show nud all") + ip_json("-6 neigh show nud all")}
    for address, route in answers_of_kernel(addresses):
        if isinstance(route, str):
            yield address, ERRORS[route]
            continue
        kind, device = route.get("type", "unicast"), route["dev"]
        if kind != "unicast":
            yield address, f"punt {'local' if kind == 'anycast' else kind}"
            continue
        if device not in FACES:
            yield address, "punt foreign-interface"
            continue
        link = links[device]
        mtu = min([link["mtu"]] + [m["mtu"] for m in route.get("metrics", []) if "mtu" in m])
        gateway = route.get("gateway") or route.get("via", {}).get("host") or route["dst"]
        n = neighbours.get((device, gateway), {"state": ["NONE"]})
        if "lladdr" in n and not set(n["state"]) & {"FAILED", "INCOMPLETE"}:
            yield (address, f"forward {device} {n['lladdr']} from {link['address']} mtu {mtu}")
        else:
            yield address, "punt unresolved"


def agree(mirror, addresses):
    differ = {}

    def all_agree():
        differ.clear()
        for address, kernel in oracle(addresses):
            image = mirror.get(address)
            if kernel not in image:
                differ[address] = (kernel, image)
        return not differ

    wait_until(all_agree, lambda: f"kernel and image differ: {differ}")


MACS = {g: f"02:00:00:00:{i // 10:02x}:{i % 10:02x}" for i, g in enumerate(
    ["10.0.0.2", "10.0.0.3", "10.0.1.2", "10.0.1.3", "10.0.2.2",
     "fd00:0::2", "fd00:0::3", "fd00:1::2", "fd00:1::3", "fd00:2::2", "fe80::99"], 1)}


def device_of(gateway):
    if gateway.startswith("fe80"):
        return "f1"
    return "f" + (gateway.split(".")[2] if "." in gateway else gateway.split(":")[1])


@pytest.fixture
def net():
    try:
        for name in (NS, PEERS):
            subprocess.run(["ip", "netns", "add", name], check=True)
        for name in (NS, PEERS):
            subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw",
                            "net.ipv6.conf.default.accept_dad=0",
                            "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1"], check=True)
        ip("link set lo up")
        for i, name in enumerate(FACES + ["x0"]):
            ip(f"link add {name} type veth peer name p{i} netns {PEERS}")
            ip(f"link set p{i} up", ns=PEERS)
            ip(f"link set {name} up")
            ip(f"addr add 10.0.{i}.1/24 dev {name}")
            ip(f"addr add fd00:{i}::1/64 dev {name}")
        # As the daemon does for its faces, and for no other interface.
        subprocess.run(["ip", "netns", "exec", NS, "sysctl", "-qw",
                        *(f"net.ipv{v}.conf.{face}.ignore_routes_with_linkdown=1"
                          for v in (4, 6) for face in FACES)], check=True)
        for gateway, mac in MACS.items():
            ip(f"neigh add {gateway} lladdr {mac} dev {device_of(gateway)} nud permanent")
        yield
    finally:
        for name in (NS, PEERS):
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.fixture
def mirror(net):
    m = Mirror(*FACES)
    yield m
    stats = m.stats()
    assert m.close() == 0, "the mirror ended badly"
    assert stats["malformed"] == 0
