# SPDX-License-Identifier: BSD-2-Clause
"""What is checked in which guest, in this order. A check is a function of a World; it returns, or
raises AssertionError, or Skip with the reason. After each the kernel's log is looked at."""

import re
import subprocess
import traceback

import checks_eval
import checks_gpu
import checks_pci
import checks_router
from guest import Guest, GuestError
from world import World


class Skip(Exception):
    pass


# What the kernel says when something is wrong with it, or with a device's use of memory.
ALARM = re.compile(r"WARNING:|\bBUG\b|Oops|KASAN|UBSAN|Call Trace|possible (circular|recursive)|"
                   r"inconsistent lock|suspicious RCU|corrupt|refcount_t|general protection|"
                   r"blocked for more than|soft lockup|rcu:.*(stalls|starved)|DMAR:.*\[|DMAR:.*fault|"
                   r"Bad page|bad pte|nobody cared|segfault|trap |leak")
# Lines of every boot that only look like it.
HARMLESS = re.compile(r"This is not a bug|report a bug")


def alarms(lines):
    return [line for line in lines if ALARM.search(line) and not HARMLESS.search(line)]


def boots(world):
    """The guest is up, its kernel without complaint, all its NICs there."""
    found = world.guest.output("cat /sys/bus/pci/devices/*/device").split().count("0x10c9")
    assert found == world.n_nics, f"{found} NICs of {world.n_nics}"


def running(check):
    """The check, or at once a failure when no router runs to be checked."""
    def look_first(world):
        assert world.daemon, "no router runs"
        check(world)
    return look_first


def router(kind, devices):
    """The router over ports of one kind, from start to end."""
    return [(f"{kind}-{name}", check) for name, check in (
        ("start", checks_router.started(devices)), ("ping", running(checks_router.ping)),
        ("streams", running(checks_router.streams)), ("wakes", running(checks_router.wakes)),
        ("errors", running(checks_router.errors)), ("routes", running(checks_router.routes)),
        ("link", running(checks_router.link)))]


def over_pci(backend, prefix="", gpu=()):
    devices = [f"pci:{Guest.address(i)}" for i in (0, 1)]
    return [(f"{prefix}{name}", check) for name, check in (
        ("bind", checks_pci.bound(backend)), *router("pci", devices),
        ("backend", running(checks_pci.named_backend)), ("limits", running(checks_router.limits)),
        ("kill", running(checks_router.kill)), ("restart", running(checks_router.restart)),
        ("unplug", running(checks_router.unplugged)), ("stop", running(checks_router.stopped)), *gpu,
        ("cleanup", checks_router.cleaned), ("control", checks_pci.control),
        ("peer", checks_pci.peer), ("udev", checks_pci.udev), ("cycles", checks_pci.cycles),
        ("abuse", checks_pci.abuse),
        ("suspend", checks_pci.suspend), ("unbind", checks_pci.unbound))]


# Where another device's memory is the accelerator's.
OF_PEER = [(f"gpu-{name}", check) for name, check in (
    ("refused", checks_gpu.without_dmabuf), ("start", checks_gpu.started),
    ("ping", running(checks_router.ping)), ("streams", running(checks_router.streams)),
    ("sizes", running(checks_gpu.sizes)), ("places", running(checks_gpu.places)),
    ("errors", running(checks_router.errors)), ("resolves", running(checks_gpu.resolves)),
    ("tcp", running(checks_gpu.tcp)), ("accelerated", running(checks_gpu.accelerated)),
    ("kill", running(checks_gpu.kill)), ("unplug", running(checks_gpu.unplugged)),
    ("stop", running(checks_gpu.stopped)))]

OF_UDMABUF = [(f"gpu-{name}", check) for name, check in (
    ("start", checks_gpu.started_udmabuf), ("ping", running(checks_router.ping)),
    ("streams", running(checks_router.streams)), ("kill", running(checks_gpu.kill_udmabuf)),
    ("stop", running(checks_router.stopped)))]


def but(checks, *names):
    """All except these."""
    return [(name, check) for name, check in checks if name not in names]


def only(checks, *names):
    return [(name, check) for name, check in checks if name in names]


FIRST = [("boot", boots), ("igb", checks_pci.kernel_driver)]

OF_MODULE = ("peer", "udev", "abuse", "suspend")

CHECKS = {
    "kmod": [*FIRST,
             *router("afxdp", ["afxdp:eth0", "afxdp:eth1"]),
             ("afxdp-stop", running(checks_router.stopped)),
             *over_pci("kmod", gpu=OF_PEER),
             ("lockdown", checks_pci.lockdown)],
    "vfio": [*FIRST,
             *router("emu", ["emu:eth0", "emu:eth1"]),
             ("emu-stop", running(checks_router.stopped)),
             *but(over_pci("vfio", gpu=[("gpu-refused", checks_gpu.over_vfio)]), *OF_MODULE)],
    "eval": [("boot", boots), ("files", checks_eval.files),
             ("vfio", checks_eval.evaluated("vfio", ["nic-cpu", "nic-cpu-gpu", "nic-cpu-2-planes"],
                                            {"nic-gpu": "vfio cannot", "nic-cpu-gpu-2-planes": "not as many cores"})),
             ("kmod", checks_eval.evaluated("kmod", ["nic-gpu"], {})),
             ("afxdp", checks_eval.afxdp)],
    # On the newer kernel what depends on it, and the module behind an IOMMU.
    "newer": [*FIRST,
              *but(over_pci("kmod", "kmod-", OF_UDMABUF), *(f"kmod-{name}" for name in (
                  "pci-wakes", "pci-errors", "pci-routes", "limits", "restart"))),
              *only(over_pci("vfio", "vfio-"), *(f"vfio-{name}" for name in (
                  "bind", "pci-start", "pci-ping", "pci-streams", "backend", "stop", "unbind"))),
              ("lockdown", checks_pci.lockdown)],
}


def one(world, name, check, report, seen):
    """Runs one check; returns how many lines the kernel's log has now, None when the guest is gone."""
    name = f"{world.name}/{name}"
    result, reason = "PASS", ""
    world.expected, world.skipped = None, []
    try:
        check(world)
    except Skip as skip:
        result, reason = "SKIP", str(skip)
    except AssertionError as error:
        at = traceback.extract_tb(error.__traceback__)[1:]
        result, reason = "FAIL", f"{error}\n  at " + ", ".join(f"{f.name}:{f.lineno}" for f in at)
    except (OSError, ValueError, LookupError, subprocess.SubprocessError):
        result, reason = "FAIL", traceback.format_exc()
    try:
        log = world.kernel_log()
    except GuestError as error:
        report.add("FAIL", name, f"{reason}\n{error}")
        return None
    bad = [line for line in alarms(log[seen:])
           if not (world.expected and world.expected.search(line))]
    if bad:
        result = "FAIL"
        first = seen + log[seen:].index(bad[0])
        reason += "\nthe kernel's log:\n" + "\n".join(log[max(first - 5, 0):first + 40])
    report.add(result, name, reason)
    for line in world.skipped:
        report.add("SKIP", name, line.removeprefix("SKIP "))
    return len(log)


def run(name, manifest, image, folder, report, only, append):
    part = "boot"
    try:
        with World(name, manifest, image, folder, append) as world:
            seen, part = 0, "end"
            for title, check in CHECKS[name]:
                if any(wanted in title for wanted in only.split(",")):
                    seen = one(world, title, check, report, seen)
                if seen is None:
                    break
    except (AssertionError, OSError) as error:
        report.add("FAIL", f"{name}/{part}", str(error))
    report.end()
