# SPDX-License-Identifier: BSD-2-Clause
"""The two ways to a device: binding, what happens to memory when things go wrong, leaks."""

import contextlib
import re
import time

from guest import Guest
from hosts import UDP_PORT, noise, payload, udp_socket, wait_until
from world import N_NICS

CYCLES = 1000
FEW_CYCLES = 60  # by vfio, which is the kernel's own module


def driver(world, i):
    path = f"/sys/bus/pci/devices/{Guest.address(i)}/driver"
    return world.guest.output(f"basename $(readlink {path} || echo none)").strip()


def kernel_driver(world):
    """The kernel's own igb drives the NICs first."""
    world.load("igb", "tun")
    for i in (0, 1):
        assert driver(world, i) == "igb"
    for i in (0, 1):
        world.guest.run(f"sysctl -w net.ipv6.conf.eth{i}.disable_ipv6=1; ip link set eth{i} up")


def bound(backend):
    def bind(world):
        """`peerlane bind` takes NICs from the kernel's driver, but none that a default route is over."""
        world.backend = backend
        world.load(*{"kmod": ("peerlane",), "vfio": ("vfio_iommu_type1", "vfio_pci")}[backend])
        guest = world.guest
        guest.run("ip link set eth0 up; ip route add default dev eth0")
        refused = guest.run(f"peerlane bind {Guest.address(0)} {backend}", check=False)
        assert refused.status and "eth0" in refused.output, refused.output
        assert driver(world, 0) == "igb"
        guest.run("ip route del default")
        for i in range(N_NICS):
            guest.run(f"peerlane bind {Guest.address(i)} {backend}")
            assert driver(world, i) == {"kmod": "peerlane", "vfio": "vfio-pci"}[backend]
    return bind


def unbound(world):
    """`peerlane unbind` gives them back to the driver they had."""
    for i in (0, 1):
        world.guest.run(f"peerlane unbind {Guest.address(i)}")
        assert driver(world, i) == "igb"
    wait_until(lambda: "eth1" in world.guest.output("ip -br link"), "eth1 is there again",
               every_s=0.2)


def named_backend(world):
    """The daemon says by which way it has its ports."""
    told = {port["name"]: port for port in world.show("ports")["ports"]}
    for name in ("pl0", "pl1"):
        assert f"82576 ({world.backend}" in told[name]["model"], told[name]


def control(world):
    """What is to tell of DMA into memory that was taken back does tell: a NIC is let write there on
    purpose. (Else that nothing is told would mean nothing.)"""
    guest, seen = world.guest, len(world.kernel_log())
    source = world.hosts[0]
    source.ip(f"neigh replace {source.gateway4} lladdr {guest.mac(0)} dev eth0")
    try:
        with noise(source, world.hosts[1]):
            wild = guest.begin(f"vm-wild {Guest.address(0)} 6 >/tmp/wild & pid=$!\n"
                               "for i in $(seq 1000); do grep -q unmapped /tmp/wild && break; "
                               "kill -0 $pid || break; usleep 20000; done\n"
                               "cat /tmp/wild\n"
                               "echo 0 >/tmp/frames; vm-canary hold /tmp/frames 3; wait $pid")
            result = guest.finish(wild, 60)
    finally:
        source.ip(f"neigh del {source.gateway4} dev eth0")
    assert "unmapped" in result.output, result.output
    log = "\n".join(world.kernel_log()[seen:])
    if world.iommu:
        assert re.search(r"DMAR:.*DMA Write.*fault addr", log), f"no fault told:\n{log}"
        assert re.search(r"^0 pages written to", result.output, re.M), result.output
    else:
        assert re.search(r"^written: frame", result.output, re.M), result.output
    world.expected = re.compile(r"DMAR:")


def abuse(world):
    """What a process may try on the module (abuse*.c), which also looks at what the kernel thought of
    it. The kernel's own driver is not there: it would take what is unbound."""
    guest = world.guest
    guest.run("rmmod igb")
    world.load("exporter", "udmabuf", "aer_inject")
    result = guest.run(f"vm-abuse {Guest.address(2)} -m /modules/peerlane.ko", 300,
                       check=False)
    world.load("igb")
    lines = result.output.splitlines()
    world.skipped = [line for line in lines if line.startswith("SKIP")]
    passed = sum(line.startswith("PASS") for line in lines)
    failed = [f"{above}\n{line}" for above, line in zip(lines, lines[1:])
              if line.startswith("FAIL") or line.startswith("#") and "[" in line]
    assert result.status == 0 and passed > 100, f"{lines[-1:]}\n" + "\n".join(failed)


def suspend(world):
    """The machine does not sleep while a device of the module's is open, and does when none is; they work
    afterwards. (QEMU's igb, whoever has it, comes back without its extended configuration space: so late.)"""
    guest, node = world.guest, f"/dev/peerlane/{Guest.address(2)}"
    refused = guest.run(f"exec 3<>{node}; ! echo mem >/sys/power/state", check=False)
    assert refused.status == 0, refused.output
    slept = guest.suspend()
    assert slept.status == 0, slept.output
    guest.run(f"vm-cycles {Guest.address(2)} 2")


def lockdown(world):
    """A kernel that is locked down (there is no way back) gives out the devices that an IOMMU confines."""
    guest = world.guest
    guest.run(f"peerlane bind {Guest.address(2)} kmod")
    guest.run("mount -t securityfs security /sys/kernel/security; "
              "echo integrity >/sys/kernel/security/lockdown")
    result = guest.run(f"vm-cycles {Guest.address(2)} 2", check=False)
    if world.iommu:
        assert result.status == 0, result.output
    else:
        assert result.status and "lockdown" in result.output, result.output


def udev(world):
    """With the rule and the group the devices are the group's, and a member opens them without any
    capability where an IOMMU confines them; else not."""
    guest, node = world.guest, f"/dev/peerlane/{Guest.address(2)}"
    guest.run("grep -q ^peerlane: /etc/group || echo peerlane:x:990: >>/etc/group\n"
              "pidof systemd-udevd || /usr/lib/systemd/systemd-udevd --daemon\n"
              "udevadm trigger --action=add --subsystem-match=peerlane; udevadm settle")
    assert guest.output(f"stat -c '%a %g' {node}").strip() == "660 990", guest.output(f"ls -l {node}")
    # A device that is bound now has its rights from the start.
    guest.run(f"peerlane unbind {Guest.address(2)}; peerlane bind {Guest.address(2)} kmod; udevadm settle")
    assert guest.output(f"stat -c '%a %g' {node}").strip() == "660 990", guest.output(f"ls -l {node}")
    member = guest.run(f"setpriv --reuid 1000 --regid 990 --clear-groups --bounding-set -all "
                       f"sh -c 'exec 3<>{node}'", check=False)
    other = guest.run(f"setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'exec 3<>{node}'",
                      check=False)
    assert (member.status == 0) == world.iommu, member.output
    assert other.status, "another user opens it"


def echoed(source, count):
    """Datagrams go out and come back as they were. Returns the last."""
    with contextlib.closing(udp_socket(source, 4)) as sock:
        sock.settimeout(5)
        for number in range(count):
            data = payload(number % 16, number)
            sock.sendto(data, (source.gateway4, UDP_PORT))
            assert sock.recv(2048) == data, f"datagram {number} has changed on its way"
    return data


def peer(world):
    """A NIC's packets are in the memory of another PCI device, a stand-in for a GPU's, as which the module
    imports it: they are written there and read from there, and no more once the user is killed."""
    guest, source = world.guest, world.hosts[0]
    command = f"vm-peer {Guest.address(0)} 60 >/tmp/peer 2>&1 </dev/null & echo $!"

    def begin():
        pid = guest.output(command).strip()
        wait_until(lambda: "ready" in guest.output("cat /tmp/peer"),
                   lambda: f"vm-peer is ready: {guest.output('cat /tmp/peer')}", every_s=0.2)
        return pid

    def maps():
        return int(guest.output("vm-peer maps || true"))

    world.load("barmem")
    source.ip(f"neigh replace {source.gateway4} lladdr {guest.mac(0)} dev eth0")
    try:
        pid = begin()
        assert maps() == 1
        data = echoed(source, 300)
        assert data in world.bar.read_bytes(), "the packets are elsewhere"
        with noise(source, source, to=source.gateway4):
            guest.run(f"kill -KILL {pid}; while kill -0 {pid} 2>/dev/null; do :; done")
            wait_until(lambda: maps() == 0, lambda: f"nothing is mapped any more: {maps()}")
            before = world.bar.read_bytes()
            time.sleep(1)
            assert world.bar.read_bytes() == before, "it was written to after its user was killed"
        pid = begin()
        echoed(source, 100)
        guest.run(f"kill -TERM {pid}")
        wait_until(lambda: "answered" in guest.output("cat /tmp/peer"), "vm-peer ends", every_s=0.2)
        assert maps() == 0
    finally:
        source.ip(f"neigh del {source.gateway4} dev eth0")


def usage(world):
    """What open, map, unmap, close must leave as it was."""
    text = world.guest.output("sh /tests/usage.sh")
    return {name: int(value) for name, value in re.findall(r"^(\S+) (\d+)$", text, re.M)}


# What a leak in each tenth cycle would be seen by. The kernel's own use of pages and objects varies by less.
NOISE = CYCLES // 10
# Freed some time later, many at once: those that are mapped are counted as "vmalloc".
LAZY = "slab:vmap_area"


def difference(before, now):
    """What is missing, or too much."""
    found = {}
    for name in before.keys() | now.keys():
        more = now.get(name, 0) - before.get(name, 0)
        if name == "free_pages":
            wrong = -more >= NOISE
        elif name == "vmalloc" or name.startswith("slab:"):
            wrong = more >= NOISE and name != LAZY
        else:
            wrong = more != 0
        if wrong:
            found[name] = more
    return found


def cycles(world):
    """1,000 times (by vfio fewer) open, map, unmap, close, each with its resets, on all devices at a time: not a
    page is left pinned, not a vector, not an object in the kernel."""
    guest = world.guest

    def turn(count):
        begun = [guest.begin(f"vm-cycles {Guest.address(i)} {count}") for i in range(N_NICS)]
        for one in begun:
            result = guest.finish(one, 500)
            assert result.status == 0, result.output

    turn(4)  # what is made once and kept
    before = usage(world)
    turn(-(-(FEW_CYCLES if world.backend == "vfio" else CYCLES) // N_NICS))
    found = {}

    def all_back():
        """The kernel frees some of it a while later."""
        found.clear()
        found.update(difference(before, usage(world)))
        return not found

    wait_until(all_back, lambda: f"all is back after {CYCLES} cycles; more than before: {found}",
               every_s=2)
