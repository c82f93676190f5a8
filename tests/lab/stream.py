# SPDX-License-Identifier: BSD-2-Clause
"""A paced stream of numbered UDP packets from host to host, to see how long forwarding paused.

The sender is a process of its own. The time of receipt is the kernel's, so that a test which is kept
from running sees no pause that was not there.
"""

import contextlib
import socket
import struct
import sys
import threading
import time

from lab import wait_until

PORT = 5555
PAYLOAD = struct.Struct("=QQ")  # number, time sent (CLOCK_REALTIME, ns)
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35  # also the control message's type


def send(destination, per_second):
    """Sends until killed. A sender that comes late does not make up for it."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    out = socket.socket(family, socket.SOCK_DGRAM)
    number = 0
    due = time.monotonic()
    while True:
        with contextlib.suppress(OSError):  # the host's own neighbour may be unknown for a while
            out.sendto(PAYLOAD.pack(number, time.time_ns()), (destination, PORT))
        number += 1
        due = max(due + 1 / per_second, time.monotonic() - 1 / per_second)
        time.sleep(max(0, due - time.monotonic()))


class Stream:
    """From `source` to an address of `target`, from its creation to close()."""

    def __init__(self, lab, source, target, address=None, per_second=1000):
        address = address or target.v4
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.per_second = per_second
        self.received = []  # (number, ns sent, ns received)
        self.socket = target.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((address, PORT))
        self.socket.settimeout(0.1)
        self.closing = False
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()
        self.sender = lab.popen(source, ["/usr/bin/python3", __file__, address, per_second])

    def receive(self):
        while not self.closing:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(64, 64)
            except TimeoutError:
                continue
            seconds, ns = struct.unpack("=qq", ancillary[0][2])
            self.received.append((*PAYLOAD.unpack(data), seconds * 1_000_000_000 + ns))

    def count(self, since_ns=0):
        """Packets received from that time (time.time_ns()) on. What the thread has not read yet
        counts once it has: the times are the kernel's."""
        n = 0
        for row in reversed(self.received):
            if row[2] < since_ns:
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
        times = [row[2] for row in self.received[-self.count(since_ns):]]
        return max((b - a) / 1e6 for a, b in zip(times, times[1:]))

    def lost(self):
        """Packets sent and not received between the first and the last that were."""
        return self.received[-1][0] - self.received[0][0] + 1 - len(self.received)

    def close(self):
        self.sender.kill()
        self.sender.wait()
        self.closing = True
        self.thread.join()
        self.socket.close()


if __name__ == "__main__":
    send(sys.argv[1], float(sys.argv[2]))
