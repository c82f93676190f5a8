# SPDX-License-Identifier: BSD-2-Clause
"""The evaluation on NICs that are there (bench/eval --dut): the guest's igbs, each cabled to another of its own.

How fast they are says nothing: QEMU emulates them and the processor."""

import base64
import json
import os
import shlex
from pathlib import Path

from guest import Guest

ROOT = Path(__file__).resolve().parents[2]
DEVICES = [Guest.address(i) for i in (0, 1)]
INTERFACES = ["eth2", "eth3"]
OUT = "/tmp/evaluation"
SHORT = "--quick --sizes 64 512 --repetitions 1 --seconds 1 --trials 1 --routes 2000 --accelerator host --any-speed"


def files(world):
    """The guest has this machine's files, and its own NICs."""
    world.load("virtio_pci", "9p", "9pnet_virtio", "overlay", "igb", "tun", "udmabuf")
    world.guest.run("sh /tests/files.sh true")
    assert on_files(world, "ethtool -i eth3").count("igb") == 1


def on_files(world, command, timeout_s=60):
    return world.guest.run(f"sh /tests/files.sh {command}", timeout_s).output


def evaluated(backend, wanted, refused):
    """Runs: these modes are measured, that one is left out with its reason, all is as it was afterwards."""
    def evaluate(world):
        world.load(*{"kmod": ("peerlane",), "vfio": ("vfio_iommu_type1", "vfio_pci")}[backend])
        for device in DEVICES:
            world.guest.run(f"peerlane bind {device} {backend}")
        before = state(world)
        devices = " ".join(f"pci:{device}" for device in DEVICES)
        keys = " ".join(f"dut-{mode}" for mode in [*wanted, *refused])
        build = shlex.quote(f"PEERLANE_BUILD={os.environ['PEERLANE_BUILD']}")
        on_files(world, f"env {build} {ROOT}/bench/eval/eval.py {SHORT} --dut {devices} "
                 f"--interfaces {' '.join(INTERFACES)} --setups {keys} --out {OUT} 2>&1", 1500)
        kept(world, backend)
        data = json.loads(world.guest.output(f"cat {OUT}/results.json"))
        assert data["left_out"].keys() == {f"dut-{mode}" for mode in refused}, data["left_out"]
        for mode, why in refused.items():
            assert why in data["left_out"][f"dut-{mode}"], data["left_out"]
        for mode in wanted:
            assert "virtual machine" in data["setups"][f"dut-{mode}"]["emulated"]
            complete([r for r in data["records"] if r["setup"] == f"dut-{mode}"])
        assert state(world) == before, f"{before}\n{state(world)}"
        for device in DEVICES:
            world.guest.run(f"peerlane unbind {device}")
    return evaluate


def complete(records):
    for size in (64, 512):
        of_size = {r["experiment"]: r for r in records if r["frame_bytes"] == size and r["flows"] == 1}
        assert of_size["rtt"]["n"] == 20, of_size["rtt"]
        assert of_size["highest"]["received_pps"] > 100, of_size["highest"]
    assert any(r["experiment"] == "no_drop" for r in records)
    assert any(r.get("cpu_percent", 0) > 0 for r in records)
    kinds = {(r["flows"], r["routes"] > 1) for r in records if r["experiment"] == "highest"}
    assert kinds == {(1, False), (1000, False), (100_000, True)}, kinds
    assert {r["load_percent"] for r in records if r["experiment"] == "latency"} == {10, 50, 90}


def state(world):
    """Of what an evaluation borrows."""
    links = json.loads(world.guest.output("ip -j link"))
    queues = [on_files(world, f"ethtool -l {name}") for name in INTERFACES]
    namespaces = world.guest.output("ls /run/netns 2>/dev/null || true")
    # Those of a NIC that was never up have none yet: the default's.
    interrupts = world.guest.output(f"cd /proc/irq; cat default_smp_affinity; for name in {' '.join(INTERFACES)}; do "
                                    "for irq in $(ls /sys/class/net/$name/device/msi_irqs); do "
                                    "cat $irq/smp_affinity 2>/dev/null || cat default_smp_affinity; done; done")
    return sorted(link["ifname"] for link in links), namespaces, queues, interrupts


def kept(world, backend):
    """What came out, beside the guest's console."""
    folder = world.folder / f"evaluation-{backend}"
    folder.mkdir()
    for name in world.guest.output(f"ls {OUT}").split():
        (folder / name).write_bytes(base64.b64decode(world.guest.output(f"base64 {OUT}/{name}")))
