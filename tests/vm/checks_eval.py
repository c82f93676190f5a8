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


def bind(world, backend):
    """Returns the devices, as the router is told them."""
    world.load(*{"kmod": ("peerlane",), "vfio": ("vfio_iommu_type1", "vfio_pci")}[backend])
    for device in DEVICES:
        world.guest.run(f"peerlane bind {device} {backend}")
    return [f"pci:{device}" for device in DEVICES]


def unbind(world):
    for device in DEVICES:
        world.guest.run(f"peerlane unbind {device}")


def evaluate(world, name, devices, wanted, refused):
    """These set-ups are measured, those are left out with their reasons, all is as it was afterwards."""
    before = state(world)
    keys = " ".join(f"dut-{key}" for key in [*wanted, *refused])
    build = shlex.quote(f"PEERLANE_BUILD={os.environ['PEERLANE_BUILD']}")
    on_files(world, f"env {build} {ROOT}/bench/eval/eval.py {SHORT} --dut {' '.join(devices)} "
             f"--interfaces {' '.join(INTERFACES)} --setups {keys} --out {OUT} 2>&1", 1500)
    kept(world, name)
    data = json.loads(world.guest.output(f"cat {OUT}/results.json"))
    assert data["left_out"].keys() == {f"dut-{key}" for key in refused}, data["left_out"]
    for key, why in refused.items():
        assert why in data["left_out"][f"dut-{key}"], data["left_out"]
    for key in wanted:
        setup = data["setups"][f"dut-{key}"]
        assert "virtual machine" in setup["emulated"]
        (complete if setup["planes"] == 1 else spread)([r for r in data["records"] if r["setup"] == f"dut-{key}"])
    assert state(world) == before, f"{before}\n{state(world)}"


def evaluated(backend, wanted, refused):
    def check(world):
        try:
            evaluate(world, backend, bind(world, backend), wanted, refused)
        finally:
            unbind(world)
    return check


def afxdp(world):
    """Over the kernel's driver, whose two queues have flows by addresses alone before and afterwards; the kernel's own
    forwarding is measured beside."""
    names = ["eth0", "eth1"]
    for name in names:
        on_files(world, f"ethtool -L {name} combined 2")
    hashes = [on_files(world, f"ethtool -n {name} rx-flow-hash udp4") for name in names]
    assert not any("L4" in told for told in hashes), hashes
    evaluate(world, "afxdp", [f"afxdp:{name}" for name in names], ["nic-cpu-2-planes", "kernel", "xdp"],
             {"nic-cpu": "has 2 queues, but 1 plane"})
    assert hashes == [on_files(world, f"ethtool -n {name} rx-flow-hash udp4") for name in names]


def complete(records):
    for size in (64, 512):
        of_size = {r["experiment"]: r for r in records if r["frame_bytes"] == size and r["flows"] == 1}
        assert of_size["rtt"]["n"] == 20, of_size["rtt"]
        assert of_size["highest"]["received_pps"] > 100, of_size["highest"]
    assert any(r["experiment"] == "no_drop" for r in records)
    assert any(r.get("cpu_percent", 0) > 0 for r in records)
    assert {r["load_percent"] for r in records if r["experiment"] == "latency"} == {10, 50, 90}
    assert traffic(records) == {(1, False), (1000, False), (100_000, True)}


def spread(records):
    """Each plane has a share of the flows, which keeps it busy."""
    assert traffic(records) == {(1000, False), (100_000, True)}
    for record in records:
        planes = [name for name in record["cpu_threads"] if name.startswith("plane")]
        assert len(planes) == 2 and record["received_pps"] > 100, record


def traffic(records):
    """(flows, whether the table is full) of each."""
    return {(r["flows"], r["routes"] > 1) for r in records if r["experiment"] == "highest"}


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


def kept(world, name):
    """What came out, beside the guest's console."""
    folder = world.folder / f"evaluation-{name}"
    folder.mkdir()
    for file in world.guest.output(f"ls {OUT}").split():
        (folder / file).write_bytes(base64.b64decode(world.guest.output(f"base64 {OUT}/{file}")))
