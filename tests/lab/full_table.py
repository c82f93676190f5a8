# SPDX-License-Identifier: BSD-2-Clause
"""A routing table like the Internet's (bench/routes), by netlink as fast as the kernel takes it, and
whether the router has all of it."""

import ipaddress
import json
import os
import random
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from lab import BUILD
from route_churn import BATCH, DELETE, NEW, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, \
    RTA_DST, RTA_GATEWAY, RTA_OIF, attribute

ROUTES = BUILD / "bench/routes/routes"
RTN_UNICAST, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_NOWHERE = 1, 254, 4, 255
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
# Where the labs have addresses of their own.
OURS = ("10.", "fd")


def family_of(prefix):
    return 6 if ":" in prefix else 4


def prefixes(count4, count6, file=None):
    """Lists for 4 and 6. `file` has a table, a prefix a line, to be taken instead of one made."""
    text = subprocess.run([str(a) for a in (ROUTES, "-4", count4, "-6", count6, *([file] if file else []))],
                          check=True, text=True, capture_output=True).stdout
    found = {4: [], 6: []}
    for prefix in text.split():
        if not prefix.startswith(OURS):
            found[family_of(prefix)].append(prefix)
    return found


class Table:
    """Prefixes, each by one of its family's hops: (gateway, device), by turns."""

    def __init__(self, router, found, hops):
        self.router, self.hops = router, hops
        self.of = {p: hops[family][i % len(hops[family])]
                   for family in (4, 6) for i, p in enumerate(found[family])}
        self.count = {family: len(found[family]) for family in (4, 6)}

    def batch(self):
        """Lines for `ip -batch`."""
        return "".join(f"route add {p} via {gateway} dev {device}\n"
                       for p, (gateway, device) in self.of.items())

    def messages(self, kind):
        """(bytes, number of the last) of `BATCH` messages each, of which the last is acknowledged."""
        index = {device: self.router.ip_json(f"link show {device}")[0]["ifindex"]
                 for hops in self.hops.values() for _, device in hops}
        way = {hop: attribute(RTA_GATEWAY, socket.inet_pton(FAMILY[family], hop[0])) +
               attribute(RTA_OIF, struct.pack("=I", index[hop[1]]))
               for family, hops in self.hops.items() for hop in hops}
        made, last = [], len(self.of)
        for number, (prefix, hop) in enumerate(self.of.items(), 1):
            address, length = prefix.split("/")
            family = FAMILY[family_of(prefix)]
            said = (RTPROT_STATIC, 0, RTN_UNICAST) if kind == NEW else (0, RT_SCOPE_NOWHERE, 0)
            body = struct.pack("=BBBBBBBBI", family, int(length), 0, 0, RT_TABLE_MAIN, *said, 0) + \
                attribute(RTA_DST, socket.inet_pton(family, address))
            flags = NLM_F_REQUEST
            if kind == NEW:
                body += way[hop]
                flags |= NLM_F_CREATE | NLM_F_EXCL
            if number % BATCH == 0 or number == last:
                flags |= NLM_F_ACK
            made.append(struct.pack("=IHHII", 16 + len(body), kind, flags, number, 0) + body)
        for first in range(0, last, BATCH):
            yield b"".join(made[first:first + BATCH]), min(first + BATCH, last)

    def send(self, kind):
        """Adds or deletes all of them, as fast as the kernel takes it. A refusal is an error."""
        ready = list(self.messages(kind))
        with self.router.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            for data, last in ready:
                netlink.sendto(data, (0, 0))
                number = 0
                while number != last:
                    answer = netlink.recv(65536)
                    _, _, _, number, _, error = struct.unpack_from("=IHHIIi", answer)
                    assert error == 0, f"the kernel refuses message {number}: {os.strerror(-error)}"

    def add(self):
        self.send(NEW)

    def delete(self):
        self.send(DELETE)

    def edges(self, count, seed=1):
        """For some prefixes: their first and last addresses, one below, and one above."""
        for prefix in random.Random(seed).sample(sorted(self.of), count):
            net = ipaddress.ip_network(prefix)
            for address in (net.network_address, net.broadcast_address):
                yield address
            if int(net.network_address):
                yield net.network_address - 1
            if int(net.broadcast_address) < (1 << net.max_prefixlen) - 1:
                yield net.broadcast_address + 1


def pages(router):
    """All routes of `show routes`, page by page."""
    after = 0
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(router.control))
        stream = client.makefile("r")
        while after is not None:
            request = {"command": "show routes", "args": {"after": after}}
            client.sendall(json.dumps(request).encode() + b"\n")
            data = json.loads(stream.readline())["data"]
            yield from data["routes"]
            after = data["next"]


def routes_in_use(router):
    """{prefix: (gateway, device)} of all routes that the router says it uses, but for connected ones
    and those of table local."""
    return {row["prefix"]: (row["hops"][0]["gateway"], row["hops"][0]["device"])
            for row in pages(router)
            if row["installed"] and row["table"] == RT_TABLE_MAIN and row["hops"]
            and row["hops"][0]["gateway"]}


class Asker:
    """Asks the daemon something small all the time: how long its control loop was at other things."""

    def __init__(self, router):
        self.router, self.answers, self.done = router, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        pid = self.router.daemon.pid
        with socket.socket(socket.AF_UNIX) as client, \
             open(f"/proc/{pid}/task/{pid}/schedstat") as schedstat:
            client.connect(str(self.router.control))
            stream = client.makefile("r")
            while not self.done.wait(0.002):
                schedstat.seek(0)
                waited, began = int(schedstat.read().split()[1]), time.monotonic()
                client.sendall(b'{"command":"show version"}\n')
                stream.readline()
                took = time.monotonic() - began
                schedstat.seek(0)
                waited = (int(schedstat.read().split()[1]) - waited) / 1e9
                self.answers.append((began, took - waited))

    def longest_ms(self, since):
        """Of the answers asked for since then, less what the daemon waited for a processor."""
        return max((1e3 * took for began, took in self.answers if began >= since), default=0)

    def close(self):
        self.done.set()
        self.thread.join()


def cpu_s(process):
    """Processor time of its first thread."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/schedstat").read_text().split()[0]) / 1e9
