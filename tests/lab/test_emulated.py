# SPDX-License-Identifier: BSD-2-Clause
"""Emulated NICs: what a NIC of our own driver has and an AF_XDP port has not. Flows spread over the
queues of two planes by the NIC itself, long frames, counters of the device, interrupts.

A NIC's cable ends in a veth (lab.py); whatever PEERLANE_PORTS says, the ports are emulated here.
"""

import re
import socket
import struct

import pytest

from flows import Flows
from lab import PEERLANED, Sink, device, wait_until

families = pytest.mark.parametrize("family", [4, 6])

FLOWS = 128
PACKETS = 200_000


@pytest.fixture
def planes2(make_lab):
    """Two hosts and a router of two planes that runs."""
    lab = make_lab(kind="emu")
    lab.start(planes=2, options=["--cores", "0,1"])
    return lab


def received(lab, port):
    """Packets that each plane has received on a port."""
    return [plane["ports"][port]["rx_packets"] for plane in lab.router.show("planes")["planes"]]


def emulator(lab, what):
    """What has been counted of the emulated NICs: illegal_uses, dma_faults, interrupts."""
    return sum(port["emulator"][what] for port in lab.router.ports())


@families
def test_flows_keep_their_order_over_two_planes(planes2, family):
    """Numbered packets of many flows, more than can be forwarded: none late, none twice, and each
    plane has forwarded its share."""
    h1, h2 = planes2.hosts
    h1.ping(h2.addr(family), count=1)
    sink = Sink(planes2, h2)
    before = received(planes2, 0)
    flood = planes2.popen(h1, planes2.flood_command(h1, h2, family, seconds=600, flows=FLOWS))
    wait_until(lambda: flood.poll() or sink.counters()["packets"] >= PACKETS, f"{PACKETS} packets",
               300, 0.2)
    assert flood.poll() is None, "the flood has ended"
    flood.terminate()
    flood.wait(10)
    end = sink.settled()
    shares = [now - then for now, then in zip(received(planes2, 0), before)]
    print(end, shares)
    assert end["late"] == end["repeated"] == 0
    # Half of so many flows are on each, give or take.
    assert min(shares) > sum(shares) / 10, shares
    assert emulator(planes2, "illegal_uses") == emulator(planes2, "dma_faults") == 0


@families
def test_sockets_flows_keep_their_order(planes2, family):
    """The same as seen by a socket: every flow's numbers rise, and at a pace that any machine keeps
    none of them is missing."""
    h1, h2 = planes2.hosts
    h1.ping(h2.addr(family), count=1)
    before = received(planes2, 0)
    with Flows(planes2, h1, [h2], h2.addr(family), rate=1000, flows=FLOWS) as stream:
        stream.wait_running()
        wait_until(lambda: sum(received(planes2, 0)) - sum(before) > 20 * FLOWS, "the stream")
        result = stream.end()
    shares = [now - then for now, then in zip(received(planes2, 0), before)]
    arrived = result.received[0]
    for flow in range(FLOWS):
        numbers = [n for n in arrived if n % FLOWS == flow]
        assert numbers == sorted(numbers), f"flow {flow}"
    assert not result.twice() and not result.lost(), result.lost()
    assert min(shares) > sum(shares) / 10, shares


@families
def test_both_directions_meet_one_plane(planes2, family):
    """The hash is symmetric: what answers a flow comes to the plane that has the flow."""
    h1, h2 = planes2.hosts
    kind = {4: socket.AF_INET, 6: socket.AF_INET6}[family]
    h1.ping(h2.addr(family), count=1)
    packets, planes = 200, set()

    def plane_of(source, target, port):
        before = received(planes2, port)
        for _ in range(packets):
            source.send(b"x")
        for _ in range(packets):
            target.recv(16)
        shares = [now - then for now, then in zip(received(planes2, port), before)]
        # Beside the flow there may be a neighbour's question or two.
        assert max(shares) >= packets and min(shares) < packets / 10, shares
        return shares.index(max(shares))

    for number in range(16):
        with h1.socket(kind, socket.SOCK_DGRAM) as one, h2.socket(kind, socket.SOCK_DGRAM) as two:
            for end in (one, two):
                end.settimeout(10)
            one.bind((h1.addr(family), 20000 + number))
            two.bind((h2.addr(family), 30000 + 7 * number))
            one.connect(two.getsockname()[:2])
            two.connect(one.getsockname()[:2])
            plane = plane_of(one, two, 0)
            assert plane_of(two, one, 1) == plane, f"flow {number}"
            planes.add(plane)
    assert planes == {0, 1}, "all flows met one plane"


# ---- long frames ----

# A cable that ends in AF_XDP carries what fits its buffers of 4096 bytes.
LONG_MTU = 3000


@pytest.fixture
def long_frames(make_lab):
    lab = make_lab(kind="emu", mtu=LONG_MTU)
    lab.start(port_options=f",mtu={LONG_MTU}")
    return lab


@families
def test_long_frames(long_frames, family):
    """As long as the MTU, both ways, and no longer."""
    h1, h2 = long_frames.hosts
    assert [port["mtu"] for port in long_frames.router.ports()] == [LONG_MTU] * 2
    assert long_frames.router.ip_json("link show pl0")[0]["mtu"] == LONG_MTU
    longest = LONG_MTU - {4: 28, 6: 48}[family]
    for host, other in ((h1, h2), (h2, h1)):
        for size in (longest, longest - 1, 2048, 1473):
            answered, output = host.ping(other.addr(family), count=5, options=["-s", size, "-M", "do"])
            assert answered == 5 and "wrong data" not in output, output
    before = long_frames.router.counter("mtu-exceeded")
    end = long_frames.iperf(h1, h2, h2.addr(family))["end"]
    assert end["sum_received"]["bytes"] > 1_000_000
    back = long_frames.iperf(h1, h2, h2.addr(family), options=["-R"])["end"]
    assert back["sum_received"]["bytes"] > 1_000_000
    assert long_frames.router.counter("mtu-exceeded") == before
    assert emulator(long_frames, "illegal_uses") == 0


def test_mtu_is_changed_by_the_tap(long_frames):
    """Down: the NIC takes no longer frames any more, and the router says what fits. Up again: all as it
    was. More than the buffers hold is refused, and the port keeps what it had."""
    h1, h2 = long_frames.hosts
    router = long_frames.router

    def port_mtu():
        return router.ports()[1]["mtu"]

    router.ip("link set pl1 mtu 1500")
    wait_until(lambda: port_mtu() == 1500, "the port's MTU")
    answered, output = h1.ping(h2.v4, count=3, options=["-s", 2000, "-M", "dont"])
    assert answered == 0, output  # host 2 answers in frames that the NIC does not take
    h2.ip("link set eth0 mtu 1500")
    answered, output = h1.ping(h2.v4, count=3, options=["-s", 2000, "-M", "dont"])
    assert answered == 3, output
    router.ip(f"link set pl1 mtu {LONG_MTU}")
    h2.ip(f"link set eth0 mtu {LONG_MTU}")
    wait_until(lambda: port_mtu() == LONG_MTU, "the port's MTU")
    wait_until(lambda: h1.ping(h2.v4, count=1, options=["-s", LONG_MTU - 28, "-M", "do"])[0] == 1,
               "long frames again")
    router.ip("link set pl1 mtu 9000")
    wait_until(lambda: re.search("pl1: .*MTU.* 9000", router.log()), router.log)
    assert port_mtu() == LONG_MTU
    assert h1.reaches(h2.v4)


# ---- configurations ----

def passes(lab):
    """Pings of both families and TCP, from host to host."""
    h1, h2 = lab.hosts
    for family in (4, 6):
        answered, output = h1.ping(h2.addr(family), count=20)
        assert answered == 20, output
    end = lab.iperf(h1, h2, h2.v4, seconds=1)["end"]
    assert end["sum_received"]["bytes"] > 1_000_000


@pytest.mark.parametrize("options, port_options", [
    ((), ",interruptmoderation=0"), ((), ",interruptmoderation=1000"), ((), ",flowcontrol=yes"),
    (("--ring-size", 64), ""),
])
def test_settings(make_lab, options, port_options):
    lab = make_lab(kind="emu")
    lab.start(options=options, port_options=port_options)
    passes(lab)


def test_beside_afxdp(make_lab):
    """A port of each kind in one router."""
    lab = make_lab()
    args = [*lab.router.arguments(0), "--port", f"pl0={device('eth1', 'afxdp')}",
            "--port", f"pl1={device('eth2', 'emu')}"]
    lab.router.start(args)
    lab.configure()
    passes(lab)
    assert [port["kind"] for port in lab.router.ports()] == ["afxdp", "nic"]


def test_links_go_and_come_with_two_planes(planes2):
    """Under traffic, which is there again each time."""
    h1, h2 = planes2.hosts
    flood = planes2.popen(h1, planes2.flood_command(h1, h2, seconds=600, flows=FLOWS))
    for _ in range(5):
        planes2.router.ip("link set eth2 down")
        wait_until(lambda: not planes2.router.carrier("pl1"), "carrier off")
        planes2.router.ip("link set eth2 up")
        wait_until(lambda: planes2.router.carrier("pl1"), "carrier on")
    assert flood.poll() is None, "the flood has ended"
    flood.terminate()
    flood.wait(10)
    wait_until(lambda: h1.reaches(h2.v4), "traffic")
    passes(planes2)


def captured(path):
    """The frames in a capture file (libpcap's, of this machine's byte order)."""
    data = path.read_bytes()
    magic, linktype = struct.unpack_from("=I16xI", data)
    assert magic in (0xa1b2c3d4, 0xa1b23c4d) and linktype == 1
    at, frames = 24, []
    while at < len(data):
        length, wire_length = struct.unpack_from("=8xII", data, at)
        assert length == wire_length
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def test_capture(make_lab):
    """What passes the cables is in the files, as long as on a wire."""
    lab = make_lab(kind="emu")
    args = lab.router.arguments(0)
    files = [lab.folder / f"eth{i + 1}.pcap" for i in range(2)]
    for i in range(2):
        args += ["--port", f"pl{i}=emu:eth{i + 1},capture={files[i]}"]
    lab.router.start(args)
    lab.configure()
    h1, h2 = lab.hosts
    word = "0123456789abcdef"
    answered, output = h1.ping(h2.v4, count=10, options=["-p", word])
    assert answered == 10, output
    assert lab.router.stop()[0] == 0
    for file in files:
        frames = captured(file)
        assert sum(bytes.fromhex(word) * 2 in frame for frame in frames) == 20
        assert min(map(len, frames)) >= 60


def test_refuses_a_device_on_the_bus(make_lab):
    """There is no way to one yet: that is said, and nothing is left."""
    lab = make_lab()
    done = lab.router.run([PEERLANED, "--control-socket", lab.router.control,
                           "--port", "pl0=pci:0000:03:00.0"], check=False)
    assert done.returncode == 1
    assert "0000:03:00.0" in done.stderr and "peerlane devices" in done.stderr, done.stderr
    assert not lab.router.ip("link show pl0", check=False)


# ---- what is told of them ----

def test_says_that_it_is_emulated(make_lab):
    """Where it shows: in the log, in `show ports` for people and as JSON."""
    lab = make_lab(kind="emu")
    lab.start()
    assert "emulated" in lab.router.log()
    assert "emulated" in lab.router.peerlane("show", "ports").stdout
    assert "emulated" in lab.router.peerlane("-j", "show", "ports").stdout


def test_sleeping_planes_are_woken(make_lab):
    """Packets far apart, each of which finds the plane asleep and its vector armed: an interrupt lost
    would be a packet that waits for the next one, and an answer that does not come in time."""
    lab = make_lab(kind="emu")
    lab.start()
    h1, h2 = lab.hosts
    h1.ping(h2.v4, count=1)
    before, interrupts = lab.router.show("planes")["planes"][0]["sleeps"], emulator(lab, "interrupts")
    for _ in range(200):
        answered, output = h1.ping(h2.v4, count=1, wait_s=5)
        assert answered == 1, output
    assert lab.router.show("planes")["planes"][0]["sleeps"] - before > 100
    assert emulator(lab, "interrupts") - interrupts > 100


def test_counters_of_the_device(make_lab):
    """They agree with what the port has counted, of a number of packets that is known."""
    lab = make_lab(kind="emu")
    lab.start()
    h1, h2 = lab.hosts
    answered, output = h1.ping(h2.v4, count=100, interval_s=0.005)
    assert answered == 100, output

    def agree():
        for port in lab.router.ports():
            device, counters = port["device_counters"], port["counters"]
            for way in ("rx", "tx"):
                if device[f"{way}_packets"] != counters[f"{way}_packets"] or \
                   device[f"{way}_packets"] < 100:
                    return False
                # With the FCS, and padded.
                if device[f"{way}_bytes"] < counters[f"{way}_bytes"] + 4 * device[f"{way}_packets"]:
                    return False
        return True

    wait_until(agree, lambda: f"counters agree: {lab.router.ports()}", 10)
