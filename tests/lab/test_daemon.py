# SPDX-License-Identifier: BSD-2-Clause
"""The daemon: starts, ends, is killed, starts again, refuses; and the operator's command."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from lab import EMULATED, PEERLANE, PEERLANED, Sink, device, wait_until
from marks import afxdp_only

ROOT = Path(__file__).parents[2]

SHOWS = ["ports", "routes", "neighbors", "nexthops", "counters", "planes", "sync"]


def has_program(router, device):
    return "xdp" in router.ip_json(f"link show {device}")[0]


def nothing_left(router):
    return not any(has_program(router, device) for device in ("eth1", "eth2"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("busy", [(), ("--busy-poll",)])
def test_stops_within_a_second(make_lab, how, busy):
    lab = make_lab()
    h1, h2 = lab.hosts
    quickest_s = float("inf")
    for _ in range(3):  # others may have the processors: once it has to be quick
        lab.start(options=busy)
        flood = lab.popen(h1, lab.flood_command(h1, h2, seconds=60))
        status, took_s = lab.router.stop(how)
        flood.terminate()
        flood.wait(10)
        assert status == 0, lab.router.log()
        assert nothing_left(lab.router)
        assert not lab.router.control.exists()
        quickest_s = min(quickest_s, took_s)
        if quickest_s < 1:
            break
    assert quickest_s < 1


FAR = {4: "10.9.0.1", 6: "fd00:9::1"}
FAR_NET = {4: "10.9.0.0/24", 6: "fd00:9::/64"}

ENDS = pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])


def has_route(lab, family, prefix):
    return bool(lab.router.ip_json(f"-{family} route show {prefix}"))


@ENDS
def test_addresses_and_routes_outlive_the_daemon(lab, how):
    """Killed or stopped: no program stays on the devices; the TAPs do, without carrier, and with
    them addresses and routes over gateways, which the next start finds. Nobody sets them again."""
    h1, h2 = lab.hosts
    for family in (4, 6):
        h2.ip(f"addr add {FAR[family]} dev lo")
        lab.router.ip(f"route add {FAR_NET[family]} via {h2.addr(family)} dev pl1")
        wait_until(lambda f=family: h1.reaches(FAR[f]), f"IPv{family} before the end")
    assert has_program(lab.router, "eth1") and has_program(lab.router, "eth2")
    lab.router.stop(how)
    wait_until(lambda: nothing_left(lab.router), "no XDP program left")
    wait_until(lambda: not lab.router.carrier("pl1"), "no carrier")
    for i, host in enumerate(lab.hosts):
        left = {a["local"] for a in lab.router.ip_json(f"addr show pl{i}")[0]["addr_info"]}
        assert {host.gateway4, host.gateway6} <= left
    for family in (4, 6):
        assert has_route(lab, family, FAR_NET[family])
    lab.router.start(lab.router.arguments(2))
    for family in (4, 6):
        wait_until(lambda f=family: h1.reaches(FAR[f]), f"IPv{family} after the restart")


@ENDS
def test_nexthop_objects_do_not_outlive_the_daemon(lab, how):
    """The kernel deletes the next hop objects of an interface that loses its carrier, and the routes
    over them: whoever made them has to make them again, as the manual says."""
    h1, h2 = lab.hosts
    h2.ip(f"addr add {FAR[4]} dev lo")

    def make():
        lab.router.ip(f"nexthop add id 12 via {h2.v4} dev pl1")
        lab.router.ip(f"route add {FAR_NET[4]} nhid 12")
        wait_until(lambda: h1.reaches(FAR[4]), "the route over an object")

    make()
    lab.router.stop(how)
    wait_until(lambda: not lab.router.carrier("pl1"), "no carrier")
    wait_until(lambda: not lab.router.ip_json("nexthop show"), "the object is gone")
    assert not has_route(lab, 4, FAR_NET[4])
    lab.router.start(lab.router.arguments(2))
    wait_until(lambda: lab.router.carrier("pl1"), "carrier after the restart")
    make()


def test_cleanup_removes_the_taps(lab):
    lab.router.stop()
    names = [link["ifname"] for link in lab.router.ip_json("link show")]
    assert "pl0" in names and "pl1" in names
    lab.router.run([PEERLANED, "--cleanup"])
    names = [link["ifname"] for link in lab.router.ip_json("link show")]
    assert "pl0" not in names and "pl1" not in names


def test_configuration_file(make_lab):
    lab = make_lab()
    config = lab.folder / "peerlaned.conf"
    config.write_text(f"""\
# A comment
[Router]
Mode=nic-cpu
Planes=1
BusyPoll=no
ControlSocket={lab.router.control}

[Port pl0]
Device={device("eth1")}

[Port pl1]
Device={device("eth2")}
{"MTU=1400" if EMULATED else "Attach=generic"}
""")
    lab.router.start([PEERLANED, "-c", config])
    lab.configure()
    answered, output = lab.hosts[0].ping(lab.hosts[1].v4)
    assert answered == 3, output
    if EMULATED:
        assert [port["mtu"] for port in lab.router.ports()] == [1500, 1400]
    else:
        assert [port["attach"] for port in lab.router.ports()] == ["native", "generic"]


@afxdp_only("a NIC's driver attaches no program")
def test_generic_attach_mode(make_lab):
    lab = make_lab()
    args = lab.router.arguments(0)
    for i in range(2):
        args += ["--port", f"pl{i}=afxdp:eth{i + 1},attach=generic"]
    lab.router.start(args)
    lab.configure()
    h1, h2 = lab.hosts
    for family in (4, 6):
        answered, output = h1.ping(h2.addr(family))
        assert answered == 3, output
    assert all(port["attach"] == "generic" for port in lab.router.ports())
    assert lab.iperf(h1, h2, h2.v4, seconds=1)["end"]["sum_received"]["bytes"] > 1_000_000


def test_busy_poll(make_lab):
    lab = make_lab()
    lab.start(options=["--busy-poll"])
    h1, h2 = lab.hosts
    for family in (4, 6):
        answered, output = h1.ping(h2.addr(family), count=20)
        assert answered == 20, output


@pytest.mark.parametrize("family", [4, 6])
def test_two_planes(make_lab, family):
    """Flows spread over two queues, and so over two planes; each keeps its order."""
    lab = make_lab(queues=2)
    lab.start(planes=2, options=["--cores", "0,1"])
    h1, h2 = lab.hosts
    h1.ping(h2.addr(family))
    sink = Sink(lab, h2)
    # The generator's frames all enter by one queue; sockets' packets by the one of their flow.
    lab.flood(h1, h2, family=family, seconds=2, flows=64)
    end = sink.settled()
    assert end["packets"] > 0 and end["late"] == end["repeated"] == 0
    sink.close()
    lab.iperf(h1, h2, h2.addr(family), seconds=2, options=["-P", "8"])
    assert lab.iperf(h1, h2, h2.addr(family), seconds=1)["end"]["sum_received"]["bytes"] > 1_000_000
    moved = lab.router.plane_packets()
    assert len(moved) == 2 and min(moved) > 100, moved


def start_fails(lab, args, *wanted):
    """Runs the daemon; it must refuse, and say all of `wanted`."""
    done = lab.router.run([PEERLANED, "--control-socket", lab.router.control, *args], check=False,
                          timeout=60)
    assert done.returncode not in (0, None), done.stderr
    for pattern in wanted:
        assert re.search(pattern, done.stderr), f"no {pattern!r} in:\n{done.stderr}"
    assert nothing_left(lab.router)


def test_refuses_a_missing_device(make_lab):
    start_fails(make_lab(), ["--port", f"pl0={device('eth7')}"], "eth7",
                "no such device|does not exist")


@afxdp_only("an emulated NIC has more queues than this machine may have cores")
def test_refuses_more_planes_than_queues(make_lab):
    start_fails(make_lab(), ["--planes", "2", "--cores", "0,1", "--port", "pl0=afxdp:eth1"],
                "eth1", r"[Pp]lanes", "queue")


def test_refuses_without_privileges(make_lab):
    lab = make_lab()
    done = lab.router.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", PEERLANED,
                           "--control-socket", lab.router.control, "--port",
                           f"pl0={device('eth1')}"],
                          check=False, timeout=60)
    assert done.returncode != 0
    assert re.search("root|CAP_|privilege", done.stderr), done.stderr


@pytest.mark.parametrize("text, wanted", [
    ("[Router]\nPlane=1\n", [":2", "Plane\\b", "Planes"]),
    ("[Router]\nPlanes=many\n", [":2", "Planes", "many"]),
    ("[Router]\nPlanes=1\n[Port pl0]\nDevice=eth1\n", [":4", "Device", "afxdp:eth1"]),
    ("[Router]\nMode=warp\n", [":2", "Mode", "nic-cpu"]),
    ("[Routers]\n", [":1", "Routers"]),
    ("[Router]\nPlanes=1\n", ["[Pp]ort"]),
])
def test_refuses_a_bad_file(make_lab, text, wanted):
    lab = make_lab()
    config = lab.folder / "bad.conf"
    config.write_text(text)
    start_fails(lab, ["-c", config], "bad.conf|[Pp]ort", *wanted)


def test_second_daemon_is_refused(lab):
    """Two daemons on the same devices: the second says why it cannot, the first goes on."""
    start_fails_second = lab.router.run(
        [PEERLANED, "--control-socket", lab.folder / "other", "--port", f"pl0={device('eth1')}"],
        check=False, timeout=60)
    assert start_fails_second.returncode != 0
    assert re.search("eth1|pl0", start_fails_second.stderr)
    answered, output = lab.hosts[0].ping(lab.hosts[1].v4)
    assert answered == 3, output


@pytest.mark.parametrize("what", SHOWS)
def test_show(lab, what):
    """Every command answers, as JSON and for people."""
    h1, h2 = lab.hosts
    h1.ping(h2.v4)
    assert lab.router.show(what)
    assert lab.router.peerlane("show", what).stdout.strip()


def test_show_route_to_an_address(lab):
    _, h2 = lab.hosts
    assert "pl1" in lab.router.peerlane("show", "route", h2.v4).stdout
    assert "pl1" in lab.router.peerlane("show", "route", h2.v6).stdout
    assert lab.router.show("route", h2.v4)


@pytest.mark.parametrize("args", [["show", "route", "no.address"], ["show", "nonsense"]])
def test_errors_are_json_too(lab, args):
    done = lab.router.peerlane("-j", *args, check=False)
    assert done.returncode != 0
    assert "error" in json.loads(done.stdout or done.stderr)


def test_command_without_a_daemon(make_lab):
    lab = make_lab()
    done = lab.router.peerlane("show", "ports", check=False)
    assert done.returncode != 0
    assert str(lab.router.control) in done.stderr and "peerlaned" in done.stderr


def test_completion():
    """bash completes the command from its own completion file."""
    script = f"""
        PATH={PEERLANE.parent}:$PATH
        source {ROOT}/cli/completion/peerlane
        COMP_WORDS=(peerlane show ''); COMP_CWORD=2; COMP_LINE='peerlane show '
        COMP_POINT=${{#COMP_LINE}}
        function=$(complete -p peerlane | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p')
        $function peerlane '' show
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True)
    offered = {line.strip() for line in done.stdout.splitlines()}
    assert set(SHOWS) <= offered, done.stdout + done.stderr
