# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program within the bounds of a systemd unit, where no systemd runs services:

    as_unit.py UNIT RUNTIME-FOLDER PROGRAM [ARGUMENT...]

From the unit's own lines: ProtectSystem=strict, ProtectKernelTunables=, ReadWritePaths= (mounts),
CapabilityBoundingSet=, NoNewPrivileges=, UMask=, SystemCallFilter= (groups as systemd-analyze lists
them) and SystemCallErrorNumber=. The other settings are not reproduced: they need systemd, or
cgroups. To be started in mount and network namespaces of its own.
"""

import errno
import os
import subprocess
import sys

import seccomp


def settings(path, key):
    """The words of all lines of a key."""
    with open(path) as unit:
        return [word for line in unit if line.startswith(key + "=")
                for word in line.split("=", 1)[1].split()]


def syscalls(names):
    """A list with systemd's groups resolved."""
    for name in names:
        if name.startswith("@"):
            listed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", name],
                                    capture_output=True, text=True, check=True).stdout.split("\n")
            yield from syscalls(line.strip() for line in listed[1:]
                                if line.strip() and not line.strip().startswith("#"))
        else:
            yield name


def allowed_syscalls(unit):
    """As systemd reads it: lines add to the list, those with ~ take away; @default is on it."""
    with open(unit) as lines:
        values = [line.strip().split("=", 1)[1] for line in lines
                  if line.startswith("SystemCallFilter=")]
    allowed = set(syscalls(["@default"]))
    for value in values:
        if value.startswith("~"):
            allowed -= set(syscalls(value[1:].split()))
        else:
            allowed |= set(syscalls(value.split()))
    return allowed


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def restrict_files(unit, folder):
    """All mounts read-only but /proc and /dev, then what the two settings say of /proc."""
    assert settings(unit, "ProtectSystem") == ["strict"]
    assert settings(unit, "ProtectKernelTunables") == ["yes"]
    mount("--make-rprivate", "/")
    with open("/proc/self/mounts") as mounts:
        points = {line.split()[1] for line in mounts}
    for point in points:
        if not (point + "/").startswith(("/proc/", "/dev/")):
            # One that lies hidden under another cannot be reached, and need not.
            subprocess.run(["mount", "-o", "remount,bind,ro", point], check=point == "/",
                           stderr=subprocess.DEVNULL)
    for path, how in [("/proc/sys", "ro"), *((p, "rw") for p in settings(unit, "ReadWritePaths")),
                      (folder, "rw")]:
        mount("--bind", path, path)
        mount("-o", f"remount,bind,{how}", path)


def restrict_syscalls(unit):
    names = allowed_syscalls(unit)
    [refusal] = settings(unit, "SystemCallErrorNumber")
    bounds = seccomp.SyscallFilter(seccomp.ERRNO(getattr(errno, refusal)))
    for name in names:
        if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
            bounds.add_rule(seccomp.ALLOW, name)
    bounds.load()


def main():
    unit, folder, *command = sys.argv[1:]
    kept = [name.removeprefix("CAP_").lower() for name in settings(unit, "CapabilityBoundingSet")]
    restrict_files(unit, folder)
    os.umask(int(settings(unit, "UMask")[0], 8))
    restrict_syscalls(unit)
    os.execvp("setpriv", ["setpriv", "--no-new-privs", "--bounding-set",
                          ",".join(["-all", *(f"+{name}" for name in kept)]), *command])


main()
