# SPDX-License-Identifier: BSD-2-Clause
"""Mode=nic-gpu as an operator meets it: packets lie in the accelerator's memory, over emulated NICs; what it says, what
crosses the bus, what is refused and with which words, and that it hangs and comes back."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from lab import wait_until
from test_accelerator import Stopped, accelerator, busiest_thread, warnings

ACCELERATOR = os.environ.get("PEERLANE_ACCELERATOR", "host")
GPU = ["--mode", "nic-gpu", "--accelerator", ACCELERATOR]
FRAMES = 20000


@pytest.fixture
def lab(make_lab):
    return make_lab(kind="emu")


def start(lab, *options):
    lab.start(options=options, mode=GPU)
    wait_until(lambda: accelerator(lab)["state"] == "ready", "the accelerator is ready")


def program_thread(pid):
    """That of the host accelerator has a name; where one spins beside it, ticks may all be another's."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text() == "accel0\n":
            return int(task.name)
    return busiest_thread(pid)


def dma(lab):
    """Bytes that both NICs have moved, by what they are."""
    sums = {}
    for port in lab.router.ports():
        for way in ("dma_read", "dma_written"):
            for kind, count in port["emulator"][way].items():
                sums[kind] = sums.get(kind, 0) + count
    return sums


def test_forwards_without_main_memory(lab):
    """Of packets that are forwarded the NICs move nothing to or from main memory but descriptors."""
    start(lab)
    h1, h2 = lab.hosts
    assert h1.ping(h2.v4)[0] == 3 and h1.ping(h2.v6)[0] == 3
    for host in lab.hosts:  # nothing that speaks by itself
        host.ip("link set eth0 multicast off")
    before, passed = dma(lab), accelerator(lab)
    flood = lab.flood_command(h1, h2, seconds=4, rate=FRAMES // 4)
    h1.run(flood)
    after, now = dma(lab), accelerator(lab)
    packets = now["packets"] - passed["packets"]
    assert packets >= FRAMES // 2
    assert now["cpu_packets"] == now["faults"] == 0, now
    moved = {kind: after[kind] - before[kind] for kind in after}
    print(moved, packets)
    assert moved["packets_accelerator"] >= 2 * 60 * FRAMES // 2
    # Neighbours may be asked for meanwhile.
    assert moved["packets_host"] <= 64 * 100, moved
    assert 48 * packets * 0.9 <= moved["descriptors"] <= 64 * packets * 1.1, moved
    memory = now["packet_memory"]
    assert memory["place"] == "host" and memory["bytes"] % (2 << 20) == 0
    planes = lab.router.show("planes")
    assert planes["mode"] == "nic-gpu"
    assert planes["planes"][0]["pool"]["of_accelerator"] == memory["bytes"] // 2048


def test_is_told(lab):
    start(lab)
    log = lab.router.log()
    assert re.search(r"plane 0: .* \d+ buffers of 2048 bytes in the accelerator's memory, \d+ in main memory", log)
    shown = lab.router.peerlane("show", "accelerator").stdout
    assert re.search(r"packets lie in .* of main memory, which is also the accelerator's", shown), shown
    devices = json.loads(lab.router.peerlane("-j", "devices").stdout)["accelerators"]
    used = next(a for a in devices if a["used"])
    assert used["accelerator"] == f"{ACCELERATOR}:0"
    assert {"mode": "nic-gpu", "usable": True, "launch": ["persistent", "burst"], "why": None} in used["modes"]
    assert "Mode=nic-gpu: an accelerator processes" in lab.router.peerlane("show", "planes").stdout


def test_check(lab):
    args = [*lab.router.arguments(2, mode=GPU), "--check"]
    out = lab.router.run(args, env=dict(os.environ, **lab.router.environment)).stdout
    assert "mode: nic-gpu, launch persistent\n" in out, out
    assert re.search(r"^buffers: \d+ of 2048 bytes for each plane in the accelerator's memory \(\d+ MiB\), and \d+ in "
                     r"main memory", out, re.MULTILINE), out


@pytest.mark.parametrize("ports", [["pl0=afxdp:eth1", "pl1=afxdp:eth2"], ["pl0=emu:eth1", "pl1=afxdp:eth2"]])
def test_afxdp_is_refused(lab, ports):
    """The port, why, and what to do; also of one port beside those that can."""
    args = [*lab.router.arguments(0, mode=GPU), *(word for port in ports for word in ("--port", port))]
    for extra in ([], ["--check"]):
        done = lab.router.run([*args, *extra], check=False)
        assert done.returncode == 2, done
        bad = next(port for port in ports if "afxdp" in port)
        assert f"--port {bad}: Mode=nic-gpu is for NICs that Peerlane drives" in done.stderr, done.stderr
        assert "AF_XDP receives into main memory alone" in done.stderr
        assert "Mode=nic-cpu-gpu" in done.stderr
    assert not lab.router.ip_json("link show type tun")


def test_hangs_and_returns(lab):
    """While it hangs nothing is forwarded, for nobody else reaches the packets; all are dropped and counted, and nobody
    dies of it. NICs stay as they are, and what comes afterwards is forwarded."""
    start(lab, "--busy-poll")
    h1, h2 = lab.hosts
    flood = lab.popen(h1, lab.flood_command(h1, h2, seconds=600, rate=5000), stdout=subprocess.DEVNULL)
    wait_until(lambda: accelerator(lab)["packets"] > 1000, "the flood passes the accelerator")
    with Stopped(program_thread(lab.router.daemon.pid)):
        wait_until(lambda: accelerator(lab)["state"] == "failed", "it has failed")
        one = accelerator(lab)
        assert "hangs: a burst is not done within 2000 ms" in one["fault"]["message"], one
        lost = one["lost_packets"]
        wait_until(lambda: accelerator(lab)["lost_packets"] > lost + 1000, "what comes is dropped")
        assert accelerator(lab)["cpu_packets"] == 0
        assert any("packets are dropped, it is tried again" in line for line in warnings(lab)), lab.router.log()
        assert "packets are dropped" in lab.router.peerlane("show", "accelerator").stdout
    wait_until(lambda: accelerator(lab)["state"] == "ready", "it is ready again", 60)
    passed = accelerator(lab)["packets"]
    wait_until(lambda: accelerator(lab)["packets"] > passed + 1000, "the flood passes it again")
    assert h1.ping(h2.v4)[0] == 3
    assert accelerator(lab)["lost_packets"] == lab.router.counter("accelerator")
    flood.terminate()
    flood.wait(10)
    status, took_s = lab.router.stop()
    assert status == 0 and took_s < 3, lab.router.log()
