# SPDX-License-Identifier: BSD-2-Clause
"""Packets in an accelerator's memory (Mode=nic-gpu). Its program is run by threads of the daemon
(Accelerator=host); its memory is that of another PCI device, which `vm-packets` gives to the daemon, or
pages behind the kernel's udmabuf."""

import contextlib
import os
import re
import socket
import time

import checks_router
from guest import Guest
from hosts import UDP_PORT, noise, udp_socket, wait_until
from world import BAR_MB

MODE = "Mode=nic-gpu\nAccelerator=host\n"
PEER = {"planes": 1, "router": MODE + "RingSize=256\n", "by": f"vm-packets {BAR_MB}"}
UDMABUF = {"planes": 2, "router": MODE + "RingSize=256\n"}
DEVICES = [f"pci:{Guest.address(i)}" for i in (0, 1)]


def attached(world, exporter):
    """Devices that are attached to dma-bufs of an exporter, as the kernel lists them."""
    text = world.guest.output("cat /sys/kernel/debug/dma_buf/bufinfo")
    buffers = re.split(r"^(?=[0-9a-f]{8}\t)", text, flags=re.M)[1:]
    return sorted(device for buffer in buffers if f"\t{exporter}\t" in buffer
                  for device in re.findall(r"^\t(\S+:\S+)$", buffer, re.M))


def maps(world):
    return int(world.guest.output("vm-peer maps || true"))


def started(world):
    """Comes up, with all packets' buffers in another device's memory, which both NICs have mapped."""
    world.load("barmem")
    checks_router.started(DEVICES, **PEER)(world)
    assert maps(world) == 2, f"mapped {maps(world)} times; {world.log()}"
    assert attached(world, "barmem") == [Guest.address(0), Guest.address(1)]


def checksum(header):
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    return (total & 0xffff) + (total >> 16)


def sent(world, source, to):
    """A datagram of random content: the content."""
    data = os.urandom(500)
    with contextlib.closing(udp_socket(source, 4)) as sock:
        sock.sendto(data, (to, UDP_PORT))
    return data


def places(world):
    """A forwarded packet is in the device's memory, as the NIC has sent it, and nowhere in main memory, where
    one for the router itself gets to."""
    guest = world.guest
    source, target = world.hosts
    with contextlib.closing(udp_socket(target, 4, UDP_PORT)) as receiver:
        receiver.settimeout(5)
        data = sent(world, source, target.v4)
        assert receiver.recv(2048) == data
    bar = world.bar.read_bytes()
    at = bar.find(data)
    assert at >= 42, "the packet is elsewhere"
    header = bar[at - 42:at]
    macs = bytes.fromhex((target.mac() + guest.mac(1)).replace(":", ""))
    assert header[:12] == macs and header[22] == 63 and checksum(header[14:34]) == 0xffff, header.hex()
    assert not world.in_memory(data), "the packet is in main memory"
    punted = sent(world, source, source.gateway4)
    wait_until(lambda: world.in_memory(punted), "a packet to the router itself is in main memory", 5)
    assert world.bar.read_bytes().find(punted) >= 42, "the NIC has written it elsewhere"


def sizes(world):
    """Datagrams from the shortest to the longest that a frame holds, each as it was sent."""
    for family, longest in ((4, 1472), (6, 1452)):
        for source, target in (world.hosts, reversed(world.hosts)):
            with contextlib.closing(udp_socket(target, family, UDP_PORT)) as receiver, \
                 contextlib.closing(udp_socket(source, family)) as sender:
                receiver.settimeout(5)
                for length in [*range(25), *range(25, longest, 61), longest - 1, longest]:
                    data = os.urandom(length)
                    sender.sendto(data, (target.addr(family), UDP_PORT))
                    assert receiver.recv(2048) == data, f"IPv{family}, {length} bytes"


def accelerated(world):
    """All of it by the accelerator: the CPU has not taken its place."""
    stats = world.show("accelerator")["accelerator"]
    assert stats["packets"] > 0 and stats["cpu_packets"] == 0 and stats["faults"] == 0, stats


def tcp(world):
    """Connections to the router itself: what comes is punted, out of the accelerator's memory, what goes is
    the kernel's, out of main memory."""
    data = os.urandom(100000)
    world.guest.run("nc -ll -p 22 -e cat >/dev/null 2>&1 </dev/null & echo $! >/tmp/nc")
    try:
        for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            for host in world.hosts:
                echoed(host, kind, host.gateway(family), data)
    finally:
        world.guest.run("kill $(cat /tmp/nc)")


def echoed(host, kind, to, data):
    def connects():
        with contextlib.suppress(ConnectionRefusedError):
            sock.connect((to, 22))
            return True

    with contextlib.closing(host.socket(kind, socket.SOCK_STREAM)) as sock:
        sock.settimeout(10)
        wait_until(connects, f"host {host.number} is connected to {to}", 5)
        back = b""
        for begin in range(0, len(data), 10000):
            sock.sendall(data[begin:begin + 10000])
            while len(back) < min(begin + 10000, len(data)):
                more = sock.recv(65536)
                assert more, f"host {host.number}: the connection has ended after {len(back)} bytes"
                back += more
        assert back == data, f"host {host.number}: not what was sent"


def resolves(world):
    """Hosts forget each other's, and the router's, addresses, and learn them again: ARP and ND are punted."""
    for host in world.hosts:
        host.ip("neigh flush all")
    world.guest.run("ip neigh flush all")
    checks_router.ping(world)


def silent(world):
    """Nothing holds the dma-buf, or any part of it for a device, and no NIC writes there."""
    wait_until(lambda: maps(world) == 0 and not attached(world, "barmem"), "the dma-buf is released", 5)
    before = world.bar.read_bytes()
    time.sleep(1)
    assert world.bar.read_bytes() == before, "it was written to after its user was killed"


def kill(world):
    """Killed amid traffic: the dma-buf is released, NICs write nothing more there, nor anywhere else. A new
    one goes on."""
    with noise(*world.hosts):
        before = world.bar.read_bytes()
        wait_until(lambda: world.bar.read_bytes() != before, "while it lives packets are written there", 5)
    checks_router.kill(world, silent)
    assert maps(world) == 2


def unplugged(world):
    """A device is gone, and what was mapped for it with it; the other goes on."""
    checks_router.unplugged(world, lambda world: attached(world, "barmem") == [Guest.address(0)])
    assert maps(world) == 2


def stopped(world):
    checks_router.stopped(world)
    assert maps(world) == 0 and not attached(world, "barmem")


def started_udmabuf(world):
    """Comes up with packets' buffers in main memory that NICs get as a dma-buf."""
    world.load("udmabuf")
    checks_router.started(DEVICES, **UDMABUF)(world)
    assert set(attached(world, "udmabuf")) == {Guest.address(0), Guest.address(1)}, world.log()


def kill_udmabuf(world):
    """Killed amid traffic: the dma-buf is released, and its pages, the canary's now, are not written to."""
    checks_router.kill(world, lambda world: wait_until(
        lambda: not attached(world, "udmabuf"), "the dma-buf is released", 5))


def without_dmabuf(world):
    """Where the kernel makes no dma-buf of the accelerator's memory, the daemon says so and ends."""
    said = world.refused(DEVICES, router=MODE)
    assert "udmabuf" in said, said


def over_vfio(world):
    """A device that is not the module's cannot have the accelerator's addresses."""
    said = world.refused(DEVICES, router=MODE)
    assert "vfio" in said and "kmod" in said, said
