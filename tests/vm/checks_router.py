# SPDX-License-Identifier: BSD-2-Clause
"""The router in the guest, over whatever its ports are. Each check goes on where the one before left
it: running, with its addresses, reached by both hosts."""

import re
import time

from hosts import Stream, noise, wait_until


def spread(world, device):
    """The kernel's igb hashes addresses alone, with a random key: all of few hosts' streams may get one queue."""
    kind, _, name = device.partition(":")
    for family in (4, 6) if kind == "afxdp" else ():
        world.guest.output(f"ethtool -N {name} rx-flow-hash udp{family} sdfn")


def started(devices, **how):
    def start(world):
        """Comes up, its TAPs with carrier."""
        for device in devices:
            spread(world, device)
        world.start(devices, **how)
        world.configure()
        assert world.carrier("pl0") and world.carrier("pl1")
    return start


def ping(world):
    """Across, both ways, and to the router itself."""
    for family in (4, 6):
        for source, target in (world.hosts, reversed(world.hosts)):
            for to in (target.addr(family), source.gateway(family)):
                answered, output = source.ping(to, count=5)
                assert answered == 5, f"host {source.number} to {to}: {output}"


def planes(world):
    return world.show("planes")["planes"]


def plane_packets(world):
    return [sum(port["rx_packets"] for port in plane["ports"]) for plane in planes(world)]


def streams(world):
    """Numbered datagrams of 16 flows each way: each as it was sent, none before an earlier one of its
    flow. Both queues of the ports have their share, and what wakes their planes are interrupts."""
    before, slept = plane_packets(world), [plane["sleeps"] for plane in planes(world)]
    for family in (4, 6):
        for source, target in (world.hosts, reversed(world.hosts)):
            with Stream(source, target, family, flows=16) as stream:
                stream.run(1000)
            assert not stream.wrong, stream.wrong[:5]
            assert stream.lost == 0 and stream.received == 1000, \
                f"IPv{family} from host {source.number}: {stream.received} received, " \
                f"{stream.lost} lost of 1000"
    took = [now - then for now, then in zip(plane_packets(world), before)]
    assert min(took) > 400, f"planes received {took} of 4000 packets"
    sleeps = [plane["sleeps"] - then for plane, then in zip(planes(world), slept)]
    assert min(sleeps) > 20, f"planes slept {sleeps} times"


def wakes(world):
    """A plane with nothing to do sleeps, takes no time, and is woken by the next packet."""
    source, target = world.hosts
    time.sleep(2)  # cpu_ns is brought up to date once a second: what came before is in it then
    idle = [plane["cpu_ns"] for plane in planes(world)]
    begin = time.monotonic()
    time.sleep(2)
    busy = [now["cpu_ns"] - then for now, then in zip(planes(world), idle)]
    share = max(busy) / 1e9 / (time.monotonic() - begin)
    assert share < 0.2, f"an idle plane takes {share:.0%} of its core"
    for _ in range(5):
        answered, output = source.ping(target.v4, count=1)
        assert answered == 1, output


def link(world):
    """The cable's state is the TAP's carrier, and traffic goes on when it is back."""
    for i, host in enumerate(world.hosts):
        world.guest.set_link(i, False)
        wait_until(lambda n=i: not world.carrier(f"pl{n}"), f"pl{i} without carrier", every_s=0.1)
        world.guest.set_link(i, True)
        wait_until(lambda n=i: world.carrier(f"pl{n}"), f"pl{i} with carrier", every_s=0.1)
        wait_until(lambda h=host: h.reaches(h.gateway4), f"host {host.number} reaches the router")
    ping(world)


def errors(world):
    """What the kernel answers for the router: hop limits, missing routes, packets too long."""
    source, target = world.hosts
    for family, text in ((4, "Time to live exceeded"), (6, "Time exceeded: Hop limit")):
        _, output = source.ping(target.addr(family), count=1, options=["-t", 1])
        assert text in output and source.gateway(family) in output, output
    _, output = source.ping("10.99.0.1", count=1)
    assert "Unreachable" in output, output
    _, output = source.ping("fd99::1", count=1)
    assert "nreachable" in output, output
    world.guest.run("ip link set pl1 mtu 1400")
    target.ip("link set eth0 mtu 1400")
    try:
        # Kernel drivers take their link down to change it.
        wait_until(lambda: source.reaches(target.v4), "the link is back")
        _, output = source.ping(target.v4, count=1, options=["-M", "do", "-s", 1400])
        assert "mtu" in output.lower(), output
        source.run("ip route flush cache", check=False)
        answered, output = source.ping(target.v4, count=3, options=["-M", "dont", "-s", 1400])
        assert answered == 3, f"in fragments: {output}"
    finally:
        world.guest.run("ip link set pl1 mtu 1500")
        target.ip("link set eth0 mtu 1500")
        for host in world.hosts:
            host.run("ip route flush cache", check=False)
            host.run("ip -6 route flush cache", check=False)


def routes(world):
    """Follows the kernel's routes while packets go: a prefix moves, becomes a black hole, goes."""
    source, target = world.hosts
    target.ip("addr add 10.50.0.1/32 dev eth0")
    world.guest.run(f"ip route add 10.50.0.0/24 via {target.v4}")
    wait_until(lambda: source.reaches("10.50.0.1"), "the new prefix is reached")
    world.guest.run("ip route replace blackhole 10.50.0.0/24")
    wait_until(lambda: not source.reaches("10.50.0.1"), "a black hole swallows")
    world.guest.run("ip route del 10.50.0.0/24")
    target.ip("addr del 10.50.0.1/32 dev eth0")


def stopped(world):
    """Ends on SIGTERM; its TAPs stay, without carrier."""
    world.stop()
    assert not world.carrier("pl0")


def cleaned(world):
    world.guest.run("peerlane cleanup")
    assert "pl0" not in world.guest.output("ip -br link")


def restart(world):
    """Stopped and started again: addresses and routes are on the TAPs, nothing has to be set up anew."""
    source, target = world.hosts
    target.ip("addr add 10.60.0.1/32 dev eth0")
    world.guest.run(f"ip route add 10.60.0.0/24 via {target.v4}")
    world.stop()
    world.again()
    wait_until(lambda: source.reaches("10.60.0.1"), lambda: f"the route is there still; {world.log()}")
    ping(world)
    world.guest.run("ip route del 10.60.0.0/24")
    target.ip("addr del 10.60.0.1/32 dev eth0")


def limits(world):
    """What would flood the kernel is limited, and others are not disturbed: ten packets a second without
    a route are configured, some hundreds come."""
    source, target = world.hosts

    def counts():
        rows = {row["class"]: row for row in world.show("limits")["limits"]}
        return rows["no-route"]["passed"], rows["no-route"]["dropped"]

    world.stop()
    world.again(more="[PuntLimits]\nNoRoute=10\n")
    wait_until(lambda: source.reaches(target.v4), lambda: f"traffic flows again; {world.log()}")
    passed, dropped = counts()
    with noise(source, target, rate=300, to="10.99.0.1"):
        wait_until(lambda: counts()[1] > dropped + 200, "the flood is dropped")
        answered, output = source.ping(target.v4, count=5)
        assert answered == 5, output
    assert counts()[0] - passed < (counts()[1] - dropped) // 2, f"{passed, dropped} -> {counts()}"


def unplugged(world, also=lambda world: True):
    """A device is pulled out of its slot, by QEMU: its port loses its carrier, the other goes on. Plugged in,
    bound, and the router started anew, it is as before. `also` tells what else is to be so without it."""
    guest, (stays, goes) = world.guest, world.hosts
    folder = f"/sys/bus/pci/devices/{guest.address(1)}"
    guest.unplug(1)
    wait_until(lambda: guest.run(f"test -e {folder}", check=False).status, "the kernel has lost it")
    wait_until(lambda: not world.carrier("pl1"), lambda: f"pl1 without carrier; {world.log()}")
    assert stays.reaches(stays.gateway4), world.log()
    assert world.answers() and also(world), world.log()
    guest.plug(1)
    wait_until(lambda: not guest.run(f"test -e {folder}", check=False).status, "the kernel has it again")
    world.stop()
    guest.run(f"peerlane bind {guest.address(1)} {world.backend}")
    world.again()
    wait_until(lambda: stays.reaches(goes.v4), lambda: f"traffic flows again; {world.log()}")
    ping(world)


def kill(world, also=None):
    """Killed amid traffic, which goes on: none of the memory that it had is written to after the
    kernel has it back. A new one takes the devices over at once. `also` looks at more, meanwhile."""
    guest = world.guest
    source, target = world.hosts
    with noise(source, target), noise(target, source):
        before = sum(plane_packets(world))
        wait_until(lambda: sum(plane_packets(world)) > before + 200, "traffic flows")
        guest.run(f"vm-canary frames {world.daemon} /tmp/frames")
        held = guest.run(f"kill -KILL {world.daemon}; while kill -0 {world.daemon} 2>/dev/null; "
                         "do :; done; vm-canary hold /tmp/frames 4", check=False)
        world.daemon = None
        assert held.status == 0, held.output
        assert re.search(r"^0 pages written to", held.output, re.M), held.output
        guest.run("sh /tests/poison.sh")
        if also:
            also(world)
        world.again()
    world.configure()
    with Stream(source, target, 4) as stream:
        stream.run(500)
    assert stream.received == 500 and not stream.wrong, f"{stream.received} of 500 {stream.wrong}"
