# SPDX-License-Identifier: BSD-2-Clause
"""Mode=nic-cpu-gpu as an operator meets it: what it says, that packets really pass the accelerator, that it
rests, and what becomes of the router when it hangs. The accelerator is OpenCL's on this machine's own cores
(PoCL), whatever PEERLANE_ACCELERATOR says. What needs a driver that misbehaves is in tests/unit.
"""

import ctypes
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from lab import CACHE, PEERLANE, PEERLANED, libc, wait_until

GPU = ["--mode", "nic-cpu-gpu", "--accelerator", "opencl"]
TICKS_S = os.sysconf("SC_CLK_TCK")
IDLE_S = 3
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


def opencl_there():
    env = dict(os.environ, POCL_CACHE_DIR=str(CACHE))
    done = subprocess.run([PEERLANE, "-j", "-s", "/nonexistent", "devices"], env=env, text=True,
                          capture_output=True, check=True)
    return any(a["kind"] == "opencl" and a["usable"]
               for a in json.loads(done.stdout)["accelerators"])


pytestmark = pytest.mark.skipif(not opencl_there(), reason="no OpenCL accelerator: see dist/packages")


def start(lab, *options):
    """As lab.start(), with the accelerator."""
    lab.start(options=options, mode=GPU)
    wait_until(lambda: accelerator(lab)["state"] == "ready", "the accelerator is ready")


def accelerator(lab):
    return lab.router.show("accelerator")["accelerator"]


def warnings(lab):
    return [line for line in lab.router.log().splitlines() if "warning" in line]


@pytest.mark.parametrize("launch", ["persistent", "burst"])
def test_packets_pass_the_accelerator(make_lab, launch):
    lab = make_lab()
    start(lab, "--launch", launch)
    h1, h2 = lab.hosts
    before = accelerator(lab)
    for family in (4, 6):
        answered, output = h1.ping(h2.addr(family), count=100, interval_s=0.005)
        assert answered == 100, output
    after = accelerator(lab)
    assert after["launch"] == launch and after["state"] == "ready"
    # There and back, by two families; none by the CPU.
    assert after["packets"] - before["packets"] >= 400
    assert after["cpu_packets"] == before["cpu_packets"]
    assert after["lost_packets"] == after["faults"] == 0 and after["fault"] is None
    assert lab.router.show("planes")["mode"] == lab.router.show("ports")["mode"] == "nic-cpu-gpu"


def test_is_told(make_lab):
    """In the log, by `show accelerator`, by `devices`; and that it takes the planes' cores."""
    lab = make_lab()
    start(lab)
    log = lab.router.log()
    assert re.search(r"accelerator: opencl:0 .*, launch persistent, \d+ workers?, tables of \d+ MiB", log)
    assert any("made of this machine's own cores" in line for line in warnings(lab)), log
    shown = lab.router.peerlane("show", "accelerator").stdout
    assert "opencl:0" in shown and "the host's" in shown and "ready" in shown, shown
    devices = json.loads(lab.router.peerlane("-j", "devices").stdout)["accelerators"]
    one = next(a for a in devices if a["accelerator"] == "opencl:0")
    assert one["used"] and one["usable"] and one["is_cpu"]
    assert one["modes"][0] == {"mode": "nic-cpu-gpu", "usable": True,
                               "launch": ["persistent", "burst"], "why": None}
    # Its memory is the machine's own, which emulated NICs reach, and others by the kernel's udmabuf alone.
    assert one["modes"][1] == {**one["modes"][0], "mode": "nic-gpu"}
    if not os.path.exists("/dev/udmabuf"):
        assert any("udmabuf" in obstacle["what"] and obstacle["remedy"] == "modprobe udmabuf"
                   for obstacle in one["obstacles"]), one["obstacles"]
    text = lab.router.peerlane("devices").stdout
    assert re.search(r"opencl:0 .* in use", text), text


def test_none_without_the_mode(make_lab):
    lab = make_lab()
    lab.router.start(lab.router.arguments(2, mode=["--mode", "nic-cpu"]))
    assert lab.router.show("accelerator")["accelerator"] is None
    assert "none: Mode=nic-cpu" in lab.router.peerlane("show", "accelerator").stdout


def test_check(make_lab):
    lab = make_lab()
    args = [*lab.router.arguments(2, mode=GPU), "--check"]
    out = lab.router.run(args, env=dict(os.environ, **lab.router.environment)).stdout
    assert "mode: nic-cpu-gpu, launch persistent\n" in out
    assert re.search(r"^accelerator: opencl:0 .* in the host's memory$", out, re.MULTILINE), out
    out = lab.router.run([*lab.router.arguments(2, mode=[]), "--check"]).stdout
    assert out.startswith("mode: nic-cpu,"), out


@pytest.mark.parametrize("option", ["auto", "opencl", "opencl:7"])
def test_one_that_is_not_there(make_lab, option):
    """Each kind that was looked for, why it cannot be had, what to do, and where it was asked for."""
    lab = make_lab()
    env = dict(os.environ, OCL_ICD_VENDORS="/nonexistent", **lab.router.environment)
    if option == "opencl:7":
        del env["OCL_ICD_VENDORS"]
    args = lab.router.arguments(2, mode=["--mode", "nic-cpu-gpu", "--accelerator", option])
    for extra in ([], ["--check"]):
        done = lab.router.run([*args, *extra], check=False, env=env)
        assert done.returncode == 1, done
        assert f"--accelerator {option}: " in done.stderr
        assert "or Mode=nic-cpu" in done.stderr
        if option == "opencl:7":
            assert "no opencl:7 (there is 1)" in done.stderr, done.stderr
            continue
        assert "finds no driver (ICD) in /nonexistent" in done.stderr, done.stderr
        assert "pocl-opencl-icd" in done.stderr
        assert option != "auto" or "CUDA: " in done.stderr, done.stderr
    # Nothing is left of the attempt.
    assert not lab.router.ip_json("link show type tun")


def cpu_s(pid):
    """User and system time of all the process's threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def idle_cpu_s(lab):
    pid = lab.router.daemon.pid
    before = cpu_s(pid)
    time.sleep(IDLE_S)
    return (cpu_s(pid) - before) / IDLE_S


def test_rests(make_lab):
    """An idle second costs no more than a few ms of CPU beyond Mode=nic-cpu's; one packet ends the rest."""
    lab = make_lab()
    lab.start(mode=["--mode", "nic-cpu"])
    plain = idle_cpu_s(lab)
    lab.router.stop()
    start(lab)
    h1, h2 = lab.hosts
    h1.ping(h2.v4)
    for host in lab.hosts:  # nothing that speaks by itself
        host.ip("link set eth0 multicast off")
    wait_until(lambda: accelerator(lab)["at_rest"], "it rests")
    resting = idle_cpu_s(lab)
    print(f"an idle second: nic-cpu {plain * 1000:.1f} ms, nic-cpu-gpu {resting * 1000:.1f} ms")
    assert resting < plain + 0.05
    before = accelerator(lab)
    wait_until(lambda: h1.reaches(h2.v4), "packets pass again")
    after = accelerator(lab)
    assert after["wakes"] > before["wakes"] and after["packets"] >= before["packets"] + 2


def test_follows_routes(make_lab):
    """What changes is there for the next packet."""
    lab = make_lab(hosts=3)
    start(lab)
    h1, h2, h3 = lab.hosts
    for host in (h2, h3):
        host.ip("addr add 10.9.0.1/32 dev lo")
    before = accelerator(lab)
    for _ in range(10):
        for host in (h2, h3):
            lab.router.ip(f"route replace 10.9.0.0/24 via {host.v4}")
            lab.router.wait_next_hop("10.9.0.1", f"pl{host.number - 1}")
            sent = lab.router.show("ports")["ports"][host.number - 1]["counters"]["tx_packets"]
            wait_until(lambda: h1.reaches("10.9.0.1"), "the next packet takes the route")
            now = lab.router.show("ports")["ports"][host.number - 1]["counters"]["tx_packets"]
            assert now > sent
    after = accelerator(lab)
    assert after["updates"] > before["updates"] and after["fills"] == before["fills"]


def busiest_thread(pid, seconds=0.3):
    """Of the driver's: the one that runs the program."""
    def times():
        found = {}
        for task in Path(f"/proc/{pid}/task").iterdir():
            stat = (task / "stat").read_text()
            name, fields = stat[stat.index("(") + 1:stat.rindex(")")], stat.rpartition(")")[2].split()
            if name not in ("peerlaned", "faces", "emulator", "offload") and not name.startswith("plane"):
                found[int(task.name)] = int(fields[11]) + int(fields[12])
        return found

    before = times()
    time.sleep(seconds)
    after = times()
    return max(after, key=lambda tid: after[tid] - before.get(tid, 0))


class Stopped:
    """A thread that does not run meanwhile: the accelerator hangs."""

    def __init__(self, tid):
        self.tid = tid

    def ptrace(self, request):
        if libc.ptrace(request, self.tid, None, None):
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {self.tid}")

    def __enter__(self):
        self.ptrace(PTRACE_SEIZE)
        self.ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, WALL)
        return self

    def __exit__(self, *_):
        self.ptrace(PTRACE_DETACH)


def test_hangs_and_returns(make_lab):
    """While it hangs the CPU forwards, and all is told; when it can be opened again it forwards again. With
    --busy-poll its thread is always in the program, not in the driver, whose locks it would hold."""
    lab = make_lab()
    start(lab, "--busy-poll")
    h1, h2 = lab.hosts
    flood = lab.popen(h1, lab.flood_command(h1, h2, seconds=600, rate=5000), stdout=subprocess.DEVNULL)
    wait_until(lambda: accelerator(lab)["packets"] > 1000, "the flood passes the accelerator")
    with Stopped(busiest_thread(lab.router.daemon.pid)):
        wait_until(lambda: accelerator(lab)["state"] == "failed", "it has failed")
        one = accelerator(lab)
        assert one["faults"] >= 1, one
        # Longer than a card would be given: it may have to wait for its cores.
        assert "hangs: a burst is not done within 2000 ms" in one["fault"]["message"], one
        by_cpu = one["cpu_packets"]
        wait_until(lambda: accelerator(lab)["cpu_packets"] > by_cpu + 1000, "the CPU forwards")
        assert h1.ping(h2.v4)[0] == 3
        shown = lab.router.peerlane("show", "accelerator").stdout
        assert "failed" in shown and "last fault: " in shown, shown
        assert any("the CPU forwards, it is tried again" in line for line in warnings(lab)), lab.router.log()
    wait_until(lambda: accelerator(lab)["state"] == "ready", "it is ready again", 60)
    passed = accelerator(lab)["packets"]
    wait_until(lambda: accelerator(lab)["packets"] > passed + 1000, "the flood passes it again")
    one = accelerator(lab)
    assert one["opens"] >= 2 and one["fills"] >= 2, one
    # What it had is lost, and counted once.
    assert one["lost_packets"] == lab.router.counter("accelerator")
    wait_until(lambda: "forwards again after" in lab.router.log(), "the log tells")
    flood.terminate()
    flood.wait(10)
    status, took_s = lab.router.stop()
    assert status == 0 and took_s < 3, lab.router.log()


def test_drivers_threads_are_confined(make_lab):
    """No capability, no new privileges, a filter; and the first start compiled what the cache lacked."""
    lab = make_lab()
    del lab.router.environment["CACHE_DIRECTORY"]  # beside the control socket
    start(lab)
    assert any((lab.folder / "accelerator").iterdir())
    seen = 0
    for task in Path(f"/proc/{lab.router.daemon.pid}/task").iterdir():
        status = dict(re.findall(r"^(\w+):\s*(.*)$", (task / "status").read_text(), re.MULTILINE))
        if status["Name"] in ("peerlaned", "emulator"):
            continue
        seen += 1
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0, status
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    assert seen >= 4  # plane, faces, the accelerator's, a driver's
