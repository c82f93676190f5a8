# SPDX-License-Identifier: BSD-2-Clause
"""peerlane-gen through a router: what it says of loss, order, counts and latency is so.

Its ends are the hosts' interfaces, both moved to one namespace, by AF_XDP; or the wires of emulated NICs.
"""

import contextlib
import json
import subprocess
import time

import pytest

from lab import BUILD, EMULATED, Lab, namespace_name, wait_until
from wire_lab import WireLab

GEN = BUILD / "bench/gen/peerlane-gen"
FINE, USAGE, NOT_FINE, CANNOT = 0, 1, 2, 3
TRIES = 4  # others may have the processors while a ring fills up

families = pytest.mark.parametrize("family", [4, 6])


class Ends:
    """A router that runs, and the generator's two ends: each host's address is its to play."""

    def __init__(self, router, hosts, names):
        self.router, self.hosts, self.names = router, hosts, names

    def address(self, number, family):
        host = self.hosts[number]
        return host.v4 if family == 4 else host.v6

    def options(self, number, family):
        host = self.hosts[number]
        length, gateway = (24, host.gateway4) if family == 4 else (64, host.gateway6)
        return ["--address", f"{self.address(number, family)}/{length}", "--gateway", gateway]

    def command(self, family, *options, tx=()):
        return [str(a) for a in (
            GEN, "--quiet", "--json", "-", "--tx", self.names[0], *self.options(0, family), *tx,
            "--rx", self.names[1], *self.options(1, family), *options)]

    def generate(self, *args, status=FINE, **kwargs):
        """Returns the result and the exit status, which is this one unless it is None."""
        done = self.hosts[0].run(self.command(*args, **kwargs), check=False)
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout), done.returncode


def interface_ends(stack):
    lab = stack.enter_context(Lab())
    lab.start()
    h1, h2 = lab.hosts
    h2.ip(f"link set eth0 netns {h1.name} name far0")
    for device in ("eth0", "far0"):
        h1.ip(f"addr flush dev {device}")
        h1.ip(f"link set {device} up")
    wait_until(lambda: all("LOWER_UP" in h1.ip(f"link show {device}")
                           for device in ("eth0", "far0")), "links")
    return Ends(lab.router, lab.hosts, ["afxdp:eth0", "afxdp:far0"])


def wire_ends(stack):
    lab = WireLab(namespace_name("g"), stack, 1500)
    stack.callback(lab.close)
    lab.start()
    return Ends(lab.router, lab.hosts, [f"wire:{host.wire}" for host in lab.hosts])


@pytest.fixture(params=[interface_ends, wire_ends])
def ends(request):
    with contextlib.ExitStack() as stack:
        made = request.param(stack)
        yield made
        print(made.router.log())


@families
def test_nothing_is_lost_at_a_low_rate(ends, family):
    for _ in range(TRIES):
        result, status = ends.generate(family, "--rate", "2000", "--duration", "2s", "--flows", 50,
                                       "--loss-max", 0, status=None)
        assert result["sent"] == 4000
        assert result["reordered"] == result["duplicated"] == result["corrupted"] == 0
        assert result["misrouted"] == result["stale"] == 0
        if status == FINE:
            break
    assert status == FINE and result["fine"]
    assert result["received"] == 4000 and result["lost"] == 0
    assert result["n_flows_in_trouble"] == 0 and result["flows"] == []
    latency = result["latency_ns"]
    assert latency["n"] == 4000
    # A microsecond at least is taken by two system calls; half of the frames take no second.
    assert 1000 < latency["min"] <= latency["p50"] < 1e9
    assert latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99.9"] <= \
        latency["p99.99"] <= latency["max"]


@families
def test_what_a_blackhole_takes_is_lost(ends, family):
    """One of four destinations is routed nowhere: its flows lose all they send, the others nothing.
    A wire has no carrier until the generator joins, and routes follow that: hence the warm-up."""
    prefix = {4: "198.51.100.", 6: "2001:db8:1::"}[family]
    length = {4: 32, 6: 128}[family]
    for i in range(1, 5):
        route = f"{prefix}{i}/{length}"
        ends.router.ip(f"-{family} route add blackhole {route}" if i == 3 else
                       f"-{family} route add {route} via {ends.address(1, family)}")
    to = sum((["--destinations", f"{prefix}{i}"] for i in range(1, 5)), [])
    for _ in range(TRIES):
        result, _ = ends.generate(family, "--rate", "4000", "--count", 4000, "--flows", 8,
                                  "--loss-max", 1, "--per-flow", "--warmup", "300ms",
                                  status=NOT_FINE, tx=to)
        flows = result["flows"]
        assert [flow["flow"] for flow in flows] == list(range(8))
        assert {flow["sent"] for flow in flows} == {500}
        # Flows take turns at the destinations: the third and the seventh have the blackhole.
        assert all(flow["lost"] == 500 for flow in flows if flow["flow"] % 4 == 2)
        if result["lost"] == 1000:
            break
    assert result["lost"] == 1000 and result["received"] == 3000
    assert result["n_flows_in_trouble"] == 2
    assert result["loss_percent"] == 25
    assert result["fine"] is False


def test_both_ways_at_once(ends):
    args = [GEN, "--quiet", "--json", "-", "--rate", "1000", "--count", 1000, "--flows", 4]
    for near, far in ((0, 1), (1, 0)):
        args += ["--tx", ends.names[near], *ends.options(near, 4), "--destinations",
                 ends.address(far, 4), "--rx", ends.names[near]]
    for _ in range(TRIES):
        result = json.loads(ends.hosts[0].run(args).stdout)
        assert result["sent"] == 2000 and [e["sent"] for e in result["ends"]] == [1000, 1000]
        assert result["reordered"] == result["duplicated"] == 0
        if result["received"] == 2000:
            break
    assert result["received"] == 2000


def test_more_than_passes_is_told(ends):
    """Overload: what is lost, and what the generator's side lost, adds up; nothing is out of order."""
    before_ns = time.monotonic_ns()
    result, _ = ends.generate(4, "--duration", "2s", "--size", "64,1518", status=None)
    print(result)
    assert before_ns < result["began_ns"] <= result["ended_ns"] - 2e9 < time.monotonic_ns() - 2e9
    assert result["sent"] == result["received"] + result["lost"] and result["received"] > 1000
    assert result["reordered"] == result["duplicated"] == result["corrupted"] == 0
    assert result["limited_by"] in ("core", "end") and result["asked_pps"] is None


def test_a_rate_beyond_reach_is_told(ends):
    result, status = ends.generate(4, "--rate", "40Mpps", "--duration", "500ms", "--strict",
                                   status=NOT_FINE)
    assert result["limited_by"] in ("core", "end")
    assert result["sent_pps"] < 39e6 and status == NOT_FINE


@pytest.mark.parametrize("ends", [interface_ends], indirect=True)
def test_no_gateway(ends):
    """It asks for some seconds."""
    done = ends.hosts[0].run([GEN, "--tx", ends.names[0], "--address", "10.0.1.2/24", "--gateway",
                              "10.0.1.77", "--destinations", "10.0.2.2"], check=False)
    assert done.returncode == CANNOT
    assert "no answer from its IPv4 gateway" in done.stderr and "--gateway-mac" in done.stderr


def test_it_stops_when_told(ends):
    """SIGINT ends the sending, and what was found until then is reported."""
    process = ends.hosts[0].popen(ends.command(4, "--rate", "1000", "--duration", "600s"),
                                  stdout=subprocess.PIPE, text=True)
    wait_until(lambda: sum(ends.router.plane_packets()) > 300, "traffic")
    process.send_signal(2)
    out, _ = process.communicate(timeout=30)
    result = json.loads(out)
    assert 0 < result["sent"] < 600_000 and result["received"] > 0


def test_a_router_that_dies_is_told(ends):
    """Behind a wire the end is gone with it; an interface of the hosts' stays, and what it sent is lost."""
    process = ends.hosts[0].popen(ends.command(4, "--rate", "1000", "--duration", "5s"),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: sum(ends.router.plane_packets()) > 300, "traffic")
    ends.router.daemon.kill()
    out, said = process.communicate(timeout=30)
    result = json.loads(out)
    assert result["received"] > 0
    if ends.names[0].startswith("wire:"):
        assert process.returncode == CANNOT and "is gone" in result["error"] and "is gone" in said
        assert result["fine"] is False
    else:
        assert process.returncode == FINE and result["error"] is None and result["lost"] > 0


def test_an_interface_without_link_is_told():
    with contextlib.ExitStack() as stack:
        ends = interface_ends(stack)
        h1 = ends.hosts[0]
        h1.ip("link set far0 down")
        result, _ = ends.generate(4, "--rate", "1000", "--duration", "1s", "--link-wait", "1s", status=CANNOT)
        assert "has no link" in result["error"] and "sent" not in result
        h1.ip("link set far0 up")
        process = h1.popen(ends.command(4, "--rate", "1000", "--duration", "60s"),
                           stdout=subprocess.PIPE, text=True)
        wait_until(lambda: sum(ends.router.plane_packets()) > 300, "traffic")
        h1.ip("link del far0")
        result = json.loads(process.communicate(timeout=30)[0])
        assert process.returncode == CANNOT and "is gone" in result["error"]
        assert result["received"] > 0


def test_frames_to_another_mac_arrive():
    """An end with a MAC of its own tells the interface what it is to let in: NICs filter, veths do not."""
    mac = "02:00:00:00:77:01"
    with contextlib.ExitStack() as stack:
        ends = interface_ends(stack)
        h1 = ends.hosts[0]
        command = ends.command(4, "--mac", mac, "--rate", "1000", "--duration", "60s")
        process = h1.popen(command, stdout=subprocess.PIPE, text=True)
        wait_until(lambda: sum(ends.router.plane_packets()) > 300, "traffic")
        assert mac in h1.run(["bridge", "fdb", "show", "dev", "far0"]).stdout
        process.send_signal(2)
        assert json.loads(process.communicate(timeout=30)[0])["received"] > 0
        assert mac not in h1.run(["bridge", "fdb", "show", "dev", "far0"]).stdout


def test_an_interface_of_several_queues_is_refused():
    """But for an end that only sends, or where the queue is named."""
    with contextlib.ExitStack() as stack:
        h1 = interface_ends(stack).hosts[0]
        several = "numrxqueues 2 numtxqueues 2"
        h1.ip(f"link add many0 {several} type veth peer name many1 {several}")
        for device in ("many0", "many1"):
            h1.ip(f"link set {device} up")

        def generate(*args):
            done = h1.run([GEN, "--quiet", "--duration", "100ms", *args], check=False)
            return done.returncode, done.stderr

        status, said = generate("--rx", "afxdp:many0")
        assert status == CANNOT and "the interface has 2" in said and "ethtool -L many0 combined 1" in said
        assert generate("--rx", "afxdp:many0:1") == (FINE, "")
        sender = ["--address", "192.0.2.1", "--gateway-mac", "02:00:00:00:00:02", "--destinations", "192.0.2.2"]
        assert generate("--tx", "afxdp:many0", *sender, "--rate", "1000") == (FINE, "")


def test_a_link_that_comes_late_is_waited_for():
    """Nothing is sent until it is there: as 10GBASE-T's that takes longer than a gateway is asked."""
    with contextlib.ExitStack() as stack:
        ends = interface_ends(stack)
        h1 = ends.hosts[0]
        for _ in range(TRIES):
            h1.ip("link set far0 down")
            process = h1.popen(ends.command(4, "--rate", "1000", "--count", "1000"),
                               stdout=subprocess.PIPE, text=True)
            time.sleep(6)
            assert process.poll() is None
            h1.ip("link set far0 up")
            result = json.loads(process.communicate(timeout=30)[0])
            assert result["error"] is None and result["sent"] == 1000
            if result["lost"] == 0:
                break
        assert result["lost"] == 0


def test_order_is_kept(ends):
    """A hundred thousand frames of all sizes, in a thousand flows."""
    result, _ = ends.generate(4, "--rate", "20000" if EMULATED else "50000", "--count", 100_000,
                              "--flows", 1000, "--imix", status=None)
    assert result["sent"] == 100_000 and result["received"] > 50_000
    assert result["reordered"] == result["duplicated"] == result["corrupted"] == 0
