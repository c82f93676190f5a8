# SPDX-License-Identifier: BSD-2-Clause
"""Random changes of routes, hundreds of messages at a time, as fast as the kernel takes them."""

import ipaddress
import random
import socket
import struct

NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x100, 0x200, 0x400
NEW, DELETE = 24, 25
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5
BATCH = 256


class Churn:
    """Adds, replaces and deletes routes to `prefixes`, each by one of `hops`: (gateway, ifindex)."""

    def __init__(self, netlink, family, prefixes, hops, seed):
        self.netlink, self.draw, self.number = netlink, random.Random(seed), 0
        self.family = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
        self.prefixes = prefixes
        self.there = {}  # prefix -> hop
        self.dst = {p: attribute(RTA_DST, p.network_address.packed) for p in prefixes}
        self.via = [attribute(RTA_GATEWAY, ipaddress.ip_address(g).packed) +
                    attribute(RTA_OIF, struct.pack("=I", index)) for g, index in hops]

    def message(self, kind, flags, prefix, hop):
        body = struct.pack("=BBBBBBBBI", self.family, prefix.prefixlen, 0, 0, 254, 4, 0,
                           1 if kind == NEW else 0, 0) + self.dst[prefix]
        if hop is not None:
            body += self.via[hop]
        self.number += 1
        return struct.pack("=IHHII", 16 + len(body), kind, flags | NLM_F_REQUEST, self.number, 0) \
            + body

    def change(self):
        prefix = self.draw.choice(self.prefixes)
        if prefix in self.there and self.draw.random() < 0.4:
            del self.there[prefix]
            return self.message(DELETE, 0, prefix, None)
        hop = self.draw.randrange(len(self.via))
        flags = NLM_F_CREATE | (NLM_F_REPLACE if prefix in self.there else NLM_F_EXCL)
        self.there[prefix] = hop
        return self.message(NEW, flags, prefix, hop)

    def send(self, messages):
        """In one system call; the last is acknowledged, and a refusal is an error."""
        last = bytearray(messages[-1])
        struct.pack_into("=H", last, 6, struct.unpack_from("=H", last, 6)[0] | NLM_F_ACK)
        self.netlink.sendto(b"".join(messages[:-1]) + bytes(last), (0, 0))
        while True:
            answer = self.netlink.recv(65536)
            _, kind, _, number, _, error = struct.unpack_from("=IHHIIi", answer)
            assert kind != 2 or error == 0, f"the kernel refused a change: {error}"
            if kind == 2 and number == self.number:
                return

    def run(self, count):
        while count:
            n = min(count, BATCH)
            self.send([self.change() for _ in range(n)])
            count -= n

    def clear(self):
        while self.there:
            some = list(self.there)[:BATCH]
            self.send([self.message(DELETE, 0, p, None) for p in some])
            for p in some:
                del self.there[p]


def attribute(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)
