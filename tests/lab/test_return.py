# SPDX-License-Identifier: BSD-2-Clause
"""Devices that vanish and return under a running router, and TAPs that somebody deletes.

Of an emulated NIC it is the cable that is pulled, and another plugged in: the NIC stays, with its MAC
and MTU.
"""

import subprocess
import time

import pytest

from lab import EMULATED, SINK, wait_until
from marks import afxdp_only
from stream import Stream


def make_link(lab, number, mac=None, mtu=1500, index=None):
    """The wire of host `number` anew: both of its ends, as Host makes them."""
    host, router = lab.hosts[number - 1], lab.router
    router.sysctl("net.ipv6.conf.default.addr_gen_mode=1")
    address = f"address {mac}" if mac else ""
    index = f"index {index}" if index else ""
    queues = "numrxqueues 1 numtxqueues 1"
    router.ip(f"link add eth{number} {index} mtu {mtu} {address} {queues} type veth "
              f"peer name eth0 mtu {mtu} netns {host.name} {queues}")
    router.sysctl("net.ipv6.conf.default.addr_gen_mode=0")
    host.run("ethtool -K eth0 tx off")
    router.sysctl(f"net.ipv6.conf.eth{number}.disable_ipv6=1")
    host.ip("link set eth0 up")
    router.ip(f"link set eth{number} up")
    configure_host(host)


def configure_host(host):
    host.ip(f"addr replace {host.v4}/24 dev eth0")
    host.ip(f"addr replace {host.v6}/64 dev eth0")
    host.ip(f"route replace default via {host.gateway4}")
    host.ip(f"route replace default via {host.gateway6}")


def link(lab, index):
    return lab.router.ports()[index]["link"]


def wait_gone(lab, index):
    gone = "down" if EMULATED else "gone"
    wait_until(lambda: link(lab, index) == gone, f"pl{index} {gone}")


def wait_back(lab, index):
    wait_until(lambda: link(lab, index) == "up", lambda: f"pl{index} up\n{lab.router.log()}")
    wait_until(lambda: lab.router.carrier(f"pl{index}"), "carrier")


def reaches_both(lab):
    h1, h2 = lab.hosts[:2]
    for family in (4, 6):
        wait_until(lambda f=family: h1.reaches(h2.addr(f)), f"IPv{family} traffic", 15)


def settled_pool(lab):
    """Free buffers of plane 0 once that is the same for a while."""
    def free():
        return lab.router.show("planes")["planes"][0]["pool"]["free"]

    before = free()
    while True:
        time.sleep(0.2)
        now = free()
        if now == before:
            return now
        before = now


def test_device_deleted_and_made_anew(lab3):
    """Several times, either end of the wire deleted: the port forwards again, others notice
    nothing worth the name, counters go on, and no buffer is lost."""
    h1, h2, h3 = lab3.hosts
    reaches_both(lab3)
    wait_until(lambda: h1.reaches(h3.v4), "host 3")
    free = settled_pool(lab3)
    stream = Stream(lab3, h1, h3)
    pauses = []
    for _ in range(3):
        begin = stream.flows()
        before = lab3.router.ports()[1]["counters"]["rx_packets"]
        lab3.router.ip("link del eth2")
        wait_gone(lab3, 1)
        assert not h1.reaches(h2.v4)
        assert not lab3.router.carrier("pl1")
        make_link(lab3, 2)
        wait_back(lab3, 1)
        reaches_both(lab3)
        assert lab3.router.ports()[1]["counters"]["rx_packets"] > before
        if not EMULATED:
            assert lab3.router.ports()[1]["device_ifindex"] == \
                lab3.router.ip_json("link show eth2")[0]["ifindex"]
        stream.flows()
        pauses.append(stream.pause_ms(begin))
    stream.close()
    print("longest pauses of another port, ms:", ", ".join(f"{pause:.1f}" for pause in pauses),
          f"; lost {stream.lost()}")
    # A packet each ms: some ms on a quiet machine. Others on it can only make it longer.
    assert min(pauses) < 50
    # RX rings are topped up when 64 are missing: each of three may be short of that many.
    assert abs(settled_pool(lab3) - free) <= 3 * 64
    log = lab3.router.log()
    said = 0 if EMULATED else 3
    assert log.count("pl1: eth2 is gone") == log.count("pl1: eth2 is back") == said, log


def test_first_port_returns(lab):
    """The device of the plane's first queue, whose socket the others have joined."""
    reaches_both(lab)
    for _ in range(2):
        lab.router.ip("link del eth1")
        wait_gone(lab, 0)
        make_link(lab, 1)
        wait_back(lab, 0)
        reaches_both(lab)


def test_moved_to_another_namespace_and_back(lab):
    reaches_both(lab)
    other = lab.hosts[0]
    lab.router.ip(f"link set eth2 netns {other.name}")
    wait_gone(lab, 1)
    assert "xdp" not in other.ip_json("link show eth2")[0], "our program went along"
    other.ip(f"link set eth2 netns {lab.router.name}")
    time.sleep(0.1)
    lab.router.sysctl("net.ipv6.conf.eth2.disable_ipv6=1")
    lab.router.ip("link set eth2 up")
    wait_back(lab, 1)
    configure_host(lab.hosts[1])
    reaches_both(lab)


def test_all_devices_return(lab):
    reaches_both(lab)
    for number in (1, 2):
        lab.router.ip(f"link del eth{number}")
    for index in (0, 1):
        wait_gone(lab, index)
    for number in (2, 1):
        make_link(lab, number)
    for index in (0, 1):
        wait_back(lab, index)
    reaches_both(lab)


@afxdp_only("an emulated NIC has its queues, whatever its cable has")
@pytest.mark.parametrize("busy", [(), ("--busy-poll",)])
def test_two_planes(make_lab, busy):
    lab = make_lab(queues=2)
    lab.start(planes=2, options=["--cores", "0,1", *busy])
    lab.router.ip("link del eth2")
    wait_gone(lab, 1)
    make_link(lab, 2)
    # One queue where two planes want one each: refused, said, and taken once it has two.
    wait_until(lambda: "eth2 has 1 queues, but 2 planes" in lab.router.log(), "the reason")
    assert link(lab, 1) == "gone"
    lab.router.ip("link del eth2")
    host = lab.hosts[1]
    q = "numrxqueues 2 numtxqueues 2"
    host.ip(f"link add eth0 {q} type veth peer name eth2 netns {lab.router.name} {q}")
    host.run("ethtool -K eth0 tx off")
    host.ip("link set eth0 up")
    lab.router.ip("link set eth2 up")
    configure_host(host)
    wait_back(lab, 1)
    reaches_both(lab)


def test_mac_and_mtu_are_taken_over(lab):
    """The TAP follows the new device's MAC and MTU, as it followed the former's. A cable brings its MTU
    alone."""
    mac = lab.router.mac("pl1") if EMULATED else "02:00:00:00:00:42"
    reaches_both(lab)
    lab.router.ip("link del eth2")
    wait_gone(lab, 1)
    make_link(lab, 2, mac="02:00:00:00:00:42", mtu=1400)
    wait_back(lab, 1)
    wait_until(lambda: lab.router.mac("pl1") == mac, "MAC of pl1")
    wait_until(lambda: lab.router.ip_json("link show pl1")[0]["mtu"] == 1400, "MTU of pl1")
    assert lab.router.ports()[1]["mac"] == mac
    reaches_both(lab)


def test_own_mac_is_kept(lab):
    """A MAC that the operator gave the TAP stays, and the new device takes frames for it."""
    lab.router.ip("link set pl1 address 02:00:00:00:00:99")
    wait_until(lambda: lab.router.ports()[1]["mac"] == "02:00:00:00:00:99", "MAC")
    lab.router.ip("link del eth2")
    wait_gone(lab, 1)
    make_link(lab, 2)
    wait_back(lab, 1)
    assert lab.router.mac("pl1") == "02:00:00:00:00:99"
    reaches_both(lab)


def test_mac_and_mtu_set_while_away(lab):
    """What the operator gives the TAP meanwhile is the port's, and the device's MTU, afterwards."""
    own = "02:00:00:00:00:99"
    lab.router.ip("link del eth2")
    wait_gone(lab, 1)
    lab.router.ip(f"link set pl1 address {own}")
    lab.router.ip("link set pl1 mtu 1400")
    wait_until(lambda: lab.router.ports()[1]["mac"] == own, "MAC of the port")
    wait_until(lambda: lab.router.ports()[1]["mtu"] == 1400, "MTU of the port")
    make_link(lab, 2)
    wait_back(lab, 1)
    wait_until(lambda: lab.router.ip_json("link show eth2")[0]["mtu"] == 1400, "MTU of eth2")
    reaches_both(lab)
    assert lab.router.mac("pl1") == lab.router.ports()[1]["mac"] == own
    assert lab.router.ip_json("link show pl1")[0]["mtu"] == 1400
    # As before, the last one that is changed says.
    lab.router.ip("link set eth2 mtu 1500")
    wait_until(lambda: lab.router.ip_json("link show pl1")[0]["mtu"] == 1500, "MTU of pl1")
    assert "pl1: cannot" not in lab.router.log()


def test_under_traffic_through_the_port(lab):
    """Floods both ways while the device goes and comes."""
    h1, h2 = lab.hosts
    reaches_both(lab)
    free = settled_pool(lab)
    flood = lab.popen(h1, lab.flood_command(h1, h2, seconds=600))
    for _ in range(3):
        lab.router.ip("link del eth2")
        wait_gone(lab, 1)
        make_link(lab, 2)
        wait_back(lab, 1)
    flood.terminate()
    flood.wait(10)
    reaches_both(lab)
    assert abs(settled_pool(lab) - free) <= 2 * 64


@afxdp_only("about what the log says of a device that cannot be taken over")
def test_somebody_elses_program(lab):
    """A device that comes back with another XDP program on it is taken once that is off."""
    lab.router.ip("link del eth2")
    wait_gone(lab, 1)
    make_link(lab, 2)
    wait_back(lab, 1)
    lab.router.ip(f"link set eth2 netns {lab.hosts[0].name}")
    wait_gone(lab, 1)
    # Its program, attached elsewhere, comes along.
    process = lab.popen(lab.hosts[0], [SINK, "eth2"], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    lab.hosts[0].ip(f"link set eth2 netns {lab.router.name}")
    lab.router.ip("link set eth2 up")
    wait_until(lambda: "eth2 has another XDP program already" in lab.router.log(), "the reason")
    assert link(lab, 1) == "gone"
    process.stdin.close()
    process.wait(5)
    wait_back(lab, 1)
    configure_host(lab.hosts[1])
    reaches_both(lab)


# Binds an AF_XDP socket to queue 0 of the device, without a program, until its input ends.
SQUAT = """
import ctypes, mmap, socket, struct, sys
area = mmap.mmap(-1, 1 << 16)
sock = socket.socket(44, socket.SOCK_RAW)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
sock.setsockopt(283, 4, struct.pack("QQIIII", address, 1 << 16, 4096, 0, 0, 0))  # XDP_UMEM_REG
for ring in (2, 5, 6):  # XDP_RX_RING, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING
    sock.setsockopt(283, ring, struct.pack("i", 64))
sockaddr = struct.pack("HHIII", 44, 0, socket.if_nametoindex(sys.argv[1]), 0, 0)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.bind(sock.fileno(), sockaddr, len(sockaddr)) == 0, ctypes.get_errno()
print("bound", flush=True)
sys.stdin.read()
"""


@afxdp_only("about a device that is taken over in part; an emulated NIC is there all the time")
def test_gone_again_half_taken_over(lab):
    """Its program is attached, its queue another's, and it goes; the next one has its number, which
    tells nothing: the kernel has undone what was attached."""
    lab.router.ip("link del eth2")
    wait_gone(lab, 1)
    make_link(lab, 2, mtu=9000)  # nothing is tried with that
    number = lab.router.ip_json("link show eth2")[0]["ifindex"]
    wait_until(lambda: "MTU 9000" in lab.router.log(), "the reason")
    squatter = lab.popen(lab.router, ["/usr/bin/python3", "-c", SQUAT, "eth2"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert squatter.stdout.readline() == "bound\n"
    lab.hosts[1].ip("link set eth0 mtu 1500")
    lab.router.ip("link set eth2 mtu 1500")
    wait_until(lambda: lab.router.ip_json("link show eth2")[0].get("xdp"), "our program")
    assert link(lab, 1) == "gone"
    # Down before, so that its end is all that is heard; and while the next try is far.
    lab.router.ip("link set eth2 down")
    time.sleep(0.4)
    lab.router.ip("link del eth2")
    squatter.stdin.close()
    squatter.wait(5)
    make_link(lab, 2, index=number)
    assert lab.router.ip_json("link show eth2")[0]["ifindex"] == number
    wait_back(lab, 1)
    reaches_both(lab)


def test_tap_deleted(lab):
    """Somebody deletes a TAP: it is made again, with MAC and carrier; addresses are his to give."""
    reaches_both(lab)
    mac = lab.router.mac("pl1")
    for _ in range(2):
        lab.router.ip("link del pl1")
        wait_until(lambda: lab.router.ip("link show pl1", check=False), "pl1 is there again")
        wait_until(lambda: not lab.router.ports()[1]["lost"], "it is in use")
        wait_until(lambda: lab.router.carrier("pl1"), "carrier")
        assert lab.router.mac("pl1") == mac
        lab.configure()
        reaches_both(lab)
    log = lab.router.log()
    assert log.count("somebody has deleted the TAP") == 2, log
    assert lab.router.stop()[0] == 0
    assert lab.router.ip("link show pl1"), "persistent"


def test_tap_deleted_in_quick_succession(lab):
    """However soon it is deleted again, before it is in use or after: at last it is there."""
    reaches_both(lab)
    lab.router.run(["bash", "-c", "end=$((${EPOCHREALTIME//[.,]} + 1000000)); "
                    "while ((${EPOCHREALTIME//[.,]} < end)); do ip link del pl1 2>/dev/null; done; "
                    "true"])
    wait_until(lambda: lab.router.ip("link show pl1", check=False), "pl1 is there again")
    wait_until(lambda: not lab.router.ports()[1]["lost"], lab.router.log)
    wait_until(lambda: lab.router.carrier("pl1"), "carrier")
    lab.configure()
    reaches_both(lab)


def test_tap_deleted_as_its_link_changes(lab):
    """The TAP that is made again has the carrier that the device has by then."""
    reaches_both(lab)
    for _ in range(4):
        for state, carrier in (("down", False), ("up", True)):
            lab.router.run(["ip", "-batch", "-"],
                           input=f"link del pl1\nlink set eth2 {state}\n")
            wait_until(lambda: lab.router.ip("link show pl1", check=False), "pl1 again")
            wait_until(lambda: not lab.router.ports()[1]["lost"], "it is in use")
            wait_until(lambda c=carrier: lab.router.carrier("pl1") == c, f"carrier {carrier}")
    lab.configure()
    reaches_both(lab)
