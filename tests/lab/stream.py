# SPDX-License-Identifier: BSD-2-Clause
"""A paced stream of numbered UDP packets from host to host, to see how long forwarding paused.

The sender is that of flows.py. The time of receipt is the kernel's, so that a test which is kept from
running sees no pause that was not there, and can be asked for while the stream goes on.
"""

import os
import socket
import struct
import threading
import time

from flows import NUMBER, PORT, start_program
from lab import wait_until

SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35  # also the control message's type


class Stream:
    """From `source` to an address of `target`, from its creation to close()."""

    def __init__(self, lab, source, target, address=None, per_second=1000):
        address = address or target.v4
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.received = []  # (number, ns received)
        self.socket = target.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((address, PORT))
        self.socket.settimeout(0.1)
        self.closing = False
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()
        self.sender = start_program(lab, source, "send", address, per_second, 1, os.devnull)

    def receive(self):
        while not self.closing:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(64, 64)
            except TimeoutError:
                continue
            seconds, ns = struct.unpack("=qq", ancillary[0][2])
            self.received.append((NUMBER.unpack_from(data)[0], seconds * 1_000_000_000 + ns))

    def count(self, since_ns=0):
        """Packets received from that time (time.time_ns()) on. What the thread has not read yet
        counts once it has: the times are the kernel's."""
        n = 0
        for row in reversed(self.received):
            if row[1] < since_ns:
                break
            n += 1
        return n

    def flows(self, packets=100):
        """Waits until so many packets that come in from now on have been received. Returns when that
        was, as time.time_ns()."""
        now_ns = time.time_ns()
        wait_until(lambda: self.count(now_ns) >= packets, "the stream", 20)
        return now_ns

    def pause_ms(self, since_ns):
        """The longest time between two packets received, from that time on."""
        times = [row[1] for row in self.received[-self.count(since_ns):]]
        return max((b - a) / 1e6 for a, b in zip(times, times[1:]))

    def lost(self):
        """Packets sent and not received between the first and the last that were."""
        return self.received[-1][0] - self.received[0][0] + 1 - len(self.received)

    def close(self):
        self.sender.stdin.close()
        self.sender.wait(10)
        self.closing = True
        self.thread.join()
        self.socket.close()
