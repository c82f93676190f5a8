# SPDX-License-Identifier: BSD-2-Clause
"""What an evaluation on NICs that are there borrows of the machine, and gives back. tests/vm/run eval has the NICs."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("bench/eval", "bench/net", "tests/lab")]

import dut_lab  # noqa: E402: found by the path above
import dut_setups  # noqa: E402: likewise
import lab as L  # noqa: E402: likewise
import measure  # noqa: E402: likewise
import setups  # noqa: E402: likewise

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
def machine():
    """A namespace that this process is in, with a0, which is up, cabled to b0, and a1 to b1."""
    with contextlib.ExitStack() as stack:
        machine = L.Namespace(L.namespace_name("eval-r9"))
        stack.callback(machine.delete)
        for i in range(2):
            queues = "numrxqueues 2 numtxqueues 2"
            machine.ip(f"link add a{i} {queues} type veth peer name b{i} {queues}")
        machine.ip("link set a0 up")
        with machine.entered():
            yield machine


def links():
    told = subprocess.run(["ip", "-j", "link"], text=True, capture_output=True, check=True).stdout
    return {link["ifname"]: "UP" in link["flags"] for link in json.loads(told)}


def test_interfaces_come_back(machine):
    before = links()
    with contextlib.ExitStack() as stack:
        lab = dut_lab.DutLab(L.namespace_name("eval"), stack, ["pci:0000:ff:1f.7", "emu:none"], ["a0", "a1"])
        one, two = lab.hosts
        assert not links().keys() & {"a0", "a1"}
        two.ip(f"link set a1 netns {one.name}")
        assert "a1" in one.ip("-br link")
    assert links() == before
    assert not [name for name in os.listdir("/run/netns") if name in (one.name, two.name, lab.router.name)]


def test_they_come_back_when_it_fails(machine):
    before = links()
    with pytest.raises(AssertionError), contextlib.ExitStack() as stack:
        dut_lab.DutLab(L.namespace_name("eval"), stack, [], ["a0", "none"])
    assert links() == before


def test_what_has_an_address_is_not_taken(machine):
    assert dut_lab.in_use("a0") is None
    machine.ip("addr add 192.0.2.1/24 dev a0")
    assert "ip addr flush dev a0" in dut_lab.in_use("a0")
    assert "none" in dut_lab.in_use("none")


@pytest.mark.parametrize("commands,why", [
    (["link add br0 type bridge", "link set a0 master br0"], "a0 belongs to br0: ip link set a0 nomaster"),
    (["link add bond0 type bond", "link set a0 down", "link set a0 master bond0"], "a0 belongs to bond0"),
    (["link add link a0 name a0.5 type vlan id 5"], "a0.5 is on top of a0: ip link delete a0.5"),
    (["link add link a0 name mac0 type macvlan"], "mac0 is on top of a0"),
    (["route add default dev a0"], "a0 carries the default route: reach the machine another way first"),
    (["link set b0 up", "-6 route add default dev a0 table 7"], "a0 carries the default route"),
    (["link set a1 up", "route add default nexthop dev a1 nexthop dev a0"], "a0 carries the default route"),
    (["addr add 169.254.1.1/16 scope link dev a0"], "a0 has addresses"),
    (["addr add 2001:db8::1/64 dev a0"], "a0 has addresses"),
])
def test_what_other_things_depend_on_is_not_taken(machine, commands, why):
    for command in commands:
        try:
            machine.ip(command)
        except AssertionError as error:
            if "Unknown device type" in str(error) or "not supported" in str(error):
                pytest.skip(str(error))
            raise
    assert why in dut_lab.in_use("a0")
    assert dut_lab.in_use("b0") is None


def test_what_somebody_is_connected_by_is_not_taken(machine):
    machine.ip("addr add fe80::1/64 dev a0 nodad")
    machine.ip("link set b0 up")
    machine.ip("link set a1 up")
    assert dut_lab.in_use("a0") is None
    there = ("fe80::1", 0, 0, socket.if_nametoindex("a0"))
    with socket.create_server(there, family=socket.AF_INET6) as server, \
            socket.socket(socket.AF_INET6) as client:
        client.connect((there[0], server.getsockname()[1], *there[2:]))
        assert "a0 carries TCP connections" in dut_lab.in_use("a0")
        assert dut_lab.in_use("a1") is None


@pytest.mark.parametrize("devices,interfaces", [(["afxdp:a0,queues=1", "afxdp:b1"], ["b0", "a1"]),
                                                (["emu:b1", "emu:a0"], ["b0", "a1"]),
                                                (["pci:0000:ff:1f.7", "pci:0000:ff:1f.6"], ["a1", "a0"])])
def test_neither_devices_nor_interfaces_are_taken_that_are_in_use(machine, devices, interfaces):
    machine.ip("addr add 192.0.2.1/24 dev a0")
    for mode in setups.MODES:
        assert "a0 has addresses" in dut_setups.Dut(devices, interfaces, mode).why_not()


def test_speeds_are_those_of_both_ends(machine):
    with contextlib.ExitStack() as stack:
        lab = dut_lab.DutLab(L.namespace_name("eval"), stack, ["afxdp:a0", "pci:0000:ff:1f.7"], ["b0", "a1"])
        assert lab.speeds() == {"a0": 10_000, "b0": 10_000, "a1": 10_000}
        dut_lab.check_speeds(lab.speeds())


def test_only_a_speed_that_is_known_is_refused(machine):
    machine.ip("tuntap add t0 mode tap")
    machine.run("ethtool -s t0 speed 25000")
    assert dut_lab.speed_mbps(machine, "t0") is None  # it is down
    machine.ip("link set t0 up")
    assert dut_lab.speed_mbps(machine, "t0") == 25_000
    with pytest.raises(dut_lab.WrongSpeed, match="t0 has a link of 25000 Mb/s.*ethtool -s t0 speed 10000"):
        dut_lab.check_speeds({"a0": None, "t0": 25_000})
    dut_lab.check_speeds({"a0": None, "t0": 10_000})
    assert dut_lab.LINE_MBPS * 1e6 == measure.LINE_BPS


@pytest.mark.parametrize("cores,gpu,shared", [(3, False, False), (2, False, True), (3, True, True), (4, True, False)])
def test_planes_have_a_core_each(monkeypatch, machine, cores, gpu, shared):
    monkeypatch.setattr(setups.os, "sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.setattr(dut_setups, "refusal", lambda options, ports: f"asked for {' '.join(options)}")
    accelerator = setups.Accelerator("host", "host", "threads") if gpu else None
    mode = "nic-cpu-gpu" if gpu else "nic-cpu"
    one, two = (dut_setups.Dut(["pci:a", "pci:b"], ["a0", "a1"], mode, accelerator, planes=n) for n in (1, 2))
    assert (one.key, two.key) == (f"dut-{mode}", f"dut-{mode}-2-planes")
    assert "asked for" in one.why_not() and "--planes 1" in one.why_not()
    assert ("not as many cores" if shared else "--planes 2") in two.why_not()
    assert two.sizes([64, 512]) == [64] and one.sizes([64, 512]) == [64, 512]
    assert shared or two.cores.planes == [1, 2]


def test_two_planes_forward(machine):
    """Over interfaces that do not spread flows, which is told."""
    for i in range(2):
        machine.run(f"ethtool -L a{i} rx 2 tx 2")
        machine.run(f"ethtool -L b{i} rx 2 tx 2")
    devices = ["afxdp:a0", "afxdp:a1"]
    assert "2 queues, but 1 plane" in dut_setups.Dut(devices, ["b0", "b1"], "nic-cpu").why_not()
    setup = dut_setups.Dut(devices, ["b0", "b1"], "nic-cpu", planes=2)
    setup.cores = setups.Cores(2, 0, turns=False)  # others run beside this
    with setup.running([64], 3) as (bench, times):
        assert len(times[64]) == 3
        planes = bench.lab.router.show("planes")["planes"]
        assert [plane["core"] for plane in planes] == setup.cores.planes
        assert setup.seen["hash_nic-cpu-2-planes"].startswith("a0, a1: by addresses alone, if at all")
    assert links().keys() >= {"a0", "a1", "b0", "b1"}


@pytest.mark.parametrize("devices", [["afxdp:a0", "pci:0000:ff:1f.7"], ["emu:a0", "emu:a1"]])
def test_the_kernel_forwards_between_what_it_drives(machine, devices):
    assert "devices that it drives" in dut_setups.DutKernel(devices, ["b0", "b1"], "kernel", "Linux").why_not()


@pytest.mark.parametrize("program", [None, "bench/net/fib.bpf.o"])
def test_the_kernel_beside(machine, program):
    """It forwards, in threads that are where they are said to be, and leaves interfaces as they were."""
    for i in range(2):  # without it a veth has no NAPI, and takes nothing that a program redirects
        machine.run(f"ethtool -K a{i} gro on")
        machine.run(f"ethtool -K b{i} gro on")
    setup = dut_setups.DutKernel(["afxdp:a0", "afxdp:a1"], ["b0", "b1"], "beside", "It",
                                 program=program and L.BUILD / program)
    assert setup.why_not() is None
    with setup.running([64], 3) as (bench, times):
        assert len(times[64]) == 3
        assert len(bench.pids) >= 2
        assert setup.seen["threads_beside"] == "a0: 2 of NAPI, a1: 2 of NAPI"
        for pid in bench.pids:
            assert Path(f"/proc/{pid}/comm").read_text().startswith(("napi/a0-", "napi/a1-"))
            assert os.sched_getaffinity(pid) == set(setup.cores.planes)
        path, count = bench.load(100)
        assert count == len(path.read_text().splitlines()) > 50
    for i in range(2):
        link, = json.loads(machine.ip(f"-j link show a{i}"))
        assert "xdp" not in link
        assert machine.run(f"cat /sys/class/net/a{i}/threaded").stdout == "0\n"


@pytest.mark.parametrize("second,why", [("typo", "no interface typo"), ("lo", "lo (")])
def test_what_the_kernel_cannot_forward_between_is_left_out(machine, second, why):
    """Before anything is lent: what is not there, and drivers that take no program of XDP."""
    machine.ip("addr flush dev lo")  # which has no driver that would
    setup = dut_setups.DutKernel(["afxdp:a0", f"afxdp:{second}"], ["b0", "b1"], "xdp", "X",
                                 program=L.BUILD / "bench/net/fib.bpf.o")
    assert why in setup.why_not()
    assert "xdp" not in json.loads(machine.ip("-j link show a0"))[0]


def test_what_has_a_program_of_xdp_is_not_taken(machine):
    """It would be replaced, and gone afterwards."""
    dut_lab.attach(machine.run, "a0", L.BUILD / "bench/net/fib.bpf.o")
    setup = dut_setups.DutKernel(["afxdp:a0", "afxdp:a1"], ["b0", "b1"], "xdp", "X",
                                 program=L.BUILD / "bench/net/fib.bpf.o")
    assert "a0 has a program of XDP" in setup.why_not()
    assert "xdp" in json.loads(machine.ip("-j link show a0"))[0]


def test_threads_go_back_to_their_cores():
    thread, cores = os.getpid(), os.sched_getaffinity(0)
    with dut_lab.placed_back([thread]):
        os.sched_setaffinity(thread, {min(cores)})
    assert os.sched_getaffinity(thread) == cores


ETHTOOL = """#!/bin/sh
echo "$*" >>{folder}/calls
[ $1 != -N ] || echo "$5" >{folder}/fields
echo "UDP over IPV4 flows use these fields for computing Hash flow key:"
case $(cat {folder}/fields) in
sd) printf "IP SA\\nIP DA\\n" ;;
sdfn) printf "IP SA\\nIP DA\\nL4 bytes 0 & 1 [TCP/UDP src port]\\nL4 bytes 2 & 3 [TCP/UDP dst port]\\n" ;;
s) printf "IP SA\\n" ;;
none) exit 75 ;;
esac
"""


@pytest.mark.parametrize("usual,spreads,sets", [("sd", True, ["sdfn", "sd"]), ("sdfn", True, []), ("s", False, []),
                                                ("none", False, [])])
def test_flows_are_spread_by_ports_for_the_time(monkeypatch, tmp_path, usual, spreads, sets):
    """Only where that can be put back as it was."""
    (tmp_path / "ethtool").write_text(ETHTOOL.replace("{folder}", str(tmp_path)))
    (tmp_path / "ethtool").chmod(0o755)
    (tmp_path / "fields").write_text(usual)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with dut_lab.hashed_by_ports("eno1") as spread:
        assert spread == spreads
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[-1] for call in calls if call.startswith("-N eno1 rx-flow-hash udp4")] == sets
    assert (tmp_path / "fields").read_text().strip() == usual


def test_links_that_take_their_time_are_reckoned_with(monkeypatch):
    monkeypatch.setattr(dut_setups, "has_device", lambda name: name == "eno1")
    assert dut_setups.Dut(["pci:a", "pci:b"], ["eno1", "a0"], "nic-cpu").start_s == dut_setups.LINK_UP_S
    assert dut_setups.Dut(["pci:a", "pci:b"], ["a0", "a1"], "nic-cpu").start_s == setups.Setup.start_s


@pytest.fixture
def interrupts(monkeypatch, tmp_path):
    """A kernel with a NIC's interrupts 7 and 8: {number, or default_smp_affinity: its file}."""
    files = {}
    for irq in (7, 8):
        (tmp_path / f"net/eno1/device/msi_irqs/{irq}").mkdir(parents=True)
        files[irq] = tmp_path / f"irq/{irq}/smp_affinity"
        files[irq].parent.mkdir(parents=True)
        files[irq].write_text(f"0000000{irq - 6}")
    files["default"] = tmp_path / "irq/default_smp_affinity"
    files["default"].write_text("000000ff")
    monkeypatch.setattr(dut_lab, "INTERFACES", tmp_path / "net")
    monkeypatch.setattr(dut_lab, "IRQS", tmp_path / "irq")
    return files


def test_interrupts_go_to_other_cores_and_come_back(interrupts):
    with pytest.raises(KeyError), dut_lab.interrupts_on([2, 33], ["eno1", "a0"]):
        assert {file.read_text() for file in interrupts.values()} == {"00000002,00000004"}
        raise KeyError
    assert {key: file.read_text() for key, file in interrupts.items()} == \
        {7: "00000001", 8: "00000002", "default": "000000ff"}


def test_interrupts_that_a_driver_asked_for_meanwhile_are_as_usual_afterwards(interrupts, tmp_path):
    with dut_lab.interrupts_on([2], ["eno1"]):
        (tmp_path / "net/eno1/device/msi_irqs/8").rename(tmp_path / "net/eno1/device/msi_irqs/9")
        interrupts[8].parent.rename(tmp_path / "irq/9")
        assert (tmp_path / "irq/9/smp_affinity").read_text() == "00000004"
    assert (tmp_path / "irq/9/smp_affinity").read_text() == "000000ff"
    assert interrupts[7].read_text() == "00000001"


def test_interrupts_that_were_never_asked_for_are_no_obstacle(interrupts):
    interrupts[8].unlink()  # as of an interface that has not been up yet
    with dut_lab.interrupts_on([2], ["eno1"]):
        assert interrupts[7].read_text() == interrupts["default"].read_text() == "00000004"
        interrupts[8].write_text("00000004")
    assert interrupts[8].read_text() == "000000ff"


@pytest.mark.parametrize("cores,interface", [([], "eno1"), ([2], "a0")])
def test_interrupts_stay_where_no_core_is_left_or_none_are_known(interrupts, cores, interface):
    with dut_lab.interrupts_on(cores, [interface]):
        assert interrupts[7].read_text() == "00000001"
        assert interrupts["default"].read_text() == "000000ff"


def test_where_interrupts_are_is_told(interrupts, machine):
    for irq, cores in ((7, "2-3"), (8, "2-3")):
        (interrupts[irq].parent / "smp_affinity_list").write_text(f"{cores}\n")
    hosts = [types.SimpleNamespace(interface=name, run=machine.run) for name in ("eno1", "a0")]
    lab = types.SimpleNamespace(hosts=hosts, router=machine, lent_to_router=["b0"])
    assert dut_lab.DutLab.interrupts(lab) == {"b0": "", "eno1": "2-3", "a0": ""}


@pytest.mark.parametrize("stand_ins,spare", [(0, [2, 3]), (1, [])])
def test_cores_that_are_left(monkeypatch, stand_ins, spare):
    monkeypatch.setattr(setups.os, "sched_getaffinity", lambda pid: set(range(4)))
    assert setups.Cores(stand_ins=stand_ins).spare == spare
