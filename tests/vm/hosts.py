# SPDX-License-Identifier: BSD-2-Clause
"""Hosts outside of the guest, at the other ends of its NICs' cables.

    host namespace                     this process            QEMU
    eth0, a TAP: 10.0.1.2, fd00:1::2 - relays frames - unix datagrams - igb

What a host sends and answers is Linux's own doing: ping, ARP and ND, UDP."""

import contextlib
import fcntl
import os
import re
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))
from lab import Namespace, namespace_name, sweep, wait_until  # noqa: E402

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
FRAME_MAX = 10240
UDP_PORT = 7077
PATIENCE_S = 2


class Host(Namespace):
    """At NIC `number` - 1, in the manner of tests/lab: host 1 is 10.0.1.2 and fd00:1::2."""

    def __init__(self, number, folder, guest):
        super().__init__(namespace_name(f"{guest}{number}"))
        self.number = number
        self.v4, self.v6 = f"10.0.{number}.2", f"fd00:{number}::2"
        self.gateway4, self.gateway6 = f"10.0.{number}.1", f"fd00:{number}::1"
        self.own, self.peer = folder / f"host{number}", folder / f"nic{number - 1}"
        self.closing = False
        self.threads = []
        self.tap = self.wire = None
        try:
            self.connect()
        except BaseException:
            self.close()
            raise

    def connect(self):
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(str(self.own))
        self.wire.settimeout(0.2)
        with self.entered():
            self.tap = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH22x", b"eth0", IFF_TAP_NO_PI))
        os.set_blocking(self.tap, True)
        self.ip("link set eth0 up")
        self.ip(f"addr add {self.v4}/24 dev eth0")
        self.ip(f"addr add {self.v6}/64 dev eth0")
        self.ip(f"route add default via {self.gateway4}")
        self.ip(f"route add default via {self.gateway6}")
        self.threads = [threading.Thread(target=way, daemon=True)
                        for way in (self.to_guest, self.from_guest)]
        for thread in self.threads:
            thread.start()

    def to_guest(self):
        """A guest that takes nothing for long loses frames, as on a cable. It may only have got no processor."""
        while not self.closing:
            try:
                frame = os.read(self.tap, FRAME_MAX)
            except OSError:
                return
            end = time.monotonic() + PATIENCE_S
            while not self.taken(frame) and time.monotonic() < end and not self.closing:
                pass

    def taken(self, frame):
        try:
            self.wire.sendto(frame, str(self.peer))
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def from_guest(self):
        while not self.closing:
            try:
                frame = self.wire.recv(FRAME_MAX)
            except TimeoutError:
                continue
            except OSError:
                return
            with contextlib.suppress(OSError):
                os.write(self.tap, frame)

    def close(self):
        """The threads end by themselves: the TAP goes with its namespace."""
        self.closing = True
        self.delete()
        for thread in self.threads:
            thread.join(2)
        if self.tap is not None:
            os.close(self.tap)
        if self.wire:
            self.wire.close()

    def addr(self, family):
        return self.v4 if family == 4 else self.v6

    def gateway(self, family):
        return self.gateway4 if family == 4 else self.gateway6

    def ping(self, to, count=3, interval_s=0.05, wait_s=5, options=()):
        """Returns how many answers there were, of `count`, and the output. Goes on, with more requests, until
        there are so many, or an error, or `wait_s` have passed: by -W it would wait for the last answers no
        longer than twice what the first ones took, and a guest may get no processor for so long."""
        done = self.run(["ping", "-n", "-c", count, "-i", interval_s, "-w", wait_s, *options, to],
                        check=False)
        answered = re.search(r"(\d+) received", done.stdout)
        return min(int(answered.group(1)), count) if answered else 0, done.stdout + done.stderr

    def reaches(self, to, **options):
        return self.ping(to, count=1, wait_s=1, **options)[0] == 1


def udp_socket(host, family, port=0):
    sock = host.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((host.addr(family), port))
    return sock


def payload(flow, number):
    """Of a datagram: says which it is, the rest follows from that and is checked."""
    length = 8 + (number * 37 + flow * 11) % 1400
    return struct.pack(">II", flow, number) + bytes((flow + number + i) & 255
                                                    for i in range(length - 8))


class Stream:
    """Numbered datagrams of several flows from one host to another, some on their way at a time.
    `window`: so many are sent beyond what has arrived; what does not arrive for some seconds is given
    up, and counted."""

    def __init__(self, source, target, family, flows=8, window=32):
        self.target = target
        self.family = family
        self.receiver = udp_socket(target, family, UDP_PORT)
        self.receiver.settimeout(0.05)
        self.senders = [udp_socket(source, family) for _ in range(flows)]
        self.window = window
        self.sent = 0
        self.received = 0
        self.lost = 0
        self.wrong = []
        self.last = [-1] * flows

    def close(self):
        for sock in (self.receiver, *self.senders):
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_one(self):
        flow, number = self.sent % len(self.senders), self.sent // len(self.senders)
        with contextlib.suppress(OSError):
            self.senders[flow].sendto(payload(flow, number),
                                      (self.target.addr(self.family), UDP_PORT))
        self.sent += 1

    def receive_one(self):
        try:
            data = self.receiver.recv(FRAME_MAX)
        except TimeoutError:
            return False
        flow, number = struct.unpack(">II", data[:8]) if len(data) >= 8 else (len(self.last), 0)
        if flow >= len(self.last) or data != payload(flow, number):
            self.wrong.append(f"{len(data)} bytes {data[:16].hex()}: not what was sent")
        elif number <= self.last[flow]:
            self.wrong.append(f"flow {flow}: {number} after {self.last[flow]}")
        else:
            self.last[flow] = number
            self.received += 1
        return True

    def run(self, count, timeout_s=60):
        """Sends `count` more and waits for them."""
        end = time.monotonic() + timeout_s
        goal, heard = self.sent + count, time.monotonic()
        while self.received + self.lost < goal and time.monotonic() < end:
            while self.sent < goal and self.sent - self.received - self.lost < self.window:
                self.send_one()
            if self.receive_one():
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S + 1:
                self.lost = self.sent - self.received
                heard = time.monotonic()
        return self


@contextlib.contextmanager
def noise(source, target, family=4, rate=400, to=None):
    """Datagrams that nobody answers, all the while, `rate` a second, to the target or an address."""
    stop = threading.Event()
    sock = udp_socket(source, family)

    def send():
        while not stop.wait(1 / rate):
            with contextlib.suppress(OSError):
                sock.sendto(b"noise" * 20, (to or target.addr(family), UDP_PORT + 1))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sock.close()


__all__ = ["Host", "Stream", "noise", "sweep", "wait_until"]
