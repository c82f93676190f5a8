# SPDX-License-Identifier: BSD-2-Clause
"""A paced stream of numbered UDP packets in several flows, received at several hosts: who got which
packet, and for how long none came through.

    with Flows(lab, source, [h2, h3], "10.9.0.1", rate=1000, flows=16) as stream:
        ...
        result = stream.end()

Run as a program it is the sender, of which stream.py makes use, too, or a receiver; each keeps its
notes until its input ends, then writes them to a file of 64-bit integers.
"""

import array
import bisect
import contextlib
import math
import select
import socket
import struct
import subprocess
import sys
import time

from lab import wait_until

PORT = 40000
NUMBER = struct.Struct("=q")
PAYLOAD = NUMBER.size + 10
RUNNING_START = 20  # packets that must have arrived before a stream counts as running
# Without a packet, once the sender has ended: none is on its way any more. What is may wait for threads that wait for
# others; where all have come there are repetitions at most.
SILENCE_S = 3
SILENCE_COMPLETE_S = 0.3


# ---- the two programs ----

def input_ended():
    return select.select([sys.stdin], [], [], 0)[0]


def send(destination, rate, flows, path):
    """Notes when each packet was sent, in nanoseconds."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    sockets = []
    for _ in range(flows):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.connect((destination, PORT))
        sockets.append(udp)
    times = array.array("q")
    padding = bytes(PAYLOAD - NUMBER.size)
    interval_ns = 10**9 // rate
    due = time.monotonic_ns()
    while not input_ended():
        now = time.monotonic_ns()
        if now < due:
            time.sleep((due - now) / 1e9)
            continue
        # Late ones are not made up for: bursts would be another stream.
        due = max(due + interval_ns, now)
        with contextlib.suppress(OSError):  # an ICMP error about an earlier one; this one is lost
            sockets[len(times) % flows].send(NUMBER.pack(len(times)) + padding)
        times.append(time.monotonic_ns())
    with open(path, "wb") as file:
        times.tofile(file)


def receive(family, path):
    """Notes number after number, as they come, until it has read how many have been sent and none comes any
    more. Says "ready", and "running" once the stream runs."""
    udp = socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    if family == "6":
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 may have a receiver too
    udp.bind(("", PORT))
    numbers, distinct = array.array("q"), set()
    print("ready", flush=True)
    inputs, sent = [udp, sys.stdin], None
    while True:
        silence_s = None if sent is None else SILENCE_S if len(distinct) < sent else SILENCE_COMPLETE_S
        readable, _, _ = select.select(inputs, [], [], silence_s)
        if udp in readable:
            numbers.append(NUMBER.unpack_from(udp.recv(2048))[0])
            distinct.add(numbers[-1])
            if len(numbers) == RUNNING_START:
                print("running", flush=True)
        elif readable:
            inputs, sent = [udp], int(sys.stdin.readline())
        else:
            break
    with open(path, "wb") as file:
        numbers.tofile(file)


# ---- using them ----

def start_program(lab, namespace, *args, **kwargs):
    return lab.popen(namespace, ["/usr/bin/python3", __file__, *map(str, args)],
                     stdin=subprocess.PIPE, **kwargs)


def read_numbers(path):
    numbers = array.array("q")
    numbers.frombytes(path.read_bytes())
    return numbers


class Result:
    """What became of a stream; packets have numbers from 0, flows take turns."""

    def __init__(self, flows, sent_ns, received):
        self.flows, self.sent_ns = flows, sent_ns
        self.received = received  # per target, in the order of arrival
        self.seen = set().union(*received)
        self.first = 0
        self.count = len(sent_ns)

    def begin(self, when_ns):
        """Has losses count from a moment of the monotonic clock on."""
        self.first = self.sent_before(when_ns)

    def lost(self):
        """Numbers of packets that nobody received."""
        return [n for n in range(self.first, self.count) if n not in self.seen]

    def twice(self):
        return sum(map(len, self.received)) - len(self.seen)

    def outage_ms(self):
        """From the first lost packet to the first after the last: what passed in between counts.
        Infinite when none came after that."""
        lost = self.lost()
        if not lost:
            return 0.0
        if lost[-1] + 1 == self.count:
            return math.inf
        return (self.sent_ns[lost[-1] + 1] - self.sent_ns[lost[0]]) / 1e6

    def sent_before(self, when_ns):
        """How many packets had been sent at a moment of the monotonic clock."""
        return bisect.bisect_left(self.sent_ns, when_ns)

    def flows_at(self, target, begin=0, end=None):
        """Flows of which this target received packets numbered from `begin` up to `end`."""
        return {n % self.flows for n in self.received[target]
                if n >= begin and (end is None or n < end)}

    def flows_since(self, when_ns):
        """Flows of which some target received packets sent from this moment on."""
        begin = self.sent_before(when_ns)
        return set().union(*(self.flows_at(target, begin) for target in range(len(self.received))))


class Flows:
    def __init__(self, lab, source, targets, destination, rate=1000, flows=1):
        self.lab, self.flows = lab, flows
        self.family = "6" if ":" in destination else "4"
        self.paths, self.processes = [], []
        for target in targets:
            self.run(target, "receive", self.family)
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        self.run(source, "send", destination, rate, flows)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run(self, namespace, *args):
        path = self.lab.folder / f"flows{id(self)}-{len(self.paths)}"
        self.paths.append(path)
        self.processes.append(start_program(self.lab, namespace, *args, path,
                                            stdout=subprocess.PIPE, text=True))

    def wait_running(self):
        """Until some packets have arrived somewhere."""
        outputs = [process.stdout for process in self.processes[:-1]]
        wait_until(lambda: select.select(outputs, [], [], 0)[0], "the stream arrives", 10)

    def end(self):
        """Stops the sender, then the receivers once all has arrived that was on its way."""
        *receivers, sender = self.processes
        sender.stdin.close()
        assert sender.wait(30) == 0
        sent_ns = read_numbers(self.paths[-1])
        for receiver in receivers:
            with receiver.stdin as telling:
                telling.write(f"{len(sent_ns)}\n")
        for receiver in receivers:
            assert receiver.wait(30) == 0
        return Result(self.flows, sent_ns, [read_numbers(path) for path in self.paths[:-1]])


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        receive(sys.argv[2], sys.argv[3])
