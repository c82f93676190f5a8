# SPDX-License-Identifier: BSD-2-Clause
"""What the running daemon may still do, and that it does all its work with that. (All other lab
tests run confined, too; what is refused is tried out in tests/unit/test_privileges.c.)"""

import grp
import re
import signal
from pathlib import Path

import pytest

from lab import ACCELERATED, BUILD, EMULATED, PEERLANE, wait_until

ROOT = Path(__file__).parents[2]

# linux/capability.h
CHOWN, NET_ADMIN, NET_RAW, IPC_LOCK, BPF = (1 << n for n in (0, 12, 13, 14, 39))
KEPT = NET_ADMIN | NET_RAW | IPC_LOCK
GIVEN_UP = BPF | CHOWN  # needed at the start alone


def threads(daemon):
    """/proc/PID/task/*/status of all threads: a list of dicts."""
    return [dict(re.findall(r"^(\w+):\s*(.*)$", (task / "status").read_text(), re.M))
            for task in Path(f"/proc/{daemon.pid}/task").iterdir()]


def capabilities(thread, which):
    return int(thread[which], 16)


def test_every_thread_is_confined(make_lab):
    lab = make_lab(queues=2)
    lab.start(planes=2, options=["--cores", "0,1"])
    found = {thread["Name"]: thread for thread in threads(lab.router.daemon)}
    if ACCELERATED:  # see test_accelerator.py
        found = {name: thread for name, thread in found.items()
                 if name not in ("offload", "accelerator")}
    assert set(found) == {"peerlaned", "faces", "plane0", "plane1"} | ({"emulator"} if EMULATED else set())
    for name, thread in found.items():
        # The control thread and the emulator's, which take devices over again, keep what that needs.
        opens = name in ("peerlaned", "emulator")
        left = KEPT if opens else 0
        assert capabilities(thread, "CapEff") == capabilities(thread, "CapPrm") == left, name
        assert capabilities(thread, "CapInh") == capabilities(thread, "CapAmb") == 0, name
        assert capabilities(thread, "CapBnd") == KEPT, name
        assert thread["NoNewPrivs"] == "1" and thread["Seccomp"] == "2", name
        assert thread["Seccomp_filters"] == ("1" if opens else "2"), name
    told = lab.router.show("version")["confinement"]
    assert sorted(told["capabilities"]) == ["ipc_lock", "net_admin", "net_raw"]
    assert told["seccomp"] == "yes"
    assert "confined: capabilities net_admin, net_raw, ipc_lock; seccomp" in lab.router.log()
    assert "confinement: seccomp" in lab.router.peerlane("show", "version").stdout


def work(lab):
    """Everything that needs a privilege while it runs: MTU and MAC both ways (a NIC has no other interface
    to set them on), links, packets."""
    h1, h2 = lab.hosts
    router = lab.router
    router.ip("link set pl0 mtu 1400")
    wait_until(lambda: router.ip_json("link show eth1")[0]["mtu"] == 1400, "MTU, TAP to device")
    router.ip("link set pl0 address 02:00:00:00:12:34")
    wait_until(lambda: router.ports()[0]["mac"] == "02:00:00:00:12:34", "MAC of the TAP")
    if not EMULATED:
        router.ip("link set eth1 mtu 1450")
        wait_until(lambda: router.ip_json("link show pl0")[0]["mtu"] == 1450, "MTU, device to TAP")
        router.ip("link set eth2 address 02:00:00:00:56:78")
        wait_until(lambda: router.mac("pl1") == "02:00:00:00:56:78", "MAC of the device")
    router.ip("link set eth2 down")
    wait_until(lambda: not router.carrier("pl1"), "carrier off")
    router.ip("link set eth2 up")
    wait_until(lambda: router.carrier("pl1"), "carrier on")
    for host in (h1, h2):
        host.ip("neigh flush dev eth0")  # the router's MACs are others now
    for family in (4, 6):
        wait_until(lambda f=family: h1.reaches(h2.addr(f)), f"IPv{family} traffic", 15)
    lab.flood(h1, h2, seconds=1)
    warnings = [line for line in router.log().splitlines()
                if "warning" in line and "pages" not in line and "own cores" not in line]
    assert not warnings, router.log()


def test_works_confined(lab):
    work(lab)
    status, _ = lab.router.stop(signal.SIGTERM)
    assert status == 0 and not lab.router.control.exists(), lab.router.log()
    lab.router.start(lab.router.arguments(2))
    h1, h2 = lab.hosts
    wait_until(lambda: h1.reaches(h2.v4), "traffic after the restart")


def test_works_within_the_bounds_of_the_unit(make_lab):
    """Capabilities, read-only files and system calls as the unit file has them: starts, works, and
    ends. With CAP_SETPCAP missing the bounding set stays systemd's."""
    pytest.importorskip("seccomp")
    lab = make_lab()
    runtime = lab.folder / "runtime"
    runtime.mkdir()
    lab.router.control = runtime / "control"
    del lab.router.environment["CACHE_DIRECTORY"]  # nothing can be written there
    bounds = ["unshare", "--mount", "/usr/bin/python3", ROOT / "tests/lab/as_unit.py",
              BUILD / "dist/peerlaned.service", runtime]
    lab.router.start([*bounds, *lab.router.arguments(2)])
    lab.configure()
    main = next(t for t in threads(lab.router.daemon) if t["Name"] == "peerlaned")
    assert main["Seccomp_filters"] == "2"
    assert capabilities(main, "CapEff") == KEPT
    assert capabilities(main, "CapBnd") == KEPT | GIVEN_UP
    work(lab)
    status, _ = lab.router.stop(signal.SIGTERM)
    assert status == 0 and not lab.router.control.exists(), lab.router.log()


@pytest.mark.parametrize("mode, state", [("log", "2"), ("no", "0")])
def test_seccomp_can_be_relaxed(make_lab, mode, state):
    lab = make_lab()
    lab.start(options=["--seccomp", mode])
    assert {thread["Seccomp"] for thread in threads(lab.router.daemon)} == {state}
    assert lab.router.show("version")["confinement"]["seccomp"] == mode
    wait_until(lambda: lab.hosts[0].reaches(lab.hosts[1].v4), "traffic")


def as_nobody(lab, group):
    """`peerlane show version` by a user that is in this group alone. Returns the process."""
    return lab.router.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", group,
                           PEERLANE, "-s", lab.router.control, "show", "version"], check=False)


def test_control_socket_is_for_root_and_one_group(make_lab):
    """File mode and group decide. The folders on the way are made passable: it is the socket that
    refuses."""
    lab = make_lab()
    lab.folder.chmod(0o711)
    lab.start(options=["--control-group", "operator"])  # of Debian's base-passwd
    operator, other = (grp.getgrnam(name).gr_gid for name in ("operator", "games"))
    status = lab.router.control.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o660, 0, operator)
    assert as_nobody(lab, operator).returncode == 0
    refused = as_nobody(lab, other)
    assert refused.returncode != 0 and "Permission denied" in refused.stderr
    assert "ControlGroup=" in refused.stderr
    lab.router.stop()
    lab.router.start(lab.router.arguments(2))
    assert lab.router.control.stat().st_mode & 0o7777 == 0o600
    assert as_nobody(lab, operator).returncode != 0
