# SPDX-License-Identifier: BSD-2-Clause
"""What is left after the daemon's end, or after a start that fails; clean-up; and second daemons."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket as socketlib
import subprocess
import time

import pytest

from lab import ACCELERATED, EMULATED, PEERLANE, PEERLANED, device, wait_until
from leftovers import Holdings, wait_nothing_left


def links(router):
    return {link["ifname"] for link in router.ip_json("link show")}


def taps(router):
    return {name for name in links(router) if name.startswith("pl")}


def still_forwards(lab):
    answered, output = lab.hosts[0].ping(lab.hosts[1].v4)
    assert answered == 3, output


# ---- the daemon's end ----

@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_in_the_kernel(lab, how):
    holdings = Holdings(lab.router)
    assert len(holdings.programs) == len(holdings.maps) == len(holdings.links) == 2
    assert len(holdings.left()) == 6
    lab.router.stop(how)
    wait_nothing_left(lab.router, holdings)
    assert taps(lab.router) == {"pl0", "pl1"}
    for number in (1, 2):
        link = lab.router.ip_json(f"link show eth{number}")[0]
        assert link["promiscuity"] == 0 and link.get("allmulti", 0) == 0, link


# ---- starts that fail ----

def run_limited(lab, limit):
    """Starts the daemon under a resource limit. Returns (exit status, None if it was ready, and what
    it said)."""
    log = lab.folder / "limited"
    with open(log, "w") as out:
        process = lab.popen(lab.router, ["prlimit", limit, *lab.router.arguments(2)], stdout=out,
                            stderr=out, env=dict(os.environ, **lab.router.environment))
    end = time.monotonic() + 20
    while process.poll() is None and "forwarding, control socket" not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.005)
    if process.poll() is None:
        process.terminate()
        process.wait(10)
        return None, log.read_text()
    return process.returncode, log.read_text()


def is_killed_by_driver(status):
    """OpenCL's PoCL ends the process where it lacks what it needs."""
    return ACCELERATED and status == -signal.SIGABRT


def check_failed_start(lab, status, said):
    if is_killed_by_driver(status):
        wait_nothing_left(lab.router)
        return
    assert status == 1, said
    assert "error: " in said, said
    wait_nothing_left(lab.router)
    assert not taps(lab.router), said
    assert not lab.router.control.exists(), said


def test_descriptors_run_out_at_each_step(make_lab):
    """One more descriptor is allowed each time, so that every step that needs one fails once. None
    leaves anything behind, until at last it starts."""
    lab = make_lab()
    steps = set()
    for limit in range(4, 80):
        status, said = run_limited(lab, f"--nofile={limit}")
        if status is None:
            break
        if status == 127:
            continue  # not even its libraries could be opened
        check_failed_start(lab, status, said)
        if is_killed_by_driver(status):
            continue
        steps.add(re.sub(r"[0-9]+", "N", next(line for line in said.splitlines()
                                               if "error: " in line)))
    print("\n".join(sorted(steps)))
    assert status is None, said
    assert len(steps) >= 8, steps
    wait_nothing_left(lab.router)


def test_memory_runs_out(make_lab):
    """The same with address space, in steps from what the program itself needs to enough."""
    lab = make_lab()
    failed = 0
    for mib in (40, 60, 80, 100, 1000, 3000, 4000, 6000, 8000, 9000, 20000):
        status, said = run_limited(lab, f"--as={mib << 20}")
        if status is None:
            break
        if status == 127:
            continue
        check_failed_start(lab, status, said)
        failed += 1
    assert status is None, said
    assert failed >= 3


def start_fails(lab, args, *wanted):
    done = lab.router.run([PEERLANED, "--control-socket", lab.folder / "other", *args], check=False,
                          timeout=60)
    assert done.returncode == 1, done.stderr
    for pattern in wanted:
        assert re.search(pattern, done.stderr), f"no {pattern!r} in:\n{done.stderr}"
    return done.stderr


PORTS = ["--port", f"pl0={device('eth1')}", "--port"]


def test_step_fails_after_others(make_lab):
    """Every kind of thing that can be in the way of the second port, the first one being fine."""
    lab = make_lab()
    router = lab.router
    router.ip("link add pl1 type veth peer name other")
    start_fails(lab, [*PORTS, f"pl1={device('eth2')}"], "pl1: an interface of this name exists")
    router.ip("link del pl1")
    start_fails(lab, [*PORTS, f"pl1={device('eth7')}"], "eth7", "no such device")
    if not EMULATED:  # where nothing can be said about how the program is attached
        lab.hosts[1].ip("link set eth0 mtu 9000")
        start_fails(lab, [*PORTS, "pl1=afxdp:eth2,attach=native"], "MTU of eth2 or of its peer")
        lab.hosts[1].ip("link set eth0 mtu 1500")
    wait_nothing_left(router)
    assert not taps(router)
    lab.start()
    still_forwards(lab)


# ---- second daemons ----

def test_same_control_socket(lab):
    done = lab.router.run(lab.router.arguments(2), check=False, timeout=60)
    assert done.returncode == 1
    assert "another peerlaned uses it" in done.stderr
    assert f"kill {lab.router.daemon.pid}" in done.stderr
    still_forwards(lab)


def test_same_taps(lab3):
    """Another socket and device, but a TAP that the first daemon has."""
    lab3.router.stop()
    lab3.router.start(lab3.router.arguments(2))
    wait_until(lambda: lab3.hosts[0].reaches(lab3.hosts[1].v4), "traffic")
    start_fails(lab3, ["--port", f"pl1={device('eth3')}"],
                f"pl1: process {lab3.router.daemon.pid} holds this TAP",
                f"kill {lab3.router.daemon.pid}")
    still_forwards(lab3)


def test_same_device(lab):
    """Another socket and TAP, but a device that the first daemon has."""
    program = lab.router.ip_json("link show eth1")[0]["xdp"]["prog"]["id"]
    start_fails(lab, ["--port", f"px0={device('eth1')}"],
                f"eth1 has another XDP program already \\(id {program} of process "
                f"{lab.router.daemon.pid}\\)", f"kill {lab.router.daemon.pid}", "xdp off")
    assert "px0" not in links(lab.router)
    still_forwards(lab)


# ---- clean-up ----

def cleanup(lab, *options, program=PEERLANED):
    return lab.router.run([PEERLANE, "-s", lab.router.control, *options, "cleanup"], check=False,
                          env=dict(os.environ, PEERLANED=str(program)))


def test_cleanup_refuses_while_a_daemon_runs(lab):
    done = cleanup(lab)
    assert done.returncode == 1
    assert "another peerlaned uses it" in done.stderr
    assert f"kill {lab.router.daemon.pid}" in done.stderr
    told = cleanup(lab, "-j")
    assert told.returncode == 1
    assert json.loads(told.stdout)["error"]["code"] == "EBUSY"
    # One that has another socket is known by its TAPs.
    done = lab.router.run([PEERLANED, "--cleanup", "--control-socket", lab.folder / "other"],
                          check=False)
    assert done.returncode == 1
    assert f"process {lab.router.daemon.pid} holds" in done.stderr
    assert taps(lab.router) == {"pl0", "pl1"}
    still_forwards(lab)


def test_cleanup_says_paths_of_any_bytes(lab):
    socket = os.fsdecode(os.fsencode(lab.folder) + b"/k\xf6ln")
    arguments = [PEERLANED, "--cleanup", "--json", "--control-socket", socket]
    with open(socket + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = lab.router.run(arguments, check=False)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "EBUSY" and error["message"].endswith("/k?ln: another peerlaned uses it")
    # A former daemon's socket, which nobody has any more.
    with contextlib.closing(socketlib.socket(socketlib.AF_UNIX)) as stale:
        stale.bind(socket)
    lab.router.stop()
    done = lab.router.run(arguments)
    removed = json.loads(done.stdout)["removed"]
    assert sorted(removed) == sorted(["pl0", "pl1", f"{lab.folder}/k?ln"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_cleanup_removes_all(lab, how):
    lab.router.stop(how)
    lock = lab.router.control.with_name(lab.router.control.name + ".lock")
    killed = how == signal.SIGKILL
    assert lab.router.control.exists() == killed and lock.exists()
    done = cleanup(lab, "-j")
    assert done.returncode == 0, done.stderr
    removed = json.loads(done.stdout)["removed"]
    assert sorted(removed) == sorted(["pl0", "pl1"] + killed * [str(lab.router.control)])
    assert not taps(lab.router)
    assert not lab.router.control.exists() and not lock.exists()
    again = cleanup(lab)
    assert again.returncode == 0 and not again.stderr
    lab.start()
    still_forwards(lab)


HOLD = """
import fcntl, os, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"pl1", 0x1002))
print("held", flush=True)
import sys; sys.stdin.read()
"""


def test_cleanup_of_a_tap_that_is_held(lab):
    """By whatever process: it is named, and nothing is removed."""
    lab.router.stop()
    holder = lab.popen(lab.router, ["/usr/bin/python3", "-c", HOLD], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    done = cleanup(lab)
    assert done.returncode == 1
    assert f"pl1: process {holder.pid} holds this TAP" in done.stderr
    assert taps(lab.router) == {"pl0", "pl1"}
    holder.stdin.close()
    holder.wait(5)
    assert cleanup(lab).returncode == 0
    assert not taps(lab.router)


AS_MANAGER = HOLD.split("print")[0] + """
import subprocess, sys
def attempt():
    return subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, close_fds=True).returncode
assert attempt() == 1
os.set_inheritable(tun, True)
with subprocess.Popen(["sleep", "60"], close_fds=False) as other:
    print(other.pid, file=sys.stderr, flush=True)
    assert attempt() == 1
    other.kill()
"""


def test_cleanup_of_a_tap_that_a_manager_keeps(lab):
    """Held by process 1 alone, it is kept for the service; by another too, it is that one's."""
    lab.router.stop()
    done = lab.router.run(["unshare", "--pid", "--fork", "--mount-proc", "/usr/bin/python3", "-c",
                           AS_MANAGER, PEERLANED, "--cleanup", "--control-socket",
                           lab.folder / "other"], check=False)
    assert done.returncode == 0, done.stderr
    alone, both = re.split(r"^([0-9]+)$", done.stderr, flags=re.M)[::2]
    other = re.search(r"^([0-9]+)$", done.stderr, flags=re.M)[1]
    assert "pl1: the service manager keeps this TAP" in alone
    assert "systemctl stop peerlaned" in alone
    assert f"pl1: process {other} holds this TAP" in both
    assert taps(lab.router) == {"pl0", "pl1"}


def test_cleanup_without_the_daemons_program(make_lab):
    lab = make_lab()
    done = cleanup(lab, "-j", program=lab.folder / "nowhere")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "ENOENT"
