# SPDX-License-Identifier: BSD-2-Clause
"""What a daemon has in the kernel, told apart from what others on the machine have."""

import json
import subprocess

from lab import wait_until

BPFTOOL = ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "bpftool", "-j"]


def bpftool(*args):
    done = subprocess.run([*BPFTOOL, *[str(a) for a in args]], text=True, capture_output=True,
                          check=False)
    told = json.loads(done.stdout or "null")
    return None if isinstance(told, dict) and "error" in told else told


def devices(router):
    return [link for link in router.ip_json("link show") if link["ifname"].startswith("eth")]


def programs(router):
    """Ids of the XDP programs on the router's devices."""
    return sorted(link["xdp"]["prog"]["id"] for link in devices(router) if "xdp" in link)


def xdp_sockets(router):
    return [line for line in router.run(["ss", "--xdp", "-a", "-H"]).stdout.splitlines() if line]


class Holdings:
    """The BPF objects that a running daemon has, by id."""

    def __init__(self, router):
        self.programs = programs(router)
        told = [bpftool("prog", "show", "id", i) for i in self.programs]
        # A program may have gone between the two looks.
        self.maps = sorted(m for p in told if p for m in p.get("map_ids", []))
        links = bpftool("link", "show") or []
        self.links = sorted(entry["id"] for entry in links if entry.get("prog_id") in self.programs)

    def left(self):
        """Those that are still there."""
        return [(kind, i) for kind, ids in (("prog", self.programs), ("map", self.maps),
                                            ("link", self.links))
                for i in ids if bpftool(kind, "show", "id", i)]


def wait_nothing_left(router, holdings=None, timeout_s=30):
    """No program on a device, no AF_XDP socket, none of the objects. The kernel ends some of them in
    the background."""
    def left():
        return programs(router) + xdp_sockets(router) + (holdings.left() if holdings else [])

    wait_until(lambda: not left(), lambda: f"left in the kernel: {left()}", timeout_s)
