# SPDX-License-Identifier: BSD-2-Clause
"""SIGKILL at random moments, under traffic and churn: always back, always consistent, nothing left.

PEERLANE_KILLS says how often (10 unless told), PEERLANE_SEED which moments.
"""

import ipaddress
import json
import os
import random
import statistics
import subprocess
import threading
import time

from lab import wait_until
from leftovers import Holdings, wait_nothing_left
from stream import Stream

KILLS = int(os.environ.get("PEERLANE_KILLS", 10))
SEED = int(os.environ.get("PEERLANE_SEED", 20260101))
FAR = "10.9.0.1"
STARTING_S = 0.25  # what a start takes, and some more


class Unrest:
    """Routes and neighbours of the router's namespace that change all the time, but for pause()."""

    def __init__(self, lab):
        self.router = lab.router
        self.gateways = [(h.v4, f"pl{i}") for i, h in enumerate(lab.hosts)]
        # Neighbours that are only there when we say so.
        self.gateways += [(f"10.0.{i + 1}.{n}", f"pl{i}") for i in range(2) for n in range(100, 110)]
        self.random = random.Random(SEED)
        self.running = threading.Lock()
        self.ending = False
        self.commands = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def command(self):
        pick = self.random
        gateway, device = pick.choice(self.gateways)
        neighbour = f"10.0.{device[2:] == '1' and 2 or 1}.{pick.randrange(100, 110)}"
        prefix = f"30.0.{pick.randrange(64)}.{pick.choice((0, 0, 128))}/{pick.choice((24, 25, 28))}"
        return pick.choice((
            f"route replace {prefix} via {gateway} dev {device}",
            f"route replace {prefix} via {gateway} dev {device}",
            f"route append {prefix} via {gateway} dev {device} metric {pick.randrange(1, 9)}",
            f"route del {prefix}",
            f"route replace blackhole {prefix}",
            f"neigh replace {neighbour} lladdr 02:00:00:00:{pick.randrange(90) + 10}:01 "
            f"dev {device} nud {pick.choice(('reachable', 'permanent'))}",
            f"neigh del {neighbour} dev {device}",
        ))

    def run(self):
        while not self.ending:
            lines = "\n".join(self.command() for _ in range(20))
            with self.running:
                # Most of it: a prefix is not always there, or not of that length.
                self.router.run(["ip", "-force", "-batch", "-"], input=lines + "\n", check=False)
            self.commands += 20
            time.sleep(0.01)

    def end(self):
        self.ending = True
        self.thread.join()


def kernels_answer(router, address):
    """(gateway, device) of what `ip route get` says, None without a route that leads anywhere."""
    done = subprocess.run(["ip", "-n", router.name, "-j", "route", "get", address], text=True,
                          capture_output=True, check=False)
    if done.returncode:
        return None
    told = json.loads(done.stdout)[0]
    if told.get("type", "unicast") != "unicast":
        return None
    return told.get("gateway"), told["dev"]


def check_consistent(lab, pick):
    """Sampled addresses get the kernel's answer, once it has been told all there is."""
    def differ():
        return [(address, ours, kernels) for address in addresses
                for ours, kernels in [(lab.router.answer(address),
                                       kernels_answer(lab.router, address))]
                if ours != kernels]

    addresses = [str(ipaddress.IPv4Address("30.0.0.0") + pick.randrange(64 * 256))
                 for _ in range(12)] + [FAR]
    wait_until(lambda: not differ(), lambda: f"not the kernel's answers: {differ()}", 10)


def kill(process):
    process.kill()
    process.wait(10)


def kill_while_it_starts(lab, pick, log):
    """At any moment from the fork on."""
    process = lab.router.popen(lab.router.arguments(2), stdout=log, stderr=log,
                               stdin=subprocess.DEVNULL)
    time.sleep(pick.random() * STARTING_S)
    kill(process)


def memory_kib(*names):
    with open("/proc/meminfo") as file:
        info = dict(line.split(":") for line in file)
    return {name: int(info[name].split()[0]) for name in names}


def test_killed_at_random_moments(lab):
    """Every third time while it starts, else while it runs. After each: nothing left in the kernel;
    the next start forwards, and its answers are the kernel's."""
    h1, h2 = lab.hosts
    pick = random.Random(SEED)
    h2.ip(f"addr add {FAR} dev lo")
    lab.router.ip(f"route add 10.9.0.0/24 via {h2.v4} dev pl1")
    wait_until(lambda: h1.reaches(FAR), "host 1 reaches the far address")
    huge = memory_kib("HugePages_Total", "HugePages_Free")
    unrest = Unrest(lab)
    stream = Stream(lab, h1, h2, FAR)
    pauses, killed_starting = [], 0
    with open(lab.folder / "killed", "a") as log:
        for number in range(KILLS):
            time.sleep(pick.random() * 0.3)
            holdings = Holdings(lab.router)
            begin = stream.flows(20)
            lab.router.stop(9)
            while number % 3 == 2 and killed_starting <= number // 3:
                wait_nothing_left(lab.router, holdings)
                kill_while_it_starts(lab, pick, log)
                killed_starting += 1
            lab.router.start(lab.router.arguments(2))
            assert not holdings.left(), "objects of the one that was killed"
            stream.flows(20)
            if number % 3 != 2:
                pauses.append(stream.pause_ms(begin))
            with unrest.running:
                check_consistent(lab, pick)
    unrest.end()
    stream.close()
    holdings = Holdings(lab.router)
    lab.router.stop(9)
    wait_nothing_left(lab.router, holdings)
    links = {link["ifname"] for link in lab.router.ip_json("link show")}
    assert links == {"lo", "eth1", "eth2", "pl0", "pl1"}
    print(f"killed {KILLS} times while it ran and {killed_starting} times while it started, "
          f"{unrest.commands} changes, {stream.count()} packets received; pause of the stream after a "
          f"kill: min {min(pauses):.0f}, median {statistics.median(pauses):.0f}, "
          f"max {max(pauses):.0f} ms")
    if huge["HugePages_Total"]:
        wait_until(lambda: memory_kib("HugePages_Free")["HugePages_Free"] >=
                   huge["HugePages_Free"], "huge pages are back")
