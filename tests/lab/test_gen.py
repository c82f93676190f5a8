# SPDX-License-Identifier: BSD-2-Clause
"""peerlane-gen through a router: what it says of loss, order, counts and latency is so.

Both hosts' interfaces are moved to one namespace, where the generator takes them over by AF_XDP.
"""

import json
import subprocess

import pytest

from lab import BUILD, EMULATED, wait_until

GEN = BUILD / "bench/gen/peerlane-gen"
FINE, USAGE, NOT_FINE, CANNOT = 0, 1, 2, 3
TRIES = 4  # others may have the processors while a ring fills up

families = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def ends(lab):
    """Interfaces `eth0`, at the router's first port, and `far0`, at its second, of the first host's
    namespace; their addresses are the generator's to play."""
    h1, h2 = lab.hosts
    h2.ip(f"link set eth0 netns {h1.name} name far0")
    for device in ("eth0", "far0"):
        h1.ip(f"addr flush dev {device}")
        h1.ip(f"link set {device} up")
    wait_until(lambda: all("LOWER_UP" in h1.ip(f"link show {device}")
                           for device in ("eth0", "far0")), "links")
    return lab


def end(lab, number, family):
    host = lab.hosts[number - 1]
    length = {4: 24, 6: 64}[family]
    return ["--address", f"{host.addr(family)}/{length}", "--gateway", host.gateway(family)]


def command(lab, family, *options, tx=(), rx=()):
    return [GEN, "--quiet", "--json", "-", "--tx", "afxdp:eth0", *end(lab, 1, family), *tx,
            "--rx", "afxdp:far0", *end(lab, 2, family), *rx, *options]


def generate(lab, *args, status=FINE, **ends):
    done = lab.hosts[0].run(command(lab, *args, **ends), check=False)
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout), done.returncode


@families
def test_nothing_is_lost_at_a_low_rate(ends, family):
    for _ in range(TRIES):
        result, status = generate(ends, family, "--rate", "2000", "--duration", "2s", "--flows", 50,
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
    """One of four destinations is routed nowhere: its flows lose all they send, the others nothing."""
    far = ends.hosts[1]
    prefix = {4: "198.51.100.", 6: "2001:db8:1::"}[family]
    length = {4: 32, 6: 128}[family]
    for i in range(1, 5):
        route = f"{prefix}{i}/{length}"
        ends.router.ip(f"-{family} route add blackhole {route}" if i == 3 else
                       f"-{family} route add {route} via {far.addr(family)}")
    ends.router.wait_route(f"{prefix}4/{length}")
    to = sum((["--destinations", f"{prefix}{i}"] for i in range(1, 5)), [])
    for _ in range(TRIES):
        result, _ = generate(ends, family, "--rate", "4000", "--count", 4000, "--flows", 8,
                             "--loss-max", 1, "--per-flow", status=NOT_FINE, tx=to)
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
    h1, h2 = ends.hosts
    args = [GEN, "--quiet", "--json", "-", "--rate", "1000", "--count", 1000, "--flows", 4]
    for near, far, device, number in ((h1, h2, "eth0", 1), (h2, h1, "far0", 2)):
        args += ["--tx", f"afxdp:{device}", *end(ends, number, 4), "--destinations", far.v4,
                 "--rx", f"afxdp:{device}"]
    for _ in range(TRIES):
        done = h1.run(args)
        result = json.loads(done.stdout)
        assert result["sent"] == 2000 and [e["sent"] for e in result["ends"]] == [1000, 1000]
        assert result["reordered"] == result["duplicated"] == 0
        if result["received"] == 2000:
            break
    assert result["received"] == 2000


def test_more_than_passes_is_told(ends):
    """Overload: what is lost, and what the generator's side lost, adds up; nothing is out of order."""
    result, _ = generate(ends, 4, "--duration", "2s", "--size", "64,1518", status=None)
    print(result)
    all_flows = result["received"] + result["lost"]
    assert result["sent"] == all_flows and result["received"] > 1000
    assert result["reordered"] == result["duplicated"] == result["corrupted"] == 0
    assert result["limited_by"] in ("core", "end") and result["asked_pps"] is None


def test_a_rate_beyond_reach_is_told(ends):
    result, status = generate(ends, 4, "--rate", "40Mpps", "--duration", "500ms", "--strict",
                              status=NOT_FINE)
    assert result["limited_by"] in ("core", "end")
    assert result["sent_pps"] < 39e6 and status == NOT_FINE


def test_no_gateway(ends):
    done = ends.hosts[0].run([GEN, "--tx", "afxdp:eth0", "--address", "10.0.1.2/24", "--gateway",
                              "10.0.1.77", "--destinations", "10.0.2.2"], check=False)
    assert done.returncode == CANNOT
    assert "no answer from its IPv4 gateway" in done.stderr and "--gateway-mac" in done.stderr


def test_it_stops_when_told(ends):
    """SIGINT ends the sending, and what was found until then is reported."""
    process = ends.popen(ends.hosts[0], [str(a) for a in command(ends, 4, "--rate", "1000",
                                                                "--duration", "600s")],
                         stdout=subprocess.PIPE, text=True)
    wait_until(lambda: sum(ends.router.plane_packets()) > 300, "traffic")
    process.send_signal(2)
    out, _ = process.communicate(timeout=30)
    result = json.loads(out)
    assert 0 < result["sent"] < 600_000 and result["received"] > 0


def test_order_is_kept(ends):
    """A hundred thousand frames of all sizes, in a thousand flows."""
    result, _ = generate(ends, 4, "--rate", "20000" if EMULATED else "50000", "--count", 100_000,
                         "--flows", 1000, "--imix", status=None)
    assert result["sent"] == 100_000 and result["received"] > 50_000
    assert result["reordered"] == result["duplicated"] == result["corrupted"] == 0
